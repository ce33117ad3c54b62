"""Two heaps: what is to happen, in the order of (time, number); and which neuron fires next by itself, in the order of
(time, neuron), where a neuron's time can be changed.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.event.table import compiled
from spikewright.engines.intrinsics import address_of, view

# -- what is to happen -----------------------------------------------------------------------------------
# all in one array, since each reference to an array is counted: the places of entries by time, free ones behind; then
# three real numbers of each entry; then five whole ones
TIME, VALUE, SINCE, REALS = 0, 1, 2, 3
NUMBER, KIND, WHAT, WHO, FROM, WHOLES = 0, 1, 2, 3, 4, 5
WIDTH = 1 + REALS + WHOLES
N, NEXT = 0, 1
"""In `size`: entries in the heap, and the number of the next one."""


def agenda(room: int) -> NDArray[np.int64]:
    """Return an empty heap with room for some entries."""
    heap = np.zeros(WIDTH * room, np.int64)
    heap[:room] = np.arange(room)
    return heap


@compiled
def fields(heap: Any) -> Any:
    """Return the places of a heap, and the real and the whole numbers of all entries, entry after entry."""
    room = len(heap) // WIDTH
    return (
        view(address_of(heap, 0), room, np.int64),
        view(address_of(heap, room), REALS * room, np.float64),
        view(address_of(heap, (1 + REALS) * room), WHOLES * room, np.int64),
    )


@compiled
def _before(real: Any, whole: Any, a: int, b: int) -> bool:
    if real[REALS * a + TIME] != real[REALS * b + TIME]:
        return bool(real[REALS * a + TIME] < real[REALS * b + TIME])
    return bool(whole[WHOLES * a + NUMBER] < whole[WHOLES * b + NUMBER])


@compiled
def _longer(heap: Any) -> Any:
    """Return a full heap with twice the room."""
    n = len(heap) // WIDTH
    longer = np.zeros(2 * len(heap), np.int64)
    places, real, whole = fields(heap)
    more_places, more_real, more_whole = fields(longer)
    for i in range(2 * n):
        more_places[i] = places[i] if i < n else i
    for i in range(REALS * n):
        more_real[i] = real[i]
    for i in range(WHOLES * n):
        more_whole[i] = whole[i]
    return longer


@compiled
def push(
    heap: Any,
    size: Any,
    time: float,
    kind: int,
    what: int,
    who: int,
    begin: int,
    value: float,
    since: float,
) -> Any:
    """Add an entry and return the heap, made larger where it was full."""
    n = size[N]
    if WIDTH * n == len(heap):
        heap = _longer(heap)
    places, real, whole = fields(heap)
    place = places[n]
    r, w = REALS * place, WHOLES * place
    real[r + TIME], real[r + VALUE], real[r + SINCE] = time, value, since
    whole[w + NUMBER], whole[w + KIND], whole[w + WHAT] = size[NEXT], kind, what
    whole[w + WHO], whole[w + FROM] = who, begin
    size[NEXT] += 1
    size[N] += 1
    i = n
    while i > 0:
        up = (i - 1) >> 1
        if not _before(real, whole, place, places[up]):
            break
        places[i] = places[up]
        i = up
    places[i] = place
    return heap


@compiled
def pop(heap: Any, size: Any) -> int:
    """Take the first entry away and return its place, which is valid until the next `push`."""
    places, real, whole = fields(heap)
    first = places[0]
    size[N] -= 1
    n = size[N]
    last = places[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and _before(real, whole, places[child + 1], places[child]):
            child += 1
        if not _before(real, whole, places[child], last):
            break
        places[i] = places[child]
        i = child
    places[i] = last
    places[n] = first
    return int(first)


@compiled
def first_time(heap: Any, size: Any) -> float:
    """Return the time of the first entry, or infinity."""
    if size[N] == 0:
        return math.inf
    places, real, _ = fields(heap)
    return float(real[REALS * places[0] + TIME])


# -- who fires next --------------------------------------------------------------------------------------


@compiled
def _sooner(key: Any, a: int, b: int) -> bool:
    return bool(key[a] < key[b] or (key[a] == key[b] and a < b))


@compiled
def set_time(order: Any, where: Any, key: Any, size: Any, g: int, time: float) -> None:
    """Give neuron g a time; infinity takes it out. `where[g]` is its place in `order`, or -1."""
    n = size[2]
    i = where[g]
    if i < 0:
        if time == math.inf:
            key[g] = time
            return
        i = n
        size[2] += 1
        n += 1
        key[g] = time
    elif time == math.inf:
        key[g] = time
        where[g] = -1
        size[2] -= 1
        n -= 1
        if i == n:
            return
        g = order[n]
    else:
        key[g] = time
    while i > 0:
        up = (i - 1) >> 1
        if not _sooner(key, g, order[up]):
            break
        order[i] = order[up]
        where[order[i]] = i
        i = up
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and _sooner(key, order[child + 1], order[child]):
            child += 1
        if not _sooner(key, order[child], g):
            break
        order[i] = order[child]
        where[order[i]] = i
        i = child
    order[i] = g
    where[g] = i
