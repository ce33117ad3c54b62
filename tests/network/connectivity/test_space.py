from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from spikewright.errors import NetworkError
from spikewright.network import DistanceDependent, Profile, Recipe


def profile(kind: Profile, d: np.ndarray, peak: float, s: float) -> np.ndarray:
    return {
        Profile.GAUSSIAN: peak * np.exp(-(d**2) / (2 * s * s)),
        Profile.EXPONENTIAL: peak * np.exp(-d / s),
        Profile.LINEAR: peak * np.maximum(0, 1 - d / s),
        Profile.CONSTANT: np.where(d <= s, peak, 0.0),
    }[kind]


def distances(
    a: np.ndarray, b: np.ndarray, extent: tuple[float, ...], periodic: bool
) -> np.ndarray:
    gap = np.abs(a[:, None, :] - b[None, :, :])
    if periodic:
        gap = np.minimum(gap, np.asarray(extent) - gap)
    return np.sqrt((gap**2).sum(axis=-1))


def summed(make: Any, seeds: int, n_pre: int) -> np.ndarray:
    return sum(make(seed).synapses((n_pre,)).matrix() for seed in range(seeds))


@pytest.mark.parametrize("kind", Profile)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("periodic", [False, True])
def test_pairs_have_the_probability_of_their_distance(
    kind: Profile, dims: int, periodic: bool
) -> None:
    draw = np.random.default_rng(dims)
    extent = (1.0, 1.5, 0.8)[:dims]
    pre, post = draw.random((60, dims)) * extent, draw.random((50, dims)) * extent
    n, s, peak, cutoff = 40, 0.3, 0.7, 0.45

    def make(seed: int) -> Recipe:
        return DistanceDependent(
            50,
            s,
            extent,
            profile=kind,
            peak=peak,
            cutoff=cutoff,
            periodic=periodic,
            pre_at=pre,
            post_at=post,
            seed=seed,
        )

    counts = summed(make, n, 60)
    d = distances(post, pre, extent, periodic)
    p = np.where(d <= cutoff, profile(kind, d, peak, s), 0.0)
    assert np.all(counts[p == 0.0] == 0)
    inside = p > 0
    excess = (counts - n * p)[inside] / np.sqrt(n * p * (1 - p))[inside]
    # the sum over pairs, near pairs, far pairs, and the spread
    assert abs(excess.sum()) < 4 * math.sqrt(inside.sum())
    near = d[inside] < np.median(d[inside])
    assert abs(excess[near].sum()) < 4 * math.sqrt(near.sum())
    assert abs(excess[~near].sum()) < 4 * math.sqrt((~near).sum())
    assert np.mean(excess[p[inside] * n > 1] ** 2) == pytest.approx(1.0, abs=0.2)


def test_a_sheet_on_its_grid() -> None:
    sheet = DistanceDependent(
        (20, 20), 1.0 / 20, (1.0, 1.0), profile=Profile.CONSTANT, periodic=True, self_edges=False
    )
    matrix = sheet.synapses((20, 20)).matrix()
    # the four nearest, each one step of the grid away: on the torus all neurons are alike
    assert set(matrix.sum(axis=0)) == set(matrix.sum(axis=1)) == {4.0}
    assert matrix[0, [1, 19, 20, 380]].tolist() == [1.0] * 4
    flat = DistanceDependent(
        (20, 20), 1.0 / 20, (1.0, 1.0), profile=Profile.CONSTANT, self_edges=False
    )
    assert flat.synapses((20, 20)).matrix()[0].sum() == 2.0


def test_shapes_with_axes_of_one() -> None:
    line = DistanceDependent((1, 10), 0.2, 1.0, profile=Profile.CONSTANT)
    assert line.out_shape((5,)) == (10,)
    assert line.synapses((5, 1)).n_pre == 5


def test_the_peak_is_the_probability_at_distance_zero() -> None:
    at = np.zeros((40, 2))
    one = DistanceDependent(40, 0.1, (1, 1), pre_at=at, post_at=at)
    assert one.synapses((40,)).n == 1600
    part = DistanceDependent(40, 0.1, (1, 1), pre_at=at, post_at=at, peak=0.3, seed=1)
    assert abs(part.synapses((40,)).n - 480) < 3 * math.sqrt(1600 * 0.21)
    assert (
        DistanceDependent(40, 0.1, (1, 1), pre_at=at, post_at=at, peak=0.0).synapses((40,)).n == 0
    )
    assert (
        DistanceDependent(40, 0.1, (1, 1), pre_at=at, post_at=at, peak=0.0).expected_synapses((40,))
        == 0
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DistanceDependent((5, 5), 0.1, (1, 1), peak=1.5), "peak must lie in 0..1; found 1.5"),
        (lambda: DistanceDependent((5, 5), 0.0, (1, 1)), "scale must be a length above 0; found 0.0"),
        (lambda: DistanceDependent((5, 5), 0.1, (1, -1)), "extent must be a length above 0; found -1"),
        (lambda: DistanceDependent((5, 5), 0.1, (1, 1), cutoff=-1), "cutoff must be a length above 0; found -1"),
        (lambda: DistanceDependent(5, 0.1, (1,) * 4), "space has one to three dimensions; found 4"),
        (lambda: DistanceDependent((5, 5), 0.1, (1, 1), profile="box"),
         "no such profile; found box, expected gaussian, exponential, linear, constant"),
        (lambda: DistanceDependent((5, 5), 0.1, 1.0), r"targets of shape \(5, 5\) do not fill 1 dimensions"),
        (lambda: DistanceDependent((5, 0), 0.1, 1.0), r"n_post is not a shape; found \(5, 0\)"),
        (lambda: DistanceDependent((2**20, 2**20), 0.1, (1, 1)), "too many targets"),
        (lambda: DistanceDependent((5, 5), 0.1, (1, 1)).out_shape((2, 3, 4)),
         r"sources of shape \(2, 3, 4\) do not fill 2 dimensions"),
        (lambda: DistanceDependent(3, 0.1, (1, 1), post_at=np.zeros((2, 2))),
         "post_at: one position per target; found 2, expected 3"),
        (lambda: DistanceDependent(3, 0.1, (1,), pre_at=np.zeros((2, 1))).out_shape((4,)),
         "pre_at: one position per source; found 2, expected 4"),
        (lambda: DistanceDependent(3, 0.1, (1, 1), post_at=np.zeros((3, 1))),
         r"post_at must be \(n, dimensions\); found \(3, 1\), expected \(n, 2\)"),
        (lambda: DistanceDependent(3, 0.1, (1,), post_at=[0.0, np.nan, 1.0]), "post_at: a position is not finite"),
        (lambda: DistanceDependent(3, 0.1, (1,), post_at=[0.0, 0.5, 1.0], periodic=True),
         "post_at: a position lies outside the periodic space"),
        (lambda: DistanceDependent(3, 0.1, (1,), periodic=1), "periodic is not a truth value; found 1"),
        (lambda: DistanceDependent(3, 0.1, (1,), self_edges=False).out_shape((4,)),
         "self_edges=False needs as many sources as targets; found 4 sources, 3 targets"),
    ],
)  # fmt: skip
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(NetworkError, match="DistanceDependent: " + message):
        make()
