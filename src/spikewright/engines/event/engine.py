"""The engine without a clock: what it runs, one run, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.engine import (
    Engine,
    Prepared,
    Request,
)
from spikewright.engines.event.entering import Entering
from spikewright.engines.event.outcome import recorded
from spikewright.engines.event.refusals import refuse
from spikewright.engines.program import Program, lower
from spikewright.engines.record import Record
from spikewright.engines.recording import Recording
from spikewright.engines.stretches import Keeping
from spikewright.errors import EngineError, NetworkError, explain
from spikewright.network.graph import Network, Propagation

TOLERANCE = 1e-8
"""Error of one step of a neuron without a closed form, relative to the largest size that a variable has had."""


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
        return recorded(prepared, request, runs, self.name)


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
        self.spikes = np.zeros((3, 1024))
        self.points = points(self.network, self.built, request.seed, rng.key)
        self.traces, self.records = self._traces()
        self.net = self._table()
        self.heap = loop.start_points(
            self.net, self.heap, self.now.size, self.draws, self.first * self.dt
        )
        self.entering = Entering(self)
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
