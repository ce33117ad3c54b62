"""Recordings in and out of the verbs: files or pipes, progress, and everything that was wrong with them.

Standard output carries AEDAT 4 without a table and without compression: packets with all four kinds of data and
absolute times, so nothing is lost on the way, and no reader has to look back. Standard input takes any format.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from spikewright.cli.console import FELL_SHORT, say
from spikewright.cli.events.meter import Meter
from spikewright.cli.events.options import PIPE, of_format, seconds
from spikewright.errors import UsageError, explain
from spikewright.events.camera import CameraEvents, Extras, Imu, Triggers
from spikewright.events.filters.base import micros
from spikewright.events.formats import Header, Reader, Writer, open_recording, open_writer
from spikewright.events.irregular import Irregularities, Irregularity, Kind

PIPED = "aedat4"
"""The format of standard output."""


@contextmanager
def reading(
    source: Path,
    *,
    format: str | None = None,
    options: Iterable[str] | None = None,
    strict: bool = False,
) -> Iterator[Reader]:
    """Open a recording, or standard input.

    Raises
    ------
    UsageError : standard input is a terminal, or an option's value is of the wrong kind
    """
    given: Any = source
    if str(source) == PIPE:
        if sys.stdin.isatty():
            raise UsageError(
                explain(
                    "standard input",
                    "is a terminal",
                    expected="a recording",
                    cure="name a file, or pipe one in",
                )
            )
        given = sys.stdin.buffer
    chosen = of_format(options, "--read")
    named = bool(chosen)
    if strict:
        chosen["strict"] = True
    try:
        opened = open_recording(given, format=format, **chosen)
    except (TypeError, ValueError) as error:
        if not named:
            raise
        raise UsageError(explain("--read", "a value does not fit", found=error)) from None
    with opened as reader:
        yield reader


@contextmanager
def writing(
    target: Path,
    header: Header,
    *,
    format: str | None = None,
    options: Iterable[str] | None = None,
    lossy: bool = False,
) -> Iterator[Writer]:
    """Open a file that appears when all is written, or standard output.

    Raises
    ------
    UsageError : standard output is a terminal, or cannot carry the format
    """
    chosen = of_format(options, "--write")
    if lossy:
        chosen["lossy"] = True
    if str(target) != PIPE:
        with ending_cleanly(), open_writer(target, header, format=format, **chosen) as writer:
            yield writer
        return
    check_pipe(format)
    chosen = {"compression": "none"} | chosen
    with open_writer(target, header, format=PIPED, pipe=sys.stdout.buffer, **chosen) as writer:
        yield writer


def check_pipe(format: str | None = None) -> None:
    """Raise unless standard output can take a recording.

    Raises
    ------
    UsageError : it is a terminal, or another format is wanted
    """
    if sys.stdout.isatty():
        raise UsageError(
            explain(
                "standard output",
                "is a terminal, which a recording would only confuse",
                cure="name a file, or pipe it into another command",
            )
        )
    if format not in (None, PIPED):
        raise UsageError(
            explain("standard output", "carries AEDAT 4 only", found=format, cure="name a file")
        )


def check_target(target: Path, *sources: Path, json: bool = False) -> None:
    """Raise where writing would replace what is read, or mix with a result.

    Raises
    ------
    UsageError : it would
    """
    if str(target) == PIPE:
        if json:
            raise UsageError(
                explain("--json", "and the recording cannot both go to standard output")
            )
        check_pipe()
        return
    for source in sources:
        if str(source) != PIPE and os.path.realpath(source) == os.path.realpath(target):
            raise UsageError(
                explain(str(target), "would replace what is read", cure="choose another name")
            )


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Let a polite kill end the work as Ctrl-C does, so that no half file stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}; nothing was written")

    # a closed terminal is told to those systems only that have this signal
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- a stretch of time ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stretch:
    """Times as the file has them, us, half-open; None where there is no end."""

    start: int | None = None
    stop: int | None = None

    def of(self, t: Any) -> Any:
        """Tell which times are inside."""
        inside = np.ones(len(t), np.bool_)
        if self.start is not None:
            inside &= t >= self.start
        if self.stop is not None:
            inside &= t < self.stop
        return inside


def stretch_of(reader: Reader, start: str | None, stop: str | None, clock: str) -> Stretch:
    """Return the stretch that was asked for on the command line.

    Raises
    ------
    UsageError : no times, or no such clock
    """
    if clock not in ("start", "recording"):
        raise UsageError(
            explain("--clock", "is unknown", found=repr(clock), expected="start or recording")
        )
    low, high = seconds(start, "--start"), seconds(stop, "--stop")
    if low is not None and high is not None and not low < high:
        raise UsageError(
            explain("--stop", "is not later than --start", found=f"{high} s after {low} s")
        )
    if low is None and high is None:
        return Stretch()
    origin = 0
    if clock == "start":
        first = next(iter(reader.chunks(size=1)), None)
        origin = int(first.t[0]) if first is not None and len(first) else 0
    return Stretch(*(None if edge is None else micros(edge) + origin for edge in (low, high)))


def pieces(
    reader: Reader, stretch: Stretch | None = None, *, size: int = 1 << 18
) -> Iterator[tuple[Extras, CameraEvents]]:
    """Give a recording in pieces: what came beside the events, and the events; at the end, what is left.

    A file is opened at its index where it has one; a pipe is read as it comes.
    """
    stretch = stretch or Stretch()
    piped = reader.source.is_pipe
    edges = {} if piped else {"start": stretch.start, "stop": stretch.stop}
    for chunk in reader.chunks(size=size, **edges):
        extras = inside(reader.take_extras(), stretch)
        kept = stretch.of(chunk.t) if piped and stretch != Stretch() else None
        yield extras, chunk if kept is None or kept.all() else chunk[kept]
    yield (
        inside(reader.take_extras(), stretch),
        CameraEvents.empty(reader.header.width, reader.header.height),
    )


def inside(extras: Extras, stretch: Stretch) -> Extras:
    """Return what lies in a stretch of time."""
    if stretch == Stretch() or not extras:
        return extras
    triggers, imu = extras.triggers, extras.imu
    if triggers is not None:
        kept = stretch.of(triggers.t)
        triggers = Triggers(triggers.t[kept], triggers.channel[kept], triggers.value[kept])
    if imu is not None:
        kept = stretch.of(imu.t)
        imu = Imu(
            *(getattr(imu, name)[kept] for name in ("t", "acc", "gyro", "mag", "temperature"))
        )
    frames = [frame for frame in extras.frames if stretch.of(np.array([frame.t]))[0]]
    return Extras(triggers, frames, imu, extras.more)


# -- what happened --------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What went through: events read and written, and what came beside them."""

    read: int = 0
    written: int = 0
    beside: dict[str, int] = field(default_factory=dict)

    def note(self, extras: Extras) -> None:
        """Count triggers, frames and samples."""
        counts = {
            "triggers": len(extras.triggers or ()),
            "frames": len(extras.frames),
            "inertial samples": len(extras.imu or ()),
        } | {name: len(found) for name, found in extras.more.items() if hasattr(found, "__len__")}
        for name, count in counts.items():
            if count:
                self.beside[name] = self.beside.get(name, 0) + count


def copy(
    reader: Reader,
    writer: Writer,
    stretch: Stretch,
    meter: Meter,
    *,
    later: int = 0,
    extras: bool = True,
) -> Tally:
    """Write a stretch of a recording, `later` us later than it was; without `extras`, events alone."""
    tally = Tally()
    early = extras and needs_triggers_first(reader, writer)
    if early:
        writer.add_extras(moved(triggers_of(reader, stretch), later))
    for beside, chunk in pieces(reader, stretch):
        tally.read += len(chunk)
        tally.note(beside)
        if extras:
            writer.add_extras(moved(replace(beside, triggers=None) if early else beside, later))
        if len(chunk):
            writer.add(chunk.replace(t=chunk.t + later) if later else chunk)
            tally.written += len(chunk)
        meter.at(tally.read)
    return tally


def needs_triggers_first(reader: Reader, writer: Writer) -> bool:
    """Tell whether triggers have places among the events that are written, and are read only behind them."""
    from spikewright.events.formats.words import WordReader, WordWriter

    places = isinstance(writer, WordWriter) and writer.coding.channels > 0
    return places and not isinstance(reader, WordReader)


def triggers_of(reader: Reader, stretch: Stretch) -> Extras:
    """Read a stretch for its triggers alone."""
    found = [beside.triggers for beside, _ in pieces(reader, stretch) if beside.triggers]
    if not found:
        return Extras()
    return Extras(
        Triggers(
            *(np.concatenate([getattr(t, n) for t in found]) for n in ("t", "channel", "value"))
        )
    )


def moved(extras: Extras, later: int) -> Extras:
    """Return what came beside events, `later` us later."""
    if not later or not extras:
        return extras
    triggers, imu = extras.triggers, extras.imu
    return Extras(
        None if triggers is None else replace(triggers, t=triggers.t + later),
        [
            replace(
                f, **{n: getattr(f, n) + later for n in ("t", "exposure_start", "exposure_end")}
            )
            for f in extras.frames
        ],
        None if imu is None else replace(imu, t=imu.t + later),
        extras.more,
    )


def told(found: Iterable[Irregularity]) -> list[dict[str, Any]]:
    """Return irregularities as plain values for JSON."""
    return [
        {
            "kind": one.kind.name.lower(),
            "meaning": one.kind.value,
            "offset": one.offset,
            "count": one.count,
            "harmful": one.is_harmful,
            "note": one.note,
        }
        for one in found
    ]


def worth_telling(reader: Reader) -> list[Irregularity]:
    """Return what was irregular; a pipe of ours has no index, which is as it should be."""
    ours = reader.source.path is None and reader.header.format == PIPED
    return [one for one in reader.irregularities if not (ours and one.kind is Kind.MISSING_INDEX)]


def complain_of(where: str, found: Iterable[Irregularity]) -> None:
    """Write irregularities to standard error, one a line."""
    for one in found:
        say(f"{where}: {one}")


def end(found: Iterable[Irregularity]) -> None:
    """End with the status of work that is done, or of a recording that was not sound.

    Raises
    ------
    typer.Exit : something may be lost or wrong
    """
    if any(one.is_harmful for one in found):
        raise typer.Exit(FELL_SHORT)


def left_out(writer: Writer) -> Irregularities:
    """Say what the output could not hold, and return it."""
    complain_of(str(writer.path), writer.irregularities)
    return writer.irregularities
