"""Text: one event per line, as of the RPG data sets (`t[s] x y p`); `csv` is the same with commas and a line of names.

Columns, delimiter, unit of the times and coding of the polarities are found in the first lines and told in
`Header.notes`; the options `columns`, `unit` and `delimiter` say otherwise. A line that is no event is left out and
counted, with the place of the first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.formats.base import (
    CHUNK,
    HEAD,
    Format,
    Header,
    Options,
    Reader,
    Writer,
    sized,
)
from spikewright.events.formats.source import Source
from spikewright.events.formats.text_sniff import OPTIONS, Layout, sniff
from spikewright.events.irregular import Kind

WINDOW = 1 << 20
"""Bytes that are read at once, and the longest line."""
BLOCK = 1 << 16
"""Events between two entries of the index that is kept while reading."""
UNKNOWN = 65536
LINE = 48
"""Bytes that one written line takes at most."""


@dataclass(frozen=True)
class Block:
    """Events that were seen: from which byte to which, and between which times."""

    first: int
    last: int
    t_low: int
    t_high: int


class TextReader(Reader):
    """Reads lines.

    Parameters
    ----------
    source, options : see `Reader`
    name : of the format, for the header
    """

    def __init__(self, source: Source, options: Options, *, name: str = "text") -> None:
        super().__init__(source, options)
        options.allow(name, *OPTIONS)
        head = source.window(0, HEAD, least=HEAD).tobytes()
        layout = sniff(head, options.extra)
        if layout is None and not head.strip():  # no events at all
            layout = Layout((1, 2, 3, 4), 32, 6, len(head), (0, 0), (), False, ("holds nothing",))
        if layout is None:
            raise FormatError(
                explain(
                    source.name,
                    "cannot tell what its columns are",
                    found=repr(head[:60].decode("latin-1").split("\n")[0]),
                    expected="lines of t, x, y and p",
                    cure="name them: columns='txyp' and unit='us'",
                )
            )
        self.layout: Layout = layout
        header = Header(
            name, *layout.size, lines=layout.lines, notes=layout.notes, details={"first": layout.first}
        )  # fmt: skip
        self._header = sized(header, options)
        self._roles = np.array(layout.roles, np.uint8)
        self._said = np.zeros(7, np.int64)
        self._blocks: list[Block] = []
        self._end = layout.first
        self._before: int | None = None

    @property
    def header(self) -> Header:  # type: ignore[override]
        """What is known; the size of the sensor costs a reading of the whole file where nobody says it."""
        if not (self._header.width and self._header.height):
            if self.source.is_pipe:
                self._measured(UNKNOWN, UNKNOWN, "is unknown while events still come")
            else:
                width = height = 1
                for columns in self._pieces(None, None):
                    width = max(width, int(columns[1].max()) + 1)
                    height = max(height, int(columns[2].max()) + 1)
                self.irregularities.clear()
                self._measured(width, height, "is not in the file; it is that of the events")
        return self._header

    def _measured(self, width: int, height: int, how: str) -> None:
        header = self._header
        self._header = header.replace(
            width=header.width or width,
            height=header.height or height,
            notes=(*header.notes, f"the size of the sensor {how}"),
        )

    def chunks(
        self, *, start: int | None = None, stop: int | None = None, size: int = CHUNK
    ) -> Iterator[CameraEvents]:
        """Read in pieces; a second cut in time skips the lines that were seen to lie outside it."""
        if size < 1:
            raise FormatError(explain("chunks", "of no events", found=size, expected="size > 0"))
        header = self.header
        self.irregularities.clear()
        kept: list[list[NDArray[Any]]] = []
        n = 0
        for columns in self._pieces(start, stop):
            kept.append(columns)
            n += columns[0].size
            if n >= size:
                joined = [np.concatenate(column) for column in zip(*kept, strict=True)]
                whole = n // size * size
                for at in range(0, whole, size):
                    yield self._events([c[at : at + size] for c in joined], header)
                kept, n = [[c[whole:] for c in joined]], n - whole
        if n:
            yield self._events(
                [np.concatenate(column) for column in zip(*kept, strict=True)], header
            )

    def read(self, *, start: int | None = None, stop: int | None = None) -> CameraEvents:
        """Read at once the events with `start <= t < stop`, us; the sensor's size is taken from them on the way."""
        if start is not None or stop is not None or (self._header.width and self._header.height):
            return super().read(start=start, stop=stop)
        self.irregularities.clear()
        unsized = self._header
        pieces = [self._events(columns, unsized) for columns in self._pieces(None, None)]
        events = concatenate(pieces) if pieces else CameraEvents.empty(0, 0)
        width, height = (int(c.max()) + 1 if c.size else 1 for c in (events.x, events.y))
        self._measured(width, height, "is not in the file; it is that of the events")
        return events.replace(width=self._header.width, height=self._header.height)

    def follow(
        self, *, poll: float = 0.05, stop: Callable[[], bool] | None = None
    ) -> Iterator[CameraEvents]:
        """Read lines as they are written; see `Reader.follow`."""
        if not (self._header.width and self._header.height):
            self._measured(UNKNOWN, UNKNOWN, "is unknown while events still come")
        self.irregularities.clear()
        self._before = None
        at = self.layout.first
        while True:
            columns, after = self._parse(at, BLOCK, final=False)
            if columns[0].size:
                self._look(columns)
                yield self._events(columns, self._header)
            if after == at and not self.source.grown():
                if stop is not None and stop():
                    break
                time.sleep(poll)
            at = after
        columns, _ = self._parse(at, BLOCK)  # a last line that never got its end
        if columns[0].size:
            self._look(columns)
            yield self._events(columns, self._header)

    @staticmethod
    def _events(columns: list[NDArray[Any]], header: Header) -> CameraEvents:
        t, x, y, p = columns
        return CameraEvents(t, x, y, p, header.width, header.height)

    def _pieces(self, start: int | None, stop: int | None) -> Iterator[list[NDArray[Any]]]:
        low, high = (-(1 << 63) if start is None else start), ((1 << 63) if stop is None else stop)
        cut = start is not None or stop is not None
        self._before = None
        at = self.layout.first
        k = 0
        while True:
            if k < len(self._blocks):
                block = self._blocks[k]
                if block.t_high < low or block.t_low >= high:
                    at, k = block.last, k + 1
                    self._before = None
                    continue
            columns, after = self._parse(at, BLOCK)
            if after == at:
                return
            t = columns[0]
            if at == self._end:
                times = (int(t.min()), int(t.max())) if t.size else (1 << 62, -(1 << 62))
                self._blocks.append(Block(at, after, *times))
                self._end = after
            k += 1
            at = after
            self._look(columns)
            if cut:
                kept = (t >= max(low, -(1 << 63))) & (t <= min(high, 1 << 63) - 1)
                columns = [column[kept] for column in columns]
            if columns[0].size:
                yield columns

    def _parse(
        self, at: int, room: int, *, final: bool = True
    ) -> tuple[list[NDArray[Any]], int]:  # fmt: skip
        """Return up to `room` events of the lines from byte `at`, and the byte after them."""
        from spikewright.events.formats import text_codec as codec

        data = self.source.window(at, WINDOW, least=WINDOW if final else 1)
        columns: list[NDArray[Any]] = [
            np.empty(room, dtype) for dtype in (np.int64, np.uint16, np.uint16, np.uint8)
        ]
        if data.size and not (data == 10).any():
            if data.size == WINDOW:
                return [column[:0] for column in columns], self._too_long(at)
            if not final:
                return [column[:0] for column in columns], at
            data = np.concatenate([data, np.array([10], np.uint8)])  # the last line has no end
            data.flags.writeable = False  # as windows are: else the loop is compiled twice
        layout, said = self.layout, self._said
        codec.parse(data, self._roles, layout.delimiter, layout.power, *columns, said)
        n = int(said[codec.READ])
        if said[codec.BAD]:
            self._bad(at, int(said[codec.FIRST_BAD]), int(said[codec.BAD]), data)
        if said[codec.OUTSIDE]:
            place = at + int(said[codec.FIRST_OUTSIDE])
            note = "x or y beyond 65535 or below 0"
            self.irregularities.add(Kind.DROPPED, place, int(said[codec.OUTSIDE]), note)
        return [column[:n] for column in columns], at + int(said[codec.USED])

    def _bad(self, at: int, first: int, count: int, data: NDArray[np.uint8]) -> None:
        line = data[first : first + 40].tobytes().split(b"\n")[0].decode("latin-1")
        if at + data.size > self.source.size and count == 1 and first + len(line) + 1 == data.size:
            self.irregularities.add(Kind.TRUNCATED, at + first, note=repr(line))
        else:
            self.irregularities.add(Kind.BAD_WORD, at + first, count, f"line {line!r}")

    def _too_long(self, at: int) -> int:
        """Skip a line that is longer than the window; return the byte after it."""
        self.irregularities.add(Kind.BAD_WORD, at, note=f"a line of more than {WINDOW} bytes")
        while (data := self.source.window(at, WINDOW, least=WINDOW)).size:
            ends = np.flatnonzero(data == 10)
            if ends.size:
                return at + int(ends[0]) + 1
            at += data.size
        return at

    def _look(self, columns: list[NDArray[Any]]) -> None:
        """Count times that run backwards, and events outside the sensor."""
        t, x, y, _ = columns
        if not t.size:
            return
        n = int(np.count_nonzero(t[1:] < t[:-1]))
        n += self._before is not None and int(t[0]) < self._before
        self._before = int(t[-1])
        self.irregularities.add(Kind.BACKWARDS, -1, n)
        width, height = self._header.width or UNKNOWN, self._header.height or UNKNOWN
        outside = int(np.count_nonzero((x >= width) | (y >= height)))
        self.irregularities.add(Kind.OUTSIDE, -1, outside)


class TextWriter(Writer):
    """Writes lines `t x y p`: seconds of six decimals and spaces; csv: a line of names, microseconds and commas."""

    name = "text"
    delimiter, decimals, first = " ", 6, b""

    def begin(self) -> None:
        """Write the line of names, if there is one."""
        self.file.write(self.first)

    def add(self, events: CameraEvents) -> None:
        """Write events."""
        from spikewright.events.formats import text_codec

        if events.n and int(events.t.min()) == -(1 << 63):
            raise FormatError(explain(str(self.path), "a time does not fit the format"))
        out = np.empty(LINE * min(events.n, BLOCK), np.uint8)
        for at in range(0, events.n, BLOCK):
            part = events[at : at + BLOCK]
            size = text_codec.format_lines(
                part.t, part.x, part.y, part.p, ord(self.delimiter), self.decimals, out
            )
            self.file.write(out[:size].tobytes())


def _writer(path: str | os.PathLike[str], header: Header, **options: Any) -> TextWriter:
    return TextWriter(path, header, **options)


def _detect(head: bytes, path: Path | None) -> bool:
    layout = sniff(head, {})
    return layout is not None and not layout.named and layout.delimiter in (32, 9)


FORMAT = Format(
    name="text",
    title="text, t x y p",
    suffixes=(".txt",),
    detect=_detect,
    reader=TextReader,
    writer=_writer,
)
