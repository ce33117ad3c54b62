"""How well a noise filter tells signal from noise: receiver operating curves and the area below them.

Notation: the true positive rate is the share of signal that is kept, the false positive rate the share of noise that is
kept. A curve is closed with (0, 0) and (1, 1); its area is that of the trapezoids.

For filters that compare one age with a time (background activity, STCF), one pass gives the whole curve: an event is
kept whenever its age, the k-th smallest among its neighbors, is below the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.filters.base import NEVER, columns_of, count_rule, micros

TIMES = np.logspace(-4, 0, 121)
TIMES.flags.writeable = False
"""Correlation times of a sweep, s: 0.1 ms to 1 s, thirty to a decade."""


@dataclass(frozen=True, eq=False)
class Roc:
    """A receiver operating curve.

    Parameters
    ----------
    values : float array, n, the parameter that was swept
    tpr, fpr : float array, n, share of signal and of noise that was kept
    auc : float, area below the closed curve
    """

    values: NDArray[np.float64]
    tpr: NDArray[np.float64]
    fpr: NDArray[np.float64]
    auc: float


def correlation_ages(
    events: CameraEvents, *, least: int = 2, same_polarity: bool = True, own: bool = True
) -> NDArray[np.int64]:
    """Return for each event the time below which STCF drops it.

    Parameters
    ----------
    events : CameraEvents
    least, same_polarity, own : as in `SpatioTemporal`; `least=1, same_polarity=False, own=False` is background activity

    Returns
    -------
    int64 array, us : the `least`-th smallest age around the event; 2**63 - 1 where there are fewer

    Raises
    ------
    EventError : `least` is out of range

    Examples
    --------
    >>> row = CameraEvents([0, 100, 250], [4, 5, 6], [4, 4, 4], [1, 1, 1], 9, 9)
    >>> correlation_ages(row, least=1).tolist()[1:]
    [100, 150]
    """
    from spikewright.events.measures.loops import ages

    problems = Problems()
    count_rule(problems, "correlation_ages.least", least, 1, 9 if own else 8)
    problems.raise_as(EventError)
    last = np.full(2 * (events.width + 2) * (events.height + 2), NEVER, np.int64)
    out = np.empty(len(events), np.int64)
    size = (events.width, events.height)
    ages(*columns_of(events), *size, least, same_polarity, own, last, out)
    return out


def age_weights(
    events: CameraEvents, *, within: float = 50e-3, radius: int = 2
) -> NDArray[np.float64]:
    """Return for each event the threshold at and above which `AgeWeighted` drops it.

    Examples
    --------
    >>> row = CameraEvents([0, 100, 250], [4, 5, 6], [4, 4, 4], [1, 1, 1], 9, 9)
    >>> age_weights(row, within=1e-3).tolist()
    [0.0, 0.9, 1.6]
    """
    from spikewright.events.filters.denoise import AgeWeighted
    from spikewright.events.measures.loops import youths

    AgeWeighted(within=within, radius=radius)  # checks both
    size = (events.width, events.height)
    cells = (size[0] + 2 * radius) * (size[1] + 2 * radius)
    last, out = np.full(2 * cells, NEVER, np.int64), np.empty(len(events), np.int64)
    youths(*columns_of(events), *size, micros(within), radius, last, out)
    return np.asarray(out / micros(within), np.float64)


def roc_of_weights(weights: NDArray[np.float64], is_signal: NDArray[np.bool_]) -> Roc:
    """Return the curve of a filter that keeps an event when its weight exceeds a threshold; 200 thresholds.

    Raises
    ------
    EventError : lengths differ, or there is no signal or no noise
    """
    signal, noise = _parted(weights, is_signal)
    values = np.unique(np.quantile(weights, np.linspace(0, 1, 200)))[::-1]
    tpr = 1 - np.searchsorted(np.sort(signal), values, side="right") / signal.size
    fpr = 1 - np.searchsorted(np.sort(noise), values, side="right") / noise.size
    return Roc(values, tpr, fpr, area(fpr, tpr))


def roc_of_ages(
    ages: NDArray[np.int64], is_signal: NDArray[np.bool_], *, times: NDArray[np.float64] = TIMES
) -> Roc:
    """Return the curve of a filter that keeps an event when its age is at most a time.

    Parameters
    ----------
    ages : int array, us
    is_signal : bool array, one per event
    times : float array, s

    Raises
    ------
    EventError : lengths differ, or there is no signal or no noise
    """
    signal, noise = _parted(ages, is_signal)
    limits = np.asarray(times) * 1e6
    tpr = np.searchsorted(np.sort(signal), limits, side="right") / signal.size
    fpr = np.searchsorted(np.sort(noise), limits, side="right") / noise.size
    return Roc(np.asarray(times, np.float64), tpr, fpr, area(fpr, tpr))


def sweep(
    filter_at: Callable[[float], Callable[[CameraEvents], CameraEvents]],
    events: CameraEvents,
    is_signal: NDArray[np.bool_],
    values: Sequence[float] | NDArray[np.float64],
) -> Roc:
    """Return the curve of any filter that keeps or drops events, by running it at each value.

    Parameters
    ----------
    filter_at : returns the filter at a value
    events : CameraEvents
    is_signal : bool array, one per event
    values : of the parameter that is swept

    Raises
    ------
    EventError : the filter does more than keep or drop, or lengths differ, or there is no signal or no noise
    """
    index = np.arange(len(events))
    signal, noise = _parted(index, is_signal)
    rates = []
    for value in values:
        kept = is_signal[kept_by(filter_at(float(value)), events)]
        rates.append((kept.sum() / signal.size, (~kept).sum() / noise.size))
    tpr, fpr = np.array(rates).reshape(-1, 2).T
    return Roc(np.asarray(values, np.float64), tpr, fpr, area(fpr, tpr))


def kept_by(run: Callable[[CameraEvents], CameraEvents], events: CameraEvents) -> NDArray[np.int64]:
    """Return the positions of the events that a filter keeps.

    Events are found again by their columns, so of several equal ones the first count as kept.

    Raises
    ------
    EventError : the filter changed or invented an event, or its order
    """
    out = run(events)
    from spikewright.events.measures.matching import positions

    found = positions(*columns_of(events), *columns_of(out))
    if found.size != len(out):
        raise EventError(
            explain(
                "kept_by", "the filter does more than keep or drop",
                found=f"{found.size} of {len(out)} events in the recording",
            )
        )  # fmt: skip
    return np.asarray(found)


def area(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> float:
    """Return the area below a curve closed with (0, 0) and (1, 1).

    Examples
    --------
    >>> area(np.array([0.0]), np.array([1.0])), area(np.array([0.5]), np.array([0.5]))
    (1.0, 0.5)
    """
    x, y = np.concatenate([[0.0], fpr, [1.0]]), np.concatenate([[0.0], tpr, [1.0]])
    order = np.lexsort((y, x))
    return float(np.trapezoid(y[order], x[order]))


def _parted(
    values: NDArray[Any], is_signal: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[Any]]:
    if values.shape != is_signal.shape or is_signal.dtype != np.bool_:
        raise EventError(
            explain(
                "roc", "labels do not fit the events",
                found=f"{is_signal.dtype} of shape {is_signal.shape}",
                expected=f"bool of shape {values.shape}",
            )
        )  # fmt: skip
    signal, noise = values[is_signal], values[~is_signal]
    if not signal.size or not noise.size:
        raise EventError(
            explain(
                "roc", "needs both signal and noise",
                found=f"{signal.size} signal and {noise.size} noise events",
            )
        )  # fmt: skip
    return signal, noise
