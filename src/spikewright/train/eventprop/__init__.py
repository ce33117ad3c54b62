"""Exact gradients of spike times, without a grid: EventProp. See `docs/concepts/eventprop.md`."""

from spikewright.train.eventprop.evaluate import evaluate
from spikewright.train.eventprop.exact import Activity, Gradient, gradient, simulate
from spikewright.train.eventprop.fit import fit
from spikewright.train.eventprop.loss import (
    EventLoss,
    GreatestCrossEntropy,
    MeanCrossEntropy,
    TimeCrossEntropy,
)
from spikewright.train.eventprop.perturb import Perturbation
from spikewright.train.eventprop.spikes import Spikes
from spikewright.train.eventprop.wake import Wake

__all__ = [
    "Activity",
    "EventLoss",
    "Gradient",
    "GreatestCrossEntropy",
    "MeanCrossEntropy",
    "Perturbation",
    "Spikes",
    "TimeCrossEntropy",
    "Wake",
    "evaluate",
    "fit",
    "gradient",
    "simulate",
]
