from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.filters import merge, merged


@st.composite
def sources(draw: Any) -> list[CameraEvents]:
    """Recordings whose x says which, and y the place in it; times may run backwards."""
    made = []
    for k in range(draw(st.integers(1, 4))):
        t = draw(st.lists(st.integers(0, 12), max_size=15))
        if draw(st.booleans()):
            t = sorted(t)
        made.append(CameraEvents(t, [k] * len(t), range(len(t)), [0] * len(t), 9, 99))
    return made


def heads(recordings: list[CameraEvents]) -> list[tuple[int, int, int]]:
    """Take the earliest of the first events, again and again."""
    rows = [list(zip(e.t.tolist(), e.x.tolist(), e.y.tolist(), strict=True)) for e in recordings]
    out = []
    while any(rows):
        k = min((row[0][0], k) for k, row in enumerate(rows) if row)[1]
        out.append(rows[k].pop(0))
    return out


@settings(max_examples=80)
@given(sources(), st.integers(1, 5))
def test_merging_takes_the_earliest_head_and_streams(made: list[CameraEvents], size: int) -> None:
    whole = merge(*made)
    assert list(zip(whole.t.tolist(), whole.x.tolist(), whole.y.tolist(), strict=True)) == heads(
        made
    )
    chunked = [[e[a : a + size] for a in range(0, len(e), size)] for e in made]
    parts = list(merged(chunked))
    assert concatenate([CameraEvents.empty(9, 99), *parts]).same_as(whole)


def test_merging_holds_no_more_than_it_must() -> None:
    taken = [0, 0]

    def source(k: int) -> Any:
        for n in range(100):
            taken[k] += 1
            yield CameraEvents(np.arange(10) + 10 * n, [k] * 10, [0] * 10, [0] * 10, 2, 1)

    out = merged([source(0), source(1)])
    next(out)
    assert max(taken) <= 3


def test_what_cannot_be_merged() -> None:
    with pytest.raises(EventError, match="nothing to merge"):
        list(merged([]))
    with pytest.raises(EventError, match="not events of one sensor"):
        merge(CameraEvents.empty(2, 2), CameraEvents.empty(3, 2))
    with pytest.raises(EventError, match="not events of one sensor"):
        merge()
