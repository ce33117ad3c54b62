"""Triplet STDP with periodic trains against the sums of their traces."""

import math

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import Rule, SynapseModel
from spikewright.network.plasticity import (
    TripletSTDP,
    TripletSTDPHippocampus,
    TripletSTDPHippocampusNearest,
    TripletSTDPNearest,
)
from spikewright.testing.synapses import forced, train

DT = 1e-3
MODELS = [TripletSTDP, TripletSTDPNearest, TripletSTDPHippocampus, TripletSTDPHippocampusNearest]


def trace(first: float, period: float, count: int, tau: float, *, nearest: bool) -> float:
    """Return a trace of `count` events, the last of them `first` ago."""
    q = math.exp(-period / tau)
    size = min(count, 1) if nearest else (1 - q**count) / (1 - q)
    return math.exp(-first / tau) * size


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
@pytest.mark.parametrize("period", [100, 50, 25])
@pytest.mark.parametrize("late", [10, -10])
def test_pairing_at_a_frequency(model: SynapseModel, period: int, late: int) -> None:
    pairs = 10
    nearest = model.name.endswith("Nearest")
    rule = Rule(model, {"w_max": 100.0})
    p = rule.constants
    pre = 20 + period * np.arange(pairs)
    post = pre + late
    length = int(max(pre[-1], post[-1])) + 1
    inputs = {"in": train(pre, length), "out.fire": train(post, length)}
    found = Reference().run(forced(rule, [[50.0]]), inputs).learned()
    t, shift = period * DT, late * DT
    change = 0.0
    for n in range(pairs):
        before, seen = (shift, n + 1) if late > 0 else (t + shift, n)  # pre events before post n
        r1 = trace(before, t, seen, p["tau_plus"], nearest=nearest)
        o2 = trace(t, t, n, p["tau_y"], nearest=nearest)
        change += r1 * (p["a2_plus"] + p["a3_plus"] * o2)
        before, seen = (t - shift, n) if late > 0 else (-shift, n + 1)  # post events before pre n
        o1 = trace(before, t, seen, p["tau_minus"], nearest=nearest)
        r2 = trace(t, t, n, p["tau_x"], nearest=nearest)
        change -= o1 * (p["a2_minus"] + p["a3_minus"] * r2)
    weight = found.projections["s"].topology.weight
    assert weight is not None
    assert weight[0, 0] - 50 == pytest.approx(change, abs=1e-12)


def test_potentiation_grows_with_frequency() -> None:
    changes = []
    for period in (100, 50, 25, 20):  # 10, 20, 40, 50 Hz: Sjöström's protocol, 60 pairs
        pre = 20 + period * np.arange(60)
        length = int(pre[-1]) + 20
        inputs = {"in": train(pre, length), "out.fire": train(pre + 10, length)}
        net = forced(Rule(TripletSTDP, {"w_max": 100.0}), [[50.0]])
        weight = Reference().run(net, inputs).learned().projections["s"].topology.weight
        assert weight is not None
        changes.append(weight[0, 0] - 50)
    assert changes == sorted(changes)
    assert changes[-1] > 0
