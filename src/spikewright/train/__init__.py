"""Gradient training, Network -> Network: a differentiable step generated from the model's text. Loads PyTorch."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    from spikewright.errors import MissingExtra

    raise MissingExtra("training", "PyTorch", "train") from error

from spikewright.train.evaluate import Evaluation, evaluate
from spikewright.train.fit import Epoch, Trained, fit
from spikewright.train.initialize import fluctuation, initialize
from spikewright.train.interrupt import Interrupted
from spikewright.train.loss import (
    CountCrossEntropy,
    FirstSpikeCrossEntropy,
    Loss,
    MembraneMaxCrossEntropy,
    MembraneMeanCrossEntropy,
    RateBand,
    RateCrossEntropy,
    Regularizer,
)
from spikewright.train.module import Module
from spikewright.train.optimizer import SGD, AdamW, Schedule
from spikewright.train.recipes import (
    DIGITS,
    FSDD,
    Recipe,
    digits_data,
    fsdd_data,
    train_digits,
    train_fsdd,
)
from spikewright.train.run import Run, TorchState
from spikewright.train.samples import ArraySamples
from spikewright.train.step import ResetGradient
from spikewright.train.surrogate import (
    Arctan,
    Exponential,
    FastSigmoid,
    Gaussian,
    Rectangle,
    Sigmoid,
    Surrogate,
    Triangle,
)

__all__ = [
    "DIGITS",
    "FSDD",
    "SGD",
    "AdamW",
    "Arctan",
    "ArraySamples",
    "CountCrossEntropy",
    "Epoch",
    "Evaluation",
    "Exponential",
    "FastSigmoid",
    "FirstSpikeCrossEntropy",
    "Gaussian",
    "Interrupted",
    "Loss",
    "MembraneMaxCrossEntropy",
    "MembraneMeanCrossEntropy",
    "Module",
    "RateBand",
    "RateCrossEntropy",
    "Recipe",
    "Rectangle",
    "Regularizer",
    "ResetGradient",
    "Run",
    "Schedule",
    "Sigmoid",
    "Surrogate",
    "TorchState",
    "Trained",
    "Triangle",
    "digits_data",
    "evaluate",
    "fit",
    "fluctuation",
    "fsdd_data",
    "initialize",
    "train_digits",
    "train_fsdd",
]
