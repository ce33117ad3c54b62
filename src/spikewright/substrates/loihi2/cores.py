"""Loihi 2's cores: neurons and memory of each, and how many chips a network of so many neurons and synapses takes.

A core has 192 KB, up to 128 KB of them for synapses. How synapses are packed is not published; here as on Loihi 1, an
axon (the synapses that one source has on one core) takes a head and, for each synapse, weight, delay if there are
delays, and the target's number unless the map is dense; nothing is rounded up to words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems, SubstrateError
from spikewright.network.graph import Network
from spikewright.network.topology import Dense, Synapses
from spikewright.substrates.base import Change, Chip
from spikewright.substrates.passes.better_cut import better_of
from spikewright.substrates.passes.partition import Partition, partition
from spikewright.substrates.passes.partition_traffic import partition_by_traffic

HEAD_BITS = 10
INDEX_BITS = 13
DELAY_BITS = 6
LIMITS = ("neurons", "synapse_bytes", "core_bytes")


class CoreNeeds:
    """What neurons of a lowered network need of a core; `state_bytes` of one neuron of each population."""

    def __init__(
        self, network: Network, names: tuple[str, ...], state_bytes: Mapping[str, int], bits: int
    ) -> None:
        self.state_bytes = state_bytes
        self.n = {name: network.populations[name].n for name in names}
        self.tables: dict[str, list[tuple[Synapses, int, bool]]] = {name: [] for name in names}
        for name in names:
            for projection in network.incoming(name):
                p = network.projections[projection]
                dense = isinstance(p.topology, Dense)
                one = bits + (DELAY_BITS if np.any(network.delay_steps(projection)) else 0)
                one += 0 if dense else INDEX_BITS
                synapses = p.topology.synapses(network.populations[p.pre].shape)
                self.tables[name].append((synapses, one, dense))

    def of_slice(self, name: str, begin: int, end: int) -> dict[str, float]:
        """Return what neurons begin..end-1 of a population need."""
        return self.of_core({name: np.arange(begin, end)})

    def of_core(self, chosen: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
        """Return what a core with these neurons of each population needs."""
        neurons, total, state = 0, 0, 0
        for name, which in chosen.items():
            on = np.zeros(self.n[name], bool)
            on[which] = True
            for synapses, one, dense in self.tables[name]:
                if dense:
                    total += synapses.n_pre * (HEAD_BITS + one * len(which))
                    continue
                inside = on[synapses.target] & (synapses.weight != 0)
                axons = np.count_nonzero(np.bincount(synapses.source[inside], minlength=1))
                total += int(axons) * HEAD_BITS + int(np.count_nonzero(inside)) * one
            neurons += len(which)
            state += self.state_bytes[name] * len(which)
        return {
            "neurons": neurons,
            "synapse_bytes": total / 8,
            "core_bytes": total / 8 + state,
        }

    def bytes_of_neurons(self, name: str) -> NDArray[np.float64]:
        """Return the bytes that the synapses of each neuron of a population take, without heads of axons."""
        total = np.zeros(self.n[name])
        for synapses, one, dense in self.tables[name]:
            kept = synapses.target if dense else synapses.target[synapses.weight != 0]
            total += np.bincount(kept, minlength=len(total)) * one / 8
        return total


def cut(
    network: Network,
    names: tuple[str, ...],
    state_bytes: Mapping[str, int],
    chip: Chip,
    *,
    bits: int,
    n_cores: int,
    label: str = "loihi2",
) -> Partition:
    """Cut the named populations of a lowered network into cores, or raise LimitError."""
    needs = CoreNeeds(network, names, state_bytes, bits).of_slice
    return partition(network, names, needs, _limits(chip), n_cores=n_cores, substrate=label)


def cut_by_traffic(
    network: Network,
    names: tuple[str, ...],
    state_bytes: Mapping[str, int],
    chip: Chip,
    in_order: Partition,
    *,
    bits: int,
    n_cores: int,
    label: str = "loihi2",
    rates: Mapping[str, Any] | None = None,
    seed: int,
) -> tuple[Partition, tuple[Change, ...]]:
    """Cut populations so that few packets go between cores, and say how many; or return the cut in order."""
    needs = CoreNeeds(network, names, state_bytes, bits)

    def by_traffic() -> Partition:
        synapses = {name: needs.bytes_of_neurons(name) for name in names}
        return partition_by_traffic(
            network,
            names,
            {
                "neurons": dict.fromkeys(names, 1.0),
                "synapse_bytes": synapses,
                "core_bytes": {name: synapses[name] + state_bytes[name] for name in names},
            },
            _limits(chip),
            n_cores=n_cores,
            substrate=label,
            rates=rates,
            exact=needs.of_core,
            seed=seed,
        )

    return better_of(network, in_order, by_traffic, rates)


def _limits(chip: Chip) -> dict[str, float]:
    return {name: chip.limit(name) for name in LIMITS}


@dataclass(frozen=True)
class Packed:
    """How much of a system a network takes.

    Parameters
    ----------
    cores, chips : how many
    binds : the limit of a core that decides
    """

    cores: int
    chips: int
    binds: str


def capacity(
    chip: Chip,
    neurons: int,
    synapses: int,
    *,
    state_bytes: int = 8,
    bits: int = 8,
    delays: bool = False,
) -> Packed:
    """Return how many cores and chips a network takes, from counts alone.

    Targets are taken as spread evenly over the cores: of a source's k synapses, C cores get C (1 - (1 - 1/C)^k) axons.

    Parameters
    ----------
    neurons, synapses : of the whole network
    state_bytes : memory of one neuron
    bits : of a weight
    delays : whether synapses have delays of their own

    Raises
    ------
    SubstrateError : a number is negative, or there are no neurons
    """
    problems = Problems()
    for what, count, least in (("neurons", neurons, 1), ("synapses", synapses, 0)):
        if count < least:
            problems.add(
                f"loihi2.capacity: {what}", "too few", found=count, expected=f"{least} or more"
            )
    problems.raise_as(SubstrateError)
    one = bits + INDEX_BITS + (DELAY_BITS if delays else 0)
    fan_out = synapses / neurons

    def load(cores: int) -> dict[str, float]:
        axons = (
            neurons * cores * -math.expm1(fan_out * math.log1p(-1.0 / cores))
            if cores > 1
            else neurons
        )
        per_core = (axons * HEAD_BITS + synapses * one) / 8 / cores
        used = {
            "neurons": neurons / cores,
            "synapse_bytes": per_core,
            "core_bytes": per_core + state_bytes * neurons / cores,
        }
        return {name: used[name] / chip.limit(name) for name in LIMITS}

    low, high = 1, 1
    while max(load(high).values()) > 1.0:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if max(load(middle).values()) > 1.0 else (low, middle)
    final = load(high)
    return Packed(
        high, math.ceil(high / chip.limit("cores")), max(LIMITS, key=lambda name: final[name])
    )
