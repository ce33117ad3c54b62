"""Neurons in real numbers as Xylo's: time constants to powers of two, and what a weight is worth.

A spike of weight w gives the voltage a *charge* c w in all: at once (jumps into v), or spread out by a current. On the
chip it gives (keep + keep^2 + ...) = keep / (1 - keep) times the weight, keep = 1 - 2^-dash, so that

    weight on the chip = w c (1 - keep) / keep

carries the same charge. What differs is when it arrives: time constants are rounded, and nothing arrives at once.
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
from spikewright.substrates.base import Change
from spikewright.substrates.xylo.core import DASH_MAX
from spikewright.substrates.xylo.model import XyloNeuron, XyloOutput

RELATIVE = 1e-9
"""Float noise of levels."""
LEVEL_SHARE = 1e-6


@dataclass(frozen=True)
class Cell:
    """A population as the chip sees it, in real numbers.

    Parameters
    ----------
    dash : (n, 2), shifts of the two synapses; dash_m : (n,), of the membrane
    level : (n,), threshold above rest
    slot : port -> synapse, 0 or 1
    gain : port -> volts of synaptic current per unit of weight, 0-d or (n,)
    charge : port -> volts that a unit of weight gives in all, 0-d or (n,)
    error : largest difference between what a step keeps of a voltage or current, here and on the chip
    resets_by_value : whether the source resets to a value
    """

    dash: NDArray[np.int64]
    dash_m: NDArray[np.int64]
    level: NDArray[np.float64]
    slot: Mapping[str, int]
    gain: Mapping[str, NDArray[Any]]
    charge: Mapping[str, NDArray[Any]]
    error: float
    resets_by_value: bool


def is_native(population: Population) -> bool:
    """Return whether a population has one of Xylo's own models in real numbers."""
    return population.model in (XyloNeuron, XyloOutput)


def kept(dash: Any) -> NDArray[np.float64]:
    """Return what a step keeps of a value that decays by a shift."""
    return np.asarray(1.0 - 2.0 ** -np.asarray(dash, np.float64))


def nearest_dash(keep: Any, least: int) -> NDArray[np.int64]:
    """Return the shift whose time constant is nearest, by ratio, to that of what a step keeps."""
    lost = np.maximum(1.0 - np.asarray(keep, np.float64), 2.0**-DASH_MAX)
    return np.clip(np.rint(-np.log2(lost)), least, DASH_MAX).astype(np.int64)


def analyze(
    network: Network, name: str, *, synapses: int, substrate: str, problems: Problems
) -> Cell | None:
    """Return a population as the chip sees it, or note why the chip cannot be it.

    Parameters
    ----------
    synapses : how many a neuron of this kind has
    """
    population = network.populations[name]
    model = population.model
    where = f"{substrate}: population {name!r} ({model.name})"
    before = len(problems.lines)
    if model.noise:
        problems.add(where, "declared noise has no counterpart on the chip")
    if not model.is_spiking:
        problems.add(where, "the chip sends spikes only", cure="let the population fire")
    elif not is_native(population) and (model.thresholded is None or model.output):
        problems.add(where, "the chip compares its voltage with a level, and sends spikes")
    if not (model.is_affine or is_native(population)):
        problems.add(where, "the chip's neuron is linear", cure="use LIF, CubaLIF or XyloNeuron")
    fitting = XyloOutput if name in network.outputs else XyloNeuron
    if is_native(population) and model != fitting:
        problems.add(
            where,
            "output neurons have one synapse and send one spike per step, hidden ones two and 31",
            found=model.name,
            expected=fitting.name,
        )
    if len(problems.lines) > before:
        return None
    ports = tuple(dict.fromkeys(network.port_of(p) for p in network.incoming(name)))
    found = (
        _native(population, network.dt, ports)
        if is_native(population)
        else _affine(population, network.dt, ports, where, problems)
    )
    if len(set(found.slot.values())) > synapses:
        problems.add(
            where,
            "limit synapses per neuron: its ports have different time constants",
            found=f"{len(set(found.slot.values()))} ({', '.join(found.slot)})",
            expected=f"{synapses} at most",
            cure="give its inputs one time constant",
        )
    _check_start(population, where, problems)
    return found if len(problems.lines) == before else None


def _check_start(population: Population, where: str, problems: Problems) -> None:
    first = initial_values(population)
    rest: Any = 0.0
    if "v_rest" in population.model.params:
        rest = np.ravel(population.param("v_rest"))
    for variable, value in first.items():
        if np.any(
            np.abs(value - (rest if variable == population.model.thresholded else 0.0))
            > LEVEL_SHARE
        ):
            problems.add(
                where,
                f"starts with {variable} away from rest",
                found=f"{float(np.max(np.abs(value))):g}",
                expected="rest",
                cure="the chip starts from 0: leave out `initial`",
            )


def _native(population: Population, dt: float, ports: tuple[str, ...]) -> Cell:
    n = population.n
    tau = {q: _flat(population, q) for q in population.model.params}
    keeps = [1.0 - dt / tau["tau_1"], 1.0 - dt / tau.get("tau_2", tau["tau_1"])]
    slot = {port: int(port == "a2") for port in ports}
    charge = {p: keeps[q] / (1.0 - keeps[q]) for p, q in slot.items()}
    return _cell(n, 1.0 - dt / tau["tau_m"], keeps, slot, charge, tau["v_th"], by_value=False)


def _affine(
    population: Population, dt: float, ports: tuple[str, ...], where: str, problems: Problems
) -> Cell:
    model = population.model
    params = {p: _flat(population, p) for p in model.params}
    matrix = step_matrix(population, dt)
    voltage = str(model.thresholded)
    zero = np.asarray(0.0)
    keep_v = matrix.get((voltage, voltage), zero)
    currents = [x for x in model.state if x != voltage]
    for x in currents:
        if (x, voltage) in matrix or any((x, y) in matrix for y in currents if y != x):
            problems.add(where, f"the chip's currents decay by themselves, {x!r} does not")
    filters: list[str] = []
    slot: dict[str, int] = {}
    charge: dict[str, Any] = {}
    for port in ports:
        target = model.jumps.get(port, "")
        if target in currents:
            keep = matrix.get((target, target), zero)
            if np.any(keep >= 1.0):
                problems.add(where, f"current {target!r} does not decay")
                keep = zero
            charge[port] = matrix.get((voltage, target), zero) / (1.0 - keep)
        elif any((x, port) in matrix for x in currents):
            problems.add(where, f"port {port!r} drives a current continuously")
            charge[port] = zero
        else:
            charge[port] = keep_v if target == voltage else matrix.get((voltage, port), zero)
            target = ""
        if target not in filters:
            filters.append(target)
        slot[port] = filters.index(target)
    keeps = [matrix.get((x, x), zero) if x else zero for x in filters[:2]]
    keeps += [zero] * (2 - len(keeps))
    offset = matrix.get((voltage, "1"), zero)
    if np.any((keep_v >= 1.0) & (offset != 0)):
        problems.add(where, "a drive without leak has no resting voltage")
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(keep_v < 1.0, offset / (1.0 - keep_v), 0.0)
    level = _level(population, params, rest, where, problems)
    return _cell(
        population.n, keep_v, keeps, slot, charge, level, by_value=model.reset_kind is Reset.VALUE
    )


def _level(
    population: Population, params: Mapping[str, Any], rest: Any, where: str, problems: Problems
) -> NDArray[np.float64]:
    """Return the threshold above rest, and note a reset or refractory period that the chip does not have."""
    model = population.model
    threshold = model.trees["threshold"][""]
    if not (isinstance(threshold, ast.Compare) and isinstance(threshold.ops[0], ast.Gt | ast.GtE)):
        problems.add(
            where, "the chip fires where its voltage reaches a level", found=model.threshold
        )
        return np.ones(population.n)
    height = np.asarray(evaluate(threshold.comparators[0], params))
    level = height - rest
    if np.any(level <= 0):
        problems.add(where, "the threshold must lie above rest", found=f"{np.min(level):g} V")
        return np.ones(population.n)
    if model.reset_kind is Reset.VALUE:
        reset = np.asarray(evaluate(model.trees["reset"][str(model.thresholded)], params)) - rest
        if np.any(np.abs(reset) > RELATIVE * level):
            problems.add(
                where,
                "the chip subtracts its threshold, which ends near rest",
                found=f"v_reset {float(np.ravel(reset)[0]):g} V from rest",
                expected="0 V",
                cure="set v_reset = v_rest before training",
            )
    elif model.reset_kind is not Reset.SUBTRACT or np.any(np.abs(rest) > RELATIVE * level):
        problems.add(
            where,
            "the chip subtracts its threshold",
            found=f"reset {dict(model.reset)}",
            cure="train with model.resetting(Reset.SUBTRACT), v_rest = 0",
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


def _cell(
    n: int,
    keep_v: Any,
    keeps: list[Any],
    slot: dict[str, int],
    charge: dict[str, Any],
    level: Any,
    *,
    by_value: bool,
) -> Cell:
    dash = np.stack([np.broadcast_to(nearest_dash(k, 1), n) for k in keeps], axis=1)
    dash_m = np.broadcast_to(nearest_dash(keep_v, 0), n).copy()
    used = sorted({min(q, 1) for q in slot.values()})
    error = float(np.max(np.abs(kept(dash_m) - keep_v)))
    for q in used:
        error = max(error, float(np.max(np.abs(kept(dash[:, q]) - keeps[q]))))
    gain = {}
    for port, q in slot.items():
        keep = kept(dash[:, min(q, 1)])
        factor = charge[port] * (1.0 - keep) / keep
        same = factor.size and bool(np.all(factor == factor[0]))
        gain[port] = np.asarray(factor[0]) if same else factor
    full = np.broadcast_to(np.asarray(level, np.float64), n).copy()
    return Cell(dash, dash_m, full, slot, gain, charge, error, by_value)


def _flat(population: Population, name: str) -> NDArray[Any]:
    value = population.param(name)
    return value.reshape(-1) if value.ndim else value


# -- the network to train ----------------------------------------------------------------------------


def adapt(
    network: Network, cells: Mapping[str, Cell], outputs: frozenset[str]
) -> tuple[Network, tuple[Change, ...]]:
    """Return a network with Xylo's neurons in real numbers, the charge of every weight kept."""
    populations: dict[str, Population] = {}
    projections: dict[str, Projection] = {}
    changes: list[Change] = []
    dt = network.dt
    for name, cell in cells.items():
        old = network.populations[name]
        if is_native(old):
            continue
        model = XyloOutput if name in outputs else XyloNeuron
        params: dict[str, Any] = {
            "tau_m": _one(2.0**cell.dash_m * dt, old),
            "tau_1": _one(2.0 ** cell.dash[:, 0] * dt, old),
            "tau_2": _one(2.0 ** cell.dash[:, 1] * dt, old),
            "v_th": _one(cell.level, old),
        }
        params = {k: v for k, v in params.items() if k in model.params}
        populations[name] = Population(model, old.shape, params)
        what = f"{old.model.name} becomes {model.name}"
        changes.append(Change("adapt", name, what, "the chip's neuron in real numbers", cell.error))
        for p in network.incoming(name):
            port = network.port_of(p)
            projections[p] = replace(
                _scaled(network, p, cell.gain[port]), port=f"a{cell.slot[port] + 1}"
            )
    return network.replacing(populations=populations, projections=projections), tuple(changes)


def _one(values: NDArray[Any], population: Population) -> NDArray[Any]:
    return (
        np.asarray(values[0]) if np.all(values == values[0]) else values.reshape(population.shape)
    )


def _scaled(network: Network, name: str, gain: NDArray[Any]) -> Projection:
    p = network.projections[name]
    bias = (
        None
        if p.bias is None
        else np.asarray(p.bias) * gain.reshape(np.shape(p.bias) if gain.ndim else ())
    )
    weight = p.topology.weight
    if weight is not None and not gain.ndim:
        return replace(p, topology=p.topology.with_weight(weight * gain), bias=bias)
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    factor = gain[synapses.target] if gain.ndim else gain
    made = Sparse(synapses.start, synapses.target, synapses.weight * factor, synapses.n_post)
    return replace(p, topology=made, bias=bias)


def cells_of(network: Network, *, synapses: int, substrate: str) -> dict[str, Cell]:
    """Return every population of neurons as the chip sees it.

    Raises
    ------
    SubstrateError : a population cannot be expressed; all of them are listed
    """
    problems = Problems()
    found: dict[str, Cell] = {}
    for name in network.populations:
        if name in network.inputs:
            continue
        allowed = 1 if name in network.outputs else synapses
        cell = analyze(network, name, synapses=allowed, substrate=substrate, problems=problems)
        if cell is not None:
            found[name] = cell
    problems.raise_as(SubstrateError)
    return found
