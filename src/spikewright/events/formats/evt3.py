"""Prophesee EVT3: 16-bit words that each change one thing: time, row, column, or a vector of columns.

A word's type stands in bits 15..12: ADDR_Y (0), ADDR_X (2: one event, polarity in bit 11), VECT_BASE_X (3), VECT_12 (4)
and VECT_8 (5: a bit per column from the base on, which they move), TIME_LOW (6), TIME_HIGH (8), EXT_TRIGGER (A), and
OTHERS (E) with its continuations (F, 7).

Most of a stream is decoded by `_decode_fast`, which notes nothing. A piece in which it meets anything unusual is
decoded again by `_decode_all`, which is short, slow and complete.

Source
------
docs.prophesee.ai, data/encoding_formats/evt3; prophesee-ai/openeb, hal decoders evt3: a time-high that differs from the
last sets the low part to zero; vectors are written as BASE, 12, 12, 8, which that decoder relies on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewright.events.formats.masks import COUNT, FEW, MARGIN, is_odd, put_masks
from spikewright.events.formats.prophesee import first_time_high, raw_format
from spikewright.events.formats.words import (
    BAD,
    DROPPED,
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

HIGH, TURNS, KNOWN, LOW, ROW, HAS_ROW, COLUMN, HAS_COLUMN, POLARITY = range(OWN, OWN + 9)
"""Time base, its wraps, whether there is one; low time; row; where the next vector begins, and its polarity."""

PERIOD = 1 << 12
USUAL = 1 << 0 | 1 << 2 | 1 << 6
"""Bits of the types that say a row, a single event or a low time."""
U = np.uint64
PIECE = 4096
"""Words that are decoded again where something unusual is among them; they and their events fit the first caches."""


@compiled
def _decode_all(
    words: Any, state: Any, first: int, t: Any, x: Any, y: Any, p: Any, rows: Any
) -> Any:
    """Decode words of any kind from position state[EVENTS] on; `first` is the number of the first word in this call."""
    n, r = state[EVENTS], state[ROWS]
    i, room, most = 0, len(t), len(rows)
    while i < len(words):
        word = np.int64(words[i])
        kind, at = word >> 12, first + i
        now = ((state[TURNS] * PERIOD + state[HIGH]) << 12) + state[LOW]
        if kind == 0:
            state[ROW], state[HAS_ROW] = word & 0x7FF, 1
        elif kind == 2:
            if n == room:
                break
            if not state[KNOWN]:
                note(state, NO_TIME, at)
            elif not state[HAS_ROW]:
                note(state, DROPPED, at)
            else:
                t[n], x[n], y[n], p[n] = now, word & 0x7FF, state[ROW], (word >> 11) & 1
                placed(state, now, word & 0x7FF, state[ROW], at)
                n += 1
        elif kind == 3:
            state[COLUMN], state[HAS_COLUMN] = word & 0x7FF, 1
            state[POLARITY] = (word >> 11) & 1
        elif kind == 4 or kind == 5:
            wide = 12 if kind == 4 else 8
            mask = word & ((1 << wide) - 1)
            count = COUNT[mask & 255] + COUNT[mask >> 8]
            if n + count > room:
                break
            if count and not state[KNOWN]:
                note_many(state, NO_TIME, at, count)
            elif count and not (state[HAS_ROW] and state[HAS_COLUMN]):
                note_many(state, DROPPED, at, count)
            else:
                for k in range(wide):
                    if (mask >> k) & 1:
                        column = state[COLUMN] + k
                        t[n], x[n], y[n], p[n] = now, column, state[ROW], state[POLARITY]
                        placed(state, now, column, state[ROW], at)
                        n += 1
            # many vectors after one base would leave 16 bits; nothing is on a sensor there
            state[COLUMN] = min(state[COLUMN] + wide, 65500)
        elif kind == 6:
            state[LOW] = word & 0xFFF
        elif kind == 8:
            new = word & 0xFFF
            if state[KNOWN]:
                after = turned(new, state[HIGH], state[TURNS], PERIOD)
                if after != state[TURNS]:
                    note(state, WRAP, at)
                state[TURNS] = after
            if not state[KNOWN] or new != state[HIGH]:
                state[LOW] = 0
            state[KNOWN], state[HIGH] = 1, new
        elif kind == 10:
            if not state[KNOWN]:
                note(state, NO_TIME, at)
            else:
                if r == most:
                    break
                rows[r, 0], rows[r, 1], rows[r, 2] = now, (word >> 8) & 15, word & 1
                r += 1
        elif kind == 1 or kind == 9 or kind == 11 or kind == 12:
            note(state, BAD, at)
        i += 1
    state[EVENTS], state[ROWS] = n, r
    return i


@compiled
def _decode_fast(words: Any, state: Any, t: Any, x: Any, y: Any, p: Any) -> Any:
    """Decode words of the usual kinds as `_decode_all` does; return how many, less than given where it cannot go on."""
    spare = len(t) - 32 - MARGIN
    if not (state[KNOWN] and state[HAS_ROW]) or spare < 0:
        return 0
    # unsigned positions: signed ones would be tested for being negative at every access
    n, room = U(state[EVENTS]), U(spare)
    high, low, row = state[HIGH], state[LOW], state[ROW]
    base = (state[TURNS] * PERIOD + high) << 12
    column, has_column, polarity = state[COLUMN], state[HAS_COLUMN], state[POLARITY]
    i, size = U(0), U(len(words))
    while i < size and n <= room:
        stop = i + min(size - i, room - n + U(1))  # a word gives one event at most
        word, kind = np.int64(0), np.int64(0)
        # rows, single events and times come in no order that a processor could foresee: no branch tells them apart
        while i < stop:
            word = np.int64(words[i])
            kind = word >> 12
            if not (USUAL >> kind) & 1:
                break
            value = word & 0x7FF
            row = value if kind == 0 else row
            low = word & 0xFFF if kind == 6 else low
            t[n] = base + low
            x[n] = value
            y[n] = row
            p[n] = (word >> 11) & 1
            n += U(kind == 2)
            i += U(1)
        if i == stop:
            continue
        if kind == 3:
            column, has_column, polarity = word & 0x7FF, 1, (word >> 11) & 1
            i += U(1)
            if i + U(3) > size:
                continue
            one = np.int64(words[i])
            two, three = np.int64(words[i + U(1)]), np.int64(words[i + U(2)])
            if one >> 12 != 4 or two >> 12 != 4 or three >> 12 != 5:
                continue
            mask = (one & 0xFFF) | (two & 0xFFF) << 12 | (three & 0xFF) << 24
            n = U(put_masks(mask, base + low, column, row, polarity, np.int64(n), t, x, y, p))
            column += 32
            i += U(3)
        elif kind == 8:
            new = word & 0xFFF
            if new != high:
                if new < high:
                    break  # a wrap, or jitter
                low = 0
            high = new
            base = (state[TURNS] * PERIOD + high) << 12
            i += U(1)
        elif kind >= 13 or kind == 7:
            i += U(1)
        else:
            break
    state[HIGH], state[LOW], state[ROW] = high, low, row
    state[COLUMN], state[HAS_COLUMN], state[POLARITY] = column, has_column, polarity
    written = np.int64(n)
    if written > state[EVENTS]:
        state[LAST] = t[written - 1]
    state[EVENTS] = written
    return np.int64(i)


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
    high, known, low = state[HIGH], state[KNOWN], state[LOW]  # the time base counts its wraps
    row, has_row = state[ROW], state[HAS_ROW]
    size, room, most = len(t), len(out) - 8, len(rows)
    i = n = r = 0
    while n < room:
        if r < most and (size == 0 or (i < size and rows[r, 0] <= t[i])):
            now, is_row = rows[r, 0], True
        elif i < size:
            now, is_row = t[i], False
        else:
            break
        wanted = now >> 12
        if not known or wanted != high:
            if not known and wanted >= PERIOD:
                wanted = 0
            elif known:
                wanted = next_high(wanted, high, PERIOD)
            high, known, low = wanted, 1, -1
            out[n] = 0x8000 | (high & 0xFFF)
            n += 1
            continue
        if now & 0xFFF != low:
            low = now & 0xFFF
            out[n] = 0x6000 | low
            n += 1
        if is_row:
            out[n] = 0xA000 | ((rows[r, 1] & 15) << 8) | (rows[r, 2] & 1)
            n += 1
            r += 1
            continue
        if not has_row or y[i] != row:
            row, has_row = np.int64(y[i]), 1
            out[n] = row
            n += 1
        # how many neighbors one vector holds, up to the next trigger
        mask, k, first = np.int64(1), i + 1, np.int64(x[i])
        until = rows[r, 0] if r < most else now + 1
        while k < size and t[k] == now and now < until and y[k] == row and p[k] == p[i]:
            place = np.int64(x[k]) - first
            if place > 31 or x[k] <= x[k - 1]:
                break
            mask |= np.int64(1) << place
            k += 1
        if k - i < 5:
            out[n] = 0x2000 | (np.int64(p[i]) << 11) | first
            n += 1
            i += 1
            continue
        out[n] = 0x3000 | (np.int64(p[i]) << 11) | first
        out[n + 1] = 0x4000 | (mask & 0xFFF)
        out[n + 2] = 0x4000 | ((mask >> 12) & 0xFFF)
        out[n + 3] = 0x5000 | (mask >> 24)
        n += 4
        i = k
    state[HIGH], state[KNOWN], state[LOW] = high, known, low
    state[ROW], state[HAS_ROW] = row, has_row
    state[EVENTS], state[ROWS] = n, r
    return i


CODING = Coding(
    word="<u2",
    most=12,
    limit=(2048, 2048),
    channels=16,
    end=1 << 44,
    late=16 << 12,
    decode=decode,
    encode=encode,
    shift=first_time_high("<u2", 12, 8, 12, 12),
)

FORMAT = raw_format("evt3", "EVT3", "3.0", CODING)
