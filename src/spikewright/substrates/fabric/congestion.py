"""Latency of a step packet by packet, with an estimate of how packets hold each other up on the mesh.

Every core works through its neurons in order and sends their packets; packets are taken in the order in which they are
sent, over the whole chip. A packet on its way spreads one unit of load evenly over its links: the one out of its core,
those between tiles (x first), the one into the core that it goes to. A new packet finds the load of its own path:

    waits    (load - (hops + 1) buffer) mean    where the load is larger than that
    travels  max(sum of its hops, load mean / (hops + 1))

with `mean` the mean time that receiving takes, over the packets that are on their way. A core receives one packet
after the other, in the order of sending, and a packet is on its way until its core begins to receive it. A core that
waits sends its next packets later.

Written from the description in words of SANA-FE's "detailed" latency (IEEE TCAD 2025), and compared with its
results in `spikewright verify sanafe`. Packets sent at the very same time are taken in the order of their cores, those
of a neuron in the order of the cores they go to; another order gives another latency (parts in 10^4 to some per cent).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True, nogil=True, error_model="numpy")
def _push(key: Array, item: Array, size: int, k: float, i: int) -> int:
    """Add to a heap, smallest key first, then smallest item; return its size."""
    at = size
    while at > 0:
        up = (at - 1) // 2
        if key[up] < k or (key[up] == k and item[up] <= i):
            break
        key[at], item[at] = key[up], item[up]
        at = up
    key[at], item[at] = k, i
    return size + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _pop(key: Array, item: Array, size: int) -> int:
    """Take the first off a heap; return its size."""
    size -= 1
    k, i = key[size], item[size]
    at = 0
    while True:
        down = 2 * at + 1
        if down >= size:
            break
        if down + 1 < size and (
            key[down + 1] < key[down]
            or (key[down + 1] == key[down] and item[down + 1] < item[down])
        ):
            down += 1
        if k < key[down] or (k == key[down] and i <= item[down]):
            break
        key[at], item[at] = key[down], item[down]
        at = down
    key[at], item[at] = k, i
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def _path(links: Array, a: int, b: int, position: Array, height: int) -> int:
    """Write the links from core a to core b, and return how many there are: hops + 2."""
    n_cores = len(position)
    x, y = position[a, 0], position[a, 1]
    to_x, to_y = position[b, 0], position[b, 1]
    links[0] = a
    n = 1
    while x != to_x:
        step = 1 if to_x > x else -1
        links[n] = 2 * n_cores + 4 * (x * height + y) + (0 if step > 0 else 1)
        x += step
        n += 1
    while y != to_y:
        step = 1 if to_y > y else -1
        links[n] = 2 * n_cores + 4 * (x * height + y) + (2 if step > 0 else 3)
        y += step
        n += 1
    links[n] = n_cores + b
    return n + 1


@njit(cache=True, nogil=True, error_model="numpy")
def detailed(
    fired_start: Array,
    fired: Array,
    updated_start: Array,
    updated: Array,
    all_updated: bool,
    order: Array,
    order_start: Array,
    start: Array,
    core: Array,
    synapses: Array,
    position: Array,
    mesh: Array,
    time: Array,
    hop_x: float,
    hop_y: float,
    buffer: float,
) -> tuple[Array, Array]:
    """Return the latency of each row without its barrier, and the time that packets waited at full links, s, (rows,).

    Parameters
    ----------
    order, order_start : neurons core by core
    time : of each column of `kernels.count`, s
    buffer : packets that a link holds
    The others are those of `kernels.count`.
    """
    n_rows, n, n_cores = len(fired_start) - 1, len(start) - 1, len(position)
    took, waited = np.zeros(n_rows), np.zeros(n_rows)
    fires, updates = np.zeros(n, np.bool_), np.full(n, all_updated)
    load = np.zeros(2 * n_cores + 4 * mesh[0] * mesh[1])
    links = np.zeros(mesh[0] + mesh[1] + 2, np.int64)
    next_time, next_core = np.zeros(n_cores + 1), np.zeros(n_cores + 1, np.int64)
    begin, last = np.zeros(n_cores + 1, np.int64), np.zeros(n_cores)
    at, free = np.zeros(n_cores, np.int64), np.zeros(n_cores)
    for r in range(n_rows):
        most = 0
        for f in range(fired_start[r], fired_start[r + 1]):
            fires[fired[f]] = True
            most += start[fired[f] + 1] - start[fired[f]]
        for u in range(updated_start[r], updated_start[r + 1]):
            updates[updated[u]] = True
        # the packets of each core, with the time since the one before
        gap, which, sender = np.zeros(most), np.zeros(most, np.int64), np.zeros(most, np.int64)
        m = 0
        for c in range(n_cores):
            begin[c] = m
            passed = 0.0
            for o in range(order_start[c], order_start[c + 1]):
                i = order[o]
                passed += time[0]
                if updates[i]:
                    passed += time[1]
                if fires[i]:
                    passed += time[2]
                    for p in range(start[i], start[i + 1]):
                        gap[m], which[m], sender[m] = passed + time[3], p, c
                        passed = 0.0
                        m += 1
            last[c] = passed
        begin[n_cores] = m
        way_time, way_item = np.zeros(m + 1), np.zeros(m + 1, np.int64)
        cost = np.zeros(m)
        queued = flying = 0
        sum_cost = latest = 0.0
        load[:] = 0.0
        free[:] = 0.0
        for c in range(n_cores):
            at[c] = begin[c]
            if at[c] < begin[c + 1]:
                queued = _push(next_time, next_core, queued, gap[at[c]], c)
            else:
                latest = max(latest, last[c])
        while queued:
            t, c = next_time[0], next_core[0]
            queued = _pop(next_time, next_core, queued)
            while flying and way_time[0] <= t:
                done = way_item[0]
                flying = _pop(way_time, way_item, flying)
                n_links = _path(links, sender[done], core[which[done]], position, mesh[1])
                for k in range(n_links):
                    load[links[k]] -= 1.0 / n_links
                sum_cost -= cost[done]
            j = at[c]
            d = core[which[j]]
            n_links = _path(links, c, d, position, mesh[1])
            hops = n_links - 2
            found = 0.0
            for k in range(n_links):
                found += load[links[k]]
            mean = sum_cost / flying if flying else 0.0
            room = (hops + 1) * buffer
            if found > room:
                waited[r] += (found - room) * mean
                t += (found - room) * mean
            n_x = abs(position[d, 0] - position[c, 0])
            way = n_x * hop_x + (hops - n_x) * hop_y
            arrives = max(t + max(way, found * mean / (hops + 1)), free[d])
            cost[j] = time[4]
            for k in range(synapses.shape[1]):
                cost[j] += synapses[which[j], k] * time[5 + k]
            free[d] = arrives + cost[j]
            latest = max(latest, free[d])
            flying = _push(way_time, way_item, flying, arrives, j)
            for k in range(n_links):
                load[links[k]] += 1.0 / n_links
            sum_cost += cost[j]
            at[c] += 1
            if at[c] < begin[c + 1]:
                queued = _push(next_time, next_core, queued, t + gap[at[c]], c)
            else:
                latest = max(latest, t + last[c])
        took[r] = latest
        for f in range(fired_start[r], fired_start[r + 1]):
            fires[fired[f]] = False
        for u in range(updated_start[r], updated_start[r + 1]):
            updates[updated[u]] = all_updated
    return took, waited
