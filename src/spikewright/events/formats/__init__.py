"""Event files of every kind: told apart by content, read, written and mended. Formats load on first use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras
from spikewright.events.formats.base import (
    CHUNK,
    HEAD,
    Format,
    Header,
    Options,
    Reader,
    Writer,
)
from spikewright.events.formats.source import Given, Source
from spikewright.events.irregular import Irregularities

__all__ = [
    "CHUNK",
    "FORMATS",
    "Format",
    "Header",
    "Loaded",
    "Options",
    "Reader",
    "Source",
    "Writer",
    "detect",
    "format_named",
    "open_recording",
    "open_writer",
    "read",
    "repair",
    "write",
]

_HERE = "spikewright.events.formats."

FORMATS: dict[str, str] = {
    "evt2": _HERE + "evt2",
    "evt21": _HERE + "evt21",
    "evt3": _HERE + "evt3",
    "evt4": _HERE + "evt4",
    "aedat4": _HERE + "aedat4",
    "aedat3": _HERE + "aedat3",
    "aedat2": _HERE + "aedat2",
    "es": _HERE + "es",
    "rosbag": _HERE + "rosbag",
    "ecf": _HERE + "ecf",
    "dsec": _HERE + "dsec",
    "mvsec": _HERE + "mvsec",
    "npz": _HERE + "npz",
    "stmnist": _HERE + "stmnist",
    "dat": _HERE + "dat",
    "text": _HERE + "text",
    "csv": _HERE + "csv",
    "atis": _HERE + "atis",
}
"""Name -> module that holds `FORMAT`; in the order of detection, those without a mark of their own last."""


@dataclass(frozen=True)
class Loaded:
    """A whole recording in memory.

    Parameters
    ----------
    events : CameraEvents
    extras : Extras
    header : Header
    irregularities : Irregularities, met while reading
    """

    events: CameraEvents
    extras: Extras
    header: Header
    irregularities: Irregularities


def format_named(name: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    FormatError : no such format
    """
    if name not in FORMATS:
        raise FormatError(
            explain("format", "is unknown", found=repr(name), expected=", ".join(sorted(FORMATS)))
        )
    return cast(Format, import_module(FORMATS[name]).FORMAT)


def detect(given: Given | Source) -> Format:
    """Tell the format of a recording by its content, or where that says nothing, by its name.

    Raises
    ------
    FormatError : unreadable, or of no known format
    """
    if not isinstance(given, Source):
        with Source(given) as source:
            return detect(source)
    head = given.window(0, HEAD, least=HEAD).tobytes()
    if not head:
        raise FormatError(explain(given.name, "is empty", expected="a recording"))
    for name in FORMATS:
        found = format_named(name)
        if found.detect(head, given.path):
            return found
    raise FormatError(
        explain(
            given.name,
            "is of no known format",
            found=f"it begins with {head[:24]!r}",
            expected=", ".join(FORMATS),
            cure="name it: format=...",
        )
    )


def open_recording(given: Given | Source, *, format: str | None = None, **options: Any) -> Reader:
    """Open a recording.

    Parameters
    ----------
    given : path, bytes, or binary file object
    format : name in `FORMATS`; None tells it by content
    options : fields of `Options`, and those of the format

    Returns
    -------
    Reader : to be closed, or used in a `with` block

    Raises
    ------
    FormatError : unreadable, of no known format, or an unknown option
    """
    source = given if isinstance(given, Source) else Source(given)
    try:
        found = detect(source) if format is None else format_named(format)
        return found.reader(source, Options.of(options))
    except BaseException:
        source.close()
        raise


def read(
    given: Given | Source,
    *,
    start: int | None = None,
    stop: int | None = None,
    format: str | None = None,
    **options: Any,
) -> Loaded:
    """Read a recording into memory; arguments as for `open_recording`, times as for `Reader.read`."""
    with open_recording(given, format=format, **options) as reader:
        events = reader.read(start=start, stop=stop)
        return Loaded(events, reader.extras, reader.header, reader.irregularities)


def open_writer(
    path: str | os.PathLike[str],
    header: Header,
    *,
    format: str | None = None,
    index: bool = False,
    **options: Any,
) -> Writer:
    """Open a file to write events to; nothing appears before the `with` block ends well.

    Parameters
    ----------
    path : of the file
    header : sensor size, and what else the format can hold
    format : name in `FORMATS`; None tells it by the name's ending
    index : whether to keep the seek index beside the file; see `Writer.keep_index`
    options : of the writer

    Raises
    ------
    FormatError : the ending says nothing, the format is read only, or has no such option
    """
    found = format_named(format or _named_by_suffix(Path(path)))
    if found.writer is None:
        raise FormatError(
            explain(str(path), f"{found.title} is read only", cure="write another format")
        )
    try:
        writer = found.writer(path, header, **options)
    except TypeError as error:
        raise FormatError(
            explain(str(path), f"{found.title} has no such option", found=error)
        ) from None
    if index:
        writer.keep_index()
    return writer


def write(
    path: str | os.PathLike[str],
    events: CameraEvents | Iterable[CameraEvents],
    *,
    format: str | None = None,
    header: Header | None = None,
    extras: Extras | None = None,
    **options: Any,
) -> None:
    """Write a recording, whole or not at all; arguments as for `open_writer`.

    Parameters
    ----------
    path : of the file
    events : at once or in chunks
    format : name in `FORMATS`; None tells it by the name's ending
    header : of a recording that these events come from; None: only the size of the sensor is known
    extras : triggers, frames and inertial samples
    options : of the writer

    Raises
    ------
    FormatError : the format cannot hold what was given
    """
    chunks = iter([events] if isinstance(events, CameraEvents) else events)
    first = next(chunks, None)
    if first is None and header is None:
        raise FormatError(explain(str(path), "nothing to write", expected="events or a header"))
    if header is None and first is not None:
        # of no format: a trigger's channel is the number of an input, not what some format means by it
        header = Header("", first.width, first.height)
    if header is None:  # pragma: no cover  (one of the two is there)
        return
    with open_writer(path, header, format=format, **options) as writer:
        if extras:
            writer.add_extras(extras)
        if first is not None:
            writer.add(first)
        for chunk in chunks:
            writer.add(chunk)


def repair(
    given: Given | Source,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    read_as: str | None = None,
    watch: Callable[[Reader], None] | None = None,
    **options: Any,
) -> Irregularities:
    """Write a sound file of all that can be read of a damaged one.

    Events outside the sensor, and those whose times the format cannot hold, are left out; everything else that was read
    is written, in the same format where `path` has its ending, in `path`'s own format otherwise.

    Parameters
    ----------
    given : the damaged recording
    path : of the new file, another one
    format : of the new file; None tells it by the name's ending, or takes the old one
    read_as : format of the damaged recording; None tells it by content
    watch : is given the reader after every chunk
    options : of the reader

    Returns
    -------
    Irregularities : what was wrong, and what was left out

    Raises
    ------
    FormatError : nothing can be read, or the new file cannot be written
    """
    if isinstance(given, str | os.PathLike) and os.path.realpath(given) == os.path.realpath(path):
        raise FormatError(
            explain(str(path), "would replace the damaged file", cure="choose another name")
        )
    with open_recording(given, format=read_as, **options) as reader:
        target = format or _same_format(reader.header.format, Path(path))
        with open_writer(path, reader.header, format=target, lossy=True) as writer:
            for chunk in reader.chunks():
                # triggers have their place among events, so they come first
                writer.add_extras(reader.take_extras())
                inside = (chunk.x < reader.header.width) & (chunk.y < reader.header.height)
                writer.add(chunk if inside.all() else chunk[inside])
                if watch is not None:
                    watch(reader)
            writer.add_extras(reader.take_extras())
        met = reader.irregularities
        for one in writer.irregularities:
            met.add(one.kind, one.offset, one.count, one.note)
        return met


def _same_format(name: str, path: Path) -> str:
    own = format_named(name)
    fits = own.writer is not None and path.suffix.lower() in own.suffixes
    return name if fits else _named_by_suffix(path)


def _named_by_suffix(path: Path) -> str:
    """Return the format that a file name asks for, the newest of several."""
    usual = {".raw": "evt3"}  # what today's cameras write
    suffix = path.suffix.lower()
    if suffix in usual:
        return usual[suffix]
    for name in FORMATS:
        found = format_named(name)
        if suffix in found.suffixes and found.writer is not None:
            return name
    raise FormatError(
        explain(
            str(path),
            "its ending names no format",
            found=repr(path.suffix),
            expected="such as .raw, .dat, .aedat4, .es, .csv or .npz",
            cure="say format=...",
        )
    )
