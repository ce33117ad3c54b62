"""Plane fits and contrast maximization against stimuli of known motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.measures.contrast import fit_motion
from spikewright.events.measures.flow import PlaneFlow, flow_error, plane_flow


@pytest.fixture(scope="module")
def stimuli(shared: Path) -> dict[str, CameraEvents]:
    """The synthetic stimuli of Rueckauer and Delbruck, 240 x 180."""
    file = shared / "data/events/davis240_optical_flow.npz"
    if not file.is_file():
        pytest.skip(f"{file.name} is not in SPIKEWRIGHT_SHARED")
    out = {}
    with np.load(file, allow_pickle=False) as data:
        for name in ("trans_barx", "trans_bary", "trans_square", "rotate_bar"):
            x, y, p, t = data[name].astype(np.int64).T
            out[name] = CameraEvents(t, x, y, p, 240, 180)
    return out


# the bars move one pixel every 100 ms
BARS = {"trans_barx": (10.0, 0.0), "trans_bary": (0.0, -10.0)}


@pytest.mark.parametrize("name", BARS)
def test_a_moving_bar_by_planes(stimuli: dict[str, CameraEvents], name: str) -> None:
    vx, vy = plane_flow(stimuli[name], within=0.45)
    error = flow_error(vx, vy, *BARS[name])
    assert error.endpoint < 0.01
    assert error.angle < 0.001
    assert error.density > 0.95


@pytest.mark.parametrize("name", BARS)
def test_a_moving_bar_by_contrast(stimuli: dict[str, CameraEvents], name: str) -> None:
    events = stimuli[name]
    fit = fit_motion(events[(events.t > 2_000_000) & (events.t < 3_000_000)], fastest=40.0)
    vx, vy = BARS[name]
    # along the bar nothing tells its motion but its ends
    assert (fit.vx, fit.vy) == pytest.approx((vx, vy), abs=0.5)


def test_a_moving_square_by_planes_and_by_contrast(stimuli: dict[str, CameraEvents]) -> None:
    events = stimuli["trans_square"]  # one pixel right and down every 50 ms
    vx, vy = plane_flow(events, within=0.25)
    seen = np.isfinite(vx)
    # each side shows the part of the motion across it: 20 px/s to the right, or down
    across = np.maximum(np.abs(vx), np.abs(vy))[seen]
    assert np.median(across) == pytest.approx(20.0, abs=0.2)
    assert np.mean(np.minimum(np.hypot(vx - 20, vy), np.hypot(vx, vy - 20))[seen] < 1.0) > 0.8
    part = events[(events.t > 1_000_000) & (events.t < 2_000_000)]
    fit = fit_motion(part, fastest=80.0)
    assert (fit.vx, fit.vy) == pytest.approx((20.0, 20.0), abs=1.0)


def test_a_turning_bar_by_planes(stimuli: dict[str, CameraEvents]) -> None:
    # three turns in 90 s about the bar's end at (119, 89): v = w x r, across the bar everywhere
    events = stimuli["rotate_bar"]
    turn = 3 * 2 * np.pi / 90
    true_vx = -turn * (events.y - 89.0)
    true_vy = turn * (events.x - 119.0)
    far = np.hypot(events.x - 119.0, events.y - 89.0) > 15
    vx, vy = plane_flow(events, within=1.5)
    error = flow_error(vx[far], vy[far], true_vx[far], true_vy[far])
    assert error.relative < 0.25
    assert error.angle < 0.2
    assert error.density > 0.8


def test_flow_of_chunks_is_flow_of_the_whole(stimuli: dict[str, CameraEvents]) -> None:
    events = stimuli["trans_square"][:3000]
    flow = PlaneFlow(240, 180)
    parts = [flow(events[k : k + 211]) for k in range(0, 3000, 211)]
    whole = plane_flow(events)
    for axis in (0, 1):
        np.testing.assert_array_equal(np.concatenate([p[axis] for p in parts]), whole[axis])


def test_an_outlier_is_rejected() -> None:
    x, y = (v.reshape(-1) for v in np.meshgrid(np.arange(12), np.arange(12)))
    t = x * 1000
    order = np.argsort(t, kind="stable")
    t, x, y = t[order], x[order], y[order]
    noisy_t = t.copy()
    noisy_t[(x == 9) & (y == 5)] -= 4000  # an event that came too early
    again = np.argsort(noisy_t, kind="stable")
    events = CameraEvents(noisy_t[again], x[again], y[again], x * 0, 12, 12)
    vx, _ = plane_flow(events)
    near = (events.x >= 10) & (np.abs(events.y.astype(int) - 5) <= 1) & (events.x < 11)
    assert np.nanmedian(vx[near]) == pytest.approx(1000.0, rel=0.02)


def test_too_few_points_and_points_in_a_line_have_no_flow() -> None:
    line = CameraEvents(np.arange(20) * 100, np.arange(20), [5] * 20, [1] * 20, 20, 11)
    vx, vy = plane_flow(line, least=3)
    assert np.isnan(vx).all()
    assert np.isnan(vy).all()
    outside = CameraEvents([0], [65535], [3], [1], 20, 11)
    assert np.isnan(plane_flow(outside)[0]).all()


def test_errors_of_flow() -> None:
    same = flow_error([1.0, 2.0], [0.0, 0.0], [1.0, 2.0], [0.0, 0.0])
    assert (same.endpoint, same.relative, same.angle, same.density, same.n) == (0, 0, 0, 1, 2)
    back = flow_error([-2.0], [0.0], 2.0, 0.0)
    assert back.angle == pytest.approx(np.pi)
    assert back.endpoint == pytest.approx(4.0)
    with pytest.raises(EventError, match="flow_error: nothing to compare"):
        flow_error([np.nan], [np.nan], 1.0, 0.0)
    with pytest.raises(EventError, match="flow_error: shapes do not fit"):
        flow_error([1.0, 2.0], [1.0, 2.0, 3.0], 1.0, 0.0)
    with pytest.raises(EventError, match=r"PlaneFlow.radius: is out of range"):
        PlaneFlow(9, 9, radius=0)
