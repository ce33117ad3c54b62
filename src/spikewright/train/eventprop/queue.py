"""Recurrence, delays of their own for each synapse, refractory periods: an event queue. Compiled.

Each neuron is brought to the time of an event only when the event reaches it, and its next spike is then predicted; a
prediction is void when another event reaches the neuron first. What happened is written down in the order in which it
did, and the backward pass reads that from its end.

Notation as in `layer`. A *row* is a source together with one of its delays. During a refractory period u stays at the
reset and p is 0; the derivative with respect to the time of a spike gets -p * slope where the period ends.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spikewright.train.eventprop.crossing import compiled, first_crossing, response
from spikewright.train.eventprop.layer import longer, longer_rows

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]

ARRIVAL, SPIKE, RELEASE = 0, 1, 2


@compiled
def _push(heap: Whole, size: int, key: Reals, item: int) -> None:
    j = size
    while j > 0:
        parent = (j - 1) // 2
        if key[heap[parent]] <= key[item]:
            break
        heap[j] = heap[parent]
        j = parent
    heap[j] = item


@compiled
def _pop(heap: Whole, size: int, key: Reals) -> int:
    top, last = heap[0], heap[size - 1]
    size -= 1
    j = 0
    while 2 * j + 1 < size:
        child = 2 * j + 1
        if child + 1 < size and key[heap[child + 1]] < key[heap[child]]:
            child += 1
        if key[last] <= key[heap[child]]:
            break
        heap[j] = heap[child]
        j = child
    if size > 0:
        heap[j] = last
    return top


@compiled
def _predict(
    u: float, y: float, a: float, b: float, level: float, peak: float, span: float
) -> float:
    # most neurons are far from their threshold: what they can reach at most is a product
    if level > 0.0 and max(u, 0.0) + max(y, 0.0) * peak < level:
        return -1.0
    return first_crossing(u, y, a, b, level, span)


@compiled
def _sample(
    time: Reals,
    source: Whole,
    first_outside: int,
    n_outside: int,
    rows: Whole,
    delay: Reals,
    first: Whole,
    target: Whole,
    weight: Reals,
    a: Reals,
    b: Reals,
    level: Reals,
    reset: Reals,
    hold: Reals,
    peak: Reals,
    until: float,
    state: Reals,
    version: Whole,
    asked: Whole,
    spikes: Reals,
    s_neuron: Whole,
    first_spike: int,
    log: Whole,
    log_time: Reals,
    waiting: Whole,
    w_time: Reals,
) -> tuple[int, int]:
    """Write what happens in one sample; return the numbers of spikes and of events, or -1 where there is no room.

    `state` holds u, y, the time of both, and when a refractory period ends (-1: there is none). Spikes are time, slope
    before and behind; the log is kind, what, origin. `waiting` is kind, what, origin (or the version of the neuron that
    a spike was predicted from), the heap, and unused places.
    """
    u, y, last, release = state[0], state[1], state[2], state[3]
    w_kind, w_what, w_origin = waiting[0], waiting[1], waiting[2]
    heap, free = waiting[3], waiting[4]
    found, logged, size, used, n_free = 0, 0, 0, 0, 0
    n_asked, outside, now = len(a), 0, 0.0
    for i in range(len(a)):
        asked[i] = i  # neurons whose next spike is to be predicted
    while True:
        # -- one event; before the first, the neurons at the start and the spikes from outside are queued
        sender, sent, at, ended = -1, 0, now, -1
        if n_asked == 0 and outside < len(time):
            sender, sent, at = source[outside], first_outside + outside, time[outside]
            outside += 1
        elif n_asked == 0:
            if size == 0:
                return found, logged
            item = _pop(heap, size, w_time)
            size -= 1
            free[n_free] = item
            n_free += 1
            at, k, j, o = w_time[item], w_kind[item], w_what[item], w_origin[item]
            if k == SPIKE and version[j] != o:
                continue
            if logged == log.shape[1] or found == len(s_neuron):
                return -1, -1
            now = at
            log[0, logged], log[1, logged], log[2, logged], log_time[logged] = k, j, o, now
            if k == ARRIVAL:
                for synapse in range(first[j], first[j + 1]):
                    i = target[synapse]
                    span = now - last[i]
                    if span > 0.0:
                        if release[i] < 0.0:
                            u[i] *= math.exp(-a[i] * span)
                            u[i] += y[i] * response(a[i], b[i], span)
                        y[i] *= math.exp(-b[i] * span)
                        last[i] = now
                    y[i] += weight[synapse]
                    version[i] += 1
                    if release[i] < 0.0:
                        asked[n_asked] = i
                        n_asked += 1
            elif k == SPIKE:
                y[j] *= math.exp(-b[j] * (now - last[j]))
                u[j], last[j] = reset[j], now
                version[j] += 1
                spikes[0, found], s_neuron[found] = now, j
                spikes[1, found] = y[j] - a[j] * level[j]
                spikes[2, found] = y[j] - a[j] * u[j]
                log[1, logged] = first_spike + found
                sender, sent = n_outside + j, -1 - first_spike - found
                if hold[j] > 0.0:
                    release[j], ended = now + hold[j], found
                else:
                    asked[0], n_asked = j, 1
                found += 1
            else:
                i = s_neuron[j - first_spike]
                y[i] *= math.exp(-b[i] * (now - last[i]))
                last[i], release[i] = now, -1.0
                spikes[2, j - first_spike] = y[i] - a[i] * u[i]
                asked[0], n_asked = i, 1
            logged += 1
        # -- what follows: arrivals of what was sent, predictions, the end of a refractory period
        n_rows = 0 if sender < 0 else rows[sender + 1] - rows[sender]
        for step in range(n_rows + n_asked + 1):
            if step < n_rows:
                r = rows[sender] + step
                then, k, j, o = at + delay[r], ARRIVAL, r, sent
            elif step < n_rows + n_asked:
                i = asked[step - n_rows]
                s = _predict(u[i], y[i], a[i], b[i], level[i], peak[i], until - now)
                if s < 0.0:
                    continue
                then, k, j, o = now + s, SPIKE, i, version[i]
            elif ended >= 0:
                then, k, j, o = release[s_neuron[ended]], RELEASE, first_spike + ended, 0
            else:
                continue
            if then > until:
                continue
            if n_free > 0:
                n_free -= 1
                item = free[n_free]
            else:
                item = used
                used += 1
                if used > len(w_time):
                    return -1, -1
            w_time[item], w_kind[item], w_what[item], w_origin[item] = then, k, j, o
            _push(heap, size, w_time, item)
            size += 1
        n_asked = 0


@compiled
def forward(
    start: Whole,
    time: Reals,
    source: Whole,
    n_outside: int,
    rows: Whole,
    delay: Reals,
    first: Whole,
    target: Whole,
    weight: Reals,
    a: Reals,
    b: Reals,
    level: Reals,
    reset: Reals,
    hold: Reals,
    peak: Reals,
    u_start: Reals,
    y_start: Reals,
    until: float,
    limit: int,
) -> tuple[Whole, Reals, Whole, Reals, Reals, Whole, Whole, Reals]:
    """Return the spikes of a group of populations, and what happened.

    Parameters
    ----------
    start, time, source : spikes from outside; those of sample s are `start[s]:start[s + 1]`
    n_outside : sources outside; neuron i of the group is source n_outside + i
    rows : rows of source j are `rows[j]:rows[j + 1]`
    delay, first : of each row; its synapses are `first[r]:first[r + 1]`
    target, weight : of each synapse; V/s
    a ... y_start : of each neuron; `hold` its refractory period, `peak` the greatest value of its K
    until, limit : as in `layer.forward`

    Returns
    -------
    start, time, neuron, before, behind : spikes, as in `layer.forward`
    log_start, log, log_time : what happened in sample s is `log_start[s]:log_start[s + 1]`: kind, what, origin.
        ARRIVAL: of a row, from a spike outside (its number) or inside (-1 - its number). SPIKE, RELEASE: of a spike
    """
    n_samples, n = len(start) - 1, len(a)
    longest = 1
    for r in range(len(delay)):
        longest = max(longest, first[r + 1] - first[r])
    state, version = np.empty((4, n)), np.empty(n, np.int64)
    asked = np.empty(max(n, longest), np.int64)
    out_start, log_start = np.zeros(n_samples + 1, np.int64), np.zeros(n_samples + 1, np.int64)
    room = 1024
    spikes, s_neuron = np.empty((3, room)), np.empty(room, np.int64)
    log, log_time = np.empty((3, room), np.int64), np.empty(room)
    waiting, w_time = np.empty((5, room), np.int64), np.empty(room)
    low, low_log = 0, 0
    for sample in range(n_samples):
        begin, end = start[sample], start[sample + 1]
        count, logged = -1, -1
        while count < 0:
            state[0] = u_start
            state[1] = y_start
            state[2] = 0.0
            state[3] = -1.0
            version[:] = 0
            count, logged = _sample(
                time[begin:end], source[begin:end], begin, n_outside, rows, delay, first, target, weight,
                a, b, level, reset, hold, peak, until, state, version, asked,
                spikes[:, low:], s_neuron[low:], low, log[:, low_log:], log_time[low_log:], waiting, w_time,
            )  # fmt: skip
            if count >= limit or (count < 0 and len(s_neuron) - low >= limit):
                out_start[n_samples] = -1
                return (
                    out_start,
                    spikes[0],
                    s_neuron,
                    spikes[1],
                    spikes[2],
                    log_start,
                    log,
                    log_time,
                )
            if count < 0:
                spikes, s_neuron = longer_rows(spikes), longer(s_neuron)
                log, log_time = longer_rows(log), longer(log_time)
                waiting, w_time = longer_rows(waiting), longer(w_time)
        low += count
        low_log += logged
        out_start[sample + 1], log_start[sample + 1] = low, low_log
    return (
        out_start, spikes[0, :low], s_neuron[:low], spikes[1, :low], spikes[2, :low],
        log_start, log[:, :low_log], log_time[:low_log],
    )  # fmt: skip


@compiled
def backward(
    log_start: Whole,
    log: Whole,
    log_time: Reals,
    s_neuron: Whole,
    s_before: Reals,
    s_behind: Reals,
    first: Whole,
    target: Whole,
    weight: Reals,
    a: Reals,
    b: Reals,
    until: float,
    s_pull: Reals,
    least: Reals,
    to_weight: Reals,
    to_delay: Reals,
    pull: Reals,
) -> None:
    """Add the derivatives of the loss to `to_weight`, `to_delay` (one per synapse) and `pull` (one per spike outside).

    Parameters
    ----------
    log_start ... s_behind : what `forward` returned
    first ... until : as in `forward`
    s_pull : derivative with respect to the time of each spike, of what is outside the group; added to in place
    least : V/s, per neuron; a slope before a spike that is less counts as this
    """
    n = len(a)
    p, q, at = np.empty(n), np.empty(n), np.empty(n)
    for sample in range(len(log_start) - 1):
        p[:] = 0.0
        q[:] = 0.0
        at[:] = until
        for entry in range(log_start[sample + 1] - 1, log_start[sample] - 1, -1):
            now, k, j = log_time[entry], log[0, entry], log[1, entry]
            if k == ARRIVAL:
                total = 0.0
                for synapse in range(first[j], first[j + 1]):
                    i = target[synapse]
                    if p[i] == 0.0 and q[i] == 0.0:
                        continue
                    back = at[i] - now
                    if back > 0.0:
                        q[i] = q[i] * math.exp(-b[i] * back) + p[i] * response(a[i], b[i], back)
                        p[i] *= math.exp(-a[i] * back)
                        at[i] = now
                    to_weight[synapse] += q[i]
                    shift = weight[synapse] * (b[i] * q[i] - p[i])
                    to_delay[synapse] += shift
                    total += shift
                o = log[2, entry]
                if o >= 0:
                    pull[o] += total
                else:
                    s_pull[-1 - o] += total
                continue
            i = s_neuron[j]
            back = at[i] - now
            q[i] = q[i] * math.exp(-b[i] * back) + p[i] * response(a[i], b[i], back)
            p[i] *= math.exp(-a[i] * back)
            at[i] = now
            if k == RELEASE:
                s_pull[j] -= p[i] * s_behind[j]
                p[i] = 0.0
            else:
                p[i] = (p[i] * s_behind[j] - s_pull[j]) / max(s_before[j], least[i])
