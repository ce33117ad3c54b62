"""Loihi as a substrate: limits, lowering to the integer neuron, cores on the mesh, costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.program import initial_values
from spikewright.engines.recording import Recording
from spikewright.errors import Problems, SubstrateError, explain
from spikewright.network.graph import Network, Population, Projection
from spikewright.substrates.base import (
    Change,
    Chip,
    Compiled,
    Constant,
    Costs,
    Pass,
    Placement,
    Substrate,
    load_chip,
)
from spikewright.substrates.loihi import costs
from spikewright.substrates.loihi.cores import (
    check_output_axons,
    core_limits,
    cut,
    cut_by_traffic,
)
from spikewright.substrates.loihi.mapping import (
    Neuron,
    Scale,
    analyze,
    bias_code,
    decay_code,
)
from spikewright.substrates.loihi.model import (
    BIAS_MANTISSA_MAX,
    WEIGHT_SHIFT,
    Arithmetic,
    LoihiChipLIF,
    LoihiInput,
    LoihiLIF,
    active,
    sign_of,
)
from spikewright.substrates.loihi.rules import (
    EPOCH_MAX,
    LearningRule,
    check_expressible,
    express,
)
from spikewright.substrates.loihi.storage import (
    INPUT_MAX,
    U_MAX,
    StoreWeights,
    bias_in_volts,
    fit_scale,
    in_volts,
)
from spikewright.substrates.passes.delays import check_delays
from spikewright.substrates.passes.fold_relays import FoldRelays
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
from spikewright.substrates.passes.partition import Partition
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.passes.retime import Retime
from spikewright.substrates.passes.route import route

WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)


@dataclass(frozen=True)
class Loihi(Substrate):
    """Intel Loihi 1.

    Parameters
    ----------
    preset : price list, "davies" (pre-silicon simulation of the paper) or "nahuku" (fitted to a board)
    arithmetic : which published description of the arithmetic is followed
    weight_bits : bits of a weight's magnitude, one of 1, 2, 3, 4, 5, 6, 8
    input_max : the largest value that an input sends in a step: so many spikes at once
    epoch : steps between two changes of weights that learn, 1 to 63
    partition : "order", populations fill cores in order; or "traffic", so that few packets go between cores
    rates : population -> Hz, one number or one per neuron: what its packets count when cores are cut and placed; 1
        where it is missing. `recording.rates()` has those of a run
    faulty : cores that are not used: (x, y) for all four of a tile, (x, y, n) for one of them
    failed_links : links that carry nothing, one direction each: (x, y, direction) of the tile that it leaves, "E", "N",
        "W" or "S"
    """

    preset: str = "davies"
    arithmetic: Arithmetic = Arithmetic.LAVA
    weight_bits: int = 8
    input_max: int = 1
    epoch: int = 4
    partition: str = "order"
    rates: Mapping[str, Any] = field(default_factory=dict, hash=False)
    faulty: tuple[tuple[int, ...], ...] = ()
    failed_links: tuple[tuple[int, int, str], ...] = ()
    name: ClassVar[str] = "loihi"

    def __post_init__(self) -> None:
        object.__setattr__(self, "arithmetic", Arithmetic(self.arithmetic))
        self.check_preset(self.preset)
        if self.weight_bits not in WEIGHT_BITS:
            raise SubstrateError(
                explain(
                    "loihi: weight_bits",
                    "the synapse format has no such width",
                    found=self.weight_bits,
                    expected="one of " + ", ".join(map(str, WEIGHT_BITS)),
                )
            )
        problems = Problems()
        check_partition(self.partition, "loihi", problems)
        problems.raise_as(SubstrateError)
        for option, found, top in (
            ("input_max", self.input_max, INPUT_MAX),
            ("epoch", self.epoch, EPOCH_MAX),
        ):
            if not 1 <= found <= top:
                raise SubstrateError(
                    explain(f"loihi: {option}", "out of range", found=found, expected=f"1 to {top}")
                )
        keep_layout(self)
        _ = self.mesh

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    @property
    def mesh(self) -> Mesh:
        """Its tiles, with what is faulty."""
        chip = self.chip
        size = int(chip.limit("tiles_x")), int(chip.limit("tiles_y"))
        whole = Mesh(*size, int(chip.limit("cores_per_tile")))
        return with_faults(whole, self.faulty, self.failed_links, self.name)

    def presets(self) -> tuple[str, ...]:
        """Return the names of its price lists."""
        return ("davies", "nahuku")

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Weights as the synaptic memory keeps them, scale and exponent included, to train through."""
        longest = int(self.chip.limit("max_refractory"))
        return (StoreWeights(self.weight_bits, self.arithmetic, longest, self.input_max),)

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network to Loihi's integers and place it on cores; see `Substrate.compile`."""
        chip = self.chip
        check_rates(network, self.rates, self.name)
        problems = Problems()
        check_expressible(network, self.arithmetic, self.weight_bits, problems)
        problems.raise_as(SubstrateError)
        folded, before = FoldRelays()(network.written_out().without_rules(), seed)
        timed, changes = Retime()(folded, seed)
        changes = before + changes
        neurons: dict[str, Neuron] = {}
        for name in timed.populations:
            if name in timed.inputs:
                continue
            longest = int(chip.limit("max_refractory"))
            found = analyze(timed, name, self.arithmetic, problems, max_refractory=longest)
            if found is not None:
                neurons[name] = found
        problems.raise_as(SubstrateError)
        check_delays(timed, chip)
        populations: dict[str, Population] = {
            name: Population(LoihiInput, timed.populations[name].shape) for name in timed.inputs
        }
        projections: dict[str, Projection] = {}
        scales = {}
        learning: dict[str, LearningRule] = {}
        for name, neuron in neurons.items():
            ceiling = _ceilings(network, name, neuron)
            made, incoming, scale, done = self._lower(timed, name, neuron, ceiling)
            for projection in ceiling:
                gain = float(neuron.gain[timed.port_of(projection)])
                unit = gain * scale.sigma / 2.0 ** scale.exponent[projection]
                rule, told = express(
                    network, projection, unit=unit, epoch=self.epoch, problems=problems
                )
                if rule is not None:
                    learning[projection] = rule
                done += told
            populations[name] = made
            projections |= incoming
            scales[name] = scale
            changes += done
        problems.raise_as(SubstrateError)
        lowered = replace(
            timed,
            populations={n: populations[n] for n in timed.populations},
            projections={n: projections[n] for n in timed.projections},
            name=f"{network.name} on loihi",
        )
        mesh = self.mesh
        cores, cuts = self._cut(lowered, tuple(neurons), mesh, seed)
        changes += cuts
        check_output_axons(lowered, cores, chip)
        nets = nets_of(lowered, cores.core_of, cores.n_cores, self.rates)
        position = lay(nets.traffic(), mesh, seed=seed, substrate=self.name)
        detours = route(unicast(nets), position, mesh, substrate=self.name).detours
        changes += fault_changes(cores.core_of, mesh, detours)
        limits = core_limits(chip)
        load = tuple({k: v / limits[k] for k, v in used.items()} for used in cores.used)
        changes += tuple(
            Change(
                "partition", n, f"cut into {len(np.unique(cores.core_of[n]))} cores", f"{b} binds"
            )
            for n, b in cores.binding.items()
            if b and len(np.unique(cores.core_of[n])) > 1
        )
        return Compiled(
            lowered,
            network,
            self.name,
            changes,
            Placement(cores.core_of, position, (mesh.x, mesh.y), load),
            seed,
            {"scale": {n: s.sigma for n, s in scales.items()}, "learning": learning},
        )

    def _cut(
        self, lowered: Network, names: tuple[str, ...], mesh: Mesh, seed: int
    ) -> tuple[Partition, tuple[Change, ...]]:
        given = lowered, names, self.chip, self.weight_bits
        n_cores, label = len(mesh.alive()), labelled(self.name, mesh)
        in_order = cut(*given, n_cores=n_cores, label=label)
        if self.partition == "order":
            return in_order, ()
        return cut_by_traffic(
            *given, in_order, n_cores=n_cores, label=label, rates=self.rates, seed=seed
        )

    @property
    def fan_in(self) -> Constant:
        """Every source of a neuron takes an input axon of its core."""
        return self.chip.limits["input_axons"]

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return prices of spikes with their ways, operations and updates; see `Substrate.event_prices`."""
        return costs.event_prices(self.chip, self.preset, compiled)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        return costs.price(self.chip, self.preset, compiled, recording, self.mesh)

    # -- one population ------------------------------------------------------------------------------

    def _lower(
        self, network: Network, name: str, neuron: Neuron, ceiling: Mapping[str, float]
    ) -> tuple[Population, dict[str, Projection], Scale, tuple[Change, ...]]:
        population = network.populations[name]
        chip_mode = self.arithmetic is Arithmetic.CHIP
        model = LoihiChipLIF if chip_mode else LoihiLIF
        volts = {p: in_volts(network, p, neuron) for p in network.incoming(name)}
        bias, changes = bias_in_volts(network, name, neuron)
        scale, kept = fit_scale(
            network,
            name,
            neuron,
            volts,
            bias,
            arithmetic=self.arithmetic,
            bits=self.weight_bits,
            input_max=self.input_max,
            ceiling=ceiling,
        )
        error = float(np.max(np.abs(scale.threshold / (neuron.level * scale.sigma) - 1.0)))
        becomes = f"{population.model.name} becomes {model.name}"
        why = f"the chip's integer neuron; 1 V is {scale.sigma:.4g} weight units"
        changes = (Change("replace", name, becomes, why, error), *changes)
        lowered = {}
        for projection, (topology, weight, delay) in volts.items():
            exponent = scale.exponent[projection]
            stored_ = kept[projection]
            signs = sign_of(stored_).value.lower()
            what = f"weights stored with {self.weight_bits} bits, {signs}, exponent {exponent}"
            wanted = weight * scale.sigma / 2.0**exponent
            size = relative_error(stored_, wanted)
            changes += (Change("quantize", projection, what, "synaptic memory", size),)
            if chip_mode:
                stored_, exponent = active(stored_, exponent), 0
            lowered[projection] = Projection(
                network.projections[projection].pre,
                name,
                topology.with_weight(stored_),
                port="a",
                delay=delay,
                exponent=exponent,
            )
        wanted_bias = bias * scale.sigma * 2**WEIGHT_SHIFT
        params = self._params(neuron, scale, wanted_bias)
        size = relative_error(params["bias"], wanted_bias)
        if size:
            what = f"bias rounded to {BIAS_MANTISSA_MAX.bit_length()} bits and an exponent"
            changes += (Change("quantize", name, what, "register", size),)
        changes += _decay_changes(name, neuron, params)
        shaped = {k: v.reshape(population.shape) if np.ndim(v) else v for k, v in params.items()}
        initial = _initial(population, neuron, scale)
        return Population(model, population.shape, shaped, initial), lowered, scale, changes

    def _params(self, neuron: Neuron, scale: Scale, bias: NDArray[Any]) -> dict[str, NDArray[Any]]:
        params: dict[str, NDArray[Any]] = {
            "du": decay_code(neuron.keep_u, offset=1),
            "dv": decay_code(neuron.keep_v, offset=0),
            "v_th": scale.threshold << 6,
            "bias": bias_code(bias),
        }
        if self.arithmetic is Arithmetic.CHIP:
            params["refract"] = np.asarray(neuron.refractory + 1)
        return params


def _ceilings(network: Network, name: str, neuron: Neuron) -> dict[str, float]:
    """Return how many volts the weights of each projection that learns onto a population may reach."""
    found = {}
    for projection in network.incoming(name):
        rule = network.projections[projection].rule
        if rule is None:
            continue
        gain = neuron.gain[network.port_of(projection)]
        if gain.ndim:
            raise SubstrateError(
                explain(
                    f"loihi: projection {projection!r}",
                    "one rule needs neurons that weigh its synapses alike",
                    cure=f"give all neurons of {name!r} the same time constants",
                )
            )
        found[projection] = float(gain) * rule.param("w_max")
    return found


def _initial(population: Population, neuron: Neuron, scale: Scale) -> dict[str, NDArray[np.int64]]:
    """Return the starting values of u and v that are not 0."""
    first = initial_values(population)
    start = {"v": first[neuron.voltage] - neuron.rest}
    if neuron.current:
        start["u"] = first[neuron.current] * neuron.start_gain
    unit = scale.sigma * 2**WEIGHT_SHIFT
    return {
        variable: np.clip(np.rint(np.broadcast_to(volt, population.n) * unit), -U_MAX, U_MAX)
        .astype(np.int64)
        .reshape(population.shape)
        for variable, volt in start.items()
        if np.any(volt)
    }


def _decay_changes(
    name: str, neuron: Neuron, params: dict[str, NDArray[Any]]
) -> tuple[Change, ...]:
    found = []
    for which, keep, code, offset in (
        ("voltage", neuron.keep_v, params["dv"], 0),
        ("current", neuron.keep_u, params["du"], 1),
    ):
        kept = 1.0 - (code + offset) / 4096.0
        error = float(np.max(np.abs(kept - keep)))
        if error:
            found.append(
                Change("replace", name, f"{which} decay rounded to 12 bits", "register", error)
            )
    return tuple(found)
