"""A recording as a series of pictures, in constant memory: the state is a few images, however long it is.

Picture k of a film shows what happened until ``start + (k + 1) speed / fps``: with `speed` below 1 in slow motion. Time
is resampled, never the events: each is in the picture of the step it falls into.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.clock import check_time, ratio
from spikewright.events.views.columns import INT64_MAX, TICK, blank, columns
from spikewright.events.views.windows import chunks_of

PART = 0.9
"""Share of the cells that show anything which is brought inside the range of colors."""

ADAPT = 0.1
"""How much of a picture's own brightness enters that of a film."""

Given = Any
"""A recording: path, bytes or file, an open Reader, CameraEvents, or chunks of them."""


@dataclass(frozen=True)
class Look:
    """How pictures are made of events; one of two ways.

    Parameters
    ----------
    window : float, s; count what happened in the last `window` seconds, in whole steps of the film. None: one step
    decay : float, s; instead, let the last event of each pixel fade with this time constant
    saturation : events of a pixel that give the full color; None adapts it to the film. Only for `window`
    size : width, height of the pictures, in which events of several pixels share one; None takes the sensor's
    """

    window: float | None = None
    decay: float | None = None
    saturation: float | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("window", "decay", "saturation"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise EventError(
                    explain(f"render: {name}", "is out of range", found=value, expected="> 0")
                )
        if self.window is not None and self.decay is not None:
            raise EventError(
                explain(
                    "render", "two ways to make a picture", expected="window or decay, not both"
                )
            )
        if self.size is not None and min(self.size) < 1:
            raise EventError(explain("render: size", "is no size", found=self.size))


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a film.

    Parameters
    ----------
    t : int, us; its time in the recording
    index : uint8, H W; grey levels, see `colors`
    events : how many fell into its step
    outside : how many of these lie outside the sensor, and are not shown
    """

    t: int
    index: NDArray[np.uint8]
    events: int
    outside: int


def pictures(
    source: Given,
    *,
    fps: float = 30.0,
    speed: float = 1.0,
    look: Look | None = None,
    start: int | None = None,
    stop: int | None = None,
) -> Iterator[Picture]:
    """Give the pictures of a film, one at a time.

    Parameters
    ----------
    source : path, bytes or file of a recording; an open Reader; CameraEvents; or chunks of them. Where its time runs
        backwards, events are shown in the picture that is being drawn
    fps : float, Hz; pictures per second of the film
    speed : float; seconds of the recording per second of the film
    look : how they are made
    start, stop : us; None takes all of the recording

    Yields
    ------
    Picture

    Raises
    ------
    EventError : a number is out of range, or the size of the sensor is unknown
    FormatError : the recording cannot be read

    Examples
    --------
    >>> events = CameraEvents([0, 10, 60], [0, 1, 1], [0, 0, 0], [1, 0, 1], 2, 1)
    >>> for picture in pictures(events, fps=20, speed=1e-3):
    ...     print(picture.t, picture.index.tolist())
    50 [[254, 0]]
    100 [[127, 254]]
    """
    step = check_speed(fps, speed)
    look = Look() if look is None else look
    with parts(source, start, stop) as chunks:
        canvas: _Canvas | None = None
        first, k, shown, outside = start, 0, 0, 0
        for chunk in chunks:
            if canvas is None:
                canvas = _canvas(look, chunk, step)
            at = 0
            if first is None and len(chunk.t):
                first = int(chunk.t[0])
            # sorted even where time runs backwards: events behind their time stay with those before them
            passed = np.maximum.accumulate(chunk.t)
            while at < len(chunk.t):
                edge = _edge(first or 0, k + 1, step)
                cut = int(np.searchsorted(passed, edge, side="left"))
                if cut > at:
                    outside += canvas.add(chunk[at:cut])
                    shown += cut - at
                if cut < len(chunk.t):
                    yield Picture(edge, canvas.draw(edge), shown, outside)
                    k, shown, outside = k + 1, 0, 0
                at = cut
        if canvas is None or first is None:
            return
        edge = _edge(first, k + 1, step)
        yield Picture(edge, canvas.draw(edge), shown, outside)
        while stop is not None and edge < stop:
            k += 1
            edge = _edge(first, k + 1, step)
            yield Picture(edge, canvas.draw(edge), 0, 0)


def picture(
    source: Given, *, look: Look | None = None, start: int | None = None, stop: int | None = None
) -> Picture:
    """Return one picture of all of a recording, or of a part of it; arguments as for `pictures`."""
    look = Look() if look is None else look
    canvas: _Canvas | None = None
    shown = outside = last = 0
    with parts(source, start, stop) as chunks:
        for chunk in chunks:
            if canvas is None:
                canvas = _canvas(look, chunk, Fraction(1))
                last = int(chunk.t[-1]) if len(chunk.t) else 0
            outside += canvas.add(chunk)
            shown += len(chunk.t)
            last = max(last, int(chunk.t.max(initial=last)))
    if canvas is None:
        raise EventError(explain("render", "nothing to show", found="no events"))
    t = last if stop is None else int(stop)
    return Picture(t, canvas.draw(t), shown, outside)


def number_of_pictures(
    source: Given, *, fps: float, speed: float, start: int | None, stop: int | None
) -> int | None:
    """Return how many pictures a film has; None where only reading it would tell."""
    step = check_speed(fps, speed)
    if isinstance(source, CameraEvents) and len(source.t):
        start = int(source.t[0]) if start is None else start
        stop = int(source.t.max()) + 1 if stop is None else stop
    if start is None or stop is None:
        return None
    return max(1, math.ceil(Fraction(stop - start) / step))


def check_speed(fps: float, speed: float) -> Fraction:
    """Return the time from one picture to the next, in us of the recording.

    Raises
    ------
    EventError : `fps` or `speed` is not above 0
    """
    check_time("render", "speed", speed)
    check_time("render", "fps", fps)
    return ratio(speed, fps) / ratio(TICK, 1.0)


@contextmanager
def parts(source: Given, start: int | None, stop: int | None) -> Iterator[Iterator[CameraEvents]]:
    """Give the chunks of a recording from `start` to `stop`, and close what was opened for that."""
    from spikewright.events.formats import Reader, open_recording

    if isinstance(source, CameraEvents) or (
        isinstance(source, Iterable)
        and not isinstance(source, str | bytes | os.PathLike | Reader)
        and not hasattr(source, "read")
    ):
        yield _cut(chunks_of(source), start, stop)
    elif isinstance(source, Reader):
        yield source.chunks(start=start, stop=stop)
    else:
        with open_recording(source) as reader:
            yield reader.chunks(start=start, stop=stop)


def _cut(
    chunks: Iterator[CameraEvents], start: int | None, stop: int | None
) -> Iterator[CameraEvents]:
    for chunk in chunks:
        if start is None and stop is None:
            yield chunk
            continue
        inside = np.ones(len(chunk.t), bool)
        if start is not None:
            inside &= chunk.t >= start
        if stop is not None:
            inside &= chunk.t < stop
        yield chunk[inside]


def _edge(first: int, k: int, step: Fraction) -> int:
    return first + math.floor(k * step)


class _Canvas(ABC):
    """What a film remembers between two pictures."""

    def __init__(self, columns_: int, rows: int, size: tuple[int, int] | None) -> None:
        self.columns, self.rows = columns_, rows
        self.width, self.height = size or (columns_, rows)

    @abstractmethod
    def add(self, events: CameraEvents) -> int:
        """Take in events of the step, and return how many lie outside the sensor."""

    @abstractmethod
    def draw(self, now: int) -> NDArray[np.uint8]:
        """Return the picture at the end of the step, and begin the next one."""


class _Counts(_Canvas):
    """Signed counts of the last steps."""

    def __init__(
        self, columns_: int, rows: int, size: tuple[int, int] | None, steps: int, full: float | None
    ) -> None:
        super().__init__(columns_, rows, size)
        self._ring = blank("render: window", (steps, self.height, self.width), np.int16)
        self._total = np.zeros((self.height, self.width), np.int32)
        self._at = 0
        self._given, self._full = full, 0.0

    def add(self, events: CameraEvents) -> int:
        from spikewright.events.render import kernels

        _, x, y, p = columns(events)
        return int(
            kernels.tally(x, y, p, self.rows, self.columns, self._ring[self._at], self._total)
        )

    def draw(self, now: int) -> NDArray[np.uint8]:
        from spikewright.events.render import kernels

        out = np.empty((self.height, self.width), np.uint8)
        sizes = np.zeros(256, np.int64)
        if self._given is None and self._full == 0.0:
            # the first picture with events sets the range, so it is measured before it is drawn
            kernels.shade_total(self._total, 1.0, out, sizes)
            self._full = _common(sizes)
            sizes[:] = 0
        kernels.shade_total(self._total, float(self._given or self._full or 1.0), out, sizes)
        own = _common(sizes)
        if own:
            self._full += ADAPT * (own - self._full)
        self._at = (self._at + 1) % len(self._ring)
        kernels.forget(self._ring[self._at], self._total)
        return out


class _Ages(_Canvas):
    """The last event of each pixel."""

    def __init__(
        self, columns_: int, rows: int, size: tuple[int, int] | None, decay: float
    ) -> None:
        super().__init__(columns_, rows, size)
        self._times = blank("render: decay", (self.height, self.width), np.int64)
        self._times[...] = np.iinfo(np.int64).min
        self._signs = np.zeros((self.height, self.width), np.int8)
        self._tau = decay / TICK

    def add(self, events: CameraEvents) -> int:
        from spikewright.events.render import kernels

        return int(
            kernels.latest(*columns(events), self.rows, self.columns, self._times, self._signs)
        )

    def draw(self, now: int) -> NDArray[np.uint8]:
        from spikewright.events.render import kernels

        out = np.empty((self.height, self.width), np.uint8)
        kernels.shade_age(self._times, self._signs, min(now, INT64_MAX), self._tau, out)
        return out


def _common(sizes: NDArray[np.int64]) -> float:
    """Return the count that `PART` of the cells do not exceed; 0 where no cell has any."""
    total = int(sizes.sum())
    return float(np.searchsorted(np.cumsum(sizes), PART * total)) if total else 0.0


def _canvas(look: Look, chunk: CameraEvents, step: Fraction) -> _Canvas:
    if chunk.width < 1 or chunk.height < 1:
        raise EventError(
            explain(
                "render",
                "the size of the sensor is unknown",
                found=f"{chunk.width} x {chunk.height}",
                cure="open the recording with width= and height=",
            )
        )
    if look.decay is not None:
        return _Ages(chunk.width, chunk.height, look.size, look.decay)
    steps = 1
    if look.window is not None:
        steps = max(1, round(look.window / TICK / float(step)))
    return _Counts(chunk.width, chunk.height, look.size, steps, look.saturation)
