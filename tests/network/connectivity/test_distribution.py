from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from spikewright.errors import NetworkError
from spikewright.network import Choice, Distribution, Exponential, LogNormal, Normal, Uniform
from spikewright.network.connectivity.distribution import delays, from_dict

ALL = [
    Normal(1.0, 0.5), Normal(-2.0, 0.5, low=-2.2, high=-1.0), Normal(3.0, 0.0), Uniform(-1.0, 2.0), LogNormal(2.0, 0.7),
    LogNormal(2.0, 0.7, high=2.5), LogNormal(2.0, 0.0), Exponential(0.3), Exponential(0.3, low=0.2, high=1.0),
    Choice((1.0, 5.0), (0.25, 0.75)), Choice((3.0,)),
]  # fmt: skip


def frozen(d: Distribution) -> Any:
    """Return SciPy's distribution, not cut off."""
    match d:
        case Normal():
            return stats.norm(d.mean, d.std)
        case Uniform():
            return stats.uniform(d.low, d.high - d.low)
        case LogNormal():
            return stats.lognorm(d.sigma, scale=d.median)
        case Exponential():
            return stats.expon(scale=d.mean)
    raise AssertionError


@pytest.mark.parametrize(
    "d",
    [
        d
        for d in ALL
        if not isinstance(d, Choice) and 0.0 not in (getattr(d, "std", 1), getattr(d, "sigma", 1))
    ],
)
def test_values_follow_the_distribution(d: Any) -> None:
    made = d.draw(20000, seed=1)
    assert made.dtype == np.float64
    low, high = d.bounds()
    assert low <= made.min() <= made.max() <= high
    assert d.span()[0] <= made.min() <= made.max() <= d.span()[1] * (1 + 1e-12)
    law = frozen(d)

    def share(x: Any) -> Any:
        return (law.cdf(np.clip(x, low, high)) - law.cdf(low)) / (law.cdf(high) - law.cdf(low))

    assert stats.kstest(made, share).pvalue > 0.01


def test_single_values() -> None:
    assert set(Normal(3.0, 0.0).draw(9, seed=1)) == {3.0}
    assert set(LogNormal(2.0, 0.0).draw(9, seed=1)) == {2.0}
    assert set(Uniform(2.0, 2.0).draw(9, seed=1)) == {2.0}
    assert set(Choice((3.0,)).draw(9, seed=1)) == {3.0}


def test_choices_have_their_probabilities() -> None:
    made = Choice((1.0, 5.0), (0.25, 0.75)).draw(40000, seed=1)
    assert np.mean(made == 1.0) == pytest.approx(0.25, abs=0.01)
    many = Choice(tuple(range(256))).draw(100000, seed=1)
    assert stats.chisquare(np.bincount(many.astype(int), minlength=256)).pvalue > 0.01
    never = Choice((1.0, 2.0, 3.0), (0.5, 0.0, 0.5)).draw(1000, seed=1)
    assert set(never) == {1.0, 3.0}


def test_the_same_seed_and_stream_give_the_same_values() -> None:
    d = Normal(0.0, 1.0)
    assert np.array_equal(d.draw(50, seed=1), d.draw(50, seed=1))
    assert not np.array_equal(d.draw(50, seed=1), d.draw(50, seed=2))
    assert not np.array_equal(d.draw(50, seed=1), d.draw(50, seed=1, stream="other"))


@pytest.mark.parametrize("d", ALL)
def test_as_plain_data_and_back(d: Distribution) -> None:
    assert from_dict(d.as_dict()) == d


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(0.0, -1.0), "Normal: std must be 0 or more; found -1.0"),
        (lambda: Normal("a", 1.0), "Normal: mean is not a number; found a"),
        (lambda: Normal(0.0, 1.0, low=math.inf), "Normal: low is not a number; found inf"),
        (lambda: Normal(0.0, 1.0, low=2.0, high=1.0), r"Normal: low lies above high; found \(2.0, 1.0\)"),
        (lambda: Normal(0.0, 1.0, low=9.0), "Normal: of its values, .* lie between low and high"),
        (lambda: Normal(0.0, 0.0, low=9.0), "Normal: of its values, 0 lie between low and high"),
        (lambda: Normal(0.0, 1.0, seed=0.5), "Normal: seed is not a whole number; found 0.5"),
        (lambda: Uniform(1.0, 0.0), "Uniform: low lies above high"),
        (lambda: Uniform(None, 0.0), "Uniform: low is not a number"),
        (lambda: LogNormal(0.0, 1.0), "LogNormal: median must be positive, sigma 0 or more"),
        (lambda: Exponential(0.0), "Exponential: mean must be positive; found 0.0"),
        (lambda: Choice(()), "Choice: 1 to 256 values can be chosen from; found 0"),
        (lambda: Choice(range(257)), "Choice: 1 to 256 values can be chosen from; found 257"),
        (lambda: Choice("ab"), "Choice: values are not a list of numbers; found ab"),
        (lambda: Choice((1.0, 2.0), (0.5,)), "Choice: one probability of 0 or more per value"),
        (lambda: Choice((1.0, 2.0), (0.5, 0.6)), "Choice: probabilities must add up to 1; found 1.1"),
        (lambda: from_dict({"kind": "cauchy"}), "distribution: unknown kind; found 'cauchy', expected normal, "),
        (lambda: from_dict({"kind": "normal", "mu": 1}), "distribution: not a normal; found .*mu"),
    ],
)  # fmt: skip
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        make()


# -- delays ----------------------------------------------------------------------------------------------


def shares(made: Any) -> dict[int, float]:
    width = np.diff(made.upper.astype(np.float64), prepend=0.0) / 2**32
    return dict(zip(made.steps.tolist(), width.tolist(), strict=True))


def test_delays_are_rounded_to_the_nearest_step() -> None:
    law = stats.norm(1.5e-3, 0.75e-3)
    found = shares(delays(Normal(1.5e-3, 0.75e-3, low=1e-4), 1e-4))
    mass = law.sf(1e-4)
    assert min(found) == 1
    assert found[1] == pytest.approx((law.cdf(1.5e-4) - law.cdf(1e-4)) / mass, rel=1e-6)
    for k in (2, 15, 30):
        expected = (law.cdf((k + 0.5) * 1e-4) - law.cdf((k - 0.5) * 1e-4)) / mass
        assert found[k] == pytest.approx(expected, rel=1e-5)
    assert sum(found.values()) == pytest.approx(1.0)


def test_the_least_delay() -> None:
    assert delays(Uniform(0.0, 1e-3), 1e-3).steps.tolist() == [0, 1]
    assert delays(Normal(0.0, 1e-3), 1e-3).low == 1
    assert delays(Normal(0.0, 1e-3, low=0.0), 1e-3).low == 0
    assert delays(Normal(5e-3, 1e-3, low=2.2e-3), 1e-3).low == 3
    assert delays(Choice((0.0, 2e-3)), 1e-3).steps.tolist() == [0, 2]
    assert delays(Choice((2e-4, 1.4e-3, 1.6e-3, 2e-3)), 1e-3).steps.tolist() == [1, 1, 2, 2]
    assert delays(Choice((3e-3, 1e-3), (0.75, 0.25)), 1e-3).steps.tolist() == [1, 3]
    assert shares(delays(Choice((3e-3, 1e-3), (0.75, 0.25)), 1e-3)) == {1: 0.25, 3: 0.75}


def test_delays_that_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"here: must be 0 or more; found -0.001 s$"):
        delays(Uniform(-1e-3, 1e-3), 1e-3, where="here")
    with pytest.raises(NetworkError, match=r"delay: must be 0 or more; found -0.001 s$"):
        delays(Choice((-1e-3, 1e-3)), 1e-3)
    with pytest.raises(
        NetworkError,
        match=r"delay: too long; found up to 2.287e.05 steps, expected 65535 .* say high=",
    ):
        delays(Exponential(1.0), 1e-4)
