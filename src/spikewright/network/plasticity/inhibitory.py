"""Inhibitory plasticity that brings the target to a firing rate.

At every event of either side the weight gains eta times the trace of the other side; a pre event also costs eta
alpha, with alpha = 2 rho_0 tau. The target then fires at rho_0 where pre and post are not correlated. The weight is
the size of an inhibition: give it to a port where it inhibits, or let `send` be -w in a variant.

Source
------
Vogels, Sprekeler, Zenke, Clopath, Gerstner, "Inhibitory plasticity balances excitation and inhibition in sensory
pathways and memory networks", Science 334, 2011: supporting text, symmetric window of tau = 20 ms.
"""

from spikewright.network.synapse import SynapseModel

VogelsInhibitory = SynapseModel(
    name="VogelsInhibitory",
    params={
        "tau": (20e-3, "s"),
        # alpha = 0.12 with tau = 20 ms
        "rho_0": (3.0, "Hz"),
        # the learning rate is free; 1e-3 of a weight of 1 by choice
        "eta": (1e-3, "weight"),
        "w_max": (1.0, "weight"),
    },
    pre={"x": "1"},
    post={"y": "1"},
    dynamics={"x": "-x / tau", "y": "-y / tau"},
    on_pre={"w": "clip(w + eta * (y - 2 * rho_0 * tau), 0, w_max)", "x": "x + 1"},
    on_post={"w": "clip(w + eta * x, 0, w_max)", "y": "y + 1"},
    source="Vogels et al., Science 334, 2011, supporting text",
)
