"""Reward-modulated STDP: the weight changes by reward times what is left of the eligibility."""

import math

import numpy as np
import pytest

from spikewright.engines.recording import Recording
from spikewright.engines.reference import Reference
from spikewright.network import Network, Rule
from spikewright.network.plasticity import RewardSTDP
from spikewright.testing.synapses import forced, train

DT = 1e-3


def run(net: Network, pre: object, post: object, reward: np.ndarray) -> Recording:
    engine = Reference()
    length = len(reward)
    inputs = {"in": train(pre, length), "out.fire": train(post, length)}
    return engine.run(net, inputs | {"s.reward": reward.reshape(-1, 1)})


@pytest.mark.parametrize("wait", [1, 100, 900])
def test_distal_reward(wait: int) -> None:
    reward = np.zeros(1200)
    reward[60 + wait] = 0.7
    net = forced(Rule(RewardSTDP, {"eta": 2.0}), [[0.5]])
    recording = run(net, [50], [60], reward)
    pair = 0.005 * math.exp(-10 / 20)
    weight = recording.learned().projections["s"].topology.weight
    assert weight is not None
    expected = 0.5 + 2.0 * 0.7 * pair * math.exp(-wait * DT / 1.0)
    assert weight[0, 0] == pytest.approx(expected, abs=1e-14)


def test_without_reward_nothing_is_learned() -> None:
    net = forced(Rule(RewardSTDP), [[0.5]])
    recording = run(net, [50, 80], [60, 90], np.zeros(200))
    synapses = recording.state.synapses["s"]
    assert synapses.values["w"][0, 0] == 0.5
    assert synapses.touched[0, 0] == 90
    assert synapses.values["e"][0, 0] > 0


def test_punishment_and_several_rewards() -> None:
    reward = np.zeros(400)
    reward[[100, 200, 300]] = (0.5, -1.0, 0.25)
    net = forced(Rule(RewardSTDP, {"tau_e": 0.1}), [[0.5]])
    weight = run(net, [50], [60], reward).learned().projections["s"].topology.weight
    left = 0.005 * math.exp(-0.5) * np.exp(-np.array([40, 140, 240]) * DT / 0.1)
    assert weight is not None
    assert weight[0, 0] == pytest.approx(0.5 + np.dot([0.5, -1.0, 0.25], left), abs=1e-14)
