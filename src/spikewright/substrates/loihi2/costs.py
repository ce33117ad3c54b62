"""What a run costs on Loihi 2: Loihi 1's energies times an assumed factor, and the published bound of a step's time.

No energy of an operation has been published. Every energy is therefore graded "assumed", and its band runs from a tenth
of Loihi 1's to all of it.

A step takes at least the longest of (Timcheck et al., eq. 1): the updates of the busiest core, its synaptic operations,
its memory reads, the busiest link, the barrier. Reads and links have no published numbers and are left out.

Source
------
Timcheck et al., arXiv 2601.10035, eq. 1; Davies et al., IEEE Micro 38(1), 2018; Intel technology brief, 2021.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.substrates.base import (
    Category,
    Chip,
    Compiled,
    Constant,
    Costs,
    Grade,
    Placement,
    Term,
)
from spikewright.substrates.passes.lay import link_map, link_notes, routes_of
from spikewright.substrates.passes.mesh import Mesh
from spikewright.substrates.passes.place import hops
from spikewright.substrates.passes.reach import cores_reached, fan_out_per_core

SAMPLES_TIMED = 16
"""Samples whose busiest cores are found step by step; the rest have the same statistics."""


def scaled(chip: Chip, name: str) -> Constant:
    """Return an energy of Loihi 1 times the assumed factor."""
    one, factor = chip.tables["loihi1.energy"][name], chip.tables["scaling"]["energy"]
    return Constant(
        name,
        one.value * factor.value,
        one.unit,
        one.low * factor.low,
        one.high * factor.high,
        f"{one.source}, times {factor.value:g} ({factor.low:g} to {factor.high:g})",
        Grade.ASSUMED,
        "no energy of Loihi 2 has been published",
    )


def _excess(chip: Chip) -> Constant:
    """Return what an update that fires costs more than another."""
    active, idle = scaled(chip, "neuron_update_active"), scaled(chip, "neuron_update_inactive")
    return Constant(
        "neuron_update_active less inactive",
        active.value - idle.value,
        "J",
        active.low - idle.low,
        active.high - idle.high,
        active.source + ": active less inactive",
        Grade.ASSUMED,
    )


def faster(chip: Chip, name: str) -> Constant:
    """Return a time of Loihi 1 over the vendor's factor."""
    one, speed = chip.tables["loihi1.time"][name], chip.tables["scaling"][f"{name}_speed"]
    return Constant(
        name,
        one.value / speed.value,
        one.unit,
        one.low / speed.value,
        one.high / speed.value,
        f"{one.source}; {speed.value:g} times as fast ({speed.source})",
        Grade.DERIVED,
    )


def price(
    chip: Chip, preset: str, compiled: Compiled, recording: Recording, chips: int, mesh: Mesh
) -> Costs:
    """Return the costs of one inference."""
    placement = compiled.placement
    if placement is None:
        return Costs(chip.name, preset)
    latency, busy = _latency(chip, compiled, recording, placement)
    seconds = sum(t.value for t in latency)
    low, high = sum(t.low for t in latency), sum(t.high for t in latency)
    network = compiled.network
    operations = sum(float(recording.operations(p).mean()) for p in network.projections)
    updates = float(sum(recording.updates(n) for n in placement.core_of))
    across, along = hops(placement.position)
    fired = local = east_west = north_south = 0.0
    for name, core in placement.core_of.items():
        sent = recording.sent[name].mean(axis=0)
        reach = cores_reached(network, placement.core_of, placement.n_cores, name)
        fired += float(sent.sum())
        local += float(sent @ (reach & (across[core] + along[core] == 0)).sum(axis=1))
        east_west += float(sent @ (reach * across[core]).sum(axis=1))
        north_south += float(sent @ (reach * along[core]).sum(axis=1))
    events, links = Category.EVENTS, Category.LINKS
    energy = (
        Term(
            "leakage of the chips",
            Category.STATIC,
            seconds * chips,
            chip.tables["static"]["leakage"],
            low * chips,
            high * chips,
        ),
        Term("synaptic operations", events, operations, scaled(chip, "synaptic_operation")),
        Term("neuron updates", events, updates, scaled(chip, "neuron_update_inactive")),
        Term(
            "updates that fire, in addition", events, fired, _excess(chip), 0.0, max(updates, fired)
        ),
        Term("spikes within a tile", links, local, scaled(chip, "spike_within_tile")),
        Term("hops east-west", links, east_west, scaled(chip, "hop_east_west")),
        Term("hops north-south", links, north_south, scaled(chip, "hop_north_south")),
        Term(
            "embedded processors",
            Category.MANAGEMENT,
            seconds * chips,
            chip.tables["overhead"]["management"],
            low * chips,
            high * chips,
        ),
    )
    notes = [
        "energies are Loihi 1's times an assumed factor: no energy of Loihi 2 has been published",
        f"{placement.n_cores} cores on {chips} chips; leakage of whole chips is charged",
        f"{fired:.1f} spikes and {operations:.0f} synaptic operations per inference of {recording.steps} steps",
    ]
    cut = clipped(recording)
    if any(cut.values()):
        many = ", ".join(f"{n} in {name!r}" for name, n in cut.items() if n)
        notes.append(f"neuron updates in which a variable reached 24 bits and was clipped: {many}")
    one_each, copied = routes_of(network, placement, recording, mesh)
    notes += link_notes(one_each, copied)
    area = (Term("cores in use", Category.STATIC, placement.n_cores, chip.tables["area"]["core"]),)
    return Costs(
        chip.name,
        preset,
        energy,
        latency,
        area,
        recording.steps,
        chip.unpublished,
        tuple(notes),
        cores={"synaptic operations": busy},
        links={"packets": link_map(one_each), "packets of multicast trees": link_map(copied)},
    )


def clipped(recording: Recording) -> dict[str, int]:
    """Return population -> updates in which a variable was clipped at 24 bits, over all samples of a run."""
    return {
        name: sum(int(x.sum()) for v, x in values.items() if v.rstrip("_") == "clipped")
        for name, values in recording.state.values.items()
    }


def event_prices(chip: Chip, preset: str, compiled: Compiled) -> EventPrices:
    """Return what each event costs: the terms of `price` that are events, taken apart by neuron and projection."""
    placement, network = compiled.placement, compiled.network
    name = f"{chip.name} {preset}"
    if placement is None:
        return EventPrices(name)
    across, along = hops(placement.position)
    spike: dict[str, NDArray[np.float64]] = {}
    updates = 0
    for n, core in placement.core_of.items():
        reach = cores_reached(network, placement.core_of, placement.n_cores, n)
        near = (reach & (across[core] + along[core] == 0)).sum(axis=1)
        spike[n] = (
            (reach * across[core]).sum(axis=1) * scaled(chip, "hop_east_west").value
            + (reach * along[core]).sum(axis=1) * scaled(chip, "hop_north_south").value
            + near * scaled(chip, "spike_within_tile").value
            + _excess(chip).value
        )
        updates += network.populations[n].n
    operation = dict.fromkeys(network.projections, scaled(chip, "synaptic_operation").value)
    step = updates * scaled(chip, "neuron_update_inactive").value
    return EventPrices(name, spike, operation, step=step)


def _latency(
    chip: Chip, compiled: Compiled, recording: Recording, placement: Placement
) -> tuple[tuple[Term, ...], NDArray[np.float64]]:
    """Return the time of an inference, each step by what bounds it, and the synaptic operations of each core."""
    network = compiled.network
    samples = min(SAMPLES_TIMED, recording.batch)
    shape = (recording.steps, samples, placement.n_cores)
    operations = np.zeros(shape)
    neurons = np.zeros(placement.n_cores)
    for name, population in network.populations.items():
        sent = recording.dense(name)[:, :samples].reshape(-1, population.n) != 0
        for projection in network.outgoing(name):
            fan = fan_out_per_core(network, placement.core_of, placement.n_cores, projection)
            operations += (sent.astype(np.float64) @ fan).reshape(shape)
        if name in placement.core_of:
            neurons += np.bincount(placement.core_of[name], minlength=placement.n_cores)
    update, operation = faster(chip, "neuron_update"), faster(chip, "synaptic_operation")
    barrier = chip.tables["time"]["barrier"]
    most = operations.max(axis=2, initial=0.0)
    dendrites = np.full(most.shape, neurons.max(initial=0.0))
    bounds = np.stack(
        [dendrites * update.value, most * operation.value, np.full(most.shape, barrier.value)]
    )
    binds = np.argmax(bounds, axis=0)

    def where(which: int, count: NDArray[np.float64]) -> float:
        return float(np.where(binds == which, count, 0.0).sum(axis=0).mean())

    events = Category.EVENTS
    terms = (
        Term("busiest core: updates, where they bound a step", events, where(0, dendrites), update),
        Term(
            "busiest core: operations, where they bound a step", events, where(1, most), operation
        ),
        Term(
            "barrier, where it bounds a step",
            Category.BARRIER,
            where(2, np.ones(most.shape)),
            barrier,
        ),
    )
    return terms, operations.sum(axis=0).mean(axis=0)
