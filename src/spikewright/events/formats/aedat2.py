"""AEDAT 1 and 2, as jAER writes them: text lines, then pairs of an address and a time in microseconds, high byte first.

Version 1 has u16 addresses, version 2 u32; times are u32 and wrap. What an address means depends on the chip:

- DVS128: x = bits 7..1, y = 14..8, polarity = bit 0, external event = bit 15.
- DAVIS: bit 31 set: a sample of a frame or of the inertial sensor, which is not decoded but counted. Else bit 10 set:
  an external event (low bits 2 falling, 3 rising, 4 pulse). Else y = 30..22, x = 21..12, polarity = 11.
- raw: x = the low, y = the high 16 bits, polarity 1; for chips that are no cameras.

Rows count from the bottom and are turned; whether columns are mirrored nobody agrees on, so that is an option.
Triggers have the codes of AEDAT 4 as their channel: 1 rising, 2 falling, 3 pulse.

Source
------
docs.inivation.com, file-formats/aedat-2.0; SensorsINI/jaer, DavisChip.java and DVS128.java (address maps)
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras, Triggers
from spikewright.events.formats.base import Format, Header, Options, Reader, sized
from spikewright.events.formats.bytewise import FREE, ByteReader, decoder, load
from spikewright.events.formats.source import Source
from spikewright.events.formats.words import (
    EVENTS,
    ROWS,
    WRAP,
    Coding,
    Cursor,
    WordWriter,
    compiled,
    inlined,
    note,
    placed,
    turned,
)
from spikewright.events.irregular import Kind

MAGIC = re.compile(rb"#!AER-DAT([12])\.\d")
END = b"#End Of ASCII Header"
LONGEST = 1 << 26
"""Bytes of text that are looked at; some recordings have 300 kB of settings."""

DVS128, DAVIS, RAW = range(3)


class Chip(NamedTuple):
    """Which address map, and the size of the sensor."""

    map: int
    width: int
    height: int


CHIPS = {
    "dvs128": Chip(DVS128, 128, 128),
    "davis240": Chip(DAVIS, 240, 180),
    "davis346": Chip(DAVIS, 346, 260),
    "davis640": Chip(DAVIS, 640, 480),
    "raw": Chip(RAW, 65536, 65536),
}

MAP, LENGTH, TURN_X, TURN_Y, INVERT, CLOCK, TURNS, SAMPLES = range(FREE, FREE + 8)
"""Slots: address map; bytes of a record; what columns and rows are subtracted from, or -1; whether polarity is turned;
the clock's last reading and its wraps; samples that are left out (and, in the slot after it, the first)."""

PERIOD = 1 << 32


@inlined
def swapped(word: Any) -> Any:
    """Return the low four bytes of a word, read with the high one first."""
    low = np.int64(word & np.uint64(0xFFFFFFFF))
    return (low & 0xFF) << 24 | (low & 0xFF00) << 8 | (low >> 8) & 0xFF00 | low >> 24


@compiled
def run(
    octets: Any, end: int, whole: int, state: Any, t: Any, x: Any, y: Any, p: Any, rows: Any
) -> int:
    """Decode records into events, and rows of time, code and value of external events; see `bytewise`."""
    room = t.shape[0]
    length = 6 if state[LENGTH] == 6 else 8
    kind, invert = state[MAP], state[INVERT]
    turn_x, sign_x = (state[TURN_X], -1) if state[TURN_X] >= 0 else (0, 1)
    turn_y, sign_y = (state[TURN_Y], -1) if state[TURN_Y] >= 0 else (0, 1)
    clock, turns = state[CLOCK], state[TURNS]
    at = n = m = 0
    while n < room and m < rows.shape[0] and at < end and at + length <= whole:
        word = load(octets, at)
        begin = at
        at += length
        if length == 8:
            address = swapped(word)
            reading = swapped(word >> np.uint64(32))
        else:
            address = swapped(word << np.uint64(16)) & 0xFFFF
            reading = swapped(word >> np.uint64(16))
        now_turns = turned(reading, clock, turns, PERIOD)
        if now_turns > turns:
            note(state, WRAP, begin)
        turns = now_turns
        clock = reading
        now = turns * PERIOD + reading
        mark = 0
        if kind == DAVIS:
            if address >> 31:
                note(state, SAMPLES, begin)
                continue
            column, row, on = (address >> 12) & 0x3FF, (address >> 22) & 0x1FF, (address >> 11) & 1
            if address & 0x400:
                low = address & 0x3FF
                mark = 2 if low == 2 else 1 if low == 3 else 3 if low == 4 else 128 + (low & 0x7F)
        elif kind == DVS128:
            column, row, on = (address >> 1) & 0x7F, (address >> 8) & 0x7F, address & 1
            mark = (address >> 15) & 1
        else:
            column, row, on = address & 0xFFFF, address >> 16, np.int64(1)
        if mark:
            rows[m, 0] = now
            rows[m, 1] = mark
            rows[m, 2] = mark != 2
            m += 1
            continue
        placed(state, now, column, row, begin)
        t[n] = now
        x[n] = turn_x + sign_x * column
        y[n] = turn_y + sign_y * row
        p[n] = on ^ invert
        n += 1
    state[CLOCK] = clock
    state[TURNS] = turns
    state[EVENTS] = n
    state[ROWS] = m
    return at


@compiled
def encode(t: Any, x: Any, y: Any, p: Any, rows: Any, state: Any, out: Any) -> int:
    """Encode events, and the external events before them, as bytes; see `words`."""
    n = m = at = 0
    kind, invert = state[MAP], state[INVERT]
    turn_x, sign_x = (state[TURN_X], -1) if state[TURN_X] >= 0 else (0, 1)
    turn_y, sign_y = (state[TURN_Y], -1) if state[TURN_Y] >= 0 else (0, 1)
    while at + 8 <= out.shape[0]:
        if m < rows.shape[0] and (n == t.shape[0] or rows[m, 0] <= t[n]):
            now = rows[m, 0]
            code = rows[m, 1]
            address = np.int64(0x8000)
            if kind == DAVIS:
                address = np.int64(0x400 | (3 if code == 1 else 2 if code == 2 else 4))
            m += 1
        elif n < t.shape[0]:
            now = t[n]
            column = turn_x + sign_x * np.int64(x[n])
            row = turn_y + sign_y * np.int64(y[n])
            on = np.int64(p[n]) ^ invert
            if kind == DAVIS:
                address = row << 22 | column << 12 | on << 11
            elif kind == DVS128:
                address = row << 8 | column << 1 | on
            else:
                address = row << 16 | column
            n += 1
        else:
            break
        for k in range(4):
            out[at + k] = np.uint8((address >> (24 - 8 * k)) & 0xFF)
            out[at + 4 + k] = np.uint8((now >> (24 - 8 * k)) & 0xFF)
        at += 8
    state[EVENTS] = at
    state[ROWS] = m
    return n


CODINGS = {
    version: Coding(
        word=np.uint8,
        most=1,
        limit=(65536, 65536),
        channels=4,
        end=1 << 62,
        late=PERIOD // 2 - 1,
        decode=decoder(run, length),
        encode=encode,
    )
    for version, length in ((1, 6), (2, 8))
}


class Aedat2Reader(ByteReader):
    """Reads AEDAT 1 and 2."""

    def _tell(self, state: NDArray[np.int64]) -> None:
        super()._tell(state)
        left_out, first = int(state[SAMPLES]), int(state[SAMPLES + 1])
        if left_out:
            state[SAMPLES] = 0
            what = "samples of frames and inertial sensors are not decoded"
            self.irregularities.add(Kind.UNSUPPORTED, self.first + first, left_out, what)

    def _scan(self, place: Any) -> tuple[Cursor, Cursor, NDArray[np.int64]]:
        before, after, t = super()._scan(place)
        after.state[SAMPLES] = 0
        return before, after, t


class Aedat2Writer(WordWriter):
    """Writes AEDAT 2.

    Parameters
    ----------
    path, header, lossy : as for `Writer`
    chip : name in `CHIPS`; None: that of the header, or the one of the sensor's size
    flip_x, flip_y, invert : as they are to be undone on reading
    origin : us, taken off all times, and stored nowhere

    Raises
    ------
    FormatError : no chip of that name, or none of the sensor's size
    """

    name = "aedat2"

    def __init__(
        self,
        path: str | os.PathLike[str],
        header: Header,
        *,
        chip: str | None = None,
        flip_x: bool = False,
        flip_y: bool = True,
        invert: bool = False,
        origin: int = 0,
        lossy: bool = False,
    ) -> None:
        size = (header.width, header.height)
        fitting = next((n for n, c in CHIPS.items() if (c.width, c.height) == size), "")
        name = chip or str(header.details.get("chip", "")) or fitting
        if name not in CHIPS:
            raise FormatError(
                explain(
                    str(path),
                    "no chip of AEDAT 2 has this name or size",
                    found=repr(name) if name else f"{size[0]} x {size[1]}",
                    expected=", ".join(CHIPS),
                    cure="say chip=..., one that is large enough",
                )
            )
        own = CHIPS[name]
        text = f"#!AER-DAT2.0\r\n# {AECHIP}{NAMES[name]}\r\n{END.decode()}\r\n"
        super().__init__(
            path,
            header.replace(width=own.width, height=own.height),
            coding=CODINGS[2],
            head=text.encode(),
            state=begin(own, 2, own.width, own.height, flip_x, flip_y, invert),
            lossy=lossy,
        )
        self.origin = origin
        self._latest = 0

    def add(self, events: CameraEvents) -> None:
        """Write events after those written before; see `Writer.add`."""
        moved = events.replace(t=events.t - self.origin) if self.origin else events
        super().add(moved)
        if moved.n:
            self._latest = int(moved.t[-1])

    def _check_times(self, what: str, t: NDArray[np.int64]) -> None:
        super()._check_times(what, t)
        step = int(np.diff(t, prepend=self._latest).max())
        if step >= PERIOD // 2:
            raise FormatError(
                explain(
                    str(self.path),
                    "a step that a 32-bit clock cannot say",
                    found=f"{step} us",
                    expected="less than 2^31 us, also from 0 to the first event",
                    cure="take off the recording's start, origin=...",
                )
            )

    def add_extras(self, extras: Extras) -> None:
        """Write triggers among the events that are added later; see `Writer.add_extras`."""
        triggers = extras.triggers
        if triggers is not None and len(triggers):
            codes = trigger_codes(triggers, self.header)
            kept = (codes >= 1) & (codes <= 3)
            self.refuse("triggers that are no external events", int(np.count_nonzero(~kept)))
            triggers = Triggers(triggers.t[kept] - self.origin, codes[kept], triggers.value[kept])
        super().add_extras(replace(extras, triggers=triggers))


def trigger_codes(triggers: Triggers, header: Header) -> NDArray[np.uint8]:
    """Return the codes of AEDAT 4; triggers of other formats are edges of an input, rising 1 and falling 2."""
    if header.format.startswith("aedat"):
        return triggers.channel
    return np.where(triggers.value > 0, 1, 2).astype(np.uint8)


AECHIP = "AEChip: "
NAMES = {
    "dvs128": "ch.unizh.ini.jaer.chip.retina.DVS128",
    "davis240": "eu.seebetter.ini.chips.davis.DAVIS240C",
    "davis346": "eu.seebetter.ini.chips.davis.Davis346blue",
    "davis640": "eu.seebetter.ini.chips.davis.DavisRGB640",
    "raw": "spikewright.raw",
}
"""What jAER calls the chips; the last is our own."""


def begin(
    chip: Chip, version: int, width: int, height: int, flip_x: bool, flip_y: bool, invert: bool
) -> tuple[int, ...]:
    """Return the state to begin with."""
    turn_x, turn_y = width - 1 if flip_x else -1, height - 1 if flip_y else -1
    return (0, 0, chip.map, 6 if version == 1 else 8, turn_x, turn_y, int(invert), 0, 0, 0, 0)


def header_lines(source: Source, ends: bytes = END) -> tuple[list[bytes], int]:
    """Return the lines of text, and the byte after them.

    Data may begin with the mark of a line; but a line is readable, and ends as the first one does.
    """
    head, wanted = b"", 1 << 16
    while True:
        head = source.window(0, wanted, least=wanted).tobytes()
        lines: list[bytes] = []
        at = 0
        returns = head[: head.find(b"\n") + 1].endswith(b"\r\n")
        while head[at : at + 1] == b"#":
            end = head.find(b"\n", at) + 1
            line = head[at:end]
            if not end or any(byte < 32 and byte not in b"\t\r\n" for byte in line):
                break
            if line.endswith(b"\r\n") != returns:
                break
            lines.append(line.rstrip(b"\r\n"))
            at = end
            if line.startswith(ends):
                return lines, at
        if at < wanted // 2 or len(head) < wanted or wanted >= LONGEST:
            return lines, at
        wanted *= 4


def detect(head: bytes, path: Path | None) -> bool:
    """Tell by the first line."""
    return MAGIC.match(head) is not None


def open_reader(source: Source, options: Options) -> Reader:
    """Open AEDAT 1 or 2; options `chip`, `flip_x`, `flip_y`, `invert`.

    Raises
    ------
    FormatError : another version, or a chip that is unknown
    """
    options.allow(source.name, "index", "chip", "flip_x", "flip_y", "invert")
    lines, first = header_lines(source)
    found = MAGIC.match(lines[0]) if lines else None
    if not found:
        raise FormatError(
            explain(source.name, "has no header of AEDAT 1 or 2", expected="#!AER-DAT2.0")
        )
    version = int(found[1])
    text = tuple(line.decode("utf-8", "replace") for line in lines)
    notes: tuple[str, ...] = ()
    said = next((t.partition(AECHIP)[2].strip() for t in text if AECHIP in t), "")
    name = str(options.extra.get("chip") or "") or known_chip(said)
    if not name and not said and (version == 1 or looks_like_dvs128(source, first)):
        name, notes = "dvs128", ("the chip is not in the header; taken for a DVS128",)
    if name not in CHIPS:
        raise FormatError(
            explain(
                source.name,
                "what an address means is unknown for this chip",
                found=repr(name or said),
                expected=", ".join(CHIPS),
                cure="say chip=...; chip='raw' keeps addresses as they are",
            )
        )
    chip = CHIPS[name]
    start = next((t.partition(": ")[2] for t in text if t.startswith("# Creation date: ")), None)
    details = MappingProxyType({"version": version, "chip": name, "chip_class": said})
    header = Header(
        "aedat2", chip.width, chip.height, lines=text, start=start, notes=notes, details=details
    )
    header = sized(header, options)
    turned_back = not options.raw_coordinates and chip.map != RAW
    state = begin(
        chip,
        version,
        header.width,
        header.height,
        turned_back and bool(options.extra.get("flip_x", False)),
        turned_back and bool(options.extra.get("flip_y", True)),
        bool(options.extra.get("invert", False)),
    )
    kept = {k: v for k, v in options.extra.items() if k == "index"}
    return Aedat2Reader(
        source, replace(options, extra=kept), header, first, CODINGS[version], state
    )


def known_chip(said: str) -> str:
    """Return the name in `CHIPS` of a class of jAER, or nothing."""
    low = said.lower()
    if "davis" in low:
        return next((n for n in CHIPS if n[:5] == "davis" and n[5:] in low), "")
    return next((n for n in ("dvs128", "raw") if low.endswith(n)), "")


def looks_like_dvs128(source: Source, first: int) -> bool:
    """Tell whether the first addresses fit 16 bits."""
    raw = source.window(first, 1 << 16, least=8)
    return raw.size >= 8 and not raw[: raw.size // 8 * 8].reshape(-1, 8)[:, :2].any()


FORMAT = Format(
    name="aedat2",
    title="AEDAT 2",
    suffixes=(".aedat", ".aedat2"),
    detect=detect,
    reader=open_reader,
    writer=Aedat2Writer,
)
