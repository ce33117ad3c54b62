"""One run of the compiled engine: its arrays, what runs in which order, its threads, and what it leaves.

Longer than most files: it lays out one run from its arrays to its recording.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import deliver, loop, tally
from spikewright.engines import layout as at
from spikewright.engines.built import Built
from spikewright.engines.compiled import load
from spikewright.engines.cpu_population import CpuPopulation
from spikewright.engines.engine import Prepared, Request, broken_off, not_finite, shaped
from spikewright.engines.layout import lines, scattered, where
from spikewright.engines.lazy_source import write_arrival
from spikewright.engines.planner import batch_steps, bounds, is_replayed
from spikewright.engines.plastic import Plastic
from spikewright.engines.program import PopulationProgram
from spikewright.engines.recording import Quiet, Recording, State, plain_parts
from spikewright.engines.synapses import start_synapses
from spikewright.errors import EngineError

Operation = tuple[int, ...]
"""Address of a kernel and of its table; then, of one that sends spikes, of the lists' lengths, and their depth."""
CHUNK_SECONDS = 0.5
"""How long a chunk of steps should take."""
AHEAD_STEPS = 4
"""Steps of a batch up to which its rows are fetched before any is added: later rows would push out the first."""
FIRST_CHUNK = 200
"""Steps of the first chunk: long enough to measure, short enough to keep what it records small."""


class CpuRun:
    """The arrays of one run, and the threads that work on them."""

    def __init__(self, prepared: Prepared, request: Request, engine: str) -> None:
        self.prepared, self.request, self.engine = prepared, request, engine
        self.program, self.network = prepared.program, prepared.network
        self.own: Built = prepared.own
        # neurons that something enters at every step, or that are recorded at every step, are not left alone
        busy = {name for name, _ in request.inputs} | {
            name for name, record in request.record.items() if set(record.variables) - {"output"}
        }
        self.lazy = {n: made for n, made in prepared.own.lazy.items() if n not in busy}
        self.parts = self.own.parts
        self.mine = range(self.parts) if self.own.mine is None else self.own.mine
        self.teams = 1 if self.parts > 1 else min(self.own.threads, request.batch)
        if self.own.mine is not None:
            # samples take turns in every batch of steps: each has what a worker keeps, for itself
            self.teams = request.batch
        self.workers = len(self.mine) * self.teams
        self.ruled_from = {
            n: [q for q in self.own.ruled if self.network.projections[q].pre == n]
            for n in self.program.populations
        }
        self.replayed = {n for n in self.program.populations if is_replayed(self.program, n)}
        resting = request.state.resting(self.network) if self.lazy else {}
        self.cut = {n: found for n, found in resting.items() if n in self.lazy}
        self.steps_together: int = self.own.once(
            ("steps together", request.batch), lambda: batch_steps(self.program, request.batch)[0]
        )
        self.rings = self.make_rings()
        self.populations = {
            name: CpuPopulation(self, p, number)
            for number, (name, p) in enumerate(self.program.populations.items())
        }
        self.keep: list[Any] = []
        self.tables: dict[str, NDArray[np.int64]] = {}
        for p in self.populations.values():
            p.finish_table()
        self.fill()
        self.plastic = {name: self.make_plastic(name) for name in self.own.ruled}
        self.operations, self.groups = self.schedule()
        self.sync = np.zeros(32, np.int64)

    def edges(self, name: str) -> list[tuple[int, int]]:
        """Return the neurons of each part of a population."""
        n = self.program.populations[name].n
        return self.own.edges.get(name) or bounds(n, self.parts)

    def range_of(self, name: str) -> tuple[int, int]:
        """Return the neurons of a population that are advanced here: arrays hold these only."""
        edges = self.edges(name)
        return edges[self.mine.start][0], edges[self.mine.stop - 1][1]

    def fill(self) -> None:
        """Put spikes that were sent before the run, and have not arrived, where kernels look for them."""
        state = self.request.state
        known = [
            (q.pre, state.synapses[n].underway)
            for n, q in self.network.projections.items()
            if n in self.own.ruled and n in state.synapses
        ]
        if self.cut:
            known += list(state.underway.items())
        # all of them are the last spikes of their population: the longest list holds the others
        for name, p in self.populations.items():
            lists = [spikes for pre, spikes in known if pre == name]
            if lists:
                p.fill(max(lists, key=lambda spikes: spikes.n))

    # -- what runs when ------------------------------------------------------------------------------

    def make_rings(self) -> dict[tuple[str, str], NDArray[Any]]:
        """Return what is pending, by step modulo a length that holds a batch and the longest lag."""
        state, batch = self.request.state, self.request.batch
        rings = {}
        for (name, port), length in self.program.ring.items():
            p = self.program.populations[name]
            reached = name not in self.lazy and any(
                q.post == name
                and self.network.port_of(n) == port
                and (n in self.own.ruled or self.own.stored[n].n)
                for n, q in self.network.projections.items()
            )
            before: NDArray[Any] | None = state.pending[name, port]
            if name in self.cut:
                before = self.cut[name].pending.get(port)
            if before is not None and not np.any(before):
                before = None
            if not reached and before is None:
                continue
            longer = length + self.steps_together
            low, high = self.range_of(name)
            ring = lines((longer, batch, high - low), self.number(p))
            for late in range(length if before is not None else 0):
                slot = before[(state.step + late) % length]  # type: ignore[index]
                ring[(state.step + late) % longer] = slot[:, low:high]
            rings[name, port] = ring
        return rings

    def pending(self, k: int) -> dict[tuple[str, str], NDArray[Any]]:
        """Return what is pending before step k, as a State has it."""
        found = {}
        for (name, port), length in self.program.ring.items():
            out: NDArray[Any] = self.in_order(name, port, k, length)
            if name in self.lazy:
                self.add_underway(name, port, k, out)
            found[name, port] = out
        return found

    def in_order(self, name: str, port: str, k: int, length: int) -> NDArray[Any]:
        """Return a port's ring before step k, by step modulo the length that a State has."""
        p = self.program.populations[name]
        shape = (length, self.request.batch, self.populations[name].width)
        ring = self.rings.get((name, port))
        if ring is None:
            return scattered(shape, p.dtype)
        out: NDArray[Any] = np.empty(shape, p.dtype)
        for late in range(length):
            out[(k + late) % length] = ring[(k + late) % len(ring)]
        return out

    def ring_of(self, name: str, k: int) -> dict[str, NDArray[Any]]:
        """Return what is pending in the rings of lazy neurons before step k, where anything is."""
        found = {}
        for (population, port), length in self.program.ring.items():
            if population == name and (name, port) in self.rings:
                out = self.in_order(name, port, k, length)
                if np.any(out):
                    found[port] = out
        return found

    def reaching(self) -> dict[str, int]:
        """Return the populations that reach lazy neurons, each with the longest lag of a spike to them."""
        found: dict[str, int] = {}
        for name, q in self.network.projections.items():
            if q.post in self.lazy:
                found[q.pre] = max(found.get(q.pre, 0), self.own.stored[name].longest)
        return found

    def add_underway(self, name: str, port: str, k: int, out: NDArray[Any]) -> None:
        """Add spikes that lazy neurons would have found on arrival to what is pending before step k."""
        for number in self.network.incoming(name):
            if self.network.port_of(number) != port or not self.own.stored[number].n:
                continue
            q, stored = self.network.projections[number], self.own.stored[number]
            first = max(0 if name in self.cut else self.request.state.step, k - stored.longest)
            spikes = self.populations[q.pre].underway(first, k)
            for i in range(spikes.n):
                y = 1.0 if spikes.value is None else spikes.value[i]
                for part, (low, _) in zip(stored.parts, self.populations[name].edges, strict=True):
                    here = slice(*part["start"][spikes.address[i] : spikes.address[i] + 2])
                    target = low + part["target"][here].astype(np.int64)
                    lag = (
                        part["lag"][here].astype(np.int64)
                        if "lag" in part
                        else np.full(len(target), stored.lag)
                    )
                    weight = stored.weights(part, here)
                    late = spikes.step[i] + lag
                    open_ = late >= k
                    slots = late[open_] % len(out)
                    np.add.at(out, (slots, spikes.sample[i], target[open_]), weight[open_] * y)

    def number(self, p: PopulationProgram) -> Any:
        if p.population.model.integer:
            return np.int64
        return np.float32 if self.own.precision == "single" else np.float64

    def schedule(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the operations of a batch, and their groups.

        Spikes that are known beforehand come first; then populations in the order of the program, each after what
        arrives without delay; then what was sent is added to later steps. Synapses with a rule act when a spike
        arrives, so that populations they reach are advanced step by step.
        """
        operations: list[tuple[int, ...]] = []
        groups: list[tuple[int, int, int, int]] = []

        def group(members: Sequence[Operation], *, stepwise: bool, meet: bool) -> None:
            if members:
                groups.append((len(operations), len(operations) + len(members), stepwise, meet))
                operations.extend((*o, 0, 0)[:4] for o in members)

        together = self.steps_together
        log = int(tally.log.address or 0)
        early, late = [], []
        instant: dict[str, list[Operation]] = {}
        for name, p in self.populations.items():
            for number in p.outgoing:
                if number in self.plastic:
                    continue
                q = self.own.stored[number]
                if not q.n or self.network.projections[number].post in self.lazy:
                    continue
                operation = self.projection(number)
                if name in self.replayed and q.shortest < together:
                    early.append(operation)
                elif q.shortest == 0:
                    instant.setdefault(name, []).append(operation)
                else:
                    late.append(operation)
        replays = [p for name, p in self.populations.items() if name in self.replayed]
        first = [o for p in replays for o in p.operations]
        self.n_replays = len(first)
        group(first + [(log, p.address) for p in replays], stepwise=False, meet=False)
        group(early, stepwise=True, meet=True)
        flows = [p.operation("flow") for p in self.plastic.values()]
        group([o for o in flows if o is not None], stepwise=True, meet=True)
        stepwise = bool(self.plastic or self.lazy)
        meet = any(o is not None for o in flows) or (stepwise and not early)
        stage: list[Operation] = []
        unmet: set[str] = set()
        for name, p in self.populations.items():
            if name in self.replayed:
                continue
            incoming = [
                q for n, q in self.plastic.items() if self.network.projections[n].post == name
            ]
            waits_for = {
                self.network.projections[q.stored.program.name].pre
                for q in incoming
                if q.stored.shortest == 0
            }
            if waits_for & unmet:
                # sent in this very step, perhaps by another thread
                group(stage, stepwise=stepwise, meet=meet)
                stage, meet, unmet = [], True, set()
            stage += [o for q in incoming if (o := q.operation("advance")) is not None]
            if name in self.lazy:
                stage += self.arrivals(name)
            stage += [*p.operations, (log, p.address)]
            for kind in ("finish", "everywhere"):
                stage += [o for q in incoming if (o := q.operation(kind)) is not None]
            unmet.add(name)
            if name in instant:
                group(stage, stepwise=stepwise, meet=meet)
                group(instant[name], stepwise=True, meet=True)
                stage, meet, unmet = [], False, set()
        group(stage, stepwise=stepwise, meet=meet)
        self.n_before = len(groups)
        # a process that owns a part has short rows, many of them: finding them is most of the work
        fetches = together <= AHEAD_STEPS or self.own.mine is not None
        ahead = self.ahead() if late and fetches else []
        group(ahead, stepwise=False, meet=True)
        group(late, stepwise=True, meet=not ahead)
        if groups and not any(meets for *_, meets in groups):
            # threads may not run ahead of each other further than lists of spikes are kept
            groups[0] = (*groups[0][:3], 1)
        return (
            np.array(operations, np.int64).reshape(-1, 4),
            np.array(groups, np.int64).reshape(-1, 4),
        )

    def ahead(self) -> list[Operation]:
        """Return the operations that fetch the rows of a batch: where they begin, then what they hold."""
        tables: list[int] = []
        for p in self.populations.values():
            own = [
                self.tables[n]
                for n in p.outgoing
                if n in self.tables
                and self.own.stored[n].form.kind == "rows"
                and self.network.projections[n].post not in self.lazy
            ]
            if own:
                table = np.zeros(at.AHEAD + len(own), np.int64)
                table[: at.PRE_PARTS + 1] = own[0][: at.PRE_PARTS + 1]
                table[at.N_AHEAD] = len(own)
                table[at.AHEAD :] = [where(t) for t in own]
                self.keep.append(table)
                tables.append(where(table))
        starts, rows = (
            int(kernel.address or 0) for kernel in (tally.fetch_starts, tally.fetch_rows)
        )
        return [*((starts, t) for t in tables), *((rows, t) for t in tables)]

    def arrivals(self, name: str) -> list[tuple[int, int]]:
        """Return the operations that add what arrives in a step at lazy neurons."""
        post, made = self.populations[name], self.lazy[name]
        jumps = post.p.population.model.jumps
        single = self.own.precision == "single"
        found = []
        for port, variable in jumps.items():
            ring = self.rings.get((name, port))
            if ring is not None:
                form = deliver.Form("ring", "", "", "", np.dtype(post.number).name)
                table = np.zeros(at.OPEN, np.int64)
                table[at.RING], table[at.LENGTH] = where(ring), len(ring)
                table[at.POST_BATCH], table[at.A_POPULATION] = self.request.batch, post.address
                table[at.A_UNTIL] = self.request.state.step + self.program.ring[name, port]
                self.keep.append(table)
                text = write_arrival(post.p, made, form, variable, single=single)
                found.append((load(*text).advance.address, where(table)))
        for number in self.network.incoming(name):
            stored = self.own.stored[number]
            if not stored.n:
                continue
            address = self.projection(number)[1]
            table = self.tables[number]
            table[at.A_POPULATION], table[at.A_ORIGIN] = post.address, self.request.state.step
            if name in self.cut:
                # what was sent before the cut is looked up, as it would have been
                table[at.A_ORIGIN] = 0
            table[at.A_SHORTEST], table[at.A_LONGEST] = stored.shortest, stored.longest
            variable = jumps[self.network.port_of(number)]
            text = write_arrival(post.p, made, stored.form, variable, single=single)
            found.append((load(*text).advance.address, address))
        return found

    def make_plastic(self, name: str) -> Plastic:
        """Return the arrays of a projection with a rule, and let its table find the populations it joins."""
        q, stored, request = self.network.projections[name], self.own.ruled[name], self.request
        pre, post = self.populations[q.pre], self.populations[q.post]
        state = request.state.synapses.get(name)
        if state is None:
            graded = self.network.populations[q.pre].model.is_graded
            state = start_synapses(
                stored.rule, stored.program.synapses, batch=request.batch, graded=graded
            )
        plastic = Plastic(
            stored,
            state,
            [post.edges[part] for part in self.mine],
            number=post.number,
            workers=self.workers,
            first=self.mine.start,
        )
        t, model = plastic.table, stored.rule.model
        ring = self.rings.get((q.post, self.network.port_of(name)), np.zeros((1, 1, 1)))
        t[at.PRE_SPIKES], t[at.PRE_COUNTS], t[at.PRE_VALUES] = (
            where(pre.spikes),
            where(pre.counts),
            where(pre.values),
        )
        t[at.PRE_ROOM], t[at.PRE_DEPTH], t[at.PRE_PARTS] = pre.room, pre.depth, self.parts
        t[at.RING], t[at.LENGTH], t[at.POST_BATCH] = post.where(ring), len(ring), request.batch
        t[at.POST_SIZE], t[at.POST_BOUNDS], t[at.WIDTH] = post.width, where(post.bounds), pre.n
        t[at.R_POST_SPIKES], t[at.R_POST_COUNTS] = where(post.spikes), where(post.counts)
        t[at.R_POST_ROOM], t[at.R_POST_DEPTH], t[at.R_POST_PARTS] = (
            post.room,
            post.depth,
            self.parts,
        )
        t[at.R_PEAKS], t[at.R_ORIGIN] = where(post.peaks[name]), request.state.step
        signals = np.zeros((1, request.batch, len(model.signals)), post.number)
        given = {s: request.inputs.get((name, s)) for s in model.signals}
        steps = max((len(x) for x in given.values() if x is not None), default=0)
        if steps:
            signals = np.zeros((steps, request.batch, len(model.signals)), post.number)
            for i, x in enumerate(given.values()):
                if x is not None:
                    signals[: len(x), :, i] = x.dense[:, :, 0]
        t[at.R_SIGNALS], t[at.R_SIGNAL_STEPS] = where(signals), steps
        states = np.array(
            [where(pre.state[v]) for v in model.reads_pre]
            + [where(post.state[v]) for v in model.reads_post],
            np.int64,
        )
        t[at.R_STATES] = where(states)
        self.keep += [ring, signals, states]
        return plastic

    def projection(self, name: str) -> Operation:
        """Return the operation that sends spikes through a projection."""
        q, stored = self.network.projections[name], self.own.stored[name]
        pre, post = self.populations[q.pre], self.populations[q.post]
        ring = self.rings.get((q.post, self.network.port_of(name)))
        if ring is None:
            ring = np.zeros((1, 1, 1), post.number)
        batch = self.request.batch
        table = np.zeros(at.OPEN, np.int64)
        table[at.PRE_SPIKES], table[at.PRE_COUNTS] = where(pre.spikes), where(pre.counts)
        table[at.PRE_VALUES] = where(pre.values)
        table[at.PRE_ROOM], table[at.PRE_DEPTH] = pre.room, pre.depth
        table[at.PRE_PARTS] = self.parts
        table[at.RING], table[at.LENGTH] = post.where(ring), len(ring)
        table[at.POST_BATCH], table[at.POST_SIZE] = batch, post.width
        table[at.POST_BOUNDS], table[at.LAG] = where(post.bounds), stored.lag
        slots = np.arange(2 * len(ring), dtype=np.uint64) % np.uint64(len(ring))
        wrapped = slots * np.uint64(batch * post.width)
        places = np.zeros((self.parts, 8), np.int64)
        mine = places[self.mine.start : self.mine.stop]
        for row, arrays in zip(mine, stored.parts, strict=True):
            for column, key in enumerate(("start", "target", "weight", "lag")):
                row[column] = where(arrays[key]) if key in arrays else 0
            if "bits" in arrays:
                row[0] = where(arrays["bits"])
                table[at.WIDTH] = arrays["bits"].shape[1]
        if stored.form.kind != "bitmap":
            table[at.WIDTH] = self.network.populations[q.pre].n
        weight = np.array([stored.weight], ring.dtype)
        scratch = np.zeros(0, ring.dtype)
        if stored.form.kind == "shifted":
            scratch = np.zeros((self.workers, len(ring), post.width), ring.dtype)
        elif stored.form.kind == "matrix" and stored.form.number == "int64":
            scratch = lines((self.workers, post.width), ring.dtype)
        table[at.WRAPPED], table[at.ROWS], table[at.WEIGHT] = (
            where(wrapped),
            where(places),
            where(weight),
        )
        table[at.TABLE], table[at.SCRATCH] = where(stored.values), where(scratch)
        table[at.EXPONENT] = stored.exponent
        form = stored.form
        table[at.TARGET_BYTES] = deliver.BYTES.get(form.target, 0)
        table[at.WEIGHT_BYTES] = deliver.BYTES[form.weight]
        table[at.LAG_BYTES] = deliver.BYTES[form.lag]
        self.keep += [table, wrapped, places, weight, scratch, ring]
        self.tables[name] = table
        if q.post in self.lazy:
            return 0, where(table)
        kernel: int = self.own.once(form, lambda: deliver.kernel(form).address)
        return kernel, where(table), where(pre.counts), pre.depth

    # -- running -------------------------------------------------------------------------------------

    def recording(self) -> Recording:
        request = self.request
        step, end = request.state.step, request.state.step + request.steps
        pool = ThreadPoolExecutor(self.workers) if self.workers > 1 else None
        most = max(1, min([request.steps, *(p.most_steps() for p in self.populations.values())]))
        chunk = min(most, max(self.steps_together, FIRST_CHUNK))
        try:
            while step < end:
                now = min(chunk, end - step)
                began = time.perf_counter()
                self.advance(step, now, pool)
                took = time.perf_counter() - began
                step += now
                if took < CHUNK_SECONDS / 2:
                    chunk = min(most, 2 * chunk)
        finally:
            if pool is not None:
                pool.shutdown()
        return self.collected(step)

    def release(self) -> None:
        """Let go of all arrays at once: a run and its populations know each other."""
        self.populations.clear()
        self.plastic.clear()
        self.rings.clear()
        self.keep.clear()

    def advance(self, k: int, steps: int, pool: ThreadPoolExecutor | None) -> None:
        """Run one chunk of steps in all threads, and take what it recorded."""
        for p in self.populations.values():
            p.begin(k, steps)
        batch = self.request.batch

        def work(worker: int) -> None:
            team, part = divmod(worker, self.parts)
            loop.run(
                self.operations,
                self.groups,
                part,
                self.parts,
                worker,
                batch * team // self.teams,
                batch * (team + 1) // self.teams,
                k,
                steps,
                self.steps_together,
                self.sync,
                self.parts,
            )

        if pool is None:
            work(0)
        else:
            for done in [pool.submit(work, w) for w in range(self.workers)]:
                done.result()
        broken = [e for p in self.populations.values() for e in p.broken()]
        for p in self.populations.values():
            p.take(k, steps)
        if broken:
            number, at_step, sample, neuron = min(broken, key=lambda e: e[1])
            self.stop(number - 1, at_step, sample, neuron)

    def stop(self, number: int, k: int, sample: int, neuron: int) -> None:
        """Raise the error of a state that is not finite."""
        p = list(self.populations.values())[number]
        done = k - self.request.state.step
        recording = self.collected(k, truncate=done)
        error = EngineError(not_finite(self.network, p.name, neuron, k, sample, self.request.batch))
        error.recording = broken_off(recording)
        raise error

    def collected(self, k: int, truncate: int | None = None) -> Recording:
        request, network = self.request, self.network
        steps = request.steps if truncate is None else truncate
        rows = self.populations.values()
        synapses = {}
        for name, plastic in self.plastic.items():
            plastic.settle()
            pre = self.populations[self.network.projections[name].pre]
            synapses[name] = plastic.state(pre.underway(k - plastic.stored.longest, k))
        touched = {n: self.populations[n].touched() for n in self.lazy}
        for name in self.lazy:
            self.populations[name].settle(k)
        values: dict[str, dict[str, NDArray[Any]]] = {
            p.name: {v: x.astype(p.p.dtype) for v, x in p.state.items()} for p in rows
        }
        pending = self.pending(k)
        quiet = {
            n: Quiet(since, raw, self.ring_of(n, k), plain_parts(n, values, pending))
            for n, (since, raw) in touched.items()
        }
        state = State(
            k,
            values,
            {p.name: p.waiting.astype(np.int64) for p in rows if p.waits},
            pending,
            synapses,
            quiet,
            {n: self.populations[n].underway(k - late, k) for n, late in self.reaching().items()},
            network if quiet else None,
        )
        spikes = {n: self.populations[n].record(steps) for n in request.spikes}
        return Recording(
            network,
            self.engine,
            steps,
            request.batch,
            request.seed,
            spikes,
            {
                n: {
                    v: shaped(x, r, network, n, request.state.step, steps)
                    for v, x in self.populations[n].traces(steps).items()
                }
                for n, r in request.record.items()
            },
            {p.name: p.sent for p in rows},
            {p.name: p.activity[:steps] for p in rows},
            state,
            {n: r for n, r in request.record.items() if not r.is_whole},
        )
