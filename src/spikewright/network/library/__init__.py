"""Neuron models with their sources. Each is a value: `Population(LIF, 128, {"tau_m": 10 * ms})`.

A variant is its own named model: change one with `model.variant(...)` or `model.resetting(...)`.
"""

from spikewright.network.library.integrate_and_fire import IF, LI, LIF, CubaLI, CubaLIF
from spikewright.network.library.sources import Input, Relay, ThresholdUnit

MODELS = {m.name: m for m in (Input, Relay, ThresholdUnit, IF, LIF, LI, CubaLI, CubaLIF)}

__all__ = [
    "IF",
    "LI",
    "LIF",
    "MODELS",
    "CubaLI",
    "CubaLIF",
    "Input",
    "Relay",
    "ThresholdUnit",
]
