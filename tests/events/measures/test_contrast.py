from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.measures.contrast import Motion, fit_motion, tile_motion


@pytest.mark.parametrize("velocity", [(90.0, -60.0), (300.0, 0.0), (-12.0, 240.0)])
def test_a_translation_is_found(moving: Any, velocity: tuple[float, float]) -> None:
    events, _ = moving(*velocity, 0.0)
    fit = fit_motion(events[events.t < 30_000], fastest=400.0)
    # a quarter of a pixel over the window
    assert (fit.vx, fit.vy) == pytest.approx(velocity, abs=0.25 / 0.03)
    assert fit.turn == 0
    assert fit.gain > 1


def test_slow_motion_is_not_mistaken_for_rest(moving: Any) -> None:
    # less than two pixels in the window: whole addresses alone would look sharpest unmoved
    events, _ = moving(90.0, -60.0, 0.0)
    fit = fit_motion(events[events.t < 20_000], fastest=400.0)
    assert (fit.vx, fit.vy) == pytest.approx((90.0, -60.0), abs=0.25 / 0.02)


def test_a_turn_is_found(moving: Any) -> None:
    events, _ = moving(50.0, 20.0, 2.0)
    fit = fit_motion(events[events.t < 50_000], motion=Motion.ROTATION, fastest=400.0)
    assert (fit.vx, fit.vy) == pytest.approx((50.0, 20.0), abs=3.0)
    assert fit.turn == pytest.approx(2.0, abs=0.1)


def test_tiles_move_by_themselves(moving: Any) -> None:
    left, _ = moving(200.0, 0.0, 0.0, seed=1)
    right, _ = moving(0.0, -100.0, 0.0, seed=2)
    early = left.t < 40_000
    both = CameraEvents(
        np.concatenate([left.t[early], right.t[early[: len(right)]]]),
        np.concatenate([left.x[early], right.x[early[: len(right)]] + np.uint16(128)]),
        np.concatenate([left.y[early], right.y[early[: len(right)]]]),
        np.concatenate([left.p[early], right.p[early[: len(right)]]]),
        256 + 10,
        96,
    )
    vx, vy = tile_motion(both, tile=128, least=500, fastest=400.0)
    assert vx.shape == (1, 3)
    assert vx[0, :2] == pytest.approx([200.0, 0.0], abs=6.0)
    assert vy[0, :2] == pytest.approx([0.0, -100.0], abs=6.0)
    assert np.isnan(vx[0, 2])


def test_what_cannot_be_fitted() -> None:
    one = CameraEvents([5, 5], [1, 2], [1, 2], [0, 1], 9, 9)
    with pytest.raises(EventError, match="not enough events to see a motion; found 2 over 0 us"):
        fit_motion(one)
    with pytest.raises(EventError, match=r"fit_motion.fastest: is out of range"):
        fit_motion(CameraEvents([5, 6], [1, 2], [1, 2], [0, 1], 9, 9), fastest=-1.0)
    with pytest.raises(EventError, match=r"fit_motion.most: is out of range"):
        fit_motion(CameraEvents([5, 6], [1, 2], [1, 2], [0, 1], 9, 9), most=1)
    with pytest.raises(EventError, match=r"tile_motion.tile: is too small"):
        tile_motion(one, tile=4)
