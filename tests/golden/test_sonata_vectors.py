"""Readings of SONATA files against those of libsonata, and proof that a wrong number is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import pytest

from spikewright.errors import VerifyError
from spikewright.testing.verify import verify

CASES = 7


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    for path in (shared / "vectors" / "sonata").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path


def test_every_reading_is_equal(shared: Path) -> None:
    cases = verify("sonata", shared / "vectors" / "sonata")
    assert len(cases) == CASES
    assert [f"{c.name}: {c.detail}" for c in cases if not c.passed] == []


def test_a_changed_weight_fails(folder: Path) -> None:
    with h5py.File(folder / "edges.h5", "r+") as file:
        file["edges/cortex_cortex/0/syn_weight"][5] += 0.01
    (wrong,) = (c for c in verify("sonata", folder) if not c.passed)
    assert wrong.detail.startswith("weight_sum: found 86.48")


def test_a_moved_spike_fails(folder: Path) -> None:
    with h5py.File(folder / "ext_spikes.h5", "r+") as file:
        file["spikes/ext/node_ids"][1] = 6
    (wrong,) = (c for c in verify("sonata", folder) if not c.passed)
    assert wrong.name == "ext_spikes.h5 ext"


def test_what_is_missing_or_not_recognized_is_reported(folder: Path) -> None:
    (folder / "nodes.h5").unlink()
    (folder / "extra.txt").write_text("?")
    details = {c.name: c.detail for c in verify("sonata", folder) if not c.passed}
    assert details["cortex"] == "expected, but in no file"
    assert details["extra.txt"] == "not recognized"
    assert "which is not there" in details["circuit_config.json"]


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_without_expected_readings_nothing_is_compared(folder: Path, content: str | None) -> None:
    path = folder / "expected.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(VerifyError, match=r"expected\.json: cannot be read"):
        verify("sonata", folder)


def test_a_reading_that_is_not_known_does_not_pass(folder: Path) -> None:
    path = folder / "expected.json"
    wanted = json.loads(path.read_text())
    wanted["ext"]["color"] = 3
    path.write_text(json.dumps(wanted))
    (wrong,) = (c for c in verify("sonata", folder) if not c.passed)
    assert wrong.detail == "color: not known to this reader, expected 3"
