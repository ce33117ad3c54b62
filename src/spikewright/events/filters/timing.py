"""Filters that act on time: cut, shift, stretch, reverse, jitter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import EventError, Problems, explain
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.clock import INT64_MAX, INT64_MIN, floor_scaled, ratio
from spikewright.events.filters.base import (
    LONGEST,
    Filter,
    Mapped,
    Stream,
    count_rule,
    micros,
    seconds,
    time_rule,
)

JITTER_REACH = 3
"""Standard deviations at which jitter is clipped, so that a bounded stretch of time is held back for sorting."""

REVERSE_LIMIT = 200_000_000
"""Most events that `Reverse` holds: 2.6 GB."""


@dataclass(frozen=True)
class Cut(Filter):
    """Keep a stretch of time, half-open: `start` is in and `stop` is not.

    Parameters
    ----------
    start, stop : float, s; infinite ends are open
    shift : make `start` time zero
    """

    name = "cut"
    title = "keep a stretch of time"
    start: float = seconds(-math.inf)
    stop: float = seconds(math.inf)
    shift: bool = False

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.start <= self.stop:
            problems.add(
                self.name, "is not a stretch of time",
                found=f"{self.start!r} s to {self.stop!r} s", expected="start <= stop",
            )  # fmt: skip
        for part in ("start", "stop"):
            value = getattr(self, part)
            if not math.isinf(value) and abs(value) > LONGEST:
                problems.add(f"{self.name}.{part}", "is too far away", found=f"{value!r} s")
        if self.shift and math.isinf(self.start):
            problems.add(f"{self.name}.shift", "needs a start that is finite", found=self.start)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        first = INT64_MIN if math.isinf(self.start) else micros(self.start)
        last = INT64_MAX if math.isinf(self.stop) else micros(self.stop) - 1

        def cut(events: CameraEvents) -> CameraEvents:
            inside = events[(events.t >= first) & (events.t <= last)]
            return inside.replace(t=inside.t - first) if self.shift else inside

        return Mapped(cut, width, height)


@dataclass(frozen=True)
class Shift(Filter):
    """Move all events in time.

    Parameters
    ----------
    by : float, s, rounded to microseconds; negative moves to earlier times
    """

    name = "shift"
    title = "move all events in time"
    by: float = field(metadata={"unit": "s"})

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.by", self.by, least=-LONGEST)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        by = micros(self.by)

        def move(events: CameraEvents) -> CameraEvents:
            if len(events) == 0:
                return events
            if int(events.t.max()) + by > INT64_MAX or int(events.t.min()) + by < INT64_MIN:
                raise EventError(
                    explain(self.name, "moves events beyond 64 bits", found=f"{self.by!r} s")
                )
            return events.replace(t=events.t + by)

        return Mapped(move, width, height)


@dataclass(frozen=True)
class Stretch(Filter):
    """Let time run slower or faster: t becomes origin + (t - origin) * factor, rounded down to microseconds.

    Parameters
    ----------
    factor : float, > 0; 2 makes the recording twice as long
    origin : float, s, the time that stays
    """

    name = "stretch"
    title = "let time run slower or faster"
    factor: float
    origin: float = seconds(0.0)

    def __post_init__(self) -> None:
        problems = Problems()
        if not 1e-9 <= self.factor <= 1e9:
            problems.add(
                f"{self.name}.factor", "is out of range", found=self.factor, expected="1e-9..1e9"
            )
        time_rule(problems, f"{self.name}.origin", self.origin, least=-LONGEST)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        factor, origin = ratio(self.factor, 1.0), micros(self.origin)
        if origin:
            return Mapped(
                lambda e: e.replace(t=floor_scaled(e.t - origin, factor) + origin), width, height
            )
        return Mapped(lambda e: e.replace(t=floor_scaled(e.t, factor)), width, height)


@dataclass(frozen=True)
class Reverse(Filter):
    """Let time run backwards: the last event comes first, at the time of the first.

    What became brighter becomes darker, so polarities are swapped. The whole recording must be held: cut it first.

    Parameters
    ----------
    swap : whether polarities are swapped
    """

    name = "reverse"
    title = "let time run backwards (holds all events)"
    swap: bool = True

    def on(self, width: int, height: int) -> Stream:
        return _Reversing(self.swap, width, height)


class _Reversing(Stream):
    def __init__(self, swap: bool, width: int, height: int) -> None:
        super().__init__(width, height)
        self._swap, self._held, self._n = swap, [CameraEvents.empty(width, height)], 0

    def __call__(self, chunk: CameraEvents) -> CameraEvents:
        self._n += len(chunk)
        if self._n > REVERSE_LIMIT:
            raise EventError(
                explain(
                    Reverse.name,
                    "too many events to hold",
                    expected=f"at most {REVERSE_LIMIT}",
                    cure="cut the recording first",
                )
            )
        self._held.append(chunk)
        return CameraEvents.empty(self.width, self.height)

    def finish(self) -> CameraEvents:
        events = concatenate(self._held)[::-1]
        self._held = [CameraEvents.empty(self.width, self.height)]
        if len(events) == 0:
            return events
        # max - t + min stays between the two, where max + min would not fit
        t = int(events.t.max()) - events.t + int(events.t.min())
        p = (events.p == 0).view(np.uint8) if self._swap else events.p
        return events.replace(t=t, p=p)


@dataclass(frozen=True)
class Jitter(Filter):
    """Move each event a little, in time and on the sensor, at random; for training on varied data.

    Distances are normal, clipped at 3 standard deviations, and rounded. Events are sorted again; those that leave the
    sensor are dropped. Times must be sorted.

    Parameters
    ----------
    time : float, s, standard deviation
    space : float, px, standard deviation
    seed : int
    """

    name = "jitter"
    title = "move each event a little, at random"
    seed: int
    time: float = seconds(0.0)
    space: float = 0.0

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.time", self.time)
        if not 0 <= self.space <= 1e4:
            problems.add(
                f"{self.name}.space", "is out of range", found=self.space, expected="pixels, 0..1e4"
            )
        count_rule(problems, f"{self.name}.seed", self.seed, 0)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        return _Jittering(self, width, height)


class _Jittering(Stream):
    def __init__(self, of: Jitter, width: int, height: int) -> None:
        super().__init__(width, height)
        self._time, self._space = of.time / 1e-6, of.space
        self._reach = round(JITTER_REACH * self._time)
        self._draws = [rng.stream(of.seed, f"events/jitter/{axis}") for axis in "txy"]
        self._held = CameraEvents.empty(width, height)
        self._newest = INT64_MIN

    def __call__(self, chunk: CameraEvents) -> CameraEvents:
        if len(chunk) == 0:
            return chunk
        if int(chunk.t[0]) < self._newest or bool((chunk.t[1:] < chunk.t[:-1]).any()):
            raise EventError(
                explain(Jitter.name, "time runs backwards", cure="sort the events first")
            )
        self._newest = int(chunk.t[-1])
        moved = concatenate([self._held, self._moved(chunk)])
        moved = moved[np.argsort(moved.t, kind="stable")]
        # what comes later cannot move before this time
        limit = max(self._newest - self._reach, INT64_MIN)
        ready = int(np.searchsorted(moved.t, limit, side="right"))
        self._held = moved[ready:]
        return moved[:ready]

    def finish(self) -> CameraEvents:
        held, self._held = self._held, CameraEvents.empty(self.width, self.height)
        return held

    def _moved(self, events: CameraEvents) -> CameraEvents:
        n = len(events)
        dt = np.clip(self._step(0, n, self._time), -self._reach, self._reach)
        x = events.x.astype(np.int64) + self._step(1, n, self._space)
        y = events.y.astype(np.int64) + self._step(2, n, self._space)
        inside: NDArray[Any] = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        self.outside += int(n - inside.sum())
        return CameraEvents(
            (events.t + dt)[inside],
            x[inside].astype(np.uint16),
            y[inside].astype(np.uint16),
            events.p[inside],
            self.width,
            self.height,
        )

    def _step(self, axis: int, n: int, scale: float) -> NDArray[np.int64]:
        normal = np.clip(self._draws[axis].standard_normal(n), -JITTER_REACH, JITTER_REACH)
        return np.rint(normal * scale).astype(np.int64)


def cut(
    events: CameraEvents, *, start: float = -math.inf, stop: float = math.inf, shift: bool = False
) -> CameraEvents:
    """Keep a stretch of time; see `Cut`.

    Examples
    --------
    >>> two = CameraEvents([1000, 2000], [0, 0], [0, 0], [0, 1], 1, 1)
    >>> cut(two, start=1e-3, stop=2e-3, shift=True).t.tolist()
    [0]
    """
    return Cut(start=start, stop=stop, shift=shift)(events)


def shift(events: CameraEvents, *, by: float) -> CameraEvents:
    """Move all events in time.

    Examples
    --------
    >>> shift(CameraEvents([5], [0], [0], [0], 1, 1), by=1e-3).t.tolist()
    [1005]
    """
    return Shift(by=by)(events)


def stretch(events: CameraEvents, *, factor: float, origin: float = 0.0) -> CameraEvents:
    """Let time run slower or faster; see `Stretch`.

    Examples
    --------
    >>> stretch(CameraEvents([0, 5], [0, 0], [0, 0], [0, 0], 1, 1), factor=1.5).t.tolist()
    [0, 7]
    """
    return Stretch(factor=factor, origin=origin)(events)


def reverse(events: CameraEvents, *, swap: bool = True) -> CameraEvents:
    """Let time run backwards; see `Reverse`.

    Examples
    --------
    >>> reverse(CameraEvents([0, 5, 7], [0, 1, 2], [0] * 3, [0] * 3, 3, 1)).t.tolist()
    [0, 2, 7]
    """
    return Reverse(swap=swap)(events)


def jitter(
    events: CameraEvents, *, seed: int, time: float = 0.0, space: float = 0.0
) -> CameraEvents:
    """Move each event a little, in time and on the sensor, at random; see `Jitter`.

    Examples
    --------
    >>> jitter(CameraEvents([5], [0], [0], [0], 1, 1), seed=1).t.tolist()
    [5]
    """
    return Jitter(seed=seed, time=time, space=space)(events)
