"""Pair-based spike-timing-dependent plasticity (STDP): each pair of a pre and a post event changes the weight.

A pair at distance d = t_post - t_pre > 0 potentiates by A+(w) exp(-d / tau_plus), one at d < 0 depresses by A-(w)
exp(d / tau_minus); t_pre is the arrival at the synapse. The rules differ in A+(w), A-(w), and in which pairs count:
all of them (traces add up), or the nearest ones (traces are set).

Source
------
Morrison, Diesmann, Gerstner, "Phenomenological models of synaptic plasticity based on spike timing", Biol. Cybern.
98, 2008: traces, and figure 7 for the pairing schemes.
"""

from spikewright.network.synapse import SynapseModel

_PARAMS = {
    # Song, Miller, Abbott 2000: both 20 ms
    "tau_plus": (20e-3, "s"),
    "tau_minus": (20e-3, "s"),
    # the unit of the port; 1 by choice, so that amplitudes are fractions of it
    "w_max": (1.0, "weight"),
}
_DECAY = {"x": "-x / tau_plus", "y": "-y / tau_minus"}
_POTENTIATION = "clip(w + a_plus * x, 0, w_max)"
_DEPRESSION = "clip(w - a_minus * y, 0, w_max)"

PairSTDP = SynapseModel(
    name="PairSTDP",
    # A+ = 0.005 g_max, A- = 1.05 A+ (Song et al. 2000, below eq. 1)
    params=_PARAMS | {"a_plus": (0.005, "weight"), "a_minus": (0.00525, "weight")},
    pre={"x": "1"},
    post={"y": "1"},
    dynamics=_DECAY,
    on_pre={"w": _DEPRESSION, "x": "x + 1"},
    on_post={"w": _POTENTIATION, "y": "y + 1"},
    source="additive, all pairs: Song, Miller, Abbott, Nature Neurosci. 3, 2000, eq. 1; window: Bi, Poo, J. Neurosci. "
    "18, 1998",
)

PairSTDPNearest = PairSTDP.variant(
    "PairSTDPNearest",
    on_pre={"w": _DEPRESSION, "x": "1"},
    on_post={"w": _POTENTIATION, "y": "1"},
    source="additive, symmetric nearest neighbours (each event with the last one of the other side): Morrison et al. "
    "2008, figure 7A",
)

PairSTDPPresynaptic = PairSTDP.variant(
    "PairSTDPPresynaptic",
    pre={},
    state={"x": "1"},
    on_pre={"w": _DEPRESSION, "x": "1"},
    on_post={"w": _POTENTIATION, "x": "0", "y": "1"},
    source="additive, presynaptic centered (each pre event with the last post event and the next one): Morrison et al. "
    "2008, figure 7B",
)

PairSTDPReduced = PairSTDP.variant(
    "PairSTDPReduced",
    pre={},
    post={},
    state={"x": "1", "y": "1"},
    on_pre={"w": _DEPRESSION, "x": "1", "y": "0"},
    on_post={"w": _POTENTIATION, "x": "0", "y": "1"},
    source="additive, reduced symmetric (immediate pairs only): Morrison et al. 2008, figure 7C",
)

MultiplicativeSTDP = PairSTDP.variant(
    "MultiplicativeSTDP",
    # c_p and c_d of the paper, as a fraction of w_max and of w; recalled, the paper states c_p in siemens
    params=_PARAMS | {"a_plus": (0.003, "weight"), "a_minus": (0.003, "1")},
    on_pre={"w": "clip(w - a_minus * w * y, 0, w_max)", "x": "x + 1"},
    source="additive potentiation, depression proportional to the weight: van Rossum, Bi, Turrigiano, J. Neurosci. 20, "
    "2000 (without its noise)",
)

PowerLawSTDP = PairSTDP.variant(
    "PowerLawSTDP",
    # lambda 0.005, alpha 1.05, mu 0.02 .. 1 in the paper's figures; mu = 0 is additive, mu = 1 multiplicative
    params=_PARAMS | {"a_plus": (0.005, "weight"), "alpha": (1.05, "1"), "mu": (0.02, "1")},
    on_pre={
        "w": "clip(w - alpha * a_plus * (0 if w <= 0 else exp(mu * log(w / w_max))) * y, 0, w_max)",
        "x": "x + 1",
    },
    on_post={
        "w": "clip(w + a_plus * (0 if w >= w_max else exp(mu * log(1 - w / w_max))) * x, 0, w_max)",
        "y": "y + 1",
    },
    source="Gütig, Aharonov, Rotter, Sompolinsky, J. Neurosci. 23, 2003 (all pairs); a_plus is lambda w_max",
)
