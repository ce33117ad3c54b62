"""Losses that are a mean over steps, so that the error of a step is known in that step.

Notation: y_t what the output population sends in step t, N classes; E the loss of one sample; w_t whether step t is
judged.

    StepCrossEntropy     E = sum_t w_t * -log softmax(gain y_t)[label] / sum_t w_t
    StepSquaredError     E = sum_t w_t * 0.5 sum_n (y_t[n] - target_t[n])^2 / sum_t w_t

They serve backpropagation through time as well, so that both can be compared on the same loss.

Source
------
Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons", Nature Communications 11,
2020: softmax readout and squared error at every step, errors at the end of a trial only.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.errors import TrainError, explain
from spikewright.train.loss import Loss
from spikewright.train.run import Run

Reals = NDArray[Any]


class OnlineLoss(Loss):
    """A mean over judged steps of a function of what the output sends in that step. Abstract."""

    last: int | None

    @abstractmethod
    def errors(self, y: Reals, target: Reals) -> tuple[Reals, Reals]:
        """Return the loss of every step and its derivative.

        Parameters
        ----------
        y : n B N, what is sent
        target : B or n B, labels; or n B N, what should be sent

        Returns
        -------
        n B and n B N
        """

    @abstractmethod
    def values(self, y: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of every step, n B, differentiable."""

    def judged(self, first: int, steps: int, total: int) -> int:
        """Return how many of the steps [first, first + steps) of a run of `total` come before those that are judged."""
        begin = 0 if self.last is None else max(0, total - self.last)
        return int(np.clip(begin - first, 0, steps))

    def __call__(self, run: Run, labels: Tensor) -> Tensor:
        y = run.output.flatten(2)
        return self.values(y[self.judged(0, len(y), len(y)) :], labels).mean()

    def logits(self, run: Run) -> Tensor:
        y = run.output.flatten(2)
        return y[self.judged(0, len(y), len(y)) :].mean(0)


@dataclass(frozen=True)
class StepCrossEntropy(OnlineLoss):
    """Cross entropy of what the output sends, at every step; the decision is the largest mean.

    Parameters
    ----------
    gain : logits per unit of what is sent
    last : how many of the last steps are judged; None: all
    """

    gain: float = 1.0
    last: int | None = None

    def __post_init__(self) -> None:
        _check_last(self)

    def errors(self, y: Reals, target: Reals) -> tuple[Reals, Reals]:
        if target.ndim > 2:
            raise TrainError(
                explain(
                    "StepCrossEntropy",
                    "needs one label per sample",
                    found=f"a target of shape {target.shape}",
                    cure="use StepSquaredError for targets that are no classes",
                )
            )
        x = y * self.gain
        x = x - x.max(-1, keepdims=True)
        share = np.exp(x)
        total = share.sum(-1, keepdims=True)
        at = np.broadcast_to(target, y.shape[:2])[..., None]
        loss = np.log(total[..., 0]) - np.take_along_axis(x, at, -1)[..., 0]
        share /= total
        np.put_along_axis(share, at, np.take_along_axis(share, at, -1) - 1, -1)
        return loss, share * self.gain

    def values(self, y: Tensor, labels: Tensor) -> Tensor:
        chosen = labels.expand(len(y), -1).unsqueeze(-1)
        return -torch.log_softmax(y * self.gain, -1).gather(-1, chosen).squeeze(-1)


@dataclass(frozen=True)
class StepSquaredError(OnlineLoss):
    """Half the squared distance to a target, summed over outputs, at every step.

    Parameters
    ----------
    level : what the output of a sample's class should send where targets are labels; the others should send 0
    last : how many of the last steps are judged; None: all
    """

    level: float = 1.0
    last: int | None = None

    def __post_init__(self) -> None:
        _check_last(self)

    def errors(self, y: Reals, target: Reals) -> tuple[Reals, Reals]:
        if target.ndim < 3:
            classes = np.arange(y.shape[2]) == target[..., None]
            target = classes.astype(y.dtype) * self.level
        away = y - target
        return 0.5 * (away * away).sum(-1), away

    def values(self, y: Tensor, labels: Tensor) -> Tensor:
        wanted = torch.nn.functional.one_hot(labels, y.shape[-1]).to(y.dtype) * self.level
        return 0.5 * (y - wanted).pow(2).sum(-1)


def _check_last(loss: Any) -> None:
    if loss.last is not None and loss.last < 1:
        raise TrainError(
            explain(f"{type(loss).__name__}(last=)", "must be at least 1", found=loss.last)
        )
