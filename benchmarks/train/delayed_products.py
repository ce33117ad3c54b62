"""What arrives after learned delays: spike by spike against oneDNN's convolution, for several densities.

Where the two cross decides `DENSITY` of `spikewright.train.delays.convolve`. CPU time, forward and gradient of the
weights; fastest of some interleaved rounds.

    OMP_NUM_THREADS=1 python benchmarks/train/delayed_products.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import RESULTS, interleaved, machine

from spikewright.train.delays import convolve
from spikewright.train.fused.products import Choice

SHAPES = (
    (50, 64, 80, 64, 26),
    (50, 64, 128, 128, 26),
    (100, 32, 256, 256, 26),
    (250, 16, 512, 512, 11),
)
"""Steps, batch, sources, targets, whole delays."""
DENSITIES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)


def case(shape: tuple[int, ...], density: float, way: Choice):  # type: ignore[no-untyped-def]
    """Return a function that runs forward and back to the weights."""
    steps, batch, n_pre, n_post, n = shape
    draw = torch.Generator().manual_seed(1)
    x = (torch.rand(steps + n - 1, batch, n_pre, generator=draw) < density).float()
    weight = torch.randn(n_pre, n, n_post, generator=draw).requires_grad_()
    grad = torch.randn(steps, batch, n_post, generator=draw)

    def run() -> None:
        convolve.DENSITY = 1.0 if way is Choice.EVENTS else -1.0
        found, (chosen, _) = convolve.convolve(x, weight)
        if chosen is not way:
            raise RuntimeError(f"{chosen} in place of {way}")
        weight.grad = None
        found.backward(grad)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for shape in SHAPES:
        for density in DENSITIES:
            cases = {way.name: case(shape, density, way) for way in (Choice.EVENTS, Choice.DENSE)}
            best = {n: min(times) for n, times in interleaved(cases, rounds=args.rounds).items()}
            row = dict(zip(("steps", "batch", "pre", "post", "delays"), shape, strict=True))
            rows.append(
                row | {"density": density} | {f"{n.lower()}_cpu_s": s for n, s in best.items()}
            )
            print(shape, density, {n: f"{s * 1e3:.1f} ms" for n, s in best.items()}, flush=True)
    result = {
        "name": "delayed_products",
        "note": __doc__.splitlines()[0],
        "command": " ".join(
            ["OMP_NUM_THREADS=1 python benchmarks/train/delayed_products.py", *sys.argv[1:]]
        ),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "rows": rows,
    }
    (RESULTS / "delayed_products.json").write_text(
        json.dumps(result, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
