"""Cores of a SpiNNaker machine: what a slice of neurons takes of one, which cores send where, when a tick is too short.

A core's neurons are a budget, not a wall: updates, packets and synaptic events of a tick must be done before the next.
Slices are cut so that the work at a stated rate fits; where even one neuron is too much, ticks must be longer than
real.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network
from spikewright.substrates.base import Chip
from spikewright.substrates.passes.partition import Partition, partition
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
    visits : routers that a packet of a core passes (n_cores,)
    entries : "x,y" -> routing entries of a chip
    chips : chips in use
    slowdown : ticks must be so many times as long as dt, at the stated rate; 1: real time
    """

    core: Mapping[str, NDArray[np.int64]]
    delay_core: Mapping[str, NDArray[np.int64]]
    stages: Mapping[str, int]
    reach: NDArray[np.bool_]
    visits: NDArray[np.int64]
    entries: Mapping[str, int]
    chips: int
    slowdown: float


def check_delays(network: Network, chip: Chip) -> None:
    """Raise LimitError with every projection whose delay even the delay extension does not reach."""
    problems = Problems()
    for name in network.projections:
        ticks = int(network.delay_steps(name).max(initial=0)) + 1
        if ticks > chip.limit("max_delay"):
            problems.add(
                f"spinnaker: projection {name!r}",
                "exceeds max_delay",
                found=f"{ticks} ticks",
                expected=f"{chip.limit('max_delay'):g} at most",
                cure="use a larger dt, or relay populations",
            )
    problems.raise_as(LimitError)


def cut(
    network: Network,
    names: tuple[str, ...],
    chip: Chip,
    *,
    neurons_per_core: int,
    rate: float,
    real_time: bool,
    n_cores: int,
) -> tuple[Partition, float]:
    """Cut populations into cores; return them and how much longer than dt a tick must be at the stated rate.

    Raises
    ------
    LimitError : too few cores, too little memory, or a neuron that no core can keep up with in real time
    """
    tables = {
        name: [
            network.projections[p].topology.synapses(
                network.populations[network.projections[p].pre].shape
            )
            for p in network.incoming(name)
        ]
        for name in names
    }
    cycles = {k: c.value for k, c in chip.tables["cycles"].items()}
    chance = min(1.0, rate * network.dt)
    budget = chip.tables["clock"]["frequency"].value * network.dt

    def needs(name: str, begin: int, end: int) -> dict[str, float]:
        rows = synapses = 0
        for table in tables[name]:
            inside = (table.target >= begin) & (table.target < end) & (table.weight != 0)
            rows += int(np.count_nonzero(np.bincount(table.source[inside], minlength=1)))
            synapses += int(np.count_nonzero(inside))
        work = (end - begin) * cycles["neuron_update"]
        work += chance * (rows * cycles["packet"] + synapses * cycles["synaptic_event"])
        return {
            "neurons": end - begin,
            "sdram_bytes": rows * ROW_BYTES + synapses * WORD_BYTES,
            "cycles": work,
        }

    worst = {
        name: max(needs(name, i, i + 1)["cycles"] for i in _heaviest(tables[name], network, name))
        for name in names
    }
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
    limits = {
        "neurons": float(neurons_per_core),
        "sdram_bytes": chip.limit("sdram_bytes"),
        "cycles": budget * slowdown * (1 + 1e-12),
    }
    cores = partition(network, names, needs, limits, n_cores=n_cores, substrate="spinnaker")
    return cores, slowdown


def _heaviest(tables: list, network: Network, name: str) -> list[int]:  # type: ignore[type-arg]
    """Return the neuron with the most synapses: the one that can be too much for a core."""
    count = np.zeros(network.populations[name].n, np.int64)
    for table in tables:
        count += np.bincount(table.target[table.weight != 0], minlength=len(count))
    return [int(np.argmax(count))]


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
        first = core[name].min()
        delay_core[name] = n + core[name] - first
        n += int(core[name].max() - first) + 1
    senders = []
    for name, place in core.items():
        for number, own in enumerate(np.unique(place).tolist()):
            targets = {t for s, t in pairs.get((name, False), ()) if s == own}
            if name in stages:
                extension = int(delay_core[name][place == own][0])
                targets.add(extension)
                after = {t for s, t in pairs.get((name, True), ()) if s == own}
                block = f"{name}, delayed"
                senders.append(Sender(block, number, extension, tuple(sorted(after))))
            senders.append(Sender(name, number, own, tuple(sorted(targets))))
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
