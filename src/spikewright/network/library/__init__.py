"""Neuron models with their sources. Each is a value: `Population(LIF, 128, {"tau_m": 10 * ms})`.

A variant is its own named model: change one with `model.variant(...)` or `model.resetting(...)`.
"""

from spikewright.network.library.adaptive import ALIF, AdEx, Izhikevich, Izhikevich2003
from spikewright.network.library.conductance import (
    ConductanceAdEx,
    ConductanceAlphaLIF,
    ConductanceLIF,
    HodgkinHuxley,
)
from spikewright.network.library.current import AlphaCurrentLIF, DeltaLIF, ExpCurrentLIF
from spikewright.network.library.diehl_cook import DiehlCookExcitatory, DiehlCookInhibitory
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
from spikewright.network.library.nmda import NmdaGate, NmdaLIF
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
        ExpCurrentLIF,
        AlphaCurrentLIF,
        DeltaLIF,
        ConductanceLIF,
        ConductanceAlphaLIF,
        NmdaLIF,
        NmdaGate,
        ConductanceAdEx,
        DiehlCookExcitatory,
        DiehlCookInhibitory,
        ALIF,
        AdEx,
        Izhikevich,
        Izhikevich2003,
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
    "AlphaCurrentLIF",
    "AlphaLIF",
    "ConductanceAdEx",
    "ConductanceAlphaLIF",
    "ConductanceLIF",
    "CubaLI",
    "CubaLIF",
    "DeltaLIF",
    "DiehlCookExcitatory",
    "DiehlCookInhibitory",
    "ExpCurrentLIF",
    "HodgkinHuxley",
    "Input",
    "Izhikevich",
    "Izhikevich2003",
    "NirCubaLI",
    "NirCubaLIF",
    "NirI",
    "NirIF",
    "NmdaGate",
    "NmdaLIF",
    "NoisyLIF",
    "PoissonSource",
    "Relay",
    "ResonateAndFire",
    "ThresholdUnit",
]
