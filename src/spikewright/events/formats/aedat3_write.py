"""Writes AEDAT 3.1: packets of at most 4096 events of one type that share the wraps of their clock.

Source
------
docs.inivation.com, file-formats/aedat-3.1; inivation/libcaer, include/libcaer/events/*.h (fields of the types)
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras, Frame, Imu
from spikewright.events.formats.aedat2 import trigger_codes
from spikewright.events.formats.aedat3 import (
    END,
    FRAME,
    FRAME_HEAD,
    HEAD,
    IMU6,
    IMU9,
    POLARITY,
    SENSORS,
    SPECIAL,
    TRIGGER,
)
from spikewright.events.formats.base import Header, Writer

MOST = 4096
"""Events of a packet."""

LIMIT = 1 << 15
"""Coordinates lie below it."""

CODES = {code: number for number, code in TRIGGER.items()}


class Aedat3Writer(Writer):
    """Writes AEDAT 3.1.

    Parameters
    ----------
    path, header, lossy : as for `Writer`
    """

    name = "aedat3"

    def __init__(
        self, path: str | os.PathLike[str], header: Header, *, lossy: bool = False
    ) -> None:
        super().__init__(path, header, lossy=lossy)

    def begin(self) -> None:
        """Write the header."""
        size = (self.header.width, self.header.height)
        known = next((name for name, found in SENSORS.items() if found == size), None)
        name = known.upper() if known else f"CAMERA{size[0]}x{size[1]}"
        lines = ["#!AER-DAT3.1", "#Format: RAW", f"#Source 1: {name}"]
        if self.header.start:
            lines.append(f"#Start-Time: {self.header.start}")
        self.file.write("".join(f"{line}\r\n" for line in [*lines, END.decode()]).encode())

    def add(self, events: CameraEvents) -> None:
        """Write events after those written before.

        Raises
        ------
        FormatError : times below 0 or from 2^62 us on, coordinates outside the sensor
        """
        if not events.n:
            return
        for name, size in (("x", self.header.width), ("y", self.header.height)):
            largest = int(getattr(events, name).max())
            if largest >= min(size or LIMIT, LIMIT):
                raise self._beyond(name, largest, f"less than {min(size or LIMIT, LIMIT)}")
        data = events.y.astype(np.uint32) << 2 | events.x.astype(np.uint32) << 17
        data |= (events.p > 0).astype(np.uint32) << 1 | np.uint32(1)
        self._write(POLARITY, events.t, np.stack([data, self._low(events.t)], axis=1))

    def add_extras(self, extras: Extras) -> None:
        """Write triggers, frames and inertial samples; see `Writer.add_extras`."""
        triggers = extras.triggers
        if triggers is not None and len(triggers):
            codes = trigger_codes(triggers, self.header)
            numbers = [CODES.get(c, c - 128 if c >= 128 else -1) for c in codes.tolist()]
            number = np.array(numbers, np.int64)
            self.refuse("triggers of this source", int((number < 0).sum()))
            t, kept = triggers.t[number >= 0], number[number >= 0]
            data = (kept << 1 | 1).astype(np.uint32)
            self._write(SPECIAL, t, np.stack([data, self._low(t)], axis=1))
        if extras.imu is not None and len(extras.imu):
            self._write_imu(extras.imu)
        for frame in extras.frames:
            self._write_frame(frame)
        super().add_extras(Extras(more=extras.more))

    def _write_imu(self, imu: Imu) -> None:
        has_compass = bool(np.nan_to_num(imu.mag).any())
        columns = [imu.acc, imu.gyro, imu.temperature[:, np.newaxis], *([imu.mag] * has_compass)]
        values = np.concatenate(columns, axis=1).astype("<f4").view("<u4")
        ones = np.ones(len(imu), np.uint32)
        rows = np.concatenate([np.stack([ones, self._low(imu.t)], axis=1), values], axis=1)
        self._write(IMU9 if has_compass else IMU6, imu.t, rows)

    def _write_frame(self, frame: Frame) -> None:
        pixels = frame.pixels
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        if pixels.dtype not in (np.uint8, np.uint16) or channels not in (1, 3, 4):
            raise self._beyond("a frame", f"{pixels.shape} of {pixels.dtype}", "8 or 16 bits")
        # the format has 16 bits only, the highest where white is
        deep = pixels.astype("<u2") << (8 if pixels.dtype == np.uint8 else 0)
        times = np.array([frame.t, frame.exposure_start, frame.exposure_end], np.int64)
        low = [int(k) for k in self._low(times)]
        if len(set((times >> 31).tolist())) > 1:
            raise self._beyond("a frame", "its times", "between two wraps of a 31-bit clock")
        head = FRAME_HEAD.pack(
            1 | channels << 1, low[0], low[0], low[1], low[2],
            pixels.shape[1], pixels.shape[0], frame.x0, frame.y0,
        )  # fmt: skip
        body = head + deep.tobytes()
        self.file.write(HEAD.pack(FRAME, 1, len(body), 12, int(times[0] >> 31), 1, 1, 1) + body)

    def _write(self, kind: int, t: NDArray[np.int64], rows: NDArray[np.uint32]) -> None:
        packed = np.ascontiguousarray(rows, "<u4")
        for first, last in _shared(t >> 31):
            n = last - first
            wraps = int(t[first] >> 31)
            self.file.write(HEAD.pack(kind, 1, 4 * rows.shape[1], 4, wraps, n, n, n))
            self.file.write(packed[first:last].tobytes())

    def _low(self, t: NDArray[np.int64]) -> NDArray[np.uint32]:
        if t.size and (int(t.min()) < 0 or int(t.max()) >= 1 << 62):
            found = int(t.min()) if int(t.min()) < 0 else int(t.max())
            raise self._beyond("a time", f"{found} us", "0 to 2^62 - 1 us")
        return (t & 0x7FFFFFFF).astype(np.uint32)

    def _beyond(self, what: str, found: object, expected: str) -> FormatError:
        where = str(self.path)
        return FormatError(
            explain(where, f"{what} cannot be written", found=found, expected=expected)
        )


def _shared(wraps: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Give runs of at most MOST that share their wraps."""
    ends = [*(np.flatnonzero(np.diff(wraps)) + 1).tolist(), len(wraps)]
    first = 0
    for end in ends:
        while first < end:
            last = min(first + MOST, end)
            yield first, last
            first = last
