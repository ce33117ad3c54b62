"""Synapse models with their sources. Each is a value: `Projection(..., rule=Rule(PairSTDP, {"a_plus": 0.01}))`.

A variant is its own named model: change one with `model.variant(...)`, or write your own `SynapseModel`.
"""

from spikewright.network.plasticity.diehl_cook import DiehlCook
from spikewright.network.plasticity.gap_junction import GapJunction
from spikewright.network.plasticity.homeostatic import SynapticScaling, WeightNormalization
from spikewright.network.plasticity.inhibitory import VogelsInhibitory
from spikewright.network.plasticity.pair import (
    MultiplicativeSTDP,
    PairSTDP,
    PairSTDPNearest,
    PairSTDPPresynaptic,
    PairSTDPReduced,
    PowerLawSTDP,
)
from spikewright.network.plasticity.reward import RewardSTDP
from spikewright.network.plasticity.short_term import ShortTermDepression, TsodyksMarkram
from spikewright.network.plasticity.triplet import (
    TripletSTDP,
    TripletSTDPHippocampus,
    TripletSTDPHippocampusNearest,
    TripletSTDPNearest,
)
from spikewright.network.plasticity.voltage import ClopathSTDP

RULES = {
    m.name: m
    for m in (
        TsodyksMarkram,
        ShortTermDepression,
        PairSTDP,
        PairSTDPNearest,
        PairSTDPPresynaptic,
        PairSTDPReduced,
        MultiplicativeSTDP,
        PowerLawSTDP,
        TripletSTDP,
        TripletSTDPNearest,
        TripletSTDPHippocampus,
        TripletSTDPHippocampusNearest,
        ClopathSTDP,
        RewardSTDP,
        VogelsInhibitory,
        SynapticScaling,
        WeightNormalization,
        DiehlCook,
        GapJunction,
    )
}

__all__ = [
    "RULES",
    "ClopathSTDP",
    "DiehlCook",
    "GapJunction",
    "MultiplicativeSTDP",
    "PairSTDP",
    "PairSTDPNearest",
    "PairSTDPPresynaptic",
    "PairSTDPReduced",
    "PowerLawSTDP",
    "RewardSTDP",
    "ShortTermDepression",
    "SynapticScaling",
    "TripletSTDP",
    "TripletSTDPHippocampus",
    "TripletSTDPHippocampusNearest",
    "TripletSTDPNearest",
    "TsodyksMarkram",
    "VogelsInhibitory",
    "WeightNormalization",
]
