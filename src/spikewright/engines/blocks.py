"""What every generated kernel does besides its model's arithmetic: list spikes, keep traces.

A block is a contiguous range of neurons of one part, advanced together; arrays of a block begin at its first neuron.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spikewright.engines import layout as at
from spikewright.engines.intrinsics import address_of, view

_compiled = njit(nogil=True, error_model="numpy", fastmath=False)

FIRED, BROKEN = 1, 2


@_compiled
def begin(t: Any, sample: int, part: int, k: int, steps: int) -> None:
    """Empty the lists of spikes of the coming steps."""
    depth = t[at.DEPTH]
    counts = view(t[at.COUNTS] + 8 * (sample * t[at.PARTS] + part) * depth, depth, np.int64)
    for s in range(steps):
        counts[(k + s) & (depth - 1)] = 0


@_compiled
def find(
    t: Any, flags: Any, n: int, block: int, sample: int, part: int, worker: int, k: int
) -> None:
    """Append the neurons of a block that fired to the list of step k; note states that are not finite."""
    depth, room = t[at.DEPTH], t[at.ROOM]
    row = (sample * t[at.PARTS] + part) * depth + (k & (depth - 1))
    counts = view(t[at.COUNTS] + 8 * row, 1, np.int64)
    found = counts[0]
    listed = view(t[at.SPIKES] + 4 * row * room, room, np.int32)
    words = view(address_of(flags, 0), n >> 3, np.uint64)
    for w in range(n >> 3):
        if words[w] != 0:
            for i in range(8 * w, 8 * w + 8):
                if flags[i] != 0:
                    if flags[i] & FIRED:
                        listed[found] = block + i
                        found += 1
                    if flags[i] & BROKEN:
                        report(t, sample, worker, k, block + i)
    for i in range(n & ~7, n):
        if flags[i] & FIRED:
            listed[found] = block + i
            found += 1
        if flags[i] & BROKEN:
            report(t, sample, worker, k, block + i)
    counts[0] = found


@_compiled
def find_values(
    t: Any, flags: Any, values: Any, n: int, block: int, sample: int, part: int, worker: int, k: int
) -> None:
    """Append the neurons of a block that sent something, and what they sent."""
    depth, room = t[at.DEPTH], t[at.ROOM]
    row = (sample * t[at.PARTS] + part) * depth + (k & (depth - 1))
    counts = view(t[at.COUNTS] + 8 * row, 1, np.int64)
    found = counts[0]
    listed = view(t[at.SPIKES] + 4 * row * room, room, np.int32)
    kept = view(t[at.VALUES] + values.itemsize * row * room, room, values.dtype)
    for i in range(n):
        if flags[i] & BROKEN:
            report(t, sample, worker, k, block + i)
        # without a branch: whether a neuron sends cannot be predicted
        listed[found] = block + i
        kept[found] = values[i]
        found += int(values[i] != 0)
    counts[0] = found


@_compiled
def report(t: Any, sample: int, worker: int, k: int, neuron: int) -> None:
    """Note that a state is not finite, where nothing was noted before."""
    error = view(t[at.ERRORS] + at.LINE * worker, 4, np.int64)
    if t[at.CHECKED] and (error[0] == 0 or k < error[1]):
        error[0], error[1], error[2], error[3] = 1 + t[at.POPULATION], k, sample, neuron


@_compiled
def trace(t: Any, n: int, block: int, sample: int, k: int, kind: Any) -> None:
    """Copy the chosen neurons of a block to the record of their variables, in steps that are recorded."""
    if k % t[at.EVERY]:
        return
    index = k // t[at.EVERY] - t[at.FIRST_ROW]
    chosen = view(t[at.CHOSEN], t[at.N_CHOSEN], np.int64)
    first = np.searchsorted(chosen, block)
    last = np.searchsorted(chosen, block + n)
    item = t[at.ITEM]
    places = view(t[at.TRACES], 2 * t[at.TRACED], np.int64)
    for v in range(t[at.TRACED]):
        variable = view(places[2 * v] + item * (sample * t[at.SIZE] + block), n, kind)
        row = (index * t[at.BATCH] + sample) * t[at.N_CHOSEN]
        record = view(places[2 * v + 1] + item * row, t[at.N_CHOSEN], kind)
        for j in range(first, last):
            record[j] = variable[chosen[j] - block]
