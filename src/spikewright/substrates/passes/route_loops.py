"""Compiled loops of routing: ways between tiles, detours, and multicast trees. Directions are numbered as in `mesh`."""

from __future__ import annotations

import numpy as np
from numba import njit

from spikewright.substrates.passes.mesh import STEP_X, STEP_Y

compiled = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def step(tile, d, x, y):
    """Return the tile that lies in direction d, around the edges where it must be."""
    u = (tile % x + STEP_X[d]) % x
    v = (tile // x + STEP_Y[d]) % y
    return v * x + u


@compiled
def legs(a, b, x, y, grid, direction, length):
    """Fill the legs of the way from a to b, in order; return how many there are.

    Mesh and torus go along x, then along y; the shorter way round, east or north where both are equal. The triangular
    torus takes the shortest vector and goes its longest leg first.
    """
    dx, dy = b % x - a % x, b // x - a // x
    if grid == 1:
        if 2 * abs(dx) > x or (2 * abs(dx) == x and dx < 0):
            dx += x if dx < 0 else -x
        if 2 * abs(dy) > y or (2 * abs(dy) == y and dy < 0):
            dy += y if dy < 0 else -y
    if grid < 2:
        direction[0], length[0] = (0, dx) if dx >= 0 else (2, -dx)
        direction[1], length[1] = (1, dy) if dy >= 0 else (3, -dy)
        return 2
    best, bx, by = 2 * (x + y), dx, dy
    for i in range(3):
        for j in range(3):
            u, v = dx + (i - 1) * x, dy + (j - 1) * y
            far = max(abs(u), abs(v)) if (u >= 0) == (v >= 0) else abs(u) + abs(v)
            if far < best:
                best, bx, by = far, u, v
    diagonal = 0
    if (bx > 0) == (by > 0) and bx != 0 and by != 0:
        diagonal = min(bx, by) if bx > 0 else max(bx, by)
    bx -= diagonal
    by -= diagonal
    direction[0], length[0] = (0, bx) if bx >= 0 else (2, -bx)
    direction[1], length[1] = (4, diagonal) if diagonal >= 0 else (5, -diagonal)
    direction[2], length[2] = (1, by) if by >= 0 else (3, -by)
    for i in range(2):
        for j in range(2 - i):
            if length[j] < length[j + 1]:
                length[j], length[j + 1] = length[j + 1], length[j]
                direction[j], direction[j + 1] = direction[j + 1], direction[j]
    return 3


@compiled
def detours(source, x, y, links, came, queue):
    """Fill the direction in which every tile is first reached from `source` by links that are open, -1 where never."""
    came[:] = -1
    came[source] = 6
    queue[0] = source
    head, tail = 0, 1
    while head < tail:
        t = queue[head]
        head += 1
        for d in range(6):
            if links[t, d]:
                to = step(t, d, x, y)
                if came[to] < 0:
                    came[to] = d
                    queue[tail] = to
                    tail += 1


@compiled
def trees(start, to, source, weight, order, tile, x, y, grid, links, broken):
    """Route every net as a tree; nets of `source` < 0 are left out.

    A destination is joined where the way to it last leaves what the tree has already, so every tile is entered by one
    link. Ways over failed links are replaced by a shortest detour; `order` lists nets by their source's tile, so that
    detours are found once for a tile.

    Returns
    -------
    load (tiles, 6), links of every net, longest way of every net, entries (tiles,), of which straight (tiles,),
    the number of ways that were detoured, and the first net and place in `to` that cannot be reached, or -1
    """
    n_tiles = x * y
    m = len(weight)
    load = np.zeros((n_tiles, 6))
    n_links = np.zeros(m, np.int64)
    deepest = np.zeros(m, np.int64)
    entries = np.zeros(n_tiles, np.int64)
    straight = np.zeros(n_tiles, np.int64)
    stamp = np.full(n_tiles, -1, np.int64)
    depth = np.zeros(n_tiles, np.int64)
    into = np.zeros(n_tiles, np.int64)
    out_n = np.zeros(n_tiles, np.int64)
    out_d = np.zeros(n_tiles, np.int64)
    ends = np.zeros(n_tiles, np.bool_)
    members = np.empty(n_tiles, np.int64)
    node = np.empty(n_tiles + 1, np.int64)
    by = np.empty(n_tiles + 1, np.int64)
    direction = np.empty(3, np.int64)
    length = np.empty(3, np.int64)
    came = np.empty(n_tiles, np.int64)
    queue = np.empty(n_tiles, np.int64)
    known = -1
    turned = 0
    for index in range(len(order)):
        e = order[index]
        root = source[e]
        if root < 0 or start[e] == start[e + 1]:
            continue
        stamp[root] = e
        depth[root], into[root], out_n[root], ends[root] = 0, -1, 0, True
        members[0] = root
        n_members = 1
        for i in range(start[e], start[e + 1]):
            goal = tile[to[i]]
            if stamp[goal] == e:
                ends[goal] = True
                continue
            n_legs = legs(root, goal, x, y, grid, direction, length)
            node[0] = root
            n = 0
            whole = True
            for leg in range(n_legs):
                d = direction[leg]
                for _ in range(length[leg]):
                    whole = whole and links[node[n], d]
                    by[n] = d
                    node[n + 1] = step(node[n], d, x, y)
                    n += 1
            if broken and not whole:
                turned += 1
                if known != root:
                    detours(root, x, y, links, came, queue)
                    known = root
                if came[goal] < 0:
                    return load, n_links, deepest, entries, straight, turned, e, i
                n = 0
                t = goal
                while t != root:
                    queue[n] = came[t]
                    d = came[t]
                    back = d + 2 if d < 2 else (d - 2 if d < 4 else 9 - d)
                    t = step(t, back, x, y)
                    n += 1
                for j in range(n):
                    by[j] = queue[n - 1 - j]
                    node[j + 1] = step(node[j], by[j], x, y)
            join = n
            while stamp[node[join]] != e:
                join -= 1
            for j in range(join, n):
                a, b = node[j], node[j + 1]
                load[a, by[j]] += weight[e]
                n_links[e] += 1
                out_n[a] += 1
                out_d[a] = by[j]
                stamp[b] = e
                depth[b], into[b], out_n[b], ends[b] = depth[a] + 1, by[j], 0, False
                members[n_members] = b
                n_members += 1
            ends[goal] = True
            deepest[e] = max(deepest[e], depth[goal])
        for i in range(n_members):
            t = members[i]
            entries[t] += 1
            if not ends[t] and out_n[t] == 1 and out_d[t] == into[t]:
                straight[t] += 1
    return load, n_links, deepest, entries, straight, turned, -1, -1
