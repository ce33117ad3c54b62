"""Intervals between the spikes of a neuron, and how irregular they are. NaN where a neuron has too few.

    CV     std(I) / mean(I), std with divisor n                                       Gerstner et al. 2014, section 7.3
    CV2    mean of 2 |I_k+1 - I_k| / (I_k+1 + I_k)                                    Holt et al. 1996
    LV     mean of 3 (I_k+1 - I_k)^2 / (I_k+1 + I_k)^2                                Shinomoto et al. 2003
    LvR    mean of 3 (1 - 4 I I' / (I + I')^2) (1 + 4 R / (I + I'))                   Shinomoto et al. 2009

All are 0 for a clock and 1 for a Poisson process (LvR with R = 0). CV2 and LV compare neighbors only, so that a rate
that changes slowly does not count as irregular.

Source
------
Gerstner, Kistler, Naud, Paninski, "Neuronal Dynamics", Cambridge University Press 2014. Holt, Softky, Koch, Douglas,
"Comparison of discharge variability in vitro and in vivo in cat visual cortex neurons", J. Neurophysiol. 75, 1996.
Shinomoto, Shima, Tanji, "Differences in spiking patterns among cortical neurons", Neural Comput. 15, 2003. Shinomoto et
al., "Relating neuronal firing patterns to functional differentiation of cerebral cortex", PLoS Comput. Biol. 5, 2009.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spikewright.analysis.trains import Trains


def intervals(trains: Trains) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return all intervals, s, and the neuron of each, in the order of neurons and of time."""
    same = np.diff(trains.neuron) == 0
    return np.diff(trains.time)[same], trains.neuron[1:][same]


def cv(trains: Trains, *, least: int = 3) -> NDArray[np.float64]:
    """Return the coefficient of variation of each neuron's intervals, (n,).

    Parameters
    ----------
    trains : Trains
    least : spikes that a neuron must have, 3 or more; others get NaN
    """
    length, owner = intervals(trains)
    n = np.maximum(trains.counts - 1, 1)
    mean = np.bincount(owner, length, trains.n) / n
    spread = np.bincount(owner, (length - mean[owner]) ** 2, trains.n) / n
    return _enough(trains, least, np.sqrt(spread), mean)


def cv2(trains: Trains, *, least: int = 3) -> NDArray[np.float64]:
    """Return each neuron's CV2, (n,); `least` as in `cv`."""
    return _of_neighbors(trains, least, lambda a, b: 2 * np.abs(b - a) / (a + b))


def local_variation(
    trains: Trains, *, refractory: float = 0.0, least: int = 3
) -> NDArray[np.float64]:
    """Return each neuron's local variation, (n,): LV, or LvR with a `refractory` constant in s; `least` as in `cv`."""

    def one(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        plain = 3 * ((b - a) / (a + b)) ** 2
        return plain * (1 + 4 * refractory / (a + b)) if refractory else plain

    return _of_neighbors(trains, least, one)


def _of_neighbors(
    trains: Trains,
    least: int,
    value: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return the mean of a value of neighboring intervals; two of length 0 say nothing, and are left out."""
    length, owner = intervals(trains)
    pairs = (np.diff(owner) == 0) & (length[1:] + length[:-1] > 0)
    found = value(length[:-1][pairs], length[1:][pairs])
    mine = owner[1:][pairs]
    total = np.bincount(mine, found, trains.n)
    return _enough(trains, least, total, np.bincount(mine, minlength=trains.n).astype(float))


def _enough(
    trains: Trains, least: int, above: NDArray[np.float64], below: NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((trains.counts >= max(least, 3)) & (below > 0), above / below, np.nan)
