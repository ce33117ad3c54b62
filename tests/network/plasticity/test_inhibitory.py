"""Inhibitory plasticity: its window, and the rate at which it rests."""

import math

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import Rule
from spikewright.network.plasticity import VogelsInhibitory
from spikewright.testing.synapses import forced, train

DT = 1e-3


def change(pre: object, post: object, length: int) -> float:
    net = forced(Rule(VogelsInhibitory, {"w_max": 100.0}), [[50.0]])
    inputs = {"in": train(pre, length), "out.fire": train(post, length)}
    weight = Reference().run(net, inputs).learned().projections["s"].topology.weight
    assert weight is not None
    return float(weight[0, 0]) - 50


@pytest.mark.parametrize("steps", [-30, -1, 0, 1, 30])
def test_symmetric_window(steps: int) -> None:
    expected = 1e-3 * (math.exp(-abs(steps) * DT / 20e-3) - 2 * 3.0 * 20e-3)
    assert change([50], [50 + steps], 100) == pytest.approx(expected, abs=1e-13)


def test_a_pre_spike_alone_costs_alpha() -> None:
    assert change([50], [], 100) == pytest.approx(-1e-3 * 0.12, abs=1e-13)


@pytest.mark.parametrize("period", [37, 111, 333])
def test_fixed_point(period: int) -> None:
    """Sources at every phase of a regular target: the mean change is eta (2 tau / period - alpha), zero at rho_0."""
    post = np.arange(0, 3 * period + 1200, period)
    length = int(post[-1]) + 1
    phases = np.zeros((length, 1, period))
    phases[600 + np.arange(period), 0, np.arange(period)] = 1
    net = forced(Rule(VogelsInhibitory, {"w_max": 100.0}), np.full((1, period), 50.0))
    inputs = {"in": phases, "out.fire": train(post, length)}
    weight = Reference().run(net, inputs).learned().projections["s"].topology.weight
    assert weight is not None
    q = math.exp(-DT / 20e-3)
    pairs = (1 + q) / (1 - q) / period  # the sum over all distances, 2 tau / dt where dt is short
    assert weight.mean() - 50 == pytest.approx(1e-3 * (pairs - 0.12), abs=1e-12)
    assert np.sign(weight.mean() - 50) == np.sign(1 / (period * DT) - 3.0)
