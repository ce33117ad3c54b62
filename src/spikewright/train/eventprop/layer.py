"""A population without recurrence: all its neurons advance together from arrival to arrival. Compiled.

Every neuron sees the same arrivals at the same times (one delay per projection), so decays are computed once per
arrival and the loops over neurons are vector code. Where no neuron can have met its threshold, nothing else happens;
the test is a bound (the membrane at its end; the tangent at its start, from which it bends down up to its peak; what u
and y can give at most), and neurons that fail it are treated one by one.

Notation as in `crossing`. p and q are the derivatives of the loss with respect to u and y. Backward in time they decay
like u and y, q gathering p through the same K; at a spike, with `pull` the derivative with respect to its time,

    p before = (p after * slope after - pull) / slope before

and an arrival of weight w at time t gives q to the gradient of w, and w (b q - p) to that of t.

Source
------
Wunderlich and Pehle, "Event-based backpropagation can compute exact gradients for spiking neural networks", Scientific
Reports 11, 12829, 2021; the derivative with respect to times of arrival as in Meszaros, Knight, Nowotny,
arXiv 2501.07331, 2025.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spikewright.train.eventprop.crossing import compiled, first_crossing, response

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


@compiled
def longer(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    """Return a copy with twice the room."""
    new = np.empty(2 * len(array), array.dtype)
    new[: len(array)] = array
    return new


@compiled
def longer_rows(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    """Return a copy whose rows have twice the room."""
    new = np.empty((array.shape[0], 2 * array.shape[1]), array.dtype)
    new[:, : array.shape[1]] = array
    return new


@compiled
def _sample(
    time: Reals,
    row: Whole,
    weight: Reals,
    a: float,
    b: float,
    peak: float,
    level: Reals,
    reset: Reals,
    until: float,
    state: Reals,
    s_time: Reals,
    s_neuron: Whole,
    s_after: Whole,
    s_before: Reals,
    s_behind: Reals,
) -> int:
    """Write the spikes of one sample; return their number, or -1 where there is no room for more.

    `state` holds u and y of every neuron at the start, and room for those of the next event.
    """
    n, room = weight.shape[1], len(s_time)
    u, y, new_u, new_y = state[0], state[1], state[2], state[3]
    above = np.empty(n, np.bool_)
    found, k, now = 0, 0, 0.0
    while True:
        ended = k == len(time) or time[k] > until
        then = until if ended else time[k]
        span = then - now
        if span > 0.0:
            decay_u, decay_y = math.exp(-a * span), math.exp(-b * span)
            gather = response(a, b, span)
            hot = 0
            for i in range(n):
                end = u[i] * decay_u + y[i] * gather
                tangent = u[i] + (y[i] - a * u[i]) * span
                bound = max(u[i], 0.0) + max(y[i], 0.0) * peak
                new_u[i] = end
                new_y[i] = y[i] * decay_y
                above[i] = max(end, min(tangent, bound)) >= level[i]
                hot += above[i]
            first = found
            if hot > 0:
                for i in range(n):
                    if not above[i]:
                        continue
                    x, z, at, rest = u[i], y[i], now, span
                    s = first_crossing(x, z, a, b, level[i], rest)
                    if s < 0.0:
                        continue
                    while s >= 0.0:
                        at += s
                        rest = max(0.0, then - at)
                        z *= math.exp(-b * s)
                        x = reset[i]
                        if found == room:
                            return -1
                        # kept sorted by time; few neurons fire between two arrivals
                        j = found
                        while j > first and s_time[j - 1] > at:
                            s_time[j], s_neuron[j] = s_time[j - 1], s_neuron[j - 1]
                            s_before[j], s_behind[j] = s_before[j - 1], s_behind[j - 1]
                            j -= 1
                        s_time[j], s_neuron[j] = at, i
                        s_before[j], s_behind[j] = z - a * level[i], z - a * x
                        s_after[found] = k
                        found += 1
                        s = first_crossing(x, z, a, b, level[i], rest)
                    new_u[i] = x * math.exp(-a * rest) + z * response(a, b, rest)
                    new_y[i] = z * math.exp(-b * rest)
            u, new_u = new_u, u
            y, new_y = new_y, y
        if ended:
            return found
        added = weight[row[k]]
        for i in range(n):
            y[i] += added[i]
        now = then
        k += 1


@compiled
def forward(
    start: Whole,
    time: Reals,
    row: Whole,
    weight: Reals,
    a: float,
    b: float,
    peak: float,
    level: Reals,
    reset: Reals,
    u_start: Reals,
    y_start: Reals,
    until: float,
    limit: int,
) -> tuple[Whole, Reals, Whole, Whole, Reals, Reals]:
    """Return the spikes of a population.

    Parameters
    ----------
    start, time, row : arrivals of sample s are `start[s]:start[s + 1]`, sorted by time; each adds a row of `weight`
    weight : V/s, arrival's row x neuron
    peak : greatest value of K
    level, reset, u_start, y_start : of each neuron
    until : s, end of the run
    limit : spikes of one sample at which the run is given up

    Returns
    -------
    start, time, neuron : spikes of sample s, sorted by time
    after : arrivals that come before the spike, counted over all samples
    before, behind : slope of the membrane before and after the reset, V/s
    `start[-1]` is -1 where a sample had `limit` spikes or more
    """
    n_samples, n = len(start) - 1, weight.shape[1]
    state = np.empty((4, n))
    out_start = np.zeros(n_samples + 1, np.int64)
    room = 64 + 2 * n_samples * n
    s_time, s_neuron = np.empty(room), np.empty(room, np.int64)
    s_after, s_before, s_behind = np.empty(room, np.int64), np.empty(room), np.empty(room)
    low = 0
    for sample in range(n_samples):
        begin, end = start[sample], start[sample + 1]
        count = -1
        while count < 0:
            state[0] = u_start
            state[1] = y_start
            # arrays grow here and not in the loop over spikes, where that would cost more than all the rest
            count = _sample(
                time[begin:end], row[begin:end], weight, a, b, peak, level, reset, until, state,
                s_time[low:], s_neuron[low:], s_after[low:], s_before[low:], s_behind[low:],
            )  # fmt: skip
            if count >= limit or (count < 0 and len(s_time) - low >= limit):
                out_start[n_samples] = -1
                return out_start, s_time, s_neuron, s_after, s_before, s_behind
            if count < 0:
                s_time, s_neuron, s_after = longer(s_time), longer(s_neuron), longer(s_after)
                s_before, s_behind = longer(s_before), longer(s_behind)
        for m in range(low, low + count):
            s_after[m] += begin
        low += count
        out_start[sample + 1] = low
    return out_start, s_time[:low], s_neuron[:low], s_after[:low], s_before[:low], s_behind[:low]


@compiled
def backward(
    start: Whole,
    time: Reals,
    row: Whole,
    weight: Reals,
    a: float,
    b: float,
    until: float,
    s_start: Whole,
    s_time: Reals,
    s_neuron: Whole,
    s_after: Whole,
    s_before: Reals,
    s_behind: Reals,
    s_pull: Reals,
    least: Reals,
    to_weight: Reals,
    pull: Reals,
) -> None:
    """Add the derivatives of the loss to `to_weight` (like `weight`) and `pull` (one per arrival, or empty).

    Parameters
    ----------
    start ... until : as in `forward`
    s_start ... s_behind : the spikes that it returned
    s_pull : derivative with respect to the time of each spike
    least : V/s, of each neuron; a slope before a spike that is less counts as this
    """
    n = weight.shape[1]
    p, q = np.empty(n), np.empty(n)
    at, p_late, q_late = np.empty(n), np.empty(n), np.empty(n)
    touched = np.empty(n, np.int64)
    is_touched = np.zeros(n, np.bool_)
    wanted = len(pull) > 0
    for sample in range(len(start) - 1):
        m, m_first = s_start[sample + 1] - 1, s_start[sample]
        while m >= m_first and s_pull[m] == 0.0:
            m -= 1  # nothing depends on what comes after the last spike that is pulled
        if m < m_first:
            continue
        p[:] = 0.0
        q[:] = 0.0
        k, k_first = s_after[m], start[sample]
        late = until
        if k < start[sample + 1] and time[k] < until:
            late = time[k]
        while k > k_first:
            early = time[k - 1]
            span = late - early
            decay_p, decay_q = math.exp(-a * span), math.exp(-b * span)
            gather = response(a, b, span)
            n_touched = 0
            while m >= m_first and s_after[m] == k:
                i = s_neuron[m]
                if not is_touched[i]:
                    is_touched[i] = True
                    touched[n_touched] = i
                    n_touched += 1
                    at[i], p_late[i], q_late[i] = late, p[i], q[i]
                back = at[i] - s_time[m]
                q_late[i] = q_late[i] * math.exp(-b * back) + p_late[i] * response(a, b, back)
                x = p_late[i] * math.exp(-a * back)
                p_late[i] = (x * s_behind[m] - s_pull[m]) / max(s_before[m], least[i])
                at[i] = s_time[m]
                m -= 1
            for i in range(n):
                q[i] = q[i] * decay_q + p[i] * gather
                p[i] *= decay_p
            for j in range(n_touched):
                i = touched[j]
                is_touched[i] = False
                back = at[i] - early
                q[i] = q_late[i] * math.exp(-b * back) + p_late[i] * response(a, b, back)
                p[i] = p_late[i] * math.exp(-a * back)
            k -= 1
            r = row[k]
            for i in range(n):
                to_weight[r, i] += q[i]
            if wanted:
                total = 0.0
                for i in range(n):
                    total += weight[r, i] * (b * q[i] - p[i])
                pull[k] = total
            late = early
