"""Published measurements against our models, and proof that a model that is off fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spikewright.errors import VerifyError
from spikewright.testing.verify import Case, verify
from spikewright.testing.verify.anchors import ANCHORS, Model


@pytest.fixture(scope="module")
def anchors(shared: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared / "facts" / "digital-anchors.json").read_text())
    return found


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[Case]:
    return verify("anchors", shared / "facts" / "digital-anchors.json")


def checked(folder: Path, **entries: Any) -> list[Case]:
    file = folder / "anchors.json"
    file.write_text(json.dumps(entries))
    return verify("anchors", file)


def test_every_measurement_is_met_or_listed(cases: list[Case], anchors: dict[str, Any]) -> None:
    assert [f"{c.name}: {c.detail}" for c in cases if not c.passed] == []
    assert {c.name.partition(":")[0] for c in cases} == set(anchors)
    judged = [c for c in cases if "bound" in c.detail]
    assert all("model" in c.detail and "published" in c.detail for c in judged)
    assert {c.name.partition(":")[0] for c in judged} >= {
        "truenorth_sweep_0v8",
        "truenorth_20hz_0v775",
        "loihi_nearest_neighbour",
        "loihi_kws",
        "xylo_kws",
    }


def test_xylos_power_is_judged_and_its_step_is_told(cases: list[Case]) -> None:
    judged, told = [c for c in cases if c.name.startswith("xylo_kws")]
    assert "model 341 uW, published 291 uW, error +17.3 %, bound 25 %" in judged.detail
    for part in ("another application", "125 uW to 438 uW, -57 to +50.3 %", "not the cycle model"):
        assert part in judged.detail
    assert "ambient audio" in told.name
    assert told.detail.startswith("listed, not judged: model 130 nJ (90 nJ to 250 nJ")
    assert "published 93 nJ, error +39.9 %" in told.detail
    assert "bound" not in told.detail


def test_a_bound_of_the_file_goes_before_ours(anchors: dict[str, Any], tmp_path: Path) -> None:
    judged, told = checked(tmp_path, xylo_kws=anchors["xylo_kws"] | {"tolerance": 0.1})
    assert (judged.passed, told.passed) == (False, True)
    assert "bound 10 %" in judged.detail


def test_full_size_search_costs_what_a_hundredth_of_it_says(cases: list[Case]) -> None:
    """A hundredth of it is run as a network in tests/substrates/loihi/test_costs.py: 1.45 to 1.60 mJ."""
    (case,) = [c for c in cases if c.name.endswith("price list davies")]
    assert "(1.45 mJ to 1.6 mJ, +8.91 to +20.2 %)" in case.detail


@pytest.mark.parametrize(
    ("name", "key", "factor"),
    [
        ("truenorth_20hz_0v775", "power_w", 1.2),
        ("loihi_nearest_neighbour", "dynamic_j", 0.9),
        ("loihi_kws", "joule_per_inf_dynamic", 1.2),
        ("xylo_kws", "dynamic_w", 0.9),
    ],
)
def test_a_measurement_that_is_not_met_fails(
    anchors: dict[str, Any], tmp_path: Path, name: str, key: str, factor: float
) -> None:
    # two of them lean on another measurement of the file
    leans_on = {"truenorth_20hz_0v775": "truenorth_sweep_0v8", "loihi_kws": "loihi_scaling"}
    entries = {leans_on.get(name, name): anchors[leans_on.get(name, name)]}
    entries[name] = anchors[name] | {key: anchors[name][key] * factor}
    cases = checked(tmp_path, **entries)
    found = {c.name.partition(":")[0]: c.passed for c in cases if "bound" in c.detail}
    assert not found[name]


def test_points_of_a_sweep_between_the_fitted_ones_are_held_to_two_percent(
    anchors: dict[str, Any], tmp_path: Path
) -> None:
    sweep = anchors["truenorth_sweep_0v8"]
    for power, passes in ((81e-3, True), (84e-3, False)):
        points = [{"rate_hz": 53.755, "power_w": power}]
        cases = checked(tmp_path, truenorth_sweep_0v8=sweep | {"check": points})
        assert [c.passed for c in cases] == [True, True, passes]


def test_a_band_passes_only_as_a_whole() -> None:
    assert Model("x", 1.0, "J", 1.0, 0.25, 0.8, 1.2).case("a").passed
    assert not Model("x", 1.0, "J", 1.0, 0.25, 0.7, 1.2).case("a").passed
    assert not Model("x", 1.3, "J", 1.0, 0.25).case("a").passed
    assert Model("x", 1.0, "J", 1.25, 0.25, note="n").case("a") == Case(
        "a: x", True, "model 1 J, published 1.25 J, error -20 %, bound 25 %; n"
    )


def test_what_is_wrong_in_a_file_is_told(anchors: dict[str, Any], tmp_path: Path) -> None:
    kws = {k: v for k, v in anchors["loihi_kws"].items() if k != "layers"}
    cases = checked(
        tmp_path,
        moon=3,
        sun={"power_w": 1},
        loihi_kws=kws,
        truenorth_sweep_0v8=anchors["truenorth_sweep_0v8"] | {"neurons": "many"},
        loihi_nearest_neighbour=anchors["loihi_nearest_neighbour"] | {"dynamic_j": 0},
    )
    told = {c.name: c.detail for c in cases}
    assert not any(c.passed for c in cases)
    assert told["moon"] == "not a table of numbers"
    assert told["sun"].startswith("not recognized; known are truenorth_sweep_0v8")
    assert told["loihi_kws"] == "lacks 'layers'"
    assert told["truenorth_sweep_0v8"].startswith("not numbers that a model takes")
    assert told["loihi_nearest_neighbour"].startswith("not numbers that a model takes")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "holds no measurements"), ("{}", "holds no measurements")],
)
def test_a_file_without_measurements_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "anchors.json").write_text(text)
    with pytest.raises(VerifyError, match=message):
        verify("anchors", tmp_path / "anchors.json")
    with pytest.raises(VerifyError, match=message):
        verify("anchors", tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="cannot be read: No such file"):
        verify("anchors", tmp_path / "absent.json")
    with pytest.raises(VerifyError, match=r"not one file of measurements; found none"):
        verify("anchors", tmp_path)


def test_every_model_has_a_name_of_the_file(anchors: dict[str, Any]) -> None:
    assert set(anchors) <= set(ANCHORS)
