"""A rank's part of a network: which neurons are its own, and the synapses onto them.

The neurons of every population are shared out in blocks of equal size, rank after rank. To a rank a population has
three kinds of parts: all neurons below its own, its own (one part for each of its threads), and all above. It advances
its own; of the others it knows the spikes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spikewright.engines.built import Built
from spikewright.engines.cluster.ranks import HEAD, Ranks
from spikewright.engines.engine import Prepared
from spikewright.engines.planner import (
    RULED_BYTES,
    bounds,
    check_slow,
    delay_span,
    form_for,
    is_replayed,
    population_size,
    value_of,
)
from spikewright.engines.plastic import StoredRule, store_rule
from spikewright.engines.program import Program, lower, lower_projection
from spikewright.engines.stored import Stored, has_repeats, store
from spikewright.errors import EngineError, Problems, explain
from spikewright.network.fingerprint import fingerprint
from spikewright.network.graph import Network
from spikewright.network.rows import available_memory, estimate, rows

Edges = list[tuple[int, int]]


def block(n: int, rank: int, size: int) -> tuple[int, int]:
    """Return the neurons of a rank, of a population of n.

    Examples
    --------
    >>> [block(10, rank, 4) for rank in range(4)]
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    return n * rank // size, n * (rank + 1) // size


def parts_of(n: int, rank: int, size: int, threads: int) -> Edges:
    """Return the parts of a population of n as a rank sees it: all below, one for each thread, all above."""
    low, high = block(n, rank, size)
    own = [(low + a, low + b) for a, b in bounds(high - low, threads)]
    return [(0, low), *own, (high, n)]


def build(
    network: Network,
    ranks: Ranks,
    *,
    engine: str,
    precision: str,
    threads: int | None,
    lazy: bool | None,
    batch: int,
) -> Prepared:
    """Return a rank's part, ready to run; called by all ranks."""
    options = {"precision": precision, "threads": threads, "lazy": lazy}
    threads = threads or 1
    check_slow(network, precision)
    program = lower(network, expand=False)
    if ranks.size > 1:
        check_crossing(program)
        _check_same(network, ranks)
    mine = range(1, 1 + threads)
    edges = {
        name: parts_of(p.n, ranks.rank, ranks.size, threads)
        for name, p in network.populations.items()
    }
    own = {name: parts[mine.start : mine.stop] for name, parts in edges.items()}
    _check_memory(network, own, precision, batch)
    stored: dict[str, Stored] = {}
    ruled: dict[str, StoredRule] = {}
    for name, q in network.projections.items():
        if q.rule is None:
            stored[name] = _stored(network, name, precision, own[q.post], threads, ranks.size)
            continue
        ruled[name] = store_rule(
            lower_projection(network, name),
            own[q.post],
            single=precision == "single",
            value=value_of(network.populations[q.pre], precision),
        )
    stored = _with_spans(stored, ranks)
    ring = dict(program.ring)
    for name, projection in stored.items():
        place = (network.projections[name].post, network.port_of(name))
        ring[place] = max(ring[place], projection.longest + 1)
    lowered = tuple(found.program for found in ruled.values())
    program = replace(program, ring=ring, projections=lowered)
    built = Built(precision, threads, threads + 2, stored, ruled, {}, edges, mine)
    return Prepared(network, engine, program, options, built)


def check_crossing(program: Program) -> None:
    """Raise EngineError where something would have to cross from one rank to another within a step."""
    network, problems = program.network, Problems()
    for name, q in network.projections.items():
        where = f"cluster: projection {name!r}"
        if q.rule is not None and q.rule.model.current:
            problems.add(
                where,
                f"its rule {q.rule.model.name} lets currents flow at every step, across ranks",
                cure="run it on one rank, or with engine='cpu'",
            )
        elif not is_replayed(program, q.pre) and network.lag(name) + delay_span(network, q)[0] < 1:
            problems.add(
                where,
                f"{q.pre!r} reaches {q.post!r} on other ranks without delay",
                found="0 steps",
                expected="1 step or more",
                cure="give it a delay of one step, take Propagation.NEXT_STEP, or run it on one rank",
            )
    problems.raise_as(EngineError)


def _check_same(network: Network, ranks: Ranks) -> None:
    """Raise EngineError where ranks were given different networks."""
    digest = fingerprint(network)
    found = ranks.meet("compare", [int(digest[i : i + 8], 16) for i in range(0, 32, 8)])
    own = found[:, HEAD : HEAD + 4]
    odd = [r for r in range(ranks.size) if not (own[r] == own[0]).all()]
    if odd:
        raise EngineError(
            explain(
                f"cluster: network {network.name!r}",
                "the ranks made different networks",
                found=f"rank {odd[0]} differs from rank 0",
                cure="draw weights and delays from a seed, so that every rank draws the same",
            )
        )


def _check_memory(network: Network, own: Mapping[str, Edges], precision: str, batch: int) -> None:
    """Raise EngineError where this rank's part does not fit the memory that is left."""
    needs = 0.0
    for name, p in network.populations.items():
        share = (own[name][-1][1] - own[name][0][0]) / p.n
        needs += share * population_size(network, name, precision, batch)
    for q in network.projections.values():
        pre, post = network.populations[q.pre], network.populations[q.post]
        made = estimate(q.topology, pre.shape, post.n, own[q.post], q.delay, network.dt)
        needs += made.size
        if q.rule is not None:
            item = 4 if precision == "single" else 8
            whole = q.topology.expected_synapses(pre.shape)
            needs += whole * RULED_BYTES + made.n * item * len(q.rule.model.synaptic) * batch
    has = available_memory()
    if needs > has:
        raise EngineError(
            explain(
                f"cluster: {network.name}",
                f"this rank's part needs {needs / 2**30:.2f} GiB, has {has / 2**30:.2f} GiB",
                cure="take more machines, float16 weights or single precision",
            )
        )


def _stored(
    network: Network, name: str, precision: str, own: Edges, threads: int, size: int
) -> Stored:
    q = network.projections[name]
    pre, post = network.populations[q.pre], network.populations[q.post]
    made = rows(q.topology, pre.shape, post.n, own, q.delay, network.dt, threads=threads)
    form, _ = form_for(network, name, precision, size * threads, listed=False)
    wide = max(high - low for low, high in own)
    form = replace(form, target="uint16" if wide <= 2**16 else "int32")
    if form.kind == "bitmap" and has_repeats(made):
        form = replace(form, kind="rows")
    return store(made, form, network.lag(name), pre.n, q.exponent)


def _with_spans(stored: Mapping[str, Stored], ranks: Ranks) -> dict[str, Stored]:
    """Return projections with the shortest and longest lag of all their synapses, wherever they are."""
    if ranks.size == 1 or not stored:
        return dict(stored)
    words = [word for q in stored.values() for word in (q.n > 0, q.shortest, q.longest)]
    found = ranks.meet("compare", words)[:, HEAD : HEAD + len(words)]
    spans = {}
    for (name, q), of_all in zip(
        stored.items(), found.reshape(ranks.size, -1, 3).transpose(1, 0, 2), strict=True
    ):
        filled = of_all[of_all[:, 0] > 0]
        if len(filled):
            low, high = int(filled[:, 1].min()), int(filled[:, 2].max())
            q = replace(q, shortest=low, longest=high)
        spans[name] = q
    return spans
