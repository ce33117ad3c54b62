"""Multicast routing on a mesh: trees, the load of every link, congestion, entries of routing tables.

A packet that goes to several cores runs once over every link of its tree, and is copied where the tree forks. Ways
follow dimension order: along x, then along y; on the triangular torus the longest of the three legs first. They do not
look at load. Around failed links packets take a shortest way through what is left; such detours are not checked for
deadlock, which dimension order alone excludes.

Source
------
Dally and Towles, "Principles and Practices of Interconnection Networks", 2004 (dimension order); Navaridas et al.,
"SpiNNaker: enhanced multicast routing", Parallel Computing 45, 2015 (trees from longest-dimension-first ways).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import LimitError, Problems, SubstrateError, explain
from spikewright.substrates.passes.hypergraph import Hypergraph, parts_checked
from spikewright.substrates.passes.mesh import DIRECTIONS, Grid, Mesh
from spikewright.substrates.passes.place import Traffic


@dataclass(frozen=True, eq=False)
class Multicast:
    """Who sends how much to which cores, in compressed rows.

    Parameters
    ----------
    start : int64 (m + 1,)
    to : int32 (start[m],), destination cores
    source : int32 (m,), the sending core; -1 where the source lies outside the chip
    weight : float64 (m,), packets
    n_cores : number of cores
    """

    start: NDArray[np.int64]
    to: NDArray[np.int32]
    source: NDArray[np.int32]
    weight: NDArray[np.float64]
    n_cores: int

    @property
    def m(self) -> int:
        """Number of nets."""
        return len(self.weight)

    @property
    def packets(self) -> float:
        """Packets that arrive at cores: one for every destination of every net."""
        return float(self.weight @ np.diff(self.start))

    def traffic(self) -> Traffic:
        """Return the packets between pairs of cores, as placement needs them."""
        fan = np.diff(self.start)
        source, weight = np.repeat(self.source, fan), np.repeat(self.weight, fan)
        inside = source >= 0
        return Traffic.of(source[inside], self.to[inside], weight[inside], self.n_cores)

    def by_core(self) -> Multicast:
        """Return one net for every core, to all cores that any of its neurons reaches: one routing key per core."""
        fan = np.diff(self.start)
        source = np.repeat(self.source, fan).astype(np.int64) + 1
        pairs = np.unique(source * self.n_cores + self.to)
        own, to = pairs // self.n_cores, pairs % self.n_cores
        start = np.zeros(self.n_cores + 2, np.int64)
        np.cumsum(np.bincount(own, minlength=self.n_cores + 1), out=start[1:])
        sends = fan > 0
        weight = np.zeros(self.n_cores + 1)
        np.add.at(weight, self.source[sends] + 1, self.weight[sends])
        cores = np.arange(-1, self.n_cores, dtype=np.int32)
        return Multicast(start, to.astype(np.int32), cores, weight, self.n_cores)


def multicast_of(graph: Hypergraph, part: ArrayLike, n_cores: int | None = None) -> Multicast:
    """Return what every net of a partitioned hypergraph sends to cores other than its own."""
    from spikewright.substrates.passes.hypergraph_loops import destinations

    index, k = parts_checked(graph, part)
    k = max(k, n_cores or 0)
    start, to = destinations(graph.start, graph.pins, graph.owner, index, k)
    own = np.where(graph.owner >= 0, index[graph.owner] if graph.n else -1, -1)
    return Multicast(start, to, own.astype(np.int32), graph.weight, k)


@dataclass(frozen=True, eq=False)
class Routes:
    """What routing found.

    Parameters
    ----------
    mesh : the mesh
    load : float64 (y, x, 6), packets over the link that leaves a tile in a direction
    links : int64 (m,), links of every net's tree
    depth : int64 (m,), links on the longest way of every net
    weight : float64 (m,), packets of every net that was routed, 0 for those left out
    entries : int64 (y, x), nets that pass, leave or enter a router
    straight : int64 (y, x), of these, nets that only pass straight on: a router that defaults to that needs no entry
    detours : ways that were led around failed links
    """

    mesh: Mesh
    load: NDArray[np.float64]
    links: NDArray[np.int64]
    depth: NDArray[np.int64]
    weight: NDArray[np.float64]
    entries: NDArray[np.int64]
    straight: NDArray[np.int64]
    detours: int

    @property
    def hops(self) -> float:
        """Hop-weighted multicast packets: every link of a tree counts once."""
        return float(self.weight @ self.links)

    @property
    def by_axis(self) -> dict[str, float]:
        """Packets over links of each direction."""
        return {d: float(self.load[..., i].sum()) for i, d in enumerate(DIRECTIONS)}

    @property
    def heaviest(self) -> tuple[tuple[int, int, str], float]:
        """The link with most packets, and how many."""
        y, x, d = np.unravel_index(int(np.argmax(self.load)), self.load.shape)
        return (int(x), int(y), DIRECTIONS[d]), float(self.load[y, x, d])

    def congestion(self, bandwidth: float) -> float:
        """Return the load of the heaviest link over its bandwidth (packets in the unit of the load)."""
        return self.heaviest[1] / bandwidth

    def check(
        self,
        substrate: str,
        *,
        bandwidth: float | None = None,
        table: int | None = None,
        default_route: bool = True,
    ) -> None:
        """Raise LimitError where a link has more packets than bandwidth, or a router more nets than table entries.

        Parameters
        ----------
        substrate : a name for messages
        bandwidth : packets that a link carries, in the unit of the load
        table : entries of a routing table
        default_route : whether nets that pass straight on need no entry
        """
        problems = Problems()
        link, load = self.heaviest
        if bandwidth is not None and load > bandwidth:
            over = int(np.count_nonzero(self.load > bandwidth))
            problems.add(
                substrate,
                f"link {link[2]} of tile ({link[0]}, {link[1]}) is overloaded ({over} links are)",
                found=f"{load:.4g} packets",
                expected=f"{bandwidth:.4g} at most",
                cure="spread the neurons over more cores, place them anew, or lower their rates",
            )
        needed = self.entries - self.straight if default_route else self.entries
        if table is not None and needed.max(initial=0) > table:
            y, x = np.unravel_index(int(np.argmax(needed)), needed.shape)
            problems.add(
                substrate,
                f"the routing table of tile ({x}, {y}) is too small",
                found=f"{needed[y, x]} entries",
                expected=f"{table} at most",
                cure="share keys (one net per core), or use fewer cores",
            )
        problems.raise_as(LimitError)


def route(
    nets: Multicast,
    position: ArrayLike,
    mesh: Mesh,
    *,
    entry: tuple[int, int] | None = None,
    substrate: str = "mesh",
) -> Routes:
    """Route every net along its tree.

    Parameters
    ----------
    nets : who sends to whom
    position : (n_cores, 2), tile of each core
    mesh : grid and failed links
    entry : tile at which packets from outside the chip enter; None leaves them out
    substrate : a name for messages

    Raises
    ------
    SubstrateError : positions that are not on the mesh
    LimitError : failed links leave no way to a core
    """
    from spikewright.substrates.passes import route_loops as loops

    where = np.asarray(position)
    if where.shape != (nets.n_cores, 2) or np.any(where < 0) or np.any(where >= (mesh.x, mesh.y)):
        raise SubstrateError(
            explain(
                f"{substrate}: route",
                "positions do not lie on the mesh",
                found=where.shape,
                expected=f"({nets.n_cores}, 2) on {mesh.x} x {mesh.y} tiles",
            )
        )
    tile = (where[:, 1] * mesh.x + where[:, 0]).astype(np.int64)
    outside = -1 if entry is None else entry[1] * mesh.x + entry[0]
    root = np.where(nets.source >= 0, tile[nets.source] if nets.n_cores else -1, outside)
    order = np.argsort(root, kind="stable")
    load, links, depth, entries, straight, turned, net, at = loops.trees(
        nets.start, nets.to, root.astype(np.int64), nets.weight, order, tile, mesh.x, mesh.y,
        mesh.grid.value, mesh.open_links(), bool(mesh.failed)
    )  # fmt: skip
    if net >= 0:
        a, b = int(root[net]), int(tile[nets.to[at]])
        raise LimitError(
            explain(
                f"{substrate}: route",
                "failed links leave no way between two tiles",
                found=f"({a % mesh.x}, {a // mesh.x}) to ({b % mesh.x}, {b // mesh.x})",
                cure="count the tile that is cut off among the dead ones, and place anew",
            )
        )
    shape = (mesh.y, mesh.x)
    sent = np.where(root >= 0, nets.weight, 0.0)
    return Routes(
        mesh,
        load.reshape(*shape, 6),
        links,
        depth,
        sent,
        entries.reshape(shape),
        straight.reshape(shape),
        int(turned),
    )


def way(a: tuple[int, int], b: tuple[int, int], mesh: Mesh) -> list[tuple[int, int, str]]:
    """Return the links of the way from tile a to tile b in dimension order, failed ones included."""
    from spikewright.substrates.passes import route_loops as loops

    direction, length = np.empty(3, np.int64), np.empty(3, np.int64)
    n = loops.legs(
        a[1] * mesh.x + a[0], b[1] * mesh.x + b[0], mesh.x, mesh.y, mesh.grid.value, direction, length
    )  # fmt: skip
    found = []
    x, y = a
    for d, steps in zip(direction[:n], length[:n], strict=True):
        for _ in range(int(steps)):
            found.append((x, y, DIRECTIONS[d]))
            to = mesh.neighbor(found[-1]) if mesh.grid is not Grid.MESH else None
            x, y = to if to else (x + (1, 0, -1, 0)[d], y + (0, 1, 0, -1)[d])
    return found
