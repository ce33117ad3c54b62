"""Neurons as NIR defines them, where the integrate-and-fire models of this library differ.

NIR's LI and LIF are this library's `LI` and `LIF` driven through the port `i` and started at 0. The models here filter
the *held* input by the synapse (`NirCubaLI`, `NirCubaLIF`), or carry a gain `r` without a leak (`NirI`, `NirIF`).
`i` stands before `v`, so that `Method.SEQUENTIAL_EULER` advances the current first.

Source
------
Pedersen et al., "Neuromorphic intermediate representation: a unified instruction set for interoperable brain-inspired
computing", Nature Communications 15, 2024, table 1; node definitions of the package `nir` 1.0.8.
"""

from spikewright.network.model import NeuronModel

_SOURCE = "Pedersen et al., Neuromorphic intermediate representation (2024), table 1: "

NirI = NeuronModel(
    name="NirI",
    state={"v": "V"},
    params={"r": (1.0, "ohm/s")},
    inputs={"i": "A"},
    dynamics={"v": "r * i"},
    output="v",
    source=_SOURCE + "I",
)

NirIF = NeuronModel(
    name="NirIF",
    state={"v": "V"},
    params={"r": (1.0, "ohm/s"), "v_th": (1.0, "V"), "v_reset": (0.0, "V")},
    inputs={"i": "A", "spikes": "V"},
    jumps={"spikes": "v"},
    dynamics={"v": "r * i"},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    source=_SOURCE + "IF; `spikes` for files whose input is one impulse per unit",
)

NirCubaLI = NeuronModel(
    name="NirCubaLI",
    state={"i": "A", "v": "V"},
    params={
        "tau_m": (20e-3, "s"),
        "tau_s": (5e-3, "s"),
        "r": (1.0, "ohm"),
        "v_rest": (0.0, "V"),
        "w_in": (1.0, "1"),
    },
    inputs={"i_in": "A"},
    dynamics={"i": "(w_in * i_in - i) / tau_s", "v": "(v_rest - v + r * i) / tau_m"},
    output="v",
    source=_SOURCE + "CubaLI",
)

NirCubaLIF = NeuronModel(
    name="NirCubaLIF",
    state={"i": "A", "v": "V"},
    params={
        "tau_m": (20e-3, "s"),
        "tau_s": (5e-3, "s"),
        "r": (1.0, "ohm"),
        "v_rest": (0.0, "V"),
        "w_in": (1.0, "1"),
        "v_th": (1.0, "V"),
        "v_reset": (0.0, "V"),
    },
    inputs={"i_in": "A"},
    dynamics={"i": "(w_in * i_in - i) / tau_s", "v": "(v_rest - v + r * i) / tau_m"},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    source=_SOURCE + "CubaLIF",
)
