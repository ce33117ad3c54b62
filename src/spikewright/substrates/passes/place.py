"""Place cores on a mesh so that spikes travel few hops: along a snake first, then by swapping what helps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright import rng


def snake(n_cores: int, mesh: tuple[int, int], per_tile: int) -> NDArray[np.int64]:
    """Return (n_cores, 2) tile coordinates (x, y), filling tiles row by row, back and forth."""
    tile = np.arange(n_cores) // per_tile
    y, x = tile // mesh[0], tile % mesh[0]
    x = np.where(y % 2 == 1, mesh[0] - 1 - x, x)
    return np.stack([x, y], axis=1).astype(np.int64)


def hops(position: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return XY-routing hops between all cores: east-west and north-south, each (n, n)."""
    difference = np.abs(position[:, None, :] - position[None, :, :])
    return difference[..., 0], difference[..., 1]


def place(
    traffic: NDArray[np.float64],
    mesh: tuple[int, int],
    per_tile: int,
    *,
    seed: int = 0,
    rounds: int = 20,
) -> NDArray[np.int64]:
    """Place cores to minimise the hop-weighted traffic.

    Parameters
    ----------
    traffic : (n, n), packets from core to core (any unit)
    mesh : tiles in x and y
    per_tile : cores that share a router
    seed : order in which swaps are tried
    rounds : passes over all pairs at most

    Returns
    -------
    (n, 2) : tile coordinates of each core
    """
    n = len(traffic)
    position = snake(n, mesh, per_tile)
    if n <= per_tile:
        return position
    both = traffic + traffic.T
    generator = rng.stream(seed, "place/swaps")
    for _ in range(rounds):
        improved = False
        for a in generator.permutation(n):
            distance = np.abs(position[:, None, :] - position[None, :, :]).sum(axis=2)
            # change of cost when a and b swap places, for all b at once
            now = both[a] @ distance[a]
            others = np.einsum("bj,bj->b", both, distance)
            a_moved = distance @ both[a] - distance[:, a] * both[a, a] + both[a] * distance[a]
            b_moved = both @ distance[a] - np.diag(both) * distance[a] + both[a] * distance[a]
            gain = now + others - a_moved - b_moved
            gain[a] = 0.0
            b = int(np.argmax(gain))
            if gain[b] > 1e-9:
                position[[a, b]] = position[[b, a]]
                improved = True
        if not improved:
            break
    return position
