from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from spikewright.errors import EventError
from spikewright.events.filters import FILTERS, Axis, Flip, Mask, Refractory, Stabilize, Undistort
from spikewright.events.filters.parameters import filter_of, table_of


def test_values_with_units_options_and_lists() -> None:
    assert filter_of("refractory", {"period": "2 ms"}) == Refractory(period=2e-3)
    assert filter_of("refractory", {"period": 1}) == Refractory(period=1.0)
    assert filter_of("flip", {"axis": "vertical"}) == Flip(axis=Axis.VERTICAL)
    assert filter_of("mask", {"drop": [[1, 2], [3, 4]]}) == Mask(drop=((1, 2), (3, 4)))
    assert filter_of("stabilize", {"smooth": "inf"}) == Stabilize(smooth=float("inf"))
    made = filter_of("undistort", {"fx": 1, "fy": 2.0, "cx": 0, "cy": 0, "distortion": [0.1, -1]})
    assert made == Undistort(fx=1.0, fy=2.0, cx=0.0, cy=0.0, distortion=(0.1, -1.0))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("refractry", {}, "no filter is called 'refractry' — did you mean 'refractory'?"),
        ("zzz", {}, "no filter is called 'zzz' — there are age_weighted, anti_flicker"),
        ("refractory", {"perod": 1.0}, "no parameter 'perod' — did you mean 'period'?"),
        ("refractory", {"period": "2 mV"}, "refractory.period: does not fit; found '2 mV', expected a number of s"),
        ("refractory", {"period": True}, "found True, expected a number of s"),
        ("refractory", {"period": -1.0}, "step 3: refractory.period: is not a time"),
        ("refractory", {"of_kept": 1}, "expected true or false"),
        ("decimate", {}, "filter 'decimate' needs 'every'"),
        ("decimate", {"every": 2.0}, "found 2.0, expected a whole number"),
        ("flip", {"axis": "diagonal"}, "expected 'horizontal', 'vertical'"),
        ("mask", {"drop": [[1, 2, 3]]}, "expected a list of 2"),
        ("mask", {"drop": 5}, "expected a list"),
        ("mask", {"file": 5}, "expected text"),
        ("drop", {"chance": "5 s", "seed": 1}, "drop.chance: does not fit; found '5 s', expected a number"),
    ],
)  # fmt: skip
def test_what_does_not_fit(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(EventError) as caught:
        filter_of(name, values, where="step 3")
    assert message in str(caught.value)
    assert str(caught.value).startswith("step 3")


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(EventError, match="3 problems"):
        filter_of("crop", {"x": 1.5, "y": 0, "width": 3, "hight": 3})


def test_every_filter_has_parameters_that_can_be_written() -> None:
    for name, cls in FILTERS.items():
        required = [f.name for f in fields(cls) if f.default is MISSING]
        made = filter_of(name, dict.fromkeys(required, 1))
        assert filter_of(name, table_of(made)) == made
