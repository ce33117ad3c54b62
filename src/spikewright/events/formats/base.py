"""What every format of event files has: a header, a reader, a writer, and a line in the table of formats."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Self

import numpy as np

from spikewright.errors import FormatError, explain
from spikewright.events.camera import CameraEvents, Extras, concatenate
from spikewright.events.formats.source import Source
from spikewright.events.irregular import Irregularities, Kind
from spikewright.files import replacing

CHUNK = 1 << 20
"""Events of a chunk where nobody asks for another number."""

HEAD = 1 << 16
"""Bytes from the start of a file by which its format is told."""


@dataclass(frozen=True)
class Header:
    """What a file says about itself.

    Parameters
    ----------
    format : name in the table of formats
    width, height : int, pixels; 0 where neither file, caller nor events say
    lines : raw lines of a text header
    start : wall-clock time as the file writes it, or None
    t_offset : int, us; what has to be added to times to get those of the camera's clock
    notes : what was assumed
    details : whatever else the format says
    """

    format: str
    width: int
    height: int
    lines: tuple[str, ...] = ()
    start: str | None = None
    t_offset: int = 0
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def replace(self, **changes: Any) -> Header:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Options:
    """How to read.

    Parameters
    ----------
    strict : whether the first harmful irregularity raises `EventError`
    width, height : int, pixels of the sensor, where the caller knows better than the file
    raw_coordinates : whether x and y stay as they are in the file, whatever its origin
    shift_time : whether the file's first time base becomes zero, as the vendors' readers do; `Header.t_offset` says it
    extra : options of one format
    """

    strict: bool = False
    width: int | None = None
    height: int | None = None
    raw_coordinates: bool = False
    shift_time: bool = False
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Options:
        """Make options of keywords; those not named here go to `extra`."""
        own = {"strict", "width", "height", "raw_coordinates", "shift_time"}
        return cls(
            **{name: value for name, value in options.items() if name in own},
            extra=MappingProxyType({k: v for k, v in options.items() if k not in own}),
        )

    def allow(self, where: str, *names: str) -> None:
        """Raise unless every option of one format is among `names`.

        Raises
        ------
        FormatError : an option that the format does not have
        """
        for name in self.extra:
            if name not in names:
                raise FormatError(
                    explain(
                        where,
                        "has no such option",
                        found=name,
                        expected=", ".join(names) or "none of its own",
                    )
                )


class Reader(ABC):
    """Reads one recording; a context manager.

    Parameters
    ----------
    source : what to read; closed with the reader
    options : how

    Attributes
    ----------
    header : Header
    irregularities : Irregularities, of the reading in progress or the last one
    extras : Extras, filled while reading
    """

    header: Header

    def __init__(self, source: Source, options: Options) -> None:
        self.source = source
        self.options = options
        self.irregularities = Irregularities(source.name, strict=options.strict)
        self.extras = Extras()

    @abstractmethod
    def chunks(
        self, *, start: int | None = None, stop: int | None = None, size: int = CHUNK
    ) -> Iterator[CameraEvents]:
        """Read in pieces.

        Parameters
        ----------
        start, stop : int, us; only events with `start <= t < stop`
        size : int, > 0, events of a piece at most

        Returns
        -------
        iterator of CameraEvents : in the order of the file
        """

    def read(self, *, start: int | None = None, stop: int | None = None) -> CameraEvents:
        """Read at once the events with `start <= t < stop`, us."""
        parts = list(self.chunks(start=start, stop=stop))
        empty = CameraEvents.empty(self.header.width, self.header.height)
        return concatenate(parts) if parts else empty

    def follow(
        self, *, poll: float = 0.05, stop: Callable[[], bool] | None = None
    ) -> Iterator[CameraEvents]:
        """Read a file that is still being written.

        Parameters
        ----------
        poll : float, s, between two looks at a file that did not grow
        stop : called between two looks; true ends the reading. None: read until nobody asks for more

        Raises
        ------
        FormatError : the format cannot be read before it is complete
        """
        raise FormatError(
            explain(
                self.source.name,
                f"a growing file of format {self.header.format} cannot be followed",
                cure="read it when it is complete",
            )
        )

    def build_index(self) -> int:
        """Scan to the end, so that every later cut is at once; return the number of blocks.

        With the option `index` it is kept beside the file, as ``NAME.evidx``, for later readers too.

        Raises
        ------
        FormatError : the format has an index of its own, or needs none
        """
        raise FormatError(
            explain(self.source.name, f"{self.header.format} keeps no index beside it")
        )

    def take_extras(self) -> Extras:
        """Return the extras met since the last call, and forget them."""
        taken, self.extras = self.extras, Extras()
        return taken

    def close(self) -> None:
        """Let go of the file."""
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Writer(ABC):
    """Writes one recording; a context manager. The file appears when the block ends well, else nothing does.

    Parameters
    ----------
    path : of the file
    header : sensor size, and what else the format can hold
    lossy : whether extras that the format cannot hold are dropped and counted, rather than refused
    """

    name = ""
    """Name of the format."""

    def __init__(
        self, path: str | os.PathLike[str], header: Header, *, lossy: bool = False
    ) -> None:
        self.path = Path(path)
        self.header = header
        self.lossy = lossy
        self.irregularities = Irregularities(str(path))
        self._stack = ExitStack()

    @abstractmethod
    def add(self, events: CameraEvents) -> None:
        """Write events after those written before."""

    def add_extras(self, extras: Extras) -> None:
        """Write triggers, frames and inertial samples.

        Raises
        ------
        FormatError : the format cannot hold them, and `lossy` is False
        """
        self.refuse("triggers", len(extras.triggers or ()))
        self.refuse("frames", len(extras.frames))
        self.refuse("inertial samples", len(extras.imu or ()))
        for name, found in extras.more.items():
            self.refuse(name, len(found))

    def refuse(self, what: str, count: int) -> None:
        """Note that `count` things cannot be held by this format.

        Raises
        ------
        FormatError : there are some, and `lossy` is False
        """
        if not count:
            return
        if not self.lossy:
            raise FormatError(
                explain(
                    str(self.path),
                    f"a file of format {self.name} cannot hold {what}",
                    found=count,
                    cure="write another format, or drop them with lossy=True",
                )
            )
        self.irregularities.add(Kind.UNSUPPORTED, -1, count, what)

    def keep_index(self) -> None:
        """Keep the seek index beside the file, as ``NAME.evidx``, so that its first cut is as fast as any other.

        Raises
        ------
        FormatError : the format has an index of its own, or needs none
        """
        raise FormatError(
            explain(str(self.path), f"{self.name} keeps no index beside it", cure="leave out index")
        )

    def open(self) -> Path | BinaryIO:
        """Open whatever is written to; the default is a binary file at `self.file`."""
        temporary = self._stack.enter_context(replacing(self.path))
        file = open(temporary, "wb", buffering=1 << 20)  # noqa: SIM115  (the stack closes it)
        self.file = self._stack.enter_context(file)
        return self.file

    def begin(self) -> None:  # noqa: B027  (nothing, where there is nothing to write)
        """Write what comes before the first event."""

    def finish(self) -> None:  # noqa: B027
        """Write what comes after the last event."""

    def __enter__(self) -> Self:
        try:
            self.open()
            self.begin()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            try:
                self.finish()
            except BaseException as failed:
                self._stack.__exit__(type(failed), failed, failed.__traceback__)
                raise
        self._stack.__exit__(*error)


@dataclass(frozen=True)
class Format:
    """One format of event files.

    Parameters
    ----------
    name : in the table of formats
    title : what people call it
    suffixes : of file names, with the dot, the usual one first
    detect : tells from the first bytes (at most HEAD) and the path, which may be None, whether a file is of this format
    reader : makes a reader of a source
    writer : makes a writer of a path, a header and options; None where the format is read only
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    detect: Callable[[bytes, Path | None], bool]
    reader: Callable[[Source, Options], Reader]
    writer: Callable[..., Writer] | None = None


def sized(header: Header, options: Options) -> Header:
    """Return a header with the sensor size that the caller knows better.

    Raises
    ------
    FormatError : a size that no sensor has
    """
    for name in ("width", "height"):
        given = getattr(options, name)
        if given is None:
            continue
        if not isinstance(given, int | np.integer) or not 0 < given <= 65536:
            raise FormatError(
                explain("options", f"{name} of no sensor", found=given, expected="1 to 65536")
            )
        if given != getattr(header, name):
            header = header.replace(
                **{name: int(given)}, notes=(*header.notes, f"{name} {given} by the caller")
            )
    return header


def parsed_size(header: Header, text: str) -> Header:
    """Return a header with the size written as ``1280x720``; unchanged where `text` says something else."""
    width, cross, height = text.strip().lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        return header
    w, h = int(width[:6]), int(height[:6])
    return header.replace(width=w, height=h) if 0 < w <= 65536 and 0 < h <= 65536 else header
