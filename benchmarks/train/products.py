"""Where gathering spikes beats a dense product: forward and weight gradient together, over density and size.

    python benchmarks/train/products.py

Spikes of 8000 rows. `spikewright.train.fused.products.DENSITY` and `HALF_DENSITY` are read off the result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import RESULTS, interleaved, machine

from spikewright.train.fused import bits, products
from spikewright.train.fused.products import Choice

ROWS = 8000
SIZES = (128, 256, 512, 1024)
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


def cases(n: int, density: float) -> dict[str, Any]:
    """Return way -> forward and weight gradient of a layer n to n."""
    draw = torch.Generator().manual_seed(n)
    x = (torch.rand((ROWS, 1, n), generator=draw) < density).float()
    weight, grad = torch.randn((n, n), generator=draw), torch.randn((ROWS, n), generator=draw)
    flat = x.flatten(0, 1)

    def events() -> None:
        words = np.empty((ROWS, -(-n // 64)), np.uint64)
        products.count(x, words)
        rows, out = weight.t().contiguous().numpy(), np.zeros((ROWS, n), np.float32)
        bits.gather_all(words, rows, out)
        bits.weight_gradient(words, ROWS, 0, grad.numpy(), 0, n, np.zeros((n, n), np.float32))

    def dense(choice: Choice) -> None:
        products.product(flat, weight, choice)
        products.product(grad.t(), flat.t(), choice)

    return {
        "events": events,
        "oneDNN": lambda: dense(Choice.DENSE),
        "bfloat16": lambda: dense(Choice.BFLOAT16),
        "default": lambda: (flat @ weight.t(), grad.t() @ flat),
    }


def main() -> None:
    """Time every way for every size and density; print and write the table."""
    torch.set_num_threads(1)
    rows = []
    for n in SIZES:
        for density in DENSITIES:
            seconds = interleaved(cases(n, density), rounds=5)
            best = {way: min(times) * 1e3 for way, times in seconds.items()}
            rows.append({"n": n, "density": density, "cpu_ms": best})
            print(n, density, {way: round(ms, 2) for way, ms in best.items()}, flush=True)
    crossing = {}
    for n in SIZES:
        mine = [r for r in rows if r["n"] == n]
        for way in ("oneDNN", "bfloat16", "default"):
            wins = [r["density"] for r in mine if r["cpu_ms"]["events"] < r["cpu_ms"][way]]
            crossing[f"{way} {n}"] = max(wins, default=0.0)
    print("largest density at which events win:", crossing)
    text = json.dumps(
        {
            "name": "train_products",
            "machine": machine(),
            "rows": rows,
            "events_win_up_to": crossing,
        },
        indent=1,
    )
    (RESULTS / "train_products.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
