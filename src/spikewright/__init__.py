"""Spikewright: a spiking network described once, then simulated, trained, compiled to chips and compared.

Names are loaded when they are first used, so that importing the package costs nothing:

>>> import spikewright as sw
>>> net = sw.chain(sw.source(3), sw.dense(2), sw.neurons(sw.LIF), dt=1 * sw.ms, seed=1)
>>> net.n_neurons
5
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_UNITS = (
    "s", "ms", "us", "ns", "ps", "V", "mV", "uV", "A", "mA", "uA", "nA", "pA", "ohm", "kohm", "Mohm", "Gohm",
    "S", "mS", "uS", "nS", "pS", "F", "uF", "nF", "pF", "fF", "Hz", "kHz", "MHz", "GHz",
    "J", "mJ", "uJ", "nJ", "pJ", "fJ", "aJ", "W", "mW", "uW", "nW",
)  # fmt: skip
_NETWORK = (
    "AllToAll", "AvgPool", "Bernoulli", "Choice", "Compose", "Conv", "Dense", "DistanceDependent", "Distribution",
    "Edges", "Exponential", "FixedInDegree", "FixedOutDegree", "FixedTotal", "Flatten", "GaussianDrive", "Input",
    "LogNormal", "MODELS", "Method", "Network", "NeuronModel", "Noise", "Normal", "OneToOne", "PoissonDrive",
    "Population", "PowerLaw", "Profile", "Projection", "Propagation", "RULES", "Recipe", "Refractory", "Relay",
    "Reset", "Rule", "Scale", "SmallWorld", "Sparse", "StepCurrent", "SumPool", "SynapseModel", "Synapses",
    "ThresholdUnit", "Topology", "Uniform", "read_edges",
)  # fmt: skip
_CHAIN = (
    "avg_pool", "chain", "conv", "dense", "flatten", "neurons", "scale", "source", "sum_pool",
)  # fmt: skip

_ERRORS = (
    "ConstantError", "DataError", "EngineError", "EventError", "FormatError", "LimitError", "MissingExtra",
    "ModelError", "NetworkError", "SpikewrightError", "SubstrateError", "TrainError", "UnitError", "UsageError",
    "VerifyError",
)  # fmt: skip

_FACE: dict[str, str] = (
    dict.fromkeys(_UNITS, "spikewright.units")
    | dict.fromkeys(_ERRORS, "spikewright.errors")
    | dict.fromkeys(_NETWORK, "spikewright.network")
    | dict.fromkeys(_CHAIN, "spikewright.network.chain")
    | {
        "Events": "spikewright.events",
        "Record": "spikewright.engines",
        "Recording": "spikewright.engines",
        "from_nir": "spikewright.network.nir",
        "to_nir": "spikewright.network.nir",
        "write_nir": "spikewright.network.nir",
        "compare": "spikewright.report",
        "compare_network": "spikewright.report",
        "fit": "spikewright.train",
        "plan": "spikewright.engines",
        "prepare": "spikewright.engines",
        "read_recording": "spikewright.engines",
        "load_network": "spikewright.network.store:load",
        "run": "spikewright.engines",
        "save_network": "spikewright.network.store:save",
    }
)
"""Public name -> module that has it, or "module:name" where it is called otherwise there."""

_PARTS = (
    "analysis", "cli", "data", "engines", "errors", "events", "files", "network", "pynn", "report", "rng", "substrates",
    "testing", "train", "units",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _FACE:
        module, _, attribute = _FACE[name].partition(":")
        return getattr(import_module(module), attribute or name)
    if name in _PARTS:
        return import_module(f"spikewright.{name}")
    if name[:1].isupper():
        models = import_module("spikewright.network").MODELS
        if name in models:
            return models[name]
    raise AttributeError(f"module 'spikewright' has no name {name!r}")


def __dir__() -> list[str]:
    return sorted({*_FACE, *_PARTS, "__version__", *import_module("spikewright.network").MODELS})
