"""Homeostatic rules: what a target gets is scaled so that its rate, or the sum of its weights, is kept.

Source
------
Turrigiano et al., Nature 391, 1998 (synaptic scaling); van Rossum, Bi, Turrigiano, J. Neurosci. 20, 2000: the
proportional term, w' = beta w (rate_goal - a), with a the rate as a trace of tau_a.
"""

from spikewright.network.synapse import SynapseModel

SynapticScaling = SynapseModel(
    name="SynapticScaling",
    params={
        # beta = 4e-5 per second and hertz, tau_a = 100 s in the paper
        "beta": (4e-5, "1"),
        "tau_a": (100.0, "s"),
        "rate_goal": (20.0, "Hz"),
        "t_scale": (1.0, "s"),
        "w_max": (1.0, "weight"),
    },
    post={"a": "Hz"},
    dynamics={"a": "-a / tau_a"},
    on_post={"a": "a + 1 / tau_a"},
    every="t_scale",
    on_every={"w": "clip(w * (1 + beta * t_scale * (rate_goal - a)), 0, w_max)"},
    source="van Rossum, Bi, Turrigiano, J. Neurosci. 20, 2000, proportional term, every t_scale",
)

WeightNormalization = SynapseModel(
    name="WeightNormalization",
    params={"norm": (1.0, "weight"), "t_norm": (0.5, "s")},
    every="t_norm",
    on_every={"w": "w * norm / w_total if w_total > 0 else w"},
    source="von der Malsburg, Kybernetik 14, 1973: the sum of a target's weights is constant",
)
