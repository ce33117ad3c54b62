from __future__ import annotations

import numpy as np

from spikewright.events.camera import CameraEvents
from spikewright.events.filters import HotPixels, learned, remove_hot_pixels
from spikewright.events.measures.pixels import HotRule


def with_hot_pixels() -> tuple[CameraEvents, list[tuple[int, int]]]:
    g = np.random.default_rng(0)
    hot = [(3, 4), (20, 11), (31, 23)]
    x = np.concatenate([g.integers(0, 32, 4000), *[[a] * 400 for a, _ in hot]])
    y = np.concatenate([g.integers(0, 24, 4000), *[[b] * 400 for _, b in hot]])
    t = np.sort(g.integers(0, 10**6, x.size))
    return CameraEvents(t, x, y, x % 2, 32, 24), hot


def test_hot_pixels_are_found_listed_and_removed() -> None:
    events, hot = with_hot_pixels()
    for rule in HotRule:
        made = HotPixels(rule=rule, factor=4.0)
        (ready,) = learned([made], lambda: [events[:900], events[900:]], 32, 24)
        assert sorted(ready.drop) == hot  # type: ignore[attr-defined]
        out = made(events)
        assert 0 < len(out) < len(events) - 3 * 400 + 1
        assert not {*zip(out.x.tolist(), out.y.tolist(), strict=True)} & {*hot}
        assert remove_hot_pixels(events, rule=rule, factor=4.0).same_as(out)
