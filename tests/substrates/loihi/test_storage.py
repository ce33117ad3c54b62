"""What the synaptic memory leaves of weights, in the network's own unit: the same that `compile` stores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import SubstrateError
from spikewright.network import (
    LIF,
    AdEx,
    AvgPool,
    Compose,
    Conv,
    CubaLIF,
    Dense,
    Flatten,
    Input,
    Network,
    OneToOne,
    Population,
    Projection,
    Sparse,
    SumPool,
    Topology,
)
from spikewright.rng import stream
from spikewright.substrates.loihi.model import Arithmetic
from spikewright.substrates.loihi.storage import StoreWeights
from spikewright.substrates.loihi.substrate import Loihi


def draw(*shape: int) -> np.ndarray:
    return stream(5, "test_storage").normal(0.02, 0.2, shape)


def net(
    topology: Topology, pre: Any = 12, post: Any = 9, model: Any = LIF, **params: Any
) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, pre), "a": Population(model, post, params)},
        projections={"w": Projection("in", "a", topology)},
    )


def stored_in_volts(network: Network, chip: Loihi) -> np.ndarray:
    """Return what `compile` stores for every synapse, in volts."""
    compiled = chip.compile(network)
    p = compiled.network.projections["w"]
    weight = p.topology.synapses(network.populations["in"].shape).matrix() * 2.0**p.exponent
    if chip.arithmetic is Arithmetic.CHIP:
        weight = weight / 64
    return weight / compiled.facts["scale"]["a"]


@pytest.mark.parametrize("arithmetic", list(Arithmetic), ids=lambda a: a.value)
@pytest.mark.parametrize("bits", [8, 4, 3, 2, 1])
def test_the_pass_gives_what_compile_stores(bits: int, arithmetic: Arithmetic) -> None:
    network = net(Dense(draw(9, 12)), tau_m=10e-3)
    chip = Loihi(weight_bits=bits, arithmetic=arithmetic)
    (store,) = chip.passes
    made, _ = store(network, 0)
    weight = made.projections["w"].topology.weight
    keep = np.exp(-1e-3 / 10e-3)
    np.testing.assert_allclose(weight * keep, stored_in_volts(network, chip), rtol=1e-12)
    assert len(np.unique(np.round(weight, 9))) <= 2**bits - 1


def test_levels_are_those_of_the_memory() -> None:
    # the largest weight becomes 254, of which 3 bits with sign keep 192: steps of 64/254 of the largest
    weight = np.array([[1.0, 0.5, 0.3, 0.12, -0.14, -1.0]])
    made, changes = StoreWeights(3)(net(Dense(weight), pre=6, post=1), 0)
    step = 64 / 254
    expected = np.array([[3, 2, 1, 0, -1, -3]]) * step
    np.testing.assert_allclose(made.projections["w"].topology.weight, expected, rtol=1e-12)
    assert str(changes[0]).startswith("quantize: w: weights stored with 3 bits (0.2")


@pytest.mark.parametrize(
    ("topology", "pre", "post"),
    [
        (Dense(draw(9, 12)), 12, 9),
        (Sparse.from_matrix(draw(9, 12) * (draw(9, 12) > 0)), 12, 9),
        (OneToOne(0.8 + draw(12)), 12, 12),
        (OneToOne(np.asarray(0.7)), 12, 12),
        (Conv(draw(3, 2, 3, 3)), (2, 5, 5), (3, 3, 3)),
        (Compose((SumPool(2), Flatten(), Dense(draw(9, 8)))), (2, 4, 4), 9),
        (Compose((AvgPool(2), Flatten(), Dense(draw(9, 8)))), (2, 4, 4), 9),
    ],
    ids=["dense", "sparse", "one_to_one", "scalar", "conv", "sum pooled", "pooled"],
)
@pytest.mark.parametrize("model", [LIF, CubaLIF])
def test_the_structure_stays_and_a_second_time_changes_nothing(
    topology: Topology, pre: Any, post: Any, model: Any
) -> None:
    network = net(topology, pre, post, model)
    made, changes = StoreWeights(4)(network, 0)
    new = made.projections["w"].topology
    assert type(new) is type(topology)
    assert new.weight is not None
    assert new.weight.shape == topology.weight.shape
    assert 0 < changes[0].size < 0.3
    # half a step of 32/254 of the largest, or what is cut off above 224/254 of it
    largest = np.abs(topology.weight).max()
    assert np.abs(new.weight - topology.weight).max() <= 30.5 / 254 * largest
    # what the chip computes with the stored weights is what it computes with the weights themselves
    before = run(Loihi(weight_bits=4).compile(network).network, {"in": spikes(pre)})
    exact = Loihi(weight_bits=8).compile(made).network
    again = run(exact, {"in": spikes(pre)})
    assert before.sent["a"].sum() > 20
    assert np.mean(before.dense("a") != again.dense("a")) < 0.02


def spikes(pre: Any) -> np.ndarray:
    shape = (pre,) if isinstance(pre, int) else pre
    return (stream(5, "test_storage/spikes").random((60, 2, *shape)) < 0.4).astype(float)


def test_a_shared_weight_to_different_neurons_is_the_mean() -> None:
    tau = np.linspace(2e-3, 30e-3, 27).reshape(3, 3, 3)
    network = net(Conv(draw(3, 2, 3, 3)), (2, 5, 5), (3, 3, 3), tau_m=tau)
    made, _ = StoreWeights(8)(network, 0)
    old = network.projections["w"].topology.weight
    np.testing.assert_allclose(made.projections["w"].topology.weight, old, atol=0.01)


def test_what_the_chip_cannot_be_is_refused_before_training() -> None:
    with pytest.raises(SubstrateError, match=r"loihi: population 'a' \(AdEx\)"):
        StoreWeights()(net(Dense(draw(9, 12)), model=AdEx), 0)
