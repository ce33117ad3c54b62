"""Checkpoints: whole or absent, and never code."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import FormatError, TrainError
from spikewright.train.checkpoint import Checkpoint, load, place, save


def test_round_trip(tmp_path: Path) -> None:
    file = place(tmp_path / "runs", "abc")
    assert load(file, "abc") is None
    arrays = {"now/a.b": np.arange(3.0), "n": np.asarray(2)}
    save(file, Checkpoint({"fingerprint": "abc", "loss": float("nan"), "x": None}, arrays))
    found = load(file, "abc")
    assert found is not None
    assert np.isnan(found.header["loss"])
    assert found.header["x"] is None
    assert {n: x.tolist() for n, x in found.arrays.items()} == {"now/a.b": [0, 1, 2], "n": 2}
    assert [p.name for p in file.parent.iterdir()] == ["checkpoint.npz"]


def test_damaged_files(tmp_path: Path) -> None:
    file = place(tmp_path, "abc")
    save(file, Checkpoint({"fingerprint": "abc"}, {"a": np.zeros(100)}))
    whole = file.read_bytes()
    draw = np.random.default_rng(1)
    broken = [b"", b"PK", whole[:200], whole[: len(whole) - 30], b"\x93NUMPY", pickle.dumps(print)]
    for _ in range(30):
        mutated = bytearray(whole)
        for position in draw.integers(0, len(whole), 8):
            mutated[position] ^= 0xFF
        broken.append(bytes(mutated))
    for content in broken:
        file.write_bytes(content)
        try:
            found = load(file, "abc")
        except FormatError as error:
            assert "delete the file to train from the start" in str(error)  # noqa: PT017
        else:
            assert found is not None


def test_newer_and_foreign(tmp_path: Path) -> None:
    file = place(tmp_path, "abc")
    save(file, Checkpoint({"fingerprint": "abc", "version": 99}, {}))
    with pytest.raises(FormatError, match="was written by a newer version; found 99, expected 1"):
        load(file, "abc")
    save(file, Checkpoint({"fingerprint": "xyz"}, {}))
    with pytest.raises(FormatError, match="belongs to another run; found xyz, expected abc"):
        load(file, "abc")


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(TrainError, match="the folder cannot be made"):
        place(tmp_path / "taken", "abc")
