"""The container of Prophesee's RAW files: lines of text, then words of one of four encodings.

Source
------
docs.prophesee.ai, data/file_formats/raw; prophesee-ai/openeb, hal_psee_plugins psee_raw_file_header.cpp and the device
table behind `system_ID` for the sizes of sensors whose files do not say theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events.formats.base import Format, Header, Options, parsed_size, sized
from spikewright.events.formats.source import Source
from spikewright.events.formats.words import Coding, WordReader, WordWriter

SIZES = {
    **dict.fromkeys((21, 23, 25, 28, 29, 33, 34, 35, 40, 41), (640, 480)),  # Gen3, Gen3.1
    **dict.fromkeys((26, 30, 31, 32, 39, 46, 48, 49, 50, 58, 66), (1280, 720)),  # Gen4, IMX636
    **dict.fromkeys((59, 64), (320, 320)),  # GenX320
}
"""system_ID -> (width, height), pixels."""

LONGEST = 1 << 16
"""Bytes that the text of a header may take; cameras write less than one kilobyte."""

_NAMES = {
    "EVT2": "evt2",
    "EVT21": "evt21",
    "EVT2.1": "evt21",
    "EVT3": "evt3",
    "EVT4": "evt4",
    "2.0": "evt2",
    "2.1": "evt21",
    "3.0": "evt3",
    "4.0": "evt4",
}
_FOREIGN = ("HISTO3D", "DIFF3D", "AER-8B", "AER-4B")


@dataclass(frozen=True)
class Lines:
    """A header of lines that begin with ``% ``.

    Parameters
    ----------
    lines : without their line ends
    end : byte after the header
    has_end : whether it ends by ``% end``
    """

    lines: tuple[str, ...]
    end: int
    has_end: bool

    def fields(self) -> Mapping[str, str]:
        """Return key -> value, keys in small letters; the last of equal keys counts."""
        pairs = (line[2:].strip().partition(" ") for line in self.lines)
        return MappingProxyType({key.lower(): value.strip() for key, _, value in pairs if key})


def header_lines(head: bytes) -> Lines:
    """Split off the lines that begin with ``% ``; the first other byte, or the line ``% end``, ends them."""
    lines: list[str] = []
    at = 0
    while head[at : at + 2] == b"% ":
        newline = head.find(b"\n", at)
        if newline < 0:
            break
        raw = head[at:newline].rstrip(b"\r")
        if any(byte < 9 or byte > 126 for byte in raw) and not _is_text(raw):
            break  # words that look like the start of a line
        at = newline + 1
        line = raw.decode("utf-8", "replace")
        if line.strip() == "% end":
            return Lines(tuple(lines), at, True)
        lines.append(line)
    return Lines(tuple(lines), at, False)


def _is_text(raw: bytes) -> bool:
    try:
        return raw.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def raw_encoding(head: bytes) -> str | None:
    """Return the name of the format that a RAW header declares, or None where it is no such header."""
    fields = header_lines(head).fields()
    declared = fields.get("format", "").partition(";")[0].strip().upper()
    return _NAMES.get(declared) or (None if declared else _NAMES.get(fields.get("evt", "")))


def raw_header(name: str, head: bytes, options: Options) -> tuple[Header, int, str | None]:
    """Read a RAW header.

    Parameters
    ----------
    name : of the format that is asked for
    head : first bytes of the file
    options : the caller's size of the sensor

    Returns
    -------
    tuple : the header, the byte after it, and the order of halves that it declares, if any

    Raises
    ------
    FormatError : the header declares another encoding, or none that can be read
    """
    found = header_lines(head)
    fields = found.fields()
    declared = fields.get("format", "")
    if declared.partition(";")[0].strip().upper() in _FOREIGN:
        raise FormatError(
            explain(
                "RAW header",
                "an encoding that holds no events",
                found=declared,
                expected="EVT2, EVT21, EVT3 or EVT4",
            )
        )
    parts = dict(
        part.strip().lower().split("=", 1) for part in declared.split(";")[1:] if "=" in part
    )
    header = Header(
        name,
        0,
        0,
        found.lines,
        fields.get("date") or None,
        details=MappingProxyType({**fields, "has_end": found.has_end}),
    )
    header = parsed_size(header, f"{parts.get('width', '')}x{parts.get('height', '')}")
    header = parsed_size(header, fields.get("geometry", ""))
    system = fields.get("system_id", "")
    if not (header.width and header.height) and system.isdecimal() and int(system[:6]) in SIZES:
        width, height = SIZES[int(system[:6])]
        note = f"the size of the sensor is that of system_ID {system}"
        header = header.replace(width=width, height=height, notes=(note,))
    order = parts.get("endianness") or fields.get("endianness")
    return sized(header, options), found.end, order


def raw_head(title: str, version: str, header: Header, more: Mapping[str, str]) -> bytes:
    """Return the text of a RAW header: what `header` carries over from another, then what is true of this file."""
    own = {"format", "evt", "geometry", "endianness", "end", "version", "width", "height", "data"}
    lines = []
    for line in header.lines:
        key = line[2:].strip().partition(" ")[0].lower()
        if line.startswith("% ") and key and key not in own | {"date"} and line.isascii():
            lines.append(line)
    if header.start:
        lines.append(f"% date {header.start}")
    declared = f"{title};height={header.height};width={header.width}"
    declared += "".join(f";{key}={value}" for key, value in more.items())
    lines += [f"% {key} {value}" for key, value in more.items()]
    lines += [f"% evt {version}", f"% format {declared}"]
    lines += [f"% geometry {header.width}x{header.height}", "% end"]
    return ("\n".join(lines) + "\n").encode("ascii", "replace")


def raw_format(
    name: str,
    title: str,
    version: str,
    coding: Coding,
    *,
    order: Callable[[NDArray[np.uint8], str | None], tuple[tuple[int, ...], tuple[str, ...]]]
    | None = None,
    orders: tuple[str, ...] = (),
) -> Format:
    """Make the table entry of one encoding.

    Parameters
    ----------
    name : in the table of formats
    title : as RAW headers write it
    version : as the older key `evt` writes it
    coding : of the words
    order : from the first words and the declared order of halves, the decoder's first numbers and notes
    orders : of halves that can be written, the usual one first
    """

    def detect(head: bytes, path: Path | None) -> bool:
        return raw_encoding(head) == name

    def reader(source: Source, options: Options) -> WordReader:
        head = source.window(0, LONGEST, least=LONGEST).tobytes()
        header, first, declared = raw_header(name, head, options)
        state: tuple[int, ...] = ()
        if order is not None:
            state, notes = order(source.window(first, 1 << 16), declared)
            header = header.replace(notes=(*header.notes, *notes))
        return WordReader(source, options, header, first, coding, state)

    def writer(
        path: str | os.PathLike[str],
        header: Header,
        *,
        lossy: bool = False,
        endianness: str | None = None,
    ) -> WordWriter:
        more: dict[str, str] = {}
        state: tuple[int, ...] = ()
        if orders:
            more["endianness"] = endianness or orders[0]
        if endianness is not None and endianness not in orders:
            raise FormatError(
                explain(
                    str(path),
                    "an order of halves that the format does not have",
                    found=endianness,
                    expected=" or ".join(orders) or "none",
                )
            )
        if orders:
            state = (orders.index(more["endianness"]),)
        head = raw_head(title, version, header, more)
        made = WordWriter(path, header, coding=coding, head=head, state=state, lossy=lossy)
        made.name = name
        return made

    return Format(name, f"Prophesee RAW, {title}", (".raw",), detect, reader, writer)


def first_time_high(word: Any, type_at: int, kind: int, bits: int, low: int) -> Any:
    """Return a function that finds the first time base among words: `type_at` is the place of the 4 type bits."""

    def find(words: NDArray[Any], state: NDArray[np.int64]) -> int | None:
        types = words >> np.dtype(word).type(type_at)
        at = np.flatnonzero(types == kind)
        if not at.size:
            return None
        payload = int(words[at[0]]) >> (type_at - bits)
        return (payload & ((1 << bits) - 1)) << low

    return find
