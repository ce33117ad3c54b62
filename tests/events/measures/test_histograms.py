from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.measures.histograms import (
    BandwidthMeter,
    Gap,
    Gaps,
    Intervals,
    PolarityCount,
    interval_edges,
)


def recording(n: int, seed: int) -> CameraEvents:
    g = np.random.default_rng(seed)
    t = np.cumsum(g.choice([0, 1, 30, 2000], n))
    return CameraEvents(t, g.integers(0, 4, n), g.integers(0, 3, n), g.integers(0, 2, n), 4, 3)


def chunks(events: CameraEvents, size: int) -> list[CameraEvents]:
    return [events[k : k + size] for k in range(0, len(events), size)]


@settings(max_examples=20)
@given(st.integers(0, 80), st.integers(0, 99), st.integers(1, 80), st.booleans())
def test_intervals_are_those_of_each_pixel(n: int, seed: int, size: int, by_polarity: bool) -> None:
    events = recording(n, seed)
    tally = Intervals(4, 3, by_polarity=by_polarity)
    for chunk in chunks(events, size):
        tally.add(chunk)
    want = np.zeros_like(tally.counts)
    key = events.x + 4 * events.y.astype(int) + (12 * events.p.astype(int) if by_polarity else 0)
    for cell in np.unique(key):
        for a, b in pairwise(events.t[key == cell].tolist()):
            want[np.searchsorted(tally.edges, b - a, side="right")] += 1
    np.testing.assert_array_equal(tally.counts, want)


def test_interval_edges_are_whole_rising_and_ten_to_a_decade() -> None:
    edges = interval_edges()
    assert edges[0] == 1
    assert edges[-1] == 10**10
    assert (np.diff(edges) > 0).all()
    assert np.sum((edges >= 1000) & (edges < 10_000)) == 10


def test_intervals_of_events_outside_are_counted_apart() -> None:
    tally = Intervals(2, 2)
    tally.add(CameraEvents([0, 5], [2, 65535], [0, 0], [1, 1], 2, 2))
    assert tally.outside == 2
    assert tally.counts.sum() == 0


def test_polarities() -> None:
    events, tally = recording(100, 1), PolarityCount()
    for chunk in chunks(events, 7):
        tally.add(chunk)
    assert (tally.off, tally.on) == (100 - int(events.p.sum()), int(events.p.sum()))


@settings(max_examples=20)
@given(st.integers(1, 80), st.integers(0, 99), st.integers(1, 80))
def test_gaps_and_bandwidth_do_not_depend_on_chunks(n: int, seed: int, size: int) -> None:
    events = recording(n, seed)
    gaps, meter = Gaps(least=1e-3, most=3), BandwidthMeter(window=1e-3)
    for chunk in chunks(events, size):
        gaps.add(chunk)
        meter.add(chunk)
    all_gaps = [Gap(a, b) for a, b in pairwise(events.t.tolist()) if b - a >= 1000]
    assert gaps.n == len(all_gaps)
    assert gaps.longest == sorted(all_gaps, key=lambda g: (-g.duration, g.start))[:3]
    found = meter.result()
    assert found.peak == pytest.approx(np.bincount((events.t // 1000).astype(int)).max() / 1e-3)
    span = int(events.t[-1] - events.t[0]) * 1e-6
    assert found.mean == pytest.approx(n / span if span else 0.0)
    assert found.bytes_per_second(4) == (4 * found.mean, 4 * found.peak)


def test_time_that_runs_backwards_makes_no_gap() -> None:
    gaps = Gaps(least=1e-3)
    gaps.add(CameraEvents([0, 50_000, 100, 50_001], [0] * 4, [0] * 4, [0] * 4, 1, 1))
    assert gaps.longest == [Gap(0, 50_000)]


def test_options_out_of_range() -> None:
    with pytest.raises(EventError, match="Gaps: out of range"):
        Gaps(least=0.0)
    with pytest.raises(EventError, match=r"BandwidthMeter.window: is out of range; found 0.0"):
        BandwidthMeter(window=0.0)
