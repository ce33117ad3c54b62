"""The networks whose activity is compared, in SI units: one definition for every peer, and for our tests.

Source
------
Brunel, "Dynamics of sparsely connected networks of excitatory and inhibitory spiking neurons", J. Comput. Neurosci.
8, 2000, model A and fig. 8. Vogels and Abbott 2005 as in Brette et al., J. Comput. Neurosci. 23, 2007, benchmark 1.
"""

from __future__ import annotations

from typing import Any

# 40 % of Brunel's size at his connection probability: 400 + 100 inputs instead of 1000 + 250, and j = 0.25 mV
# instead of 0.1 mV, so that c_exc * j, and with it the mean-field equations' mean, stay as published.
BRUNEL: dict[str, Any] = {
    "model": "LIF with delta synapses: tau_m dv/dt = -v; an arriving spike adds its weight to v; at v >= v_th: "
    "spike, v = v_reset, held for t_ref, arrivals lost meanwhile",
    "n_exc": 4000,
    "n_inh": 1000,
    "c_exc": 400,
    "c_inh": 100,
    "connections": "every neuron draws c_exc excitatory and c_inh inhibitory sources, uniformly and with replacement "
    "(multapses and autapses allowed)",
    "tau_m": 20e-3,
    "v_th": 20e-3,
    "v_reset": 10e-3,
    "t_ref": 2e-3,
    "delay": 1.5e-3,
    "dt": 1e-4,
    "j": 0.25e-3,
    "weights": "excitatory j, inhibitory -g j, external j",
    "drive": "an independent Poisson process for each neuron, of rate eta * v_th / (j * tau_m), weight j",
    "initial": "v uniform in [0, v_th)",
    "warm": 0.3,
}
REGIMES: dict[str, dict[str, Any]] = {
    "sr": {"g": 3.0, "eta": 2.0, "window": 1.0, "title": "synchronous regular (Brunel fig. 8A)"},
    "si_fast": {
        "g": 6.0,
        "eta": 4.0,
        "window": 1.0,
        "title": "synchronous irregular, fast oscillation (fig. 8B)",
    },
    "ai": {"g": 5.0, "eta": 2.0, "window": 2.0, "title": "asynchronous irregular (fig. 8C)"},
    "si_slow": {
        "g": 4.5,
        "eta": 0.9,
        "window": 4.0,
        "title": "synchronous irregular, slow oscillation (fig. 8D)",
    },
}
COBA: dict[str, Any] = {
    "model": "c dv/dt = g_l (e_l - v) + g_e (e_e - v) + g_i (e_i - v); conductances decay exponentially; at v >= v_th: "
    "spike, v = v_reset, held for t_ref (conductances go on)",
    "n_exc": 3200,
    "n_inh": 800,
    "p": 0.02,
    "connections": "every ordered pair with probability p, autapses too",
    "c": 200e-12,
    "g_l": 10e-9,
    "e_l": -60e-3,
    "e_e": 0.0,
    "e_i": -80e-3,
    "tau_e": 5e-3,
    "tau_i": 10e-3,
    "v_th": -50e-3,
    "v_reset": -60e-3,
    "t_ref": 5e-3,
    "w_e": 6e-9,
    "w_i": 67e-9,
    "delay": 1e-4,
    "dt": 1e-4,
    "initial": "v uniform in [e_l, v_th), g_e in [0, initial_g_e), g_i in [0, initial_g_i); no other drive",
    "initial_g_e": 20e-9,
    "initial_g_i": 100e-9,
    "warm": 0.3,
    "window": 1.0,
}
