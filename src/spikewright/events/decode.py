"""Decoders: what a network's output says, from spikes `T B *shape` or traces `T B N`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, explain
from spikewright.events.bins import bin_events
from spikewright.events.clock import check_time
from spikewright.events.stream import Events


def count(spikes: ArrayLike) -> NDArray[np.float64]:
    """Return how many spikes each address had; graded spikes count what they say.

    Parameters
    ----------
    spikes : array, T B *shape

    Returns
    -------
    float64 array, B *shape

    Examples
    --------
    >>> count([[[0, 1]], [[1, 1]]]).tolist()
    [[1.0, 2.0]]
    """
    return np.asarray(_steps("count", spikes).sum(axis=0, dtype=np.float64), np.float64)


def rate(spikes: ArrayLike, dt: float) -> NDArray[np.float64]:
    """Return the mean rate of each address.

    Parameters
    ----------
    spikes : array, T B *shape, T >= 1
    dt : float, s

    Returns
    -------
    float64 array, B *shape, Hz

    Examples
    --------
    >>> rate([[[0, 1]], [[1, 1]]], dt=1e-3).tolist()
    [[500.0, 1000.0]]
    """
    array = _steps("rate", spikes, least=1)
    check_time("rate", "dt", dt)
    return np.asarray(count(array) / (array.shape[0] * dt), np.float64)


def first_spike(spikes: ArrayLike, dt: float) -> NDArray[np.float64]:
    """Return the time of the first spike of each address: the start of its step.

    Parameters
    ----------
    spikes : array, T B *shape
    dt : float, s

    Returns
    -------
    float64 array, B *shape, s : infinite where silent

    Examples
    --------
    >>> first_spike([[[0, 1, 0]], [[1, 1, 0]]], dt=1e-3).tolist()
    [[0.001, 0.0, inf]]
    """
    check_time("first_spike", "dt", dt)
    step, fired = _first_step(_steps("first_spike", spikes))
    return np.where(fired, step * dt, np.inf)


def argmax_count(spikes: ArrayLike) -> NDArray[np.int64]:
    """Return the neuron with the most spikes.

    Among equals it is the one that spiked first, and among those the one of lowest index.

    Parameters
    ----------
    spikes : array, T B N, N >= 1

    Returns
    -------
    int64 array, B

    Examples
    --------
    >>> argmax_count([[[0, 0, 1]], [[1, 1, 0]]]).tolist()
    [2]
    """
    array = _steps("argmax_count", spikes)
    if array.ndim != 3 or array.shape[2] == 0:
        raise EventError(
            explain(
                "argmax_count", "axes do not fit", found=f"shape {array.shape}", expected="T B N"
            )
        )
    total = count(array)
    step, fired = _first_step(array)
    best = total == total.max(axis=1, keepdims=True)
    when = np.where(best, np.where(fired, step, array.shape[0]), np.inf)
    return np.asarray(np.argmin(when, axis=1), np.int64)


def membrane_max(trace: ArrayLike) -> NDArray[np.float64]:
    """Return the largest value that each trace reached.

    Parameters
    ----------
    trace : array, T B N, T >= 1; any unit

    Returns
    -------
    float64 array, B N, the unit of the trace

    Examples
    --------
    >>> membrane_max([[[0.1, 0.2]], [[0.3, 0.1]]]).tolist()
    [[0.3, 0.2]]
    """
    return np.asarray(_steps("membrane_max", trace, least=1).max(axis=0), np.float64)


def membrane_mean(trace: ArrayLike) -> NDArray[np.float64]:
    """Return the mean of each trace over time.

    Parameters
    ----------
    trace : array, T B N, T >= 1; any unit

    Returns
    -------
    float64 array, B N, the unit of the trace

    Examples
    --------
    >>> membrane_mean([[[0.0, 2.0]], [[1.0, 4.0]]]).tolist()
    [[0.5, 3.0]]
    """
    return np.asarray(_steps("membrane_mean", trace, least=1).mean(axis=0), np.float64)


def reconstruct(
    crossings: ArrayLike | Events | Sequence[Events],
    threshold: ArrayLike,
    *,
    start: ArrayLike = 0.0,
    dt: float | None = None,
    steps: int | None = None,
) -> NDArray[np.float64]:
    """Return the signal that `encode.level_crossing` was given, to within one threshold.

    Parameters
    ----------
    crossings : array T B 2 C, or Events of shape (2, C), one or B of them
    threshold : float or C, > 0; the one that encoded
    start : float, C or B C; the level before step 0
    dt, steps : float, s, and T; of Events, which need `dt`

    Returns
    -------
    float64 array, T B C, the unit of the threshold

    Raises
    ------
    EventError : axes do not fit, or `dt` is missing

    Examples
    --------
    >>> reconstruct([[[[0.0], [2.0]]], [[[1.0], [0.0]]]], 0.5)[:, 0, 0].tolist()
    [1.0, 0.5]
    """
    if isinstance(crossings, Events) or (
        isinstance(crossings, list | tuple) and crossings and isinstance(crossings[0], Events)
    ):
        if dt is None:
            raise EventError(
                explain("reconstruct", "Events lie on no grid", cure="give dt=, in seconds")
            )
        array = bin_events(crossings, dt, steps=steps)
    else:
        array = _steps("reconstruct", crossings)  # type: ignore[arg-type]
    if array.ndim != 4 or array.shape[2] != 2:
        raise EventError(
            explain(
                "reconstruct", "axes do not fit", found=f"shape {array.shape}", expected="T B 2 C"
            )
        )
    level = np.cumsum(array[:, :, 1] - array[:, :, 0].astype(np.float64), axis=0)
    try:
        signal = np.asarray(start, np.float64) + level * np.asarray(threshold, np.float64)
        return np.array(np.broadcast_to(signal, level.shape))
    except ValueError:
        raise EventError(
            explain(
                "reconstruct",
                "threshold or start do not fit the crossings",
                found=f"{np.shape(threshold)} and {np.shape(start)}",
                expected=f"a number, or one per channel of {level.shape[2]}",
            )
        ) from None


def _first_step(array: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    spiked = array != 0
    fired = spiked.any(axis=0)
    if array.shape[0] == 0:
        return np.zeros(array.shape[1:], np.int64), fired
    return spiked.argmax(axis=0), fired


def _steps(where: str, given: ArrayLike, *, least: int = 0) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(given)
    if array.ndim < 3:
        raise EventError(
            explain(
                where,
                "axes do not fit",
                found=f"shape {array.shape}",
                expected="T B N",
                cure="add a batch axis of 1: array[:, None]",
            )
        )
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and np.isnan(array).any()):
        found = array.dtype if array.dtype.kind not in "biuf" else "NaN"
        raise EventError(explain(where, "is not real numbers", found=found, expected="no NaN"))
    if array.shape[0] < least:
        raise EventError(explain(where, "has no steps", found=0, expected=f"at least {least}"))
    return array
