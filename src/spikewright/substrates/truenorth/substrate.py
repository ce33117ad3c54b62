"""TrueNorth as a substrate: linear-leak neurons, trinary crossbars, cores on the mesh around faulty ones, costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.topology import Dense, Sparse, Topology
from spikewright.substrates.base import (
    Change,
    Chip,
    Compiled,
    Costs,
    Pass,
    Placement,
    Substrate,
    load_chip,
)
from spikewright.substrates.passes.lay import fault_changes, keep_layout, labelled, lay, with_faults
from spikewright.substrates.passes.mesh import Mesh
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.passes.retime import Retime
from spikewright.substrates.passes.route import route
from spikewright.substrates.truenorth import costs
from spikewright.substrates.truenorth.adapt import adapt
from spikewright.substrates.truenorth.cores import SIZE, network_of
from spikewright.substrates.truenorth.layout import (
    Layout,
    Timing,
    balance,
    check_delays,
    lay_out,
)
from spikewright.substrates.truenorth.model import TrueNorthInput, TrueNorthNeuron
from spikewright.substrates.truenorth.storage import (
    Stored,
    Trinary,
    block_changes,
    store,
    weight_change,
)
from spikewright.substrates.truenorth.tables import Tables, fill


@dataclass(frozen=True)
class TrueNorth(Substrate):
    """IBM TrueNorth.

    Parameters
    ----------
    preset : price list by supply voltage: "0.8V" (fitted to a sweep), "0.775V", "0.75V"
    faulty : cores that are not used, as (x, y), 0 to 63 each
    failed_links : links that carry nothing, one direction each: (x, y, direction) of the core that it leaves, "E", "N",
        "W" or "S"
    """

    preset: str = "0.8V"
    faulty: tuple[tuple[int, int], ...] = ()
    failed_links: tuple[tuple[int, int, str], ...] = ()
    name: ClassVar[str] = "truenorth"

    def __post_init__(self) -> None:
        self.check_preset(self.preset)
        keep_layout(self)
        _ = self.mesh

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    @property
    def mesh(self) -> Mesh:
        """Its cores, with what is faulty."""
        chip = self.chip
        whole = Mesh(int(chip.limit("tiles_x")), int(chip.limit("tiles_y")))
        return with_faults(whole, self.faulty, self.failed_links, self.name)

    def presets(self) -> tuple[str, ...]:
        """Return the names of its price lists."""
        return costs.PRESETS

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Trinary weights in blocks of 128 sources, integer thresholds and leaks, to train through."""
        return (Trinary(),)

    def adapted(self, network: Network) -> Network:
        """Return the network with linear-leak neurons; see `Substrate.adapted`."""
        return adapt(network.written_out())[0]

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network to cores; see `Substrate.compile`."""
        self.check_rules(network)
        timed, changes = Retime()(network.written_out(), seed)
        adapted, made = adapt(timed)
        changes += made
        problems = Problems()
        stored: dict[str, Stored] = {}
        for name in adapted.populations:
            if name not in adapted.inputs:
                found = store(adapted, name, problems)
                if found is not None:
                    stored[name] = found
        problems.raise_as(LimitError)
        mesh = self.mesh
        layout = lay_out(
            adapted, stored, n_cores=len(mesh.alive()), label=labelled(self.name, mesh)
        )
        timing, moved = balance(adapted, layout.relayed)
        changes += moved
        check_delays(adapted, timing)
        tables = fill(adapted, stored, layout, timing)
        populations = {
            n: Population(TrueNorthInput, adapted.populations[n].shape) for n in adapted.inputs
        }
        projections: dict[str, Projection] = {}
        for name, kept in stored.items():
            populations[name] = _population(adapted, name, kept)
            projections |= _projections(adapted, kept, timing)
            changes += _changes(adapted, name, kept)
        lowered = replace(
            adapted,
            populations={n: populations[n] for n in adapted.populations},
            projections={n: projections[n] for n in adapted.projections},
            name=f"{network.name} on truenorth",
        )
        changes += _layout_changes(layout)
        position = lay(tables.traffic, mesh, seed=seed, substrate=self.name)
        packets = costs.packets_of(layout.core_of, layout.slots, tables)
        detours = route(packets, position, mesh, substrate=self.name).detours
        changes += fault_changes(layout.core_of, mesh, detours)
        load = tuple(
            {"neurons": core.n_neurons / SIZE, "axons": core.n_axons / SIZE}
            for core in tables.cores
        )
        return Compiled(
            lowered,
            network,
            self.name,
            changes,
            Placement(layout.core_of, position, (mesh.x, mesh.y), load),
            seed,
            {
                "sigma": {n: kept.sigma for n, kept in stored.items()},
                "copies": dict(layout.slots),
                "relayed": sorted(layout.relayed),
                "population_cores": layout.n_cores,
                "tables": tables,
            },
        )

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return prices of spikes with all synaptic events that they set off; see `Substrate.event_prices`."""
        return costs.event_prices(self.chip, self.preset, compiled)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        return costs.price(self.chip, self.preset, compiled, recording, self.mesh)


def cores_network(compiled: Compiled) -> Network:
    """Return what stands in the chip as a network of cores, copies and relays; its spikes are those of
    `compiled.network`, at the places that `compiled.facts["tables"].first_copy` names."""
    tables: Tables = compiled.facts["tables"]
    source = compiled.network
    return network_of(tables.cores, tables.feeds, dt=source.dt, name=f"{source.name}, core by core")


def _population(network: Network, name: str, kept: Stored) -> Population:
    shape = network.populations[name].shape
    subtracts = "v_step" in network.populations[name].model.params
    params = {"leak": kept.leak, "alpha": kept.alpha, "beta": kept.beta}
    shaped = {k: x.reshape(shape) for k, x in params.items()}
    start = {"v": kept.start.reshape(shape)} if np.any(kept.start) else {}
    flags = {"reversal": kept.reversal, "gamma": int(subtracts)}
    return Population(TrueNorthNeuron, shape, shaped | flags, start)


def _projections(network: Network, kept: Stored, timing: Timing) -> dict[str, Projection]:
    """Return the projections of a population with integer weights."""
    found = {}
    for p, w in kept.wires.items():
        q = network.projections[p]
        value = kept.weight(p)
        delay = timing.of(p, network.delay_steps(p))
        if isinstance(q.topology, Dense):
            topology: Topology = Dense(value.reshape(q.topology.weights.shape))
        else:
            n_pre = network.populations[q.pre].n
            n_post = network.populations[q.post].n
            topology = Sparse.from_edges(w.source, w.target, value, n_pre=n_pre, n_post=n_post)
            if delay.ndim:
                delay = timing.of(p, w.delay)[np.lexsort((w.target, w.source))]
        found[p] = Projection(q.pre, q.post, topology, port="a", delay=delay * network.dt)
    return found


def _changes(network: Network, name: str, kept: Stored) -> tuple[Change, ...]:
    """Return how far the integers of a population are from its real numbers."""
    changes = block_changes(name, kept)
    for p, w in kept.wires.items():
        volt = kept.weight(p) / kept.sigma[w.target]
        changes.append(weight_change(p, relative_error(volt, w.weight)))
    param = network.populations[name].param
    level = np.broadcast_to(
        np.ravel(param("v_th")) if param("v_th").ndim else param("v_th"), kept.alpha.shape
    )
    size = float(np.max(np.abs((kept.alpha - 0.5) / kept.sigma / level - 1.0), initial=0.0))
    low, high = int(kept.alpha.min()), int(kept.alpha.max())
    what = f"integers: thresholds {low} to {high}, leaks {int(np.abs(kept.leak).max())} at most"
    changes.append(
        Change("registers", name, what, "20-bit potential, 9-bit weights and leaks", size)
    )
    return tuple(changes)


def _layout_changes(layout: Layout) -> tuple[Change, ...]:
    changes = []
    for name, core in layout.core_of.items():
        n = len(np.unique(core))
        if n > 1:
            why = f"{layout.binding[name]} of a core bind"
            changes.append(Change("cores", name, f"cut into {n} cores", why))
        copies = int(layout.slots[name].max())
        if copies > 1:
            what = f"each neuron stands in its core up to {copies} times"
            changes.append(Change("copies", name, what, "a neuron has one target axon"))
        if name in layout.relayed:
            used = sum(any(member[0] == name for member in core) for core in layout.relays)
            what = f"sends through {used} relay cores"
            changes.append(Change("splitters", name, what, "a neuron has one target axon"))
    return tuple(changes)
