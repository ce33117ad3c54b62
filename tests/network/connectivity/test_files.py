from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spikewright.errors import FormatError, NetworkError
from spikewright.network.connectivity import files, read_edges

PRE, POST = np.array([2, 0, 1, 0]), np.array([0, 3, 1, 1])
WEIGHT, DELAY = np.array([0.5, -1.0, 2.0, 0.25]), np.array([1e-3, 2e-3, 3e-3, 4e-3])


def write(path: Path, **columns: Any) -> Path:
    """Write columns in the form that the suffix says."""
    if path.suffix == ".npz":
        np.savez(path, **columns)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                file[f"a/b/{name}"] = values
    else:
        separator = {".csv": ",", ".tsv": "\t", ".txt": " "}[path.suffix]
        lines = [separator.join(columns)]
        lines += [separator.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".npz", ".h5"])
def test_every_form_gives_the_same_edges(suffix: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / f"e{suffix}", delay=DELAY, pre=PRE, other=POST, post=POST, weight=WEIGHT
    )
    made = read_edges(path, n_pre=3, n_post=4, group="a/b" if suffix == ".h5" else "")
    np.testing.assert_array_equal(made.topology.start, [0, 2, 3, 4])
    np.testing.assert_array_equal(made.topology.target, [1, 3, 1, 0])
    np.testing.assert_array_equal(made.topology.weights, [0.25, -1.0, 2.0, 0.5])
    assert made.topology.target.dtype == np.int32
    assert made.topology.weights.dtype == np.float32
    assert made.delay is not None
    np.testing.assert_array_equal(made.delay, [4e-3, 2e-3, 3e-3, 1e-3])


def test_other_names_one_weight_and_counting_from_one(tmp_path: Path) -> None:
    path = write(tmp_path / "e.csv", source_id=PRE + 1, target_id=POST + 1)
    made = read_edges(
        path, n_pre=3, n_post=4, weight=0.1, first=1, dtype="float64",
        columns={"pre": "source_id", "post": "target_id"},
    )  # fmt: skip
    np.testing.assert_array_equal(made.topology.weights, [0.1] * 4)
    np.testing.assert_array_equal(made.topology.target, [1, 3, 1, 0])
    assert made.delay is None


def test_a_table_without_edges(tmp_path: Path) -> None:
    (tmp_path / "e.npz").unlink(missing_ok=True)
    path = write(tmp_path / "e.npz", pre=PRE[:0], post=POST[:0])
    assert read_edges(path, n_pre=3, n_post=4, weight=1.0).topology.synapses((3,)).n == 0


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.parquet"
    path.write_bytes(b"PAR1")

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(files, "import_module", missing)
    with pytest.raises(
        FormatError, match=r"needs PyArrow, which is not installed — pip install pyarrow, or write"
    ):
        read_edges(path, n_pre=1, n_post=1)

    class Column(list[float]):
        def to_numpy(self) -> np.ndarray:
            return np.asarray(self)

    class File:
        """Stands for PyArrow's reader, which the tests do not need."""

        def __init__(self, place: Path) -> None:
            self.schema_arrow = type("Schema", (), {"names": ["pre", "post", "more"]})

        def read(self, columns: list[str]) -> dict[str, Column]:
            return {name: Column([0, 1]) for name in columns}

    monkeypatch.setattr(
        files, "import_module", lambda _: type("Parquet", (), {"ParquetFile": File})
    )
    assert read_edges(path, n_pre=2, n_post=2, weight=1.0).topology.target.tolist() == [0, 1]

    def broken(place: Path) -> Any:
        raise OSError("cut off")

    monkeypatch.setattr(
        files, "import_module", lambda _: type("Parquet", (), {"ParquetFile": staticmethod(broken)})
    )
    with pytest.raises(FormatError, match="not a readable Parquet file; found cut off"):
        read_edges(path, n_pre=2, n_post=2, weight=1.0)


@pytest.mark.parametrize(
    ("name", "content", "more", "error", "message"),
    [
        ("e.csv", None, {}, FormatError, "e.csv: cannot be read; found no such file"),
        ("e.doc", "", {}, FormatError, "unknown kind of file; found .doc, expected .csv, .tsv"),
        ("e.csv", "", {}, FormatError, "no column 'pre', 'post', 'weight'"),
        ("e.csv", "pre,post\n0,1\n", {}, FormatError, "no column 'weight'.* — say columns=, or weight="),
        ("e.csv", "pre,post,weight\n0,1,x\n", {}, FormatError, "not a table of numbers; found could not convert"),
        ("e.csv", "pre,post,weight\n0,1.5,1\n", {}, FormatError, "'post' is not of whole numbers; found 1.5 in row 0"),
        ("e.csv", "pre,post,weight\n0,nan,1\n", {}, FormatError, "column 'post' is not finite; found nan in row 0"),
        ("e.csv", "pre,post,weight\n0,1,inf\n", {}, FormatError, "column 'weight' is not finite; found inf in row 0"),
        ("e.csv", "pre,post,weight\n0,1,1e9\n", {"dtype": "float16"}, FormatError, "a weight is too large for float16"),
        ("e.csv", "pre,post,weight\n0,9,1\n", {}, NetworkError, r"e.csv: Sparse: a target is not there; found 9\.\.9"),
        ("e.csv", "pre,post,weight\n0,0,1\n", {"first": 1}, NetworkError, "a source is not there; found -1..-1"),
        ("e.csv", "pre,post,weight\n0,1,1\n", {"dtype": "int8"}, NetworkError, "no such dtype; found int8"),
        ("e.csv", "pre,post,weight\n0,1,1\n", {"columns": {"from": "a"}}, NetworkError, "no such column; found .'from"),
        ("e.npz", "no zip", {}, FormatError, "not a readable .npz file"),
        ("e.h5", "no hdf5", {}, FormatError, "not a whole HDF5 file"),
    ],
)  # fmt: skip
def test_what_is_refused(
    name: str, content: str | None, more: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:  # fmt: skip
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        read_edges(tmp_path / name, n_pre=2, n_post=2, **more)


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    path = write(tmp_path / "e.npz", pre=PRE, post=POST[:2], weight=WEIGHT)
    with pytest.raises(FormatError, match="columns differ in length"):
        read_edges(path, n_pre=3, n_post=4)
    path = write(tmp_path / "e.npz", pre=PRE, post=POST, weight=np.array(["a"] * 4))
    with pytest.raises(FormatError, match="column 'weight' is not of numbers"):
        read_edges(path, n_pre=3, n_post=4)
    path = write(tmp_path / "e.h5", pre=PRE)
    with pytest.raises(FormatError, match="no such group; found a"):
        read_edges(path, n_pre=3, n_post=4, group="c")
