"""Prophesee EVT2: 32-bit words, one event each.

A word's type stands in bits 31..28. Events (0 OFF, 1 ON) hold the low 6 bits of their time in 27..22, x in 21..11 and y
in 10..0; TIME_HIGH (8) holds the 28 bits above; a trigger (A) its input in 12..8 and its value in bit 0.

Source
------
docs.prophesee.ai, data/encoding_formats/evt2; prophesee-ai/openeb, hal decoders evt2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewright.events.formats.prophesee import first_time_high, raw_format
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

HIGH, TURNS, KNOWN = OWN, OWN + 1, OWN + 2
"""Last time-high, wraps before it, and whether there was one."""

PERIOD = 1 << 28
FIRST_OTHER = 0x20000000
"""Words below it are events."""

SHORT = 32
"""Runs of fewer events are decoded one by one."""


@compiled
def run_of_events(words: Any, first: int, most: int) -> int:
    """Return how many words from `first` on are events, at most `most`."""
    size = min(len(words) - first, most)
    k = 0
    while k + 16 <= size:
        block = words[first + k : first + k + 16]
        bits = np.uint32(0)
        for j in range(16):
            bits |= block[j]
        if bits >= np.uint32(FIRST_OTHER):
            break
        k += 16
    while k < size and words[first + k] < np.uint32(FIRST_OTHER):
        k += 1
    return k


@compiled
def decode_run(
    run: Any, base: int, last: int, width: int, height: int, t: Any, x: Any, y: Any, p: Any
) -> Any:
    """Decode words that all are events of one time base; tell whether one lies outside or before another.

    One loop per column, because compilers turn only such loops into vector instructions.
    """
    size = len(run)
    if size < SHORT:
        odd = False
        before: Any = last
        for k in range(size):
            word = run[k]
            now = base + np.int64((word >> np.uint32(22)) & np.uint32(63))
            column, row = (word >> np.uint32(11)) & np.uint32(0x7FF), word & np.uint32(0x7FF)
            t[k] = now
            x[k] = column
            y[k] = row
            p[k] = word >> np.uint32(28)
            odd |= (now < before) | (column >= width) | (row >= height)
            before = now
        return odd
    for k in range(size):
        t[k] = base + np.int64((run[k] >> np.uint32(22)) & np.uint32(63))
    for k in range(size):
        x[k] = np.uint16((run[k] >> np.uint32(11)) & np.uint32(0x7FF))
    for k in range(size):
        y[k] = np.uint16(run[k] & np.uint32(0x7FF))
    for k in range(size):
        p[k] = np.uint8(run[k] >> np.uint32(28))
    column, row = np.uint32(0), np.uint32(0)
    for k in range(size):
        column = max(column, run[k] & np.uint32(0x3FF800))
        row = max(row, run[k] & np.uint32(0x7FF))
    low, back = np.uint32(0xFC00000), np.uint32(0)
    for k in range(1, size):
        back |= np.uint32((run[k] & low) < (run[k - 1] & low))
    return (column >> 11) >= width or row >= height or back > 0 or t[0] < last


@compiled
def decode(words: Any, state: Any, t: Any, x: Any, y: Any, p: Any, rows: Any) -> int:
    """See `words`."""
    high, turns, known = state[HIGH], state[TURNS], state[KNOWN]
    base = (turns * PERIOD + high) << 6
    size, room, most = len(words), len(t), len(rows)
    i = n = r = 0
    while i < size:
        run = run_of_events(words, i, room - n if known else size)
        if run and known:
            end = n + run
            odd = decode_run(
                words[i : i + run], base, state[LAST], state[WIDTH], state[HEIGHT],
                t[n:end], x[n:end], y[n:end], p[n:end],
            )  # fmt: skip
            if odd:
                for k in range(run):
                    placed(state, t[n + k], x[n + k], y[n + k], i + k)
            state[LAST] = t[end - 1]
            n = end
        elif run:
            note_many(state, NO_TIME, i, run)
        i += run
        if i == size:
            break
        word = words[i]
        kind = word >> np.uint32(28)
        if kind <= 1:
            break  # the columns are full
        if kind == 8:
            new = np.int64(word & np.uint32(0x0FFFFFFF))
            if known:
                after = turned(new, high, turns, PERIOD)
                if after != turns:
                    note(state, WRAP, i)
                turns = after
            known, high = 1, new
            base = (turns * PERIOD + high) << 6
        elif kind == 10:
            if not known:
                note(state, NO_TIME, i)
            else:
                if r == most:
                    break
                rows[r, 0] = base + np.int64((word >> np.uint32(22)) & np.uint32(63))
                rows[r, 1] = (word >> np.uint32(8)) & np.uint32(31)
                rows[r, 2] = word & np.uint32(1)
                r += 1
        elif kind < 13 and kind != 10:
            note(state, BAD, i)
        i += 1
    state[HIGH], state[TURNS], state[KNOWN] = high, turns, known
    state[EVENTS], state[ROWS] = n, r
    return i


@compiled
def encode(t: Any, x: Any, y: Any, p: Any, rows: Any, state: Any, out: Any) -> int:
    """See `words`; a time base is written whenever it changes, and on the way to one that is far."""
    high, known = state[HIGH], state[KNOWN]  # the time base, its wraps included
    room, most = len(out), len(rows)
    i = n = r = 0
    while n < room:
        if r < most and (len(t) == 0 or (i < len(t) and rows[r, 0] <= t[i])):
            now, is_row = rows[r, 0], True
        elif i < len(t):
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
            out[n] = np.uint32(0x80000000) | np.uint32(high & (PERIOD - 1))
            n += 1
            continue
        low = np.uint32(now & 63) << np.uint32(22)
        if is_row:
            out[n] = (
                np.uint32(0xA0000000)
                | low
                | (np.uint32(rows[r, 1] & 31) << np.uint32(8))
                | np.uint32(rows[r, 2] & 1)
            )
            r += 1
        else:
            out[n] = (
                (np.uint32(p[i]) << np.uint32(28))
                | low
                | (np.uint32(x[i]) << np.uint32(11))
                | np.uint32(y[i])
            )
            i += 1
        n += 1
    state[HIGH], state[KNOWN] = high, known
    state[EVENTS], state[ROWS] = n, r
    return i


CODING = Coding(
    word="<u4",
    most=1,
    limit=(2048, 2048),
    channels=32,
    end=1 << 54,
    late=(PERIOD >> 8) << 6,
    decode=decode,
    encode=encode,
    shift=first_time_high("<u4", 28, 8, 28, 6),
)

FORMAT = raw_format("evt2", "EVT2", "2.0", CODING)
