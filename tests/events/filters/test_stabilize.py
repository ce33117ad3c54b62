"""A moving picture whose points are known is held still."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from spikewright.events.filters import Motion, Stabilize, stabilize

HEIGHT = 96


@pytest.mark.parametrize(
    ("motion", "velocity"),
    [(Motion.TRANSLATION, (90.0, -60.0, 0.0)), (Motion.ROTATION, (50.0, 20.0, 2.0))],
)
def test_points_stay_where_they_were_at_first(
    moving: Any, motion: Motion, velocity: tuple[float, float, float]
) -> None:
    events, home = moving(*velocity)
    still = stabilize(events, motion=motion, smooth=math.inf, fastest=400.0)
    assert len(still) == len(events)
    away = np.hypot(still.x - home[:, 0], still.y - home[:, 1])
    before = np.hypot(events.x - home[:, 0], events.y - home[:, 1])
    assert before.max() > 5
    assert np.median(away) < 1.0
    assert np.quantile(away, 0.99) < 2.5


def test_a_slow_pan_is_followed(moving: Any) -> None:
    events, _ = moving(90.0, -60.0, 0.0)
    followed = stabilize(events, smooth=1e-3, fastest=400.0)
    # a short time constant leaves the picture nearly where the camera saw it
    away = np.hypot(
        followed.x.astype(float) - events.x[: len(followed)],
        followed.y.astype(float) - events.y[: len(followed)],
    )
    assert np.median(away) < 2.5


def test_a_window_with_few_events_rests(moving: Any) -> None:
    events, _ = moving(90.0, -60.0, 0.0)
    assert Stabilize(least=10**6)(events).same_as(events)


def test_what_leaves_the_sensor_is_counted(moving: Any) -> None:
    events, _ = moving(300.0, 0.0, 0.0)
    edge = events.replace(width=70)  # the sensor ends amid the picture
    stream = Stabilize(smooth=math.inf, fastest=400.0).on(70, HEIGHT)
    out = len(stream(edge)) + len(stream.finish())
    assert out + stream.outside == len(events)
    assert stream.outside > 0
