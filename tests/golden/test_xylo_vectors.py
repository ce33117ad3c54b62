"""Xylo's arithmetic against stored traces of the vendor's simulator, and proof that a wrong number is found."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import VerifyError
from spikewright.testing.verify import xylo

CASES = 12


def test_every_vector_is_equal_bit_for_bit(shared: Path) -> None:
    cases = xylo.verify(shared / "vectors" / "xylo")
    assert len(cases) == CASES
    assert [f"{c.name}: {c.detail}" for c in cases if not c.passed] == []
    # those in which no current saturates ran on an engine too
    assert sum("on the engine" in c.detail for c in cases) >= 3


def changed(source: Path, folder: Path, array: str, by: int) -> Path:
    """Copy a case with one number of one array changed."""
    with np.load(source, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    wrong = arrays[array].astype(np.int64)
    wrong.flat[wrong.size // 2] += by
    np.savez(folder / source.name, **(arrays | {array: wrong}))
    return folder


@pytest.mark.parametrize("array", xylo.TRACES)
def test_one_changed_number_fails(shared: Path, tmp_path: Path, array: str) -> None:
    source = shared / "vectors" / "xylo" / "xylo_05.npz"
    (found,) = xylo.verify(changed(source, tmp_path, array, 1))
    assert not found.passed
    assert re.fullmatch(
        rf"{array}\[\d+, \d+\]: found -?\d+, expected -?\d+; 1 of \d+ values differ", found.detail
    )


def test_a_changed_weight_fails(shared: Path, tmp_path: Path) -> None:
    source = shared / "vectors" / "xylo" / "xylo_05.npz"
    (found,) = xylo.verify(changed(source, tmp_path, "w_in", 40))
    assert not found.passed
    assert "i_syn" in found.detail


def test_what_is_no_case_is_reported_not_skipped(shared: Path, tmp_path: Path) -> None:
    source = shared / "vectors" / "xylo" / "xylo_05.npz"
    shutil.copy(source, tmp_path)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "notes.txt").write_text("what is this")
    (tmp_path / "cut.npz").write_bytes(source.read_bytes()[:100])
    np.savez(tmp_path / "other.npz", meta='{"kind": "mystery"}')
    np.savez(tmp_path / "bare.npz", meta='{"kind": "xylo_v2"}')
    changed(tmp_path / "xylo_05.npz", tmp_path, "dash_mem", 90)
    cases = {c.name: c for c in xylo.verify(tmp_path)}
    assert not any(c.passed for c in cases.values())
    assert cases["notes.txt"].detail == "not recognized"
    assert "not a readable .npz file" in cases["cut.npz"].detail
    assert cases["other.npz"].detail == "not recognized: kind 'mystery'"
    assert cases["bare.npz"].detail.startswith("lacks '")
    assert "dash_mem: out of range; found 9" in cases["xylo_05.npz"].detail


def test_a_folder_without_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match=r"holds no vectors; expected \.npz files"):
        xylo.verify(tmp_path)
