"""Lists of edges in files: tables as text, .npz, HDF5, Parquet.

Columns are called `pre`, `post`, `weight` (or one weight for all) and `delay` (optional), unless the caller says
otherwise.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, NetworkError, explain
from spikewright.files import read_arrays
from spikewright.network.hdf5 import opened
from spikewright.network.topology import Sparse

TEXT = (".csv", ".tsv", ".txt")
HDF5 = (".h5", ".hdf5")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, eq=False)
class Edges:
    """A list of edges, ready for a projection.

    Parameters
    ----------
    topology : the map
    delay : s, one per synapse in the order of the map; None where the file has none

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "edges.csv"
    >>> _ = path.write_text("pre,post,weight,delay\\n1,0,0.5,0.002\\n0,2,-1,0.001\\n")
    >>> edges = read_edges(path, n_pre=2, n_post=3)
    >>> edges.topology.weights.tolist(), edges.delay.tolist()
    ([-1.0, 0.5], [0.001, 0.002])
    """

    topology: Sparse
    delay: NDArray[np.float64] | None


def read_edges(
    path: str | os.PathLike[str],
    *,
    n_pre: int,
    n_post: int,
    weight: float | None = None,
    columns: Mapping[str, str] | None = None,
    first: int = 0,
    dtype: str = "float32",
    group: str = "",
) -> Edges:
    """Read a list of edges.

    Parameters
    ----------
    path : .csv, .tsv, .txt (with a line of names), .npz, .h5, .hdf5 (one array per column), .parquet
    n_pre, n_post : sizes of the populations
    weight : of all edges, where the file has no weights
    columns : own name -> name in the file, for instance {"pre": "source_id"}
    first : number of the first neuron in the file, 0 or 1
    dtype : of weights: float32, float64 or float16
    group : of an HDF5 file, where the columns stand

    Raises
    ------
    FormatError : no such file, another format, a column is missing or is not of numbers; a Parquet file without PyArrow
    NetworkError : a neuron is not there
    """
    place = Path(path)
    names = {name: name for name in ("pre", "post", "weight", "delay")} | dict(columns or {})
    if set(names) != {"pre", "post", "weight", "delay"}:
        raise NetworkError(
            explain(
                "read_edges",
                "no such column",
                found=sorted(set(columns or {}) - {"pre", "post", "weight", "delay"}),
                expected="pre, post, weight, delay",
            )
        )
    if dtype not in ("float32", "float64", "float16"):
        raise NetworkError(
            explain(
                "read_edges", "no such dtype", found=dtype, expected="float32, float64, float16"
            )
        )
    found = _read(place, names, group)
    missing = [names[n] for n in ("pre", "post") if n not in found]
    if weight is None and "weight" not in found:
        missing.append(names["weight"])
    if missing:
        raise FormatError(
            explain(
                str(place),
                f"no column {', '.join(map(repr, missing))}",
                expected=", ".join(names.values()),
                cure="say columns=, or weight= where all edges have the same",
            )
        )
    lengths = {len(a) for a in found.values()}
    if any(a.ndim != 1 for a in found.values()) or len(lengths) > 1:
        shapes = {names[n]: a.shape for n, a in found.items()}
        raise FormatError(explain(str(place), "columns differ in length", found=shapes))
    pre = _indices(place, names["pre"], found["pre"], first)
    post = _indices(place, names["post"], found["post"], first)
    values = np.asarray(weight, np.float64) if weight is not None else found["weight"]
    _check_numbers(place, names["weight"], np.atleast_1d(values))
    with np.errstate(over="ignore"):
        values = values.astype(dtype)
    if not np.all(np.isfinite(values)):
        raise FormatError(explain(str(place), f"a weight is too large for {dtype}"))
    try:
        topology = Sparse.from_edges(pre, post, values, n_pre=n_pre, n_post=n_post)
    except NetworkError as error:
        raise NetworkError(f"{place}: {error}") from None
    if "delay" not in found:
        return Edges(topology, None)
    _check_numbers(place, names["delay"], found["delay"])
    delay = found["delay"].astype(np.float64)
    return Edges(topology, delay[np.lexsort((post, pre))])


def _read(place: Path, names: Mapping[str, str], group: str) -> dict[str, NDArray[Any]]:
    if not place.is_file():
        found = "a folder" if place.is_dir() else "no such file"
        raise FormatError(explain(str(place), "cannot be read", found=found))
    kind = place.suffix.lower()
    if kind in TEXT:
        return _text(place, names)
    if kind == ".npz":
        arrays = read_arrays(place)
        return {own: arrays[name] for own, name in names.items() if name in arrays}
    if kind in HDF5:
        return _hdf5(place, names, group)
    if kind in PARQUET:
        return _parquet(place, names)
    raise FormatError(
        explain(
            str(place),
            "unknown kind of file",
            found=kind or "no suffix",
            expected=", ".join((*TEXT, ".npz", *HDF5, *PARQUET)),
        )
    )


def _text(place: Path, names: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    try:
        with open(place, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            separator = max(",;\t ", key=head.count) if head.strip() else ","
            titles = [t.strip() for t in next(csv.reader([head], delimiter=separator), [])]
            used = {own: titles.index(name) for own, name in names.items() if name in titles}
            if not used:
                return {}
            table = np.loadtxt(
                file,
                delimiter=None if separator == " " else separator,
                usecols=tuple(used.values()),
                ndmin=2,
                dtype=np.float64,
            )
    except (OSError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(
            explain(
                str(place),
                "not a table of numbers",
                found=str(error).splitlines()[0][:160],
                expected="a line of names, then numbers",
            )
        ) from None
    if table.size == 0:
        table = table.reshape(0, len(used))
    return {own: table[:, k] for k, own in enumerate(used)}


def _hdf5(place: Path, names: Mapping[str, str], group: str) -> dict[str, NDArray[Any]]:
    with opened(place, "a list of edges (HDF5)") as source:
        at = source.root
        for part in filter(None, group.split("/")):
            if not source.has(at, part):
                raise source.error(group, "no such group", found=", ".join(source.names(at)[:8]))
            at = source.group(at, part)
        members = source.names(at)
        return {own: source.array(at, name) for own, name in names.items() if name in members}


def _parquet(place: Path, names: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise FormatError(
            explain(
                str(place),
                "reading Parquet needs PyArrow, which is not installed",
                cure="pip install pyarrow, or write the edges as .npz",
            )
        ) from None
    try:
        file = parquet.ParquetFile(place)
        used = {own: name for own, name in names.items() if name in file.schema_arrow.names}
        table = file.read(columns=list(used.values()))
        return {own: np.asarray(table[name].to_numpy()) for own, name in used.items()}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(
            explain(str(place), "not a readable Parquet file", found=str(error)[:160])
        ) from None


def _check_numbers(place: Path, name: str, values: NDArray[Any]) -> None:
    if values.dtype.kind not in "iuf":
        raise FormatError(
            explain(str(place), f"column {name!r} is not of numbers", found=values.dtype)
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise FormatError(
            explain(
                str(place),
                f"column {name!r} is not finite",
                found=f"{values[bad[0]]} in row {bad[0]}",
            )
        )


def _indices(place: Path, name: str, values: NDArray[Any], first: int) -> NDArray[Any]:
    """Return neurons counted from 0, int32 where that is enough."""
    _check_numbers(place, name, values)
    whole = values if values.dtype.kind in "iu" else np.rint(values)
    bad = np.flatnonzero((whole != values) | (np.abs(whole) > 2**62))
    if len(bad):
        raise FormatError(
            explain(
                str(place),
                f"column {name!r} is not of whole numbers",
                found=f"{values[bad[0]]} in row {bad[0]}",
            )
        )
    index = whole.astype(np.int64) - first
    if not len(index) or max(index.max(), -index.min()) < 2**31:
        return index.astype(np.int32)
    return index
