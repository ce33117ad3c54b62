"""Rules that run at the end of a period: scaling, normalisation, Diehl and Cook's rule."""

import math

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import Rule
from spikewright.network.plasticity import DiehlCook, SynapticScaling, WeightNormalization
from spikewright.rng import stream
from spikewright.testing.synapses import forced, train


def test_normalization_at_the_end_of_each_period() -> None:
    weights = stream(5, "norm").uniform(0.1, 1, (3, 7))
    net = forced(Rule(WeightNormalization, {"norm": 2.0, "t_norm": 10e-3}), weights)
    before = Reference().run(net, steps=9).learned().projections["s"].topology.weight
    after = Reference().run(net, steps=10).learned().projections["s"].topology.weight
    assert np.array_equal(before, weights)
    assert after == pytest.approx(weights * 2 / weights.sum(1, keepdims=True), abs=1e-15)


def test_a_target_without_weight_stays() -> None:
    net = forced(Rule(WeightNormalization, {"t_norm": 1e-3}), [[0.0, 0.0], [1.0, 3.0]])
    after = Reference().run(net, steps=3).learned().projections["s"].topology.weight
    assert after == pytest.approx(np.array([[0, 0], [0.25, 0.75]]))


def test_scaling_follows_the_rate() -> None:
    tau, beta, goal, period = 0.5, 0.02, 20.0, 50
    rule = Rule(
        SynapticScaling,
        {"tau_a": tau, "beta": beta, "rate_goal": goal, "t_scale": period * 1e-3, "w_max": 10.0},
    )
    fire = np.array([3, 40, 70, 71, 180])
    found = Reference().run(forced(rule, [[1.0, 2.0]]), {"out.fire": train(fire, 200)}).learned()
    scale = 1.0
    for end in (49, 99, 149, 199):
        a = np.exp(-(end - fire[fire <= end]) * 1e-3 / tau).sum() / tau
        scale *= 1 + beta * period * 1e-3 * (goal - a)
    weight = found.projections["s"].topology.weight
    assert weight == pytest.approx(scale * np.array([[1.0, 2.0]]), abs=1e-12)


def test_diehl_cook() -> None:
    rule = Rule(DiehlCook, {"norm": 1.0, "t_norm": 0.1})
    fire = np.zeros((100, 1, 1))
    fire[30] = 1
    pre = np.zeros((100, 1, 2))
    pre[[10, 25], 0, 0] = 1
    w = np.array([0.5, 0.3])
    found = Reference().run(forced(rule, [w]), {"in": pre, "out.fire": fire}).learned()
    x = np.array([math.exp(-5 / 20), 0.0])
    learned = w + 0.01 * (x - 0.4) * (1 - w)
    weight = found.projections["s"].topology.weight
    assert weight == pytest.approx((learned / learned.sum())[None], abs=1e-14)
