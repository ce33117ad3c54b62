"""Counts in bins: Fano factors, correlations between neurons, correlograms.

Fano factor: variance / mean of a neuron's count over bins; 1 for a Poisson process. Correlation: Pearson's, of the
counts of two neurons (Perkel, Gerstein, Moore, "Neuronal spike trains and stochastic point processes II", Biophys. J.
7, 1967, for correlograms; Cohen and Kohn, "Measuring and interpreting neuronal correlations", Nat. Neurosci. 14, 2011).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright.analysis.trains import Trains, bin_of, bins
from spikewright.errors import DataError, explain

MEMORY_LIMIT = 4 * 2**30
"""Bytes that one table of counts or correlations may take."""
CHUNK = 1 << 22
"""Differences of times that a correlogram holds at once."""


def spike_counts(trains: Trains, width: float) -> NDArray[np.int64]:
    """Return the spikes of each neuron in bins of `width` seconds, `T n`; what is left at the end is not counted.

    Raises
    ------
    DataError : `width` is not positive or longer than the window, or the table would not fit the memory
    """
    n_bins = bins(trains, width, "spike_counts")
    _check_size("spike_counts", n_bins * trains.n)
    place = bin_of(trains, width, n_bins)
    inside = place < n_bins
    flat = place[inside] * trains.n + trains.neuron[inside]
    return np.bincount(flat, minlength=n_bins * trains.n).reshape(n_bins, trains.n)


def fano_factor(trains: Trains, width: float) -> NDArray[np.float64]:
    """Return the Fano factor of each neuron's count in bins of `width` seconds, (n,); NaN for a silent one.

    For that of the whole population's count say `fano_factor(trains.pooled(), width)`.
    """
    counts = spike_counts(trains, width)
    mean = counts.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mean > 0, counts.var(axis=0) / mean, np.nan)


def correlations(trains: Trains, width: float) -> NDArray[np.float64]:
    """Return Pearson's correlation of the counts of every two neurons in bins of `width` seconds, (n, n).

    Rows and columns of neurons whose count never changes are NaN. For the mean over pairs of a large population choose
    some hundred neurons first: `correlations(trains.choose(range(200)), 5 * ms)`.
    """
    _check_size("correlations", trains.n**2)
    counts = spike_counts(trains, width).astype(np.float64)
    counts -= counts.mean(axis=0)
    length = np.sqrt((counts**2).sum(axis=0))
    length[length == 0] = np.nan
    counts /= length
    matrix = counts.T @ counts
    np.fill_diagonal(matrix, np.where(np.isnan(length), np.nan, 1.0))
    return np.clip(matrix, -1.0, 1.0)


def cross_correlogram(
    one: Trains, other: Trains, *, width: float, longest: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rate of `other` around a spike of `one`, at lags from `-longest` to `longest`.

    All neurons of each side are taken together; choose one of each for a pair. Where both sides are the same object,
    a spike is not compared with itself: the auto-correlogram. Times of a clocked engine are multiples of dt: a width of
    an odd number of steps keeps differences off the edges of bins.

    Parameters
    ----------
    one, other : Trains
    width : s, of a bin; bins are centered on multiples of it
    longest : s

    Returns
    -------
    lags (s, other minus one), and for each the spikes of `other` per spike of `one` and per second, Hz. Windows
    that reach over the end of the recording are not made up for

    Raises
    ------
    DataError : `width` is not positive, or `longest` shorter than it
    """
    if not width > 0 or not longest >= width:
        raise DataError(
            explain(
                "cross_correlogram", "not a width and a longest lag", found=f"{width} s, {longest} s",
                expected="0 < width <= longest",
            )
        )  # fmt: skip
    reach = round(longest / width)
    first, second = np.sort(one.time), np.sort(other.time)
    edge = (reach + 0.5) * width
    low = np.searchsorted(second, first - edge, "left")
    many = np.searchsorted(second, first + edge, "right") - low
    found = np.zeros(2 * reach + 1, np.int64)
    ends = np.cumsum(many)
    begin = 0
    while begin < len(first):
        done = ends[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, done + CHUNK, "right")))
        counts = many[begin:stop]
        owner = np.repeat(np.arange(begin, stop), counts)
        inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        lag = second[low[owner] + inner] - first[owner]
        place = np.floor(lag / width + 0.5 + 1e-9).astype(np.int64) + reach
        found += np.bincount(place[(place >= 0) & (place <= 2 * reach)], minlength=len(found))
        begin = stop
    if one is other:
        found[reach] -= len(first)
    lags = np.arange(-reach, reach + 1) * width
    return lags, found / (max(len(first), 1) * width)


def _check_size(where: str, entries: int) -> None:
    if 8 * entries > MEMORY_LIMIT:
        raise DataError(
            explain(
                where,
                "the table would not fit the memory",
                found=f"{8 * entries / 2**30:.1f} GiB",
                expected=f"{MEMORY_LIMIT / 2**30:.0f} GiB at most",
                cure="choose fewer neurons, a shorter window or wider bins",
            )
        )
