"""Populations of nodes: their numbers, types, and attributes, from the file or from the table of types."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.network.hdf5 import Source, opened
from spikewright.network.sonata.tables import Types, read_types, unknown_types

LIBRARY = "@library"
"""Group of texts that an attribute of the same name numbers."""
DYNAMICS = "dynamics_params"


@dataclass(frozen=True, eq=False)
class NodePopulation:
    """Nodes of one population.

    Parameters
    ----------
    name : of the population
    path : the file
    ids : int64 (n,), the number of each node
    types : type number -> column -> value
    type_id : int64 (n,)
    own : attribute -> (n,) values of the file; numbers, NaN where a group of nodes has none, or texts, "" likewise
    """

    name: str
    path: Path
    ids: NDArray[np.int64]
    types: Types
    type_id: NDArray[np.int64]
    own: Mapping[str, NDArray[Any]]

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.ids)

    def attribute(self, name: str, default: float | str | None = None) -> NDArray[Any]:
        """Return an attribute of every node, (n,): the node's own, else its type's, else the default.

        Raises
        ------
        FormatError : some node has none, and there is no default
        """
        return attribute(
            f"{self.path}: nodes {self.name!r}", name, self.type_id, self.types, self.own, default
        )

    def index(self, ids: NDArray[np.int64], where: str) -> NDArray[np.int64]:
        """Return the places of nodes that are named by their numbers.

        Raises
        ------
        FormatError : a number is not there
        """
        order = np.argsort(self.ids, kind="stable")
        place = np.searchsorted(self.ids[order], ids)
        found = order[np.minimum(place, max(0, self.n - 1))] if self.n else np.zeros(0, np.int64)
        bad = np.flatnonzero(self.ids[found] != ids) if self.n else np.arange(len(ids))
        if len(bad):
            raise FormatError(
                explain(
                    where, f"node {int(ids[bad[0]])} is not in population {self.name!r}",
                    found=f"{len(bad)} such numbers", expected=f"the {self.n} nodes of {self.path}",
                )
            )  # fmt: skip
        return found.astype(np.int64)


def attribute(
    where: str, name: str, type_id: NDArray[np.int64], types: Types,
    own: Mapping[str, NDArray[Any]], default: float | str | None,
) -> NDArray[Any]:  # fmt: skip
    """Return an attribute of nodes or edges: own, else of the type, else the default."""
    used, which = np.unique(type_id, return_inverse=True)
    of_type = [types.get(int(t), {}).get(name, default) for t in used]
    mine = own.get(name)
    texts = any(isinstance(v, str) for v in of_type) or (
        mine is not None and mine.dtype.kind == "O"
    )
    if texts:
        listed = np.array(["" if v is None else str(v) for v in of_type], object)
        values: NDArray[Any] = listed[which] if len(used) else np.zeros(0, object)
        if mine is not None:
            values = np.where(mine != "", mine.astype(object), values)
        missing = values == ""
    else:
        numbers = np.array([np.nan if v is None else v for v in of_type], np.float64)
        values = numbers[which] if len(used) else np.zeros(0)
        if mine is not None:
            values = np.where(np.isnan(mine), values, mine) if mine.dtype.kind == "f" else mine
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), np.bool_)
    if default is None and np.any(missing):
        k = int(np.flatnonzero(missing)[0])
        raise FormatError(
            explain(
                where, f"no {name!r}", found=f"none in the file, none in type {int(type_id[k])}",
                expected="a column of the table of types, or an attribute",
            )
        )  # fmt: skip
    return values


def whole(source: Source, group: Any, name: str) -> NDArray[np.int64]:
    """Return an array of whole numbers as int64 (n,)."""
    found = source.array(group, name)
    if found.dtype.kind not in "iu" or found.ndim != 1:
        raise source.error(
            source.place(group, name), "not a list of whole numbers",
            found=f"{found.dtype} {found.shape}",
        )  # fmt: skip
    if found.size and int(found.max()) > 2**62:
        raise source.error(source.place(group, name), "too large a number", found=int(found.max()))
    return found.astype(np.int64)


def text_of(source: Source, thing: Any, name: str) -> str:
    """Return an attribute of HDF5 as text, "" where it is not there."""
    try:
        found = thing.attrs.get(name)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise source.error(
            str(thing.name), f"attribute {name!r} is damaged", found=str(error)[:80]
        ) from None
    if isinstance(found, np.ndarray):
        found = found.ravel()[0] if found.size else None
    if isinstance(found, bytes):
        found = found.decode("utf-8", "replace")
    return "" if found is None else str(found)


def attributes(
    source: Source, group: Any, n: int, group_id: NDArray[np.int64], group_index: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Return the attributes in the numbered groups of a population, each (n,)."""
    found: dict[str, NDArray[Any]] = {}
    for number in np.unique(group_id):
        name = str(int(number))
        place = source.place(group, name)
        mine = np.flatnonzero(group_id == number)
        if not source.has(group, name):
            raise source.error(
                place, "no such group", found=f"{len(mine)} members that stand in it"
            )
        here = source.group(group, name)
        columns = _columns(source, here)
        for column, values in columns.items():
            at = group_index[mine]
            if len(at) and (at.min() < 0 or at.max() >= len(values)):
                raise source.error(
                    f"{place}/{column}", "is shorter than its members say",
                    found=len(values), expected=int(at.max()) + 1,
                )  # fmt: skip
            if column not in found:
                empty: NDArray[Any] = (
                    np.full(n, "", object) if values.dtype.kind == "O" else np.full(n, np.nan)
                )
                whole_ = values.dtype.kind in "iu" and len(mine) == n
                found[column] = np.zeros(n, np.int64) if whole_ else empty
            if (found[column].dtype.kind == "O") != (values.dtype.kind == "O"):
                raise source.error(f"{place}/{column}", "is text in one group, numbers in another")
            found[column][mine] = values[at]
    return found


def _columns(source: Source, group: Any) -> dict[str, NDArray[Any]]:
    names = source.names(group)
    library = source.group(group, LIBRARY) if LIBRARY in names else None
    found: dict[str, NDArray[Any]] = {}
    for name in names:
        if name == LIBRARY:
            continue
        if source.is_group(group, name):
            if name == DYNAMICS:
                found |= _columns(source, source.group(group, name))
            continue
        if source.is_text(group, name):
            found[name] = np.array(source.strings(group, name)[1], object)
            continue
        values = source.array(group, name)
        if values.ndim != 1:
            continue
        if library is not None and source.has(library, name):
            texts = source.strings(library, name)[1]
            if len(values) and not 0 <= int(values.min()) <= int(values.max()) < len(texts):
                raise source.error(source.place(group, name), "numbers a text that is not there")
            values = np.array(texts, object)[values.astype(np.int64)]
        found[name] = values.astype(np.int64) if values.dtype.kind == "u" else values
    return found


def grouped(
    source: Source, group: Any, n: int, kind: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of every member and its place there; without them all are in order in group 0."""
    names = source.names(group)
    id_, index = f"{kind}_group_id", f"{kind}_group_index"
    if id_ not in names:
        numbered = [x for x in names if x.isdigit()]
        return (np.zeros(n, np.int64) if numbered else np.zeros(0, np.int64)), np.arange(n)
    group_id = whole(source, group, id_)
    group_index = whole(source, group, index) if index in names else np.arange(n)
    for name, values in ((id_, group_id), (index, group_index)):
        if len(values) != n:
            raise source.error(source.place(group, name), "another length than the types", found=len(values),
            expected=n)  # fmt: skip
    return group_id, group_index


def read_node_populations(
    path: str | os.PathLike[str], types: str | os.PathLike[str] | None = None
) -> dict[str, NodePopulation]:
    """Read every population of a file of nodes.

    Parameters
    ----------
    path : .h5
    types : the table of types, or None

    Raises
    ------
    FormatError : a file is missing or damaged, a node has a type that the table does not have, a number is there twice
    """
    table = {} if types is None else read_types(types, "node_type_id")
    found = {}
    with opened(path, "nodes of SONATA (HDF5)") as source:
        if not source.has(source.root, "nodes"):
            raise source.error("", "holds no nodes", found=", ".join(source.names(source.root)[:8]))
        nodes = source.group(source.root, "nodes")
        for name in source.names(nodes):
            group = source.group(nodes, name)
            if not source.has(group, "node_type_id"):
                raise source.error(source.place(group, "node_type_id"), "is missing")
            type_id = whole(source, group, "node_type_id")
            n = len(type_id)
            ids = whole(source, group, "node_id") if source.has(group, "node_id") else np.arange(n)
            if len(ids) != n or len(np.unique(ids)) != n:
                raise source.error(
                    source.place(group, "node_id"), "a number is there twice, or missing",
                    found=f"{len(np.unique(ids))} numbers", expected=n,
                )  # fmt: skip
            missing = unknown_types(np.unique(type_id).tolist(), table) if types is not None else []
            if missing:
                raise FormatError(
                    explain(
                        f"{path}: nodes {name!r}",
                        f"node type {missing[0]} is not in the table of types",
                        found=f"{np.count_nonzero(type_id == missing[0])} nodes of it",
                        expected=f"one of {', '.join(map(str, table))} of {types}",
                        cure="add a line for it",
                    )
                )
            group_id, group_index = grouped(source, group, n, "node")
            own = attributes(source, group, n, group_id, group_index) if len(group_id) else {}
            found[name] = NodePopulation(name, Path(path), ids, table, type_id, own)
    return found
