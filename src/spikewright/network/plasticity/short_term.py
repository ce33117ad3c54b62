"""Short-term plasticity: what a spike releases depends on the spikes before it; the weight itself stays.

u is the fraction of x that a spike releases, x what is available. At a spike u grows by U (1 - u), u x is released,
and x loses it; between spikes u falls to 0 with tau_f and x recovers to 1 with tau_d. Both live on the source row, so
a spike costs one update for all its synapses.

Source
------
Tsodyks, Pawelzik, Markram, "Neural networks with dynamic synapses", Neural Computation 10, 1998 (tau_inact -> 0).
Parameters: Markram, Wang, Tsodyks, PNAS 95, 1998 (facilitating: figure 4; depressing: figure 1).
"""

from spikewright.network.synapse import SynapseModel

_SOURCE = "Tsodyks, Pawelzik, Markram, Neural Computation 10, 1998"

TsodyksMarkram = SynapseModel(
    name="TsodyksMarkram",
    params={"U": (0.03, "1"), "tau_f": (530e-3, "s"), "tau_d": (130e-3, "s")},
    pre={"u": "1", "x": "1", "released": "1"},
    dynamics={"u": "-u / tau_f", "x": "(1 - x) / tau_d"},
    initial={"x": "1"},
    on_pre={"u": "u + U * (1 - u)", "released": "u * x", "x": "x - released"},
    send="w * released",
    source=_SOURCE,
)

ShortTermDepression = SynapseModel(
    name="ShortTermDepression",
    params={"U": (0.5, "1"), "tau_d": (800e-3, "s")},
    pre={"x": "1", "released": "1"},
    dynamics={"x": "(1 - x) / tau_d"},
    initial={"x": "1"},
    on_pre={"released": "U * x", "x": "x - released"},
    send="w * released",
    source=_SOURCE + " with tau_facil -> 0, so u = U",
)
