"""Compiled loops over hypergraphs in compressed rows. Notation: net e holds `pins[start[e]:start[e + 1]]`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

compiled = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def fill(
    cursor: NDArray[np.int64],
    first: int,
    start: NDArray[np.int64],
    target: NDArray[Any],
    live: NDArray[np.bool_],
    offset: int,
    pins: NDArray[np.int32],
) -> None:
    """Append the live targets of source j, moved by `offset`, to net `first + j`; an empty `live` keeps all."""
    for j in range(len(start) - 1):
        at = cursor[first + j]
        for s in range(start[j], start[j + 1]):
            if len(live) == 0 or live[s]:
                pins[at] = target[s] + offset
                at += 1
        cursor[first + j] = at


@compiled
def without_repeats(start: NDArray[np.int64], pins: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Move each vertex's first appearance in its net to the front of `pins`; return the new `start`."""
    seen = np.full(n, -1, np.int64)
    made = np.zeros(len(start), np.int64)
    at = 0
    for e in range(len(start) - 1):
        for s in range(start[e], start[e + 1]):
            v = pins[s]
            if seen[v] != e:
                seen[v] = e
                pins[at] = v
                at += 1
        made[e + 1] = at
    return made


@compiled
def incidence(
    start: NDArray[np.int64], pins: NDArray[np.int32], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the nets of every vertex in compressed rows, in ascending order."""
    begin = np.zeros(n + 1, np.int64)
    for v in pins:
        begin[v + 1] += 1
    for v in range(n):
        begin[v + 1] += begin[v]
    nets = np.empty(len(pins), np.int32)
    cursor = begin[:-1].copy()
    for e in range(len(start) - 1):
        for s in range(start[e], start[e + 1]):
            v = pins[s]
            nets[cursor[v]] = e
            cursor[v] += 1
    return begin, nets


@compiled
def parts_reached(
    start: NDArray[np.int64], pins: NDArray[np.int32], part: NDArray[np.int32], k: int
) -> NDArray[np.int32]:
    """Return the distinct parts of every net."""
    seen = np.full(k, -1, np.int64)
    reached = np.zeros(len(start) - 1, np.int32)
    for e in range(len(start) - 1):
        for s in range(start[e], start[e + 1]):
            p = part[pins[s]]
            if seen[p] != e:
                seen[p] = e
                reached[e] += 1
    return reached


@compiled
def cut_synapses(
    start: NDArray[np.int64],
    pins: NDArray[np.int32],
    owner: NDArray[np.int32],
    part: NDArray[np.int32],
    weight: NDArray[np.float64],
) -> float:
    """Return the weight of all pairs of an owner and a pin in another part."""
    found = 0.0
    for e in range(len(start) - 1):
        if owner[e] >= 0:
            for s in range(start[e], start[e + 1]):
                if part[pins[s]] != part[owner[e]]:
                    found += weight[e]
    return found


@compiled
def destinations(
    start: NDArray[np.int64],
    pins: NDArray[np.int32],
    owner: NDArray[np.int32],
    part: NDArray[np.int32],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the parts that every net reaches, other than its owner's, ascending, in compressed rows."""
    seen = np.full(k, -1, np.int64)
    made = np.zeros(len(start), np.int64)
    reached = parts_reached(start, pins, part, k)
    found = np.empty(reached.sum(), np.int32)
    at = 0
    for e in range(len(start) - 1):
        own = part[owner[e]] if owner[e] >= 0 else -1
        begin = at
        for s in range(start[e], start[e + 1]):
            p = part[pins[s]]
            if p != own and seen[p] != e:
                seen[p] = e
                found[at] = p
                at += 1
        found[begin:at] = np.sort(found[begin:at])
        made[e + 1] = at
    return made, found[:at].copy()
