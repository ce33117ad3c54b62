"""One run of a rank: it advances its own neurons, and hears of all spikes once in a batch of steps.

A batch is as long as the shortest delay, so that no spike arrives in the batch in which it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import loop
from spikewright.engines.cluster import exchange
from spikewright.engines.cluster.collect import Piece, piece_of
from spikewright.engines.cluster.ranks import HEAD, KINDS, WORDS, Ranks
from spikewright.engines.cluster.turn import (
    LAST_K,
    LAST_STEPS,
    NEXT,
    ODD,
    PASSED,
    PLACES,
    SENT,
    WRITTEN,
    turn,
    turns,
)
from spikewright.engines.cpu_run import FIRST_CHUNK, CpuRun
from spikewright.engines.engine import Prepared, Request

LONGEST_CHUNK = 16384
"""Steps after which what was recorded is taken from the kernels' lists, at most."""
BROKEN = 5
"""Numbers that say which state is not finite: whether one is, its population, step, sample and neuron."""


class ClusterRun:
    """The arrays of one run on one rank, and its meetings with the others."""

    def __init__(self, prepared: Prepared, request: Request, engine: str, ranks: Ranks) -> None:
        self.ranks, self.request = ranks, request
        self.cpu = cpu = CpuRun(prepared, request, engine)
        sending = [p for n, p in cpu.populations.items() if p.outgoing and n not in cpu.replayed]
        self.reach = [exchange.reaching(p) for p in sending]
        senders = [exchange.row_of(p, r) for p, r in zip(sending, self.reach, strict=True)]
        self.senders = np.array(senders, np.int64).reshape(-1, exchange.COLUMNS)
        self.replays = np.array([[0, cpu.n_replays, 0, 0]], np.int64)
        self.before, self.after = cpu.groups[: cpu.n_before], cpu.groups[cpu.n_before :]
        self.facts = np.array(
            [
                ranks.rank, cpu.mine.start, cpu.mine.stop, cpu.parts, request.batch,
                cpu.steps_together, KINDS.index("spikes"),
            ],
            np.int64,
        )  # fmt: skip
        self.outbox = np.zeros(HEAD + 4096, np.uint32)

    def piece(self) -> Piece:
        """Run all steps, and return what this rank recorded; broken off where a state is not finite."""
        cpu, request = self.cpu, self.request
        step, end = request.state.step, request.state.step + request.steps
        most = self.least([min(p.most_steps() for p in cpu.populations.values())])[0]
        most = max(1, min(most, LONGEST_CHUNK))
        chunk = min(most, max(cpu.steps_together, FIRST_CHUNK))
        threads = len(cpu.mine)
        pool = ThreadPoolExecutor(threads) if threads > 1 else None
        try:
            while step < end:
                now = min(chunk, end - step)
                for p in cpu.populations.values():
                    p.begin(step, now)
                if pool is None:
                    self.chunk(step, now)
                else:
                    for k in range(step, step + now, cpu.steps_together):
                        self.together(k, min(cpu.steps_together, step + now - k), pool)
                broken = self.broken()
                for p in cpu.populations.values():
                    p.take(step, now)
                step += now
                if broken is not None:
                    return piece_of(cpu, broken[1], request.steps, broken)
                chunk = min(most, 2 * chunk)
        finally:
            if pool is not None:
                pool.shutdown()
        return piece_of(cpu, step, request.steps, None)

    def chunk(self, step: int, steps: int) -> None:
        """Run a chunk of steps in one thread: one call between two rounds, or for many of them."""
        ranks, cpu, end = self.ranks, self.cpu, step + steps
        fixed = (
            cpu.operations, self.replays, self.before, self.after, self.senders, self.facts, cpu.sync,
        )  # fmt: skip
        place = np.zeros(PLACES, np.int64)
        place[NEXT] = step
        found = message = ranks.inbox
        while True:
            if ranks.shared is not None and found is ranks.inbox:
                place[PASSED] = place[SENT] = 0
                memory = ranks.shared
                turns(*fixed, memory.rounds, memory.words, memory.spins, ranks.rounds, end, place)
                ranks.passed(int(place[PASSED]), int(place[SENT]))
                found = ranks.inbox
                message = found[ranks.rank, : found[ranks.rank, WORDS]]
            else:
                turn(*fixed, found, ranks.out, end, place)
            k, now, n = place[LAST_K], place[LAST_STEPS], place[WRITTEN]
            if n == ODD:
                found = ranks.finish(message)
            elif not now:
                return
            elif n <= len(ranks.out):
                message, found = ranks.out[:n], ranks.swap()
            else:
                message = self.packed(k, now, n)
                found = ranks.send("spikes", message)

    def packed(self, k: int, steps: int, least: int) -> NDArray[np.uint32]:
        """Return a message with the spikes of a batch of steps; it has `least` words or more."""
        cpu, n = self.cpu, least
        while True:
            if n > len(self.outbox):
                self.outbox = np.zeros(2 * n, np.uint32)
            n = exchange.pack(
                self.senders, cpu.mine.start, cpu.mine.stop, cpu.parts, self.request.batch,
                k, steps, self.outbox, HEAD,
            )  # fmt: skip
            if n <= len(self.outbox):
                break
        return self.outbox[:n]

    def together(self, k: int, steps: int, pool: ThreadPoolExecutor | None) -> None:
        """Run a batch of steps in several threads."""
        cpu, batch = self.cpu, self.request.batch
        if self.ranks.size > 1 and cpu.n_replays:
            # what enters is known everywhere: nobody sends it
            for part in (0, cpu.parts - 1):
                self.work(self.replays, part, 0, k, steps, 1)
        self.phase(self.before, k, steps, pool)
        if self.ranks.size > 1:
            found = self.ranks.send("spikes", self.packed(k, steps, HEAD))
            exchange.unpack(self.senders, self.ranks.rank, cpu.parts, batch, k, steps, found, HEAD)
        self.phase(self.after, k, steps, pool)

    def phase(
        self, groups: NDArray[np.int64], k: int, steps: int, pool: ThreadPoolExecutor | None
    ) -> None:
        """Run groups of operations in all threads."""
        if not len(groups):
            return
        cpu = self.cpu
        if pool is None:
            self.work(groups, cpu.mine.start, 0, k, steps, 1)
            return
        jobs = [
            pool.submit(self.work, groups, part, worker, k, steps, len(cpu.mine))
            for worker, part in enumerate(cpu.mine)
        ]
        for job in jobs:
            job.result()

    def work(
        self, groups: NDArray[np.int64], part: int, worker: int, k: int, steps: int, meeting: int
    ) -> None:
        """Run groups of operations for one part, sample after sample."""
        cpu = self.cpu
        for sample in range(self.request.batch):
            loop.run(
                cpu.operations,
                groups,
                part,
                cpu.parts,
                worker + len(cpu.mine) * sample,
                sample,
                sample + 1,
                k,
                steps,
                cpu.steps_together,
                cpu.sync,
                meeting,
            )

    def least(self, values: Sequence[int]) -> list[int]:
        """Return the least of all ranks, number by number; not negative, below 2^32."""
        if self.ranks.size == 1:
            return list(values)
        found = self.ranks.meet("compare", values)[:, HEAD : HEAD + len(values)]
        least: list[int] = found.min(axis=0).tolist()
        return least

    def broken(self) -> tuple[int, int, int, int] | None:
        """Return the first state that is not finite, on any rank: population, step, sample, neuron."""
        own = [e for p in self.cpu.populations.values() for e in p.broken()]
        first = min(own, key=lambda e: e[1], default=None)
        if self.ranks.size == 1:
            return None if first is None else (first[0] - 1, *first[1:])  # type: ignore[return-value]
        words = np.zeros(2 * BROKEN, np.uint32)
        if first is not None:
            words[:] = np.array([1, *first], np.int64).view(np.uint32)
        found = self.ranks.meet("compare", words)[:, HEAD : HEAD + 2 * BROKEN]
        rows = np.ascontiguousarray(found).view(np.int64)
        told = [row[1:] for row in rows.tolist() if row[0]]
        if not told:
            return None
        number, step, sample, neuron = min(told, key=lambda e: (e[1], e[0], e[2], e[3]))
        return number - 1, step, sample, neuron
