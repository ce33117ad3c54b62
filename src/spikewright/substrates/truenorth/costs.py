"""What a run costs on TrueNorth: the power of the whole chip at rest, and 2.3 pJ for each synaptic event.

    P = P_static(V) + e_event * synaptic events per second

fitted to the power of the chip over firing rates. A synaptic event is an active axon at a set crossbar bit; those of
copies and relays count, as on the chip. The energy per event contains routing, so hops are not added. A step of the
network takes one tick of the chip, whatever its dt.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.substrates.base import Category, Chip, Compiled, Costs, Term
from spikewright.substrates.passes.lay import heaviest_of, link_map
from spikewright.substrates.passes.mesh import Mesh
from spikewright.substrates.passes.route import Multicast, route
from spikewright.substrates.truenorth.tables import Deliveries, Tables

PRESETS = ("0.8V", "0.775V", "0.75V")


def table_of(preset: str) -> str:
    """Return the table of a preset in the chip file."""
    return "energy." + preset.removesuffix("V").replace(".", "v")


def power(
    chip: Chip, rate_hz: float, *, neurons: int, synapses: int, preset: str = "0.8V"
) -> float:
    """Return the power of the chip, W, where every neuron fires at a rate and reaches as many synapses.

    Parameters
    ----------
    rate_hz : spikes per second of each neuron
    neurons : of the chip, 1048576 where all are in use
    synapses : set crossbar bits of each axon
    preset : price list

    Source
    ------
    Akopyan et al., IEEE TCAD 34(10):1537, 2015, Fig. 17 (two points of the sweep at 0.8 V).
    """
    table = chip.tables[table_of(preset)]
    return table["static"].value + rate_hz * neurons * synapses * table["synaptic_event"].value


def events_per_spike(compiled: Compiled) -> dict[str, NDArray[np.int64]]:
    """Return how many synaptic events a spike of each neuron sets off; population -> (n,), inputs included."""
    found = {}
    for name, d in _deliveries(compiled).items():
        n = compiled.network.populations[name].n
        found[name] = np.bincount(d.neuron, d.count, minlength=n).astype(np.int64)
    return found


def _deliveries(compiled: Compiled) -> Mapping[str, Deliveries]:
    tables: Tables = compiled.facts["tables"]
    return tables.deliveries


def packets_of(
    core_of: Mapping[str, NDArray[np.int64]],
    slots: Mapping[str, NDArray[np.int64]],
    tables: Tables,
    sent: Mapping[str, NDArray[np.float64]] | None = None,
) -> Multicast:
    """Return the packets of every neuron, copy and relay: each has one target, so none is copied on its way.

    Parameters
    ----------
    core_of, slots : population -> core and copies of each neuron
    tables : what stands in the chip, relay cores last
    sent : population -> spikes of each neuron; default: one
    """
    once = {name: np.ones(len(n)) for name, n in slots.items()}
    none = np.zeros(0, np.int64)
    spikes = [np.repeat((sent or once)[name], n) for name, n in slots.items()]
    count = np.concatenate([np.zeros(0), *spikes])
    source = np.concatenate([none, *(np.repeat(core_of[name], n) for name, n in slots.items())])
    n_cores, n_population = len(tables.cores), int(source.max(initial=-1)) + 1
    target = np.concatenate([none, *(core.core for core in tables.cores)])
    axon = np.concatenate([none, *(core.axon for core in tables.cores[:n_population])])
    for own in range(n_population, n_cores):
        core = tables.cores[own]
        drive = np.zeros(core.n_axons)
        aimed = target[: len(axon)] == own
        drive[axon[aimed]] = count[: len(axon)][aimed]
        count = np.concatenate([count, drive[np.argmax(core.crossbar, axis=1)]])
        source = np.concatenate([source, np.full(core.n_neurons, own)])
    kept = (target >= 0) & (target != source)
    return Multicast(
        np.arange(int(kept.sum()) + 1),
        target[kept].astype(np.int32),
        source[kept].astype(np.int32),
        count[kept],
        n_cores,
    )


def price(chip: Chip, preset: str, compiled: Compiled, recording: Recording, mesh: Mesh) -> Costs:
    """Return the costs of one inference."""
    table, tick = chip.tables[table_of(preset)], chip.tables["time"]["tick"]
    per_spike = events_per_spike(compiled)
    mean = {name: recording.sent[name].mean(axis=0) for name in per_spike}
    events = float(sum(mean[name] @ count for name, count in per_spike.items()))
    latency = Term("ticks", Category.CLOCK, recording.steps, tick)
    tables: Tables = compiled.facts["tables"]
    n_cores = len(tables.cores)
    by_core = np.zeros(n_cores)
    for name, d in tables.deliveries.items():
        np.add.at(by_core, d.core, mean[name][d.neuron] * d.count)
    placement = compiled.placement
    if placement is None:
        return Costs(chip.name, preset)
    sent = {name: count.mean(axis=0) for name, count in recording.sent.items()}
    packets = packets_of(placement.core_of, compiled.facts["copies"], tables, sent)
    routes = route(packets, placement.position, mesh)
    relays = n_cores - int(compiled.facts["population_cores"])
    neurons = sum(core.n_neurons for core in tables.cores)
    return Costs(
        chip.name,
        preset,
        (
            Term("the chip at rest", Category.STATIC, latency.value, table["static"],
                 latency.low, latency.high),
            Term("synaptic events", Category.EVENTS, events, table["synaptic_event"]),
        ),
        (latency,),
        (Term("cores in use", Category.STATIC, n_cores, chip.tables["area"]["core"]),),
        recording.steps,
        chip.unpublished,
        (
            f"{n_cores} cores, {relays} of them relays, {neurons} neurons with copies; the power at rest is that of "
            "all 4096 cores",
            f"{events:.0f} synaptic events per inference of {recording.steps} ticks",
            "a step of the network takes one tick of 1 ms; the band runs from 0.2 ms",
            f"heaviest link: {heaviest_of(link_map(routes))}",
        ),
        cores={"synaptic events": by_core},
        links={"packets": link_map(routes)},
    )  # fmt: skip


def event_prices(chip: Chip, preset: str, compiled: Compiled) -> EventPrices:
    """Return what each spike costs: the synaptic events that it sets off."""
    one = chip.tables[table_of(preset)]["synaptic_event"].value
    return EventPrices(
        f"{chip.name} {preset}",
        {name: np.asarray(n * one, np.float64) for name, n in events_per_spike(compiled).items()},
    )
