from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewright.errors import EventError
from spikewright.events import (
    LatencyCurve,
    bin_events,
    deterministic_rate,
    first_spike,
    from_bins,
    latency,
    level_crossing,
    poisson_rate,
    population,
    reconstruct,
)

DT = 1e-3
intensities = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(0, 1)
)


@given(intensities, st.integers(0, 2**32), st.integers(1, 30))
def test_poisson_batch_is_its_samples(x: np.ndarray, seed: int, steps: int) -> None:
    together = poisson_rate(x, 500.0, steps, DT, seed=seed)
    assert together.shape == (steps, *x.shape)
    assert together.dtype == np.uint8
    for b in range(x.shape[0]):
        alone = poisson_rate(x[b : b + 1], 500.0, steps, DT, seed=seed, samples=[b])
        assert np.array_equal(together[:, b : b + 1], alone)
    longer = poisson_rate(np.concatenate([x, x]), 500.0, steps, DT, seed=seed)
    assert np.array_equal(longer[:, : x.shape[0]], together)
    further = poisson_rate(x, 500.0, steps + 7, DT, seed=seed)
    assert np.array_equal(further[:steps], together)


def test_poisson_has_the_rate_and_the_independence_it_claims() -> None:
    steps, n, p = 20_000, 20, 0.1
    spikes = poisson_rate(np.full((1, n), 0.5), 200.0, steps, DT, seed=3)[:, 0].astype(float)
    # five standard deviations of a binomial mean, and of a correlation of independent numbers
    assert spikes.mean() == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / spikes.size))
    next_step = np.corrcoef(spikes[:-1].ravel(), spikes[1:].ravel())[0, 1]
    neighbor = np.corrcoef(spikes[:, :-1].ravel(), spikes[:, 1:].ravel())[0, 1]
    assert abs(next_step) < 5 / math.sqrt(spikes.size)
    assert abs(neighbor) < 5 / math.sqrt(spikes.size)


def test_poisson_depends_on_seed_and_sample() -> None:
    x = np.full((2, 50), 0.5)
    one = poisson_rate(x, 1000.0, 50, DT, seed=1)
    assert not np.array_equal(one, poisson_rate(x, 1000.0, 50, DT, seed=2))
    assert not np.array_equal(one[:, 0], one[:, 1])


@given(intensities, st.floats(0, 1000), st.integers(0, 60))
def test_deterministic_rate_counts_exactly(x: np.ndarray, max_rate: float, steps: int) -> None:
    spikes = deterministic_rate(x, max_rate, steps, DT)
    assert spikes.shape == (steps, *x.shape)
    phase = x * max_rate * DT
    for k in range(steps + 1):
        assert np.array_equal(spikes[:k].sum(axis=0), np.floor(phase * k + 1e-9))


def test_deterministic_rate_is_even() -> None:
    fired = np.flatnonzero(deterministic_rate([1.0], 100.0, 100, DT)[:, 0, 0])
    assert fired.tolist() == list(range(9, 100, 10))
    uneven = np.flatnonzero(deterministic_rate([0.3], 1000.0, 1000, DT)[:, 0, 0])
    assert uneven.size == 300
    assert set(np.diff(uneven)) == {3, 4}


@given(intensities, st.integers(1, 40), st.floats(0.01, 0.9), st.sampled_from(LatencyCurve))
def test_latency_one_spike_the_stronger_the_earlier(
    x: np.ndarray, steps: int, threshold: float, curve: LatencyCurve
) -> None:
    tau = None if curve is LatencyCurve.LINEAR else 5 * DT
    spikes = latency(x, steps, DT, curve=curve, tau=tau, threshold=threshold)
    assert np.array_equal(spikes.sum(axis=0), x > threshold)
    order = np.argsort(-x, axis=1, kind="stable")
    times = np.take_along_axis(first_spike(spikes, DT), order, axis=1)
    assert (times[:, :-1] <= times[:, 1:]).all()


def test_linear_latency_spans_the_steps() -> None:
    spikes = latency([1.0, 0.75, 0.5 + 1e-12, 0.5], 11, DT, threshold=0.5)
    assert first_spike(spikes, DT)[0].tolist() == [0.0, 5 * DT, 10 * DT, math.inf]


@pytest.mark.parametrize("x", [0.21, 0.3, 0.6, 1.0])
def test_logarithmic_latency_is_the_charging_time(x: float) -> None:
    tau, threshold = 20e-3, 0.2
    spikes = latency([x], 1000, 1e-4, curve=LatencyCurve.LOGARITHMIC, tau=tau, threshold=threshold)
    closed_form = tau * math.log(x / (x - threshold))
    assert first_spike(spikes, 1e-4)[0, 0] == pytest.approx(closed_form, abs=1e-4)


def test_latency_of_no_steps() -> None:
    assert latency([1.0], 0, DT).shape == (0, 1, 1)


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, 20), st.integers(1, 3), st.integers(1, 3)),
        elements=st.floats(-100, 100),
    ),
    st.floats(0.01, 10),
    st.floats(-5, 5),
)
def test_level_crossing_reconstructs_within_one_threshold(
    signal: np.ndarray, threshold: float, start: float
) -> None:
    crossings = level_crossing(signal, threshold, start=start)
    assert crossings.shape == (*signal.shape[:2], 2, signal.shape[2])
    assert (crossings >= 0).all()
    assert ((crossings > 0).sum(axis=2) <= 1).all()
    again = reconstruct(crossings, threshold, start=start)
    assert (np.abs(again - signal) <= threshold * (1 + 1e-6)).all()
    if signal.shape[0]:
        events = from_bins(crossings, DT)
        from_events = reconstruct(events, threshold, start=start, dt=DT, steps=signal.shape[0])
        assert np.array_equal(from_events, again)
        assert np.array_equal(bin_events(events, DT, steps=signal.shape[0]), crossings)


def test_level_crossing_holds_still_below_a_threshold() -> None:
    wiggle = 0.99 * np.sin(np.arange(100))[:, np.newaxis]
    assert level_crossing(wiggle, 1.0).sum() == 0


def test_level_crossing_rounding_loses_no_level() -> None:
    ramp = np.arange(1, 11)[:, np.newaxis] * 0.1
    up = level_crossing(ramp, 0.1)[:, 0, 1, 0]
    assert up.tolist() == [1.0] * 10


def test_level_crossing_per_channel() -> None:
    found = level_crossing([[1.0, 1.0]], [0.5, 0.25], start=[0.0, 2.0])
    assert found[0, 0].tolist() == [[0.0, 4.0], [2.0, 0.0]]


@given(
    hnp.arrays(
        np.float64, st.tuples(st.integers(1, 4), st.integers(1, 3)), elements=st.floats(-3, 3)
    ),
    st.integers(2, 9),
    st.floats(0.2, 3),
)
def test_population_is_a_gaussian_of_the_distance(x: np.ndarray, n: int, sigma: float) -> None:
    found = population(x, n, low=-2.0, high=2.0, sigma=sigma)
    assert found.shape == (*x.shape, n)
    centers = np.linspace(-2.0, 2.0, n)
    width = sigma * (centers[1] - centers[0])
    expected = np.exp(-((x[..., np.newaxis] - centers) ** 2) / (2 * width**2))
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert latency(found, 5, DT).shape == (5, *x.shape, n)


def test_population_per_dimension() -> None:
    found = population([[0.0, 50.0]], 3, low=[0.0, 0.0], high=[1.0, 100.0])
    assert found.argmax(axis=2).tolist() == [[0, 1]]


def test_shape_tells_a_sample_from_a_batch() -> None:
    image = np.ones((4, 5))
    assert deterministic_rate(image, 1.0, 3, DT).shape == (3, 4, 5)
    assert deterministic_rate(image, 1.0, 3, DT, shape=(4, 5)).shape == (3, 1, 4, 5)
    assert deterministic_rate(image, 1.0, 3, DT, shape=(5,)).shape == (3, 4, 5)
    assert deterministic_rate(image[0], 1.0, 3, DT).shape == (3, 1, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: poisson_rate([1.5], 1.0, 3, DT, seed=0),
            "poisson_rate: intensity: outside 0 to 1; found 1.5 to 1.5, expected 0 to 1 — divide",
        ),
        (
            lambda: deterministic_rate([math.nan], 1.0, 3, DT),
            "deterministic_rate: intensity: is not finite real numbers; found NaN or infinity",
        ),
        (
            lambda: latency(["a"], 3, DT),
            "latency: intensity: is not finite real numbers; found <U1",
        ),
        (lambda: latency(1.0, 3, DT), r"latency: intensity: axes do not fit; found shape \(\)"),
        (
            lambda: latency(np.ones((2, 3)), 3, DT, shape=(4,)),
            r"intensity: axes do not fit; found shape \(2, 3\), expected B \*shape or \*shape",
        ),
        (
            lambda: poisson_rate([1.0], 1001.0, 3, DT, seed=0),
            "max_rate: more than one spike per step.*found 1001 Hz, expected 0 to 1000 Hz",
        ),
        (lambda: deterministic_rate([1.0], -1.0, 3, DT), "max_rate: .*or no rate; found -1 Hz"),
        (lambda: poisson_rate([1.0], 1.0, -1, DT, seed=0), "poisson_rate: steps: negative"),
        (lambda: poisson_rate([1.0], 1.0, 1, 0.0, seed=0), "poisson_rate: dt: is not a time"),
        (
            lambda: poisson_rate([1.0], 1.0, 1, DT, seed=0, samples=[1, 2]),
            "poisson_rate: samples: not one per sample; found 2, expected 1",
        ),
        (
            lambda: latency([1.0], 3, DT, threshold=1.0),
            "latency: threshold: does not fit the linear curve; found 1.0, expected 0 <= threshold",
        ),
        (
            lambda: latency([1.0], 3, DT, curve=LatencyCurve.LOGARITHMIC),
            r"(?s)2 problems.*does not fit the logarithmic curve; found 0.*latency: tau: is not a",
        ),
        (
            lambda: latency([1.0], 3, DT, tau=1.0),
            "latency: tau: has no meaning for the linear curve",
        ),
        (
            lambda: level_crossing([1.0], 1.0),
            r"level_crossing: signal: axes do not fit; found \(1,\), expected T C or T B C",
        ),
        (lambda: level_crossing([[1.0]], 0.0), "level_crossing: threshold: is not positive"),
        (lambda: level_crossing([[math.inf]], 1.0), "level_crossing: signal: is not finite"),
        (
            lambda: level_crossing([[1.0, 2.0]], [1.0, 1.0, 1.0]),
            "level_crossing: threshold or start do not fit the signal; .*one per channel of 2",
        ),
        (lambda: population([1.0], 3, low=0, high=1), "population: values: axes do not fit"),
        (lambda: population([[1.0]], 1, low=0, high=1), "population: n: too few neurons; found 1"),
        (lambda: population([[1.0]], 3, low=1, high=1), "population: low: is not below high"),
        (
            lambda: population([[1.0]], 3, low=0, high=1, sigma=0.0),
            "population: sigma: is not a width; found 0",
        ),
        (
            lambda: population([[1.0]], 3, low=[0, 0], high=1),
            "population: low, high: do not fit the values; .*one per dimension of 1",
        ),
    ],
)
def test_wrong_requests(call: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        call()
