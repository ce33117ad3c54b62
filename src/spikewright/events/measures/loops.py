"""Compiled loops of measures; loading this module loads Numba. Notation as in the loops of filters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spikewright.events.filters.loops import youth

_compiled = njit(cache=True, nogil=True, error_model="numpy")

U = np.uint64
_0, _1, _2 = U(0), U(1), U(2)
_NEVER = np.int64(-(2**63))
_FOREVER = np.int64(2**63 - 1)


@_compiled
def intervals(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, by_polarity: bool, last: Any, edges: Any, counts: Any,
    tally: Any,
) -> None:  # fmt: skip
    w, h = U(width), U(height)
    cells = w * h if by_polarity else _0
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        if xi >= w or yi >= h:
            tally[0] += 1
            continue
        cell = yi * w + xi + (cells if p[i] != 0 else _0)
        if last[cell] != _NEVER:
            counts[np.searchsorted(edges, now - last[cell], side="right")] += 1
        last[cell] = now


@_compiled
def ages(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, least: int, same: bool, own: bool, last: Any, out: Any,
) -> None:  # fmt: skip
    """Write the `least`-th smallest age among the neighbors; `last` as in the filter that this scores."""
    w, h = U(width), U(height)
    row = w + _2
    plane = row * (h + _2) if same else _0
    smallest = np.empty(9, np.int64)
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        out[i] = _FOREVER
        if xi >= w or yi >= h:
            continue
        place = (yi + _1) * row + xi + _1
        on = U(p[i] != 0)
        cell = place + on * plane
        n = 0
        for r in range(3):
            for c in range(3):
                if r == 1 and c == 1 and not own:
                    continue
                then = last[cell + U(r) * row + U(c) - row - _1]
                if then == _NEVER:
                    continue
                age = now - then
                # kept sorted by insertion: nine numbers at most
                k = n
                while k > 0 and smallest[k - 1] > age:
                    smallest[k] = smallest[k - 1]
                    k -= 1
                smallest[k] = age
                n += 1
        if n >= least:
            out[i] = smallest[least - 1]
        last[place + (_1 - on) * plane] = _NEVER
        last[cell] = now


@_compiled
def youths(
    t: Any, x: Any, y: Any, p: Any, width: int, height: int, within: int, radius: int, last: Any, out: Any,
) -> None:  # fmt: skip
    """Write the sum that the age-weighted filter compares; 0 outside the sensor."""
    w, h = U(width), U(height)
    row = w + U(2 * radius)
    plane = row * (h + U(2 * radius))
    own = U(radius) * row + U(radius)
    for i in range(t.size):
        xi, yi, now = U(x[i]), U(y[i]), t[i]
        out[i] = 0
        if xi >= w or yi >= h:
            continue
        on = U(p[i] != 0)
        corner = yi * row + xi
        out[i] = youth(last, corner + on * plane, row, radius, now, within)
        last[corner + own + (_1 - on) * plane] = _NEVER
        last[corner + own + on * plane] = now


@_compiled
def planes(
    t: Any, x: Any, y: Any, p: Any, width: Any, height: Any, radius: Any, within: Any, least: Any, spread: Any,
    last: Any, vx: Any, vy: Any,
) -> None:  # fmt: skip
    """Fit a plane to the last times around each event; write px/s, or leave what is there where none fits.

    `last` holds one map per polarity with a border of `radius` cells. Times are fitted relative to the event's own, in
    seconds, so that no digits are lost.
    """
    side = 2 * radius + 1
    row = width + 2 * radius
    plane = row * (height + 2 * radius)
    px, py = np.empty(side * side), np.empty(side * side)
    pt, used = np.empty(side * side), np.empty(side * side, np.bool_)
    for i in range(t.size):
        xi, yi, now = np.int64(x[i]), np.int64(y[i]), t[i]
        if xi >= width or yi >= height:
            continue
        corner = yi * row + xi + (plane if p[i] != 0 else 0)
        last[corner + radius * row + radius] = now
        n = 0
        for r in range(side):
            for c in range(side):
                then = last[corner + r * row + c]
                if then != _NEVER and now - then <= within:
                    px[n], py[n], pt[n], used[n] = c - radius, r - radius, (then - now) * 1e-6, True
                    n += 1
        left = n
        a, b = 0.0, 0.0
        fits = False
        for _ in range(3):
            fits = False
            if left < least:
                break
            mx, my, mt = 0.0, 0.0, 0.0
            for k in range(n):
                if used[k]:
                    mx += px[k]
                    my += py[k]
                    mt += pt[k]
            mx, my, mt = mx / left, my / left, mt / left
            xx, xy, yy, xt, yt = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(n):
                if used[k]:
                    dx, dy, dt = px[k] - mx, py[k] - my, pt[k] - mt
                    xx += dx * dx
                    xy += dx * dy
                    yy += dy * dy
                    xt += dx * dt
                    yt += dy * dt
            det = xx * yy - xy * xy
            if det < 1e-9 * (xx + yy) ** 2:  # all points in a line
                break
            a, b = (yy * xt - xy * yt) / det, (xx * yt - xy * xt) / det
            fits = True
            square = 0.0
            for k in range(n):
                if used[k]:
                    square += (pt[k] - mt - a * (px[k] - mx) - b * (py[k] - my)) ** 2
            limit = spread * spread * square / left
            if square / left < 1e-12:  # below the clock's own step
                break
            dropped = 0
            for k in range(n):
                if used[k]:
                    off = pt[k] - mt - a * (px[k] - mx) - b * (py[k] - my)
                    if off * off > limit:
                        used[k] = False
                        dropped += 1
            if dropped == 0:
                break
            left -= dropped
        slope = a * a + b * b
        if fits and slope > 0:
            vx[i], vy[i] = a / slope, b / slope
