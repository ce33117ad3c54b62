"""The reference engine: slow, short, and the living definition of what a network does.

Step k, population by population in the program's order:
1 *deliver*: what is due at k, plus what synapses with a rule deliver, plus what enters from outside, plus biases, plus
drives; jumps are added to their variables;
2 *integrate*; 3 *fire*; 4 *reset*; then the post events of synapses with a rule;
5 *emit*: sources in ascending order, each adding weight times value to its targets at step k + lag.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.engines import draws
from spikewright.engines.engine import (
    Engine,
    Prepared,
    Request,
    broken_off,
    not_finite,
    shaped,
)
from spikewright.engines.program import (
    DriveProgram,
    GaussianProgram,
    PopulationProgram,
    Program,
    ProjectionProgram,
    StepsProgram,
)
from spikewright.engines.recording import Recording, Spikes, State
from spikewright.engines.reference_synapses import Plastic
from spikewright.engines.synapses import start_synapses
from spikewright.errors import EngineError
from spikewright.network.expression import evaluate, lift
from spikewright.network.model import Noise

_normal = lift(lambda u, w: math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(2.0 * math.pi * w), 2)
SAMPLE_SHIFT = 40
"""A draw's counter is the step plus the sample number shifted by this many bits."""


class Reference(Engine):
    """Plain NumPy, one operation after the other."""

    name: ClassVar[str] = "reference"

    def _advance(self, prepared: Prepared, request: Request) -> Recording:
        program, state = prepared.program, request.state
        network = program.network
        steps, batch, record = request.steps, request.batch, request.record
        values = {n: {v: x.copy() for v, x in vs.items()} for n, vs in state.values.items()}
        waiting = {n: x.copy() for n, x in state.waiting.items()}
        pending = {place: x.copy() for place, x in state.pending.items()}
        traces: dict[str, dict[str, NDArray[Any]]] = {
            n: {
                v: np.zeros(
                    (r.rows(state.step, steps), batch, r.width(program.populations[n].n)),
                    program.populations[n].dtype,
                )
                for v in r.variables
            }
            for n, r in record.items()
        }
        sent = {n: np.zeros((batch, p.n), np.int64) for n, p in program.populations.items()}
        activity = {n: np.zeros((steps, batch), np.int64) for n in program.populations}
        kept: dict[str, list[tuple[int, NDArray[Any], NDArray[Any], NDArray[Any]]]] = {
            n: [] for n in request.spikes
        }
        plastic = _plastic(program, request)
        broken: tuple[str, int, int] | None = None
        for index in range(steps):
            k = state.step + index
            before = {n: dict(vs) for n, vs in values.items()}
            for name, p in program.populations.items():
                ports = {}
                for port in p.population.model.inputs:
                    slot = pending[name, port][k % program.ring[name, port]]
                    arrived = slot.copy()
                    slot[...] = 0
                    for own in plastic.values():
                        if (own.q.post, own.q.port) == (name, port):
                            own.flow(before[own.q.pre], before[name], arrived)
                            own.deliver(k, arrived)
                    outside = request.inputs.get((name, port))
                    if outside is not None and index < len(outside):
                        arrived = arrived + outside[index]
                    for bias in p.biases.get(port, ()):
                        arrived = arrived + bias
                    for drive in p.drives:
                        if drive.port == port:
                            arrived = arrived + _driven(program, p, drive, request, k)
                    ports[port] = arrived
                noise = _draw(program, p, request, k)
                seen: dict[str, NDArray[Any]] = {}
                output = step(p, values[name], ports, noise, waiting.get(name), seen)
                for own in plastic.values():
                    if own.q.post == name:
                        own.finish(k, output, seen, _signals(own, request, index))
                sample, address = np.nonzero(output)
                value = output[sample, address]
                np.add.at(sent[name], (sample, address), 1)
                activity[name][index] = np.bincount(sample, minlength=batch)
                if name in kept:
                    kept[name].append((index, sample, address, value))
                if request.check_finite and broken is None:
                    broken = _broken(name, values[name])
                for variable, trace in traces.get(name, {}).items():
                    if k % record[name].every == 0:
                        row = record[name].rows(state.step, index)
                        kept_now = output if variable == "output" else values[name][variable]
                        trace[row] = record[name].pick(kept_now)
                for number in p.outgoing:
                    q = program.projections[number]
                    if q.name in plastic:
                        plastic[q.name].emit(k, sample, address, value)
                    else:
                        emit(q, sample, address, value, pending[q.post, q.port], k)
            if broken is not None:
                break
        if broken is not None:
            # of the step in which it happened nothing is kept
            steps, failed = index, k
            kept = {n: [part for part in parts if part[0] < steps] for n, parts in kept.items()}
        recording = Recording(
            network,
            self.name,
            steps,
            batch,
            request.seed,
            {n: _join(parts, program.populations[n]) for n, parts in kept.items()},
            {
                n: {v: shaped(x, record[n], network, n, state.step, steps) for v, x in vs.items()}
                for n, vs in traces.items()
            },
            sent,
            {n: x[:steps] for n, x in activity.items()},
            State(
                state.step + steps,
                values,
                waiting,
                pending,
                {
                    n: own.state(
                        state.step + steps, graded=network.populations[own.q.pre].model.is_graded
                    )
                    for n, own in plastic.items()
                },
            ),
            {n: r for n, r in record.items() if not r.is_whole},
        )
        if broken is not None:
            name, sample_, neuron = broken
            error = EngineError(not_finite(network, name, neuron, failed, sample_, batch))
            error.recording = broken_off(recording)
            raise error
        return recording


def _broken(name: str, values: Mapping[str, NDArray[Any]]) -> tuple[str, int, int] | None:
    """Return (population, sample, neuron) of the first state that is not finite."""
    for x in values.values():
        if x.dtype.kind == "f" and not np.all(np.isfinite(x)):
            sample, neuron = np.argwhere(~np.isfinite(x))[0]
            return name, int(sample), int(neuron)
    return None


def step(
    p: PopulationProgram,
    values: dict[str, NDArray[Any]],
    ports: Mapping[str, NDArray[Any]],
    noise: Mapping[str, NDArray[Any]],
    waiting: NDArray[np.int64] | None,
    seen: dict[str, NDArray[Any]] | None = None,
) -> NDArray[Any]:
    """Advance one population by one step in place; return what it sends, (B, n), 0 where nothing.

    `seen` is filled with the state as the threshold saw it.
    """
    names: dict[str, Any] = dict(p.step.constants) | dict(ports) | dict(noise) | values
    shape = next(iter((values or ports or noise).values())).shape
    if waiting is not None:
        names["_ref"] = waiting
    for name, tree in p.step.assign:
        names[name] = np.broadcast_to(np.asarray(evaluate(tree, names), p.dtype), shape)
    if seen is not None:
        seen |= {v: np.asarray(names[v]) for v in values}
    output: Any = np.ones(shape, p.dtype)
    if p.step.output is not None:
        output = np.broadcast_to(np.asarray(evaluate(p.step.output, names), p.dtype), shape)
    if p.step.fire is not None:
        fired = np.broadcast_to(evaluate(p.step.fire, names), shape)
        output = np.where(fired, output, p.dtype(0))
        after = {v: np.where(fired, evaluate(tree, names), names[v]) for v, tree in p.step.reset}
        names |= after
        if waiting is not None and p.step.refractory is not None:
            waiting[...] = np.where(fired, p.step.refractory, np.maximum(waiting - 1, 0))
    for variable in values:
        values[variable] = np.array(names[variable], p.dtype)
    return np.asarray(output)


def _plastic(program: Program, request: Request) -> dict[str, Plastic]:
    """Return the projections that have a rule, in the order declared."""
    found = {}
    for q in program.projections:
        if q.rule is not None:
            state = request.state.synapses.get(q.name)
            if state is None:
                graded = program.network.populations[q.pre].model.is_graded
                state = start_synapses(q.rule, q.synapses, batch=request.batch, graded=graded)
            found[q.name] = Plastic(q, q.rule, state)
    return found


def _signals(own: Plastic, request: Request, index: int) -> dict[str, NDArray[np.float64]]:
    """Return the signals of a projection in one step, each (B,)."""
    found = {}
    for signal in own.rule.model.signals:
        values = request.inputs.get((own.q.name, signal))
        if values is not None and index < len(values):
            found[signal] = values[index].reshape(-1)
        else:
            found[signal] = np.zeros(request.batch)
    return found


def emit(
    q: ProjectionProgram,
    sample: NDArray[np.int64],
    address: NDArray[np.int64],
    value: NDArray[Any],
    ring: NDArray[Any],
    k: int,
) -> None:
    """Add what was sent in step k to the arrivals of later steps."""
    length, start = len(ring), q.synapses.start
    place = ring if not q.exponent else np.zeros_like(ring)
    for b, source, y in zip(sample, address, value, strict=True):
        entries = slice(start[source], start[source + 1])
        lag = q.lag if q.lag.ndim == 0 else q.lag[entries]
        slots = (k + np.broadcast_to(lag, (entries.stop - entries.start,))) % length
        amount = q.synapses.weight[entries] * place.dtype.type(y)
        np.add.at(place, (slots, b, q.synapses.target[entries]), amount)
    if q.exponent > 0:
        ring += place << q.exponent
    elif q.exponent < 0:
        ring += place >> -q.exponent


def _draw(
    program: Program, p: PopulationProgram, request: Request, k: int
) -> dict[str, NDArray[Any]]:
    drawn: dict[str, NDArray[Any]] = {}
    samples = np.arange(request.first_sample, request.first_sample + request.batch)
    counter = (samples[:, None] << SAMPLE_SHIFT) + k
    neuron = np.arange(p.n)[None, :]
    for name, kind in p.step.noise.items():
        key = program.key(request.seed, p.name, name)
        first = rng.uniform(key, neuron, counter)
        if kind is Noise.UNIFORM:
            drawn[name] = first
            continue
        if kind is Noise.BITS:
            drawn[name] = (first * 2.0**32).astype(np.int64)
            continue
        normal = _normal(first, rng.second_uniform(key, neuron, counter))
        scale = 1.0 / math.sqrt(program.network.dt) if kind is Noise.WHITE else 1.0
        drawn[name] = normal * scale
    return drawn


def _driven(
    program: Program, p: PopulationProgram, drive: DriveProgram, request: Request, k: int
) -> NDArray[Any]:
    """Return what a drive gives in step k, (B, n) or (n,)."""
    if isinstance(drive, StepsProgram):
        return drive.at(k)
    key = program.drive_key(request.seed, drive.name)
    neuron = np.arange(p.n)
    sample = request.first_sample + np.arange(request.batch)[:, None]
    if isinstance(drive, GaussianProgram):
        return drive.mean + drive.std * draws.normal(key, neuron, k, sample)
    count = np.zeros((request.batch, p.n), np.int64)
    for i in range(len(drive.start) - 1):
        (own,) = np.nonzero(drive.which == i)
        table = drive.thresholds[drive.start[i] : drive.start[i + 1]]
        count[:, own] = draws.poisson(key, own, k, sample, table)
    return drive.weight * count


def _join(
    parts: list[tuple[int, NDArray[Any], NDArray[Any], NDArray[Any]]], p: PopulationProgram
) -> Spikes:
    graded = p.population.model.is_graded
    if not parts:
        empty = np.zeros(0, np.int64)
        return Spikes(empty, empty, empty, np.zeros(0, p.dtype) if graded else None)
    step_ = np.concatenate([np.full(len(s), k, np.int64) for k, s, _, _ in parts])
    sample, address, value = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
    return Spikes(step_, sample, address, value if graded else None)
