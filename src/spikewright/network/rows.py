"""Synapses in the compact form that fast engines walk through: rows by source, sorted by delay, for a range of targets.

A recipe is followed straight into its rows: its edges are picked twice, first to count, then to place; there is never a
list of edges. Every other map is cut out of its written-out synapses. Both equal `Topology.synapses`: same synapses,
same numbers, same order among those of one source and one delay.

Longer than most files: sizes are asked for where rows are made, and both ways to make them stand together.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import NetworkError, explain
from spikewright.network.connectivity.distribution import Delays, Distribution, delays
from spikewright.network.connectivity.recipe import Plan, Recipe, WeightLaw, fan_out
from spikewright.network.topology import (
    Shape,
    Sparse,
    Synapses,
    Topology,
    check_memory,
)

NARROW = 2**16
"""Targets that a 16-bit number tells apart."""
BLOCK = 2**22
"""Synapses that are cut out at a time."""
EXPANDED = 32
"""Bytes of a synapse when written out."""
MEMINFO = Path("/proc/meminfo")
GROUP_LIMIT, GROUP_USE = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory.current"),
)


@dataclass(frozen=True, eq=False)
class Rows:
    """Synapses onto targets lo..hi - 1: those of source j are entries `start[j]:start[j + 1]`, sorted by delay.

    Parameters
    ----------
    lo, hi : the targets, as flat indices
    start : int64 (n_pre + 1,)
    target : uint16 (n,) where there are at most 65536 targets, else int32 (n,); minus `lo`
    weight : float64, float32, float16 or int64 (n,); uint8 (n,), an index to `values`; 0-d where all are the same
    delay : uint8, uint16 or int64 (n,), steps; 0-d where all are the same
    values : float64, what an index in `weight` stands for, or None
    """

    lo: int
    hi: int
    start: NDArray[np.int64]
    target: NDArray[Any]
    weight: NDArray[Any]
    delay: NDArray[Any]
    values: NDArray[np.float64] | None = None

    @property
    def n(self) -> int:
        """Number of synapses."""
        return len(self.target)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.start.nbytes + self.target.nbytes + self.weight.nbytes + self.delay.nbytes

    def weights(self) -> NDArray[Any]:
        """Return the weight of every synapse, float64 (n,) or int64 (n,)."""
        if self.values is not None:
            coded: NDArray[Any] = self.values[self.weight]
            return coded
        kept = self.weight if self.weight.dtype.kind == "i" else self.weight.astype(np.float64)
        return np.array(np.broadcast_to(kept, self.target.shape))

    def delays(self) -> NDArray[np.int64]:
        """Return the delay of every synapse in steps, int64 (n,)."""
        return np.array(np.broadcast_to(self.delay, self.target.shape)).astype(np.int64)


@dataclass(frozen=True)
class Estimate:
    """What rows will take: `n` synapses (exact, or the mean) and `size` bytes. Shown as text for people."""

    n: float
    size: float

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.n + other.n, self.size + other.size)

    def __str__(self) -> str:
        return f"{self.n:.4g} synapses, {self.size / 2**30:.2f} GiB"


def rows(
    topology: Topology,
    pre_shape: Shape,
    post_size: int,
    bounds: Sequence[tuple[int, int]],
    delay: Any,
    dt: float,
    *,
    threads: int = 1,
    sort_by_delay: bool = True,
) -> list[Rows]:
    """Return the synapses of a map, one `Rows` per range of targets.

    Parameters
    ----------
    topology, pre_shape : the map, and the shape of its source
    post_size : number of targets
    bounds : (lo, hi) of each range; ranges are made side by side, each by one thread
    delay : of the projection: s, one or one per weight; or a `Distribution` of seconds
    dt : s, of a step
    threads : how many ranges are worked on at the same time; does not change the result
    sort_by_delay : else rows stay in the order of `Topology.synapses`

    Raises
    ------
    NetworkError : the map does not reach `post_size` targets, a range is not there, or memory does not suffice
    """
    n_post = math.prod(topology.out_shape(pre_shape))
    if n_post != post_size:
        raise NetworkError(
            explain("rows", f"{topology.kind} reaches another number of targets",
                    found=n_post, expected=post_size)
        )  # fmt: skip
    bad = [b for b in bounds if not 0 <= b[0] <= b[1] <= post_size]
    if bad:
        raise NetworkError(
            explain("rows", "a range of targets is not there", found=bad[0], expected=f"0..{post_size}")
        )  # fmt: skip
    expected = estimate(topology, pre_shape, post_size, bounds, delay, dt)
    check_available(topology.kind, expected.size)
    drawn = delays(delay, dt) if isinstance(delay, Distribution) else None
    if isinstance(topology, Recipe):
        made = drawn or _constant(delay, dt)
        return _followed(topology, pre_shape, bounds, made, threads, sort_by_delay)
    steps = _steps(topology, pre_shape, delay, dt)
    synapses = _compact(topology, pre_shape)

    def one(bound: tuple[int, int]) -> Rows:
        return _cut(synapses, bound, steps, sort_by_delay)

    return _each(one, bounds, threads)


def estimate(
    topology: Topology,
    pre_shape: Shape,
    post_size: int,
    bounds: Sequence[tuple[int, int]],
    delay: Any,
    dt: float,
) -> Estimate:
    """Return what `rows` with the same arguments will take, without making them."""
    n = topology.expected_synapses(pre_shape)
    if isinstance(topology, Recipe):
        law = topology.weight_law()
        weight = 0 if law.code < 0 else 1 if law.values is not None else law.dtype.itemsize
    else:
        own = topology.weight
        weight = 8 if own is None else own.dtype.itemsize if own.ndim else 0
    late = 0
    if isinstance(delay, Distribution):
        drawn = delays(delay, dt)
        late = 0 if len(drawn.steps) == 1 else _narrowest(drawn.high).itemsize
    elif np.ndim(delay):
        late = _narrowest(int(np.rint(np.max(delay, initial=0.0) / dt))).itemsize
    covered, size = 0.0, 0.0
    for lo, hi in bounds:
        part = n * (hi - lo) / post_size
        covered += part
        size += part * (_target(hi - lo).itemsize + weight + late)
        size += 8.0 * (math.prod(pre_shape) + 1)
    return Estimate(covered, size)


def available_memory() -> float:
    """Return the bytes that this process may still take, infinite where the machine does not say."""
    found = math.inf
    try:
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found = float(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        try:
            found = float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (AttributeError, ValueError, OSError):
            return math.inf
    try:
        # a container's own limit, where there is one
        found = min(found, float(GROUP_LIMIT.read_text()) - float(GROUP_USE.read_text()))
    except (OSError, ValueError):
        return found
    return found


def check_available(where: str, size: float) -> None:
    """Raise NetworkError where `size` bytes are more than this machine has left."""
    has = available_memory()
    if size > has:
        raise NetworkError(
            explain(
                where,
                f"needs {size / 2**30:.2f} GiB, has {has / 2**30:.2f} GiB",
                cure="make the network smaller, or keep weights as float16 or a Choice of few values",
            )
        )


def expanded(topology: Recipe, pre: Shape) -> Synapses:
    """Return the synapses of a recipe, written out."""
    n_post = math.prod(topology.out_shape(pre))
    check_memory(type(topology).__name__, int(topology.expected_synapses(pre) * EXPANDED))
    made = _followed(topology, pre, [(0, n_post)], _constant(0.0, 1.0), 1, False)[0]
    entry = np.arange(made.n, dtype=np.int64)
    return Synapses(made.start, made.target.astype(np.int64), made.weights(), entry, n_post)


def drawn_steps(
    topology: Topology, pre: Shape, distribution: Distribution, dt: float
) -> NDArray[np.int64]:
    """Return drawn delays in steps: one per synapse of a recipe, in the order of `synapses`; else one per weight."""
    made = delays(distribution, dt)
    if isinstance(topology, Recipe):
        n_post = math.prod(topology.out_shape(pre))
        check_memory(type(topology).__name__, int(topology.expected_synapses(pre) * EXPANDED))
        return _followed(topology, pre, [(0, n_post)], made, 1, False, weighted=False)[0].delays()
    from spikewright.network.connectivity import edges

    own = topology.weight
    if own is None:
        raise NetworkError(explain(topology.kind, "drawn delays need a map with weights"))
    if len(made.steps) == 1:
        return np.full(own.shape, made.steps[0])
    index = np.empty(own.size, np.int64)
    key = np.uint64(rng.key(0, f"connectivity/delay/{distribution.seed}"))
    edges.many_discrete(key, 0, own.size, made.upper, made.guide, index)
    return made.steps[index].reshape(own.shape)


# -- recipes ---------------------------------------------------------------------------------------------


def _followed(
    recipe: Recipe,
    pre: Shape,
    bounds: Sequence[tuple[int, int]],
    made: Delays,
    threads: int,
    sort: bool,
    *,
    weighted: bool = True,
) -> list[Rows]:
    plan, law = recipe.plan(pre), recipe.weight_law()
    key = recipe.key(f"delay/{made.seed}")

    def counted(bound: tuple[int, int]) -> NDArray[np.int64]:
        start = np.zeros(plan.n_pre + 1, np.int64)
        np.cumsum(fan_out(plan, *bound), out=start[1:])
        return start

    starts = _each(counted, bounds, threads)

    def placed(job: tuple[tuple[int, int], NDArray[np.int64]]) -> Rows:
        return _placed(plan, law if weighted else None, made, key, job[0], job[1], sort)

    return _each(placed, list(zip(bounds, starts, strict=True)), threads)


def _placed(
    plan: Plan,
    law: WeightLaw | None,
    made: Delays,
    key: int,
    bound: tuple[int, int],
    start: NDArray[np.int64],
    sort: bool,
) -> Rows:
    from spikewright.network.connectivity import edges

    n, (lo, hi) = int(start[-1]), bound
    target = np.empty(n, _target(hi - lo))
    weight = _weight_array(law, n)
    delay: NDArray[Any] = np.asarray(made.low)
    if len(made.steps) > 1:
        delay = np.empty(n, _narrowest(made.high))
    t2, t4 = _either(target, np.uint16, np.int32)
    d1, d2 = _either(delay, np.uint8, np.uint16)
    fields = _either(weight, np.uint8, np.float16, np.float32, np.float64)
    w1, w2, w4, w8 = fields[0], fields[1].view(np.uint16), fields[2], fields[3]
    code, of, upper, guide, size, seed = (
        -1,
        np.zeros(1),
        np.zeros(1, np.uint64),
        np.zeros(1, np.int32),
        8,
        0,
    )
    if law is not None:
        code, of, upper, guide = law.code, law.law, law.upper, law.guide
        size, seed = law.dtype.itemsize, law.key
    edges.follow(
        plan.packed(), plan.by_source, plan.majors, lo, hi, plan.capacity, True, start[:-1].copy(), t2, t4,
        (code, np.uint64(seed), of, upper, guide, size, w1, w2, w4, w8),
        (made.steps, np.uint64(key), made.upper, made.guide, d1, d2),
    )  # fmt: skip
    if sort and delay.ndim:
        edges.sort(start, t2, t4, w1, w2, w4, w8, d1, d2)
    values = None if law is None else law.values
    return Rows(lo, hi, start, target, weight, delay, values)


def _weight_array(law: WeightLaw | None, n: int) -> NDArray[Any]:
    if law is None or law.code < 0:
        return np.asarray(0.0 if law is None else law.value)
    return np.empty(n, np.uint8 if law.values is not None else law.dtype)


# -- every other map -------------------------------------------------------------------------------------


def _compact(topology: Topology, pre: Shape) -> Synapses:
    """Return the synapses of a map with its arrays as they are kept."""
    if isinstance(topology, Sparse):
        # the entries of a list are its weights, in order: nothing is looked up
        none = np.zeros(0, np.int64)
        return Synapses(topology.start, topology.target, topology.weights, none, topology.n_post)
    return topology.synapses(pre)


def _cut(synapses: Synapses, bound: tuple[int, int], steps: NDArray[np.int64], sort: bool) -> Rows:
    from spikewright.network.connectivity import edges

    lo, hi = bound
    start, used = np.zeros(len(synapses.start), np.int64), 0
    kept: list[NDArray[np.bool_]] = []
    for begin in range(0, synapses.n, BLOCK):
        part = synapses.target[begin : begin + BLOCK]
        inside = (part >= lo) & (part < hi)
        first, last = np.searchsorted(synapses.start, (begin, begin + BLOCK))
        before = np.concatenate(([0], np.cumsum(inside)))
        start[first:last] = used + before[synapses.start[first:last] - begin]
        used += int(before[-1])
        kept.append(inside)
    start[np.searchsorted(synapses.start, synapses.n) :] = used
    target = np.empty(used, _target(hi - lo))
    weights = synapses.weight
    same = synapses.n > 0 and bool(np.all(weights == weights[0]))
    weight = np.asarray(weights[0]) if same else np.empty(used, weights.dtype)
    delay: NDArray[Any] = steps
    if steps.ndim:
        delay = np.empty(used, _narrowest(int(steps.max(initial=0))))
    at = 0
    for number, inside in enumerate(kept):
        block = slice(number * BLOCK, (number + 1) * BLOCK)
        count = int(inside.sum())
        here = slice(at, at + count)
        target[here] = synapses.target[block][inside] - lo
        if weight.ndim:
            weight[here] = weights[block][inside]
        if steps.ndim:
            late = steps[block] if not len(synapses.entry) else steps[synapses.entry[block]]
            delay[here] = late[inside]
        at += count
    if sort and delay.ndim:
        wide = weight.view(np.float64) if weight.dtype == np.int64 and weight.ndim else weight
        w1, w2, w4, w8 = _either(wide, np.uint8, np.float16, np.float32, np.float64)
        t2, t4 = _either(target, np.uint16, np.int32)
        d1, d2 = _either(delay, np.uint8, np.uint16)
        edges.sort(start, t2, t4, w1, w2.view(np.uint16), w4, w8, d1, d2)
    return Rows(lo, hi, start, target, weight, delay)


def _steps(topology: Topology, pre: Shape, delay: Any, dt: float) -> NDArray[np.int64]:
    """Return delays in steps, flat by weight, or 0-d where all are the same."""
    if isinstance(delay, Distribution):
        steps = drawn_steps(topology, pre, delay, dt)
    else:
        steps = np.rint(np.asarray(delay, np.float64) / dt).astype(np.int64)
    if steps.size and np.all(steps == steps.flat[0]):
        return np.asarray(steps.flat[0])
    return steps.ravel() if steps.ndim else steps


# -- small parts -----------------------------------------------------------------------------------------


def _each(job: Callable[[Any], Any], items: Sequence[Any], threads: int) -> list[Any]:
    if threads <= 1 or len(items) <= 1:
        return [job(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(job, items))


def _constant(delay: Any, dt: float) -> Delays:
    steps = np.rint(np.asarray(delay, np.float64) / dt).astype(np.int64)
    if steps.ndim:
        raise NetworkError(
            explain(
                "rows",
                "a recipe has no array of delays",
                found=f"shape {steps.shape}",
                expected="one number, or a distribution",
            )
        )
    return Delays(steps.reshape(1), np.zeros(1, np.uint64), np.zeros(1, np.int32))


def _target(n: int) -> np.dtype[Any]:
    return np.dtype(np.uint16 if n <= NARROW else np.int32)


def _narrowest(steps: int) -> np.dtype[Any]:
    return np.dtype(np.uint8 if steps < 2**8 else np.uint16)


def _either(array: NDArray[Any], *kinds: Any) -> list[NDArray[Any]]:
    """Return the array in the place of its own dtype, and empty ones in the others."""
    return [array if array.ndim and array.dtype == kind else np.empty(0, kind) for kind in kinds]
