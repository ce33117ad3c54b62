from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.render import SCHEMES, Look, picture, pictures
from spikewright.events.render.pictures import number_of_pictures
from spikewright.events.views import signed_image

W, H = 4, 3
GROUND = 127


@st.composite
def recordings(draw: st.DrawFn, in_order: bool = True) -> CameraEvents:
    row = st.tuples(
        st.integers(0, 900), st.integers(0, W - 1), st.integers(0, H - 1), st.integers(0, 1)
    )
    rows = draw(st.lists(row, min_size=1, max_size=40))
    rows = sorted(rows) if in_order else rows
    t, x, y, p = (np.array([r[k] for r in rows], np.int64) for k in range(4))
    return CameraEvents(t, x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8), W, H)


@given(recordings(), st.integers(1, 4))
def test_a_picture_counts_the_steps_of_its_window(events: CameraEvents, steps: int) -> None:
    # 100 us of the recording per picture
    look = Look(window=steps * 1e-4, saturation=3)
    film = list(pictures(events, fps=20, speed=2e-3, look=look))
    first = int(events.t[0])
    assert sum(one.events for one in film) == events.n
    for k, one in enumerate(film):
        assert one.t == first + 100 * (k + 1)
        inside = (events.t < one.t) & (events.t >= one.t - 100 * steps)
        level = np.clip(np.rint(signed_image(events[inside]) * 127 / 3), -127, 127)
        assert np.array_equal(one.index, GROUND + level)


@given(recordings(), st.integers(1, 40))
def test_a_fading_picture_shows_the_last_event_of_each_pixel(
    events: CameraEvents, cut: int
) -> None:
    look = Look(decay=2e-4)
    film = list(pictures([events[:cut], events[cut:]], fps=20, speed=2e-3, look=look))
    for one in film:
        wanted = np.full((H, W), float(GROUND))
        before = events[events.t < one.t]
        for t, x, y, p in zip(before.t, before.x, before.y, before.p, strict=True):
            wanted[y, x] = GROUND + round(127 * math.exp(-(one.t - t) / 200)) * (2 * int(p) - 1)
        assert np.array_equal(one.index, wanted)


@given(recordings(in_order=False), st.integers(1, 9))
def test_chunks_make_the_same_film_and_lose_no_event(events: CameraEvents, size: int) -> None:
    chunks = (events[k : k + size] for k in range(0, events.n, size))
    film, cut = (list(pictures(source, fps=30, speed=3.7e-3)) for source in (events, chunks))
    assert [(one.t, one.events) for one in film] == [(one.t, one.events) for one in cut]
    assert all(np.array_equal(a.index, b.index) for a, b in zip(film, cut, strict=True))
    assert sum(one.events for one in film) == events.n


@given(recordings(), st.integers(-50, 400), st.integers(401, 1500))
def test_a_part_of_a_recording(events: CameraEvents, start: int, stop: int) -> None:
    film = list(pictures(events, fps=20, speed=2e-3, start=start, stop=stop))
    inside = events[(events.t >= start) & (events.t < stop)]
    assert len(film) == number_of_pictures(events, fps=20, speed=2e-3, start=start, stop=stop)
    assert len(film) == math.ceil((stop - start) / 100)
    assert sum(one.events for one in film) == inside.n


@given(recordings())
def test_the_number_of_pictures_is_known_before(events: CameraEvents) -> None:
    film = pictures(events, fps=30, speed=3.7e-3)
    assert len(list(film)) == number_of_pictures(
        events, fps=30, speed=3.7e-3, start=None, stop=None
    )


def test_one_picture_of_everything() -> None:
    events = CameraEvents([0, 5, 9], [0, 0, 1], [0, 0, 2], [1, 1, 0], W, H)
    one = picture(events, look=Look(saturation=2))
    assert one.index[0, 0] == 254
    assert one.index[2, 1] == GROUND - 64
    assert (one.events, one.outside) == (3, 0)
    assert picture(events, start=5, stop=9).events == 1


def test_the_colors_adapt_to_what_there_is() -> None:
    quiet = CameraEvents([0], [0], [0], [1], W, H)
    assert picture(quiet).index[0, 0] == 254
    many = np.zeros(50, np.int64)
    busy = CameraEvents(many, many.astype(np.uint16), many.astype(np.uint16), many + 1, W, H)
    assert picture(busy).index[0, 0] == 254
    # a single event of a busy film is dim
    one = CameraEvents([100], [1], [1], [1], W, H)
    film = list(pictures([busy, one], fps=20, speed=2e-3))
    assert film[0].index[0, 0] == 254
    assert GROUND < film[1].index[1, 1] < GROUND + 10


def test_a_smaller_picture_sums_pixels() -> None:
    events = CameraEvents([0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 2, 2], [1, 1, 0, 0], W, 4)
    one = picture(events, look=Look(size=(2, 2), saturation=2))
    assert one.index.tolist() == [[254, GROUND], [GROUND, 0]]


def test_events_outside_are_counted() -> None:
    events = CameraEvents([0, 1], [0, W], [0, 0], [1, 1], W, H)
    for look in (Look(), Look(decay=1.0)):
        assert picture(events, look=look).outside == 1
        assert [one.outside for one in pictures(events, look=look)] == [1]


def test_a_jump_in_time_gives_empty_pictures() -> None:
    events = CameraEvents([0, 1000], [0, 0], [0, 0], [1, 1], W, H)
    film = list(pictures(events, fps=20, speed=2e-3))
    assert [one.events for one in film] == [1, *[0] * 9, 1]
    assert (film[5].index == GROUND).all()


def test_real_recordings(shared: Path) -> None:
    path = shared / "data" / "events" / "davis346.aedat4"
    one = picture(path)
    assert one.index.shape == (260, 346)
    assert (one.events, one.outside) == (78830, 0)
    film = list(pictures(path, fps=10))
    assert len(film) == 24
    assert sum(o.events for o in film) == 78830


@pytest.mark.parametrize(
    ("look", "message"),
    [
        ({"window": 0.0}, "render: window: is out of range; found 0.0, expected > 0"),
        ({"decay": math.inf}, "render: decay: is out of range"),
        ({"window": 1.0, "decay": 1.0}, "two ways to make a picture"),
        ({"size": (0, 3)}, "render: size: is no size"),
    ],
)
def test_looks_that_are_none(look: dict[str, object], message: str) -> None:
    with pytest.raises(EventError, match=message):
        Look(**look)  # type: ignore[arg-type]


def test_numbers_that_make_no_film() -> None:
    events = CameraEvents([0], [0], [0], [1], W, H)
    with pytest.raises(EventError, match="render: speed: is not a time"):
        next(pictures(events, speed=0.0))
    with pytest.raises(EventError, match="render: fps: is not a time"):
        next(pictures(events, fps=math.nan))
    with pytest.raises(EventError, match="the size of the sensor is unknown; found 0 x 0"):
        next(pictures(CameraEvents.empty(0, 0)))
    with pytest.raises(EventError, match="nothing to show"):
        picture([])
    with pytest.raises(EventError, match="too much memory"):
        next(pictures(events, look=Look(window=1e9)))
    assert list(pictures(CameraEvents.empty(W, H))) == []


def test_palettes_begin_and_end_with_their_colors() -> None:
    for scheme in SCHEMES.values():
        palette = scheme.palette()
        assert palette.shape == (255, 3)
        for level, color in ((0, scheme.off), (GROUND, scheme.ground), (254, scheme.on)):
            assert tuple(palette[level].tolist()) == color
