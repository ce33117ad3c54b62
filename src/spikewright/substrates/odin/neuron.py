"""Neurons in real numbers as ODIN's: an exponential leak becomes a linear one.

A neuron that keeps `keep` of its voltage in a step loses (1 - keep) v; the chip takes off the same amount whatever v
is. The amount that is right at half the threshold is used: leak = (1 - keep) level / 2.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.discretize import step_matrix
from spikewright.engines.program import initial_values
from spikewright.errors import Problems, SubstrateError
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.model import Reset
from spikewright.network.topology import Sparse
from spikewright.substrates.odin.model import OdinNeuron

RELATIVE = 1e-6
"""How far a reset or starting value may lie from rest, relative to the threshold."""


@dataclass(frozen=True)
class Cell:
    """A population as the chip sees it, in real numbers.

    Parameters
    ----------
    leak, level : V per step, V above rest, (n,)
    gain : port -> volts per unit of weight, 0-d or (n,)
    error : largest difference between the linear leak and the source's from 0 to the threshold, relative to it
    """

    leak: NDArray[np.float64]
    level: NDArray[np.float64]
    gain: Mapping[str, NDArray[Any]]
    error: float


def cells_of(network: Network) -> dict[str, Cell]:
    """Return every population of neurons as the chip sees it.

    Raises
    ------
    SubstrateError : a population cannot be expressed; all of them are listed
    """
    problems = Problems()
    found: dict[str, Cell] = {}
    for name in network.populations:
        if name not in network.inputs:
            cell = _analyze(network, name, problems)
            if cell is not None:
                found[name] = cell
    problems.raise_as(SubstrateError)
    return found


def _analyze(network: Network, name: str, problems: Problems) -> Cell | None:
    population = network.populations[name]
    model = population.model
    where = f"odin: population {name!r} ({model.name})"
    before = len(problems.lines)
    params = {p: _flat(population, p) for p in model.params}
    n = population.n
    if model == OdinNeuron:
        _check_start(population, params["v_th"], where, problems)
        leak, level = (np.broadcast_to(params[q], n).astype(np.float64) for q in ("leak", "v_th"))
        if np.any(leak < 0) or np.any(level <= 0):
            problems.add(where, "a leak below 0, or a threshold not above it")
            return None
        one = {network.port_of(p): np.asarray(1.0) for p in network.incoming(name)}
        return Cell(leak, level, one, 0.0) if len(problems.lines) == before else None
    if model.noise:
        problems.add(where, "declared noise has no counterpart on the chip")
    if not model.is_spiking or model.output or model.thresholded is None:
        problems.add(where, "the chip compares its voltage with a level, and sends spikes")
    elif not model.is_affine or len(model.state) > 1:
        problems.add(
            where,
            "the chip's neuron has a voltage and no current, and is linear",
            found=", ".join(model.state),
            cure="use IF, LIF or OdinNeuron",
        )
    elif model.reset_kind is not Reset.VALUE:
        problems.add(
            where,
            "the chip resets its voltage to rest",
            found=f"reset {dict(model.reset)}",
            cure="train with model.resetting(Reset.VALUE)",
        )
    if len(problems.lines) > before:
        return None
    matrix = step_matrix(population, network.dt)
    voltage, zero = str(model.thresholded), np.asarray(0.0)
    keep = matrix.get((voltage, voltage), zero)
    offset = matrix.get((voltage, "1"), zero)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(keep < 1.0, offset / (1.0 - keep), 0.0)
    level = _level(population, params, rest, where, problems)
    gain = {}
    for p in network.incoming(name):
        port = network.port_of(p)
        jumps = model.jumps.get(port) == voltage
        gain[port] = keep if jumps else matrix.get((voltage, port), zero)
    if np.any((keep >= 1.0) & (offset != 0)):
        problems.add(where, "a drive without leak has no resting voltage")
    _check_start(population, level, where, problems, rest=rest)
    if len(problems.lines) > before:
        return None
    full = np.broadcast_to(level, n).astype(np.float64)
    leak = np.broadcast_to((1.0 - keep) * level / 2.0, n).astype(np.float64)
    return Cell(leak, full, gain, float(np.max(1.0 - keep) / 2.0))


def _level(
    population: Population, params: Mapping[str, Any], rest: Any, where: str, problems: Problems
) -> NDArray[np.float64]:
    model = population.model
    threshold = model.trees["threshold"][""]
    if not (isinstance(threshold, ast.Compare) and isinstance(threshold.ops[0], ast.Gt | ast.GtE)):
        problems.add(
            where, "the chip fires where its voltage reaches a level", found=model.threshold
        )
        return np.ones(population.n)
    level = np.asarray(evaluate(threshold.comparators[0], params)) - rest
    if np.any(level <= 0):
        problems.add(where, "the threshold must lie above rest", found=f"{np.min(level):g} V")
        return np.ones(population.n)
    reset = np.asarray(evaluate(model.trees["reset"][str(model.thresholded)], params)) - rest
    if np.any(np.abs(reset) > RELATIVE * level):
        problems.add(
            where,
            "the chip resets to rest",
            found=f"v_reset {float(np.ravel(reset)[0]):g} V from rest",
            expected="0 V",
            cure="set v_reset = v_rest before training",
        )
    if model.refractory is not None and np.any(params[model.refractory.period] > 0):
        problems.add(
            where,
            "the chip has no refractory period",
            found=f"{float(np.max(params[model.refractory.period])):g} s",
            expected="0 s",
            cure="set t_ref = 0",
        )
    return np.asarray(level, np.float64)


def _check_start(
    population: Population, level: Any, where: str, problems: Problems, *, rest: Any = 0.0
) -> None:
    for variable, value in initial_values(population).items():
        if np.any(np.abs(np.ravel(value) - rest) > RELATIVE * level):
            problems.add(
                where,
                f"starts with {variable} away from rest",
                found=f"{float(np.max(np.abs(value))):g}",
                expected="rest",
                cure="the chip starts from 0: leave out `initial`",
            )


def _flat(population: Population, name: str) -> NDArray[Any]:
    value = population.param(name)
    return value.reshape(-1) if value.ndim else value


def adapt(network: Network, cells: Mapping[str, Cell]) -> Network:
    """Return a network with ODIN's neuron in real numbers, each weight as the voltage that it gives.

    A source reaches neurons over two rows of the crossbar, which are two projections here: "p" excites, "p.inh"
    inhibits. Their weights are 0 or more.
    """
    populations: dict[str, Population] = {}
    projections: dict[str, Projection] = {}
    for name, cell in cells.items():
        old = network.populations[name]
        if old.model == OdinNeuron:
            continue
        params = {"leak": _one(cell.leak, old), "v_th": _one(cell.level, old)}
        populations[name] = Population(OdinNeuron, old.shape, params)
        for p in network.incoming(name):
            made = _scaled(network, p, cell.gain[network.port_of(p)])
            for place, port, sign in ((p, "exc", 1.0), (inhibiting(p), "inh", -1.0)):
                weight = np.maximum(sign * np.asarray(made.topology.weight), 0.0)
                projections[place] = replace(
                    made, topology=made.topology.with_weight(weight), port=port
                )
    return network.replacing(populations=populations, projections=projections)


def _one(values: NDArray[Any], population: Population) -> NDArray[Any]:
    return (
        np.asarray(values[0]) if np.all(values == values[0]) else values.reshape(population.shape)
    )


def _scaled(network: Network, name: str, gain: NDArray[Any]) -> Projection:
    p = network.projections[name]
    weight = p.topology.weight
    if weight is not None and not gain.ndim:
        return replace(p, topology=p.topology.with_weight(weight * gain))
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    factor = gain[synapses.target] if gain.ndim else gain
    made = Sparse(synapses.start, synapses.target, synapses.weight * factor, synapses.n_post)
    return replace(p, topology=made)


def inhibiting(projection: str) -> str:
    """Return the name of the projection that holds the inhibitory weights of one."""
    return f"{projection}.inh"
