"""Recipes: what chips need of them, and that they learn (their accuracy is a benchmark, not a test)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spikewright.network import Reset
from spikewright.train import DIGITS, FSDD, Module, digits_data, evaluate, train_digits


def test_digits_network_is_one_that_chips_carry() -> None:
    data = digits_data()
    network = DIGITS.network(data, 1)
    x = data.train.batch(np.arange(32))
    assert set(np.unique(x)) == {0, 1}
    for name in ("hidden1", "hidden2", "output"):
        population = network.populations[name]
        assert population.model.reset_kind is Reset.VALUE
        assert float(population.param("v_reset")) == 0
        assert float(population.param("t_ref")) == 0
    assert [network.populations[n].n for n in network.populations] == [64, 256, 128, 10]
    assert all(q.bias is None for q in network.projections.values())


def test_digits_learn_in_two_epochs() -> None:
    done = train_digits(seed=1, epochs=2, progress=False)
    assert done.history[-1].validation_accuracy > 0.7
    data = digits_data()
    found = evaluate(Module(done.network), data.test, DIGITS.loss)
    assert found.accuracy > 0.7
    assert found.decisions.shape == (data.test.n,)


def test_spoken_digits_network() -> None:
    data = replace(digits_data(), name="like")
    network = FSDD.network(data, 1)
    assert "hidden1->hidden1" in network.projections
    assert network.populations["output"].n == 10
