"""Distances between trains: closed forms, brute force on grids and over all edits."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.analysis import Trains, isi_distance, spike_distance, van_rossum, victor_purpura
from spikewright.errors import DataError

TIMES = st.lists(st.integers(1, 99).map(lambda k: k / 100), max_size=6, unique=True)


def test_van_rossum_closed_forms() -> None:
    trains = Trains.of([[0.1], [], [0.13], [0.1, 0.4]], end=1.0)
    found = van_rossum(trains, 0.02)
    assert np.allclose(np.diag(found), 0.0)
    assert found[0, 1] ** 2 == pytest.approx(0.5)
    assert found[0, 2] ** 2 == pytest.approx(1 - math.exp(-0.03 / 0.02))
    assert found[0, 3] ** 2 == pytest.approx(0.5)
    assert np.array_equal(found, found.T)


@settings(max_examples=20)
@given(TIMES, TIMES)
def test_van_rossum_is_the_integral(a: list[float], b: list[float]) -> None:
    tau, dt = 0.05, 1e-4
    t = np.arange(0, 2.0, dt) + dt / 2

    def filtered(times: list[float]) -> np.ndarray:
        return sum((np.where(t >= x, np.exp(-(t - x) / tau), 0.0) for x in times), np.zeros_like(t))

    exact = np.sum((filtered(a) - filtered(b)) ** 2) * dt / tau
    found = van_rossum(Trains.of([a, b], end=1.0), tau)[0, 1]
    assert found**2 == pytest.approx(exact, rel=1e-3, abs=1e-5)


@settings(max_examples=30)
@given(TIMES, TIMES, st.sampled_from([0.0, 1.0, 10.0, 1e6]))
def test_victor_purpura_is_the_cheapest_of_all_edits(
    a: list[float], b: list[float], cost: float
) -> None:
    a, b = sorted(a), sorted(b)

    @cache
    def least(i: int, j: int) -> float:
        if not i or not j:
            return i + j
        moved = least(i - 1, j - 1) + cost * abs(a[i - 1] - b[j - 1])
        return min(moved, least(i - 1, j) + 1, least(i, j - 1) + 1)

    found = victor_purpura(Trains.of([a, b], end=1.0), cost)
    assert found[0, 1] == pytest.approx(least(len(a), len(b)))
    if cost == 0:
        assert found[0, 1] == abs(len(a) - len(b))
    if cost == 1e6:
        assert found[0, 1] == len(set(a) ^ set(b))


def sampled(a: list[float], b: list[float]) -> tuple[float, float]:
    """Return ISI- and SPIKE-distance from their definitions at many instants."""
    x, y = sorted({0.0, *a, 1.0}), sorted({0.0, *b, 1.0})
    isi, spike, n = 0.0, 0.0, 4000

    def parts(train: list[float], other: list[float], t: float) -> tuple[float, float]:
        before = max(s for s in train if s <= t)
        behind = min(s for s in train if s > t)
        d = [min(abs(s - o) for o in other) for s in (before, behind)]
        length = behind - before
        return length, (d[0] * (behind - t) + d[1] * (t - before)) / length

    for k in range(n):
        t = (k + 0.5) / n
        (p, s1), (q, s2) = parts(x, y, t), parts(y, x, t)
        isi += abs(p - q) / max(p, q) / n
        spike += (s1 * q + s2 * p) / (0.5 * (p + q) ** 2) / n
    return isi, spike


@settings(max_examples=8)
@given(TIMES, TIMES)
def test_isi_and_spike_distance_are_means_over_time(a: list[float], b: list[float]) -> None:
    trains = Trains.of([a, b], end=1.0)
    isi, spike = sampled(a, b)
    assert isi_distance(trains)[0, 1] == pytest.approx(isi, abs=1e-6)
    assert spike_distance(trains)[1, 0] == pytest.approx(spike, abs=1e-4)


def test_equal_trains_have_no_distance_and_a_window_need_not_begin_at_zero() -> None:
    times = [5.1, 5.2, 5.9]
    trains = Trains.of([times, times, [5.5]], begin=5.0, end=6.0)
    shifted = Trains.of([[0.1, 0.2, 0.9], [0.5]], end=1.0)
    for distance in (isi_distance, spike_distance):
        found = distance(trains)
        assert found[0, 1] == 0.0
        assert found[0, 2] == pytest.approx(distance(shifted)[0, 1])
        assert 0 < found[0, 2] < 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda t: van_rossum(t, 0.0), "not a time constant"),
        (lambda t: victor_purpura(t, -1.0), "not a cost"),
    ],
)
def test_wrong_scales(wrong, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=said):
        wrong(Trains.of([[0.1]], end=1.0))
