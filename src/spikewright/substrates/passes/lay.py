"""Lay cores on a mesh around what is dead, and lead their packets around links that failed.

What every target on a mesh does with its cores: who sends how much to whom, where cores lie, what each link carries.
Tiles that failed links cut off count as dead; routers of dead cores still pass packets on.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.recording import Recording
from spikewright.errors import Problems, SubstrateError, explain
from spikewright.network.graph import Network
from spikewright.substrates.base import Change, Placement
from spikewright.substrates.passes.hypergraph import hypergraph_of
from spikewright.substrates.passes.mesh import DIRECTIONS, OPPOSITE, Grid, Mesh
from spikewright.substrates.passes.place import Traffic, place_on
from spikewright.substrates.passes.route import Multicast, Routes, multicast_of, route

SPARE = 1.5
"""Living cores of the corner in which cores are placed, for each that is needed: so that large meshes cost nothing."""
MOVES = 3000
"""Moves of the annealing for each core, at most."""
WORK = 2e8
"""Pairs of cores that the annealing may look at: a few seconds."""
SHOWN = (0, 2, 1, 3, 4, 5)
"""Directions in the order of `Costs.links`: east, west, north, south, north-east, south-west."""


PARTITIONS = ("order", "traffic")
"""How a network is cut into cores: in the order of its neurons, or by what they send each other."""


def places(given: Iterable[Any], where: str) -> tuple[tuple[Any, ...], ...]:
    """Return places as sorted tuples without repeats: whole numbers, and directions as text.

    Raises
    ------
    SubstrateError : not a list of places
    """
    try:
        found = {tuple(i if isinstance(i, str) else operator.index(i) for i in p) for p in given}
        return tuple(sorted(found))
    except TypeError:
        raise SubstrateError(
            explain(where, "not a list of places", found=repr(given), expected="[(0, 1), ...]")
        ) from None


def with_faults(
    mesh: Mesh, faulty: tuple[tuple[Any, ...], ...], failed: tuple[tuple[Any, ...], ...], name: str
) -> Mesh:
    """Return the mesh with what is faulty on it; tiles that failed links cut off are dead as well.

    Parameters
    ----------
    mesh : whole
    faulty : (x, y) of tiles or (x, y, n) of cores
    failed : (x, y, direction) of the tile that a link leaves, one of `DIRECTIONS`
    name : of the substrate, for messages

    Raises
    ------
    SubstrateError : something is not there
    """
    problems = Problems()
    for place in faulty:
        if not all(isinstance(i, int) for i in place):
            problems.add(f"{name}: faulty", "no such core", found=place, expected="(x, y)")
    for place in failed:
        if [type(i) for i in place] != [int, int, str]:
            problems.add(
                f"{name}: failed_links", "no such link", found=place, expected='(x, y, "E")'
            )
    problems.raise_as(SubstrateError)
    try:
        made = replace(mesh, dead=faulty, failed=failed)
    except SubstrateError as problem:
        told = str(problem).replace("mesh.dead", f"{name}: faulty")
        raise SubstrateError(told.replace("mesh.failed", f"{name}: failed_links")) from None
    return without_cut_off(made) if failed else made


def without_cut_off(mesh: Mesh) -> Mesh:
    """Return the mesh with all tiles dead but those of the largest part whose tiles reach each other."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    tile, way = np.nonzero(mesh.open_links())
    to = np.array([_beyond(mesh, int(t), int(d)) for t, d in zip(tile, way, strict=True)], np.int64)
    n = mesh.n_tiles
    table = coo_matrix((np.ones(len(tile)), (tile, to)), shape=(n, n))
    _, part = connected_components(table, directed=True, connection="strong")
    off = np.flatnonzero(part != np.argmax(np.bincount(part)))
    lost = tuple((int(t % mesh.x), int(t // mesh.x)) for t in off)
    return replace(mesh, dead=(*mesh.dead, *(p for p in lost if p not in mesh.dead)))


def _beyond(mesh: Mesh, tile: int, direction: int) -> int:
    to = mesh.neighbor((tile % mesh.x, tile // mesh.x, DIRECTIONS[direction]))
    return tile if to is None else to[1] * mesh.x + to[0]


def without_routers(mesh: Mesh) -> Mesh:
    """Return the mesh with every link of a dead tile failed, both ways: its router is dead as well."""
    links = set(mesh.failed)
    for place in mesh.dead:
        if len(place) == 2:
            for d in range(mesh.n_directions):
                out = (place[0], place[1], DIRECTIONS[d])
                to = mesh.neighbor(out)
                if to is not None:
                    links |= {out, (*to, DIRECTIONS[OPPOSITE[d]])}
    made = replace(mesh, failed=tuple(sorted(links)))
    return without_cut_off(made) if links else made


def labelled(name: str, mesh: Mesh) -> str:
    """Return a substrate's name, and how many of its cores are dead."""
    whole = mesh.n_tiles * mesh.per_tile
    dead = whole - len(mesh.alive())
    return f"{name} ({dead} of {whole} cores are dead)" if dead else name


def check_rates(network: Network, rates: Mapping[str, Any], name: str) -> None:
    """Raise SubstrateError with every rate that is not one of a population's neurons, in Hz."""
    problems = Problems()
    for population, rate in rates.items():
        where = f"{name}: rates[{population!r}]"
        if population not in network.populations:
            there = ", ".join(network.populations)
            problems.add(where, "no such population", expected=there)
            continue
        n = network.populations[population].n
        hz = np.asarray(rate)
        if hz.dtype.kind not in "iuf" or hz.size not in (1, n):
            problems.add(
                where, "not Hz", found=f"{hz.dtype} {hz.shape}", expected=f"one number or {n}"
            )
        elif not np.all(np.isfinite(hz)) or np.any(hz < 0):
            problems.add(where, "not Hz", found=f"{hz.min()}", expected="finite numbers, 0 or more")
    problems.raise_as(SubstrateError)


def kept_rates(rates: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return rates as numbers and tuples of them, so that substrates with the same rates are equal."""
    if not isinstance(rates, Mapping):
        raise SubstrateError(
            explain(where, "not rates", found=repr(rates), expected="population -> Hz")
        )
    return {k: v if np.ndim(v) == 0 else tuple(np.ravel(v).tolist()) for k, v in rates.items()}


def check_partition(partition: str, where: str, problems: Problems) -> None:
    """Note where a way to cut a network into cores is not known."""
    if partition not in PARTITIONS:
        expected = " or ".join(map(repr, PARTITIONS))
        problems.add(f"{where}: partition", "unknown", found=repr(partition), expected=expected)


def keep_layout(substrate: Any) -> None:
    """Bring what a frozen substrate is told of rates and faults into one form, so that equal ones are equal.

    Raises
    ------
    SubstrateError : not rates, or not lists of places
    """
    name = substrate.name
    if hasattr(substrate, "rates"):
        object.__setattr__(substrate, "rates", kept_rates(substrate.rates, f"{name}: rates"))
    for option in ("faulty", "failed_links"):
        found = places(getattr(substrate, option), f"{name}: {option}")
        object.__setattr__(substrate, option, found)


def nets_of(
    network: Network,
    core_of: Mapping[str, NDArray[np.int64]],
    n_cores: int,
    rates: Mapping[str, Any] | None = None,
) -> Multicast:
    """Return what every neuron sends to cores other than its own, weighted by rates (1 where there are none)."""
    cover = hypergraph_of(network, tuple(core_of), rates)
    part = cover.joined(core_of).astype(np.int64)
    return multicast_of(cover.graph, part, n_cores)


def unicast(nets: Multicast) -> Multicast:
    """Return the same packets where each destination gets one of its own, as on a network that does not copy."""
    fan = np.diff(nets.start)
    return Multicast(
        np.arange(len(nets.to) + 1),
        nets.to,
        np.repeat(nets.source, fan),
        np.repeat(nets.weight, fan),
        nets.n_cores,
    )


def lay(traffic: Traffic, mesh: Mesh, *, seed: int, substrate: str) -> NDArray[np.int64]:
    """Return the tile of every core, (n_cores, 2), on living cores in a corner of the mesh that has room for them.

    Raises
    ------
    LimitError : fewer living cores than are needed
    """
    mesh.check_room(traffic.n_cores, substrate)
    if traffic.n_cores == 0:
        return np.zeros((0, 2), np.int64)
    n = traffic.n_cores
    moves = int(min(MOVES * n, WORK * n / max(len(traffic.other), 1)))
    return place_on(traffic, _corner(mesh, n), seed=seed, moves=moves, substrate=substrate)


def _corner(mesh: Mesh, n_cores: int) -> Mesh:
    """Return a mesh in whose corner lie enough living cores, with the distances of the whole mesh among them."""
    tile = mesh.alive()
    x, y = tile % mesh.x, tile // mesh.x
    side = int(np.sort(np.maximum(x, y))[min(int(SPARE * n_cores), len(tile) - 1)]) + 1
    wide, high = min(side, mesh.x), min(side, mesh.y)
    if wide == mesh.x and high == mesh.y:
        return mesh
    if mesh.grid is Grid.MESH:
        columns, rows = wide, high
    else:
        # three times as wide, no way around the edge is shorter than the one inside
        columns, rows = min(3 * wide, mesh.x), min(3 * high, mesh.y)
    inside = [p for p in mesh.dead if p[0] < wide and p[1] < high]
    margin = [(u, v) for u in range(columns) for v in range(rows) if not (u < wide and v < high)]
    return Mesh(columns, rows, mesh.per_tile, mesh.grid, (*inside, *margin))


def link_map(routes: Routes) -> NDArray[np.float64]:
    """Return the load of links as `Costs.links` has it: (x, y, 4 or 6)."""
    found: NDArray[np.float64] = routes.load.transpose(1, 0, 2)[:, :, SHOWN]
    return found[:, :, : routes.mesh.n_directions]


def routes_of(
    network: Network, placement: Placement, recording: Recording, mesh: Mesh
) -> tuple[Routes, Routes]:
    """Return what links carry in an inference: with a packet for every destination core, and with multicast trees.

    Parameters
    ----------
    network, placement : of the compiled network
    recording : a run of it
    mesh : that it was placed on
    """
    sent = {name: count.mean(axis=0) for name, count in recording.sent.items()}
    nets = nets_of(network, placement.core_of, placement.n_cores, sent)
    one_each = route(unicast(nets), placement.position, mesh)
    return one_each, route(nets, placement.position, mesh)


def link_notes(one_each: Routes, copied: Routes, bandwidth: float | None = None) -> tuple[str, ...]:
    """Return which link carries most and what detours mean, for the notes of a cost that prices hops by destination.

    Parameters
    ----------
    one_each, copied : as of `routes_of`
    bandwidth : packets that a link carries in an inference, where that is known
    """
    if one_each.heaviest[1] == 0:
        return ()
    use = "" if bandwidth is None else f" ({one_each.congestion(bandwidth):.2g} of its bandwidth)"
    heaviest, trees = heaviest_of(link_map(one_each)), heaviest_of(link_map(copied))
    told = f"heaviest link: {heaviest}{use}; with multicast trees {trees}"
    if not one_each.detours:
        return (told,)
    count = one_each.detours
    return told, f"{count} ways are led around failed links; prices are of the hops without them"


def heaviest_of(load: NDArray[np.float64]) -> str:
    """Return which link carries most, and how much; load as in `Costs.links`."""
    x, y, way = np.unravel_index(int(np.argmax(load)), load.shape)
    name = DIRECTIONS[SHOWN[int(way)]]
    return f"{name} of tile ({x}, {y}), {load[x, y, way]:.4g} packets per inference"


def fault_changes(
    core_of: Mapping[str, NDArray[np.int64]], mesh: Mesh, detours: int
) -> tuple[Change, ...]:
    """Return what was mapped around, as changes of the largest population."""
    found = []
    name = max(core_of, key=lambda p: len(core_of[p]), default="")
    dead = mesh.n_tiles * mesh.per_tile - len(mesh.alive())
    if dead and name:
        what = f"its cores and all others laid around {dead} dead ones"
        found.append(Change("place", name, what, "faulty cores"))
    if mesh.failed and name:
        what = f"{detours} ways, others' too, led around {len(mesh.failed)} failed links"
        found.append(Change("route", name, what, "failed links"))
    return tuple(found)
