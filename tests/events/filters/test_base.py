from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import MISSING, fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events import filters
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.filters import (
    FILTERS,
    AgeWeighted,
    AntiFlicker,
    Axis,
    BackgroundActivity,
    Contrast,
    Count,
    Crop,
    Cut,
    Decimate,
    Drop,
    Filter,
    Flip,
    HotPixels,
    Jitter,
    Keep,
    Mask,
    Pipeline,
    Polarity,
    Refractory,
    Resize,
    Reverse,
    Rotate,
    Shift,
    SpatioTemporal,
    Stabilize,
    Stretch,
    Trail,
    Transpose,
    Undistort,
    learned,
)
from spikewright.events.filters.parameters import filter_of, table_of

WIDTH, HEIGHT = 7, 5

EACH: list[Filter] = [
    BackgroundActivity(within=40e-6),
    SpatioTemporal(within=90e-6),
    SpatioTemporal(within=90e-6, least=3, same_polarity=False, own=False),
    AgeWeighted(within=90e-6, threshold=1.2),
    AgeWeighted(within=90e-6, threshold=0.5, radius=1),
    Refractory(period=30e-6),
    Refractory(period=30e-6, of_kept=False),
    HotPixels(factor=1.0),
    Contrast(within=50e-6),
    Contrast(within=50e-6, cut_trail=False),
    Trail(within=50e-6),
    AntiFlicker(lowest=5e3, highest=1e5, periods=1),
    *(Polarity(keep=keep) for keep in Keep),
    Crop(x=1, y=2, width=4, height=3),
    Crop(x=1, y=2, width=4, height=3, shift=False),
    Mask(drop=((0, 0), (3, 4))),
    *(Flip(axis=axis) for axis in Axis),
    *(Rotate(quarters=n) for n in (-1, 0, 1, 2)),
    Transpose(),
    Resize(width=3, height=2),
    Resize(width=3, height=2, count=Count.INTEGRATE, threshold=2),
    Undistort(fx=6.0, fy=6.0, cx=3.0, cy=2.0, distortion=(-0.1, 0.02, 0.01, 0.0, 0.0)),
    Cut(start=100e-6, stop=300e-6, shift=True),
    Shift(by=-1e-3),
    Stretch(factor=0.5, origin=7e-6),
    Reverse(),
    Decimate(every=3),
    Drop(chance=0.4, seed=3),
    Jitter(seed=5, time=20e-6, space=0.7),
    Stabilize(window=1e-4, least=20),
]


@st.composite
def recordings(draw: Any, most: int = 60) -> CameraEvents:
    """Sorted events, a few of them outside the sensor."""
    n = draw(st.integers(0, most))
    return recording(n, draw(st.integers(0, 2**32 - 1)))


def recording(n: int, seed: int) -> CameraEvents:
    g = np.random.default_rng(seed)
    return CameraEvents(
        np.sort(g.integers(0, 400, n)),
        np.where(g.random(n) < 0.05, WIDTH + 3, g.integers(0, WIDTH, n)),
        g.integers(0, HEIGHT, n),
        g.integers(0, 2, n),
        WIDTH,
        HEIGHT,
    )


def in_chunks(made: Filter, events: CameraEvents, cuts: list[int]) -> tuple[CameraEvents, int]:
    edges = [0, *sorted(min(c, len(events)) for c in cuts), len(events)]
    chunks = [events[a:b] for a, b in pairwise(edges)]
    pipeline = Pipeline(
        learned([made], lambda: chunks, events.width, events.height), events.width, events.height
    )
    parts = [pipeline(chunk) for chunk in chunks]
    return concatenate([*parts, pipeline.finish()]), pipeline.outside


@pytest.mark.parametrize("made", EACH, ids=repr)
@settings(max_examples=12)
@given(events=recordings(), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_chunks_of_any_size_give_the_same_answer(
    made: Filter, events: CameraEvents, cuts: list[int]
) -> None:
    whole = made(events)
    parts, outside = in_chunks(made, events, cuts)
    assert parts.same_as(whole)
    assert outside == in_chunks(made, events, [])[1]


@pytest.mark.parametrize("made", EACH, ids=repr)
def test_one_event_at_a_time(made: Filter) -> None:
    events = recording(150, 1)
    assert in_chunks(made, events, list(range(150)))[0].same_as(made(events))


@pytest.mark.parametrize("made", EACH, ids=repr)
def test_a_filter_is_a_value_that_remembers_nothing(made: Filter) -> None:
    events = recording(150, 2)
    before = [column.copy() for column in (events.t, events.x, events.y, events.p)]
    assert made(events).same_as(made(events))
    for column, copy in zip((events.t, events.x, events.y, events.p), before, strict=True):
        np.testing.assert_array_equal(column, copy)


@pytest.mark.parametrize("made", EACH, ids=repr)
def test_tables_and_back(made: Filter) -> None:
    assert filter_of(made.name, table_of(made)) == made


@pytest.mark.parametrize("made", EACH, ids=repr)
def test_no_events(made: Filter) -> None:
    out = made(CameraEvents.empty(WIDTH, HEIGHT))
    sensor = made(recording(50, 6))
    assert len(out) == 0
    assert (out.width, out.height) == (sensor.width, sensor.height)


def test_every_registered_filter_is_tested_here() -> None:
    assert {type(made) for made in EACH} == set(FILTERS.values())
    assert all(name == cls.name and cls.title for name, cls in FILTERS.items())


FUNCTIONS = {
    name: {"stcf": "stcf", "hot_pixels": "remove_hot_pixels"}.get(name, name)
    for name in FILTERS
    if name != "mask"  # takes a bitmap
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_function_of_a_filter_has_its_parameters_and_defaults(name: str) -> None:
    function = getattr(filters, FUNCTIONS[name])
    of_function = {
        p.name: p.default
        for p in inspect.signature(function).parameters.values()
        if p.name != "events"
    }
    of_class = {
        f.name: inspect.Parameter.empty if f.default is MISSING else f.default
        for f in fields(FILTERS[name])
    }
    assert of_function == of_class


def test_the_function_does_what_the_filter_does() -> None:
    events = recording(200, 3)
    for made in EACH:
        if made.name == "mask":
            continue
        function = getattr(filters, FUNCTIONS[made.name])
        values = {f.name: getattr(made, f.name) for f in fields(made)}
        assert function(events, **values).same_as(made(events))


def test_a_filter_that_must_look_first_cannot_be_streamed_unprepared() -> None:
    with pytest.raises(EventError, match="hot_pixels: must see the whole recording"):
        Pipeline([HotPixels()], WIDTH, HEIGHT)
    with pytest.raises(EventError, match="hot_pixels: must see the whole recording"):
        HotPixels().on(WIDTH, HEIGHT)


def test_a_pipeline_is_its_filters_one_after_the_other() -> None:
    events = recording(200, 4)
    row = [Refractory(period=10e-6), Rotate(), Jitter(seed=1, time=30e-6), Stabilize(window=1e-4)]
    want = events
    for made in row:
        want = made(want)
    pipeline = Pipeline(row, WIDTH, HEIGHT)
    assert (pipeline.width, pipeline.height) == (HEIGHT, WIDTH)
    got = concatenate(
        [CameraEvents.empty(HEIGHT, WIDTH), *pipeline.over([events[:77], events[77:]])]
    )
    assert got.same_as(want)


def test_events_outside_the_sensor_are_counted_not_looked_up() -> None:
    events = CameraEvents([0, 1, 2], [6, 65535, 7], [4, 4, 65535], [1, 1, 1], WIDTH, HEIGHT)
    for made in EACH:
        if isinstance(
            made, Polarity | Cut | Shift | Stretch | Reverse | Decimate | Drop | HotPixels
        ):
            continue  # need no map
        out, outside = in_chunks(made, events, [1])
        assert len(out) == 0 or (out.x < out.width).all()
        if not isinstance(made, Crop):  # takes them for the rest of the world
            assert outside >= 2, made


def test_times_that_run_backwards_are_taken_as_they_come() -> None:
    events = CameraEvents([100, 50, 75], [3, 4, 3], [2, 2, 2], [1, 1, 1], WIDTH, HEIGHT)
    assert BackgroundActivity(within=30e-6)(events).t.tolist() == [50, 75]


def test_columns_in_any_layout_are_taken() -> None:
    events = recording(100, 5)
    spread = CameraEvents(
        *(c.repeat(2)[::2] for c in (events.t, events.x, events.y, events.p)), WIDTH, HEIGHT
    )
    assert BackgroundActivity()(spread).same_as(BackgroundActivity()(events))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BackgroundActivity(within=-1.0), "background_activity.within: is not a time; found -1.0"),
        (lambda: BackgroundActivity(within=float("nan")), "is not a time"),
        (lambda: SpatioTemporal(least=0), r"stcf.least: is out of range; found 0, expected a whole number 1..9"),
        (lambda: SpatioTemporal(least=9, own=False), r"1..8"),
        (lambda: AgeWeighted(within=0.0), "age_weighted.within: is not a time"),
        (lambda: AgeWeighted(threshold=-1.0), "age_weighted.threshold: is out of range"),
        (lambda: AgeWeighted(radius=4), "age_weighted.radius: is out of range"),
        (lambda: Refractory(period=1e300), "refractory.period: is not a time"),
        (lambda: AntiFlicker(lowest=100, highest=50), "is not the lower end of a band"),
        (lambda: Crop(x=-1, y=0, width=1, height=1), "crop.x: is out of range"),
        (lambda: Crop(x=4, y=0, width=4, height=1).on(7, 5), "the rectangle leaves the sensor; found x 4 to 8"),
        (lambda: Mask(drop=((7, 0),)).on(7, 5), r"mask.drop: a pixel outside the sensor; found \(7, 0\)"),
        (lambda: Mask(drop=((-7, 0),)), r"mask.drop\[0\]: is not a pixel"),
        (lambda: Mask(file="nowhere.npy").on(7, 5), "mask.file: cannot be read"),
        (lambda: Resize(width=0, height=1), "resize.width: is out of range"),
        (lambda: Undistort(fx=0, fy=1, cx=0, cy=0), "undistort.fx: is not a focal length"),
        (lambda: Undistort(fx=1, fy=1, cx=0, cy=0, distortion=(0,) * 6), "too many coefficients"),
        (lambda: Undistort(fx=1, fy=1, cx=float("nan"), cy=0), "not finite"),
        (lambda: Cut(start=2.0, stop=1.0), "cut: is not a stretch of time"),
        (lambda: Cut(stop=1.0, shift=True), "cut.shift: needs a start that is finite"),
        (lambda: Cut(stop=1e30), "cut.stop: is too far away"),
        (lambda: Shift(by=float("inf")), "shift.by: is not a time"),
        (lambda: Stretch(factor=0.0), "stretch.factor: is out of range"),
        (lambda: Decimate(every=0), "decimate.every: is out of range"),
        (lambda: Drop(chance=1.5, seed=0), "drop.chance: is not a chance"),
        (lambda: Drop(chance=0.5, seed=-1), "drop.seed: is out of range"),
        (lambda: Jitter(seed=0, space=-1.0), "jitter.space: is out of range"),
        (lambda: HotPixels(factor=0.0), "hot_pixels.factor: is out of range"),
        (lambda: Stabilize(window=0.0), "stabilize.window: is not a time"),
        (lambda: Stabilize(fastest=0.0), "stabilize.fastest: is out of range"),
        (lambda: Stabilize(smooth=0.0), "stabilize.smooth: is not a time"),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense(make: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        make()


def test_importing_filters_measures_and_edits_loads_numpy_only() -> None:
    code = (
        "import spikewright.events.edit, spikewright.events.measures.roc, sys\n"
        "from spikewright.events.measures import contrast, flow, histograms, noise, pixels, rates\n"
        "raise SystemExit(', '.join({'numba', 'scipy', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip() == ""
