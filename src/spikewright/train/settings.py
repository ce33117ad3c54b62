"""Everything that the result of training depends on, beside network and data."""

from __future__ import annotations

from dataclasses import dataclass

from spikewright.data.augmentation import Augmentation
from spikewright.train.delays import Delays
from spikewright.train.gradient import Gradient
from spikewright.train.hardware import Through
from spikewright.train.loss import Loss, Regularizer
from spikewright.train.measure import Measure
from spikewright.train.optimizer import SGD, AdamW
from spikewright.train.precision import Precision
from spikewright.train.step import ResetGradient
from spikewright.train.stopping import EarlyStopping
from spikewright.train.surrogate import Surrogate


@dataclass(frozen=True)
class Settings:
    """The arguments of `fit` that a checkpoint is only good for where they are the same.

    `dtype` is the name of the module's, "float32" or "float64". Measures are among them because the history has them.
    """

    loss: Loss
    optimizer: AdamW | SGD
    epochs: int
    batch: int
    seed: int
    regularizers: tuple[Regularizer, ...]
    through: Through
    augmentation: Augmentation | None
    surrogate: Surrogate
    reset_gradient: ResetGradient
    trainable: tuple[str | Delays, ...]
    weight_limit: float | None
    clip_gradient: float | None
    dtype: str
    precision: Precision
    gradient: Gradient
    stopping: EarlyStopping | None
    measures: tuple[Measure, ...]
