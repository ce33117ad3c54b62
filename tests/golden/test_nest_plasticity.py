"""Weights of NEST's plastic synapses (NEST 3.10, `benchmarks/peers/nest_plasticity.py`) against ours.

NEST's delay d is dendritic: a pre spike acts on the synapse when it is sent, a post spike d later. Ours is axonal, so d
shifts the post spikes. A post spike that then falls together with a pre spike makes no pair in NEST, and a pair at
distance 0 in ours; the lists have one such coincidence, and STDP is compared up to it.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import Rule
from spikewright.network.plasticity import (
    PairSTDP,
    PairSTDPNearest,
    PowerLawSTDP,
    ShortTermDepression,
    TripletSTDP,
    TsodyksMarkram,
    VogelsInhibitory,
)
from spikewright.testing.synapses import forced, train

with np.load(Path(__file__).with_name("simulate") / "nest_plasticity.npz") as file:
    DATA = {name: file[name] for name in file.files}
META = json.loads(str(DATA["meta"]))
DT = META["dt"]
LATE = round(META["delay"][0] / DT)
TAUS = {"tau_plus": 16.8e-3, "tau_minus": META["tau_minus"][0]}


def weights(rule: Rule, initial: float) -> np.ndarray:
    """Return what each pre spike delivers, with the post spikes shifted by NEST's delay."""
    pre, post = DATA["pre"], DATA["post"] + LATE
    length = META["steps"]
    inputs = {"in": train(pre, length), "out.fire": train(post[post < length], length)}
    net = forced(rule, [[initial]], dt=DT)
    got = Reference().run(net, inputs, record={"out": ("got",)}).trace("out", "got")
    return got[pre, 0, 0]


def pair(name: str) -> tuple[dict[str, float], float]:
    p = META["rules"][name]["params"]
    step = p["lambda"] * p["Wmax"]
    return TAUS | {"w_max": p["Wmax"], "a_plus": step}, p["weight"]


def case(name: str) -> tuple[Rule, float]:
    p = META["rules"][name]["params"]
    if name.startswith("tsodyks"):
        params = {"U": p["U"], "tau_d": p["tau_rec"] * 1e-3}
        if p["tau_fac"] == 0:
            return Rule(ShortTermDepression, params), p["weight"]
        return Rule(TsodyksMarkram, params | {"tau_f": p["tau_fac"] * 1e-3}), p["weight"]
    if name == "vogels_sprekeler":
        tau = p["tau"] * 1e-3
        values = {"tau": tau, "eta": p["eta"], "rho_0": p["alpha"] / (2 * tau), "w_max": p["Wmax"]}
        return Rule(VogelsInhibitory, values), p["weight"]
    if name == "triplet":
        values = TAUS | {
            "tau_x": p["tau_plus_triplet"] * 1e-3,
            "tau_y": META["tau_minus_triplet"][0],
            "a2_plus": p["Aplus"],
            "a2_minus": p["Aminus"],
            "a3_plus": p["Aplus_triplet"],
            "a3_minus": p["Aminus_triplet"],
            "w_max": p["Wmax"],
        }
        return Rule(TripletSTDP, values), p["weight"]
    values, weight = pair(name)
    if p["mu_plus"] == 0:
        values["a_minus"] = p["alpha"] * values["a_plus"]
        model = PairSTDPNearest if name == "nearest_symmetric" else PairSTDP
        return Rule(model, values), weight
    return Rule(PowerLawSTDP, values | {"alpha": p["alpha"], "mu": p["mu_plus"]}), weight


@pytest.mark.parametrize("name", META["rules"])
def test_weights(name: str) -> None:
    found, expected = weights(*case(name)), DATA[f"w_{name}"]
    together = np.isin(DATA["pre"], DATA["post"] + LATE)
    until = len(expected) if name.startswith("tsodyks") else int(np.argmax(together))
    assert until >= 20
    assert found[:until] == pytest.approx(expected[:until], rel=1e-10)
