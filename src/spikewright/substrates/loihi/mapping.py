"""Real-valued linear neurons and weights as Loihi's integers.

A linear neuron advances by a matrix P: its propagator, or the Euler step where that is its method. With y its voltage
above rest and x its synaptic current (if it has one),

    x' = P_xx (x + w s),   y' = P_yy y + P_yx (x + w s)         (jumps into x)
    y' = P_yy (y + w s)                                        (jumps into y)
    y' = P_yy y + P_yi w s                                     (held current i)
    x' = P_xx x + P_xj w s,    y' = P_yy y + (P_yx / P_xx) x'  (held input j of the current, sequential Euler)

so that u = g x P.. with a gain g per port is exactly the chip's `u' = keep_u u + a`, `v' = keep_v v + u +
bias`. What is left is rounding: decays to 12 bits, weights to 8 bits, thresholds to 17 bits, biases to a 12-bit
mantissa with exponent.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.discretize import step_matrix
from spikewright.errors import Problems
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network, Population
from spikewright.network.model import Reset
from spikewright.substrates.loihi.model import (
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_MAX,
    VTH_MANTISSA_MAX,
    WEIGHT_SHIFT,
    Arithmetic,
)

WEIGHT_TOP = 254
"""Largest magnitude that a weight of mixed signs keeps."""
WEIGHT_EXPONENT_MAX = 7
RELATIVE = 1e-9
"""How far a reset value may lie from rest, relative to the threshold, to count as equal: float noise."""


@dataclass(frozen=True)
class Neuron:
    """A population as the chip sees it, still in real numbers.

    Parameters
    ----------
    voltage : name of its voltage
    current : name of its synaptic current, or ""
    keep_v, keep_u : what a step keeps of voltage and current, 0-d or (n,); keep_u is 0 without a synaptic current
    gain : port -> volts per unit of weight
    filtered : ports that pass through the synaptic current
    level : threshold above rest, 0-d or (n,)
    rest : resting voltage, 0-d or (n,)
    refractory : steps, 0-d or (n,)
    start_gain : volts per unit of the current before the first step, 0-d or (n,)
    """

    voltage: str
    current: str
    keep_v: NDArray[Any]
    keep_u: NDArray[Any]
    gain: Mapping[str, NDArray[Any]]
    filtered: frozenset[str]
    level: NDArray[Any]
    rest: NDArray[Any]
    refractory: NDArray[np.int64]
    start_gain: NDArray[Any]


def analyze(
    network: Network,
    name: str,
    arithmetic: Arithmetic,
    problems: Problems,
    *,
    max_refractory: int = 64,
) -> Neuron | None:
    """Return a population as the chip sees it, or note why the chip cannot be it."""
    population = network.populations[name]
    model = population.model
    where = f"loihi: population {name!r} ({model.name})"
    before = len(problems.lines)
    if not model.is_affine:
        problems.add(where, "the chip's neuron is linear", cure="use IF, LIF or CubaLIF")
    elif not model.is_spiking:
        problems.add(where, "the chip sends spikes only", cure="let the population fire")
    elif model.thresholded is None or model.output:
        problems.add(where, "the chip compares its voltage with a level and sends 1")
    elif model.reset_kind is not Reset.VALUE:
        problems.add(
            where,
            "the chip resets its voltage to rest",
            found=f"reset {dict(model.reset)}",
            cure="train with model.resetting(Reset.VALUE)",
        )
    if model.noise:
        problems.add(where, "declared noise has no counterpart in this model of the chip")
    if len(problems.lines) > before or model.thresholded is None:
        return None
    params = {p: _flat(population, p) for p in model.params}
    matrix = step_matrix(population, network.dt)
    voltage = model.thresholded
    currents = [x for x in model.state if x != voltage]
    if len(currents) > 1 or any((x, voltage) in matrix or (x, "1") in matrix for x in currents):
        problems.add(where, "the chip has one current that decays by itself")
        return None
    zero = np.asarray(0.0)
    keep_v = matrix.get((voltage, voltage), zero)
    keep_u = matrix.get((currents[0], currents[0]), zero) if currents else zero
    gain, filtered, used = {}, set(), set()
    for projection in network.incoming(name):
        used.add(network.port_of(projection))
    for port in used:
        target = model.jumps.get(port)
        if target == voltage:
            gain[port] = keep_v
        elif target is not None:
            gain[port] = matrix.get((voltage, target), zero)
            filtered.add(port)
        elif currents and (currents[0], port) in matrix:
            gain[port] = matrix.get((voltage, port), zero)
            filtered.add(port)
            # the chip's voltage sees the current of its own step, input included, and nothing besides
            seen = matrix.get((voltage, currents[0]), zero) * matrix[currents[0], port]
            if np.any(np.abs(gain[port] * keep_u - seen) > RELATIVE * np.abs(gain[port])):
                problems.add(
                    where,
                    f"port {port!r} drives the synaptic current continuously",
                    cure="step it by Method.SEQUENTIAL_EULER: from_nir(..., current=Current.SEQUENTIAL)",
                )
        else:
            gain[port] = matrix.get((voltage, port), zero)
    driven = {network.port_of(p) for p in network.incoming(name) if not _only_bias(network, p)}
    if filtered & driven and driven - filtered:
        problems.add(
            where, "one current carries either filtered or unfiltered input", found=sorted(driven)
        )
    offset = matrix.get((voltage, "1"), zero)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(keep_v < 1.0, offset / (1.0 - keep_v), 0.0)
    if np.any((keep_v >= 1.0) & (offset != 0)):
        problems.add(where, "a drive without leak has no resting voltage")
    threshold = model.trees["threshold"][""]
    if not (isinstance(threshold, ast.Compare) and isinstance(threshold.ops[0], ast.Gt)):
        problems.add(
            where, "the chip fires where its voltage exceeds a level", found=model.threshold
        )
        return None
    level = np.asarray(evaluate(threshold.comparators[0], params)) - rest
    reset = np.asarray(evaluate(model.trees["reset"][voltage], params)) - rest
    if np.any(level <= 0):
        problems.add(where, "the threshold must lie above rest", found=f"{np.min(level):g} V")
    elif np.any(np.abs(reset) > RELATIVE * np.abs(level)):
        problems.add(
            where,
            "the chip resets to rest",
            found=f"v_reset {float(np.ravel(reset)[0]):g} V from rest",
            expected="0 V",
            cure="set v_reset = v_rest before training",
        )
    refractory = np.asarray(0)
    if model.refractory is not None:
        refractory = np.rint(params[model.refractory.period] / network.dt).astype(np.int64)
    if np.any(refractory > 0) and arithmetic is Arithmetic.LAVA:
        problems.add(
            where,
            "the lava arithmetic has no refractory period",
            found=f"{int(refractory.max())} steps",
            cure="use Loihi(arithmetic=Arithmetic.CHIP), or t_ref = 0",
        )
    if np.any(refractory >= max_refractory):
        problems.add(
            where,
            "refractory period too long",
            found=f"{int(refractory.max())} steps",
            expected=f"{max_refractory - 1} at most",
            cure="use a larger dt, or a shorter t_ref",
        )
    if len(problems.lines) > before:
        return None
    # u holds g x with x after its decay, so x before the first step counts as g x / keep_u
    start_gain = zero
    if currents:
        start_gain = matrix.get((voltage, currents[0]), zero) / np.where(keep_u > 0, keep_u, 1.0)
    return Neuron(
        voltage,
        currents[0] if currents else "",
        np.asarray(keep_v),
        np.asarray(keep_u),
        gain,
        frozenset(filtered),
        level,
        np.asarray(rest),
        refractory,
        np.asarray(start_gain),
    )


def _flat(population: Population, name: str) -> NDArray[Any]:
    value = population.param(name)
    return value.reshape(-1) if value.ndim else value


def _only_bias(network: Network, projection: str) -> bool:
    weight = network.projections[projection].topology.weight
    return weight is not None and not np.any(weight)


@dataclass(frozen=True)
class Scale:
    """How a population's volts become integers.

    Parameters
    ----------
    sigma : threshold and weight units per volt (before the shift by 6)
    exponent : projection -> weight exponent
    threshold : mantissa, 0-d or (n,)
    """

    sigma: float
    exponent: Mapping[str, int]
    threshold: NDArray[np.int64]


@dataclass(frozen=True)
class Bound:
    """A sum in volts that a register must hold: `sigma * volts * 64 <= largest`."""

    volts: float
    largest: float


def choose_scale(
    level: NDArray[Any], largest: Mapping[str, float], bounds: Sequence[Bound]
) -> Scale:
    """Return the finest scale that no register overflows.

    Parameters
    ----------
    level : threshold above rest, V
    largest : projection -> its largest weight in V (gain included)
    bounds : what the registers must hold at worst
    """
    used = [x for x in largest.values() if x > 0]
    sigma = VTH_MANTISSA_MAX / float(np.max(level))
    if used:
        sigma = min(sigma, WEIGHT_TOP / min(used))
        sigma = min(sigma, WEIGHT_TOP * 2.0**WEIGHT_EXPONENT_MAX / max(used))
    for bound in bounds:
        if bound.volts > 0:
            sigma = min(sigma, bound.largest / 2**WEIGHT_SHIFT / bound.volts)
    exponent = {
        name: max(0, math.ceil(math.log2(x * sigma / WEIGHT_TOP) - 1e-12)) if x > 0 else 0
        for name, x in largest.items()
    }
    return Scale(sigma, exponent, np.maximum(np.rint(level * sigma), 1).astype(np.int64))


def decay_code(keep: NDArray[Any], *, offset: int) -> NDArray[np.int64]:
    """Return the 12-bit decay whose register keeps `keep` per step; `offset` is added by the chip."""
    code = np.clip(np.rint(4096.0 * (1.0 - keep)) - offset, 0, 4095)
    return np.asarray(code, np.int64)


def bias_code(bias: NDArray[Any]) -> NDArray[np.int64]:
    """Return biases rounded to a 12-bit mantissa shifted by 0 to 7 bits, the exponent of the population shared."""
    largest = float(np.abs(bias).max(initial=0.0))
    exponent = 0
    while largest / 2**exponent > BIAS_MANTISSA_MAX and exponent < BIAS_EXPONENT_MAX:
        exponent += 1
    mantissa = np.clip(np.rint(bias / 2**exponent), -BIAS_MANTISSA_MAX, BIAS_MANTISSA_MAX)
    return np.asarray(mantissa, np.int64) << exponent
