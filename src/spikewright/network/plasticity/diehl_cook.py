"""The rule of Diehl and Cook for digits: at a post event a weight grows where its source was active, or falls.

w gains eta (x - x_target) (w_max - w)^mu; the sum of a target's weights is set to `norm` every t_norm (the paper's
code does so after every image of 0.35 s and pause of 0.15 s). The adaptive threshold of the paper belongs to the
neuron.

Source
------
Diehl, Cook, "Unsupervised learning of digit recognition using spike-timing-dependent plasticity", Front. Comput.
Neurosci. 9, 2015: section 2.3.
"""

from spikewright.network.synapse import SynapseModel

DiehlCook = SynapseModel(
    name="DiehlCook",
    params={
        "tau_x": (20e-3, "s"),
        # not printed in the paper; by choice
        "eta": (0.01, "1"),
        "x_target": (0.4, "1"),
        "w_max": (1.0, "weight"),
        # 78.4 = 0.1 x 784 pixels, Diehl's code (recalled)
        "norm": (78.4, "weight"),
        "t_norm": (0.5, "s"),
    },
    pre={"x": "1"},
    dynamics={"x": "-x / tau_x"},
    on_pre={"x": "1"},
    on_post={"w": "clip(w + eta * (x - x_target) * (w_max - w), 0, w_max)"},
    every="t_norm",
    on_every={"w": "w * norm / w_total if w_total > 0 else w"},
    source="Diehl, Cook, Front. Comput. Neurosci. 9, 2015, section 2.3, mu = 1, and the normalisation of their code",
)
