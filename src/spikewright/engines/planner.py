"""What the compiled engine does with a network, and why: threads, batches of steps, forms, modes, memory, time.

A plan is made from the description alone, before a synapse exists; `Cpu.prepare` follows the same rules, and looks only
where the description leaves something open (whether a list of edges names a pair twice).
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.deliver import BYTES, Form
from spikewright.engines.generate import PRECISIONS
from spikewright.engines.lazy_source import LazyTables, tables, why_not
from spikewright.engines.narrow import narrowed
from spikewright.engines.program import Program, lower
from spikewright.errors import EngineError, Problems, explain
from spikewright.network.calculus import derivative
from spikewright.network.connectivity.distribution import Distribution, delays
from spikewright.network.connectivity.recipe import Recipe
from spikewright.network.expression import evaluate, names_in
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.library.sources import Input
from spikewright.network.rows import available_memory, estimate
from spikewright.network.topology import Dense, Sparse

RING_BYTES = 2**28
"""Memory that a batch of steps may add to what is pending."""
MAX_BATCH = 32
"""Steps that are run between two meetings of threads, at most."""
PART_STEP = 64
"""Parts begin at multiples of this: a word of a bitmap, whole vectors, whole cache lines."""
BITMAP_DENSITY = 0.1
"""From this density on, adding a masked row is no dearer than visiting its synapses: measured in decision 0007."""
FEW = 256
"""Different weights that a code of one byte tells apart."""
MANY = 4096
"""Synapses from which on looking for few different weights is worth while."""
LAZY_SIZE, LAZY_DRIVEN = 1000, 0.05
"""Neurons from which on a population may be lazy, and the share of them that may fire without input."""
SMALL = 4000
"""Neurons times samples below which a step is over before a second thread would have begun."""

# Seconds of one thread, from the runs in benchmarks/results/simulate_*.json: what a plan's time is made of.
UPDATE = {"double": 0.3e-9, "single": 0.15e-9}
"""Of one operation of a neuron model's step, vectors of numbers at a time."""
EVENT = 0.35e-9
"""Of a synaptic event, besides the bytes that it reads."""
BYTE = 0.12e-9
"""Of a byte read."""
DRAW = 1.1e-9
"""Of a Poisson count."""
RULE_EVENT = 15e-9
"""Of a synaptic event with a rule."""
LAZY_EVENT, LAZY_STEP = 8e-9, 4e-9
"""Of an arrival at a lazy neuron, and of a step of one that must be stepped."""


@dataclass(frozen=True)
class PopulationPlan:
    """How a population is advanced: "replay", "every step", "batch" or "lazy"; why; memory in bytes; share stepped."""

    mode: str
    why: str
    size: float
    active: float = 1.0


@dataclass(frozen=True)
class ProjectionPlan:
    """How a projection is stored; why; synapses (exact, or the mean) and memory in bytes."""

    form: Form | None
    what: str
    why: str
    n: float
    size: float


@dataclass(frozen=True)
class Plan:
    """What the compiled engine does with a network.

    Parameters
    ----------
    network : the network
    precision : "double" or "single"
    threads, parts : threads, and parts of every population; one part: threads share samples out
    together : steps in a batch
    why_together : what limits it
    populations, projections : name -> plan
    """

    network: Network
    precision: str
    threads: int
    parts: int
    together: int
    why_together: str
    populations: Mapping[str, PopulationPlan]
    projections: Mapping[str, ProjectionPlan]

    @property
    def size(self) -> float:
        """Bytes that will be taken."""
        parts: list[Any] = [*self.populations.values(), *self.projections.values()]
        return float(sum(p.size for p in parts))

    def seconds(self, rate: float) -> float:
        """Return the expected seconds of computing per second of network time, where neurons fire at `rate` Hz."""
        network, steps = self.network, 1.0 / self.network.dt
        total = 0.0
        for name, p in self.populations.items():
            population = network.populations[name]
            work = UPDATE[self.precision] * max(2, sum(population.model.operations().values()))
            if p.mode == "lazy":
                work = LAZY_STEP * p.active
            elif p.mode == "replay":
                work = 0.0
            drawn = sum(d.post == name for d in network.drives.values())
            total += population.n * steps * (work + DRAW * drawn)
        for name, q in self.projections.items():
            projection = network.projections[name]
            events = rate * q.n
            if projection.rule is not None:
                total += events * RULE_EVENT
            elif self.populations[projection.post].mode == "lazy":
                total += events * LAZY_EVENT
            elif q.form is not None:
                total += events * (EVENT + BYTE * q.form.bytes_per_synapse)
        return total / min(self.threads, os.cpu_count() or 1)

    def text(self, rate: float = 5.0) -> str:
        """Return the plan as a table."""
        lines = [
            f"{self.network.name}: {self.precision} precision, {self.threads} thread(s), "
            f"{self.together} step(s) at a time: {self.why_together}"
        ]
        for name, p in self.populations.items():
            population = self.network.populations[name]
            lines.append(
                f"  {name}: {population.n} x {population.model.name}, {p.mode} ({p.why}), {_size(p.size)}"
            )
        for name, q in self.projections.items():
            lines.append(f"  {name}: {q.what} ({q.why}), {q.n:.4g} synapses, {_size(q.size)}")
        lines.append(f"memory: {_size(self.size)}")
        lines.append(
            f"expected: {self.seconds(rate):.2g} s per second of network time where neurons fire at {rate:g} Hz "
            "(estimated from this engine's measured cost per operation)"
        )
        return "\n".join(lines)


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def plan(
    network: Network,
    *,
    precision: str = "double",
    threads: int | None = None,
    lazy: bool | None = None,
    batch: int = 1,
) -> Plan:
    """Return what the compiled engine would do; nothing is built.

    Parameters are those of `Engine.run`; `batch` is the number of samples.

    Raises
    ------
    EngineError : a method does not fit a model
    """
    check_options(precision, threads)
    threads = threads or default_threads(network, batch)
    parts = 1 if batch >= threads else threads
    program = lower(network, expand=False)
    quiet = lazy_populations(program, precision, lazy)
    projections = {
        name: _projection(network, name, precision, parts, batch, listed=q.post in quiet)
        for name, q in network.projections.items()
    }
    together, why = batch_steps(program, batch)
    populations = {}
    for name in program.populations:
        size, active = population_size(network, name, precision, batch), 1.0
        if is_replayed(program, name):
            mode, reason = "replay", "it sends what enters"
        elif name in quiet:
            active = float(np.mean(quiet[name].driven))
            mode, reason = "lazy", f"linear, and {active:.2g} of its neurons fire without input"
        elif together > 1 and not _is_stepwise(program, quiet):
            mode, reason = "batch", "its block stays in the cache for a batch of steps"
        else:
            mode, reason = "every step", _why_stepped(program, name, precision, lazy, together)
        populations[name] = PopulationPlan(mode, reason, size, active)
    return Plan(network, precision, threads, parts, together, why, populations, projections)


def check_options(precision: str, threads: int | None) -> None:
    """Raise EngineError where there is no such precision or number of threads."""
    if precision not in PRECISIONS:
        raise EngineError(
            explain(
                "precision",
                "unknown",
                found=repr(precision),
                expected=" or ".join(map(repr, PRECISIONS)),
            )
        )
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise EngineError(explain("threads", "needs one", found=threads, expected="1 or more"))


def _why_stepped(
    program: Program, name: str, precision: str, lazy: bool | None, together: int
) -> str:
    if together == 1:
        return "spikes may arrive in the next step"
    reason = why_stepped(program, name)
    if reason:
        return reason
    return "others act on spikes when they arrive"


def _is_stepwise(program: Program, quiet: Mapping[str, Any]) -> bool:
    ruled = any(q.rule is not None for q in program.network.projections.values())
    return ruled or bool(quiet)


SLOWEST = 2.0**-21
"""Share of a value that must decay in a step for single precision: float32 has 24 bits, and a few are lost."""


def check_slow(network: Network, precision: str) -> None:
    """Raise EngineError where a variable decays too slowly for the steps of single precision to add up."""
    if precision == "double":
        return
    problems = Problems()
    for name, population in network.populations.items():
        model = population.model
        params = {n: population.param(n) for n in model.params} | {"dt": np.asarray(network.dt)}
        for variable, tree in model.trees["dynamics"].items():
            slope = derivative(tree, variable)
            if not names_in(slope) <= set(params):
                continue
            share = np.abs(np.asarray(evaluate(slope, params), np.float64)) * network.dt
            slow = share[(share > 0) & (share < SLOWEST)]
            if slow.size:
                problems.add(
                    f"{name}.{variable}",
                    "decays too slowly for single precision",
                    found=f"{slow.min():.2g} of it in a step",
                    expected=f"{SLOWEST:.2g} or more",
                    cure="take precision='double', or a larger dt",
                )
    problems.raise_as(EngineError)


def check_memory(network: Network, precision: str, parts: int, batch: int) -> None:
    """Raise EngineError where a network's synapses and states do not fit the memory that is left; nothing is built.

    Both figures are in the message: what it needs, what there is.
    """
    needs = 0.0
    for name in network.populations:
        needs += population_size(network, name, precision, batch)
    for q in network.projections.values():
        pre, post = network.populations[q.pre], network.populations[q.post]
        made = estimate(q.topology, pre.shape, post.n, bounds(post.n, parts), q.delay, network.dt)
        needs += made.size
        if q.rule is not None:
            item = 4 if precision == "single" else 8
            needs += made.n * (RULED_BYTES + item * len(q.rule.model.synaptic) * batch)
    has = available_memory()
    if needs > has:
        raise EngineError(
            explain(
                network.name,
                f"needs {needs / 2**30:.2f} GiB, has {has / 2**30:.2f} GiB",
                cure="make it smaller, take float16 weights or single precision, or share it out over machines",
            )
        )


RULED_BYTES = 48
"""Of a synapse with a rule while it is written out and sorted by rows, besides its variables."""


def bounds(n: int, parts: int) -> list[tuple[int, int]]:
    """Return the neurons of each part: contiguous, as equal as multiples of 64 allow."""
    blocks = -(-n // PART_STEP)
    edges = [min(n, PART_STEP * (blocks * p // parts)) for p in range(parts + 1)]
    return list(itertools.pairwise(edges))


def default_threads(network: Network, batch: int) -> int:
    """Return how many threads a network is worth, of those that this process may use."""
    return 1 if network.n_neurons * batch < SMALL else cores()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# -- populations -----------------------------------------------------------------------------------------


def is_replayed(program: Program, name: str) -> bool:
    """Whether a population sends what enters, and nothing else."""
    p = program.populations[name]
    return p.population.model == Input and not program.network.incoming(name) and not p.drives


def batch_steps(program: Program, batch: int) -> tuple[int, str]:
    """Return how many steps no spike can cross, and what limits them; spikes that are known beforehand do not count."""
    network = program.network
    if any(q.rule is not None and q.rule.model.current for q in network.projections.values()):
        return 1, "currents flow between neurons at every step"
    found, why = MAX_BATCH, f"no shorter delay; {MAX_BATCH} at most"
    for name, q in network.projections.items():
        if is_replayed(program, q.pre):
            continue
        shortest = network.lag(name) + delay_span(network, q)[0]
        if shortest < found:
            found, why = max(1, shortest), f"the delay of {name!r}"
    each = 8 * batch * sum(p.n * len(p.model.inputs) for p in network.populations.values())
    if found * each > RING_BYTES:
        return max(1, RING_BYTES // each), "the memory of what is pending"
    return found, why


def delay_span(network: Network, q: Projection) -> tuple[int, int]:
    """Return the shortest and the longest delay of a projection, in steps."""
    if isinstance(q.delay, Distribution):
        made = delays(q.delay, network.dt)
        return int(made.low), int(made.high)
    steps = np.rint(np.asarray(q.delay) / network.dt)
    return int(steps.min(initial=2**30)), int(steps.max(initial=0))


def lazy_populations(
    program: Program, precision: str, wanted: bool | None
) -> dict[str, LazyTables]:
    """Return the populations whose neurons are advanced only when something reaches them."""
    found: dict[str, LazyTables] = {}
    if wanted is False or (wanted is None and precision == "double"):
        return found
    for name, p in program.populations.items():
        if (wanted is None and p.n < LAZY_SIZE) or why_stepped(program, name):
            continue
        made = tables(p, program.network.dt)
        if wanted or np.mean(made.driven) <= LAZY_DRIVEN:
            found[name] = made
    return found


def why_stepped(program: Program, name: str) -> str:
    """Return why a population must be advanced at every step; empty where it need not."""
    network, p = program.network, program.populations[name]
    for number in network.incoming(name):
        q = network.projections[number]
        if q.rule is not None:
            return f"{number!r} has a rule"
        if network.port_of(number) not in p.population.model.jumps:
            return f"{number!r} gives a current that is held"
        instant = network.lag(number) + delay_span(network, q)[0] == 0
        if instant and not is_replayed(program, q.pre):
            return f"{number!r} has no delay"
    if any(q.rule is not None and q.rule.model.current for q in network.projections.values()):
        return "currents flow between neurons"
    return why_not(p, network.dt)


def population_size(network: Network, name: str, precision: str, batch: int) -> float:
    """Return the bytes that a population takes in a run."""
    population = network.populations[name]
    item = 4 if precision == "single" and not population.model.integer else 8
    length = 1
    for number in network.incoming(name):
        length = max(
            length, network.lag(number) + delay_span(network, network.projections[number])[1]
        )
    ports = len(population.model.inputs)
    each = item * (len(population.model.state) + ports * (length + MAX_BATCH)) + 16
    return float(each * population.n * batch)


# -- projections -----------------------------------------------------------------------------------------


def number_of(population: Population, precision: str) -> str:
    """Return what the numbers of a population are."""
    if population.model.integer:
        return "int64"
    return "float32" if precision == "single" else "float64"


def value_of(pre: Population, precision: str) -> str:
    """Return what the spikes of a population carry: "" where every spike is 1."""
    return number_of(pre, precision) if pre.model.is_graded else ""


def weight_kind(weight: NDArray[Any], number: str) -> str:
    """Return how weights are kept: "one", "code", or the smallest numbers that hold them as they are used."""
    if not weight.size or np.all(weight == weight.flat[0]):
        return "one"
    if weight.dtype.kind != "f" or number == "int64":
        return str(weight.dtype)
    flat = weight.reshape(-1)
    if len(flat) >= MANY and len(np.unique(flat[:MANY])) <= FEW and len(np.unique(flat)) <= FEW:
        return "code"
    if weight.dtype == np.float64 and (
        number == "float32" or np.array_equal(flat.astype(np.float32), flat)
    ):
        return "float32"
    return str(weight.dtype)


def form_for(
    network: Network, name: str, precision: str, parts: int, *, listed: bool
) -> tuple[Form, str]:
    """Return the form that suits a projection, and why; from its description. `listed`: its targets are lazy."""
    q = network.projections[name]
    pre, post = network.populations[q.pre], network.populations[q.post]
    number, value = number_of(post, precision), value_of(pre, precision)
    wide = max(high - low for low, high in bounds(post.n, parts))
    target = "uint16" if wide <= 2**16 else "int32"
    low, high = delay_span(network, q)
    longest = network.lag(name) + high
    lag = "one" if low == high else ("uint8" if longest < 2**8 else "uint16")
    topology = q.topology
    if isinstance(topology, Recipe):
        law = topology.weight_law()
        weight = "one" if law.code < 0 else "code" if law.values is not None else str(law.dtype)
    elif topology.weight is None or not isinstance(topology, Dense | Sparse):
        weight = weight_kind(topology.synapses(pre.shape).weight, number)
    else:
        weight = weight_kind(topology.weight, number)
    if number == "int64":
        return _integer_form(network, name, Form("rows", target, weight, lag, number, value))
    if listed:
        return Form(
            "rows", target, weight, lag, number, value
        ), "lazy neurons are reached one by one"
    if isinstance(topology, Dense) and lag == "one":
        return Form(
            "matrix", target, number, lag, number, value
        ), "every source reaches every target"
    n = topology.expected_synapses(pre.shape)
    density = n / max(1, pre.n * post.n)
    repeats = getattr(topology, "repeats", not isinstance(topology, Recipe))
    if isinstance(topology, Sparse):
        repeats = _repeats(topology)
    few = weight == "one" and lag == "one"
    if few and density >= BITMAP_DENSITY and not repeats:
        return Form(
            "bitmap", target, weight, lag, number, value
        ), f"one weight and one delay at density {density:.2g}"
    return Form("rows", target, weight, lag, number, value), f"density {density:.2g}"


def _integer_form(network: Network, name: str, form: Form) -> tuple[Form, str]:
    """Return the form of a projection onto integers, and why; `form` is one of rows, its weights not yet narrowed."""
    q = network.projections[name]
    pre, post = network.populations[q.pre], network.populations[q.post]
    dense = isinstance(q.topology, Dense) and form.lag == "one"
    weight, shift = form.weight, 0
    if isinstance(q.topology, Recipe):
        weight = weight if weight == "one" else "int64"
    elif dense or weight != "one":
        own = q.topology.weight
        if own is None or not isinstance(q.topology, Dense | Sparse):
            own = q.topology.synapses(pre.shape).weight
        weight, shift = narrowed(
            own, q.exponent, pre.n, graded=form.graded, group=dense and not form.graded
        )
    form = replace(form, weight=weight, shift=shift)
    if dense:
        return replace(form, kind="matrix"), "every source reaches every target"
    if q.exponent + shift < 0:
        return replace(form, kind="shifted"), "its sums are shifted right"
    density = q.topology.expected_synapses(pre.shape) / max(1, pre.n * post.n)
    return form, f"density {density:.2g}"


def _repeats(topology: Sparse) -> bool:
    """Whether a source reaches a target twice; judged from a sample of sources."""
    start = topology.start
    step = max(1, (len(start) - 1) // 64)
    for j in range(0, len(start) - 1, step):
        own = topology.target[start[j] : start[j + 1]]
        if len(np.unique(own)) != len(own):
            return True
    return False


def _projection(
    network: Network, name: str, precision: str, parts: int, batch: int, *, listed: bool
) -> ProjectionPlan:
    q = network.projections[name]
    pre, post = network.populations[q.pre], network.populations[q.post]
    if q.rule is not None:
        n = q.topology.expected_synapses(pre.shape)
        item = 4 if precision == "single" else 8
        each = 8 + 2 + item * len(q.rule.model.synaptic) * batch
        return ProjectionPlan(
            None,
            f"synapses with the rule {q.rule.model.name}",
            "they act when a spike arrives",
            n,
            each * n,
        )
    form, why = form_for(network, name, precision, parts, listed=listed)
    made = estimate(q.topology, pre.shape, post.n, bounds(post.n, parts), q.delay, network.dt)
    if form.kind == "matrix":
        size = float(pre.n * post.n * BYTES[form.weight])
    elif form.kind == "bitmap":
        size = pre.n * math.ceil(post.n / 64) * 8.0
    else:
        size = made.n * form.bytes_per_synapse + 8.0 * parts * (pre.n + 1)
    return ProjectionPlan(form, str(form), why, made.n, size)
