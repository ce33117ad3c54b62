"""A network as a hypergraph: one net per source neuron, whose pins are the neurons that its spikes reach.

A spike is sent once to every core that holds one of its targets, however many targets lie there. With the cores as
parts, a net of weight w (spikes per second) that touches `c` parts costs `w (c - 1)` packets, for its own neuron is
one of its pins: the connectivity metric KM1, `sum_e w_e (c_e - 1)`. An edge cut counts synapses instead.

Memory is about one int32 per synapse: 10^7 synapses take 40 MB, and as much again for the nets of every vertex.

Source
------
Catalyurek and Aykanat, "Hypergraph-partitioning-based decomposition for parallel sparse-matrix vector multiplication",
IEEE TPDS 10(7), 1999: connectivity minus one is the volume of communication.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.network.graph import Network


@dataclass(frozen=True, eq=False)
class Hypergraph:
    """Nets over vertices 0..n - 1, in compressed rows.

    Parameters
    ----------
    start : int64 (m + 1,), net e holds `pins[start[e]:start[e + 1]]`
    pins : int32 (start[m],), no vertex twice in a net
    weight : float64 (m,), packets that a net sends to every part it reaches (per second, or any unit)
    n : vertices
    owner : int32 (m,), the vertex that sends, a pin of its net; -1 where the source lies outside the chip

    Raises
    ------
    SubstrateError : the arrays do not fit together
    """

    start: NDArray[np.int64]
    pins: NDArray[np.int32]
    weight: NDArray[np.float64]
    n: int
    owner: NDArray[np.int32]

    def __post_init__(self) -> None:
        where = "hypergraph"
        m = len(self.start) - 1
        if m < 0 or self.start[0] != 0 or self.start[-1] != len(self.pins):
            raise SubstrateError(
                explain(where, "start must begin with 0 and end with the number of pins")
            )
        if np.any(np.diff(self.start) < 0):
            raise SubstrateError(explain(where, "start must grow"))
        if self.weight.shape != (m,) or self.owner.shape != (m,):
            raise SubstrateError(
                explain(
                    where,
                    "one weight and one owner per net",
                    found=f"{self.weight.shape}, {self.owner.shape}",
                    expected=f"({m},)",
                )
            )
        if not np.all(np.isfinite(self.weight)) or np.any(self.weight < 0):
            raise SubstrateError(
                explain(where, "weights of nets are rates", expected="finite numbers >= 0")
            )
        if len(self.pins) and not 0 <= self.pins.min() <= self.pins.max() < self.n:
            raise SubstrateError(
                explain(
                    where,
                    "a pin is not there",
                    found=f"{self.pins.min()}..{self.pins.max()}",
                    expected=f"0..{self.n - 1}",
                )
            )

    @property
    def m(self) -> int:
        """Number of nets."""
        return len(self.start) - 1

    @cached_property
    def incidence(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The nets of every vertex, in compressed rows: int64 (n + 1,) and int32 (pins,)."""
        from spikewright.substrates.passes.hypergraph_loops import incidence

        begin, nets = incidence(self.start, self.pins, self.n)
        return begin, nets

    @staticmethod
    def from_synapses(
        start: ArrayLike, target: ArrayLike, n: int, rates: ArrayLike = 1.0
    ) -> Hypergraph:
        """Return the hypergraph of n neurons whose synapses are compressed by source, as in `Synapses`.

        Parameters
        ----------
        start : (n + 1,)
        target : (synapses,), neurons; repeats count once
        n : neurons
        rates : spikes per second, one or one per neuron
        """
        begin, to = np.asarray(start, np.int64), np.asarray(target)
        if begin.shape != (n + 1,):
            raise SubstrateError(
                explain(
                    "hypergraph", "start must be (n + 1,)", found=begin.shape, expected=(n + 1,)
                )
            )
        if len(to) and not 0 <= to.min() <= to.max() < n:
            raise SubstrateError(
                explain(
                    "hypergraph", "a target is not there",
                    found=f"{to.min()}..{to.max()}", expected=f"0..{n - 1}",
                )
            )  # fmt: skip
        owner = np.arange(n, dtype=np.int32)
        return _made([(begin, to, np.zeros(0, bool), 0, 0)], owner, n, _rates(rates, n, "neurons"))


@dataclass(frozen=True)
class Cover:
    """The hypergraph of a network with where its populations lie in it.

    Parameters
    ----------
    graph : the hypergraph
    first : population on the chip -> its first vertex; its neurons follow in C order
    sizes : population on the chip -> neurons
    """

    graph: Hypergraph
    first: Mapping[str, int]
    sizes: Mapping[str, int]

    def split(self, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return an array over vertices population by population."""
        return {p: values[a : a + self.sizes[p]] for p, a in self.first.items()}

    def joined(self, values: Mapping[str, ArrayLike]) -> NDArray[Any]:
        """Return arrays over populations (or one number for each) as one array over vertices."""
        parts = [
            np.broadcast_to(np.asarray(values[p]).reshape(-1), self.sizes[p]) for p in self.first
        ]
        return np.concatenate(parts) if parts else np.zeros(0)


def hypergraph_of(
    network: Network, populations: tuple[str, ...], rates: Mapping[str, Any] | None = None
) -> Cover:
    """Return the hypergraph of the populations that lie on a chip.

    Every neuron that reaches one of them has a net: populations on the chip, and those outside (inputs), whose nets
    have no owner. Synapses of weight 0 carry nothing and are left out.

    Parameters
    ----------
    network : the network, recipes written out or not
    populations : which populations lie on cores
    rates : population -> spikes per second, one or one per neuron; 1 where it is missing

    Raises
    ------
    SubstrateError : a population is not there, or a rate is no rate
    """
    missing = [p for p in populations if p not in network.populations]
    if missing:
        raise SubstrateError(
            explain(
                "hypergraph",
                "no such population",
                found=", ".join(missing),
                expected=", ".join(network.populations),
            )
        )
    sizes = {p: network.populations[p].n for p in populations}
    ends = np.cumsum([0, *sizes.values()])
    first = {p: int(a) for p, a in zip(sizes, ends, strict=False)}
    given = dict(rates or {})
    blocks, owner, weights, n_nets = [], [], [], 0
    for name, population in network.populations.items():
        found = [q for q in network.outgoing(name) if network.projections[q].post in first]
        if not found:
            continue
        for q in found:
            p = network.projections[q]
            synapses = p.topology.synapses(population.shape)
            live = synapses.weight != 0
            every = np.zeros(0, bool) if live.all() else live
            blocks.append((synapses.start, synapses.target, every, first[p.post], n_nets))
        inside = name in first
        begin = first.get(name, -1)
        owner.append(np.arange(population.n) + begin if inside else np.full(population.n, -1))
        weights.append(_rates(given.get(name, 1.0), population.n, name))
        n_nets += population.n
    n = int(ends[-1])
    own = np.concatenate([*owner, np.zeros(0)]).astype(np.int32)
    weight = np.concatenate([*weights, np.zeros(0)])
    return Cover(_made(blocks, own, n, weight), first, sizes)


def connectivity(graph: Hypergraph, part: ArrayLike) -> float:
    """Return KM1, the sum over nets of weight times (distinct parts - 1): packets per unit of time.

    Examples
    --------
    >>> graph = Hypergraph.from_synapses([0, 2, 2, 2], [1, 2], 3, rates=5.0)
    >>> connectivity(graph, [0, 1, 1]), connectivity(graph, [0, 1, 2])
    (5.0, 10.0)
    """
    reached = parts_of_nets(graph, part)
    return float(graph.weight @ np.maximum(reached - 1, 0))


def packets(graph: Hypergraph, part: ArrayLike) -> float:
    """Return what is sent to cores: KM1, plus one packet more for every net without an owner on the chip."""
    reached = parts_of_nets(graph, part)
    return float(graph.weight @ np.where(graph.owner >= 0, np.maximum(reached - 1, 0), reached))


def edge_cut(graph: Hypergraph, part: ArrayLike) -> float:
    """Return the sum over synapses between neurons of different parts of their source's weight."""
    from spikewright.substrates.passes.hypergraph_loops import cut_synapses

    index, _ = parts_checked(graph, part)
    return float(cut_synapses(graph.start, graph.pins, graph.owner, index, graph.weight))


def parts_of_nets(graph: Hypergraph, part: ArrayLike) -> NDArray[np.int32]:
    """Return the number of distinct parts of every net, (m,)."""
    from spikewright.substrates.passes.hypergraph_loops import parts_reached

    index, k = parts_checked(graph, part)
    found: NDArray[np.int32] = parts_reached(graph.start, graph.pins, index, k)
    return found


def parts_checked(graph: Hypergraph, part: ArrayLike) -> tuple[NDArray[np.int32], int]:
    """Return a part per vertex as int32, and how many parts there are; refuse anything else."""
    given = np.asarray(part)
    whole = given.dtype.kind in "iu" or not given.size
    if given.shape != (graph.n,) or not whole or given.min(initial=0) < 0:
        raise SubstrateError(
            explain(
                "hypergraph",
                "a partition is one part per vertex",
                found=f"{given.dtype} {given.shape}",
                expected=f"whole numbers >= 0, ({graph.n},)",
            )
        )
    return given.astype(np.int32), int(given.max(initial=0)) + 1


def _rates(rates: Any, n: int, where: str) -> NDArray[np.float64]:
    given = np.asarray(rates, np.float64)
    if given.ndim and given.size != n:
        raise SubstrateError(
            explain(f"hypergraph: rates of {where}", "one rate, or one per neuron",
                    found=given.shape, expected=(n,))
        )  # fmt: skip
    return np.broadcast_to(given.reshape(-1), n).astype(np.float64)


def _made(
    blocks: list[tuple[NDArray[np.int64], NDArray[Any], NDArray[np.bool_], int, int]],
    owner: NDArray[np.int32],
    n: int,
    weight: NDArray[np.float64],
) -> Hypergraph:
    """Return the nets of some blocks of synapses (start, target, live, first vertex, first net) and their owners."""
    from spikewright.substrates.passes.hypergraph_loops import fill, without_repeats

    m = len(owner)
    count = (owner >= 0).astype(np.int64)
    for begin, _, live, _, net in blocks:
        rows = len(begin) - 1
        kept = np.concatenate([[0], np.cumsum(live)])[begin] if len(live) else begin
        count[net : net + rows] += np.diff(kept)
    start = np.zeros(m + 1, np.int64)
    np.cumsum(count, out=start[1:])
    pins = np.empty(start[-1], np.int32)
    cursor = start[:-1].copy()
    own = np.flatnonzero(owner >= 0)
    pins[cursor[own]] = owner[own]
    cursor[own] += 1
    for begin, target, live, offset, net in blocks:
        fill(cursor, net, begin, target, live, offset, pins)
    start = without_repeats(start, pins, n)
    if start[-1] < len(pins):
        pins = pins[: start[-1]].copy()
    return Hypergraph(start, pins, weight, n, owner)
