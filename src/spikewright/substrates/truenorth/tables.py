"""What a layout puts into the chip: a `Core` for each core, how inputs reach axons, which neurons answer.

The tables hold everything twice: as cores (what is configured), and as deliveries (how many synaptic events a spike of
each neuron of the source network sets off, and on which core; copies and relays included).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spikewright.network.graph import Network
from spikewright.substrates.passes.place import Traffic
from spikewright.substrates.truenorth.cores import Core, Feed
from spikewright.substrates.truenorth.layout import Layout, Timing
from spikewright.substrates.truenorth.model import AXON_TYPES
from spikewright.substrates.truenorth.storage import Stored


@dataclass(frozen=True, eq=False)
class Deliveries:
    """Synaptic events that one spike of a neuron sets off, arrays (k,): which neuron, on which core, how many."""

    neuron: NDArray[np.int64]
    core: NDArray[np.int64]
    count: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tables:
    """A compiled network as it stands in the chip.

    Parameters
    ----------
    cores : relay cores last
    feeds : input population -> the axons that the host sends its spikes to
    first_copy : population -> (core, neuron of the core) of each neuron, (n, 2)
    deliveries : population, inputs included -> what its spikes set off
    traffic : packets between cores if every neuron fires once
    """

    cores: tuple[Core, ...]
    feeds: Mapping[str, Feed]
    first_copy: Mapping[str, NDArray[np.int64]]
    deliveries: Mapping[str, Deliveries]
    traffic: Traffic


@dataclass(frozen=True)
class _Targets:
    """Axons that neurons of one population drive, sorted by neuron: arrays (k,). `delay` is in steps."""

    neuron: NDArray[np.int64]
    core: NDArray[np.int64]
    axon: NDArray[np.int64]
    delay: NDArray[np.int64]


def fill(network: Network, stored: Mapping[str, Stored], layout: Layout, timing: Timing) -> Tables:
    """Return the tables of a layout."""
    targets = _targets(network, layout, timing)
    cores: list[Core] = []
    first_copy = {}
    for name, kept in stored.items():
        made, copies = _population(network, name, kept, layout, targets.get(name))
        cores += made
        first_copy[name] = copies
    # all axons of all cores in one list, so that a target is one number
    begin = np.cumsum([0, *(core.n_axons for core in cores)])
    reaches = np.concatenate([np.zeros(0, np.int64), *(core.fan_out for core in cores)])
    events = {
        name: [np.stack([t.neuron, t.core, reaches[begin[t.core] + t.axon]], axis=1)]
        for name, t in targets.items()
    }
    for number, members in enumerate(layout.relays):
        own = layout.n_cores + number
        core, relayed = _relay(members, targets)
        cores.append(core)
        for axon, (name, j) in enumerate(members):
            c, i = first_copy[name][j]
            cores[c] = _aimed(cores[c], int(i), own, axon)
            events[name].append(np.array([[j, own, relayed[axon]]]))
    feeds = {
        name: Feed(network.populations[name].shape, t.neuron, t.core, t.axon, t.delay)
        for name in network.inputs
        if (t := targets.get(name)) is not None
    }
    aimed = [core.core[core.core >= 0] for core in cores]
    sender = np.repeat(np.arange(len(cores)), [len(to) for to in aimed])
    receiver = np.concatenate([np.zeros(0, np.int64), *aimed])
    traffic = Traffic.of(sender, receiver, 1.0, len(cores))
    deliveries = {
        name: Deliveries(*np.concatenate(parts).T.astype(np.int64))
        for name, parts in events.items()
    }
    return Tables(tuple(cores), feeds, first_copy, deliveries, traffic)


def _targets(network: Network, layout: Layout, timing: Timing) -> dict[str, _Targets]:
    """Return for each population the axons that its neurons drive."""
    parts: dict[str, list[NDArray[np.int64]]] = {}
    for post, a in layout.axons.items():
        begin = np.searchsorted(a.core, a.core)
        local = np.arange(len(a.core)) - begin
        for number, p in enumerate(network.incoming(post)):
            mine = a.projection == number
            delay = timing.of(p, a.delay[mine])
            rows = [a.source[mine], a.core[mine] + layout.first[post], local[mine], delay]
            parts.setdefault(network.projections[p].pre, []).append(np.stack(rows, axis=1))
    found = {}
    for pre, tables in parts.items():
        rows_ = np.concatenate(tables)
        rows_ = rows_[np.argsort(rows_[:, 0], kind="stable")]
        if len(rows_):
            found[pre] = _Targets(*rows_.T)
    return found


def _population(
    network: Network, name: str, kept: Stored, layout: Layout, targets: _Targets | None
) -> tuple[list[Core], NDArray[np.int64]]:
    """Return the cores of a population, and where the first copy of each of its neurons lies."""
    axons, slots = layout.axons[name], layout.slots[name]
    core_of = layout.core_of[name] - layout.first[name]
    n_sources = max(
        [network.populations[network.projections[p].pre].n for p in kept.wires], default=1
    )
    n_delays = 1 + int(axons.delay.max(initial=0))

    def code(projection: NDArray[np.int64] | int, source: NDArray[np.int64],
             delay: NDArray[np.int64], sign: NDArray[np.int64]) -> NDArray[np.int64]:  # fmt: skip
        found: NDArray[np.int64] = ((projection * n_sources + source) * n_delays + delay) * 2
        return found + (sign > 0)

    targets_, codes = [], []
    for number, (p, w) in enumerate(kept.wires.items()):
        on = (kept.sign[p] != 0) & (kept.weight(p) != 0)
        targets_.append(w.target[on])
        codes.append(code(number, w.source[on], w.delay[on], kept.sign[p][on]))
    target = np.concatenate(targets_) if targets_ else np.zeros(0, np.int64)
    wanted = np.concatenate(codes) if codes else np.zeros(0, np.int64)
    pairs = np.array(list(kept.pair.values()), np.int64)
    gamma = 1 if "v_step" in network.populations[name].model.params else 0
    cores, first = [], np.zeros((len(slots), 2), np.int64)
    for c in range(int(core_of.max(initial=-1)) + 1):
        (members,) = np.nonzero(core_of == c)
        begin = np.cumsum(slots[members]) - slots[members]
        first[members] = np.stack([np.full(len(members), layout.first[name] + c), begin], axis=1)
        neuron = np.repeat(members, slots[members])
        here = axons.core == c
        table = code(
            axons.projection[here], axons.source[here], axons.delay[here], axons.sign[here]
        )
        sign = axons.sign[here]
        types = (
            2 * pairs[axons.projection[here]] + (sign < 0) if len(sign) else np.zeros(0, np.int64)
        )
        logical = np.zeros((len(members), len(table)), bool)
        inside = core_of[target] == c
        logical[target[inside] - members[0], np.searchsorted(table, wanted[inside])] = True
        magnitude = kept.magnitude[:, neuron]
        weights = np.stack([magnitude[0], -magnitude[0], magnitude[1], -magnitude[1]], axis=1)
        core, axon, delay = _aim(name, layout, targets, neuron, members, begin)
        cores.append(
            Core(
                types,
                logical[neuron - members[0]],
                weights,
                {
                    "leak": kept.leak[neuron],
                    "reversal": kept.reversal,
                    "alpha": kept.alpha[neuron],
                    "beta": kept.beta[neuron],
                    "gamma": gamma,
                },
                kept.start[neuron],
                core,
                axon,
                delay,
            )
        )
    return cores, first


def _aim(
    name: str,
    layout: Layout,
    targets: _Targets | None,
    neuron: NDArray[np.int64],
    members: NDArray[np.int64],
    begin: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return core, axon and delay in ticks of every copy; -1, 0, 1 where it has no target or a relay's."""
    core, axon, delay = (
        np.full(len(neuron), -1),
        np.zeros(len(neuron), np.int64),
        np.ones(len(neuron), np.int64),
    )
    if targets is None or name in layout.relayed:
        return core, axon, delay
    rank = np.arange(len(targets.neuron)) - np.searchsorted(targets.neuron, targets.neuron)
    inside = np.isin(targets.neuron, members)
    slot = begin[targets.neuron[inside] - members[0]] + rank[inside]
    core[slot], axon[slot] = targets.core[inside], targets.axon[inside]
    delay[slot] = 1 + targets.delay[inside]
    return core, axon, delay


def _relay(
    members: tuple[tuple[str, int], ...], targets: Mapping[str, _Targets]
) -> tuple[Core, list[int]]:
    """Return a relay core, and how many relays each of its axons drives."""
    aims, counts = [], []
    for name, j in members:
        t = targets[name]
        low, high = np.searchsorted(t.neuron, [j, j + 1])
        counts.append(int(high - low))
        aims.append(np.stack([t.core[low:high], t.axon[low:high], t.delay[low:high]], axis=1))
    aim = np.concatenate(aims)
    n = len(aim)
    crossbar = np.repeat(np.arange(len(members)), counts)[:, None] == np.arange(len(members))
    weights = np.zeros((n, AXON_TYPES), np.int64)
    weights[:, 0] = 1
    types = np.zeros(len(members), np.int64)
    params = {"alpha": 1}
    return (
        Core(
            types, crossbar, weights, params, np.zeros(n, np.int64), aim[:, 0], aim[:, 1], aim[:, 2]
        ),
        counts,
    )


def _aimed(core: Core, neuron: int, target: int, axon: int) -> Core:
    cores, axons = core.core.copy(), core.axon.copy()
    cores[neuron], axons[neuron] = target, axon
    return replace(core, core=cores, axon=axons)
