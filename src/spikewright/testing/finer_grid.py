"""What an engine without a clock is compared with: the compiled engine on a grid so fine that the grid hardly matters.

The network of a run at dt is written again for dt / FINER: what is held over a step is held over as many finer ones,
what is added at the beginning of a step is added once. Differences that remain are those of the finer grid: each spike
is late by up to a step of it, and so is each of those that follow from it. How exact an engine without a clock is
beyond that, closed forms and its convergence have to say (`tests/engines/event`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import draws
from spikewright.engines.cpu import Cpu
from spikewright.engines.engine import Outside, read_inputs
from spikewright.engines.recording import Recording
from spikewright.errors import NetworkError
from spikewright.network.drive import GaussianDrive, PoissonDrive, StepCurrent
from spikewright.network.expression import names_in
from spikewright.network.graph import Method, Network, Population, Propagation
from spikewright.rng import key

FINER = 32
"""Steps of the fine grid in one of the network's."""
LATE = 4.0
"""By how many fine steps a spike may differ, for each spike of its neuron before it and itself."""
SPIKES = 6
"""Spikes of a neuron that are compared: where a neuron excites itself, differences grow from one to the next."""
TRACE = 1e-5
"""By which share of its largest value a trace may differ before the first spike; behind it, times of spikes speak."""


def needs_clock(network: Network) -> bool:
    """Whether a network is one of steps: no engine without a clock can mean what it says."""
    for population in network.populations.values():
        model = population.model
        noisy = bool(model.noise) and model.name != "PoissonSource"
        if model.integer or model.update or noisy:
            return True
    for projection in network.projections.values():
        model = network.populations[projection.pre].model
        if projection.rule is not None or (model.state and not model.is_spiking):
            return True
    return False


def is_random(network: Network) -> bool:
    """Whether Poisson processes drive a network: their times are drawn otherwise without a clock."""
    poisson = any(isinstance(d, PoissonDrive) for d in network.drives.values())
    return poisson or any(p.model.name == "PoissonSource" for p in network.populations.values())


def uses_step(network: Network) -> bool:
    """Whether a model's equations name dt, so that a finer grid is another model."""
    trees = [t for p in network.populations.values() for t in p.model.trees["dynamics"].values()]
    return any("dt" in names_in(tree) for tree in trees)


def run_finer(network: Network, inputs: Mapping[str, Any], options: Mapping[str, Any]) -> Recording:
    """Return the recording of a network at dt / FINER."""
    steps, batch = options.get("steps"), options.get("batch")
    entering, steps, batch = read_inputs(network, inputs, steps, batch)
    fine = network.dt / FINER
    given: dict[str, Any] = {}
    for name, population in network.populations.items():
        model = population.model
        for port in model.inputs:
            events = entering[name, port].events if (name, port) in entering else None
            if events is not None:
                given[f"{name}.{port}"] = list(events)
                continue
            values = _entering(
                network, name, port, entering.get((name, port)), steps, batch, options
            )
            if values is None:
                continue
            rows = np.repeat(values, FINER, axis=0)
            if port in model.jumps or model.is_transparent:
                rows[np.arange(len(rows)) % FINER != 0] = 0.0
            given[f"{name}.{port}"] = rows.reshape(*rows.shape[:2], *population.shape)
    projections = {}
    for name, q in network.projections.items():
        post = network.populations[q.post].model
        plain = replace(q, bias=None)
        if post.is_transparent or network.port_of(name) in post.jumps:
            projections[name] = plain
            continue
        for i in range(FINER):  # what is held for a step
            projections[f"{name} {i}"] = replace(plain, delay=q.delay + i * fine)
    populations = {name: _finer(p, fine) for name, p in network.populations.items()}
    try:
        # what arrives at once and what arrives later coincide as they do without a clock
        finer = Network(fine, populations, projections, network.outputs, Propagation.SAME_STEP)
    except NetworkError:
        finer = Network(fine, populations, projections, network.outputs, network.propagation)
    record = {n: tuple(p.model.state) for n, p in populations.items() if p.model.state}
    return Cpu().run(
        finer,
        given,
        steps=steps * FINER,
        batch=batch,
        record=record,
        lazy=False,
        check_finite=False,
    )


def _finer(population: Population, fine: float) -> Population:
    """Return a population for the fine grid: a spike there is a step late, so it is refractory a step less."""
    model = population.model
    linear = model.is_affine or not model.dynamics
    params = dict(population.params)
    if model.refractory is not None:
        period = population.param(model.refractory.period)
        params[model.refractory.period] = np.maximum(period - fine, 0.0)
    return replace(population, params=params, method=Method.AUTO if linear else Method.RK4)


def _entering(
    network: Network, name: str, port: str, outside: Outside | None, steps: int, batch: int,
    options: Mapping[str, Any],
) -> NDArray[np.float64] | None:  # fmt: skip
    """Return everything but arrivals and Poisson drives that a port gets in each step, (T, B, n), or None."""
    n, shape = network.populations[name].n, network.populations[name].shape
    total = np.zeros((steps, batch, n))
    used = outside is not None
    if outside is not None:
        total[: len(outside)] += outside.dense
    for q in network.incoming(name):
        bias = network.projections[q].bias
        if bias is not None and network.port_of(q) == port:
            total += np.ravel(bias)
            used = True
    for drive_name, drive in network.drives.items():
        if drive.post != name or network.driven_port(drive_name) != port:
            continue
        used = True
        if isinstance(drive, StepCurrent):
            for k in range(steps):
                piece = int(np.searchsorted(np.rint(drive.times / network.dt), k, side="right"))
                if piece:
                    total[k] += np.ravel(np.broadcast_to(drive.values[piece - 1], shape))
        elif isinstance(drive, GaussianDrive):
            stream = key(options.get("seed", 0), f"drive/{drive_name}")
            sample = options.get("first_sample", 0) + np.arange(batch)[None, :, None]
            z = draws.normal(stream, np.arange(n), np.arange(steps)[:, None, None], sample)
            total += np.ravel(np.broadcast_to(drive.mean, shape)) + z * np.ravel(
                np.broadcast_to(drive.std, shape)
            )
    return total if used else None


def assert_near(found: Recording, expected: Recording, network: Network) -> None:
    """Raise AssertionError where a recording differs from that of the finer grid by more than the finer grid does."""
    fine, end = expected.network.dt, found.steps * network.dt
    quiet = {b: end for b in range(found.batch)}
    for name, population in network.populations.items():
        if not (population.model.is_spiking or population.model.is_transparent):
            continue
        for b in range(found.batch):
            fine_time, fine_address = expected.times(name, b)
            if population.model.state:
                quiet[b] = min(quiet[b], float(np.min(fine_time, initial=end)) - 2 * fine)
            if name not in found.spikes:
                continue
            time, address = found.times(name, b)
            for i in range(population.n):
                own, other = time[address == i][:SPIKES], fine_time[fine_address == i][:SPIKES]
                n = min(len(own), len(other))
                late = LATE * fine * (1 + np.arange(max(len(own), len(other))))
                where = f"{name}, sample {b}, neuron {i}: {own[:6]}, on the finer grid {other[:6]}"
                assert np.all(np.abs(own[:n] - other[:n]) <= late[:n]), where
                left = np.concatenate([own[n:], other[n:]])
                assert np.all(left >= end - late[n:]), where
    for name, traces in found.traces.items():
        if name in found.rows or network.populations[name].model.is_transparent:
            continue
        for variable in traces:
            if variable not in expected.traces.get(name, {}):
                continue
            for b in range(found.batch):
                rows = int(max(0.0, quiet[b]) / network.dt)
                one = found.trace(name, variable)[:rows, b]
                other = expected.trace(name, variable)[FINER - 1 :: FINER, b][:rows]
                size = np.max(np.abs(other), initial=0.0)
                where = f"{name}.{variable}, sample {b}"
                assert np.all(np.abs(one - other) <= TRACE * size + 1e-15 * size), where
