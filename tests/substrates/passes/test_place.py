from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.substrates.passes.place import hops, place, snake


def cost(traffic: np.ndarray, position: np.ndarray) -> float:
    """Hop-weighted traffic, pair by pair."""
    total = 0.0
    for a, b in itertools.product(range(len(position)), repeat=2):
        total += traffic[a, b] * sum(
            abs(int(x) - int(y)) for x, y in zip(position[a], position[b], strict=True)
        )
    return total


def test_the_snake_turns_at_the_end_of_each_row() -> None:
    assert snake(7, (3, 2), 1).tolist()[:6] == [[0, 0], [1, 0], [2, 0], [2, 1], [1, 1], [0, 1]]
    assert snake(5, (3, 2), 2).tolist() == [[0, 0], [0, 0], [1, 0], [1, 0], [2, 0]]


def test_hops_are_counted_per_axis() -> None:
    east_west, north_south = hops(np.array([[0, 0], [3, 1]]))
    assert east_west.tolist() == [[0, 3], [3, 0]]
    assert north_south.tolist() == [[0, 1], [1, 0]]


@settings(max_examples=40)
@given(st.integers(2, 12), st.integers(1, 3), st.integers(0, 10_000))
def test_swaps_never_worsen_and_keep_the_tiles(n: int, per_tile: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    traffic = draw.integers(0, 5, (n, n)).astype(float)
    before = snake(n, (4, 3), per_tile)
    after = place(traffic, (4, 3), per_tile, seed=seed)
    assert cost(traffic, after) <= cost(traffic, before)
    assert sorted(map(tuple, after)) == sorted(map(tuple, before))
    np.testing.assert_array_equal(after, place(traffic, (4, 3), per_tile, seed=seed))


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_no_single_swap_is_left_that_would_help(seed: int) -> None:
    traffic = np.random.default_rng(seed).integers(0, 4, (8, 8)).astype(float)
    position = place(traffic, (4, 2), 1, seed=seed, rounds=100)
    best = cost(traffic, position)
    for a, b in itertools.combinations(range(8), 2):
        swapped = position.copy()
        swapped[[a, b]] = swapped[[b, a]]
        assert cost(traffic, swapped) >= best - 1e-9


def test_a_ring_finds_its_ring() -> None:
    order = np.random.default_rng(3).permutation(8)
    traffic = np.zeros((8, 8))
    for a, b in zip(order, np.roll(order, 1), strict=True):
        traffic[a, b] = 1
    starts = [place(traffic, (4, 2), 1, seed=seed) for seed in range(10)]
    assert (
        min(cost(traffic, p) for p in starts) <= 10
    )  # 8 is the optimum, 24 typical of a random order


def test_cores_of_one_tile_need_no_search() -> None:
    assert place(np.ones((3, 3)), (8, 4), 4).tolist() == [[0, 0]] * 3
