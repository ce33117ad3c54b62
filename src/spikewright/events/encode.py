"""Encoders: numbers to spikes on a grid of steps, as arrays `T B *shape` that every engine takes.

`from_bins` turns such an array into `Events`. Intensities are numbers from 0 to 1, `B *shape` with
a batch axis; a flat array is one sample `N`, and `shape=` says what a sample is where that would be
misread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.rng import stream

ROUNDING = 1e-9
"""Part of a spike by which a phase may miss a whole number: float64 rounding, nothing else."""


class LatencyCurve(Enum):
    """How a latency falls with intensity."""

    LINEAR = "linear"
    """Intensity 1 spikes in step 0, the threshold would in the last; proportional between."""
    LOGARITHMIC = "logarithmic"
    """When a leaky integrator reaches the threshold: tau ln(x / (x - threshold))."""


def poisson_rate(
    intensity: ArrayLike,
    max_rate: float,
    steps: int,
    dt: float,
    *,
    seed: int,
    shape: tuple[int, ...] | None = None,
    samples: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """Spike at random, at most once per step, with a mean rate proportional to intensity.

    The draws of a sample depend on `seed` and its number alone, not on the rest of the batch.

    Parameters
    ----------
    intensity : array, B *shape or N, 0 to 1
    max_rate : float, Hz, of intensity 1; at most 1 / `dt`
    steps : T
    dt : float, s
    seed : int
    shape : of a sample; None takes the first of several axes as the batch
    samples : B numbers that name the samples; None numbers them 0 to B - 1

    Returns
    -------
    uint8 array, T B *shape : each cell is 1 with probability intensity * max_rate * dt

    Raises
    ------
    EventError : intensity outside 0 to 1, more than one spike per step, or an impossible grid

    Examples
    --------
    >>> poisson_rate([0.0, 1.0], 1000.0, 4, 1e-3, seed=1)[:, 0].T.tolist()
    [[0, 0, 0, 0], [1, 1, 1, 1]]
    """
    x = _intensities("poisson_rate", intensity, shape)
    probability = x * _per_step("poisson_rate", max_rate, steps, dt)
    named = range(x.shape[0]) if samples is None else samples
    if len(named) != x.shape[0]:
        raise EventError(
            explain(
                "poisson_rate: samples", "not one per sample", found=len(named), expected=x.shape[0]
            )
        )
    out = np.zeros((steps, *x.shape), np.uint8)
    for b, sample in enumerate(named):
        draws = stream(seed, f"events/poisson_rate/{int(sample)}").random((steps, *x.shape[1:]))
        out[:, b] = draws < probability[b]
    return out


def deterministic_rate(
    intensity: ArrayLike,
    max_rate: float,
    steps: int,
    dt: float,
    *,
    shape: tuple[int, ...] | None = None,
) -> NDArray[np.uint8]:
    """Spike evenly: whenever the accumulated phase, rate times time, passes a whole number.

    Parameters
    ----------
    intensity : array, B *shape or N, 0 to 1
    max_rate : float, Hz, of intensity 1; at most 1 / `dt`
    steps : T
    dt : float, s
    shape : of a sample; None takes the first of several axes as the batch

    Returns
    -------
    uint8 array, T B *shape : floor(rate * k * dt) spikes in the first k steps, for every k

    Raises
    ------
    EventError : intensity outside 0 to 1, more than one spike per step, or an impossible grid

    Examples
    --------
    >>> deterministic_rate([0.5, 1.0], 500.0, 8, 1e-3)[:, 0].T.tolist()
    [[0, 0, 0, 1, 0, 0, 0, 1], [0, 1, 0, 1, 0, 1, 0, 1]]
    """
    x = _intensities("deterministic_rate", intensity, shape)
    phase = x * _per_step("deterministic_rate", max_rate, steps, dt)
    out = np.zeros((steps, *x.shape), np.uint8)
    before = np.zeros(x.shape)
    for k in range(steps):
        passed = np.floor(phase * (k + 1) + ROUNDING)
        out[k] = passed > before
        before = passed
    return out


def latency(
    intensity: ArrayLike,
    steps: int,
    dt: float,
    *,
    curve: LatencyCurve = LatencyCurve.LINEAR,
    tau: float | None = None,
    threshold: float = 0.0,
    shape: tuple[int, ...] | None = None,
) -> NDArray[np.uint8]:
    """Spike once per address, the stronger the earlier; silent at or below the threshold.

    Parameters
    ----------
    intensity : array, B *shape or N, 0 to 1
    steps : T
    dt : float, s
    curve : how latency falls with intensity
    tau : float, s, > 0; of LatencyCurve.LOGARITHMIC, which needs it and a threshold above 0
    threshold : 0 <= threshold < 1
    shape : of a sample; None takes the first of several axes as the batch

    Returns
    -------
    uint8 array, T B *shape : latencies beyond the last step fall into it

    Raises
    ------
    EventError : intensity outside 0 to 1, an impossible grid, or `tau` or `threshold` do not fit
        the curve

    Source
    ------
    LOGARITHMIC is solved from v(t) = x (1 - exp(-t / tau)) = threshold.

    Examples
    --------
    >>> latency([1.0, 0.5, 0.0], 3, 1e-3)[:, 0].T.tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    x = _intensities("latency", intensity, shape)
    _grid("latency", steps, dt)
    problems = Problems()
    logarithmic = curve is LatencyCurve.LOGARITHMIC
    if not (0 <= threshold < 1) or (logarithmic and threshold == 0):
        problems.add(
            "latency: threshold",
            f"does not fit the {curve.value} curve",
            found=threshold,
            expected="0 < threshold < 1" if logarithmic else "0 <= threshold < 1",
        )
    if logarithmic and not (tau is not None and tau > 0 and math.isfinite(tau)):
        problems.add(
            "latency: tau", "is not a time constant", found=tau or "none", expected="seconds, > 0"
        )
    if not logarithmic and tau is not None:
        problems.add(
            "latency: tau", "has no meaning for the linear curve", found=tau, expected="none"
        )
    problems.raise_as(EventError)
    out = np.zeros((steps, *x.shape), np.uint8)
    if steps == 0:
        return out
    loud = np.nonzero(x > threshold)
    if logarithmic and tau is not None:
        # log1p keeps the latencies of weak intensities apart
        late = -tau * np.log1p(-threshold / x[loud]) / dt
        step = np.floor(np.minimum(late + ROUNDING, steps - 1))
    else:
        step = np.rint((steps - 1) * (1 - x[loud]) / (1 - threshold))
    out[(step.astype(np.int64), *loud)] = 1
    return out


def level_crossing(
    signal: ArrayLike, threshold: ArrayLike, *, start: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """Send how many levels, `threshold` apart, a signal has crossed since the last it sent.

    Parameters
    ----------
    signal : array, T C or T B C; any unit
    threshold : float or C, > 0, the unit of the signal
    start : float, C or B C; the level before step 0, which `reconstruct` must be told too

    Returns
    -------
    float64 array, T B 2 C : crossings per step, down at polarity 0 and up at polarity 1;
        `reconstruct` returns the signal to within one threshold

    Raises
    ------
    EventError : not finite, of other axes, or a threshold that is not positive

    Examples
    --------
    >>> level_crossing([[0.0], [0.25], [0.05]], 0.1)[:, 0, :, 0].tolist()
    [[0.0, 0.0], [0.0, 2.0], [1.0, 0.0]]
    """
    x = _real("level_crossing: signal", signal)
    if x.ndim not in (2, 3):
        raise EventError(
            explain(
                "level_crossing: signal", "axes do not fit", found=x.shape, expected="T C or T B C"
            )
        )
    if x.ndim == 2:
        x = x[:, np.newaxis]
    apart = _real("level_crossing: threshold", threshold)
    if not (apart > 0).all():
        raise EventError(
            explain(
                "level_crossing: threshold", "is not positive", found=apart.min(), expected="> 0"
            )
        )
    origin = _real("level_crossing: start", start)
    try:
        # in units of levels from the start, so that nothing accumulates
        levels = np.broadcast_to((x - origin) / apart, x.shape)
    except ValueError:
        raise EventError(
            explain(
                "level_crossing",
                "threshold or start do not fit the signal",
                found=f"{apart.shape} and {origin.shape}",
                expected=f"a number, or one per channel of {x.shape[2]}",
            )
        ) from None
    out = np.zeros((x.shape[0], x.shape[1], 2, x.shape[2]))
    level = np.zeros(x.shape[1:])
    for k in range(x.shape[0]):
        away = levels[k] - level
        crossed = np.copysign(np.floor(np.abs(away) + ROUNDING), away)
        out[k, :, 0] = np.maximum(-crossed, 0.0)
        out[k, :, 1] = np.maximum(crossed, 0.0)
        level = level + crossed
    return out


def population(
    values: ArrayLike,
    n: int,
    *,
    low: ArrayLike,
    high: ArrayLike,
    sigma: float | None = None,
) -> NDArray[np.float64]:
    """Spread each number over `n` neurons with Gaussian receptive fields.

    The centers are evenly spaced from `low` to `high`, both included.

    Parameters
    ----------
    values : array, B D; any unit
    n : neurons per dimension, at least 2
    low, high : float or D; centers of the first and the last field
    sigma : float, width of a field, in distances between centers; None takes 1

    Returns
    -------
    float64 array, B D n : intensities, 0 to 1, to be encoded by rate or latency

    Raises
    ------
    EventError : not finite, of other axes, `low` not below `high`, fewer than 2 neurons, no width

    Source
    ------
    Bohte, La Poutre, Kok, "Unsupervised clustering with spiking neurons by sparse temporal coding
    and multilayer RBF networks", IEEE Trans. Neural Networks 13 (2002), for overlapping Gaussian
    fields per input dimension. Where the first and the last center lie is ours.

    Examples
    --------
    >>> population([[0.5]], 3, low=0.0, high=1.0).round(4).tolist()
    [[[0.6065, 1.0, 0.6065]]]
    """
    x = _real("population: values", values)
    bottom, top = _real("population: low", low), _real("population: high", high)
    width = 1.0 if sigma is None else sigma
    problems = Problems()
    if x.ndim != 2:
        problems.add("population: values", "axes do not fit", found=x.shape, expected="B D")
    if n < 2:
        problems.add("population: n", "too few neurons", found=n, expected="at least 2")
    if not (width > 0 and math.isfinite(width)):
        problems.add("population: sigma", "is not a width", found=width, expected="> 0")
    sizes_fit = x.ndim == 2 and all(end.shape in ((), (x.shape[1],)) for end in (bottom, top))
    if x.ndim == 2 and not sizes_fit:
        problems.add(
            "population: low, high",
            "do not fit the values",
            found=f"{bottom.shape} and {top.shape}",
            expected=f"a number, or one per dimension of {x.shape[1]}",
        )
    elif sizes_fit and not (bottom < top).all():
        problems.add(
            "population: low", "is not below high", found=bottom, expected=f"less than {top}"
        )
    problems.raise_as(EventError)
    spacing = (top - bottom) / (n - 1)
    place = (x - bottom) / spacing
    return np.exp(-0.5 * ((place[:, :, np.newaxis] - np.arange(n)) / width) ** 2)


def _real(where: str, given: ArrayLike) -> NDArray[np.float64]:
    array: NDArray[Any] = np.asarray(given)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        found = array.dtype if array.dtype.kind not in "biuf" else "NaN or infinity"
        raise EventError(explain(where, "is not finite real numbers", found=found))
    return array.astype(np.float64)


def _intensities(
    where: str, given: ArrayLike, shape: tuple[int, ...] | None
) -> NDArray[np.float64]:
    x = _real(f"{where}: intensity", given)
    if x.ndim >= 1 and (x.shape == shape or (shape is None and x.ndim == 1)):
        x = x[np.newaxis]
    elif x.ndim < 2 or shape not in (None, x.shape[1:]):
        raise EventError(
            explain(
                f"{where}: intensity",
                "axes do not fit",
                found=f"shape {x.shape}",
                expected=f"B *shape or *shape, with shape {shape}" if shape else "N or B *shape",
            )
        )
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise EventError(
            explain(
                f"{where}: intensity",
                "outside 0 to 1",
                found=f"{x.min():g} to {x.max():g}",
                expected="0 to 1",
                cure="divide by the largest value that can occur",
            )
        )
    return x


def _grid(where: str, steps: int, dt: float) -> None:
    problems = Problems()
    if steps < 0:
        problems.add(f"{where}: steps", "negative", found=steps, expected="0 or more")
    if not (dt > 0 and math.isfinite(dt)):
        problems.add(f"{where}: dt", "is not a time", found=dt, expected="seconds, more than 0")
    problems.raise_as(EventError)


def _per_step(where: str, max_rate: float, steps: int, dt: float) -> float:
    """Return the spikes per step of intensity 1."""
    _grid(where, steps, dt)
    if not (0 <= max_rate * dt <= 1 + ROUNDING):
        raise EventError(
            explain(
                f"{where}: max_rate",
                "more than one spike per step, or no rate",
                found=f"{max_rate:g} Hz",
                expected=f"0 to {1 / dt:g} Hz, one spike per step of {dt:g} s",
                cure="use a smaller dt or a lower rate",
            )
        )
    return min(max_rate * dt, 1.0)
