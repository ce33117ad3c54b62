from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.measures.rates import RatePyramid


def at(t: Any, p: Any = None) -> CameraEvents:
    n = len(t)
    return CameraEvents(t, [0] * n, [0] * n, [0] * n if p is None else p, 1, 1)


@settings(max_examples=60)
@given(
    st.lists(st.integers(-3000, 3000), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(0, 8),
    st.integers(-4000, 4000),
    st.integers(1, 200),
)
def test_counts_are_exact_at_every_level(
    t: list[int], size: int, level: int, start: int, span: int
) -> None:
    events = at(t, [v % 2 for v in t])
    asked = []

    def again(low: int, high: int) -> Iterator[CameraEvents]:
        asked.append((low, high))
        yield from (events[k : k + 2] for k in range(0, len(events), 2))

    pyramid = RatePyramid(bins=256, again=again)
    for k in range(0, len(t), size):
        pyramid.add(events[k : k + size])
    width = 2**level
    got = pyramid.counts(start, start + span, width)
    first, last = start // width, -(-(start + span) // width)
    want = np.zeros((last - first, 2), int)
    for v in t:
        if first <= v // width < last:
            want[v // width - first, v % 2] += 1
    np.testing.assert_array_equal(got, want)
    assert bool(asked) == (width < pyramid.width)
    assert pyramid.n == len(t)


def test_memory_does_not_grow_with_the_recording() -> None:
    pyramid = RatePyramid(bins=1000)
    for k in range(50):
        pyramid.add(at(np.arange(10) + 10**9 * k))
    assert len(pyramid._kept) <= 1000
    assert pyramid.width == 2**26
    width, counts = pyramid.level(20)
    assert len(counts) <= 20
    assert counts.sum() == 500
    assert width == 2**32


def test_the_whole_file_from_one_microsecond_up() -> None:
    t = np.arange(0, 1000, 7)
    pyramid = RatePyramid()
    pyramid.add(at(t))
    assert pyramid.width == 1
    fine = pyramid.counts(0, 1000, 1)[:, 0]
    np.testing.assert_array_equal(np.flatnonzero(fine), t)
    for k in range(1, 10):
        np.testing.assert_array_equal(
            pyramid.counts(0, 1024, 2**k)[:, 0],
            np.bincount(t // 2**k, minlength=1024 // 2**k),
        )
    assert pyramid.rates(0, 512, 512)[0].tolist() == pytest.approx([74 / 512e-6, 0.0])


def test_no_events_at_all() -> None:
    pyramid = RatePyramid()
    pyramid.add(at([]))
    assert pyramid.level(10)[1].shape == (0, 2)
    assert not pyramid.counts(0, 10, 2).any()


def test_the_ends_of_int64_are_counted() -> None:
    pyramid = RatePyramid(bins=4)
    pyramid.add(at([-(2**63), 2**63 - 1]))
    assert pyramid.level(4)[1].sum() == 2


def test_what_cannot_be_shown() -> None:
    pyramid = RatePyramid(bins=4)
    pyramid.add(at([0, 100]))
    with pytest.raises(
        EventError, match="finer than those kept; found 1 us, expected at least 32 us"
    ):
        pyramid.counts(0, 2, 1)
    with pytest.raises(EventError, match="is not a power of 2; found 3"):
        pyramid.counts(0, 2, 3)
    with pytest.raises(EventError, match="found 16 bins, expected 1 to 4"):
        pyramid.counts(0, 1024, 64)
    with pytest.raises(EventError, match="found 0 bins"):
        pyramid.counts(0, 0, 64)
    with pytest.raises(EventError, match="too few"):
        RatePyramid(bins=3)
    with pytest.raises(EventError, match="too few bins"):
        pyramid.level(1)
