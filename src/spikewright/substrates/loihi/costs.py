"""What a run costs on Loihi: counts of spikes, synaptic operations, updates and hops times one of two price lists.

Energy: `E = leakage T + sum counts x constants + management T`. Time of a step: the busiest core, plus the
longest way, plus the barrier. A step of the chip takes as long as its work; the network's dt plays no role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.network.compose import Compose
from spikewright.network.topology import Dense
from spikewright.network.windows import Conv
from spikewright.substrates.base import Category, Chip, Compiled, Constant, Costs, Placement, Term
from spikewright.substrates.loihi.cores import fan_out_cores, reached
from spikewright.substrates.passes.place import hops

SAMPLES_TIMED = 16
"""Samples whose busiest cores are found step by step; the rest have the same statistics."""


@dataclass(frozen=True)
class _Counts:
    """Counts of one inference, averaged over samples."""

    updates: float
    spikes: float
    operations: dict[str, float]
    local: float
    east_west: float
    north_south: float
    packets: float


def price(chip: Chip, preset: str, compiled: Compiled, recording: Recording) -> Costs:
    """Return the costs of one inference."""
    placement = compiled.placement
    if placement is None:
        return Costs(chip.name, preset)
    counts = _count(compiled, recording, placement)
    latency = _latency(chip, preset, compiled, recording, placement)
    seconds = sum(t.value for t in latency)
    low, high = sum(t.low for t in latency), sum(t.high for t in latency)
    table = chip.tables[f"energy.{preset}"]
    energy = [
        Term(
            "leakage of the chip",
            Category.STATIC,
            seconds,
            chip.tables["static"]["leakage"],
            low,
            high,
        )
    ]
    energy += _davies(table, counts) if preset == "davies" else _nahuku(table, counts)
    overhead = chip.tables["overhead"]
    energy += [
        Term(
            "management processors", Category.OVERHEAD, seconds, overhead["management"], low, high
        ),
        Term("clearing the state", Category.OVERHEAD, 1.0, overhead["state_reset"]),
    ]
    tiles = len(np.unique(placement.position, axis=0))
    return Costs(
        chip.name,
        preset,
        tuple(energy),
        tuple(latency),
        (Term("cores in use", Category.STATIC, placement.n_cores, chip.tables["area"]["core"]),),
        recording.steps,
        chip.unpublished,
        (
            f"{placement.n_cores} cores on {tiles} tiles; leakage of one whole chip is charged",
            f"{counts.spikes:.1f} spikes and {sum(counts.operations.values()):.0f} synaptic operations "
            f"per inference of {recording.steps} steps",
            "constants hold at 0.75 V; an update counts as active where the neuron fires, and the band runs from "
            "all inactive to all active"
            if preset == "davies"
            else "every neuron is accessed and updated in every step",
        ),
    )


def event_prices(chip: Chip, preset: str, compiled: Compiled) -> EventPrices:
    """Return what each event costs: the terms of `price` that are events, taken apart by neuron and projection."""
    placement, network = compiled.placement, compiled.network
    if placement is None:
        return EventPrices(f"{chip.name} {preset}")
    table = chip.tables[f"energy.{preset}"]
    across, along = hops(placement.position)
    spike = {}
    updates = 0
    for name, core in placement.core_of.items():
        reach = reached(network, placement, name)
        way = (reach * across[core]).sum(axis=1) * table["hop_east_west"].value
        way = way + (reach * along[core]).sum(axis=1) * table["hop_north_south"].value
        if preset == "davies":
            near = (reach & (across[core] + along[core] == 0)).sum(axis=1)
            way = way + near * table["spike_within_tile"].value + _excess(table).value
        else:
            packets = reach.sum(axis=1)
            way = way + packets * table["axon_out"].value + table["spike"].value
        spike[name] = way
        updates += network.populations[name].n
    if preset == "davies":
        operation = dict.fromkeys(network.projections, table["synaptic_operation"].value)
        update = table["neuron_update_inactive"].value
    else:
        operation = {
            name: table[f"synapse_{kind_of(p.topology)}"].value
            for name, p in network.projections.items()
        }
        update = table["neuron_access"].value + table["neuron_update"].value
    return EventPrices(f"{chip.name} {preset}", spike, operation, step=updates * update)


def kind_of(topology: object) -> str:
    """Return how a projection's synapses are stored: dense, sparse or conv."""
    if isinstance(topology, Compose):
        return kind_of(topology.maps[-1])
    if isinstance(topology, Dense):
        return "dense"
    return "conv" if isinstance(topology, Conv) else "sparse"


def _count(compiled: Compiled, recording: Recording, placement: Placement) -> _Counts:
    network = compiled.network
    operations: dict[str, float] = {}
    for name, p in network.projections.items():
        kind = kind_of(p.topology)
        mean = float(recording.operations(name).mean())
        operations[kind] = operations.get(kind, 0.0) + mean
    across, along = hops(placement.position)
    local = east_west = north_south = packets = spikes = updates = 0.0
    for name, core in placement.core_of.items():
        sent = recording.sent[name].mean(axis=0)
        spikes += float(sent.sum())
        updates += recording.updates(name)
        reach = reached(network, placement, name)
        packets += float(sent @ reach.sum(axis=1))
        east_west += float(sent @ (reach * across[core]).sum(axis=1))
        north_south += float(sent @ (reach * along[core]).sum(axis=1))
        local += float(sent @ (reach & (across[core] + along[core] == 0)).sum(axis=1))
    return _Counts(updates, spikes, operations, local, east_west, north_south, packets)


def _davies(t: Mapping[str, Constant], n: _Counts) -> list[Term]:
    events = Category.EVENTS
    return [
        Term("synaptic operations", events, sum(n.operations.values()), t["synaptic_operation"]),
        Term("neuron updates", events, n.updates, t["neuron_update_inactive"]),
        Term("updates that fire, in addition", events, n.spikes, _excess(t), 0.0, n.updates),
        Term("spikes within a tile", events, n.local, t["spike_within_tile"]),
        Term("hops east-west", events, n.east_west, t["hop_east_west"]),
        Term("hops north-south", events, n.north_south, t["hop_north_south"]),
    ]


def _excess(t: Mapping[str, Constant]) -> Constant:
    """Return what an active update costs more than an inactive one: the chip file holds the two whole costs."""
    active, inactive = t["neuron_update_active"], t["neuron_update_inactive"]
    return Constant(
        "neuron_update_active less inactive",
        active.value - inactive.value,
        active.unit,
        active.low - inactive.low,
        active.high - inactive.high,
        f"{active.source}: active less inactive",
        active.grade,
    )


def _nahuku(t: Mapping[str, Constant], n: _Counts) -> list[Term]:
    events = Category.EVENTS
    synapses = [
        Term(f"synaptic operations, {kind}", events, count, t[f"synapse_{kind}"])
        for kind, count in n.operations.items()
    ]
    return [
        *synapses,
        Term("neuron accesses", events, n.updates, t["neuron_access"]),
        Term("neuron updates", events, n.updates, t["neuron_update"]),
        Term("spikes", events, n.spikes, t["spike"]),
        Term("packets to cores", events, n.packets, t["axon_out"]),
        Term("hops east-west", events, n.east_west, t["hop_east_west"]),
        Term("hops north-south", events, n.north_south, t["hop_north_south"]),
    ]


def _latency(
    chip: Chip, preset: str, compiled: Compiled, recording: Recording, placement: Placement
) -> list[Term]:
    table = chip.tables[f"time.{preset}"]
    network = compiled.network
    samples = min(SAMPLES_TIMED, recording.batch)
    shape = (recording.steps, samples, placement.n_cores)
    spikes, packets_out, packets_in = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    operations: dict[str, NDArray[np.float64]] = {}
    neurons = np.zeros(placement.n_cores)
    for name, population in network.populations.items():
        sent = recording.dense(name)[:, :samples].reshape(-1, population.n) != 0
        sent = sent.astype(np.float64)
        reach = reached(network, placement, name).astype(np.float64)
        packets_in += (sent @ reach).reshape(shape)
        if name in placement.core_of:
            core = placement.core_of[name]
            on = np.zeros((population.n, placement.n_cores))
            on[np.arange(population.n), core] = 1.0
            spikes += (sent @ on).reshape(shape)
            packets_out += (sent @ (on * reach.sum(axis=1, keepdims=True))).reshape(shape)
            neurons += on.sum(axis=0)
        for projection in network.outgoing(name):
            fan = fan_out_cores(network, placement, projection).astype(np.float64)
            kind = kind_of(network.projections[projection].topology)
            before = operations.get(kind, np.zeros(shape))
            operations[kind] = before + (sent @ fan).reshape(shape)
    updates = np.broadcast_to(neurons, shape)
    if preset == "davies":
        entries = dict(table) | {"neuron_update_excess": _excess(table)}
        parts = {
            "neuron_update_inactive": updates,
            "neuron_update_excess": spikes,
            "synaptic_operation": sum(operations.values(), np.zeros(shape)),
        }
        names = {"neuron_update_inactive": "updates", "neuron_update_excess": "firing, in addition"}
    else:
        entries, names = dict(table), {}
        parts = {
            "neuron_access": updates,
            "neuron_update": updates,
            "spike": spikes,
            "axon_out": packets_out,
            "axon_in": packets_in,
        } | {f"synapse_{kind}": count for kind, count in operations.items()}
    busy = sum((count * entries[name].value for name, count in parts.items()), np.zeros(shape))
    worst = np.argmax(busy, axis=2)[..., None]

    def of_worst(count: NDArray[np.float64]) -> float:
        return float(np.take_along_axis(count, worst, axis=2).sum(axis=0).mean())

    terms = []
    for name, count in parts.items():
        text = names.get(name, name.replace("_", " "))
        span = (0.0, of_worst(updates)) if name == "neuron_update_excess" else (None, None)
        terms.append(
            Term(f"busiest core: {text}", Category.EVENTS, of_worst(count), entries[name], *span)
        )
    across, along = hops(placement.position)
    active = float(np.count_nonzero(spikes.sum(axis=2)) / samples)
    terms += [
        Term(
            "longest way east-west", Category.EVENTS, active * across.max(), table["hop_east_west"]
        ),
        Term(
            "longest way north-south",
            Category.EVENTS,
            active * along.max(),
            table["hop_north_south"],
        ),
        Term("barrier", Category.CLOCK, float(recording.steps), _barrier(table, placement)),
    ]
    return terms


def _barrier(table: Mapping[str, Constant], placement: Placement) -> Constant:
    """Return the barrier for the tiles in use, between the published numbers of tiles."""
    known = sorted(
        (int(name.split("_")[1]), c) for name, c in table.items() if name.startswith("barrier_")
    )
    tiles = len(np.unique(placement.position, axis=0))
    value = float(np.interp(tiles, [n for n, _ in known], [c.value for _, c in known]))
    first = known[0][1]
    return Constant(
        f"barrier over {tiles} tiles",
        value,
        first.unit,
        value,
        value,
        first.source + f", between {known[0][0]} and {known[-1][0]} tiles",
        first.grade,
    )
