"""Triplet STDP: a second, slow trace on either side makes the change depend on the rate of pairs.

Notation of the paper: r1 r2 are the traces of the pre side, o1 o2 those of the post side. At a pre event the weight
changes by -o1 (A2- + A3- r2), at a post event by +r1 (A2+ + A3+ o2), with r2 and o2 before the event adds to them.

Source
------
Pfister, Gerstner, "Triplets of spikes in a model of spike timing-dependent plasticity", J. Neurosci. 26, 2006: eq.
1-4; parameters of table 3 (visual cortex) and table 4 (hippocampus), full models. They are fractions of a weight of
1.
"""

from spikewright.network.synapse import SynapseModel

_SOURCE = "Pfister, Gerstner, J. Neurosci. 26, 2006, eq. 3-4; "
_ALL = {"r1": "r1 + 1", "r2": "r2 + 1"}, {"o1": "o1 + 1", "o2": "o2 + 1"}
_NEAREST = {"r1": "1", "r2": "1"}, {"o1": "1", "o2": "1"}
_PRE = "clip(w - o1 * (a2_minus + a3_minus * r2), 0, w_max)"
_POST = "clip(w + r1 * (a2_plus + a3_plus * o2), 0, w_max)"


def _params(
    a2_plus: float, a3_plus: float, a2_minus: float, a3_minus: float, tau_x: float, tau_y: float
) -> dict[str, tuple[float, str]]:
    return {
        "a2_plus": (a2_plus, "weight"),
        "a3_plus": (a3_plus, "weight"),
        "a2_minus": (a2_minus, "weight"),
        "a3_minus": (a3_minus, "weight"),
        # 16.8 ms and 33.7 ms in every fit: Bi and Poo 2001, as the paper takes them
        "tau_plus": (16.8e-3, "s"),
        "tau_minus": (33.7e-3, "s"),
        "tau_x": (tau_x, "s"),
        "tau_y": (tau_y, "s"),
        "w_max": (1.0, "weight"),
    }


TripletSTDP = SynapseModel(
    name="TripletSTDP",
    params=_params(5e-10, 6.2e-3, 7e-3, 2.3e-4, 101e-3, 125e-3),
    pre={"r1": "1", "r2": "1"},
    post={"o1": "1", "o2": "1"},
    dynamics={
        "r1": "-r1 / tau_plus",
        "r2": "-r2 / tau_x",
        "o1": "-o1 / tau_minus",
        "o2": "-o2 / tau_y",
    },
    on_pre={"w": _PRE} | _ALL[0],
    on_post={"w": _POST} | _ALL[1],
    source=_SOURCE + "visual cortex, all-to-all (table 3)",
)

TripletSTDPNearest = TripletSTDP.variant(
    "TripletSTDPNearest",
    params=_params(8.8e-11, 5.3e-2, 6.6e-3, 3.1e-3, 714e-3, 40e-3),
    on_pre={"w": _PRE} | _NEAREST[0],
    on_post={"w": _POST} | _NEAREST[1],
    source=_SOURCE + "visual cortex, nearest spike (table 3)",
)

TripletSTDPHippocampus = TripletSTDP.variant(
    "TripletSTDPHippocampus",
    params=_params(6.1e-3, 6.7e-3, 1.6e-3, 1.4e-3, 946e-3, 27e-3),
    source=_SOURCE + "hippocampal culture, all-to-all (table 4)",
)

TripletSTDPHippocampusNearest = TripletSTDPNearest.variant(
    "TripletSTDPHippocampusNearest",
    params=_params(4.6e-3, 9.1e-3, 3e-3, 7.5e-9, 575e-3, 47e-3),
    source=_SOURCE + "hippocampal culture, nearest spike (table 4)",
)
