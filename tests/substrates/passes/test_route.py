from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import LimitError, SubstrateError
from spikewright.substrates.passes.hypergraph import Hypergraph, connectivity
from spikewright.substrates.passes.mesh import DIRECTIONS, Grid, Mesh
from spikewright.substrates.passes.place_loops import distance
from spikewright.substrates.passes.route import Multicast, multicast_of, route, way

GRIDS = st.sampled_from(list(Grid))


def nets(seed: int, n_cores: int, m: int = 12) -> Multicast:
    draw = np.random.default_rng(seed)
    rows = []
    source = draw.integers(0, n_cores, m).astype(np.int32)
    for s in source:
        others = np.delete(np.arange(n_cores), s)
        rows.append(np.sort(draw.choice(others, draw.integers(0, len(others)), replace=False)))
    start = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return Multicast(
        start, np.concatenate(rows).astype(np.int32), source, draw.gamma(2.0, 5.0, m), n_cores
    )


def scattered(seed: int, mesh: Mesh, n_cores: int) -> np.ndarray:
    tile = np.random.default_rng(seed).permutation(mesh.n_tiles)[:n_cores]
    return np.stack([tile % mesh.x, tile // mesh.x], axis=1)


@settings(max_examples=60)
@given(GRIDS, st.integers(1, 7), st.integers(1, 7), st.data())
def test_ways_are_connected_and_shortest(grid: Grid, x: int, y: int, data: st.DataObject) -> None:
    mesh = Mesh(x, y, grid=grid)
    a, b = ((data.draw(st.integers(0, x - 1)), data.draw(st.integers(0, y - 1))) for _ in range(2))
    at = a
    links = way(a, b, mesh)
    for link in links:
        assert link[:2] == at
        to = mesh.neighbor(link)
        assert to is not None
        at = to
    assert at == b
    assert len(links) == distance(a[1] * x + a[0], b[1] * x + b[0], x, y, grid.value)
    turns = [
        d for d, before in zip(links, [None, *links], strict=False) if before and d[2] != before[2]
    ]
    assert len(turns) <= (2 if grid is Grid.TRIANGULAR else 1)
    if grid is not Grid.TRIANGULAR:
        along = [d[2] in "EW" for d in links]
        assert along == sorted(along, reverse=True), "x first, then y"


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([Grid.MESH, Grid.TORUS]))
def test_trees_are_the_union_of_ways(seed: int, grid: Grid) -> None:
    """In dimension order ways from one source share what they can: loads by hand."""
    mesh = Mesh(5, 4, grid=grid)
    sent, position = nets(seed, 9), scattered(seed, mesh, 9)
    found = route(sent, position, mesh)
    load = np.zeros((4, 5, 6))
    entries = np.zeros((4, 5), int)
    for e in range(sent.m):
        a = tuple(map(int, position[sent.source[e]]))
        ways = [
            way(a, tuple(map(int, position[t])), mesh)
            for t in sent.to[sent.start[e] : sent.start[e + 1]]
        ]
        links = {link for one in ways for link in one}
        for x, y, d in links:
            load[y, x, DIRECTIONS.index(d)] += sent.weight[e]
        assert found.links[e] == len(links)
        assert found.depth[e] == max(map(len, ways), default=0)
        for x, y in {mesh.neighbor(link) for link in links} | ({a} if ways else set()):
            entries[y, x] += 1
    np.testing.assert_allclose(found.load, load)
    np.testing.assert_array_equal(found.entries, entries)
    assert found.hops == pytest.approx(load.sum())
    assert sum(found.by_axis.values()) == pytest.approx(load.sum())
    assert found.detours == 0


def tree_of(
    sent: Multicast, e: int, position: np.ndarray, mesh: Mesh
) -> dict[tuple[int, int], int]:
    """Links that enter each tile for one net alone."""
    one = Multicast(
        np.array([0, sent.start[e + 1] - sent.start[e]]), sent.to[sent.start[e] : sent.start[e + 1]],
        sent.source[e : e + 1], np.ones(1), sent.n_cores
    )  # fmt: skip
    load = route(one, position, mesh).load
    into: dict[tuple[int, int], int] = {}
    for y, x, d in np.argwhere(load > 0):
        assert load[y, x, d] == 1.0, "a link carries a packet once"
        to = mesh.neighbor((int(x), int(y), DIRECTIONS[d]))
        assert to is not None
        assert (int(x), int(y), DIRECTIONS[d]) not in mesh.failed
        into[to] = into.get(to, 0) + 1
    return into


@settings(max_examples=30)
@given(st.integers(0, 10_000), GRIDS, st.booleans())
def test_every_destination_is_reached_once(seed: int, grid: Grid, broken: bool) -> None:
    failed = ((1, 1, "E"), (2, 1, "W"), (2, 2, "N"), (3, 0, "N")) if broken else ()
    mesh = Mesh(5, 4, grid=grid, failed=failed)
    sent, position = nets(seed, 9, 4), scattered(seed, mesh, 9)
    for e in range(sent.m):
        into = tree_of(sent, e, position, mesh)
        root = tuple(map(int, position[sent.source[e]]))
        wanted = {tuple(map(int, position[t])) for t in sent.to[sent.start[e] : sent.start[e + 1]]}
        assert set(into.values()) <= {1}, "no tile is entered twice"
        assert root not in into
        assert wanted <= set(into)


def test_detours_are_counted_and_no_way_is_explained() -> None:
    sent = Multicast(
        np.array([0, 1]), np.array([1], np.int32), np.array([0], np.int32), np.ones(1), 2
    )
    position = np.array([[0, 0], [2, 0]])
    around = route(sent, position, Mesh(3, 2, failed=((1, 0, "E"),)))
    assert around.detours == 1
    assert around.links.tolist() == [4]
    with pytest.raises(LimitError) as caught:
        route(sent, position, Mesh(3, 1, failed=((1, 0, "E"),)), substrate="x")
    assert str(caught.value) == (
        "x: route: failed links leave no way between two tiles; found (0, 0) to (2, 0)"
        " — count the tile that is cut off among the dead ones, and place anew"
    )
    with pytest.raises(SubstrateError, match="positions do not lie on the mesh"):
        route(sent, position, Mesh(2, 2))


def test_what_a_partition_sends() -> None:
    graph = Hypergraph.from_synapses([0, 3, 4, 6, 6], [1, 2, 3, 0, 0, 3], 4, [1.0, 2.0, 4.0, 8.0])
    sent = multicast_of(graph, [0, 0, 1, 2], 4)
    assert sent.start.tolist() == [0, 2, 2, 4, 4]
    assert sent.to.tolist() == [1, 2, 0, 2]
    assert sent.packets == connectivity(graph, [0, 0, 1, 2]) == 10.0
    traffic = sent.traffic()
    assert traffic.n_cores == 4
    assert traffic.weight.tolist() == [5, 1, 5, 4, 1, 4]
    shared = sent.by_core()
    assert shared.source.tolist() == [-1, 0, 1, 2, 3]
    assert shared.start.tolist() == [0, 0, 2, 4, 4, 4]
    assert shared.to.tolist() == [1, 2, 0, 2]
    assert shared.weight.tolist() == [0, 1, 4, 0, 0]


def test_packets_from_outside_enter_at_a_tile_or_are_left_out() -> None:
    sent = Multicast(
        np.array([0, 1]), np.array([0], np.int32), np.array([-1], np.int32), np.full(1, 3.0), 1
    )
    position = np.array([[2, 1]])
    assert route(sent, position, Mesh(3, 2)).hops == 0.0
    assert route(sent, position, Mesh(3, 2), entry=(0, 0)).hops == 9.0


def test_congestion_and_tables_are_explained() -> None:
    """Five nets from one corner along a row: its first link carries all of them."""
    sent = Multicast(
        np.arange(6), np.array([1, 2, 3, 3, 3], np.int32), np.zeros(5, np.int32), np.full(5, 2.0), 4
    )
    found = route(sent, np.array([[0, 0], [1, 0], [2, 0], [3, 0]]), Mesh(4, 1))
    assert found.heaviest == ((0, 0, "E"), 10.0)
    assert found.congestion(20.0) == 0.5
    assert found.entries.tolist() == [[5, 5, 4, 3]]
    assert found.straight.tolist() == [[0, 4, 3, 0]]
    found.check("x", bandwidth=10.0, table=5)
    with pytest.raises(LimitError) as caught:
        found.check("x", bandwidth=9.0, table=4)
    text = str(caught.value)
    assert (
        "x: link E of tile (0, 0) is overloaded (1 links are); found 10 packets, expected 9 at most"
        " — spread the neurons over more cores, place them anew, or lower their rates" in text
    )
    assert (
        "x: the routing table of tile (0, 0) is too small; found 5 entries, expected 4 at most"
        " — share keys (one net per core), or use fewer cores" in text
    )
    with pytest.raises(LimitError, match="tile"):
        found.check("x", table=4, default_route=False)
