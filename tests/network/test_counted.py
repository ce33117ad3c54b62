from __future__ import annotations

import numpy as np
import pytest

from spikewright.network import (
    IF,
    LI,
    LIF,
    MODELS,
    AvgPool,
    Compose,
    Conv,
    Dense,
    Input,
    NeuronModel,
    PoissonSource,
    Projection,
    Relay,
    Sparse,
    ThresholdUnit,
    Topology,
    counted,
)

DRAW = np.random.default_rng(0)
HOLED = np.where(DRAW.random((3, 2, 3, 3)) < 0.4, 0.0, 1.5)
TWICE = Sparse.from_edges([0, 0, 1, 1, 2], [1, 1, 0, 3, 3], [1.0, -1.0, 2.0, 0.0, 3.0], n_pre=4, n_post=5)  # fmt: skip


@pytest.mark.parametrize(
    ("topology", "pre"),
    [
        (Dense(np.where(DRAW.random((4, 6)) < 0.5, 0.0, 1.0)), (6,)),
        (Conv(HOLED, (2, 1), 1), (2, 5, 4)),
        (TWICE, (4,)),
    ],
    ids=["dense", "conv", "sparse"],
)
def test_counts_are_those_of_the_matrix(topology: Topology, pre: tuple[int, ...]) -> None:
    matrix = topology.synapses(pre).matrix()
    np.testing.assert_array_equal(counted.fan_out(topology, pre), np.count_nonzero(matrix, axis=0))


def test_a_list_of_synapses_is_the_matrix_it_stands_for() -> None:
    assert counted.weights(TWICE, (4,)) == (20, 2)
    assert counted.places(TWICE, (4,)) == 20


def test_a_convolution_has_its_kernel_and_uses_it_without_padding() -> None:
    conv = Conv(HOLED, 1, 1)
    assert counted.weights(conv, (2, 4, 4)) == (HOLED.size, np.count_nonzero(HOLED))
    # 16 sites of 9 taps, less 3 taps at each of 4 * 4 border sites, of which corners lose one twice
    assert counted.places(conv, (2, 4, 4)) == 3 * 2 * (16 * 9 - 4 * 4 * 3 + 4)


def test_a_bias_per_channel_is_stored_once() -> None:
    conv = Conv(np.ones((3, 2, 1, 1)))
    bias = np.broadcast_to(np.arange(3.0)[:, None, None], (3, 4, 4)).copy()
    stored = counted.stored_bias(Projection("a", "b", conv, bias=bias))
    assert stored.tolist() == [0, 1, 2]
    bias[1, 2, 3] = 7.0
    assert counted.stored_bias(Projection("a", "b", conv, bias=bias)).shape == (3, 4, 4)
    pooled = Compose((conv, AvgPool(2)))
    even = np.ones((3, 2, 2))
    assert counted.stored_bias(Projection("a", "b", pooled, bias=even)).shape == (3, 2, 2)
    assert counted.stored_bias(Projection("a", "b", conv)) is None


def test_what_an_activation_is() -> None:
    relu = NeuronModel(
        name="ReLU", state={}, params={}, inputs={"x": "1"}, output="maximum(x, 0)", source="test"
    )
    assert [m.name for m in (IF, LIF, ThresholdUnit, PoissonSource, relu, Input, Relay, LI)
            if counted.is_activation(m)] == ["IF", "LIF", "ThresholdUnit", "PoissonSource", "ReLU"]  # fmt: skip


def test_membranes() -> None:
    assert {n: counted.membrane(MODELS[n]) for n in ("LIF", "LI", "HodgkinHuxley", "Input")} == {
        "LIF": "v", "LI": "v", "HodgkinHuxley": "v", "Input": None,
    }  # fmt: skip
