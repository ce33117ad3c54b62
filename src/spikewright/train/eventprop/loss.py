"""Losses of event-based runs, with their derivatives: of first spike times, and of membranes without threshold.

Each scores the one output population of N classes. What it reads is `Reading.FIRST`, the time of the first spike
(infinite where there is none), `GREATEST`, the greatest value of a membrane, or `MEAN`, its mean over the run.
"""

from __future__ import annotations

import enum
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems, TrainError, explain

Reals = NDArray[np.float64]


class Reading(enum.Enum):
    """What a loss reads from the output population."""

    FIRST = "first"
    GREATEST = "greatest"
    MEAN = "mean"


class EventLoss(ABC):
    """What event-based training makes small. Abstract; the values below are final."""

    reading: ClassVar[Reading]
    rouse: float = 0.0

    @abstractmethod
    def __call__(
        self, found: Reals, labels: NDArray[np.int64], until: float
    ) -> tuple[Reals, Reals]:
        """Return the loss of every sample, (B,), and its derivatives with respect to what was read, B N."""

    @abstractmethod
    def decide(self, found: Reals) -> NDArray[np.int64]:
        """Return the class of every sample from what was read, B N; -1 where nothing decides."""

    @property
    def decay(self) -> float:
        """1/s, of the weight exp(-decay t) that the mean is taken with."""
        return 0.0


@dataclass(frozen=True)
class TimeCrossEntropy(EventLoss):
    """Cross entropy of minus the first spike times over `tau`, and a price of late answers.

        -log softmax(-t / tau)[label] + price (exp(t[label] / tau_late) - 1)

    A silent neuron counts as one that spikes at the end of the run. Its time has no derivative. Where the label's
    neuron is silent, `rouse` times what its membrane lacks at its greatest, as a part of the threshold, is added; its
    derivatives are exact too.

    Parameters
    ----------
    tau : s
    price, tau_late : weight and time constant, s, of the second term
    rouse : 0 or more; not for outputs with recurrence, refractory periods, or delays of each synapse

    Source
    ------
    Goeltz et al., "Fast and energy-efficient neuromorphic deep learning with first-spike times", Nature Machine
    Intelligence 3, 2021, eq. 5; Wunderlich and Pehle, Scientific Reports 11, 12829, 2021.
    """

    tau: float = 1e-3
    price: float = 0.0
    tau_late: float = 10e-3
    rouse: float = 0.0
    reading: ClassVar[Reading] = Reading.FIRST

    def __post_init__(self) -> None:
        _check(self, tau=self.tau, tau_late=self.tau_late)
        for name in ("price", "rouse"):
            if not 0 <= getattr(self, name) < math.inf:
                raise TrainError(
                    explain(
                        f"TimeCrossEntropy({name}=)", "must be 0 or more", found=getattr(self, name)
                    )
                )

    def __call__(
        self, found: Reals, labels: NDArray[np.int64], until: float
    ) -> tuple[Reals, Reals]:
        spiked = np.isfinite(found)
        time = np.where(spiked, found, until)
        losses, to_logit = _cross_entropy(-time / self.tau, labels)
        slope = -to_logit / self.tau
        own = np.arange(len(labels)), labels
        grown = np.exp(time[own] / self.tau_late)
        losses += self.price * (grown - 1.0)
        slope[own] += self.price * grown / self.tau_late
        return losses, np.where(spiked, slope, 0.0)

    def decide(self, found: Reals) -> NDArray[np.int64]:
        return np.where(np.isfinite(found).any(1), found.argmin(1), -1)


@dataclass(frozen=True)
class GreatestCrossEntropy(EventLoss):
    """Cross entropy of the greatest value of each output's membrane, times `gain` (1/V)."""

    gain: float = 1.0
    reading: ClassVar[Reading] = Reading.GREATEST

    def __post_init__(self) -> None:
        _check(self, gain=self.gain)

    def __call__(
        self, found: Reals, labels: NDArray[np.int64], until: float
    ) -> tuple[Reals, Reals]:
        losses, slope = _cross_entropy(self.gain * found, labels)
        return losses, self.gain * slope

    def decide(self, found: Reals) -> NDArray[np.int64]:
        return found.argmax(1)


@dataclass(frozen=True)
class MeanCrossEntropy(EventLoss):
    """Cross entropy of the mean of each output's membrane, times `gain` (1/V).

    Parameters
    ----------
    tau : s; the mean is weighted with exp(-t / tau), so that early answers count more. Infinite: all times alike

    Source
    ------
    The weight: Nowotny, Turner, Knight, "Loss shaping enhances exact gradient learning with EventProp in spiking
    neural networks", arXiv 2212.01232, 2022.
    """

    gain: float = 1.0
    tau: float = math.inf
    reading: ClassVar[Reading] = Reading.MEAN

    def __post_init__(self) -> None:
        _check(self, gain=self.gain)
        if not self.tau > 0:
            _check(self, tau=self.tau)

    @property
    def decay(self) -> float:
        return 1.0 / self.tau

    def __call__(
        self, found: Reals, labels: NDArray[np.int64], until: float
    ) -> tuple[Reals, Reals]:
        losses, slope = _cross_entropy(self.gain * found, labels)
        return losses, self.gain * slope

    def decide(self, found: Reals) -> NDArray[np.int64]:
        return found.argmax(1)


def _cross_entropy(logits: Reals, labels: NDArray[np.int64]) -> tuple[Reals, Reals]:
    shifted = logits - logits.max(1, keepdims=True)
    total = np.log(np.exp(shifted).sum(1))
    own = np.arange(len(labels)), labels
    slope = np.exp(shifted - total[:, None])
    losses = total - shifted[own]
    slope[own] -= 1.0
    return losses, slope


def _check(loss: EventLoss, **values: float) -> None:
    problems = Problems()
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            problems.add(f"{type(loss).__name__}({name}=)", "must be more than 0", found=value)
    problems.raise_as(TrainError)
