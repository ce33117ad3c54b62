"""The ECF codec: one chunk of an HDF5 recording, at most 65535 events, to bytes and back.

A chunk is: u32 ``count << 2 | all_packed << 1 | xp_packed``; the times as steps and runs; then the coordinates in one
of three layouts: *all packed* (24 bits per event: y, x, p), *rows and packed* (runs of equal y; 12 bits per event: x,
p), or *rows and masks* (runs of equal y; an x with a mask of the five columns after it; runs of equal p). All
little-endian.

The encoder looks at the first quarter of a chunk (all of it below 16 events) and takes "all packed" while at most a
fifth of the events repeat the y before them, else "rows and packed" while at most 8 % of the x fall into the window of
five after the last x outside one. These limits give the bytes of the reference codec. A step back in time, which the
reference replaces by no step, is written as the long step that wraps around 2^64: every decoder adds it up right.

Source
------
Layout and limits: the published reference codec of the HDF5 filter 36559 (prophesee-ai/hdf5_ecf, `ecf_codec`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAX_EVENTS = 65535
"""Events per chunk."""
MAX_COORDINATE = 2047
"""Largest x and y: eleven bits in every layout."""
SLACK = 8
"""Room that decoder and encoder need behind the last event."""
WORST_BYTES = 24
"""Bytes per event that no chunk exceeds: 17 + 1 of a step back, 2 + 2 of a row, 2 of x, 1 of p."""

OK, CUT, TOO_MANY, DISAGREES = range(4)
"""What `decode` says: all read; the bytes end early; more than 65535 events claimed; runs longer than the count."""

_compiled: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _u8(data: Any, at: int) -> Any:
    return np.int64(data[at])


@_compiled
def _u16(data: Any, at: int) -> Any:
    return _u8(data, at) | _u8(data, at + 1) << 8


@_compiled
def _u32(data: Any, at: int) -> Any:
    return _u16(data, at) | _u16(data, at + 2) << 16


@_compiled
def decode(data: Any, t: Any, x: Any, y: Any, p: Any) -> tuple[int, int]:
    """Decode one chunk into columns of at least ``MAX_EVENTS + SLACK`` events.

    Parameters
    ----------
    data : uint8 array, the chunk
    t, x, y, p : int64, uint16, uint16 and uint8 arrays, written from index 0

    Returns
    -------
    int : events of which every field was read
    int : OK, CUT, TOO_MANY or DISAGREES
    """
    size = data.size
    if size < 4:
        return 0, CUT
    word = _u32(data, 0)
    count, all_packed, xp_packed = word >> 2, word >> 1 & 1, word & 1
    if count > MAX_EVENTS:
        return 0, TOO_MANY
    if count == 0:
        return 0, OK
    if size < 12:
        return 0, CUT
    said = OK
    now = _u32(data, 4) | _u32(data, 8) << 32
    at = 12
    n = 0
    while n < count:
        if at >= size:
            return 0, CUT
        step, run = _u8(data, at) >> 4, _u8(data, at) & 15
        at += 1
        if step == 15:
            shift = far = 0
            while step == 15:
                if shift < 64:
                    far |= run << shift
                shift += 4
                if at >= size:
                    return 0, CUT
                step, run = _u8(data, at) >> 4, _u8(data, at) & 15
                at += 1
            now += far
        now += step
        if run == 15:
            if at + 2 > size:
                return 0, CUT
            run = _u16(data, at)
            at += 2
        if run > count - n:
            run, said = count - n, DISAGREES
        for k in range(n, n + run):
            t[k] = now
        n += run
    if all_packed:
        whole = min(count, (size - at) // 12 * 4)
        for k in range(0, whole, 4):
            a, b, c = _u32(data, at), _u32(data, at + 4), _u32(data, at + 8)
            at += 12
            for j, v in enumerate(
                (a >> 8, a & 0xFF | b >> 16 << 8, b & 0xFFFF | c >> 24 << 16, c & 0xFFFFFF)
            ):
                y[k + j] = v >> 12 & MAX_COORDINATE
                x[k + j] = v >> 1 & MAX_COORDINATE
                p[k + j] = v & 1
        return whole, said if whole == count else CUT
    n = 0
    while n < count:
        if at + 2 > size:
            return 0, CUT
        row = _u16(data, at)
        at += 2
        run = row & 31
        if run == 31:
            if at + 2 > size:
                return 0, CUT
            run = _u16(data, at)
            at += 2
        if run > count - n:
            run, said = count - n, DISAGREES
        for k in range(n, n + run):
            y[k] = row >> 5
        n += run
    if xp_packed:
        whole = min(count, (size - at) // 6 * 4)
        for k in range(0, whole, 4):
            a, b, c = _u16(data, at), _u16(data, at + 2), _u16(data, at + 4)
            at += 6
            for j, v in enumerate(
                (a >> 4, a & 15 | b >> 8 << 4, b & 0xFF | c >> 12 << 8, c & 4095)
            ):
                x[k + j] = v >> 1
                p[k + j] = v & 1
        return whole, said if whole == count else CUT
    n = 0
    while n < count:
        if at + 2 > size:
            return 0, CUT
        word = _u16(data, at)
        at += 2
        base = word >> 5
        x[n] = base
        n += 1
        if word & 31:
            for k in range(5):
                if word & (16 >> k):
                    x[n] = base + k + 1
                    n += 1
    # a mask that reaches past the count is what an encoder leaves that looks beyond its last event
    n = 0
    while n < count:
        if at >= size:
            return n, CUT
        run = _u8(data, at) & 127
        sign = data[at] >> 7
        at += 1
        if run == 127:
            if at + 2 > size:
                return n, CUT
            run = _u16(data, at)
            at += 2
        if run > count - n:
            run, said = count - n, DISAGREES
        for k in range(n, n + run):
            p[k] = sign
        n += run
    return count, said


@_compiled
def _put(out: Any, at: int, value: Any, n_bytes: int) -> Any:
    for k in range(n_bytes):
        out[at + k] = value >> (8 * k) & 0xFF
    return at + n_bytes


@_compiled
def _packs_all(y: Any, looked: int) -> bool:
    same = 0
    for k in range(1, looked):
        same += y[k] == y[k - 1]
    return same <= int(looked * 20.0 / 100 + 0.5)


@_compiled
def _packs_columns(x: Any, looked: int) -> bool:
    near = 0
    base = before = np.int64(x[0])
    for k in range(1, looked):
        now = np.int64(x[k])
        if before < now <= base + 5:
            near += 1
        else:
            base = now
        before = now
    return near <= int(looked * 8.0 / 100 + 0.5)


@_compiled
def encode(t: Any, x: Any, y: Any, p: Any, out: Any) -> Any:
    """Encode one chunk.

    Parameters
    ----------
    t, x, y, p : int64, uint16, uint16 and uint8 arrays of 1 to `MAX_EVENTS` events; x and y at most `MAX_COORDINATE`
    out : uint8 array, at least ``12 + WORST_BYTES * (events + SLACK)``

    Returns
    -------
    int : bytes written to `out`
    """
    count = t.size
    looked = count if count < 16 else int(0.25 * count + 0.5)
    all_packed = _packs_all(y, looked)
    xp_packed = not all_packed and _packs_columns(x, looked)
    at = _put(out, 0, count << 2 | all_packed << 1 | np.int64(xp_packed), 4)
    now = t[0]
    at = _put(out, at, now, 8)
    n = 0
    while n < count:
        step = t[n] - now
        if step >= 15 or step < 0:
            left = np.uint64(step)
            while left > 0:
                out[at] = np.uint64(0xF0) | left & np.uint64(15)
                at += 1
                left >>= np.uint64(4)
            step = 0
        now = t[n]
        run = 1
        while n + run < count and t[n + run] == now:
            run += 1
        if run >= 15:
            out[at] = step << 4 | 15
            at = _put(out, at + 1, run, 2)
        else:
            out[at] = step << 4 | run
            at += 1
        n += run
    if all_packed:
        for k in range(0, count, 4):
            a, b = _event(x, y, p, k), _event(x, y, p, k + 1)
            c, d = _event(x, y, p, k + 2), _event(x, y, p, k + 3)
            at = _put(out, at, a << 8 | b & 0xFF, 4)
            at = _put(out, at, b >> 8 << 16 | c & 0xFFFF, 4)
            at = _put(out, at, c >> 16 << 24 | d, 4)
        return at
    n = 0
    while n < count:
        row = np.int64(y[n])
        run = 1
        while n + run < count and y[n + run] == row:
            run += 1
        if run >= 31:
            at = _put(out, at, row << 5 | 31, 2)
            at = _put(out, at, run, 2)
        else:
            at = _put(out, at, row << 5 | run, 2)
        n += run
    if xp_packed:
        for k in range(0, count, 4):
            a, b, c, d = (
                _column(x, p, k),
                _column(x, p, k + 1),
                _column(x, p, k + 2),
                _column(x, p, k + 3),
            )
            at = _put(out, at, a << 4 | b & 15, 2)
            at = _put(out, at, b >> 4 << 8 | c & 0xFF, 2)
            at = _put(out, at, c >> 8 << 12 | d, 2)
        return at
    n = 0
    while n < count:
        base = np.int64(x[n])
        n += 1
        mask = 0
        for k in range(5):
            if n < count and np.int64(x[n]) == base + k + 1:
                mask |= 16 >> k
                n += 1
        at = _put(out, at, base << 5 | mask, 2)
    n = 0
    while n < count:
        sign = np.int64(p[n])
        run = 1
        while n + run < count and p[n + run] == sign:
            run += 1
        if run >= 127:
            out[at] = sign << 7 | 127
            at = _put(out, at + 1, run, 2)
        else:
            out[at] = sign << 7 | run
            at += 1
        n += run
    return at


@_compiled
def _column(x: Any, p: Any, k: int) -> Any:
    return np.int64(x[k]) << 1 | np.int64(p[k]) if k < x.size else np.int64(0)


@_compiled
def _event(x: Any, y: Any, p: Any, k: int) -> Any:
    return np.int64(y[k]) << 12 | _column(x, p, k) if k < x.size else np.int64(0)


def scratch(
    more: int,
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8]]:
    """Return columns t, x, y, p that take any chunk behind `more` events."""
    n = more + MAX_EVENTS + SLACK
    return (
        np.empty(n, np.int64),
        np.empty(n, np.uint16),
        np.empty(n, np.uint16),
        np.empty(n, np.uint8),
    )
