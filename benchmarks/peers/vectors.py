"""What the scripts of this folder share: stimuli, rounding, and files that say how they were made.

A vector file holds arrays and one string, `meta` (JSON): script, peer, version, seed, parameters.
The conventions of the arrays stand in `tests/golden/simulate/README.md`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(
    os.environ.get(
        "SPIKEWRIGHT_VECTORS", Path(__file__).resolve().parents[2] / "tests/golden/simulate"
    )
)
DT = 1e-4  # s
STEPS = 2000  # 200 ms
KEPT_BITS = 40  # of the mantissa: a relative error below 5e-13, and files one third smaller


def step_current(pieces: Iterable[tuple[int, int, float]], *, steps: int = STEPS) -> np.ndarray:
    """Return the current of each step from `(first, end, value)` pieces; zero elsewhere."""
    current = np.zeros(steps)
    for first, end, value in pieces:
        current[first:end] = value
    return current


def input_spikes(seed: int, *, first: int, end: int, exc: float, inh: float) -> dict[str, Any]:
    """Return sorted arrival steps of both kinds at mean rates `exc` and `inh` (Hz), from `first` to `end`.

    One excitatory step is repeated (two spikes at once), and one spike of each kind falls on the same step.
    """
    draw = np.random.default_rng(seed)
    span = end - first

    def some(rate: float) -> np.ndarray:
        return np.sort(draw.choice(span, size=round(rate * span * DT), replace=False)) + first

    excitatory, inhibitory = some(exc), some(inh)
    twice = excitatory[len(excitatory) // 2]
    both = inhibitory[len(inhibitory) // 2]
    return {"exc": np.sort(np.r_[excitatory, twice, both]), "inh": inhibitory}


def rounded(values: np.ndarray) -> np.ndarray:
    """Round to `KEPT_BITS` bits, so that the zeros behind them compress."""
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    scale = 2.0**KEPT_BITS
    return np.ldexp(np.round(mantissa * scale) / scale, exponent)


def save(name: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write `<name>.npz`; floating-point arrays are rounded, except those whose name starts with `w`."""
    kept = {
        key: value if value.dtype.kind != "f" or key.startswith("w_") else rounded(value)
        for key, value in arrays.items()
    }
    text = json.dumps(meta, default=_plain, sort_keys=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.npz"
    np.savez_compressed(path, meta=np.array(text), **kept)
    print(f"{path.name}: {path.stat().st_size / 1e3:.1f} kB, " + ", ".join(arrays))


def save_json(name: str, content: Mapping[str, Any]) -> None:
    """Write `<name>.json`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, default=_plain) + "\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
