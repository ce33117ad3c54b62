"""Loihi as a substrate: limits, lowering to the integer neuron, cores on the mesh, costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.program import initial_values
from spikewright.engines.recording import Recording
from spikewright.errors import LimitError, Problems, SubstrateError, explain
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.topology import Conv, Dense, OneToOne, Sparse, Synapses, Topology
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
from spikewright.substrates.loihi import costs
from spikewright.substrates.loihi.mapping import (
    Neuron,
    Scale,
    analyse,
    bias_code,
    choose_scale,
    decay_code,
)
from spikewright.substrates.loihi.model import (
    Arithmetic,
    LoihiChipLIF,
    LoihiInput,
    LoihiLIF,
    Sign,
    active,
    sign_of,
    stored,
)
from spikewright.substrates.passes.partition import Partition, partition
from spikewright.substrates.passes.place import place
from spikewright.substrates.passes.quantize import Quantize, relative_error
from spikewright.substrates.passes.retime import Retime

INDEX_BITS = (0, 6, 7, 8, 9, 10, 11, 12)
DELAY_BITS = 6
AXON_HEADER_BITS = 10
GROUP = 64
WORD = 64


@dataclass(frozen=True)
class Loihi(Substrate):
    """Intel Loihi 1.

    Parameters
    ----------
    preset : price list, "davies" (pre-silicon simulation of the paper) or "nahuku" (fitted to a board)
    arithmetic : which published description of the arithmetic is followed
    weight_bits : 1 to 8
    """

    preset: str = "davies"
    arithmetic: Arithmetic = Arithmetic.LAVA
    weight_bits: int = 8
    name: ClassVar[str] = "loihi"

    def __post_init__(self) -> None:
        object.__setattr__(self, "arithmetic", Arithmetic(self.arithmetic))
        if self.preset not in self.presets():
            raise SubstrateError(
                explain("loihi", f"no preset {self.preset!r}", expected=", ".join(self.presets()))
            )
        if self.weight_bits not in range(1, 9):
            raise SubstrateError(
                explain("loihi", "weight_bits", found=self.weight_bits, expected="1 to 8")
            )

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    def presets(self) -> tuple[str, ...]:
        """Return the names of its price lists."""
        return ("davies", "nahuku")

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Rounding of weights, to train through."""
        return (Quantize(self.weight_bits, why="the synaptic memory keeps 8 bits, mixed signs even"),)

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network to Loihi's integers and place it on cores; see `Substrate.compile`."""
        chip = self.chip
        timed, changes = Retime()(network, seed)
        problems = Problems()
        neurons: dict[str, Neuron] = {}
        for name, population in timed.populations.items():
            if name in timed.inputs:
                continue
            found = analyse(timed, name, self.arithmetic, problems)
            if found is not None:
                neurons[name] = found
        _check_delays(timed, chip, problems)
        problems.raise_as(SubstrateError)
        populations: dict[str, Population] = {
            name: Population(LoihiInput, timed.populations[name].shape) for name in timed.inputs
        }
        projections: dict[str, Projection] = {}
        scales = {}
        for name, neuron in neurons.items():
            made, incoming, scale, done = self._lower(timed, name, neuron)
            populations[name] = made
            projections |= incoming
            scales[name] = scale
            changes += done
        lowered = replace(
            timed,
            populations={n: populations[n] for n in timed.populations},
            projections={n: projections[n] for n in timed.projections},
            name=f"{network.name} on loihi",
        )
        cores = _partition(lowered, tuple(neurons), chip, self.weight_bits)
        _check_output_axons(lowered, cores, chip)
        traffic = _traffic(lowered, cores)
        mesh = (int(chip.limit("tiles_x")), int(chip.limit("tiles_y")))
        position = place(traffic, mesh, int(chip.limit("cores_per_tile")), seed=seed)
        limits = _limits(chip)
        load = tuple({k: v / limits[k] for k, v in used.items()} for used in cores.used)
        changes += tuple(
            Change("partition", n, f"cut into {len(np.unique(cores.core_of[n]))} cores", f"{b} binds")
            for n, b in cores.binding.items()
            if b
        )
        return Compiled(
            lowered,
            network,
            self.name,
            changes,
            Placement(cores.core_of, position, mesh, load),
            seed,
            {"scale": {n: s.sigma for n, s in scales.items()}},
        )

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        return costs.price(self.chip, self.preset, compiled, recording)

    # -- one population ------------------------------------------------------------------------------

    def _lower(
        self, network: Network, name: str, neuron: Neuron
    ) -> tuple[Population, dict[str, Projection], Scale, tuple[Change, ...]]:
        population = network.populations[name]
        incoming = network.incoming(name)
        volts: dict[str, tuple[Topology, NDArray[Any]]] = {}
        worst = np.zeros(population.n)
        for projection in incoming:
            p = network.projections[projection]
            gain = neuron.gain[network.port_of(projection)]
            topology, weight = _in_volts(network, p, gain)
            volts[projection] = (topology, weight)
            synapses = topology.with_weight(weight).synapses(network.populations[p.pre].shape)
            worst += np.bincount(
                synapses.target, np.abs(synapses.weight), minlength=population.n
            )
        chip_mode = self.arithmetic is Arithmetic.CHIP
        scale = choose_scale(
            neuron.level,
            {n: float(np.abs(w).max(initial=0.0)) for n, (_, w) in volts.items()},
            float(worst.max(initial=0.0)),
            float(np.max(neuron.keep_u)),
            u_max=2**21 if chip_mode else 2**23 - 1,
        )
        changes = [
            Change(
                "replace",
                name,
                f"{population.model.name} becomes {'LoihiChipLIF' if chip_mode else 'LoihiLIF'}",
                f"the chip's integer neuron; 1 V is {scale.sigma:.4g} weight units",
                float(np.max(np.abs(scale.threshold / (neuron.level * scale.sigma) - 1.0))),
            )
        ]
        lowered = {}
        bias = np.zeros(population.n)
        for projection in incoming:
            p = network.projections[projection]
            topology, weight = volts[projection]
            exponent = scale.exponent[projection]
            wanted = weight * scale.sigma / 2.0**exponent
            kept = _rounded(wanted, self.weight_bits)
            changes.append(
                Change(
                    "quantize",
                    projection,
                    f"weights stored with {self.weight_bits} bits, {sign_of(kept).value.lower()}, "
                    f"exponent {exponent}",
                    "synaptic memory",
                    relative_error(kept, wanted),
                )
            )
            if chip_mode:
                kept, exponent = active(kept, exponent), 0
            lowered[projection] = Projection(
                p.pre,
                name,
                topology.with_weight(kept),
                port="a",
                delay=p.delay if np.ndim(p.delay) == 0 else p.delay.reshape(kept.shape),
                exponent=exponent,
            )
            if p.bias is not None:
                port = network.port_of(projection)
                volt = np.ravel(p.bias) * neuron.gain[port]
                if port in neuron.filtered:
                    volt = volt / (1.0 - neuron.keep_u)
                    changes.append(
                        Change(
                            "replace",
                            projection,
                            "bias acts at once instead of through the synaptic current",
                            "the chip adds its bias to the voltage",
                        )
                    )
                bias = bias + volt
        params = self._params(neuron, scale, bias * scale.sigma * 64.0)
        changes += _decay_changes(name, neuron, params)
        shaped = {
            k: v.reshape(population.shape) if np.ndim(v) else v for k, v in params.items()
        }
        start = initial_values(population)[neuron.voltage] - neuron.rest
        initial = {}
        if np.any(start):
            first = np.rint(start * scale.sigma * 64.0).astype(np.int64)
            initial["v"] = np.broadcast_to(first, population.n).reshape(population.shape)
        model = LoihiChipLIF if chip_mode else LoihiLIF
        made = Population(model, population.shape, shaped, initial)
        return made, lowered, scale, tuple(changes)

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


def _in_volts(
    network: Network, p: Projection, gain: NDArray[Any]
) -> tuple[Topology, NDArray[Any]]:
    """Return a map with weights of its own, and those weights times the gain of the port."""
    topology = p.topology
    shape = network.populations[p.pre].shape
    plain = isinstance(topology, Dense | Sparse | Conv) or (
        isinstance(topology, OneToOne) and np.ndim(topology.weights) > 0
    )
    weight = topology.weight
    if plain and weight is not None and gain.ndim == 0:
        return topology, weight * float(gain)
    if isinstance(topology, Dense) and weight is not None:
        return topology, weight * gain[:, None]
    synapses = topology.synapses(shape)
    made = Sparse(synapses.start, synapses.target, synapses.weight, synapses.n_post)
    factor = gain if gain.ndim == 0 else gain[synapses.target]
    return made, synapses.weight * factor


def _rounded(wanted: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """Return the nearest weights that the memory can keep."""
    near = np.rint(wanted).astype(np.int64)
    mode = sign_of(near)
    step = 1 << (8 - bits + (1 if mode is Sign.MIXED else 0))
    top = (256 if mode is Sign.MIXED else 255) - (step if mode is Sign.MIXED else 0)
    near = np.clip(np.rint(wanted / step).astype(np.int64) * step, -top, top)
    return stored(near, bits=bits, sign=mode)


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
            found.append(Change("replace", name, f"{which} decay rounded to 12 bits", "register", error))
    return tuple(found)


# -- limits ------------------------------------------------------------------------------------------


def _limits(chip: Chip) -> dict[str, float]:
    names = ("compartments", "synapse_words", "input_axons", "compartment_configs")
    return {name: chip.limit(name) for name in names}


def _check_delays(network: Network, chip: Chip, problems: Problems) -> None:
    for name in network.projections:
        steps = int(network.delay_steps(name).max(initial=0))
        if steps > chip.limit("max_delay"):
            problems.add(
                f"loihi: projection {name!r}",
                "delay too long",
                found=f"{steps} steps",
                expected=f"{chip.limit('max_delay'):g} at most",
                cure="use a larger dt, or relay populations",
            )


def axon_words(n: NDArray[np.int64] | int, bits_per_synapse: int) -> NDArray[np.int64]:
    """Return the 64-bit words that an axon with n synapses on a core takes, in groups of up to 64 synapses."""
    count = np.asarray(n, np.int64)
    full, rest = count // GROUP, count % GROUP
    whole = -(-(GROUP * bits_per_synapse + AXON_HEADER_BITS) // WORD)
    part = -(-(rest * bits_per_synapse + AXON_HEADER_BITS) // WORD)
    words: NDArray[np.int64] = full * whole + np.where(rest > 0, part, 0)
    return words


def _partition(
    network: Network, names: tuple[str, ...], chip: Chip, weight_bits: int
) -> Partition:
    tables: dict[str, list[tuple[Synapses, int, bool]]] = {}
    for name in names:
        tables[name] = []
        for projection in network.incoming(name):
            p = network.projections[projection]
            synapses = p.topology.synapses(network.populations[p.pre].shape)
            dense = isinstance(p.topology, Dense)
            mixed = sign_of(synapses.weight) is Sign.MIXED
            bits = weight_bits + int(mixed)
            bits += DELAY_BITS if np.any(network.delay_steps(projection)) else 0
            if not dense:
                index = math.ceil(math.log2(max(chip.limit("compartments"), 2)))
                bits += min(b for b in INDEX_BITS if b >= index)
            tables[name].append((synapses, bits, dense))

    def needs(name: str, begin: int, end: int) -> dict[str, float]:
        words = axons = 0
        for synapses, bits, dense in tables[name]:
            if dense:
                counts = np.full(synapses.n_pre, end - begin)
            else:
                inside = (synapses.target >= begin) & (synapses.target < end)
                counts = np.bincount(synapses.source[inside], minlength=synapses.n_pre)
            words += int(axon_words(counts, bits).sum())
            axons += int(np.count_nonzero(counts))
        return {
            "compartments": end - begin,
            "synapse_words": words,
            "input_axons": axons,
            "compartment_configs": _configs(network.populations[name], begin, end),
        }

    return partition(
        network, names, needs, _limits(chip), n_cores=int(chip.limit("cores")), substrate="loihi"
    )


def _configs(population: Population, begin: int, end: int) -> int:
    kinds = [
        np.broadcast_to(population.param(p), population.shape).ravel()[begin:end]
        for p in ("du", "dv", *(("refract",) if "refract" in population.model.params else ()))
    ]
    return len(np.unique(np.stack(kinds, axis=1), axis=0))


def fan_out_cores(network: Network, cores: Any, projection: str) -> NDArray[np.int64]:
    """Return how many synapses each source neuron of a projection has on each core, (n_pre, n_cores)."""
    p = network.projections[projection]
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    n_cores = cores.n_cores
    keep = synapses.weight != 0
    place_ = synapses.source * n_cores + cores.core_of[p.post][synapses.target]
    table = np.bincount(place_[keep], minlength=synapses.n_pre * n_cores)
    return table.reshape(synapses.n_pre, n_cores)


def reached(network: Network, cores: Any, name: str) -> NDArray[np.bool_]:
    """Return which cores each neuron of a population sends to, (n, n_cores)."""
    found = np.zeros((network.populations[name].n, cores.n_cores), bool)
    for projection in network.outgoing(name):
        found |= fan_out_cores(network, cores, projection) > 0
    return found


def _check_output_axons(network: Network, cores: Partition, chip: Chip) -> None:
    used = np.zeros(cores.n_cores, np.int64)
    for name, core in cores.core_of.items():
        np.add.at(used, core, reached(network, cores, name).sum(axis=1))
    problems = Problems()
    for core in np.flatnonzero(used > chip.limit("output_axons")):
        problems.add(
            f"loihi: core {core}",
            "too many output axons",
            found=int(used[core]),
            expected=f"{chip.limit('output_axons'):g} at most",
            cure="reduce the number of cores that its neurons reach: fewer or smaller populations",
        )
    problems.raise_as(LimitError)


def _traffic(network: Network, cores: Partition) -> NDArray[np.float64]:
    table = np.zeros((cores.n_cores, cores.n_cores))
    for name, core in cores.core_of.items():
        np.add.at(table, core, reached(network, cores, name).astype(np.float64))
    return table
