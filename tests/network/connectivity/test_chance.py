from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from spikewright import rng
from spikewright.errors import NetworkError
from spikewright.network import (
    Bernoulli,
    Choice,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    LogNormal,
    Normal,
    PowerLaw,
    Recipe,
)


def degrees(recipe: Recipe, n_pre: int) -> tuple[np.ndarray, np.ndarray]:
    made = recipe.synapses((n_pre,))
    return np.bincount(made.target, minlength=made.n_post), made.fan_out


def test_the_definition_of_a_fixed_in_degree() -> None:
    """Words of (target, edge) make sources; the same words of other streams make weights."""
    recipe = FixedInDegree(6, 5, Normal(1.0, 0.1), seed=7, dtype="float64")

    def words(name: str) -> np.ndarray:
        target, call = np.meshgrid(np.arange(6), np.arange(2), indexing="ij")
        made = rng.philox(rng.key(7, name), target, call)
        return np.stack(made, axis=-1).reshape(6, 8)[:, :5]

    source = (words("connectivity/edges") * 9 >> np.uint64(32)).astype(np.int64)
    weight = 1.0 + 0.1 * special.ndtri((words("connectivity/weight/0") + 0.5) / 2**32)
    made = recipe.synapses((9,))
    target = np.repeat(np.arange(6), 5)
    order = np.lexsort((target, source.ravel()))
    np.testing.assert_array_equal(made.source, source.ravel()[order])
    np.testing.assert_array_equal(made.target, target[order])
    np.testing.assert_allclose(made.weight, weight.ravel()[order], rtol=1e-14)


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("self_edges", [True, False])
def test_fixed_degrees_are_exact_and_the_other_end_is_even(repeats: bool, self_edges: bool) -> None:
    more: dict[str, Any] = {"seed": 3, "repeats": repeats, "self_edges": self_edges}
    into, out = degrees(FixedInDegree(200, 70, **more), 200)
    assert set(into) == {70}
    assert stats.chisquare(out).pvalue > 0.01
    into, out = degrees(FixedOutDegree(200, 70, **more), 200)
    assert set(out) == {70}
    assert stats.chisquare(into).pvalue > 0.01
    into, out = degrees(FixedTotal(200, 14000, **more), 200)
    assert into.sum() == 14000
    spread = 1.0 if repeats else 1.0 - 70 / (200 - (not self_edges))
    assert into.var() == pytest.approx(70 * spread, rel=0.3)


def test_degrees_of_each_neuron() -> None:
    wanted = np.arange(30) % 7
    into, _ = degrees(FixedInDegree(30, wanted, seed=1, repeats=False), 20)
    np.testing.assert_array_equal(into, wanted)
    _, out = degrees(FixedOutDegree(20, wanted, seed=1), 30)
    np.testing.assert_array_equal(out, wanted)


def test_pairs_drawn_without_repeats_are_even() -> None:
    counts = np.zeros((5, 5))
    for seed in range(400):
        counts += FixedInDegree(5, 3, seed=seed, repeats=False).synapses((5,)).matrix()
    assert counts.sum() == 400 * 15
    assert stats.chisquare(counts.ravel()).pvalue > 0.01
    total = sum(FixedTotal(5, 8, seed=s, repeats=False).synapses((5,)).matrix() for s in range(400))
    assert stats.chisquare(np.ravel(total)).pvalue > 0.01


def test_pairs_by_chance() -> None:
    made = Bernoulli(500, 0.07, seed=1).synapses((400,))
    matrix = made.matrix()
    assert set(np.unique(matrix)) == {0.0, 1.0}
    std = np.sqrt(500 * 400 * 0.07 * 0.93)
    assert abs(made.n - 14000) < 3 * std
    into = np.bincount(made.target, minlength=500)
    assert into.var() == pytest.approx(400 * 0.07 * 0.93, rel=0.2)
    # neighbors in a column do not know of each other
    both = np.mean(matrix[:, 1:] * matrix[:, :-1])
    assert both == pytest.approx(0.07**2, rel=0.1)
    assert stats.chisquare(made.fan_out).pvalue > 0.01
    assert Bernoulli(50, 0.0, seed=1).synapses((40,)).n == 0
    assert Bernoulli(50, 1.0, seed=1).synapses((40,)).n == 2000
    assert Bernoulli(50, 1.0, seed=1, self_edges=False).synapses((50,)).n == 2450
    assert Bernoulli(50, 1e-12, seed=1).synapses((40,)).n == 0


@pytest.mark.parametrize("incoming", [True, False])
def test_a_power_law(incoming: bool) -> None:
    recipe = PowerLaw(3000, 2.5, 2, 200, seed=1, incoming=incoming)
    into, out = degrees(recipe, 3000)
    found = into if incoming else out
    assert found.min() == 2
    assert found.max() <= 200
    # the most likely exponent, where the law is cut off at both ends
    k = np.arange(2, 201)
    grid = np.linspace(2.0, 3.0, 101)
    likely = [-g * np.log(found).sum() - 3000 * np.log((k**-g).sum()) for g in grid]
    assert grid[int(np.argmax(likely))] == pytest.approx(2.5, abs=0.1)
    assert recipe.expected_synapses((3000,)) == pytest.approx(found.sum(), rel=0.1)


def test_seeds() -> None:
    def edges(seed: int, **more: Any) -> np.ndarray:
        made = FixedInDegree(50, 10, seed=seed, **more).synapses((50,))
        return np.stack([made.source, made.target])

    assert np.array_equal(edges(1), edges(1))
    assert not np.array_equal(edges(1), edges(2))
    # weights do not change who is connected
    assert np.array_equal(edges(1), edges(1, weights=Normal(0.0, 1.0)))
    one = FixedInDegree(50, 10, Normal(0.0, 1.0), seed=1).synapses((50,)).weight
    other = FixedInDegree(50, 10, Normal(0.0, 1.0, seed=1), seed=1).synapses((50,)).weight
    assert not np.array_equal(one, other)


def test_weights_follow_their_distribution() -> None:
    made = FixedInDegree(300, 100, Normal(2.0, 0.5, low=1.0), seed=1).synapses((100,))
    law = stats.truncnorm(-2.0, np.inf, 2.0, 0.5)
    assert stats.kstest(made.weight, law.cdf).pvalue > 0.01
    few = FixedOutDegree(100, 100, Choice((0.1, 0.2)), seed=1, dtype="float16").synapses((50,))
    assert set(few.weight) == set(np.float16([0.1, 0.2]).astype(float))


@pytest.mark.parametrize(
    ("make", "pre", "message"),
    [
        (lambda: FixedInDegree(9, 6, repeats=False), 5,
         "FixedInDegree: a degree of 6 needs as many different sources; found 5 — allow repeats"),
        (lambda: FixedInDegree(5, 5, repeats=False, self_edges=False), 5,
         "FixedInDegree: a degree of 5 needs as many different sources; found 4"),
        (lambda: FixedInDegree(1, 2, self_edges=False), 1,
         "FixedInDegree: a degree of 2 needs as many different sources; found 0"),
        (lambda: FixedOutDegree(5, 6, repeats=False), 9,
         "FixedOutDegree: a degree of 6 needs as many different targets; found 5"),
        (lambda: FixedOutDegree(5, [1, 2]), 9, "FixedOutDegree: one degree per source; found 2, expected 9"),
        (lambda: FixedInDegree(5, 2, self_edges=False), 6,
         "FixedInDegree: self_edges=False needs as many sources as targets; found 6 sources, 5 targets"),
        (lambda: FixedTotal(5, 26, repeats=False), 5,
         "FixedTotal: more edges than pairs of neurons; found 26, expected 25 at most"),
        (lambda: FixedTotal(1, 1, self_edges=False), 1, "FixedTotal: more edges than pairs of neurons; found 1"),
        (lambda: FixedTotal(5, -1), 5, "FixedTotal: total must be 0 or more; found -1"),
        (lambda: FixedTotal(5, 1.5), 5, "FixedTotal: total is not a whole number; found 1.5"),
        (lambda: FixedTotal(5, [1, 2]), 5, "FixedTotal: total is not a whole number"),
        (lambda: PowerLaw(5, 2.0, 1, 6), 5, "PowerLaw: a degree of 6 needs as many different sources; found 5"),
        (lambda: PowerLaw(5, 2.0, 0, 6), 5, "PowerLaw: degrees must go from 1 or more up to a larger one; found 0..6"),
        (lambda: PowerLaw(5, np.inf, 1, 6), 5, "PowerLaw: exponent is not a number; found inf"),
        (lambda: Bernoulli(5, 1.5), 5, "Bernoulli: probability must lie in 0..1; found 1.5"),
        (lambda: Bernoulli(5, -0.1), 5, "Bernoulli: probability must lie in 0..1; found -0.1"),
        (lambda: Bernoulli(5, np.nan), 5, "Bernoulli: probability must lie in 0..1; found nan"),
        (lambda: Bernoulli(5, "0.1"), 5, "Bernoulli: probability must lie in 0..1; found 0.1"),
        (lambda: FixedInDegree(5, -1), 5, "FixedInDegree: degree must be 0 or more; found -1"),
        (lambda: FixedInDegree(5, [1, 2]), 5, r"FixedInDegree: degree must be .* found shape \(2,\) .*expected \(5,\)"),
        (lambda: FixedInDegree(5, 1.5), 5, "FixedInDegree: degree must be one whole number, or one per neuron"),
        (lambda: FixedInDegree(0, 1), 5, "FixedInDegree: n_post must be 1 to 2.31 - 1; found 0"),
        (lambda: FixedInDegree("a", 1), 5, "FixedInDegree: n_post is not a whole number; found a"),
        (lambda: FixedInDegree((2, 2), 1), 5, "FixedInDegree: n_post is not a whole number"),
        (lambda: FixedInDegree(5, 1, seed=0.5), 5, "FixedInDegree: seed is not a whole number; found 0.5"),
        (lambda: FixedInDegree(5, 1, dtype="int8"), 5,
         "FixedInDegree: no such dtype; found int8, expected float64, float32, float16"),
        (lambda: FixedInDegree(5, 1, [1.0, 2.0]), 5,
         "FixedInDegree: weights are neither a number nor a distribution; found list — for one weight per synapse"),
        (lambda: FixedInDegree(5, 1, np.nan), 5, "FixedInDegree: a weight is not a finite float32; found nan"),
        (lambda: FixedInDegree(5, 1, 1e6, dtype="float16"), 5, r"a weight is not a finite float16; found 1e\+06"),
        (lambda: FixedInDegree(5, 1, LogNormal(1.0, 3.0), dtype="float16"), 5, "a weight is not a finite float16"),
        (lambda: FixedInDegree(5, 1, repeats="no"), 5, "FixedInDegree: repeats is not a truth value; found no"),
    ],
)  # fmt: skip
def test_what_is_refused(make: Any, pre: int, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        make().synapses((pre,))


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(NetworkError, match="2 problems"):
        FixedInDegree(5, 1, np.nan, repeats="no")


def test_with_other_weights() -> None:
    recipe = FixedInDegree(5, 2, seed=1)
    made = recipe.synapses((4,))
    other = recipe.with_weight(np.arange(10.0), (4,))
    np.testing.assert_array_equal(other.target, made.target)
    np.testing.assert_array_equal(other.weights, np.arange(10.0))
    assert recipe.weight is None
    with pytest.raises(
        NetworkError,
        match=r"fixed_in_degree.with_weight: wrong shape; found \(9,\), expected \(10,\)",
    ):
        recipe.with_weight(np.zeros(9), (4,))
    with pytest.raises(NetworkError, match="a recipe does not know its source — say pre="):
        recipe.with_weight(np.zeros(10))


def test_too_many_sources() -> None:
    with pytest.raises(NetworkError, match="Bernoulli: too many sources; found 4294967296"):
        Bernoulli(5, 0.1).out_shape((2**32,))
