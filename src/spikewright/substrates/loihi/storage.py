"""Weights as Loihi's synaptic memory keeps them: one scale per population, an exponent per projection, few bits.

`compile` stores weights by these functions, and `StoreWeights` shows training what they leave: the weights in a
network's own unit that the stored integers stand for.
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
from spikewright.substrates.loihi.mapping import (
    WEIGHT_TOP,
    Bound,
    Neuron,
    Scale,
    analyze,
    bias_code,
    choose_scale,
    decay_code,
)
from spikewright.substrates.loihi.model import (
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_MAX,
    WEIGHT_SHIFT,
    Arithmetic,
    Sign,
    active,
    sign_of,
    stored,
)
from spikewright.substrates.passes.quantize import relative_error

U_MAX = 2**23 - 1
INPUT_MAX = 2**21 - 1
BIAS_MAX = BIAS_MANTISSA_MAX << BIAS_EXPONENT_MAX
Volts = tuple[Topology, NDArray[Any], NDArray[Any]]
"""A projection's map, its weights in volts, its delays (one, or one per weight)."""


def is_plain(topology: Topology, gain: NDArray[Any]) -> bool:
    """Whether weights in volts keep the shape of the map's own weights."""
    plain = isinstance(topology, Dense | Sparse | Conv) or (
        isinstance(topology, OneToOne) and np.ndim(topology.weights) > 0
    )
    return plain and (gain.ndim == 0 or isinstance(topology, Dense))


def in_volts(network: Network, name: str, neuron: Neuron) -> Volts:
    """Return a projection's map with weights of its own, those weights in volts, and their delays."""
    p = network.projections[name]
    gain = neuron.gain[network.port_of(name)]
    topology, weight, delay = p.topology, p.topology.weight, p.delay
    if weight is not None and is_plain(topology, gain):
        rows = gain if gain.ndim == 0 else gain[:, None]
        return topology, weight * rows, delay.reshape(weight.shape) if delay.ndim else delay
    synapses = topology.synapses(network.populations[p.pre].shape)
    made = Sparse(synapses.start, synapses.target, synapses.weight, synapses.n_post)
    factor = gain if gain.ndim == 0 else gain[synapses.target]
    return made, synapses.weight * factor, delay.ravel()[synapses.entry] if delay.ndim else delay


def bias_in_volts(
    network: Network, name: str, neuron: Neuron
) -> tuple[NDArray[np.float64], tuple[Change, ...]]:
    """Return what biases add to the voltage in a step, in volts."""
    total = np.zeros(network.populations[name].n)
    changes: tuple[Change, ...] = ()
    for projection in network.incoming(name):
        bias = network.projections[projection].bias
        if bias is None or not np.any(bias):
            continue
        port = network.port_of(projection)
        volt = np.ravel(bias) * neuron.gain[port]
        if port in neuron.filtered:
            volt = volt / (1.0 - neuron.keep_u)
            what = "bias acts at once instead of through the synaptic current"
            changes += (
                Change("replace", projection, what, "the chip adds its bias to the voltage"),
            )
        total = total + volt
    return total, changes


def fit_scale(
    network: Network,
    name: str,
    neuron: Neuron,
    volts: Mapping[str, Volts],
    bias: NDArray[Any],
    *,
    arithmetic: Arithmetic,
    bits: int,
    input_max: int = 1,
    ceiling: Mapping[str, float] | None = None,
) -> tuple[Scale, dict[str, NDArray[np.int64]]]:
    """Return the finest scale, and the stored weights, with which no register can wrap.

    Parameters
    ----------
    input_max : the largest value that an input sends in a step
    ceiling : projection that learns -> the volts that any of its weights may reach; it is stored with a sign
    """
    learns = {} if ceiling is None else ceiling
    n = network.populations[name].n
    chip_mode = arithmetic is Arithmetic.CHIP
    keep = 1.0 - (decay_code(neuron.keep_u, offset=1) + 1) / 4096.0
    pres = {p: network.populations[network.projections[p].pre].shape for p in volts}
    often = {p: input_max if network.projections[p].pre in network.inputs else 1 for p in volts}

    def worst(weights: Mapping[str, NDArray[Any]], bias: NDArray[Any]) -> tuple[float, float]:
        """Return the largest sum that can arrive in a step, and the largest current, in the weights' unit."""
        up, down = np.zeros(n), np.zeros(n)
        for projection, weight in weights.items():
            synapses = volts[projection][0].with_weight(weight).synapses(pres[projection])
            value = synapses.weight * often[projection]
            up += np.bincount(synapses.target, np.maximum(value, 0), minlength=n)
            down += np.bincount(synapses.target, np.maximum(-value, 0), minlength=n)
        arriving = np.maximum(up, down)
        current = arriving / (1.0 - keep) + (np.abs(bias) if chip_mode else 0.0)
        return float(arriving.max(initial=0.0)), float(current.max(initial=0.0))

    highest = {
        p: np.full(np.shape(w), learns[p]) if p in learns else w for p, (_, w, _) in volts.items()
    }
    largest = {p: float(np.abs(w).max(initial=0.0)) for p, w in highest.items()}
    arriving, current = worst(highest, bias)
    # rounding can raise a sum above what the real weights give, so the registers are checked again
    room = 1.0
    while True:
        bounds = [Bound(current, room * U_MAX), Bound(float(np.abs(bias).max()), BIAS_MAX)]
        if chip_mode:
            bounds.append(Bound(arriving, room * INPUT_MAX))
        scale = choose_scale(neuron.level, largest, bounds)
        kept = {
            p: rounded(w * scale.sigma / 2.0 ** scale.exponent[p], bits, signed=p in learns)
            for p, (_, w, _) in volts.items()
        }
        most = {p: np.full(w.shape, WEIGHT_TOP) if p in learns else w for p, w in kept.items()}
        units = {p: w * 2 ** (scale.exponent[p] + WEIGHT_SHIFT) for p, w in most.items()}
        integer_bias = bias_code(bias * scale.sigma * 2**WEIGHT_SHIFT)
        input_now, current_now = worst(units, integer_bias)
        if current_now <= U_MAX and (not chip_mode or input_now <= INPUT_MAX):
            return scale, kept
        room *= 0.95


def rounded(wanted: NDArray[Any], bits: int, *, signed: bool = False) -> NDArray[np.int64]:
    """Return the nearest weights that the memory can keep, with a sign bit where `signed` or where signs differ."""
    near = np.rint(wanted).astype(np.int64)
    mode = Sign.MIXED if signed else sign_of(near)
    step = 1 << (8 - bits + (1 if mode is Sign.MIXED else 0))
    top = (256 if mode is Sign.MIXED else 255) - (step if mode is Sign.MIXED else 0)
    near = np.clip(np.rint(wanted / step).astype(np.int64) * step, -top, top)
    return stored(near, bits=bits, sign=mode)


@dataclass(frozen=True)
class StoreWeights:
    """Replace every weight by the one that the synaptic memory keeps of it; a pass that keeps the structure.

    The stored integers are those of `Loihi.compile`. A weight that several synapses share, to neurons with different
    parameters, becomes the mean of what is stored for them.

    Parameters
    ----------
    bits : of a weight, the sign included where a projection has both signs
    arithmetic : which published description of the arithmetic is followed
    max_refractory : steps; longer periods are refused as in `compile`
    input_max : the largest value that an input sends in a step
    """

    bits: int = 8
    arithmetic: Arithmetic = Arithmetic.LAVA
    max_refractory: int = 64
    input_max: int = 1

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with the weights that the chip computes with.

        Raises
        ------
        SubstrateError : a population cannot be expressed; all of them are listed
        """
        problems = Problems()
        neurons: dict[str, Neuron] = {}
        for name in network.populations:
            if name not in network.inputs:
                found = analyze(
                    network, name, self.arithmetic, problems, max_refractory=self.max_refractory
                )
                if found is not None:
                    neurons[name] = found
        problems.raise_as(SubstrateError)
        projections: dict[str, Projection] = {}
        changes: list[Change] = []
        for name, neuron in neurons.items():
            volts = {p: in_volts(network, p, neuron) for p in network.incoming(name)}
            bias, _ = bias_in_volts(network, name, neuron)
            scale, kept = fit_scale(
                network,
                name,
                neuron,
                volts,
                bias,
                arithmetic=self.arithmetic,
                bits=self.bits,
                input_max=self.input_max,
            )
            for place, integers in kept.items():
                p, old = network.projections[place], network.projections[place].topology.weight
                if old is None:
                    continue
                exponent = scale.exponent[place]
                units = integers * 2.0**exponent
                if self.arithmetic is Arithmetic.CHIP:
                    units = active(integers, exponent) / 2.0**WEIGHT_SHIFT
                gain = neuron.gain[network.port_of(place)]
                new = _in_own_unit(network, place, units / scale.sigma, gain)
                projections[place] = replace(p, topology=p.topology.with_weight(new))
                what = f"weights stored with {self.bits} bits"
                size = relative_error(new, np.asarray(old))
                changes.append(Change("quantize", place, what, "synaptic memory", size))
        return network.replacing(projections=projections), tuple(changes)


def _in_own_unit(
    network: Network, name: str, volt: NDArray[np.float64], gain: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the weights of a projection whose synapses are worth `volt`, shaped as `in_volts` gives them."""
    p = network.projections[name]
    own = np.asarray(p.topology.weight)
    if is_plain(p.topology, gain):
        return np.asarray(volt / (gain if gain.ndim == 0 else gain[:, None]), np.float64)
    ones = p.topology.with_weight(np.ones(own.shape))
    synapses = ones.synapses(network.populations[p.pre].shape)
    each = volt / (gain if gain.ndim == 0 else gain[synapses.target]) / synapses.weight
    count = np.bincount(synapses.entry, minlength=own.size)
    total = np.bincount(synapses.entry, each, minlength=own.size)
    mean = np.divide(total, count, out=np.ravel(own).astype(np.float64), where=count > 0)
    return np.asarray(mean.reshape(own.shape), np.float64)
