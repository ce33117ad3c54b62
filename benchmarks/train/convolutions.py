"""Where adding patches spike by spike beats a dense convolution: forward and weight gradient together, over density.

    python benchmarks/train/convolutions.py

400 images. `spikewright.train.conv.DENSITY` is read off the result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import RESULTS, interleaved, machine

from spikewright.train.conv import event_conv

IMAGES = 400
SHAPES = {
    "2 to 12 channels, 34 x 34, 5 x 5": (2, 12, 34, 5, 1),
    "12 to 32 channels, 15 x 15, 5 x 5": (12, 32, 15, 5, 1),
    "32 to 64 channels, 14 x 14, 3 x 3": (32, 64, 14, 3, 1),
    "2 to 16 channels, 64 x 64, 3 x 3, stride 2": (2, 16, 64, 3, 2),
}
DENSITIES = (0.005, 0.01, 0.02, 0.04, 0.08, 0.12)


def cases(
    channels: int, out: int, size: int, width: int, stride: int, density: float
) -> dict[str, Callable[[], None]]:
    """Return way -> forward and weight gradient."""
    draw = torch.Generator().manual_seed(1)
    x = (torch.rand((IMAGES, channels, size, size), generator=draw) < density).float()
    last = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn((out, channels, width, width), generator=draw).requires_grad_()
    like = functional.conv2d(x, weight, stride=stride).detach()
    grad = torch.randn(like.shape, generator=draw)
    grad_last = grad.contiguous(memory_format=torch.channels_last)

    def events() -> None:
        y = event_conv(x, weight, [stride] * 2, [0, 0], [1, 1], 1e9)[0]
        torch.autograd.grad(y, weight, grad_last)

    def dense(images: torch.Tensor, g: torch.Tensor) -> None:
        torch.autograd.grad(functional.conv2d(images, weight, stride=stride), weight, g)

    return {
        "events": events,
        "dense": lambda: dense(x, grad),
        "dense, channels last": lambda: dense(last, grad_last),
    }


def main() -> None:
    """Time every way for every shape and density; print and write the table."""
    torch.set_num_threads(1)
    rows, crossing = [], {}
    for name, shape in SHAPES.items():
        for density in DENSITIES:
            seconds = interleaved(cases(*shape, density), rounds=5)
            best = {way: min(times) * 1e3 for way, times in seconds.items()}
            rows.append({"shape": name, "density": density, "cpu_ms": best})
            print(name, density, {way: round(ms, 2) for way, ms in best.items()}, flush=True)
        wins = [
            r["density"]
            for r in rows
            if r["shape"] == name and r["cpu_ms"]["events"] == min(r["cpu_ms"].values())
        ]
        crossing[name] = max(wins, default=0.0)
    print("largest density at which events win:", crossing)
    found = {
        "name": "train_convolutions",
        "machine": machine(),
        "images": IMAGES,
        "rows": rows,
        "events_win_up_to": crossing,
    }
    text = json.dumps(found, indent=1)
    (RESULTS / "train_convolutions.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
