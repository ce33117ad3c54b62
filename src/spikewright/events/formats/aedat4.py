"""AEDAT 4: packets of events, frames, inertial samples and triggers, each a FlatBuffer, most often compressed.

`#!AER-DAT4.0\\r\\n`, a FlatBuffer with the compression, the place of the data table, and XML about the streams; then
packets: i32 stream, i32 size, as many bytes. The data table, where there is one, ends the file and says for each packet
where it is, what it holds and from when to when. Times are unix microseconds, the origin is the upper left pixel.

Whatever a file claims is compared with what it has: a packet may not become larger than `packet_limit` bytes, a table
that does not agree with the packets is not used, and a file that was cut is read up to the cut.

Source
------
docs.inivation.com, file-formats/aedat-4.0
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import Frame
from spikewright.events.formats import aedat4_payload as payload
from spikewright.events.formats import flatbuffer
from spikewright.events.formats.base import Format, Header, Options, Reader
from spikewright.events.formats.compression import CODES, decompress, salvage
from spikewright.events.formats.flatbuffer import Damaged
from spikewright.events.formats.packets import Columns, Packet, PacketReader, Rows
from spikewright.events.formats.source import Source
from spikewright.events.irregular import Kind

MAGIC = b"#!AER-DAT4.0\r\n"
LIMIT = 1 << 28
"""Bytes of a packet after decompression, 16 million events; another with `packet_limit`."""

LONGEST = 1 << 24
"""Bytes that the header may have."""

EMPTY = 32
"""Bytes that a packet of no events may take: size, root, identifier, and a table with its vtable."""

PACKET = struct.Struct("<ii")
NODE = re.compile(r'<node name="(\d+)"')
ATTRIBUTE = re.compile(r'<attr key="(\w+)"[^>]*>([^<]*)</attr>')

ROOM = {"none": 16, "lz4": 6, "zstd": 3}
"""Bytes of the file per event, about; only where memory is taken before reading. Too much of it costs nothing."""


class Aedat4Reader(PacketReader):
    """Reads AEDAT 4.

    Parameters
    ----------
    source, options, header : as for `PacketReader`
    compression : name in `CODES`
    table : byte of the data table, -1 where there is none
    first : byte of the first packet
    """

    def __init__(
        self,
        source: Source,
        options: Options,
        header: Header,
        compression: str,
        table: int,
        first: int,
    ) -> None:
        super().__init__(source, options, header)
        self.compression = compression
        self.table = table
        self.first = first
        self.limit = int(options.extra.get("packet_limit", LIMIT))
        self.with_frames = bool(options.extra.get("frames", True))
        given = options.extra.get("stream")
        self.stream: int | None = header.details["stream"] if given is None else int(given)
        self.chosen = given is not None
        self._listed: dict[Packet, tuple[int, int, int]] | None = None
        if options.shift_time:
            self._shift()

    # -- where packets are ----------------------------------------------------------------------------

    def packets(self, *, growing: bool = False) -> Iterator[Packet | None]:
        """Give packets one after another; see `PacketReader.packets`."""
        at = self.first
        while True:
            self.at = at
            end = self.table if self.table > 0 else None
            if at == end:
                return
            head = self.octets(at, 8)
            stream, size = PACKET.unpack(head.tobytes()) if head.size == 8 else (-1, 0)
            whole = size > 0 and stream >= 0 and (end is None or at + 8 + size <= end)
            if whole and self.reaches(at + 8 + size):
                yield Packet(at + 8, size, stream)
                at += 8 + size
                continue
            if growing:
                if end is None:
                    self.table = read_header(self.source, self.options)[2]
                if self.table <= 0 or at < self.table:
                    yield None
                    continue
                return
            if head.size == 0 and end is None:
                self.irregularities.add(Kind.MISSING_INDEX, len(MAGIC))
                return
            following = self._resume(at + 1, end)
            if following is None:
                yield from self._cut(at, end)
                return
            passed = f"{following - at} bytes passed over"
            self.irregularities.add(Kind.BAD_PACKET, at, note=passed)
            at = following

    def _cut(self, at: int, end: int | None) -> Iterator[Packet]:
        """Note that the file ends inside a packet, and give what there is of it."""
        left = f"{self.source.size - at} bytes after the last whole packet"
        self.irregularities.add(Kind.TRUNCATED, at, note=left)
        head = self.octets(at, 8)
        if head.size == 8:
            stream, size = PACKET.unpack(head.tobytes())
            most = max(size, 0) if end is None else max(min(size, end - at - 8), 0)
            there = self.octets(at + 8, most).size
            if stream >= 0 and 0 < there < size:
                yield Packet(at + 8, there, stream, more=1)

    def _resume(self, at: int, end: int | None) -> int | None:
        """Return where the next packet begins after a damaged one, or None."""
        mark, before = MARKS[self.compression]
        known = self.header.details["streams"]
        for found in self.search(mark, at + before):
            start = found - before
            stream, size = PACKET.unpack(self.source.window(start, 8).tobytes())
            plausible = size > 8 and (stream in known if known else 0 <= stream < 256)
            last = start + 8 + size
            if plausible and (end is None or last <= end) and self.reaches(last):
                return start
        return None

    def spans(self) -> dict[Packet, tuple[int, int]]:
        """Return the times of all packets from the data table, or by looking into each where there is none."""
        listed = self._table()
        if listed is None:
            return super().spans()
        return {packet: (first, last) for packet, (_, first, last) in sorted(listed.items())}

    def _table(self) -> dict[Packet, tuple[int, int, int]] | None:
        """Return what the data table says of each packet: events, first and last time; None where it cannot be used."""
        if self._listed is None and self.table > 0:
            try:
                self._listed = self._read_table()
            except Damaged as damage:
                self._listed = {}
                self.irregularities.add(Kind.MISSING_INDEX, self.table, note=str(damage))
        return self._listed or None

    def _read_table(self) -> dict[Packet, tuple[int, int, int]]:
        raw = self.source.window(self.table, self.limit)
        table = flatbuffer.root(self._unpacked(raw), payload.TABLE)
        pair = np.dtype([("stream", "<i4"), ("size", "<i4")])
        number = np.dtype("<i8")
        found = flatbuffer.columns(table, 0, {0: number, 1: pair, 2: number, 3: number, 4: number})
        places = found[0].tolist()
        listed = {}
        for k, (stream, size) in enumerate(found[1].tolist()):
            packet = Packet(places[k], size, stream)
            head = self.source.window(packet.offset - 8, 8) if packet.offset >= 8 else b""
            if bytes(head) != PACKET.pack(stream, size) or places[k] + size > self.table:
                raise Damaged(f"the data table says that packet {k} is at {places[k]}")
            listed[packet] = (int(found[2][k]), int(found[3][k]), int(found[4][k]))
        if sum(packet.size + 8 for packet in listed) != self.table - self.first:
            raise Damaged("the data table leaves packets out")
        return listed

    def times(self, rows: Rows) -> NDArray[np.int64]:
        """Return the times of events; see `PacketReader.times`."""
        return rows.data[::2].view(np.int64)

    # -- what is in them ------------------------------------------------------------------------------

    def rows(self, packet: Packet) -> Rows | None:
        """Return the events of a packet; see `PacketReader.rows`."""
        raw = self.octets(packet.offset, packet.size)
        try:
            data = (
                salvage(self.compression, raw, self.limit) if packet.more else self._unpacked(raw)
            )
            return self._opened(packet, data)
        except Damaged as damage:
            if not packet.more:
                self.irregularities.add(Kind.BAD_PACKET, packet.offset - 8, note=str(damage))
            return None

    def _unpacked(self, raw: Any) -> Any:
        return raw if self.compression == "none" else decompress(self.compression, raw, self.limit)

    def _opened(self, packet: Packet, data: Any) -> Rows | None:
        kind = bytes(data[8:12])
        if kind == payload.EVENTS:
            return self._events(packet, data)
        if packet.more:
            return None
        if kind == payload.FRAME:
            if self.with_frames:
                self._frame(payload.read_frame(data))
        elif kind == payload.IMU:
            self.put(payload.read_imu(data))
        elif kind == payload.TRIGGERS:
            self.put(payload.read_triggers(data))
        else:
            self.irregularities.add(Kind.UNKNOWN, packet.offset - 8, note=repr(kind))
        return None

    def _frame(self, frame: Frame) -> None:
        base = self.base
        if self.inside(np.array([frame.t - base])).all():
            moved = replace(
                frame,
                t=frame.t - base,
                exposure_start=frame.exposure_start - base,
                exposure_end=frame.exposure_end - base,
            )
            self.extras.frames.append(moved)

    def _events(self, packet: Packet, data: Any) -> Rows | None:
        octets = np.frombuffer(data, np.uint8)
        octets.flags.writeable = False
        first, count = payload.locate(octets)
        if first < 0:
            raise Damaged("an offset points outside the packet")
        # the vector ends the buffer; without one there is nothing but the root table
        room = (octets.size - (first or EMPTY)) // 16
        there = min(count, room)
        if self.stream is None:
            self.stream = packet.kind
        if packet.kind != self.stream:
            if not self.chosen:
                note = f"events of stream {packet.kind}; choose it with stream={packet.kind}"
                self.irregularities.add(Kind.DROPPED, packet.offset - 8, count, note)
            return None
        if room > count:
            note = f"a packet of {count} events has room for {room}"
            self.irregularities.add(Kind.BAD_VALUE, packet.offset - 8, room - count, note)
        if there < count:
            note = "of a packet that is cut"
            self.irregularities.add(Kind.DROPPED, packet.offset - 8, count - there, note)
        words = octets[first : first + 16 * there].view(np.uint64)
        if not words.flags.aligned:
            words = words.copy()
            words.flags.writeable = False
        return Rows(words, 2, packet)

    def copy(self, rows: Rows, columns: Columns) -> None:
        """Append events to columns; see `PacketReader.copy`."""
        width, height = self.header.width or 65536, self.header.height or 65536
        payload.take(rows.data, width, height, *columns.arrays, columns.n, self.state)
        columns.n += len(rows.data) // 2

    def room(self) -> int:
        """Return about how many events there are."""
        return min((self.source.size - self.first) // ROOM[self.compression] + 1024, 1 << 40)


MARKS = {
    "none": (re.compile(rb"EVTS|FRME|IMUS|TRIG"), 16),
    "lz4": (re.compile(rb"\x04\x22\x4d\x18"), 8),
    "zstd": (re.compile(rb"\x28\xb5\x2f\xfd"), 8),
}
"""Bytes by which a packet is found, and how far its header lies before them."""


def read_header(source: Source, options: Options) -> tuple[Header, str, int, int]:
    """Read what comes before the first packet: header, compression, byte of the data table, byte of the first packet.

    Raises
    ------
    FormatError : another version, an unknown compression, or damaged
    """
    head = source.window(0, 18, least=18).tobytes()
    if not head.startswith(MAGIC) or len(head) < 18:
        raise FormatError(
            explain(source.name, "has no header of AEDAT 4", found=repr(head), expected=MAGIC)
        )
    size = int.from_bytes(head[14:18], "little")
    raw = source.window(14, 4 + min(size, LONGEST), least=4 + min(size, LONGEST)).tobytes()
    try:
        if len(raw) < 4 + size:
            raise Damaged(f"the header is cut: {len(raw)} of {4 + size} bytes")
        table = flatbuffer.root(raw, payload.HEADER)
        code = table.scalar(0, "<i")
        place = table.scalar(1, "<q", -1)
        text = table.octets(2).decode("utf-8", "replace")
    except Damaged as damage:
        raise FormatError(
            explain(source.name, "the header of AEDAT 4 is damaged", found=damage)
        ) from None
    if code not in CODES:
        raise FormatError(
            explain(source.name, "an unknown compression", found=code, expected=f"one of {CODES}")
        )
    streams, width, height = describe(text, options.extra.get("stream"))
    events = [number for number, kind in streams.items() if kind == "EVTS"]
    details = MappingProxyType(
        {
            "compression": CODES[code],
            "streams": MappingProxyType(streams),
            "stream": events[0] if events else None,
        }
    )
    header = Header("aedat4", width, height, lines=tuple(text.splitlines()), details=details)
    first = 18 + size
    return header, CODES[code], place if place >= first else -1, first


def describe(text: str, stream: Any = None) -> tuple[dict[int, str], int, int]:
    """Return the type of each stream, and the sensor's size, as the XML says them.

    The XML is searched, not parsed: it may be cut or damaged, and what is needed stands in lines of one form.

    Parameters
    ----------
    text : XML
    stream : of events, whose size is wanted; None takes the first
    """
    streams: dict[int, str] = {}
    sizes: dict[int, dict[str, int]] = {}
    parts = NODE.split(text)
    for number, part in zip(parts[1::2], parts[2::2], strict=True):
        attributes = dict(ATTRIBUTE.findall(part))
        key = int(number[:9])
        if "typeIdentifier" in attributes:
            streams[key] = attributes["typeIdentifier"]
        found = {
            name: int(attributes[name][:6])
            for name in ("sizeX", "sizeY")
            if attributes.get(name, "").isdecimal()
        }
        sizes[key] = found
    wanted = (
        stream if stream is not None else next((k for k, v in streams.items() if v == "EVTS"), -1)
    )
    # a file of frames only has a sensor too
    others = (size for size in sizes.values() if size)
    size = sizes.get(int(wanted), {}) or next(others, {})
    width, height = size.get("sizeX", 0), size.get("sizeY", 0)
    fits = 0 < width <= 65536 and 0 < height <= 65536
    return streams, width if fits else 0, height if fits else 0


def detect(head: bytes, path: Path | None) -> bool:
    """Tell by the first line."""
    return head.startswith(b"#!AER-DAT4.")


def open_reader(source: Source, options: Options) -> Reader:
    """Open AEDAT 4; options `stream` (of events), `frames` (False: leave them out), `packet_limit` (bytes)."""
    options.allow(source.name, "stream", "frames", "packet_limit")
    header, compression, table, first = read_header(source, options)
    return Aedat4Reader(source, options, header, compression, table, first)


def _writer() -> Callable[..., Any]:
    from spikewright.events.formats.aedat4_write import Aedat4Writer

    return Aedat4Writer


FORMAT = Format(
    name="aedat4",
    title="AEDAT 4",
    suffixes=(".aedat4",),
    detect=detect,
    reader=open_reader,
    writer=lambda *given, **options: _writer()(*given, **options),
)
