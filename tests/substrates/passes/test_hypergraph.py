from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import SubstrateError
from spikewright.network import LIF, Dense, Input, Network, OneToOne, Population, Projection, Sparse
from spikewright.substrates.passes.hypergraph import (
    Hypergraph,
    connectivity,
    edge_cut,
    hypergraph_of,
    packets,
)


def drawn(seed: int, n: int = 12, fan: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    count = draw.integers(0, fan + 1, n)
    start = np.concatenate([[0], np.cumsum(count)])
    return start, draw.integers(0, n, start[-1]), draw.gamma(2.0, 5.0, n)


def by_hand(start: np.ndarray, target: np.ndarray, rates: np.ndarray, part: np.ndarray):  # type: ignore[no-untyped-def]
    """Packets and cut synapses, neuron by neuron."""
    sent = cut = 0.0
    for j, rate in enumerate(rates):
        reached = set(target[start[j] : start[j + 1]].tolist())
        sent += rate * len({int(part[t]) for t in reached} - {int(part[j])})
        cut += rate * sum(part[t] != part[j] for t in reached)
    return sent, cut


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_km1_is_the_number_of_packets(seed: int, k: int) -> None:
    start, target, rates = drawn(seed)
    graph = Hypergraph.from_synapses(start, target, 12, rates)
    part = np.random.default_rng(seed).integers(0, k, 12)
    sent, cut = by_hand(start, target, rates, part)
    assert connectivity(graph, part) == pytest.approx(sent)
    assert packets(graph, part) == pytest.approx(sent)
    assert edge_cut(graph, part) == pytest.approx(cut)


def test_nets_hold_their_source_and_no_vertex_twice() -> None:
    graph = Hypergraph.from_synapses([0, 4, 5, 5], [1, 2, 1, 0, 1], 3)
    nets = [graph.pins[a:b].tolist() for a, b in zip(graph.start, graph.start[1:], strict=False)]
    assert nets == [[0, 1, 2], [1], [2]]
    begin, incident = graph.incidence
    assert incident[begin[1] : begin[2]].tolist() == [0, 1]


def network() -> Network:
    weights = np.ones((3, 4))
    weights[:, 2] = 0.0
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 4), "a": Population(LIF, 3), "b": Population(LIF, 3)},
        projections={
            "in->a": Projection("in", "a", Dense(weights)),
            "a->b": Projection("a", "b", Sparse.from_edges([0, 0, 1], [0, 2, 1], 1.0, n_pre=3, n_post=3)),
            "a->a": Projection("a", "a", OneToOne(np.ones(3))),
            "b->a": Projection("b", "a", OneToOne(np.array([0.0, 1.0, 1.0]))),
        },
    )  # fmt: skip


def test_a_network_becomes_one_net_per_neuron_that_reaches_the_chip() -> None:
    cover = hypergraph_of(network(), ("a", "b"), {"in": 7.0, "a": [1.0, 2.0, 3.0]})
    graph = cover.graph
    nets = [
        sorted(graph.pins[a:b].tolist()) for a, b in zip(graph.start, graph.start[1:], strict=False)
    ]
    inputs = [[0, 1, 2], [0, 1, 2], [], [0, 1, 2]]
    assert nets == [*inputs, [0, 3, 5], [1, 4], [2], [3], [1, 4], [2, 5]]
    assert graph.owner.tolist() == [-1] * 4 + [0, 1, 2, 3, 4, 5]
    assert graph.weight.tolist() == [7] * 4 + [1, 2, 3] + [1] * 3
    assert graph.pins.dtype == np.int32
    part = np.array([0, 1, 1, 0, 1, 1])
    # 3 inputs reach two cores each, whatever lies there; neuron 0 of a reaches another one
    assert packets(graph, part) == 3 * 2 * 7 + 1
    assert connectivity(graph, part) == 3 * 7 + 1
    assert {k: v.tolist() for k, v in cover.split(part).items()} == {"a": [0, 1, 1], "b": [0, 1, 1]}
    assert cover.joined({"a": 2.0, "b": [1.0, 2.0, 3.0]}).tolist() == [2, 2, 2, 1, 2, 3]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: hypergraph_of(network(), ("a", "c")), "no such population; found c, expected in, a, b"),
        (lambda: hypergraph_of(network(), ("a",), {"a": [1.0]}), "one rate, or one per neuron"),
        (lambda: Hypergraph.from_synapses([0, 1], [3], 1), "a target is not there; found 3..3, expected 0..0"),
        (lambda: Hypergraph.from_synapses([0, 1], [0], 2), "start must be (n + 1,)"),
        (lambda: Hypergraph.from_synapses([0, 1], [0], 1, np.nan), "weights of nets are rates"),
        (lambda: connectivity(Hypergraph.from_synapses([0, 1], [0], 1), [0, 1]), "one part per vertex"),
        (lambda: connectivity(Hypergraph.from_synapses([0, 1], [0], 1), [-1]), "one part per vertex"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SubstrateError, match="hypergraph") as caught:
        make()
    assert words in str(caught.value)
