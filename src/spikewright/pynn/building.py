"""From populations and projections of a PyNN script to a Network, and what enters it and is recorded of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import Record, State
from spikewright.engines.engine import start
from spikewright.engines.program import Program
from spikewright.errors import EngineError, explain
from spikewright.events import Events
from spikewright.network import (
    Network,
    PoissonDrive,
    Population,
    Projection,
    Sparse,
    StepCurrent,
)
from spikewright.pynn.cells import MS, SpikeSourceArray, SpikeSourcePoisson


def build(simulation: Any) -> Network:
    """Return the network of a simulation."""
    dt = simulation.dt * MS
    populations = {p.name: _population(p, simulation.dt) for p in simulation.populations}
    projections: dict[str, Projection] = {}
    for projection in simulation.projections:
        for piece in projection.pieces:
            projections[piece.name] = _projection(projection, piece, dt)
    drives: dict[str, Any] = {}
    for population in simulation.populations:
        drives |= _drives(population, simulation.dt)
    return Network(
        dt=dt, populations=populations, projections=projections, drives=drives, name="pynn"
    )


def _population(population: Any, dt: float) -> Population:
    cell, values = population.celltype, population.values
    if cell.late and population.simulation.engine == "event":
        raise EngineError(
            explain(
                f"population {population.label!r}",
                f"{type(cell).__name__} needs a clock: its threshold sees what arrives at the end of a step",
                cure="setup(spike_precision='on_grid'), or IF_curr_exp",
            )
        )
    initial = {
        ours: _short(population.initial[name] * factor)
        for name, (ours, factor) in cell.variables.items()
        if name in population.initial
    }
    params = {name: _short(value) for name, value in cell.translated(values).items()}
    return Population(cell.model, population.size, params, initial, cell.method(values, dt))


def _short(values: NDArray[Any]) -> Any:
    """Return one number where all are equal: kernels then hold it."""
    return values[0] if np.all(values == values[0]) else values


def _projection(projection: Any, piece: Any, dt: float) -> Projection:
    cell = piece.post.celltype
    weight = projection.values["weight"][piece.edges] * cell.weight_factor
    delay = np.rint(projection.values["delay"][piece.edges] * MS / dt) + cell.late
    topology = Sparse.from_edges(
        piece.source, piece.target, weight, n_pre=piece.pre.size, n_post=piece.post.size
    )
    return Projection(
        piece.pre.name,
        piece.post.name,
        topology,
        cell.ports[projection.receptor_type],
        delay=_short(delay) * dt,
        rule=projection.synapse_type.rule(
            piece.constants, cell.weight_factor, projection.simulation.dt
        ),
    )


def _drives(population: Any, dt: float) -> dict[str, Any]:
    cell, values, name = population.celltype, population.values, population.name
    found: dict[str, Any] = {}
    if isinstance(cell, SpikeSourcePoisson):
        found[f"{name} rate"] = PoissonDrive(name, values["rate"], 1.0, "x")
        begin = np.maximum(np.rint(values["start"] / dt), 0)
        close = np.minimum(np.rint((values["start"] + values["duration"]) / dt), 2.0**39)
        times = np.unique(np.concatenate([begin, close]))
        open_ = (times[:, None] >= begin) & (times[:, None] < close)
        found[f"{name} window"] = StepCurrent(name, times * (dt * MS), open_.astype(float), "open")
    offset = cell.offset_drive(values)
    if offset is not None:
        value = _short(offset * cell.current_factor)
        pieces = np.array([value]) if np.ndim(value) == 0 else value[None, :]
        found[f"{name} offset"] = StepCurrent(name, [0.0], pieces, "i")
    for k, (source, index) in enumerate(population.currents):
        if source.changes:
            continue
        times, amplitudes = source.pieces(dt)
        steps = np.rint(times / dt)
        # of several changes within a step the last one holds
        last = np.append(np.diff(steps) > 0, True)[: len(steps)] if len(steps) else steps > 0
        kept = last & (steps < 2.0**39)
        if not kept.any():
            continue
        pieces = np.zeros((int(kept.sum()), population.size))
        pieces[:, index] = amplitudes[kept][:, None] * cell.current_factor
        if len(index) == population.size:
            pieces = pieces[:, 0]
        found[f"{name} current {k}"] = StepCurrent(name, steps[kept] * (dt * MS), pieces, "i")
    return found


def inputs_of(simulation: Any, first: int, steps: int) -> dict[str, Any]:
    """Return what enters the network in `steps` steps from step `first` on."""
    found: dict[str, Any] = {}
    for population in simulation.populations:
        if isinstance(population.celltype, SpikeSourceArray):
            step, address = population.spike_steps(simulation.dt)
            lo, hi = np.searchsorted(step, [first, first + steps])
            if hi > lo:
                found[population.name] = Events(
                    step[lo:hi] - first,
                    address[lo:hi],
                    (population.size,),
                    tick=simulation.dt * MS,
                )
        varying = [(s, index) for s, index in population.currents if s.changes]
        if varying:
            total = np.zeros((steps, 1, population.size))
            for source, index in varying:
                total[:, 0, index] += source.values(first, steps, simulation.dt)[:, None]
            found[f"{population.name}.i"] = total * population.celltype.current_factor
    return found


def record_of(population: Any) -> Record:
    """Return what the engine is to record of a population."""
    neurons = population.recorder.neurons
    variables = tuple(population.celltype.variables[v][0] for v in population.recorder.traces)
    return Record(variables, None if len(neurons) == population.size else neurons)


def carried(state: State, program: Program) -> State:
    """Return a state for a network that has more, or other delays, than the one that left it.

    Raises
    ------
    EngineError : delays became shorter than what is under way needs
    """
    fresh = start(program, 1)
    values = {
        name: {v: state.values.get(name, {}).get(v, x) for v, x in variables.items()}
        for name, variables in fresh.values.items()
    }
    waiting = {name: state.waiting.get(name, x) for name, x in fresh.waiting.items()}
    known = program.network.projections
    pending = {}
    for place, ring in fresh.pending.items():
        old = state.pending.get(place)
        if old is not None and old.shape != ring.shape:
            ring = ring.copy()
            for step in range(state.step, state.step + len(old)):
                due = old[step % len(old)]
                if step < state.step + len(ring):
                    ring[step % len(ring)] = due
                elif due.any():
                    raise EngineError(
                        explain(
                            f"population {place[0]!r}",
                            "delays became shorter than what spikes under way still need",
                            cure="shorten delays before the run, or after reset()",
                        )
                    )
            old = ring
        pending[place] = ring if old is None else old
    synapses = {name: s for name, s in state.synapses.items() if name in known}
    return replace(state, values=values, waiting=waiting, pending=pending, synapses=synapses)
