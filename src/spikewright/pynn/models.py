"""Neuron models that PyNN's cells need beside those of the library.

Source
------
Brette and Gerstner, "Adaptive exponential integrate-and-fire model", J. Neurophysiol. 94, 2005 (eqs. 1 to 3).
Muller, Buesing, Schemmel, Meier, "Spike-frequency adapting neural ensembles: beyond mean adaptation and renewal
theories", Neural Computation 19, 2007 (conductances of adaptation and of relative refractoriness).
"""

from __future__ import annotations

import math

from spikewright.network import NeuronModel
from spikewright.network.library import ConductanceAdEx, ConductanceLIF

ConductanceAlphaAdEx = ConductanceAdEx.variant(
    "ConductanceAlphaAdEx",
    state={"a_e": "S", "a_i": "S"} | dict(ConductanceAdEx.state),
    jumps={"exc": "a_e", "inh": "a_i"},
    # a spike of weight w gives g(t) = w e (t / tau) exp(-t / tau), whose peak is w, at t = tau
    dynamics={
        "a_e": "-a_e / tau_e",
        "a_i": "-a_i / tau_i",
        "g_e": f"({math.e!r} * a_e - g_e) / tau_e",
        "g_i": f"({math.e!r} * a_i - g_i) / tau_i",
        "v": ConductanceAdEx.dynamics["v"],
        "w": ConductanceAdEx.dynamics["w"],
    },
    source=ConductanceAdEx.source + ", with alpha functions",
)

AdaptingConductanceLIF = ConductanceLIF.variant(
    "AdaptingConductanceLIF",
    state=dict(ConductanceLIF.state) | {"g_s": "S", "g_r": "S"},
    params=dict(ConductanceLIF.params)
    | {
        "tau_s": (100e-3, "s"),
        "e_s": (-75e-3, "V"),
        "q_s": (15e-9, "S"),
        "tau_r": (2e-3, "s"),
        "e_r": (-75e-3, "V"),
        "q_r": (3e-6, "S"),
    },
    dynamics={
        "v": "(g_l * (e_l - v) + g_e * (e_e - v) + g_i * (e_i - v) + g_s * (e_s - v) + g_r * (e_r - v) + i) / c",
        "g_e": "-g_e / tau_e",
        "g_i": "-g_i / tau_i",
        "g_s": "-g_s / tau_s",
        "g_r": "-g_r / tau_r",
    },
    reset={"v": "v_reset", "g_s": "g_s + q_s", "g_r": "g_r + q_r"},
    source="Muller et al., Neural Computation 19 (2007); defaults of PyNN's IF_cond_exp_gsfa_grr",
)

PoissonTrain = NeuronModel(
    name="PoissonTrain",
    state={},
    params={},
    # x: how many events the step has, from a Poisson drive; open: 1 between start and stop, else 0
    inputs={"x": "1", "open": "1"},
    threshold="x * open > 0",
    output="x",
    source="Definition: sends the events of a Poisson process that fall into the step.",
)
