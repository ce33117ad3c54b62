"""An NIR file as plain values: what stands in it, before anybody says what it means.

`read_document(path)` keeps names, edges, values, dtypes and metadata as they are, so that writing the document gives
the same graph again. It uses an HDF5 reader of our own, because `nir.read` rejects valid graphs (kernels that are not
square, groups) and accepts broken ones.

    /version                         text
    /node/type                       "NIRGraph"
    /node/edges                      (n, 2) text
    /node/nodes/<name>/type          a node type of `NODE_PARAMS`, or "NIRGraph"
    /node/nodes/<name>/<parameter>   one array or text each
    /node/nodes/<name>/metadata/     optional, never needed to run the graph

Source
------
The package `nir` 1.0.8, `nir/serialization.py` and `nir/ir`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, Problems, explain
from spikewright.files import replacing_hdf5
from spikewright.network.hdf5 import Source, opened, put, put_strings

VERSION = "1.0.8"
"""The version of NIR that is written."""

NODE_PARAMS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Input": (("shape",), ()),
    "Output": (("shape",), ()),
    "Affine": (("weight", "bias"), ()),
    "Linear": (("weight",), ()),
    "Scale": (("scale",), ()),
    "Threshold": (("threshold",), ()),
    "Flatten": (("start_dim", "end_dim"), ("input_type",)),
    "Conv1d": (
        ("weight", "bias", "stride", "padding", "dilation", "groups"),
        ("input_shape",),
    ),
    "Conv2d": (
        ("weight", "bias", "stride", "padding", "dilation", "groups"),
        ("input_shape",),
    ),
    "SumPool2d": (("kernel_size", "stride", "padding"), ()),
    "AvgPool2d": (("kernel_size", "stride", "padding"), ()),
    "Delay": (("delay",), ()),
    "I": (("r",), ()),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "LI": (("tau", "r", "v_leak"), ()),
    "LIF": (("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "CubaLI": (("tau_syn", "tau_mem", "r", "v_leak", "w_in"), ()),
    "CubaLIF": (("tau_syn", "tau_mem", "r", "v_leak", "w_in", "v_threshold"), ("v_reset",)),
}
"""Node type -> (parameters it must have, parameters it may have)."""

WHOLE = frozenset(
    {"shape", "start_dim", "end_dim", "input_type", "input_shape", "stride", "dilation", "groups",
     "kernel_size", "padding"}
)  # fmt: skip
"""Parameters that hold whole numbers."""

MAX_NESTING = 30
"""Graphs within graphs."""


@dataclass(frozen=True, eq=False)
class Node:
    """A node of an NIR graph: its type, its parameters as stored, its metadata."""

    kind: str
    params: Mapping[str, NDArray[Any] | str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def array(self, name: str) -> NDArray[Any]:
        """Return a numeric parameter."""
        return np.asarray(self.params[name])


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and edges; a graph can be a node of another."""

    nodes: Mapping[str, Node | Graph]
    edges: tuple[tuple[str, str], ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        object.__setattr__(self, "edges", tuple((str(a), str(b)) for a, b in self.edges))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))


@dataclass(frozen=True, eq=False)
class Document:
    """What stands in an NIR file."""

    graph: Graph
    version: str = VERSION
    origin: str = "NIR document"


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read an NIR file.

    Raises
    ------
    FormatError : not HDF5, truncated, damaged, not NIR, an unknown node type, a missing parameter, an edge to a node
        that is not there, a number that is not finite, arrays that ask for too much memory
    """
    with opened(path, "an NIR file (.nir, HDF5)") as source:
        members = source.names(source.root)
        if "node" not in members:
            raise source.error(
                "", "not an NIR graph", found=", ".join(members[:8]) or "an empty file",
                expected="a group 'node'",
                cure="NIRData recordings are not graphs; export the graph itself",
            )  # fmt: skip
        version = source.text(source.root, "version") if "version" in members else ""
        graph = _read(source, source.group(source.root, "node"), 0)
        if not isinstance(graph, Graph):
            raise source.error("/node", "not a graph", found=graph.kind, expected="NIRGraph")
        return Document(graph, version, str(path))


def _read(source: Source, group: Any, level: int) -> Node | Graph:
    names = source.names(group)
    where = str(group.name)
    if level > MAX_NESTING:
        raise source.error(where[:80], "graphs nested too deeply", expected=f"{MAX_NESTING} levels")
    if "type" not in names:
        raise source.error(where, "has no type", found=", ".join(names[:8]) or "nothing")
    kind = source.text(group, "type")
    metadata = _metadata(source, source.group(group, "metadata")) if "metadata" in names else {}
    if kind == "NIRGraph":
        return _read_graph(source, group, names, metadata, level)
    if kind not in NODE_PARAMS:
        raise source.error(
            where, f"unknown node type {kind[:60]!r}",
            expected="one of " + ", ".join([*NODE_PARAMS, "NIRGraph"]),
            cure="replace the node by nodes that NIR defines",
        )  # fmt: skip
    required, optional = NODE_PARAMS[kind]
    missing = [name for name in required if name not in names]
    if missing:
        raise source.error(
            where, f"{kind} has no {', '.join(missing)}", expected=", ".join(required)
        )
    extra = sorted(
        set(names) - {*required, *optional, "type", "metadata", "input_type", "output_type"}
    )
    if extra:
        raise source.error(
            where, f"{kind} has no parameter {', '.join(extra)}",
            expected=", ".join((*required, *optional)),
            cure="put it into 'metadata' where it means nothing to the graph",
        )  # fmt: skip
    params: dict[str, NDArray[Any] | str] = {}
    for name in (*required, *optional):
        if name not in names:
            continue
        if name == "padding" and source.is_text(group, name):
            params[name] = source.text(group, name)
            continue
        value = source.array(group, name)
        if name in WHOLE and value.dtype.kind == "f" and np.any(value != np.rint(value)):
            raise source.error(f"{where}/{name}", "not whole numbers", found=value.ravel()[:4])
        params[name] = value
    return Node(kind, params, metadata)


def _read_graph(
    source: Source, group: Any, names: list[str], metadata: Mapping[str, Any], level: int
) -> Graph:
    where = str(group.name)
    for name in ("nodes", "edges"):
        if name not in names:
            raise source.error(where, f"a graph without {name}", found=", ".join(names))
    inner = source.group(group, "nodes")
    nodes = {
        name: _read(source, source.group(inner, name), level + 1) for name in source.names(inner)
    }
    shape: tuple[int, ...] = tuple(source.dataset(group, "edges").shape)
    pairs: list[tuple[str, str]] = []
    if 0 not in shape:
        shape, flat = source.strings(group, "edges")
        if len(shape) != 2 or shape[1] != 2:
            raise source.error(f"{where}/edges", "wrong shape", found=shape, expected="(n, 2)")
        pairs = list(zip(flat[0::2], flat[1::2], strict=True))
    problems = Problems()
    for a, b in pairs:
        for end in (a, b):
            if end not in nodes:
                problems.add(
                    f"{source.path}: {where}/edges",
                    f"the edge {a!r} -> {b!r} names {end!r}, which is not a node of this graph",
                    expected="one of " + ", ".join(nodes) if nodes else "nodes",
                    cure="rename the node or the edge",
                )
    problems.raise_as(FormatError)
    return Graph(nodes, tuple(pairs), metadata)


def _metadata(source: Source, group: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in source.names(group):
        if source.is_group(group, name):
            found[name] = _metadata(source, source.group(group, name))
        elif source.is_text(group, name):
            shape, texts = source.strings(group, name)
            found[name] = texts[0] if shape == () else np.array(texts, dtype=object).reshape(shape)
        else:
            found[name] = source.array(group, name)
    return found


def write_document(document: Document, path: str | os.PathLike[str]) -> None:
    """Write an NIR file, whole or not at all.

    Raises
    ------
    FormatError : the place cannot be written, or a name is not text
    """
    with replacing_hdf5(path) as file:
        try:
            put(file, "version", document.version or VERSION)
            _write(file.create_group("node"), document.graph)
        except (ValueError, TypeError, RuntimeError) as fault:
            raise FormatError(
                explain(str(path), "cannot be written as NIR", found=fault, cure="rename the node")
            ) from None


def _write(group: Any, item: Node | Graph) -> None:
    if isinstance(item, Graph):
        put(group, "type", "NIRGraph")
        if item.edges:
            put_strings(group, "edges", [list(edge) for edge in item.edges])
        else:
            put(group, "edges", np.zeros((0, 2)))
        nodes = group.create_group("nodes")
        for name, node in item.nodes.items():
            _write(nodes.create_group(name), node)
    else:
        put(group, "type", item.kind)
        for name, value in item.params.items():
            put(group, name, value)
    if item.metadata:
        _write_metadata(group.create_group("metadata"), item.metadata)


def _write_metadata(group: Any, metadata: Mapping[str, Any]) -> None:
    for name, value in metadata.items():
        if isinstance(value, Mapping):
            _write_metadata(group.create_group(name), value)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "OU":
            put_strings(group, name, value.tolist())
        elif isinstance(value, list | tuple) and value and isinstance(value[0], str):
            put_strings(group, name, list(value))
        else:
            put(group, name, value)
