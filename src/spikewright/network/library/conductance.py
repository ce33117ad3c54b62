"""Models with conductances: COBA integrate-and-fire, AdEx, and Hodgkin-Huxley with the currents of Traub and Miles.

Ports: `exc` and `inh` jump their conductance (a weight is in siemens, positive for both), `i` is a current held over
a step.

Compared with NEST on the same grid: arrivals for time m dt jump the conductance between steps m - 1 and m in both, so
delays are the same; NEST shows the conductance behind the jump, a trace here before it. What differs is the
integrator: NEST's is adaptive (`gsl_error_tol`), here use `Method.RK4`, whose error at 0.1 ms is below 1e-7 of the
swing of `v`. `iaf_cond_exp`, `iaf_cond_alpha` find spikes on the grid, as here. `aeif_cond_exp` finds them within a
step, and goes on from the reset there: the upstroke ends up to one step earlier, a spike's step may differ by one.

Source
------
Brette et al., "Simulation of networks of spiking neurons: a review of tools and strategies", J. Comput. Neurosci. 23,
2007, appendix B, benchmarks 1 (after Vogels and Abbott 2005) and 3 (after Traub and Miles 1991). Their cell has an
area of 20000 um^2: 1 uF/cm^2 is 200 pF, 5e-5 S/cm^2 is 10 nS. Brette and Gerstner, "Adaptive exponential integrate-
and-fire model", J. Neurophysiol. 94, 2005. Meffin, Burkitt, Grayden, "An analytical model for the large, fluctuating
synaptic conductance state", J. Comput. Neurosci. 16, 2004 (iaf_cond_alpha).
"""

import math

from spikewright.network.model import NeuronModel, Refractory

_SYNAPSES: dict[str, tuple[float, str]] = {
    "e_e": (0.0, "V"),
    "e_i": (-80e-3, "V"),
    "tau_e": (5e-3, "s"),
    "tau_i": (10e-3, "s"),
}
_DECAY = {"g_e": "-g_e / tau_e", "g_i": "-g_i / tau_i"}
_SYNAPTIC_CURRENT = "g_e * (e_e - v) + g_i * (e_i - v) + i"

ConductanceLIF = NeuronModel(
    name="ConductanceLIF",
    state={"v": "V", "g_e": "S", "g_i": "S"},
    params={
        "c": (200e-12, "F"),
        "g_l": (10e-9, "S"),
        "e_l": (-60e-3, "V"),
        "v_th": (-50e-3, "V"),
        "v_reset": (-60e-3, "V"),
        "t_ref": (5e-3, "s"),
        **_SYNAPSES,
    },
    inputs={"exc": "S", "inh": "S", "i": "A"},
    jumps={"exc": "g_e", "inh": "g_i"},
    dynamics={"v": f"(g_l * (e_l - v) + {_SYNAPTIC_CURRENT}) / c", **_DECAY},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "e_l"},
    source="Brette et al., J. Comput. Neurosci. 23 (2007), benchmark 1",
)

ConductanceAlphaLIF = NeuronModel(
    name="ConductanceAlphaLIF",
    state={"a_e": "S", "a_i": "S", "g_e": "S", "g_i": "S", "v": "V"},
    params={
        "c": (250e-12, "F"),
        "g_l": (16.6667e-9, "S"),
        "e_l": (-70e-3, "V"),
        "v_th": (-55e-3, "V"),
        "v_reset": (-60e-3, "V"),
        "t_ref": (2e-3, "s"),
        "e_e": (0.0, "V"),
        "e_i": (-85e-3, "V"),
        "tau_e": (0.2e-3, "s"),
        "tau_i": (2e-3, "s"),
    },
    inputs={"exc": "S", "inh": "S", "i": "A"},
    jumps={"exc": "a_e", "inh": "a_i"},
    # a spike of weight w gives g(t) = w e (t / tau) exp(-t / tau), whose peak is w, at t = tau
    dynamics={
        "a_e": "-a_e / tau_e",
        "a_i": "-a_i / tau_i",
        "g_e": f"({math.e!r} * a_e - g_e) / tau_e",
        "g_i": f"({math.e!r} * a_i - g_i) / tau_i",
        "v": f"(g_l * (e_l - v) + {_SYNAPTIC_CURRENT}) / c",
    },
    threshold="v >= v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "e_l"},
    source="Meffin et al., J. Comput. Neurosci. 16 (2004); NEST iaf_cond_alpha and its defaults",
)

ConductanceAdEx = NeuronModel(
    name="ConductanceAdEx",
    state={"g_e": "S", "g_i": "S", "v": "V", "w": "A"},
    params={
        "c": (281e-12, "F"),
        "g_l": (30e-9, "S"),
        "e_l": (-70.6e-3, "V"),
        "v_t": (-50.4e-3, "V"),
        "delta_t": (2e-3, "V"),
        "tau_w": (144e-3, "s"),
        "a": (4e-9, "S"),
        "b": (80.5e-12, "A"),
        "v_peak": (0.0, "V"),
        "v_reset": (-60e-3, "V"),
        "t_ref": (0.0, "s"),
        "e_e": (0.0, "V"),
        "e_i": (-85e-3, "V"),
        "tau_e": (0.2e-3, "s"),
        "tau_i": (2e-3, "s"),
    },
    inputs={"exc": "S", "inh": "S", "i": "A"},
    jumps={"exc": "g_e", "inh": "g_i"},
    # beyond the peak the rates are those at the peak: the upstroke stays finite within its step
    dynamics={
        **_DECAY,
        "v": "(g_l * (e_l - minimum(v, v_peak))"
        " + g_l * delta_t * exp((minimum(v, v_peak) - v_t) / delta_t) - w"
        " + g_e * (e_e - minimum(v, v_peak)) + g_i * (e_i - minimum(v, v_peak)) + i) / c",
        "w": "(a * (minimum(v, v_peak) - e_l) - w) / tau_w",
    },
    threshold="v >= v_peak",
    reset={"v": "v_reset", "w": "w + b"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "e_l"},
    source="Brette and Gerstner, J. Neurophysiol. 94 (2005), eqs. 1 to 3; NEST aeif_cond_exp and its defaults",
)

# Rates of the gates; x is (v - v_t) in mV. (y) / (exp(y) - 1) is 1 / exprel(y), which has no gap at y = 0.
_X = "(v - v_t) / mv"
_ALPHA_M, _BETA_M = f"1.28 / exprel((13 - {_X}) / 4) / ms", f"1.4 / exprel(({_X} - 40) / 5) / ms"
_ALPHA_H, _BETA_H = f"0.128 * exp((17 - {_X}) / 18) / ms", f"4 / (1 + exp((40 - {_X}) / 5)) / ms"
_ALPHA_N, _BETA_N = f"0.16 / exprel((15 - {_X}) / 5) / ms", f"0.5 * exp((10 - {_X}) / 40) / ms"


def _gate(name: str, alpha: str, beta: str) -> str:
    return f"{alpha} * (1 - {name}) - {beta} * {name}"


def _at_rest(alpha: str, beta: str) -> str:
    up, down = (rate.replace("(v - v_t)", "(e_l - v_t)") for rate in (alpha, beta))
    return f"({up}) / ({up} + {down})"


HodgkinHuxley = NeuronModel(
    name="HodgkinHuxley",
    state={"v": "V", "m": "1", "h": "1", "n": "1", "g_e": "S", "g_i": "S"},
    params={
        "c": (200e-12, "F"),
        "g_l": (10e-9, "S"),
        "g_na": (20e-6, "S"),
        "g_k": (6e-6, "S"),
        "e_l": (-60e-3, "V"),
        "e_na": (50e-3, "V"),
        "e_k": (-90e-3, "V"),
        "v_t": (-63e-3, "V"),
        "v_th": (-20e-3, "V"),
        "t_ref": (3e-3, "s"),
        "mv": (1e-3, "V"),
        "ms": (1e-3, "s"),
        **_SYNAPSES,
    },
    inputs={"exc": "S", "inh": "S", "i": "A"},
    jumps={"exc": "g_e", "inh": "g_i"},
    dynamics={
        "v": "(g_l * (e_l - v) + g_na * m**3 * h * (e_na - v) + g_k * n**4 * (e_k - v)"
        f" + {_SYNAPTIC_CURRENT}) / c",
        "m": _gate("m", _ALPHA_M, _BETA_M),
        "h": _gate("h", _ALPHA_H, _BETA_H),
        "n": _gate("n", _ALPHA_N, _BETA_N),
        **_DECAY,
    },
    # an action potential is counted when it passes v_th, once within t_ref; nothing is reset or held
    threshold="v > v_th",
    refractory=Refractory("t_ref", hold=()),
    initial={
        "v": "e_l",
        "m": _at_rest(_ALPHA_M, _BETA_M),
        "h": _at_rest(_ALPHA_H, _BETA_H),
        "n": _at_rest(_ALPHA_N, _BETA_N),
    },
    source="Brette et al., J. Comput. Neurosci. 23 (2007), benchmark 3; gates start at their value at rest",
)
