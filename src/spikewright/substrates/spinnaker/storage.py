"""Weights as SpiNNaker's ring buffers add them: unsigned 16 bits, one power of two per population and synapse type.

`compile` stores weights by these functions, and `StoreWeights` shows training what they leave: the weights in a
network's own unit that the stored integers stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.program import initial_values
from spikewright.errors import Problems, SubstrateError
from spikewright.network.graph import Network, Projection
from spikewright.network.topology import Dense, OneToOne, Sparse, Topology
from spikewright.network.windows import Conv
from spikewright.substrates.base import Change
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.spinnaker.mapping import (
    TYPES,
    Array,
    Neuron,
    Scale,
    Sums,
    analyze,
    choose_scale,
    sums_of,
)
from spikewright.substrates.spinnaker.model import BUFFER_MAX, SHIFT_MAX

Volts = tuple[Topology, Array, NDArray[Any]]
"""A projection's map, the current of its weights in volts, its delays (one, or one per weight)."""
SAME = 1e-9
"""Relative difference up to which two decays count as one: float noise."""


@dataclass(frozen=True)
class Stored:
    """The weights of a population's projections, and what they mean.

    Parameters
    ----------
    volts : projection -> `Volts`
    weight : projection -> signed integers; the sign says which ring buffer
    keep : type -> what a step keeps of its current, 0-d or (n,)
    scale : units
    sums : what arrives in a step at most
    bias : constant current, volts (n,)
    changes : what was changed to get here
    """

    volts: Mapping[str, Volts]
    weight: Mapping[str, NDArray[np.int64]]
    keep: Mapping[str, Array]
    scale: Scale
    sums: Sums
    bias: Array
    changes: tuple[Change, ...]

    def can_saturate(self, kind: str) -> float:
        """Return the largest sum of a step over what the ring buffer holds; 1 or less: it never saturates."""
        return float(np.max(self.sums.most[kind], initial=0.0)) / (
            self.scale.lsb(kind) * BUFFER_MAX
        )


def store(
    network: Network, name: str, neuron: Neuron, rate: float | None, problems: Problems
) -> Stored | None:
    """Return the stored weights of everything that reaches a population, or note why there are none."""
    where = f"spinnaker: population {name!r} ({network.populations[name].model.name})"
    before = len(problems.lines)
    volts = {p: in_volts(network, p, neuron) for p in network.incoming(name)}
    keep = _decays(network, neuron, volts, where, problems)
    if len(problems.lines) > before:
        return None
    bias, changes = _bias(network, name, neuron)
    n = network.populations[name].n
    synapses = {p: _synapses(network, p, *v[:2]) for p, v in volts.items()}
    sums = sums_of(network, synapses, n, rate)
    first = initial_values(network.populations[name])[neuron.voltage]
    scale = choose_scale(neuron, sums, keep, bias, first)
    while True:
        weight = {p: rounded(v[1], scale) for p, v in volts.items()}
        if rate is not None:
            break
        # rounding can lift a worst sum above 65535
        units = {p: _synapses(network, p, volts[p][0], w) for p, w in weight.items()}
        most = sums_of(network, units, n, None).most
        tight = [t for t in TYPES if np.max(most[t], initial=0.0) > BUFFER_MAX]
        if not tight:
            break
        shift = {t: min(s + (t in tight), SHIFT_MAX) for t, s in scale.shift.items()}
        scale = replace(scale, shift=shift)
    return Stored(volts, weight, keep, scale, sums, bias, changes)


def rounded(volt: Array, scale: Scale) -> NDArray[np.int64]:
    """Return currents in volts as signed integers of 16 bits."""
    units = np.where(volt > 0, volt / scale.lsb("exc"), volt / scale.lsb("inh"))
    return np.clip(np.rint(units), -BUFFER_MAX, BUFFER_MAX).astype(np.int64)


def in_volts(network: Network, name: str, neuron: Neuron) -> Volts:
    """Return a projection's map with weights of its own, and the currents that they add, in volts."""
    p = network.projections[name]
    gain = neuron.per_current(network.port_of(name))
    topology, weight, delay = p.topology, p.topology.weight, p.delay
    if weight is not None and _is_plain(topology, gain):
        rows = gain if gain.ndim == 0 else gain[:, None]
        return topology, weight * rows, delay.reshape(weight.shape) if delay.ndim else delay
    synapses = topology.synapses(network.populations[p.pre].shape)
    made = Sparse(synapses.start, synapses.target, synapses.weight, synapses.n_post)
    factor = gain if gain.ndim == 0 else gain[synapses.target]
    return made, synapses.weight * factor, delay.ravel()[synapses.entry] if delay.ndim else delay


def _is_plain(topology: Topology, gain: Array) -> bool:
    """Whether currents keep the shape of the map's own weights."""
    plain = isinstance(topology, Dense | Sparse | Conv) or (
        isinstance(topology, OneToOne) and np.ndim(topology.weights) > 0
    )
    return plain and (gain.ndim == 0 or isinstance(topology, Dense))


def _synapses(
    network: Network, name: str, topology: Topology, weight: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    pre = network.populations[network.projections[name].pre].shape
    synapses = topology.with_weight(weight).synapses(pre)
    return synapses.target, synapses.weight


def _decays(
    network: Network,
    neuron: Neuron,
    volts: Mapping[str, Volts],
    where: str,
    problems: Problems,
) -> dict[str, Array]:
    """Return what a step keeps of the current of each type; all weights of one sign share it."""
    found: dict[str, Array] = {}
    for kind, sign in zip(TYPES, (1.0, -1.0), strict=True):
        wanted = [
            (f"projection {p!r}", neuron.keep[network.port_of(p)])
            for p, v in volts.items()
            if np.any(sign * v[1] > 0)
        ]
        wanted += [
            ("a starting current", keep) for keep, volt in neuron.start if np.any(sign * volt > 0)
        ]
        found[kind] = wanted[0][1] if wanted else np.asarray(0.0)
        for place, keep in wanted:
            if np.any(np.abs(keep - found[kind]) > SAME):
                word = "positive" if kind == "exc" else "negative"
                problems.add(
                    where,
                    f"{word} weights share one synaptic time constant",
                    found=f"{wanted[0][0]} and {place} differ",
                    cure="give them the same port, or separate them by sign",
                )
    return found


def _bias(
    network: Network, name: str, neuron: Neuron
) -> tuple[NDArray[np.float64], tuple[Change, ...]]:
    """Return the constant current of a population's biases, in volts."""
    total = np.zeros(network.populations[name].n)
    changes: tuple[Change, ...] = ()
    for projection in network.incoming(name):
        bias = network.projections[projection].bias
        if bias is None or not np.any(bias):
            continue
        port = network.port_of(projection)
        volt = np.ravel(bias) * neuron.gain[port] / (1.0 - neuron.e)
        if np.any(neuron.keep[port]):
            volt = volt / (1.0 - neuron.keep[port])
            what = "bias acts at once instead of through the synaptic current"
            why = "the software's offset is a constant current"
            changes += (Change("replace", projection, what, why),)
        total = total + volt
    return total, changes


@dataclass(frozen=True)
class StoreWeights:
    """Replace every weight by the one that the ring buffers add; a pass that keeps the structure.

    The stored integers are those of `SpiNNaker.compile`. A weight that several synapses share, to neurons with
    different parameters, becomes the mean of what is stored for them.

    Parameters
    ----------
    rate : Hz, what the ring buffers are made for; None: the worst case
    """

    rate: float | None = None

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with the weights that the chip computes with.

        Raises
        ------
        SubstrateError : a population cannot be expressed; all of them are listed
        """
        problems = Problems()
        made: dict[str, tuple[Neuron, Stored]] = {}
        for name in network.populations:
            if name not in network.inputs:
                neuron = analyze(network, name, problems)
                stored = neuron and store(network, name, neuron, self.rate, problems)
                if neuron and stored:
                    made[name] = neuron, stored
        problems.raise_as(SubstrateError)
        projections: dict[str, Projection] = {}
        changes: list[Change] = []
        for neuron, stored in made.values():
            for place, integers in stored.weight.items():
                p, old = network.projections[place], network.projections[place].topology.weight
                if old is None:
                    continue
                volt = as_volts(integers, stored.scale)
                gain = neuron.per_current(network.port_of(place))
                new = _in_own_unit(network, place, volt, gain)
                projections[place] = replace(p, topology=p.topology.with_weight(new))
                size = relative_error(new, np.asarray(old))
                what = "weights stored with 16 bits"
                changes.append(Change("quantize", place, what, "ring buffers", size))
        return network.replacing(projections=projections), tuple(changes)


def as_volts(integers: NDArray[np.int64], scale: Scale) -> Array:
    """Return the currents that stored weights stand for, in volts."""
    return np.where(integers > 0, integers * scale.lsb("exc"), integers * scale.lsb("inh"))


def _in_own_unit(network: Network, name: str, volt: Array, gain: Array) -> NDArray[np.float64]:
    """Return the weights of a projection whose synapses are worth `volt`, shaped as `in_volts` gives them."""
    p = network.projections[name]
    own = np.asarray(p.topology.weight)
    if _is_plain(p.topology, gain):
        return np.asarray(volt / (gain if gain.ndim == 0 else gain[:, None]), np.float64)
    ones = p.topology.with_weight(np.ones(own.shape))
    synapses = ones.synapses(network.populations[p.pre].shape)
    each = volt / (gain if gain.ndim == 0 else gain[synapses.target]) / synapses.weight
    count = np.bincount(synapses.entry, minlength=own.size)
    total = np.bincount(synapses.entry, each, minlength=own.size)
    mean = np.divide(total, count, out=np.ravel(own).astype(np.float64), where=count > 0)
    return np.asarray(mean.reshape(own.shape), np.float64)
