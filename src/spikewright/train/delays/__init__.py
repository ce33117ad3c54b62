"""Learned delays: real numbers of steps while they are trained, whole steps in the network that comes out."""

from spikewright.train.delays.learned import Delays
from spikewright.train.delays.spread import GaussianSpread, LinearSpread, Spread

__all__ = ["Delays", "GaussianSpread", "LinearSpread", "Spread"]
