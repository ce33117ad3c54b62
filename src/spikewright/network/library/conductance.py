"""Models with conductances: COBA integrate-and-fire, and Hodgkin-Huxley with the currents of Traub and Miles.

Ports: `exc` and `inh` jump their conductance (a weight is in siemens), `i` is a current held over a step.

Source
------
Brette et al., "Simulation of networks of spiking neurons: a review of tools and strategies", J. Comput. Neurosci. 23,
2007, appendix B, benchmarks 1 (after Vogels and Abbott 2005) and 3 (after Traub and Miles 1991). Their cell has an
area of 20000 um^2: 1 uF/cm^2 is 200 pF, 5e-5 S/cm^2 is 10 nS.
"""

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
