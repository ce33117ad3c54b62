from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import LimitError, MissingExtra, SubstrateError
from spikewright.substrates.passes import multilevel_loops as loops
from spikewright.substrates.passes.hypergraph import Hypergraph, connectivity
from spikewright.substrates.passes.multilevel import Effort, partition_hypergraph


def drawn(seed: int, n: int, fan: int, clusters: int = 0) -> Hypergraph:
    """A random network, or one of clusters in which nine of ten synapses stay inside."""
    draw = np.random.default_rng(seed)
    target = draw.integers(0, n, (n, fan))
    if clusters:
        of = draw.permutation(np.arange(n) % clusters)
        inside = draw.random((n, fan)) < 0.9
        members = [np.flatnonzero(of == c) for c in range(clusters)]
        near = np.stack([draw.choice(members[of[v]], fan) for v in range(n)])
        target = np.where(inside, near, target)
    return Hypergraph.from_synapses(
        np.arange(n + 1) * fan, target.ravel(), n, draw.gamma(2.0, 5.0, n)
    )


def best_by_hand(graph: Hypergraph, k: int, cap: int) -> float:
    costs = [
        connectivity(graph, np.array(part))
        for part in itertools.product(range(k), repeat=graph.n)
        if part[0] == 0 and max(np.bincount(part)) <= cap
    ]
    return min(costs)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_tiny_instances_come_close_to_the_optimum(seed: int) -> None:
    graph = drawn(seed, 8, 3)
    part = partition_hypergraph(graph, np.ones(8), [4], 2, seed)
    assert max(np.bincount(part)) <= 4
    assert connectivity(graph, part) <= 1.1 * best_by_hand(graph, 2, 4) + 1e-9


def test_clusters_are_found() -> None:
    graph = drawn(1, 400, 12, clusters=10)
    part = partition_hypergraph(graph, np.ones(400), [42], 10, 0)
    of = np.random.default_rng(1)
    of.integers(0, 400, (400, 12))
    planted = of.permutation(np.arange(400) % 10)
    assert np.bincount(part).max() <= 42
    assert connectivity(graph, part) <= 1.005 * connectivity(graph, planted)
    np.testing.assert_array_equal(part, partition_hypergraph(graph, np.ones(400), [42], 10, 0))
    in_order = connectivity(graph, np.arange(400) // 40)
    assert connectivity(graph, part) < 0.5 * in_order


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(2, 7))
def test_no_part_exceeds_any_capacity(seed: int, k: int) -> None:
    graph = drawn(seed, 60, 4)
    draw = np.random.default_rng(seed)
    sizes = np.stack([np.ones(60), draw.integers(0, 9, 60)], axis=1)
    capacity = np.array([np.ceil(60 / k) + 1, np.ceil(sizes[:, 1].sum() / k) + 9])
    part = partition_hypergraph(graph, sizes, capacity, k, seed, effort=Effort(tries=3))
    assert part.shape == (60,)
    assert part.min() >= 0
    assert part.max() < k
    for j in range(2):
        assert np.bincount(part, sizes[:, j], k).max() <= capacity[j]


def test_full_parts_are_improved_by_swaps() -> None:
    graph = drawn(3, 120, 10, clusters=6)
    part = partition_hypergraph(graph, np.ones(120), [20], 6, 0)
    assert np.bincount(part).tolist() == [20] * 6
    assert connectivity(graph, part) < 0.5 * connectivity(graph, np.arange(120) // 20)


def test_the_loops_keep_their_books() -> None:
    """Gains, rows and loads after every kind of move are those of the partition that is left."""
    graph = drawn(5, 80, 6)
    k, n = 5, 80
    begin, nets = graph.incidence
    draw = np.random.default_rng(5)
    part = draw.integers(0, k, n).astype(np.int32)
    size = np.ones((n, 1))
    load = np.bincount(part, minlength=k).astype(float)[:, None]
    cap = np.full((k, 1), 20.0)
    rows = loops.make_rows(graph.start, graph.pins, part, k)
    around = (graph.weight, begin, nets, size, part, load, cap, *rows)
    loops.relieve(*around, 10)
    now = connectivity(graph, part)
    now -= loops.sweep(*around, np.arange(n, dtype=np.int32))[0]
    assert now == pytest.approx(connectivity(graph, part))
    table = loops.make_table(graph.weight, begin, nets, part, *rows, k)
    tabled = (graph.start, graph.pins, *around, *table)
    for step in (
        lambda: loops.tabled_sweep(*tabled, np.arange(n, dtype=np.int32)),
        lambda: loops.swap(*tabled, np.arange(n, dtype=np.int32), 1e9),
        lambda: loops.search(*tabled, np.arange(n, dtype=np.int32), 3, 20, 1000),
    ):
        now -= step()
        assert now == pytest.approx(connectivity(graph, part))
        assert load[:, 0].tolist() == np.bincount(part, minlength=k).tolist()
        assert load.max() <= 20
        fresh = loops.make_rows(graph.start, graph.pins, part, k)
        assert rows[2].tolist() == fresh[2].tolist()
        again = loops.make_table(graph.weight, begin, nets, part, *fresh, k)
        for kept, made in zip(table, again, strict=True):
            np.testing.assert_allclose(kept, made, rtol=1e-4, atol=1e-2)


def test_contraction_keeps_km1() -> None:
    graph = drawn(7, 90, 5, clusters=9)
    begin, nets = graph.incidence
    order = np.random.default_rng(7).permutation(90).astype(np.int32)
    label, made = loops.cluster(
        graph.start, graph.pins, graph.weight, begin, nets, np.ones((90, 1)), np.array([6.0]),
        np.zeros(90, np.int32), order, 3000, 20
    )  # fmt: skip
    assert 20 <= made < 90
    assert np.bincount(label).max() <= 6
    start, pins, weight, mark = loops.contract(graph.start, graph.pins, graph.weight, label, made)
    merged = loops.merge_equal(start, pins, weight, mark, np.argsort(mark, kind="stable"), made)
    part = np.random.default_rng(8).integers(0, 4, made).astype(np.int32)
    rows = loops.make_rows(merged[0], merged[1], part, 4)
    assert loops.km1(merged[2], rows[2]) == pytest.approx(connectivity(graph, part[label]))


def test_a_partition_can_be_begun_with() -> None:
    graph = drawn(1, 400, 12, clusters=10)
    first = partition_hypergraph(graph, np.ones(400), [44], 10, 0, effort=Effort(tries=2, cycles=0))
    again = partition_hypergraph(graph, np.ones(400), [44], 10, 5, begin_with=first)
    assert connectivity(graph, again) <= connectivity(graph, first)
    assert np.mean(first == again) > 0.8, "most vertices stay where they are"


def test_edges_of_the_task() -> None:
    empty = Hypergraph.from_synapses([0], np.zeros(0, int), 0)
    assert partition_hypergraph(empty, np.zeros((0, 1)), [1], 3).tolist() == []
    loose = Hypergraph.from_synapses([0] * 6, np.zeros(0, int), 5)
    assert np.bincount(partition_hypergraph(loose, np.ones(5), [2], 3)).max() <= 2
    silent = Hypergraph.from_synapses(np.arange(7), np.arange(6)[::-1].copy(), 6, 0.0)
    assert np.bincount(partition_hypergraph(silent, np.ones(6), [3], 2)).tolist() == [3, 3]
    assert partition_hypergraph(loose, np.ones(5), [np.inf], 1).tolist() == [0] * 5


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.ones(9), [4], 2), LimitError,
         "partition_hypergraph: limit 0 binds: the vertices do not fit into 2 parts; found 9, expected 8 at most"
         " — use 3 parts or more"),
        ((np.arange(9), [7], 9), LimitError,
         "partition_hypergraph: one vertex takes more of limit 0 than a part has; found 8, expected 7 at most"
         " — split the vertex, or raise the limit"),
        ((np.ones(9) * 2, [3], 8), LimitError,
         "partition_hypergraph: limit 0 binds: no partition into 8 parts was found that respects it;"
         " found 4, expected 3 at most — use more parts"),
        ((np.ones(8), [4], 3), SubstrateError, "sizes and capacity do not fit the hypergraph"),
        ((np.ones(9) * np.nan, [4], 3), SubstrateError, "sizes and capacities are amounts"),
        ((np.ones(9), [4], 0), SubstrateError, "needs parts; found 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_explained(arguments, error, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as caught:
        partition_hypergraph(drawn(0, 9, 2), *arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize("method", ["mtkahypar", "pymetis"])
def test_other_partitioners_are_asked_for_by_name(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = drawn(0, 9, 2)
    with pytest.raises(SubstrateError, match="keeps one limit only"):
        partition_hypergraph(graph, np.ones((9, 2)), [9, 9], 2, method=method)
    monkeypatch.setitem(sys.modules, method, None)
    with pytest.raises(
        MissingExtra, match=rf"needs {method} — pip install 'spikewright\[mapping\]'"
    ):
        partition_hypergraph(graph, np.ones(9), [6], 2, method=method)
    with pytest.raises(SubstrateError, match="no method 'luck'; expected multilevel, mtkahypar"):
        partition_hypergraph(graph, np.ones(9), [6], 2, method="luck")


@pytest.mark.peer
@pytest.mark.parametrize("method", ["mtkahypar", "pymetis"])
def test_other_partitioners_keep_the_capacity(method: str) -> None:
    pytest.importorskip(method)
    graph = drawn(1, 400, 12, clusters=10)
    part = partition_hypergraph(graph, np.ones(400), [44], 10, 0, method=method)
    assert np.bincount(part).max() <= 44
