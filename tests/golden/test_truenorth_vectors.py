"""TrueNorth's cores against stored traces of RANC's simulator, and proof that a wrong number is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spikewright.errors import VerifyError
from spikewright.testing.verify import truenorth

CASES = 8


def test_every_vector_is_equal_bit_for_bit(shared: Path) -> None:
    cases = truenorth.verify(shared / "vectors" / "truenorth")
    assert len(cases) == CASES
    assert [f"{c.name}: {c.detail}" for c in cases if not c.passed] == []


def arrays_of(shared: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of the smallest case of two cores."""
    with np.load(shared / "vectors" / "truenorth" / "tn_05.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize(
    "array", ["core0_V", "core1_V", "core1_S", "core0_th", "core1_w", "core0_dt"]
)
def test_one_changed_number_fails(shared: Path, tmp_path: Path, array: str) -> None:
    arrays = arrays_of(shared)
    wrong = arrays[array].astype(np.int64)
    # parameters are changed for all neurons: one alone may never matter
    if array[-2:] in ("_V", "_S"):
        wrong.ravel()[wrong.size // 2] += 1
    else:
        wrong = np.where(wrong < 14, wrong + 1, wrong - 1)
    np.savez(tmp_path / "case.npz", **(arrays | {array: wrong}))
    (found,) = truenorth.verify(tmp_path)
    assert not found.passed
    assert "values differ" in found.detail


def test_what_is_no_case_is_reported(shared: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", meta='{"kind": "mystery"}')
    np.savez(tmp_path / "empty.npz", a=np.zeros(1))
    arrays = arrays_of(shared)
    np.savez(tmp_path / "far.npz", **(arrays | {"core0_dx": arrays["core0_dx"] + 50}))
    cases = {c.name: c for c in truenorth.verify(tmp_path)}
    assert not any(c.passed for c in cases.values())
    assert "not recognized: kind 'mystery'" in cases["other.npz"].detail
    assert cases["empty.npz"].detail == "lacks 'meta'"


def test_a_folder_without_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="holds no vectors"):
        truenorth.verify(tmp_path)
