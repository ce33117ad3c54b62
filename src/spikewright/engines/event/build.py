"""A network as the arrays that the loop without a clock walks through."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.event import loop, table
from spikewright.engines.event.affine import Linear, Terms, is_linear, lower_linear, margin
from spikewright.engines.event.source import held_ports, kernel, own_values
from spikewright.network.connectivity.distribution import Distribution
from spikewright.network.drive import PoissonDrive
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network, Projection
from spikewright.network.library.sources import PoissonSource
from spikewright.network.model import NeuronModel
from spikewright.network.rows import rows

EVENTS_PER_BLOCK = 1.5
"""Of a Poisson process, about: its intervals start anew with each block."""


@dataclass(frozen=True)
class Built:
    """A network, ready to run without a clock.

    Parameters
    ----------
    names : populations, in the order in which they are looked at; all arrays follow it
    first : where each begins among all neurons, with the end behind
    tolerance : of neurons without a closed form
    starts : (N, ) per population, the z of its neurons at the start: state 0, nothing held, constant rates
    kept : compiled kernels, which must outlive their addresses
    """

    names: tuple[str, ...]
    first: NDArray[np.int64]
    kinds: tuple[int, ...]
    cells: table.Cells
    flows: table.Flows
    wires: table.Wires
    constants: tuple[NDArray[np.float64], ...]
    held: Mapping[str, tuple[str, ...]]
    terms: int
    widest: int
    most: int
    tolerance: float
    kept: tuple[Any, ...]

    @property
    def n(self) -> int:
        """Number of neurons."""
        return int(self.first[-1])

    def slot(self, network: Network, population: str, port: str) -> tuple[int, bool]:
        """Return the place in z that a port reaches, and whether it is held there."""
        model = network.populations[population].model
        if model.is_transparent:
            return 0, False
        if port in model.jumps:
            return list(model.state).index(model.jumps[port]), False
        return len(model.state) + self.held[population].index(port), True


def kind_of(model: NeuronModel) -> int:
    """Return how the neurons of a model are advanced, of a model that `refusals` lets pass."""
    if model == PoissonSource:
        return loop.POISSON
    if model.is_transparent:
        return loop.UNIT if model.threshold else loop.PASSING
    return loop.LINEAR if is_linear(model) else loop.SMOOTH


def build(network: Network, order: tuple[str, ...], tolerance: float) -> Built:
    """Return a network as arrays."""
    populations = [network.populations[name] for name in order]
    kinds = tuple(kind_of(p.model) for p in populations)
    sizes = np.array([p.n for p in populations], np.int64)
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n, count = int(first[-1]), len(order)
    linear: dict[int, Linear] = {}
    kernels: dict[int, Any] = {}
    held: dict[str, tuple[str, ...]] = {}
    ns, nz = np.zeros(count, np.int64), np.zeros(count, np.int64)
    constants: list[NDArray[np.float64]] = []
    for p, (name, population, kind) in enumerate(zip(order, populations, kinds, strict=True)):
        model = population.model
        ns[p], held[name] = len(model.state), held_ports(model)
        constant = np.zeros((population.n, 0))
        if kind == loop.LINEAR:
            linear[p] = lower_linear(population, network.dt)
            constant = linear[p].constant
        elif kind == loop.SMOOTH:
            kernels[p] = kernel(model)
        constants.append(constant)
        inside = 0 if model.is_transparent else len(held[name])
        nz[p] = ns[p] + inside + constant.shape[1]
    widest, longest = max(1, int(ns.max())), max(1, int(nz.max()))
    cells = table.Cells(
        kind=np.array(kinds, np.int64),
        first=first,
        ns=ns,
        nz=nz,
        strict=np.ones(count, np.bool_),
        fires=np.array([p.model.is_spiking for p in populations], np.bool_),
        kernel=np.array([kernels[p].address if p in kernels else 0 for p in range(count)]),
        hold=np.zeros((count, longest), np.bool_),
        of=np.repeat(np.arange(count), sizes),
        at=np.concatenate([[0], np.cumsum(np.repeat(nz, sizes))])[:-1].astype(np.int64),
        flow=np.zeros(n, np.int64),
        own=np.zeros(1),
        own_at=np.zeros(n, np.int64),
        level=np.full(n, math.inf),
        t_ref=np.zeros(n),
        reset=np.zeros((n, widest)),
        offset=np.ones(n),
        keep=np.zeros((sum(len(x.aim) for x in linear.values()) or 1, widest, widest)),
        aim=np.zeros((sum(len(x.aim) for x in linear.values()) or 1, widest)),
        gain=np.zeros((sum(len(x.aim) for x in linear.values()) or 1, widest)),
    )
    own: list[NDArray[np.float64]] = [np.zeros(1)]
    used, sets = 1, 0
    for p, population in enumerate(populations):
        model = population.model
        here = slice(int(first[p]), int(first[p + 1]))
        aim = margin(model) if model.threshold else None
        cells.strict[p] = aim is None or aim[1]
        if model.refractory is not None:
            period = population.param(model.refractory.period)
            cells.t_ref[here] = np.broadcast_to(period, population.shape).reshape(-1)
            for v in model.refractory.hold:
                cells.hold[p, list(model.state).index(v)] = True
        if kinds[p] == loop.UNIT:
            values: dict[str, Any] = {q: population.param(q) for q in model.params}
            level = -evaluate(aim[0], values | dict.fromkeys(model.inputs, 0.0))  # type: ignore[index]
            cells.level[here] = np.broadcast_to(level, population.shape).reshape(-1)
        if p in kernels:
            mine = own_values(population, network.dt)
            cells.own_at[here] = used + np.arange(population.n) * mine.shape[1]
            own.append(mine.reshape(-1))
            used += mine.size
        if p in linear:
            x, m = linear[p], int(ns[p])
            cells.flow[here] = sets + x.kind_of
            cells.level[here] = x.level
            cells.reset[here, :m] = x.reset
            cells.offset[here] = x.offset
            several = slice(sets, sets + len(x.aim))
            cells.keep[several, :m, :m] = x.keep
            cells.aim[several, :m] = x.aim
            cells.gain[several, :m] = x.gain
            sets += len(x.aim)
    cells = cells._replace(own=np.concatenate(own))
    flows, terms = _flows([x for _, x in sorted(linear.items())])
    return Built(
        order,
        first,
        kinds,
        cells,
        flows,
        _wires(network, order, first, held),
        tuple(constants),
        held,
        terms,
        widest,
        longest,
        tolerance,
        tuple(kernels.values()),
    )


def _flows(found: list[Linear]) -> tuple[table.Flows, int]:
    """Return the terms of all flows, the free ones before those of refractory neurons, and the most that one has."""
    parts: list[Terms] = [x.free for x in found] + [x.waiting for x in found]
    starts: list[NDArray[np.int64]] = []
    lists: list[list[NDArray[Any]]] = [[] for _ in range(6)]
    terms, matrices, gains = 0, 0, 0
    for part in parts:
        starts.append(part.start + terms)
        t, ns, nz = part.matrix.shape
        lists[4].append(matrices + np.arange(t) * (ns * nz))
        lists[5].append(gains + np.arange(t) * nz)
        terms, matrices, gains = terms + t, matrices + part.matrix.size, gains + part.gain.size
        for i, values in enumerate((part.rho, part.omega, part.power, part.kind)):
            lists[i].append(values)

    def joined(some: list[NDArray[Any]], kind: type) -> NDArray[Any]:
        return np.concatenate([*some, np.zeros(0)]).astype(kind)

    def pointers(some: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        # each part's end is the next one's beginning
        if not some:
            return np.zeros(1, np.int64)
        return np.concatenate([*(x[:-1] for x in some), some[-1][-1:]])

    half = len(found)
    most = max((int(np.diff(part.start).max()) for part in parts), default=1)
    flows = table.Flows(
        pointers(starts[:half]),
        pointers(starts[half:]),
        joined(lists[0], float),
        joined(lists[1], float),
        joined(lists[2], np.int64),
        joined(lists[3], np.int64),
        joined(lists[4], np.int64),
        joined(lists[5], np.int64),
        joined([part.matrix.reshape(-1) for part in parts], float),
        joined([part.gain.reshape(-1) for part in parts], float),
    )
    return flows, most


def _wires(
    network: Network,
    order: tuple[str, ...],
    first: NDArray[np.int64],
    held: Mapping[str, tuple[str, ...]],
) -> table.Wires:
    rank = {name: p for p, name in enumerate(order)}
    out: list[list[int]] = [[] for _ in order]
    fields: dict[str, list[Any]] = {
        k: [] for k in ("post", "slot", "held", "row_at", "origin", "weight_at", "weight_step",
                        "delay_at", "delay_step")
    }  # fmt: skip
    flat: dict[str, list[NDArray[Any]]] = {k: [] for k in ("start", "target", "weight", "delay")}
    n_start, n_synapses, n_weights, n_delays = 0, 0, 0, 0
    for q, (name, projection) in enumerate(network.projections.items()):
        start, target, weight, delay = _synapses(network, projection)
        model = network.populations[projection.post].model
        port = network.port_of(name)
        out[rank[projection.pre]].append(q)
        fields["post"].append(rank[projection.post])
        jumps = not model.is_transparent and port in model.jumps
        slot = list(model.state).index(model.jumps[port]) if jumps else 0
        is_held = not jumps and not model.is_transparent
        if is_held:
            slot = len(model.state) + held[projection.post].index(port)
        fields["slot"].append(slot)
        fields["held"].append(is_held)
        fields["row_at"].append(n_start)
        fields["origin"].append(n_synapses)
        fields["weight_at"].append(n_weights)
        fields["weight_step"].append(int(weight.ndim > 0))
        fields["delay_at"].append(n_delays)
        fields["delay_step"].append(int(delay.ndim > 0))
        flat["start"].append(start + n_synapses)
        flat["target"].append((target + first[rank[projection.post]]).astype(np.int32))
        flat["weight"].append(weight.reshape(-1).astype(np.float64))
        flat["delay"].append(delay.reshape(-1))
        n_start += len(start)
        n_synapses += len(target)
        n_weights += weight.size
        n_delays += delay.size
    lists = {k: np.array(v, np.bool_ if k == "held" else np.int64) for k, v in fields.items()}
    none = {"start": np.int64, "target": np.int32, "weight": np.float64, "delay": np.float64}
    arrays = {
        k: np.concatenate([*v, np.zeros(0, none[k])]).astype(none[k]) for k, v in flat.items()
    }
    return table.Wires(
        out_start=np.concatenate([[0], np.cumsum([len(x) for x in out])]).astype(np.int64),
        out=np.array([q for x in out for q in x], np.int64),
        **lists,
        **arrays,
    )


def _synapses(network: Network, projection: Projection) -> tuple[NDArray[Any], ...]:
    """Return start, target, weight (0-d where all are the same) and delay in seconds (likewise), rows by delay."""
    pre, post = network.populations[projection.pre], network.populations[projection.post]
    topology, dt = projection.topology, network.dt
    if isinstance(projection.delay, Distribution):
        (made,) = rows(topology, pre.shape, post.n, [(0, post.n)], projection.delay, dt)
        return made.start, made.target, _weights(made), np.asarray(made.delay * dt)
    delay = np.asarray(projection.delay, np.float64)
    if delay.ndim == 0 or delay.size == 0 or np.all(delay == delay.flat[0]):
        (made,) = rows(topology, pre.shape, post.n, [(0, post.n)], 0.0, dt)
        one = np.asarray(delay.flat[0] if delay.size else 0.0)
        return made.start, made.target, _weights(made), one
    synapses = topology.synapses(pre.shape)
    each = delay.reshape(-1)[synapses.entry]
    order = np.lexsort((each, synapses.source))
    return synapses.start, synapses.target[order], synapses.weight[order], each[order]


def _weights(made: Any) -> NDArray[np.float64]:
    return np.asarray(made.weight, np.float64) if made.weight.ndim == 0 else made.weights()


def points(network: Network, built: Built, seed: int, key: Any) -> table.Points:
    """Return the Poisson processes of a run: sources, and drives.

    Parameters
    ----------
    key : (seed, name) -> the key of a named stream
    """
    parts: list[tuple[Any, ...]] = []
    for p, name in enumerate(built.names):
        population = network.populations[name]
        if built.kinds[p] == loop.POISSON:
            rate = np.broadcast_to(population.param("rate"), population.shape).reshape(-1)
            stream = key(seed, f"event/population/{name}")
            parts.append((p, rate, np.ones(population.n), -1, False, stream))
    for name, drive in network.drives.items():
        if isinstance(drive, PoissonDrive):
            post = network.populations[drive.post]
            slot, held = built.slot(network, drive.post, network.driven_port(name))
            rate, weight = (
                np.broadcast_to(np.asarray(x, np.float64), post.shape).reshape(-1)
                for x in (drive.rate, drive.weight)
            )
            stream = key(seed, f"event/drive/{name}")
            parts.append((built.names.index(drive.post), rate, weight, slot, held, stream))
    columns: list[list[NDArray[Any]]] = [[] for _ in range(8)]
    for p, rate, weight, slot, held, stream in parts:
        (number,) = np.nonzero((rate > 0) & (weight != 0))
        m = len(number)
        span = network.dt * 2.0 ** np.round(np.log2(EVENTS_PER_BLOCK / (rate[number] * network.dt)))
        made = (built.first[p] + number, number, np.full(m, slot), np.full(m, held))
        more = (weight[number], rate[number], span, np.full(m, stream, np.uint64))
        for column, values in zip(columns, (*made, *more), strict=True):
            column.append(values)
    kinds = (np.int64, np.int64, np.int64, np.bool_, np.float64, np.float64, np.float64, np.uint64)
    arrays: list[Any] = [
        np.concatenate([*c, np.zeros(0, k)]).astype(k) for c, k in zip(columns, kinds, strict=True)
    ]
    m = len(arrays[0])
    neuron, number, slots, helds, weights, rates, spans, keys = arrays
    blocks, drawn, times = np.zeros(m, np.int64), np.zeros(m, np.int64), np.zeros(m)
    return table.Points(
        neuron, number, slots, helds, weights, rates, spans, keys, blocks, drawn, times
    )
