"""Histograms of polarity and of intervals, and the silences of a recording; each adds up over chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.filters.base import NEVER, columns_of, micros

PER_DECADE = 10
"""Bins of interval histograms in a factor of ten."""

DECADES = 10
"""Factors of ten that they cover: 1 us to 10,000 s."""


class PolarityCount:
    """Number of OFF and ON events.

    Examples
    --------
    >>> tally = PolarityCount()
    >>> tally.add(CameraEvents([0, 1, 2], [0] * 3, [0] * 3, [1, 0, 1], 1, 1))
    >>> tally.off, tally.on
    (1, 2)
    """

    def __init__(self) -> None:
        self.off = self.on = 0

    def add(self, chunk: CameraEvents) -> None:
        """Count the events of the next chunk."""
        on = int(np.count_nonzero(chunk.p))
        self.on += on
        self.off += len(chunk) - on


class Intervals:
    """Times between events that follow each other at a pixel, as a histogram with logarithmic bins.

    Bin 0 counts intervals below 1 us (equal times, or time that ran backwards); bin k from 1 holds those from
    `edges[k - 1]` to below `edges[k]`, and the last bin all that are longer.

    Parameters
    ----------
    width, height : int, of the sensor
    by_polarity : only events of the same polarity follow each other

    Examples
    --------
    >>> intervals = Intervals(1, 1)
    >>> intervals.add(CameraEvents([0, 100, 200, 1200], [0] * 4, [0] * 4, [1] * 4, 1, 1))
    >>> {int(intervals.edges[k - 1]): int(intervals.counts[k]) for k in np.flatnonzero(intervals.counts)}
    {100: 2, 1000: 1}
    """

    def __init__(self, width: int, height: int, *, by_polarity: bool = False) -> None:
        self.edges = interval_edges()
        self.counts: NDArray[np.int64] = np.zeros(len(self.edges) + 1, np.int64)
        self.outside = 0
        self._size, self._by_polarity = (width, height), by_polarity
        self._last = np.full(2 * width * height, NEVER, np.int64)
        self._tally = np.zeros(1, np.int64)

    def add(self, chunk: CameraEvents) -> None:
        """Count the intervals that the next chunk ends."""
        from spikewright.events.measures.loops import intervals

        columns = columns_of(chunk)
        edges = self.edges
        intervals(
            *columns, *self._size, self._by_polarity, self._last, edges, self.counts, self._tally
        )
        self.outside = int(self._tally[0])


def interval_edges() -> NDArray[np.int64]:
    """Return the edges of interval histograms, us: ten to a decade, each a whole number, none twice."""
    edges = np.rint(10 ** (np.arange(DECADES * PER_DECADE + 1) / PER_DECADE)).astype(np.int64)
    return np.unique(edges)


@dataclass(frozen=True)
class Gap:
    """A silence of the whole sensor: no event after `start` and before `stop`, us."""

    start: int
    stop: int

    @property
    def duration(self) -> int:
        """Its length, us."""
        return self.stop - self.start


class Gaps:
    """The longest silences of a recording, in the order of their length; `n` counts all that are long enough.

    Parameters
    ----------
    least : float, s, length from which a silence counts
    most : int, how many are kept
    """

    def __init__(self, *, least: float = 10e-3, most: int = 100) -> None:
        if not 0 < least < 1e12 or most < 1:
            raise EventError(explain("Gaps", "out of range", found=f"least {least}, most {most}"))
        self.n = 0
        self._least, self._most = max(micros(least), 1), most
        self._kept: list[Gap] = []
        self._newest: int | None = None

    def add(self, chunk: CameraEvents) -> None:
        """Look at the next chunk; time that runs backwards makes no silence."""
        if len(chunk) == 0:
            return
        before = int(chunk.t[0]) if self._newest is None else self._newest
        newest = np.maximum.accumulate(np.concatenate([[before], chunk.t]))
        long = np.flatnonzero(np.diff(newest) >= self._least)
        self.n += len(long)
        self._kept += [Gap(int(newest[k]), int(newest[k + 1])) for k in self._longest(newest, long)]
        self._kept.sort(key=lambda gap: (-gap.duration, gap.start))
        del self._kept[self._most :]
        self._newest = int(newest[-1])

    def _longest(self, newest: NDArray[np.int64], long: NDArray[np.intp]) -> NDArray[np.intp]:
        length = newest[long + 1] - newest[long]
        return long[np.argsort(-length, kind="stable")[: self._most]]

    @property
    def longest(self) -> list[Gap]:
        """The longest silences, the longest first."""
        return list(self._kept)


@dataclass(frozen=True)
class Bandwidth:
    """How fast events come, 1/s, and what it takes to carry them.

    Parameters
    ----------
    mean : float, 1/s, over the time from the first event to the last
    peak : float, 1/s, of the busiest bin
    window : float, s, length of that bin
    """

    mean: float
    peak: float
    window: float

    def bytes_per_second(self, size: float) -> tuple[float, float]:
        """Return mean and peak B/s at `size` bytes per event: 4 in EVT2, 8 in DAT, 13 in columns."""
        return self.mean * size, self.peak * size


class BandwidthMeter:
    """Mean and peak event rate; the peak is that of the busiest of the windows [n `window`, (n + 1) `window`).

    Parameters
    ----------
    window : float, s

    Examples
    --------
    >>> meter = BandwidthMeter(window=1e-3)
    >>> meter.add(CameraEvents([0, 10, 20, 2000], [0] * 4, [0] * 4, [0] * 4, 1, 1))
    >>> meter.result()
    Bandwidth(mean=2000.0, peak=3000.0, window=0.001)
    """

    def __init__(self, *, window: float = 1e-3) -> None:
        if not 1e-6 <= window < 1e9:
            raise EventError(
                explain("BandwidthMeter.window", "is out of range", found=window, expected="s")
            )
        self._window = micros(window)
        self._n = self._peak = self._count = 0
        self._now: int | None = None
        self._first, self._last = 2**63 - 1, -(2**63)

    def add(self, chunk: CameraEvents) -> None:
        """Count the events of the next chunk; one that comes late counts in the window that is open."""
        if len(chunk) == 0:
            return
        self._n += len(chunk)
        self._first = min(self._first, int(chunk.t.min()))
        self._last = max(self._last, int(chunk.t.max()))
        numbers = np.maximum.accumulate(chunk.t // self._window)
        if self._now is not None:
            numbers = np.maximum(numbers, self._now)
        ends = np.append(np.flatnonzero(np.diff(numbers)) + 1, len(numbers))
        counts = np.diff(ends, prepend=0)
        if int(numbers[0]) == self._now:
            counts[0] += self._count
        self._peak = max(self._peak, int(counts.max()))
        self._now, self._count = int(numbers[-1]), int(counts[-1])

    def result(self) -> Bandwidth:
        """Return the rates so far; the mean is 0 where all events have one time."""
        span = (self._last - self._first) * 1e-6
        window = self._window * 1e-6
        return Bandwidth(
            self._n / span if self._n and span > 0 else 0.0, self._peak / window, window
        )
