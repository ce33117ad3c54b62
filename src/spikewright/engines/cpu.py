"""The compiled engine: kernels generated from the model text, called by one loop in every thread.

In double precision it differs from the reference in nothing but speed, lazy neurons apart. Threads own parts of every
population and all synapses onto them; they meet once in a batch of steps that is as long as the shortest delay, so that
no result depends on their number. Kernels are compiled by Numba on first use and kept on disk.

    planner.py     what is chosen, and why              built.py, stored.py, plastic.py   synapses in their forms
    cpu_run.py     one run: threads and their order     cpu_population.py, cpu_driven.py  arrays of a population
    generate.py, deliver.py, lazy_source.py, rule_source.py    kernels, as text           loop.py   what calls them
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from spikewright.engines.built import Built
from spikewright.engines.cpu_run import CpuRun
from spikewright.engines.engine import Engine, Prepared, Request
from spikewright.engines.planner import (
    bounds,
    check_memory,
    check_options,
    check_slow,
    default_threads,
    form_for,
    lazy_populations,
    value_of,
)
from spikewright.engines.plastic import StoredRule, store_rule
from spikewright.engines.program import lower, lower_projection
from spikewright.engines.recording import Recording
from spikewright.engines.stored import Stored, has_repeats, store
from spikewright.network.graph import Network
from spikewright.network.rows import rows


class Cpu(Engine):
    """Numba kernels generated from the model text; float64 and int64 equal to the reference bit for bit, or float32."""

    name: ClassVar[str] = "cpu"

    def _check_options(self, precision: str, threads: int | None) -> None:
        check_options(precision, threads)

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
        options = {"precision": precision, "threads": threads, "lazy": lazy}
        threads = threads or default_threads(network, batch)
        parts = 1 if batch >= threads else threads
        check_slow(network, precision)
        check_memory(network, precision, parts, batch)
        program = lower(network, expand=False)
        stored: dict[str, Stored] = {}
        ruled: dict[str, StoredRule] = {}
        quiet = lazy_populations(program, precision, lazy)
        ring = dict(program.ring)
        for name, q in network.projections.items():
            if q.rule is not None:
                ruled[name] = store_rule(
                    lower_projection(network, name),
                    bounds(network.populations[q.post].n, parts),
                    single=precision == "single",
                    value=value_of(network.populations[q.pre], precision),
                )
                continue
            stored[name] = _stored(network, name, precision, parts, threads, listed=q.post in quiet)
            place = (q.post, network.port_of(name))
            ring[place] = max(ring[place], stored[name].longest + 1)
        lowered = tuple(found.program for found in ruled.values())
        program = replace(program, ring=ring, projections=lowered)
        own = Built(precision, threads, parts, stored, ruled, quiet)
        return Prepared(network, self.name, program, options, own)

    def _advance(self, prepared: Prepared, request: Request) -> Recording:
        run = CpuRun(prepared, request, self.name)
        try:
            return run.recording()
        finally:
            run.release()


def _stored(
    network: Network, name: str, precision: str, parts: int, threads: int, *, listed: bool
) -> Stored:
    q = network.projections[name]
    pre, post = network.populations[q.pre], network.populations[q.post]
    made = rows(
        q.topology, pre.shape, post.n, bounds(post.n, parts), q.delay, network.dt, threads=threads
    )
    form, _ = form_for(network, name, precision, parts, listed=listed)
    if form.kind == "bitmap" and has_repeats(made):
        form = replace(form, kind="rows")
    return store(made, form, network.lag(name), pre.n, q.exponent)
