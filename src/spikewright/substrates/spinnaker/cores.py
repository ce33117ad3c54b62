"""Cores of a SpiNNaker machine: what a slice of neurons takes of one, which cores send where, when a tick is too short.

A core's neurons are a budget, not a wall: updates, packets and synaptic events of a tick must be done before the next.
Slices are cut so that the work at a stated rate fits; where even one neuron is too much, ticks must be longer than
real.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network
from spikewright.substrates.base import Change, Chip
from spikewright.substrates.passes.better_cut import better_of
from spikewright.substrates.passes.partition import Partition, partition
from spikewright.substrates.passes.partition_traffic import partition_by_traffic
from spikewright.substrates.spinnaker.machine import Routes, Sender

ROW_BYTES = 12
"""Head of a synaptic row: three words."""
WORD_BYTES = 4
NATIVE = 16
"""Ticks that the 4 bits of a synapse can delay by."""


@dataclass(frozen=True)
class Machine:
    """What the cost model needs to know of a mapped network; plain arrays.

    Parameters
    ----------
    core : population -> core of each neuron, inputs included (n,)
    delay_core : population with long delays -> core of its delay extension (n,)
    stages : the same -> packets that the extension sends for a spike
    reach : (n_cores, n_cores), whether packets of a core go to another
    passed : routers that a packet of each of `senders` passes
    entries : "x,y" -> routing entries of a chip
    chips : chips in use
    slowdown : ticks must be so many times as long as dt, at the stated rate; 1: real time
    senders : (population, whether its delay extension sends, core)
    crossed : (n, 2), number of a sender, number of a link that its packets cross
    links : (n, 3), x and y of the chip that a link leaves, and its direction in the order of `Costs.links`
    """

    core: Mapping[str, NDArray[np.int64]]
    delay_core: Mapping[str, NDArray[np.int64]]
    stages: Mapping[str, int]
    reach: NDArray[np.bool_]
    passed: NDArray[np.int64]
    entries: Mapping[str, int]
    chips: int
    slowdown: float
    senders: tuple[tuple[str, bool, int], ...]
    crossed: NDArray[np.int64]
    links: NDArray[np.int64]


class CoreNeeds:
    """What neurons need of a core: memory for their rows, and cycles of a tick at a stated rate."""

    def __init__(self, network: Network, names: tuple[str, ...], chip: Chip, rate: float) -> None:
        self.n = {name: network.populations[name].n for name in names}
        self.tables = {
            name: [
                network.projections[p].topology.synapses(
                    network.populations[network.projections[p].pre].shape
                )
                for p in network.incoming(name)
            ]
            for name in names
        }
        self.cycles = {k: c.value for k, c in chip.tables["cycles"].items()}
        self.chance = min(1.0, rate * network.dt)

    def of_slice(self, name: str, begin: int, end: int) -> dict[str, float]:
        """Return what neurons begin..end-1 of a population need."""
        return self.of_core({name: np.arange(begin, end)})

    def of_core(self, chosen: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
        """Return what a core with these neurons of each population needs."""
        neurons = rows = synapses = 0
        for name, which in chosen.items():
            on = np.zeros(self.n[name], bool)
            on[which] = True
            neurons += len(which)
            for table in self.tables[name]:
                inside = on[table.target] & (table.weight != 0)
                rows += int(np.count_nonzero(np.bincount(table.source[inside], minlength=1)))
                synapses += int(np.count_nonzero(inside))
        events = rows * self.cycles["packet"] + synapses * self.cycles["synaptic_event"]
        return {
            "neurons": neurons,
            "sdram_bytes": rows * ROW_BYTES + synapses * WORD_BYTES,
            "cycles": neurons * self.cycles["neuron_update"] + self.chance * events,
        }

    def fan_in(self, name: str) -> NDArray[np.int64]:
        """Return the synapses of each neuron of a population."""
        count = np.zeros(self.n[name], np.int64)
        for table in self.tables[name]:
            count += np.bincount(table.target[table.weight != 0], minlength=len(count))
        return count


def cut(
    network: Network,
    names: tuple[str, ...],
    chip: Chip,
    *,
    neurons_per_core: int,
    rate: float,
    real_time: bool,
    n_cores: int,
    label: str = "spinnaker",
) -> tuple[Partition, float]:
    """Cut populations into cores; return them and how much longer than dt a tick must be at the stated rate.

    Raises
    ------
    LimitError : too few cores, too little memory, or a neuron that no core can keep up with in real time
    """
    needs = CoreNeeds(network, names, chip, rate)
    budget = chip.tables["clock"]["frequency"].value * network.dt
    heaviest = {name: int(np.argmax(needs.fan_in(name))) for name in names}
    worst = {name: needs.of_slice(name, i, i + 1)["cycles"] for name, i in heaviest.items()}
    slowest = max(worst, key=lambda n: worst[n], default="")
    slowdown = max(1.0, worst.get(slowest, 0.0) / budget)
    if real_time and slowdown > 1.0:
        problems = Problems()
        problems.add(
            f"spinnaker: population {slowest!r}",
            f"one neuron needs more cycles than a tick has, at {rate:g} Hz",
            found=f"{worst[slowest]:.0f} cycles",
            expected=f"{budget:.0f} at most",
            cure="lower its fan-in, say a lower expected_rate, or real_time=False",
        )
        problems.raise_as(LimitError)
    limits = limits_of(network, chip, neurons_per_core, slowdown)
    cores = partition(network, names, needs.of_slice, limits, n_cores=n_cores, substrate=label)
    return cores, slowdown


def limits_of(
    network: Network, chip: Chip, neurons_per_core: int, slowdown: float
) -> dict[str, float]:
    """Return what one core has."""
    budget = chip.tables["clock"]["frequency"].value * network.dt
    return {
        "neurons": float(neurons_per_core),
        "sdram_bytes": chip.limit("sdram_bytes"),
        "cycles": budget * slowdown * (1 + 1e-12),
    }


def cut_by_traffic(
    network: Network,
    names: tuple[str, ...],
    chip: Chip,
    in_order: Partition,
    limits: Mapping[str, float],
    *,
    rate: float,
    n_cores: int,
    label: str = "spinnaker",
    rates: Mapping[str, Any] | None = None,
    seed: int,
) -> tuple[Partition, tuple[Change, ...]]:
    """Cut populations so that few packets go between cores, and say how many; or return the cut in order."""
    needs = CoreNeeds(network, names, chip, rate)
    synapse = needs.chance * needs.cycles["synaptic_event"]

    def by_traffic() -> Partition:
        fan_in = {name: needs.fan_in(name) for name in names}
        update = needs.cycles["neuron_update"]
        return partition_by_traffic(
            network,
            names,
            {
                "neurons": dict.fromkeys(names, 1.0),
                "sdram_bytes": {name: n * WORD_BYTES for name, n in fan_in.items()},
                "cycles": {name: update + n * synapse for name, n in fan_in.items()},
            },
            limits,
            n_cores=n_cores,
            substrate=label,
            rates=rates,
            exact=needs.of_core,
            seed=seed,
        )

    return better_of(network, in_order, by_traffic, rates)


def senders_of(
    network: Network, cores: Partition, per_core: int
) -> tuple[
    list[Sender], dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]], dict[str, int]
]:
    """Return the cores that send, the core of every neuron (inputs on cores of their own), and delay extensions.

    A packet of a core goes to every core that one of its neurons has a synapse on.
    """
    core = dict(cores.core_of)
    n = cores.n_cores
    for name in network.inputs:
        core[name] = n + np.arange(network.populations[name].n) // per_core
        n += math.ceil(network.populations[name].n / per_core)
    delay_core: dict[str, NDArray[np.int64]] = {}
    stages: dict[str, int] = {}
    pairs: dict[tuple[str, bool], set[tuple[int, int]]] = {}
    for name, p in network.projections.items():
        synapses = p.topology.synapses(network.populations[p.pre].shape)
        delay = network.delay_steps(name)
        ticks = (delay.ravel()[synapses.entry] if delay.ndim else delay) + 1
        stage = np.broadcast_to((ticks - 1) // NATIVE, synapses.target.shape)
        keep = synapses.weight != 0
        late = int(stage[keep].max(initial=0))
        if late:
            stages[p.pre] = max(stages.get(p.pre, 0), late)
        source = core[p.pre][synapses.source]
        target = cores.core_of[p.post][synapses.target]
        for is_late in (False, True):
            kept = keep & ((stage > 0) == is_late)
            both = np.unique(np.stack([source[kept], target[kept]]), axis=1)
            pairs.setdefault((p.pre, is_late), set()).update(map(tuple, both.T.tolist()))
    for name in stages:
        own, rank = np.unique(core[name], return_inverse=True)
        delay_core[name] = n + rank.astype(np.int64)
        n += len(own)
    senders = []
    for name, place in core.items():
        for number, own in enumerate(np.unique(place).tolist()):
            targets = {t for s, t in pairs.get((name, False), ()) if s == own}
            if name in stages:
                extension = int(delay_core[name][place == own][0])
                targets.add(extension)
                after = {t for s, t in pairs.get((name, True), ()) if s == own}
                block = f"{name}, delayed"
                to = tuple(sorted(after))
                senders.append(Sender(block, number, extension, to, name, is_extension=True))
            senders.append(Sender(name, number, own, tuple(sorted(targets)), name))
    return senders, core, delay_core, stages


def check_tables(routes: Routes, chip: Chip, network: Network) -> None:
    """Raise LimitError with every router that would need more entries than it has."""
    problems = Problems()
    limit = chip.limit("routing_entries")
    widest = max(network.populations, key=lambda n: network.populations[n].n, default="")
    for place, entries in sorted(routes.entries.items()):
        if entries > limit:
            problems.add(
                f"spinnaker: router of chip {place}",
                f"too many routing_entries (largest population: {widest!r})",
                found=entries,
                expected=f"{limit:g} at most",
                cure="use fewer, larger populations, or more neurons per core",
            )
    problems.raise_as(LimitError)


def reach_of(senders: list[Sender], n_cores: int) -> NDArray[np.bool_]:
    """Return whether packets of a core go to another, (n_cores, n_cores)."""
    reach = np.zeros((n_cores, n_cores), bool)
    for sender in senders:
        reach[sender.core, list(sender.targets)] = True
    return reach
