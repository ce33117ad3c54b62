from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.measures.pixels import HotRule, PixelCounts, hot_pixels


def test_counts_of_chunks_add_up_and_strangers_are_counted_apart() -> None:
    g = np.random.default_rng(0)
    x, y, p = g.integers(0, 8, 500), g.integers(0, 6, 500), g.integers(0, 2, 500)
    events = CameraEvents(np.arange(500), x, y, p, 7, 6)
    tally = PixelCounts(7, 6)
    for k in range(0, 500, 37):
        tally.add(events[k : k + 37])
    want = np.zeros((2, 6, 8), int)
    np.add.at(want, (p, y, x), 1)
    np.testing.assert_array_equal(tally.counts, want[:, :, :7])
    assert tally.outside == want[:, :, 7].sum()
    np.testing.assert_array_equal(tally.total, want[:, :, :7].sum(axis=0))


def test_a_busy_stripe_is_hot_only_to_the_rule_that_ignores_neighbors() -> None:
    counts = np.full((40, 40), 5)
    counts[10, :] = 200  # an edge that stays
    counts[11, :] = 150
    counts[9, :] = 150
    counts[30, 30] = 200
    by_mean = hot_pixels(counts)
    by_neighbors = hot_pixels(counts, rule=HotRule.NEIGHBORS, factor=4.0)
    assert by_mean.sum() > 1
    assert np.argwhere(by_neighbors).tolist() == [[30, 30]]


def test_neighbors_at_the_border_and_without_any() -> None:
    counts = np.zeros((3, 3), int)
    counts[0, 0] = 9
    assert np.argwhere(hot_pixels(counts, rule=HotRule.NEIGHBORS)).tolist() == [[0, 0]]
    assert hot_pixels(np.array([[9]]), rule=HotRule.NEIGHBORS).all()
    assert not hot_pixels(np.zeros((0, 0), int)).any()
    assert not hot_pixels(np.zeros((2, 2), int)).any()


def test_what_makes_no_sense() -> None:
    with pytest.raises(EventError, match=r"hot_pixels: not a map of pixels; found shape \(3,\)"):
        hot_pixels(np.zeros(3, int))
    with pytest.raises(EventError, match=r"hot_pixels.factor: is out of range"):
        hot_pixels(np.zeros((3, 3), int), factor=-1.0)
