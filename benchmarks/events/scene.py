"""Events that files are made of: edges that sweep over rows, and single pixels between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray]


def scene(n: int, width: int, height: int, *, rate: float = 10e6, seed: int = 7) -> Columns:
    """Return `n` events in order of time.

    Half of all bursts are one pixel, the others 2 to 24 neighbors of one row and polarity at the same time, of which
    a fifth stay silent: vectors of the formats that have them are neither full nor empty. Bursts come at random.

    Parameters
    ----------
    n : how many
    width, height : of the sensor
    rate : events per second
    seed : of the generator
    """
    g = np.random.default_rng(seed)
    mean = 0.5 + 0.5 * 13 * 0.8
    bursts = int(n / mean * 1.05) + 64
    length = np.where(g.random(bursts) < 0.5, 1, g.integers(2, 25, bursts))
    t = np.cumsum(g.exponential(mean / rate * 1e6, bursts)).astype(np.int64)
    # the edge drifts to the right and comes in again at the left, a little unsharp
    left = (t * 1e-6 * 400 + g.normal(0, 30, bursts)).astype(np.int64) % (width - 24)
    alone = length == 1
    left[alone] = g.integers(0, width - 24, int(alone.sum()))
    row, on = g.integers(0, height, bursts), g.integers(0, 2, bursts)
    which = np.repeat(np.arange(bursts), length)
    step = np.arange(which.size) - np.repeat(np.cumsum(length) - length, length)
    kept = np.flatnonzero((step == 0) | (g.random(which.size) < 0.8))[:n]
    if kept.size < n:
        raise RuntimeError(f"scene: {kept.size} events came out, {n} wanted")
    which, step = which[kept], step[kept]
    return {
        "t": t[which],
        "x": (left[which] + step).astype(np.uint16),
        "y": row[which].astype(np.uint16),
        "p": on[which].astype(np.uint8),
    }
