"""Weights with few bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.network.graph import Network
from spikewright.network.topology import Compose, Topology
from spikewright.substrates.base import Change


def round_to_levels(weight: NDArray[Any], levels: int, largest: float | None = None) -> NDArray[Any]:
    """Return weights rounded to `levels` steps per sign of their largest magnitude (half to even)."""
    top = float(np.abs(weight).max(initial=0.0)) if largest is None else largest
    if top == 0:
        return np.array(weight, np.float64)
    step = top / levels
    return np.clip(np.rint(weight / step), -levels, levels) * step


def relative_error(new: NDArray[Any], old: NDArray[Any]) -> float:
    """Return the rms difference over the rms of `old`; 0 where both vanish."""
    scale = float(np.sqrt(np.mean(np.square(old)))) if old.size else 0.0
    return float(np.sqrt(np.mean(np.square(new - old)))) / scale if scale else 0.0


def map_weights(topology: Topology, function: Any) -> Topology:
    """Return the map with `function` applied to each of its weight arrays."""
    if isinstance(topology, Compose):
        return Compose(tuple(map_weights(part, function) for part in topology.maps))
    weight = topology.weight
    return topology if weight is None else topology.with_weight(function(weight))


@dataclass(frozen=True)
class Quantize:
    """Round the weights of every projection to signed numbers of `bits` bits, scaled to its largest weight.

    Parameters
    ----------
    bits : sign included, 2 or more
    why : the reason shown in the list of changes
    """

    bits: int
    why: str = "weights are stored with few bits"

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with rounded weights."""
        from dataclasses import replace

        levels = 2 ** (self.bits - 1) - 1
        projections, changes = {}, []
        for name, p in network.projections.items():
            topology = map_weights(p.topology, lambda w: round_to_levels(w, levels))
            if p.topology.weight is None:
                continue
            size = relative_error(np.asarray(topology.weight), np.asarray(p.topology.weight))
            projections[name] = replace(p, topology=topology)
            if size:
                changes.append(
                    Change("quantize", name, f"weights rounded to {self.bits} bits", self.why, size)
                )
        return network.replacing(projections=projections), tuple(changes)
