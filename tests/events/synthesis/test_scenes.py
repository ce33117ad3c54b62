from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from spikewright.errors import EventError
from spikewright.events.synthesis import (
    IDEAL,
    SCENES,
    Checkerboard,
    MovingBar,
    RotatingDisc,
    Scene,
    StarField,
    scene_events,
)

EXAMPLES = [
    MovingBar(width=64, height=48, speed=120.0, angle=0.6),
    RotatingDisc(width=64, height=48, rate=1.0, sectors=3),
    Checkerboard(width=64, height=48, velocity=(80.0, -60.0), cell=12.0),
    StarField(width=64, height=48, stars=40, expansion=1.5, rate=0.4, size=1.5),
]


@pytest.mark.parametrize("scene", EXAMPLES, ids=lambda s: type(s).__name__)
def test_the_flow_carries_the_light(scene: Scene) -> None:
    t, dt = 0.231, 20e-3
    before, after = scene.light(t).astype(float), scene.light(t + dt).astype(float)
    assert before.shape == (48, 64)
    assert 0 <= before.min() <= before.max() <= 255
    # light at x now is what was at x - v dt; v of the later time, where the moving thing now is
    flow = scene.flow(t + dt) * dt
    y, x = np.mgrid[:48, :64].astype(float)
    carried = map_coordinates(before, [y - flow[1], x - flow[0]], order=3, mode="nearest")
    seen = flow.any(axis=0)
    seen[:4] = seen[-4:] = seen[:, :4] = seen[:, -4:] = False
    moved = np.abs(after - before)[seen].mean()
    left = np.abs(after - carried)[seen].mean()
    assert moved > 3
    assert left < 0.25 * moved


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_makes_events_of_both_polarities(name: str) -> None:
    scene = SCENES[name](width=40, height=30)
    events = scene_events(scene, 0.3, fps=500, model=IDEAL, seed=0)
    events.check()
    assert (events.width, events.height) == (40, 30)
    assert 0.3 < events.p.mean() < 0.7
    assert events.n > 200


def test_a_bar_passes_each_pixel_when_its_edge_is_there() -> None:
    bar = MovingBar(width=50, height=3, speed=500.0, thickness=8.0)
    events = scene_events(bar, 0.1, fps=4000, model=IDEAL, seed=0)
    first = {x: events.t[(events.x == x) & (events.p == 1)][0] for x in range(5, 40)}
    # half of the light of an edge is there as it passes the pixel's center
    steps = np.diff(list(first.values()))
    assert steps.mean() == pytest.approx(1e6 / 500, rel=0.01)


def test_numbers_that_make_no_scene() -> None:
    with pytest.raises(EventError, match="has no pixels; found 0 x 260"):
        MovingBar(width=0)
    with pytest.raises(EventError, match="duration: is not a time"):
        scene_events(EXAMPLES[0], 0.0, seed=0)
    assert replace(EXAMPLES[3], seed=1).light(0.0).tolist() != EXAMPLES[3].light(0.0).tolist()
