"""Compiled loops of Xylo Audio 3's front end, in integers; the notation is that of `xylo`."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

compiled = njit(cache=True, nogil=True, error_model="numpy")

Whole = NDArray[np.int64]


@compiled
def filter_bank(x: Whole, filters: Whole, input_shift: int, w: Whole, out: Whole) -> None:
    """Filter samples, T, into `out`, T 16; `w`, 4 x 16, holds the newest values of each filter and goes on."""
    for k in range(len(x)):
        for c in range(len(filters)):
            b_b, b_af, a1, a2 = filters[c]
            out[k, c] = w[0, c] - w[2, c]
            fed_back = (-a2 * w[1, c] - a1 * w[0, c]) >> b_af
            newest = ((x[k] << input_shift) + fed_back) >> b_b
            w[2, c] = w[1, c]
            w[1, c] = w[0, c]
            w[0, c] = newest


@compiled
def fire(
    filtered: Whole, fixed: int, joint: bool, b1: int, b2: int, shift: int, least: int, mean: Whole,
    v: Whole, sent: NDArray[np.int8],
) -> None:  # fmt: skip
    """Add up sizes, T 16, and fire at a threshold: fixed where above 0, else from the mean; `mean` and `v` go on."""
    n = filtered.shape[1]
    threshold = np.full(n, fixed)
    for k in range(len(filtered)):
        if fixed == 0:
            largest = np.int64(0)
            for c in range(n):
                low = mean[c] >> shift  # of the samples before this one
                mean[c] += abs(filtered[k, c]) - low
                threshold[c] = low
                largest = max(largest, low)
            for c in range(n):
                low = max(largest if joint else threshold[c], least)
                threshold[c] = (low << b1) - (low << b2)
        for c in range(n):
            v[c] += abs(filtered[k, c])
            if v[c] >= threshold[c]:
                v[c] -= threshold[c]
                sent[k, c] = 1
