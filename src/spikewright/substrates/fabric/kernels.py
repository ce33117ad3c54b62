"""Compiled loops of the fabric: the packet table, rows of events, and the counts of each core in each step.

Columns of what happens on a core: 0 neurons, 1 updated, 2 fired, 3 packets sent, 4 packets received, 5 and on
synaptic events by kind. Columns 0 to 3 are the sending side, the rest the receiving side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEURONS, UPDATED, FIRED, SENT, RECEIVED, EVENTS = range(6)
Array = NDArray[Any]


@njit(cache=True, nogil=True, error_model="numpy")
def packet_table(
    first: Array, to: Array, kind: Array, n_cores: int, n_kinds: int
) -> tuple[Array, Array, Array]:
    """Return start, core and synapses of every packet; synapses of neuron i are first[i] to first[i + 1] - 1."""
    n = len(first) - 1
    start = np.zeros(n + 1, np.int64)
    seen = np.full(n_cores, -1, np.int64)
    for i in range(n):
        count = 0
        for s in range(first[i], first[i + 1]):
            if seen[to[s]] != i:
                seen[to[s]] = i
                count += 1
        start[i + 1] = start[i] + count
    core = np.empty(start[n], np.int64)
    synapses = np.zeros((start[n], n_kinds), np.int64)
    place = np.zeros(n_cores, np.int64)
    seen[:] = -1
    for i in range(n):
        at = start[i]
        for s in range(first[i], first[i + 1]):
            if seen[to[s]] != i:
                seen[to[s]] = i
                core[at] = to[s]
                at += 1
        core[start[i] : at] = np.sort(core[start[i] : at])
        for p in range(start[i], at):
            place[core[p]] = p
        for s in range(first[i], first[i + 1]):
            synapses[place[to[s]], kind[s]] += 1
    return start, core, synapses


@njit(cache=True, nogil=True, error_model="numpy")
def by_row(row: Array, neuron: Array, n_rows: int) -> tuple[Array, Array]:
    """Return where each row begins, and the neurons row by row, in the order in which they came."""
    start = np.zeros(n_rows + 1, np.int64)
    for r in row:
        start[r + 1] += 1
    for r in range(n_rows):
        start[r + 1] += start[r]
    at = start[:-1].copy()
    out = np.empty(len(row), np.int64)
    for i in range(len(row)):
        out[at[row[i]]] = neuron[i]
        at[row[i]] += 1
    return start, out


@njit(cache=True, nogil=True, error_model="numpy")
def count(
    fired_start: Array,
    fired: Array,
    updated_start: Array,
    updated: Array,
    core_of: Array,
    start: Array,
    core: Array,
    synapses: Array,
    packets: Array,
    base: Array,
    time: Array,
    adds_sides: bool,
) -> tuple[Array, Array, Array, Array]:
    """Count what happens on every core in every row.

    Parameters
    ----------
    fired_start, fired, updated_start, updated : neurons row by row
    core_of, start, core, synapses : of the fabric
    packets : packets that one spike of each neuron sends, (n,)
    base : what happens on a core in every row, (n_cores, columns)
    time : of each column, s
    adds_sides : whether a core sends and receives one after the other; else at the same time

    Returns
    -------
    each : (rows, columns), sums over the cores
    busy : (rows,), s, of the busiest core
    worst : (rows, columns), what happened on the busiest core, the other side left out where sides overlap
    total : (n_cores, columns) of all rows; then the busy time in a last column
    """
    n_rows = len(fired_start) - 1
    n_cores, columns = base.shape
    n_kinds = columns - 5
    each = np.zeros((n_rows, columns), np.int64)
    busy = np.zeros(n_rows)
    worst = np.zeros((n_rows, columns), np.int64)
    total = np.zeros((n_cores, columns + 1))
    now = base.copy()
    for r in range(n_rows):
        for u in range(updated_start[r], updated_start[r + 1]):
            c = core_of[updated[u]]
            if c >= 0:
                now[c, 1] += 1
        for f in range(fired_start[r], fired_start[r + 1]):
            i = fired[f]
            c = core_of[i]
            if c >= 0:
                now[c, 2] += 1
                now[c, 3] += packets[i]
            for p in range(start[i], start[i + 1]):
                d = core[p]
                now[d, 4] += 1
                for k in range(n_kinds):
                    now[d, 5 + k] += synapses[p, k]
        where, sends, longest = 0, True, -1.0
        for c in range(n_cores):
            send = receive = 0.0
            for q in range(4):
                send += now[c, q] * time[q]
            for q in range(4, columns):
                receive += now[c, q] * time[q]
            took = send + receive if adds_sides else max(send, receive)
            total[c, columns] += took
            if took > longest:
                where, sends, longest = c, send >= receive, took
            for q in range(columns):
                each[r, q] += now[c, q]
                total[c, q] += now[c, q]
        busy[r] = max(longest, 0.0)
        for q in range(columns):
            if adds_sides or sends == (q < 4):
                worst[r, q] = now[where, q]
        now[:] = base
    return each, busy, worst, total


@njit(cache=True, nogil=True, error_model="numpy")
def spread(
    sent: Array, core_of: Array, start: Array, core: Array, position: Array, mesh: Array
) -> Array:
    """Return the packets that leave each tile towards east, west, north and south, (x, y, 4); x is travelled first."""
    load = np.zeros((mesh[0], mesh[1], 4))
    for i in range(len(core_of)):
        c = core_of[i]
        if c < 0 or sent[i] == 0:
            continue
        for p in range(start[i], start[i + 1]):
            x, y = position[c, 0], position[c, 1]
            to_x, to_y = position[core[p], 0], position[core[p], 1]
            while x != to_x:
                east = to_x > x
                load[x, y, 0 if east else 1] += sent[i]
                x += 1 if east else -1
            while y != to_y:
                north = to_y > y
                load[x, y, 2 if north else 3] += sent[i]
                y += 1 if north else -1
    return load
