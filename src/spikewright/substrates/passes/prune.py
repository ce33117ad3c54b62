"""No more synapses at a neuron than a chip can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import Dense, Sparse
from spikewright.substrates.base import Change
from spikewright.substrates.passes.quantize import relative_error


@dataclass(frozen=True)
class PruneFanIn:
    """Set the smallest weights of a neuron to 0 until `limit` are left, over all its projections.

    Weights of projections whose maps share weights (convolutions) or are wires are left as they are, and do not count.

    Parameters
    ----------
    limit : synapses of one neuron, 1 or more
    why : the reason shown in the list of changes

    Raises
    ------
    SubstrateError : a limit below 1
    """

    limit: int
    why: str = "a neuron has few synapses"

    def __post_init__(self) -> None:
        if self.limit != int(self.limit) or self.limit < 1:
            raise SubstrateError(
                explain(
                    "prune: limit",
                    "not possible",
                    found=self.limit,
                    expected="a whole number >= 1",
                )
            )

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with fewer synapses."""
        projections, changes = {}, []
        for population in network.populations:
            names = [
                n
                for n in network.incoming(population)
                if isinstance(network.projections[n].topology, Dense | Sparse)
            ]
            kept = self._kept(network, names)
            for name in names:
                p = network.projections[name]
                old = np.asarray(p.topology.weight)
                new = np.where(kept[name], old, np.zeros((), old.dtype))
                gone = int(np.count_nonzero(old) - np.count_nonzero(new))
                if gone:
                    projections[name] = replace(p, topology=p.topology.with_weight(new))
                    what = f"{gone} synapses left out, {self.limit} stay at a neuron"
                    size = relative_error(new, old)
                    changes.append(Change("prune", name, what, self.why, size))
        if not projections:
            return network, ()
        return network.replacing(projections=projections), tuple(changes)

    def _kept(self, network: Network, names: list[str]) -> dict[str, NDArray[np.bool_]]:
        """Return which weights of some projections into one population stay."""
        target, size, where = [], [], []
        for number, name in enumerate(names):
            p = network.projections[name]
            synapses = p.topology.synapses(network.populations[p.pre].shape)
            target.append(synapses.target)
            size.append(np.abs(synapses.weight))
            where.append((np.full(synapses.n, number), synapses.entry))
        kept = {n: np.ones(_shape(network, n), bool) for n in names}
        if not names:
            return kept
        targets, sizes = np.concatenate(target), np.concatenate(size)
        order = np.lexsort((-sizes, targets))
        count = np.bincount(targets, minlength=int(targets.max(initial=-1)) + 1)
        rank = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
        gone = order[rank >= self.limit]
        number, entry = (np.concatenate(x) for x in zip(*where, strict=True))
        for index, name in enumerate(names):
            kept[name].reshape(-1)[entry[gone[number[gone] == index]]] = False
        return kept


def _shape(network: Network, name: str) -> tuple[int, ...]:
    weight: Any = network.projections[name].topology.weight
    return tuple(weight.shape)
