"""Loihi's cores: which limits a core has, how much of them neurons take, and where spikes go between cores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network, Population
from spikewright.network.topology import Dense, Synapses
from spikewright.substrates.base import Chip
from spikewright.substrates.loihi.model import Sign, sign_of
from spikewright.substrates.passes.partition import Partition, partition

INDEX_BITS = (0, 6, 7, 8, 9, 10, 11, 12)
DELAY_BITS = 6
AXON_HEADER_BITS = 10
GROUP = 64
WORD = 64


class Cores(Protocol):
    """A partition or a placement: cores, and where neurons lie."""

    @property
    def core_of(self) -> Mapping[str, NDArray[np.int64]]:
        """Population -> core of each neuron."""

    @property
    def n_cores(self) -> int:
        """Number of cores in use."""


def core_limits(chip: Chip) -> dict[str, float]:
    """Return what one core has of each limit that populations share."""
    names = ("compartments", "synapse_words", "input_axons", "compartment_configs")
    return {name: chip.limit(name) for name in names}


def check_delays(network: Network, chip: Chip) -> None:
    """Raise LimitError with every projection whose delay no synapse can hold."""
    problems = Problems()
    for name in network.projections:
        steps = int(network.delay_steps(name).max(initial=0))
        if steps > chip.limit("max_delay"):
            problems.add(
                f"loihi: projection {name!r}",
                "exceeds max_delay",
                found=f"{steps} steps",
                expected=f"{chip.limit('max_delay'):g} at most",
                cure="use a larger dt, or relay populations",
            )
    problems.raise_as(LimitError)


def axon_words(n: NDArray[np.int64] | int, bits_per_synapse: int) -> NDArray[np.int64]:
    """Return the 64-bit words that an axon with n synapses on a core takes, in groups of up to 64 synapses."""
    count = np.asarray(n, np.int64)
    full, rest = count // GROUP, count % GROUP
    whole = -(-(GROUP * bits_per_synapse + AXON_HEADER_BITS) // WORD)
    part = -(-(rest * bits_per_synapse + AXON_HEADER_BITS) // WORD)
    words: NDArray[np.int64] = full * whole + np.where(rest > 0, part, 0)
    return words


def cut(network: Network, names: tuple[str, ...], chip: Chip, weight_bits: int) -> Partition:
    """Cut the named populations of a lowered network into cores, or raise LimitError."""
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
        counts: NDArray[np.int64]
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
        network,
        names,
        needs,
        core_limits(chip),
        n_cores=int(chip.limit("cores")),
        substrate="loihi",
    )


def _configs(population: Population, begin: int, end: int) -> int:
    """Return how many settings of decay and refractory period neurons a..b-1 need."""
    names = [p for p in ("du", "dv", "refract") if p in population.model.params]
    each = [v.reshape(-1)[begin:end] for v in map(population.param, names) if v.ndim]
    return len(np.unique(np.stack(each, axis=1), axis=0)) if each else 1


def fan_out_cores(network: Network, cores: Cores, projection: str) -> NDArray[np.int64]:
    """Return how many synapses each source neuron of a projection has on each core, (n_pre, n_cores)."""
    p = network.projections[projection]
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    n_cores = cores.n_cores
    keep = synapses.weight != 0
    place_ = synapses.source * n_cores + cores.core_of[p.post][synapses.target]
    table = np.bincount(place_[keep], minlength=synapses.n_pre * n_cores)
    return table.reshape(synapses.n_pre, n_cores)


def reached(network: Network, cores: Cores, name: str) -> NDArray[np.bool_]:
    """Return which cores each neuron of a population sends to, (n, n_cores)."""
    found = np.zeros((network.populations[name].n, cores.n_cores), bool)
    for projection in network.outgoing(name):
        found |= fan_out_cores(network, cores, projection) > 0
    return found


def check_output_axons(network: Network, cores: Partition, chip: Chip) -> None:
    """Raise LimitError with every core whose neurons send to more cores than it has output axons for."""
    used = np.zeros(cores.n_cores, np.int64)
    for name, core in cores.core_of.items():
        np.add.at(used, core, reached(network, cores, name).sum(axis=1))
    problems = Problems()
    for number in np.flatnonzero(used > chip.limit("output_axons")):
        problems.add(
            f"loihi: core {number}",
            "too many output axons",
            found=int(used[number]),
            expected=f"{chip.limit('output_axons'):g} at most",
            cure="reduce the number of cores that its neurons reach: fewer or smaller populations",
        )
    problems.raise_as(LimitError)


def traffic_of(network: Network, cores: Partition) -> NDArray[np.float64]:
    """Return how many neurons of one core send to another, (n_cores, n_cores): packets if all fire alike."""
    table = np.zeros((cores.n_cores, cores.n_cores))
    for name, core in cores.core_of.items():
        np.add.at(table, core, reached(network, cores, name).astype(np.float64))
    return table
