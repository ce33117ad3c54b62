"""Compiled loops of filters that keep or drop each event; loading this module loads Numba.

Notation: event i is (t, x, y, p); the sensor is `width` by `height`; cells of a map are numbered row by row. Maps of
neighborhoods have a border of one cell, so that no event needs to ask whether it lies at the edge: `cell` is the
event's own place in such a map and `row` the distance to the one below. Indices are unsigned: signed ones would be
tested for being negative at every access. Every loop writes what it keeps as it goes, in one pass: the row is always
written, and the position only moves on where the event is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_compiled = njit(cache=True, nogil=True, error_model="numpy")

U = np.uint64
_0, _1, _2 = U(0), U(1), U(2)
_NEVER = np.int64(-(2**63))


@_compiled
def background_activity(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, within: int, near: Any,
    tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    """`near` holds for each cell the time of the last event beside it: written eight times, looked at once."""
    w, h = U(width), U(height)
    row, j = w + _2, _0
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        cell = (yi + _1) * row + xi + _1
        kept = near[cell] >= now - within
        above, below = cell - row, cell + row
        near[above - _1] = now
        near[above] = now
        near[above + _1] = now
        near[cell - _1] = now
        near[cell + _1] = now
        near[below - _1] = now
        near[below] = now
        near[below + _1] = now
        t_out[j] = now
        x_out[j] = x[i]
        y_out[j] = y[i]
        p_out[j] = p[i]
        j += U(kept)
    return np.int64(j)


@_compiled
def correlated(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, within: int, least: int, same: bool, own: bool,
    last: Any, tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    """`last` holds two maps of last times, one per polarity: an event clears its pixel in the other one."""
    w, h = U(width), U(height)
    row, j = w + _2, _0
    plane = row * (h + _2) if same else _0
    center = np.int64(own)
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        place = (yi + _1) * row + xi + _1
        on = U(p[i] != 0)
        cell = place + on * plane
        above, below, limit = cell - row, cell + row, now - within
        n = (
            np.int64(last[above - _1] > limit)
            + np.int64(last[above] > limit)
            + np.int64(last[above + _1] > limit)
            + np.int64(last[cell - _1] > limit)
            + (np.int64(last[cell] > limit) & center)
            + np.int64(last[cell + _1] > limit)
            + np.int64(last[below - _1] > limit)
            + np.int64(last[below] > limit)
            + np.int64(last[below + _1] > limit)
        )
        last[place + (_1 - on) * plane] = _NEVER
        last[cell] = now
        t_out[j] = now
        x_out[j] = x[i]
        y_out[j] = y[i]
        p_out[j] = p[i]
        j += U(n >= least)
    return np.int64(j)


@_compiled
def youth(last: Any, corner: Any, row: Any, radius: int, now: int, within: int) -> Any:
    """Return the sum over the pixels around a cell, but not its own, of what their ages are short of `within`."""
    side = 2 * radius + 1
    total = np.int64(0)
    for r in range(side):
        for c in range(side):
            then = last[corner + U(r) * row + U(c)]
            # a pixel whose time lies ahead, where time runs backwards, counts as of now
            if then != _NEVER and now - then < within and not (r == radius and c == radius):
                total += within - max(now - then, 0)
    return total


@_compiled
def age_weighted(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, within: int, least: int, radius: int, last: Any,
    tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    """`last` as in `correlated`, with a border of `radius` cells; `least` is in microseconds, as `youth` is."""
    w, h = U(width), U(height)
    row, j = w + U(2 * radius), _0
    plane = row * (h + U(2 * radius))
    own = U(radius) * row + U(radius)
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        on = U(p[i] != 0)
        corner = yi * row + xi
        kept = youth(last, corner + on * plane, row, radius, now, within) > least
        last[corner + own + (_1 - on) * plane] = _NEVER
        last[corner + own + on * plane] = now
        t_out[j] = now
        x_out[j] = x[i]
        y_out[j] = y[i]
        p_out[j] = p[i]
        j += U(kept)
    return np.int64(j)


@_compiled
def refractory(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, period: int, of_kept: bool, last: Any,
    tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    """`last` is the time of the last kept event of each pixel, or of the last event where not `of_kept`."""
    w, h = U(width), U(height)
    j = _0
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        cell = yi * w + xi
        kept = last[cell] == _NEVER or now - last[cell] > period
        if kept or not of_kept:
            last[cell] = now
        t_out[j] = now
        x_out[j] = x[i]
        y_out[j] = y[i]
        p_out[j] = p[i]
        j += U(kept)
    return np.int64(j)


@_compiled
def contrast(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, within: int, cut_trail: bool, last: Any, stage: Any,
    tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    """`stage` of a pixel: bit 0 its last polarity, bit 1 whether an event of this polarity has passed."""
    w, h = U(width), U(height)
    j = _0
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        cell = yi * w + xi
        on = np.uint8(p[i] != 0)
        before, kept = stage[cell], False
        if last[cell] == _NEVER or (before & 1) != on:
            stage[cell] = on
        elif now - last[cell] <= within and not (cut_trail and (before & 2)):
            kept = True
            stage[cell] = on | 2
        last[cell] = now
        t_out[j] = now
        x_out[j] = x[i]
        y_out[j] = y[i]
        p_out[j] = p[i]
        j += U(kept)
    return np.int64(j)


@_compiled
def trail(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, within: int, last: Any, polarity: Any,
    tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    w, h = U(width), U(height)
    j = _0
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        cell = yi * w + xi
        on = np.uint8(p[i] != 0)
        kept = last[cell] == _NEVER or polarity[cell] != on or now - last[cell] > within
        last[cell] = now
        polarity[cell] = on
        t_out[j] = now
        x_out[j] = x[i]
        y_out[j] = y[i]
        p_out[j] = p[i]
        j += U(kept)
    return np.int64(j)


@_compiled
def flicker(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, shortest: int, longest: int, least: int,
    rise: Any, polarity: Any, periods: Any, tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    """`rise` is when a pixel last turned from OFF to ON, `periods` how many such periods in a row were flicker."""
    w, h = U(width), U(height)
    j = _0
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        cell = yi * w + xi
        on = np.uint8(p[i] != 0)
        if rise[cell] != _NEVER and now - rise[cell] > longest:
            periods[cell] = 0
        if on == 1 and polarity[cell] == 0:
            period = now - rise[cell]
            if rise[cell] != _NEVER and shortest <= period <= longest:
                periods[cell] = min(periods[cell] + 1, least)
            else:
                periods[cell] = 0
            rise[cell] = now
        polarity[cell] = on
        t_out[j] = now
        x_out[j] = x[i]
        y_out[j] = y[i]
        p_out[j] = p[i]
        j += U(periods[cell] < least)
    return np.int64(j)


@_compiled
def integrated(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, new_width: int, new_height: int, threshold: int,
    level: Any, tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    """`level` is the sum of polarities in each cell of the smaller sensor since its last event."""
    w, h = U(width), U(height)
    new_w, new_h = U(new_width), U(new_height)
    j = _0
    for i in range(t.size):
        xi, yi = U(x[i]), U(y[i])
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        new_x, new_y = xi * new_w // w, yi * new_h // h
        cell = new_y * new_w + new_x
        total = level[cell] + (1 if p[i] != 0 else -1)
        kept = abs(total) >= threshold
        level[cell] = 0 if kept else total
        t_out[j] = t[i]
        x_out[j] = new_x
        y_out[j] = new_y
        p_out[j] = p[i]
        j += U(kept)
    return np.int64(j)


@_compiled
def moved(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, x_map: Any, y_map: Any,
    tally: Any, t_out: Any, x_out: Any, y_out: Any, p_out: Any,
) -> Any:  # fmt: skip
    """`x_map` and `y_map` say where each pixel goes, -1 where nowhere."""
    w, h = U(width), U(height)
    j = _0
    for i in range(t.size):
        xi, yi = U(x[i]), U(y[i])
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        cell = yi * w + xi
        t_out[j] = t[i]
        x_out[j] = x_map[cell]
        y_out[j] = y_map[cell]
        p_out[j] = p[i]
        j += U(x_map[cell] >= 0)
    return np.int64(j)
