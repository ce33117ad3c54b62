from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.filters import cut, jitter, reverse, shift, stretch, timing


def at(t: list[int]) -> CameraEvents:
    n = len(t)
    return CameraEvents(t, np.arange(n) % 8, np.arange(n) // 8 % 8, np.arange(n) % 2, 8, 8)


@settings(max_examples=30)
@given(st.lists(st.integers(-500, 500), max_size=20), st.integers(-500, 500), st.integers(0, 500))
def test_a_cut_keeps_exactly_the_half_open_stretch(t: list[int], start: int, by: int) -> None:
    kept = cut(at(t), start=start * 1e-6, stop=(start + by) * 1e-6)
    assert kept.t.tolist() == [v for v in t if start <= v < start + by]
    if by:
        moved = cut(at(t), start=start * 1e-6, stop=(start + by) * 1e-6, shift=True)
        assert (moved.t + start).tolist() == kept.t.tolist()


def test_an_open_cut_keeps_the_ends_of_int64() -> None:
    events = at([-(2**63), 2**63 - 1])
    assert cut(events).same_as(events)


def test_shifting_back_and_forth() -> None:
    events = at([0, 5, 9])
    assert shift(events, by=-3e-6).t.tolist() == [-3, 2, 6]
    assert shift(shift(events, by=0.25), by=-0.25).same_as(events)
    for edge, by in ((2**63 - 1, 1e-6), (-(2**63), -1e-6)):
        with pytest.raises(EventError, match="shift: moves events beyond 64 bits"):
            shift(at([edge]), by=by)


def test_stretching_keeps_the_origin_and_is_exact_for_large_times() -> None:
    assert stretch(at([0, 10, 25]), factor=0.1).t.tolist() == [0, 1, 2]
    assert stretch(at([100, 110, 125]), factor=3.0, origin=100e-6).t.tolist() == [100, 130, 175]
    big = 2**60 + 1  # float64 cannot hold it
    assert stretch(at([big]), factor=2.0).t.tolist() == [2 * big]
    with pytest.raises(EventError, match="64 bits"):
        stretch(at([2**62]), factor=4.0)


def test_reversing_twice_is_nothing() -> None:
    events = at([3, 5, 5, 9])
    backwards = reverse(events)
    assert backwards.t.tolist() == [3, 7, 7, 9]
    assert backwards.x.tolist() == events.x[::-1].tolist()
    assert backwards.p.tolist() == (1 - events.p[::-1]).tolist()
    assert reverse(backwards).same_as(events)
    assert reverse(events, swap=False).p.tolist() == events.p[::-1].tolist()
    assert reverse(at([-(2**63), 2**63 - 1])).t.tolist() == [-(2**63), 2**63 - 1]


def test_reversing_more_than_can_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "REVERSE_LIMIT", 3)
    with pytest.raises(
        EventError, match="reverse: too many events to hold; expected at most 3 — cut"
    ):
        reverse(at([1, 2, 3, 4]))


def test_jitter_moves_by_what_was_asked_and_sorts_again() -> None:
    n = 20_000
    events = CameraEvents(
        np.arange(n) * 50, np.full(n, 50), np.full(n, 40), np.ones(n, int), 100, 80
    )
    moved = jitter(events, seed=1, time=200e-6, space=2.0)
    moved.check()
    assert len(moved) == n
    for column, center in ((moved.x, 50), (moved.y, 40)):
        assert abs(column.mean() - center) < 0.1
        # rounding adds 1/12, clipping at 3 deviations takes 2.7 %
        assert column.std() == pytest.approx((4 * 0.973 + 1 / 12) ** 0.5, rel=0.03)
    assert np.abs(moved.t - np.sort(events.t)).max() < 2000
    assert not np.array_equal(moved.t, events.t)
    assert jitter(events, seed=1, time=200e-6, space=2.0).same_as(moved)
    assert not jitter(events, seed=2, time=200e-6, space=2.0).same_as(moved)


def test_jitter_of_nothing_changes_nothing() -> None:
    events = at([1, 1, 2, 3])
    assert jitter(events, seed=3).same_as(events)


def test_jitter_needs_sorted_times() -> None:
    with pytest.raises(EventError, match="jitter: time runs backwards — sort the events first"):
        jitter(at([5, 3]), seed=1)
    stream = timing.Jitter(seed=1).on(8, 8)
    stream(at([5]))
    with pytest.raises(EventError, match="jitter: time runs backwards"):
        stream(at([3]))
