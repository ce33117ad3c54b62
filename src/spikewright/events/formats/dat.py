"""Prophesee DAT: a text header, two bytes, and records of a 32-bit time and a 32-bit word.

Version 2: x in bits 13..0, y in 27..14, polarity in 28. Version 1 (files of the first ATIS cameras): x in 8..0, y in
16..9, polarity in 17. Triggers are files of their own: value in bit 0, input in 12..8. A file without any text has no
two bytes either.

Source
------
docs.prophesee.ai, data/file_formats/dat; prophesee-ai/openeb, sdk core dat_tools.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras
from spikewright.events.formats.base import Format, Header, Options, parsed_size, sized
from spikewright.events.formats.masks import is_odd
from spikewright.events.formats.prophesee import LONGEST, header_lines, raw_encoding
from spikewright.events.formats.source import Source
from spikewright.events.formats.words import (
    BAD,
    EVENTS,
    HEIGHT,
    LAST,
    OWN,
    ROWS,
    WIDTH,
    WRAP,
    Coding,
    WordReader,
    WordWriter,
    compiled,
    note,
    placed,
)

CONTENT, TURNS, BEFORE = range(OWN, OWN + 3)
"""1 or 2: events of that version, 3: triggers; wraps of the clock; its value in the record before."""

TRIGGERS = 3
PIECE = 2048
"""Records that are decoded together where their times rise; they and their events fit the first caches."""

_EVENT_2D, _EVENT_CD, _EVENT_TRIGGER = 0x00, 0x0C, 0x0E


@compiled
def _decode_slow(words: Any, state: Any, first: int, t: Any, x: Any, y: Any, p: Any) -> None:
    """Decode events one by one; a fall of the clock by more than half its range is a wrap."""
    old, n = state[CONTENT] == 1, state[EVENTS]
    for i in range(len(words)):
        clock, word = (
            np.int64(words[i] & np.uint64(0xFFFFFFFF)),
            np.int64(words[i] >> np.uint64(32)),
        )
        if state[BEFORE] - clock > 1 << 31:
            state[TURNS] += 1
            note(state, WRAP, first + i)
        elif clock - state[BEFORE] >= (1 << 32) - (1 << 24) and state[TURNS] > 0:
            state[TURNS] -= 1  # a record from before the wrap that came late
            note(state, WRAP, first + i)
        state[BEFORE] = clock
        column, row, sign = word & 0x3FFF, (word >> 14) & 0x3FFF, word >> 28
        if old:
            column, row, sign = word & 0x1FF, (word >> 9) & 0xFF, word >> 17
        if sign > 1:
            note(state, BAD, first + i)
        now = (state[TURNS] << 32) + clock
        t[n + i], x[n + i], y[n + i], p[n + i] = now, column, row, sign & 1
        placed(state, now, column, row, first + i)
    state[EVENTS] += len(words)


@compiled
def _decode_fast(words: Any, turns: int, old: bool, t: Any, x: Any, y: Any, p: Any) -> Any:
    """Decode events between two wraps; tell whether a polarity is no polarity.

    One loop per column, because compilers turn only such loops into vector instructions.
    """
    base = turns << 32
    for i in range(len(words)):
        t[i] = base + np.int64(words[i] & np.uint64(0xFFFFFFFF))
    at_x, of_x = np.uint64(32), np.uint64(0x1FF if old else 0x3FFF)
    at_y, of_y = np.uint64(41 if old else 46), np.uint64(0xFF if old else 0x3FFF)
    at_p = np.uint64(49 if old else 60)
    for i in range(len(words)):
        x[i] = np.uint16((words[i] >> at_x) & of_x)
    for i in range(len(words)):
        y[i] = np.uint16((words[i] >> at_y) & of_y)
    high = np.uint64(0)
    for i in range(len(words)):
        sign = words[i] >> at_p
        p[i] = np.uint8(sign & np.uint64(1))
        high |= sign
    return high > np.uint64(1)


@compiled
def decode(words: Any, state: Any, t: Any, x: Any, y: Any, p: Any, rows: Any) -> int:
    """See `words`."""
    state[EVENTS] = state[ROWS] = 0
    if state[CONTENT] == TRIGGERS:
        size = min(len(words), len(rows))
        for i in range(size):
            clock, word = np.int64(words[i] & np.uint64(0xFFFFFFFF)), words[i] >> np.uint64(32)
            if state[BEFORE] - clock > 1 << 31:
                state[TURNS] += 1
                note(state, WRAP, i)
            state[BEFORE] = clock
            rows[i, 0] = (state[TURNS] << 32) + clock
            rows[i, 1], rows[i, 2] = (word >> np.uint64(8)) & np.uint64(31), word & np.uint64(1)
        state[ROWS] = size
        return size
    i, size = 0, min(len(words), len(t))
    while i < size:
        end = min(i + PIECE, size)
        bad = _decode_fast(
            words[i:end], state[TURNS], state[CONTENT] == 1, t[i:end], x[i:end], y[i:end], p[i:end]
        )
        # a wrap shows as a time that runs backwards
        last = (state[TURNS] << 32) + state[BEFORE] if i or state[BEFORE] else state[LAST]
        if bad or is_odd(t[i:end], x[i:end], y[i:end], last, state[WIDTH], state[HEIGHT]):
            state[EVENTS] = i
            _decode_slow(words[i:end], state, i, t, x, y, p)
        else:
            state[LAST], state[BEFORE] = t[end - 1], t[end - 1] & 0xFFFFFFFF
            state[EVENTS] = end
        i = end
    return size


@compiled
def encode(t: Any, x: Any, y: Any, p: Any, rows: Any, state: Any, out: Any) -> int:
    """See `words`."""
    size, r = min(len(t), len(out)), 0
    if state[CONTENT] == TRIGGERS:
        r = min(len(rows), len(out))
        for i in range(r):
            word = (rows[i, 1] & 31) << 8 | (rows[i, 2] & 1)
            out[i] = np.uint64(rows[i, 0] & 0xFFFFFFFF) | np.uint64(word) << np.uint64(32)
    else:
        for i in range(size):
            word = np.int64(p[i]) << 28 | np.int64(y[i]) << 14 | np.int64(x[i])
            out[i] = np.uint64(t[i] & 0xFFFFFFFF) | np.uint64(word) << np.uint64(32)
        r = 0
    state[EVENTS], state[ROWS] = max(size, r), r
    return size


def _shift(words: NDArray[Any], state: NDArray[np.int64]) -> int | None:
    return int(words[0]) & 0xFFFFFFFF if words.size else None


CODING = Coding(
    word="<u8",
    most=1,
    limit=(16384, 16384),
    channels=32,
    end=1 << 62,
    late=1 << 24,
    decode=decode,
    encode=encode,
    shift=_shift,
)


def _header(source: Source, options: Options) -> tuple[Header, int, int]:
    """Return the header, the byte after it, and what the records are."""
    head = source.window(0, LONGEST, least=LONGEST).tobytes()
    found = header_lines(head)
    if head.startswith(b"%") and not found.lines:
        raise FormatError(
            explain(source.name, "ends inside its header", cure="copy the file again")
        )
    fields = found.fields()
    header = Header("dat", 0, 0, found.lines, fields.get("date"))
    header = parsed_size(header, f"{fields.get('width', '')}x{fields.get('height', '')}")
    kind, size, first = _EVENT_2D, 8, found.end
    if found.lines:
        mark = source.window(found.end, 2, least=2)
        if mark.size < 2:
            raise FormatError(
                explain(source.name, "ends inside its header", cure="copy the file again")
            )
        kind, size, first = int(mark[0]), int(mark[1]), found.end + 2
    version = fields.get("version", "1" if found.lines else "2")
    content = {_EVENT_2D: 2, _EVENT_CD: 2, _EVENT_TRIGGER: TRIGGERS}.get(kind)
    if content is None or size != 8 or version not in ("1", "2"):
        raise FormatError(
            explain(
                source.name,
                "a DAT file of another kind",
                found=f"version {version[:20]}, event type {kind}, {size} bytes per event",
                expected="version 1 or 2, type 0, 12 or 14, 8 bytes",
            )
        )
    if content == 2 and version == "1":
        content = 1
    header = header.replace(
        details=MappingProxyType({**fields, "version": version, "event_type": kind})
    )
    if not found.lines:
        header = header.replace(notes=("no header; records of version 2 are assumed",))
    header = sized(header, options)
    if content == TRIGGERS and not (header.width and header.height):  # it holds no addresses
        header = header.replace(width=header.width or 1, height=header.height or 1)
    return header, first, content


def _detect(head: bytes, path: Path | None) -> Any:
    found = header_lines(head)
    if not found.lines:
        return path is not None and path.suffix.lower() == ".dat" and not head.startswith(b"#")
    if raw_encoding(head) is not None or found.has_end:
        return False
    mark = head[found.end : found.end + 2]
    return len(mark) == 2 and mark[0] in (_EVENT_2D, _EVENT_CD, _EVENT_TRIGGER) and mark[1] == 8


def _reader(source: Source, options: Options) -> WordReader:
    header, first, content = _header(source, options)
    return WordReader(source, options, header, first, CODING, (content,))


class DatWriter(WordWriter):
    """Writes a DAT file of events, version 2, or of triggers; see `WordWriter`.

    Parameters
    ----------
    path, header, lossy : as for `Writer`
    triggers : bool, whether the file holds triggers; a DAT file holds either
    """

    name = "dat"

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        *,
        lossy: bool = False,
        triggers: bool = False,
    ) -> None:
        what = "trigger" if triggers else "CD"
        lines = [f"% Data file containing {what} events"]
        if header.start:
            lines.append(f"% Date {header.start}")
        lines += ["% Version 2", f"% Width {header.width}", f"% Height {header.height}"]
        mark = bytes([_EVENT_TRIGGER if triggers else _EVENT_CD, 8])
        head = ("\n".join(lines) + "\n").encode("ascii", "replace") + mark
        content = TRIGGERS if triggers else 2
        super().__init__(path, header, coding=CODING, head=head, state=(content,), lossy=lossy)

    def add(self, events: CameraEvents) -> None:
        """Write events after those written before; see `WordWriter.add`."""
        if events.n and self._state[CONTENT] == TRIGGERS:
            self.refuse("events beside triggers", events.n)
            return
        super().add(events)

    def add_extras(self, extras: Extras) -> None:
        """Write triggers, in a file of triggers; see `Writer.add_extras`."""
        if self._state[CONTENT] != TRIGGERS:
            self.refuse("triggers beside events", len(extras.triggers or ()))
            extras = Extras(None, extras.frames, extras.imu)
        super().add_extras(extras)

    def _check_times(self, what: str, t: NDArray[np.int64]) -> None:
        super()._check_times(what, t)
        before = max(int(self._state[LAST]), 0)
        gap = int(np.diff(t, prepend=before).max()) if t.size else 0
        # what a reader makes of the low 32 bits: a fall by more than half of them is one wrap
        clock = np.concatenate([[before], t]) & 0xFFFFFFFF
        falls = clock[:-1] - clock[1:] > 1 << 31
        rises = (clock[1:] - clock[:-1] >= (1 << 32) - (1 << 24)) & (
            np.concatenate([[before], t])[:-1] >> 32 > 0
        )
        turns = (before >> 32) + np.cumsum(falls.astype(np.int64) - rises)
        if not np.array_equal((turns << 32) + clock[1:], t):
            raise FormatError(
                explain(
                    str(self.path),
                    f"the time of a {what} cannot be written",
                    found=f"a step of {gap} us",
                    expected="a first time below 2^32 us, and then steps of less than 2^31 us",
                    cure="move the times, or write another format",
                )
            )


FORMAT = Format("dat", "Prophesee DAT", (".dat",), _detect, _reader, DatWriter)
