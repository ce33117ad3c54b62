"""Formats that are one stream of fixed words: read and written by one compiled function each, cut anywhere.

A decoder is a compiled function

    decode(words, state, t, x, y, p, rows) -> words used

that writes events into the columns from position 0 until the words, the columns or the rows (triggers: time, channel,
value) are used up. Whatever must survive a cut stands in `state`, an int64 array of SLOTS numbers, so the pieces in
which a file is read never matter; a copy of it is what the seek index keeps. An encoder is

    encode(t, x, y, p, rows, state, out) -> events used

which writes words into `out`, state[EVENTS] of them.

Longer than most files: what decoders share, and the one reader and the one writer that drive them all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats.base import CHUNK, Header, Options, Reader, Writer
from spikewright.events.formats.index import BLOCK, Index
from spikewright.events.formats.source import Source
from spikewright.events.irregular import Kind

compiled: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")
inlined: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy", inline="always")

SLOTS = 32
"""Numbers in a state: those named here, then from OWN on those of one format."""

EVENTS, BASE, ROWS, WIDTH, HEIGHT, LAST = range(6)
"""Events written by this call; words before this call; rows written; sensor; time of the event before."""

WRAP, BAD, OUTSIDE, BACKWARDS, DROPPED, NO_TIME = range(6, 18, 2)
"""Counters; the slot after each holds the word where the first one was met."""

OWN = 18

_KINDS = {
    WRAP: Kind.WRAP,
    BAD: Kind.BAD_WORD,
    OUTSIDE: Kind.OUTSIDE,
    BACKWARDS: Kind.BACKWARDS,
    DROPPED: Kind.DROPPED,
    NO_TIME: Kind.NO_TIME,
}

NEVER = -(1 << 62)
"""Time of the event before the first."""

WINDOW = 1 << 18
"""Bytes decoded by one call; they stay in the second cache until they are decoded."""

_ROOM = 4096
"""Rows of triggers per call, and the smallest room for events."""

_COLUMNS = (np.int64, np.uint16, np.uint16, np.uint8)


@inlined
def note(state: Any, slot: int, word: int) -> None:
    """Count one irregularity, met at word number `word` of this call."""
    if state[slot] == 0:
        state[slot + 1] = state[BASE] + word
    state[slot] += 1


@inlined
def note_many(state: Any, slot: int, word: int, count: int) -> None:
    """Count several irregularities, the first of them met at word number `word` of this call."""
    if state[slot] == 0:
        state[slot + 1] = state[BASE] + word
    state[slot] += count


@inlined
def placed(state: Any, t: int, x: int, y: int, word: int) -> None:
    """Count an event that lies outside the sensor or before the event before."""
    if x >= state[WIDTH] or y >= state[HEIGHT]:
        note(state, OUTSIDE, word)
    if t < state[LAST]:
        note(state, BACKWARDS, word)
    state[LAST] = t


@inlined
def next_high(wanted: int, high: int, period: int) -> int:
    """Return the time base to write after `high`, on the way to `wanted`; both count their wraps.

    Readers see a wrap where the counter falls: the vendor's by half of its period, some only by nearly all of it, so it
    passes the last value before the wrap and the first after it. No rise may look like a wrap that is taken back.

    Source
    ------
    prophesee-ai/openeb, evt3_decoder.h (half); by trial, EVT3: evt3 0.4.1, eventcv 1.0.8, evlib 0.13.2 (nearly all).
    """
    # cameras count through a wrap with small steps, which every reader takes
    if wanted // period > high // period and wanted - high > 8:
        last = high // period * period + period - 1
        wanted = last if high < last else last + 1
    return min(wanted, high + period // 2 - 1)


@inlined
def turned(new: int, old: int, turns: int, period: int) -> int:
    """Return how often a counter of `period` values has wrapped, when it goes from `old` to `new`.

    A fall by half the period or more is a wrap. A rise by nearly all of it, after a wrap, is a word from before the
    wrap that came late; it would otherwise move all later times by one period.
    """
    if old - new >= period // 2:
        return turns + 1
    if new - old >= period - period // 256 and turns > 0:
        return turns - 1
    return turns


@dataclass(frozen=True)
class Coding:
    """How one format's words are read and written.

    Parameters
    ----------
    word : type of a word
    most : events that one word can hold
    limit : x and y lie below it
    channels : of triggers, how many
    end : us, times that are written lie below it
    late : us, so much earlier than the event before it may an event be that is written
    decode, encode : compiled, see the top of this file
    ended : tells from a state whether the stream ends inside a record
    shift : from words and a fresh state, the first time base in us, or None where there is none yet
    """

    word: Any
    most: int
    limit: tuple[int, int]
    channels: int
    end: int
    late: int
    decode: Callable[..., int]
    encode: Callable[..., int] | None = None
    ended: Callable[[NDArray[np.int64]], bool] = lambda state: False
    shift: Callable[[NDArray[Any], NDArray[np.int64]], int | None] = lambda words, state: None


@dataclass
class Cursor:
    """A place in a stream of words, with all that is known there."""

    offset: int
    state: NDArray[np.int64]

    def copy(self) -> Cursor:
        """Return another cursor at this place."""
        return Cursor(self.offset, self.state.copy())


class WordReader(Reader):
    """Reads a stream of fixed words.

    Parameters
    ----------
    source : what to read
    options : how; `index=True` keeps the seek index beside the file, as ``NAME.evidx``
    header : read already
    first : byte at which the words begin
    coding : of the words
    state : numbers to begin with, from slot OWN on
    """

    def __init__(
        self,
        source: Source,
        options: Options,
        header: Header,
        first: int,
        coding: Coding,
        state: tuple[int, ...] = (),
    ) -> None:
        super().__init__(source, options)
        options.allow(source.name, "index")
        self.first = first
        self.coding = coding
        self._buffer = np.empty(WINDOW, np.uint8)
        self._last = (0, self._buffer[:0])
        self.header = header
        self._width = np.dtype(coding.word).itemsize
        self._rows = np.empty((_ROOM, 3), np.int64)
        self._begin = np.zeros(SLOTS, np.int64)
        self._begin[OWN : OWN + len(state)] = state
        self._begin[LAST] = NEVER
        self._shift = 0
        self._measure()
        self._index = Index(
            source,
            header.format,
            first,
            self._width,
            SLOTS,
            keep=bool(options.extra.get("index", False)),
        )
        if options.shift_time:
            self._find_shift()

    # -- reading --------------------------------------------------------------------------------------

    def chunks(
        self, *, start: int | None = None, stop: int | None = None, size: int = CHUNK
    ) -> Iterator[CameraEvents]:
        """Read in pieces of at most `size` events with `start <= t < stop`, us.

        A cut in time decodes only blocks of 65,536 events that overlap it. It ends at the first block that begins more
        than a second after `stop`: an event still later in the file is not part of it even if its clock, after a
        reset, reads less.
        """
        if size <= 0:
            raise FormatError(explain("chunks", "of no events", found=size, expected="size > 0"))
        self._restart()
        pieces = self._all(size) if start is None and stop is None else self._cut(start, stop)
        for columns in pieces:
            for low in range(0, len(columns[0]), size):
                yield self._events(*(column[low : low + size] for column in columns))

    def read(self, *, start: int | None = None, stop: int | None = None) -> CameraEvents:
        """Read at once the events with `start <= t < stop`, us."""
        if start is not None or stop is not None:
            return super().read(start=start, stop=stop)
        self._restart()
        cursor = self._cursor()
        # from the first window on it is known how many events there may be; memory never touched costs nothing
        first = self._columns(min(WINDOW, self.source.size) // self._width * self.coding.most)
        n = self._fill(cursor, *first, windows=1)
        words = max(self.source.size - cursor.offset, 0) // self._width
        used = (cursor.offset - self.first) // self._width
        room = n + min(
            words * self.coding.most, words + words * n * 5 // (4 * max(used, 1)) + _ROOM
        )
        columns = [np.empty(room + self.coding.most, dtype) for dtype in _COLUMNS]
        for column, early in zip(columns, first, strict=True):
            column[:n] = early[:n]
        while True:
            n += self._fill(cursor, *(column[n:] for column in columns))
            room = len(columns[0])
            if room - n >= self.coding.most:
                break
            # large arrays are moved by the operating system's page tables, not copied
            for column in columns:
                column.resize(room + room // 4 + _ROOM, refcheck=False)
        for column in columns:
            column.resize(n, refcheck=False)
        self._end(cursor)
        return self._events(*columns)

    def follow(
        self, *, poll: float = 0.05, stop: Callable[[], bool] | None = None
    ) -> Iterator[CameraEvents]:
        """Read a file that is still being written; see `Reader.follow`."""
        self._restart()
        cursor = self._cursor()
        while True:
            columns = self._columns(CHUNK)
            n = self._fill(cursor, *columns)
            self._tell(cursor.state)
            if n:
                yield self._events(*(column[:n] for column in columns))
            elif not self.source.grown():
                if stop is not None and stop():
                    break
                time.sleep(poll)
        self._end(cursor)

    def build_index(self) -> int:
        """Scan to the end, so that every later cut is at once; see `Reader.build_index`."""
        count = len(self._index.complete(self._scan))
        self._index.save()
        return count

    def close(self) -> None:
        """Let go of the file."""
        self._index.save()
        super().close()

    def _all(self, size: int) -> Iterator[list[NDArray[Any]]]:
        cursor = self._cursor()
        while True:
            columns = self._columns(size)
            n = self._fill(cursor, *columns)
            self._tell(cursor.state)
            if n == 0:
                break
            yield [column[:n] for column in columns]
        self._end(cursor)

    def _cut(self, start: int | None, stop: int | None) -> Iterator[list[NDArray[Any]]]:
        low = -(1 << 62) if start is None else int(start) + self._shift
        high = (1 << 62) if stop is None else int(stop) + self._shift
        for entry in self._index.blocks(low, high, self._scan):
            cursor = Cursor(entry.offset, entry.state.copy())
            columns = self._columns(BLOCK)
            n = self._fill(cursor, *columns)
            self._tell(cursor.state)
            columns = [column[:n] for column in columns]
            beyond = n and columns[0][-1] < high - self._shift
            if beyond and self.source.window(cursor.offset, self._width).size < self._width:
                self._end(cursor)  # the end of the file is part of the cut
            kept = (columns[0] >= low - self._shift) & (columns[0] < high - self._shift)
            if kept.any():
                yield columns if kept.all() else [column[kept] for column in columns]

    def _scan(self, place: Any) -> tuple[Cursor, Cursor, NDArray[np.int64]]:
        """Decode one block for the index: where it begins, where it ends, and its times."""
        before = self._cursor() if place is None else Cursor(place.offset, place.state)
        after, columns = before.copy(), self._columns(BLOCK)
        kept = self.extras, self._shift, self.options
        # nothing of a scan is part of what is read
        self.extras, self._shift, self.options = Extras(), 0, Options()
        n = self._fill(after, *columns)
        self.extras, self._shift, self.options = kept
        after.state[WRAP:OWN] = 0
        return before, after, columns[0][:n]

    def _restart(self) -> None:
        self.irregularities.clear()
        self.extras = Extras()
        self._last = (0, self._buffer[:0])

    def _words(self, offset: int) -> NDArray[Any]:
        """Return words from a byte on, of what was read last where that reaches so far: blocks are shorter."""
        begin, raw = self._last
        if 0 <= offset - begin <= raw.size - self._width:
            self.source.at = offset
            return as_words(raw[offset - begin :], self.coding.word)
        raw = self.source.piece(offset, self._buffer, least=self._width)
        self._last = (offset, raw)
        return as_words(raw, self.coding.word)

    def _cursor(self) -> Cursor:
        state = self._begin.copy()
        state[WIDTH], state[HEIGHT] = self.header.width or 65536, self.header.height or 65536
        return Cursor(self.first, state)

    def _columns(self, room: int) -> list[NDArray[Any]]:
        room = max(room, self.coding.most, _ROOM)
        return [np.empty(room, dtype) for dtype in _COLUMNS]

    def _fill(
        self,
        cursor: Cursor,
        t: NDArray[np.int64],
        x: NDArray[np.uint16],
        y: NDArray[np.uint16],
        p: NDArray[np.uint8],
        *,
        windows: int = -1,
    ) -> int:
        """Decode from `cursor` on until the columns are full or the words at an end; return the number of events."""
        n, state = 0, cursor.state
        marks: list[NDArray[np.int64]] = []
        while windows:
            windows -= 1
            words = self._words(cursor.offset)
            if not words.size:
                break
            state[BASE] = (cursor.offset - self.first) // self._width
            used = self.coding.decode(words, state, t[n:], x[n:], y[n:], p[n:], self._rows)
            got = int(state[EVENTS])
            if self._shift:
                t[n : n + got] -= self._shift
            n += got
            cursor.offset += used * self._width
            rows = int(state[ROWS])
            if rows:
                marks.append(self._rows[:rows].copy())
            if self.options.strict:
                self._tell(state)
            if used < words.size and rows < _ROOM:
                break  # the columns are full
        if marks:
            self._keep(np.concatenate(marks))
        return n

    def _keep(self, rows: NDArray[np.int64]) -> None:
        known = self.extras.triggers or Triggers.empty()
        self.extras.triggers = Triggers(
            np.concatenate([known.t, rows[:, 0] - self._shift]),
            np.concatenate([known.channel, rows[:, 1].astype(np.uint8)]),
            np.concatenate([known.value, rows[:, 2].astype(np.uint8)]),
        )

    def _tell(self, state: NDArray[np.int64]) -> None:
        """Note what the counters have counted since they were looked at."""
        # in the order of the file, so that strict reading raises by the first
        for slot in sorted(_KINDS, key=lambda slot: int(state[slot + 1])):
            fresh, state[slot] = int(state[slot]), 0
            place = self.first + int(state[slot + 1]) * self._width
            self.irregularities.add(_KINDS[slot], place, fresh)

    def _end(self, cursor: Cursor) -> None:
        self._tell(cursor.state)
        left = self.source.window(cursor.offset, self._width).size
        if left or self.coding.ended(cursor.state):
            self.irregularities.add(Kind.TRUNCATED, cursor.offset, note=f"{left} bytes left over")

    def _events(self, *columns: NDArray[Any]) -> CameraEvents:
        t, x, y, p = columns
        return CameraEvents(t, x, y, p, self.header.width, self.header.height)

    # -- what the header does not say -----------------------------------------------------------------

    def _measure(self) -> None:
        """Find the size of the sensor in the events where neither header nor caller say it."""
        if self.header.width and self.header.height:
            return
        if self.source.is_pipe:
            width, height = self.coding.limit
            how = "is unknown while the events still come; the largest of the format is assumed"
        else:
            width, height, how = 0, 0, "is not in the header; it is that of the events"
            cursor, columns = self._cursor(), self._columns(BLOCK)
            extras, shift, self.extras = self.extras, self._shift, Extras()
            strict, self.options = self.options, Options()
            while n := self._fill(cursor, *columns):
                width = max(width, int(columns[1][:n].max()) + 1)
                height = max(height, int(columns[2][:n].max()) + 1)
            self.extras, self._shift, self.options = extras, shift, strict
        self.header = self.header.replace(
            width=self.header.width or width,
            height=self.header.height or height,
            notes=(*self.header.notes, f"the size of the sensor {how}"),
        )

    def _find_shift(self) -> None:
        offset = self.first
        while True:
            words = self._words(offset)
            if not words.size:
                return
            found = self.coding.shift(words, self._begin)
            if found is not None:
                break
            offset += words.size * self._width
        self._shift = found
        self.header = self.header.replace(t_offset=self.header.t_offset + found)


def as_words(raw: NDArray[np.uint8], word: Any) -> NDArray[Any]:
    """View bytes as whole words, wherever they begin; bytes of an incomplete one are left out."""
    width = np.dtype(word).itemsize
    words: NDArray[Any] = raw[: raw.size // width * width].view(word)
    # one type for compiled code, although some windows are aligned by chance
    words.flags.aligned = False
    words.flags.writeable = False
    return words


class WordWriter(Writer):
    """Writes a stream of fixed words.

    Parameters
    ----------
    path, header, lossy : as for `Writer`
    coding : of the words
    head : bytes before the first word
    state : numbers to begin with, from slot OWN on
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        *,
        coding: Coding,
        head: bytes,
        state: tuple[int, ...] = (),
        lossy: bool = False,
    ) -> None:
        super().__init__(path, header, lossy=lossy)
        self.coding = coding
        self._head = head
        self._state = np.zeros(SLOTS, np.int64)
        self._state[OWN : OWN + len(state)] = state
        self._state[LAST] = NEVER
        self._out = np.empty(1 << 16, coding.word)
        self._rows = np.empty((0, 3), np.int64)

    def keep_index(self) -> None:
        """Keep the seek index beside the file; see `Writer.keep_index`."""
        self._stack.push(self._scan)  # first in, last out: the file is complete then

    def _scan(self, kind: type[BaseException] | None, *_: Any) -> None:
        from spikewright.events.formats import open_recording

        if kind is None:
            with open_recording(self.path, format=self.name, index=True) as reader:
                reader.build_index()

    def begin(self) -> None:
        """Write the header."""
        self.file.write(self._head)

    def add(self, events: CameraEvents) -> None:
        """Write events after those written before.

        Raises
        ------
        FormatError : an event that the format cannot hold
        """
        if self.lossy:
            events = self._storable(events)
        if not events.n:
            return
        self._check(events)
        self._encode(events.t, events.x, events.y, events.p)
        self._state[LAST] = events.t[-1]

    def add_extras(self, extras: Extras) -> None:
        """Write triggers among the events that are added later; see `Writer.add_extras`."""
        triggers = extras.triggers
        if not self.coding.channels:
            super().add_extras(extras)
            return
        if triggers is not None and len(triggers):
            high, most = int(triggers.channel.max()), self.coding.channels
            fits = high < most and int(triggers.value.max()) <= 1
            if not fits and self.lossy:
                self.refuse("triggers", len(triggers))
                return super().add_extras(Extras(None, extras.frames, extras.imu, extras.more))
            if not fits:
                raise FormatError(
                    explain(
                        str(self.path),
                        "a trigger that the format cannot hold",
                        found=f"channel {high}, value {triggers.value.max()}",
                        expected=f"channels 0 to {most - 1}, values 0 and 1" if most else "none",
                    )
                )
            self._check_times("trigger", np.sort(triggers.t))
            new = np.stack([triggers.t, triggers.channel, triggers.value], axis=1).astype(np.int64)
            rows = np.concatenate([self._rows, new])
            self._rows = rows[np.argsort(rows[:, 0], kind="stable")]
        super().add_extras(Extras(None, extras.frames, extras.imu, extras.more))

    def finish(self) -> None:
        """Write the triggers after the last event."""
        for row in self._rows[:]:
            # a trigger is written with the first event at or after it; at the end an empty call per row does
            self._encode_rows(row[None])
        self._rows = self._rows[:0]

    def _encode(self, *columns: NDArray[Any]) -> None:
        state, out = self._state, self._out
        encode = cast(Callable[..., int], self.coding.encode)
        done, n = 0, len(columns[0])
        while done < n:
            done += encode(*(column[done:] for column in columns), self._rows, state, out)
            self.file.write(out[: state[EVENTS]].tobytes())
            self._rows = self._rows[state[ROWS] :]

    def _encode_rows(self, rows: NDArray[np.int64]) -> None:
        state, out = self._state, self._out
        encode = cast(Callable[..., int], self.coding.encode)
        none = [np.empty(0, dtype) for dtype in _COLUMNS]
        while len(rows):
            encode(*none, rows, state, out)
            self.file.write(out[: state[EVENTS]].tobytes())
            rows = rows[state[ROWS] :]

    def _storable(self, events: CameraEvents) -> CameraEvents:
        """Leave out, and count, events whose times the format cannot hold."""
        last, late = int(self._state[LAST]), self.coding.late
        newest = np.maximum.accumulate(np.maximum(events.t, last))
        kept = (events.t >= 0) & (events.t < self.coding.end) & (newest - events.t <= late)
        if kept.all():
            return events
        self.irregularities.add(Kind.UNSUPPORTED, -1, int((~kept).sum()), "times")
        return events[kept]

    def _check_times(self, what: str, t: NDArray[np.int64]) -> None:
        coding, last = self.coding, int(self._state[LAST])
        low, high = int(t.min()), int(t.max())
        if low < 0 or high >= coding.end:
            raise FormatError(
                explain(
                    str(self.path),
                    f"the time of a {what} cannot be written",
                    found=f"{low if low < 0 else high} us",
                    expected=f"0 to {coding.end - 1} us",
                    cure="move the times, and keep the origin elsewhere",
                )
            )
        back = int((t[:-1] - t[1:]).max()) if t.size > 1 else 0
        if last != NEVER:
            back = max(back, last - int(t[0]))
        if back > coding.late:
            raise FormatError(
                explain(
                    str(self.path),
                    f"the time of a {what} runs further back than the format can hold",
                    found=f"{back} us",
                    expected=f"at most {coding.late} us",
                    cure="sort the events, and add triggers before events",
                )
            )

    def _check(self, events: CameraEvents) -> None:
        where = str(self.path)
        self._check_times("event", events.t)
        for name, column, size, limit in (
            ("x", events.x, self.header.width, self.coding.limit[0]),
            ("y", events.y, self.header.height, self.coding.limit[1]),
        ):
            bound = min(size or limit, limit)
            if int(column.max()) >= bound:
                raise FormatError(
                    explain(
                        where,
                        f"{name} cannot be written",
                        found=int(column.max()),
                        expected=f"less than {bound}",
                        cure="crop the events to the sensor, or give its true size",
                    )
                )
        if int(events.p.max()) > 1:
            raise FormatError(
                explain(where, "p cannot be written", found=int(events.p.max()), expected="0 or 1")
            )
