"""ROS bags, input only: versions 1 (`.bag`) and 2 (`.db3`, `.mcap`), through the package `rosbags`.

Read are `event_camera_msgs/EventPacket` (and its forerunner `event_array_msgs/EventArray`), whose payload is EVT3
words, `mono` or `libcaer` records, and the arrays of `dvs_msgs` and `prophesee_event_msgs`. Messages are taken apart
here, so a bag needs no message definitions. EVT3 words of all packets are one stream; byte offsets of irregularities
count in it.

Source
------
event_camera_msgs, `EventPacket.msg`; event_camera_codecs, its decoders `mono` and `libcaer`; dvs_msgs, `Event.msg`;
OMG DDS-XTypes 1.3, 7.4.1 (plain CDR: every number is aligned to its own size).
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, MissingExtra, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.formats.base import CHUNK, Format, Header, Options, Reader, sized
from spikewright.events.formats.source import Source
from spikewright.events.irregular import Kind

PACKETS = ("event_camera_msgs/msg/EventPacket", "event_array_msgs/msg/EventArray")
ARRAYS = ("dvs_msgs/msg/EventArray", "prophesee_event_msgs/msg/EventArray")
MARKS = {b"#ROSBAG V2.0": ".bag", b"SQLite format 3\0": ".db3", b"\x89MCAP0\r\n": ".mcap"}
"""First bytes -> ending of the file name that `rosbags` wants."""
ENCODINGS = ("evt3", "mono", "libcaer")
RECORD = np.dtype([("x", "<u2"), ("y", "<u2"), ("s", "<u4"), ("ns", "<u4"), ("p", "u1")])
"""An event of an array in a bag of version 1."""
Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Packet:
    """One message.

    Parameters
    ----------
    width, height : int, pixels
    seq : int, its number, -1 where messages are not numbered
    base : int, ns, what times are counted from
    encoding : of the payload; "array" for rows of x, y, time, polarity
    data : bytes of the payload
    """

    width: int
    height: int
    seq: int
    base: int
    encoding: str
    data: memoryview


class _Fields:
    """Takes a message apart, number by number; CDR aligns them, ROS 1 does not."""

    def __init__(self, raw: bytes, cdr: bool) -> None:
        self.raw = memoryview(raw)
        self.cdr = cdr
        self.at = 4 if cdr else 0

    def number(self, code: str) -> int:
        size = struct.calcsize("<" + code)
        if self.cdr:
            self.at = (self.at - 4 + size - 1) // size * size + 4
        (value,) = struct.unpack_from("<" + code, self.raw, self.at)
        self.at += size
        return int(value)

    def block(self, item: int = 1) -> memoryview:
        n = self.number("I") * item
        if self.at + n > len(self.raw):
            raise ValueError("message ends early")
        self.at += n
        return self.raw[self.at - n : self.at]

    def text(self) -> str:
        return bytes(self.block()).rstrip(b"\0").decode("ascii", "replace")


def packet_of(raw: bytes, kind: str, *, cdr: bool) -> Packet:
    """Take one message apart.

    Parameters
    ----------
    raw : the message
    kind : its type, of PACKETS or ARRAYS
    cdr : whether it is of ROS 2

    Raises
    ------
    ValueError, struct.error : it ends early, or is big-endian
    """
    fields = _Fields(raw, cdr)
    if cdr:
        if len(raw) < 4 or raw[1] & 1 == 0:
            raise ValueError("message is not little-endian CDR")
    else:
        fields.number("I")  # the header's own sequence number
    fields.number("I"), fields.number("I"), fields.text()
    height, width = fields.number("I"), fields.number("I")
    if kind in ARRAYS:
        start = fields.at
        n = fields.number("I")
        if not cdr:
            fields.at = start
            return Packet(width, height, -1, 0, "array", fields.block(RECORD.itemsize))
        data = fields.raw[fields.at :]
        if n and len(data) < 16 * n - 3:
            raise ValueError("message ends early")
        return Packet(width, height, -1, 0, "array", data[: max(16 * n - 3, 0)])
    seq, base = fields.number("Q"), fields.number("Q")
    if base >= 1 << 62:
        raise ValueError("time is beyond the year 2100")
    encoding = fields.text()
    if fields.number("B"):
        raise ValueError("payload is big-endian")
    return Packet(width, height, seq, base, encoding, fields.block())


def columns_of(packet: Packet, *, cdr: bool) -> Columns:
    """Return t in us, x, y and p of a packet of whole records."""
    data = packet.data
    if packet.encoding == "array":
        return _cdr_rows(data) if cdr else _rows(np.frombuffer(data, RECORD))
    words = np.frombuffer(data, "<u4", len(data) // 8 * 2).reshape(-1, 2)
    if packet.encoding == "mono":
        # u32 ns after the base; u16 x; u16 y with the polarity on top
        ns, xy = words[:, 0].astype(np.int64) + packet.base, words[:, 1]
        return (ns + 500) // 1000, xy & 0xFFFF, xy >> 16 & 0x7FFF, xy >> 31
    # libcaer: u32 with x in bits 17.., y in 2.., polarity in 1, valid in 0; i32 us that may wrap at 2^31
    low = words[:, 1].astype(np.int64)
    wraps = np.cumsum(np.concatenate([[False], low[1:] < low[:-1]]))
    t = packet.base // 1000 + low + (wraps << 31)
    word = words[:, 0]
    return t, word >> 17, word >> 2 & 0x7FFF, word >> 1 & 1


def _rows(rows: NDArray[Any]) -> Columns:
    t = rows["s"].astype(np.int64) * 1_000_000 + (rows["ns"].astype(np.int64) + 500) // 1000
    return t, rows["x"], rows["y"], rows["p"]


def _cdr_rows(data: memoryview) -> Columns:
    """Rows of ROS 2: seconds, nanoseconds, polarity every 16 bytes; from the second row on x and y stand 2 earlier."""
    n = (len(data) + 3) // 16
    padded = np.zeros(16 * n, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    table = padded.reshape(n, 16)
    rows = np.zeros(n, RECORD)
    rows["s"], rows["ns"] = (table[:, at : at + 4].copy().view("<u4")[:, 0] for at in (4, 8))
    rows["p"] = table[:, 12]
    if n:
        pairs = padded[14:-2].reshape(n - 1, 16)[:, :4].copy().view("<u2")
        rows["x"][1:], rows["y"][1:] = pairs[:, 0], pairs[:, 1]
        rows["x"][0], rows["y"][0] = padded[:4].view("<u2")
    return _rows(rows)


class RosbagReader(Reader):
    """Reads one topic; option `topic`, its name, where a bag has several cameras."""

    def __init__(self, source: Source, options: Options) -> None:
        super().__init__(source, options)
        options.allow("rosbag", "topic")
        self._stack = ExitStack()
        self._words: Reader | None = None
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise

    def _open(self) -> None:
        where = self.source.name
        suffix = next(s for m, s in MARKS.items() if self._head().startswith(m))
        self._cdr = suffix != ".bag"
        with _reading(where):
            if self._cdr:
                from rosbags.rosbag2 import Reader as Bag
            else:
                from rosbags.rosbag1 import Reader as Bag  # type: ignore[assignment]
            self.bag = self._stack.enter_context(Bag(self._placed(suffix)))
            topics = {c.topic: c for c in self.bag.connections if c.msgtype in PACKETS + ARRAYS}
        wanted = self.options.extra.get("topic")
        if wanted is None and len(topics) == 1:
            wanted = next(iter(topics))
        if wanted not in topics:
            raise FormatError(
                explain(
                    where,
                    "holds several topics of events" if topics else "holds no events",
                    found=", ".join(map(str, topics))[:300]
                    or ", ".join(sorted({str(c.msgtype) for c in self.bag.connections})[:6])[:300],
                    expected="one topic" if topics else ", ".join(PACKETS + ARRAYS),
                    cure="name it with the option topic" if topics else None,
                )
            )
        self._connections = [c for c in self.bag.connections if c.topic == wanted]
        first = next(self._packets(), None)
        header = Header("rosbag", 0, 0, details={"topic": wanted})
        if first is not None:
            if first.encoding not in (*ENCODINGS, "array"):
                raise FormatError(
                    explain(
                        where,
                        "packets are coded in a way that is not known here",
                        found=repr(first.encoding),
                        expected=", ".join(ENCODINGS),
                    )
                )
            header = header.replace(
                width=min(first.width, 65536),
                height=min(first.height, 65536),
                details={"topic": wanted, "encoding": first.encoding},
            )
        self.header = sized(header, self.options)
        self.irregularities.clear()
        self._encoding = first.encoding if first else "array"

    def _head(self) -> bytes:
        head = self.source.window(0, 16, least=16).tobytes()
        if not any(head.startswith(mark) for mark in MARKS):
            raise FormatError(
                explain(self.source.name, "is no ROS bag", found=f"it begins with {head!r}")
            )
        return head

    def _placed(self, suffix: str) -> Path:
        """Return a path with the ending that the package looks at; a copy where there is no file."""
        path = self.source.path
        if path is not None and path.is_file() and path.suffix == suffix:
            return path
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        placed = folder / f"recording{suffix}"
        if path is not None and path.is_file():
            placed.symlink_to(path.resolve())
            return placed
        from spikewright.events.formats.npz import SourceFile

        with open(placed, "wb") as copy:
            shutil.copyfileobj(SourceFile(self.source), copy)
        return placed

    def _packets(self) -> Iterator[Packet]:
        before = -1
        messages = self.bag.messages(self._connections)
        while True:
            with _reading(self.source.name):
                found = next(messages, None)
            if found is None:
                return
            connection, _, raw = found
            try:
                packet = packet_of(raw, connection.msgtype, cdr=self._cdr)
            except (ValueError, struct.error) as error:
                self.irregularities.add(Kind.BAD_PACKET, -1, note=str(error))
                continue
            if packet.seq > before + 1 and before >= 0:
                missing = packet.seq - before - 1
                self.irregularities.add(Kind.DROPPED, -1, missing, "packets, by their numbers")
            before = packet.seq
            yield packet

    def chunks(
        self, *, start: int | None = None, stop: int | None = None, size: int = CHUNK
    ) -> Iterator[CameraEvents]:
        """Read in pieces; see `Reader.chunks`."""
        if size < 1:
            raise FormatError(explain("chunks", "of no events", found=size, expected="size > 0"))
        if self._encoding == "evt3":
            words = self._decoder()
            try:
                yield from words.chunks(start=start, stop=stop, size=size)
            finally:
                self._take(words)
            return
        self.irregularities.clear()
        last: int | None = None
        for packet in self._packets():
            if packet.encoding != self._encoding:
                self.irregularities.add(Kind.UNKNOWN, -1, note=f"packet of {packet.encoding!r}")
                continue
            if len(packet.data) % 8 and packet.encoding != "array":
                self.irregularities.add(Kind.TRUNCATED, -1, note="packet ends inside an event")
            t, x, y, p = columns_of(packet, cdr=self._cdr)
            if not t.size:
                continue
            backwards = int(np.count_nonzero(t[1:] < t[:-1])) + (last is not None and t[0] < last)
            self.irregularities.add(Kind.BACKWARDS, -1, backwards)
            last = int(t[-1])
            outside = int(np.count_nonzero((x >= self.header.width) | (y >= self.header.height)))
            self.irregularities.add(Kind.OUTSIDE, -1, outside)
            kept = np.ones(t.size, np.bool_)
            if start is not None:
                kept &= t >= start
            if stop is not None:
                kept &= t < stop
            events = CameraEvents(
                t[kept],
                x[kept].astype(np.uint16),
                y[kept].astype(np.uint16),
                (p[kept] > 0).view(np.uint8),
                self.header.width,
                self.header.height,
            )
            for at in range(0, events.n, size):
                yield events[at : at + size]

    def read(self, *, start: int | None = None, stop: int | None = None) -> CameraEvents:
        """Read at once the events with `start <= t < stop`, us."""
        if self._encoding != "evt3":
            return super().read(start=start, stop=stop)
        words = self._decoder()
        try:
            return words.read(start=start, stop=stop)
        finally:
            self._take(words)

    def _decoder(self) -> Reader:
        """Return a reader of the words of all packets; they wait in an unnamed file, so any part can be read again."""
        if self._words is None:
            from spikewright.events.formats.evt3 import CODING
            from spikewright.events.formats.words import WordReader

            self.irregularities.clear()
            options = Options(strict=self.options.strict, shift_time=self.options.shift_time)
            source = Source(_Payloads(self))
            header = self.header
            self._words = self._stack.enter_context(WordReader(source, options, header, 0, CODING))
            self._words.header = header.replace(t_offset=self._words.header.t_offset)
            self.header = self._words.header
        return self._words

    def _take(self, words: Reader) -> None:
        """Take over what the words' reader found; what the packets told is kept, for they are read but once."""
        packets = [one for one in self.irregularities if one.offset < 0]
        self.irregularities.clear()
        for one in [*packets, *words.irregularities]:
            self.irregularities.add(one.kind, one.offset, one.count, one.note)
        self.extras = words.extras

    def close(self) -> None:
        """Let go of the bag."""
        self._stack.close()
        super().close()


class _Payloads:
    """The words of all packets, one after another, as a file that is read from front to back."""

    def __init__(self, reader: RosbagReader) -> None:
        self.name = reader.source.name
        self._reader = reader
        self._packets = reader._packets()
        self._left: memoryview = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end."""
        while not self._left:
            packet = next(self._packets, None)
            if packet is None:
                return b""
            if packet.encoding != "evt3":
                note = f"packet of {packet.encoding!r}"
                self._reader.irregularities.add(Kind.UNKNOWN, -1, note=note)
                continue
            self._left = packet.data
        piece, self._left = self._left[:size], self._left[size:]
        return bytes(piece)

    def close(self) -> None:
        """Nothing to let go of."""


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        if error.name is None or not error.name.startswith("rosbags"):
            raise
        raise MissingExtra("reading ROS bags", "rosbags", "ros") from None
    except Exception as error:  # the package raises what its parsers raise
        raise FormatError(
            explain(
                where, "cannot be read as a ROS bag", found=f"{type(error).__name__}: {error}"[:200]
            )
        ) from None


def _detect(head: bytes, path: Path | None) -> bool:
    if head.startswith(b"SQLite format 3\0"):
        return b"messages" in head and b"topics" in head
    return any(head.startswith(mark) for mark in MARKS)


FORMAT = Format(
    name="rosbag",
    title="ROS bag",
    suffixes=(".bag", ".db3", ".mcap"),
    detect=_detect,
    reader=RosbagReader,
)
