"""Loihi's compartment in chip arithmetic against stored traces of nengo-loihi's emulator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.testing.verify import nengo_loihi

CASES = 10


def test_every_vector_is_equal_bit_for_bit(shared: Path) -> None:
    cases = nengo_loihi.verify(shared / "vectors" / "nengo_loihi")
    assert len(cases) == CASES
    assert [f"{c.name}: {c.detail}" for c in cases if not c.passed] == []


@pytest.mark.parametrize("array", ["u", "v", "s"])
def test_one_changed_number_fails(shared: Path, tmp_path: Path, array: str) -> None:
    source = sorted((shared / "vectors" / "nengo_loihi").glob("*.npz"))[0]
    with np.load(source, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    wrong = arrays[array].astype(np.int64)
    wrong.ravel()[-1] += 1
    np.savez(tmp_path / "case.npz", **(arrays | {array: wrong}))
    (found,) = nengo_loihi.verify(tmp_path)
    assert not found.passed
    assert found.detail.startswith(f"{array}[")
    assert f"; 1 of {wrong.size} values differ" in found.detail


def test_another_kind_of_case_is_reported(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", meta='{"kind": "lif_net"}')
    (found,) = nengo_loihi.verify(tmp_path)
    assert (found.passed, found.detail) == (False, "not recognized: kind 'lif_net'")
