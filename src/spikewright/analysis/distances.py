"""Distances between spike trains, for every two neurons: (n, n), symmetric, 0 on the diagonal.

    van Rossum       D^2 = (1 / tau) int (f - g)^2 dt, f the train convolved with exp(-t / tau) for t >= 0; one spike
                     more is D^2 = 1/2. With all spikes of both in one list, and signs s that say whose they are,
                     D^2 = (1/2) sum_ij s_i s_j exp(-|t_i - t_j| / tau)
    Victor-Purpura   the cheapest way from one train to the other: 1 to add or remove a spike, q |dt| to move one
    ISI              mean over time of |x - y| / max(x, y), x and y the intervals that both are in
    SPIKE            mean over time of (S1 y + S2 x) / ((x + y)^2 / 2), with S1 = (d_P (t_F - t) + d_F (t - t_P)) / x
                     of the spikes before and behind t, d their distance to the nearest spike of the other train

For ISI and SPIKE, both edges of the window count as spikes of every train. Both are from 0 to 1.

Source
------
van Rossum, "A novel spike distance", Neural Comput. 13, 2001. Victor and Purpura, "Nature and precision of temporal
coding in visual cortex", J. Neurophysiol. 76, 1996. Kreuz, Haas, Morelli, Abarbanel, Politi, "Measuring spike train
synchrony", J. Neurosci. Methods 165, 2007. Kreuz, Chicharro, Houghton, Andrzejak, Mormann, "Monitoring spike train
synchrony", J. Neurophysiol. 109, 2013.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spikewright.analysis.trains import Trains
from spikewright.errors import DataError, explain


def van_rossum(trains: Trains, tau: float) -> NDArray[np.float64]:
    """Return D for every two neurons, (n, n); `tau` in s."""
    if not tau > 0 or not np.isfinite(tau):
        raise DataError(
            explain("van_rossum", "not a time constant", found=f"{tau} s", expected="more than 0 s")
        )
    from spikewright.analysis.kernels import overlaps

    shared = overlaps(trains.start, trains.time / tau)
    own = np.diag(shared)
    return np.sqrt(np.maximum(own[:, None] + own[None, :] - 2 * shared, 0.0))


def victor_purpura(trains: Trains, cost: float) -> NDArray[np.float64]:
    """Return the cost for every two neurons, (n, n); `cost` of moving a spike in 1/s, 0 or more."""
    if not cost >= 0 or not np.isfinite(cost):
        raise DataError(
            explain("victor_purpura", "not a cost", found=f"{cost} Hz", expected="0 Hz or more")
        )
    from spikewright.analysis.kernels import edits

    return edits(trains.start, trains.time * cost)


def isi_distance(trains: Trains) -> NDArray[np.float64]:
    """Return the ISI-distance of every two neurons, (n, n)."""

    def one(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        edges, i, j = _pieces(a, b)
        x, y = a[i + 1] - a[i], b[j + 1] - b[j]
        return float(np.sum(np.diff(edges) * np.abs(x - y) / np.maximum(x, y)) / trains.duration)

    return _pairs(trains, one)


def spike_distance(trains: Trains) -> NDArray[np.float64]:
    """Return the SPIKE-distance of every two neurons, (n, n)."""

    def one(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        edges, i, j = _pieces(a, b)
        x, y = a[i + 1] - a[i], b[j + 1] - b[j]
        near_a, near_b = _nearest(a, b), _nearest(b, a)

        def at(t: NDArray[np.float64]) -> NDArray[np.float64]:
            first = (near_a[i] * (a[i + 1] - t) + near_a[i + 1] * (t - a[i])) / x
            second = (near_b[j] * (b[j + 1] - t) + near_b[j + 1] * (t - b[j])) / y
            return (first * y + second * x) / (0.5 * (x + y) ** 2)

        # between two spikes of either train everything is a line
        both = 0.5 * (at(edges[:-1]) + at(edges[1:]))
        return float(np.sum(np.diff(edges) * both) / trains.duration)

    return _pairs(trains, one)


def _pairs(
    trains: Trains, one: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
) -> NDArray[np.float64]:
    with_edges = [
        np.unique(
            np.concatenate(
                [[trains.begin], np.clip(trains[j], trains.begin, trains.end), [trains.end]]
            )
        )
        for j in range(trains.n)
    ]
    found = np.zeros((trains.n, trains.n))
    for i in range(trains.n):
        for j in range(i):
            found[i, j] = found[j, i] = one(with_edges[i], with_edges[j])
    return found


def _pieces(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the times at which either train has a spike, and for each piece the spike before it in both."""
    edges = np.union1d(a, b)
    i = np.searchsorted(a, edges[:-1], "right") - 1
    j = np.searchsorted(b, edges[:-1], "right") - 1
    return edges, i, j


def _nearest(of: NDArray[np.float64], to: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance from each time to the nearest of another train."""
    right = np.clip(np.searchsorted(to, of), 1, len(to) - 1)
    return np.minimum(np.abs(of - to[right - 1]), np.abs(to[right] - of))
