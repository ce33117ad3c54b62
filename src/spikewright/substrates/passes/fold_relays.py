"""Relays become part of the projections that pass through them: chips have no neuron that only passes values on.

A relay adds what arrives in a step and sends it on in the same step. So each way in, followed by each way out, is one
projection: the maps one after the other, delays added, biases carried through the second map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spikewright.network.compose import Compose
from spikewright.network.graph import Network, Projection
from spikewright.network.library.sources import Relay
from spikewright.network.topology import Topology
from spikewright.substrates.base import Change


@dataclass(frozen=True)
class FoldRelays:
    """Take out every relay that projects somewhere, is no output, and has one delay per projection."""

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network without these relays."""
        changes: tuple[Change, ...] = ()
        for name in tuple(network.populations):
            if _folds(network, name):
                what = "is folded into the projections that pass through it"
                if _waits(network, name):
                    what += "; its bias acts from the first step on, not after their delay"
                network = _without(network, name)
                changes += (Change("fold relays", name, what, "no chip has neurons without state"),)
        return network, changes


def _folds(network: Network, name: str) -> bool:
    into, out_of = network.incoming(name), network.outgoing(name)
    plain = all(
        np.ndim(p.delay) == 0 and p.rule is None and not p.exponent
        for p in (network.projections[q] for q in (*into, *out_of))
    )
    return (
        network.populations[name].model == Relay
        and name not in network.outputs
        and bool(into)
        and bool(out_of)
        and not set(into) & set(out_of)
        and all(drive.post != name for drive in network.drives.values())
        and plain
    )


def _waits(network: Network, name: str) -> bool:
    """Whether a bias of the relay is sent on with a delay."""
    biases = (network.projections[q].bias for q in network.incoming(name))
    late = (network.projections[q].delay for q in network.outgoing(name))
    return any(b is not None and np.any(b) for b in biases) and any(np.any(d) for d in late)


def _without(network: Network, name: str) -> Network:
    into, out_of = network.incoming(name), network.outgoing(name)
    gone = {*into, *out_of}
    projections: dict[str, Projection] = {}
    for q, p in network.projections.items():
        if q not in gone:
            projections[q] = p
        if q in out_of:
            for k, before in enumerate(into):
                made = _joined(network, network.projections[before], p, first=k == 0)
                projections[q if len(into) == 1 else f"{before}+{q}"] = made
    populations = {n: p for n, p in network.populations.items() if n != name}
    return replace(network, populations=populations, projections=projections)


def _joined(network: Network, before: Projection, after: Projection, *, first: bool) -> Projection:
    maps = (*_maps(before.topology), *_maps(after.topology))
    bias = after.bias if first else None
    if before.bias is not None:
        shape = network.populations[before.post].shape
        carried = after.topology.apply(np.asarray(before.bias, np.float64), shape)
        carried = carried.reshape(network.populations[after.post].shape)
        bias = carried if bias is None else carried + bias
    return Projection(
        before.pre,
        after.post,
        Compose(maps),
        after.port,
        np.asarray(before.delay) + np.asarray(after.delay),
        bias,
    )


def _maps(topology: Topology) -> tuple[Topology, ...]:
    return topology.maps if isinstance(topology, Compose) else (topology,)
