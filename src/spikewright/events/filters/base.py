"""What every filter of camera events is: a value, and a stream that carries state from chunk to chunk.

A `Filter` is a frozen value: parameters, nothing else. `filter.on(width, height)` opens it on a sensor and returns a
`Stream`, which takes chunks of one recording in turn and returns what is left of each. The answer does not depend on
where the recording was cut into chunks; what a stream holds on to is bounded by the sensor and the parameters, never
by the length of the recording (`Reverse` alone must hold everything, and says so).

Times are microseconds in columns and seconds in parameters. Filters look at events in the order given; where that
order is not that of time, an age may be negative and counts as young. An event outside the sensor cannot be looked up
in a map of pixels: it is dropped, and counted in `Stream.outside`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.camera import CameraEvents, concatenate

NEVER = -(2**63)
"""Time of an event that never happened: older than any other."""

US = 1e-6
"""Tick of camera events, s."""

LONGEST = 1e12
"""Longest time that a parameter may name, s: sums with it stay far inside 64 bits of microseconds."""


class Stream(ABC):
    """A filter at work on one recording.

    `width` and `height` are those of what comes out; `outside` counts events that were dropped because they lay
    outside the sensor.
    """

    width: int
    height: int
    outside: int

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height, self.outside = width, height, 0

    @abstractmethod
    def __call__(self, chunk: CameraEvents) -> CameraEvents:
        """Return what is ready to leave after the next chunk of the recording."""

    def finish(self) -> CameraEvents:
        """Return what was held back until the recording ended."""
        return CameraEvents.empty(self.width, self.height)


@dataclass(frozen=True)
class Filter(ABC):
    """Parameters of one filter; call it on events, or open it `on` a sensor to feed it chunks."""

    name: ClassVar[str]
    """What edit files and the command line call it."""
    title: ClassVar[str]
    """One line for menus."""
    learns: ClassVar[bool] = False
    """Whether it must see the whole recording once before it can begin (`learned`)."""

    @abstractmethod
    def on(self, width: int, height: int) -> Stream:
        """Open the filter on a sensor."""

    def learned(self, chunks: Iterable[CameraEvents], width: int, height: int) -> Filter:
        """Return a filter that is ready to begin, after a look at the recording where one is needed."""
        del chunks, width, height
        return self

    def __call__(self, events: CameraEvents) -> CameraEvents:
        """Filter events that are all at hand.

        Raises
        ------
        EventError : the filter does not fit the sensor, or cannot place a time in 64 bits
        """
        ready = self.learned([events], events.width, events.height)
        stream = ready.on(events.width, events.height)
        first = stream(events)
        rest = stream.finish()
        return first if len(rest) == 0 else concatenate([first, rest])


class Mapped(Stream):
    """A stream without memory: the same function of every chunk."""

    def __init__(
        self,
        function: Callable[[CameraEvents], CameraEvents],
        width: int,
        height: int,
        *,
        inside: tuple[int, int] | None = None,
    ) -> None:
        """`inside` is the sensor that events must lie on before `function` sees them."""
        super().__init__(width, height)
        self._function, self._inside = function, inside

    def __call__(self, chunk: CameraEvents) -> CameraEvents:
        if self._inside is not None:
            n = len(chunk)
            chunk = on_sensor(chunk, *self._inside)
            self.outside += n - len(chunk)
        return self._function(chunk)


class Selecting(Stream):
    """A stream that keeps or drops each event, by a compiled loop.

    `loop(t, x, y, p, *arguments, tally, t_out, x_out, y_out, p_out)` returns how many events it wrote, and adds to
    `tally[0]` how many lay outside the sensor.
    """

    def __init__(self, loop: Callable[..., int], width: int, height: int, *arguments: Any) -> None:
        super().__init__(width, height)
        self._loop, self._arguments = loop, arguments
        self._tally = np.zeros(1, np.int64)

    def __call__(self, chunk: CameraEvents) -> CameraEvents:
        columns = columns_of(chunk)
        out = tuple(np.empty_like(c) for c in columns)
        kept = int(self._loop(*columns, *self._arguments, self._tally, *out))
        self.outside = int(self._tally[0])
        return trimmed(out, kept, self.width, self.height)


class Pipeline:
    """Filters one after the other, as one stream.

    Raises
    ------
    EventError : a filter that must see the whole recording first has not `learned` yet
    """

    def __init__(self, filters: Iterable[Filter], width: int, height: int) -> None:
        self.streams: list[Stream] = []
        for each in filters:
            if each.learns:
                raise EventError(
                    explain(
                        each.name,
                        "must see the whole recording before it can begin",
                        cure="pass the filters through `learned` first",
                    )
                )
            self.streams.append(each.on(width, height))
            width, height = self.streams[-1].width, self.streams[-1].height
        self.width, self.height = width, height

    @property
    def outside(self) -> int:
        """Events dropped because they lay outside the sensor."""
        return sum(stream.outside for stream in self.streams)

    def __call__(self, chunk: CameraEvents) -> CameraEvents:
        """Return what is ready to leave the last filter."""
        for stream in self.streams:
            chunk = stream(chunk)
        return chunk

    def finish(self) -> CameraEvents:
        """Return what the filters held back."""
        held = CameraEvents.empty(self.width, self.height)
        for n, stream in enumerate(self.streams):
            chunk = stream.finish()
            for later in self.streams[n + 1 :]:
                chunk = later(chunk)
            held = chunk if len(held) == 0 else concatenate([held, chunk])
        return held

    def over(self, chunks: Iterable[CameraEvents]) -> Iterator[CameraEvents]:
        """Yield what leaves, chunk by chunk, and at last what was held back."""
        for chunk in chunks:
            out = self(chunk)
            if len(out):
                yield out
        out = self.finish()
        if len(out):
            yield out


def learned(
    filters: Iterable[Filter],
    chunks: Callable[[], Iterable[CameraEvents]],
    width: int,
    height: int,
) -> list[Filter]:
    """Return filters that are ready to begin; `chunks()` starts the recording anew for each that must look at it."""
    ready: list[Filter] = []
    for each in filters:
        pipeline = Pipeline(ready, width, height)
        ready.append(
            each.learned(pipeline.over(chunks()), pipeline.width, pipeline.height)
            if each.learns
            else each
        )
    return ready


def columns_of(
    events: CameraEvents,
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8]]:
    """Return t, x, y, p in the one layout that loops are compiled for."""
    return (
        _plain(events.t, np.int64),
        _plain(events.x, np.uint16),
        _plain(events.y, np.uint16),
        _plain(events.p, np.uint8),
    )


def _plain(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    # one type in, one machine code: contiguous and read-only
    view = np.ascontiguousarray(array, dtype).view()
    view.flags.writeable = False
    return view


def trimmed(columns: tuple[NDArray[Any], ...], n: int, width: int, height: int) -> CameraEvents:
    """Return the first `n` rows of columns; copied where that frees more than half of the memory."""
    t, x, y, p = (c[:n].copy() if 2 * n < c.size else c[:n] for c in columns)
    return CameraEvents(t=t, x=x, y=y, p=p, width=width, height=height)


def on_sensor(events: CameraEvents, width: int, height: int) -> CameraEvents:
    """Return the events that lie on a sensor: `events` itself where all do."""
    if len(events) == 0 or (int(events.x.max()) < width and int(events.y.max()) < height):
        return events
    inside: NDArray[np.bool_] = (events.x < width) & (events.y < height)
    return events[inside]


# -- parameters ---------------------------------------------------------------------------------------


def seconds(default: float) -> Any:
    """Return a parameter that is a time in seconds."""
    return field(default=default, metadata={"unit": "s"})


def hertz(default: float) -> Any:
    """Return a parameter that is a frequency."""
    return field(default=default, metadata={"unit": "Hz"})


def micros(value: float) -> int:
    """Return seconds as whole microseconds, the nearest."""
    return round(value / US)


def time_rule(problems: Problems, where: str, value: float, *, least: float = 0.0) -> None:
    """Note a problem unless `value` is a time of at least `least` seconds."""
    if not (least <= value <= LONGEST):
        problems.add(where, "is not a time", found=repr(value), expected=f"seconds, >= {least:g}")


def count_rule(
    problems: Problems, where: str, value: int, least: int, most: float = math.inf
) -> None:
    """Note a problem unless `value` is a whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        expected = (
            f"a whole number >= {least}" if most == math.inf else f"a whole number {least}..{most}"
        )
        problems.add(where, "is out of range", found=repr(value), expected=expected)
