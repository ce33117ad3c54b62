"""Real-valued linear neurons as SpiNNaker's integer neuron.

A linear neuron advances exactly by its propagator P. With y its voltage and x a synaptic current,

    x' = P_xx (x + w s),   y' = P_yy (y - rest) + P_yx (x + w s) + rest        (jumps into x: exponential synapse)
    y' = P_yy (y + w s - rest) + rest                                         (jumps into y: delta synapse)
    y' = P_yy (y - rest) + P_yi w s + rest                                    (held current i: delta synapse)

and the chip's v' = alpha - e (alpha - v) with alpha = i + v_rest is the same step where e = P_yy and a spike of weight
w adds w g / (1 - e) to i, g the gain of its port and, for exponential synapses, divided by the shaping factor. So r
stays 1 and gains go into the weights; what is left is rounding: e to 15 bits, decays to 32, weights to 16.

Longer than most files: half of it is what a neuron is refused for.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.discretize import step_matrix
from spikewright.engines.program import initial_values
from spikewright.errors import Problems
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network, Population
from spikewright.network.model import Reset
from spikewright.substrates.spinnaker.model import BUFFER_MAX, FACTOR, ONE, SHIFT_MAX

Array = NDArray[np.float64]
TYPES = ("exc", "inh")
HEADROOM = 0.95
"""Part of the accum's range that worst sums may take: rounding comes on top."""
SCALE_MAX = 2**14
"""Accum units per volt at most: the threshold of 1 V has 2^29 steps then."""
SIGMAS = 5.0
"""With a stated rate, sums up to so many standard deviations above the mean fit the ring buffer."""


@dataclass(frozen=True)
class Neuron:
    """A population as the chip sees it, still in real numbers; arrays are 0-d or (n,).

    Parameters
    ----------
    voltage : name of its voltage
    e : what a step keeps of the voltage, rounded to an accum
    kept : relative error of 1 - e by that rounding
    keep : port -> what a step keeps of the current behind it; 0 for a delta synapse
    gain : port -> volts that one unit of weight adds to the voltage in the step of its arrival
    start : for each current that does not start at 0: what it keeps of a step, and the volts it stands for (n,)
    rest, reset, level : volts
    above : whether it fires only above the level, not at it
    refractory : steps
    """

    voltage: str
    e: Array
    kept: float
    keep: Mapping[str, Array]
    gain: Mapping[str, Array]
    start: tuple[tuple[Array, Array], ...]
    rest: Array
    reset: Array
    level: Array
    above: bool
    refractory: NDArray[np.int64]

    def per_current(self, port: str) -> Array:
        """Return the current (in volts) that one unit of weight on a port adds before shaping."""
        return self.gain[port] / (1.0 - self.e) / shaping(self.keep[port])


def shaping(keep: Array) -> Array:
    """Return (tau_s / dt)(1 - d), the mean of a decaying current over its first step; 1 for a delta synapse."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(keep > 0, (1.0 - keep) / -np.log(np.where(keep > 0, keep, 0.5)), 1.0)


def analyze(network: Network, name: str, problems: Problems) -> Neuron | None:
    """Return a population as the chip sees it, or note why the software's neuron cannot be it."""
    population = network.populations[name]
    model = population.model
    where = f"spinnaker: population {name!r} ({model.name})"
    before = len(problems.lines)
    cure = "use LIF, CubaLIF or ExpCurrentLIF"
    if not model.is_affine:
        problems.add(where, "the software's neuron is linear", cure=cure)
    elif not model.is_spiking or model.output:
        problems.add(where, "spikes carry no value", cure="let the population fire")
    elif model.thresholded is None:
        problems.add(where, "the software compares its voltage with a level", found=model.threshold)
    elif model.reset_kind is not Reset.VALUE:
        problems.add(
            where,
            "the software resets the voltage to a value",
            found=f"reset {dict(model.reset)}",
            cure="train with model.resetting(Reset.VALUE)",
        )
    if model.noise:
        problems.add(where, "declared noise has no counterpart in this neuron")
    if len(problems.lines) > before or model.thresholded is None:
        return None
    params = {p: _flat(population, p) for p in model.params}
    matrix = step_matrix(population, network.dt)
    zero = np.asarray(0.0)
    v = model.thresholded
    currents = [x for x in model.state if x != v]
    for x in currents:
        others = [s for (row, s) in matrix if row == x and s != x]
        if others:
            text = f"current {x!r} depends on {', '.join(map(repr, others))}"
            problems.add(
                where, text, expected="synaptic currents that decay by themselves", cure=cure
            )
    exact = matrix.get((v, v), zero)
    e = np.rint(exact * ONE) / ONE
    if np.any((e >= 1.0) | (e <= 0.0)):
        problems.add(
            where,
            "the leak of a step is lost in 15 bits",
            found=f"a step keeps {float(np.max(exact)):.7g} of the voltage",
            expected=f"1/{ONE} to {ONE - 1}/{ONE}",
            cure="use another time constant or dt; a neuron without leak has none",
        )
        return None
    keep, gain = {}, {}
    for port in {network.port_of(p) for p in network.incoming(name)}:
        target = model.jumps.get(port)
        gain[port] = matrix.get((v, target or port), zero)
        keep[port] = matrix.get((target, target), zero) if target and target != v else zero
        if np.any(gain[port] == 0):
            problems.add(where, f"port {port!r} has no effect on the voltage", found="gain 0")
    rest = matrix.get((v, "1"), zero) / (1.0 - exact)
    threshold = model.trees["threshold"][""]
    above = isinstance(threshold, ast.Compare) and isinstance(threshold.ops[0], ast.Gt)
    if not isinstance(threshold, ast.Compare) or not isinstance(threshold.ops[0], ast.Gt | ast.GtE):
        problems.add(where, "the software fires at or above a level", found=model.threshold)
        return None
    level = np.asarray(evaluate(threshold.comparators[0], params), np.float64)
    reset = np.asarray(evaluate(model.trees["reset"][v], params), np.float64)
    if np.any(reset >= level):
        problems.add(
            where,
            "the reset must lie below the threshold",
            found=f"{float(np.max(reset - level)):g} V above it",
        )
    refractory = np.asarray(0)
    if model.refractory is not None:
        refractory = np.rint(params[model.refractory.period] / network.dt).astype(np.int64)
        if np.any(refractory > 0) and set(model.refractory.hold) != {v}:
            problems.add(where, "the software holds the voltage, and it only, after a spike")
    if len(problems.lines) > before:
        return None
    first = initial_values(population)
    start = tuple(
        (matrix.get((x, x), zero), first[x] * matrix.get((v, x), zero) / (1.0 - e))
        for x in currents
        if np.any(first[x])
    )
    kept = float(np.max(np.abs(exact - e) / (1.0 - exact)))
    return Neuron(v, e, kept, keep, gain, start, np.asarray(rest), reset, level, above, refractory)


def _flat(population: Population, name: str) -> Array:
    value = population.param(name)
    return np.asarray(value.reshape(-1) if value.ndim else value, np.float64)


@dataclass(frozen=True)
class Sums:
    """What arrives at the neurons of a population in one step, per type, (n,), before shaping, in volts.

    Parameters
    ----------
    most : if every source fires at once
    fitted : what the ring buffer is made for: `most`, or what a stated rate gives with `SIGMAS` deviations
    """

    most: Mapping[str, Array]
    fitted: Mapping[str, Array]


def sums_of(
    network: Network,
    volts: Mapping[str, tuple[NDArray[np.int64], Array]],
    n: int,
    rate: float | None,
) -> Sums:
    """Return the sums of a population from (target, volts) of the synapses of each of its projections.

    Parameters
    ----------
    rate : Hz that each source fires at, or None: the worst case
    """
    most = {t: np.zeros(n) for t in TYPES}
    mean, spread, largest = ({t: np.zeros(n) for t in TYPES} for _ in range(3))
    chance = 1.0 if rate is None else min(1.0, rate * network.dt)
    for target, volt in volts.values():
        for kind, sign in zip(TYPES, (1.0, -1.0), strict=True):
            part = np.maximum(sign * volt, 0.0)
            most[kind] += np.bincount(target, part, minlength=n)
            mean[kind] += np.bincount(target, part * chance, minlength=n)
            spread[kind] += np.bincount(target, part**2 * chance * (1 - chance), minlength=n)
            np.maximum.at(largest[kind], target, part)
    if rate is None:
        return Sums(most, most)
    likely = {t: np.minimum(mean[t] + SIGMAS * np.sqrt(spread[t]), most[t]) for t in TYPES}
    return Sums(most, {t: np.maximum(likely[t], largest[t]) for t in TYPES})


@dataclass(frozen=True)
class Scale:
    """How a population's volts become integers: accum units per volt, left shift of each ring buffer."""

    sigma: float
    shift: Mapping[str, int]

    def lsb(self, kind: str) -> float:
        """Return the volts that one unit of a stored weight stands for."""
        return 2.0 ** self.shift[kind] / (self.sigma * ONE)


def choose_scale(
    neuron: Neuron, sums: Sums, keep: Mapping[str, Array], bias: Array, first: Array
) -> Scale:
    """Return the finest scale, a power of two, that no accum overflows, and the shifts that the sums need.

    Parameters
    ----------
    keep : type -> what a step keeps of its current
    bias : constant current, volts
    first : voltage before the first step, volts
    """
    # whichever type is larger: in the worst case the other one is silent
    current = np.max([sums.most[t] * shaping(keep[t]) / (1.0 - keep[t]) for t in TYPES], axis=0)
    alpha = current + np.abs(bias) + np.abs(neuron.rest)
    largest = max(float(np.max(np.abs(x))) for x in (alpha, neuron.reset, neuron.level, first))
    sigma = 2.0 ** min(math.floor(math.log2(HEADROOM * 2**15 / largest)), int(math.log2(SCALE_MAX)))
    shift = {}
    for kind in TYPES:
        units = float(np.max(sums.fitted[kind], initial=0.0)) * sigma * ONE
        shift[kind] = max(0, math.ceil(math.log2(units / BUFFER_MAX))) if units > 0 else 0
        shift[kind] = min(shift[kind], SHIFT_MAX)
    return Scale(sigma, shift)


def factor_code(value: Array) -> NDArray[np.int64]:
    """Return a factor as u0.32; 1 is 2^32, which stands for "as it is"."""
    return np.rint(np.asarray(value) * FACTOR).astype(np.int64)


def level_code(neuron: Neuron, sigma: float) -> NDArray[np.int64]:
    """Return the threshold as an accum for `v >= v_th`."""
    units = neuron.level * sigma * ONE
    code = np.floor(units) + 1 if neuron.above else np.ceil(units)
    return np.asarray(code).astype(np.int64)
