"""What a run without a clock leaves: spikes with their times, traces and counts on the grid, and where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.engine import Prepared, Request, broken_off, shaped
from spikewright.engines.record import Record
from spikewright.engines.recording import Recording, Spikes, State
from spikewright.errors import EngineError, explain
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network

ON_GRID = 1e-6
"""How far from a multiple of dt a time is one, in steps."""


def steps_of(time: NDArray[np.float64], dt: float, first: int, last: int) -> NDArray[np.int64]:
    """Return the steps from the run's first as 0 in which times lie; those at its very end in its last."""
    exact = time / dt
    near = np.rint(exact)
    step = np.where(np.abs(exact - near) < ON_GRID, near, np.floor(exact)).astype(np.int64)
    found: NDArray[np.int64] = np.clip(step, first, max(first, last - 1)) - first
    return found


def recorded(prepared: Prepared, request: Request, runs: list[Any], engine: str) -> Recording:
    network, built = prepared.network, prepared.own
    first, steps, batch = request.state.step, request.steps, request.batch
    broken = next((r for r in runs if r.broken is not None), None)
    if broken is not None:
        steps = int(np.clip(math.floor(broken.broken[2] / network.dt) - first, 0, steps))
    every = {name: _spikes(built, name, runs, network, first, steps) for name in built.names}
    outputs: dict[str, NDArray[Any]] = {}
    traces: dict[str, dict[str, NDArray[Any]]] = {}
    for name, population in network.populations.items():
        model = population.model
        if model.state and not model.is_spiking:
            outputs[name] = _outputs(network, name, runs, steps)
            every[name] = _graded(outputs[name])
    sent, activity = {}, {}
    for name, population in network.populations.items():
        s = every[name]
        counts = np.zeros((batch, population.n), np.int64)
        np.add.at(counts, (s.sample, s.address), 1)
        sent[name] = counts
        rows = np.zeros((steps, batch), np.int64)
        np.add.at(rows, (s.step, s.sample), 1)
        activity[name] = rows
    for name, record in request.record.items():
        traces[name] = {
            v: shaped(
                _trace(network, name, v, record, runs, every[name], outputs.get(name), steps),
                record, network, name, first, steps,
            )
            for v in record.variables
        }  # fmt: skip
    state = (
        _state(request, runs, every, steps) if broken is None else State(first + steps, {}, {}, {})
    )
    recording = Recording(
        network,
        engine,
        steps,
        batch,
        request.seed,
        {n: every[n] for n in request.spikes},
        traces,
        sent,
        activity,
        state,
        {n: r for n, r in request.record.items() if not r.is_whole},
    )
    if broken is not None:
        name, neuron, time = broken.broken
        sample = f", sample {broken.sample}" if batch > 1 else ""
        error = EngineError(
            explain(
                f"population {name!r}, neuron {neuron}, at {time:g} s{sample}",
                f"the state of {network.populations[name].model.name} is not finite",
                cure="take smaller weights; what was recorded until then is in the error's `recording`",
            )
        )
        error.recording = broken_off(recording)
        raise error
    return recording


def _spikes(
    built: Any, name: str, runs: list[Any], network: Network, first: int, steps: int
) -> Spikes:
    p = built.names.index(name)
    low, high = int(built.first[p]), int(built.first[p + 1])
    parts = []
    for b, run in enumerate(runs):
        n = int(run.now.size[3])
        time, number, value = run.spikes[:, :n]
        neuron = number.astype(np.int64)
        own = (neuron >= low) & (neuron < high) & (time <= (first + steps) * network.dt)
        parts.append((time[own], np.full(int(own.sum()), b), neuron[own] - low, value[own]))
    time, sample, address, value = (np.concatenate(c) for c in zip(*parts, strict=True))
    step = steps_of(time, network.dt, first, first + steps)
    order = np.lexsort((time, address, sample, step))
    graded = network.populations[name].model.is_graded
    return Spikes(
        step[order],
        sample[order].astype(np.int64),
        address[order],
        value[order] if graded else None,
        time[order],
    )


def _sampled(network: Network, name: str, run: Any) -> NDArray[np.float64]:
    """Return all state of a record, (rows, neurons, ns)."""
    at, record = run.records[name]
    population = network.populations[name]
    rows = record.rows(run.first, run.request.steps)
    width, ns = record.width(population.n), len(population.model.state)
    return run.traces.values[at : at + rows * width * ns].reshape(rows, width, ns)  # type: ignore[no-any-return]


def _outputs(network: Network, name: str, runs: list[Any], steps: int) -> NDArray[np.float64]:
    """Return what a population without threshold sends at every step, (T, B, n)."""
    population = network.populations[name]
    model, n = population.model, population.n
    values: dict[str, Any] = {p: population.param(p).reshape(-1) for p in model.params}
    values = {p: v if v.size > 1 else v.reshape(()) for p, v in values.items()}
    found = []
    for run in runs:
        states = _sampled(network, name, run)[:steps]
        names = values | {"dt": network.dt} | {v: states[..., i] for i, v in enumerate(model.state)}
        output = evaluate(model.trees["output"][""], names) if model.output else 1.0
        found.append(np.broadcast_to(np.asarray(output, np.float64), (steps, n)))
    return np.stack(found, axis=1)


def _graded(output: NDArray[np.float64]) -> Spikes:
    step, sample, address = np.nonzero(output)
    return Spikes(step, sample, address, output[step, sample, address])


def _trace(
    network: Network, name: str, variable: str, record: Record, runs: list[Any], spikes: Spikes,
    output: NDArray[np.float64] | None, steps: int,
) -> NDArray[np.float64]:  # fmt: skip
    first = runs[0].first
    kept = record.steps(first, steps) - first
    n = network.populations[name].n
    if variable == "output":
        if output is None:
            output = np.zeros((steps, len(runs), n))
            value = 1.0 if spikes.value is None else spikes.value
            np.add.at(output, (spikes.step, spikes.sample, spikes.address), value)
        return record.pick(output[kept])
    index = list(network.populations[name].model.state).index(variable)
    rows = []
    for run in runs:
        states = _sampled(network, name, run)
        own = run.records[name][1]
        if own.is_whole and not record.is_whole:
            states = record.pick(states[kept].transpose(0, 2, 1)).transpose(0, 2, 1)
        rows.append(states[: len(kept), :, index])
    return np.stack(rows, axis=1)


def _state(request: Request, runs: list[Any], every: Mapping[str, Spikes], steps: int) -> State:
    """Return where the samples ended: states, refractoriness, and the spikes that may still arrive or be held."""
    run = runs[0]
    network, built, dt = run.network, run.built, run.dt
    end = (run.first + steps) * dt
    values: dict[str, dict[str, NDArray[Any]]] = {}
    free, waiting, underway = {}, {}, {}
    for name, population in network.populations.items():
        p = built.names.index(name)
        model = population.model
        low, high = int(built.first[p]), int(built.first[p + 1])
        ns, nz = int(built.cells.ns[p]), int(built.cells.nz[p])
        if not steps:
            values[name] = {v: x.copy() for v, x in request.state.values[name].items()}
        elif ns:
            begin = int(built.cells.at[low])
            blocks = np.stack(
                [r.finals[begin : begin + nz * (high - low)].reshape(-1, nz) for r in runs]
            )
            values[name] = {
                v: np.ascontiguousarray(blocks[..., i]) for i, v in enumerate(model.state)
            }
        else:
            values[name] = {}
        if model.refractory is not None:
            until = np.stack([r.now.free[low:high] for r in runs])
            free[name] = until
            left = np.ceil((until - end) / dt - ON_GRID)
            waiting[name] = np.where(left > 0, left, 0).astype(np.int64)
        late = _longest(run, p, dt)
        if late > 0:
            underway[name] = _merged(request.state.underway.get(name), every[name], end - late)
    pending = {
        (n, port): np.zeros((1, request.batch, p.n))
        for n, p in network.populations.items()
        for port in p.model.inputs
    }
    return State(run.first + steps, values, waiting, pending, underway=underway, free=free)


def _longest(run: Any, p: int, dt: float) -> float:
    """Return how long what a population sends may be underway, or held."""
    wires, longest = run.built.wires, 0.0
    for q in wires.out[wires.out_start[p] : wires.out_start[p + 1]]:
        ends = len(wires.delay) if q + 1 == len(wires.delay_at) else wires.delay_at[q + 1]
        own = wires.delay[wires.delay_at[q] : ends].max(initial=0.0)
        longest = max(longest, float(own) + (dt if wires.held[q] else 0.0))
    return longest * (1 + 1e-12)


def _merged(old: Spikes | None, new: Spikes, since: float) -> Spikes:
    """Return the spikes of both that are not before a time."""
    parts = [s for s in (old, new) if s is not None and s.time is not None]
    columns = []
    for name in ("step", "sample", "address", "time"):
        columns.append(np.concatenate([getattr(s, name) for s in parts]))
    graded = new.value is not None
    value = np.concatenate([s.value for s in parts]) if graded else None
    kept = columns[3] >= since
    return Spikes(
        columns[0][kept],
        columns[1][kept],
        columns[2][kept],
        None if value is None else value[kept],
        columns[3][kept],
    )
