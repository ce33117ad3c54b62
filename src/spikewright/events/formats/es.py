"""Event Stream, .es: generic, change (DVS), change and exposure (ATIS), and color events; times as differences.

`Event Stream`, version 2.0.0, a byte for the type, and except for generic events u16 width and height. Rows count from
the bottom; they are turned on reading and on writing.

- DVS: a byte ``t << 1 | p``, then u16 x, u16 y. 0xFF is no event: 127 us pass.
- ATIS: a byte ``t << 2 | crossing << 1 | exposure``, then u16 x, u16 y; 0xFC and above pass 63 us times the low two
  bits. The crossing of a change event is its polarity, that of an exposure event tells the second from the first.
- color: a byte t, then u16 x, u16 y, u8 red, green, blue. 0xFF passes 254 us.
- generic: as color, but then the length as 7-bit groups, low first, the lowest bit telling that more follow; the bytes.

0xFE is reserved except in ATIS.

Source
------
neuromorphicsystems/event_stream (specification); aestream/faery, src/es
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras
from spikewright.events.formats.atis import check_gaps
from spikewright.events.formats.base import CHUNK, Format, Header, Options, Reader, sized
from spikewright.events.formats.bytewise import FREE, ByteReader, decoder, load
from spikewright.events.formats.es_eight import eight
from spikewright.events.formats.source import Source
from spikewright.events.formats.words import (
    BAD,
    EVENTS,
    HEIGHT,
    OUTSIDE,
    ROWS,
    WIDTH,
    Coding,
    WordWriter,
    compiled,
    note,
)
from spikewright.events.irregular import Kind

MAGIC = b"Event Stream"
VERSION = b"\x02\x00\x00"
GENERIC, DVS, ATIS, COLOR = 0, 1, 2, 4
TYPES = {GENERIC: "generic", DVS: "dvs", ATIS: "atis", COLOR: "color"}

TIME, TURN = FREE, FREE + 1
"""Slots: time so far; what rows are subtracted from, or -1 where they stay."""

RESERVED = 0xFE
ROWS_PER_CALL = 1 << 16
U = np.uint64

SILENCE = 1 << 26
"""Bytes that are written for one gap at most."""


@compiled
def run_dvs(
    octets: Any, end: int, whole: int, state: Any, t: Any, x: Any, y: Any, p: Any, rows: Any
) -> int:
    """Decode bytes into change events; see `bytewise`."""
    # unsigned positions: signed ones would be tested for being negative at every access
    n, room = U(0), U(t.shape[0])
    now = state[TIME]
    width, height = state[WIDTH], state[HEIGHT]
    turn, sign = (state[TURN], -1) if state[TURN] >= 0 else (0, 1)
    # turn - row is the complement of row, plus turn + 1
    flip, add = (0xFFFF, turn + 1) if sign < 0 else (0, 0)
    at = 0
    while n < room and at < end:
        # so many records end in this window and fit the columns, if none of them is a byte of silence
        stop = n + min(room - n, U(max(min(end - at + 4, whole - at), 0) // 5))
        while n + U(8) <= stop:
            later = eight(octets, at, now, width, height, flip, add, t, x, y, p, n)
            if later < 0:
                break
            now = later
            n += U(8)
            at += 40
        near = min(stop, n + U(8))
        while n < near:
            word = load(octets, at)
            byte = np.int64(word & np.uint64(0xFF))
            if byte >= RESERVED:
                break
            now += byte >> 1
            column = np.int64((word >> np.uint64(8)) & np.uint64(0xFFFF))
            row = np.int64((word >> np.uint64(24)) & np.uint64(0xFFFF))
            if column >= width or row >= height:
                note(state, OUTSIDE, at)
            t[n] = now
            x[n] = column
            y[n] = turn + sign * row
            p[n] = byte & 1
            n += U(1)
            at += 5
        if n == near and n < stop:
            continue
        if n == room or at >= end:
            break
        byte = np.int64(load(octets, at) & np.uint64(0xFF))
        if byte < RESERVED:
            break  # the window cuts a record
        at += 1
        if byte == RESERVED:
            note(state, BAD, at - 1)
        else:
            now += 127
    state[TIME] = now
    state[EVENTS] = np.int64(n)
    state[ROWS] = 0
    return at


@compiled
def run_atis(
    octets: Any, end: int, whole: int, state: Any, t: Any, x: Any, y: Any, p: Any, rows: Any
) -> int:
    """Decode bytes into change events, and rows of time, x and y, and crossing of exposure events."""
    room = t.shape[0]
    now = state[TIME]
    width, height = state[WIDTH], state[HEIGHT]
    turn, sign = (state[TURN], -1) if state[TURN] >= 0 else (0, 1)
    at = n = m = 0
    while n < room and m < rows.shape[0] and at < end:
        word = load(octets, at)
        byte = np.int64(word & np.uint64(0xFF))
        if byte >= 0xFC:
            now += 63 * (byte & 3)
            at += 1
            continue
        if at + 5 > whole:
            break
        now += byte >> 2
        column = np.int64((word >> np.uint64(8)) & np.uint64(0xFFFF))
        row = np.int64((word >> np.uint64(24)) & np.uint64(0xFFFF))
        if column >= width or row >= height:
            note(state, OUTSIDE, at)
        row = (turn + sign * row) & 0xFFFF
        if byte & 1:
            rows[m, 0] = now
            rows[m, 1] = column | row << 16
            rows[m, 2] = (byte >> 1) & 1
            m += 1
        else:
            t[n] = now
            x[n] = column
            y[n] = row
            p[n] = (byte >> 1) & 1
            n += 1
        at += 5
    state[TIME] = now
    state[EVENTS] = n
    state[ROWS] = m
    return at


@compiled
def run_color(
    octets: Any, end: int, whole: int, state: Any, t: Any, x: Any, y: Any, p: Any, rows: Any
) -> int:
    """Decode bytes into events of polarity 1, and rows of time, x and y, and color."""
    room = min(t.shape[0], rows.shape[0])
    now = state[TIME]
    width, height = state[WIDTH], state[HEIGHT]
    turn, sign = (state[TURN], -1) if state[TURN] >= 0 else (0, 1)
    at = n = 0
    while n < room and at < end:
        word = load(octets, at)
        byte = np.int64(word & np.uint64(0xFF))
        if byte >= RESERVED:
            at += 1
            if byte == RESERVED:
                note(state, BAD, at - 1)
            else:
                now += 254
            continue
        if at + 8 > whole:
            break
        now += byte
        column = np.int64((word >> np.uint64(8)) & np.uint64(0xFFFF))
        row = np.int64((word >> np.uint64(24)) & np.uint64(0xFFFF))
        if column >= width or row >= height:
            note(state, OUTSIDE, at)
        row = (turn + sign * row) & 0xFFFF
        t[n] = now
        x[n] = column
        y[n] = row
        p[n] = 1
        rows[n, 0] = now
        rows[n, 1] = column | row << 16
        rows[n, 2] = np.int64(word >> np.uint64(40))
        n += 1
        at += 8
    state[TIME] = now
    state[EVENTS] = n
    state[ROWS] = n
    return at


@compiled
def encode_dvs(t: Any, x: Any, y: Any, p: Any, rows: Any, state: Any, out: Any) -> int:
    """Encode change events as bytes; see `words`."""
    at = n = 0
    now = state[TIME]
    turn, sign = (state[TURN], -1) if state[TURN] >= 0 else (0, 1)
    while n < t.shape[0] and at + 5 <= out.shape[0]:
        gap = t[n] - now
        if gap > 126:
            out[at] = 0xFF
            at += 1
            now += 127
            continue
        out[at] = np.uint8(gap << 1 | p[n])
        row = turn + sign * np.int64(y[n])
        out[at + 1] = np.uint8(x[n] & 0xFF)
        out[at + 2] = np.uint8(x[n] >> 8)
        out[at + 3] = np.uint8(row & 0xFF)
        out[at + 4] = np.uint8(row >> 8)
        now = t[n]
        n += 1
        at += 5
    state[TIME] = now
    state[EVENTS] = at
    state[ROWS] = 0
    return n


class Side(NamedTuple):
    """What a type holds beside change events: how it is called in `Extras.more`, and the type of its third number."""

    name: str
    third: Callable[[NDArray[np.int64]], dict[str, NDArray[Any]]]


SIDES = {
    ATIS: Side("exposures", lambda third: {"second": third.astype(np.uint8)}),
    COLOR: Side(
        "colors", lambda third: {c: (third >> 8 * k).astype(np.uint8) for k, c in enumerate("rgb")}
    ),
}
"""Exposure events of ATIS and the events of color cameras, as structured arrays with t, x, y and these fields."""

DECODERS = {DVS: decoder(run_dvs, 5), ATIS: decoder(run_atis, 5), COLOR: decoder(run_color, 8)}


class EsReader(ByteReader):
    """Reads .es with change or color events; what else there is goes to `extras.more`."""

    def __init__(self, source: Source, options: Options, header: Header, kind: int, turn: int) -> None:  # fmt: skip
        self.kind = kind
        own = (0, 0, 0, turn)  # nothing held, time 0
        super().__init__(source, options, header, 20, CODINGS[kind], own)
        if kind != DVS:
            self._rows = np.empty((ROWS_PER_CALL, 3), np.int64)

    def _keep(self, rows: NDArray[np.int64]) -> None:
        side = SIDES[self.kind]
        columns: dict[str, NDArray[Any]] = {
            "t": rows[:, 0].copy(),
            "x": (rows[:, 1] & 0xFFFF).astype(np.uint16),
            "y": (rows[:, 1] >> 16).astype(np.uint16),
            **side.third(rows[:, 2]),
        }
        new = np.empty(len(rows), [(name, column.dtype) for name, column in columns.items()])
        for name, column in columns.items():
            new[name] = column
        known = self.extras.more.get(side.name)
        n = 0 if known is None else len(known)
        store: NDArray[Any] = new if known is None else known.base
        if n + len(new) > len(store):  # doubled, so that all copying together stays in proportion
            store = np.empty(2 * (n + len(new)), new.dtype)
            store[:n] = known
        store[n : n + len(new)] = new
        self.extras.more[side.name] = store[: n + len(new)]


class GenericReader(Reader):
    """Reads .es with generic events: no pixels, but `extras.more["messages"]`, a list of (time, bytes)."""

    def __init__(self, source: Source, options: Options, header: Header, first: int) -> None:
        super().__init__(source, options)
        options.allow(source.name)
        self.header = header
        self.first = first

    def chunks(
        self, *, start: int | None = None, stop: int | None = None, size: int = CHUNK
    ) -> Iterator[CameraEvents]:
        """Read all messages with `start <= t < stop`; there are no events of pixels."""
        self.irregularities.clear()
        messages: list[tuple[int, bytes]] = []
        self.extras = Extras(more={"messages": messages})
        octets = self.source.window(self.first, self.source.size)
        at, now = 0, 0
        while at < octets.size:
            begin, byte = at, int(octets[at])
            at += 1
            if byte == 0xFF:
                now += 254
                continue
            if byte == RESERVED:
                self.irregularities.add(Kind.BAD_WORD, self.first + begin)
                continue
            now += byte
            length, shift, more = 0, 0, 1
            while more and at < octets.size and shift < 63:
                byte = int(octets[at])
                at += 1
                length |= (byte >> 1) << shift
                shift, more = shift + 7, byte & 1
            if more or length > octets.size - at:
                self.irregularities.add(Kind.TRUNCATED, self.first + begin)
                break
            if (start is None or now >= start) and (stop is None or now < stop):
                messages.append((now, octets[at : at + length].tobytes()))
            at += length
        return iter(())


class EsWriter(WordWriter):
    """Writes .es with change events.

    Parameters
    ----------
    path, header, lossy : as for `Writer`; the size of the sensor must be known
    origin : us, taken off all times, and stored nowhere
    raw_coordinates : whether rows already count from the bottom

    Raises
    ------
    FormatError : the size of the sensor is unknown
    """

    name = "es"

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        *,
        origin: int = 0,
        raw_coordinates: bool = False,
        lossy: bool = False,
    ) -> None:
        if not (0 < header.width <= 65535 and 0 < header.height <= 65535):
            raise FormatError(
                explain(
                    str(path),
                    "the size of the sensor cannot be written",
                    found=f"{header.width} x {header.height}",
                    expected="1 to 65535 pixels a side",
                    cure="give it in the header",
                )
            )
        size = np.array([header.width, header.height], "<u2").tobytes()
        super().__init__(
            path,
            header,
            coding=CODINGS[DVS],
            head=MAGIC + VERSION + bytes([DVS]) + size,
            lossy=lossy,
        )
        self._state[TURN] = -1 if raw_coordinates else header.height - 1
        self.origin = origin

    def add(self, events: CameraEvents) -> None:
        """Write events after those written before; see `Writer.add`."""
        moved = events.replace(t=events.t - self.origin) if self.origin else events
        super().add(moved)

    def _check_times(self, what: str, t: NDArray[np.int64]) -> None:
        super()._check_times(what, t)
        low = np.concatenate([self._state[TIME : TIME + 1], t[:-1]])
        check_gaps(str(self.path), t, low, int((t - low).max()), 127 * SILENCE)


CODINGS = {
    kind: Coding(
        word=np.uint8,
        most=1,
        limit=(65535, 65535),
        channels=0,
        end=1 << 62,
        late=0,
        decode=decode,
        encode=encode_dvs if kind == DVS else None,
    )
    for kind, decode in DECODERS.items()
}


def detect(head: bytes, path: Path | None) -> bool:
    """Tell by the first bytes."""
    return head.startswith(MAGIC)


def open_reader(source: Source, options: Options) -> Reader:
    """Open .es.

    Raises
    ------
    FormatError : another version or type, cut inside the header, or without events of pixels
    """
    head = source.window(0, 20, least=20).tobytes()
    if not head.startswith(MAGIC) or len(head) < 16:
        raise FormatError(
            explain(source.name, "has no header of .es", found=repr(head), expected=MAGIC)
        )
    if head[12] != VERSION[0] or head[15] not in TYPES:
        raise FormatError(
            explain(
                source.name,
                "an unknown version or type of .es",
                found=f"version {head[12]}.{head[13]}.{head[14]}, type {head[15]}",
                expected=f"version 2, types {TYPES}",
            )
        )
    kind = head[15]
    header = Header("es", 0, 0, details={"version": tuple(head[12:15]), "type": TYPES[kind]})
    if kind == GENERIC:
        return GenericReader(source, options, header, 16)
    if len(head) < 20:
        raise FormatError(
            explain(source.name, "ends inside its header", found=f"{len(head)} bytes")
        )
    width, height = np.frombuffer(head[16:20], "<u2")
    header = sized(header.replace(width=int(width), height=int(height)), options)
    turn = -1 if options.raw_coordinates or not header.height else header.height - 1
    return EsReader(source, options, header, kind, turn)


FORMAT = Format(
    name="es",
    title="Event Stream .es",
    suffixes=(".es",),
    detect=detect,
    reader=open_reader,
    writer=EsWriter,
)
