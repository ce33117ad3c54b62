"""Loihi 2 as a substrate: limits, any neuron model as an integer program, cores on the mesh, costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import LimitError, Problems, SubstrateError, explain
from spikewright.network.graph import Network, Population, Projection
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
from spikewright.substrates.loihi2 import costs
from spikewright.substrates.loihi2.cores import (
    LIMITS,
    Packed,
    capacity,
    cut,
    cut_by_traffic,
)
from spikewright.substrates.loihi2.lowering import WORD_BYTES
from spikewright.substrates.loihi2.model import Loihi2Input
from spikewright.substrates.loihi2.storage import StoreWeights, Whole, in_own_unit, lower_network
from spikewright.substrates.passes.delays import check_delays
from spikewright.substrates.passes.lay import (
    check_partition,
    check_rates,
    fault_changes,
    keep_layout,
    labelled,
    lay,
    nets_of,
    unicast,
    with_faults,
)
from spikewright.substrates.passes.mesh import Mesh
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.passes.retime import Retime
from spikewright.substrates.passes.route import route


@dataclass(frozen=True)
class Loihi2(Substrate):
    """Intel Loihi 2.

    Parameters
    ----------
    preset : price list: "scaled", Loihi 1's energies times an assumed factor, is the only one
    weight_bits : bits of a weight, 2 to 8; the sign takes one of them where a projection has both signs
    chips : chips of the system, in a row
    ranges : population -> variable -> its largest magnitude, where equations do not bound it, or less than they
        do; for an `Input` population -> "x" -> the largest value that is sent, for graded input
    partition : "order", populations fill cores in order; or "traffic", so that few packets go between cores
    rates : population -> Hz, one number or one per neuron: what its packets count when cores are cut and placed; 1
        where it is missing. `recording.rates()` has those of a run
    faulty : cores that are not used: (x, y) for all four of a tile, (x, y, n) for one of them; the second chip begins
        at x = 8
    failed_links : links that carry nothing, one direction each: (x, y, direction) of the tile that it leaves, "E", "N",
        "W" or "S"
    """

    preset: str = "scaled"
    weight_bits: int = 8
    chips: int = 1
    ranges: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    partition: str = "order"
    rates: Mapping[str, Any] = field(default_factory=dict)
    faulty: tuple[tuple[int, ...], ...] = ()
    failed_links: tuple[tuple[int, int, str], ...] = ()
    name: ClassVar[str] = "loihi2"

    def __post_init__(self) -> None:
        self.check_preset(self.preset)
        problems = Problems()
        for name, low, high in (("weight_bits", 2, 8), ("chips", 1, 1152)):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                problems.add(
                    f"loihi2: {name}",
                    "not possible",
                    found=value,
                    expected=f"a whole number from {low} to {high}",
                )
        check_partition(self.partition, "loihi2", problems)
        problems.raise_as(SubstrateError)
        keep_layout(self)
        _ = self.mesh

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    @property
    def mesh(self) -> Mesh:
        """The tiles of its chips, with what is faulty."""
        chip = self.chip
        size = int(chip.limit("tiles_x")) * self.chips, int(chip.limit("tiles_y"))
        whole = Mesh(*size, int(chip.limit("cores_per_tile")))
        return with_faults(whole, self.faulty, self.failed_links, self.name)

    def presets(self) -> tuple[str, ...]:
        """Return the names of its price lists."""
        return ("scaled",)

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Weights as the synaptic memory keeps them, scale and exponent included, to train through."""
        return (StoreWeights(self.weight_bits, self.ranges),)

    def capacity(
        self, neurons: int, synapses: int, *, state_bytes: int = 8, delays: bool = False
    ) -> Packed:
        """Return how many cores and chips a network of so many neurons and synapses takes; see `cores.capacity`."""
        return capacity(
            self.chip,
            neurons,
            synapses,
            state_bytes=state_bytes,
            bits=self.weight_bits,
            delays=delays,
        )

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network to neuron programs and place it on cores; see `Substrate.compile`."""
        self.check_rules(network)
        if network.drives:
            raise SubstrateError(
                explain(
                    "loihi2",
                    "drives have no counterpart on its cores",
                    found=", ".join(network.drives),
                    cure="send them as spikes of an Input population",
                )
            )
        check_rates(network, self.rates, self.name)
        chip = self.chip
        timed, changes = Retime()(network.written_out(), seed)
        problems = Problems()
        unknown = set(self.ranges) - set(timed.populations)
        if unknown:
            problems.add(
                "loihi2: ranges",
                "no such population",
                found=", ".join(sorted(unknown)),
                expected=", ".join(timed.populations),
            )
        whole = lower_network(timed, self.ranges, self.weight_bits, problems)
        problems.raise_as(SubstrateError)
        check_delays(timed, chip)
        populations: dict[str, Population] = {}
        projections: dict[str, Projection] = dict(timed.projections)
        state_bytes: dict[str, int] = {}
        for name, population in timed.populations.items():
            if name in timed.inputs:
                populations[name] = Population(Loihi2Input, population.shape)
            elif name in whole.lowered:
                made = whole.lowered[name]
                populations[name], state_bytes[name] = made.population, made.state_bytes
                changes += made.changes
                incoming, done = _projections(timed, whole, name, self.weight_bits)
                projections |= incoming
                changes += done
            else:
                populations[name] = population
                state_bytes[name] = len(population.model.state) * WORD_BYTES
        _check_state(timed, state_bytes, chip)
        lowered = replace(
            timed,
            populations=populations,
            projections=projections,
            name=f"{network.name} on loihi2",
        )
        on_chip = tuple(n for n in timed.populations if n not in timed.inputs)
        mesh = self.mesh
        given = lowered, on_chip, state_bytes, chip
        most = min(int(chip.limit("cores")) * self.chips, len(mesh.alive()))
        bits, label = self.weight_bits, labelled(self.name, mesh)
        cores = cut(*given, bits=bits, n_cores=most, label=label)
        if self.partition == "traffic":
            cores, done = cut_by_traffic(
                *given, cores, bits=bits, n_cores=most, label=label, rates=self.rates, seed=seed
            )
            changes += done
        nets = nets_of(lowered, cores.core_of, cores.n_cores, self.rates)
        position = lay(nets.traffic(), mesh, seed=seed, substrate=self.name)
        detours = route(unicast(nets), position, mesh, substrate=self.name).detours
        changes += fault_changes(cores.core_of, mesh, detours)
        load = tuple({k: used.get(k, 0.0) / chip.limit(k) for k in LIMITS} for used in cores.used)
        changes += tuple(
            Change(
                "partition", n, f"cut into {len(np.unique(cores.core_of[n]))} cores", f"{b} binds"
            )
            for n, b in cores.binding.items()
            if b and len(np.unique(cores.core_of[n])) > 1
        )
        facts = {
            "scale": {n: dict(f.state) for n, f in whole.formats.items()},
            "payload": {n: made.unit for n, made in whole.lowered.items()},
        }
        placement = Placement(cores.core_of, position, (mesh.x, mesh.y), load)
        return Compiled(lowered, network, self.name, changes, placement, seed, facts)

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return prices of spikes with their ways, operations and updates; see `Substrate.event_prices`."""
        return costs.event_prices(self.chip, self.preset, compiled)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        n_cores = 0 if compiled.placement is None else compiled.placement.n_cores
        used = max(1, math.ceil(n_cores / self.chip.limit("cores")))
        return costs.price(self.chip, self.preset, compiled, recording, used, self.mesh)


def _projections(
    network: Network, whole: Whole, name: str, bits: int
) -> tuple[dict[str, Projection], tuple[Change, ...]]:
    """Return the projections that reach a population, in integers."""
    made: dict[str, Projection] = {}
    changes: tuple[Change, ...] = ()
    formats = whole.formats[name]
    for projection, weight in formats.weight.items():
        p, a = network.projections[projection], whole.arriving[projection]
        topology, delay = whole.ways[projection]
        exponent = formats.exponent[projection]
        bias = None
        if p.bias is not None:
            bias = np.rint(p.bias * formats.port[a.port]).astype(np.int64)
        made[projection] = Projection(
            p.pre,
            p.post,
            topology.with_weight(weight),
            port=a.port,
            delay=delay,
            bias=bias,
            exponent=exponent,
        )
        size = relative_error(in_own_unit(whole, formats, projection), a.weight)
        what = f"weights stored with {bits} bits, exponent {exponent}"
        changes += (Change("quantize", projection, what, "synaptic memory", size),)
    return made, changes


def _check_state(network: Network, state_bytes: Mapping[str, int], chip: Chip) -> None:
    """Raise LimitError with every population whose neurons have more state than the chip lets them."""
    problems = Problems()
    for name, size in state_bytes.items():
        if size > chip.limit("state_bytes"):
            problems.add(
                f"loihi2: population {name!r} ({network.populations[name].model.name})",
                "exceeds state_bytes",
                found=f"{size} bytes",
                expected=f"{chip.limit('state_bytes'):g} at most",
                cure="use a model with fewer variables",
            )
    problems.raise_as(LimitError)
