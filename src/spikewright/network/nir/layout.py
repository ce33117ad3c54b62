"""An NIR graph laid flat: nested graphs opened, closing edges found, the shape at every node.

A nested graph's Input and Output become `Pass` nodes, which hand on what they get. An edge that closes a cycle carries
the value of step t - 1. Which edge of a cycle that is depends on where the cycle is entered: edges are followed depth
first from the inputs in order of their names, successors in order of theirs, and an edge back into the current path
closes. So the choice does not depend on the order in which a file lists its edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.errors import FormatError, NetworkError, Problems, explain
from spikewright.network.nir.document import Document, Graph, Node
from spikewright.network.topology import Dense, Flatten, Scale, Topology
from spikewright.network.windows import AvgPool, Conv, SumPool

Shape = tuple[int, ...]
NEURONS = frozenset({"I", "IF", "LI", "LIF", "CubaLI", "CubaLIF"})
ELEMENTWISE = NEURONS | {"Scale", "Threshold", "Delay"}
PASS = "Pass"
MAX_NEURONS = 2**28
"""Neurons of one node; more is a damaged shape."""


@dataclass(frozen=True)
class Place:
    """One node of the flat graph: `name` is unique, `path` leads to it through the nested graphs."""

    name: str
    path: tuple[str, ...]
    node: Node

    @property
    def kind(self) -> str:
        """The node's type; PASS for the ends of nested graphs."""
        if self.node.kind in ("Input", "Output") and len(self.path) > 1:
            return PASS
        return self.node.kind


@dataclass(frozen=True)
class Layout:
    """The flat graph.

    Parameters
    ----------
    places : name -> Place, each after those that reach it within a step
    edges : (from, to), in the order of the file
    closing : positions in `edges` of those that close a cycle
    into, out_of : name -> positions in `edges`
    shapes : name -> (shape that enters, shape that leaves)
    """

    places: Mapping[str, Place]
    edges: tuple[tuple[str, str], ...]
    closing: frozenset[int]
    into: Mapping[str, tuple[int, ...]]
    out_of: Mapping[str, tuple[int, ...]]
    shapes: Mapping[str, tuple[Shape, Shape]]


def lay_out(document: Document) -> Layout:
    """Return the flat graph of a document.

    Raises
    ------
    FormatError : an edge into an Input, shapes that do not fit, a nested graph with several ends
    """
    problems = Problems()
    places: dict[str, Place] = {}
    edges: list[tuple[str, str]] = []
    _open(document, document.graph, (), places, edges, problems)
    problems.raise_as(FormatError)
    into: dict[str, list[int]] = {name: [] for name in places}
    out_of: dict[str, list[int]] = {name: [] for name in places}
    for number, (a, b) in enumerate(edges):
        out_of[a].append(number)
        into[b].append(number)
    order, closing = _order(places, edges, out_of)
    shapes: dict[str, tuple[Shape, Shape]] = {}
    for name in order:
        given = [shapes[edges[e][0]][1] for e in into[name] if e not in closing]
        try:
            shapes[name] = _shapes(places[name], given[0] if given else None)
        except (FormatError, NetworkError, ValueError, TypeError, OverflowError) as error:
            raise FormatError(explain(_where(document, places[name]), str(error))) from None
    for a, b in edges:
        if shapes[a][1] != shapes[b][0]:
            problems.add(
                f"{document.origin}: edge {a!r} -> {b!r}",
                "the types do not match",
                found=f"{a!r} gives shape {shapes[a][1]}",
                expected=f"{shapes[b][0]} for {b!r} ({places[b].node.kind})",
                cure="correct the shape in the file",
            )
    problems.raise_as(FormatError)
    return Layout(
        {name: places[name] for name in order},
        tuple(edges),
        frozenset(closing),
        {name: tuple(e) for name, e in into.items()},
        {name: tuple(e) for name, e in out_of.items()},
        shapes,
    )


def _where(document: Document, place: Place) -> str:
    return f"{document.origin}: node {'/'.join(place.path)!r} ({place.node.kind})"


def _open(
    document: Document,
    graph: Graph,
    path: tuple[str, ...],
    places: dict[str, Place],
    edges: list[tuple[str, str]],
    problems: Problems,
) -> dict[str, tuple[str, str]]:
    """Add a graph's nodes and edges; return name -> (flat name edges enter, flat name edges leave)."""
    ends: dict[str, tuple[str, str]] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, Graph):
            inner = _open(document, node, (*path, name), places, edges, problems)
            entry, leave = (
                [inner[n][0] for n, x in node.nodes.items() if isinstance(x, Node) and x.kind == k]
                for k in ("Input", "Output")
            )
            if len(entry) != 1 or len(leave) != 1:
                problems.add(
                    f"{document.origin}: node {'/'.join((*path, name))!r} (NIRGraph)",
                    "a nested graph needs one Input and one Output",
                    found=f"{len(entry)} and {len(leave)}",
                    cure="edges cannot say which of them they mean: open the nested graph",
                )
                ends[name] = ("", "")
            else:
                ends[name] = (entry[0], leave[0])
            continue
        flat = ".".join((*path, name)) or "node"
        if flat.strip(".") == "":
            flat = f"node{flat}"
        number = 2
        while flat in places:
            flat = f"{'.'.join((*path, name))}#{number}"
            number += 1
        places[flat] = Place(flat, (*path, name), node)
        ends[name] = (flat, flat)
    for a, b in graph.edges:
        for end in (a, b):
            if end not in ends:
                problems.add(
                    f"{document.origin}: edge {a!r} -> {b!r}", f"no node {end!r} in the graph",
                    expected="one of " + ", ".join(ends) if ends else "nodes",
                )  # fmt: skip
        if a not in ends or b not in ends:
            continue
        for end, kind, verb in ((b, "Input", "enters"), (a, "Output", "leaves")):
            if graph.nodes[end] is not None and _kind(graph.nodes[end]) == kind:
                problems.add(
                    f"{document.origin}: edge {a!r} -> {b!r}", f"{verb} an {kind} of its own graph"
                )
        if ends[a][1] and ends[b][0]:
            edges.append((ends[a][1], ends[b][0]))
    return ends


def _kind(node: Node | Graph) -> str:
    return node.kind if isinstance(node, Node) else "NIRGraph"


def _order(
    places: Mapping[str, Place], edges: list[tuple[str, str]], out_of: Mapping[str, list[int]]
) -> tuple[list[str], set[int]]:
    """Return the nodes in order of execution, and the edges that close a cycle."""
    closing: set[int] = set()
    state: dict[str, int] = {}
    finished: list[str] = []
    roots = sorted(n for n, p in places.items() if p.kind == "Input") + sorted(places)
    for root in roots:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(sorted(out_of[root], key=lambda e: (edges[e][1], e))))]
        while stack:
            name, following = stack[-1]
            for edge in following:
                after = edges[edge][1]
                if state.get(after) == 1:
                    closing.add(edge)
                elif after not in state:
                    state[after] = 1
                    stack.append(
                        (after, iter(sorted(out_of[after], key=lambda e: (edges[e][1], e))))
                    )
                    break
            else:
                stack.pop()
                state[name] = 2
                finished.append(name)
    return finished[::-1], closing


def _shapes(place: Place, given: Shape | None) -> tuple[Shape, Shape]:
    node = place.node
    if node.kind in ("Input", "Output"):
        shape = tuple(int(n) for n in np.ravel(node.array("shape")))
        return _sound(shape), shape
    if node.kind in ELEMENTWISE:
        own = np.broadcast_shapes(*(np.shape(v) for v in node.params.values()))
        plain = own in ((), (1,))
        shape = own if given is None or not plain else given
        if given is not None and not plain:
            try:
                fits = np.broadcast_shapes(own, given) == given
            except ValueError:
                fits = False
            shape = given if fits else own
        return _sound(shape or (1,)), shape or (1,)
    topology = topology_of(node, given)
    if isinstance(topology, Dense):
        shape_in: Shape | None = (topology.weights.shape[1],)
    elif given is not None:
        shape_in = given
    else:
        shape_in = _declared(node)
    if shape_in is None:
        raise FormatError("nothing reaches it, so its shape is not known")
    return _sound(shape_in), _sound(topology.out_shape(shape_in))


def _sound(shape: Shape) -> Shape:
    size = 1
    for n in shape:
        size *= n
    if not shape or any(n < 1 for n in shape) or size > MAX_NEURONS:
        raise FormatError(
            f"impossible shape; found {shape}, expected sizes of at least 1, {MAX_NEURONS} in all at most"
        )
    return shape


def _declared(node: Node) -> Shape | None:
    if node.kind == "Flatten" and "input_type" in node.params:
        return tuple(int(n) for n in np.ravel(node.array("input_type")))
    if node.kind in ("Conv1d", "Conv2d") and "input_shape" in node.params:
        channels = node.array("weight").shape[1] * _one(node, "groups")
        return (channels, *(int(n) for n in np.ravel(node.array("input_shape"))))
    return None


def _one(node: Node, name: str) -> int:
    value = node.array(name)
    if value.size != 1:
        raise FormatError(f"{name} must be one number; found shape {value.shape}")
    return int(value.ravel()[0])


def _whole(node: Node, name: str) -> list[int]:
    return [int(v) for v in np.ravel(node.array(name))]


def topology_of(node: Node, given: Shape | None) -> Topology:
    """Return the map that a node without state is, without its bias.

    Raises
    ------
    FormatError, NetworkError : its parameters do not fit each other or what enters
    """
    if node.kind in ("Affine", "Linear"):
        weight = node.array("weight")
        if weight.ndim != 2:
            raise FormatError(f"weight must be (out, in); found shape {weight.shape}")
        if node.kind == "Affine" and node.array("bias").shape not in ((weight.shape[0],), (1,), ()):
            raise FormatError(
                f"bias has shape {node.array('bias').shape}, expected ({weight.shape[0]},)"
            )
        return Dense(weight)
    if node.kind == "Scale":
        scale = node.array("scale")
        return Scale(scale if given is None else spread(scale, given))
    if node.kind == "Flatten":
        declared = _declared(node)
        if given is not None and declared is not None and declared != given:
            raise FormatError(f"input_type says {declared}, but shape {given} enters")
        return Flatten(_one(node, "start_dim"), _one(node, "end_dim"))
    if node.kind in ("Conv1d", "Conv2d"):
        return _convolution(node, given)
    pool = SumPool if node.kind == "SumPool2d" else AvgPool
    return pool(
        _pair(_whole(node, "kernel_size")),
        _pair(_whole(node, "stride")),
        _pair(_whole(node, "padding")),
    )


def _pair(values: list[int]) -> tuple[int, ...]:
    return tuple(values * 2) if len(values) == 1 else tuple(values)


def _convolution(node: Node, given: Shape | None) -> Topology:
    weight = node.array("weight")
    axes = 1 if node.kind == "Conv1d" else 2
    if weight.ndim != axes + 2:
        raise FormatError(
            f"weight must be (C_out, C_in/groups, {axes} kernel axes); found shape {weight.shape}"
        )
    bias = node.array("bias")
    if bias.shape not in ((weight.shape[0],), (1,), ()):
        raise FormatError(f"bias has shape {bias.shape}, expected ({weight.shape[0]},)")
    stride, dilation = _whole(node, "stride"), _whole(node, "dilation")
    padding = node.params["padding"]
    pads: object
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise FormatError(f"padding {padding[:40]!r} is not known, expected 'same' or 'valid'")
        if padding == "same" and set(stride) != {1}:
            raise FormatError(f"padding 'same' needs stride 1; found {stride}")
        steps = dilation if len(dilation) > 1 else dilation[0]
        pads = Conv.same(weight.shape[2:], steps) if padding == "same" else 0
    else:
        values = _whole(node, "padding")
        pads = values if len(values) > 1 else values[0]
    declared = _declared(node)
    if given is not None and declared is not None and declared != given:
        raise FormatError(f"input_shape and weight say {declared}, but shape {given} enters")
    return Conv(weight, stride, pads, dilation, _one(node, "groups"))


def spread(value: np.ndarray, shape: Shape) -> np.ndarray:
    """Return a parameter for neurons of `shape`: 0-d where all share it.

    Raises
    ------
    FormatError : it does not fit
    """
    if value.size == 1:
        return np.asarray(value.reshape(()))
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        raise FormatError(f"a parameter has shape {value.shape}, expected {shape}") from None
