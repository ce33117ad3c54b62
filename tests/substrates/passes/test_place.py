from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import LimitError, SubstrateError
from spikewright.substrates.passes.mesh import DIRECTIONS, Grid, Mesh
from spikewright.substrates.passes.place import Traffic, hop_traffic, hops, place_on
from spikewright.substrates.passes.place_loops import all_distances


def test_hops_are_counted_per_axis() -> None:
    east_west, north_south = hops(np.array([[0, 0], [3, 1]]))
    assert east_west.tolist() == [[0, 3], [3, 0]]
    assert north_south.tolist() == [[0, 1], [1, 0]]


def drawn(seed: int, n: int, fan: int = 3) -> Traffic:
    draw = np.random.default_rng(seed)
    source, target = draw.integers(0, n, n * fan), draw.integers(0, n, n * fan)
    return Traffic.of(source, target, draw.integers(1, 9, n * fan), n)


def by_search(mesh: Mesh) -> np.ndarray:
    """Hops between tiles by breadth-first search over the links."""
    n = mesh.n_tiles
    far = np.full((n, n), -1)
    for a in range(n):
        far[a, a], ring = 0, [a]
        while ring:
            after = []
            for t in ring:
                for d in DIRECTIONS[: mesh.n_directions]:
                    to = mesh.neighbor((t % mesh.x, t // mesh.x, d))
                    if to and far[a, to[1] * mesh.x + to[0]] < 0:
                        far[a, to[1] * mesh.x + to[0]] = far[a, t] + 1
                        after.append(to[1] * mesh.x + to[0])
            ring = after
    return far


@pytest.mark.parametrize("grid", list(Grid))
@pytest.mark.parametrize("size", [(5, 4), (6, 6), (3, 7), (1, 5)])
def test_distances_are_those_of_a_search(grid: Grid, size: tuple[int, int]) -> None:
    mesh = Mesh(*size, grid=grid)
    np.testing.assert_array_equal(all_distances(*size, grid.value), by_search(mesh))


def test_traffic_is_symmetric_and_added_up() -> None:
    traffic = Traffic.of([0, 0, 1, 2, 2], [1, 1, 0, 2, 0], [1.0, 2.0, 4.0, 8.0, 16.0], 3)
    assert traffic.start.tolist() == [0, 2, 3, 4]
    assert traffic.other.tolist() == [1, 2, 0, 0]
    assert traffic.weight.tolist() == [7, 16, 7, 16]
    with pytest.raises(SubstrateError, match="no such core; expected cores 0"):
        Traffic.of([0], [3], 1.0, 3)
    with pytest.raises(SubstrateError, match="packets are counts"):
        Traffic.of([0], [1], -1.0, 3)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(list(Grid)), st.integers(1, 3))
def test_places_are_living_cores_and_no_worse_than_the_snake(
    seed: int, grid: Grid, per_tile: int
) -> None:
    mesh = Mesh(4, 3, per_tile, grid, dead=((1, 1),))
    n = 11 * per_tile - 2
    traffic = drawn(seed, n)
    position = place_on(traffic, mesh, seed=seed, moves=4000)
    tile = position[:, 1] * 4 + position[:, 0]
    assert np.bincount(tile, minlength=12).max() <= per_tile
    assert 5 not in tile
    line = mesh.alive()[:n]
    in_order = np.stack([line % 4, line // 4], axis=1)
    assert hop_traffic(traffic, position, mesh) <= hop_traffic(traffic, in_order, mesh)
    np.testing.assert_array_equal(position, place_on(traffic, mesh, seed=seed, moves=4000))


@settings(max_examples=8)
@given(st.integers(0, 10_000))
def test_tiny_instances_reach_the_optimum(seed: int) -> None:
    mesh = Mesh(3, 2)
    traffic = drawn(seed, 6)
    best = min(
        hop_traffic(traffic, np.array([[s % 3, s // 3] for s in order]), mesh)
        for order in itertools.permutations(range(6))
    )
    found = hop_traffic(traffic, place_on(traffic, mesh, seed=seed, moves=20_000), mesh)
    assert found <= 1.03 * best


def test_a_grid_finds_its_grid() -> None:
    """Traffic between neighbours of a hidden torus: one hop each is possible."""
    hidden = np.random.default_rng(0).permutation(64).reshape(8, 8)
    pairs = [(hidden, np.roll(hidden, 1, axis)) for axis in (0, 1)]
    source, target = (np.concatenate([p[i].ravel() for p in pairs]) for i in (0, 1))
    traffic = Traffic.of(source, target, 1.0, 64)
    mesh = Mesh(8, 8, grid=Grid.TORUS)
    assert hop_traffic(traffic, place_on(traffic, mesh, seed=1), mesh) <= 1.3 * 128


def test_a_mesh_too_small_is_explained() -> None:
    with pytest.raises(
        LimitError, match="chip: the mesh has too few cores; found 7 cores to place"
    ):
        place_on(drawn(0, 7), Mesh(3, 2), substrate="chip")
    nothing = Traffic.of([], [], [], 0)
    assert place_on(nothing, Mesh(3, 2)).shape == (0, 2)
