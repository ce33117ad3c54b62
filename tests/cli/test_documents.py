from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.cli.documents import (
    Kind,
    kind_of,
    read_arrays,
    read_events,
    read_inputs,
    read_network,
)
from spikewright.errors import FormatError, UsageError


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("net.h5", Kind.NETWORK),
        ("net.nir", Kind.NIR),
        ("events.npz", Kind.EVENTS),
        ("arrays.npz", Kind.ARRAYS),
    ],
)
def test_a_kind_is_found_in_the_content(files: Path, tmp_path: Path, name: str, kind: Kind) -> None:
    other = tmp_path / "nameless"
    other.write_bytes((files / name).read_bytes())
    assert kind_of(other) is kind


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.h5", "cannot be read; found no such file"),
        ("", "cannot be read; found a folder"),
        ("text.txt", "is no file of ours; found a file that begins with"),
        ("broken.h5", "is a damaged HDF5 file"),
    ],
)
def test_what_is_no_file_of_ours_is_said(files: Path, name: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        kind_of(files / name)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(FormatError, match="found an empty file"):
        kind_of(tmp_path / "empty")


def test_another_hdf5_file(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(FormatError, match="is an HDF5 file of another kind; found something"):
        kind_of(tmp_path / "x.h5")


def test_files_of_the_wrong_kind(files: Path) -> None:
    with pytest.raises(FormatError, match="holds no network; found events"):
        read_network(files / "events.npz")
    with pytest.raises(FormatError, match="holds no events; found network"):
        read_events(files / "net.h5")
    with pytest.raises(FormatError, match="holds no plain arrays"):
        read_arrays(files / "events.npz")


def test_arrays_of_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([{}], dtype=object))
    with pytest.raises(FormatError, match="holds Python objects, which are never loaded"):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("cut", [10, 100, 400])
def test_a_truncated_npz(files: Path, tmp_path: Path, cut: int) -> None:
    (tmp_path / "x.npz").write_bytes((files / "arrays.npz").read_bytes()[:cut])
    with pytest.raises(FormatError, match="damaged"):
        read_arrays(tmp_path / "x.npz")


def test_events_and_arrays_exclude_each_other(files: Path) -> None:
    network, _ = read_network(files / "net.h5")
    with pytest.raises(UsageError, match="--events and --inputs: exclude each other"):
        read_inputs(network, files / "events.npz", files / "arrays.npz")
