"""Voltage-based STDP: depression at pre events, potentiation while the target's voltage is high.

Per pre event the weight loses A_LTD [u_minus - theta_minus]+; per second it gains A_LTP x [v - theta_plus]+ [u_plus -
theta_minus]+, where u_minus and u_plus are low-pass filtered voltages, and x the filtered spikes of the source, 1 /
tau_x per spike. Integrated by one product per step in which both brackets are positive.

The target needs a voltage `v` that spikes visibly: the gain needs v > theta_plus as the threshold sees it.

Source
------
Clopath, Büsing, Vasilaki, Gerstner, "Connectivity reflects coding: a model of voltage-based STDP with homeostasis",
Nature Neurosci. 13, 2010: eq. 1-3, parameters of table 1 (visual cortex), without its homeostasis of A_LTD.
"""

from spikewright.network.synapse import SynapseModel

ClopathSTDP = SynapseModel(
    name="ClopathSTDP",
    params={
        "theta_minus": (-70.6e-3, "V"),
        "theta_plus": (-45.3e-3, "V"),
        # 14e-5 per mV and 8e-5 per mV^2, fractions of a weight of 1
        "a_ltd": (0.14, "weight/V"),
        "a_ltp": (80.0, "weight/V^2"),
        "tau_x": (15e-3, "s"),
        "tau_minus": (10e-3, "s"),
        "tau_plus": (7e-3, "s"),
        # ours: a spike counts as high as this, whatever a grid point in its upstroke happens to show
        "v_peak": (30e-3, "V"),
        "w_max": (1.0, "weight"),
    },
    pre={"x": "1/s"},
    post={"u_minus": "V", "u_plus": "V"},
    reads={"v_post": "V"},
    dynamics={
        "x": "-x / tau_x",
        "u_minus": "(minimum(v_post, v_peak) - u_minus) / tau_minus",
        "u_plus": "(minimum(v_post, v_peak) - u_plus) / tau_plus",
    },
    initial={"u_minus": "theta_minus", "u_plus": "theta_minus"},
    on_pre={
        "w": "clip(w - a_ltd * maximum(u_minus - theta_minus, 0), 0, w_max)",
        "x": "x + 1 / tau_x",
    },
    post_event="v_post > theta_plus and u_plus > theta_minus",
    on_post={
        "w": "clip(w + dt * a_ltp * x * (minimum(v_post, v_peak) - theta_plus) * (u_plus - theta_minus), 0, w_max)",
    },
    source="Clopath, Büsing, Vasilaki, Gerstner, Nature Neurosci. 13, 2010, eq. 1-3, table 1",
)
