"""The compiled engine: one generated function per population and step, one loop per projection.

It differs from the reference in nothing but speed. Kernels are compiled by Numba on first use and kept on disk.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import kernels
from spikewright.engines.engine import Engine, Request
from spikewright.engines.generate import Port, load, write
from spikewright.engines.program import PopulationProgram, Program, ProjectionProgram
from spikewright.engines.recording import Recording, Spikes, State
from spikewright.network.model import Noise

Emit = Callable[[int, NDArray[np.int64], NDArray[np.int64], NDArray[Any]], None]


class Cpu(Engine):
    """Numba kernels generated from the model text; float64 and int64, equal to the reference bit for bit."""

    name: ClassVar[str] = "cpu"

    def _advance(self, program: Program, request: Request) -> Recording:
        network, state = program.network, request.state
        steps, batch, record = request.steps, request.batch, request.record
        pending = {place: np.array(x) for place, x in state.pending.items()}
        rows = [_Population(program, p, request) for p in program.populations.values()]
        for row in rows:
            row.take(state, pending, program)
        for index in range(steps):
            k = state.step + index
            for row in rows:
                row.advance(index, k, request.first_sample)
        return Recording(
            network,
            self.name,
            steps,
            batch,
            request.seed,
            {row.name: row.record.spikes() for row in rows if row.record is not None},
            {
                name: {
                    v: x.reshape(steps, batch, *network.populations[name].shape)
                    for v, x in row.traces.items()
                }
                for name in record
                for row in rows
                if row.name == name
            },
            {row.name: row.sent for row in rows},
            {row.name: row.activity for row in rows},
            State(
                state.step + steps,
                {row.name: row.values for row in rows},
                {row.name: row.waiting for row in rows if row.waits},
                pending,
            ),
        )


@dataclass
class _Record:
    """Spikes kept so far, in buffers that grow."""

    places: NDArray[np.int64]
    values: NDArray[Any]
    graded: bool
    used: int = 0

    def add(
        self,
        step: int,
        count: NDArray[np.int64],
        address: NDArray[np.int64],
        value: NDArray[Any],
    ) -> None:
        new = int(count.sum())
        if not new:
            return
        if self.used + new > self.places.shape[1]:
            room = max(2 * self.places.shape[1], self.used + new)
            places = np.empty((3, room), np.int64)
            places[:, : self.used] = self.places[:, : self.used]
            self.places = places
            if self.graded:
                self.values = np.resize(self.values, room)
        kernels.collect(step, self.used, count, address, value, self.places, self.values)
        self.used += new

    def spikes(self) -> Spikes:
        step, sample, address = (row[: self.used].copy() for row in self.places)
        return Spikes(
            step, sample, address, self.values[: self.used].copy() if self.graded else None
        )


class _Population:
    """One population of one run: its kernel, its arrays, and where its spikes go."""

    def __init__(self, program: Program, p: PopulationProgram, request: Request) -> None:
        model, step = p.population.model, p.step
        steps, batch, inputs = request.steps, request.batch, request.inputs
        self.p, self.name = p, p.name
        self.waits = step.refractory is not None
        self.inputs = {
            port: _writable(inputs[p.name, port])
            for port in model.inputs
            if (p.name, port) in inputs
        }
        self.sent = np.zeros((batch, p.n), np.int64)
        self.activity = np.zeros((steps, batch), np.int64)
        self.address = np.empty((batch, p.n), np.int64)
        self.value: NDArray[Any] = np.empty((batch, p.n), p.dtype)
        self.output: NDArray[Any] = np.empty((1, p.n), p.dtype)
        self.nothing = np.zeros((batch, p.n), p.dtype) if self.inputs else self.value
        self.traces: dict[str, NDArray[Any]] = {
            v: np.zeros((steps, batch, p.n), p.dtype) for v in request.record.get(p.name, ())
        }
        self.record = (
            _Record(np.empty((3, 0), np.int64), np.empty(0, p.dtype), model.is_graded)
            if p.name in request.spikes
            else None
        )
        flat = [b for port in model.inputs for b in p.biases.get(port, ())]
        self.biases: NDArray[Any] = np.array(flat, p.dtype).reshape(len(flat), p.n)
        hold = np.zeros(1, np.int64) if step.refractory is None else step.refractory
        self.hold = np.array(hold, np.int64).reshape(-1)
        self.keys = np.array(
            [program.key(request.seed, p.name, noise) for noise in step.noise], np.uint64
        ).reshape(-1)
        self.scale = np.array(
            [
                1.0 / math.sqrt(program.network.dt) if kind is Noise.WHITE else 1.0
                for kind in step.noise.values()
            ]
        ).reshape(-1)

    def take(
        self, state: State, pending: dict[tuple[str, str], NDArray[Any]], program: Program
    ) -> None:
        """Set the state, and find the kernel for the ports that anything can reach."""
        p, model = self.p, self.p.population.model
        self.values = {v: np.array(x) for v, x in state.values[p.name].items()}
        self.waiting = np.array(state.waiting[p.name]) if self.waits else np.zeros((1, 1), np.int64)
        reached = {q.port for q in program.projections if q.post == p.name}
        ports = {
            port: Port(
                port in reached or bool(np.any(pending[p.name, port])),
                port in self.inputs,
                len(p.biases.get(port, ())),
            )
            for port in model.inputs
        }
        kernel = write(p, ports)
        self.kernel = load(kernel)
        constants = p.step.constants
        self.constants = np.array(
            [constants[c] if isinstance(c, str) else c for c in kernel.shared],
            np.int64 if model.integer else np.float64,
        ).reshape(-1)
        own = np.empty((len(kernel.own), p.n), self.constants.dtype)
        for i, name in enumerate(kernel.own):
            own[i] = constants[name]
        self.own = own
        self.rings = [pending[p.name, port] for port in kernel.rings]
        self.outside = [self.inputs[port] for port in kernel.outside]
        self.emits = [_emit(program.projections[i], pending, model.is_graded) for i in p.outgoing]

    def advance(self, index: int, k: int, first_sample: int) -> None:
        """Run one step."""
        count = self.activity[index]
        kept = self.traces.get("output")
        self.kernel(
            k,
            first_sample,
            self.constants,
            self.own,
            self.biases,
            self.keys,
            self.scale,
            self.hold,
            self.output if kept is None else kept[index],
            self.waiting,
            self.sent,
            count,
            self.address,
            self.value,
            *(ring[k % len(ring)] for ring in self.rings),
            *(x[index] if index < len(x) else self.nothing for x in self.outside),
            *self.values.values(),
        )
        if self.record is not None:
            self.record.add(index, count, self.address, self.value)
        for variable, trace in self.traces.items():
            if variable != "output":
                trace[index] = self.values[variable]
        for emit in self.emits:
            emit(k, count, self.address, self.value)


def _writable(array: NDArray[Any]) -> NDArray[Any]:
    # Numba compiles once more for read-only arrays
    return array if array.flags.writeable else array.copy()


def _emit(q: ProjectionProgram, pending: dict[tuple[str, str], NDArray[Any]], graded: bool) -> Emit:
    """Return the function that sends one step's spikes through a projection."""
    ring = pending[q.post, q.port]
    length = len(ring)
    start, target = _writable(q.synapses.start), _writable(q.synapses.target)
    weight, lag = _writable(q.synapses.weight), _writable(np.atleast_1d(q.lag))
    late = int(q.lag) if q.lag.ndim == 0 else 0

    def shifted(k: int, count: Any, address: Any, value: Any) -> None:
        kernels.emit_shifted(count, address, value, start, target, weight, lag, ring, k, q.exponent)

    def lagged(k: int, count: Any, address: Any, value: Any) -> None:
        kernels.emit_lagged(count, address, value, start, target, weight, lag, ring, k)

    def sparse(k: int, count: Any, address: Any, value: Any) -> None:
        slot = ring[(k + late) % length]
        kernels.emit_sparse(count, address, value, graded, start, target, weight, slot)

    if q.exponent:
        return shifted
    if q.lag.ndim:
        return lagged
    if not _is_dense(q):
        return sparse
    rows = weight.reshape(q.synapses.n_pre, q.synapses.n_post)

    def dense(k: int, count: Any, address: Any, value: Any) -> None:
        kernels.emit_dense(count, address, value, graded, rows, ring[(k + late) % length])

    return dense


def _is_dense(q: ProjectionProgram) -> bool:
    """Whether every source reaches every target once, in ascending order."""
    n_pre, n_post = q.synapses.n_pre, q.synapses.n_post
    if q.synapses.n != n_pre * n_post or np.any(q.synapses.fan_out != n_post):
        return False
    return bool(np.all(q.synapses.target.reshape(n_pre, n_post) == np.arange(n_post)))
