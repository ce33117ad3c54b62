"""A moving picture whose points are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spikewright.events.camera import CameraEvents

WIDTH, HEIGHT = 128, 96

Moving = Callable[..., tuple[CameraEvents, Any]]


@pytest.fixture(scope="session")
def moving() -> Moving:
    """Return a function of vx, vy (px/s) and turn (rad/s)."""
    return _moving


def _moving(vx: float, vy: float, turn: float, *, seed: int = 0) -> tuple[CameraEvents, Any]:
    """Points that all move alike for 0.1 s, and where each event's point was at time zero."""
    g = np.random.default_rng(seed)
    n = 12_000
    points = g.uniform([-50, -36], [50, 36], (60, 2))
    which, t = g.integers(0, 60, n), np.sort(g.integers(0, 100_000, n))
    s = t * 1e-6
    # the turn is about the center, which the points move away from: solve the flow in small steps
    place = points[which].copy()
    for _ in range(100):
        step = np.array([vx, vy]) + turn * place[:, ::-1] * [-1, 1]
        place += step * s[:, None] / 100
    xy = np.floor(place + [(WIDTH - 1) / 2, (HEIGHT - 1) / 2] + 0.5)
    events = CameraEvents(t, xy[:, 0].astype(int), xy[:, 1].astype(int), which % 2, WIDTH, HEIGHT)
    return events, points[which] + [(WIDTH - 1) / 2, (HEIGHT - 1) / 2]
