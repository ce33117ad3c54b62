"""The stored NIR graphs and those of the NIR paper, through the same call as `spikewright verify nir`."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikewright.errors import VerifyError
from spikewright.testing.verify.nir import verify


def test_every_vector(shared: Path) -> None:
    cases = verify(shared / "vectors" / "nir")
    assert len(cases) >= 57
    assert not [c for c in cases if not c.passed]


def test_the_paper(shared: Path) -> None:
    cases = verify(shared / "data" / "nir_paper")
    assert not [c for c in cases if not c.passed]
    said = {c.name: c.detail for c in cases}
    assert said["01_lif/lif_norse.nir"].startswith("spikes at 460, 510, 710, 760; voltage within")
    assert "types do not match" in said["01_lif/lif_rockpool.nir"]
    assert said["02_cnn/cnn_sinabs.nir y_euler"] == "18 spikes equal"
    assert sum("is not a node" in d for d in said.values()) == 2


def test_what_differs_is_said(shared: Path, tmp_path: Path) -> None:
    source = shared / "vectors" / "nir"
    for name in ("li", "lif_hetero"):
        shutil.copy(source / f"{name}.nir", tmp_path)
        arrays = dict(np.load(source / f"{name}.npz"))
        changed = arrays["y_euler"].copy()
        changed[7, 3] += 1
        np.savez(tmp_path / f"{name}.npz", **arrays | {"y_euler": changed})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "broken.nir").write_text("mine")
    np.savez(tmp_path / "lonely.npz", x=np.zeros(3))
    cases = {c.name: c for c in verify(tmp_path)}
    said = cases["li.nir y_euler"].detail
    assert said.startswith("output[7, 3]: found ")
    assert said.endswith("off by 1, tolerance 1e-05; 1 of 1750 values differ")
    assert not cases["li.nir y_euler"].passed
    assert cases["li.nir y_zoh"].passed
    assert not cases["lif_hetero.nir y_euler"].passed
    assert cases["notes.txt"].detail == "not recognized"
    assert "not a whole HDF5 file" in cases["broken.nir"].detail
    assert "there is no lonely.nir" in cases["lonely.npz"].detail


def test_a_broken_graph_that_is_accepted_falls_short(shared: Path, tmp_path: Path) -> None:
    shutil.copy(shared / "vectors" / "nir" / "li.nir", tmp_path / "some_subgraph.nir")
    assert "accepted, but it is wrong" in verify(tmp_path)[0].detail
    with h5py.File(tmp_path / "some_subgraph.nir", "a") as file:
        del file["node/nodes/input/shape"]
    assert "refused with another message" in verify(tmp_path)[0].detail


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="holds no NIR graphs"):
        verify(tmp_path)
    with pytest.raises(VerifyError, match="no such folder"):
        verify(tmp_path / "gone")
