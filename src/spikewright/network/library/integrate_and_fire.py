"""Integrate-and-fire models with delta, exponential and alpha-shaped current synapses.

Ports: `spikes` jumps (an arriving spike of weight w adds w at once), `i` and `i_ext` are currents held over a step.

Source
------
Gerstner, Kistler, Naud, Paninski, "Neuronal Dynamics", Cambridge University Press 2014, sections 1.3 and 3.1.
"""

import math

from spikewright.network.model import NeuronModel, Noise, Refractory

_SOURCE = "Gerstner et al., Neuronal Dynamics (2014), eq. 1.5"
_SYNAPSE = (
    "Gerstner et al., Neuronal Dynamics (2014), eq. 1.5 with eq. 3.3 (exponential current synapse)"
)

IF = NeuronModel(
    name="IF",
    state={"v": "V"},
    params={"c": (1.0, "F"), "v_th": (1.0, "V"), "v_reset": (0.0, "V")},
    inputs={"spikes": "V", "i": "A"},
    jumps={"spikes": "v"},
    dynamics={"v": "i / c"},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    source=_SOURCE + " without leak",
)

LIF = NeuronModel(
    name="LIF",
    state={"v": "V"},
    params={
        "tau_m": (20e-3, "s"),
        "r": (1.0, "ohm"),
        "v_rest": (0.0, "V"),
        "v_th": (1.0, "V"),
        "v_reset": (0.0, "V"),
        "t_ref": (0.0, "s"),
    },
    inputs={"spikes": "V", "i": "A"},
    jumps={"spikes": "v"},
    dynamics={"v": "(v_rest - v + r * i) / tau_m"},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "v_rest"},
    source=_SOURCE,
)

LI = NeuronModel(
    name="LI",
    state={"v": "V"},
    params={"tau_m": (20e-3, "s"), "r": (1.0, "ohm"), "v_rest": (0.0, "V")},
    inputs={"spikes": "V", "i": "A"},
    jumps={"spikes": "v"},
    dynamics={"v": "(v_rest - v + r * i) / tau_m"},
    output="v",
    initial={"v": "v_rest"},
    source=_SOURCE + " without threshold",
)

CubaLI = NeuronModel(
    name="CubaLI",
    state={"i": "A", "v": "V"},
    params={
        "tau_m": (20e-3, "s"),
        "tau_s": (5e-3, "s"),
        "r": (1.0, "ohm"),
        "v_rest": (0.0, "V"),
    },
    inputs={"spikes": "A", "i_ext": "A"},
    jumps={"spikes": "i"},
    dynamics={"i": "-i / tau_s", "v": "(v_rest - v + r * (i + i_ext)) / tau_m"},
    output="v",
    initial={"v": "v_rest"},
    source=_SYNAPSE + " without threshold",
)

CubaLIF = NeuronModel(
    name="CubaLIF",
    state={"i": "A", "v": "V"},
    params={
        "tau_m": (20e-3, "s"),
        "tau_s": (5e-3, "s"),
        "r": (1.0, "ohm"),
        "v_rest": (0.0, "V"),
        "v_th": (1.0, "V"),
        "v_reset": (0.0, "V"),
        "t_ref": (0.0, "s"),
    },
    inputs={"spikes": "A", "i_ext": "A"},
    jumps={"spikes": "i"},
    dynamics={"i": "-i / tau_s", "v": "(v_rest - v + r * (i + i_ext)) / tau_m"},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "v_rest"},
    source=_SYNAPSE,
)

AlphaLIF = NeuronModel(
    name="AlphaLIF",
    state={"a": "A", "i": "A", "v": "V"},
    params={
        "tau_m": (20e-3, "s"),
        "tau_s": (5e-3, "s"),
        "r": (1.0, "ohm"),
        "v_rest": (0.0, "V"),
        "v_th": (1.0, "V"),
        "v_reset": (0.0, "V"),
        "t_ref": (0.0, "s"),
    },
    inputs={"spikes": "A", "i_ext": "A"},
    jumps={"spikes": "a"},
    # a spike of weight w gives i(t) = w e (t / tau_s) exp(-t / tau_s), whose peak is w, at t = tau_s
    dynamics={
        "a": "-a / tau_s",
        "i": f"({math.e!r} * a - i) / tau_s",
        "v": "(v_rest - v + r * (i + i_ext)) / tau_m",
    },
    threshold="v > v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "v_rest"},
    source="Rotter and Diesmann, Biol. Cybern. 81 (1999), section 3.1 (alpha function as two linear equations)",
)

NoisyLIF = LIF.variant(
    "NoisyLIF",
    params=dict(LIF.params) | {"sigma": (0.1, "V")},
    noise={"xi": Noise.WHITE},
    # without threshold, v has the standard deviation sigma (as dt goes to 0)
    dynamics={"v": "(v_rest - v + r * i) / tau_m + sigma * sqrt(2 / tau_m) * xi"},
    source="Gerstner et al., Neuronal Dynamics (2014), section 8.1 (white current noise)",
)
