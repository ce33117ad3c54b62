"""Neuron models with their sources. Each is a value: `Population(LIF, 128, {"tau_m": 10 * ms})`.

A variant is its own named model: change one with `model.variant(...)` or `model.resetting(...)`.
"""

from spikewright.network.library.adaptive import ALIF, AdEx, Izhikevich
from spikewright.network.library.conductance import ConductanceLIF, HodgkinHuxley
from spikewright.network.library.integrate_and_fire import (
    IF,
    LI,
    LIF,
    AlphaLIF,
    CubaLI,
    CubaLIF,
    NoisyLIF,
)
from spikewright.network.library.nir_models import NirCubaLI, NirCubaLIF, NirI, NirIF
from spikewright.network.library.resonate import ResonateAndFire
from spikewright.network.library.sources import Input, PoissonSource, Relay, ThresholdUnit

MODELS = {
    m.name: m
    for m in (
        Input,
        Relay,
        ThresholdUnit,
        PoissonSource,
        IF,
        LIF,
        LI,
        CubaLI,
        CubaLIF,
        AlphaLIF,
        NoisyLIF,
        ConductanceLIF,
        ALIF,
        AdEx,
        Izhikevich,
        HodgkinHuxley,
        ResonateAndFire,
        NirI,
        NirIF,
        NirCubaLI,
        NirCubaLIF,
    )
}

__all__ = [
    "ALIF",
    "IF",
    "LI",
    "LIF",
    "MODELS",
    "AdEx",
    "AlphaLIF",
    "ConductanceLIF",
    "CubaLI",
    "CubaLIF",
    "HodgkinHuxley",
    "Input",
    "Izhikevich",
    "NirCubaLI",
    "NirCubaLIF",
    "NirI",
    "NirIF",
    "NoisyLIF",
    "PoissonSource",
    "Relay",
    "ResonateAndFire",
    "ThresholdUnit",
]
