"""Gradient training, Network -> Network: a differentiable step generated from the model's text. Loads PyTorch."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    from spikewright.errors import MissingExtra

    raise MissingExtra("training", "PyTorch", "train") from error

from spikewright.train.conv import EventConv2d, event_conv2d
from spikewright.train.convert import QCFS, ConversionReport, Converted, convert
from spikewright.train.delays import Delays, GaussianSpread, LinearSpread
from spikewright.train.energy import EnergyMeasure, EnergyRegularizer, event_energy
from spikewright.train.evaluate import Evaluation, evaluate
from spikewright.train.fit import fit
from spikewright.train.gradient import Backpropagation, Gradient
from spikewright.train.hardware import Redraw, Through
from spikewright.train.history import Epoch, Monitor, Trained
from spikewright.train.importers import from_snntorch, from_spikingjelly
from spikewright.train.initialize import fluctuation, initialize
from spikewright.train.interrupt import Interrupted
from spikewright.train.layer import Neurons
from spikewright.train.logs import JsonLines, Log, TensorBoard
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
from spikewright.train.measure import Measure
from spikewright.train.module import Module
from spikewright.train.neurobench import to_neurobench
from spikewright.train.optimizer import SGD, AdamW
from spikewright.train.penalties import FanInPenalty, WeightRangePenalty
from spikewright.train.pool import MaxPool
from spikewright.train.precision import Precision
from spikewright.train.presets import PRESETS, Preset
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
from spikewright.train.schedule import (
    Constant,
    Cosine,
    ExponentialDecay,
    OneCycle,
    Plateau,
    Schedule,
    Staircase,
)
from spikewright.train.segments import Recomputed, SegmentLoss, Truncated, run_in_segments
from spikewright.train.step import Kernels, ResetGradient
from spikewright.train.stopping import EarlyStopping
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
    "PRESETS",
    "QCFS",
    "SGD",
    "AdamW",
    "Arctan",
    "ArraySamples",
    "Backpropagation",
    "Constant",
    "ConversionReport",
    "Converted",
    "Cosine",
    "CountCrossEntropy",
    "Delays",
    "EarlyStopping",
    "EnergyMeasure",
    "EnergyRegularizer",
    "Epoch",
    "Evaluation",
    "EventConv2d",
    "Exponential",
    "ExponentialDecay",
    "FanInPenalty",
    "FastSigmoid",
    "FirstSpikeCrossEntropy",
    "Gaussian",
    "GaussianSpread",
    "Gradient",
    "Interrupted",
    "JsonLines",
    "Kernels",
    "LinearSpread",
    "Log",
    "Loss",
    "MaxPool",
    "Measure",
    "MembraneMaxCrossEntropy",
    "MembraneMeanCrossEntropy",
    "Module",
    "Monitor",
    "Neurons",
    "OneCycle",
    "Plateau",
    "Precision",
    "Preset",
    "RateBand",
    "RateCrossEntropy",
    "Recipe",
    "Recomputed",
    "Rectangle",
    "Redraw",
    "Regularizer",
    "ResetGradient",
    "Run",
    "Schedule",
    "SegmentLoss",
    "Sigmoid",
    "Staircase",
    "Surrogate",
    "TensorBoard",
    "Through",
    "TorchState",
    "Trained",
    "Triangle",
    "Truncated",
    "WeightRangePenalty",
    "convert",
    "digits_data",
    "evaluate",
    "event_conv2d",
    "event_energy",
    "fit",
    "fluctuation",
    "from_snntorch",
    "from_spikingjelly",
    "fsdd_data",
    "initialize",
    "run_in_segments",
    "to_neurobench",
    "train_digits",
    "train_fsdd",
]
