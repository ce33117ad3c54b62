"""Structures, distances, and random numbers."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import ModelError, NetworkError
from spikewright.pynn.random import NumpyRNG, RandomDistribution
from spikewright.pynn.space import Cuboid, Grid2D, Grid3D, Line, RandomStructure, Space, Sphere


def test_structures_place_neurons():
    assert Line(dx=2.0, x0=1.0, y=5.0).generate_positions(3).tolist() == [
        [1, 3, 5],
        [5, 5, 5],
        [0, 0, 0],
    ]
    grid = Grid2D(aspect_ratio=3, dx=10.0, dy=25.0, z=-3.0).generate_positions(12)
    assert grid[0].tolist() == [0, 0, 10, 10, 20, 20, 30, 30, 40, 40, 50, 50]
    assert grid[1].tolist() == [0, 25] * 6
    mixed = Grid2D(fill_order="random", rng=NumpyRNG(1)).generate_positions(9)
    assert sorted(map(tuple, mixed.T)) == sorted(map(tuple, Grid2D().generate_positions(9).T))
    assert Grid3D().generate_positions(27)[:, 1].tolist() == [0, 0, 1]
    with pytest.raises(NetworkError, match="10 neurons fill no grid"):
        Grid2D().generate_positions(10)
    ball = RandomStructure(Sphere(3.0), origin=(1.0, 0.0, 0.0), rng=NumpyRNG(2))
    far = np.linalg.norm(ball.generate_positions(4000) - [[1], [0], [0]], axis=0)
    assert far.max() <= 3.0
    # a uniform ball has a mean distance of 3/4 of its radius
    assert far.mean() == pytest.approx(2.25, abs=0.05)
    box = RandomStructure(Cuboid(2.0, 4.0, 6.0)).generate_positions(1000)
    assert np.all(np.abs(box).max(axis=1) <= [1, 2, 3])


def test_distances():
    a, b = np.array([[0.0, 0, 0], [9.0, 1, 0]]), np.array([[3.0, 4, 12]])
    assert Space().distances(a, b)[:, 0] == pytest.approx([13.0, np.sqrt(36 + 9 + 144)])
    assert Space("xy").distances(a, b)[0, 0] == 5.0
    assert Space("x", periodic_boundaries=((0, 10), None, None)).distances(a, b)[1, 0] == 4.0
    assert Space("x", scale_factor=2.0, offset=1.0).distances(a, b)[0, 0] == 8.0
    with pytest.raises(NetworkError, match="not axes"):
        Space("xw")


def test_distributions():
    draws = {
        "normal": ((2.0, 0.5), 2.0),
        "uniform": ((1.0, 3.0), 2.0),
        "gamma": ((2.0, 0.3), 0.6),
        "exponential": ((4.0,), 4.0),
        "poisson": ((7.0,), 7.0),
        "binomial": ((10, 0.4), 4.0),
        "lognormal": ((0.0, 0.5), np.exp(0.125)),
    }
    for name, (parameters, mean) in draws.items():
        values = RandomDistribution(name, parameters, rng=NumpyRNG(1)).next(20000)
        assert values.mean() == pytest.approx(mean, rel=0.03), name
    clipped = RandomDistribution("normal_clipped", mu=0.0, sigma=1.0, low=0.0, high=2.0).next(5000)
    assert 0 <= clipped.min() <= clipped.max() <= 2
    edge = RandomDistribution("normal_clipped_to_boundary", (0, 1, 0, 2)).next(5000)
    assert (edge == 0).mean() == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(NumpyRNG(4).next(5), NumpyRNG(4).next(5))
    with pytest.raises(ModelError, match="random distribution: unknown; found 'gauss'"):
        RandomDistribution("gauss")
    with pytest.raises(ModelError, match="expected mu, sigma"):
        RandomDistribution("normal", (1.0, 2.0, 3.0))
