"""From operations to a network: every activation becomes integrate-and-fire neurons, everything between them maps.

Notation: a neuron with threshold theta that fires a share s of the steps stands for the activation s theta. So its
spikes carry theta: the weights behind it are multiplied by it. What enters is held for all steps; a step's
outputs are seen in the same step, so that T steps are T steps at every depth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import fx

from spikewright.network.graph import Network, Population, Projection, Propagation
from spikewright.network.library import IF, Input
from spikewright.network.topology import Shape
from spikewright.train.convert.terms import Term, Value, linear
from spikewright.train.convert.trace import ACTIVATIONS, Graph, Kind, Node

INPUT, OUTPUT = "input", "output"

RateIF = IF.variant(
    "RateIF",
    threshold="v >= v_th",
    reset={"v": "v - v_th"},
    source="Bu et al., ICLR 2022, eq. 1-3: reset by subtraction; a membrane at its threshold fires",
)
"""The library's IF with reset by subtraction. Constant input z from a start v0 gives floor((z T + v0) / v_th) spikes in
T steps, between 0 and T."""

Integrator = IF.variant(
    "Integrator",
    params={"c": IF.params["c"]},
    threshold="",
    reset={},
    output="v",
    source="Definition: the sum of what arrived; a last layer without activation has both signs.",
)


@dataclass(frozen=True)
class Stage:
    """One population to be: its name, the activation that it stands for (None: the last sum), and what reaches it."""

    name: str
    node: Node | None
    value: Value


@dataclass(frozen=True)
class Built:
    """A network, what stands for which layer, and what a spike stands for.

    Parameters
    ----------
    network : the result
    layers : population -> name of the activation in the module
    thresholds : population -> activation that one spike stands for
    """

    network: Network
    layers: Mapping[str, str]
    thresholds: Mapping[str, float]


def stages(graph: Graph, shape: Shape) -> tuple[Stage, ...]:
    """Return the populations of a graph in order; nothing is run.

    Parameters
    ----------
    graph : a module as operations
    shape : of one sample

    Raises
    ------
    TrainError : layers that do not fit each other
    """
    values: dict[fx.Node, Value] = {}
    found: list[Stage] = []
    last = _last(graph)
    for node in graph.nodes:
        before = tuple(values[n] for n in node.inputs)
        if node.kind is Kind.INPUT:
            values[node.fx] = Value(shape, (Term(INPUT, shape),))
        elif node.kind in ACTIVATIONS:
            name = OUTPUT if node.fx is last else f"hidden{len(found) + 1}"
            found.append(Stage(name, node, before[0]))
            values[node.fx] = Value(before[0].shape, (Term(name, before[0].shape),))
        else:
            values[node.fx] = linear(node, before)
    if all(stage.name != OUTPUT for stage in found):
        found.append(Stage(OUTPUT, None, values[last]))
    return tuple(found)


def build(
    parts: Iterable[Stage],
    shape: Shape,
    thresholds: Mapping[fx.Node, float],
    *,
    initial: float,
    dt: float,
    name: str,
) -> Built:
    """Return the network of some stages.

    Parameters
    ----------
    parts : from `stages`
    shape : of one sample
    thresholds : of every activation
    initial : membrane at the start, as a share of the threshold
    dt : s
    name : of the network
    """
    populations = {INPUT: Population(Input, shape)}
    projections: dict[str, Projection] = {}
    layers: dict[str, str] = {}
    sizes: dict[str, float] = {}
    for stage in parts:
        post, value = stage.name, stage.value
        if stage.node is None:
            populations[post] = Population(Integrator, value.shape)
        else:
            level = thresholds[stage.node.fx]
            start = {"v": initial * level}
            populations[post] = Population(RateIF, value.shape, {"v_th": level}, start)
            layers[post], sizes[post] = stage.node.name, level
        for number, term in enumerate(value.terms):
            way = f"{term.source}->{post}"
            way = way if way not in projections else f"{way} {number + 1}"
            topology = term.carrying(sizes.get(term.source, 1.0))
            bias = value.bias if number == 0 else None
            projections[way] = Projection(term.source, post, topology, bias=bias)
    network = Network(dt, populations, projections, (OUTPUT,), Propagation.SAME_STEP, name)
    return Built(network, layers, sizes)


def _last(graph: Graph) -> fx.Node:
    """Return the node that the output comes from, without those that do nothing."""
    nodes = {n.fx: n for n in graph.nodes}
    last = graph.last
    while nodes[last].kind is Kind.SAME:
        last = nodes[last].inputs[0]
    return last
