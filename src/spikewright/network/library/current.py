"""Integrate-and-fire models with current synapses of two kinds, and the delta synapse that the threshold sees whole.

Ports: `exc` and `inh` (a weight in ampere, negative at `inh` for inhibition), `spikes` (a weight in volt), `i` a
current held over a step. `i_dc` is a constant current.

Equal to NEST's `iaf_psc_exp`, `iaf_psc_alpha`, `iaf_psc_delta` on the same grid, to the rounding of float64. NEST
adds what arrives for time m dt at the *end* of step m - 1, behind the propagation; here it is added at the beginning
of step m. For `ExpCurrentLIF` and `AlphaCurrentLIF` these are the same moment: `v` and all spikes are equal at every
step, with the same delays, and the currents that NEST shows at m dt are those here plus what arrives in step m. For a
delta synapse they are not: NEST's threshold sees the jump before it has decayed by a step. `DeltaLIF` therefore adds
arrivals of step k at the end of step k; it is NEST's neuron where every delay is one step shorter than NEST's.
(`LIF`, which jumps at the beginning, has the order of Brian2.) A refractory period holds `v` for t_ref / dt steps in
both; delta arrivals are lost in them.

Source
------
Rotter and Diesmann, "Exact digital simulation of time-invariant linear systems with applications to neuronal
modeling", Biol. Cybern. 81, 1999. Diesmann, Gewaltig, Rotter, Aertsen, "State space analysis of synchronous spiking
in cortical neural networks", Neurocomputing 38-40, 2001. Defaults of NEST 3.10.
"""

import math

from spikewright.network.model import NeuronModel, Refractory

_MEMBRANE: dict[str, tuple[float, str]] = {
    "c": (250e-12, "F"),
    "tau_m": (10e-3, "s"),
    "e_l": (-70e-3, "V"),
    "v_th": (-55e-3, "V"),
    "v_reset": (-70e-3, "V"),
    "t_ref": (2e-3, "s"),
    "i_dc": (0.0, "A"),
}
_SYNAPSES: dict[str, tuple[float, str]] = {"tau_e": (2e-3, "s"), "tau_i": (2e-3, "s")}

ExpCurrentLIF = NeuronModel(
    name="ExpCurrentLIF",
    state={"i_e": "A", "i_i": "A", "v": "V"},
    params=_MEMBRANE | _SYNAPSES,
    inputs={"exc": "A", "inh": "A", "i": "A"},
    jumps={"exc": "i_e", "inh": "i_i"},
    dynamics={
        "i_e": "-i_e / tau_e",
        "i_i": "-i_i / tau_i",
        "v": "(e_l - v) / tau_m + (i_e + i_i + i + i_dc) / c",
    },
    threshold="v >= v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "e_l"},
    source="Diesmann et al., Neurocomputing 38-40 (2001); NEST iaf_psc_exp",
)

AlphaCurrentLIF = NeuronModel(
    name="AlphaCurrentLIF",
    state={"a_e": "A", "a_i": "A", "i_e": "A", "i_i": "A", "v": "V"},
    params=_MEMBRANE | _SYNAPSES,
    inputs={"exc": "A", "inh": "A", "i": "A"},
    jumps={"exc": "a_e", "inh": "a_i"},
    # a spike of weight w gives i(t) = w e (t / tau) exp(-t / tau), whose peak is w, at t = tau
    dynamics={
        "a_e": "-a_e / tau_e",
        "a_i": "-a_i / tau_i",
        "i_e": f"({math.e!r} * a_e - i_e) / tau_e",
        "i_i": f"({math.e!r} * a_i - i_i) / tau_i",
        "v": "(e_l - v) / tau_m + (i_e + i_i + i + i_dc) / c",
    },
    threshold="v >= v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "e_l"},
    source="Rotter and Diesmann, Biol. Cybern. 81 (1999), section 3.1; NEST iaf_psc_alpha",
)

DeltaLIF = NeuronModel(
    name="DeltaLIF",
    state={"v": "V"},
    params=dict(_MEMBRANE),
    inputs={"spikes": "V", "i": "A"},
    # held over the step at the rate that amounts to `spikes` at its end: exactly, with Method.EXACT
    dynamics={
        "v": "(e_l - v) / tau_m + (i + i_dc) / c + spikes / (dt * exprel(-dt / tau_m))",
    },
    threshold="v >= v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "e_l"},
    source="Rotter and Diesmann, Biol. Cybern. 81 (1999); NEST iaf_psc_delta: arrivals are added at the end of a step",
)
