"""Neurons without a threshold: the greatest value of their membrane, and its mean over the run. Compiled.

Their membrane is a sum of responses, so that both derivatives are sums too, without an adjoint. The mean is weighted
with exp(-g t). With S the time from an arrival at t to the end of the run, x = a + g and z = b + g, an arrival of
weight 1 gives to the integral

    F = exp(-g t) (1 - exp(-x S) - x K(S; x, z)) / (x z)          dF/dt = -g F - exp(-g t) exp(-g S) K(S; a, b)

and to the value at the time m of the maximum K(m - t; a, b). Where the maximum is an arrival itself, it moves with it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spikewright.train.eventprop.crossing import compiled, peak_time, response

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


@compiled
def _integral(a: float, b: float, g: float, t: float, until: float) -> float:
    """Return F; K is finite also where x = z."""
    x, z, span = a + g, b + g, until - t
    rest = -math.expm1(-x * span) - x * response(x, z, span)
    return math.exp(-g * t) * rest / (x * z)


@compiled
def forward(
    start: Whole,
    time: Reals,
    row: Whole,
    weight: Reals,
    delay: Reals,
    a: Reals,
    b: Reals,
    u_start: Reals,
    y_start: Reals,
    until: float,
    g: float,
    is_mean: bool,
) -> tuple[Reals, Reals, Whole, Reals, Reals]:
    """Return what the membranes did.

    Parameters
    ----------
    start, time, row : spikes that reach the population, sorted by time within a sample
    weight, delay : V/s and s, spike's row x neuron
    a, b, u_start, y_start : of each neuron
    is_mean : whether integrals are asked for; 0 where they are not

    Returns
    -------
    greatest, when, kink, slope : sample x neuron; the greatest value, its time, the spike whose arrival it is (or -1),
        and the slope before that arrival
    integral : sample x neuron, of exp(-g t) u
    """
    n_samples, n = len(start) - 1, weight.shape[1]
    greatest, when = np.empty((n_samples, n)), np.zeros((n_samples, n))
    kink, slope = np.full((n_samples, n), -1, np.int64), np.zeros((n_samples, n))
    integral = np.zeros((n_samples, n))
    longest = 1
    for sample in range(n_samples):
        longest = max(longest, start[sample + 1] - start[sample])
    at, every = np.empty(longest), np.arange(longest)
    for sample in range(n_samples):
        low, high = start[sample], start[sample + 1]
        for i in range(n):
            order, is_sorted = every[: high - low], True
            for k in range(low, high):
                at[k - low] = time[k] + delay[row[k], i]
                is_sorted &= k == low or at[k - low] >= at[k - low - 1]
            if not is_sorted:
                order = np.argsort(at[: high - low], kind="mergesort")
            u, y, now = u_start[i], y_start[i], 0.0
            greatest[sample, i] = u
            c, total = a[i] + g, 0.0
            if is_mean:  # the start decays like a response: u exp(-a t) + y K(t)
                total = -u * math.expm1(-c * until) / c + y * _integral(a[i], b[i], g, 0.0, until)
            for step in range(high - low + 1):
                ended = step == high - low or at[order[step]] > until
                then = until if ended else at[order[step]]
                span = then - now
                before, slope_before = u, y - a[i] * u
                gather = response(a[i], b[i], span)
                u = u * math.exp(-a[i] * span) + y * gather
                late = y * math.exp(-b[i] * span)
                if slope_before > 0.0 and late - a[i] * u < 0.0:
                    s = peak_time(before, y, a[i], b[i])
                    value = before * math.exp(-a[i] * s) + y * response(a[i], b[i], s)
                    if value > greatest[sample, i]:
                        greatest[sample, i], when[sample, i] = value, now + s
                        kink[sample, i] = -1
                y = late
                now = then
                if u > greatest[sample, i]:
                    greatest[sample, i], when[sample, i] = u, now
                    kink[sample, i], slope[sample, i] = -1, y - a[i] * u
                    if not ended:
                        kink[sample, i] = low + order[step]
                if ended:
                    break
                k = low + order[step]
                y += weight[row[k], i]
                if is_mean:
                    total += weight[row[k], i] * _integral(a[i], b[i], g, now, until)
            integral[sample, i] = total
    return greatest, when, kink, slope, integral


@compiled
def backward(
    start: Whole,
    time: Reals,
    row: Whole,
    weight: Reals,
    delay: Reals,
    a: Reals,
    b: Reals,
    until: float,
    g: float,
    when: Reals,
    kink: Whole,
    slope: Reals,
    to_greatest: Reals,
    to_integral: Reals,
    to_weight: Reals,
    to_delay: Reals,
    pull: Reals,
) -> None:
    """Add the derivatives of the loss to `to_weight`, `to_delay` (like `weight`) and `pull` (one per spike)."""
    for sample in range(len(start) - 1):
        for k in range(start[sample], start[sample + 1]):
            r = row[k]
            total = 0.0
            for i in range(weight.shape[1]):
                at = time[k] + delay[r, i]
                if at > until:
                    continue
                w, shift = weight[r, i], 0.0
                up, all_ = to_greatest[sample, i], to_integral[sample, i]
                if up != 0.0:
                    s = when[sample, i] - at
                    if kink[sample, i] == k:
                        shift += up * slope[sample, i]
                    elif s > 0.0:
                        value = response(a[i], b[i], s)
                        to_weight[r, i] += up * value
                        shift -= up * w * (math.exp(-b[i] * s) - a[i] * value)
                if all_ != 0.0:
                    value = _integral(a[i], b[i], g, at, until)
                    to_weight[r, i] += all_ * value
                    fall = math.exp(-g * until) * response(a[i], b[i], until - at)
                    shift -= all_ * w * (g * value + fall)
                to_delay[r, i] += shift
                total += shift
            pull[k] += total
