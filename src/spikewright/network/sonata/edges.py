"""Populations of edges: sources, targets, types, attributes, and the index that finds the edges of a node."""

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
from spikewright.network.sonata.nodes import attribute, attributes, grouped, text_of, whole
from spikewright.network.sonata.tables import Types, read_types, unknown_types

RANGES = ("node_id_to_ranges", "node_id_to_range")
"""Both names in use: what libsonata looks for, and what the format guide says."""
DIRECTIONS = {"target": "target_to_source", "source": "source_to_target"}


@dataclass(frozen=True, eq=False)
class Index:
    """Which edges a node has: `ranges` (nodes, 2) into `edges` (m, 2), whose rows are first and end of edge numbers."""

    ranges: NDArray[np.int64]
    edges: NDArray[np.int64]

    def of(self, node: int) -> NDArray[np.int64]:
        """Return the edges of a node, ascending."""
        if not 0 <= node < len(self.ranges):
            return np.zeros(0, np.int64)
        first, end = self.ranges[node]
        spans = [np.arange(a, b) for a, b in self.edges[first:end]]
        return np.sort(np.concatenate([*spans, np.zeros(0, np.int64)]))


@dataclass(frozen=True, eq=False)
class EdgePopulation:
    """Edges from one population of nodes to another.

    Parameters
    ----------
    name : of the population of edges
    path : the file
    source, target : names of populations of nodes
    source_id, target_id : int64 (n,), numbers of nodes
    types : type number -> column -> value
    type_id : int64 (n,)
    own : attribute -> (n,), as of `NodePopulation`
    index : "target" and "source" -> Index, where the file has one
    """

    name: str
    path: Path
    source: str
    target: str
    source_id: NDArray[np.int64]
    target_id: NDArray[np.int64]
    types: Types
    type_id: NDArray[np.int64]
    own: Mapping[str, NDArray[Any]]
    index: Mapping[str, Index]

    @property
    def n(self) -> int:
        """Number of edges."""
        return len(self.source_id)

    def attribute(self, name: str, default: float | str | None = None) -> NDArray[Any]:
        """Return an attribute of every edge, (n,): the edge's own, else its type's, else the default.

        Raises
        ------
        FormatError : some edge has none, and there is no default
        """
        return attribute(
            f"{self.path}: edges {self.name!r}", name, self.type_id, self.types, self.own, default
        )

    def afferent(self, node: int) -> NDArray[np.int64]:
        """Return the edges that end at a node, ascending."""
        if "target" in self.index:
            return self.index["target"].of(node)
        return np.flatnonzero(self.target_id == node)

    def efferent(self, node: int) -> NDArray[np.int64]:
        """Return the edges that begin at a node, ascending."""
        if "source" in self.index:
            return self.index["source"].of(node)
        return np.flatnonzero(self.source_id == node)

    def connecting(self, source: int, target: int) -> NDArray[np.int64]:
        """Return the edges from one node to another, ascending."""
        return np.intersect1d(self.efferent(source), self.afferent(target))


def indexed(ids: NDArray[np.int64], n_nodes: int) -> Index:
    """Return the index of edges by the node at one end: one range per run of neighboring edges."""
    order = np.argsort(ids, kind="stable")
    sorted_ids = ids[order]
    new = np.ones(len(ids), np.bool_)
    new[1:] = (sorted_ids[1:] != sorted_ids[:-1]) | (order[1:] != order[:-1] + 1)
    first = np.flatnonzero(new)
    length = np.diff(np.append(first, len(ids)))
    edges = (
        np.stack([order[first], order[first] + length], axis=1)
        if len(ids)
        else np.zeros((0, 2), np.int64)
    )
    bound = np.searchsorted(sorted_ids[first], np.arange(n_nodes + 1))
    return Index(np.stack([bound[:-1], bound[1:]], axis=1), edges)


def read_edge_populations(
    path: str | os.PathLike[str], types: str | os.PathLike[str] | None = None
) -> dict[str, EdgePopulation]:
    """Read every population of a file of edges.

    Parameters
    ----------
    path : .h5
    types : the table of types, or None

    Raises
    ------
    FormatError : a file is missing or damaged, an array is missing, an edge has a type that the table does not have, an
        index does not fit the edges
    """
    table = {} if types is None else read_types(types, "edge_type_id")
    found = {}
    with opened(path, "edges of SONATA (HDF5)") as source:
        if not source.has(source.root, "edges"):
            raise source.error("", "holds no edges", found=", ".join(source.names(source.root)[:8]))
        edges = source.group(source.root, "edges")
        for name in source.names(edges):
            found[name] = _population(source, source.group(edges, name), name, types, table)
    return found


def _population(
    source: Source, group: Any, name: str, types: str | os.PathLike[str] | None, table: Types
) -> EdgePopulation:
    names = source.names(group)
    for needed in ("source_node_id", "target_node_id", "edge_type_id"):
        if needed not in names:
            raise source.error(source.place(group, needed), "is missing", found=", ".join(names))
    ends, populations = {}, {}
    for end in ("source", "target"):
        ends[end] = whole(source, group, f"{end}_node_id")
        populations[end] = text_of(source, group[f"{end}_node_id"], "node_population")
        if not populations[end]:
            raise source.error(
                source.place(group, f"{end}_node_id"), "does not say its population of nodes",
                expected="the attribute 'node_population'",
            )  # fmt: skip
    type_id = whole(source, group, "edge_type_id")
    n = len(type_id)
    for end, ids in ends.items():
        if len(ids) != n:
            raise source.error(
                source.place(group, f"{end}_node_id"), "another length than the types",
                found=len(ids), expected=n,
            )  # fmt: skip
    missing = unknown_types(np.unique(type_id).tolist(), table) if types is not None else []
    if missing:
        raise FormatError(
            explain(
                f"{source.path}: edges {name!r}",
                f"edge type {missing[0]} is not in the table of types",
                found=f"{np.count_nonzero(type_id == missing[0])} edges of it",
                expected=f"one of {', '.join(map(str, table))} of {types}",
                cure="add a line for it",
            )
        )
    group_id, group_index = grouped(source, group, n, "edge")
    own = attributes(source, group, n, group_id, group_index) if len(group_id) else {}
    index = {}
    if "indices" in names:
        indices = source.group(group, "indices")
        for end, direction in DIRECTIONS.items():
            if source.has(indices, direction):
                index[end] = _index(source, source.group(indices, direction), ends[end])
    return EdgePopulation(
        name, source.path, populations["source"], populations["target"], ends["source"],
        ends["target"], table, type_id, own, index,
    )  # fmt: skip


def _index(source: Source, group: Any, ids: NDArray[np.int64]) -> Index:
    """Return an index of a file, checked: every edge once, under its own node."""
    names = source.names(group)
    name = next((x for x in RANGES if x in names), "")
    if not name or "range_to_edge_id" not in names:
        raise source.error(
            str(group.name), "is no index", found=", ".join(names),
            expected=f"{' or '.join(RANGES)}, and range_to_edge_id",
        )  # fmt: skip
    pairs = []
    for part, most in ((name, None), ("range_to_edge_id", len(ids))):
        found = source.array(group, part)
        if found.dtype.kind not in "iu" or found.ndim != 2 or found.shape[1] != 2:
            raise source.error(source.place(group, part), "not pairs", found=found.shape)
        limit = len(source.array(group, "range_to_edge_id")) if most is None else most
        if found.size and (int(found.max()) > limit or np.any(found[:, 1] < found[:, 0])):
            raise source.error(
                source.place(group, part), "leads outside", found=int(found.max()), expected=f"<= {limit}"
            )  # fmt: skip
        pairs.append(found.astype(np.int64))
    ranges, spans = pairs
    # written out once and compared: an index that is wrong would lose edges silently
    length = spans[:, 1] - spans[:, 0]
    node = np.full(len(spans), -1, np.int64)
    for k in np.flatnonzero(ranges[:, 1] > ranges[:, 0]):
        node[ranges[k, 0] : ranges[k, 1]] = k
    total = int(length.sum())
    edge = np.repeat(spans[:, 0] - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    edge = edge + np.arange(total) if len(spans) else np.zeros(0, np.int64)
    claimed = np.repeat(node, length)
    if total != len(ids) or len(np.unique(edge)) != total or np.any(ids[edge] != claimed):
        raise source.error(
            str(group.name), "does not fit the edges", found=f"{total} edges in it",
            expected=f"the {len(ids)} edges, each under its own node", cure="leave the index out, or write it again",
        )  # fmt: skip
    return Index(ranges, spans)
