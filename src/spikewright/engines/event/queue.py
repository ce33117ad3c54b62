"""Two heaps: what is to happen, in the order of (time, number); and which neuron fires next by itself, in the order of
(time, neuron), where a neuron's time can be changed.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spikewright.engines.event.table import compiled

# -- what is to happen -----------------------------------------------------------------------------------
# an entry is a place in arrays: time, number, kind, four whole numbers and two real ones; `heap` holds places
TIME, VALUE, SINCE = 0, 1, 2
NUMBER, KIND, WHAT, WHO, FROM = 0, 1, 2, 3, 4
N, NEXT = 0, 1
"""In `size`: entries in the heap, and the number of the next one."""


def agenda(room: int) -> tuple[Any, ...]:
    """Return an empty heap: places, free places, real and whole fields."""
    places = np.arange(room)
    return places, np.zeros((room, 3)), np.zeros((room, 5), np.int64)


@compiled
def _before(real: Any, whole: Any, a: int, b: int) -> bool:
    if real[a, TIME] != real[b, TIME]:
        return bool(real[a, TIME] < real[b, TIME])
    return bool(whole[a, NUMBER] < whole[b, NUMBER])


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
    """Add an entry and return the heap, made larger where it was full. `heap[0][n:]` are the free places."""
    places, real, whole = heap
    n = size[N]
    if n == len(places):
        room = 2 * n
        more = np.arange(room)
        more[:n] = places
        more_real, more_whole = np.zeros((room, 3)), np.zeros((room, 5), np.int64)
        more_real[:n], more_whole[:n] = real, whole
        places, real, whole = more, more_real, more_whole
    place = places[n]
    real[place, TIME], real[place, VALUE], real[place, SINCE] = time, value, since
    whole[place, NUMBER], whole[place, KIND], whole[place, WHAT] = size[NEXT], kind, what
    whole[place, WHO], whole[place, FROM] = who, begin
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
    return places, real, whole


@compiled
def pop(heap: Any, size: Any) -> int:
    """Take the first entry away and return its place, which is valid until the next `push`."""
    places, real, whole = heap
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
    return float(heap[1][heap[0][0], TIME])


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
