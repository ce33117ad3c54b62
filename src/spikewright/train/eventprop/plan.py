"""A Network as stages of an event-based run: which kernel takes which populations, and where each weight stands.

A stage is a population, or several that reach each other. `LAYER` needs no queue: no recurrence, one time constant of
each kind, no refractory period, one delay per projection. `QUEUE` takes the rest. `READOUT` has no threshold.

Stages hold what does not change in training. Weights (in the unit of their port) and delays are given to each run.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import Dense
from spikewright.train.eventprop.neuron import Neuron, read
from spikewright.train.order import groups

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


class Kind(enum.Enum):
    """Which kernel a stage takes."""

    LAYER = "layer"
    QUEUE = "queue"
    READOUT = "readout"


@dataclass(frozen=True)
class Wires:
    """One projection, synapse by synapse.

    Parameters
    ----------
    pre, post : populations
    source, target : of each synapse
    entry : its weight in the weight array, flat; -1 where it has none
    fixed : its weight where it has none
    shape : of the weight array
    dense : whether entry (post, pre) is the synapse from pre to post, and all are there
    has_delays : whether each weight has a delay of its own
    """

    pre: str
    post: str
    source: Whole
    target: Whole
    entry: Whole
    fixed: Reals
    shape: tuple[int, ...]
    dense: bool
    has_delays: bool

    def weights(self, weight: Reals) -> Reals:
        """Return the weight of every synapse."""
        if not weight.size:
            return self.fixed
        return np.where(self.entry < 0, self.fixed, weight.reshape(-1)[self.entry])

    def delays(self, delay: Reals) -> Reals:
        """Return the delay of every synapse."""
        if not delay.ndim:
            return np.full(len(self.source), float(delay))
        return delay.reshape(-1)[self.entry]

    def to_weight(self, synapses: Reals) -> Reals:
        """Return derivatives with respect to the weight array, from those of synapses."""
        found = np.zeros(self.shape)
        own = self.entry >= 0
        np.add.at(found.reshape(-1), self.entry[own], synapses[own])
        return found

    def to_delay(self, synapses: Reals) -> Reals:
        """Return derivatives with respect to the delay, one or one per weight, from those of synapses."""
        return self.to_weight(synapses) if self.has_delays else np.asarray(synapses.sum())


@dataclass(frozen=True)
class Stage:
    """Populations that run together.

    Parameters
    ----------
    kind : the kernel
    offset : population -> its first neuron in this stage
    neuron : the numbers of all of them
    outside : population that reaches the stage -> its first source; for LAYER and READOUT projection -> first row
    inside, reached : projections that start in the stage, and all that end there
    rows, first, where : QUEUE: see `queue.forward`; `where` of a projection's synapses in the stage's
    """

    kind: Kind
    offset: Mapping[str, int]
    neuron: Neuron
    outside: Mapping[str, int]
    n_outside: int
    reached: tuple[str, ...]
    rows: Whole = field(default_factory=lambda: np.zeros(1, np.int64))
    first: Whole = field(default_factory=lambda: np.zeros(1, np.int64))
    target: Whole = field(default_factory=lambda: np.zeros(0, np.int64))
    where: Mapping[str, Whole] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.neuron.a)


@dataclass(frozen=True)
class Plan:
    """A network, ready for event-based runs."""

    network: Network
    wires: Mapping[str, Wires]
    stages: tuple[Stage, ...]
    neurons: Mapping[str, Neuron]

    @property
    def weights(self) -> dict[str, Reals]:
        """The network's own weights; empty where a projection has none."""
        found = {}
        for n, q in self.network.projections.items():
            given = q.topology.weight
            found[n] = np.zeros(0) if given is None else np.asarray(given, np.float64)
        return found

    @property
    def delays(self) -> dict[str, Reals]:
        """The network's own delays, s."""
        return {n: np.asarray(q.delay, np.float64) for n, q in self.network.projections.items()}


def plan(network: Network) -> Plan:
    """Return the stages of a network.

    Raises
    ------
    TrainError : something that has no event-based run
    """
    network = network.written_out()
    _check(network)
    neurons = {
        n: read(p, f"population {n!r}")
        for n, p in network.populations.items()
        if n not in network.inputs
    }
    wires = {n: _wires(network, n) for n in network.projections}
    stages = []
    for names, looped in groups(network):
        if names[0] in network.inputs:
            continue
        stages.append(_stage(network, names, looped, neurons, wires))
    problems = Problems()
    for n, q in network.projections.items():
        if q.post in neurons and network.port_of(n) != neurons[q.post].port:
            problems.add(
                f"projection {n!r}",
                f"reaches port {network.port_of(n)!r}, whose input is held over steps",
                expected=f"port {neurons[q.post].port!r}",
            )
        if q.pre in neurons and not neurons[q.pre].fires:
            problems.add(f"projection {n!r}", f"{q.pre!r} has no threshold, so it sends no spikes")
    problems.raise_as(TrainError)
    return Plan(network, wires, tuple(stages), neurons)


def _check(network: Network) -> None:
    problems = Problems()
    if not network.inputs:
        problems.add(f"network {network.name!r}", "has no input", cure="add a population of Input")
    if network.drives:
        problems.add(
            "eventprop",
            "a network with drives has no event-based run",
            found=", ".join(network.drives),
        )
    for n, q in network.projections.items():
        if q.rule is not None:
            problems.add(
                f"projection {n!r}", "synapses that change by a rule cannot be trained by gradient"
            )
        if q.bias is not None and np.any(q.bias != 0):
            problems.add(
                f"projection {n!r}",
                "a bias is added at every step, and there are no steps here",
                cure="add an input that spikes once, at the same time in every sample",
            )
        if q.post in network.inputs:
            problems.add(f"projection {n!r}", "ends in an input")
    problems.raise_as(TrainError)


def _wires(network: Network, name: str) -> Wires:
    q = network.projections[name]
    synapses = q.topology.synapses(network.populations[q.pre].shape)
    weight = q.topology.weight
    flat = np.zeros(0) if weight is None else np.asarray(weight, np.float64).reshape(-1)
    own = synapses.entry >= 0
    if not np.array_equal(flat[synapses.entry[own]], np.asarray(synapses.weight)[own]):
        raise TrainError(
            explain(
                f"projection {name!r}",
                f"{q.topology.kind} changes its weights before they reach a synapse",
                cure="use dense, sparse or convolutional weights alone",
            )
        )
    delay = np.asarray(q.delay)
    if delay.ndim and not own.all():
        raise TrainError(explain(f"projection {name!r}", "delays of weights that do not exist"))
    return Wires(
        q.pre, q.post, synapses.source, synapses.target, synapses.entry,
        np.where(own, 0.0, synapses.weight).astype(np.float64),
        () if weight is None else weight.shape, isinstance(q.topology, Dense), bool(delay.ndim),
    )  # fmt: skip


def _stage(
    network: Network,
    names: tuple[str, ...],
    looped: bool,
    neurons: Mapping[str, Neuron],
    wires: Mapping[str, Wires],
) -> Stage:
    offset, n = {}, 0
    for name in names:
        offset[name] = n
        n += network.populations[name].n
    numbers = _joined([neurons[name] for name in names])
    reached = tuple(q for q, w in wires.items() if w.post in offset)
    if not numbers.fires:
        kind = Kind.READOUT
    elif (
        looped
        or numbers.hold.any()
        or any(wires[q].has_delays for q in reached)
        or len(set(numbers.a)) > 1
        or len(set(numbers.b)) > 1
    ):
        kind = Kind.QUEUE
    else:
        kind = Kind.LAYER
    outside: dict[str, int] = {}
    total = 0
    for q in reached:
        source = wires[q].pre if kind is Kind.QUEUE else q
        if source in outside or (kind is Kind.QUEUE and wires[q].pre in offset):
            continue
        outside[source] = total
        total += network.populations[wires[q].pre].n
    plain = Stage(kind, offset, numbers, outside, total, reached)
    return _with_rows(plain, wires) if kind is Kind.QUEUE else plain


def _with_rows(stage: Stage, wires: Mapping[str, Wires]) -> Stage:
    """Return a QUEUE stage with its synapses in rows: one per source and projection, or one per synapse where each
    has a delay of its own."""
    source, target, number, part = [], [], [], []
    for k, q in enumerate(stage.reached):
        w = wires[q]
        base = (
            stage.outside[w.pre]
            if w.pre in stage.outside
            else stage.n_outside + stage.offset[w.pre]
        )
        source.append(base + w.source)
        target.append(stage.offset[w.post] + w.target)
        number.append(np.arange(len(w.source)))
        part.append(np.full(len(w.source), k))
    sources, parts, numbers = np.concatenate(source), np.concatenate(part), np.concatenate(number)
    order = np.lexsort((numbers, parts, sources))
    sources, parts = sources[order], parts[order]
    own = np.array([wires[q].has_delays for q in stage.reached])
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (np.diff(sources) != 0) | (np.diff(parts) != 0) | own[parts[1:]]
    first = np.flatnonzero(begins)
    rows = np.searchsorted(sources[first], np.arange(stage.n_outside + stage.n + 1))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    ends = np.cumsum([len(s) for s in source])
    where = {
        q: back[end - len(s) : end] for q, s, end in zip(stage.reached, source, ends, strict=True)
    }
    return Stage(
        stage.kind, stage.offset, stage.neuron, stage.outside, stage.n_outside, stage.reached,
        rows.astype(np.int64), np.append(first, len(order)), np.concatenate(target)[order], where,
    )  # fmt: skip


def _joined(parts: list[Neuron]) -> Neuron:
    columns = ("a", "b", "gain", "rest", "level", "reset", "u_start", "y_start", "hold")
    return Neuron(parts[0].port, *(np.concatenate([getattr(p, c) for p in parts]) for c in columns))
