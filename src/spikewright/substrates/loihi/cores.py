"""Loihi's cores: which limits a core has, how much of them neurons take, and where spikes go between cores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.topology import Dense, Synapses
from spikewright.network.windows import Conv
from spikewright.substrates.base import Change, Chip
from spikewright.substrates.loihi.model import Sign, sign_of
from spikewright.substrates.passes.better_cut import better_of
from spikewright.substrates.passes.partition import Partition, partition
from spikewright.substrates.passes.partition_traffic import partition_by_traffic

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


SHARED = (
    "compartments",
    "synapse_words",
    "input_axons",
    "compartment_configs",
    "threshold_configs",
    "synapse_formats",
)
"""Limits that the populations of a core share."""


@dataclass(frozen=True)
class _Stored:
    """One projection in the synaptic memory: its synapses, bits of each, what sets them apart from others."""

    synapses: Synapses
    bits: int
    dense: bool
    shared: bool
    format: tuple[int, bool, bool, bool]


def core_limits(chip: Chip) -> dict[str, float]:
    """Return what one core has of each limit that populations share."""
    return {name: chip.limit(name) for name in SHARED}


def axon_words(n: NDArray[np.int64] | int, bits_per_synapse: int) -> NDArray[np.int64]:
    """Return the 64-bit words that an axon with n synapses on a core takes, in groups of up to 64 synapses."""
    count = np.asarray(n, np.int64)
    full, rest = count // GROUP, count % GROUP
    whole = -(-(GROUP * bits_per_synapse + AXON_HEADER_BITS) // WORD)
    part = -(-(rest * bits_per_synapse + AXON_HEADER_BITS) // WORD)
    words: NDArray[np.int64] = full * whole + np.where(rest > 0, part, 0)
    return words


class CoreNeeds:
    """What neurons of a lowered network need of a core."""

    def __init__(
        self, network: Network, names: tuple[str, ...], chip: Chip, weight_bits: int
    ) -> None:
        self.network = network
        self.tables: dict[str, list[_Stored]] = {}
        for name in names:
            self.tables[name] = []
            for projection in network.incoming(name):
                p = network.projections[projection]
                synapses = p.topology.synapses(network.populations[p.pre].shape)
                dense = isinstance(p.topology, Dense)
                mixed = sign_of(synapses.weight) is Sign.MIXED
                delayed = bool(np.any(network.delay_steps(projection)))
                bits = weight_bits + int(mixed)
                bits += DELAY_BITS if delayed else 0
                if not dense:
                    index = math.ceil(math.log2(max(chip.limit("compartments"), 2)))
                    bits += min(b for b in INDEX_BITS if b >= index)
                shared = kernel_is_shared(p)
                kind = (p.exponent, mixed, delayed, dense)
                self.tables[name].append(_Stored(synapses, bits, dense, shared, kind))

    def of_slice(self, name: str, begin: int, end: int) -> dict[str, float]:
        """Return what neurons begin..end-1 of a population need."""
        return self.of_chosen(name, np.arange(begin, end))

    def of_chosen(self, name: str, chosen: NDArray[np.int64]) -> dict[str, float]:
        """Return what the chosen neurons of a population, ascending, need."""
        population = self.network.populations[name]
        local = np.full(population.n, -1)
        local[chosen] = np.arange(len(chosen))
        words = axons = 0
        formats = set()
        for stored in self.tables[name]:
            if stored.shared:
                counts, lists = kernel_lists(stored.synapses, local)
            else:
                counts = lists = _fan_out(stored, local, len(chosen))
            words += int(axon_words(lists, stored.bits).sum())
            used = int(np.count_nonzero(counts))
            axons += used
            if used:
                formats.add(stored.format)
        return {
            "compartments": len(chosen),
            "synapse_words": words,
            "input_axons": axons,
            "compartment_configs": _settings(population, ("du", "dv", "refract"), chosen),
            "threshold_configs": _settings(population, ("v_th",), chosen),
            "synapse_formats": len(formats),
        }

    def of_core(self, chosen: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
        """Return what a core with these neurons of each population needs."""
        total = dict.fromkeys(SHARED, 0.0)
        for name, which in chosen.items():
            for limit, amount in self.of_chosen(name, which).items():
                total[limit] += amount
        return total

    def words_of_neurons(self, name: str) -> NDArray[np.float64]:
        """Return about how many words the synapses of each neuron of a population take."""
        total = np.zeros(self.network.populations[name].n)
        for stored in self.tables[name]:
            fan_in = np.bincount(stored.synapses.target, minlength=len(total))
            total += fan_in * stored.bits / WORD
        return total


def cut(
    network: Network,
    names: tuple[str, ...],
    chip: Chip,
    weight_bits: int,
    *,
    n_cores: int | None = None,
    label: str = "loihi",
) -> Partition:
    """Cut the named populations of a lowered network into cores, at most all of a chip, or raise LimitError."""
    needs = CoreNeeds(network, names, chip, weight_bits).of_slice
    most = int(chip.limit("cores")) if n_cores is None else n_cores
    return partition(network, names, needs, core_limits(chip), n_cores=most, substrate=label)


def cut_by_traffic(
    network: Network,
    names: tuple[str, ...],
    chip: Chip,
    weight_bits: int,
    in_order: Partition,
    *,
    n_cores: int | None = None,
    label: str = "loihi",
    rates: Mapping[str, Any] | None = None,
    seed: int,
) -> tuple[Partition, tuple[Change, ...]]:
    """Cut populations so that few packets go between cores, and say how many; or return the cut in order."""
    needs = CoreNeeds(network, names, chip, weight_bits)

    def by_traffic() -> Partition:
        return partition_by_traffic(
            network,
            names,
            {
                "compartments": dict.fromkeys(names, 1.0),
                "synapse_words": {name: needs.words_of_neurons(name) for name in names},
            },
            core_limits(chip),
            n_cores=int(chip.limit("cores")) if n_cores is None else n_cores,
            substrate=label,
            rates=rates,
            exact=needs.of_core,
            seed=seed,
        )

    return better_of(network, in_order, by_traffic, rates)


def _fan_out(stored: _Stored, local: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return how many synapses each source has on the neurons with a local number; there are n of these."""
    synapses = stored.synapses
    if stored.dense:
        return np.full(synapses.n_pre, n)
    return np.bincount(synapses.source[local[synapses.target] >= 0], minlength=synapses.n_pre)


def kernel_is_shared(projection: Projection) -> bool:
    """Whether sources of a projection may share their lists of synapses on a core: a convolution with one delay."""
    return isinstance(projection.topology, Conv) and not np.ndim(projection.delay)


def kernel_lists(
    synapses: Synapses, local: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many synapses each source of a convolution has on a core, and how many each list there holds.

    A list is stored once for all sources whose synapses have the same weights of the kernel at the same distances: an
    axon names a list, and the neuron that the list begins with.

    Parameters
    ----------
    synapses : of the convolution
    local : (n_post,), number of each target on the core, -1 where it is not there
    """
    place = local[synapses.target]
    inside = place >= 0
    source, place = synapses.source[inside], place[inside]
    counts = np.bincount(source, minlength=synapses.n_pre)
    if not len(source):
        return counts, np.zeros(0, np.int64)
    first = np.flatnonzero(np.diff(source, prepend=-1))
    own = counts[source[first]]
    # a list is told from others by the sum of scrambled (weight, distance) pairs: 64 bits, so that none are confused
    distance = place - np.repeat(np.minimum.reduceat(place, first), own)
    pairs = (synapses.entry[inside].astype(np.uint64) << np.uint64(32)) + distance.astype(np.uint64)
    for factor in _SCRAMBLE:
        pairs = (pairs ^ (pairs >> np.uint64(31))) * factor
    lists = np.stack([np.add.reduceat(pairs, first), own.astype(np.uint64)], axis=1)
    return counts, np.unique(lists, axis=0)[:, 1].astype(np.int64)


_SCRAMBLE = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def _settings(population: Population, names: tuple[str, ...], chosen: NDArray[np.int64]) -> int:
    """Return how many different values of the named parameters, together, the chosen neurons have."""
    names = tuple(p for p in names if p in population.model.params)
    each = [v.reshape(-1)[chosen] for v in map(population.param, names) if v.ndim]
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
