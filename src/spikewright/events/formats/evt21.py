"""Prophesee EVT2.1: 64-bit words, each up to 32 events of one row.

A word's type stands in bits 63..60. Vectors (0 OFF, 1 ON) hold the low 6 bits of their time in 59..54, the first x in
53..43, y in 42..32, and a bit per column in 31..0; TIME_HIGH (8) holds the 28 bits above in 59..32; a trigger (A) its
input in 44..40 and its value in bit 32. Some cameras send the two 32-bit halves in the other order ("legacy").

Source
------
docs.prophesee.ai, data/encoding_formats/evt21; prophesee-ai/openeb, hal decoders evt21.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.events.formats.masks import COUNT, FEW, MARGIN, is_odd, put_masks
from spikewright.events.formats.prophesee import raw_format
from spikewright.events.formats.words import (
    BAD,
    EVENTS,
    HEIGHT,
    LAST,
    NO_TIME,
    OWN,
    ROWS,
    WIDTH,
    WRAP,
    Coding,
    compiled,
    inlined,
    next_high,
    note,
    note_many,
    placed,
    turned,
)

SWAPPED, HIGH, TURNS, KNOWN = range(OWN, OWN + 4)
"""Whether the halves are swapped; time base, its wraps, whether there is one."""

PERIOD = 1 << 28
PIECE = 1024
"""Words that are decoded again where something unusual is among them."""

TYPES = (0, 1, 8, 10, 14, 15)
"""Types that a camera sends."""


@inlined
def _halves(word: Any, swapped: int) -> tuple[Any, Any]:
    """Return the upper and the lower half of a word."""
    upper = np.int64(word >> np.uint64(32))
    lower = np.int64(word & np.uint64(0xFFFFFFFF))
    return (lower, upper) if swapped else (upper, lower)


@compiled
def _decode_all(
    words: Any, state: Any, first: int, t: Any, x: Any, y: Any, p: Any, rows: Any
) -> int:
    """Decode words of any kind from position state[EVENTS] on; `first` is the number of the first word in this call."""
    n, r = state[EVENTS], state[ROWS]
    i, room, most = 0, len(t), len(rows)
    while i < len(words):
        upper, mask = _halves(words[i], state[SWAPPED])
        kind, at = upper >> 28, first + i
        now = ((state[TURNS] * PERIOD + state[HIGH]) << 6) + ((upper >> 22) & 63)
        if kind <= 1:
            count = 0
            for k in range(4):
                count += COUNT[(mask >> (8 * k)) & 255]
            if n + count > room:
                break
            if not state[KNOWN]:
                note_many(state, NO_TIME, at, count)
            else:
                column, row = (upper >> 11) & 0x7FF, upper & 0x7FF
                for k in range(32):
                    if (mask >> k) & 1:
                        t[n], x[n], y[n], p[n] = now, column + k, row, kind
                        placed(state, now, column + k, row, at)
                        n += 1
        elif kind == 8:
            new = upper & 0x0FFFFFFF
            if state[KNOWN]:
                after = turned(new, state[HIGH], state[TURNS], PERIOD)
                if after != state[TURNS]:
                    note(state, WRAP, at)
                state[TURNS] = after
            state[KNOWN], state[HIGH] = 1, new
        elif kind == 10:
            if not state[KNOWN]:
                note(state, NO_TIME, at)
            else:
                if r == most:
                    break
                rows[r, 0], rows[r, 1], rows[r, 2] = now, (upper >> 8) & 31, upper & 1
                r += 1
        elif kind < 13:
            note(state, BAD, at)
        i += 1
    state[EVENTS], state[ROWS] = n, r
    return i


@compiled
def _decode_fast(words: Any, state: Any, t: Any, x: Any, y: Any, p: Any) -> int:
    """Decode words of the usual kinds as `_decode_all` does; return how many, less than given where it cannot go on."""
    n, room, swapped = state[EVENTS], len(t) - 32 - MARGIN, state[SWAPPED]
    high = state[HIGH]
    base = (state[TURNS] * PERIOD + high) << 6
    i, size = 0, len(words)
    known = state[KNOWN] == 1
    while known and i < size and n <= room:
        upper, mask = _halves(words[i], swapped)
        kind = upper >> 28
        if kind <= 1:
            now, column = base + ((upper >> 22) & 63), (upper >> 11) & 0x7FF
            n = put_masks(mask, now, column, upper & 0x7FF, kind, n, t, x, y, p)
        elif kind == 8:
            new = upper & 0x0FFFFFFF
            if new < high:
                break  # a wrap, or jitter
            high = new
            base = (state[TURNS] * PERIOD + high) << 6
        elif kind < 13:
            break
        i += 1
    state[HIGH] = high
    if n > state[EVENTS]:
        state[LAST] = t[n - 1]
    state[EVENTS] = n
    return i


@compiled
def decode(words: Any, state: Any, t: Any, x: Any, y: Any, p: Any, rows: Any) -> int:
    """See `words`."""
    state[EVENTS] = state[ROWS] = 0
    before = state.copy()
    i, size = 0, len(words)
    while i < size:
        end = min(i + PIECE, size)
        before[:] = state
        used = _decode_fast(words[i:end], state, t, x, y, p)
        n, then = before[EVENTS], state[EVENTS]
        again = FEW
        if is_odd(t[n:then], x[n:then], y[n:then], before[LAST], before[WIDTH], before[HEIGHT]):
            state[:] = before
            used, again = 0, PIECE
        i += used
        if i == end:
            continue
        end = min(i + again, size)
        i += _decode_all(words[i:end], state, i, t, x, y, p, rows)
        if i < end:
            break  # the columns or rows are full
    return i


@compiled
def encode(t: Any, x: Any, y: Any, p: Any, rows: Any, state: Any, out: Any) -> int:
    """See `words`; the order of events is kept, so only neighbors in rising order share a word."""
    high, known, swapped = state[HIGH], state[KNOWN], state[SWAPPED]
    size, room, most = len(t), len(out), len(rows)
    i = n = r = 0
    while n < room:
        if r < most and (size == 0 or (i < size and rows[r, 0] <= t[i])):
            now, is_row = rows[r, 0], True
        elif i < size:
            now, is_row = t[i], False
        else:
            break
        wanted, mask = now >> 6, np.int64(0)
        if not known or wanted != high:
            if not known and wanted >= PERIOD:
                wanted = 0
            elif known:
                wanted = next_high(wanted, high, PERIOD)
            high, known = wanted, 1
            upper = np.int64(8) << 28 | (high & (PERIOD - 1))
        elif is_row:
            upper = np.int64(10) << 28 | (now & 63) << 22
            upper |= (rows[r, 1] & 31) << 8 | (rows[r, 2] & 1)
            r += 1
        else:
            # sensors send vectors that begin at multiples of 32
            first, row, sign = np.int64(x[i]) & ~31, np.int64(y[i]), np.int64(p[i])
            until = rows[r, 0] if r < most else now + 1
            upper = sign << 28 | (now & 63) << 22 | first << 11 | row
            before = np.int64(-1)
            while i < size and t[i] == now and now < until and y[i] == row and p[i] == sign:
                place = np.int64(x[i]) - first
                if place > 31 or place <= before:
                    break
                mask |= np.int64(1) << place
                before = place
                i += 1
        if swapped:
            upper, mask = mask, upper
        out[n] = np.uint64(upper) << np.uint64(32) | np.uint64(mask)
        n += 1
    state[HIGH], state[KNOWN] = high, known
    state[EVENTS], state[ROWS] = n, r
    return i


def _order(raw: NDArray[np.uint8], declared: str | None) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Tell whether the halves are swapped: what the header declares, or else where more words have a known type."""
    if declared in ("little", "legacy"):
        return (int(declared == "legacy"),), ()
    halves = raw[: raw.size // 8 * 8].view("<u4").reshape(-1, 2)
    low, high = (np.isin(halves[:, k] >> 28, TYPES) for k in (0, 1))
    # words of zeros, masks for instance, look like events in both orders; times do so in one
    times = [int(np.count_nonzero(halves[:, k] >> 28 == 8)) for k in (0, 1)]
    swapped = (int(low.sum()), times[0]) > (int(high.sum()), times[1])
    name = "legacy" if swapped else "little"
    return (int(swapped),), (f"the order of halves is not in the header; {name} by the words",)


def _shift(words: NDArray[Any], state: NDArray[np.int64]) -> int | None:
    half = np.uint64(0 if state[SWAPPED] else 32)
    upper = (words >> half) & np.uint64(0xFFFFFFFF)
    at = np.flatnonzero(upper >> np.uint64(28) == 8)
    return (int(upper[at[0]]) & (PERIOD - 1)) << 6 if at.size else None


CODING = Coding(
    word="<u8",
    most=32,
    limit=(2048, 2048),
    channels=32,
    end=1 << 54,
    late=(PERIOD >> 8) << 6,
    decode=decode,
    encode=encode,
    shift=_shift,
)

FORMAT = raw_format("evt21", "EVT21", "2.1", CODING, order=_order, orders=("little", "legacy"))
