from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spikewright.engines import Recording, run
from spikewright.errors import EngineError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection, Relay
from spikewright.report import metrics


def through(weight: np.ndarray, x: np.ndarray) -> Recording:
    """Run inputs `T B N` through one dense projection."""
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, x.shape[2]), "out": Population(Relay, len(weight))},
        projections={"w": Projection("in", "out", Dense(weight))},
    )
    return run(net, {"in": x}, engine="reference")


def test_worked_example_of_neurobench() -> None:
    weight = np.array([[1.3, 0, -3.2], [0, 1.2, -5.1], [-1.1, 2.7, 0]])
    found = metrics.synaptic_operations(through(weight, np.array([[[0, 1.3, -1]]])))
    assert (found.effective, found.dense) == (4, 9)
    assert found.multiplies == 4  # 1.3 is no spike


@pytest.mark.parametrize("case", ["lif_mlp", "lif_mlp_zero_reset", "lif_mlp_analog_input"])
def test_counts_of_the_neurobench_harness(shared: Path, case: str) -> None:
    folder = shared / "vectors" / "neurobench"
    about = json.loads((folder / "index.json").read_text())["cases"][case]
    with np.load(folder / f"{case}.npz") as file:
        stored = dict(file)
    found = [
        metrics.synaptic_operations(
            through(stored[f"{layer}.weight"], stored[f"act:{layer}.in"]), batch=about["batch_size"]
        )
        for layer in ("l0", "l2")
    ]
    wanted = about["metrics"]["SynapticOperations"]
    assert sum(f.accumulates for f in found) == pytest.approx(wanted["Effective_ACs"])
    assert sum(f.multiplies for f in found) == pytest.approx(wanted["Effective_MACs"])
    assert sum(f.dense for f in found) == pytest.approx(wanted["Dense"])


@pytest.mark.parametrize("case", ["lif_mlp", "lif_mlp_zero_reset", "lif_mlp_analog_input"])
def test_connection_sparsity_of_the_harness(shared: Path, case: str) -> None:
    folder = shared / "vectors" / "neurobench"
    about = json.loads((folder / "index.json").read_text())["cases"][case]
    with np.load(folder / f"{case}.npz") as file:
        first, second = file["l0.weight"], file["l2.weight"]
    net = Network(
        dt=1e-3,
        populations={
            "in": Population(Input, first.shape[1]),
            "a": Population(LIF, len(first)),
            "b": Population(LIF, len(second)),
        },
        projections={
            "1": Projection("in", "a", Dense(first)),
            "2": Projection("a", "b", Dense(second)),
        },
    )
    wanted = about["metrics"]["ConnectionSparsity"]
    assert metrics.connection_sparsity(net) == pytest.approx(wanted, abs=5e-5)


def test_activation_sparsity_counts_silent_neuron_steps() -> None:
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 1), "out": Population(LIF, 2)},
        projections={"w": Projection("in", "out", Dense(np.array([[2.0], [0.0]])))},
    )
    recording = run(net, {"in": np.ones((10, 1, 1))}, engine="reference")
    assert metrics.activation_sparsity(recording) == pytest.approx(0.5)
    assert metrics.spikes(recording) == 10
    assert metrics.spikes(recording, inputs=True) == 10


def test_footprint_counts_parameters_and_state() -> None:
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "out": Population(LIF, 2)},
        projections={"w": Projection("in", "out", Dense(np.ones((2, 3))), bias=np.ones(2))},
    )
    shared_params = len(LIF.params)
    assert metrics.footprint(net) == 4 * (6 + 2 + shared_params + 2)


def test_agreement_is_one_for_equal_runs_and_zero_for_silence(toy: Network) -> None:
    x = np.ones((20, 2, 12))
    busy = run(toy, {"input": x}, engine="reference")
    silent = run(toy, {"input": 0 * x}, engine="reference")
    assert metrics.agreement(busy, busy) == 1.0
    assert metrics.agreement(silent, silent) == 1.0
    assert metrics.agreement(silent, busy) == 0.0


def test_agreement_refuses_other_outputs(toy: Network) -> None:
    a = run(toy, {"input": np.ones((2, 1, 12))}, engine="reference")
    b = run(toy, {"input": np.ones((2, 2, 12))}, engine="reference")
    with pytest.raises(EngineError, match="agreement: output 'output' is not the same population"):
        metrics.agreement(a, b)


def test_accuracy_needs_one_prediction_per_label() -> None:
    with pytest.raises(EngineError, match="accuracy: one prediction per label; found"):
        metrics.accuracy([1, 2], [1])
