from __future__ import annotations

import dataclasses
import math
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events import Events

CAMERA = (2, 3, 4)


def make(**changes: Any) -> Events:
    given_: dict[str, Any] = {"t": [0, 5, 5, 9], "address": [0, 23, 7, 1], "shape": CAMERA}
    given_.update(changes)
    t, address, shape = (given_.pop(name) for name in ("t", "address", "shape"))
    return Events(t, address, shape, **given_)


def test_fields_are_what_was_given() -> None:
    events = make(tick=1e-3)
    assert events.t.dtype == events.address.dtype == np.int64
    assert events.n == len(events) == 4
    assert events.size == 24
    assert events.shape == CAMERA
    assert events.duration == pytest.approx(9e-3)
    assert events.weights().tolist() == [1.0] * 4


def test_arrays_are_read_only_and_not_the_callers() -> None:
    t = np.array([1, 2])
    events = Events(t, np.array([0, 0]), (1,))
    t[0] = 7
    assert events.t.tolist() == [1, 2]
    for array in (events.t, events.address):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        events.tick = 1.0  # type: ignore[misc]


def test_a_read_only_view_of_a_writable_array_is_copied() -> None:
    base = np.array([1, 2, 3])
    view = base[:2]
    view.setflags(write=False)
    events = Events(view, [0, 0], (1,))
    base[0] = -5
    assert events.t[0] == 1


def test_an_array_that_nobody_can_write_to_is_not_copied() -> None:
    t = np.array([1, 2, 3])
    t.setflags(write=False)
    assert Events(t, [0, 0, 0], (1,)).t is t


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.uint32, np.uint64, ">i8"])
def test_any_integer_type_is_taken(dtype: Any) -> None:
    assert make(t=np.array([0, 5, 5, 9], dtype)).t.dtype == np.dtype(np.int64)


def test_negative_times_are_allowed() -> None:
    assert make(t=[-(2**63), -1, 0, 2**63 - 1]).n == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"t": [0, 5, 4, 9]},
            r"Events.t: time runs backwards at index 2; found 4 after 5, expected sorted",
        ),
        ({"t": [0, -(2**63), 0, 0]}, "time runs backwards at index 1"),
        (
            {"address": [0, 24, 7, 1]},
            r"Events.address: outside the shape at index 1; found 24, expected 0 to 23 for shape",
        ),
        ({"address": [0, 2, -1, 1]}, "outside the shape at index 2; found -1"),
        ({"t": [0.0, 5.0, 5.0, 9.0]}, "Events.t: is not of an integer type; found float64"),
        ({"t": [0.0, math.nan, 5.0, 9.0]}, "Events.t: is not of an integer type"),
        ({"t": np.zeros(0), "address": []}, "Events.t: is not of an integer type; found float64"),
        ({"t": ["a", "b", "c", "d"]}, "Events.t: is not of an integer type"),
        ({"t": [[1], [1, 2]]}, "Events.t: is not an array of numbers; found list"),
        ({"t": [[0, 5, 5, 9]]}, r"Events.t: is not a flat array; found shape \(1, 4\)"),
        ({"t": np.array([0, 1, 2, 2**64 - 1], np.uint64)}, "Events.t: does not fit int64"),
        ({"address": [True, False, True, True]}, "Events.address: is not of an integer type"),
        (
            {"address": [0, 1]},
            "Events.address: differs in length from the times; found 2, expected 4",
        ),
        ({"value": [1.0]}, "Events.value: differs in length from the times; found 1, expected 4"),
        ({"value": [1.0, 2.0, math.nan, 1.0]}, "Events.value: is not finite at index 2; found nan"),
        ({"value": [1.0, 2.0, 1.0, math.inf]}, "Events.value: is not finite at index 3"),
        ({"value": ["x"] * 4}, "Events.value: is not real numbers"),
        ({"tick": 0}, "Events.tick: is not a time; found 0, expected seconds, more than 0"),
        ({"tick": -1e-6}, "Events.tick: is not a time"),
        ({"tick": math.nan}, "Events.tick: is not a time; found nan"),
        ({"tick": math.inf}, "Events.tick: is not a time"),
        ({"tick": "1 us"}, "Events.tick: is not a time; found '1 us'"),
        ({"shape": ()}, r"Events.shape: is not a shape; found \(\), expected whole numbers"),
        ({"shape": (2, 0)}, "Events.shape: is not a shape"),
        ({"shape": (2.0,)}, "Events.shape: is not a shape"),
        ({"shape": "ab"}, "Events.shape: is not a shape"),
        ({"shape": (2**40, 2**40)}, "Events.shape: has more addresses than int64 can count"),
    ],
)
def test_a_broken_rule_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EventError, match=message):
        make(**changes)


def test_all_problems_are_raised_at_once() -> None:
    with pytest.raises(EventError) as caught:
        make(t=[3, 1, 0, 0], address=[99, 0, 0], tick=-1.0, value=[math.nan] * 4)
    text = str(caught.value)
    assert text.startswith("5 problems")
    for part in ("Events.t:", "in length", "outside the shape", "Events.tick", "Events.value"):
        assert part in text


def test_coordinates_round_trip() -> None:
    p, y, x = np.array([0, 1, 1]), np.array([2, 0, 1]), np.array([3, 0, 2])
    events = Events.from_coordinates([1, 2, 3], (p, y, x), CAMERA)
    assert events.address.tolist() == [11, 12, 18]
    for given_, found in zip((p, y, x), events.coordinates(), strict=True):
        assert np.array_equal(given_, found)


@given(st.lists(st.integers(0, 23), max_size=20))
def test_every_address_has_its_coordinates(address: list[int]) -> None:
    events = Events([0] * len(address), address, CAMERA)
    again = Events.from_coordinates(events.t, events.coordinates(), CAMERA)
    assert again.same_as(events)


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        (([0], [3], [0]), r"coordinates\[1\]: outside the shape at index 0; found 3, expected 0 t"),
        (([0], [0]), r"not one array per axis of shape \(2, 3, 4\); found 2, expected 3"),
        (([0], [0, 1], [0]), r"coordinates\[1\]: differs in length from the first"),
        (([0.5], [0], [0]), r"coordinates\[0\]: is not of an integer type"),
    ],
)
def test_wrong_coordinates_are_named(coordinates: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        Events.from_coordinates([0], coordinates, CAMERA)


def test_empty() -> None:
    events = Events.empty((5,), tick=1e-3)
    assert events.n == 0
    assert events.duration == 0.0
    assert events.rate() == 0.0
    assert events.tick == 1e-3
    assert Events([], [], (5,), tick=1e-3).same_as(events)


def test_rate_is_the_mean_over_addresses() -> None:
    assert Events([0, 1, 2, 1000], [0, 0, 0, 1], (2,), tick=1e-3).rate() == pytest.approx(2.0)
    assert make().rate(duration=0.5) == pytest.approx(4 / 24 / 0.5)


@pytest.mark.parametrize("duration", [None, 0.0, -1.0, math.nan, math.inf])
def test_rate_without_time(duration: float | None) -> None:
    with pytest.raises(EventError, match=r"Events.rate: no time to divide by; .* give duration="):
        Events([3], [0], (1,)).rate(duration=duration)


@pytest.mark.parametrize(
    "changes",
    [
        {"t": [0, 5, 5, 10]},
        {"address": [0, 23, 7, 2]},
        {"shape": (24,)},
        {"tick": 2e-6},
        {"value": [1.0, 2.0, 1.0, 1.0]},
    ],
)
def test_same_as_sees_every_field(changes: dict[str, Any]) -> None:
    assert make().same_as(make())
    assert not make().same_as(make(**changes))


def test_no_value_is_the_same_as_ones() -> None:
    assert make(value=[1.0] * 4).same_as(make())


def test_repr() -> None:
    assert repr(make()) == "Events(4 events, shape (2, 3, 4), tick 1 us, 0 s to 9 us)"
    one = Events([2000], [0], (1,), value=[0.5])
    assert repr(one) == "Events(1 event, shape (1,), tick 1 us, at 2 ms, graded)"
    assert repr(Events.empty((1,))) == "Events(0 events, shape (1,), tick 1 us)"


def test_pickled_events_are_still_checked_values() -> None:
    assert pickle.loads(pickle.dumps(make())).same_as(make())
    with pytest.raises(EventError):
        dataclasses.replace(make(), tick=0.0)


def test_import_loads_numpy_and_nothing_heavier() -> None:
    code = (
        "import sys, spikewright.events; "
        "print(sorted({'h5py', 'scipy', 'numba', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
