from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events.clock import (
    INT64_MAX,
    INT64_MIN,
    ceil_scaled,
    check_time,
    first_tick,
    floor_scaled,
    ratio,
    whole_ticks,
)

int64 = st.integers(INT64_MIN, INT64_MAX)


@pytest.mark.parametrize(
    ("a", "b", "meant"),
    [
        (1e-3, 1e-6, Fraction(1000)),
        (1e-6, 1e-3, Fraction(1, 1000)),
        (1e-4, 1e-6, Fraction(100)),
        (1e-3, 1 / 44100, Fraction(441, 10)),
        (1 / 60, 1e-6, Fraction(50000, 3)),
        (3 * 0.1, 0.1, Fraction(3)),
        (1.0, 1e-9, Fraction(10**9)),
    ],
)
def test_ratio_is_the_meant_fraction(a: float, b: float, meant: Fraction) -> None:
    assert ratio(a, b) == meant


def test_ratio_is_exact_where_none_is_meant() -> None:
    assert ratio(math.pi, 1.0) == Fraction(math.pi)


@given(st.lists(int64, max_size=20), st.fractions(min_value=Fraction(1, 10**9), max_value=10**9))
def test_floor_scaled_agrees_with_python_integers(t: list[int], factor: Fraction) -> None:
    expected = [math.floor(x * factor) for x in t]
    array = np.array(t, np.int64)
    if all(INT64_MIN <= x <= INT64_MAX for x in expected):
        assert floor_scaled(array, factor).tolist() == expected
    else:
        with pytest.raises(EventError, match="time: does not fit 64 bits on the new clock"):
            floor_scaled(array, factor)


@given(st.lists(st.integers(-(2**60), 2**60), max_size=20), st.integers(1, 10**6))
def test_ceil_scaled_agrees_with_python_integers(t: list[int], q: int) -> None:
    found = ceil_scaled(np.array(t, np.int64), Fraction(1, q))
    assert found.tolist() == [-(-x // q) for x in t]


@given(st.integers(-(10**12), 10**12), st.sampled_from([1e-9, 1e-6, 1e-3, 1 / 44100]))
def test_times_of_ticks_are_those_ticks(n: int, tick: float) -> None:
    assert whole_ticks(n * tick, tick) == n
    assert first_tick(n * tick, tick) == n


def test_first_tick_between_two_is_the_later() -> None:
    assert first_tick(1.25e-6, 1e-6) == 2
    assert first_tick(-1.25e-6, 1e-6) == -1
    assert whole_ticks(1.25e-6, 1e-6) is None


def test_infinite_times_are_the_ends() -> None:
    assert first_tick(math.inf, 1.0) == INT64_MAX
    assert first_tick(-math.inf, 1.0) == INT64_MIN


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_check_time(wrong: float) -> None:
    with pytest.raises(EventError, match=r"here: dt: is not a time; found .*, expected seconds"):
        check_time("here", "dt", wrong)
