"""Kernels that belong to no model: replay what enters, and keep what was sent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, njit  # type: ignore[attr-defined]

from spikewright.engines import layout as at
from spikewright.engines.intrinsics import KERNEL, fetch, prefetch, view

_compiled = njit(nogil=True, error_model="numpy", fastmath=False)


@_compiled
def _copy64(t: Any, row: int, unit: int, place: int, n: int) -> None:
    kept = view(t[at.VALUES] + 8 * row * t[at.ROOM], n, np.int64)
    log = view(t[at.LOG_VALUES] + 8 * (unit * t[at.LOG_ROOM] + place), n, np.int64)
    for i in range(n):
        log[i] = kept[i]


@_compiled
def _copy32(t: Any, row: int, unit: int, place: int, n: int) -> None:
    kept = view(t[at.VALUES] + 4 * row * t[at.ROOM], n, np.int32)
    log = view(t[at.LOG_VALUES] + 4 * (unit * t[at.LOG_ROOM] + place), n, np.int32)
    for i in range(n):
        log[i] = kept[i]


@cfunc(KERNEL, cache=True, error_model="numpy")
def log(table: Any, sample: int, part: int, worker: int, k: int, steps: int) -> None:
    """Append what was sent in these steps to the record of the chunk, and count it."""
    t = carray(table, at.OPEN)
    depth, room, parts = t[at.DEPTH], t[at.ROOM], t[at.PARTS]
    unit = sample * parts + part
    counts = view(t[at.COUNTS] + 8 * unit * depth, depth, np.int64)
    sent = view(t[at.SENT] + 8 * sample * t[at.SIZE], t[at.SIZE], np.int64)
    activity = view(t[at.ACTIVITY] + 8 * unit * t[at.CHUNK], t[at.CHUNK], np.int64)
    keeps = t[at.LOG_ROOM] > 0
    used = view(t[at.LOG_USED] + at.LINE * unit, 1, np.int64)
    log = view(t[at.LOG] + 4 * unit * t[at.LOG_ROOM], t[at.LOG_ROOM], np.int32)
    for s in range(steps):
        slot = (k + s) & (depth - 1)
        listed = view(t[at.SPIKES] + 4 * (unit * depth + slot) * room, room, np.int32)
        n = counts[slot]
        activity[k + s - t[at.FIRST_STEP]] = n
        for i in range(n):
            sent[listed[i]] += 1
        if keeps:
            place = used[0]
            for i in range(n):
                log[place + i] = listed[i]
            if t[at.LOG_VALUES] != 0:
                # copied as they are, whatever numbers they are
                if t[at.ITEM] == 4:
                    _copy32(t, unit * depth + slot, unit, place, n)
                else:
                    _copy64(t, unit * depth + slot, unit, place, n)
            used[0] = place + n


@cfunc(KERNEL, cache=True, error_model="numpy")
def replay(table: Any, sample: int, part: int, worker: int, k: int, steps: int) -> None:
    """List what enters from outside in these steps, as if a population had sent it."""
    t = carray(table, at.OPEN + at.REPLAY)
    depth, room, parts = t[at.DEPTH], t[at.ROOM], t[at.PARTS]
    unit = sample * parts + part
    counts = view(t[at.COUNTS] + 8 * unit * depth, depth, np.int64)
    bounds = view(t[at.BOUNDS] + 8 * part, 2, np.int64)
    length = t[at.OPEN + at.REPLAY_STEPS]
    starts = view(t[at.OPEN + at.REPLAY_START] + 8 * sample * (length + 1), length + 1, np.int64)
    address = view(t[at.OPEN + at.REPLAY_ADDRESS], starts[length], np.int32)
    item = t[at.ITEM]
    for s in range(steps):
        slot = (k + s) & (depth - 1)
        index = k + s - t[at.OPEN + at.REPLAY_ORIGIN]
        found = 0
        if index < length:
            listed = view(t[at.SPIKES] + 4 * (unit * depth + slot) * room, room, np.int32)
            begin, end = starts[index], starts[index + 1]
            if parts > 1:
                end = begin + np.searchsorted(address[begin:end], bounds[1])
                begin += np.searchsorted(address[begin:end], bounds[0])
            found = end - begin
            for i in range(found):
                listed[i] = address[begin + i]
            if item == 4:
                source = view(t[at.OPEN + at.REPLAY_VALUE] + 4 * begin, found, np.int32)
                kept = view(t[at.VALUES] + 4 * (unit * depth + slot) * room, found, np.int32)
                for i in range(found):
                    kept[i] = source[i]
            else:
                wide = view(t[at.OPEN + at.REPLAY_VALUE] + 8 * begin, found, np.int64)
                kept_wide = view(t[at.VALUES] + 8 * (unit * depth + slot) * room, found, np.int64)
                for i in range(found):
                    kept_wide[i] = wide[i]
        counts[slot] = found


@cfunc(KERNEL, cache=True, error_model="numpy")
def fetch_starts(table: Any, sample: int, part: int, worker: int, k: int, steps: int) -> None:
    """Ask for where the rows of all spikes of these steps begin, in all projections of a population."""
    head = carray(table, at.AHEAD)
    n = head[at.N_AHEAD]
    t = carray(table, at.AHEAD + n)
    depth, parts, room = t[at.PRE_DEPTH], t[at.PRE_PARTS], t[at.PRE_ROOM]
    for s in range(steps):
        for source in range(parts):
            unit = (sample * parts + source) * depth + ((k + s) & (depth - 1))
            count = view(t[at.PRE_COUNTS] + 8 * unit, 1, np.int64)[0]
            spikes = view(t[at.PRE_SPIKES] + 4 * unit * room, count, np.int32)
            for h in range(count):
                for i in range(n):
                    q = view(t[at.AHEAD + i], at.OPEN, np.int64)
                    start = view(q[at.ROWS] + 64 * part, 1, np.int64)[0]
                    prefetch(start + 8 * np.int64(spikes[h]))


@cfunc(KERNEL, cache=True, error_model="numpy")
def fetch_rows(table: Any, sample: int, part: int, worker: int, k: int, steps: int) -> None:
    """Ask for the rows of all spikes of these steps, in all projections of a population."""
    head = carray(table, at.AHEAD)
    n = head[at.N_AHEAD]
    t = carray(table, at.AHEAD + n)
    depth, parts, room = t[at.PRE_DEPTH], t[at.PRE_PARTS], t[at.PRE_ROOM]
    for s in range(steps):
        for source in range(parts):
            unit = (sample * parts + source) * depth + ((k + s) & (depth - 1))
            count = view(t[at.PRE_COUNTS] + 8 * unit, 1, np.int64)[0]
            spikes = view(t[at.PRE_SPIKES] + 4 * unit * room, count, np.int32)
            for h in range(count):
                for i in range(n):
                    q = view(t[at.AHEAD + i], at.OPEN, np.int64)
                    rows = view(q[at.ROWS] + 64 * part, 8, np.int64)
                    start = view(rows[0] + 8 * np.int64(spikes[h]), 2, np.int64)
                    first, many = start[0], start[1] - start[0]
                    fetch(rows[1] + q[at.TARGET_BYTES] * first, q[at.TARGET_BYTES] * many)
                    fetch(rows[2] + q[at.WEIGHT_BYTES] * first, q[at.WEIGHT_BYTES] * many)
                    fetch(rows[3] + q[at.LAG_BYTES] * first, q[at.LAG_BYTES] * many)
