"""Optimizers and learning-rate schedules as values."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.nn import Parameter

from spikewright.errors import TrainError, explain


class Schedule(enum.Enum):
    """How the learning rate goes over a training run."""

    CONSTANT = "constant"
    COSINE = "cosine"
    """Half a cosine, from the learning rate to 0. Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts."""
    ONE_CYCLE = "one_cycle"
    """A linear rise over the first fifth, then half a cosine to 0. After Smith and Topin, arXiv 1708.07120, 2017."""

    def factor(self, step: int, steps: int) -> float:
        """Return the factor of the learning rate at a batch out of all batches of the run."""
        done = step / max(steps, 1)
        if self is Schedule.CONSTANT:
            return 1.0
        if self is Schedule.COSINE:
            return 0.5 * (1.0 + math.cos(math.pi * done))
        if done < RISE:
            return (step + 1) / max(RISE * steps, 1.0)
        return 0.5 * (1.0 + math.cos(math.pi * (done - RISE) / (1.0 - RISE)))


RISE = 0.2
"""Share of a run in which ONE_CYCLE's learning rate rises."""


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay; weights are in natural units (see `Module`).

    Source
    ------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """

    lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Schedule = Schedule.COSINE

    def __post_init__(self) -> None:
        _check_lr(self.lr)

    def build(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        """Return PyTorch's optimizer of these settings."""
        return torch.optim.AdamW(
            list(parameters),
            lr=self.lr,
            betas=self.betas,
            weight_decay=self.weight_decay,
            foreach=True,
        )


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum."""

    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Schedule = Schedule.COSINE

    def __post_init__(self) -> None:
        _check_lr(self.lr)

    def build(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        """Return PyTorch's optimizer of these settings."""
        return torch.optim.SGD(
            list(parameters), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
        )


def _check_lr(lr: float) -> None:
    if not (math.isfinite(lr) and lr > 0):
        raise TrainError(explain("optimizer.lr", "must be more than 0", found=lr, cure="e.g. 2e-3"))
