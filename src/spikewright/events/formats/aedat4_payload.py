"""What the packets of AEDAT 4 hold: events, frames, inertial samples and triggers, from FlatBuffers and into them.

A payload is a size-prefixed buffer of a root table; identifiers EVTS, FRME, IMUS, TRIG, and FTAB for the data table.

Source
------
docs.inivation.com, file-formats/aedat-4.0; aestream/faery, src/aedat/flatbuffers/*.fbs (field numbers);
OpenCV, core/hal/interface.h (numbers of pixel types: depth + 8 (channels - 1), depth 0 = 8 bits, 2 = 16 bits)
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.events.camera import CameraEvents, Frame, Imu, Triggers
from spikewright.events.formats import flatbuffer
from spikewright.events.formats.flatbuffer import Damaged
from spikewright.events.formats.packets import (
    BACKWARDS,
    FIRST_BACKWARDS,
    FIRST_OUTSIDE,
    LAST,
    OUTSIDE,
)
from spikewright.events.formats.words import compiled

EVENTS, FRAME, IMU, TRIGGERS, TABLE, HEADER = b"EVTS", b"FRME", b"IMUS", b"TRIG", b"FTAB", b"IOHE"

RISING = (1, 3, 4, 6, 8)
"""Trigger sources that are beginnings: 0 reset, 1 rising, 2 falling, 3 pulse, 4/5 generator, 6/7 frame, 8/9
exposure."""

STRUCT = np.dtype(
    {
        "names": ["t", "x", "y", "p"],
        "formats": ["<i8", "<u2", "<u2", "u1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)
"""One event; coordinates are signed in the schema, so that a negative one reads as far outside."""

BEFORE_EVENTS = struct.Struct("<II4sHHHHiII")
"""Size, root, identifier, padding, vtable (own size, table size, field 0), table (its vtable, field 0), count."""

DEPTHS: dict[int, Any] = {0: np.uint8, 2: np.dtype("<u2")}
CHANNELS = (1, 3, 4)


@compiled
def locate(payload: Any) -> Any:
    """Find the events of a payload.

    Parameters
    ----------
    payload : uint8 array, size prefix included

    Returns
    -------
    int, int : byte of the first event and how many the vector claims; -1 as the first where the buffer is damaged
    """
    n = np.int64(payload.shape[0])
    if n < 20:
        return np.int64(-1), np.int64(0)
    table = np.int64(4) + _u32(payload, 4)
    if table + 4 > n:
        return np.int64(-1), np.int64(0)
    back = _u32(payload, table)
    if back >= 1 << 31:
        back -= np.int64(1) << 32
    vtable = table - back
    if vtable < 0 or vtable + 4 > n:
        return np.int64(-1), np.int64(0)
    size = _u16(payload, vtable)
    if size < 4 or vtable + size > n:
        return np.int64(-1), np.int64(0)
    field = _u16(payload, vtable + 4) if size >= 6 else np.int64(0)
    if field == 0:
        return np.int64(0), np.int64(0)
    place = table + field
    if place + 4 > n:
        return np.int64(-1), np.int64(0)
    vector = place + _u32(payload, place)
    if vector + 4 > n:
        return np.int64(-1), np.int64(0)
    return vector + 4, _u32(payload, vector)


@compiled
def take(
    rows: Any, width: int, height: int, t: Any, x: Any, y: Any, p: Any, at: int, state: Any
) -> None:
    """Copy events into columns from place `at`, and count what is odd.

    Parameters
    ----------
    rows : uint64 array, 2 n; the structs
    width, height : int, of the sensor; counted as outside are coordinates not below
    t, x, y, p : columns with room
    at : int, place of the first
    state : int64 array, see `packets`
    """
    last = state[LAST]
    n = rows.shape[0] // 2
    for k in range(n):
        now = np.int64(rows[2 * k])
        word = rows[2 * k + 1]
        column = np.uint16(word)
        row = np.uint16(word >> np.uint64(16))
        if now < last:
            if state[BACKWARDS] == 0:
                state[FIRST_BACKWARDS] = at + k
            state[BACKWARDS] += 1
        if (column >= width) | (row >= height):
            if state[OUTSIDE] == 0:
                state[FIRST_OUTSIDE] = at + k
            state[OUTSIDE] += 1
        last = now
        t[at + k] = now
        x[at + k] = column
        y[at + k] = row
        p[at + k] = np.uint8((word & np.uint64(0xFF00000000)) != np.uint64(0))
    state[LAST] = last


@compiled
def _u16(payload: Any, at: int) -> Any:
    return np.int64(payload[at]) | np.int64(payload[at + 1]) << 8


@compiled
def _u32(payload: Any, at: int) -> Any:
    return _u16(payload, at) | _u16(payload, at + 2) << 16


def read_frame(payload: flatbuffer.Buffer) -> Frame:
    """Return a frame; colors as red, green, blue.

    Raises
    ------
    Damaged : an offset points outside, a pixel type is unknown, or the size is not that of the pixels
    """
    table = flatbuffer.root(payload, FRAME)
    kind = table.scalar(5, "<b")
    depth, channels = kind & 7, (kind >> 3) + 1
    width, height = table.scalar(6, "<h"), table.scalar(7, "<h")
    if depth not in DEPTHS or channels not in CHANNELS:
        raise Damaged(f"pixel type {kind}")
    data = table.octets(10)
    dtype = np.dtype(DEPTHS[depth])
    if width < 0 or height < 0 or width * height * channels * dtype.itemsize != len(data):
        raise Damaged(f"{len(data)} bytes for {width} x {height} pixels of type {kind}")
    pixels = np.frombuffer(data, dtype).reshape(height, width, channels)
    shaped = pixels[..., 0] if channels == 1 else pixels[..., [2, 1, 0, 3][:channels]]
    t = table.scalar(0, "<q")
    begin, end = table.scalar(3, "<q"), table.scalar(4, "<q")
    x0, y0 = table.scalar(8, "<h"), table.scalar(9, "<h")
    return Frame(t, begin, end, x0, y0, shaped.astype(dtype.newbyteorder("=")))


def read_imu(payload: flatbuffer.Buffer) -> Imu:
    """Return the samples of a payload, in the order of the file.

    Raises
    ------
    Damaged : an offset points outside
    """
    table = flatbuffer.root(payload, IMU)
    kinds: dict[int, Any] = {0: np.dtype("<i8")} | dict.fromkeys(range(1, 11), np.dtype("<f4"))
    found = flatbuffer.columns(table, 0, kinds)
    triples = [np.stack([found[k] for k in range(a, a + 3)], axis=1) for a in (2, 5, 8)]
    return Imu(found[0], triples[0], triples[1], triples[2], found[1])


def read_triggers(payload: flatbuffer.Buffer) -> Triggers:
    """Return the triggers of a payload; the channel is the code of the source.

    Raises
    ------
    Damaged : an offset points outside
    """
    table = flatbuffer.root(payload, TRIGGERS)
    found = flatbuffer.columns(table, 0, {0: np.dtype("<i8"), 1: np.dtype("u1")})
    return Triggers(found[0], found[1], np.isin(found[1], RISING).astype(np.uint8))


def write_events(events: CameraEvents) -> bytes:
    """Return events as a payload."""
    rows = np.zeros(events.n, STRUCT)
    for name in "txyp":
        rows[name] = getattr(events, name)
    size = BEFORE_EVENTS.size - 4 + rows.nbytes
    return BEFORE_EVENTS.pack(size, 16, EVENTS, 0, 6, 8, 4, 6, 4, events.n) + rows.tobytes()


def write_frame(frame: Frame) -> bytes:
    """Return a frame as a payload.

    Raises
    ------
    Damaged : pixels are not of 8 or 16 bits, or their shape is not that of a picture
    """
    pixels = frame.pixels if frame.pixels.ndim == 3 else frame.pixels[..., np.newaxis]
    depth = next((d for d, dtype in DEPTHS.items() if pixels.dtype == np.dtype(dtype)), None)
    if depth is None or pixels.ndim != 3 or pixels.shape[2] not in CHANNELS:
        raise Damaged(f"pixels of shape {frame.pixels.shape} of {frame.pixels.dtype}")
    height, width, channels = pixels.shape
    if max(height, width) > 32767:
        raise Damaged(f"{width} x {height} pixels")
    colors = pixels if channels == 1 else pixels[..., [2, 1, 0, 3][:channels]]
    return flatbuffer.build(
        FRAME,
        {
            0: ("<i8", frame.t),
            1: ("<i8", frame.exposure_start),
            2: ("<i8", frame.exposure_end),
            3: ("<i8", frame.exposure_start),
            4: ("<i8", frame.exposure_end),
            5: ("i1", depth + 8 * (channels - 1)),
            6: ("<i2", width),
            7: ("<i2", height),
            8: ("<i2", frame.x0),
            9: ("<i2", frame.y0),
            10: flatbuffer.octets(colors.astype(DEPTHS[depth]).tobytes()),
        },
    )


def write_imu(imu: Imu) -> bytes:
    """Return samples as a payload."""
    columns: dict[int, NDArray[Any]] = {0: imu.t.astype("<i8"), 1: imu.temperature.astype("<f4")}
    for first, triple in ((2, imu.acc), (5, imu.gyro), (8, imu.mag)):
        for axis in range(3):
            columns[first + axis] = triple[:, axis].astype("<f4")
    return flatbuffer.build(IMU, {0: flatbuffer.tables(columns)})


def write_triggers(t: NDArray[np.int64], source: NDArray[np.uint8]) -> bytes:
    """Return triggers as a payload."""
    return flatbuffer.build(TRIGGERS, {0: flatbuffer.tables({0: t.astype("<i8"), 1: source})})
