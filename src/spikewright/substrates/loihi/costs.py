"""What a run costs on Loihi: counts of spikes, synaptic operations, updates and hops times one of two price lists.

Energy: `E = leakage T + sum counts x constants + management T`. A step of the chip takes as long as its work; the
network's dt plays no role. How its time is made up belongs to the price list:

- `davies`: the busiest core, one thing after the other, plus the longest way, plus the barrier;
- `nahuku`: the busiest core, which sends and receives at the same time, plus the barrier: what SANA-FE, which fitted
  these times to a board, calls the simple latency (`spikewright verify sanafe`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.network.compose import Compose
from spikewright.network.graph import Network
from spikewright.network.topology import Dense
from spikewright.network.windows import Conv
from spikewright.substrates.base import Category, Chip, Compiled, Constant, Costs, Placement, Term
from spikewright.substrates.fabric.account import Account, Activity, account
from spikewright.substrates.fabric.fabric import Fabric
from spikewright.substrates.fabric.prices import Barrier, Prices
from spikewright.substrates.passes.lay import link_map, link_notes, routes_of
from spikewright.substrates.passes.mesh import Mesh
from spikewright.substrates.passes.place import hops

ANY = "operation"
"""The one kind of synapse that `davies` prices."""


def price(chip: Chip, preset: str, compiled: Compiled, recording: Recording, mesh: Mesh) -> Costs:
    """Return the costs of one inference."""
    placement = compiled.placement
    if placement is None:
        return Costs(chip.name, preset)
    is_davies = preset == "davies"
    fabric = fabric_of(compiled.network, placement, preset)
    found = account(
        fabric,
        Activity.of_recording(fabric, recording),
        prices(chip.tables[f"energy.{preset}"], is_davies),
        prices(chip.tables[f"time.{preset}"], is_davies),
        barrier(chip, preset),
        adds_sides=is_davies,
    )
    latency = _latency(chip, preset, found, placement)
    seconds = sum(t.value for t in latency)
    low, high = sum(t.low for t in latency), sum(t.high for t in latency)
    leakage, overhead = chip.tables["static"]["leakage"], chip.tables["overhead"]
    management = overhead["management"]
    energy = [
        Term("leakage of the chip", Category.STATIC, seconds, leakage, low, high),
        *(_davies(found) if is_davies else found.terms()),
        Term("management processors", Category.MANAGEMENT, seconds, management, low, high),
        Term("clearing the state", Category.OVERHEAD, 1.0, overhead["state_reset"]),
    ]
    spikes = _mean(found.fired)
    operations = sum(_mean(n) for n in found.events.values())
    cores, _ = found.maps()
    one_each, copied = routes_of(compiled.network, placement, recording, mesh)
    return Costs(
        chip.name,
        preset,
        tuple(energy),
        tuple(latency),
        (Term("cores in use", Category.STATIC, placement.n_cores, chip.tables["area"]["core"]),),
        recording.steps,
        chip.unpublished,
        (
            f"{placement.n_cores} cores on {fabric.n_tiles} tiles; leakage of one whole chip is charged",
            f"{spikes:.1f} spikes and {operations:.0f} synaptic operations "
            f"per inference of {recording.steps} steps",
            "constants hold at 0.75 V; an update counts as active where the neuron fires, and the band runs from "
            "all inactive to all active"
            if is_davies
            else "every neuron is accessed and updated in every step",
            *link_notes(one_each, copied, seconds * chip.tables["links"]["bandwidth"].value),
        ),
        cores,
        {"packets": link_map(one_each), "packets of multicast trees": link_map(copied)},
    )


def event_prices(chip: Chip, preset: str, compiled: Compiled) -> EventPrices:
    """Return what each event costs: the terms of `price` that are events, taken apart by neuron and projection."""
    placement, network = compiled.placement, compiled.network
    if placement is None:
        return EventPrices(f"{chip.name} {preset}")
    is_davies = preset == "davies"
    fabric = fabric_of(network, placement, preset)
    e, per = prices(chip.tables[f"energy.{preset}"], is_davies), fabric.per_spike
    each: NDArray[np.float64] = np.full(fabric.n, _value(e.fire))
    for count, constant in (
        ("packets", e.send),
        ("local", e.local),
        ("hops_x", e.hop_x),
        ("hops_y", e.hop_y),
    ):
        each = each + per[count] * _value(constant)
    updates = int(fabric.neurons.sum())
    return EventPrices(
        f"{chip.name} {preset}",
        {name: each[fabric.slices[name]] for name in placement.core_of},
        {
            name: e.synapse[ANY if is_davies else kind_of(p.topology)].value
            for name, p in network.projections.items()
        },
        step=updates * (_value(e.access) + _value(e.update)),
    )


def fabric_of(network: Network, placement: Placement, preset: str) -> Fabric:
    """Return where the neurons of a lowered network lie; synapses by the kinds that a price list tells apart."""
    return Fabric.of_network(network, placement, kind_of if preset != "davies" else lambda _: ANY)


def prices(table: Mapping[str, Constant], is_davies: bool) -> Prices:
    """Return a table of the chip file as prices.

    `davies` prices an update as one quantity at two levels: every neuron is charged as inactive, and one that fires
    what an active update costs more.
    """
    if not is_davies:
        return Prices.of_table(table)
    return Prices(
        access=table["neuron_update_inactive"],
        fire=_excess(table),
        synapse={ANY: table["synaptic_operation"]},
        hop_x=table["hop_east_west"],
        hop_y=table["hop_north_south"],
        local=table.get("spike_within_tile"),
    )


def barrier(chip: Chip, preset: str) -> Barrier:
    """Return the barrier: `davies` between the times for 1 and 32 tiles, `nahuku` in steps."""
    return Barrier.of_table(chip.tables[f"time.{preset}"], is_stepped=preset != "davies")


def kind_of(topology: object) -> str:
    """Return how a projection's synapses are stored: dense, sparse or conv."""
    if isinstance(topology, Compose):
        return kind_of(topology.maps[-1])
    if isinstance(topology, Dense):
        return "dense"
    return "conv" if isinstance(topology, Conv) else "sparse"


def _value(constant: Constant | None) -> float:
    return 0.0 if constant is None else constant.value


def _mean(count: NDArray[np.int64]) -> float:
    """Return a count of one sample, from (steps, samples)."""
    return float(count.sum(axis=0).mean())


def _davies(found: Account) -> list[Term]:
    """Return the terms of `davies`, with a band from all updates inactive to all active."""
    names = {
        f"synaptic events, {ANY}": "synaptic operations",
        "neuron accesses": "neuron updates",
        "spikes": "updates that fire, in addition",
        "packets within a tile": "spikes within a tile",
    }
    updates = float(found.fabric.neurons.sum() * len(found.fired))
    terms = []
    for t in found.terms():
        span = (0.0, updates) if t.name == "spikes" else (None, None)
        terms.append(Term(names.get(t.name, t.name), t.category, t.count, t.constant, *span))
    return terms


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


def _latency(chip: Chip, preset: str, found: Account, placement: Placement) -> list[Term]:
    """Return the time of one sample: what happens on the busiest core of each step, ways, barrier."""
    is_davies = preset == "davies"
    table = chip.tables[f"time.{preset}"]
    t = prices(table, is_davies)
    # columns of what happens on a core: neurons, updated, fired, sent, received, events by kind
    columns: list[tuple[str, Constant | None]] = [
        ("updates" if is_davies else "neuron access", t.access),
        ("neuron update", t.update),
        ("firing, in addition" if is_davies else "spike", t.fire),
        ("axon out", t.send),
        ("axon in", t.receive),
        *(
            (f"synaptic {k}" if is_davies else f"synapse {k}", t.synapse[k])
            for k in found.fabric.kinds
        ),
    ]
    worst = found.on_busiest.sum(axis=0).mean(axis=0)
    terms = []
    for count, (name, constant) in zip(worst, columns, strict=True):
        if constant is not None:
            span = (0.0, float(worst[0])) if is_davies and constant is t.fire else (None, None)
            words = f"busiest core: {name}"
            terms.append(Term(words, Category.EVENTS, float(count), constant, *span))
    if is_davies:
        across, along = hops(placement.position)
        active = _mean((found.fired > 0).astype(np.int64))
        east, north = table["hop_east_west"], table["hop_north_south"]
        terms += [
            Term("longest way east-west", Category.LINKS, active * float(across.max()), east),
            Term("longest way north-south", Category.LINKS, active * float(along.max()), north),
        ]
    steps = float(len(found.fired))
    constant = barrier(chip, preset).at(found.fabric.n_tiles)
    return [*terms, Term("barrier", Category.BARRIER, steps, constant)]
