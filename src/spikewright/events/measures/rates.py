"""Event rates at every scale, from 1 us to the whole file; exact counts, bounded memory.

A recording of an hour has 3.6e9 microseconds, so the finest levels cannot be kept. `RatePyramid` keeps the finest level
that fits into `bins` bins, coarsening itself as the recording grows, and sums it to coarser levels when asked. Finer
levels are counted from the recording again, for the stretch that is looked at: nothing is ever interpolated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents

FINEST = 1
"""Width of the finest bins, us."""

Again = Callable[[int, int], Iterable[CameraEvents]]
"""Reads a stretch of a recording anew: chunks that hold its events with start <= t < stop, us, and maybe others."""


class RatePyramid:
    """Counts of OFF and ON events in bins of every width `2**k` us; bin n of a width holds [n width, (n + 1) width).

    Parameters
    ----------
    bins : int, >= 4, how many bins are kept
    again : reads a stretch of the recording anew, for widths finer than those kept; None where that is not possible

    Examples
    --------
    >>> pyramid = RatePyramid(bins=4)
    >>> pyramid.add(CameraEvents([0, 1, 1, 9], [0] * 4, [0] * 4, [0, 1, 1, 0], 1, 1))
    >>> pyramid.width
    4
    >>> pyramid.counts(0, 16, 8).tolist()
    [[1, 2], [1, 0]]
    """

    def __init__(self, *, bins: int = 1 << 18, again: Again | None = None) -> None:
        if bins < 4:
            raise EventError(
                explain("RatePyramid.bins", "too few", found=bins, expected="at least 4")
            )
        self.width = FINEST
        self.n = 0
        self._bins, self._again = bins, again
        self._first = 0  # number of the first bin kept
        self._kept: NDArray[np.int64] = np.zeros((0, 2), np.int64)

    @property
    def start(self) -> int:
        """Start of the first bin that is kept, us."""
        return self._first * self.width

    @property
    def stop(self) -> int:
        """End of the last bin that is kept, us."""
        return (self._first + len(self._kept)) * self.width

    def add(self, chunk: CameraEvents) -> None:
        """Count the events of the next chunk; order does not matter."""
        if len(chunk) == 0:
            return
        self.n += len(chunk)
        low, high = int(chunk.t.min()), int(chunk.t.max())
        if len(self._kept):
            low, high = min(low, self.start), max(high, self.stop - 1)
        while high // self.width - low // self.width >= self._bins:
            self._coarsen()
        self._reach(low // self.width, high // self.width + 1)
        place = (chunk.t // self.width - self._first) * 2 + (chunk.p != 0)
        # only the part that the chunk touches: a chunk must not cost a sweep over all bins
        lowest = int(place.min()) & ~1
        tally = np.bincount(place - lowest)
        self._kept.reshape(-1)[lowest : lowest + tally.size] += tally

    def counts(self, start: int, stop: int, width: int) -> NDArray[np.int64]:
        """Return the counts of all bins of a width that touch a stretch of time.

        Parameters
        ----------
        start, stop : int, us
        width : int, us, a power of 2

        Returns
        -------
        int64 array, (bins, 2) : OFF and ON events; the first bin is number `start // width`

        Raises
        ------
        EventError : `width` is not a power of 2, the stretch is empty or has more bins than are kept, or it needs to
            read the recording again and cannot
        """
        first, last = self._asked(start, stop, width)
        out = np.zeros((last - first, 2), np.int64)
        if width < self.width:
            self._count_again(out, first, width)
            return out
        share = width // self.width
        low = max(first * share, self._first)
        high = min(last * share, self._first + len(self._kept))
        if low < high:
            place = np.arange(low, high) // share - first
            edges = np.flatnonzero(np.diff(place, prepend=-1))
            part = self._kept[low - self._first : high - self._first]
            out[place[edges]] = np.add.reduceat(part, edges, axis=0)
        return out

    def rates(self, start: int, stop: int, width: int) -> NDArray[np.float64]:
        """Return `counts` in events per second."""
        return self.counts(start, stop, width) / (width * 1e-6)

    def level(self, most: int) -> tuple[int, NDArray[np.int64]]:
        """Return the finest width that shows all of the recording in at most `most` bins, and the counts.

        Raises
        ------
        EventError : `most` is not at least 2
        """
        if most < 2:
            raise EventError(explain("RatePyramid.level", "too few bins", found=most))
        width = self.width
        if not len(self._kept):
            return width, np.zeros((0, 2), np.int64)
        while (self.stop - 1) // width - self.start // width >= most:
            width *= 2
        return width, self.counts(self.start, self.stop, width)

    def _asked(self, start: int, stop: int, width: int) -> tuple[int, int]:
        if width < 1 or width & (width - 1):
            raise EventError(
                explain("RatePyramid.width", "is not a power of 2", found=width, expected="us")
            )
        first, last = start // width, -(-stop // width)
        if not 0 < last - first <= self._bins:
            raise EventError(
                explain(
                    "RatePyramid",
                    "cannot show this stretch at this width",
                    found=f"{last - first} bins",
                    expected=f"1 to {self._bins}",
                    cure="ask for wider bins, or a shorter stretch",
                )
            )
        return first, last

    def _count_again(self, out: NDArray[np.int64], first: int, width: int) -> None:
        if self._again is None:
            raise EventError(
                explain(
                    "RatePyramid",
                    "these bins are finer than those kept",
                    found=f"{width} us",
                    expected=f"at least {self.width} us",
                    cure="give `again`, which reads the recording anew",
                )
            )
        low, high = first * width, (first + len(out)) * width
        for chunk in self._again(low, high):
            events = chunk[(chunk.t >= low) & (chunk.t < high)]
            place = (events.t // width - first) * 2 + (events.p != 0)
            out += np.bincount(place, minlength=out.size).reshape(out.shape)

    def _coarsen(self) -> None:
        kept = self._kept
        if self._first % 2:
            kept = np.concatenate([np.zeros((1, 2), np.int64), kept])
        if len(kept) % 2:
            kept = np.concatenate([kept, np.zeros((1, 2), np.int64)])
        self._kept = kept[0::2] + kept[1::2]
        self._first //= 2
        self.width *= 2

    def _reach(self, first: int, last: int) -> None:
        if not len(self._kept):
            self._first = first
        front, back = self._first - first, last - self._first - len(self._kept)
        if front > 0 or back > 0:
            self._kept = np.pad(self._kept, ((max(front, 0), max(back, 0)), (0, 0)))
            self._first -= max(front, 0)
