"""Noise filters against a plain loop over all pairs of events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.events.camera import CameraEvents
from spikewright.events.filters import AgeWeighted, BackgroundActivity, SpatioTemporal

WIDTH, HEIGHT = 5, 4


@st.composite
def recordings(draw: Any) -> CameraEvents:
    n = draw(st.integers(0, 40))
    g = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    t = np.sort(g.integers(0, 200, n)) - draw(st.sampled_from([0, 2**62, -(2**61)]))
    x, y, p = g.integers(0, WIDTH, n), g.integers(0, HEIGHT, n), g.integers(0, 2, n)
    return CameraEvents(t, x, y, p, WIDTH, HEIGHT)


def last_at(events: CameraEvents, i: int) -> dict[tuple[int, int], tuple[int, int]]:
    """Time and polarity of the last event of each pixel before event i."""
    return {
        (int(events.x[k]), int(events.y[k])): (int(events.t[k]), int(events.p[k])) for k in range(i)
    }


def around(events: CameraEvents, i: int, *, own: bool, radius: int = 1) -> list[tuple[int, int]]:
    x, y = int(events.x[i]), int(events.y[i])
    last = last_at(events, i)
    return [
        last[x + dx, y + dy]
        for dx in range(-radius, radius + 1)
        for dy in range(-radius, radius + 1)
        if (dx or dy or own) and (x + dx, y + dy) in last
    ]


@settings(max_examples=40)
@given(recordings(), st.integers(0, 60))
def test_background_activity_keeps_what_has_a_recent_neighbor(
    events: CameraEvents, dt: int
) -> None:
    want = [
        any(int(events.t[i]) - t <= dt for t, _ in around(events, i, own=False))
        for i in range(len(events))
    ]
    got = BackgroundActivity(within=dt * 1e-6)(events)
    assert got.same_as(events[np.array(want, bool)])


@settings(max_examples=60)
@given(recordings(), st.integers(0, 100), st.integers(1, 4), st.booleans(), st.booleans())
def test_stcf_counts_recent_pixels(
    events: CameraEvents, dt: int, least: int, same: bool, own: bool
) -> None:
    want = [
        sum(
            int(events.t[i]) - t < dt and (not same or p == events.p[i])
            for t, p in around(events, i, own=own)
        )
        >= least
        for i in range(len(events))
    ]
    made = SpatioTemporal(within=dt * 1e-6, least=least, same_polarity=same, own=own)
    assert made(events).same_as(events[np.array(want, bool)])


@settings(max_examples=40)
@given(recordings(), st.integers(1, 100), st.integers(0, 3), st.integers(1, 3))
def test_age_weights_add_up(events: CameraEvents, dt: int, quarters: int, radius: int) -> None:
    want = [
        sum(
            max(dt - (int(events.t[i]) - t), 0)
            for t, p in around(events, i, own=False, radius=radius)
            if p == events.p[i]
        )
        > quarters * dt
        for i in range(len(events))
    ]
    made = AgeWeighted(within=dt * 1e-6, threshold=quarters, radius=radius)
    assert made(events).same_as(events[np.array(want, bool)])


def test_defaults_are_those_of_the_sources() -> None:
    assert BackgroundActivity().within == pytest.approx(2e-3)
    made = SpatioTemporal()
    assert (made.within, made.least, made.same_polarity, made.own) == (25e-3, 2, True, True)


def test_an_edge_is_kept_and_noise_is_not() -> None:
    g = np.random.default_rng(1)
    n = 400
    edge_t = np.arange(64 * 20) * 50
    noise_t = np.sort(g.integers(0, edge_t[-1], n))
    t = np.concatenate([edge_t, noise_t])
    x = np.concatenate([30 + np.arange(64 * 20) // 64, g.integers(0, 128, n)])
    y = np.concatenate([np.arange(64 * 20) % 64, g.integers(0, 128, n)])
    is_edge = np.arange(t.size) < edge_t.size
    order = np.argsort(t, kind="stable")
    events = CameraEvents(t, x, y, np.ones(t.size, int), 128, 128)[order]
    kept = SpatioTemporal(within=5e-3)(events)
    edge = events[is_edge[order]]
    assert len(kept) > 0.95 * len(edge)
    assert len(kept) < len(edge) + 0.2 * n
