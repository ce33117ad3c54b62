"""Compiled loops of the views: one pass over the columns of a recording each. Imported where they are first used.

Notation: events i = 0..n-1 with columns t (us), x, y, p; `out` is a flat view of the result, so that one loop serves
every order of its axes. Every loop leaves out events whose address lies outside the sensor and returns how many.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).min
"""Time of a pixel that had no event."""

LOG2_E, LOG_2 = np.float32(1.0 / math.log(2.0)), np.float32(math.log(2.0))
S2, S3, S4, S5, S6, S7 = (np.float32(1.0 / math.factorial(k)) for k in range(2, 8))
LOWEST = np.float32(-126.0)
"""Power of two of the least float32 that has all its digits."""

TICKS = 2**31 - 1
"""Microseconds, 36 minutes: what `last_ticks` can tell apart."""

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def count(x: Any, y: Any, p: Any, out: Any) -> int:
    """Count events per polarity and pixel; `out` is int32 (2, H, W)."""
    height, width = out.shape[1], out.shape[2]
    outside = 0
    for i in range(x.size):
        column, row = int(x[i]), int(y[i])
        if column < width and row < height:
            out[1 if p[i] != 0 else 0, row, column] += 1
        else:
            outside += 1
    return outside


@_compiled
def signed(x: Any, y: Any, p: Any, out: Any) -> int:
    """Count ON minus OFF per pixel; `out` is int32 (H, W)."""
    height, width = np.uint64(out.shape[0]), np.uint64(out.shape[1])
    cells = out.reshape(-1)
    outside = 0
    for i in range(x.size):
        # unsigned: signed indices would be tested for being negative
        column, row = np.uint64(x[i]), np.uint64(y[i])
        if column < width and row < height:
            cells[row * width + column] += 1 if p[i] != 0 else -1
        else:
            outside += 1
    return outside


@_compiled
def steps(
    t: Any, x: Any, y: Any, p: Any, edges: Any, height: int, width: int,
    per_step: int, per_polarity: int, limit: Any, one: Any, out: Any,
) -> tuple[int, int]:  # fmt: skip
    """Count events per step, polarity and pixel, up to `limit`; step k is ``edges[k] <= t < edges[k + 1]``.

    `limit` and `one` are of the type of `out`, which keeps float32 from being widened in the loop.

    Returns
    -------
    int, int : events outside the sensor, and outside the steps
    """
    last = edges.size - 2
    outside = late = 0
    k = 0
    for i in range(t.size):
        now = t[i]
        if now >= edges[k + 1] and k < last:
            k += 1
        if not edges[k] <= now < edges[k + 1]:
            # a gap, or time ran backwards: searching costs log(steps), walking could cost all of them
            if now < edges[0] or now >= edges[last + 1]:
                late += 1
                continue
            k = np.searchsorted(edges, now, side="right") - 1
        column, row = int(x[i]), int(y[i])
        if column < width and row < height:
            cell = k * per_step + row * width + column
            if p[i] != 0:
                cell += per_polarity
            value = out[cell]
            if value < limit:
                out[cell] = value + one
        else:
            outside += 1
    return outside, late


@_compiled
def voxel(t: Any, x: Any, y: Any, p: Any, start: int, stop: int, out: Any) -> tuple[int, int]:
    """Share each event's sign between the two bins around its time; `out` is float32 (bins, H, W).

    Returns
    -------
    int, int : events outside the sensor, and outside ``start <= t <= stop``
    """
    bins, height, width = out.shape
    area = height * width
    cells = out.reshape(-1)
    outside = late = 0
    scale = (bins - 1) / (stop - start) if stop > start else 0.0
    # as unsigned numbers, times before the window lie far behind it: one comparison serves both ends
    span = np.uint64(stop - start)
    for i in range(t.size):
        passed = t[i] - start
        column, row = int(x[i]), int(y[i])
        if (np.uint64(passed) <= span) & (column < width) & (row < height):
            place = np.float32(passed * scale)
            k = np.int32(place)
            sign = np.float32(1.0) if p[i] != 0 else np.float32(-1.0)
            part = (place - np.float32(k)) * sign
            cell = k * area + row * width + column
            cells[cell] += sign - part
            if k + 1 < bins:
                cells[cell + area] += part
        elif np.uint64(passed) > span:
            late += 1
        else:
            outside += 1
    return outside, late


@_compiled
def last(t: Any, x: Any, y: Any, p: Any, until: int, out: Any) -> int:
    """Keep the time of the latest event up to `until` per polarity and pixel; `out` is int64 (2, H, W)."""
    height, width = out.shape[1], out.shape[2]
    outside = 0
    for i in range(t.size):
        column, row = int(x[i]), int(y[i])
        if column < width and row < height:
            polarity = 1 if p[i] != 0 else 0
            if out[polarity, row, column] < t[i] <= until:
                out[polarity, row, column] = t[i]
        else:
            outside += 1
    return outside


@_compiled
def _faded(power: Any) -> Any:
    """Return 2^power for power <= 0, and 0 where that has not all its digits.

    2^power = 2^whole exp(z), |z| <= ln(2) / 2, where eight terms of the series are enough. No branch and no call:
    the loops around it become vector instructions, some ten times faster.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    held = min(max(power, LOWEST), zero)
    whole = np.int32(held - np.float32(0.5))
    z = (held - np.float32(whole)) * LOG_2
    series = S6 + z * S7
    series = S4 + z * (S5 + z * series)
    series = S2 + z * (S3 + z * series)
    value = one + z * (one + z * series)
    # the exponent of a float32 stands above its 23 bits of fraction, with 127 added
    value *= np.int32((whole + np.int32(127)) << np.int32(23)).view(np.float32)
    return value if power > LOWEST else zero


@_compiled
def fade(times: Any, at: int, tau: float, exponential: bool, out: Any) -> None:
    """Turn flat last times into 1 (now) to 0 (long ago, or never); to three steps of float32."""
    rate, now = 1.0 / tau, float(at)
    one, zero = np.float32(1.0), np.float32(0.0)
    if not exponential:
        for i in range(times.size):
            # floats: times of a broken file may lie too far apart for a difference in int64
            value = max(zero, one - np.float32((now - float(times[i])) * rate))
            out[i] = value if times[i] != NEVER and times[i] <= at else zero
        return
    for i in range(times.size):
        value = _faded(np.float32((now - float(times[i])) * rate) * -LOG2_E)
        out[i] = value if times[i] != NEVER and times[i] <= at else zero


@_compiled
def last_ticks(t: Any, x: Any, y: Any, p: Any, until: int, cells: Any) -> tuple[int, int]:
    """Keep how long after the first event the latest one up to `until` came, plus 1, per polarity and pixel.

    For times that never fall: each is written without looking at what stood there, so no step waits for memory.
    `cells` is int32 (2, H, W) of zeros: a third of the memory that times and ages of their own take.

    Returns
    -------
    int, int : events outside the sensor; the latest tick, or -1 where times fall or lie too far apart
    """
    height, width = np.uint64(cells.shape[1]), np.uint64(cells.shape[2])
    places = cells.reshape(-1)
    area = height * width
    outside = 0
    first = t[0] if t.size else 0
    now = newest = 0
    for i in range(t.size):
        # a difference that wrapped is negative too
        before, now = now, t[i] - first + 1
        if not before <= now <= TICKS:
            return outside, -1
        column, row = np.uint64(x[i]), np.uint64(y[i])
        if (column < width) & (row < height):
            if t[i] <= until:
                place = row * width + column
                if p[i] != 0:
                    place += area
                places[place] = np.int32(now)
                newest = now
        else:
            outside += 1
    return outside, newest


@_compiled
def fade_ticks(cells: Any, now: int, tau: float, exponential: bool) -> None:
    """Turn what `last_ticks` kept into 1 (now) to 0 (long ago, or never): the bits of a float32 in each place."""
    # one array, not two views of it, which might overlap in any way: that would be no vector instructions
    rate = 1.0 / tau
    one, zero = np.float32(1.0), np.float32(0.0)
    if not exponential:
        for i in range(cells.size):
            tick = cells[i]
            value = max(zero, one - np.float32((now - float(tick)) * rate))
            cells[i] = np.float32(value).view(np.int32) if tick > 0 else np.int32(0)
        return
    for i in range(cells.size):
        tick = cells[i]
        value = _faded(np.float32((now - float(tick)) * rate) * -LOG2_E)
        cells[i] = np.float32(value).view(np.int32) if tick > 0 else np.int32(0)


@_compiled
def recent(t: Any, x: Any, y: Any, p: Any, until: int, out: Any) -> int:
    """Keep the latest k times per polarity and pixel, newest first; `out` is int64 (2, H, W, k)."""
    height, width, depth = out.shape[1], out.shape[2], out.shape[3]
    outside = 0
    for i in range(t.size):
        column, row = int(x[i]), int(y[i])
        if column < width and row < height:
            if t[i] <= until:
                polarity = 1 if p[i] != 0 else 0
                for j in range(depth - 1, 0, -1):
                    out[polarity, row, column, j] = out[polarity, row, column, j - 1]
                out[polarity, row, column, 0] = t[i]
        else:
            outside += 1
    return outside


@_compiled
def log_ages(times: Any, at: int, shortest: float, longest: float, out: Any) -> None:
    """Write log(1 + age) of (2, H, W, k) times into (2, k, H, W), ages held between `shortest` and `longest` (us)."""
    _, height, width, depth = times.shape
    for polarity in range(2):
        for j in range(depth):
            for row in range(height):
                for column in range(width):
                    then = times[polarity, row, column, j]
                    age = longest
                    if then != NEVER:
                        age = min(max(float(at) - float(then), shortest), longest)
                    out[polarity, j, row, column] = math.log1p(age)


def flat(array: NDArray[Any]) -> NDArray[Any]:
    """Return the flat view of a contiguous array that the loops write into."""
    return array.reshape(-1)
