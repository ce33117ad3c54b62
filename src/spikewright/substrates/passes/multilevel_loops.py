"""Compiled loops of the multilevel partitioner: clustering, contraction, and refinement by moves.

Notation: net e has `pins[start[e]:start[e + 1]]` and weight w[e]; vertex v has the nets `nets[begin[v]:begin[v + 1]]`.
phi(e, p) is the number of pins of e in part p. The *row* of e lists the parts that e touches with their phi, unordered:
(p, phi) stand in `cell[row[e] : row[e] + row_n[e]]`; it is never longer than min(pins, parts), so that it takes about
the memory of the pins whatever the number of parts. Moving v from f to t lowers KM1 by

    gain = sum over its nets of  w [phi(e, f) = 1]  -  w [phi(e, t) = 0]  =  benefit(v) - (degree(v) - touch(v, t))

where degree(v) is the weight of v's nets and touch(v, t) that of those which touch t.

Longer than most files: Numba compiles a cached function again when its own file changes, not when a file changes whose
functions it calls, so all that call each other stand in one.

Source
------
Karypis and Kumar, "Multilevel k-way hypergraph partitioning", DAC 1999; Fiduccia and Mattheyses, DAC 1982;
Schlag et al., "High-quality hypergraph partitioning", ACM JEA 27, 2022 (localized search, ratings).
"""

from __future__ import annotations

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True, error_model="numpy")


# -- coarsening ------------------------------------------------------------------------------------------


@compiled
def cluster(start, pins, w, begin, nets, size, limit, part, order, budget, stop):
    """Join every vertex, in `order`, with the cluster that rates highest; return the cluster of each, 0, 1, ...

    The rating is the weight of the nets in common over their pins less one, over the size of the cluster, so that
    small ones grow first. Clusters stay within `limit` and within one part. At most about `budget` pins are looked
    at for a vertex, beginning at another of its nets each time. Ends early where `stop` clusters are left.
    """
    n, d = size.shape
    label = np.full(n, -1, np.int32)
    grown = size.copy()
    rating = np.zeros(n)
    touched = np.empty(n, np.int32)
    left = n
    for at in range(n):
        u = order[at]
        if label[u] >= 0:
            continue
        label[u] = u
        if left <= stop:
            continue
        degree = begin[u + 1] - begin[u]
        if degree == 0:
            continue
        first = (np.int64(u) * 40503 + 977) % degree
        n_touched, looked = 0, 0
        for i in range(degree):
            e = nets[begin[u] + (first + i) % degree]
            pins_here = start[e + 1] - start[e]
            if pins_here < 2 or (i > 0 and looked + pins_here > budget):
                continue
            looked += pins_here
            r = w[e] / (pins_here - 1)
            if r == 0:
                continue
            low, high = start[e], start[e + 1]
            if pins_here > budget:
                low += (np.int64(u) * 7919) % (pins_here - budget)
                high = low + budget
            for s in range(low, high):
                v = pins[s]
                c = label[v] if label[v] >= 0 else v
                if c == u:
                    continue
                if rating[c] == 0:
                    touched[n_touched] = c
                    n_touched += 1
                rating[c] += r
        best, best_score = -1, 0.0
        for i in range(n_touched):
            c = touched[i]
            if part[c] == part[u]:
                fits, largest = True, 1e-12
                for j in range(d):
                    both = grown[c, j] + size[u, j]
                    if both > limit[j]:
                        fits = False
                        break
                    largest = max(largest, grown[c, j] / limit[j] if limit[j] > 0 else 0.0)
                if fits:
                    score = rating[c] / largest
                    if score > best_score:
                        best, best_score = c, score
            rating[c] = 0.0
        if best >= 0:
            label[best] = best
            label[u] = best
            for j in range(d):
                grown[best, j] += size[u, j]
            left -= 1
    number = np.full(n, -1, np.int32)
    made = 0
    for v in range(n):
        c = label[v]
        if number[c] < 0:
            number[c] = made
            made += 1
        label[v] = number[c]
    return label, made


@compiled
def contract(start, pins, w, label, made):
    """Return the nets over clusters, without those that lie in one, each with a hash of its set of pins."""
    m = len(w)
    seen = np.full(made, -1, np.int64)
    new_start = np.zeros(m + 1, np.int64)
    new_pins = np.empty(len(pins), np.int32)
    new_w = np.empty(m, np.float64)
    mark = np.empty(m, np.uint64)
    at, out = 0, 0
    for e in range(m):
        first = at
        h = np.uint64(0)
        for s in range(start[e], start[e + 1]):
            c = label[pins[s]]
            if seen[c] != e:
                seen[c] = e
                new_pins[at] = c
                at += 1
                x = np.uint64(c + 1) * np.uint64(0x9E3779B97F4A7C15)
                x ^= x >> np.uint64(29)
                x *= np.uint64(0xBF58476D1CE4E5B9)
                h += x ^ (x >> np.uint64(32))
        if at - first < 2:
            at = first
            continue
        new_w[out] = w[e]
        mark[out] = h
        out += 1
        new_start[out] = at
    return new_start[: out + 1].copy(), new_pins[:at].copy(), new_w[:out].copy(), mark[:out].copy()


@compiled
def merge_equal(start, pins, w, mark, order, n):
    """Join nets with the same pins, given nets in the order of their hash; weights are added."""
    m = len(w)
    into = np.arange(m)
    seen = np.full(n, -1, np.int64)
    i = 0
    while i < m:
        j = i + 1
        while j < m and mark[order[j]] == mark[order[i]]:
            j += 1
        for a in range(i, j):
            e = order[a]
            if into[e] != e or a + 1 == j:
                continue
            for s in range(start[e], start[e + 1]):
                seen[pins[s]] = e
            for b in range(a + 1, j):
                o = order[b]
                if into[o] != o or start[o + 1] - start[o] != start[e + 1] - start[e]:
                    continue
                same = True
                for s in range(start[o], start[o + 1]):
                    if seen[pins[s]] != e:
                        same = False
                        break
                if same:
                    into[o] = e
        i = j
    total = w.copy()
    for e in range(m):
        if into[e] != e:
            total[into[e]] += w[e]
    new_start = np.zeros(m + 1, np.int64)
    new_pins = np.empty(len(pins), np.int32)
    new_w = np.empty(m, np.float64)
    at, out = 0, 0
    for e in range(m):
        if into[e] == e:
            for s in range(start[e], start[e + 1]):
                new_pins[at] = pins[s]
                at += 1
            new_w[out] = total[e]
            out += 1
            new_start[out] = at
    return new_start[: out + 1].copy(), new_pins[:at].copy(), new_w[:out].copy()


@compiled
def restrict(start, pins, w, part, which, number):
    """Return the nets cut down to one part, with vertices renumbered; those with fewer than two pins go."""
    m = len(w)
    new_start = np.zeros(m + 1, np.int64)
    new_pins = np.empty(len(pins), np.int32)
    new_w = np.empty(m, np.float64)
    at, out = 0, 0
    for e in range(m):
        first = at
        for s in range(start[e], start[e + 1]):
            if part[pins[s]] == which:
                new_pins[at] = number[pins[s]]
                at += 1
        if at - first < 2:
            at = first
            continue
        new_w[out] = w[e]
        out += 1
        new_start[out] = at
    return new_start[: out + 1].copy(), new_pins[:at].copy(), new_w[:out].copy()


# -- rows of nets ----------------------------------------------------------------------------------------


@compiled
def make_rows(start, pins, part, k):
    """Return row, cell, row_n of a partition."""
    m = len(start) - 1
    row = np.zeros(m + 1, np.int64)
    for e in range(m):
        row[e + 1] = row[e] + min(start[e + 1] - start[e], k)
    cell = np.empty((row[m], 2), np.int32)
    row_n = np.zeros(m, np.int32)
    where = np.full(k, -1, np.int64)
    for e in range(m):
        for s in range(start[e], start[e + 1]):
            p = part[pins[s]]
            if where[p] < row[e]:
                where[p] = row[e] + row_n[e]
                cell[where[p], 0] = p
                cell[where[p], 1] = 0
                row_n[e] += 1
            cell[where[p], 1] += 1
    return row, cell, row_n


@compiled
def leave(e, p, row, cell, row_n):
    """Take one pin of net e out of part p; return how many are left there."""
    a = row[e]
    while cell[a, 0] != p:
        a += 1
    cell[a, 1] -= 1
    left = cell[a, 1]
    if left == 0:
        last = row[e] + row_n[e] - 1
        cell[a, 0], cell[a, 1] = cell[last, 0], cell[last, 1]
        row_n[e] -= 1
    return left


@compiled
def enter(e, p, row, cell, row_n):
    """Put one pin of net e into part p; return how many are there now."""
    end = row[e] + row_n[e]
    for a in range(row[e], end):
        if cell[a, 0] == p:
            cell[a, 1] += 1
            return cell[a, 1]
    cell[end, 0] = p
    cell[end, 1] = 1
    row_n[e] += 1
    return 1


@compiled
def km1(w, row_n):
    """Return KM1."""
    total = 0.0
    for e in range(len(w)):
        if row_n[e] > 1:
            total += w[e] * (row_n[e] - 1)
    return total


@compiled
def excess(load, cap):
    """Return by how much parts are over their capacity, in fractions of it, summed."""
    total = 0.0
    for p in range(load.shape[0]):
        for j in range(load.shape[1]):
            if load[p, j] > cap[p, j]:
                total += (load[p, j] - cap[p, j]) / max(cap[p, j], 1e-12)
    return total


@compiled
def fits(v, p, size, load, cap):
    """Whether v fits into part p."""
    for j in range(size.shape[1]):  # noqa: SIM110
        if size[v, j] > 0 and load[p, j] + size[v, j] > cap[p, j]:
            return False
    return True


@compiled
def is_over(p, load, cap):
    """Whether a part exceeds a capacity."""
    for j in range(load.shape[1]):  # noqa: SIM110
        if load[p, j] > cap[p, j]:
            return True
    return False


# -- moves without a table of gains ------------------------------------------------------------------


@compiled
def look(v, w, begin, nets, part, row, cell, row_n, touch, touched):
    """Fill touch(v, p) of the parts that v's nets touch; return their number, benefit and degree of v."""
    f = part[v]
    n_touched, benefit, degree = 0, 0.0, 0.0
    for i in range(begin[v], begin[v + 1]):
        e = nets[i]
        degree += w[e]
        for a in range(row[e], row[e] + row_n[e]):
            p = cell[a, 0]
            if p == f:
                if cell[a, 1] == 1:
                    benefit += w[e]
            else:
                if touch[p] == 0.0:
                    touched[n_touched] = p
                    n_touched += 1
                touch[p] += w[e] + 1e-300  # a net of weight 0 counts as touched, too
    return n_touched, benefit, degree


@compiled
def shift(v, t, begin, nets, size, part, load, row, cell, row_n):
    """Move v to part t."""
    f = part[v]
    for i in range(begin[v], begin[v + 1]):
        e = nets[i]
        leave(e, f, row, cell, row_n)
        enter(e, t, row, cell, row_n)
    for j in range(size.shape[1]):
        load[f, j] -= size[v, j]
        load[t, j] += size[v, j]
    part[v] = t


@compiled
def sweep(w, begin, nets, size, part, load, cap, row, cell, row_n, order):
    """Move every vertex, in `order`, to the part that lowers KM1 most and has room.

    Returns
    -------
    by how much KM1 fell, and how many entries of rows were looked at
    """
    k = load.shape[0]
    touch = np.zeros(k)
    touched = np.empty(k, np.int32)
    total, looked = 0.0, 0
    for at in range(len(order)):
        v = order[at]
        for i in range(begin[v], begin[v + 1]):
            looked += row_n[nets[i]]
        n_touched, benefit, degree = look(v, w, begin, nets, part, row, cell, row_n, touch, touched)
        best, best_gain = -1, 0.0
        if benefit > 0.0:
            for i in range(n_touched):
                p = touched[i]
                gain = benefit - degree + touch[p]
                if gain > best_gain + 1e-9 * degree and fits(v, p, size, load, cap):
                    best, best_gain = p, gain
        for i in range(n_touched):
            touch[touched[i]] = 0.0
        if best >= 0:
            shift(v, best, begin, nets, size, part, load, row, cell, row_n)
            total += best_gain
    return total, looked


@compiled
def relieve(w, begin, nets, size, part, load, cap, row, cell, row_n, rounds):
    """Move vertices out of parts that are too full, those that cost least for what they free first; return the excess.

    A vertex goes where it has room; where none has, to the emptiest part that it makes less full than its own is.
    """
    n, d = size.shape
    k = load.shape[0]
    touch = np.zeros(k)
    touched = np.empty(k, np.int32)
    for _ in range(rounds):
        over = excess(load, cap)
        if over == 0.0:
            return over
        count = 0
        members = np.empty(n, np.int32)
        for v in range(n):
            if is_over(part[v], load, cap):
                members[count] = v
                count += 1
        cost = np.empty(count)
        for i in range(count):
            v = members[i]
            n_touched, benefit, degree = look(
                v, w, begin, nets, part, row, cell, row_n, touch, touched
            )
            best = 0.0
            for a in range(n_touched):
                if fits(v, touched[a], size, load, cap):
                    best = max(best, touch[touched[a]])
                touch[touched[a]] = 0.0
            freed = 0.0
            for j in range(d):
                if load[part[v], j] > cap[part[v], j]:
                    freed += size[v, j] / max(cap[part[v], j], 1e-12)
            loss = degree - best - benefit
            cost[i] = loss / max(freed, 1e-12) if loss > 0 else loss
            if freed == 0.0:
                cost[i] = np.inf
        for i in np.argsort(cost, kind="mergesort"):
            v = members[i]
            f = part[v]
            if cost[i] == np.inf or not is_over(f, load, cap):
                continue
            n_touched, benefit, degree = look(
                v, w, begin, nets, part, row, cell, row_n, touch, touched
            )
            best, best_touch, best_full = -1, -1.0, np.inf
            for p in range(k):
                if p != f and fits(v, p, size, load, cap):
                    full = 0.0
                    for j in range(d):
                        full = max(full, load[p, j] / max(cap[p, j], 1e-12))
                    if touch[p] > best_touch or (touch[p] == best_touch and full < best_full):
                        best, best_touch, best_full = p, touch[p], full
            for a in range(n_touched):
                touch[touched[a]] = 0.0
            if best < 0:
                # no room anywhere: the part that ends fullest by least, if that is less than f is now
                now = 0.0
                for j in range(d):
                    now = max(now, load[f, j] / max(cap[f, j], 1e-12))
                for p in range(k):
                    if p != f:
                        full = 0.0
                        for j in range(d):
                            full = max(full, (load[p, j] + size[v, j]) / max(cap[p, j], 1e-12))
                        if full < now - 1e-12 and full < best_full:
                            best, best_full = p, full
            if best >= 0:
                shift(v, best, begin, nets, size, part, load, row, cell, row_n)
        if excess(load, cap) >= over * (1.0 - 1e-9):
            break
    return excess(load, cap)


# -- localized search with a table of touch(v, t) -------------------------------------------------------


@compiled
def make_table(w, begin, nets, part, row, cell, row_n, k):
    """Return touch (n, k), benefit (n,) and degree (n,) of every vertex."""
    n = len(part)
    table = np.zeros((n, k), np.float32)
    benefit = np.zeros(n, np.float32)
    degree = np.zeros(n, np.float32)
    for v in range(n):
        f = part[v]
        for i in range(begin[v], begin[v + 1]):
            e = nets[i]
            degree[v] += w[e]
            for a in range(row[e], row[e] + row_n[e]):
                p = cell[a, 0]
                table[v, p] += w[e]
                if p == f and cell[a, 1] == 1:
                    benefit[v] += w[e]
    return table, benefit, degree


@compiled
def sift_up(heap, place, key, i):
    """Restore the order of a heap above entry i."""
    v = heap[i]
    while i > 0:
        up = (i - 1) >> 1
        if key[heap[up]] >= key[v]:
            break
        heap[i] = heap[up]
        place[heap[i]] = i
        i = up
    heap[i] = v
    place[v] = i


@compiled
def sift_down(heap, place, key, i, n):
    """Restore the order of a heap below entry i."""
    v = heap[i]
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and key[heap[child + 1]] > key[heap[child]]:
            child += 1
        if key[heap[child]] <= key[v]:
            break
        heap[i] = heap[child]
        place[heap[i]] = i
        i = child
    heap[i] = v
    place[v] = i


@compiled
def best_part(v, size, part, load, cap, table, benefit, degree):
    """Return the part that v would best go to and the gain, or -1."""
    best, gain = -1, np.float32(-np.inf)
    f = part[v]
    for p in range(load.shape[0]):
        if p != f and table[v, p] > gain and fits(v, p, size, load, cap):
            best, gain = p, table[v, p]
    return best, benefit[v] - degree[v] + gain


@compiled
def tabled_shift(v, t, start, pins, w, begin, nets, size, part, load, row, cell, row_n,
                 table, benefit, degree, heap, key, place, raised, wide):  # fmt: skip
    """Move v to part t and keep table and heap; return the gain and how many vertices stand in `raised`.

    `raised` lists vertices outside the heap whose gain to some part rose. Nets of more than `wide` pins raise nobody:
    too many gain too little.
    """
    f = part[v]
    n_raised = 0
    gain = 0.0
    own = np.float32(0.0)
    for i in range(begin[v], begin[v + 1]):
        e = nets[i]
        left = leave(e, f, row, cell, row_n)
        now = enter(e, t, row, cell, row_n)
        small = start[e + 1] - start[e] <= wide
        weight = np.float32(w[e])
        if left == 0:
            gain += w[e]
        if now == 1:
            gain -= w[e]
            own += weight
        if left > 1 and now > 2:
            continue
        for s in range(start[e], start[e + 1]):
            u = pins[s]
            if now == 1:
                table[u, t] += weight
            if left == 0:
                table[u, f] -= weight
            if u == v:
                continue
            if now == 2 and part[u] == t:
                benefit[u] -= weight
            sole = left == 1 and part[u] == f
            if sole:
                benefit[u] += weight
            if not sole and not (now == 1 and small):
                continue
            if place[u] >= 0:
                risen = key[u] + weight
                if not sole:
                    risen = benefit[u] - degree[u] + table[u, t]
                if risen > key[u]:
                    key[u] = risen
                    sift_up(heap, place, key, place[u])
            elif place[u] == -1:
                raised[n_raised] = u
                n_raised += 1
                place[u] = -3
    benefit[v] = own
    part[v] = t
    for j in range(size.shape[1]):
        load[f, j] -= size[v, j]
        load[t, j] += size[v, j]
    return gain, n_raised


@compiled
def tabled_sweep(start, pins, w, begin, nets, size, part, load, cap, row, cell, row_n,
                 table, benefit, degree, order):  # fmt: skip
    """Do what `sweep` does, with the table: moves cost more, vertices that stay cost next to nothing."""
    n = len(part)
    heap = np.empty(0, np.int32)
    place = np.full(n, -2, np.int32)
    key = np.empty(0, np.float32)
    raised = np.empty(0, np.int32)
    total = 0.0
    for at in range(len(order)):
        v = order[at]
        if benefit[v] > 0:
            t, gain = best_part(v, size, part, load, cap, table, benefit, degree)
            if t >= 0 and gain > 1e-5 * degree[v]:
                gained, _ = tabled_shift(
                    v, t, start, pins, w, begin, nets, size, part, load, row, cell, row_n,
                    table, benefit, degree, heap, key, place, raised, 0
                )  # fmt: skip
                total += gained
    return total


@compiled
def swap(start, pins, w, begin, nets, size, part, load, cap, row, cell, row_n,
         table, benefit, degree, order, work):  # fmt: skip
    """Swap vertices whose best part is full with the vertex there that gains most (or loses least) by it.

    Returns by how much KM1 fell. What both gain together is only known once they have moved: they move back where it is
    nothing. Ends early when about `work` pins have been looked at.
    """
    n, d = size.shape
    k = load.shape[0]
    heap = np.empty(0, np.int32)
    place = np.full(n, -2, np.int32)
    key = np.empty(0, np.float32)
    raised = np.empty(0, np.int32)
    member = np.argsort(part, kind="mergesort").astype(
        np.int32
    )  # part by part, places swapped as vertices are
    first = np.zeros(k + 1, np.int64)
    where = np.empty(n, np.int64)
    for i in range(n):
        where[member[i]] = i
        first[part[i] + 1] += 1
    for p in range(k):
        first[p + 1] += first[p]
    total = 0.0
    for at in range(n):
        v = order[at]
        f = part[v]
        if benefit[v] == 0:
            continue
        t, gain = -1, np.float32(0.0)
        for p in range(k):
            g = benefit[v] - degree[v] + table[v, p]
            if p != f and g > gain:
                t, gain = p, g
        if t < 0 or fits(v, t, size, load, cap):
            continue
        best, best_gain = -1, np.float32(-np.inf)
        for i in range(first[t], first[t + 1]):
            u = member[i]
            g = benefit[u] - degree[u] + table[u, f]
            if g > best_gain:
                inside = True
                for j in range(d):
                    more = size[v, j] - size[u, j]
                    if load[t, j] + more > cap[t, j] or load[f, j] - more > cap[f, j]:
                        inside = False
                if inside:
                    best, best_gain = u, g
        if best < 0 or gain + best_gain <= 1e-5 * degree[v]:
            continue
        u = best
        work -= 2.0 * (begin[v + 1] - begin[v] + begin[u + 1] - begin[u]) * len(pins) / len(w)
        if work < 0:
            break
        gained = 0.0
        for step in range(4):
            if step == 2 and gained > 1e-9 * degree[v]:
                break
            x = v if step % 2 == 0 else u
            to = t if step == 0 or step == 3 else f
            g, _ = tabled_shift(
                x, to, start, pins, w, begin, nets, size, part, load, row, cell, row_n,
                table, benefit, degree, heap, key, place, raised, 0
            )  # fmt: skip
            gained += g
        if part[v] == t:
            total += gained
            member[where[v]], member[where[u]] = u, v
            where[v], where[u] = where[u], where[v]
    return total


@compiled
def search(start, pins, w, begin, nets, size, part, load, cap, row, cell, row_n,
           table, benefit, degree, seeds, per_search, fruitless, wide):  # fmt: skip
    """Improve a partition by localized searches; return by how much KM1 fell.

    From every seed that has not moved yet the best moves are made one after the other, worse ones too, over the
    vertices whose gain the moves raise; after `fruitless` moves without a new best it is taken back to the best. A
    vertex moves once.
    """
    n = len(part)
    heap = np.empty(n, np.int32)
    place = np.full(n, -1, np.int32)  # -1 nowhere, -2 has moved, -3 listed in `raised`
    key = np.zeros(n, np.float32)
    raised = np.empty(n, np.int32)
    moved = np.empty(n, np.int32)
    came = np.empty(n, np.int32)
    total = 0.0
    at = 0
    while at < len(seeds):
        in_heap = 0
        taken = 0
        while at < len(seeds) and taken < per_search:
            v = seeds[at]
            at += 1
            if place[v] != -1:
                continue
            t, gain = best_part(v, size, part, load, cap, table, benefit, degree)
            if t < 0:
                continue
            key[v] = gain
            heap[in_heap] = v
            in_heap += 1
            sift_up(heap, place, key, in_heap - 1)
            taken += 1
        n_moved, kept = 0, 0
        now, best = 0.0, 0.0
        over = excess(load, cap)
        over_best = over_first = over
        while in_heap > 0 and n_moved - kept < fruitless:
            v = heap[0]
            t, gain = best_part(v, size, part, load, cap, table, benefit, degree)
            if t < 0 or gain < key[v]:
                if t >= 0:
                    key[v] = gain
                    sift_down(heap, place, key, 0, in_heap)
                    if heap[0] != v:
                        continue
                else:
                    in_heap -= 1
                    place[v] = -1
                    if in_heap > 0:
                        heap[0] = heap[in_heap]
                        sift_down(heap, place, key, 0, in_heap)
                    continue
            in_heap -= 1
            place[v] = -2
            if in_heap > 0:
                heap[0] = heap[in_heap]
                sift_down(heap, place, key, 0, in_heap)
            f = part[v]
            gain, n_raised = tabled_shift(
                v, t, start, pins, w, begin, nets, size, part, load, row, cell, row_n,
                table, benefit, degree, heap, key, place, raised, wide
            )  # fmt: skip
            moved[n_moved] = v
            came[n_moved] = f
            n_moved += 1
            now += gain
            if over_first > 0.0:
                over = excess(load, cap)
            if over < over_best - 1e-12 or (over <= over_best and now > best + 1e-9 * abs(best)):
                best, kept, over_best = now, n_moved, over
            for i in range(n_raised):
                u = raised[i]
                t, gain = best_part(u, size, part, load, cap, table, benefit, degree)
                place[u] = -1
                if t >= 0:
                    key[u] = gain
                    heap[in_heap] = u
                    in_heap += 1
                    sift_up(heap, place, key, in_heap - 1)
        for i in range(in_heap):
            place[heap[i]] = -1
        for i in range(n_moved - 1, kept - 1, -1):
            _, n_raised = tabled_shift(
                moved[i], came[i], start, pins, w, begin, nets, size, part, load, row, cell,
                row_n, table, benefit, degree, heap, key, place, raised, 0
            )  # fmt: skip
            for j in range(n_raised):
                place[raised[j]] = -1
        total += best
    return total


@compiled
def boundary(part, begin, nets, row_n):
    """Return the vertices with a net that touches more than one part."""
    found = np.empty(len(part), np.int32)
    n = 0
    for v in range(len(part)):
        for i in range(begin[v], begin[v + 1]):
            if row_n[nets[i]] > 1:
                found[n] = v
                n += 1
                break
    return found[:n].copy()


@compiled
def grow(start, pins, w, begin, nets, size, first, goal, limit):
    """Return a bisection: part 0 grown from a vertex, by the best gain each time, until it is as large as `goal`.

    `goal` and `limit` are fractions of all for each constraint; the one that is fullest decides.
    """
    n, d = size.shape
    part = np.ones(n, np.int32)
    count = np.zeros(len(w), np.int32)  # pins in part 0
    gain = np.zeros(n)
    total = np.zeros(d)
    for v in range(n):
        for j in range(d):
            total[j] += size[v, j]
        for i in range(begin[v], begin[v + 1]):
            e = nets[i]
            pins_here = start[e + 1] - start[e]
            gain[v] -= w[e] if pins_here > 1 else 0.0
    used = np.zeros(d)
    shut = np.zeros(n, np.bool_)
    v = first
    while v >= 0:
        part[v] = 0
        for j in range(d):
            used[j] += size[v, j]
        for i in range(begin[v], begin[v + 1]):
            e = nets[i]
            count[e] += 1
            pins_here = start[e + 1] - start[e]
            if count[e] == 1:
                for s in range(start[e], start[e + 1]):
                    gain[pins[s]] += w[e]
            if count[e] == pins_here - 1:
                for s in range(start[e], start[e + 1]):
                    if part[pins[s]] == 1:
                        gain[pins[s]] += w[e]
        fullest = 0.0
        for j in range(d):
            if total[j] > 0:
                fullest = max(fullest, used[j] / (total[j] * goal))
        if fullest >= 1.0:
            break
        best, best_gain = -1, -np.inf
        for u in range(n):
            if part[u] == 1 and not shut[u] and gain[u] > best_gain:
                inside = True
                for j in range(d):
                    if total[j] > 0 and used[j] + size[u, j] > total[j] * limit:
                        inside = False
                if inside:
                    best, best_gain = u, gain[u]
                else:
                    shut[u] = True
        v = best
    return part
