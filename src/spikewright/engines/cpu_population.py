"""One population in one run of the compiled engine: its kernel, its arrays, and what was recorded of it.

Longer than most files: every array that a kernel's table points to is made here.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import drives, tally
from spikewright.engines import layout as at
from spikewright.engines.compiled import load
from spikewright.engines.cpu_driven import CpuDriven
from spikewright.engines.generate import Kernel, Port, write
from spikewright.engines.layout import LINE, lines, scattered, where
from spikewright.engines.lazy_source import (
    CELLS,
    DRIVEN,
    FIRST_DRIVEN,
    IS_HOT,
    LAZY,
    LIST,
    LOWER,
    N_HOT,
    NEURONS,
    POWERS,
    SHARED,
    UPPER,
    fill_cells,
    write_lazy,
)
from spikewright.engines.program import PoissonProgram, PopulationProgram, StepsProgram
from spikewright.engines.record import Record
from spikewright.engines.recording import Spikes
from spikewright.errors import EngineError, explain
from spikewright.network.model import Noise

if TYPE_CHECKING:
    from spikewright.engines.cpu_run import CpuRun

LOG_BYTES = 2**26
"""Memory for the spikes of one chunk of steps, over all populations."""
BLOCK = 512
"""Neurons that are advanced together through a batch of steps, so that they stay in the first cache."""
SHORT = 4
"""Steps of a batch up to which all neurons of a part are advanced together: the cache would serve too few steps."""


class CpuPopulation:
    """One population of one run: its kernel, its arrays, and what was recorded of it."""

    def __init__(self, run: CpuRun, p: PopulationProgram, number: int) -> None:
        model, step, request = p.population.model, p.step, run.request
        self.run, self.p, self.name, self.n = run, p, p.name, p.n
        batch, parts, workers = request.batch, run.parts, run.workers
        self.number = run.number(p)
        self.outgoing = tuple(n for n, q in run.network.projections.items() if q.pre == p.name)
        self.edges = run.edges(p.name)
        self.bounds = np.array([self.edges[0][0], *(high for _, high in self.edges)], np.int64)
        self.room = max(8, -(-max(high - low for low, high in self.edges) // 64) * 64)
        # what is advanced here: arrays hold these neurons only, and are addressed as if they began with neuron 0
        self.low, self.high = run.range_of(p.name)
        self.width = self.high - self.low
        self.own_room = max(self.edges[part][1] - self.edges[part][0] for part in run.mine)
        waiting = [run.own.ruled[q].longest for q in run.ruled_from[p.name]]
        waiting += [
            run.own.stored[n].longest
            for n, q in run.network.projections.items()
            if q.pre == p.name and q.post in run.lazy
        ]
        # a power of two: a step's place is found without a division
        self.depth = (
            1 << (max(8, 2 * run.steps_together + max(waiting, default=0)) - 1).bit_length()
        )
        self.graded = model.is_graded
        self.waits = step.refractory is not None
        wait = np.int32 if self.number is np.float32 else np.int64
        self.spikes = scattered((batch, parts, self.depth, self.room), np.int32)
        self.counts = lines((batch, parts, self.depth), np.int64)
        self.values = scattered(
            (batch, parts, self.depth, self.room) if self.graded else (0,), self.number
        )
        asking = {
            n: stored.rule.model.reads_post
            for n, stored in run.own.ruled.items()
            if run.network.projections[n].post == p.name
        }
        seen = tuple(dict.fromkeys(v for reads in asking.values() for v in reads))
        self.seen = seen
        self.peak_rows = np.zeros((len(seen), batch, self.width), self.number)
        self.peaks = {
            n: np.array([self.where(self.peak_rows[seen.index(v)]) for v in reads], np.int64)
            for n, reads in asking.items()
        }
        self.sent = np.zeros((batch, self.width), np.int64)
        self.activity = np.zeros((request.steps, batch), np.int64)
        self.errors = lines((workers, 8), np.int64)
        own = slice(self.low, self.high)
        self.state = {
            v: np.array(x[:, own], self.number, order="C")
            for v, x in request.state.values[p.name].items()
        }
        self.waiting = (
            np.array(request.state.waiting[p.name][:, own], wait, order="C")
            if self.waits
            else np.zeros(1, wait)
        )
        self.wanted = request.record.get(p.name, Record(()))
        chosen = np.arange(p.n) if self.wanted.neurons is None else np.sort(self.wanted.neurons)
        self.chosen = chosen[(chosen >= self.low) & (chosen < self.high)].astype(np.int64)
        self.traced = tuple(v for v in self.wanted.variables if v != "output")
        self.wants_output = "output" in self.wanted.variables
        n_rows, width = self.wanted.rows(request.state.step, request.steps), len(self.chosen)
        self.trace_rows = {v: np.zeros((n_rows, batch, width), self.number) for v in self.traced}
        self.kept = self.wants_output or p.name in request.spikes
        self.parts_kept: list[tuple[NDArray[Any], ...]] = []
        self.log = np.zeros((batch, self.run.parts, 0), np.int32)
        self.log_values = np.zeros(0, self.number)
        flags = lines((workers, self.room), np.uint8)
        row = lines((workers, self.room), self.number)
        self.keep: list[Any] = [flags, row]
        self.driven: CpuDriven | None = None
        if p.name in run.replayed:
            self.table = np.zeros(at.OPEN + at.REPLAY, np.int64)
            self.replay()
            kernel_at = int(tally.replay.address or 0)
        elif p.name in run.lazy:
            kernel_at = self.compile_lazy()
        else:
            kernel_at = self.compile()
        t = self.table
        t[at.SIZE], t[at.BOUNDS] = self.width, where(self.bounds)
        t[at.BATCH], t[at.PARTS] = batch, parts
        t[at.BLOCK] = BLOCK if run.steps_together > SHORT else max(1, self.room)
        t[at.FLAGS], t[at.ROOM], t[at.ROW] = where(flags), self.room, where(row)
        t[at.SPIKES], t[at.DEPTH], t[at.COUNTS] = where(self.spikes), self.depth, where(self.counts)
        t[at.VALUES] = where(self.values)
        t[at.WAITING], t[at.FIRST_SAMPLE] = self.where(self.waiting), request.first_sample
        t[at.ERRORS], t[at.CHECKED] = where(self.errors), request.check_finite
        t[at.POPULATION], t[at.SENT] = number, self.where(self.sent)
        t[at.ITEM] = np.dtype(self.number).itemsize
        t[at.EVERY], t[at.CHOSEN], t[at.N_CHOSEN] = self.wanted.every, where(self.chosen), width
        self.operations: list[tuple[int, int]] = [(kernel_at, where(self.table))]
        if self.driven is not None:
            self.driven.table[at.POPULATION] = number
            self.operations.insert(0, self.driven.operation)
        self.address = where(self.table)

    def where(self, array: NDArray[Any]) -> int:
        """Return where the numbers of neuron 0 would stand in an array whose rows begin with neuron `low`."""
        return where(array) - self.low * array.itemsize

    def finish_table(self) -> None:
        """Do what needs the whole table: find out which lazy neurons are hot."""
        if self.name not in self.run.lazy:
            return
        self.settle(self.run.request.state.step, hot=True)
        cut = self.run.cut.get(self.name)
        if cut is not None:
            quiet = (self.stamps >= 0) & (cut.since >= 0)
            # one that is stepped now, with other refractory counters or another precision, begins as it is now
            woken = (self.stamps == IS_HOT) & (cut.since >= 0)
            for v, x in self.run.request.state.values[self.name].items():
                self.state[v][woken] = x[woken]
            self.stamps[...] = np.where(quiet, cut.since, self.stamps)

    def touched(self) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
        """Return of which step each neuron's state is (-1: of now), and the state, of lazy neurons."""
        if self.driven is not None:
            self.driven.give(self)
        raw = {v: np.array(x, np.float64) for v, x in self.state.items()}
        return np.maximum(self.stamps, IS_HOT).astype(np.int64), raw

    def broken(self) -> list[list[int]]:
        """Return the states that are not finite: 1 + number of the population, step, sample, neuron."""
        found = self.errors.tolist()
        if self.driven is not None:
            found += self.driven.broken()
        return [error[:4] for error in found if error[0]]

    @property
    def stamps(self) -> NDArray[Any]:
        """The step at whose beginning a lazy neuron's state is, or what stands in its place; a view of the cells."""
        whole = self.cells.view(np.int32 if self.number is np.float32 else np.int64)
        return whole[:, :, self.cell.since]

    def settle(self, k: int, *, hot: bool = False) -> None:
        """Bring lazy neurons to the beginning of step k; with `hot`, decide which are stepped."""
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *(ctypes.c_int64,) * 5)(self.settling)
        for b in range(self.run.request.batch):
            for part in range(self.run.parts):
                call(self.address, b, part, 0, k, int(hot))

    def compile_lazy(self) -> int:
        """Fill in what the kernel of lazy neurons reads; return its address."""
        run, p, number = self.run, self.p, self.number
        made, model = run.lazy[p.name], p.population.model
        ports = {port: Port(False, False, len(p.biases.get(port, ()))) for port in model.inputs}
        kernel = write_lazy(p, made, ports, precision=run.own.precision)
        module = load(kernel.name, kernel.text)
        self.table = np.zeros(at.OPEN + LAZY, np.int64)
        self.constants(kernel, self.table)
        t, batch = self.table, run.request.batch
        self.cell = made.cell
        cut = run.cut.get(p.name)
        begin = self.state if cut is None else dict(cut.values)
        self.cells = fill_cells(made, begin, number)
        # variables are views of the cells from here on
        self.state = {v: self.cells[:, :, column] for v, column in self.cell.states.items()}
        neurons = np.flatnonzero(made.driven)
        driven_table = np.zeros(at.OPEN + len(model.state), np.int64)
        if len(neurons):
            self.driven = CpuDriven(self, neurons, ports)
            self.stamps[:, neurons] = FIRST_DRIVEN - np.arange(len(neurons))
            driven_table = self.driven.table
        arrays = {
            CELLS: self.cells,
            LIST: np.zeros((batch, run.parts, self.room), np.int32),
            N_HOT: lines((batch, run.parts, LINE // 8), np.int64),
            POWERS: np.array(made.powers, number, order="C"),
            SHARED: np.array(made.shared, number),
            UPPER: np.array(made.upper, number),
            LOWER: np.array(made.lower, number),
            DRIVEN: driven_table,
            NEURONS: neurons,
        }
        for place, array in arrays.items():
            t[at.OPEN + place] = where(array)
        self.keep += arrays.values()
        self.outside: list[NDArray[Any]] = []
        self.drive_tables: list[NDArray[np.int64]] = []
        self.settling = int(module.settle.address)
        return int(module.advance.address)

    def compile(self) -> int:
        """Fill in what the kernel reads; return its address."""
        run, p, request = self.run, self.p, self.run.request
        model = p.population.model
        self.inputs = {
            port: request.inputs[p.name, port]
            for port in model.inputs
            if (p.name, port) in request.inputs
        }
        ports = {
            port: Port(
                (p.name, port) in run.rings,
                port in self.inputs,
                len(p.biases.get(port, ())),
                sum(d.port == port for d in p.drives),
            )
            for port in model.inputs
        }
        kernel = run.own.once(
            ("kernel", p.name, *ports.items(), self.seen),
            lambda: write(p, ports, precision=run.own.precision, peaks=self.seen),
        )
        self.table = np.zeros(kernel.size, np.int64)
        self.constants(kernel, self.table)
        t, number = self.table, self.number
        place = at.OPEN
        for port in kernel.rings:
            ring = run.rings[p.name, port]
            t[place], t[place + 1] = self.where(ring), len(ring)
            place += 2
        self.outside_at = place
        self.outside = []
        for port in kernel.outside:
            array = np.zeros((self.inputs[port].steps + 1, request.batch, self.width), number)
            array[:-1] = self.inputs[port].dense[:, :, self.low : self.high]
            self.outside.append(array)
            place += 2
        for variable in model.state:
            t[place] = self.where(self.state[variable])
            place += 1
        self.drive_tables = []
        for port in model.inputs:
            for drive in p.drives:
                if drive.port == port:
                    table = self.drive(drive)
                    self.drive_tables.append(table)
                    t[place] = where(table)
                    place += 1
        return int(load(kernel.name, kernel.text).advance.address)

    def constants(
        self, kernel: Kernel, t: NDArray[np.int64], chosen: NDArray[np.int64] | None = None
    ) -> None:
        """Fill in the numbers that a kernel reads, of the chosen neurons or of all."""
        run, p, number = self.run, self.p, self.number
        model, step, request = p.population.model, p.step, run.request
        constants = step.constants
        names = [c if isinstance(c, str) else f"{c:g}" for c in kernel.shared]
        values = [constants[c] if isinstance(c, str) else c for c in kernel.shared]
        shared = self.as_number(
            np.array(values, np.float64 if number is np.float32 else number), names
        )
        which: Any = slice(self.low, self.high) if chosen is None else chosen
        whose = self.where if chosen is None else where
        rows = [np.broadcast_to(constants[name], (1, p.n))[:, which] for name in kernel.own]
        own = np.empty((len(rows), self.width if chosen is None else len(chosen)), number)
        for i, row in enumerate(rows):
            own[i] = self.as_number(row, [kernel.own[i]])
        flat = [b[which] for port in model.inputs for b in p.biases.get(port, ())]
        biases = np.array(flat, number).reshape(len(flat), own.shape[1])
        hold = np.zeros(1, np.int64) if step.refractory is None else step.refractory
        each = hold.ndim > 0 and step.refractory is not None
        hold = np.array(hold, self.waiting.dtype).reshape(-1)
        if each:
            hold = np.ascontiguousarray(hold[which])
        keys = np.array(
            [run.program.key(request.seed, p.name, noise) for noise in step.noise], np.uint64
        )
        scale = np.array(
            [
                1.0 / math.sqrt(run.network.dt) if kind is Noise.WHITE else 1.0
                for kind in step.noise.values()
            ]
        )
        t[at.PEAKS] = self.where(self.peak_rows)
        t[at.CONSTANTS], t[at.OWN], t[at.BIASES] = where(shared), whose(own), whose(biases)
        t[at.KEYS], t[at.SCALE] = where(keys), where(scale)
        t[at.HOLD] = whose(hold) if each else where(hold)
        self.keep += [shared, own, biases, keys, scale, hold]

    def as_number(self, values: NDArray[Any], names: list[str]) -> NDArray[Any]:
        """Return values, one row or number per name, as the kernel's numbers; refuse what these cannot hold."""
        with np.errstate(over="ignore"):
            found = values.astype(self.number).reshape(values.shape)
        if self.number is np.float32:
            lost = np.isinf(found) & np.isfinite(values)
            if np.any(lost):
                row = int(np.argwhere(lost)[0][0])
                raise EngineError(
                    explain(
                        f"population {self.name!r}",
                        f"{names[row]} is too large for single precision",
                        found=f"{values[lost][0]:g}",
                        expected="3.4e38 at most",
                        cure="take precision='double'",
                    )
                )
        return found

    def drive(self, drive: Any) -> NDArray[np.int64]:
        run, request, number = self.run, self.run.request, self.number
        t = np.zeros(drives.ENTRIES, np.int64)
        key = np.array([run.program.drive_key(request.seed, drive.name)], np.uint64).view(np.int64)
        t[drives.KEY], t[drives.FIRST_SAMPLE] = key[0], request.first_sample
        t[drives.SIZE], t[drives.ITEM] = self.width, np.dtype(number).itemsize
        own = slice(self.low, self.high)
        arrays: list[NDArray[Any]]
        if isinstance(drive, StepsProgram):
            t[drives.KIND] = drives.STEPS
            times, values = (
                np.array(drive.start, np.int64),
                np.array(drive.values[:, own], number, order="C"),
            )
            t[drives.TIMES], t[drives.PIECES], t[drives.STEP_VALUES] = (
                where(times),
                len(times),
                self.where(values),
            )
            self.keep += [times, values]
            return t
        buffer = np.zeros((run.workers, 4, self.width), number)
        words = np.zeros((run.workers, 4, self.width), np.uint32)
        t[drives.BUFFER], t[drives.WORDS] = self.where(buffer), self.where(words)
        if isinstance(drive, PoissonProgram):
            t[drives.KIND] = drives.POISSON
            start = np.array(drive.start, np.int64)
            thresholds = np.array(drive.thresholds, np.uint64)
            guides = np.array([drives.guide(thresholds[a:b]) for a, b in itertools.pairwise(start)])
            weight = np.array(drive.weight[own], number)
            which = np.array(drive.which[own], np.int64)
            t[drives.GUIDE], t[drives.THRESHOLDS], t[drives.START] = (
                where(guides),
                where(thresholds),
                where(start),
            )
            t[drives.WHICH] = self.where(which) if len(guides) > 1 else 0
            t[drives.WEIGHT] = self.where(weight)
            arrays = [start, thresholds, guides, weight, which]
        else:
            t[drives.KIND] = drives.GAUSSIAN
            mean, std = np.array(drive.mean[own], np.float64), np.array(drive.std[own], np.float64)
            t[drives.MEAN], t[drives.STD] = self.where(mean), self.where(std)
            arrays = [mean, std]
        self.keep += [buffer, words, *arrays]
        return t

    def replay(self) -> None:
        """Fill in what enters, as lists."""
        request, t = self.run.request, self.table
        port = self.p.population.model.default_port
        outside = request.inputs.get((self.name, port))
        if outside is None:
            start = np.zeros((request.batch, 1), np.int64)
            address, value = np.zeros(0, np.int64), np.zeros(0)
        else:
            start, address, value = outside.cells
        start = np.ascontiguousarray(start)
        address, value = address.astype(np.int32), value.astype(self.number)
        o = at.OPEN
        t[o + at.REPLAY_START], t[o + at.REPLAY_ADDRESS] = where(start), where(address)
        t[o + at.REPLAY_VALUE], t[o + at.REPLAY_STEPS] = where(value), start.shape[1] - 1
        t[o + at.REPLAY_ORIGIN] = request.state.step
        self.keep += [start, address, value]

    def fill(self, underway: Spikes) -> None:
        """Put spikes that were sent before the run, and have not arrived, where kernels look for them."""
        for i in range(underway.n):
            b, neuron, slot = underway.sample[i], underway.address[i], underway.step[i] % self.depth
            part = int(np.searchsorted(self.bounds[1:], neuron, side="right"))
            place = self.counts[b, part, slot]
            self.spikes[b, part, slot, place] = neuron
            if self.graded and underway.value is not None:
                self.values[b, part, slot, place] = underway.value[i]
            self.counts[b, part, slot] += 1

    def underway(self, first: int, end: int) -> Spikes:
        """Return what was sent from step `first` on, before step `end`."""
        columns: list[list[Any]] = [[], [], [], []]
        for k in range(max(0, first), end):
            slot = k % self.depth
            for b in range(self.run.request.batch):
                for part in range(self.run.parts):
                    n = int(self.counts[b, part, slot])
                    columns[0] += [k] * n
                    columns[1] += [b] * n
                    columns[2] += self.spikes[b, part, slot, :n].tolist()
                    if self.graded:
                        columns[3] += self.values[b, part, slot, :n].tolist()
        step, sample, address = (np.array(c, np.int64) for c in columns[:3])
        return Spikes(step, sample, address, np.array(columns[3], float) if self.graded else None)

    # -- a chunk of steps ------------------------------------------------------------------------------

    def most_steps(self) -> int:
        """Return how many steps may be run before what was recorded must be taken."""
        each = max(1, self.run.request.batch * self.width * (12 if self.graded else 4))
        if not self.kept:
            return 1 << 20
        populations = max(1, len(self.run.program.populations))
        return max(1, LOG_BYTES // each * self.apart // populations)

    @property
    def apart(self) -> int:
        """The least number of steps from a spike of a neuron to its next."""
        refractory = self.p.step.refractory
        return 1 if refractory is None else 1 + int(np.min(refractory))

    def begin(self, k: int, steps: int) -> None:
        """Make room for what a chunk records."""
        run, t = self.run, self.table
        batch, parts = run.request.batch, run.parts
        room = max(1, self.own_room * (1 + (steps - 1) // self.apart)) if self.kept else 0
        if room > self.log.shape[2]:
            # the longest lists that could be: little of them is touched, and that again in the next chunk
            self.log = scattered((batch, parts, room), np.int32)
            self.log_values = scattered((batch, parts, room) if self.graded else (0,), self.number)
        room = self.log.shape[2]
        self.log_used = lines((batch, parts, LINE // 8), np.int64)
        self.chunk = np.zeros((batch, parts, steps), np.int64)
        t[at.FIRST_STEP], t[at.CHUNK], t[at.ACTIVITY] = k, steps, where(self.chunk)
        t[at.LOG], t[at.LOG_ROOM], t[at.LOG_USED] = where(self.log), room, where(self.log_used)
        t[at.LOG_VALUES] = where(self.log_values) if self.graded and self.kept else 0
        if self.name in run.replayed:
            return
        index = k - run.request.state.step
        for i, array in enumerate(self.outside):
            first = min(index, len(array) - 1)
            t[self.outside_at + 2 * i] = self.where(array[first:])
            t[self.outside_at + 2 * i + 1] = len(array) - first
        for table in self.drive_tables:
            table[drives.FIRST_STEP] = k
        t[at.TRACED] = len(self.traced)
        row = self.wanted.rows(run.request.state.step, index)
        t[at.FIRST_ROW] = -(-k // self.wanted.every)
        self.places = np.array(
            [(self.where(self.state[v]), where(self.trace_rows[v][row:])) for v in self.traced],
            np.int64,
        ).reshape(-1)
        t[at.TRACES] = where(self.places)

    def take(self, k: int, steps: int) -> None:
        """Take what a chunk recorded."""
        index = k - self.run.request.state.step
        self.activity[index : index + steps] = self.chunk.sum(axis=1).T
        if not self.kept:
            return
        batch, parts = self.run.request.batch, self.run.parts
        step_: list[NDArray[Any]] = []
        sample_: list[NDArray[Any]] = []
        address_: list[NDArray[Any]] = []
        value_: list[NDArray[Any]] = []
        for b in range(batch):
            for part in range(parts):
                used = self.log_used[b, part, 0]
                if not used:
                    continue
                step_.append(np.repeat(np.arange(index, index + steps), self.chunk[b, part]))
                sample_.append(np.full(used, b))
                address_.append(self.log[b, part, :used].astype(np.int64))
                if self.graded:
                    value_.append(self.log_values[b, part, :used].astype(self.p.dtype))
        if not step_:
            return
        step, sample, address = map(np.concatenate, (step_, sample_, address_))
        value = np.concatenate(value_) if self.graded else np.zeros(0)
        if batch * parts > 1:
            order = np.argsort(step * batch + sample, kind="stable")
            step, sample, address = step[order], sample[order], address[order]
            value = value[order] if self.graded else value
        self.parts_kept.append((step, sample, address, value))

    def record(self, steps: int) -> Spikes:
        """Return the spikes of the first steps."""
        if not self.parts_kept:
            empty = np.zeros(0, np.int64)
            return Spikes(empty, empty, empty, np.zeros(0, self.p.dtype) if self.graded else None)
        columns = [np.concatenate([part[i] for part in self.parts_kept]) for i in range(4)]
        end = np.searchsorted(columns[0], steps)
        step, sample, address, value = (c[:end] for c in columns)
        return Spikes(step, sample, address, value if self.graded else None)

    def traces(self, steps: int) -> dict[str, NDArray[Any]]:
        """Return the recorded variables, `T B n`."""
        return {v: self.arranged(rows) for v, rows in self.ascending(steps).items()}

    def arranged(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows of all recorded neurons, by address, in the order in which they were asked for."""
        if self.wanted.neurons is None:
            return rows
        order = np.argsort(np.argsort(self.wanted.neurons))
        found: NDArray[Any] = rows[..., order]
        return found

    def ascending(self, steps: int) -> dict[str, NDArray[Any]]:
        """Return the recorded variables of the neurons that are advanced here, by address."""
        return {
            v: self.sent_values(steps)
            if v == "output"
            else self.trace_rows[v].astype(self.p.dtype, copy=False)
            for v in self.wanted.variables
        }

    def sent_values(self, steps: int) -> NDArray[Any]:
        """Return what was sent in the steps that are recorded, of the neurons that are."""
        wanted, request = self.wanted, self.run.request
        first = request.state.step
        out: NDArray[Any] = np.zeros(
            (wanted.rows(first, steps), request.batch, len(self.chosen)), self.p.dtype
        )
        spikes = self.record(steps)
        value = np.ones(spikes.n) if spikes.value is None else spikes.value
        column = np.full(self.n, -1)
        column[self.chosen] = np.arange(len(self.chosen))
        step, place = spikes.step + first, column[spikes.address]
        here = (step % wanted.every == 0) & (place >= 0)
        row = step[here] // wanted.every - -(-first // wanted.every)
        out[row, spikes.sample[here], place[here]] = value[here]
        return out
