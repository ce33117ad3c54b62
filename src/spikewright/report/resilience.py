"""How accuracy falls as synapses die. Which ones is a draw from a named stream; more damage contains less."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spikewright.errors import UsageError, explain
from spikewright.network.graph import Network
from spikewright.rng import stream

ONE_EACH = frozenset({"one_to_one", "scale"})
"""Maps that are wires, not synapses."""


def kill_synapses(network: Network, share: float, *, seed: int = 0) -> Network:
    """Return the network with a share of its weights set to zero.

    The dead of a smaller share are among the dead of a larger one, for the same seed.

    Parameters
    ----------
    network : any, also a lowered one
    share : 0 to 1, of each weight array
    seed : which weights

    Raises
    ------
    UsageError : not a share
    """
    if not 0 <= share <= 1:
        raise UsageError(explain("damage", "not a share", found=share, expected="0 to 1"))
    weights = {}
    for name, projection in network.projections.items():
        weight = projection.topology.weight
        source = network.populations[projection.pre].model
        behind_converter = source.is_transparent and projection.pre not in network.inputs
        if weight is None or projection.topology.kind in ONE_EACH or behind_converter:
            continue
        draw = stream(seed, f"damage/{name}").random(weight.shape)
        weights[name] = np.where(draw < share, np.zeros((), weight.dtype), weight)
    return network.with_weights(weights) if weights else network


def sweep(
    network: Network,
    shares: Sequence[float],
    score: Callable[[Network], float],
    *,
    seed: int = 0,
) -> tuple[float, ...]:
    """Return the score of the network at each share of dead synapses."""
    return tuple(score(kill_synapses(network, share, seed=seed)) for share in shares)
