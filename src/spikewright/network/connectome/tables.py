"""Edge tables and cell tables, as csv, tsv, npz or Parquet; columns are guessed from the usual names, or said."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, NetworkError, Problems, explain
from spikewright.files import read_arrays
from spikewright.network.connectome.diagram import Connectome
from spikewright.network.connectome.lists import distinct

GUESSES: dict[str, tuple[str, ...]] = {
    "pre": ("pre", "pre_id", "source", "source_id", "presynaptic", "presynaptic_id", "pre_root_id", "pre_pt_root_id",
            "bodyid_pre", "from"),
    "post": ("post", "post_id", "target", "target_id", "postsynaptic", "postsynaptic_id", "post_root_id",
             "post_pt_root_id", "bodyid_post", "to"),
    "count": ("count", "synapses", "syn_count", "n_syn", "n", "weight", "connectivity"),
    "kind": ("kind", "type", "edge_type"),
    "sign": ("sign", "excitatory"),
    "id": ("id", "neuron_id", "root_id", "pt_root_id", "bodyid", "cell", "cell name", "name", ""),
    "type": ("type", "cell_type", "cell type", "class", "primary_type"),
    "side": ("side", "hemisphere", "soma_side"),
    "transmitter": ("transmitter", "nt_type", "neurotransmitter", "top_nt", "nt"),
}  # fmt: skip
"""Own column -> names that files give it, in lower case."""
EDGE_COLUMNS = ("pre", "post", "count", "kind", "sign")
CELL_COLUMNS = ("id", "type", "side", "transmitter")
TEXT = (".csv", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")
MAX_TEXT = 4 * 2**30
"""Bytes that a table of text may have."""
UNKNOWN = ("error", "add", "drop")
SELF = ("keep", "drop", "error")


def read_table(path: str | os.PathLike[str], *, longer: bool = False) -> dict[str, NDArray[Any]]:
    """Read a table: column -> (rows,), whole numbers as int64, other numbers as float64, else texts.

    Parameters
    ----------
    path : of the table
    longer : whether lines of text may have more cells than there are columns (a note with commas at the end); they are
        left out

    Raises
    ------
    FormatError : no such file, of another kind, lines of different length; Parquet without PyArrow
    """
    place = Path(path)
    if not place.is_file():
        found = "a folder" if place.is_dir() else "no such file"
        raise FormatError(explain(str(place), "cannot be read", found=found, expected="a table"))
    kind = place.suffix.lower()
    if kind == ".npz":
        columns = {n: a for n, a in read_arrays(place).items() if a.ndim == 1}
    elif kind in PARQUET:
        columns = read_parquet(place)
    elif kind in TEXT:
        columns = _text(place, longer)
    else:
        raise FormatError(
            explain(
                str(place),
                "unknown kind of table",
                found=kind or "no suffix",
                expected=", ".join((*TEXT, ".npz", *PARQUET)),
            )
        )
    if not columns:
        raise FormatError(explain(str(place), "has no columns"))
    return columns


def read_parquet(place: Path, columns: list[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the columns of a Parquet file, or some of them where they are there.

    Raises
    ------
    FormatError : PyArrow is not installed, or the file is not readable, or has gaps
    """
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise FormatError(
            explain(
                str(place), "reading Parquet needs PyArrow, which is not installed",
                cure="pip install pyarrow, or write the table as .npz",
            )
        ) from None  # fmt: skip
    try:
        file = parquet.ParquetFile(place)
        used = [n for n in file.schema_arrow.names if columns is None or n in columns]
        table = file.read(columns=used)
        gaps = [n for n in used if table[n].null_count]
        found = {n: np.asarray(table[n].to_numpy()) for n in used if n not in gaps}
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise FormatError(
            explain(str(place), "not a readable Parquet file", found=str(error)[:160])
        ) from None
    if gaps and columns is not None:
        raise FormatError(explain(str(place), f"column {gaps[0]!r} has gaps"))
    return {n: a.astype(str) if a.dtype.kind == "O" else a for n, a in found.items()}


def _text(place: Path, longer: bool) -> dict[str, NDArray[Any]]:
    try:
        if place.stat().st_size > MAX_TEXT:
            raise FormatError(
                explain(str(place), "is too large", expected=f"{MAX_TEXT >> 30} GiB at most")
            )
        with open(place, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            separator = max(",;\t", key=head.count) if any(c in head for c in ",;\t") else " "
            titles = [t.strip() for t in next(csv.reader([head], delimiter=separator), [])]
            rows = [r for r in csv.reader(file, delimiter=separator) if r]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(
            explain(str(place), "is not a table of text", found=str(error)[:160])
        ) from None
    if len(set(titles)) < len(titles):
        raise FormatError(
            explain(str(place), "two columns have the same name", found=", ".join(titles[:12]))
        )
    for number, row in enumerate(rows, start=2):
        if len(row) < len(titles) or (len(row) > len(titles) and not longer):
            raise FormatError(
                explain(
                    f"{place}: line {number}", "has another number of columns than the first",
                    found=len(row), expected=len(titles),
                )
            )  # fmt: skip
    columns = zip(*(r[: len(titles)] for r in rows), strict=True) if rows else ((),) * len(titles)
    return {
        t: _column(np.array([x.strip() for x in c], str))
        for t, c in zip(titles, columns, strict=True)
    }


def _column(texts: NDArray[Any]) -> NDArray[Any]:
    """Return a column as numbers where all of it is."""
    if not texts.size:
        return texts
    try:
        return texts.astype(np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return texts.astype(np.float64)
    except ValueError:
        return texts


def chosen(
    where: str,
    table: Mapping[str, NDArray[Any]],
    own: tuple[str, ...],
    said: Mapping[str, str],
    needed: tuple[str, ...],
) -> dict[str, NDArray[Any]]:
    """Return own column -> values, by what the caller says, else by a guess.

    Raises
    ------
    FormatError : a column that is said or needed is not there
    """
    problems = Problems()
    for name in said:
        if name not in own:
            problems.add(
                f"{where}: columns", f"{name!r} is not one of ours", expected=", ".join(own)
            )
    lower = {n.lower().strip(): n for n in reversed(list(table))}
    found: dict[str, str] = {}
    for name in own:
        if name in said:
            if said[name] in table:
                found[name] = said[name]
            else:
                problems.add(
                    where, f"no column {said[name]!r}", expected=", ".join(map(repr, table))
                )
            continue
        guess = next((lower[g] for g in GUESSES[name] if g in lower), None)
        if guess is not None and guess not in found.values() and guess not in said.values():
            found[name] = guess
        elif name in needed:
            problems.add(
                where, f"no column for {name!r}", found=", ".join(map(repr, table)),
                expected=", ".join(GUESSES[name][:5]), cure=f"say columns={{{name!r}: ...}}",
            )  # fmt: skip
    problems.raise_as(FormatError)
    lengths = {n: len(table[c]) for n, c in found.items()}
    if len(set(lengths.values())) > 1:
        raise FormatError(explain(where, "columns differ in length", found=lengths))
    return {n: table[c] for n, c in found.items()}


def read_connectome(
    edges: str | os.PathLike[str] | Mapping[str, NDArray[Any]],
    cells: str | os.PathLike[str] | Mapping[str, NDArray[Any]] | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    cell_columns: Mapping[str, str] | None = None,
    signs: Mapping[str, int] | None = None,
    signs_by: str = "transmitter",
    default_sign: int | None = None,
    duplicates: str = "error",
    self_edges: str = "keep",
    unknown: str = "error",
    name: str | None = None,
    source: str = "",
) -> Connectome:
    """Read a table of edges, and a table of cells.

    Parameters
    ----------
    edges : .csv, .tsv, .txt, .npz, .parquet, or column -> array
    cells : likewise, or None: the neurons are those that edges name, sorted
    columns : own column (pre, post, count, kind, sign) -> name in the file; others are guessed, see `GUESSES`
    cell_columns : likewise of cells: id, type, side, transmitter
    signs : transmitter -> 1 or -1, for edges without a sign of their own; `signs_by` "type": type -> sign
    default_sign : for what `signs` does not name; None: that is an error
    duplicates : "error", or "sum" of their counts
    self_edges : "keep", "drop" or "error"
    unknown : what becomes of edges whose neurons the cells do not have: "error"; "add" the neurons, of type ""; "drop"
        the edges

    Returns
    -------
    Connectome : neurons in the order of the cells

    Raises
    ------
    FormatError : a file or a column is missing
    NetworkError : ids that are not known, duplicates, counts of 0 or less, a sign that is missing
    """
    for option, value, known in (("self_edges", self_edges, SELF), ("unknown", unknown, UNKNOWN)):
        if value not in known:
            raise NetworkError(
                explain(
                    f"read_connectome({option}=)",
                    "unknown",
                    found=repr(value),
                    expected=", ".join(known),
                )
            )
    where = "edges" if isinstance(edges, Mapping) else str(edges)
    label = name or ("connectome" if isinstance(edges, Mapping) else Path(edges).stem)
    table = edges if isinstance(edges, Mapping) else read_table(edges)
    found = chosen(where, table, EDGE_COLUMNS, columns or {}, ("pre", "post"))
    pre, post = _alike(found["pre"], found["post"])
    marks: dict[str, NDArray[Any]] = {}
    if cells is None:
        ids: NDArray[Any] = distinct(np.concatenate([pre, post]))
        types: NDArray[Any] = np.full(len(ids), "")
    else:
        place = "cells" if isinstance(cells, Mapping) else str(cells)
        rows = cells if isinstance(cells, Mapping) else read_table(cells)
        known_cells = chosen(place, rows, CELL_COLUMNS, cell_columns or {}, ("id",))
        ids = known_cells["id"]
        types = known_cells.get("type", np.full(len(ids), "")).astype(str)
        marks = {n: known_cells[n].astype(str) for n in ("side", "transmitter") if n in known_cells}
        pre, post, ids = _like(pre, post, ids)
    kept = np.ones(len(pre), np.bool_)
    if unknown != "error":
        there = np.isin(pre, ids) & np.isin(post, ids)
        if unknown == "drop":
            kept &= there
        elif not np.all(there):
            new = np.setdiff1d(np.concatenate([pre, post]), ids)
            ids = np.concatenate([ids, new])
            types, *rest = (
                np.concatenate([x, np.full(len(new), "")]) for x in (types, *marks.values())
            )
            marks = dict(zip(marks, rest, strict=True))
    loops = pre == post
    if self_edges == "error" and np.any(loops):
        raise NetworkError(
            explain(
                where,
                f"{pre[loops][0]} is connected to itself",
                found=f"{np.count_nonzero(loops)} self edges",
                cure="self_edges='drop' or 'keep'",
            )
        )
    if self_edges == "drop":
        kept &= ~loops
    per_edge: dict[str, Any] = {n: found[n][kept] for n in ("count", "kind", "sign") if n in found}
    if "sign" in per_edge and set(np.unique(per_edge["sign"]).tolist()) <= {0, 1}:
        # a column that says whether an edge excites
        per_edge["sign"] = np.where(per_edge["sign"] > 0, 1, -1)
    made = Connectome.of(
        ids,
        pre[kept],
        post[kept],
        per_edge.get("count", 1),
        types=types,
        sign=per_edge.get("sign", 1),
        kind=per_edge.get("kind"),
        marks=marks,
        duplicates=duplicates,
        name=label,
        source=source,
    )
    if signs is not None and "sign" not in per_edge:
        made = made.signed(signs, by=signs_by, default=default_sign)
    return made


def _alike(*columns: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return columns of ids as numbers where all are, else all as texts."""
    if all(c.dtype.kind in "iu" for c in columns):
        return tuple(c.astype(np.int64) for c in columns)
    return tuple(c.astype(str) if c.dtype.kind != "U" else c for c in columns)


def _like(
    pre: NDArray[Any], post: NDArray[Any], ids: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the ids of edges and cells as one kind."""
    found = _alike(pre, post, ids)
    return found[0], found[1], found[2]
