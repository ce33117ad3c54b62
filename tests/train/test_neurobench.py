"""The adapter in the real NeuroBench harness: its numbers are those of the native metrics on an engine's recording."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.engines import run
from spikewright.errors import MissingExtra, TrainError
from spikewright.network import (
    IF,
    LI,
    LIF,
    AvgPool,
    Compose,
    Conv,
    CubaLIF,
    Dense,
    Flatten,
    Input,
    Network,
    NeuronModel,
    OneToOne,
    PoissonDrive,
    Population,
    Projection,
    Propagation,
    Reset,
    Sparse,
)
from spikewright.report import neurobench
from spikewright.train import ArraySamples, CountCrossEntropy, Kernels, Module
from spikewright.train.neurobench import loader, to_neurobench

pytest.importorskip("neurobench.benchmarks", reason="`make test` installs the harness")
pytestmark = pytest.mark.peer

ms = 1e-3
RELU = NeuronModel(
    name="ReLU", state={}, params={}, inputs={"x": "1"}, output="maximum(x, 0)", source="test"
)


def draw(*shape: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, scale, shape)


def dense_net(propagation: Propagation = Propagation.NEXT_STEP) -> Network:
    """Recurrent, with a delay, a refractory period, a bias, zeros, and a delay per weight."""
    pruned = draw(8, 12, scale=0.8)
    pruned[np.abs(pruned) < 0.4] = 0.0
    late = np.where(draw(3, 8, seed=4) > 0, 2 * ms, 1 * ms)
    return Network(
        dt=1 * ms,
        propagation=propagation,
        populations={
            "in": Population(Input, 12),
            "hid": Population(LIF, 8, {"tau_m": np.linspace(5, 20, 8) * ms, "t_ref": 2 * ms}),
            "out": Population(CubaLIF, 3, {"tau_m": 5 * ms}),
        },
        projections={
            "in->hid": Projection("in", "hid", Dense(pruned), bias=draw(8, scale=0.05, seed=1)),
            "hid->hid": Projection("hid", "hid", Dense(draw(8, 8, scale=0.3, seed=2)), delay=1 * ms),
            "hid->out": Projection("hid", "out", Dense(draw(3, 8, scale=1.5, seed=3)), delay=late),
        },
    )  # fmt: skip


def image_net() -> Network:
    """Convolution with a bias per channel, pooling before a second one, a list of synapses, a scale, a readout."""
    subtract = IF.resetting(Reset.SUBTRACT)
    edges = Sparse.from_edges([0, 0, 3, 7], [1, 1, 2, 0], [0.5, -0.5, 1.0, 2.0], n_pre=12, n_post=4)
    return Network(
        dt=1 * ms,
        propagation=Propagation.SAME_STEP,
        populations={
            "in": Population(Input, (2, 8, 8)),
            "a": Population(subtract, (4, 8, 8)),
            "b": Population(RELU, (3, 2, 2)),
            "c": Population(subtract, 4),
            "d": Population(LI, 4),
        },
        projections={
            "in->a": Projection(
                "in", "a", Conv(draw(4, 2, 3, 3, scale=0.4), 1, 1),
                bias=np.broadcast_to(draw(4, 1, 1, scale=0.1, seed=5), (4, 8, 8)),
            ),
            "a->b": Projection("a", "b", Compose((AvgPool(2), Conv(draw(3, 4, 2, 2, seed=6), 2, 0, 1, 1)))),
            "b->c": Projection("b", "c", Compose((Flatten(), edges))),
            "c->d": Projection("c", "d", OneToOne(np.array([1.0, 0.0, 2.0, 3.0]))),
        },
    )  # fmt: skip


def harness(model: Any, data: Any) -> dict[str, Any]:
    """Run NeuroBench's own benchmark."""
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
    from neurobench.metrics.workload import (
        ActivationSparsity,
        ActivationSparsityByLayer,
        ClassificationAccuracy,
        MembraneUpdates,
        SynapticOperations,
    )
    from neurobench.processors.postprocessors import ChooseMaxCount

    static = [ParameterCount, Footprint, ConnectionSparsity]
    workload = [
        ClassificationAccuracy, ActivationSparsity, ActivationSparsityByLayer, SynapticOperations, MembraneUpdates,
    ]  # fmt: skip
    return Benchmark(model, data, [], [ChooseMaxCount()], [static, workload]).run(quiet=True)


def assert_same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def native(network: Network, x: np.ndarray, labels: np.ndarray, batch: int) -> dict[str, Any]:
    recording = run(network, {"in": x}, engine="reference", record=neurobench.membranes(network))
    return neurobench.measure(
        recording,
        batch=batch,
        predicted=neurobench.choose_max_count(recording),
        labels=labels,
        bytes_per_number=8,
    ).as_dict()


@pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
def test_the_harness_counts_what_we_count(propagation: Propagation) -> None:
    network = dense_net(propagation)
    x = (np.random.default_rng(1).random((15, 8, 12)) < 0.3).astype(float)
    x[:, 5] *= 0.5  # analog values: the second batch of 4 multiplies
    labels = np.arange(8) % 3
    theirs = harness(
        to_neurobench(network, dtype=torch.float64), loader(ArraySamples(x, labels), batch=4)
    )
    ours = native(network, x, labels, 4)
    assert_same(theirs, ours)
    assert ours["SynapticOperations"]["Effective_MACs"] > 0
    assert 0 < ours["ActivationSparsityByLayer"]["out"] < 1
    assert ours["MembraneUpdates"] < 15 * 11  # some membranes are held


def test_images_pooling_and_lists_of_synapses() -> None:
    network = image_net()
    x = (np.random.default_rng(2).random((6, 5, 2, 8, 8)) < 0.4).astype(float)
    labels = np.arange(5) % 4
    theirs = harness(
        to_neurobench(network, dtype=torch.float64), loader(ArraySamples(x, labels), batch=2)
    )
    ours = native(network, x, labels, 2)
    assert_same(theirs, ours)
    assert ours["ParameterCount"] == 72 + 4 + 48 + 48 + 4
    assert ours["SynapticOperations"]["Effective_MACs"] > 0  # behind the pool
    assert set(ours["ActivationSparsityByLayer"]) == {"a", "b", "c"}


def test_the_adapter_does_what_the_engine_does() -> None:
    network = dense_net()
    x = (np.random.default_rng(3).random((30, 4, 12)) < 0.3).astype(float)
    model = to_neurobench(network, dtype=torch.float64)
    wanted = run(network, {"in": x}, engine="reference").dense("out").swapaxes(0, 1)
    for _ in range(2):  # nothing is left of the first call
        found = model(torch.tensor(x.swapaxes(0, 1)))
        np.testing.assert_array_equal(found.numpy(), wanted)


def test_a_trained_module_in_the_harness() -> None:
    x = (np.random.default_rng(4).random((10, 16, 12)) < 0.3).astype(float)
    labels = np.arange(16) % 3
    module = Module(dense_net(), kernels=Kernels.AUTOGRAD)
    before = module(torch.tensor(x)).sum(0)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        CountCrossEntropy()(module.run(torch.tensor(x)), torch.tensor(labels)).backward()
        optimizer.step()
    count = module(torch.tensor(x)).sum(0).detach()
    assert not torch.equal(count, before)  # the harness is to see the trained weights
    theirs = harness(to_neurobench(module), loader(ArraySamples(x, labels), batch=16))
    assert theirs["ClassificationAccuracy"] == np.mean(count.argmax(1).numpy() == labels)
    assert theirs["ParameterCount"] == 12 * 8 + 8 + 64 + 24
    fired = theirs["ActivationSparsityByLayer"]["out"]
    assert fired == pytest.approx(1 - float(count.sum()) / (10 * 16 * 3), rel=1e-12)


def test_regression_metrics() -> None:
    from neurobench.metrics.workload import MSE, R2, SMAPE

    p, y = draw(20, 2), draw(20, 2, seed=1)
    pair = (torch.tensor(p), (None, torch.tensor(y)))
    assert neurobench.mse(p, y) == pytest.approx(MSE()(None, *pair), rel=1e-12)
    assert neurobench.smape(p, y) == pytest.approx(SMAPE()(None, *pair), rel=1e-12)
    assert neurobench.r2(p, y) == pytest.approx(R2()(None, *pair), rel=1e-12)
    p[0] = y[0] = 0.0
    pair = (torch.tensor(p), (None, torch.tensor(y)))
    assert neurobench.smape(p, y) == SMAPE()(None, *pair) == 200.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"outputs": ("hid", "out")}, "needs one output population; found hid, out — name it with"),
        ({"drives": {"noise": PoissonDrive("hid", 10.0, 1.0)}}, "neither rules nor drives"),
    ],
)
def test_networks_that_the_harness_cannot_drive(change: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainError, match=said):
        to_neurobench(dense_net().replacing(**change))


def test_lopsided_padding_and_wrong_inputs() -> None:
    conv = Conv(np.ones((1, 1, 2, 2)), 2, ((0, 1), (0, 1)))
    network = Network(
        dt=1 * ms,
        populations={"in": Population(Input, (1, 5, 5)), "out": Population(IF, (1, 3, 3))},
        projections={"w": Projection("in", "out", conv)},
    )
    with pytest.raises(TrainError, match=r"projections\['w'\]: a convolution padded more on one"):
        to_neurobench(network)
    with pytest.raises(TrainError, match=r"wrong shape; found \(4, 3, 11\), expected \(B, T, 12\)"):
        to_neurobench(dense_net())(torch.zeros(4, 3, 11))


def test_without_the_harness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neurobench.models", None)
    with pytest.raises(
        MissingExtra, match=r"needs neurobench.* — pip install 'spikewright\[neurobench\]'"
    ):
        to_neurobench(dense_net())
