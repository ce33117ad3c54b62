"""Place cores on a mesh so that spikes travel few hops, on any grid, around dead cores: greedy first, then annealing.

What is made small is the sum over pairs of cores of packets times hops, as if every destination got a packet of its
own; what multicast trees share is counted by `route`.

Source
------
Kirkpatrick, Gelatt, Vecchi, "Optimization by simulated annealing", Science 220, 1983.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import SubstrateError, explain
from spikewright.substrates.passes.mesh import Mesh


def hops(position: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return XY-routing hops between all cores: east-west and north-south, each (n, n)."""
    difference = np.abs(position[:, None, :] - position[None, :, :])
    return difference[..., 0], difference[..., 1]


@dataclass(frozen=True, eq=False)
class Traffic:
    """Packets between cores in compressed rows, both ways: row a lists every core that a sends to or hears from.

    Parameters
    ----------
    start : int64 (n + 1,)
    other : int32 (pairs,)
    weight : float64 (pairs,), packets of both directions together
    """

    start: NDArray[np.int64]
    other: NDArray[np.int32]
    weight: NDArray[np.float64]

    @property
    def n_cores(self) -> int:
        """Number of cores."""
        return len(self.start) - 1

    @staticmethod
    def of(source: Any, target: Any, weight: Any, n_cores: int) -> Traffic:
        """Return the traffic of a list (source, target, packets); repeats are added, packets to oneself left out."""
        a, b = np.asarray(source, np.int64), np.asarray(target, np.int64)
        w = np.broadcast_to(np.asarray(weight, np.float64), a.shape)
        if len(a) and not 0 <= min(a.min(), b.min()) <= max(a.max(), b.max()) < n_cores:
            raise SubstrateError(
                explain("traffic", "no such core", expected=f"cores 0..{n_cores - 1}")
            )
        if not np.all(np.isfinite(w)) or np.any(w < 0):
            raise SubstrateError(explain("traffic", "packets are counts", expected=">= 0"))
        apart = a != b
        a, b, w = a[apart], b[apart], w[apart]
        key, where = np.unique(
            np.concatenate([a * n_cores + b, b * n_cores + a]), return_inverse=True
        )
        total = np.bincount(where, np.concatenate([w, w]), len(key)).astype(np.float64)
        start = np.zeros(n_cores + 1, np.int64)
        np.cumsum(np.bincount(key // n_cores, minlength=n_cores), out=start[1:])
        return Traffic(start, (key % n_cores).astype(np.int32), total)


def place_on(
    traffic: Traffic,
    mesh: Mesh,
    *,
    seed: int = 0,
    moves: int | None = None,
    substrate: str = "mesh",
) -> NDArray[np.int64]:
    """Place cores on the living cores of a mesh to minimise the hop-weighted traffic.

    Parameters
    ----------
    traffic : packets between cores
    mesh : tiles, grid, dead cores
    seed : the draws of the annealing
    moves : moves tried; default 15 000 for every core, 2 10^7 at most
    substrate : a name for messages

    Returns
    -------
    (n_cores, 2) : tile coordinates x, y of each core

    Raises
    ------
    LimitError : fewer living cores than are needed
    """
    from spikewright.substrates.passes import place_loops as loops

    n = traffic.n_cores
    mesh.check_room(n, substrate)
    slots = mesh.alive()
    if n == 0:
        return np.zeros((0, 2), np.int64)
    far = loops.all_distances(mesh.x, mesh.y, mesh.grid.value)
    middle = (mesh.y // 2) * mesh.x + mesh.x // 2
    rows = (traffic.start, traffic.other, traffic.weight)
    slot = loops.greedy(*rows, slots, far, middle, 8)
    tries = min(15_000 * n, 2 * 10**7) if moves is None else moves
    key = rng.key(seed, "place/anneal")
    found = loops.anneal(*rows, slots, far, slot.copy(), tries, np.uint64(key))
    line = np.arange(n)
    best = min((found, slot, line), key=lambda s: loops.hop_cost(*rows, slots[s], far))
    tile = slots[best]
    return np.stack([tile % mesh.x, tile // mesh.x], axis=1)


def hop_traffic(traffic: Traffic, position: NDArray[np.int64], mesh: Mesh) -> float:
    """Return the sum over pairs of cores of packets times hops."""
    from spikewright.substrates.passes import place_loops as loops

    tile = position[:, 1] * mesh.x + position[:, 0]
    far = loops.all_distances(mesh.x, mesh.y, mesh.grid.value)
    return float(loops.hop_cost(traffic.start, traffic.other, traffic.weight, tile, far))
