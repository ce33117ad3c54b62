"""Filters that look at one pixel's own past: refractory, bursts, trails, flicker.

Source
------
Definitions and defaults as in the event literature: a refractory period per pixel; the second event of a burst and the
cutting of trails as the filters "STC" and "trail" of a sensor vendor describe them in their manuals; flicker as a
period between 1/520 s and 1/50 s seen several times in a row.
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
    hertz,
    micros,
    seconds,
    time_rule,
)


@dataclass(frozen=True)
class Refractory(Filter):
    """Drop an event of a pixel that follows the last kept one by no more than `period`.

    Parameters
    ----------
    period : float, s
    of_kept : count from the last kept event; else from the last event, so that a burst passes only its first
    """

    name = "refractory"
    title = "drop events of a pixel that follow too soon"
    period: float = seconds(1e-3)
    of_kept: bool = True

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.period", self.period)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        from spikewright.events.filters import loops

        last = np.full(width * height, NEVER, np.int64)
        period = micros(self.period)
        return Selecting(loops.refractory, width, height, width, height, period, self.of_kept, last)


@dataclass(frozen=True)
class Contrast(Filter):
    """Keep the second event of a burst: one that follows another of its pixel and polarity within `within`.

    The first event of a burst is dropped, and so is noise, which comes alone.

    Parameters
    ----------
    within : float, s
    cut_trail : drop what follows the second event, until the polarity changes
    """

    name = "contrast"
    title = "keep the second event of a pixel's burst (spatio-temporal contrast)"
    within: float = seconds(10e-3)
    cut_trail: bool = True

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.within", self.within)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        from spikewright.events.filters import loops

        last = np.full(width * height, NEVER, np.int64)
        stage = np.zeros(width * height, np.uint8)
        options = (micros(self.within), self.cut_trail)
        return Selecting(loops.contrast, width, height, width, height, *options, last, stage)


@dataclass(frozen=True)
class Trail(Filter):
    """Keep the first event of a burst: one whose pixel last had the other polarity, or none within `within`.

    Parameters
    ----------
    within : float, s
    """

    name = "trail"
    title = "keep the first event of a pixel's burst"
    within: float = seconds(10e-3)

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.within", self.within)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        from spikewright.events.filters import loops

        last = np.full(width * height, NEVER, np.int64)
        polarity = np.zeros(width * height, np.uint8)
        return Selecting(
            loops.trail, width, height, width, height, micros(self.within), last, polarity
        )


@dataclass(frozen=True)
class AntiFlicker(Filter):
    """Drop the events of a pixel while it flickers, as lamps do.

    A period is the time from one turn from OFF to ON to the next. A pixel flickers from the moment that `periods` of
    them in a row lay between 1/`highest` and 1/`lowest`, until one does not, or none comes for 1/`lowest`.

    Parameters
    ----------
    lowest, highest : float, Hz
    periods : int
    """

    name = "anti_flicker"
    title = "drop events of pixels that flicker at lamp frequencies"
    lowest: float = hertz(50.0)
    highest: float = hertz(520.0)
    periods: int = 5

    def __post_init__(self) -> None:
        problems = Problems()
        if not 1e-6 <= self.lowest < self.highest <= 1e6:
            problems.add(
                f"{self.name}.lowest",
                "is not the lower end of a band",
                found=f"{self.lowest!r} Hz to {self.highest!r} Hz",
                expected="1 uHz <= lowest < highest <= 1 MHz",
            )
        count_rule(problems, f"{self.name}.periods", self.periods, 1, 2**15 - 1)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        from spikewright.events.filters import loops

        cells = width * height
        maps = (
            np.full(cells, NEVER, np.int64),
            np.ones(cells, np.uint8),
            np.zeros(cells, np.int16),
        )
        band = (micros(1 / self.highest), micros(1 / self.lowest), self.periods)
        return Selecting(loops.flicker, width, height, width, height, *band, *maps)


def refractory(events: CameraEvents, *, period: float = 1e-3, of_kept: bool = True) -> CameraEvents:
    """Drop events of a pixel that follow too soon; see `Refractory`.

    Examples
    --------
    >>> burst = CameraEvents([0, 600, 1200, 1800], [0] * 4, [0] * 4, [1] * 4, 1, 1)
    >>> refractory(burst).t.tolist(), refractory(burst, of_kept=False).t.tolist()
    ([0, 1200], [0])
    """
    return Refractory(period=period, of_kept=of_kept)(events)


def contrast(
    events: CameraEvents, *, within: float = 10e-3, cut_trail: bool = True
) -> CameraEvents:
    """Keep the second event of each burst of a pixel; see `Contrast`.

    Examples
    --------
    >>> burst = CameraEvents([0, 600, 1200, 1800], [0] * 4, [0] * 4, [1, 1, 1, 0], 1, 1)
    >>> contrast(burst).t.tolist(), contrast(burst, cut_trail=False).t.tolist()
    ([600], [600, 1200])
    """
    return Contrast(within=within, cut_trail=cut_trail)(events)


def trail(events: CameraEvents, *, within: float = 10e-3) -> CameraEvents:
    """Keep the first event of each burst of a pixel; see `Trail`.

    Examples
    --------
    >>> burst = CameraEvents([0, 600, 1200, 1800], [0] * 4, [0] * 4, [1, 1, 1, 0], 1, 1)
    >>> trail(burst).t.tolist()
    [0, 1800]
    """
    return Trail(within=within)(events)


def anti_flicker(
    events: CameraEvents, *, lowest: float = 50.0, highest: float = 520.0, periods: int = 5
) -> CameraEvents:
    """Drop events of pixels that flicker; see `AntiFlicker`.

    Examples
    --------
    >>> lamp = CameraEvents(range(0, 200_000, 5_000), [0] * 40, [0] * 40, [0, 1] * 20, 1, 1)
    >>> len(anti_flicker(lamp)), len(anti_flicker(lamp, lowest=200.0))
    (11, 40)
    """
    return AntiFlicker(lowest=lowest, highest=highest, periods=periods)(events)
