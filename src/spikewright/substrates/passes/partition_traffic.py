"""Put neurons on cores by who talks to whom, within every limit of a core.

Limits that add over neurons (neurons, synapse words) go into the multilevel partitioner. Limits that do not (input
axons, distinct settings) are checked afterwards by a callback: a core that exceeds one sheds the neurons that are
attached to it least until it fits, those found a core of their own, and cores are merged again where limits allow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import LimitError, Problems, SubstrateError, explain
from spikewright.network.graph import Network
from spikewright.substrates.passes.hypergraph import Cover, hypergraph_of
from spikewright.substrates.passes.multilevel import Effort, partition_hypergraph
from spikewright.substrates.passes.partition import Partition

Exact = Callable[[Mapping[str, NDArray[np.int64]]], Mapping[str, float]]
"""What a core with these neurons (population -> indices, ascending) takes of limits that do not add up."""

CURE = "reduce fan-in, prune weights, use smaller populations or fewer bits per weight"
MERGE_TRIES = 30
"""Merges that are tried with the callback for each core."""


def partition_by_traffic(
    network: Network,
    populations: tuple[str, ...],
    needs: Mapping[str, Mapping[str, ArrayLike]],
    limits: Mapping[str, float],
    *,
    n_cores: int,
    substrate: str,
    rates: Mapping[str, Any] | None = None,
    exact: Exact | None = None,
    seed: int = 0,
    method: str = "multilevel",
    effort: Effort | None = None,
) -> Partition:
    """Cut populations into as few cores as their amounts allow, so that few packets travel between cores.

    Parameters
    ----------
    network : the network
    populations : which populations lie on cores
    needs : limit that adds up -> population -> amount of each neuron, or one number for all
    limits : limit -> what one core has, also of those that `exact` speaks of
    n_cores : cores of the substrate
    substrate : its name, for messages
    rates : population -> spikes per second, one or one per neuron; what a packet weighs
    exact : amounts of a core that do not add up; fewer neurons must never need more
    seed, method, effort : see `partition_hypergraph`

    Raises
    ------
    LimitError : one neuron alone exceeds a core, or there are too few cores; says which limit binds and by how much
    """
    for limit, amounts in needs.items():
        missing = [p for p in populations if p not in amounts]
        if missing:
            raise SubstrateError(
                explain(f"{substrate}: needs[{limit!r}]", "amounts are missing", found=missing)
            )
    cover = hypergraph_of(network, populations, rates)
    names = tuple(name for name in needs if name in limits)
    size = np.stack(
        [cover.joined(needs[name]).astype(float) for name in names] or [np.zeros(cover.graph.n)],
        axis=1,
    )
    room = np.array([float(limits[name]) for name in names] or [1.0])
    work = _Work(cover, size, room, names, limits, substrate, exact)
    work.check_neurons()
    part = _cut(work, n_cores, seed, method, effort)
    cores = [np.flatnonzero(part == p) for p in range(int(part.max(initial=-1)) + 1)]
    cores = [c for c in cores if len(c)]
    if exact is not None:
        cores = work.repaired(cores)
    cores = work.merged(cores)
    return work.result(cores, n_cores)


def _cut(
    work: _Work, n_cores: int, seed: int, method: str, effort: Effort | None
) -> NDArray[np.int32]:
    """Return the partition into the least number of parts for which one is found."""
    total = work.size.sum(axis=0)
    k = max(math.ceil((total / work.room).max(initial=0.0) - 1e-9), 1)
    while True:
        if k > n_cores:
            work.raise_too_few(k, n_cores)
        try:
            return partition_hypergraph(
                work.cover.graph, work.size, work.room, k, seed, method=method, effort=effort
            )
        except LimitError:
            k += max(1, k // 30)


@dataclass(frozen=True)
class _Work:
    """What the steps share: the hypergraph, amounts of each neuron, limits."""

    cover: Cover
    size: NDArray[np.float64]
    room: NDArray[np.float64]
    names: tuple[str, ...]
    limits: Mapping[str, float]
    substrate: str
    exact: Exact | None

    def members(self, core: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return the neurons of a core population by population."""
        found = {}
        for name, first in self.cover.first.items():
            a, b = np.searchsorted(core, [first, first + self.cover.sizes[name]])
            if b > a:
                found[name] = core[a:b] - first
        return found

    def used(self, core: NDArray[np.int64]) -> dict[str, float]:
        """Return what a core takes of every limit."""
        found = dict(zip(self.names, map(float, self.size[core].sum(axis=0)), strict=False))
        if self.exact is not None:
            found |= {k: float(v) for k, v in self.exact(self.members(core)).items()}
        return found

    def over(self, used: Mapping[str, float]) -> str:
        """Return the limit that is exceeded most, or ""."""
        share = {
            k: v / max(self.limits[k], 1e-300)
            for k, v in used.items()
            if v > self.limits.get(k, np.inf)
        }
        return max(share, key=lambda k: share[k], default="")

    def name_of(self, vertex: int) -> tuple[str, int]:
        """Return the population and index of a vertex."""
        return next(
            (p, vertex - a)
            for p, a in self.cover.first.items()
            if a <= vertex < a + self.cover.sizes[p]
        )

    def check_neurons(self) -> None:
        """Raise LimitError where one neuron alone exceeds what adds up; the worst of each population and limit."""
        problems = Problems()
        for name, a in self.cover.first.items():
            for j, limit in enumerate(self.names):
                amount = self.size[a : a + self.cover.sizes[name], j]
                worst = int(np.argmax(amount))
                if amount[worst] > self.room[j]:
                    self.add_neuron(problems, name, worst, limit, float(amount[worst]))
        problems.raise_as(LimitError)

    def add_neuron(
        self, problems: Problems, population: str, index: int, limit: str, amount: float
    ) -> None:
        """Note a neuron that fits no core."""
        problems.add(
            self.substrate,
            f"neuron {index} of population {population!r} needs more {limit} than a core has",
            found=f"{amount:g}",
            expected=f"{self.limits[limit]:g} at most",
            cure="reduce its fan-in, prune weights, or split the population's inputs",
        )

    def raise_too_few(self, n: int, n_cores: int) -> None:
        """Raise LimitError: the network needs more cores than there are."""
        total = self.size.sum(axis=0)
        share = total / (self.room * n_cores)
        j = int(np.argmax(share))
        tight = f"{self.names[j]} binds: {total[j]:g} of {self.room[j] * n_cores:g}"
        raise LimitError(
            explain(
                self.substrate,
                "the network needs more cores than there are",
                found=f"{n} cores ({tight if self.names else 'no additive limit'})",
                expected=f"{n_cores} at most",
                cure=CURE,
            )
        )

    # -- limits that do not add up ------------------------------------------------------------------

    def repaired(self, cores: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """Return cores that also keep the limits of the callback; what does not fit opens cores."""
        todo, done = list(cores), []
        while todo:
            core = todo.pop()
            limit = self.over(self.used(core))
            if not limit:
                done.append(core)
                continue
            if len(core) == 1:
                problems = Problems()
                population, index = self.name_of(int(core[0]))
                self.add_neuron(problems, population, index, limit, self.used(core)[limit])
                problems.raise_as(LimitError)
            order = self.attachment(core)
            low, high = (
                1,
                len(core) - 1,
            )  # neurons that are shed: the fewest with which the rest fits
            while low < high:
                middle = (low + high) // 2
                if self.over(self.used(np.sort(order[middle:]))):
                    low = middle + 1
                else:
                    high = middle
            todo += [np.sort(order[low:]), np.sort(order[:low])]
        return done[::-1]

    def attachment(self, core: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the neurons of a core, those that share least traffic with the others first."""
        graph = self.cover.graph
        begin, nets = graph.incidence
        inside = np.zeros(graph.n, bool)
        inside[core] = True
        own = np.concatenate([nets[begin[v] : begin[v + 1]] for v in core])
        found, where, count = np.unique(own, return_inverse=True, return_counts=True)
        shared = np.where(count > 1, graph.weight[found], 0.0)
        owner = np.repeat(np.arange(len(core)), np.diff(begin)[core])
        return core[np.argsort(np.bincount(owner, shared[where], len(core)), kind="stable")]

    # -- merging -------------------------------------------------------------------------------------

    def merged(self, cores: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """Return fewer cores: pairs that fit on one are joined, those with most packets between them first."""
        load = np.array([self.size[c].sum(axis=0) for c in cores]).reshape(len(cores), -1)
        alive = np.ones(len(cores), bool)
        # a core joins none if even the emptiest other one is too much for it
        small = np.flatnonzero((load + load.min(axis=0, initial=np.inf) <= self.room).all(axis=1))
        if len(small) < 2:
            return cores
        common = self.common(cores, small)
        first, second = np.triu_indices(len(small), 1)
        fit = (load[small[first]] + load[small[second]] <= self.room).all(axis=1)
        first, second = first[fit], second[fit]
        order = np.argsort(-common[first, second], kind="stable")
        tries = MERGE_TRIES * len(small)
        for i in order:
            a, b = int(small[first[i]]), int(small[second[i]])
            if not (alive[a] and alive[b]) or np.any(load[a] + load[b] > self.room):
                continue
            both = np.union1d(cores[a], cores[b])
            if self.exact is not None:
                tries -= 1
                if tries < 0:
                    break
                if self.over(self.used(both)):
                    continue
            cores[a] = both
            load[a] += load[b]
            alive[b] = False
        return [c for c, lives in zip(cores, alive, strict=True) if lives]

    def common(
        self, cores: list[NDArray[np.int64]], small: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the weight of nets that touch both of two cores, for some cores."""
        from scipy.sparse import csr_matrix

        graph = self.cover.graph
        row = np.full(graph.n, -1, np.int64)
        for i, c in enumerate(small):
            row[cores[c]] = i
        net = np.repeat(np.arange(graph.m), np.diff(graph.start))
        of = row[graph.pins]
        kept = of >= 0
        touches = csr_matrix(
            (np.ones(int(kept.sum())), (of[kept], net[kept])), shape=(len(small), graph.m)
        )
        touches.data[:] = 1.0
        return np.asarray((touches.multiply(graph.weight) @ touches.T).todense())

    # -- result --------------------------------------------------------------------------------------

    def result(self, cores: list[NDArray[np.int64]], n_cores: int) -> Partition:
        """Return the partition, cores in the order of their first neuron, or say that there are too many."""
        if len(cores) > n_cores:
            self.raise_too_few(len(cores), n_cores)
        cores = sorted(cores, key=lambda c: int(c[0]))
        index = np.zeros(self.cover.graph.n, np.int64)
        for i, core in enumerate(cores):
            index[core] = i
        used = tuple(self.used(core) for core in cores)
        core_of = self.cover.split(index)
        return Partition(
            core_of, used, {p: self.binding(np.unique(c), used) for p, c in core_of.items()}
        )

    def binding(self, on: NDArray[np.int64], used: tuple[Mapping[str, float], ...]) -> str:
        """Return the limit that is fullest over the cores of a population that needs more than one, or ""."""
        if len(on) < 2:
            return ""
        share: dict[str, float] = {}
        for core in on:
            for limit, amount in used[core].items():
                if self.limits.get(limit):
                    share[limit] = max(share.get(limit, 0.0), amount / self.limits[limit])
        return max(share, key=lambda k: share[k], default="")
