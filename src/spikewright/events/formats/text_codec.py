"""Events in lines of text, to columns and back: compiled loops over bytes, exact decimals.

A number is read as digits and a power of ten, never as a float: 0.003811 s is 3811 us, whatever binary fractions exist.
More than six decimals of a second are rounded, halves away from zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

_compiled: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")

IGNORED, T, X, Y, P = range(5)
"""What a column holds."""

MAX_COLUMNS = 16
READ, USED, BAD, FIRST_BAD, OUTSIDE, FIRST_OUTSIDE, SKIPPED = range(7)
"""Places of `parse`'s answer: events; bytes; bad lines and where the first is; the same for x or y beyond 65535; lines
without events (empty ones and comments)."""

_DIGITS = 18
"""So many digits fit int64; more are counted, not kept."""
_LIMIT = 9_200_000_000_000_000_000
_TENS = np.array([10**n for n in range(19)], np.int64)


@_compiled
def _scaled(digits: Any, exponent: int) -> tuple[Any, bool]:
    """Return digits * 10^exponent, rounded, and whether it fits."""
    if exponent == -3:  # nanoseconds; dividing by a constant is several times faster
        return np.int64(np.uint64(digits + 500) // np.uint64(1000)), True
    if exponent < 0:
        if exponent < -18:
            return 0, True
        tens = _TENS[-exponent]
        return (digits + tens // 2) // tens, True
    if digits == 0:
        return 0, True
    if exponent > 18 or digits > _LIMIT // _TENS[exponent]:
        return 0, False
    return digits * _TENS[exponent], True


@_compiled
def _long(data: Any, first: int, last: int) -> tuple[Any, int]:
    """Return the first 18 digits of a long number that count, and the power of ten they are to be multiplied by."""
    digits = np.int64(0)
    kept = exponent = 0
    behind = False
    for k in range(first, last):
        if data[k] == 46:
            behind = True
        elif kept < _DIGITS:
            digits = digits * 10 + data[k] - 48
            kept += digits > 0
            exponent -= behind
        else:
            exponent += not behind
    return digits, exponent


@_compiled
def parse(
    data: Any, roles: Any, delimiter: int, power: int, t: Any, x: Any, y: Any, p: Any, said: Any
) -> None:
    """Read the whole lines of a piece of text until the columns are full.

    Parameters
    ----------
    data : uint8 array; what follows the last line feed is not read
    roles : uint8 array, what each column holds; further columns of a line are ignored
    delimiter : int, a byte between columns; a space stands for any run of spaces and tabs
    power : int, the unit of the times is 10^power us
    t, x, y, p : int64, uint16, uint16 and uint8 arrays of one length, written from index 0
    said : int64 array, 7, the answer
    """
    size = data.size
    room = t.size
    said[:] = 0
    said[FIRST_BAD] = said[FIRST_OUTSIDE] = -1
    end = size
    while end > 0 and data[end - 1] != 10:
        end -= 1
    columns = roles.size
    at = n = 0
    spaces = delimiter == 32
    while at < end and n < room:
        line = at
        fine = True
        near = True
        column = 0
        time = np.int64(0)
        xx = yy = np.int64(0)
        pp = np.uint8(0)
        c = data[at]
        while c == 32 or c == 9 or c == 13:
            at += 1
            c = data[at]
        if c == 10 or c == 35 or c == 37:  # nothing, or a comment
            while data[at] != 10:
                at += 1
            at += 1
            said[SKIPPED] += 1
            continue
        while column < columns:
            c = data[at]
            while c == 32 or (c == 9 and delimiter != 9):
                at += 1
                c = data[at]
            if roles[column] == IGNORED:
                while c != 10 and c != delimiter and not (spaces and c == 9):
                    at += 1
                    c = data[at]
            else:
                negative = bool(c == 45)
                if negative or c == 43:
                    at += 1
                    c = data[at]
                first = at
                digits = np.int64(0)
                d = np.int64(c) - 48
                while 0 <= d <= 9:
                    digits = digits * 10 + d
                    at += 1
                    d = np.int64(data[at]) - 48
                exponent = 0
                seen = at - first
                c = data[at]
                if c == 46:
                    at += 1
                    point = at
                    d = np.int64(data[at]) - 48
                    while 0 <= d <= 9:
                        digits = digits * 10 + d
                        at += 1
                        d = np.int64(data[at]) - 48
                    exponent = point - at
                    seen -= exponent
                    c = data[at]
                if seen > _DIGITS:  # rare
                    digits, exponent = _long(data, first, at)
                if seen == 0:
                    letter = c | 32
                    if roles[column] == P and (letter == 116 or letter == 102):  # true, false
                        digits = np.int64(letter == 116)
                        while 97 <= (c | 32) <= 122:
                            at += 1
                            c = data[at]
                    else:
                        fine = False
                elif (c | 32) == 101:  # an exponent
                    at += 1
                    c = data[at]
                    small = c == 45
                    if small or c == 43:
                        at += 1
                    e = np.int64(0)
                    d = np.int64(data[at]) - 48
                    fine = fine and bool(0 <= d <= 9)
                    while 0 <= d <= 9:
                        e = e * 10 + d if e < 100 else np.int64(999)
                        at += 1
                        d = np.int64(data[at]) - 48
                    exponent += -int(e) if small else int(e)
                    c = data[at]
                role = roles[column]
                if role == T:
                    exponent += power
                if exponent != 0:
                    digits, fits = _scaled(digits, exponent)
                    fine &= fits
                if role == T:
                    time = -digits if negative else digits
                elif role == P:
                    pp = np.uint8(digits > 0 and not negative)
                else:
                    near = near and bool(digits <= 65535) and not (negative and digits > 0)
                    if role == X:
                        xx = digits
                    else:
                        yy = digits
            while c == 32 or c == 13 or (c == 9 and delimiter != 9):
                at += 1
                c = data[at]
            column += 1
            if c == 10:
                break
            if column < columns and not spaces:
                if c != delimiter:
                    fine = False
                    break
                at += 1
            if not fine:
                break
        fine &= column == columns
        # further columns are ignored, but nothing may hang on to the last number
        c = data[at]
        if c != 10:
            before = data[at - 1]
            fine &= c == delimiter or (spaces and (before == 32 or before == 9))
            while data[at] != 10:
                at += 1
        at += 1
        if not fine:
            if said[BAD] == 0:
                said[FIRST_BAD] = line
            said[BAD] += 1
        elif not near:
            if said[OUTSIDE] == 0:
                said[FIRST_OUTSIDE] = line
            said[OUTSIDE] += 1
        else:
            t[n] = time
            x[n] = xx
            y[n] = yy
            p[n] = pp
            n += 1
    said[READ] = n
    said[USED] = at


@_compiled
def _put(out: Any, at: int, value: Any, least: int) -> Any:
    digits = least
    while digits < 19 and value >= _TENS[digits]:
        digits += 1
    for k in range(at + digits - 1, at - 1, -1):
        out[k] = 48 + value % 10
        value //= 10
    return at + digits


@_compiled
def format_lines(t: Any, x: Any, y: Any, p: Any, delimiter: int, decimals: int, out: Any) -> Any:
    """Write lines ``t x y p``.

    Parameters
    ----------
    t, x, y, p : columns; no t is the smallest int64
    delimiter : int, the byte between columns
    decimals : int, so many digits of the times stand behind a point; 0 for none
    out : uint8 array of at least 48 bytes per event

    Returns
    -------
    int : bytes written
    """
    at = 0
    for n in range(t.size):
        time = t[n]
        if time < 0:
            out[at] = 45
            at += 1
            time = -time
        if decimals:
            at = _put(out, at, time // _TENS[decimals], 1)
            out[at] = 46
            at = _put(out, at + 1, time % _TENS[decimals], decimals)
        else:
            at = _put(out, at, time, 1)
        out[at] = delimiter
        at = _put(out, at + 1, np.int64(x[n]), 1)
        out[at] = delimiter
        at = _put(out, at + 1, np.int64(y[n]), 1)
        out[at] = delimiter
        out[at + 1] = 48 + p[n]
        out[at + 2] = 10
        at += 3
    return at
