"""The engine without a clock: what it runs, one run, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import draws
from spikewright.engines.engine import (
    Engine,
    Outside,
    Prepared,
    Request,
    broken_off,
    shaped,
)
from spikewright.engines.event.refusals import refuse
from spikewright.engines.program import Program, lower
from spikewright.engines.record import Record
from spikewright.engines.recording import Recording, Spikes, State
from spikewright.engines.stretches import Keeping
from spikewright.errors import EngineError, NetworkError, explain
from spikewright.network.drive import GaussianDrive, StepCurrent
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network, Propagation

TOLERANCE = 1e-8
"""Error of one step of a neuron without a closed form, relative to the largest size that a variable has had."""
CELLS = 2_000_000
"""Values that enter per window, about, where something enters at every step."""
ON_GRID = 1e-6
"""How far from a multiple of dt a time is one, in steps."""


class Event(Engine):
    """Exact spike times: linear neurons in closed form, others within `tolerance`; nothing is rounded to a step.

    Parameters
    ----------
    tolerance : error of one step of a neuron without a closed form, relative to the largest size of each variable

    Examples
    --------
    >>> import numpy as np
    >>> from spikewright.network import LIF, Network, Population
    >>> net = Network(dt=1e-3, populations={"n": Population(LIF, 1)})
    >>> times, _ = Event().run(net, {"n.i": np.full((100, 1, 1), 2.0)}).times("n")
    >>> bool(np.allclose(times[:2], [20e-3 * np.log(2), 40e-3 * np.log(2)], rtol=1e-13, atol=0))
    True
    """

    name: ClassVar[str] = "event"

    def __init__(self, *, tolerance: float = TOLERANCE) -> None:
        if not 0 < tolerance <= 0.1:
            raise EngineError(
                explain("Event(tolerance=)", "not a tolerance", found=tolerance, expected="above 0, 0.1 at most")
            )  # fmt: skip
        self.tolerance = tolerance

    def prepare(
        self,
        network: Network,
        *,
        precision: str = "double",
        threads: int | None = None,
        lazy: bool | None = None,
        batch: int = 1,
    ) -> Prepared:
        self._check_options(precision, threads)
        refuse(network)
        from spikewright.engines.event.build import build

        options = {"precision": precision, "threads": threads, "lazy": lazy}
        own = build(network, order_of(network), self.tolerance)
        return Prepared(network, self.name, _program(network), options, own)

    def _check_keeping(self, keeping: Keeping) -> None:
        raise EngineError(
            explain(
                "run(file=, checkpoint=, progress=)",
                "engine 'event' runs in one piece, and files have no column for exact times",
                cure="run without them, in parts if need be: run(..., state=recording.state)",
            )
        )

    def _advance(self, prepared: Prepared, request: Request) -> Recording:
        runs = [_Run(prepared, request, b) for b in range(request.batch)]
        for run in runs:
            run.go()
            if run.broken is not None:
                break
        return _recording(prepared, request, runs, self.name)


def order_of(network: Network) -> tuple[str, ...]:
    """Return the populations in the order in which they are looked at within an instant."""
    if network.propagation is Propagation.NEXT_STEP:
        # without a step in between, what has no delay arrives at once: as in a graph evaluated in order
        try:
            return network.replacing(propagation=Propagation.CONTINUOUS).order()
        except NetworkError:
            pass
    return network.order()


def _program(network: Network) -> Program:
    """Return the program that checks of states and counts need: no synapses."""
    bare = replace(network, projections={}, drives={}, propagation=Propagation.NEXT_STEP)
    return lower(bare, expand=False)


class _Run:
    """One sample of a run."""

    def __init__(self, prepared: Prepared, request: Request, sample: int) -> None:
        from spikewright import rng
        from spikewright.engines.event import loop, table
        from spikewright.engines.event.build import points
        from spikewright.engines.event.queue import agenda

        self.network, self.built, self.request = prepared.network, prepared.own, request
        self.sample, self.loop, self.table = sample, loop, table
        self.first = request.state.step
        self.last = self.first + request.steps
        self.dt = self.network.dt
        self.broken: tuple[str, int, float] | None = None
        self.draws = request.first_sample + sample
        self.now = self._start()
        self.heap = agenda(1024)
        self.spikes: Any = (np.zeros(1024), np.zeros(1024, np.int64), np.zeros(1024))
        self.points = points(self.network, self.built, request.seed, rng.key)
        self.traces, self.records = self._traces()
        self.net = self._table()
        self.heap = loop.start_points(
            self.net, self.heap, self.now.size, self.draws, self.first * self.dt
        )
        self.entering = _Entering(self)
        if request.steps:
            self._underway()

    def _table(self) -> NDArray[np.int64]:
        table, built, cells = self.table, self.built, self.built.cells
        net = np.zeros(table.ENTRIES, np.int64)
        for group in (cells, built.flows, built.wires, self.points, self.now, self.traces):
            table.put(net, group)
        net[table.WIDEST], net[table.MOST] = built.widest, built.most
        net[table.PROCESSES], net[table.POPULATIONS] = len(self.points.neuron), len(built.names)
        net[table.RECORDS], net[table.NEURONS] = len(self.traces.population), built.n
        net[table.PLACES] = len(self.now.z)
        return net

    # -- the start -------------------------------------------------------------------------------------

    def _start(self) -> Any:
        built, state, b = self.built, self.request.state, self.sample
        cells, n = built.cells, built.n
        z = np.zeros(int((cells.nz * np.diff(cells.first)).sum()))
        free = np.full(n, -math.inf)
        for p, name in enumerate(built.names):
            nz, ns = int(cells.nz[p]), int(cells.ns[p])
            here = slice(int(cells.first[p]), int(cells.first[p + 1]))
            begin = int(cells.at[here.start]) if nz else 0
            block = z[begin : begin + nz * (here.stop - here.start)].reshape(-1, nz) if nz else None
            if block is not None:
                for i, x in enumerate(state.values[name].values()):
                    block[:, i] = x[b]
                constant = built.constants[p]
                if constant.shape[1]:
                    block[:, nz - constant.shape[1] :] = constant
            if name in state.free:
                free[here] = state.free[name][b]
            elif name in state.waiting and ns:
                # left by a clocked engine: whole steps
                waits = state.waiting[name][b]
                free[here] = np.where(waits > 0, (self.first + waits) * self.dt, -math.inf)
        widest = max(1, int(cells.nz.max()))
        size = np.zeros(4, np.int64)
        return self.table.Now(
            z=z,
            outside=np.zeros(len(z)),
            pulse=np.zeros(len(z)),
            pulses=np.zeros(len(z), np.int64),
            since=np.full(n, self.first * self.dt),
            free=free,
            acc=np.zeros(n),
            order=np.zeros(n, np.int64),
            where=np.full(n, -1),
            key=np.full(n, math.inf),
            length=np.full(n, self.dt),
            crosses=np.zeros(n, np.bool_),
            amplitude=np.abs(z),
            touched=np.zeros(n, np.int64),
            n_touched=np.zeros(len(built.names), np.int64),
            mark=np.zeros(n, np.bool_),
            size=size,
            c=np.zeros(max(1, built.terms)),
            y=np.zeros(widest),
            new=np.zeros(widest),
            mid=np.zeros(widest),
            out=np.zeros(max(1, widest)),
            w=np.zeros(2 * widest),
            k=np.zeros(7 * widest),
            failed=np.array([0.0, built.tolerance]),
        )

    def _traces(self) -> tuple[Any, dict[str, tuple[int, Record]]]:
        """Return what is taken at the ends of steps: all state of what is recorded, and of what has no spikes."""
        built, request = self.built, self.request
        records: dict[str, Record] = {}
        for name, population in self.network.populations.items():
            model = population.model
            if model.state and not model.is_spiking:
                records[name] = Record(())
            elif model.state and name in request.record:
                own = request.record[name]
                if set(own.variables) - {"output"}:
                    records[name] = own
        found: dict[str, tuple[int, Record]] = {}
        columns: list[list[int]] = [[], [], [], []]
        neurons: list[NDArray[np.int64]] = []
        begin, at = [0], 0
        for name, record in records.items():
            p = built.names.index(name)
            own = built.first[p] + record.pick(np.arange(self.network.populations[name].n))
            found[name] = (at, record)
            first_row = -(-self.first // record.every)
            for column, value in zip(columns, (p, record.every, first_row, at), strict=True):
                column.append(value)
            neurons.append(own)
            begin.append(begin[-1] + len(own))
            at += record.rows(self.first, request.steps) * len(own) * int(built.cells.ns[p])
        population_, every, rows, places = (np.array(c, np.int64) for c in columns)
        joined = np.concatenate([*neurons, np.zeros(0)]).astype(np.int64)
        traces = self.table.Traces(
            population_, every, np.array(begin, np.int64), joined, rows, places, np.zeros(at)
        )
        return traces, found

    def _underway(self) -> None:
        """Enter the spikes that an earlier run sent and that have not arrived, and what they hold."""
        from spikewright.engines.event import loop
        from spikewright.engines.event.queue import push

        built, start = self.built, self.first * self.dt
        wires, near = built.wires, loop.NEAR * self.dt
        for name, spikes in self.request.state.underway.items():
            chosen = spikes.sample == self.sample
            if spikes.time is None or not np.any(chosen):
                continue
            p = built.names.index(name)
            values = np.ones(spikes.n) if spikes.value is None else spikes.value
            for q in wires.out[wires.out_start[p] : wires.out_start[p + 1]]:
                for since, source, value in zip(
                    spikes.time[chosen], spikes.address[chosen], values[chosen], strict=True
                ):
                    begin, end = (int(wires.start[wires.row_at[q] + source + i]) for i in (0, 1))
                    place = wires.delay_at[q] + wires.delay_step[q] * (
                        np.arange(begin, end) - wires.origin[q]
                    )
                    due = since + wires.delay[place]
                    next_ = int(np.searchsorted(due, start - near))
                    if wires.held[q]:
                        self._holding(int(q), due[:next_], begin, int(source), float(value), since)
                    if next_ < len(due):
                        self.heap = push(
                            self.heap, self.now.size, due[next_], loop.ROW, int(q), int(source),
                            begin + next_, float(value), since,
                        )  # fmt: skip

    def _holding(
        self, q: int, due: NDArray[np.float64], begin: int, source: int, value: float, since: float
    ) -> None:
        """Take up what arrived less than a step ago and is still held."""
        from spikewright.engines.event.queue import push

        wires, now, cells = self.built.wires, self.now, self.built.cells
        start = self.first * self.dt
        for time in np.unique(due[due + self.dt > start]):
            places = np.flatnonzero(due == time) + begin
            for s in places:
                w = wires.weight[wires.weight_at[q] + wires.weight_step[q] * (s - wires.origin[q])]
                at = cells.at[wires.target[s]] + wires.slot[q]
                if w * value != 0.0:
                    now.pulses[at] += 1
                    now.pulse[at] += value * w
                    now.z[at] += value * w
            self.heap = push(
                self.heap, now.size, time + self.dt, self.loop.ROW_ENDS, q, source, int(places[0]), value, since
            )  # fmt: skip

    # -- the run ---------------------------------------------------------------------------------------

    def go(self) -> None:
        """Run all windows."""
        loop, built = self.loop, self.built
        step = self.first
        while step < self.last:
            end = min(self.last, step + self.entering.length)
            outside = self.entering.window(step, end)
            self.table.put(self.net, outside)
            self.net[self.table.ENTERING] = len(outside.time)
            self.heap, self.spikes, status, time = loop.window(
                self.net, self.heap, self.spikes, step, end, self.draws, self.dt
            )
            if status != loop.FINE:
                self._fail(status, time)
                return
            if self.request.check_finite and not np.all(np.isfinite(self.now.z)):
                place = int(np.flatnonzero(~np.isfinite(self.now.z))[0])
                g = int(np.searchsorted(built.cells.at, place, side="right")) - 1
                self.broken = (*self._who(g), float(self.now.since[g]))
                return
            step = end
        # everything as it is at the end
        self.finals = loop.carry_all(self.net, self.last * self.dt)

    def _who(self, g: int) -> tuple[str, int]:
        p = int(self.built.cells.of[g])
        return self.built.names[p], g - int(self.built.first[p])

    def _fail(self, status: int, time: float) -> None:
        loop = self.loop
        g = int(self.now.failed[0])
        if status == loop.NOT_FINITE:
            self.broken = (*self._who(g), time)
            return
        if g < 0:
            raise EngineError(
                explain(
                    f"run, at {time:g} s",
                    "spikes set off spikes without end at one instant, by projections without delay",
                    cure="give one projection of each cycle a delay",
                )
            )
        name, neuron = self._who(g)
        model = self.network.populations[name].model.name
        where = f"population {name!r}, neuron {neuron}, at {time:g} s"
        if status == loop.ENDLESS:
            raise EngineError(
                explain(
                    where,
                    f"{model} fires without end at one instant: it is above its threshold after the reset",
                    cure="give it a refractory period, or a reset below the threshold",
                )
            )
        raise EngineError(
            explain(
                where,
                f"the next threshold crossing of {model} was not found: it stays just below its threshold",
                cure="use engine='cpu', or change its parameters a little",
            )
        )


class _Entering:
    """What enters a network from outside, as changes and additions in the order of time."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        network, request, built = run.network, run.request, run.built
        self.ports: list[tuple[str, str, int, bool]] = []
        width = 0
        for name in built.names:
            model = network.populations[name].model
            for port in model.inputs:
                parts = self._parts(name, port)
                if not parts:
                    continue
                slot, held = built.slot(network, name, port)
                self.ports.append((name, port, slot, held))
                if not held or any(isinstance(x, Outside | GaussianDrive) for x in parts):
                    exact = all(isinstance(x, Outside) and x.events is not None for x in parts)
                    width += 0 if exact and not held else network.populations[name].n
        self.length = max(1, CELLS // width) if width else max(1, request.steps)
        self.before: dict[tuple[str, str], NDArray[np.float64]] = {}

    def _parts(self, name: str, port: str) -> list[Any]:
        network, request = self.run.network, self.run.request
        parts: list[Any] = []
        if (name, port) in request.inputs:
            parts.append(request.inputs[name, port])
        for q in network.incoming(name):
            bias = network.projections[q].bias
            if bias is not None and network.port_of(q) == port:
                parts.append(np.ravel(bias).astype(np.float64))
        for drive_name, drive in network.drives.items():
            if drive.post == name and network.driven_port(drive_name) == port:
                if isinstance(drive, GaussianDrive):
                    parts.append((drive_name, drive))
                elif isinstance(drive, StepCurrent):
                    parts.append(drive)
        return parts

    def window(self, first: int, last: int) -> Any:
        """Return what enters in steps `first` to `last` - 1."""
        run, loop = self.run, self.run.loop
        found: list[tuple[NDArray[Any], ...]] = []
        begins = first == run.first
        if begins:
            # everyone is looked at once
            n = run.built.n
            alive = np.flatnonzero(np.isin(run.built.cells.kind, (loop.LINEAR, loop.SMOOTH)))
            g = np.flatnonzero(np.isin(run.built.cells.of, alive)) if n else np.zeros(0, np.int64)
            at = np.full(len(g), first * run.dt)
            found.append(
                (at, g, np.zeros(len(g), int), np.full(len(g), loop.CHECK), np.zeros(len(g)))
            )
        for name, port, slot, held in self.ports:
            base = int(run.built.first[run.built.names.index(name)])
            found += (
                self._held(name, port, base, slot, first, last)
                if held
                else self._added(name, port, base, slot, first, last)
            )
        columns = (
            [np.concatenate([*c]) for c in zip(*found, strict=True)] if found else [np.zeros(0)] * 5
        )
        order = np.argsort(columns[0], kind="stable")
        kinds = (np.float64, np.int64, np.int64, np.int64, np.float64)
        return run.table.Outside(*(c[order].astype(k) for c, k in zip(columns, kinds, strict=True)))

    def _values(self, name: str, port: str, first: int, last: int) -> NDArray[np.float64]:
        """Return what a port holds in each step, (steps or 1, n): 1 where it is the same in all."""
        run = self.run
        shape = run.network.populations[name].shape
        n = run.network.populations[name].n
        total: NDArray[np.float64] = np.zeros((1, n))
        for part in self._parts(name, port):
            if isinstance(part, Outside):
                rows = np.zeros((last - first, n))
                begin = first - run.first
                here = part.dense[begin : begin + len(rows), run.sample]
                rows[: len(here)] = here
                total = total + rows
            elif isinstance(part, StepCurrent):
                start = np.rint(part.times / run.dt).astype(np.int64)
                pieces = np.zeros((len(start) + 1, n))
                pieces[1:] = np.broadcast_to(part.values.reshape(len(start), -1), (len(start), n))
                which = np.searchsorted(start, np.arange(first, last), side="right")
                total = total + (pieces[which] if np.any(which != which[0]) else pieces[which[:1]])
            elif isinstance(part, tuple):
                total = total + self._gaussian(part[0], part[1], shape, first, last)
            else:
                total = total + part
        return total

    def _gaussian(
        self, name: str, drive: GaussianDrive, shape: tuple[int, ...], first: int, last: int
    ) -> NDArray[np.float64]:
        """Return the values that clocked engines draw: they belong to steps."""
        run = self.run
        key = _stream(run.request.seed, f"drive/{name}")
        mean, std = (
            np.broadcast_to(np.asarray(x, np.float64), shape).reshape(-1)
            for x in (drive.mean, drive.std)
        )
        k = np.arange(first, last)[:, None]
        return mean + std * draws.normal(key, np.arange(len(mean)), k, np.asarray(run.draws))

    def _held(self, name: str, port: str, base: int, slot: int, first: int, last: int) -> Any:
        run = self.run
        values = self._values(name, port, first, last)
        before = self.before.get((name, port))
        if before is None:
            # from the beginning on: no event is needed
            cells, now = run.built.cells, run.now
            before = values[0].copy()
            at = cells.at[base : base + len(before)] + slot
            now.outside[at] = before
            now.z[at] = before + now.pulse[at]
        changed = np.concatenate([before[None], values])
        k, neuron = np.nonzero(changed[1:] != changed[:-1])
        self.before[name, port] = values[-1].copy()
        time = (first + k) * run.dt
        m = len(k)
        return [
            (time, base + neuron, np.full(m, slot), np.full(m, run.loop.SET), values[k, neuron])
        ]

    def _added(self, name: str, port: str, base: int, slot: int, first: int, last: int) -> Any:
        run, found = self.run, []

        def note(time: NDArray[Any], neuron: NDArray[Any], value: NDArray[Any]) -> None:
            m = len(time)
            kind = np.full(m, run.loop.ADD)
            found.append((time, base + neuron, np.full(m, slot), kind, value))

        parts = self._parts(name, port)
        exact = [x for x in parts if isinstance(x, Outside) and x.events is not None]
        for part in exact:
            streams = part.events or ()
            events = streams[run.sample]
            time = run.first * run.dt + events.t * events.tick
            near = run.loop.NEAR * run.dt
            inside = (time >= first * run.dt - near) & (time < last * run.dt - near)
            if first == run.first:
                inside |= time < first * run.dt
            note(time[inside], events.address[inside], events.weights()[inside])
        if len(exact) < len(parts):
            hidden = {(name, port): exact}
            values = self._without(name, port, first, last, hidden)
            values = np.broadcast_to(values, (last - first, values.shape[1]))
            k, neuron = np.nonzero(values)
            note((first + k) * run.dt, neuron, values[k, neuron])
        return found

    def _without(
        self, name: str, port: str, first: int, last: int, hidden: Mapping[Any, Any]
    ) -> Any:
        total = self._values(name, port, first, last)
        for part in hidden[name, port]:
            rows = np.zeros((last - first, total.shape[1]))
            begin = first - self.run.first
            here = part.dense[begin : begin + len(rows), self.run.sample]
            rows[: len(here)] = here
            total = total - rows
        return total


def _stream(seed: int, name: str) -> int:
    from spikewright import rng

    return rng.key(seed, name)


# -- the recording -----------------------------------------------------------------------------------------


def steps_of(time: NDArray[np.float64], dt: float, first: int, last: int) -> NDArray[np.int64]:
    """Return the steps from the run's first as 0 in which times lie; those at its very end in its last."""
    exact = time / dt
    near = np.rint(exact)
    step = np.where(np.abs(exact - near) < ON_GRID, near, np.floor(exact)).astype(np.int64)
    found: NDArray[np.int64] = np.clip(step, first, max(first, last - 1)) - first
    return found


def _recording(prepared: Prepared, request: Request, runs: list[_Run], engine: str) -> Recording:
    network, built = prepared.network, prepared.own
    first, steps, batch = request.state.step, request.steps, request.batch
    broken = next((r for r in runs if r.broken is not None), None)
    if broken is not None:
        steps = int(np.clip(math.floor(broken.broken[2] / network.dt) - first, 0, steps))  # type: ignore[index]
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
        name, neuron, time = broken.broken  # type: ignore[misc]
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
    built: Any, name: str, runs: list[_Run], network: Network, first: int, steps: int
) -> Spikes:
    p = built.names.index(name)
    low, high = int(built.first[p]), int(built.first[p + 1])
    parts = []
    for b, run in enumerate(runs):
        n = int(run.now.size[3])
        time, neuron, value = (x[:n] for x in run.spikes)
        own = (neuron >= low) & (neuron < high) & (time <= (first + steps) * network.dt)
        parts.append((time[own], np.full(int(own.sum()), b), neuron[own] - low, value[own]))
    time, sample, address, value = (np.concatenate(c) for c in zip(*parts, strict=True))
    step = steps_of(time, network.dt, first, first + steps)
    order = np.lexsort((time, address, sample, step))
    graded = network.populations[name].model.is_graded
    return Spikes(
        step[order],
        sample[order].astype(np.int64),
        address[order].astype(np.int64),
        value[order] if graded else None,
        time[order],
    )


def _sampled(network: Network, name: str, run: _Run) -> NDArray[np.float64]:
    """Return all state of a record, (rows, neurons, ns)."""
    at, record = run.records[name]
    population = network.populations[name]
    rows = record.rows(run.first, run.request.steps)
    width, ns = record.width(population.n), len(population.model.state)
    return run.traces.values[at : at + rows * width * ns].reshape(rows, width, ns)  # type: ignore[no-any-return]


def _outputs(network: Network, name: str, runs: list[_Run], steps: int) -> NDArray[np.float64]:
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
    network: Network, name: str, variable: str, record: Record, runs: list[_Run], spikes: Spikes,
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


def _state(request: Request, runs: list[_Run], every: Mapping[str, Spikes], steps: int) -> State:
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


def _longest(run: _Run, p: int, dt: float) -> float:
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
