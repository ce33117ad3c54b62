"""Writes AEDAT 4 in one pass: packets of at most 10 ms, then the data table, then its place into the header.

The header cannot change its length when that is done, so its XML is padded to what it would be with all four streams.
Into a pipe there is no going back: the header says that there is no table, and names all four streams.

Source
------
docs.inivation.com, file-formats/aedat-4.0 (structure; the attributes of streams are those that dv-processing writes)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras, Imu, concatenate
from spikewright.events.formats import aedat4_payload as payload
from spikewright.events.formats import flatbuffer
from spikewright.events.formats.aedat2 import trigger_codes
from spikewright.events.formats.aedat4 import MAGIC, PACKET
from spikewright.events.formats.base import Header, Writer
from spikewright.events.formats.compression import check, compress
from spikewright.events.formats.flatbuffer import Damaged
from spikewright.events.formats.packets import SAMPLE

SPAN = 10_000
"""us of events in a packet at most: what seeking has to read."""

MOST = 8192
"""Events of a packet at most; more do not decode faster."""

LIMIT = 1 << 15
"""Coordinates lie below it."""

SAMPLES = 1000
"""Inertial samples or triggers of a packet at most."""

STREAMS = (
    ("events", b"EVTS", "Array of events (polarity ON/OFF)."),
    ("frames", b"FRME", "Standard frame (8-bit image)."),
    ("imu", b"IMUS", "Inertial Measurement Unit data samples."),
    ("triggers", b"TRIG", "External triggers and special signals."),
)
"""Name, identifier and description; the stream's number is the place here."""

EVENTS, FRAMES, IMU, TRIGGERS = range(4)

LEVELS = {"none": (0, 0), "lz4": (1, 0), "zstd": (3, 3)}
"""Compression -> its number in the header, and the level it is done with."""


class Aedat4Writer(Writer):
    """Writes AEDAT 4.

    Parameters
    ----------
    path, header, lossy : as for `Writer`
    compression : ``lz4``, ``zstd`` or ``none``
    pipe : where to write instead of to `path`, which only names it then; packets leave as they are complete
    """

    name = "aedat4"

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        *,
        compression: str = "lz4",
        lossy: bool = False,
        pipe: BinaryIO | None = None,
    ) -> None:
        super().__init__(path, header, lossy=lossy)
        self.compression = check(compression)
        self._pipe = pipe
        self._listed: list[tuple[int, int, int, int, int, int]] = []
        self._waiting = CameraEvents.empty(header.width, header.height)

    def open(self) -> Path | BinaryIO:
        """Open the file, or take the pipe."""
        if self._pipe is None:
            return super().open()
        self.file = self._pipe
        return self.file

    def begin(self) -> None:
        """Write a header that is written again at the end, or is the last word of a pipe."""
        head = self._head(-1, range(len(STREAMS)))
        self._length = len(head)
        self.file.write(b"\0" * self._length if self._pipe is None else head)
        self._at = self._length

    def add(self, events: CameraEvents) -> None:
        """Write events after those written before.

        Raises
        ------
        FormatError : coordinates outside the sensor
        """
        if not events.n:
            return
        for name, size in (("x", self.header.width), ("y", self.header.height)):
            largest, bound = int(getattr(events, name).max()), min(size or LIMIT, LIMIT)
            if largest >= bound:
                raise FormatError(
                    explain(
                        str(self.path),
                        f"{name} cannot be written",
                        found=largest,
                        expected=f"less than {bound}",
                        cure="crop the events to the sensor, or give its true size",
                    )
                )
        same = events.replace(width=self.header.width, height=self.header.height)
        self._write(concatenate([self._waiting, same]), at_end=False)
        if self._pipe is not None:
            self._pipe.flush()  # somebody may be watching at the other end

    def add_extras(self, extras: Extras) -> None:
        """Write triggers, frames and inertial samples; see `Writer.add_extras`."""
        for frame in extras.frames:
            try:
                data = payload.write_frame(frame)
            except Damaged as damage:
                raise FormatError(
                    explain(str(self.path), "a frame cannot be written", found=damage)
                ) from None
            self._packet(FRAMES, data, 1, frame.t, frame.t)
        imu = extras.imu
        for first in range(0, len(imu) if imu else 0, SAMPLES):
            part = slice(first, first + SAMPLES)
            piece = Imu(*(getattr(imu, name)[part] for name in SAMPLE))
            self._packet(IMU, payload.write_imu(piece), len(piece), *_span(piece.t))
        triggers = extras.triggers
        if triggers is not None:
            codes = trigger_codes(triggers, self.header)
            for first in range(0, len(triggers), SAMPLES):
                part = slice(first, first + SAMPLES)
                data = payload.write_triggers(triggers.t[part], codes[part])
                self._packet(TRIGGERS, data, len(codes[part]), *_span(triggers.t[part]))
        super().add_extras(Extras(more=extras.more))

    def finish(self) -> None:
        """Write the data table and the header."""
        self._write(self._waiting, at_end=True)
        if self._pipe is not None:
            self._pipe.flush()
            return
        columns = np.array(self._listed, np.int64).reshape(-1, 6).T
        pair = np.zeros(columns.shape[1], [("stream", "<i4"), ("size", "<i4")])
        pair["stream"], pair["size"] = columns[1], columns[2]
        table = flatbuffer.tables(
            {0: columns[0], 1: pair, 2: columns[3], 3: columns[4], 4: columns[5]}
        )
        level = LEVELS[self.compression][1]
        self.file.write(
            compress(self.compression, flatbuffer.build(payload.TABLE, {0: table}), level)
        )
        self.file.seek(0)
        used = sorted({EVENTS} | {row[1] for row in self._listed})
        self.file.write(self._head(self._at, used))

    def _write(self, events: CameraEvents, *, at_end: bool) -> None:
        """Write whole packets; keep what may still belong together with later events."""
        first, t = 0, events.t
        while first < events.n:
            part = t[first : first + MOST]
            beyond = np.abs(part - part[0]) >= SPAN
            last = first + (int(np.argmax(beyond)) if beyond.any() else part.size)
            if last == events.n and part.size < MOST and not at_end:
                break
            data = payload.write_events(events[first:last])
            self._packet(EVENTS, data, last - first, *_span(t[first:last]))
            first = last
        self._waiting = events[first:]

    def _packet(self, stream: int, data: bytes, count: int, first: int, last: int) -> None:
        packed = compress(self.compression, data, LEVELS[self.compression][1])
        self.file.write(PACKET.pack(stream, len(packed)))
        self.file.write(packed)
        if self._pipe is None:
            self._listed.append((self._at + 8, stream, len(packed), count, first, last))
        self._at += 8 + len(packed)

    def _head(self, table: int, used: list[int] | range) -> bytes:
        text = self._xml(used)
        if used != range(len(STREAMS)):
            text += " " * (len(self._xml(range(len(STREAMS))).encode()) - len(text.encode()))
        code = LEVELS[self.compression][0]
        return MAGIC + flatbuffer.build(
            payload.HEADER,
            {0: ("<i4", code), 1: ("<i8", table), 2: flatbuffer.text(text)},
        )

    def _xml(self, used: list[int] | range) -> str:
        level = {"none": "NONE", "lz4": "LZ4", "zstd": "ZSTD"}[self.compression]
        source = escape(str(self.header.details.get("source", "spikewright")))
        lines = [
            '<dv version="2.0">',
            '    <node name="outInfo" path="/mainloop/Recorder/outInfo/">',
        ]
        for number in used:
            name, identifier, title = STREAMS[number]
            path = f"/mainloop/Recorder/outInfo/{number}/"
            lines += [
                f'        <node name="{number}" path="{path}">',
                _attribute(12, "compression", level),
                _attribute(12, "originalModuleName", "spikewright"),
                _attribute(12, "originalOutputName", name),
                _attribute(12, "typeDescription", title),
                _attribute(12, "typeIdentifier", identifier.decode()),
                f'            <node name="info" path="{path}info/">',
            ]
            if number in (EVENTS, FRAMES):
                lines.append(_attribute(16, "sizeX", self.header.width))
                lines.append(_attribute(16, "sizeY", self.header.height))
            lines.append(_attribute(16, "source", source))
            lines += ["            </node>", "        </node>"]
        return "\n".join([*lines, "    </node>", "</dv>", ""])


def _attribute(indent: int, key: str, value: str | int) -> str:
    kind = "int" if isinstance(value, int) else "string"
    return f'{" " * indent}<attr key="{key}" type="{kind}">{value}</attr>'


def _span(t: NDArray[np.int64]) -> tuple[int, int]:
    return int(t.min()), int(t.max())
