from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import LimitError, SubstrateError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection, Sparse
from spikewright.substrates.passes.hypergraph import connectivity, hypergraph_of
from spikewright.substrates.passes.partition import Partition
from spikewright.substrates.passes.partition_traffic import partition_by_traffic


def rings(n: int = 60, groups: int = 6) -> Network:
    """Groups of neurons that reach all of their own group, interleaved in two populations."""
    draw = np.random.default_rng(0)
    of = draw.permutation(np.arange(2 * n) % groups)
    a, b = of[:n], of[n:]
    populations = {p: Population(LIF, n) for p in ("a", "b")}
    same = {"a": a, "b": b}
    projections = {
        f"{p}->{q}": Projection(
            p, q, Sparse.from_matrix((same[q][:, None] == same[p][None, :]).astype(float))
        )
        for p in ("a", "b")
        for q in ("a", "b")
    }
    return Network(dt=1e-3, populations=populations, projections=projections)


def cost(network: Network, found: Partition) -> float:
    cover = hypergraph_of(network, tuple(found.core_of))
    return connectivity(cover.graph, cover.joined(found.core_of).astype(int))


ONE = {"neurons": {"a": 1.0, "b": 1.0}}


def test_neurons_that_talk_share_a_core() -> None:
    network = rings()
    found = partition_by_traffic(
        network, ("a", "b"), ONE, {"neurons": 20.0}, n_cores=10, substrate="x"
    )
    assert found.n_cores == 6
    assert cost(network, found) == 0.0
    assert [u["neurons"] for u in found.used] == [20.0] * 6
    assert found.binding == {"a": "neurons", "b": "neurons"}
    again = partition_by_traffic(
        network, ("a", "b"), ONE, {"neurons": 20.0}, n_cores=10, substrate="x"
    )
    for p in ("a", "b"):
        np.testing.assert_array_equal(found.core_of[p], again.core_of[p])


def test_limits_that_do_not_add_up_open_cores() -> None:
    """Sources of a core: those of one group are 20, so two groups on a core exceed 25."""
    network = rings()
    sources = {
        (p, q): network.projections[f"{p}->{q}"].topology.synapses((60,))
        for p in ("a", "b")
        for q in ("a", "b")
    }
    asked = []

    def exact(core):  # type: ignore[no-untyped-def]
        asked.append(core)
        axons = 0
        for p in ("a", "b"):
            hit = np.zeros(60, bool)
            for q, members in core.items():
                s = sources[p, q]
                hit[s.source[np.isin(s.target, members)]] = True
            axons += int(hit.sum())
        return {"axons": axons}

    limits = {"neurons": 40.0, "axons": 25.0}
    found = partition_by_traffic(
        network, ("a", "b"), ONE, limits, n_cores=10, substrate="x", exact=exact
    )
    assert all(u["axons"] <= 25 and u["neurons"] <= 40 for u in found.used)
    assert found.n_cores == 6, "merged again as far as axons allow"
    assert found.binding["a"] == "axons"
    assert asked
    without = partition_by_traffic(
        network, ("a", "b"), ONE, {"neurons": 40.0}, n_cores=10, substrate="x"
    )
    assert without.n_cores == 3


def test_small_cores_are_merged() -> None:
    """Amounts that fill cores badly: what the partitioner leaves apart is joined where it fits."""
    network = rings(12, 2)
    found = partition_by_traffic(
        network, ("a", "b"), ONE, {"neurons": 100.0}, n_cores=4, substrate="x"
    )
    assert found.n_cores == 1
    assert found.binding == {"a": "", "b": ""}


def test_too_few_cores_are_explained() -> None:
    with pytest.raises(LimitError) as caught:
        partition_by_traffic(rings(), ("a", "b"), ONE, {"neurons": 20.0}, n_cores=5, substrate="x")
    assert str(caught.value) == (
        "x: the network needs more cores than there are; found 6 cores (neurons binds: 120 of 100),"
        " expected 5 at most — reduce fan-in, prune weights, use smaller populations or fewer bits per weight"
    )


def test_one_neuron_that_fits_no_core_is_explained() -> None:
    words = np.ones(60)
    words[7] = 12.0
    with pytest.raises(LimitError) as caught:
        partition_by_traffic(
            rings(), ("a", "b"), {"words": {"a": words, "b": 1.0}}, {"words": 10.0},
            n_cores=50, substrate="x"
        )  # fmt: skip
    assert str(caught.value) == (
        "x: neuron 7 of population 'a' needs more words than a core has; found 12, expected 10 at most"
        " — reduce its fan-in, prune weights, or split the population's inputs"
    )
    with pytest.raises(
        LimitError, match=r"neuron \d+ of population '.' needs more axons than a core has; found 9"
    ):
        partition_by_traffic(
            rings(), ("a", "b"), ONE, {"neurons": 20.0, "axons": 8.0}, n_cores=500,
            substrate="x", exact=lambda core: {"axons": 9.0}
        )  # fmt: skip


def test_missing_amounts_are_explained() -> None:
    with pytest.raises(
        SubstrateError, match=r"x: needs\['words'\]: amounts are missing; found \['b'\]"
    ):
        partition_by_traffic(
            rings(), ("a", "b"), {"words": {"a": 1.0}}, {"words": 10.0}, n_cores=5, substrate="x"
        )  # fmt: skip


def test_inputs_outside_the_chip_pull_their_targets_together() -> None:
    """Two inputs, each to every second neuron: the cores follow them."""
    even = (np.arange(20) % 2 == 0).astype(float)
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 2), "a": Population(LIF, 20)},
        projections={"in->a": Projection("in", "a", Dense(np.stack([even, 1 - even], axis=1)))},
    )
    found = partition_by_traffic(
        network, ("a",), {"neurons": {"a": 1.0}}, {"neurons": 10.0}, n_cores=2, substrate="x"
    )
    core = found.core_of["a"]
    assert len(set(core[::2])) == len(set(core[1::2])) == 1
