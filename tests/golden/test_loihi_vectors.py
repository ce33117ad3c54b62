"""Loihi's arithmetic against stored traces of lava-nc, and proof that a wrong number is found."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import VerifyError
from spikewright.testing.verify import loihi

CASES = 70


def test_every_vector_is_equal_bit_for_bit(shared: Path) -> None:
    cases = loihi.verify(shared / "vectors" / "loihi")
    assert len(cases) == CASES
    assert [f"{c.name}: {c.detail}" for c in cases if not c.passed] == []


def changed(source: Path, folder: Path, array: str) -> Path:
    """Copy a case with one number of one array off by one."""
    with np.load(source, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    wrong = arrays[array].astype(np.int64)
    wrong.ravel()[wrong.size // 2] += 1
    arrays[array] = wrong
    np.savez(folder / source.name, **arrays)
    return folder


@pytest.mark.parametrize("array", ["p0_u", "p0_v", "p0_s"])
def test_one_changed_number_fails(shared: Path, tmp_path: Path, array: str) -> None:
    folder = changed(shared / "vectors" / "loihi" / "ff_mixed8.npz", tmp_path, array)
    (found,) = loihi.verify(folder)
    assert not found.passed
    assert re.fullmatch(
        rf"{array}\[\d+, \d+\]: found -?\d+, expected -?\d+; 1 of \d+ values differ", found.detail
    )


def test_a_changed_weight_fails(shared: Path, tmp_path: Path) -> None:
    source = shared / "vectors" / "loihi" / "ff_mixed8.npz"
    with np.load(source, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    weight = arrays["c0_w"].astype(np.int64)
    source_neuron = int(arrays["in_spikes"].sum(axis=0).argmax())
    weight[0, source_neuron] = 0 if abs(weight[0, source_neuron]) > 50 else 100
    np.savez(tmp_path / "case.npz", **(arrays | {"c0_w": weight}))
    (found,) = loihi.verify(tmp_path)
    assert not found.passed
    assert "p0_u" in found.detail


def test_what_is_no_case_is_reported_not_skipped(shared: Path, tmp_path: Path) -> None:
    shutil.copy(shared / "vectors" / "loihi" / "rf.npz", tmp_path)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "notes.txt").write_text("what is this")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "rf.npz").read_bytes()[:100])
    np.savez(tmp_path / "other.npz", meta='{"kind": "mystery"}')
    np.savez(tmp_path / "empty.npz", a=np.zeros(1))
    cases = {c.name: c for c in loihi.verify(tmp_path)}
    assert set(cases) == {"rf.npz", "notes.txt", "cut.npz", "other.npz", "empty.npz"}
    assert [name for name, c in cases.items() if c.passed] == ["rf.npz"]
    assert cases["notes.txt"].detail == "not recognized"
    assert "not a readable .npz file" in cases["cut.npz"].detail
    assert "not recognized: kind 'mystery'; known are lif_net" in cases["other.npz"].detail
    assert cases["empty.npz"].detail == "lacks 'meta'"


def test_a_folder_without_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match=r"holds no vectors; expected \.npz files"):
        loihi.verify(tmp_path)
    with pytest.raises(VerifyError, match="no such folder"):
        loihi.verify(tmp_path / "absent")
