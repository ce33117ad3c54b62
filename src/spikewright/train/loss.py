"""Losses and regularizers as values: functions of a run and the labels, and how each decides.

A loss scores the network's one output population of N classes. `logits(run)` are B N numbers whose largest is the
decision, except that spike counts break ties as `events.argmax_count` does (first spike, then index), so that
the same decision can be read from any engine's Recording.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spikewright.errors import TrainError, explain
from spikewright.events.decode import argmax_count
from spikewright.network.graph import Network
from spikewright.train.run import Run


class Loss(ABC):
    """What training makes small. Abstract; the values below are final."""

    @abstractmethod
    def logits(self, run: Run) -> Tensor:
        """Return B N scores."""

    def record(self, network: Network) -> Mapping[str, tuple[str, ...]]:
        """Return the variables that a run must record for this loss."""
        return {}

    def __call__(self, run: Run, labels: Tensor) -> Tensor:
        """Return the mean loss of a batch."""
        return functional.cross_entropy(self.logits(run), labels)

    def decide(self, run: Run) -> NDArray[np.int64]:
        """Return the class of every sample."""
        return self.logits(run).detach().argmax(1).cpu().numpy()

    def check(self, network: Network, n_classes: int) -> None:
        """Raise TrainError where the network has not one output neuron per class."""
        if len(network.outputs) != 1:
            raise TrainError(
                explain(
                    f"{type(self).__name__}",
                    "needs one output population",
                    found=", ".join(network.outputs),
                    cure="name it with network.replacing(outputs=(name,))",
                )
            )
        n = network.populations[network.outputs[0]].n
        if n != n_classes:
            raise TrainError(
                explain(
                    f"output {network.outputs[0]!r}",
                    "has not one neuron per class",
                    found=f"{n} neurons",
                    expected=f"{n_classes} classes",
                    cure="change the size of the last population",
                )
            )


@dataclass(frozen=True)
class CountCrossEntropy(Loss):
    """Cross entropy of spike counts times `gain`.

    Parameters
    ----------
    gain : of one spike, in logits
    smoothing : label smoothing, 0 to 1
    """

    gain: float = 1.0
    smoothing: float = 0.0

    def logits(self, run: Run) -> Tensor:
        return run.output.flatten(2).sum(0) * self.gain

    def __call__(self, run: Run, labels: Tensor) -> Tensor:
        return functional.cross_entropy(self.logits(run), labels, label_smoothing=self.smoothing)

    def decide(self, run: Run) -> NDArray[np.int64]:
        return argmax_count(run.output.detach().flatten(2).cpu().numpy())


@dataclass(frozen=True)
class RateCrossEntropy(Loss):
    """Cross entropy of spikes per step times `gain`: the same for short and long runs."""

    gain: float = 20.0
    smoothing: float = 0.0

    def logits(self, run: Run) -> Tensor:
        return run.output.flatten(2).mean(0) * self.gain

    def __call__(self, run: Run, labels: Tensor) -> Tensor:
        return functional.cross_entropy(self.logits(run), labels, label_smoothing=self.smoothing)

    def decide(self, run: Run) -> NDArray[np.int64]:
        return argmax_count(run.output.detach().flatten(2).cpu().numpy())


@dataclass(frozen=True)
class FirstSpikeCrossEntropy(Loss):
    """Cross entropy of minus the time of the first spike over `tau`; silent neurons spike after the last step.

    The time is the sum over steps of "has not spiked yet", so that a surrogate's gradient reaches it.

    Parameters
    ----------
    tau : steps per logit

    Source
    ------
    Softmax over negative first-spike times: Goeltz et al., "Fast and energy-efficient neuromorphic deep learning with
    first-spike times", Nature Machine Intelligence 3, 2021, eq. 5.
    """

    tau: float = 2.0

    def logits(self, run: Run) -> Tensor:
        silent = torch.cumprod(1.0 - run.output.flatten(2), dim=0)
        return -silent.sum(0) / self.tau

    def decide(self, run: Run) -> NDArray[np.int64]:
        return self.logits(run).detach().argmax(1).cpu().numpy()


@dataclass(frozen=True)
class _Membrane(Loss):
    """What the membrane losses share; abstract in all but name.

    Parameters
    ----------
    gain : logits per unit of the variable
    variable : which one; empty: what is sent by a model without spikes, else the variable that is compared with the
        threshold
    """

    gain: float = 1.0
    variable: str = ""

    def _variable(self, network: Network) -> str:
        model = network.populations[network.outputs[0]].model
        name = self.variable or (model.thresholded or "" if model.is_spiking else "output")
        if not name:
            raise TrainError(
                explain(
                    type(self).__name__,
                    f"{model.name} compares no variable with its threshold",
                    cure=f"say variable=, one of {', '.join(model.state)}",
                )
            )
        return name

    def record(self, network: Network) -> Mapping[str, tuple[str, ...]]:
        return {network.outputs[0]: (self._variable(network),)}

    def _trace(self, run: Run) -> Tensor:
        (trace,) = run.traces[run.outputs[0]].values()
        return trace.flatten(2)

    @abstractmethod
    def logits(self, run: Run) -> Tensor:
        """Return B N scores."""


@dataclass(frozen=True)
class MembraneMaxCrossEntropy(_Membrane):
    """Cross entropy of the largest value that each output's membrane reached.

    Source
    ------
    Cramer, Stradmann, Schemmel, Zenke, "The Heidelberg spiking data sets", IEEE TNNLS 33, 2022, section III-D.
    """

    def logits(self, run: Run) -> Tensor:
        return self._trace(run).amax(0) * self.gain


@dataclass(frozen=True)
class MembraneMeanCrossEntropy(_Membrane):
    """Cross entropy of the mean of each output's membrane over time."""

    def logits(self, run: Run) -> Tensor:
        return self._trace(run).mean(0) * self.gain


class Regularizer(ABC):
    """A term that is added to the loss. Abstract."""

    @abstractmethod
    def __call__(self, run: Run) -> Tensor:
        """Return the term for a batch."""

    def check(self, network: Network) -> None:  # noqa: B027 -- most terms fit every network
        """Raise TrainError where the term does not fit the network; called before the first step."""


@dataclass(frozen=True)
class RateBand(Regularizer):
    """Keep the mean spikes per step of every neuron between `low` and `high`; squared distance outside, averaged.

    Parameters
    ----------
    low, high : spikes per step and neuron, averaged over time and batch
    weight : of the term
    populations : which; empty: all that spike and are not outputs or inputs
    """

    low: float = 0.01
    high: float = 0.2
    weight: float = 1.0
    populations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise TrainError(
                explain(
                    "RateBand",
                    "not a band",
                    found=(self.low, self.high),
                    expected="0 <= low <= high",
                )
            )

    def __call__(self, run: Run) -> Tensor:
        names = self.populations or tuple(run.hidden)
        total = run.output.new_zeros(())
        for name in names:
            if name not in run.sent:
                raise TrainError(explain("RateBand", f"no population {name!r}"))
            rate = run.sent[name].mean((0, 1))
            below = torch.clamp(self.low - rate, min=0.0)
            above = torch.clamp(rate - self.high, min=0.0)
            total = total + (below**2 + above**2).mean()
        return total * self.weight


LOSSES: dict[str, Any] = {
    c.__name__: c
    for c in (
        CountCrossEntropy,
        RateCrossEntropy,
        FirstSpikeCrossEntropy,
        MembraneMaxCrossEntropy,
        MembraneMeanCrossEntropy,
    )
}
