"""Where neurons lie on a mesh of cores, and what one spike of each causes: one packet per core that it reaches.

Notation: a *packet* goes from a neuron to one core and carries the spike to all its synapses there; a *row* of the
packet table is one (source neuron, destination core), and says how many synapses of each kind it reaches. A network
of 10^7 synapses has 10^5 to 10^6 rows, and costs are computed from rows alone: that is why accounting is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import Problems, SubstrateError
from spikewright.network.graph import Network
from spikewright.substrates.base import Placement

Ints = NDArray[np.int64]
OUTSIDE = -1
"""Core of a neuron that does not lie on the chip: an input."""


@dataclass(frozen=True, eq=False)
class Fabric:
    """Neurons on the cores of a mesh, and the packets that each of their spikes sends.

    Parameters
    ----------
    core_of : core of each neuron, int64 (n,); `OUTSIDE` for inputs
    position : tile of each core, int64 (n_cores, 2), x and y; cores of one tile share a router
    mesh : tiles in x and y
    kinds : names of the kinds of synapses
    start : packets of neuron i are start[i] to start[i + 1] - 1, int64 (n + 1,)
    core : destination of each packet, int64 (m,), ascending for each neuron
    synapses : synapses that each packet reaches, by kind, int64 (m, len(kinds))
    slices : population -> its neurons; empty where neurons are only numbered

    Raises
    ------
    SubstrateError : cores or tiles that do not exist, arrays that do not fit together
    """

    core_of: Ints
    position: Ints
    mesh: tuple[int, int]
    kinds: tuple[str, ...]
    start: Ints
    core: Ints
    synapses: Ints
    slices: Mapping[str, slice]

    def __post_init__(self) -> None:
        problems = Problems()
        n, n_cores = len(self.core_of), len(self.position)
        if self.position.shape != (n_cores, 2) or not n_cores:
            problems.add(
                "fabric: position",
                "not the tiles of cores",
                found=self.position.shape,
                expected="(n_cores, 2)",
            )
        elif np.any((self.position < 0) | (self.position >= np.array(self.mesh))):
            worst = int(np.argmax(np.any((self.position < 0) | (self.position >= self.mesh), 1)))
            problems.add(
                f"fabric: core {worst}",
                "lies outside the mesh",
                found=tuple(self.position[worst].tolist()),
                expected=f"tiles of a mesh of {self.mesh[0]} x {self.mesh[1]}",
            )
        for name, cores, low in (("core_of", self.core_of, OUTSIDE), ("core", self.core, 0)):
            if np.any((cores < low) | (cores >= n_cores)):
                problems.add(
                    f"fabric: {name}",
                    "no such core",
                    found=f"{cores.min()} to {cores.max()}",
                    expected=f"{low} to {n_cores - 1}",
                )
        m = len(self.core)
        if (
            len(self.start) != n + 1
            or self.start[0] != 0
            or self.start[-1] != m
            or np.any(np.diff(self.start) < 0)
            or self.synapses.shape != (m, len(self.kinds))
        ):
            problems.add("fabric: start, core, synapses", "do not fit together")
        problems.raise_as(SubstrateError)

    @staticmethod
    def of_synapses(
        core_of: ArrayLike,
        position: ArrayLike,
        mesh: tuple[int, int],
        source: ArrayLike,
        target: ArrayLike,
        *,
        kind: ArrayLike | None = None,
        kinds: Sequence[str] = ("synapse",),
        slices: Mapping[str, slice] | None = None,
    ) -> Fabric:
        """Return the fabric of some synapses.

        Parameters
        ----------
        core_of, position, mesh, slices : see the class
        source, target : neurons of each synapse, (s,); targets lie on cores
        kind : number of the kind of each synapse, (s,); default: all of the first
        kinds : names of the kinds

        Raises
        ------
        SubstrateError : synapses of neurons that do not exist, onto neurons outside the chip, or of no known kind
        """
        from spikewright.substrates.fabric.kernels import packet_table

        core = np.asarray(core_of, np.int64)
        place = np.asarray(position, np.int64).reshape(-1, 2)
        pre, post = np.asarray(source, np.int64), np.asarray(target, np.int64)
        of = np.zeros(len(pre), np.int64) if kind is None else np.asarray(kind, np.int64)
        problems = Problems()
        for name, numbers, most in (
            ("source", pre, len(core)),
            ("target", post, len(core)),
            ("kind", of, len(kinds)),
        ):
            if len(numbers) != len(pre) or np.any((numbers < 0) | (numbers >= most)):
                problems.add(
                    f"fabric: {name}",
                    "not numbers of what exists",
                    expected=f"{len(pre)} numbers from 0 to {most - 1}",
                )
        problems.raise_as(SubstrateError)
        to = core[post]
        if np.any((to < 0) | (to >= len(place))):
            problems.add(
                "fabric: target",
                "has synapses but lies on no core of the chip",
                found=f"{np.count_nonzero((to < 0) | (to >= len(place)))} synapses",
                cure="give every neuron with synapses a core",
            )
        problems.raise_as(SubstrateError)
        if np.any(np.diff(pre) < 0):
            order = np.argsort(pre, kind="stable")
            pre, to, of = pre[order], to[order], of[order]
        first = np.searchsorted(pre, np.arange(len(core) + 1)).astype(np.int64)
        start, found, synapses = packet_table(first, to, of, len(place), len(kinds))
        return Fabric(core, place, mesh, tuple(kinds), start, found, synapses, dict(slices or {}))

    @staticmethod
    def of_network(network: Network, placement: Placement, kind_of: Callable[[Any], str]) -> Fabric:
        """Return the fabric of a placed network; populations without a place are outside. Weights of 0 send nothing.

        Parameters
        ----------
        network : lowered
        placement : where its neurons lie, on a mesh of two dimensions
        kind_of : topology of a projection -> kind of its synapses
        """
        slices: dict[str, slice] = {}
        cores = []
        n = 0
        for name, population in network.populations.items():
            slices[name] = slice(n, n + population.n)
            n += population.n
            outside = np.full(population.n, OUTSIDE, np.int64)
            cores.append(np.asarray(placement.core_of.get(name, outside), np.int64))
        kinds = tuple(dict.fromkeys(kind_of(p.topology) for p in network.projections.values())) or (
            "synapse",
        )
        source, target, kind = [], [], []
        for p in network.projections.values():
            synapses = p.topology.synapses(network.populations[p.pre].shape)
            kept = synapses.weight != 0
            source.append(synapses.source[kept] + slices[p.pre].start)
            target.append(synapses.target[kept] + slices[p.post].start)
            number = kinds.index(kind_of(p.topology))
            kind.append(np.full(np.count_nonzero(kept), number, np.int64))
        none = [np.zeros(0, np.int64)]
        return Fabric.of_synapses(
            np.concatenate(cores or none),
            placement.position,
            (placement.mesh[0], placement.mesh[1]),
            np.concatenate(source or none),
            np.concatenate(target or none),
            kind=np.concatenate(kind or none),
            kinds=kinds,
            slices=slices,
        )

    # -- what one spike causes -----------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.core_of)

    @property
    def n_cores(self) -> int:
        """Number of cores in use."""
        return len(self.position)

    @cached_property
    def n_tiles(self) -> int:
        """Number of tiles with a core in use."""
        return len(np.unique(self.position, axis=0))

    @cached_property
    def neurons(self) -> Ints:
        """Neurons of each core, (n_cores,)."""
        return np.bincount(self.core_of[self.core_of >= 0], minlength=self.n_cores)

    @cached_property
    def per_spike(self) -> Mapping[str, Ints]:
        """What one spike of each neuron causes, (n,) each: `packets`, `hops_x`, `hops_y`, `local` (packets that stay in
        the tile), `entering` (packets from outside), `synapses` by kind (n, kinds)."""
        each = np.diff(self.start)
        source = np.repeat(self.core_of, each)
        inside = source >= 0
        x, y = np.abs(self.position[self.core] - self.position[source]).T * inside
        packets = inside.astype(np.int64)
        found = {
            "packets": packets,
            "hops_x": x,
            "hops_y": y,
            "local": packets * (x + y == 0),
            "entering": 1 - packets,
            "synapses": self.synapses,
        }
        return {name: _sums(count, self.start) for name, count in found.items()}


def _sums(count: Ints, start: Ints) -> Ints:
    """Return the sum of the packets of each neuron."""
    total = np.zeros((len(count) + 1, *count.shape[1:]), np.int64)
    np.cumsum(count, axis=0, out=total[1:])
    return total[start[1:]] - total[start[:-1]]
