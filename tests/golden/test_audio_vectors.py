"""Vectors of other implementations: every array is right, and one changed number is noticed."""

import shutil

import numpy as np
import pytest

from spikewright.testing.verify import verify


def failures(folder):
    return [case for case in verify("audio", folder) if not case.passed]


@pytest.fixture
def copied(shared, tmp_path):
    """A folder with the vectors of one kind, and a way to write it with changes."""

    def make(file, change=lambda arrays: None):
        with np.load(shared / "vectors" / "audio" / file) as stored:
            arrays = {name: stored[name] for name in stored.files}
        change(arrays)
        np.savez(tmp_path / file, **arrays)
        return tmp_path

    return make


def test_every_array(shared):
    cases = verify("audio", shared / "vectors" / "audio")
    assert [case for case in cases if not case.passed] == []
    assert len(cases) == 11
    assert all(case.detail.startswith("equal") for case in cases)


@pytest.mark.parametrize(
    ("file", "name", "at", "by"),
    [
        ("carfac_one_cap.npz", "nap", (1200, 30), 2.5e-3),
        ("carfac_one_cap.npz", "bm", (3306, 70), 2.5e-3),
        ("carfac_two_cap.npz", "nap", (0, 0), np.nan),
        ("carfac_two_cap.npz", "pole_freqs", (70,), 1.0),
        ("xylo_afe3.npz", "filtered", (4881, 15), 1),
        ("xylo_afe3.npz", "spikes_joint", (100, 3), 1),
        ("xylo_afe3.npz", "spikes_separate", (4881, 0), 1),
        ("xylo_afe3.npz", "spikes_fixed_2e20", (7, 7), 1),
        ("xylo_afe3.npz", "filters", (3, 4), 1),
    ],
)
def test_one_changed_number_fails(copied, file, name, at, by):
    def change(arrays):
        flip = name.startswith("spikes")
        arrays[name][at] = 1 - arrays[name][at] if flip else arrays[name][at] + by

    (case,) = failures(copied(file, change))
    assert case.name == f"{file}: {name}"
    assert "1 of" in case.detail


def test_another_input_fails(copied):
    def change(arrays):
        arrays["x"][0] += 100

    assert len(failures(copied("xylo_afe3.npz", change))) == 4


def test_what_is_missing_or_not_recognized_is_reported(copied, shared):
    def change(arrays):
        del arrays["bm"]
        arrays["extra"] = np.ones(3)

    folder = copied("carfac_one_cap.npz", change)
    shutil.copy(folder / "carfac_one_cap.npz", folder / "carfac_three_cap.npz")
    shutil.copy(folder / "carfac_one_cap.npz", folder / "gammatone.npz")
    assert {case.name: case.detail for case in failures(folder)} == {
        "carfac_one_cap.npz: extra": "not recognized",
        "carfac_one_cap.npz: bm": "lacks 'bm'",
        "carfac_three_cap.npz": "not recognized: hair cell 'three_cap'",
        "gammatone.npz": "not recognized: neither carfac_* nor xylo*",
    }


def test_samples_that_do_not_fit_are_reported(copied):
    def change(arrays):
        arrays["x"][0] = 8192
        arrays["spikes_other"] = arrays.pop("spikes_joint")

    found = {case.name: case.detail for case in failures(copied("xylo_afe3.npz", change))}
    assert "a sample does not fit 14 bits" in found["xylo_afe3.npz: filtered"]
    assert found["xylo_afe3.npz: spikes_other"] == "not recognized"
    assert found["xylo_afe3.npz: spikes_joint"] == "lacks 'spikes_joint'"
