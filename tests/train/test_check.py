"""What is known to be wrong before the first step is said before the first step, all of it at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from spikewright.data.base import Samples
from spikewright.data.encoding import DeterministicRate
from spikewright.errors import TrainError
from spikewright.network import (
    LIF,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    chain,
    dense,
    neurons,
    source,
)
from spikewright.train import FanInPenalty, Measure, Module, Run, fit


def net(inputs: int = 4, outputs: int = 3) -> Network:
    return chain(source(inputs), dense(outputs, gain=2.0), neurons(LIF), dt=1e-3, seed=1)


def data(**changes: Any) -> tuple[np.ndarray, np.ndarray]:
    labels = np.asarray(changes.get("labels", np.arange(9) % 3))
    return np.ones((5, len(labels), changes.get("inputs", 4)), np.float32), labels


class Silent(Measure):
    """A measure that a test gives a name."""

    unit = ""

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, run: Run) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def _no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a step was run")

    monkeypatch.setattr(Module, "run", run)


@pytest.mark.parametrize(
    ("train", "validation", "changes", "message"),
    [
        (data(), None, {"epochs": 0}, r"fit\(epochs=\): must be at least 1; found 0"),
        (data(), None, {"batch": 0}, r"fit\(batch=\): must be at least 1; found 0"),
        (
            data(labels=[0, 1, 2, 3, 5, 5]), None, {},
            r"data: train: labels: are out of range for output population 'output', which has a neuron "
            r"per class; found 3 \(sample 3\) among 3, expected 0 to 2 — give 'output' 6 neurons, or count",
        ),
        (
            data(), data(labels=[0, 3]), {},
            r"data: validation: labels: are out of range for .*found 3 \(sample 1\) among 1, expected 0 to 2",
        ),
        (
            data(labels=[0, 0, 2, 2]), None, {},
            r"data: train: labels: leave 1 of 3 classes without a sample; found none of class 1, expected "
            r"samples of every class 0 to 2 — check how the data was split, or give 'output' as many",
        ),
        (
            data(inputs=5), None, {},
            r"data: train: does not fit input population 'input'; found samples of shape \(5,\), expected "
            r"shape \(4,\) — inputs are time first",
        ),
        (
            data(), data(inputs=5), {},
            r"data: validation: does not fit input population 'input'; found samples of shape \(5,\)",
        ),
        (
            (data()[0].astype(np.float64) * 1e39, data()[1]), None, {},
            r"data: train: inputs: are too large for float32; found float64 up to 1e\+39, expected at "
            r"most 3.4e\+38 — scale them, or train with dtype=torch.float64",
        ),
        (data(), None, {"measures": (Silent("x"),)}, r"fit\(measures=\): are taken on the validation part"),
        (data(), data(), {"measures": (Silent("x"), Silent("x"))}, "two things are called 'x'"),
        (data(), data(), {"measures": (Silent("loss"),)}, "two things are called 'loss'"),
        (data(), None, {"device": "nowhere"}, r"fit\(device=\): cannot be used here; found nowhere \("),
        (data(), None, {"trainable": ()}, "has nothing to train"),
        (
            (torch.ones(5, 9, 4, device="meta"), data()[1]), None, {},
            r"data: train: inputs: are no array of numbers; found a tensor of torch.float32 on meta .*— give "
            r"arrays, or tensors on the CPU: batches are moved as they are needed",
        ),
        (
            (torch.ones(5, 9, 4, requires_grad=True), data()[1]), None, {},
            r"data: train: inputs: are no array of numbers; found a tensor .*with a gradient",
        ),
        (
            (data()[0], torch.zeros(9, dtype=torch.bfloat16)), None, {},
            r"data: train: labels: are no array of numbers; found a tensor of torch.bfloat16 on cpu",
        ),
        (
            (data()[0], torch.zeros(9)), None, {},
            r"data: train: labels: must be one whole number per sample; found float32 of shape \(9,\)",
        ),
        (
            Samples(np.zeros((6, 4), np.float32), np.arange(6) % 3, DeterministicRate(), 5, 2e-3, "train"),
            None, {},
            r"data: train: is encoded for another dt than the network's; found 0\.002 s, expected 0\.001 s",
        ),
        (
            Samples(np.zeros((6, 2), np.float32), np.arange(6) % 3, DeterministicRate(), 5, 1e-3, "train"),
            None, {},
            r"data: train: does not fit input population 'input'; found samples of shape \(2,\)",
        ),
    ],
)  # fmt: skip
def test_message(train: Any, validation: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainError, match=message):
        fit(net(), (train, validation), **({"progress": False} | changes))


def test_every_problem_is_said() -> None:
    with pytest.raises(TrainError) as found:
        fit(
            net(), (data(inputs=2, labels=[0, 0, 4]), data(inputs=2)), epochs=0,
            measures=(Silent("loss"),), progress=False,
        )  # fmt: skip
    lines = str(found.value).splitlines()
    assert lines[0] == "6 problems"
    for line, start in zip(
        lines[1:],
        (
            "fit(epochs=)", "fit(measures=)", "data: train: does not fit", "data: validation: does not fit",
            "data: train: labels: are out of range", "data: train: labels: leave 2 of 3 classes",
        ),
        strict=True,
    ):  # fmt: skip
        assert start in line


def two(inputs: int, outputs: int) -> Network:
    """Return a network with some input and output populations."""
    sources = {f"in{k}": Population(Input, 4) for k in range(inputs)}
    sinks = {f"out{k}": Population(LIF, 3) for k in range(outputs)}
    projections = {
        f"{a}->{b}": Projection(a, b, Dense(np.ones((3, 4)))) for a in sources for b in sinks
    }
    return Network(dt=1e-3, populations=sources | sinks, projections=projections)


def test_network_that_needs_more_than_one_array() -> None:
    with pytest.raises(
        TrainError,
        match=r"data: train: is for a network with one input population; found in0, in1 — train a `Module`",
    ):
        fit(two(2, 1), (data(), None), progress=False)


def test_network_with_several_outputs() -> None:
    with pytest.raises(TrainError, match="needs one output population; found out0, out1"):
        fit(two(1, 2), (data(), None), progress=False)


def test_term_that_does_not_fit_the_network() -> None:
    with pytest.raises(TrainError, match="FanInPenalty"):
        fit(
            net(), (data(), None), progress=False,
            regularizers=(FanInPenalty(2, populations=("nobody",)),),
        )  # fmt: skip


def test_large_numbers_fit_into_float64() -> None:
    """The check is of the format that the run has; here the first step is reached."""
    with pytest.raises(AssertionError, match="a step was run"):
        fit(
            net(), ((data()[0].astype(np.float64) * 1e39, data()[1]), None), progress=False,
            dtype=torch.float64,
        )  # fmt: skip
