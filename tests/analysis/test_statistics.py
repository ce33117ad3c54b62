"""Rates, intervals, counts, spectra, synchrony: closed forms, brute force, and Poisson processes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.analysis import (
    Statistics,
    Trains,
    binned_rates,
    correlations,
    cross_correlogram,
    cv,
    cv2,
    fano_factor,
    intervals,
    local_variation,
    population_rate,
    power_spectrum,
    rates,
    smoothed_rates,
    spike_counts,
    synchrony,
)
from spikewright.analysis.summary import table
from spikewright.errors import DataError

CLOCK = Trains.of([np.arange(0.05, 2.0, 0.1), [0.5]], end=2.0)


def poisson(rate: float, n: int, end: float, seed: int = 1) -> Trains:
    draw = np.random.default_rng(seed)
    return Trains.of([draw.uniform(0, end, draw.poisson(rate * end)) for _ in range(n)], end=end)


MANY = poisson(20.0, 100, 50.0)


# -- rates ---------------------------------------------------------------------------------------------


def test_rates() -> None:
    assert rates(CLOCK).tolist() == [10.0, 0.5]
    assert np.allclose(binned_rates(CLOCK, 0.5)[:, 0], 10.0)
    assert np.allclose(population_rate(CLOCK, 0.5), [5.0, 6.0, 5.0, 5.0])
    assert spike_counts(CLOCK, 0.3).shape == (6, 2)  # the rest of the window is not counted


def test_smoothing_is_the_sum_of_kernels_and_keeps_a_constant_rate() -> None:
    one = Trains.of([[1.0]], end=2.0)
    found = smoothed_rates(one, 1e-3, 20e-3)[:, 0]
    t = (np.arange(2000) + 0.5) * 1e-3
    # the spike counts at the middle of its bin
    exact = np.exp(-0.5 * ((t - 1.0005) / 20e-3) ** 2) / (20e-3 * math.sqrt(2 * math.pi))
    assert np.abs(found - exact).max() < 1e-4 * exact.max()  # cut off at 5 sigma
    full = Trains.of([np.arange(0.5e-3, 1.0, 1e-3)], end=1.0)
    assert np.allclose(smoothed_rates(full, 1e-3, 30e-3), 1000.0)  # also at the edges
    with pytest.raises(DataError, match="kernel is narrower than a bin"):
        smoothed_rates(one, 1e-2, 1e-3)


# -- intervals -------------------------------------------------------------------------------------------


def test_intervals_of_a_clock() -> None:
    length, owner = intervals(CLOCK)
    assert np.allclose(length, 0.1)
    assert owner.tolist() == [0] * 19
    for measure in (cv, cv2, local_variation):
        found = measure(CLOCK)
        assert found[0] == pytest.approx(0.0, abs=1e-12)
        assert math.isnan(found[1])


def test_irregularity_of_two_alternating_intervals() -> None:
    a, b, refractory = 1.0, 3.0, 0.1
    trains = Trains.of([np.cumsum([0.5, a, b, a, b])], end=10.0)
    assert cv(trains)[0] == pytest.approx((b - a) / (b + a))
    assert cv2(trains)[0] == pytest.approx(2 * (b - a) / (b + a))
    lv = 3 * ((b - a) / (b + a)) ** 2
    assert local_variation(trains)[0] == pytest.approx(lv)
    found = local_variation(trains, refractory=refractory)[0]
    assert found == pytest.approx(lv * (1 + 4 * refractory / (a + b)))
    assert math.isnan(cv(trains, least=6)[0])


def test_spikes_at_the_same_time_say_nothing_to_neighbors() -> None:
    trains = Trains.of([[1.0, 1.0, 1.0, 2.0]], end=3.0)
    assert cv2(trains)[0] == pytest.approx(2.0)  # the pair (0, 1); (0, 0) is left out


def test_a_poisson_process_has_one_of_everything() -> None:
    n = len(MANY.time)
    for measure in (cv, cv2, local_variation):
        assert np.nanmean(measure(MANY)) == pytest.approx(1.0, abs=4 / math.sqrt(n))
    assert np.nanmean(fano_factor(MANY, 0.1)) == pytest.approx(1.0, abs=0.02)
    frequency, power = power_spectrum(MANY, 1e-3, segment=256)
    assert frequency[1] == pytest.approx(1000 / 256)
    assert power[2:].mean() == pytest.approx(1.0, abs=0.02)
    matrix = correlations(MANY, 0.05)
    assert abs(matrix[np.triu_indices(100, 1)].mean()) < 0.002
    assert synchrony(MANY, 0.05) == pytest.approx(1 / math.sqrt(100), rel=0.1)


# -- counts ------------------------------------------------------------------------------------------------


def test_fano_factor_of_known_counts() -> None:
    trains = Trains.of([[0.1, 0.2, 0.3, 1.5], []], end=2.0)  # counts 3 and 1
    found = fano_factor(trains, 1.0)
    assert found[0] == pytest.approx(1.0 / 2.0)
    assert math.isnan(found[1])


def test_correlations_are_those_of_numpy() -> None:
    some = MANY.choose(range(8))
    assert np.allclose(correlations(some, 0.1), np.corrcoef(spike_counts(some, 0.1).T))
    silent = correlations(Trains.of([[0.1], [0.1], []], end=1.0), 0.1)
    assert silent[0, 1] == pytest.approx(1.0)
    assert np.isnan(silent[2]).all()


@given(
    st.lists(st.floats(0.0, 1.0), max_size=12),
    st.lists(st.floats(0.0, 1.0), max_size=12),
)
def test_correlogram_is_that_of_all_pairs(a: list[float], b: list[float]) -> None:
    one, other = Trains.of([a], end=1.0), Trains.of([b], end=1.0)
    lags, found = cross_correlogram(one, other, width=0.1, longest=0.3)
    assert np.allclose(lags, [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3])
    expected = np.zeros(7)
    for x in a:
        for y in b:
            place = math.floor((y - x) / 0.1 + 0.5 + 1e-9) + 3
            if 0 <= place < 7:
                expected[place] += 1
    assert np.allclose(found, expected / (max(len(a), 1) * 0.1))


def test_correlogram_in_chunks_and_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cross_correlogram(CLOCK, MANY, width=0.01, longest=0.1)[1]
    own = cross_correlogram(MANY, MANY, width=0.01, longest=0.05)[1]
    # a spike is not compared with itself: Poisson trains give their summed rate at every lag
    assert own == pytest.approx(2000.0, rel=0.02)
    monkeypatch.setattr("spikewright.analysis.counts.CHUNK", 50)
    assert np.array_equal(cross_correlogram(CLOCK, MANY, width=0.01, longest=0.1)[1], whole)
    with pytest.raises(DataError, match="0 < width <= longest"):
        cross_correlogram(CLOCK, MANY, width=0.1, longest=0.01)


# -- spectrum, synchrony -----------------------------------------------------------------------------------


def test_spectrum_of_a_modulated_process_peaks_where_it_is_modulated() -> None:
    draw = np.random.default_rng(3)
    t = draw.uniform(0, 20.0, 80_000)
    kept = t[draw.random(t.size) < 0.5 * (1 + 0.5 * np.sin(2 * np.pi * 62.5 * t))]
    frequency, power = power_spectrum(Trains.of([kept], end=20.0), 1e-3)
    assert frequency[power.argmax()] == pytest.approx(62.5)
    with pytest.raises(DataError, match="no whole segment; found 20 bins"):
        power_spectrum(CLOCK, 0.1)
    with pytest.raises(DataError, match="no spikes"):
        power_spectrum(Trains.of([[]], end=10.0), 1e-3)


def test_synchrony_from_one_to_none() -> None:
    wave = np.sin(np.linspace(0, 20, 500))
    assert synchrony(np.stack([wave, wave, wave], axis=1)) == pytest.approx(1.0)
    assert synchrony(np.stack([wave, -wave], axis=1)) == pytest.approx(0.0)
    assert math.isnan(synchrony(np.ones((10, 3))))
    with pytest.raises(DataError, match="say width="):
        synchrony(MANY)
    with pytest.raises(DataError, match="not traces T x n"):
        synchrony(np.ones(10))


def test_statistics_of_trains_and_their_table() -> None:
    found = Statistics.of(MANY)
    assert (found.n, found.spikes, found.silent) == (100, len(MANY.time), 0.0)
    assert found.rate == pytest.approx(20.0, rel=0.02)
    assert found.cv == pytest.approx(1.0, abs=0.02)
    empty = Statistics.of(Trains.of([[], []], end=1.0))
    assert (empty.rate, empty.silent) == (0.0, 1.0)
    assert math.isnan(empty.cv)
    lines = table({"many": found, "none": empty}).splitlines()
    assert lines[0].split()[:3] == ["n", "spikes", "rate"]
    assert lines[2].split()[0] == "none"
    assert "nan" not in lines[2]
