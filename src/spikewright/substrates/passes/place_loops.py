"""Compiled loops of placement: a greedy start, and annealing by moves and swaps. Costs are traffic times hops."""

from __future__ import annotations

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def distance(a, b, x, y, grid):
    """Return the hops between two tiles (grid 0 mesh, 1 torus, 2 triangular torus)."""
    dx, dy = b % x - a % x, b // x - a // x
    if grid == 0:
        return abs(dx) + abs(dy)
    if grid == 1:
        return min(abs(dx), x - abs(dx)) + min(abs(dy), y - abs(dy))
    best = x + y
    for i in range(3):
        for j in range(3):
            u, v = dx + (i - 1) * x, dy + (j - 1) * y
            far = max(abs(u), abs(v)) if (u >= 0) == (v >= 0) else abs(u) + abs(v)
            best = min(best, far)
    return best


@compiled
def all_distances(x, y, grid):
    """Return the hops between all tiles, int16 (tiles, tiles)."""
    n = x * y
    found = np.empty((n, n), np.int16)
    for a in range(n):
        for b in range(n):
            found[a, b] = distance(a, b, x, y, grid)
    return found


@compiled
def hop_cost(start, other, weight, tile, far):
    """Return the hop-weighted traffic of a placement; every pair stands in both rows and counts once."""
    total = 0.0
    for a in range(len(start) - 1):
        for i in range(start[a], start[a + 1]):
            total += weight[i] * far[tile[a], tile[other[i]]]
    return 0.5 * total


@compiled
def greedy(start, other, weight, slots, far, first, tries):
    """Return the slot of every core: the one with most traffic to those placed next, on the best of the nearest slots.

    Slots beside up to four of its heaviest placed neighbours are tried, `tries` each.
    """
    n, n_slots = len(start) - 1, len(slots)
    n_tiles = far.shape[0]
    slot_of = np.full(n, -1, np.int64)
    pulled = np.zeros(n)
    total = np.zeros(n)
    for a in range(n):
        for i in range(start[a], start[a + 1]):
            total[a] += weight[i]
    # free slots of every tile, as a stack
    count = np.zeros(n_tiles + 1, np.int64)
    for s in range(n_slots):
        count[slots[s] + 1] += 1
    for t in range(n_tiles):
        count[t + 1] += count[t]
    free = np.argsort(slots, kind="mergesort")
    left = np.zeros(n_tiles, np.int64)
    for t in range(n_tiles):
        left[t] = count[t + 1] - count[t]
    near = np.full((n_tiles, 1), -1, np.int32)  # tiles by distance, made when first asked for
    rows = np.full(n_tiles, -1, np.int64)
    n_rows = 0
    heavy = np.empty(4, np.int64)
    for _ in range(n):
        a = -1
        for b in range(n):
            if slot_of[b] < 0 and (a < 0 or pulled[b] > pulled[a]
                                   or (pulled[b] == pulled[a] and total[b] > total[a])):  # fmt: skip
                a = b
        n_heavy = 0
        for _ in range(4):
            best, most = -1, 0.0
            for i in range(start[a], start[a + 1]):
                b = other[i]
                if slot_of[b] >= 0 and weight[i] > most:
                    known = False
                    for h in range(n_heavy):
                        known = known or heavy[h] == slots[slot_of[b]]
                    if not known:
                        best, most = slots[slot_of[b]], weight[i]
            if best < 0:
                break
            heavy[n_heavy] = best
            n_heavy += 1
        if n_heavy == 0:
            heavy[0] = first
            n_heavy = 1
        chosen, chosen_cost = -1, np.inf
        for h in range(n_heavy):
            center = heavy[h]
            if rows[center] < 0:
                if near.shape[1] == 1:
                    near = np.full((n_tiles, n_tiles), -1, np.int32)
                near[n_rows] = np.argsort(far[center], kind="mergesort")
                rows[center] = n_rows
                n_rows += 1
            tried = 0
            for i in range(n_tiles):
                t = near[rows[center], i]
                if left[t] == 0:
                    continue
                cost = 0.0
                for j in range(start[a], start[a + 1]):
                    if slot_of[other[j]] >= 0:
                        cost += weight[j] * far[t, slots[slot_of[other[j]]]]
                if cost < chosen_cost:
                    chosen, chosen_cost = t, cost
                tried += 1
                if tried == tries:
                    break
        left[chosen] -= 1
        slot_of[a] = free[count[chosen] + left[chosen]]
        for i in range(start[a], start[a + 1]):
            pulled[other[i]] += weight[i]
    return slot_of


@compiled
def next_random(state):
    """Return the next state of a 64-bit xorshift generator."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@compiled
def anneal(start, other, weight, slots, far, slot_of, moves, seed):
    """Anneal a placement by moving cores to free slots and swapping them; return it where it is better.

    The temperature falls geometrically from the size of typical changes to a thirtieth of it; the last tenth of the
    moves only go down.
    """
    n, n_slots = len(start) - 1, len(slots)
    core_at = np.full(n_slots, -1, np.int64)
    for a in range(n):
        core_at[slot_of[a]] = a
    state = np.uint64(seed) | np.uint64(1)
    now = 0.0
    first = slot_of.copy()
    hot, seen = 0.0, 0
    temperature, factor = 0.0, 1.0
    for step in range(moves):
        state = next_random(state)
        a = np.int64((state >> np.uint64(11)) % np.uint64(n))
        state = next_random(state)
        s = np.int64((state >> np.uint64(11)) % np.uint64(n_slots))
        old = slot_of[a]
        t_old, t_new = slots[old], slots[s]
        b = core_at[s]
        if t_old == t_new:
            continue
        change = 0.0
        for i in range(start[a], start[a + 1]):
            c = other[i]
            if c != b and c != a:
                t = slots[slot_of[c]]
                change += weight[i] * (far[t_new, t] - far[t_old, t])
        if b >= 0:
            for i in range(start[b], start[b + 1]):
                c = other[i]
                if c != a and c != b:
                    t = slots[slot_of[c]]
                    change += weight[i] * (far[t_old, t] - far[t_new, t])
        if seen < 200:  # changes seen first set the temperature; nothing moves
            if change > 0:
                hot += change
                seen += 1
            if seen < 200:
                if step > 4000:
                    seen = 200
                else:
                    continue
            temperature = 0.3 * hot / 200.0
            factor = 3e-2 ** (1.0 / max(0.9 * (moves - step), 1.0))
        temperature *= factor
        if change > 0:
            if step > 0.9 * moves or temperature == 0.0:
                continue
            state = next_random(state)
            u = np.float64(state >> np.uint64(11)) * 2.0**-53
            if u >= np.exp(-change / temperature):
                continue
        slot_of[a] = s
        core_at[s] = a
        core_at[old] = b
        if b >= 0:
            slot_of[b] = old
        now += change
    return slot_of if now < 0 else first
