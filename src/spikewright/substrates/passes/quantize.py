"""Weights with few bits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.network.compose import Compose
from spikewright.network.graph import Network
from spikewright.network.topology import Topology
from spikewright.substrates.base import Change


def round_to_levels(
    weight: NDArray[Any], levels: int, largest: float | None = None
) -> NDArray[Any]:
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


def weights_of(topology: Topology) -> list[NDArray[Any]]:
    """Return the weight arrays of a map, one for each part of it that has weights."""
    if isinstance(topology, Compose):
        return [weight for part in topology.maps for weight in weights_of(part)]
    return [] if topology.weight is None else [topology.weight]


def map_weights(
    topology: Topology, function: Callable[[NDArray[Any], int], NDArray[Any]]
) -> Topology:
    """Return the map with `function(weight, number)` in place of each weight array; `number` counts them from 0."""
    numbers = itertools.count()

    def mapped(part: Topology) -> Topology:
        if isinstance(part, Compose):
            return Compose(tuple(mapped(inner) for inner in part.maps))
        weight = part.weight
        return part if weight is None else part.with_weight(function(weight, next(numbers)))

    return mapped(topology)


@dataclass(frozen=True)
class Quantize:
    """Round the weights of every projection to signed numbers of `bits` bits, scaled to its largest weight.

    Parameters
    ----------
    bits : sign included, 2 or more
    why : the reason shown in the list of changes

    Raises
    ------
    SubstrateError : fewer than 2 bits
    """

    bits: int
    why: str = "weights are stored with few bits"

    def __post_init__(self) -> None:
        if self.bits != int(self.bits) or self.bits < 2:
            raise SubstrateError(
                explain(
                    "quantize: bits",
                    "not possible",
                    found=self.bits,
                    expected="a whole number >= 2",
                )
            )

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with rounded weights."""
        levels = 2 ** (int(self.bits) - 1) - 1
        projections, changes = {}, []
        for name, p in network.projections.items():
            old = weights_of(p.topology)
            if not old:
                continue
            topology = map_weights(p.topology, lambda w, _: round_to_levels(w, levels))
            size = relative_error(_joined(weights_of(topology)), _joined(old))
            if size:
                projections[name] = replace(p, topology=topology)
                changes.append(
                    Change("quantize", name, f"weights rounded to {self.bits} bits", self.why, size)
                )
        if not projections:
            return network, ()
        return network.replacing(projections=projections), tuple(changes)


def _joined(weights: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([np.ravel(w) for w in weights])
