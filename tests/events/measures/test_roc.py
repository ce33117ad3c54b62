from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.filters import AgeWeighted, BackgroundActivity, Crop, Shift, SpatioTemporal
from spikewright.events.measures.noise import with_noise
from spikewright.events.measures.roc import (
    age_weights,
    area,
    correlation_ages,
    kept_by,
    roc_of_ages,
    roc_of_weights,
    sweep,
)


def labelled() -> tuple[CameraEvents, np.ndarray]:
    """A bar that sweeps over noise."""
    t = np.arange(0, 400_000, 100)
    clean = CameraEvents(t, t // 10_000, t // 100 % 30, t // 50_000 % 2, 40, 30)
    return with_noise(clean, shot=5.0, leak=0.3, seed=1)


def test_one_pass_gives_what_a_sweep_of_stcf_gives() -> None:
    events, is_signal = labelled()
    times = np.array([200, 1000, 10_000, 100_000]) * 1e-6
    for options in (
        {"least": 2, "same_polarity": True, "own": True},
        {"least": 3, "same_polarity": False, "own": False},
    ):
        ages = correlation_ages(events, **options)
        # STCF keeps an age below the time, the curve one up to it: ask for the microsecond before
        curve = roc_of_ages(ages, is_signal, times=times - 1e-6)
        slow = sweep(lambda v, o=options: SpatioTemporal(within=v, **o), events, is_signal, times)
        np.testing.assert_array_equal(curve.tpr, slow.tpr)
        np.testing.assert_array_equal(curve.fpr, slow.fpr)
        assert curve.auc == slow.auc


def test_one_pass_gives_what_a_sweep_of_background_activity_gives() -> None:
    events, is_signal = labelled()
    times = np.array([200, 1000, 10_000, 100_000]) * 1e-6
    ages = correlation_ages(events, least=1, same_polarity=False, own=False)
    curve = roc_of_ages(ages, is_signal, times=times)
    slow = sweep(lambda v: BackgroundActivity(within=v), events, is_signal, times)
    np.testing.assert_array_equal(curve.tpr, slow.tpr)
    np.testing.assert_array_equal(curve.fpr, slow.fpr)
    assert 0.8 < curve.auc < 1


def test_one_pass_gives_what_a_sweep_of_age_weights_gives() -> None:
    events, is_signal = labelled()
    curve = roc_of_weights(age_weights(events), is_signal)
    assert 0.9 < curve.auc < 1
    some = slice(20, 180, 40)
    slow = sweep(lambda v: AgeWeighted(threshold=v), events, is_signal, curve.values[some])
    np.testing.assert_allclose(curve.tpr[some], slow.tpr, atol=1e-3)
    np.testing.assert_allclose(curve.fpr[some], slow.fpr, atol=1e-3)


def test_areas_that_are_known() -> None:
    assert area(np.array([0.0, 0.2]), np.array([0.5, 1.0])) == pytest.approx(0.95)
    g = np.random.default_rng(0)
    ages = g.integers(0, 10**6, 20_000)
    assert roc_of_ages(ages, g.random(20_000) < 0.5).auc == pytest.approx(0.5, abs=0.01)
    assert roc_of_ages(np.array([100, 200, 10**9]), np.array([True, True, False])).auc == 1.0


def test_events_outside_have_no_neighbors() -> None:
    events = CameraEvents([0, 1], [3, 65535], [0, 0], [1, 1], 3, 3)
    assert (correlation_ages(events, least=1) == 2**63 - 1).all()


def test_labels_and_filters_that_do_not_fit() -> None:
    events, is_signal = labelled()
    ages = correlation_ages(events)
    with pytest.raises(EventError, match="labels do not fit the events"):
        roc_of_ages(ages, is_signal[:-1])
    with pytest.raises(EventError, match="needs both signal and noise; found 0 signal"):
        roc_of_ages(ages, np.zeros(ages.size, bool))
    with pytest.raises(EventError, match="does more than keep or drop"):
        kept_by(Shift(by=1e-3), events)
    with pytest.raises(EventError, match=r"correlation_ages.least: is out of range"):
        correlation_ages(events, least=9, own=False)
    inside = kept_by(Crop(x=0, y=0, width=20, height=30, shift=False), events)
    np.testing.assert_array_equal(inside, np.flatnonzero(events.x < 20))
