"""Voltage-based STDP against an integration step by step."""

import math

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import Dense, Input, Network, NeuronModel, Population, Projection, Rule
from spikewright.network.plasticity import ClopathSTDP
from spikewright.rng import stream
from spikewright.testing.synapses import train

DT = 1e-4
Clamped = NeuronModel(
    name="Clamped",
    state={"v": "V"},
    params={},
    inputs={"volts": "V", "synapses": "V"},
    update={"v": "volts"},
    threshold="v > 0",
    reset={"v": "0"},
    source="Made for this test: its voltage is what enters.",
)


def test_against_integration() -> None:
    length = 3000
    draw = stream(4, "clopath")
    pre = np.flatnonzero(draw.random(length) < 0.005)
    v = -70e-3 + 10e-3 * np.cumsum(draw.normal(0, 0.1, length))
    v[draw.random(length) < 0.02] = 40e-3
    rule = Rule(ClopathSTDP, {"w_max": 100.0})
    delay = 12
    net = Network(
        dt=DT,
        populations={"in": Population(Input, 1), "out": Population(Clamped, 1)},
        projections={
            "s": Projection("in", "out", Dense([[50.0]]), "synapses", delay * DT, rule=rule)
        },
    )
    inputs = {"in": train(pre, length), "out.volts": v.reshape(-1, 1, 1)}
    found = Reference().run(net, inputs).learned().projections["s"].topology.weight

    low, high = -70.6e-3, -45.3e-3
    x, minus, plus, w = 0.0, low, low, 50.0
    potentiated = 0
    for k in range(length):
        x *= math.exp(-DT / 15e-3)
        if k - delay in pre:
            w -= 0.14 * max(minus - low, 0)
            x += 1 / 15e-3
        seen = min(v[k], 30e-3)
        if seen > high and plus > low:
            w += DT * 80 * x * (seen - high) * (plus - low)
            potentiated += 1
        minus += (seen - minus) * (1 - math.exp(-DT / 10e-3))
        plus += (seen - plus) * (1 - math.exp(-DT / 7e-3))
    assert potentiated > 20
    assert found is not None
    assert found[0, 0] == pytest.approx(w, abs=1e-10)
    assert found[0, 0] != 50
