"""Compiled loops of the distances; times are in units of the kernel's width or of 1 / cost."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True, error_model="numpy")
def overlaps(start: NDArray[np.int64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (1/2) sum_ij exp(-|t_i - t_j|) over the spikes of every two trains, (n, n).

    One pass over both trains in the order of time; `one` and `other` are the sums of exp(t_i - t) over spikes passed.
    """
    n = len(start) - 1
    found = np.zeros((n, n))
    for a in range(n):
        for b in range(a + 1):
            i, i_end, j, j_end = start[a], start[a + 1], start[b], start[b + 1]
            one, other, total, now = 0.0, 0.0, 0.0, -math.inf
            while i < i_end or j < j_end:
                first = j >= j_end or (i < i_end and time[i] <= time[j])
                t = time[i] if first else time[j]
                fade = math.exp(now - t) if now > -math.inf else 0.0
                one, other, now = one * fade, other * fade, t
                if first:
                    total += other
                    one += 1.0
                    i += 1
                else:
                    total += one
                    other += 1.0
                    j += 1
            found[a, b] = found[b, a] = 0.5 * total
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def edits(start: NDArray[np.int64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least cost of turning one train into another, for every two, (n, n)."""
    n = len(start) - 1
    longest = 0
    for a in range(n):
        longest = max(longest, start[a + 1] - start[a])
    found = np.zeros((n, n))
    row = np.empty(longest + 1)
    for a in range(n):
        for b in range(a):
            first, second = start[b], start[b + 1] - start[b]
            for j in range(second + 1):
                row[j] = j
            for i in range(start[a], start[a + 1]):
                diagonal = row[0]
                row[0] += 1.0
                for j in range(1, second + 1):
                    kept = row[j]
                    moved = diagonal + abs(time[i] - time[first + j - 1])
                    row[j] = min(moved, 1.0 + min(row[j], row[j - 1]))
                    diagonal = kept
            found[a, b] = found[b, a] = row[second]
    return found
