"""Gradients found forward in time, in memory that does not grow with it. See `docs/concepts/online_learning.md`."""

from spikewright.train.online.loss import OnlineLoss, StepCrossEntropy, StepSquaredError
from spikewright.train.online.rule import OTTT, EProp, Feedback, OnlineRule, RateTarget
from spikewright.train.online.stream import Moment, fit_stream, moments

__all__ = [
    "OTTT",
    "EProp",
    "Feedback",
    "Moment",
    "OnlineLoss",
    "OnlineRule",
    "RateTarget",
    "StepCrossEntropy",
    "StepSquaredError",
    "fit_stream",
    "moments",
]
