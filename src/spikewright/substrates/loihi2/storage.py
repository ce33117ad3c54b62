"""All populations of a network in integers, and the weights that are left: signed 8 bits, an exponent per projection.

`compile` stores weights by these functions, and `StoreWeights` shows training what they leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems, SubstrateError
from spikewright.network.graph import Network, Projection
from spikewright.network.topology import Dense, OneToOne, Sparse, Topology
from spikewright.network.windows import Conv
from spikewright.substrates.base import Change
from spikewright.substrates.loihi2.fixed_point import Refused
from spikewright.substrates.loihi2.formats import Arriving, Formats, Ranges, formats_of
from spikewright.substrates.loihi2.lowering import Lowered, lower, needs_graded
from spikewright.substrates.passes.quantize import relative_error

Ways = Mapping[str, tuple[Topology, NDArray[Any]]]
"""Projection -> its map with weights of its own, and its delays (one, or one per weight)."""


@dataclass(frozen=True)
class Whole:
    """A network in integers.

    Parameters
    ----------
    lowered, formats : population -> its integers; integer populations of the source are absent
    arriving : projection -> what its target sees, in real numbers
    ways : projection -> its map and delays
    """

    lowered: Mapping[str, Lowered]
    formats: Mapping[str, Formats]
    arriving: Mapping[str, Arriving]
    ways: Ways


def lower_network(network: Network, ranges: Ranges, bits: int, problems: Problems) -> Whole:
    """Return every population in integers, or note why one cannot be.

    Populations that send values come before those that they reach, since their scale is part of a weight's.
    """
    lowered: dict[str, Lowered] = {}
    formats: dict[str, Formats] = {}
    arriving: dict[str, Arriving] = {}
    ways = {p: way_of(network, p) for p in network.projections}
    native = {n for n, p in network.populations.items() if p.model.integer}
    _check_native(network, native, bits, problems)
    todo = [n for n in network.populations if n not in network.inputs and n not in native]
    failed: set[str] = set()
    while todo:
        ready = [
            n
            for n in todo
            if not {network.projections[p].pre for p in network.incoming(n)}
            & {m for m in todo if needs_graded(network.populations[m].model)}
        ]
        if not ready:
            for name in todo:
                model = network.populations[name].model.name
                problems.add(
                    f"loihi2: population {name!r} ({model})",
                    "graded values run in a loop, so nothing bounds them",
                    cure="break the loop, or let a population in it spike",
                )
            break
        for name in ready:
            todo.remove(name)
            population = network.populations[name]
            incoming = network.incoming(name)
            sources = failed & {network.projections[p].pre for p in incoming}
            if any(needs_graded(network.populations[n].model) for n in sources):
                failed.add(name)  # what it gets is not known; the source says why
                continue
            seen = {p: _arriving(network, p, ways[p][0], lowered, ranges) for p in incoming}
            where = f"loihi2: population {name!r} ({population.model.name})"
            if population.model.noise:
                problems.add(where, "declared noise has no counterpart in this model of the chip")
                failed.add(name)
                continue
            made = formats_of(network, name, seen, ranges.get(name, {}), bits, problems)
            if made is None:
                failed.add(name)
                continue
            try:
                lowered[name] = lower(name, population, network.dt, made)
            except Refused as error:
                cure = "use a model of sums and products; tables and functions are not modelled"
                problems.add(where, str(error), cure=cure)
                failed.add(name)
                continue
            formats[name] = made
            arriving |= seen
    return Whole(lowered, formats, arriving, ways)


def way_of(network: Network, name: str) -> tuple[Topology, NDArray[Any]]:
    """Return a projection's map with one array of weights of its own, and its delays."""
    p = network.projections[name]
    topology, delay = p.topology, p.delay
    plain = isinstance(topology, Dense | Sparse | Conv) or (
        isinstance(topology, OneToOne) and np.ndim(topology.weights) > 0
    )
    if plain:
        shape = np.asarray(topology.weight).shape
        return topology, delay.reshape(shape) if delay.ndim else delay
    synapses = topology.synapses(network.populations[p.pre].shape)
    made = Sparse(synapses.start, synapses.target, synapses.weight, synapses.n_post)
    return made, delay.ravel()[synapses.entry] if delay.ndim else delay


def _arriving(
    network: Network,
    name: str,
    topology: Topology,
    lowered: Mapping[str, Lowered],
    ranges: Ranges,
) -> Arriving:
    p = network.projections[name]
    pre = lowered.get(p.pre)
    payload = (
        float(max(ranges.get(p.pre, {}).values(), default=1.0)) if pre is None else pre.payload
    )
    unit = 1.0 if pre is None else pre.unit
    signed = payload != 1.0 or unit != 1.0
    bias = np.zeros(network.populations[p.post].n) if p.bias is None else np.ravel(p.bias)
    weight = np.asarray(topology.weight, np.float64)
    synapses = topology.synapses(network.populations[p.pre].shape)
    return Arriving(network.port_of(name), weight, synapses, payload, unit, signed, bias)


def _check_native(network: Network, native: set[str], bits: int, problems: Problems) -> None:
    """Note what populations that are integers already cannot have."""
    for name, p in network.projections.items():
        if p.post not in native and p.pre not in native:
            continue
        other = p.pre if p.post in native else p.post
        if other not in native and other not in network.inputs:
            problems.add(
                f"loihi2: projection {name!r}",
                "joins a population of integers with one of real numbers",
                cure="write both in integers, or neither",
            )
        weight = np.asarray(p.topology.synapses(network.populations[p.pre].shape).weight)
        if np.any(weight != np.rint(weight)) or np.any(np.abs(weight) >= 2**bits):
            problems.add(
                f"loihi2: projection {name!r}",
                "weights of an integer population are stored as they are",
                found=f"up to {float(np.abs(weight).max()):g}",
                expected=f"whole numbers, {2**bits - 1} at most, and an exponent",
            )


@dataclass(frozen=True)
class StoreWeights:
    """Replace every weight by the one that the synaptic memory keeps of it; a pass that keeps the structure.

    The stored integers are those of `Loihi2.compile`.

    Parameters
    ----------
    bits : of a weight, the sign included where a projection has both signs
    ranges : as in `Loihi2`
    """

    bits: int = 8
    ranges: Ranges | None = None

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with the weights that the chip computes with.

        Raises
        ------
        SubstrateError : a population cannot be expressed; all of them are listed
        """
        problems = Problems()
        whole = lower_network(network, self.ranges or {}, self.bits, problems)
        problems.raise_as(SubstrateError)
        projections: dict[str, Projection] = {}
        changes: list[Change] = []
        for made in whole.formats.values():
            for place in made.weight:
                p, old = network.projections[place], network.projections[place].topology.weight
                if old is None:
                    continue
                new = in_own_unit(whole, made, place)
                if np.shape(new) != np.shape(old):
                    new = _folded(network, place, new)
                projections[place] = replace(p, topology=p.topology.with_weight(new))
                size = relative_error(new, np.asarray(old))
                what = f"weights stored with {self.bits} bits"
                changes.append(Change("quantize", place, what, "synaptic memory", size))
        return network.replacing(projections=projections), tuple(changes)


def in_own_unit(whole: Whole, made: Formats, name: str) -> NDArray[np.float64]:
    """Return the weights that a projection's integers stand for, in the shape that is stored."""
    a = whole.arriving[name]
    one = 2.0 ** made.exponent[name] * a.unit / made.port[a.port]
    return np.asarray(made.weight[name] * one, np.float64)


def _folded(network: Network, name: str, each: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of a map that was written out, from one per synapse: all synapses of a weight agree."""
    p = network.projections[name]
    own = np.asarray(p.topology.weight)
    ones = p.topology.with_weight(np.ones(own.shape))
    synapses = ones.synapses(network.populations[p.pre].shape)
    new = np.ravel(own).astype(np.float64)
    new[synapses.entry] = each / synapses.weight
    return new.reshape(own.shape)
