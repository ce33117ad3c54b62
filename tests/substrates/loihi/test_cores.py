from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import (
    LIF,
    Conv,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Sparse,
    Topology,
)
from spikewright.substrates.loihi.cores import (
    axon_words,
    cut,
    cut_by_traffic,
    kernel_is_shared,
    kernel_lists,
)
from spikewright.substrates.loihi.model import LoihiInput, LoihiLIF
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.passes.hypergraph import hypergraph_of, packets


@pytest.mark.parametrize(
    ("n", "bits", "words"),
    [
        (0, 8, 0),
        (1, 8, 1),
        (6, 9, 1),
        (7, 9, 2),
        (64, 8, 9),
        (65, 8, 10),
        (128, 8, 18),
        (64, 24, 25),
    ],
)
def test_axon_words_by_hand(n: int, bits: int, words: int) -> None:
    # n <= 64 synapses: ceil((n bits + 10) / 64) words of 64 bits; larger axons in groups of 64
    assert axon_words(n, bits) == words


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 26))
def test_axon_words_grow_and_hold_their_bits(a: int, b: int, bits: int) -> None:
    few, many = sorted((a, b))
    assert axon_words(few, bits) <= axon_words(many, bits)
    assert axon_words(many, bits) * 64 >= many * bits


def kernel(shape: tuple[int, ...] = (1, 1, 3, 3)) -> Conv:
    return Conv(np.arange(1, 1 + math.prod(shape)).reshape(shape), padding=1)


def test_a_kernel_is_stored_once_for_all_places_that_see_all_of_it() -> None:
    synapses = kernel().synapses((1, 8, 8))
    counts, lists = kernel_lists(synapses, np.arange(64))
    # inside, at 4 sides, at 4 corners: 9, 6 and 4 synapses
    assert sorted(lists) == [4, 4, 4, 4, 6, 6, 6, 6, 9]
    assert np.array_equal(counts, synapses.fan_out)


def test_other_channels_and_other_weights_have_lists_of_their_own() -> None:
    _, lists = kernel_lists(kernel((1, 2, 3, 3)).synapses((2, 8, 8)), np.arange(64))
    assert len(lists) == 18
    _, strided = kernel_lists(
        Conv(np.ones((1, 1, 2, 2), int), stride=2).synapses((1, 8, 8)), np.arange(16)
    )
    # every place sees one of four weights
    assert list(strided) == [1, 1, 1, 1]


def test_lists_are_those_of_the_neurons_on_the_core() -> None:
    first_row = np.where(np.arange(64) < 8, np.arange(64), -1)
    counts, lists = kernel_lists(kernel().synapses((1, 8, 8)), first_row)
    # the first row of neurons: seen by two rows of inputs, each with its two ends
    assert sorted(lists) == [2, 2, 2, 2, 3, 3]
    assert counts.sum() == 2 * (6 * 3 + 2 * 2)


def placed(topology: Topology, shape: tuple[int, ...], **params: Any) -> Network:
    n = topology.out_shape(shape)
    return Network(
        dt=1e-3,
        populations={"in": Population(LoihiInput, shape), "p": Population(LoihiLIF, n, params)},
        projections={"w": Projection("in", "p", topology, port="a")},
    )


def test_convolutions_take_the_words_of_their_lists() -> None:
    network, chip = placed(kernel(), (1, 8, 8)), Loihi().chip
    one = cut(network, ("p",), chip, 8).used[0]
    # 10 bits of an index: lists of 9, 6 and 4 synapses of 18 bits take 3, 2 and 2 words
    assert one["synapse_words"] == 3 + 4 * 2 + 4 * 2
    assert one["input_axons"] == 64
    delays = 1e-3 * np.arange(9).reshape(1, 1, 3, 3)
    late = network.replacing(projections={"w": replace(network.projections["w"], delay=delays)})
    assert not kernel_is_shared(late.projections["w"])
    assert cut(late, ("p",), chip, 8).used[0]["synapse_words"] > 64


def test_a_core_has_16_thresholds() -> None:
    weight = Dense(np.ones((40, 3), int))
    v_th = 64 * (1 + np.arange(40) % 20)
    cores = cut(placed(weight, (3,), v_th=v_th), ("p",), Loihi().chip, 8)
    assert cores.n_cores == 3
    assert cores.binding["p"] == "threshold_configs"
    assert [used["threshold_configs"] for used in cores.used] == [16, 16, 8]
    assert cut(placed(weight, (3,), v_th=64 * 3), ("p",), Loihi().chip, 8).n_cores == 1


def test_a_core_has_16_synapse_formats() -> None:
    def with_exponents(exponents: list[int]) -> Network:
        network = placed(Dense(np.ones((4, 3), int)), (3,))
        w = network.projections["w"]
        made = {f"w{i}": replace(w, exponent=e) for i, e in enumerate(exponents)}
        return replace(network, projections=made)

    same = cut(with_exponents([2] * 20), ("p",), Loihi().chip, 8)
    assert same.used[0]["synapse_formats"] == 1
    with pytest.raises(LimitError, match=r"synapse_formats.*17.*16 at most"):
        cut(with_exponents(list(range(-8, 9))), ("p",), Loihi().chip, 8)


def test_a_cut_by_traffic_keeps_clusters_together() -> None:
    # 4 clusters of 40 neurons, dealt out in turn: in order, each core holds a quarter of each cluster
    n, of = 160, np.arange(160) % 4
    weight = np.where(of[:, None] == of[None, :], 2, 0)
    weight[0, 1] = weight[3, 2] = 2
    network = Network(
        dt=1e-3,
        populations={"p": Population(LoihiLIF, n)},
        projections={"w": Projection("p", "p", Sparse.from_matrix(weight), port="a")},
    )
    chip = Loihi().chip
    small = replace(
        chip,
        limits={**chip.limits, "compartments": replace(chip.limits["compartments"], value=50.0)},
    )
    in_order = cut(network, ("p",), small, 8)
    cores, (change,) = cut_by_traffic(network, ("p",), small, 8, in_order, seed=1)
    assert cores.n_cores == in_order.n_cores == 4
    graph = hypergraph_of(network, ("p",)).graph
    assert packets(graph, in_order.core_of["p"]) > 400
    assert packets(graph, cores.core_of["p"]) == 2
    assert "sends 2 packets" in change.what
    assert sum(used["compartments"] for used in cores.used) == n
    assert max(used["compartments"] for used in cores.used) <= 50
    again, _ = cut_by_traffic(network, ("p",), small, 8, in_order, seed=1)
    assert np.array_equal(again.core_of["p"], cores.core_of["p"])


def test_partition_is_an_option() -> None:
    weight = np.kron(np.eye(2), np.ones((700, 4)))
    order = np.argsort(np.arange(1400) % 2, kind="stable").argsort()
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 8), "out": Population(LIF, 1400)},
        projections={"w": Projection("in", "out", Sparse.from_matrix(weight[order]))},
    )
    one, other = (Loihi(partition=p).compile(network) for p in ("order", "traffic"))
    assert one.placement.n_cores == other.placement.n_cores == 2
    assert any("8 packets" in c.what for c in other.changes)
    x = {"in": np.ones((20, 1, 8), int)}
    assert np.array_equal(run(one.network, x).sent["out"], run(other.network, x).sent["out"])
    with pytest.raises(SubstrateError, match=r"partition.*'order' or 'traffic'"):
        Loihi(partition="best")
