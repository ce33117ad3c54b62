"""Where a value that is not finite began: named by population, step, sample and neuron, or by what else it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor

from spikewright.errors import TrainError
from spikewright.network import LI, LIF, Network, chain, dense, neurons, source
from spikewright.train import (
    SGD,
    CountCrossEntropy,
    Loss,
    MembraneMeanCrossEntropy,
    Regularizer,
    Run,
    Truncated,
    fit,
)

STEPS = 100
LABELS = np.arange(12) % 2


def net(*hidden: Any) -> Network:
    parts: list[Any] = []
    for model in hidden:
        parts += [dense(4, gain=2.0), neurons(model, tau_m=10e-3)]
    return chain(source(3), *parts, dense(2, gain=2.0), neurons(LI), dt=1e-3, seed=1)


def data(step: int | None = None, sample: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return noise; at one step of one sample it is close to the largest number of float32."""
    x = np.random.default_rng(1).random((STEPS, 12, 3)).astype(np.float32)
    if step is not None:
        x[step, sample] = 3e38
    return x, LABELS


class Root(Loss):
    """A loss that is finite with a gradient that is not: the root of 0."""

    def logits(self, run: Run) -> Tensor:
        return run.output.sum(0)

    def __call__(self, run: Run, labels: Tensor) -> Tensor:
        return (run.output * 0.0).sum().sqrt()


class NoNumber(Regularizer):
    """A term that is not a number."""

    def __call__(self, run: Run) -> Tensor:
        return run.output.new_tensor(float("nan"))


def train(network: Network, given: Any, **changes: Any) -> None:
    settings: dict[str, Any] = dict(loss=MembraneMeanCrossEntropy(), batch=12, progress=False)
    fit(network, (given, None), **(settings | changes))


@pytest.mark.parametrize("step", [0, 5, 64, 97])
@pytest.mark.parametrize("gradient", [None, Truncated(10)])
def test_first_step_and_population(step: int, gradient: Any) -> None:
    """The values of one sample leave the range of numbers in the first population that has states."""
    changes = {} if gradient is None else {"gradient": gradient}
    with pytest.raises(TrainError) as found:
        train(net(LI), data(step), **changes)
    message = str(found.value)
    assert f"epoch 1, batch 1: population 'hidden1', step {step}: v is not finite" in message
    assert "for sample 7" in message
    assert "lower the learning rate" in message


def test_population_in_which_it_began() -> None:
    """What spikes stays finite, however large its input; the next population's values do not."""
    weights = {"hidden1->output": np.full((2, 4), 3e38)}
    network = net(LIF).with_weights(weights)
    with pytest.raises(
        TrainError, match=r"population 'output', step \d+: v is not finite; the loss is nan"
    ):
        train(network, data(3))


def test_weights() -> None:
    with pytest.raises(TrainError) as found:
        train(net(LIF), data(), optimizer=SGD(lr=3e38), epochs=3)
    assert str(found.value).startswith("epoch 2, batch 1: ")
    assert "are not finite; the loss is nan; found " in str(found.value)


def test_gradient() -> None:
    with pytest.raises(TrainError) as found:
        train(net(LIF), data(), loss=Root())
    assert (
        f"population 'output', step {STEPS - 1}: the gradient of what it sends is not finite; "
        in str(found.value)
    )


def test_term_of_the_loss() -> None:
    with pytest.raises(TrainError) as found:
        train(net(LIF), data(), regularizers=(NoNumber(),))
    assert (
        "epoch 1, batch 1: NoNumber: is not finite, though everything in the run is; the loss is nan"
        in str(found.value)
    )


def test_sample_has_its_number_in_the_data() -> None:
    """Whatever batch and place it comes in."""
    with pytest.raises(TrainError, match="for sample 7 "):
        train(net(LI), data(5), batch=4)


def test_loss_of_counts_stays_finite() -> None:
    """Membranes that leave the range of numbers fire and are reset: nothing is wrong with spikes."""
    network = chain(source(3), dense(2, gain=2.0), neurons(LIF), dt=1e-3, seed=1)
    train(network, data(5), loss=CountCrossEntropy(), epochs=1)
