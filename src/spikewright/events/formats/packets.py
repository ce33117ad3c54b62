"""Readers of formats whose events come in packets that each can be decoded on its own: AEDAT 3 and 4.

A subclass says where packets are and how the events of one are copied into columns; chunks, time windows, sizes that
the file does not give, and files that are still growing are the same for all.
"""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import COLUMNS, CameraEvents, Extras, Imu, Triggers
from spikewright.events.formats.base import CHUNK, Header, Options, Reader, sized
from spikewright.events.formats.source import Source
from spikewright.events.irregular import Kind

PIECE = 1 << 20
"""Bytes that are read at once."""

OVERLAP = 64
"""Bytes of the next piece in which a mark may end."""

NEVER = -(2**63)
LAST, OUTSIDE, FIRST_OUTSIDE, BACKWARDS, FIRST_BACKWARDS, INVALID, FIRST_INVALID, STATE = range(8)
"""Places in the state of the copying functions: last time, then counters, and the first record that each counts."""

COUNTED = (
    (Kind.OUTSIDE, OUTSIDE),
    (Kind.BACKWARDS, BACKWARDS),
    (Kind.INVALID, INVALID),
)


class Packet(NamedTuple):
    """Where a packet is.

    Parameters
    ----------
    offset : int, bytes to what follows its header
    size : int, bytes of that
    kind : int, stream or type
    more : int, whatever else the header says
    """

    offset: int
    size: int
    kind: int
    more: int = 0


class Rows(NamedTuple):
    """Events of one packet, still in the form of the file.

    Parameters
    ----------
    data : array, flat, `per` elements for each event
    per : int
    packet : Packet
    """

    data: NDArray[Any]
    per: int
    packet: Packet


class Columns:
    """Four arrays that grow.

    Parameters
    ----------
    room : int, events that fit at first; memory that is not written to costs nothing
    """

    def __init__(self, room: int) -> None:
        self.room = max(room, 1)
        self.n = 0
        self.arrays = [np.empty(self.room, dtype) for dtype in COLUMNS.values()]

    def need(self, more: int) -> None:
        """Make room for `more` events."""
        if self.n + more <= self.room:
            return
        self.room = max(self.n + more, self.room + self.room // 2)
        grown = [np.empty(self.room, dtype) for dtype in COLUMNS.values()]
        for new, old in zip(grown, self.arrays, strict=True):
            new[: self.n] = old[: self.n]
        self.arrays = grown

    def keep(self, first: int, mask: NDArray[np.bool_]) -> None:
        """Leave out those events from `first` on where `mask` is false."""
        kept = int(np.count_nonzero(mask))
        for column in self.arrays:
            column[first : first + kept] = column[first : self.n][mask]
        self.n = first + kept

    def events(self, header: Header) -> CameraEvents:
        """Return what was filled; a copy where most of the room is empty."""
        columns = [column[: self.n] for column in self.arrays]
        if self.n < self.room // 2:
            columns = [column.copy() for column in columns]
        t, x, y, p = columns
        return CameraEvents(t, x, y, p, header.width, header.height)


class PacketReader(Reader):
    """Reads packets one after another, or those that a time window needs.

    Attributes
    ----------
    state : int64 array, what `copy` counts; see `STATE`
    base : int, us, taken off all times
    wanted : first time, and the one after the last, of what is read
    at : int, byte up to which whole packets were given
    """

    def __init__(self, source: Source, options: Options, header: Header) -> None:
        super().__init__(source, options)
        self.header = sized(header, options)
        self.state = np.zeros(STATE, np.int64)
        self.base = 0
        self._span: dict[Packet, tuple[int, int]] | None = None
        self._triggers: list[Triggers] = []
        self._imu: list[Imu] = []
        self.wanted: tuple[int | None, int | None] = (None, None)
        self._buffer = np.empty(PIECE, np.uint8)
        self._piece, self._piece_at = self._buffer[:0], 0
        self._searched, self._searched_at = b"", -1
        self.at = 0

    def octets(self, offset: int, n: int) -> NDArray[np.uint8]:
        """Return `n` bytes, fewer at the end of the file; they stay until others are asked for."""
        low = offset - self._piece_at
        if low < 0 or low + n > self._piece.size:
            if n > self._buffer.size:
                self._piece = self.source.window(offset, n, least=n)
            else:
                self._piece = self.source.piece(offset, self._buffer, least=n)
            self._piece_at, low = offset, 0
        return self._piece[low : low + n]

    def reaches(self, end: int) -> bool:
        """Tell whether the file has `end` bytes, without reading what lies before."""
        if self._piece_at < end <= self._piece_at + self._piece.size:
            return True
        return self.source.window(end - 1, 1).size == 1

    def search(self, mark: re.Pattern[bytes], at: int) -> Iterator[int]:
        """Give every place from `at` on where a mark of at most OVERLAP bytes stands, to the end of the file.

        However often this is asked, a file is read once: the pieces are always the same, and the last one is kept.
        """
        while True:
            first = at // PIECE * PIECE
            if first != self._searched_at:
                self._searched = self.source.window(first, PIECE + OVERLAP).tobytes()
                self._searched_at = first
            for found in mark.finditer(self._searched, at - first):
                if found.start() < PIECE:
                    yield first + found.start()
            if len(self._searched) < PIECE + OVERLAP:
                return
            at = first + PIECE

    # what a format says

    @abstractmethod
    def packets(self, *, growing: bool = False) -> Iterator[Packet | None]:
        """Give every whole packet, in the order of the file.

        Parameters
        ----------
        growing : whether what is missing at the end may still come; then None is given, and the same is tried again
        """

    @abstractmethod
    def rows(self, packet: Packet) -> Rows | None:
        """Return the events of a packet; put aside what is no event, and return None where it has none."""

    @abstractmethod
    def copy(self, rows: Rows, columns: Columns) -> None:
        """Append events to columns that have room for them, and count in `state`."""

    @abstractmethod
    def times(self, rows: Rows) -> NDArray[np.int64]:
        """Return the times of a packet's events, in the clock of the file."""

    @abstractmethod
    def room(self) -> int:
        """Return about how many events the file holds."""

    def spans(self) -> dict[Packet, tuple[int, int]]:
        """Return earliest and latest time of every packet, by looking into each; those without events last for ever."""
        found: dict[Packet, tuple[int, int]] = {}
        for packet in self.packets():
            rows = self.rows(packet) if packet else None
            if packet is not None and rows is None:
                found[packet] = (NEVER, -NEVER)
            elif packet is not None and rows is not None and rows.data.size:
                t = self.times(rows)
                found[packet] = (int(t.min()), int(t.max()))
        self._forget()
        return found

    stride = 0
    """Bytes between events of a packet, or 0 where an event has no place of its own in the file."""

    # what all do

    def chunks(
        self, *, start: int | None = None, stop: int | None = None, size: int = CHUNK
    ) -> Iterator[CameraEvents]:
        """Read in pieces; see `Reader.chunks`."""
        if size < 1:
            raise FormatError(explain("chunks", "of no size", found=size, expected="1 or more"))
        self._begin(start, stop)
        columns = Columns(min(size, CHUNK))
        for rows in self._rows():
            n = len(rows.data) // rows.per
            first = 0
            while first < n:
                last = min(n, first + size - columns.n)
                packet = rows.packet._replace(offset=rows.packet.offset + self.stride * first)
                columns.need(last - first)
                data = rows.data[first * rows.per : last * rows.per]
                self._pour(Rows(data, rows.per, packet), columns)
                first = last
                if columns.n == size:
                    yield columns.events(self.header)
                    columns = Columns(min(size, CHUNK))
        self._end()
        if columns.n:
            yield columns.events(self.header)

    def read(self, *, start: int | None = None, stop: int | None = None) -> CameraEvents:
        """Read at once; see `Reader.read`."""
        self._begin(start, stop)
        columns = Columns(self.room() if start is None and stop is None else 1 << 16)
        for rows in self._rows():
            columns.need(len(rows.data) // rows.per)
            self._pour(rows, columns)
        self._end()
        return columns.events(self.header)

    def follow(
        self, *, poll: float = 0.05, stop: Callable[[], bool] | None = None
    ) -> Iterator[CameraEvents]:
        """Read a file that is still being written; see `Reader.follow`.

        With each piece of events, `extras` holds what came since the one before.
        """
        self._begin(None, None, sizes=False)
        for packet in self.packets(growing=True):
            if packet is None:
                if self.source.grown():
                    continue
                if stop is not None and stop():
                    self._leftover()
                    break
                time.sleep(poll)
                continue
            rows = self.rows(packet)
            if rows is None:
                continue
            columns = Columns(len(rows.data) // rows.per)
            self._pour(rows, columns)
            self._end()
            if columns.n:
                yield columns.events(self.header)
                self.extras = Extras()
        self._end()

    def _leftover(self) -> None:
        left = self.source.size - self.at
        if left:
            note = f"{left} bytes of a packet"
            self.irregularities.add(Kind.TRUNCATED, self.at, note=note)

    def _begin(self, start: int | None, stop: int | None, *, sizes: bool = True) -> None:
        self.wanted = None, None
        if sizes and not (self.header.width and self.header.height):
            self._measure()
        self.irregularities.clear()
        self._forget()
        self.wanted = start, stop

    def _forget(self) -> None:
        """Begin again with nothing put aside."""
        self.extras = Extras()
        self._triggers, self._imu = [], []
        self.state[:] = 0
        self.state[LAST] = NEVER

    def _measure(self) -> None:
        """Take the sensor's size from the events where the file does not say it; that reads all of it once."""
        width, height = self.header.width, self.header.height
        self._forget()
        for packet in self.packets():
            rows = self.rows(packet) if packet else None
            if rows is not None and rows.data.size:
                columns = Columns(len(rows.data) // rows.per)
                self.copy(rows, columns)
                _, x, y, _ = (column[: columns.n] for column in columns.arrays)
                width = max(width, self.header.width or int(x.max(initial=0)) + 1)
                height = max(height, self.header.height or int(y.max(initial=0)) + 1)
        if (width, height) != (self.header.width, self.header.height):
            note = f"sensor size {width} x {height} taken from the events"
            notes = (*self.header.notes, note)
            self.header = self.header.replace(width=width, height=height, notes=notes)

    def _rows(self) -> Iterator[Rows]:
        for packet in self._chosen():
            rows = self.rows(packet)
            if rows is not None:
                yield rows

    def _chosen(self) -> Iterator[Packet]:
        """Give the packets that may hold something of the time window."""
        start, stop = self.wanted
        if start is None and stop is None:
            yield from (packet for packet in self.packets() if packet is not None)
            return
        if self._span is None:
            self.wanted = None, None
            self._span = self.spans()
            self.wanted = start, stop
        low = NEVER if start is None else start + self.base
        high = -NEVER if stop is None else stop + self.base
        for packet, (first, last) in self._span.items():
            if last >= low and first < high:
                yield packet

    def _pour(self, rows: Rows, columns: Columns) -> None:
        """Copy events, leave out those outside the window, and note what was counted."""
        before = columns.n
        self.copy(rows, columns)
        if self.base:
            columns.arrays[0][before : columns.n] -= self.base
        if self.wanted != (None, None):
            mask = self.inside(columns.arrays[0][before : columns.n])
            if not mask.all():
                columns.keep(before, mask)
        for kind, place in COUNTED:
            if self.state[place]:
                at = rows.packet.offset + self.stride * int(self.state[place + 1])
                self.irregularities.add(kind, at, int(self.state[place]))
                self.state[place] = 0

    def put(self, extra: Triggers | Imu) -> None:
        """Put aside what is no event, as far as it lies in the time window."""
        t = extra.t - self.base
        kept = self.inside(t)
        if not kept.any():
            return
        if isinstance(extra, Triggers):
            self._triggers.append(Triggers(t[kept], extra.channel[kept], extra.value[kept]))
        else:
            rest = (getattr(extra, name)[kept] for name in SAMPLE[1:])
            self._imu.append(Imu(t[kept], *rest))

    def inside(self, t: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which times lie in the time window."""
        start, stop = self.wanted
        mask = np.ones(t.shape, np.bool_)
        if start is not None:
            mask &= t >= start
        if stop is not None:
            mask &= t < stop
        return mask

    def _end(self) -> None:
        """Join what was put aside into `extras`."""
        if self._triggers:
            self.extras.triggers = Triggers(*_joined(self._triggers, MARK))
        if self._imu:
            self.extras.imu = Imu(*_joined(self._imu, SAMPLE))
        self._triggers, self._imu = [], []

    def _shift(self) -> None:
        """Make the time of the first event zero."""
        for packet in self.packets():
            rows = self.rows(packet) if packet else None
            if rows is not None and rows.data.size:
                self.base = int(self.times(rows)[0])
                break
        self._forget()
        self.header = self.header.replace(t_offset=self.base)


MARK = ("t", "channel", "value")
SAMPLE = ("t", "acc", "gyro", "mag", "temperature")
"""Columns of triggers, and of inertial samples."""


def _joined(parts: list[Any], names: tuple[str, ...]) -> Iterator[NDArray[Any]]:
    return (np.concatenate([getattr(part, name) for part in parts]) for name in names)
