"""Spike trains: the spikes of one population, neuron by neuron, in a window of time.

A clocked engine stamps what happens in step k with (k + 1) dt, the end of the step. For counting, such a time is
moved into the middle of its step (`late`), so that no spike lies on the edge of a bin, whatever rounding does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.engines.recording import Recording
from spikewright.errors import DataError, explain


@dataclass(frozen=True, eq=False)
class Trains:
    """The spikes of `n` neurons from `begin` to `end`.

    Parameters
    ----------
    start : int64 (n + 1,): the spikes of neuron j are `time[start[j] : start[j + 1]]`
    time : float64 (m,), s, ascending within each neuron
    begin, end : s, the window
    late : s, what is taken off a time before it is put into a bin; 0 where times are exact

    Raises
    ------
    DataError : the window is empty, a spike lies outside, or `start` does not fit

    Examples
    --------
    >>> trains = Trains.of([[0.1, 0.4], [], [0.2]], end=0.5)
    >>> trains.n, trains.counts.tolist(), trains[0].tolist()
    (3, [2, 0, 1], [0.1, 0.4])
    """

    start: NDArray[np.int64]
    time: NDArray[np.float64]
    begin: float
    end: float
    late: float = 0.0

    def __post_init__(self) -> None:
        start, time = np.asarray(self.start, np.int64), np.asarray(self.time, np.float64)
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "time", time)
        where = "trains"
        if not np.isfinite([self.begin, self.end]).all() or not self.end > self.begin:
            raise DataError(
                explain(where, "the window is empty", found=f"{self.begin:g} to {self.end:g} s")
            )
        if (
            start.ndim != 1
            or len(start) < 2
            or start[0] != 0
            or start[-1] != len(time)
            or np.any(np.diff(start) < 0)
        ):
            raise DataError(
                explain(where, "start does not fit the spikes", cure="make them with Trains.of")
            )
        slack = 1e-9 * max(abs(self.begin), abs(self.end))
        if not np.isfinite(time).all():
            raise DataError(explain(where, "a time is not finite"))
        if time.size and (time.min() < self.begin - slack or time.max() > self.end + slack):
            raise DataError(
                explain(
                    where,
                    "a spike lies outside the window",
                    found=f"{time.min():g} to {time.max():g} s",
                    expected=f"{self.begin:g} to {self.end:g} s",
                )
            )

    @staticmethod
    def of(
        times: list[ArrayLike] | tuple[ArrayLike, ...], *, end: float, begin: float = 0.0
    ) -> Trains:
        """Return the trains of lists of times, one per neuron, in any order; times in s."""
        sorted_ = [np.sort(np.asarray(t, np.float64).reshape(-1)) for t in times]
        start = np.cumsum([0, *(len(t) for t in sorted_)])
        return Trains(start, np.concatenate([np.zeros(0), *sorted_]), float(begin), float(end))

    @staticmethod
    def from_recording(
        recording: Recording,
        population: str,
        *,
        sample: int = 0,
        begin: float | None = None,
        end: float | None = None,
    ) -> Trains:
        """Return what one population sent, each of its spikes counted once whatever its value.

        Parameters
        ----------
        recording : of any engine
        population : whose spikes were kept
        sample : which of the batch
        begin, end : s from the start of the network's time; default: the whole recording

        Raises
        ------
        EngineError : spikes were not kept
        DataError : there is no such sample, or the window is not within the recording
        """
        if not 0 <= sample < recording.batch:
            raise DataError(
                explain(
                    f"recording of {population!r}",
                    "no such sample",
                    found=sample,
                    expected=f"0 to {recording.batch - 1}",
                )
            )
        time, address = recording.times(population, sample)
        dt, n = recording.network.dt, recording.network.populations[population].n
        exact = recording.spikes[population].time is not None
        # the stamp of a population without state is the beginning of its step, that of others the end
        transparent = recording.network.populations[population].model.is_transparent
        late = 0.0 if exact else (-0.5 if transparent else 0.5) * dt
        first = recording.first_step * dt
        whole = Trains._sorted(
            time, address, n, first, (recording.first_step + recording.steps) * dt, late
        )
        return whole if begin is None and end is None else whole.between(begin, end)

    @staticmethod
    def _sorted(
        time: NDArray[np.float64],
        address: NDArray[np.int64],
        n: int,
        begin: float,
        end: float,
        late: float,
    ) -> Trains:
        order = np.argsort(address, kind="stable")  # times are ascending
        start = np.zeros(n + 1, np.int64)
        np.cumsum(np.bincount(address, minlength=n), out=start[1:])
        return Trains(start, time[order], begin, end, late)

    def __getitem__(self, neuron: int) -> NDArray[np.float64]:
        """Return the times of one neuron."""
        if not -self.n <= neuron < self.n:
            raise IndexError(neuron)
        neuron %= self.n
        return self.time[self.start[neuron] : self.start[neuron + 1]]

    def __len__(self) -> int:
        return self.n

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.start) - 1

    @property
    def duration(self) -> float:
        """Length of the window, s."""
        return self.end - self.begin

    @property
    def counts(self) -> NDArray[np.int64]:
        """Spikes of each neuron, (n,)."""
        return np.diff(self.start)

    @cached_property
    def neuron(self) -> NDArray[np.int64]:
        """The neuron of each entry of `time`, (m,)."""
        return np.repeat(np.arange(self.n), self.counts)

    def pooled(self) -> Trains:
        """Return all spikes as the train of one neuron."""
        return replace(self, start=np.array([0, len(self.time)]), time=np.sort(self.time))

    def choose(self, neurons: ArrayLike) -> Trains:
        """Return the trains of some neurons, in the order given.

        Raises
        ------
        DataError : one of them is not there
        """
        chosen = np.atleast_1d(np.asarray(neurons))
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= self.n:
            raise DataError(
                explain(
                    "trains.choose",
                    "no such neuron" if chosen.size else "names no neuron",
                    found=chosen.tolist()
                    if chosen.size < 8
                    else f"{chosen.min()} to {chosen.max()}",
                    expected=f"0 to {self.n - 1}",
                )
            )
        counts = self.counts[chosen]
        start = np.concatenate([[0], np.cumsum(counts)])
        take = np.arange(start[-1]) + np.repeat(self.start[chosen] - start[:-1], counts)
        return replace(self, start=start, time=self.time[take])

    def between(self, begin: float | None = None, end: float | None = None) -> Trains:
        """Return the spikes of a shorter window, its edges included as far as bins are: [begin, end).

        Raises
        ------
        DataError : it is not within this one
        """
        low = self.begin if begin is None else float(begin)
        high = self.end if end is None else float(end)
        slack = 1e-9 * max(abs(self.begin), abs(self.end))
        if low < self.begin - slack or high > self.end + slack or not high > low:
            raise DataError(
                explain(
                    "trains.between",
                    "not a window of these trains",
                    found=f"{low:g} to {high:g} s",
                    expected=f"within {self.begin:g} to {self.end:g} s",
                )
            )
        middle = self.time - self.late
        last = high if high < self.end - slack else np.inf
        inside = (middle >= low) & (middle < last)
        start = np.concatenate([[0], np.cumsum(np.bincount(self.neuron[inside], minlength=self.n))])
        return Trains(start, self.time[inside], low, high, self.late)


def bins(trains: Trains, width: float, where: str) -> int:
    """Return how many whole bins of `width` seconds the window has; what is left at its end is not counted.

    Raises
    ------
    DataError : `width` is not positive, or longer than the window
    """
    if not width > 0 or not np.isfinite(width):
        raise DataError(
            explain(where, "not a bin width", found=f"{width} s", expected="more than 0 s")
        )
    found = int(np.floor(trains.duration / width * (1 + 1e-12) + 1e-9))
    if found < 1:
        raise DataError(
            explain(
                where,
                "a bin is longer than the window",
                found=f"{width:g} s",
                expected=f"{trains.duration:g} s at most",
            )
        )
    return found


def bin_of(trains: Trains, width: float, n_bins: int) -> NDArray[np.int64]:
    """Return the bin of each spike, (m,); those behind the last whole bin get `n_bins`."""
    place = np.floor((trains.time - trains.late - trains.begin) / width + 1e-9).astype(np.int64)
    return np.clip(place, 0, n_bins)
