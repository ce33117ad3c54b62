"""Geometry of events against NumPy's own of the pictures they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.filters import (
    Axis,
    Count,
    Undistort,
    flip,
    resize,
    rotate,
    transpose,
    undistort,
)

G = np.random.default_rng(0)
WIDTH, HEIGHT = 12, 9
EVENTS = CameraEvents(
    np.arange(700),
    G.integers(0, WIDTH, 700),
    G.integers(0, HEIGHT, 700),
    G.integers(0, 2, 700),
    WIDTH,
    HEIGHT,
)


def picture(events: CameraEvents) -> Any:
    events.check()
    image = np.zeros((events.height, events.width), int)
    np.add.at(image, (events.y, events.x), 1)
    return image


def test_flips_rotations_and_transposition_are_those_of_pictures() -> None:
    image = picture(EVENTS)
    np.testing.assert_array_equal(picture(flip(EVENTS)), image[:, ::-1])
    np.testing.assert_array_equal(picture(flip(EVENTS, axis=Axis.VERTICAL)), image[::-1])
    np.testing.assert_array_equal(picture(transpose(EVENTS)), image.T)
    for quarters in range(-5, 6):
        turned = rotate(EVENTS, quarters=quarters)
        np.testing.assert_array_equal(picture(turned), np.rot90(image, quarters))
        assert turned.t.tolist() == EVENTS.t.tolist()


def test_shrinking_sums_cells() -> None:
    small = resize(EVENTS, width=4, height=3)
    cells = picture(EVENTS).reshape(3, 3, 4, 3).sum(axis=(1, 3))
    np.testing.assert_array_equal(picture(small), cells)


def test_growing_keeps_every_event_on_the_sensor() -> None:
    large = resize(EVENTS, width=31, height=10)
    large.check()
    assert large.t.tolist() == EVENTS.t.tolist()
    twice = resize(EVENTS, width=2 * WIDTH, height=HEIGHT)
    np.testing.assert_array_equal(picture(twice)[:, ::2], picture(EVENTS))


def test_integrating_cells_fire_at_every_threshold_crossing() -> None:
    got = resize(EVENTS, width=4, height=3, count=Count.INTEGRATE, threshold=3)
    level: dict[tuple[int, int], int] = {}
    want = []
    for t, x, y, p in zip(EVENTS.t, EVENTS.x, EVENTS.y, EVENTS.p, strict=True):
        cell = (int(x) // 3, int(y) // 3)
        level[cell] = level.get(cell, 0) + (1 if p else -1)
        if abs(level[cell]) == 3:
            want.append((int(t), *cell, int(p)))
            level[cell] = 0
    assert list(zip(*(c.tolist() for c in (got.t, got.x, got.y, got.p)), strict=True)) == want


def test_the_threshold_of_a_cell_is_its_number_of_pixels() -> None:
    on = EVENTS.replace(p=np.ones(700, np.uint8))
    got = resize(on, width=4, height=3, count=Count.INTEGRATE)
    np.testing.assert_array_equal(picture(got), picture(resize(on, width=4, height=3)) // 9)


def distorted(made: Undistort, x: Any, y: Any) -> tuple[Any, Any]:
    """Where a lens puts a point: the forward model, written out once more."""
    k1, k2, p1, p2, k3 = made.distortion
    u, v = (x - made.cx) / made.fx, (y - made.cy) / made.fy
    r2 = u**2 + v**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    return (
        made.fx * (u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u**2)) + made.cx,
        made.fy * (v * radial + p1 * (r2 + 2 * v**2) + 2 * p2 * u * v) + made.cy,
    )


def test_undistortion_inverts_the_lens_of_a_real_camera(shared: Path) -> None:
    file = shared / "data/events/rpg_slider_depth_calib.txt"
    if not file.is_file():
        pytest.skip(f"{file.name} is not in SPIKEWRIGHT_SHARED")
    fx, fy, cx, cy, *lens = map(float, file.read_text().split())
    made = Undistort(fx=fx, fy=fy, cx=cx, cy=cy, distortion=tuple(lens))
    x, y, found = made.places(240, 180)
    assert found.all()
    back_x, back_y = distorted(made, x, y)
    want_y, want_x = np.mgrid[0:180, 0:240]
    np.testing.assert_allclose(back_x, want_x, atol=1e-4)
    np.testing.assert_allclose(back_y, want_y, atol=1e-4)
    assert np.hypot(x - want_x, y - want_y).max() > 4  # it is not the identity


def test_a_lens_without_distortion_changes_nothing() -> None:
    assert undistort(EVENTS, fx=8.0, fy=9.0, cx=5.2, cy=4.1).same_as(EVENTS)


def test_events_that_leave_the_sensor_and_those_beyond_the_fold_are_dropped() -> None:
    stretched = undistort(EVENTS, fx=8.0, fy=8.0, cx=5.5, cy=4.0, distortion=(-0.3,))
    assert 0 < len(stretched) < len(EVENTS)
    stretched.check()
    made = Undistort(fx=3.0, fy=3.0, cx=5.5, cy=4.0, distortion=(-0.5,))
    _, _, found = made.places(WIDTH, HEIGHT)
    assert not found.all()
    assert found[4, 5]


def test_a_distortion_that_is_no_tuple() -> None:
    with pytest.raises(EventError, match=r"undistort.distortion: is not a tuple; found list"):
        undistort(EVENTS, fx=1.0, fy=1.0, cx=0.0, cy=0.0, distortion=[0.1])  # type: ignore[arg-type]
