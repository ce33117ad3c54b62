"""ATIS .bin, as N-MNIST and N-Caltech101 are published: five bytes an event, no header.

Bytes x, y, then 24 bits, the highest first: p, and 23 bits of time in microseconds. A record with y = 240 is no event:
all later times are 2^13 us later. The size of the sensor is nowhere in the file.

Source
------
Orchard, Jayawant, Cohen, Thakor 2015, doi 10.3389/fnins.2015.00437 (data sets); gorchard/event-Python (records)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.formats.base import Format, Header, Options, Reader, sized
from spikewright.events.formats.bytewise import FREE, ByteReader, decoder, load
from spikewright.events.formats.source import Source
from spikewright.events.formats.words import (
    BACKWARDS,
    EVENTS,
    HEIGHT,
    LAST,
    OUTSIDE,
    ROWS,
    WIDTH,
    Coding,
    WordWriter,
    compiled,
    note,
)

RECORD = 5
OVERFLOW = 240
"""The y of a record that is no event."""

STEP = 1 << 13
"""us that it adds."""

RANGE = 1 << 23
"""us that an event's own time reaches."""

FEWEST, RISING = 8, 0.95
"""Events, and the part of them that rise, by which the format is told."""

BEFORE = FREE
"""Slot: us added to all times."""

SILENCE = 1 << 26
"""Bytes of overflow records that are written for one gap at most; 30 hours of it."""


@compiled
def run(
    octets: Any, end: int, whole: int, state: Any, t: Any, x: Any, y: Any, p: Any, rows: Any
) -> int:
    """Decode records into events; see `bytewise`."""
    room = t.shape[0]
    before, last = state[BEFORE], state[LAST]
    width, height = state[WIDTH], state[HEIGHT]
    at = n = 0
    while n < room and at < end and at + RECORD <= whole:
        word = load(octets, at)
        row = np.int64((word >> np.uint64(8)) & np.uint64(0xFF))
        if row == OVERFLOW:
            before += STEP
        else:
            high = ((word >> np.uint64(16)) & np.uint64(0x7F)) << np.uint64(16)
            middle = ((word >> np.uint64(24)) & np.uint64(0xFF)) << np.uint64(8)
            now = before + np.int64(high | middle | ((word >> np.uint64(32)) & np.uint64(0xFF)))
            column = np.int64(word & np.uint64(0xFF))
            if column >= width or row >= height:
                note(state, OUTSIDE, at)
            if now < last:
                note(state, BACKWARDS, at)
            last = now
            t[n] = now
            x[n] = column
            y[n] = row
            p[n] = np.uint8((word >> np.uint64(23)) & np.uint64(1))
            n += 1
        at += RECORD
    state[BEFORE] = before
    state[LAST] = last
    state[EVENTS] = n
    state[ROWS] = 0
    return at


@compiled
def encode(t: Any, x: Any, y: Any, p: Any, rows: Any, state: Any, out: Any) -> int:
    """Encode events as bytes; see `words`."""
    at = n = 0
    before = state[BEFORE]
    while n < t.shape[0] and at + RECORD <= out.shape[0]:
        time = t[n] - before
        if time >= RANGE:
            before += STEP
            out[at] = 0
            out[at + 1] = OVERFLOW
            time = 0
            bit = np.int64(0)
        else:
            out[at] = np.uint8(x[n])
            out[at + 1] = np.uint8(y[n])
            bit = np.int64(p[n]) << 7
            n += 1
        out[at + 2] = np.uint8(bit | time >> 16)
        out[at + 3] = np.uint8((time >> 8) & 0xFF)
        out[at + 4] = np.uint8(time & 0xFF)
        at += RECORD
    state[BEFORE] = before
    state[EVENTS] = at
    state[ROWS] = 0
    return n


CODING = Coding(
    word=np.uint8,
    most=1,
    limit=(256, OVERFLOW),
    channels=0,
    end=1 << 62,
    late=RANGE,
    decode=decoder(run, RECORD),
    encode=encode,
)


class AtisReader(ByteReader):
    """Reads ATIS .bin."""

    def _measure(self) -> None:
        """Find the size of the sensor: the largest addresses, without decoding."""
        if (self.header.width and self.header.height) or self.source.is_pipe:
            super()._measure()
            return
        largest = np.zeros(2, np.int64)
        piece = self._buffer[: self._buffer.size // RECORD * RECORD]
        for offset in range(0, self.source.size, piece.size):
            raw = self.source.piece(offset, piece)
            records = raw[: raw.size // RECORD * RECORD].reshape(-1, RECORD)
            # long rows make the maximum of all columns one of vectors
            long = len(records) // 1024
            rows = records[: long * 1024].reshape(long, 1024 * RECORD)
            found = rows.max(axis=0, initial=0)
            found = np.concatenate([found.reshape(-1, RECORD), records[long * 1024 :]])
            if found.size and found[:, 1].max() >= OVERFLOW:
                found = records[records[:, 1] != OVERFLOW]
            if found.size:
                largest = np.maximum(largest, found[:, :2].max(axis=0).astype(np.int64) + 1)
        self.header = self.header.replace(
            width=self.header.width or int(largest[0]),
            height=self.header.height or int(largest[1]),
            notes=(*self.header.notes, "the format has no sensor size; it is that of the events"),
        )


class AtisWriter(WordWriter):
    """Writes ATIS .bin.

    Parameters
    ----------
    path, header, lossy : as for `Writer`
    origin : us, taken off all times, and stored nowhere
    """

    name = "atis"

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        *,
        origin: int = 0,
        lossy: bool = False,
    ) -> None:
        super().__init__(path, header, coding=CODING, head=b"", lossy=lossy)
        self.origin = origin

    def add(self, events: CameraEvents) -> None:
        """Write events after those written before; see `Writer.add`."""
        moved = events.replace(t=events.t - self.origin) if self.origin else events
        super().add(moved)

    def _check_times(self, what: str, t: NDArray[np.int64]) -> None:
        """Raise where a time lies before what overflow records have added by then; a little backwards is no matter."""
        super()._check_times(what, t)
        latest = np.maximum.accumulate(t)
        before = np.maximum(((latest - RANGE) // STEP + 1) * STEP, self._state[BEFORE])
        gap = int(np.diff(before, prepend=self._state[BEFORE]).max())
        check_gaps(str(self.path), t, before, gap, STEP * (SILENCE // RECORD))


def check_gaps(
    where: str, t: NDArray[np.int64], low: NDArray[np.int64], gap: int, most: int
) -> None:
    """Raise unless a format that counts from 0 upwards can say times.

    Parameters
    ----------
    where : the file
    t : us
    low : us, for each, the earliest that can be said
    gap, most : us, the longest gap that is to be filled with bytes, and that may be

    Raises
    ------
    FormatError : a time lies before, or a gap is longer
    """
    early = t < low
    if early.any():
        k = int(np.argmax(early))
        raise FormatError(
            explain(
                where,
                "a time that the format cannot go back to",
                found=f"{t[k]} us",
                expected=f"at least {low[k]} us",
                cure="sort the events by time",
            )
        )
    if gap > most:
        raise FormatError(
            explain(
                where,
                "a gap that the format can only fill with bytes",
                found=f"{gap} us",
                expected=f"at most {most} us",
                cure="take off the recording's start, origin=...; the format counts from 0",
            )
        )


def detect(head: bytes, path: Path | None) -> bool:
    """Tell by what every record must be, as there is no mark: no y above 240, and times that rise.

    A file named .bin needs no more than the first.
    """
    records = np.frombuffer(head[: len(head) // RECORD * RECORD], np.uint8).reshape(-1, RECORD)
    if not len(records) or records[:, 1].max() > OVERFLOW:
        return False
    if path is not None and path.suffix.lower() == ".bin":
        return True
    high, middle, low = records[:, 2:].astype(np.int64).T
    t = (high & 0x7F) << 16 | middle << 8 | low
    own = t[records[:, 1] != OVERFLOW]
    # after 8 s times start again; what is no recording falls half of the time
    return own.size >= FEWEST and float(np.mean(np.diff(own) >= 0)) > RISING


def open_reader(source: Source, options: Options) -> Reader:
    """Open ATIS .bin."""
    header = sized(Header("atis", 0, 0), options)
    return AtisReader(source, options, header, 0, CODING)


FORMAT = Format(
    name="atis",
    title="ATIS .bin (N-MNIST, N-Caltech101)",
    suffixes=(".bin",),
    detect=detect,
    reader=open_reader,
    writer=AtisWriter,
)
