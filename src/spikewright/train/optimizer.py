"""Optimizers as values; their learning rates follow a `Schedule`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import Parameter

from spikewright.errors import TrainError, explain
from spikewright.train.schedule import Schedule


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

    def build(self, parameters: Iterable[Parameter | dict[str, Any]]) -> torch.optim.Optimizer:
        """Return PyTorch's optimizer of these settings, for parameters or groups of them."""
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

    def build(self, parameters: Iterable[Parameter | dict[str, Any]]) -> torch.optim.Optimizer:
        """Return PyTorch's optimizer of these settings, for parameters or groups of them."""
        return torch.optim.SGD(
            list(parameters), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay
        )


def _check_lr(lr: float) -> None:
    if not (math.isfinite(lr) and lr > 0):
        raise TrainError(explain("optimizer.lr", "must be more than 0", found=lr, cure="e.g. 2e-3"))
