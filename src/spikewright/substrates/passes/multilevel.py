"""Partition a hypergraph into parts of limited size so that nets touch few of them: our own multilevel partitioner.

Coarsen by clustering until few vertices are left; cut those by recursive bisection, each a small multilevel run with
several starts; then go back level by level, and on each move vertices while that lowers KM1: sweeps first, localized
searches that also go uphill where their table fits. V-cycles repeat all of it, and coarsen
within the parts found so far.

Everything is drawn from `seed`, in one thread: the same input gives the same parts.

A little longer than most files: the levels, the first partition and the refinement hand the same arrays to each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright import rng
from spikewright.errors import LimitError, Problems, SubstrateError, explain
from spikewright.substrates.passes.hypergraph import Hypergraph, parts_checked

METHODS = ("multilevel", "mtkahypar", "pymetis")
TABLE_ENTRIES = 2**25
"""Vertices times parts up to which localized searches keep a table of gains: 128 MiB."""
SEARCHED_PINS = 2_000_000
"""Pins up to which localized searches run on a level; sweeps take over above."""

SEEDS = 10
"""Vertices that a localized search begins with."""
WIDE = 1000
"""Pins of a net up to which a move in it makes its other vertices worth a look."""
SWAP_WORK = 5e7
"""Pins that one round of swaps may look at."""
FIRST_PINS = 500_000
"""Pins that a first partition looks at, of a sample of the nets."""


@dataclass(frozen=True)
class Effort:
    """How long the partitioner tries.

    Parameters
    ----------
    starts : runs from different draws, of which the best is kept
    cycles : V-cycles at most, each until it no longer helps
    tries : bisections tried at the bottom of every bisection
    fruitless : moves without a new best after which a search ends
    work : entries of rows of nets that the sweeps of one level may look at
    """

    starts: int = 1
    cycles: int = 3
    tries: int = 12
    fruitless: int = 200
    work: float = 2e9


@dataclass(frozen=True)
class _Level:
    start: NDArray[np.int64]
    pins: NDArray[np.int32]
    weight: NDArray[np.float64]
    begin: NDArray[np.int64]
    nets: NDArray[np.int32]
    size: NDArray[np.float64]

    @property
    def n(self) -> int:
        return len(self.size)


def partition_hypergraph(
    graph: Hypergraph,
    sizes: ArrayLike,
    capacity: ArrayLike,
    k: int,
    seed: int = 0,
    *,
    method: str = "multilevel",
    effort: Effort | None = None,
    begin_with: ArrayLike | None = None,
) -> NDArray[np.int32]:
    """Return a part 0..k - 1 of every vertex, with low KM1 and no part above its capacity.

    Parameters
    ----------
    graph : the hypergraph
    sizes : (n,) or (n, d), what a vertex takes of each of d limits, >= 0
    capacity : (d,), what a part has of each
    k : parts; some may stay empty
    seed : every draw
    method : "multilevel", or "mtkahypar" or "pymetis" where these packages are installed (one limit only)
    effort : how long to try
    begin_with : (n,), a partition to improve, for instance of the network before a small change

    Raises
    ------
    LimitError : the vertices do not fit into k parts, or no partition was found that respects the capacity
    MissingExtra : the package of a method is not installed
    SubstrateError : arguments that do not fit together
    """
    size, room = _checked(graph, sizes, capacity, k, method)
    if k == 1 or graph.n == 0:
        return np.zeros(graph.n, np.int32)
    if method == "multilevel":
        first = None if begin_with is None else _begin(graph, begin_with, k)
        part = _best(graph, size, room, k, seed, effort or effort_for(graph), first)
    else:
        from spikewright.substrates.passes import multilevel_peers

        part = getattr(multilevel_peers, f"by_{method}")(graph, size, room, k, seed)
    return part


def effort_for(graph: Hypergraph) -> Effort:
    """Return an effort of seconds for small hypergraphs, and of a minute for 10^7 pins."""
    pins = len(graph.pins)
    if pins > SEARCHED_PINS:
        return Effort(cycles=0, tries=4, fruitless=30)
    if pins > 400_000:
        return Effort(cycles=1, tries=8, fruitless=50)
    return Effort(starts=2)


def _checked(
    graph: Hypergraph, sizes: ArrayLike, capacity: ArrayLike, k: int, method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    where = "partition_hypergraph"
    given = np.asarray(sizes, np.float64)
    size = np.ascontiguousarray(given[:, None] if given.ndim == 1 else given)
    room = np.atleast_1d(np.asarray(capacity, np.float64))
    problems = Problems()
    if method not in METHODS:
        problems.add(where, f"no method {method!r}", expected=", ".join(METHODS))
    if k != int(k) or k < 1:
        problems.add(where, "needs parts", found=k, expected="a whole number >= 1")
    if size.shape != (graph.n, len(room)):
        problems.add(
            where,
            "sizes and capacity do not fit the hypergraph",
            found=f"{size.shape}, {room.shape}",
            expected=f"({graph.n}, d), (d,)",
        )
    if not np.all(np.isfinite(size)) or np.any(size < 0) or not np.all(room >= 0):
        problems.add(where, "sizes and capacities are amounts", expected="numbers >= 0")
    problems.raise_as(SubstrateError)
    finite = np.where(np.isfinite(room), room, np.maximum(size.sum(axis=0), 1.0))
    for j, (largest, total) in enumerate(
        zip(size.max(axis=0, initial=0.0), size.sum(axis=0), strict=True)
    ):
        if largest > finite[j]:
            problems.add(
                where,
                f"one vertex takes more of limit {j} than a part has",
                found=f"{largest:g}",
                expected=f"{finite[j]:g} at most",
                cure="split the vertex, or raise the limit",
            )
        elif total > finite[j] * k * (1 + 1e-12):
            problems.add(
                where,
                f"limit {j} binds: the vertices do not fit into {k} parts",
                found=f"{total:g}",
                expected=f"{finite[j] * k:g} at most",
                cure=f"use {int(np.ceil(total / finite[j]))} parts or more",
            )
    problems.raise_as(LimitError)
    return size, finite


def _begin(graph: Hypergraph, part: ArrayLike, k: int) -> NDArray[np.int32]:
    index, parts = parts_checked(graph, part)
    if parts > k:
        raise SubstrateError(
            explain("partition_hypergraph: begin_with", "too many parts", found=parts, expected=k)
        )
    return index


def _best(
    graph: Hypergraph,
    size: NDArray[np.float64],
    room: NDArray[np.float64],
    k: int,
    seed: int,
    effort: Effort,
    first: NDArray[np.int32] | None,
) -> NDArray[np.int32]:
    level = _Level(graph.start, graph.pins, graph.weight, *graph.incidence, size)
    cap = np.tile(room, (k, 1))
    draw = rng.stream(seed, "partition/multilevel")
    best, best_cost = np.zeros(graph.n, np.int32), (np.inf, np.inf)
    for _ in range(effort.starts if first is None else 1):
        part, cost = _multilevel(level, cap, first, draw, effort)
        for _ in range(effort.cycles):
            again, lower = _multilevel(level, cap, part, draw, effort)
            if lower >= cost:
                break
            gained = cost[1] - lower[1] if cost[0] == lower[0] else np.inf
            part, cost = again, lower
            if gained < 1e-3 * cost[1]:
                break
        if cost < best_cost:
            best, best_cost = part, cost
    if best_cost[0] > 1e-9:
        load = np.stack([np.bincount(best, size[:, j], k) for j in range(len(room))], axis=1)
        p, j = np.unravel_index(np.argmax(load / np.maximum(room, 1e-12)), load.shape)
        raise LimitError(
            explain(
                "partition_hypergraph",
                f"limit {j} binds: no partition into {k} parts was found that respects it",
                found=f"{load[p, j]:g}",
                expected=f"{room[j]:g} at most",
                cure="use more parts",
            )
        )
    return best


# -- one run -------------------------------------------------------------------------------------------


def _multilevel(
    level: _Level,
    cap: NDArray[np.float64],
    part: NDArray[np.int32] | None,
    draw: np.random.Generator,
    effort: Effort,
) -> tuple[NDArray[np.int32], tuple[float, float]]:
    """Return a partition, and its excess and KM1: a new one, or a V-cycle that begins with `part`."""
    k = len(cap)
    levels = [level]
    labels: list[NDArray[np.int32]] = []
    inside = np.zeros(level.n, np.int32) if part is None else part
    parts = [inside]
    bottom = max(10 * k, 400)
    while levels[-1].n > bottom:
        last = levels[-1]
        made = _coarser(last, cap[0], parts[-1], draw, bottom)
        if made is None:
            break
        coarse, label = made
        if labels and len(coarse.pins) > 0.6 * len(levels[-2].pins):
            # a level between that saved no pins would cost as much as the one above it
            levels.pop()
            parts.pop()
            label = label[labels.pop()]
        levels.append(coarse)
        labels.append(label)
        inside = np.zeros(coarse.n, np.int32)
        inside[label] = parts[-1]
        parts.append(inside)
    found = parts[-1].copy()
    if part is None:
        found = _recursive(_sampled(levels[-1], draw), cap, draw, effort)
    cost = (np.inf, np.inf)
    for i in range(len(levels) - 1, -1, -1):
        if i < len(labels):
            found = found[labels[i]]
        found, cost = _refined(levels[i], cap, found, draw, effort)
    return found, cost


def _coarser(
    level: _Level,
    room: NDArray[np.float64],
    part: NDArray[np.int32],
    draw: np.random.Generator,
    bottom: int,
) -> tuple[_Level, NDArray[np.int32]] | None:
    """Return the next level and the cluster of each vertex, or None where clustering does not get on."""
    from spikewright.substrates.passes import multilevel_loops as loops

    total = level.size.sum(axis=0)
    # no vertex so large that parts cannot be filled evenly
    limit = np.maximum(np.minimum(total / bottom * 4.0, room / 3.0), level.size.max(axis=0))
    limit = np.where(total > 0, limit, np.inf)
    order = draw.permutation(level.n).astype(np.int32)
    stop = max(bottom, int(level.n / 3.5))
    label, made = loops.cluster(
        level.start, level.pins, level.weight, level.begin, level.nets, level.size,
        limit, part, order, 3000, stop
    )  # fmt: skip
    if made > 0.95 * level.n:
        return None
    start, pins, weight, mark = loops.contract(level.start, level.pins, level.weight, label, made)
    alike = np.argsort(mark, kind="stable")
    start, pins, weight = loops.merge_equal(start, pins, weight, mark, alike, made)
    size = np.stack(
        [np.bincount(label, level.size[:, j], made) for j in range(level.size.shape[1])], axis=1
    ).astype(np.float64)
    return _with_incidence(start, pins, weight, size), label


def _with_incidence(
    start: NDArray[np.int64],
    pins: NDArray[np.int32],
    weight: NDArray[np.float64],
    size: NDArray[np.float64],
) -> _Level:
    from spikewright.substrates.passes.hypergraph_loops import incidence

    begin, nets = incidence(start, pins, len(size))
    return _Level(start, pins, weight, begin, nets, size)


def _sampled(level: _Level, draw: np.random.Generator) -> _Level:
    """Return a level with a sample of its nets where there are many: enough for a first partition."""
    share = FIRST_PINS / max(len(level.pins), 1)
    if share >= 1.0:
        return level
    kept = draw.random(len(level.weight)) < share
    pins = level.pins[np.repeat(kept, np.diff(level.start))]
    start = np.concatenate([[0], np.cumsum(np.diff(level.start)[kept])])
    return _with_incidence(start, pins, level.weight[kept], level.size)


def _recursive(
    level: _Level, cap: NDArray[np.float64], draw: np.random.Generator, effort: Effort
) -> NDArray[np.int32]:
    """Return a partition by recursive bisection."""
    from spikewright.substrates.passes import multilevel_loops as loops

    k = len(cap)
    part = np.zeros(level.n, np.int32)
    if k == 1 or level.n == 0:
        return part
    low = k // 2
    sides = np.stack([cap[:low].sum(axis=0), cap[low:].sum(axis=0)])
    total = level.size.sum(axis=0)
    # spare room shared out over the bisections to come, so that the last ones have some, too
    spare = np.maximum(sides.sum(axis=0) / np.maximum(total, 1e-300), 1.0)
    share = sides / np.maximum(sides.sum(axis=0), 1e-300)
    sides = np.minimum(sides, total * share * spare ** (1.0 / np.ceil(np.log2(k))))
    half = _bisected(level, sides, low / k, draw, effort)
    for side, caps, shift in ((0, cap[:low], 0), (1, cap[low:], low)):
        members = np.flatnonzero(half == side)
        if len(caps) == 1:
            part[members] = shift
            continue
        number = np.full(level.n, -1, np.int32)
        number[members] = np.arange(len(members))
        start, pins, weight = loops.restrict(
            level.start, level.pins, level.weight, half, side, number
        )
        inner = _with_incidence(start, pins, weight, level.size[members])
        part[members] = _recursive(inner, caps, draw, effort) + shift
    return part


def _bisected(
    level: _Level,
    sides: NDArray[np.float64],
    goal: float,
    draw: np.random.Generator,
    effort: Effort,
) -> NDArray[np.int32]:
    """Return a bisection by a small multilevel run: several starts at its bottom, of which the best is kept."""
    from spikewright.substrates.passes import multilevel_loops as loops

    levels = [level]
    labels: list[NDArray[np.int32]] = []
    bottom = 120
    total = level.size.sum(axis=0)
    while levels[-1].n > bottom:
        last = levels[-1]
        made = _coarser(last, total * 0.15, np.zeros(last.n, np.int32), draw, bottom)
        if made is None:
            break
        levels.append(made[0])
        labels.append(made[1])
    last = levels[-1]
    best: NDArray[np.int32] = np.zeros(last.n, np.int32)
    best_cost = (np.inf, np.inf)
    for _ in range(effort.tries):
        first = int(draw.integers(last.n))
        part = loops.grow(
            last.start, last.pins, last.weight, last.begin, last.nets, last.size, first,
            goal, goal * 1.05 + 0.02
        )  # fmt: skip
        part, cost = _refined(last, sides, part, draw, effort)
        if cost < best_cost:
            best, best_cost = part, cost
    found = best
    for i in range(len(levels) - 2, -1, -1):
        found, _ = _refined(levels[i], sides, found[labels[i]], draw, effort)
    return found


def _refined(
    level: _Level,
    cap: NDArray[np.float64],
    part: NDArray[np.int32],
    draw: np.random.Generator,
    effort: Effort,
) -> tuple[NDArray[np.int32], tuple[float, float]]:
    """Return a partition improved by moves, with its excess and KM1."""
    from spikewright.substrates.passes import multilevel_loops as loops

    k, n = len(cap), level.n
    part = np.array(part, np.int32)
    load = np.stack(
        [np.bincount(part, level.size[:, j], k) for j in range(level.size.shape[1])], axis=1
    )
    rows = loops.make_rows(level.start, level.pins, part, k)
    around = (level.weight, level.begin, level.nets, level.size, part, load, cap, *rows)
    loops.relieve(*around, 10)
    floor = loops.km1(level.weight, rows[2])
    if n * k > TABLE_ENTRIES:
        work = 0
        for _ in range(8):
            fell, looked = loops.sweep(*around, draw.permutation(n).astype(np.int32))
            floor -= fell
            work += looked
            if fell <= 2e-3 * floor or work + looked > effort.work:
                break
    else:
        table = loops.make_table(level.weight, level.begin, level.nets, part, *rows, k)
        tabled = (level.start, level.pins, *around, *table)
        for _ in range(8):
            fell = loops.tabled_sweep(*tabled, draw.permutation(n).astype(np.int32))
            if fell <= 2e-3 * floor:
                fell += loops.swap(*tabled, draw.permutation(n).astype(np.int32), SWAP_WORK)
            floor -= fell
            if fell <= 2e-3 * floor:
                break
        for _ in range(20 if len(level.pins) <= SEARCHED_PINS else 0):
            seeds = draw.permutation(loops.boundary(part, level.begin, level.nets, rows[2]))
            fell = loops.search(*tabled, seeds, SEEDS, effort.fruitless, WIDE)
            fell += loops.swap(*tabled, draw.permutation(n).astype(np.int32), SWAP_WORK)
            floor -= fell
            if fell <= 1e-4 * floor:
                break
    return part, (float(loops.excess(load, cap)), float(loops.km1(level.weight, rows[2])))
