"""Reward-modulated STDP: pairs leave an eligibility in the synapse; a reward turns it into a change of the weight.

e' = -e / tau_e, with the changes of pair STDP added at events; w changes by eta reward e in steps with a reward. The
signal is what was integrated over the step: for a concentration d(t) give d dt.

Source
------
Izhikevich, "Solving the distal reward problem through linkage of STDP and dopamine signaling", Cerebral Cortex 17,
2007 (c is our e; tau_c = 1 s). Frémaux, Gerstner, Front. Neural Circuits 9, 2016.
"""

from spikewright.network.synapse import SynapseModel

RewardSTDP = SynapseModel(
    name="RewardSTDP",
    params={
        "tau_plus": (20e-3, "s"),
        "tau_minus": (20e-3, "s"),
        # amplitudes as in PairSTDP, of the eligibility instead of the weight
        "a_plus": (0.005, "weight"),
        "a_minus": (0.00525, "weight"),
        "tau_e": (1.0, "s"),
        "eta": (1.0, "1"),
        "w_max": (1.0, "weight"),
    },
    pre={"x": "1"},
    post={"y": "1"},
    state={"e": "weight"},
    dynamics={"x": "-x / tau_plus", "y": "-y / tau_minus", "e": "-e / tau_e"},
    on_pre={"e": "e - a_minus * y", "x": "x + 1"},
    on_post={"e": "e + a_plus * x", "y": "y + 1"},
    signals={"reward": "1"},
    on_signal={"w": "clip(w + eta * reward * e, 0, w_max)"},
    source="Izhikevich, Cerebral Cortex 17, 2007; Frémaux, Gerstner, Front. Neural Circuits 9, 2016",
)
