from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import LimitError
from spikewright.rng import stream
from spikewright.substrates.passes.lay import (
    _corner,
    heaviest_of,
    lay,
    link_map,
    unicast,
    with_faults,
    without_cut_off,
    without_routers,
)
from spikewright.substrates.passes.mesh import Grid, Mesh
from spikewright.substrates.passes.place import Traffic
from spikewright.substrates.passes.place_loops import distance
from spikewright.substrates.passes.route import Multicast, route

NONE = Traffic.of([], [], [], 0)


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(Grid), st.integers(1, 20), st.data())
def test_the_corner_has_room_and_the_distances_of_the_whole_mesh(
    x: int, y: int, grid: Grid, n: int, data: st.DataObject
) -> None:
    tile = st.tuples(st.integers(0, x - 1), st.integers(0, y - 1))
    mesh = Mesh(x, y, 2, grid, tuple(data.draw(st.sets(tile, max_size=10))))
    if len(mesh.alive()) < n:
        return
    corner = _corner(mesh, n)
    slots = np.unique(corner.alive())
    assert len(corner.alive()) >= n
    places = [(int(t % corner.x), int(t // corner.x)) for t in slots]
    assert not set(places) & set(mesh.dead)
    for ax, ay in places:
        for bx, by in places:
            inside = distance(
                ay * corner.x + ax, by * corner.x + bx, corner.x, corner.y, corner.grid.value
            )
            assert inside == distance(ay * x + ax, by * x + bx, x, y, grid.value)


def test_a_large_machine_costs_nothing_and_no_core_is_nothing() -> None:
    ring = Traffic.of(np.arange(20), np.roll(np.arange(20), 1), 1.0, 20)
    found = lay(ring, Mesh(240, 240, 16, Grid.TRIANGULAR), seed=1, substrate="x")
    assert found.max() < 6
    assert lay(
        NONE, Mesh(2, 2, dead=((0, 0), (0, 1), (1, 0), (1, 1))), seed=1, substrate="x"
    ).shape == (0, 2)
    with pytest.raises(LimitError, match=r"x: the mesh has too few cores .3 of them are dead.*20"):
        lay(ring, Mesh(4, 4, dead=((0, 0), (0, 1), (1, 0))), seed=1, substrate="x")


def test_tiles_that_failed_links_cut_off_are_dead() -> None:
    # nothing leaves the corner, and nothing enters the tile beside it
    failed = [(0, 0, "E"), (0, 0, "N"), (2, 0, "W"), (1, 1, "S"), (0, 0, "E")]
    mesh = with_faults(Mesh(3, 2), (), tuple(dict.fromkeys(failed)), "x")
    assert mesh.dead == ((0, 0), (1, 0))
    assert without_cut_off(Mesh(3, 2)).dead == ()


def test_a_dead_router_passes_nothing_on() -> None:
    mesh = without_routers(Mesh(3, 3, dead=((1, 1),)))
    assert len(mesh.failed) == 8
    nets = Multicast(
        np.array([0, 1]), np.array([1], np.int32), np.array([0], np.int32), np.ones(1), 2
    )
    routes = route(nets, [(0, 1), (2, 1)], mesh)
    assert (routes.hops, routes.detours) == (4.0, 1)
    assert routes.load[1, 1].sum() == 0


def test_maps_of_links_and_packets_for_each_destination() -> None:
    # one net to two cores: both go east first; the second goes on to the north
    nets = Multicast(
        np.array([0, 2]), np.array([1, 2], np.int32), np.array([0], np.int32), np.array([3.0]), 3
    )
    position = [(0, 0), (1, 0), (1, 1)]
    tree, each = (link_map(route(n, position, Mesh(2, 3))) for n in (nets, unicast(nets)))
    assert tree.shape == (2, 3, 4)
    assert {tuple(i): tree[tuple(i)] for i in np.argwhere(tree).tolist()} == {
        (0, 0, 0): 3.0, (1, 0, 2): 3.0,
    }  # fmt: skip
    assert {tuple(i): each[tuple(i)] for i in np.argwhere(each).tolist()} == {
        (0, 0, 0): 6.0, (1, 0, 2): 3.0,
    }  # fmt: skip
    assert heaviest_of(each) == "E of tile (0, 0), 6 packets per inference"
    six = link_map(route(nets, position, Mesh(2, 3, grid=Grid.TRIANGULAR)))
    assert six.shape == (2, 3, 6)
    assert six[0, 0, 4] == 3.0, "the diagonal is one step"


def test_the_same_seed_gives_the_same_places() -> None:
    draw = stream(1, "lay")
    n = 60
    a, b = np.nonzero(draw.random((n, n)) < 0.2)
    traffic = Traffic.of(a, b, 1.0, n)
    one, two = (lay(traffic, Mesh(9, 9), seed=s, substrate="x") for s in (1, 1))
    assert np.array_equal(one, two)
    assert len(np.unique(one, axis=0)) == n
