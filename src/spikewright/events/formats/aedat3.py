"""AEDAT 3.1 and 3.0, as cAER and libcaer write them: text lines, then packets of one type of event each.

A packet begins with 28 bytes: i16 type, i16 source, i32 size of an event, i32 where its time is, i32 how often the
clock has wrapped, i32 capacity, i32 number, i32 valid ones; then capacity times size bytes. A time is 31 bits in
microseconds, the number of wraps above them. Version 3.0 packs x and y otherwise, and counts rows from the bottom.

Triggers have the codes of AEDAT 4 as their channel, those it does not know 128 and their own number. Spikes of
neuromorphic processors are in `extras.more["spikes"]`, a structured array of t, chip, core and neuron.

Source
------
docs.inivation.com, file-formats/aedat-3.1; inivation/libcaer, include/libcaer/events/*.h (fields of the types)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import Frame, Imu, Triggers
from spikewright.events.formats.aedat2 import header_lines
from spikewright.events.formats.base import Format, Header, Options, Reader
from spikewright.events.formats.packets import (
    BACKWARDS,
    FIRST_BACKWARDS,
    FIRST_INVALID,
    FIRST_OUTSIDE,
    INVALID,
    LAST,
    OUTSIDE,
    Columns,
    Packet,
    PacketReader,
    Rows,
)
from spikewright.events.formats.source import Source
from spikewright.events.formats.words import compiled
from spikewright.events.irregular import Kind

MAGIC = b"#!AER-DAT3."
END = b"#!END-HEADER"
HEAD = struct.Struct("<hh6i")
MARK = re.compile(rb"[\x08\x24\x30]\0\0\0\x04\0\0\0")
"""What stands in the header of packets from byte 4 on: the sizes below, and that times are at byte 4 of an event."""

SPECIAL, POLARITY, FRAME, IMU6, IMU9, SPIKE = 0, 1, 2, 3, 4, 12
SIZES = {SPECIAL: 8, POLARITY: 8, IMU6: 36, IMU9: 48, SPIKE: 8}
"""Bytes of an event where all of a type have the same."""

KINDS = 13
"""Types are below it; those not named here are left out."""

TRIGGER = {1: 0, 2: 1, 3: 2, 4: 3, 14: 6, 15: 7, 16: 8, 17: 9}
"""Number of a special event -> code of AEDAT 4: reset, rising, falling, pulse, frame and exposure begin and end."""

TIME_WRAP, TIME_RESET = 0, 1
FIRST_CODE = np.array([1, 3, 4, 6, 8])
"""Codes that are beginnings."""

SENSORS = {
    "davis128": (128, 128),
    "davis240": (240, 180),
    "davis346": (346, 260),
    "davis640": (640, 480),
    "dvs128": (128, 128),
    "dvs132s": (132, 104),
    "edvs": (128, 128),
    "dvxplorer": (640, 480),
}
"""How names of sources begin -> width and height."""

FRAME_HEAD = struct.Struct("<I8i")
SPIKES = np.dtype([("t", "i8"), ("chip", "u1"), ("core", "u1"), ("neuron", "u4")])


class Places(NamedTuple):
    """Bits of x and y in a polarity event: how far up, and which mask then."""

    x: int
    y: int
    mask: int


PLACES = {0: Places(18, 4, 0x3FFF), 1: Places(17, 2, 0x7FFF)}
"""Of version 3.0, and of 3.1."""


@compiled
def take(
    rows: Any, high: int, shift_x: int, shift_y: int, mask: int, turn: int, width: int, height: int,
    t: Any, x: Any, y: Any, p: Any, at: int, state: Any,
) -> int:  # fmt: skip
    """Copy the valid events of a packet into columns from place `at`; count what is odd.

    Parameters
    ----------
    rows : uint32 array, 2 n
    high : int, us added to all times
    shift_x, shift_y, mask : bits of the coordinates
    turn : what rows are subtracted from, -1 where they stay
    width, height : of the sensor
    t, x, y, p : columns with room
    at : place of the first
    state : int64 array, see `packets`

    Returns
    -------
    int : how many were valid
    """
    last = state[LAST]
    n = 0
    for k in range(rows.shape[0] // 2):
        data = np.int64(rows[2 * k])
        if data & 1 == 0:
            if state[INVALID] == 0:
                state[FIRST_INVALID] = k
            state[INVALID] += 1
            continue
        now = high + np.int64(np.int32(rows[2 * k + 1]))
        column = (data >> shift_x) & mask
        row = (data >> shift_y) & mask
        if now < last:
            if state[BACKWARDS] == 0:
                state[FIRST_BACKWARDS] = k
            state[BACKWARDS] += 1
        if column >= width or row >= height:
            if state[OUTSIDE] == 0:
                state[FIRST_OUTSIDE] = k
            state[OUTSIDE] += 1
        last = now
        t[at + n] = now
        x[at + n] = column
        y[at + n] = turn - row if turn >= 0 else row
        p[at + n] = (data >> 1) & 1
        n += 1
    state[LAST] = last
    return n


class Aedat3Reader(PacketReader):
    """Reads AEDAT 3."""

    stride = 8

    def __init__(
        self, source: Source, options: Options, header: Header, first: int, version: int
    ) -> None:
        super().__init__(source, options, header)
        self.first = first
        self.places = PLACES[version]
        self.turned = version == 0 and not options.raw_coordinates
        given = options.extra.get("source")
        self.chosen = given is not None
        self.camera: int | None = None if given is None else int(given)
        self._spikes: list[NDArray[Any]] = []
        if options.shift_time:
            self._shift()

    def packets(self, *, growing: bool = False) -> Iterator[Packet | None]:
        """Give packets one after another; see `PacketReader.packets`."""
        at = self.first
        while True:
            self.at = at
            head = self.octets(at, HEAD.size)
            if head.size == 0 and not growing:
                return
            size, kind, wraps = _measured(head.tobytes())
            if size >= 0 and self.reaches(at + HEAD.size + size):
                yield Packet(at + HEAD.size, size, kind, 2 * wraps)
                at += HEAD.size + size
                continue
            if growing:
                yield None
                continue
            following = self._resume(at + 1)
            if following is None:
                left = f"{self.source.size - at} bytes after the last whole packet"
                self.irregularities.add(Kind.TRUNCATED, at, note=left)
                there = self.octets(at + HEAD.size, max(size, 0)).size
                if there:
                    yield Packet(at + HEAD.size, there, kind, 2 * wraps + 1)
                return
            passed = f"{following - at} bytes passed over"
            self.irregularities.add(Kind.BAD_PACKET, at, note=passed)
            at = following

    def _resume(self, at: int) -> int | None:
        """Return where the next packet begins after a damaged one, or None."""
        for found in self.search(MARK, at + 4):
            start = found - 4
            size, kind, _ = _measured(self.source.window(start, HEAD.size).tobytes())
            if size > 0 and kind in SIZES and self.reaches(start + HEAD.size + size):
                return start
        return None

    def times(self, rows: Rows) -> NDArray[np.int64]:
        """Return the times of events; see `PacketReader.times`."""
        return rows.data[1::2].view(np.int32).astype(np.int64) + (rows.packet.more >> 1 << 31)

    def rows(self, packet: Packet) -> Rows | None:
        """Return the events of a packet; see `PacketReader.rows`."""
        raw = self.octets(packet.offset - HEAD.size, HEAD.size + packet.size)
        kind, camera, each, _, wraps, _, number, _ = HEAD.unpack(raw[: HEAD.size].tobytes())
        body = raw[HEAD.size :]
        n = min(number, body.size // each)
        if n < number:
            self.irregularities.add(
                Kind.DROPPED, packet.offset, number - n, "of a packet that is cut"
            )
        if (kind in SIZES and each != SIZES[kind]) or (kind == FRAME and each < FRAME_HEAD.size):
            what = f"an event of type {kind} has {each} bytes"
            self.irregularities.add(Kind.BAD_PACKET, packet.offset - HEAD.size, note=what)
            return None
        beyond = body[n * each : body.size // each * each].reshape(-1, each)
        if beyond.any():
            # a packet may have room to spare, but what is there is not said to be events
            count = int(beyond.any(axis=1).sum())
            what = "rows of a packet beyond the number it says it has; left out"
            self.irregularities.add(Kind.BAD_VALUE, packet.offset, count, what)
        body = body[: n * each]
        if kind == POLARITY:
            return self._polarity(packet, camera, body)
        readers: dict[int, Callable[[Packet, NDArray[np.uint8], int, int], None]] = {
            SPECIAL: self._special, FRAME: self._frames, IMU6: self._imus, IMU9: self._imus,
            SPIKE: self._spike,
        }  # fmt: skip
        if kind in readers:
            readers[kind](packet, body.reshape(n, each), each, wraps << 31)
        else:
            place = packet.offset - HEAD.size
            self.irregularities.add(Kind.UNKNOWN, place, number, f"events of type {kind}")
        return None

    def _polarity(self, packet: Packet, camera: int, body: NDArray[np.uint8]) -> Rows | None:
        if self.camera is None:
            self.camera = camera
        if camera != self.camera:
            if not self.chosen:
                note = f"events of source {camera}; choose it with source={camera}"
                self.irregularities.add(Kind.DROPPED, packet.offset, body.size // 8, note)
            return None
        words = body.view(np.uint32)
        if not words.flags.aligned:
            words = words.copy()
        words.flags.writeable = False
        return Rows(words, 2, packet)

    def _special(self, packet: Packet, body: NDArray[np.uint8], each: int, high: int) -> None:
        words = np.ascontiguousarray(body).view("<u4")
        valid = (words[:, 0] & 1) == 1
        self._invalid(packet, valid, each)
        number = ((words[:, 0] >> 1) & 0x7F)[valid].astype(np.int64)
        t = words[valid, 1].view(np.int32).astype(np.int64) + high
        self.irregularities.add(Kind.WRAP, packet.offset, int((number == TIME_WRAP).sum()))
        self.irregularities.add(Kind.RESET, packet.offset, int((number == TIME_RESET).sum()))
        kept = number != TIME_WRAP
        code = np.array([TRIGGER.get(k, 128 + k) for k in range(128)], np.uint8)[number[kept]]
        self.put(Triggers(t[kept], code, np.isin(code, FIRST_CODE).astype(np.uint8)))

    def _imus(self, packet: Packet, body: NDArray[np.uint8], each: int, high: int) -> None:
        words = np.ascontiguousarray(body).view("<u4")
        valid = (words[:, 0] & 1) == 1
        self._invalid(packet, valid, each)
        values = words[valid, 2:].view(np.float32)
        none = np.full((len(values), 3), np.nan, np.float32)  # six axes have no magnetometer
        t = words[valid, 1].view(np.int32).astype(np.int64) + high
        mag = values[:, 7:10] if each == SIZES[IMU9] else none
        self.put(Imu(t, values[:, :3], values[:, 3:6], mag, values[:, 6]))

    def _spike(self, packet: Packet, body: NDArray[np.uint8], each: int, high: int) -> None:
        words = np.ascontiguousarray(body).view("<u4")
        valid = (words[:, 0] & 1) == 1
        self._invalid(packet, valid, each)
        data = words[valid, 0]
        spikes = np.empty(len(data), SPIKES)
        spikes["t"] = words[valid, 1].view(np.int32).astype(np.int64) + high - self.base
        spikes["core"], spikes["chip"] = (data >> 1) & 0x1F, (data >> 6) & 0x3F
        spikes["neuron"] = data >> 12
        self._spikes.append(spikes)

    def _frames(self, packet: Packet, body: NDArray[np.uint8], each: int, high: int) -> None:
        for k, octets in enumerate(body):
            info, begin, _, opened, closed, width, height, x0, y0 = FRAME_HEAD.unpack(octets[:36])
            channels = (info >> 1) & 7
            if not info & 1:
                self.irregularities.add(Kind.INVALID, packet.offset + k * each, note="a frame")
                continue
            n = width * height * channels
            if width < 0 or height < 0 or channels not in (1, 3, 4) or 2 * n > each - 36:
                what = f"a frame of {width} x {height} pixels, {channels} channels"
                self.irregularities.add(Kind.BAD_PACKET, packet.offset + k * each, note=what)
                continue
            pixels = np.frombuffer(octets[36 : 36 + 2 * n].tobytes(), "<u2").astype(np.uint16)
            since = high - self.base
            if self.inside(np.array([since + begin])).all():
                shape = (height, width) if channels == 1 else (height, width, channels)
                pictured = pixels.reshape(shape)
                self.extras.frames.append(
                    Frame(since + begin, since + opened, since + closed, x0, y0, pictured)
                )

    def _invalid(self, packet: Packet, valid: NDArray[np.bool_], each: int) -> None:
        left_out = int(np.count_nonzero(~valid))
        if left_out:
            place = packet.offset + each * int(np.argmax(~valid))
            self.irregularities.add(Kind.INVALID, place, left_out)

    def copy(self, rows: Rows, columns: Columns) -> None:
        """Append events to columns; see `PacketReader.copy`."""
        width, height = self.header.width or 65536, self.header.height or 65536
        turn = self.header.height - 1 if self.turned else -1
        high = rows.packet.more >> 1 << 31
        columns.n += take(
            rows.data,
            high,
            *self.places,
            turn,
            width,
            height,
            *columns.arrays,
            columns.n,
            self.state,
        )

    def room(self) -> int:
        """Return about how many events there are."""
        return (self.source.size - self.first) // 8 + 1

    def _forget(self) -> None:
        super()._forget()
        self._spikes = []

    def _end(self) -> None:
        super()._end()
        if self._spikes:
            joined = np.concatenate(self._spikes)
            self._spikes = []
            self.extras.more["spikes"] = joined[self.inside(joined["t"])]


def _measured(head: bytes) -> tuple[int, int, int]:
    """Return size, type and wraps that a packet's header says; -1 as the size where it cannot be one."""
    if len(head) < HEAD.size:
        return -1, -1, 0
    kind, source, each, _, wraps, capacity, number, valid = HEAD.unpack(head)
    sound = 0 <= valid <= number <= capacity and each > 0 and wraps >= 0
    if not (sound and 0 <= kind < KINDS and source >= 0):
        return -1, kind, 0
    return each * capacity, kind, wraps


def detect(head: bytes, path: Path | None) -> bool:
    """Tell by the first line."""
    return head.startswith(MAGIC)


def open_reader(source: Source, options: Options) -> Reader:
    """Open AEDAT 3; option `source`, the number of the camera where there are several.

    Raises
    ------
    FormatError : another version, or compressed
    """
    options.allow(source.name, "source")
    lines, first = header_lines(source, END)
    mark = lines[0] if lines else b""
    minor = mark[len(MAGIC) :]
    if not mark.startswith(MAGIC) or minor not in (b"0", b"1"):
        raise FormatError(
            explain(
                source.name,
                "an unknown version of AEDAT 3",
                found=repr(mark),
                expected="#!AER-DAT3.0 or #!AER-DAT3.1",
            )
        )
    text = tuple(line.decode("utf-8", "replace") for line in lines)
    said = {key.strip(): value.strip() for key, _, value in (t[1:].partition(":") for t in text)}
    form = said.get("Format", "RAW")
    if form != "RAW":
        raise FormatError(
            explain(
                source.name,
                "compressed AEDAT 3 cannot be read",
                found=form,
                expected="RAW",
                cure="convert it with the program that wrote it",
            )
        )
    names = [value for key, value in said.items() if key.startswith("Source ")]
    width, height = next(filter(None, map(sensor, names)), (0, 0))
    header = Header(
        "aedat3", width, height, lines=text, start=said.get("Start-Time"),
        details=MappingProxyType({"version": f"3.{int(minor)}", "sources": tuple(names)}),
    )  # fmt: skip
    return Aedat3Reader(source, options, header, first, int(minor))


def sensor(name: str) -> tuple[int, int] | None:
    """Return the size of the sensor that a source's name says; our own writer puts it there, ``CAMERA1280x720``."""
    low = name.lower()
    said = re.search(r"(\d{1,5})x(\d{1,5})", low)
    if said:
        return int(said[1]), int(said[2])
    return next((size for begins, size in SENSORS.items() if low.startswith(begins)), None)


def _writer(*given: Any, **options: Any) -> Any:
    from spikewright.events.formats.aedat3_write import Aedat3Writer

    return Aedat3Writer(*given, **options)


FORMAT = Format(
    name="aedat3",
    title="AEDAT 3.1",
    suffixes=(".aedat", ".aedat3"),
    detect=detect,
    reader=open_reader,
    writer=_writer,
)
