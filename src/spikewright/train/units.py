"""What a module fixes before it runs: natural units of weights, and projections taken apart by lag."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spikewright.engines.discretize import Step
from spikewright.network.graph import Network
from spikewright.train.step import natural_unit


def lags(network: Network, projection: str) -> list[tuple[int, np.ndarray | None]]:
    """Return a projection as parts of one lag each: (steps, mask of its weights or None for all)."""
    delay = network.delay_steps(projection) + network.lag(projection)
    if not delay.ndim:
        return [(int(delay), None)]
    found = np.unique(delay)
    if len(found) == 1:
        return [(int(found[0]), None)]
    return [(int(lag), (delay == lag).astype(np.float64)) for lag in found]


def units(network: Network, steps: Mapping[str, Step]) -> dict[str, float]:
    """Return the natural unit of every projection's weights."""
    found: dict[tuple[str, str], float] = {}
    result = {}
    for n, q in network.projections.items():
        place = (q.post, network.port_of(n))
        if place not in found:
            found[place] = natural_unit(
                network.populations[q.post], steps[q.post], place[1], where=q.post
            )
        result[n] = found[place]
    return result
