"""Edit files: what becomes of a recording, as text that leaves the recording alone.

An edit names a recording, the stretches of it that are kept, the filters that they go through and the file that is
written. All names of files are relative to the edit file.

    input = "walk.raw"
    output = "walk.aedat4"
    cuts = [["1.5 s", "4 s"], ["6 s", "7.25 s"]]   # none: everything
    clock = "start"                                # times of cuts count from the first event, not from time zero
    join = "close"                                 # the stretches follow each other without a gap

    [[filter]]
    name = "hot_pixels"

    [[filter]]
    name = "stcf"
    within = "10 ms"
    enabled = false                                # kept in the file, left out of the rendering

`[read]` and `[write]` hold options of the two formats, and `format` where a name does not tell it. `merge` lists more
recordings of the same sensor, merged into the first by time.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

from spikewright.errors import EventError, Problems, UnitError, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.filters import Filter, Pipeline, learned, merged
from spikewright.events.filters.base import LONGEST, micros
from spikewright.events.filters.choose import Mask
from spikewright.events.filters.parameters import filter_of, nearest, table_of
from spikewright.files import replacing
from spikewright.units import quantity

LARGEST = 16 * 2**20
"""Bytes that an edit file may have: a mask of single pixels is long, anything longer is not an edit."""


class Clock(Enum):
    """What the times of cuts count from."""

    RECORDING = "recording"
    """Time zero of the recording."""
    START = "start"
    """The first event."""


class Join(Enum):
    """What happens to the time between two cuts."""

    KEEP = "keep"
    """It stays, empty."""
    CLOSE = "close"
    """It goes: the first cut begins at zero, and each follows the one before."""


@dataclass(frozen=True)
class Step:
    """A filter in its place; one that is not enabled is passed over."""

    filter: Filter
    enabled: bool = True


@dataclass(frozen=True)
class Edit:
    """What becomes of a recording.

    Parameters
    ----------
    input : of the recording
    output : of the file that is written; None where `render` is told
    cuts : (start, stop) in s, half-open; none keeps everything
    clock, join : what the times of cuts count from, and what becomes of the time between them
    steps : filters, in order
    merge : more recordings, merged by time
    read, write : options of the formats, and `format`

    Raises
    ------
    EventError : lists every rule that is broken
    """

    input: Path
    output: Path | None = None
    cuts: tuple[tuple[float, float], ...] = ()
    clock: Clock = Clock.RECORDING
    join: Join = Join.KEEP
    steps: tuple[Step, ...] = ()
    merge: tuple[Path, ...] = ()
    read: Mapping[str, Any] = field(default_factory=dict)
    write: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = Problems()
        for n, (start, stop) in enumerate(self.cuts):
            far = any(abs(edge) > LONGEST for edge in (start, stop) if not math.isinf(edge))
            if not start < stop or far:
                problems.add(
                    f"edit: cuts[{n}]", "is not a stretch of time",
                    found=f"{start!r} s to {stop!r} s", expected="start < stop",
                )  # fmt: skip
            is_last = n + 1 == len(self.cuts)
            if self.join is Join.CLOSE and math.isinf(stop) and not is_last:
                problems.add(
                    f"edit: cuts[{n}]", "has an open end, and another cut follows it",
                    cure="say where it ends, or join = 'keep'",
                )  # fmt: skip
            if self.join is Join.CLOSE and math.isinf(start):
                problems.add(f"edit: cuts[{n}]", "has an open start, so it cannot begin at zero")
        if self.join is Join.KEEP:
            for n, (before, after) in enumerate(pairwise(self.cuts), start=1):
                if after[0] < before[1]:
                    problems.add(
                        f"edit: cuts[{n}]", "begins before the one before it ends",
                        cure="sort them, or say join = 'close' to put them in another order",
                    )  # fmt: skip
        problems.raise_as(EventError)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Edit:
        """Read an edit file.

        Raises
        ------
        EventError : unreadable, not TOML, or not an edit
        """
        file = Path(path)
        try:
            if file.stat().st_size > LARGEST:
                raise EventError(explain(str(path), "is too long for an edit file"))
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise EventError(explain(str(path), f"cannot be read: {error}")) from error
        return cls.parse(text, where=str(path), folder=file.parent)

    @classmethod
    def parse(cls, text: str, *, where: str = "edit", folder: Path | None = None) -> Edit:
        """Read an edit from text; names of files are relative to `folder`.

        Raises
        ------
        EventError : not TOML, or not an edit
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise EventError(explain(where, f"is not TOML: {error}")) from error
        return _Parse(where, folder or Path()).edit(table)

    def dump(self) -> str:
        """Return the edit as text that `parse` reads back; names of files stand as they are."""
        return "\n".join(_lines(self)) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an edit file, whole or not at all.

        Raises
        ------
        FormatError : it cannot be written
        """
        with replacing(path) as temporary:
            temporary.write_text(self.dump(), encoding="utf-8")


@dataclass
class Rendered:
    """What a rendering did.

    Parameters
    ----------
    output : of the file that was written
    read, written : numbers of events
    reached : us, time of the last event that was read
    outside : events dropped by filters because they lay outside the sensor
    extras : triggers, frames and inertial samples that were not carried over
    masked : pixels that were found to be hot
    irregularities : what was wrong with the recordings
    """

    output: Path
    read: int = 0
    written: int = 0
    reached: int = 0
    outside: int = 0
    extras: int = 0
    masked: tuple[tuple[int, int], ...] = ()
    irregularities: list[Any] = field(default_factory=list)


Progress = Callable[[int, int, int], None]
"""Is told the events read, the events written, and the time that has been reached, us, after every chunk."""


def render(
    edit: Edit | str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    size: int = 1 << 18,
) -> Rendered:
    """Carry out an edit; the recordings are streamed, and the output appears when it is complete.

    Parameters
    ----------
    edit : Edit, or the name of an edit file
    output : of the file to write, instead of the edit's own
    progress : is told how far it is
    size : int, events that are read at once

    Returns
    -------
    Rendered : what happened

    Raises
    ------
    EventError : the edit is wrong, has no output, or would replace what it reads
    FormatError : a recording cannot be read, or the output not written
    """
    from spikewright.events.formats import open_recording, open_writer

    if not isinstance(edit, Edit):
        edit = Edit.load(edit)
    target = Path(output) if output is not None else edit.output
    if target is None:
        raise EventError(explain("edit", "has no output", cure="add output = '...'"))
    inputs = (edit.input, *edit.merge)
    for each in inputs:
        if os.path.realpath(each) == os.path.realpath(target):
            raise EventError(
                explain("edit", "would replace what it reads", found=target, cure="another output")
            )
    with ExitStack() as stack:
        readers = [stack.enter_context(open_recording(each, **edit.read)) for each in inputs]
        header = readers[0].header
        cuts = _cuts(edit, readers)

        met: dict[Any, None] = {}  # a set that keeps its order: cuts may meet the same twice

        def chunks() -> Iterator[CameraEvents]:
            offset = 0
            met.clear()
            for start, stop in cuts:
                sources = [r.chunks(start=start, stop=stop, size=size) for r in readers]
                stream = sources[0] if len(sources) == 1 else merged(sources)
                if edit.join is Join.CLOSE and edit.cuts:
                    yield from _moved(stream, offset - (start or 0))
                    offset += (stop or 0) - (start or 0)
                else:
                    yield from stream
                met.update((one, None) for reader in readers for one in reader.irregularities)

        filters = learned(
            [step.filter for step in edit.steps if step.enabled],
            chunks, header.width, header.height,
        )  # fmt: skip
        pipeline = Pipeline(filters, header.width, header.height)
        done = Rendered(target, masked=_found(edit, filters))
        made = header.replace(width=pipeline.width, height=pipeline.height)
        options = dict(edit.write)
        writer = open_writer(target, made, format=options.pop("format", None), **options)
        with writer:
            for chunk in _counted(chunks(), done, progress):
                out = pipeline(chunk)
                if len(out):
                    writer.add(out)
                    done.written += len(out)
            out = pipeline.finish()
            if len(out):
                writer.add(out)
                done.written += len(out)
        done.outside = pipeline.outside
        done.irregularities += met
        for reader in readers:
            extras = reader.extras
            done.extras += sum(
                len(part) for part in (extras.triggers, extras.frames, extras.imu) if part
            )
    if progress is not None:
        progress(done.read, done.written, done.reached)
    return done


def _counted(
    chunks: Iterable[CameraEvents], done: Rendered, progress: Progress | None
) -> Iterator[CameraEvents]:
    for chunk in chunks:
        done.read += len(chunk)
        yield chunk
        done.reached = int(chunk.t[-1]) if len(chunk) else done.reached
        if progress is not None and len(chunk):
            progress(done.read, done.written, done.reached)


def _moved(chunks: Iterable[CameraEvents], by: int) -> Iterator[CameraEvents]:
    for chunk in chunks:
        yield chunk.replace(t=chunk.t + by)


def _cuts(edit: Edit, readers: list[Any]) -> list[tuple[int | None, int | None]]:
    if not edit.cuts:
        return [(None, None)]
    origin = 0
    if edit.clock is Clock.START:
        firsts = [next(iter(reader.chunks(size=1)), None) for reader in readers]
        origin = min((int(first.t[0]) for first in firsts if first is not None), default=0)
    return [
        (
            None if math.isinf(start) else micros(start) + origin,
            None if math.isinf(stop) else micros(stop) + origin,
        )
        for start, stop in edit.cuts
    ]


def _found(edit: Edit, filters: list[Filter]) -> tuple[tuple[int, int], ...]:
    planned = [step.filter for step in edit.steps if step.enabled]
    return tuple(
        pixel
        for before, after in zip(planned, filters, strict=True)
        if before.learns and isinstance(after, Mask)
        for pixel in after.drop
    )


# -- text ---------------------------------------------------------------------------------------------

_KEYS = ("input", "output", "cuts", "clock", "join", "filter", "merge", "read", "write")


class _Parse:
    """Turns a table into an edit; collects every problem before it raises."""

    def __init__(self, where: str, folder: Path) -> None:
        self._where, self._folder, self._problems = where, folder, Problems()

    def edit(self, table: dict[str, Any]) -> Edit:
        for key in table:
            if key not in _KEYS:
                self._problems.add(self._where, f"has no entry {key!r}", cure=nearest(key, _KEYS))
        made: dict[str, Any] = {
            "input": self._file(table, "input", required=True),
            "output": self._file(table, "output"),
            "cuts": self._cuts(table.get("cuts", [])),
            "clock": self._option(table, "clock", Clock.RECORDING),
            "join": self._option(table, "join", Join.KEEP),
            "steps": self._steps(table.get("filter", [])),
            "merge": self._files(table.get("merge", [])),
            "read": self._table(table, "read"),
            "write": self._table(table, "write"),
        }
        self._problems.raise_as(EventError)
        try:
            return Edit(**made)
        except EventError as error:
            raise EventError(f"{self._where}: {error}") from error

    def _file(self, table: dict[str, Any], key: str, *, required: bool = False) -> Path | None:
        value = table.get(key)
        if isinstance(value, str) and value:
            return self._folder / value
        if value is not None or required:
            self._add(key, "is not the name of a file", value)
        return None

    def _files(self, values: Any) -> tuple[Path, ...]:
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            self._add("merge", "is not a list of names of files", values)
            return ()
        return tuple(self._folder / value for value in values)

    def _table(self, table: dict[str, Any], key: str) -> dict[str, Any]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            self._add(key, "is not a table", value)
            return {}
        return value

    def _option(self, table: dict[str, Any], key: str, default: Any) -> Any:
        value = table.get(key, default.value)
        try:
            return type(default)(value)
        except ValueError:
            expected = " or ".join(repr(option.value) for option in type(default))
            self._add(key, "is not one of its options", value, expected)
            return default

    def _cuts(self, values: Any) -> tuple[tuple[float, float], ...]:
        if not isinstance(values, list):
            self._add("cuts", "is not a list", values)
            return ()
        cuts = []
        for n, pair in enumerate(values):
            try:
                start, stop = (_time(edge) for edge in pair)
                cuts.append((start, stop))
            except (TypeError, ValueError, UnitError):
                self._add(f"cuts[{n}]", "is not a stretch of time", pair, "['1 s', '2.5 s']")
        return tuple(cuts)

    def _steps(self, values: Any) -> tuple[Step, ...]:
        if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
            self._add("filter", "is not a list of tables", values, "[[filter]]")
            return ()
        steps = []
        for n, given in enumerate(values):
            rest = dict(given)
            name, enabled = rest.pop("name", None), rest.pop("enabled", True)
            if not isinstance(name, str):
                self._add(f"filter[{n}]", "has no name", name, "name = '...'")
                continue
            if not isinstance(enabled, bool):
                self._add(f"filter[{n}].enabled", "is not true or false", enabled)
            if name == Mask.name and isinstance(rest.get("file"), str) and rest["file"]:
                rest["file"] = str(self._folder / rest["file"])
            try:
                made = filter_of(name, rest, where=f"{self._where}: filter[{n}]")
            except EventError as error:
                self._problems.lines.append(str(error))
                continue
            steps.append(Step(made, enabled))
        return tuple(steps)

    def _add(self, key: str, what: str, found: Any, expected: str | None = None) -> None:
        self._problems.add(f"{self._where}: {key}", what, found=repr(found), expected=expected)


def _time(value: Any) -> float:
    if isinstance(value, str):
        return float(value) if value.strip() in ("inf", "-inf") else quantity(value, unit="s")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)


def _lines(edit: Edit) -> Iterator[str]:
    yield f"input = {_toml(str(edit.input))}"
    if edit.output is not None:
        yield f"output = {_toml(str(edit.output))}"
    if edit.merge:
        yield f"merge = {_toml([str(each) for each in edit.merge])}"
    if edit.cuts:
        yield f"cuts = {_toml([list(cut) for cut in edit.cuts])}"
    for each in fields(edit):
        value = getattr(edit, each.name)
        if isinstance(value, Enum) and value is not each.default:
            yield f"{each.name} = {_toml(value.value)}"
    for name in ("read", "write"):
        if options := getattr(edit, name):
            yield f"\n[{name}]"
            for key, value in options.items():
                yield f"{_key(key)} = {_toml(value)}"
    for step in edit.steps:
        yield f"\n[[filter]]\nname = {_toml(step.filter.name)}"
        for key, value in table_of(step.filter).items():
            yield f"{key} = {_toml(value)}"
        if not step.enabled:
            yield "enabled = false"


def _key(text: str) -> str:
    plain = text and all(c.isascii() and (c.isalnum() or c in "-_") for c in text)
    return text if plain else _toml(text)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        escaped = "".join(
            f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in value
        )
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    raise EventError(
        explain("edit", "holds a value that TOML cannot write", found=type(value).__name__)
    )
