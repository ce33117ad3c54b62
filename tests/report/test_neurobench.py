"""NeuroBench's metrics from recordings; equality with the harness is tested in tests/golden and tests/train."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import Record, Recording, run
from spikewright.errors import EngineError
from spikewright.network import (
    IF,
    AvgPool,
    Compose,
    Conv,
    Dense,
    Input,
    Network,
    Population,
    Projection,
)
from spikewright.report import neurobench


def small(weight: np.ndarray) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, weight.shape[1]), "out": Population(IF, len(weight))},
        projections={"w": Projection("in", "out", Dense(weight))},
    )


def ran(network: Network, x: np.ndarray) -> Recording:
    return run(network, {"in": x}, engine="reference", record=neurobench.membranes(network))


def test_worked_example() -> None:
    weight = np.array([[1.3, 0, -3.2], [0, 1.2, -5.1], [-1.1, 2.7, 0]])
    found = neurobench.measure(ran(small(weight), np.array([[[0, 1.3, -1]]]))).synaptic_operations
    assert (found.accumulates, found.multiplies, found.dense) == (0, 4, 9)
    found = neurobench.measure(ran(small(weight), np.array([[[0, 1, -1]]]))).synaptic_operations
    assert (found.accumulates, found.multiplies, found.dense) == (4, 0, 9)


def test_batches_are_joined_as_one_run_is_cut() -> None:
    network = small(np.random.default_rng(0).normal(size=(4, 6)))
    x = np.where(np.random.default_rng(1).random((9, 7, 6)) < 0.4, 1.0, 0.0)
    x[3, 4, 0] = 0.5
    whole = neurobench.measure(ran(network, x), batch=3)
    parts = neurobench.measure([ran(network, x[:, low : low + 3]) for low in (0, 3, 6)])
    assert whole == parts
    alone = neurobench.measure(ran(network, x), batch=1)
    assert 0 < alone.synaptic_operations.multiplies < whole.synaptic_operations.multiplies
    assert alone.synaptic_operations.effective == whole.synaptic_operations.effective


def test_behind_a_pool_nothing_is_a_spike() -> None:
    maps = Compose((AvgPool(2), Conv(np.ones((1, 1, 1, 1)))))
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, (1, 4, 4)), "out": Population(IF, (1, 2, 2))},
        projections={"w": Projection("in", "out", maps)},
    )
    x = np.zeros((1, 1, 1, 4, 4))
    x[..., 0, :2] = 1.0
    found = neurobench.measure(ran(network, x))
    assert found.synaptic_operations.multiplies == 1
    assert found.synaptic_operations.dense == 4
    x[..., :2, :2] = 1.0  # the mean of four ones is one again
    assert neurobench.measure(ran(network, x)).synaptic_operations.accumulates == 1


def test_membranes_that_stay_are_no_updates() -> None:
    network = small(np.array([[0.5], [0.0]]))
    found = neurobench.measure(ran(network, np.ones((6, 1, 1))))
    # all in the first step, then only the neuron that gets input
    assert found.membrane_updates == 2 + 5
    assert found.activation_sparsity_by_layer == {"out": 1 - 2 / 12}


def test_what_was_not_recorded_is_left_out_or_refused() -> None:
    network = small(np.ones((2, 3)))
    x = np.ones((4, 2, 3))
    found = neurobench.measure(run(network, {"in": x}, engine="reference"))
    assert found.membrane_updates is None
    assert found.classification_accuracy is None
    assert not {"MembraneUpdates", "ClassificationAccuracy"} & set(found.as_dict())
    partly = run(network, {"in": x}, engine="reference", record={"out": Record("v", neurons=[0])})
    with pytest.raises(
        EngineError, match="only some neurons or steps were kept — run with record=mem"
    ):
        neurobench.measure(partly)
    with pytest.raises(EngineError, match="neurobench: needs at least one recording"):
        neurobench.measure([])
    with pytest.raises(EngineError, match="accuracy: one prediction per label"):
        neurobench.measure(run(network, {"in": x}, engine="reference"), predicted=[0, 1])


def test_ties_go_to_the_lowest_index() -> None:
    recording = ran(small(np.array([[0.6], [1.1], [1.1]])), np.ones((4, 2, 1)))
    assert recording.count("out")[0].tolist() == [2, 4, 4]
    assert neurobench.choose_max_count(recording).tolist() == [1, 1]


def test_regression_metrics_need_pairs() -> None:
    y = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert neurobench.mse(y + 1, y) == 1.0
    assert neurobench.r2(y, y) == 1.0
    with pytest.raises(
        EngineError, match=r"MSE: one prediction per target; found \(1, 2\), expected \(2, 2\)"
    ):
        neurobench.mse(y[:1], y)
    with pytest.raises(EngineError, match=r"R2: needs two outputs; found \(2, 1\)"):
        neurobench.r2(y[:, :1], y[:, :1])
