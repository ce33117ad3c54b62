"""Compiled loops of the pictures. Imported where they are first used.

Notation: a picture of `height` x `width` cells shows a sensor of `rows` x `columns` pixels; pixel (x, y) falls into
cell (x width // columns, y height // rows). Grey level 127 of an index image is the ground, 254 the brightest ON, 0 the
brightest OFF.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

NEVER = np.iinfo(np.int64).min
MOST = 32767

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def tally(x: Any, y: Any, p: Any, rows: int, columns: int, slot: Any, total: Any) -> int:
    """Add ON minus OFF to the int16 `slot` of one step and to the int32 `total`; return the events outside."""
    height, width = total.shape
    outside = 0
    for i in range(x.size):
        column, row = int(x[i]), int(y[i])
        if column < columns and row < rows:
            if width != columns or height != rows:
                column, row = column * width // columns, row * height // rows
            sign = 1 if p[i] != 0 else -1
            value = slot[row, column] + sign
            # a slot that is full stays so: far beyond what a color can show
            if -MOST <= value <= MOST:
                slot[row, column] = value
                total[row, column] += sign
        else:
            outside += 1
    return outside


@_compiled
def forget(slot: Any, total: Any) -> None:
    """Take a step that has left the window out of the total, and clear it."""
    height, width = total.shape
    for row in range(height):
        for column in range(width):
            total[row, column] -= slot[row, column]
            slot[row, column] = 0


@_compiled
def shade_total(total: Any, saturation: float, out: Any, sizes: Any) -> None:
    """Write grey levels of signed counts, and how many cells have each absolute count (1 to 255) into `sizes`."""
    height, width = total.shape
    scale = 127.0 / saturation
    for row in range(height):
        for column in range(width):
            value = total[row, column]
            level = 127
            if value != 0:
                sizes[min(abs(value), 255)] += 1
                level += round(min(max(value * scale, -127.0), 127.0))
            out[row, column] = level


@_compiled
def latest(t: Any, x: Any, y: Any, p: Any, rows: int, columns: int, times: Any, signs: Any) -> int:
    """Keep time and sign of the last event of each cell; return the events outside."""
    height, width = times.shape
    outside = 0
    for i in range(x.size):
        column, row = int(x[i]), int(y[i])
        if column < columns and row < rows:
            if width != columns or height != rows:
                column, row = column * width // columns, row * height // rows
            times[row, column] = t[i]
            signs[row, column] = 1 if p[i] != 0 else -1
        else:
            outside += 1
    return outside


@_compiled
def shade_age(times: Any, signs: Any, now: int, tau: float, out: Any) -> None:
    """Write grey levels that fade exponentially with the age of each cell's last event."""
    height, width = times.shape
    for row in range(height):
        for column in range(width):
            level = 127
            if times[row, column] != NEVER:
                age = max(0.0, (float(now) - float(times[row, column])) / tau)
                level += round(127.0 * math.exp(-age)) * signs[row, column]
            out[row, column] = level
