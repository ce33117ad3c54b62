"""Functions in float32, against float64."""

import numpy as np
import pytest

from spikewright.engines import single

F = np.float32
MANTISSAS = np.linspace(1.0, 2.0, 257, dtype=F)[:-1]
ALL = np.concatenate([F(2.0) ** e * MANTISSAS for e in range(-148, 128)]).astype(F)
NUMBERS = np.concatenate([ALL, -ALL])
INF, NAN = F(np.inf), F(np.nan)


def each(function, *columns):
    return np.array([function(*x) for x in zip(*columns, strict=True)], F)


def error(function, exact, x):
    """The largest relative error where neither underflows."""
    with np.errstate(all="ignore"):
        expected = exact(x.astype(np.float64))
    fine = (np.abs(expected) >= np.finfo(F).tiny) & (np.abs(expected) <= np.finfo(F).max)
    found = each(function, x[fine]).astype(np.float64)
    return np.max(np.abs(found / expected[fine] - 1.0))


def exprel(x):
    return np.where(x == 0, 1.0, np.expm1(x) / np.where(x == 0, 1.0, x))


@pytest.mark.parametrize(
    ("name", "exact", "bound"),
    [
        ("exp", np.exp, 1.2e-7),
        ("exprel", exprel, 2.5e-7),
        ("tanh", np.tanh, 2e-7),
        ("log", np.log, 6e-8),
        ("sqrt", np.sqrt, 6e-8),
    ],
)
def test_relative_error(name, exact, bound):
    # every exponent, and densely where functions have their bends
    dense = np.linspace(-90, 90, 40001, dtype=F)
    near = np.linspace(-1, 1, 20001, dtype=F)
    x = np.concatenate([NUMBERS, dense, near])
    x = x[x > 0] if name in ("log", "sqrt") else x
    if name == "exprel":
        x = x[x < 88.7]  # beyond, exp(x) is infinite, though exprel(x) is not
    assert error(getattr(single, name), exact, x) < bound


def test_exp_at_its_ends():
    x = np.array([-INF, -200, -103.9, -87.4, 0.0, -0.0, 88.7, 88.8, INF, NAN, 1e-40], F)
    found = each(single.exp, x)
    assert found[[0, 1]].tolist() == [0.0, 0.0]
    assert np.all(found[[2, 3]] <= np.finfo(F).tiny), "what underflows is small, or nothing"
    assert found[[4, 5, 10]].tolist() == [1.0, 1.0, 1.0]
    assert found[6] == pytest.approx(np.exp(float(x[6])), rel=2e-7)
    assert np.all(np.isinf(found[[7, 8]]))
    assert np.isnan(found[9])


@pytest.mark.parametrize("name", ["exprel", "tanh", "log", "sqrt", "floor", "trunc", "sign_real"])
def test_special_values_are_those_of_float64(name):
    from spikewright.engines import kernels

    kernel = getattr(kernels, name)
    for x in (0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.0, -1.0):
        found, expected = getattr(single, name)(F(x)), F(kernel(float(F(x))))
        assert np.isnan(found) == np.isnan(expected), (name, x)
        if not np.isnan(expected):
            assert found == pytest.approx(expected, rel=3e-7), (name, x)
            assert np.signbit(found) == np.signbit(expected), (name, x)


@pytest.mark.parametrize(
    "name", ["power", "remainder_real", "floor_divide_real", "minimum", "maximum"]
)
def test_functions_of_two_numbers_round_once(name):
    from spikewright.engines import kernels

    values = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-30, 1e30, np.inf, -np.inf, np.nan]
    x, y = (np.array(g, F).ravel() for g in np.meshgrid(values, values))
    found = each(getattr(single, name), x, y)
    with np.errstate(all="ignore"):
        expected = np.array(
            [getattr(kernels, name)(float(a), float(b)) for a, b in zip(x, y, strict=True)]
        ).astype(F)
    same = (found == expected) & (np.signbit(found) == np.signbit(expected))
    assert np.all(same | (np.isnan(found) & np.isnan(expected)))


def test_normal_is_that_of_float64():
    from spikewright.engines import kernels

    for u, w in np.random.default_rng(0).random((50, 2)):
        assert single.normal(u, w) == F(kernels.normal(u, w))


def test_clip_and_absolute():
    assert single.clip(F(3), F(0), F(2)) == 2
    assert np.isnan(single.clip(NAN, F(0), F(2)))
    assert single.absolute(F(-0.0)) == 0
    assert not np.signbit(single.absolute(F(-0.0)))
