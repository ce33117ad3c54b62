"""Spiking models with a second, slow variable: adaptive threshold, adaptive exponential, Izhikevich.

Source
------
ALIF: Bellec, Salaj, Subramoney, Legenstein, Maass, "Long short-term memory and learning-to-learn in networks of
spiking neurons", NeurIPS 2018.
AdEx: Brette and Gerstner, "Adaptive exponential integrate-and-fire model as an effective description of neuronal
activity", J. Neurophysiol. 94, 2005.
Izhikevich: Izhikevich, "Simple model of spiking neurons", IEEE Trans. Neural Networks 14, 2003.
"""

import math

from spikewright.network.model import NeuronModel, Refractory

ALIF = NeuronModel(
    name="ALIF",
    state={"v": "V", "b": "V"},
    params={
        "tau_m": (20e-3, "s"),
        "tau_a": (700e-3, "s"),
        "r": (1.0, "ohm"),
        "v_rest": (0.0, "V"),
        "v_th": (1.0, "V"),
        # the paper's 1.8 per 1 ms step of its decaying average, at a threshold of 0.01; here per spike, at 1 V
        "beta": (1.8 * (1 - math.exp(-1 / 700)) / 0.01, "V"),
        "t_ref": (5e-3, "s"),
    },
    inputs={"spikes": "V", "i": "A"},
    jumps={"spikes": "v"},
    dynamics={"v": "(v_rest - v + r * i) / tau_m", "b": "-b / tau_a"},
    threshold="v > v_th + b",
    reset={"v": "v - v_th", "b": "b + beta"},
    refractory=Refractory("t_ref", hold=()),
    initial={"v": "v_rest"},
    source="Bellec et al., NeurIPS (2018), eqs. 1 to 3; defaults of its sequential MNIST network",
)

AdEx = NeuronModel(
    name="AdEx",
    state={"v": "V", "w": "A"},
    params={
        "c": (281e-12, "F"),
        "g_l": (30e-9, "S"),
        "e_l": (-70.6e-3, "V"),
        "v_t": (-50.4e-3, "V"),
        "delta_t": (2e-3, "V"),
        "tau_w": (144e-3, "s"),
        "a": (4e-9, "S"),
        "b": (80.5e-12, "A"),
        "v_peak": (20e-3, "V"),
        "v_reset": (-70.6e-3, "V"),
    },
    inputs={"spikes": "V", "i": "A"},
    jumps={"spikes": "v"},
    # beyond the peak the rates are those at the peak: the upstroke stays finite within its step
    dynamics={
        "v": "(g_l * (e_l - minimum(v, v_peak))"
        " + g_l * delta_t * exp((minimum(v, v_peak) - v_t) / delta_t) - w + i) / c",
        "w": "(a * (minimum(v, v_peak) - e_l) - w) / tau_w",
    },
    threshold="v > v_peak",
    reset={"v": "v_reset", "w": "w + b"},
    initial={"v": "e_l"},
    source="Brette and Gerstner, J. Neurophysiol. 94 (2005), eqs. 1 to 3 and the parameters below them",
)

Izhikevich = NeuronModel(
    name="Izhikevich",
    state={"v": "V", "u": "V/s"},
    params={
        "k2": (0.04e6, "Hz/V"),
        "k1": (5e3, "Hz"),
        "k0": (140.0, "V/s"),
        "a": (20.0, "Hz"),
        "b": (200.0, "Hz"),
        "c": (-65e-3, "V"),
        "d": (8.0, "V/s"),
        "v_peak": (30e-3, "V"),
    },
    inputs={"spikes": "V", "i": "V/s"},
    jumps={"spikes": "v"},
    dynamics={"v": "k2 * v**2 + k1 * v + k0 - u + i", "u": "a * (b * v - u)"},
    threshold="v >= v_peak",
    reset={"v": "c", "u": "u + d"},
    initial={"v": "c", "u": "b * c"},
    source="Izhikevich, IEEE Trans. Neural Networks 14 (2003), eqs. 1 to 3 with mV and ms written out; "
    "regular spiking",
)

_HALF = "({v} + 0.5 * dt * (k2 * ({v})**2 + k1 * ({v}) + k0 - u + i))"

Izhikevich2003 = Izhikevich.variant(
    "Izhikevich2003",
    # what arrives acts through the port i, held over the step; dt = 1 ms, delays 0
    inputs={"i": "V/s"},
    jumps={},
    dynamics={},
    update={
        "v": _HALF.format(v=_HALF.format(v="v")),
        "u": "u + dt * a * (b * v - u)",
    },
    source="Izhikevich, IEEE Trans. Neural Networks 14 (2003), its script: two half steps of v, then one of u",
)
