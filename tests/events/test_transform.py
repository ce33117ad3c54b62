from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events import (
    Events,
    Origin,
    Rounding,
    merge,
    rescale_tick,
    select,
    shift,
    window,
)

SIZE = 6


@st.composite
def streams(draw: Any, graded: bool | None = None) -> Events:
    n = draw(st.integers(0, 25))
    t = sorted(draw(st.lists(st.integers(-5000, 5000), min_size=n, max_size=n)))
    address = draw(st.lists(st.integers(0, SIZE - 1), min_size=n, max_size=n))
    value = None
    if draw(st.booleans()) if graded is None else graded:
        value = draw(st.lists(st.floats(-9, 9), min_size=n, max_size=n))
    return Events(t, address, (2, 3), value=value)


def rows(events: Events) -> list[tuple[int, int, float]]:
    columns = (events.t.tolist(), events.address.tolist(), events.weights().tolist())
    return list(zip(*columns, strict=True))


@given(streams(), st.integers(-5000, 5000), st.integers(0, 5000))
def test_window_keeps_exactly_the_half_open_stretch(events: Events, start: int, by: int) -> None:
    cut = window(events, start * 1e-6, (start + by) * 1e-6)
    assert rows(cut) == [r for r in rows(events) if start <= r[0] < start + by]
    moved = window(events, start * 1e-6, (start + by) * 1e-6, origin=Origin.START)
    assert rows(moved) == [(t - start, a, v) for t, a, v in rows(cut)]


@given(streams(), st.lists(st.integers(-5000, 5000), min_size=1, max_size=4))
def test_windows_side_by_side_lose_nothing(events: Events, cuts: list[int]) -> None:
    edges = [-math.inf, *(c * 1e-6 for c in sorted(cuts)), math.inf]
    parts = [window(events, a, b) for a, b in pairwise(edges)]
    assert merge(*parts).same_as(events)


def test_window_with_open_ends_keeps_the_ends_of_int64() -> None:
    events = Events([-(2**63), 2**63 - 1], [0, 0], (1,))
    assert window(events, -math.inf, math.inf).n == 2


def test_window_start_between_ticks() -> None:
    assert window(Events([1, 2, 3], [0, 0, 0], (1,)), 1.5e-6, 2.5e-6).t.tolist() == [2]


@pytest.mark.parametrize(
    ("start", "stop", "origin", "message"),
    [
        (2.0, 1.0, Origin.KEEP, "window: is not a stretch of time; found 2 s to 1 s"),
        (math.nan, 1.0, Origin.KEEP, "window: is not a stretch of time; found nan s to 1 s"),
        (-math.inf, 1.0, Origin.START, "window: start cannot be the origin; found -inf s"),
        (1.5e-6, 1.0, Origin.START, "start cannot be the origin; .* whole number of ticks of 1 us"),
    ],
)
def test_wrong_window(start: float, stop: float, origin: Origin, message: str) -> None:
    with pytest.raises(EventError, match=message):
        window(Events([0], [0], (1,)), start, stop, origin=origin)


@given(st.lists(streams(), min_size=1, max_size=4))
def test_merge_is_a_stable_sort(parts: list[Events]) -> None:
    expected = sorted((r for part in parts for r in rows(part)), key=lambda r: r[0])
    assert rows(merge(*parts)) == expected


def test_merge_refuses_what_does_not_fit() -> None:
    with pytest.raises(EventError, match="merge: nothing to merge; found 0"):
        merge()
    with pytest.raises(EventError) as caught:
        merge(Events.empty((3,)), Events.empty((4,)), Events.empty((3,), tick=1e-3))
    assert "merge: stream 1: another shape; found (4,), expected (3,)" in str(caught.value)
    assert "merge: stream 2: another tick; found 0.001 s, expected 1e-06 s" in str(caught.value)


@given(streams(), st.integers(-(10**9), 10**9))
def test_shift_there_and_back(events: Events, by: int) -> None:
    moved = shift(events, by * 1e-6)
    assert (moved.t - by).tolist() == events.t.tolist()
    assert shift(moved, -by * 1e-6).same_as(events)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (
            1.5e-6,
            "shift: not a whole number of ticks; found 1.5e-06 s, expected a multiple of 1 us",
        ),
        (math.nan, "shift: not a whole number of ticks"),
        (math.inf, "shift: not a whole number of ticks"),
        (1e13, "shift: moves events beyond 64 bits"),
    ],
)
def test_wrong_shift(by: float, message: str) -> None:
    with pytest.raises(EventError, match=message):
        shift(Events([0], [0], (1,)), by)


@given(streams(), st.sampled_from([1e-9, 2.5e-7, 1e-6]))
def test_rescale_to_a_finer_clock_and_back(events: Events, tick: float) -> None:
    fine = rescale_tick(events, tick)
    assert fine.tick == tick
    assert rescale_tick(fine, 1e-6).same_as(events)


@given(streams())
def test_rescale_rounds_as_told(events: Events) -> None:
    down = rescale_tick(events, 1e-3, rounding=Rounding.DOWN)
    near = rescale_tick(events, 1e-3, rounding=Rounding.NEAREST)
    assert down.t.tolist() == [t // 1000 for t in events.t.tolist()]
    assert near.t.tolist() == [(t + 500) // 1000 for t in events.t.tolist()]
    assert np.array_equal(near.address, events.address)


def test_rescale_says_which_event_lies_between() -> None:
    events = Events([1000, 2500], [0, 0], (1,))
    with pytest.raises(
        EventError, match=r"rescale_tick: event 1 lies between two ticks of 1 ms; found 2\.5 ms"
    ):
        rescale_tick(events, 1e-3)
    with pytest.raises(EventError, match="rescale_tick: tick: is not a time; found 0"):
        rescale_tick(events, 0.0)
    with pytest.raises(EventError, match="time: does not fit 64 bits"):
        rescale_tick(Events([2**62], [0], (1,)), 1e-9)


@given(streams(), st.lists(st.integers(0, SIZE - 1)))
def test_select_by_addresses_and_by_mask(events: Events, wanted: list[int]) -> None:
    found = select(events, wanted)
    assert rows(found) == [r for r in rows(events) if r[1] in wanted]
    mask = np.isin(np.arange(SIZE), wanted).reshape(2, 3)
    assert select(events, mask).same_as(found)


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ([0, 6], r"select: address outside shape \(2, 3\); found 6, expected 0 to 5"),
        ([-1], "select: address outside shape .*; found -1"),
        ([0.5], "select: not addresses; found float64, expected integers, or a bool mask"),
        (np.ones(6, bool), r"select: mask of another shape; found \(6,\), expected \(2, 3\)"),
    ],
)
def test_wrong_selection(addresses: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        select(Events([0], [0], (2, 3)), addresses)


@given(streams())
def test_transforms_give_the_same_answer_twice(events: Events) -> None:
    for transform in (
        lambda e: window(e, 0.0, 1e-3),
        lambda e: shift(e, 1e-3),
        lambda e: select(e, [1, 2]),
        lambda e: rescale_tick(e, 1e-9),
    ):
        assert transform(events).same_as(transform(events))
