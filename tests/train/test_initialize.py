"""Initialization: fluctuations reach the target in every unit, layer by layer, recurrent or not."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import TrainError
from spikewright.network import (
    LI,
    LIF,
    CubaLIF,
    chain,
    conv,
    dense,
    flatten,
    neurons,
    source,
    sum_pool,
)
from spikewright.train import fluctuation, initialize

SPIKES = np.random.default_rng(1).random((60, 8, 20)) < 0.1


class TestInitialize:
    @pytest.mark.parametrize("target", [0.5, 1.0])
    @pytest.mark.parametrize("volt", [1.0, 1e-3])
    @pytest.mark.parametrize("model", [LIF, CubaLIF])
    def test_reaches_the_target_in_every_unit(
        self, model: object, volt: float, target: float
    ) -> None:
        network = chain(
            source(20), dense(30), neurons(model, v_th=volt), dense(20), neurons(model, v_th=volt),
            dense(4), neurons(LI), dt=1e-3,
        )  # fmt: skip
        found = fluctuation(initialize(network, SPIKES, 3, target=target), SPIKES)
        assert found == pytest.approx(dict.fromkeys(found, target), rel=1e-6)
        assert set(found) == {"hidden1", "hidden2", "output"}

    def test_recurrent_share(self) -> None:
        network = chain(
            source(20),
            dense(40, recurrent=True),
            neurons(LIF, tau_m=10e-3),
            dense(4),
            neurons(LIF),
            dt=1e-3,
        )
        found = initialize(network, SPIKES, 3, target=0.8, alpha=0.9)
        forward = fluctuation(found, SPIKES, only={"hidden1": ("input->hidden1",)})["hidden1"]
        assert forward == pytest.approx(0.8 * np.sqrt(0.9), rel=1e-6)
        both = fluctuation(found, SPIKES)["hidden1"]
        assert both > forward

    def test_convolution(self) -> None:
        network = chain(
            source((1, 8, 8)),
            conv(4, 3),
            sum_pool(2),
            neurons(LIF),
            flatten(),
            dense(3),
            neurons(LIF),
            dt=1e-3,
        )
        x = np.random.default_rng(2).random((30, 4, 1, 8, 8)) < 0.2
        found = fluctuation(initialize(network, x, 1), x)
        assert found == pytest.approx({"hidden1": 1.0, "output": 1.0}, rel=1e-6)

    def test_is_drawn_from_the_seed_alone(self) -> None:
        network = chain(source(20), dense(5), neurons(LIF), dt=1e-3)
        weights = [
            initialize(network, SPIKES, s).projections["input->output"].topology.weight
            for s in (1, 1, 2)
        ]
        np.testing.assert_array_equal(weights[0], weights[1])
        assert not np.array_equal(weights[0], weights[2])

    def test_errors(self) -> None:
        network = chain(source(20), dense(5), neurons(LIF), dt=1e-3)
        with pytest.raises(TrainError, match="population 'output': nothing arrives from input"):
            initialize(network, np.zeros((5, 2, 20)), 1)
        with pytest.raises(TrainError, match="initialize: needs target > 0"):
            initialize(network, SPIKES, 1, target=0.0)
        with pytest.raises(TrainError, match=r"initialize: no such projection; found \['x'\]"):
            initialize(network, SPIKES, 1, projections=("x",))
