"""SpiNNaker as a substrate: limits, lowering to the software's neuron, cores, routes, costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.program import initial_values
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
from spikewright.substrates.passes.delays import check_delays
from spikewright.substrates.passes.lay import (
    check_partition,
    check_rates,
    fault_changes,
    keep_layout,
    labelled,
    lay,
    with_faults,
    without_routers,
)
from spikewright.substrates.passes.mesh import Grid, Mesh
from spikewright.substrates.passes.place import Traffic
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.passes.retime import Retime
from spikewright.substrates.spinnaker import costs
from spikewright.substrates.spinnaker.cores import (
    Machine,
    check_tables,
    cut,
    cut_by_traffic,
    limits_of,
    reach_of,
    senders_of,
)
from spikewright.substrates.spinnaker.machine import NAMES, SHOWN, route
from spikewright.substrates.spinnaker.mapping import (
    TYPES,
    Neuron,
    analyze,
    factor_code,
    level_code,
    shaping,
)
from spikewright.substrates.spinnaker.model import ONE, SpiNNakerInput, SpiNNakerLIF
from spikewright.substrates.spinnaker.storage import Stored, StoreWeights, as_volts, store

INHIBITORY = "{} (inhibitory)"
"""Name of the second projection, where weights of both signs become two synapse types."""


@dataclass(frozen=True)
class SpiNNaker(Substrate):
    """SpiNNaker 1 with the vendor's neuron software.

    Parameters
    ----------
    preset : price list, "report" (the vendor's energy report) or "sharp" (measured on a cortical circuit)
    neurons_per_core : at most; 1 to 256
    expected_rate : Hz of every neuron, for which the work of a core must fit a tick
    real_time : refuse a network that cannot keep up, instead of saying by how much it must slow down
    ring_buffer_rate : Hz, what the ring buffers are made for; None: every source may fire in one step, and no sum
        ever saturates
    mesh : chips in x and y, a torus
    partition : "order", populations fill cores in order; or "traffic", so that few packets go between cores
    rates : population -> Hz, one number or one per neuron: what its packets count when cores are cut and placed; 1
        where it is missing. `recording.rates()` has those of a run
    faulty : chips (x, y), routers included, or cores (x, y, n) with n from 0 to 15, that are not used
    failed_links : links that carry nothing, one direction each: (x, y, direction) of the chip that it leaves, "E",
        "NE", "N", "W", "SW" or "S"
    """

    preset: str = "report"
    neurons_per_core: int = 255
    expected_rate: float = 20.0
    real_time: bool = False
    ring_buffer_rate: float | None = None
    mesh: tuple[int, int] = (12, 12)
    partition: str = "order"
    rates: Mapping[str, Any] = field(default_factory=dict, hash=False)
    faulty: tuple[tuple[int, ...], ...] = ()
    failed_links: tuple[tuple[int, int, str], ...] = ()
    name: ClassVar[str] = "spinnaker"

    def __post_init__(self) -> None:
        self.check_preset(self.preset)
        object.__setattr__(self, "mesh", tuple(self.mesh))
        problems = Problems()
        if self.neurons_per_core not in range(1, 257):
            problems.add(
                "spinnaker: neurons_per_core",
                "a synapse names its target with 8 bits",
                found=self.neurons_per_core,
                expected="a whole number from 1 to 256",
            )
        for name in ("expected_rate", "ring_buffer_rate"):
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate < math.inf:
                problems.add(
                    f"spinnaker: {name}", "not a rate", found=rate, expected="Hz, 0 or more"
                )
        whole = len(self.mesh) == 2 and all(isinstance(m, int) and m > 0 for m in self.mesh)
        most = int(self.chip.limit("chips"))
        if not whole or math.prod(self.mesh) > most:
            problems.add(
                "spinnaker: mesh",
                "not a machine",
                found=self.mesh,
                expected=f"two numbers of chips, {most} chips at most",
            )
        check_partition(self.partition, "spinnaker", problems)
        problems.raise_as(SubstrateError)
        keep_layout(self)
        _ = self.torus

    @property
    def torus(self) -> Mesh:
        """Its chips, with what is faulty."""
        whole = Mesh(*self.mesh, int(self.chip.limit("cores_per_chip")), Grid.TRIANGULAR)
        return without_routers(with_faults(whole, self.faulty, self.failed_links, self.name))

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    def presets(self) -> tuple[str, ...]:
        """Return the names of its price lists."""
        return ("report", "sharp")

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Weights as the ring buffers add them, to train through."""
        return (StoreWeights(self.ring_buffer_rate),)

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network to the chip's integers and map it to cores; see `Substrate.compile`."""
        self.check_rules(network)
        if network.drives:
            raise SubstrateError(
                explain(
                    "spinnaker",
                    "drives have no counterpart on its cores",
                    found=", ".join(network.drives),
                    cure="send them as spikes of an Input population",
                )
            )
        check_rates(network, self.rates, self.name)
        chip = self.chip
        timed, changes = Retime()(network.written_out(), seed)
        problems = Problems()
        found: dict[str, tuple[Neuron, Stored]] = {}
        for name in timed.populations:
            if name not in timed.inputs:
                neuron = analyze(timed, name, problems)
                kept = neuron and store(timed, name, neuron, self.ring_buffer_rate, problems)
                if neuron and kept:
                    found[name] = neuron, kept
        problems.raise_as(SubstrateError)
        check_delays(timed, chip, least=1)
        populations = {
            name: Population(SpiNNakerInput, timed.populations[name].shape) for name in timed.inputs
        }
        projections: dict[str, Projection] = {}
        for name, (neuron, kept) in found.items():
            populations[name], done = _population(timed, name, neuron, kept)
            changes += done
            for projection in kept.weight:
                made, done = _projections(timed, projection, kept)
                projections |= made
                changes += done
        lowered = replace(
            timed,
            populations={n: populations[n] for n in timed.populations},
            projections=projections,
            name=f"{network.name} on spinnaker",
        )
        machine, placement, done = self._map(lowered, tuple(found), chip, seed)
        facts = {
            "scale": {n: k.scale.sigma for n, (_, k) in found.items()},
            "shift": {n: dict(k.scale.shift) for n, (_, k) in found.items()},
            "machine": machine,
        }
        return Compiled(lowered, network, self.name, changes + done, placement, seed, facts)

    def _map(
        self, lowered: Network, names: tuple[str, ...], chip: Chip, seed: int
    ) -> tuple[Machine, Placement, tuple[Change, ...]]:
        torus = self.torus
        most, label = len(torus.alive()), labelled(self.name, torus)
        cores, slowdown = cut(
            lowered,
            names,
            chip,
            neurons_per_core=self.neurons_per_core,
            rate=self.expected_rate,
            real_time=self.real_time,
            n_cores=most,
            label=label,
        )
        changes: tuple[Change, ...] = ()
        if self.partition == "traffic":
            cores, changes = cut_by_traffic(
                lowered,
                names,
                chip,
                cores,
                limits_of(lowered, chip, self.neurons_per_core, slowdown),
                rate=self.expected_rate,
                n_cores=most,
                label=label,
                rates=self.rates,
                seed=seed,
            )
        senders, core, delay_core, stages = senders_of(lowered, cores, self.neurons_per_core)
        extra = [c for place_ in (core, delay_core) for c in place_.values()]
        n_cores = int(max((c.max(initial=-1) for c in extra), default=-1)) + 1
        if n_cores > most:
            raise LimitError(
                explain(
                    label,
                    "neurons, inputs and delay extensions need more cores than there are (chips x cores_per_chip);"
                    f" populations {', '.join(map(repr, lowered.populations))}",
                    found=n_cores,
                    expected=f"{most} at most",
                    cure="use a larger mesh, or more neurons per core",
                )
            )
        reach = reach_of(senders, n_cores)
        packets = np.zeros(n_cores)
        for name, own in core.items():
            hz = np.broadcast_to(np.ravel(self.rates.get(name, 1.0)), len(own))
            packets += np.bincount(own, hz, n_cores)
            if name in stages:
                packets += np.bincount(delay_core[name], stages[name] * hz, n_cores)
        source, target = np.nonzero(reach)
        traffic = Traffic.of(source, target, packets[source], n_cores)
        position = lay(traffic, torus, seed=seed, substrate=self.name)
        failed = {((x, y), NAMES.index(d)) for x, y, d in torus.failed}
        routes = route(senders, position, self.mesh, failed)
        check_tables(routes, chip, lowered)
        machine = Machine(
            core,
            delay_core,
            stages,
            reach,
            routes.passed,
            {f"{x},{y}": n for (x, y), n in sorted(routes.entries.items())},
            len(np.unique(position, axis=0)),
            slowdown,
            tuple((s.population, s.is_extension, s.core) for s in senders),
            routes.crossed,
            np.array([(*c, SHOWN[k]) for c, k in routes.links], np.int64).reshape(-1, 3),
        )
        changes += fault_changes(cores.core_of, torus, routes.detours)
        changes += tuple(
            Change(
                "partition", n, f"cut into {len(np.unique(cores.core_of[n]))} cores", f"{b} binds"
            )
            for n, b in cores.binding.items()
            if b and len(np.unique(cores.core_of[n])) > 1
        )
        for name, count in stages.items():
            what = f"{len(np.unique(delay_core[name]))} delay-extension cores, {count} stages"
            changes += (Change("delay", name, what, "a synapse delays by 16 ticks at most"),)
        if slowdown > 1.0:
            what = f"ticks must be {slowdown:.3g} times as long as dt at {self.expected_rate:g} Hz"
            slow = max(names, key=lambda n: lowered.populations[n].n)
            changes += (Change("budget", slow, what, "one neuron's work exceeds a core's tick"),)
        budget = chip.tables["clock"]["frequency"].value * lowered.dt * slowdown
        limits = {
            "neurons": self.neurons_per_core,
            "sdram_bytes": chip.limit("sdram_bytes"),
            "cycles": budget * (1 + 1e-9),
        }
        load = tuple({k: v / limits[k] for k, v in used.items()} for used in cores.used)
        placement = Placement(dict(cores.core_of), position, self.mesh, load)
        return machine, placement, changes

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return prices of spikes; see `Substrate.event_prices`."""
        return costs.event_prices(self.chip, self.preset, compiled)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        return costs.price(self.chip, self.preset, compiled, recording)


def _population(
    network: Network, name: str, neuron: Neuron, kept: Stored
) -> tuple[Population, tuple[Change, ...]]:
    """Return a population of the chip's neurons, and what was changed."""
    source = network.populations[name]
    unit = kept.scale.sigma * ONE

    def accum(volt: Any) -> NDArray[np.int64]:
        return np.rint(np.asarray(volt) * unit).astype(np.int64)

    level = level_code(neuron, kept.scale.sigma)
    params: dict[str, NDArray[Any]] = {
        "e": np.rint(neuron.e * ONE).astype(np.int64),
        "v_rest": accum(neuron.rest),
        "v_reset": np.minimum(accum(neuron.reset), level - 1),
        "v_th": level,
        "i_offset": accum(kept.bias),
        "t_ref": neuron.refractory,
    }
    for kind in TYPES:
        params[f"d_{kind}"] = factor_code(kept.keep[kind])
        params[f"init_{kind}"] = factor_code(shaping(kept.keep[kind]))
        params[f"shift_{kind}"] = np.asarray(kept.scale.shift[kind])
    initial = {"v": accum(initial_values(source)[neuron.voltage])}
    for keep, volt in neuron.start:
        for kind, sign in zip(TYPES, (1.0, -1.0), strict=True):
            # the chip decays before it adds
            before = np.maximum(sign * volt, 0.0) / np.where(keep > 0, keep, 1.0)
            initial[f"i_{kind}"] = initial.get(f"i_{kind}", 0) + accum(before)
    shaped = {k: v.reshape(source.shape) if np.ndim(v) else v for k, v in params.items()}
    first = {k: v.reshape(source.shape) for k, v in initial.items() if np.any(v)}
    why = f"the software's neuron; 1 V is {kept.scale.sigma:g}, an accum"
    becomes = f"{source.model.name} becomes {SpiNNakerLIF.name}"
    changes = [Change("replace", name, becomes, why), *kept.changes]
    if neuron.kept:
        changes.append(Change("replace", name, "leak rounded to 15 bits", "an accum", neuron.kept))
    for kind in TYPES:
        over = kept.can_saturate(kind)
        if over > 1.0:
            what = f"{kind} sums of a step may saturate: {over:.3g} times the ring buffer if all sources fire"
            why = "ring buffers hold 16 bits, scaled for the stated rate"
            changes.append(Change("quantize", name, what, why))
    return Population(SpiNNakerLIF, source.shape, shaped, first), tuple(changes)


def _projections(
    network: Network, name: str, kept: Stored
) -> tuple[dict[str, Projection], tuple[Change, ...]]:
    """Return a projection as one or two, by the sign of its weights."""
    p = network.projections[name]
    topology, volt, delay = kept.volts[name]
    weight = kept.weight[name]
    size = relative_error(as_volts(weight, kept.scale), volt)
    changes = [Change("quantize", name, "weights stored with 16 bits", "ring buffers", size)]
    parts = {"exc": np.maximum(weight, 0), "inh": np.maximum(-weight, 0)}
    used = [t for t in TYPES if np.any(parts[t])] or ["exc"]
    made = {}
    for kind in used:
        label = name if kind == used[0] else INHIBITORY.format(name)
        made[label] = Projection(
            p.pre, p.post, topology.with_weight(parts[kind]), port=kind, delay=delay
        )
    if len(used) > 1:
        what = f"negative weights become {INHIBITORY.format(name)!r}"
        changes.append(Change("split", name, what, "each sign has a ring buffer of its own"))
    return made, tuple(changes)
