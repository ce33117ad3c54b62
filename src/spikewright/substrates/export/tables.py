"""A compiled network cut into what each core holds: its neurons, its synapses, and where its spikes go.

`OUTSIDE` stands for what lies on no core: the inputs, and populations that the chip does not compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems, SubstrateError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import Synapses
from spikewright.substrates.base import Compiled

OUTSIDE = -1


@dataclass(frozen=True)
class CoreSynapses:
    """Synapses of one projection onto the neurons of one core, compressed by source.

    Parameters
    ----------
    source : int64 (k,), flat index of each source neuron that reaches the core, ascending
    start : int64 (k + 1,), source j has entries `start[j]:start[j + 1]`
    target : int64 (n,), place of the target in the core's list of neurons of its population
    weight : int64 (n,)
    delay : int64 (n,), steps besides the step that a spike takes by itself
    """

    source: NDArray[np.int64]
    start: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.int64]
    delay: NDArray[np.int64]


@dataclass(frozen=True)
class Axons:
    """Where the spikes of some neurons go.

    Parameters
    ----------
    population : int64 (k,), number of each source's population
    neuron : int64 (k,), flat index in it
    start : int64 (k + 1,)
    core : int64 (n,), destinations of source j are `core[start[j]:start[j + 1]]`, ascending; -1 is outside the chip
    """

    population: NDArray[np.int64]
    neuron: NDArray[np.int64]
    start: NDArray[np.int64]
    core: NDArray[np.int64]


def check_digital(compiled: Compiled, what: str, *, on_cores: bool = True) -> None:
    """Raise SubstrateError where a compiled network is not one of integers, or not on cores where that is needed."""
    problems = Problems()
    if on_cores and compiled.placement is None:
        raise SubstrateError(
            explain(
                f"{what}: {compiled.substrate}",
                "has no cores",
                found="a substrate that places nothing",
                cure="compile for a digital chip, such as loihi",
            )
        )
    network = compiled.network
    for name, population in network.populations.items():
        if not population.model.integer:
            problems.add(
                f"{what}: population {name!r} ({population.model.name})",
                "computes with real numbers",
                expected="integer neurons",
                cure="save the network itself: spikewright.network.store.save",
            )
    for name, projection in network.projections.items():
        if projection.rule is not None:
            problems.add(
                f"{what}: projection {name!r}", "changes by a rule, which no table can hold"
            )
    for name in compiled.facts.get("learning", {}):
        problems.add(
            f"{what}: projection {name!r}",
            "learns on the chip, which no table can hold",
            cure="compile network.without_rules()",
        )
    for name in network.drives:
        problems.add(f"{what}: drive {name!r}", "enters without synapses, which no table can hold")
    problems.raise_as(SubstrateError)


class Tables:
    """The tables of a compiled network; each is made when it is asked for."""

    def __init__(
        self, network: Network, core_of: dict[str, NDArray[np.int64]], n_cores: int
    ) -> None:
        self.network, self.n_cores = network, n_cores
        self.core = {
            name: np.asarray(core_of.get(name, np.full(p.n, OUTSIDE)), np.int64)
            for name, p in network.populations.items()
        }
        self.local = {name: _places(core) for name, core in self.core.items()}
        self.number = {name: k for k, name in enumerate(network.populations)}

    def neurons(self, population: str) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Give (core, flat indices of the neurons there) of a population, core by core."""
        core = self.core[population]
        order = np.argsort(core, kind="stable")
        yield from _pieces(core[order], order)

    def synapses(self, projection: str) -> Iterator[tuple[int, CoreSynapses]]:
        """Give (core, synapses) of a projection, for every core that holds some."""
        p = self.network.projections[projection]
        made, delay = written_out(self.network, projection)
        source = made.source
        core = self.core[p.post][made.target]
        order = np.lexsort((source, core))
        for c, index in _pieces(core[order], order):
            origin = source[index]
            first = np.flatnonzero(np.diff(origin, prepend=-1))
            yield (
                c,
                CoreSynapses(
                    origin[first],
                    np.append(first, len(index)).astype(np.int64),
                    self.local[p.post][made.target[index]],
                    made.weight[index],
                    delay[index],
                ),
            )

    def axons(self) -> dict[int, Axons]:
        """Return core -> where its neurons send, over synapses whose weight is not 0."""
        sources, cores = [], []
        for name, p in self.network.projections.items():
            made, _ = written_out(self.network, name)
            live = made.weight != 0
            key = self.number[p.pre] * _BIG + made.source[live]
            pair = np.unique(np.stack([key, self.core[p.post][made.target[live]]], 1), axis=0)
            sources.append(pair[:, 0])
            cores.append(pair[:, 1])
        if not sources:
            return {}
        pairs = np.unique(np.stack([np.concatenate(sources), np.concatenate(cores)], 1), axis=0)
        population, neuron = pairs[:, 0] // _BIG, pairs[:, 0] % _BIG
        names = list(self.network.populations)
        home = np.empty(len(pairs), np.int64)
        for k, name in enumerate(names):
            here = population == k
            home[here] = self.core[name][neuron[here]]
        found = {}
        order = np.argsort(home, kind="stable")
        for c, index in _pieces(home[order], order):
            key = pairs[index, 0]
            first = np.flatnonzero(np.diff(key, prepend=-1))
            found[c] = Axons(
                population[index][first],
                neuron[index][first],
                np.append(first, len(index)).astype(np.int64),
                pairs[index, 1],
            )
        return found


_BIG = 2**32


def written_out(network: Network, projection: str) -> tuple[Synapses, NDArray[np.int64]]:
    """Return a projection's synapses and the delay of each, in steps."""
    p = network.projections[projection]
    made = p.topology.synapses(network.populations[p.pre].shape)
    weight = np.rint(made.weight).astype(np.int64)
    if np.any(weight != made.weight):
        raise SubstrateError(
            explain(f"projection {projection!r}", "has weights that are not whole")
        )
    steps = network.delay_steps(projection)
    delay = steps.ravel()[made.entry] if steps.ndim else np.full(made.n, int(steps))
    return Synapses(made.start, made.target, weight, made.entry, made.n_post), delay


def tables_of(compiled: Compiled) -> Tables:
    """Return the tables of a compiled network that has cores."""
    if compiled.placement is None:
        raise SubstrateError(explain(compiled.substrate, "has no cores"))
    return Tables(compiled.network, dict(compiled.placement.core_of), compiled.placement.n_cores)


def _places(core: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each neuron among those of its core."""
    order = np.argsort(core, kind="stable")
    place = np.empty(len(core), np.int64)
    for _, index in _pieces(core[order], order):
        place[index] = np.arange(len(index))
    return place


def _pieces(
    keys: NDArray[np.int64], values: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Give (key, values) of runs of equal keys."""
    if not len(keys):
        return
    edges = np.flatnonzero(np.diff(keys)) + 1
    for key, part in zip(keys[np.concatenate([[0], edges])], np.split(values, edges), strict=True):
        yield int(key), part
