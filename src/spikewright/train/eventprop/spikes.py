"""Spikes at exact times, for a batch of samples: what enters an event-based run, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import Problems, TrainError, explain


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes of `n` samples; those of sample s are entries `start[s]:start[s + 1]`, sorted by time.

    Parameters
    ----------
    start : int64 (n + 1,)
    time : float64, s, >= 0
    address : int64, 0 to `size` - 1
    size : number of addresses

    Raises
    ------
    TrainError : these do not fit together

    Examples
    --------
    >>> spikes = Spikes.from_times([[2e-3, 1e-3, np.inf]])
    >>> spikes.time.tolist(), spikes.address.tolist(), spikes.first().tolist()
    ([0.001, 0.002], [1, 0], [[0.002, 0.001, inf]])
    """

    start: NDArray[np.int64]
    time: NDArray[np.float64]
    address: NDArray[np.int64]
    size: int

    def __post_init__(self) -> None:
        start, address = np.asarray(self.start, np.int64), np.asarray(self.address, np.int64)
        time = np.asarray(self.time, np.float64)
        problems = Problems()
        if (
            start.ndim != 1
            or not len(start)
            or start[0] != 0
            or np.any(np.diff(start) < 0)
            or not start[-1] == len(time) == len(address)
        ):
            problems.add(
                "spikes", "start does not divide the spikes", found=start[-1:], expected=len(time)
            )
        elif len(time):
            if not np.all(np.isfinite(time)) or time.min() < 0:
                problems.add("spikes", "times must be finite and 0 or more", found=time.min())
            if address.min() < 0 or address.max() >= self.size:
                problems.add(
                    "spikes",
                    "addresses outside the population",
                    found=f"{address.min()} to {address.max()}",
                    expected=f"0 to {self.size - 1}",
                )
            falls = np.diff(time) < 0
            falls[start[1:-1][(start[1:-1] > 0) & (start[1:-1] < len(time))] - 1] = False
            if falls.any():
                problems.add("spikes", "times of a sample are not sorted", cure="sort them first")
        problems.raise_as(TrainError)
        _hold(self, start, time, address, self.size)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.start) - 1

    @staticmethod
    def from_times(times: ArrayLike) -> Spikes:
        """Return one spike per address at most: `times` is B N in s, infinite where there is none."""
        given = np.asarray(times, np.float64)
        if given.ndim != 2 or np.isnan(given).any():
            raise TrainError(
                explain("spikes", "times must be numbers, B N", found=f"shape {given.shape}")
            )
        order = np.argsort(given, axis=1, kind="stable")
        there = np.isfinite(np.take_along_axis(given, order, 1))
        start = np.concatenate([[0], np.cumsum(there.sum(1))])
        return Spikes(
            start, np.take_along_axis(given, order, 1)[there], order[there], given.shape[1]
        )

    @staticmethod
    def from_bins(bins: ArrayLike, dt: float) -> Spikes:
        """Return the spikes of an array on a grid, `T B *shape`: what stands in step k is at k dt."""
        given = np.asarray(bins)
        if given.ndim < 3:
            raise TrainError(explain("spikes", "bins must be T B *shape", found=given.shape))
        flat = np.moveaxis(given.reshape(*given.shape[:2], -1), 1, 0)
        if flat.dtype.kind == "f" and np.any(flat != np.rint(flat)):
            raise TrainError(
                explain(
                    "spikes",
                    "bins must be whole numbers of spikes",
                    found="fractions",
                    cure="encode as spikes, for instance with Latency()",
                )
            )
        if flat.size and flat.min() < 0:
            raise TrainError(explain("spikes", "bins must be 0 or more", found=flat.min()))
        sample, step, address = np.nonzero(flat)
        often = flat[sample, step, address].astype(np.int64)
        sample, step, address = (np.repeat(x, often) for x in (sample, step, address))
        start = np.searchsorted(sample, np.arange(flat.shape[0] + 1))
        return Spikes(start, step * dt, address, flat.shape[2])

    def take(self, samples: ArrayLike) -> Spikes:
        """Return the chosen samples, in the order given."""
        chosen = np.asarray(samples, np.int64)
        count = self.start[chosen + 1] - self.start[chosen]
        start = np.concatenate([[0], np.cumsum(count)])
        entry = np.arange(start[-1]) + np.repeat(self.start[chosen] - start[:-1], count)
        return trusted(start, self.time[entry], self.address[entry], self.size)

    @property
    def sample(self) -> NDArray[np.int64]:
        """Sample of every spike."""
        return np.repeat(np.arange(self.n), np.diff(self.start))

    def first(self) -> NDArray[np.float64]:
        """Return the time of each address's first spike, B N, infinite where there is none."""
        found = np.full((self.n, self.size), np.inf)
        np.minimum.at(found, (self.sample, self.address), self.time)
        return found

    def counts(self) -> NDArray[np.int64]:
        """Return the number of spikes of each address, B N."""
        found = np.zeros((self.n, self.size), np.int64)
        np.add.at(found, (self.sample, self.address), 1)
        return found

    @staticmethod
    def joined(parts: list[Spikes]) -> Spikes:
        """Return the samples of several batches, one after the other."""
        starts = np.concatenate([[0], *(np.diff(p.start) for p in parts)])
        return Spikes(
            np.cumsum(starts),
            np.concatenate([p.time for p in parts]),
            np.concatenate([p.address for p in parts]),
            parts[0].size,
        )


def _hold(
    spikes: Spikes,
    start: NDArray[np.int64],
    time: NDArray[np.float64],
    address: NDArray[np.int64],
    size: int,
) -> None:
    for name, value in (("start", start), ("time", time), ("address", address)):
        held = value.view()
        held.flags.writeable = False
        object.__setattr__(spikes, name, held)
    object.__setattr__(spikes, "size", size)


def trusted(
    start: NDArray[np.int64], time: NDArray[np.float64], address: NDArray[np.int64], size: int
) -> Spikes:
    """Return Spikes of arrays that were made here, and so need no check."""
    made = object.__new__(Spikes)
    _hold(made, start, time, address, size)
    return made


def as_spikes(given: Any, dt: float) -> Spikes:
    """Return what was given as Spikes: Spikes, times B N, or a grid `T B *shape`."""
    if isinstance(given, Spikes):
        return given
    array = np.asarray(given)
    return Spikes.from_times(array) if array.ndim == 2 else Spikes.from_bins(array, dt)
