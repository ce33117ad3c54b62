"""Filters that drop noise because nothing else happened beside it.

Notation: T is the time of the last event of a pixel, t that of the event that is looked at.

Source
------
Delbruck, "Frame-free dynamic digital vision", 2008 (background activity); Guo and Delbruck, "Low cost and latency event
camera background activity denoising", TPAMI 2023, 10.1109/TPAMI.2022.3152999 (STCF); defaults: dv-processing (2 ms) and
jAER (25 ms, 2 of the 9 pixels around and including the event's own, same polarity; also the idea of age weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikewright.errors import EventError, Problems
from spikewright.events.camera import CameraEvents
from spikewright.events.filters.base import (
    NEVER,
    Filter,
    Selecting,
    Stream,
    count_rule,
    micros,
    seconds,
    time_rule,
)


@dataclass(frozen=True)
class BackgroundActivity(Filter):
    """Keep an event when one of its 8 neighbors had one shortly before: t - T <= `within`.

    Parameters
    ----------
    within : float, s
    """

    name = "background_activity"
    title = "drop events without a recent event in a neighboring pixel"
    within: float = seconds(2e-3)

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.within", self.within)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        from spikewright.events.filters import loops

        near = np.full((width + 2) * (height + 2), NEVER, np.int64)
        return Selecting(
            loops.background_activity, width, height, width, height, micros(self.within), near
        )


@dataclass(frozen=True)
class SpatioTemporal(Filter):
    """Keep an event when at least `least` pixels around it had one shortly before: t - T < `within`.

    Parameters
    ----------
    within : float, s
    least : int, 1..9
    same_polarity : count a pixel only where its last event was of this event's polarity
    own : count the event's own pixel too
    """

    name = "stcf"
    title = "drop events without enough recent events around them (the default denoiser)"
    within: float = seconds(25e-3)
    least: int = 2
    same_polarity: bool = True
    own: bool = True

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.within", self.within)
        count_rule(problems, f"{self.name}.least", self.least, 1, 9 if self.own else 8)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        from spikewright.events.filters import loops

        last = np.full(2 * (width + 2) * (height + 2), NEVER, np.int64)
        options = (micros(self.within), self.least, self.same_polarity, self.own)
        return Selecting(loops.correlated, width, height, width, height, *options, last)


@dataclass(frozen=True)
class AgeWeighted(Filter):
    """Keep an event when the pixels around it are busy: the sum of max(0, 1 - (t - T) / `within`) exceeds `threshold`.

    Only pixels whose last event was of this event's polarity count. On the labelled scenes of the project's benchmark
    it tells noise apart better than `SpatioTemporal`, at some times the cost.

    Parameters
    ----------
    within : float, s, age at which a pixel counts no more
    threshold : float, >= 0; the default lets through about as much noise as `SpatioTemporal` does, at 5 Hz per pixel
    radius : int, px, 1..3; 2 looks at 24 pixels
    """

    name = "age_weighted"
    title = "drop events in neighborhoods that are not busy (the best denoiser, slower)"
    within: float = seconds(50e-3)
    threshold: float = 3.5
    radius: int = 2

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.within", self.within, least=1e-6)
        if not 0 <= self.threshold <= 48:
            problems.add(
                f"{self.name}.threshold", "is out of range", found=self.threshold, expected="0..48"
            )
        count_rule(problems, f"{self.name}.radius", self.radius, 1, 3)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        from spikewright.events.filters import loops

        cells = (width + 2 * self.radius) * (height + 2 * self.radius)
        last = np.full(2 * cells, NEVER, np.int64)
        within = micros(self.within)
        options = (within, round(self.threshold * within), self.radius)
        return Selecting(loops.age_weighted, width, height, width, height, *options, last)


def background_activity(events: CameraEvents, *, within: float = 2e-3) -> CameraEvents:
    """Drop events without a recent event in one of the 8 neighbors; see `BackgroundActivity`.

    Examples
    --------
    >>> pair = CameraEvents([0, 1000, 9000], [4, 5, 4], [4, 4, 4], [1, 1, 1], 9, 9)
    >>> background_activity(pair).t.tolist()
    [1000]
    """
    return BackgroundActivity(within=within)(events)


def stcf(
    events: CameraEvents,
    *,
    within: float = 25e-3,
    least: int = 2,
    same_polarity: bool = True,
    own: bool = True,
) -> CameraEvents:
    """Drop events without enough recent events around them; see `SpatioTemporal`.

    Examples
    --------
    >>> row = CameraEvents([0, 100, 200], [4, 5, 6], [4, 4, 4], [1, 1, 1], 9, 9)
    >>> stcf(row).t.tolist(), stcf(row, least=1).t.tolist()
    ([], [100, 200])
    """
    return SpatioTemporal(within=within, least=least, same_polarity=same_polarity, own=own)(events)


def age_weighted(
    events: CameraEvents, *, within: float = 50e-3, threshold: float = 3.5, radius: int = 2
) -> CameraEvents:
    """Drop events in neighborhoods that are not busy; see `AgeWeighted`.

    Examples
    --------
    >>> row = CameraEvents([0, 100, 200], [4, 5, 6], [4, 4, 4], [1, 1, 1], 9, 9)
    >>> age_weighted(row).t.tolist(), age_weighted(row, threshold=1.5).t.tolist()
    ([], [200])
    """
    return AgeWeighted(within=within, threshold=threshold, radius=radius)(events)
