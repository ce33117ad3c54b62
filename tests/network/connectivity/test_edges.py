from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from scipy import special, stats

from spikewright import rng
from spikewright.network.connectivity import edges


@given(st.integers(0, 2**63), st.integers(0, 2**40), st.integers(0, 2**20), st.integers(0, 40))
def test_words_are_those_of_philox(key: int, major: int, first: int, n: int) -> None:
    out = np.zeros(n + 8, np.uint32)
    at = edges.words(np.uint64(key), major, first, n, out)
    calls = np.arange(first // 4, (first + n) // 4 + 2)
    expected = np.stack(rng.philox(key, np.full(len(calls), major), calls), axis=1).ravel()
    begin = first % 4
    assert at == begin
    np.testing.assert_array_equal(out[at : at + n], expected[begin : begin + n])


def test_the_quantile_of_the_normal_distribution() -> None:
    p = np.concatenate([np.linspace(0.001, 0.999, 999), 10.0 ** -np.arange(2, 12)])
    found = np.array([edges.quantile(x) for x in p])
    np.testing.assert_allclose(found, special.ndtri(p), rtol=1e-14, atol=1e-15)


@given(
    st.floats(-65000, 65000, width=64)
    | st.floats(-1e-4, 1e-4)
    | st.sampled_from([-0.0, 65520.0, 1e300])
)
def test_half_is_float16(x: float) -> None:
    with np.errstate(over="ignore"):
        expected = np.float64(x).astype(np.float16).view(np.uint16)
    assert edges.half(x) == expected


def test_numbers_are_below_and_inside() -> None:
    assert edges.below(np.uint32(2**32 - 1), 7) == 6
    assert edges.below(np.uint32(0), 7) == 0
    assert 0.0 < edges.unit(np.uint32(0)) < edges.unit(np.uint32(2**32 - 1)) < 1.0
    least = edges.fine_unit(np.uint32(0), np.uint32(0))
    most = edges.fine_unit(np.uint32(2**32 - 1), np.uint32(2**32 - 1))
    assert 0.0 < least < most < 1.0


def test_binomial_numbers() -> None:
    for n, p in ((0, 0.5), (1, 0.3), (40, 0.02), (40, 0.9), (1000, 0.5), (10**9, 1e-7)):
        for u in (1e-9, 0.01, 0.3, 0.5, 0.9, 1 - 1e-9):
            assert 0 <= edges.binomial(u, n, p) <= n
        made = [edges.binomial((i + 0.5) / 4000, n, p) for i in range(4000)]
        assert abs(np.mean(made) - n * p) <= 1e-3 + 0.02 * math.sqrt(n * p * (1 - p))
        expected = stats.binom.pmf(np.arange(max(made) + 1), n, p)
        np.testing.assert_allclose(np.bincount(made) / 4000, expected, atol=1e-3)
    assert edges.binomial(0.5, 10, 0.0) == 0
    assert edges.binomial(0.5, 10, 1.0) == 10


def test_hypergeometric_numbers() -> None:
    for good, bad, drawn in (
        (5, 5, 3),
        (5, 2, 6),
        (100, 10**10, 10**9),
        (3, 0, 2),
        (0, 9, 4),
        (700, 300, 900),
    ):
        made = [edges.hypergeometric((i + 0.5) / 4000, good, bad, drawn) for i in range(4000)]
        expected = stats.hypergeom.pmf(np.arange(max(made) + 1), good + bad, good, drawn)
        np.testing.assert_allclose(np.bincount(made) / 4000, expected, atol=2e-3)


def test_a_total_is_shared_out_whole() -> None:
    for repeats in (True, False):
        degree = edges.share(np.uint64(3), 5000, 100, 80, repeats)
        assert degree.sum() == 5000
        assert degree.min() >= 0
        assert repeats or degree.max() <= 100
    assert edges.share(np.uint64(3), 8000, 100, 80, False).tolist() == [100] * 80
