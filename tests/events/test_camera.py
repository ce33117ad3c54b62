from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events import Events
from spikewright.events.camera import CameraEvents, Extras, Frame, Imu, Triggers, concatenate


def some() -> CameraEvents:
    return CameraEvents([5, 5, 9], [0, 3, 1], [2, 0, 1], [1, 0, 1], 4, 3)


def test_columns_have_their_types_and_are_read_only() -> None:
    given = np.array([5, 5, 9])
    events = CameraEvents(given, [0, 3, 1], [2, 0, 1], np.array([True, False, True]), 4, 3)
    assert [events.t.dtype, events.x.dtype, events.y.dtype, events.p.dtype] == [
        "i8",
        "u2",
        "u2",
        "u1",
    ]
    for column in (events.t, events.x, events.y, events.p):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1
    given[0] = 6  # the caller's own stays its own
    assert len(events) == events.n == 3
    assert events.duration == events.t.max() - events.t.min()
    assert CameraEvents.empty(4, 3).duration == 0
    assert repr(some()) == "CameraEvents(3 events, 4 x 3, 5 to 9 us)"
    assert repr(CameraEvents.empty(4, 3)) == "CameraEvents(0 events, 4 x 3)"


def test_what_columns_cannot_be() -> None:
    with pytest.raises(EventError, match="columns differ in length; found t 1, x 2, y 1, p 1"):
        CameraEvents([0], [0, 1], [0], [0], 4, 3)
    with pytest.raises(EventError, match=r"CameraEvents\.x: does not fit its type; found -1 to 0"):
        CameraEvents([0, 1], [-1, 0], [0, 0], [0, 0], 4, 3)
    with pytest.raises(EventError, match=r"CameraEvents\.t: is not of an integer type"):
        CameraEvents([0.5], [0], [0], [0], 4, 3)
    with pytest.raises(EventError, match=r"CameraEvents\.y: is not a flat array"):
        CameraEvents([0], [0], [[0]], [0], 4, 3)


def test_choosing() -> None:
    events = some()
    assert events[1:].t.tolist() == [5, 9]
    assert events[events.p == 1].x.tolist() == [0, 1]
    assert events[np.array([2, 0])].t.tolist() == [9, 5]
    with pytest.raises(EventError, match="not a choice of events; found int"):
        events[0]  # type: ignore[index]


def test_joining_and_comparing() -> None:
    events = some()
    assert concatenate([events[:1], events[1:]]).same_as(events)
    assert not events.same_as(events[:2])
    assert not events.same_as(events.replace(width=5))
    assert not events.same_as(events.replace(p=1 - events.p))
    with pytest.raises(EventError, match="found nothing"):
        concatenate([])
    with pytest.raises(EventError, match=r"found sensors \[\(4, 3\), \(5, 3\)\]"):
        concatenate([events, events.replace(width=5)])


def test_events_for_networks_and_back() -> None:
    events = some()
    stream = events.to_events()
    assert (stream.shape, stream.tick) == ((2, 3, 4), 1e-6)
    assert stream.address.tolist() == [12 + 8, 3, 12 + 4 + 1]
    assert CameraEvents.from_events(stream).same_as(events)


def test_other_clocks_and_shapes() -> None:
    stream = Events([0, 1, 3], [0, 5, 11], (3, 4), tick=1e-3)
    events = CameraEvents.from_events(stream)
    assert events.t.tolist() == [0, 1000, 3000]
    assert events.p.tolist() == [1, 1, 1]
    assert [events.x.tolist(), events.y.tolist()] == [[0, 1, 3], [0, 1, 2]]
    assert CameraEvents.from_events(Events([1499], [0], (1, 3, 4), tick=1e-9)).t.tolist() == [1]
    with pytest.raises(EventError, match=r"not the shape of a camera; found \(5,\)"):
        CameraEvents.from_events(Events([0], [0], (5,)))
    with pytest.raises(EventError, match="graded events"):
        CameraEvents.from_events(Events([0], [0], (3, 4), value=[0.5]))


def test_check_lists_every_broken_rule() -> None:
    some().check()
    with pytest.raises(EventError) as error:
        CameraEvents([5, 4], [4, 0], [0, 3], [2, 0], 4, 3).check()
    for part in (
        "time runs backwards at index 1",
        "CameraEvents.x",
        "CameraEvents.y",
        "CameraEvents.p",
    ):
        assert part in str(error.value)
    with pytest.raises(EventError, match="time runs backwards"):
        CameraEvents([5, 4], [0, 0], [0, 0], [0, 0], 4, 3).to_events()


def test_extras_are_true_where_they_hold_something() -> None:
    assert not Extras()
    assert not Extras(Triggers.empty())
    assert Extras(Triggers([1], [0], [1]))
    assert Extras(frames=[Frame(0, 0, 1, 0, 0, np.zeros((2, 2), np.uint8))])
    zero = np.zeros((1, 3), np.float32)
    assert Extras(imu=Imu(np.array([5]), zero, zero, zero, zero[0, :1]))
    with pytest.raises(EventError, match="Triggers: columns differ in length"):
        Triggers([1, 2], [0], [1])
