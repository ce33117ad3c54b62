"""Short-term plasticity: steady state, recovery, and what is sent, in closed form."""

import math

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import Rule, SynapseModel
from spikewright.network.plasticity import ShortTermDepression, TsodyksMarkram
from spikewright.testing.synapses import forced, train

DT = 1e-3


def sent(rule: Rule, steps: np.ndarray, weight: float = 2.0) -> np.ndarray:
    """Return what each spike delivers."""
    inputs = {"in": train(steps, int(steps[-1]) + 1)}
    recording = Reference().run(forced(rule, [[weight]]), inputs, record={"out": ("got",)})
    return recording.trace("out", "got")[steps, 0, 0]


@pytest.mark.parametrize("rate", [5, 20, 50])
def test_steady_state(rate: int) -> None:
    u0, tau_f, tau_d = 0.15, 0.5, 0.2
    period = round(1 / rate / DT)
    found = sent(
        Rule(TsodyksMarkram, {"U": u0, "tau_f": tau_f, "tau_d": tau_d}),
        period * np.arange({5: 50, 20: 100, 50: 250}[rate]),
    )
    f, d = math.exp(-period * DT / tau_f), math.exp(-period * DT / tau_d)
    u = u0 / (1 - (1 - u0) * f)
    x = (1 - d) / (1 - (1 - u) * d)
    assert found[0] == pytest.approx(2 * u0, abs=1e-15)
    assert found[-1] == pytest.approx(2 * u * x, abs=1e-12)


def test_facilitation_then_recovery() -> None:
    u0, tau_f, tau_d = 0.03, 0.53, 0.13
    steps = np.array([10, 30, 50, 70, 70 + 900])
    u, x, last, expected = 0.0, 1.0, 0, []
    for k in steps:
        late = (k - last) * DT
        u *= math.exp(-late / tau_f)
        x = 1 + (x - 1) * math.exp(-late / tau_d)
        u += u0 * (1 - u)
        expected.append(2 * u * x)
        x -= u * x
        last = k
    found = sent(Rule(TsodyksMarkram), steps)
    assert found == pytest.approx(expected, abs=1e-13)
    assert found[3] > found[0]


def test_depression() -> None:
    steps = 50 * np.arange(60)
    found = sent(Rule(ShortTermDepression), steps)
    d = math.exp(-0.05 / 0.8)
    assert found[0] == pytest.approx(2 * 0.5)
    assert found[-1] == pytest.approx(2 * 0.5 * (1 - d) / (1 - 0.5 * d), abs=1e-12)


@pytest.mark.parametrize("model", [TsodyksMarkram, ShortTermDepression], ids=lambda m: m.name)
def test_a_source_releases_the_same_to_all_its_targets(model: SynapseModel) -> None:
    net = forced(Rule(model), [[1.0], [2.0], [3.0]], delay=[[0.0], [0.0], [2e-3]])
    inputs = {"in": train([5, 9, 30], 40)}
    got = Reference().run(net, inputs, record={"out": ("got",)}).trace("out", "got")[:, 0]
    assert np.array_equal(2 * got[:, 0], got[:, 1])
    # the row of another delay sees the same intervals, later
    assert got[2:, 2] == pytest.approx(3 * got[:-2, 0], abs=1e-14)
