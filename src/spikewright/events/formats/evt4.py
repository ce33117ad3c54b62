"""Prophesee EVT4: 32-bit words; a vector's word is followed by its mask, which may look like any word.

A word's type stands in bits 31..28: single events (A OFF, B ON) and vectors (C OFF, D ON) hold the low 6 bits of their
time in 27..22, x in 21..11 and y in 10..0; TIME_HIGH (E) holds the 28 bits above; a trigger (9) its input in 12..8 and
its value in bit 0; 6 and 7 are monitoring, F is padding.

Source
------
prophesee-ai/openeb, hal decoders evt4.
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
    next_high,
    note,
    note_many,
    placed,
    turned,
)

HIGH, TURNS, KNOWN, VECTOR = range(OWN, OWN + 4)
"""Time base, its wraps, whether there is one; the vector's word that waits for its mask, or -1."""

PERIOD = 1 << 28
PIECE = 2048
"""Words that are decoded again where something unusual is among them."""


@compiled
def _decode_all(
    words: Any, state: Any, first: int, t: Any, x: Any, y: Any, p: Any, rows: Any
) -> int:
    """Decode words of any kind from position state[EVENTS] on; `first` is the number of the first word in this call."""
    n, r = state[EVENTS], state[ROWS]
    i, room, most = 0, len(t), len(rows)
    while i < len(words):
        word, at = np.int64(words[i]), first + i
        head = word
        mask = np.int64(1)
        if state[VECTOR] >= 0:
            head, mask = state[VECTOR], word
        kind = head >> 28
        now = ((state[TURNS] * PERIOD + state[HIGH]) << 6) + ((head >> 22) & 63)
        if kind >= 12 and kind <= 13 and state[VECTOR] < 0:
            state[VECTOR] = word
        elif kind >= 10 and kind <= 13:
            count = 0
            for k in range(4):
                count += COUNT[(mask >> (8 * k)) & 255]
            if n + count > room:
                break
            if not state[KNOWN]:
                note_many(state, NO_TIME, at, count)
            else:
                column, row = (head >> 11) & 0x7FF, head & 0x7FF
                for k in range(32):
                    if (mask >> k) & 1:
                        t[n], x[n], y[n], p[n] = now, column + k, row, kind & 1
                        placed(state, now, column + k, row, at)
                        n += 1
            state[VECTOR] = -1
        elif kind == 14:
            new = word & 0x0FFFFFFF
            if state[KNOWN]:
                after = turned(new, state[HIGH], state[TURNS], PERIOD)
                if after != state[TURNS]:
                    note(state, WRAP, at)
                state[TURNS] = after
            state[KNOWN], state[HIGH] = 1, new
        elif kind == 9:
            if not state[KNOWN]:
                note(state, NO_TIME, at)
            else:
                if r == most:
                    break
                rows[r, 0], rows[r, 1], rows[r, 2] = now, (word >> 8) & 31, word & 1
                r += 1
        elif kind < 6 or kind == 8 or (kind == 15 and word != 0xFFFFFFFF):
            note(state, BAD, at)
        i += 1
    state[EVENTS], state[ROWS] = n, r
    return i


@compiled
def _decode_fast(words: Any, state: Any, t: Any, x: Any, y: Any, p: Any) -> int:
    """Decode words of the usual kinds as `_decode_all` does; return how many, less than given where it cannot go on."""
    n, room = state[EVENTS], len(t) - 32 - MARGIN
    high = state[HIGH]
    base = (state[TURNS] * PERIOD + high) << 6
    i, size = 0, len(words)
    if not state[KNOWN] or state[VECTOR] >= 0:
        return 0
    while i < size and n <= room:
        word = np.int64(words[i])
        kind = word >> 28
        if kind == 10 or kind == 11:
            t[n] = base + ((word >> 22) & 63)
            x[n] = (word >> 11) & 0x7FF
            y[n] = word & 0x7FF
            p[n] = kind & 1
            n += 1
        elif kind == 12 or kind == 13:
            if i + 1 == size:
                break
            now, column = base + ((word >> 22) & 63), (word >> 11) & 0x7FF
            mask = np.int64(words[i + 1])
            n = put_masks(mask, now, column, word & 0x7FF, kind & 1, n, t, x, y, p)
            i += 1
        elif kind == 14:
            new = word & 0x0FFFFFFF
            if new < high:
                break  # a wrap, or jitter
            high = new
            base = (state[TURNS] * PERIOD + high) << 6
        elif kind != 6 and kind != 7:
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
    """See `words`; the order of events is kept, so only neighbors in rising order share a vector."""
    high, known = state[HIGH], state[KNOWN]
    size, room, most = len(t), len(out) - 1, len(rows)
    i = n = r = 0
    while n < room:
        if r < most and (size == 0 or (i < size and rows[r, 0] <= t[i])):
            now, is_row = rows[r, 0], True
        elif i < size:
            now, is_row = t[i], False
        else:
            break
        wanted = now >> 6
        if not known or wanted != high:
            if not known and wanted >= PERIOD:
                wanted = 0
            elif known:
                wanted = next_high(wanted, high, PERIOD)
            high, known = wanted, 1
            out[n] = np.uint32(0xE0000000 | (high & (PERIOD - 1)))
            n += 1
            continue
        if is_row:
            word = 0x90000000 | (now & 63) << 22 | (rows[r, 1] & 31) << 8 | (rows[r, 2] & 1)
            out[n] = np.uint32(word)
            n += 1
            r += 1
            continue
        first, row, sign = np.int64(x[i]), np.int64(y[i]), np.int64(p[i])
        mask, k = np.int64(1), i + 1
        until = rows[r, 0] if r < most else now + 1
        while k < size and t[k] == now and now < until and y[k] == row and p[k] == sign:
            place = np.int64(x[k]) - first
            if place > 31 or x[k] <= x[k - 1]:
                break
            mask |= np.int64(1) << place
            k += 1
        kind = np.int64(10) if k - i < 3 else np.int64(12)
        out[n] = np.uint32((kind | sign) << 28 | (now & 63) << 22 | first << 11 | row)
        n += 1
        if k - i < 3:
            i += 1
        else:
            out[n] = np.uint32(mask)
            n += 1
            i = k
    state[HIGH], state[KNOWN] = high, known
    state[EVENTS], state[ROWS] = n, r
    return i


def _begin(raw: NDArray[np.uint8], declared: str | None) -> tuple[tuple[int, ...], tuple[str, ...]]:
    return (0, 0, 0, -1), ()


def _ended(state: NDArray[np.int64]) -> bool:
    return bool(state[VECTOR] >= 0)


def _shift(words: NDArray[Any], state: NDArray[np.int64]) -> int | None:
    """Find the first time base; a mask may look like one, so masks are passed over."""
    at = 0
    while at < words.size:
        kind = int(words[at]) >> 28
        if kind == 14:
            return (int(words[at]) & (PERIOD - 1)) << 6
        at += 2 if kind in (12, 13) else 1
    return None


CODING = Coding(
    word="<u4",
    most=32,
    limit=(2048, 2048),
    channels=32,
    end=1 << 54,
    late=(PERIOD >> 8) << 6,
    decode=decode,
    encode=encode,
    ended=_ended,
    shift=_shift,
)

FORMAT = raw_format("evt4", "EVT4", "4.0", CODING, order=_begin)
