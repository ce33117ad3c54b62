from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.errors import NetworkError
from spikewright.network import AllToAll, SmallWorld


def clustering(adjacent: np.ndarray) -> float:
    """Return the mean share of pairs of neighbors that are neighbors."""
    both = ((adjacent + adjacent.T) > 0).astype(float)
    k = both.sum(axis=0)
    return float(np.mean(np.diag(both @ both @ both) / (k * (k - 1))))


def test_all_to_all() -> None:
    np.testing.assert_array_equal(AllToAll(3, 2.0).synapses((2, 2)).matrix(), np.full((3, 4), 2.0))
    np.testing.assert_array_equal(
        AllToAll(3, self_edges=False).synapses((3,)).matrix(), 1.0 - np.eye(3)
    )
    with pytest.raises(
        NetworkError, match="AllToAll: self_edges=False needs as many sources as targets"
    ):
        AllToAll(3, self_edges=False).out_shape((4,))


def test_a_ring() -> None:
    matrix = SmallWorld(7, 4, 0.0).synapses((7,)).matrix()
    for j in range(7):
        assert np.flatnonzero(matrix[j]).tolist() == sorted((j + d) % 7 for d in (-2, -1, 1, 2))


def test_a_small_world() -> None:
    found = {}
    for beta in (0.0, 0.1, 1.0):
        made = SmallWorld(300, 10, beta, seed=1).synapses((300,))
        matrix = made.matrix()
        assert matrix.max() == 1.0
        assert np.all(np.diag(matrix) == 0.0)
        assert set(np.bincount(made.target)) == {10}
        found[beta] = clustering(matrix)
        distance = np.abs(made.source - made.target)
        moved = np.minimum(distance, 300 - distance) > 5
        assert np.mean(moved) == pytest.approx(beta * (1 - 10 / 299), abs=0.03)
    assert found[0.0] == pytest.approx(2 / 3)
    assert found[0.0] > found[0.1] > 0.3
    assert found[1.0] < 0.15


def test_a_ring_where_all_are_neighbors_stays() -> None:
    np.testing.assert_array_equal(SmallWorld(5, 4, 1.0).synapses((5,)).matrix(), 1.0 - np.eye(5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SmallWorld(9, 3, 0.1), "SmallWorld: neighbors must be even and fewer than the neurons; found 3"),
        (lambda: SmallWorld(4, 4, 0.1), "found 4, expected an even number below 4"),
        (lambda: SmallWorld(9, 2, 1.1), "SmallWorld: beta must lie in 0..1; found 1.1"),
        (lambda: SmallWorld(9, 2, 0.1).out_shape((8,)),
         "SmallWorld: source and target are one ring; found 8 sources, expected 9"),
    ],
)  # fmt: skip
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        make()
