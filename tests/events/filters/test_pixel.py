"""Filters of one pixel's past: traced by hand, and against a loop over pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.events.camera import CameraEvents
from spikewright.events.filters import anti_flicker, contrast, refractory, trail


def one_pixel(t: Any, p: Any) -> CameraEvents:
    return CameraEvents(t, np.zeros(len(t), int), np.zeros(len(t), int), p, 1, 1)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 30), max_size=30), st.integers(0, 20))
def test_refractory_leaves_longer_intervals_and_drops_the_least(
    steps: list[int], period: int
) -> None:
    t = np.cumsum(steps, dtype=np.int64)
    kept, last = [], None
    for now in t.tolist():
        if last is None or now - last > period:
            kept.append(now)
            last = now
    assert refractory(one_pixel(t, t * 0), period=period * 1e-6).t.tolist() == kept


def test_refractory_from_the_last_event_silences_a_burst() -> None:
    burst = one_pixel([0, 5, 10, 15, 40], [1] * 5)
    assert refractory(burst, period=9e-6, of_kept=False).t.tolist() == [0, 40]
    assert refractory(burst, period=9e-6).t.tolist() == [0, 10, 40]


def test_pixels_do_not_know_each_other() -> None:
    events = CameraEvents([0, 1, 2, 3], [0, 1, 0, 1], [0] * 4, [1] * 4, 2, 1)
    assert refractory(events, period=1e-3).t.tolist() == [0, 1]
    assert trail(events).t.tolist() == [0, 1]
    assert contrast(events).t.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("t", "p", "cut", "keep_trail"),
    [
        ([0, 5, 9, 12], [1, 1, 1, 1], [5], [5, 9, 12]),
        ([0, 5, 9, 12], [1, 0, 1, 0], [], []),
        ([0, 5, 9, 12], [1, 1, 0, 0], [5, 12], [5, 12]),
        ([0, 50, 55], [1, 1, 1], [55], [55]),  # too late for the first burst, then a second one
        ([0, 5, 50, 55], [1, 1, 1, 1], [5], [5, 55]),  # cut until the polarity changes
    ],
)
def test_contrast_keeps_the_second_of_a_burst(
    t: list[int], p: list[int], cut: list[int], keep_trail: list[int]
) -> None:
    assert contrast(one_pixel(t, p), within=10e-6).t.tolist() == cut
    assert contrast(one_pixel(t, p), within=10e-6, cut_trail=False).t.tolist() == keep_trail


def test_trail_keeps_the_first_of_a_burst() -> None:
    events = one_pixel([0, 5, 12, 13, 14, 30], [1, 1, 1, 0, 0, 0])
    assert trail(events, within=10e-6).t.tolist() == [0, 13, 30]


def flickering(period: int, n: int) -> CameraEvents:
    """OFF and ON in turn, one period from ON to ON."""
    t = np.arange(2 * n) * period // 2
    return one_pixel(t, np.arange(2 * n) % 2)


@pytest.mark.parametrize(
    ("hertz", "is_dropped"), [(40, False), (60, True), (500, True), (600, False)]
)
def test_anti_flicker_knows_the_band(hertz: int, is_dropped: bool) -> None:
    lamp = flickering(1_000_000 // hertz, 30)
    kept = anti_flicker(lamp)
    # five periods must be seen, which begin with the first ON event
    assert len(kept) == (2 * 5 + 1 if is_dropped else 60)


def test_anti_flicker_lets_go_when_the_lamp_goes_out() -> None:
    lamp = flickering(10_000, 20)
    late = one_pixel([*lamp.t, 10**6, 10**6 + 7], [*lamp.p, 1, 0])
    assert anti_flicker(late).t.tolist()[-2:] == [10**6, 10**6 + 7]
