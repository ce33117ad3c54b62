"""Penalties for what a chip cannot hold: values by hand, gradients, and what training makes of them."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.errors import TrainError
from spikewright.network import (
    LIF,
    Conv,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Sparse,
    chain,
    dense,
    neurons,
    source,
)
from spikewright.rng import stream
from spikewright.substrates.passes.prune import PruneFanIn
from spikewright.substrates.passes.quantize import Quantize
from spikewright.train import (
    AdamW,
    CountCrossEntropy,
    FanInPenalty,
    Module,
    Regularizer,
    Run,
    WeightRangePenalty,
    evaluate,
    fit,
)
from spikewright.train.samples import as_part


def net(v_th: float = 1.0) -> Network:
    """Return a net whose neurons have 4 and 3 synapses, two of them from themselves."""
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 2), "out": Population(LIF, 2, {"v_th": v_th})},
        projections={
            "a": Projection("in", "out", Dense([[5.0, -4.0], [0.25, 2.0]])),
            "b": Projection(
                "out",
                "out",
                Sparse.from_edges([0, 1, 1], [0, 0, 1], [3.0, -0.5, 7.0], n_pre=2, n_post=2),
            ),
        },
    )


def ran(network: Network, **how: Any) -> tuple[Module, Run]:
    module = Module(network, dtype=torch.float64)
    n = network.populations["in"].shape
    return module, module.run(torch.zeros(2, 1, *n, dtype=torch.float64), **how)


class TestFanIn:
    @pytest.mark.parametrize(
        ("limit", "excess"), [(4, 0.0), (3, 0.5), (2, 0.5 + 3 + 0.25), (1, 7.5 + 2.25)]
    )
    def test_is_what_stands_beyond_the_largest(self, limit: int, excess: float) -> None:
        _, run = ran(net())
        assert FanInPenalty(limit)(run).item() == pytest.approx(excess)
        assert FanInPenalty(limit, weight=3.0)(run).item() == pytest.approx(3 * excess)

    def test_gradient_is_the_sign_of_what_stands_beyond(self) -> None:
        module, run = ran(net())
        FanInPenalty(2)(run).backward()
        assert module.weights["a"].grad.tolist() == [[0, 0], [1, 0]]
        assert module.weights["b"].grad.tolist() == [1, -1, 0]

    def test_magnitudes_are_in_natural_units(self) -> None:
        # thresholds of 4 V: one natural unit is 4 V
        network = net(4.0)
        module, run = ran(network)
        assert module.units["a"] == 4.0
        assert FanInPenalty(1)(run).item() == pytest.approx((7.5 + 2.25) / 4)

    def test_of_convolutions_counts_every_place(self) -> None:
        network = Network(
            dt=1e-3,
            populations={"in": Population(Input, (1, 3, 3)), "out": Population(LIF, (1, 2, 2))},
            projections={"w": Projection("in", "out", Conv([[[[4.0, 3.0], [2.0, 1.0]]]]))},
        )
        assert FanInPenalty(4)(ran(network)[1]).item() == 0.0
        module, run = ran(network)
        term = FanInPenalty(3)(run)
        assert term.item() == 4 * 1.0
        term.backward()
        assert module.weights["w"].grad.tolist() == [[[[0, 0], [0, 4]]]]

    def test_of_chosen_populations(self) -> None:
        _, run = ran(net())
        assert FanInPenalty(1, populations=("in",))(run).item() == 0.0
        assert FanInPenalty(1, populations=("out",))(run).item() == pytest.approx(9.75)

    def test_weights_that_are_not_trained_do_not_count(self) -> None:
        network = net()
        module = Module(network, trainable=("a",), dtype=torch.float64)
        run = module.run(torch.zeros(2, 1, 2, dtype=torch.float64))
        assert FanInPenalty(2)(run).item() == 0.0
        assert FanInPenalty(1)(run).item() == pytest.approx(4.25)


class TestWeightRange:
    def test_is_the_squared_distance(self) -> None:
        _, run = ran(net())
        # below: -4, -0.5; above: 5, 3, 7
        want = 3.9**2 + 0.4**2 + 2.5**2 + 0.5**2 + 4.5**2
        assert WeightRangePenalty(-0.1, 2.5)(run).item() == pytest.approx(want)
        assert WeightRangePenalty(high=6.0, weight=2.0)(run).item() == pytest.approx(2.0)
        assert WeightRangePenalty(low=0.0)(run).item() == pytest.approx(16.25)
        assert WeightRangePenalty(-4.0, 7.0)(run).item() == 0.0

    def test_range_is_in_the_networks_unit_and_distance_in_natural_ones(self) -> None:
        _, run = ran(net(4.0))
        assert WeightRangePenalty(high=5.0)(run).item() == pytest.approx((2.0 / 4) ** 2)

    def test_of_chosen_projections(self) -> None:
        _, run = ran(net())
        assert WeightRangePenalty(high=4.0, projections=("a",))(run).item() == pytest.approx(1.0)
        module = Module(net(), trainable=("b",), dtype=torch.float64)
        fixed = module.run(torch.zeros(2, 1, 2, dtype=torch.float64))
        assert WeightRangePenalty(high=4.0, projections=("a",))(fixed).item() == 0.0

    def test_gradient_pulls_back(self) -> None:
        module, run = ran(net())
        WeightRangePenalty(-1.0, 4.0)(run).backward()
        assert module.weights["a"].grad.tolist() == [[2.0, -6.0], [0.0, 0.0]]

    def test_works_on_trained_weights_and_not_on_what_a_pass_leaves(self) -> None:
        network = net()
        cut = Quantize(4)(network, 0)[0].with_weights({"a": np.zeros((2, 2)), "b": np.zeros(3)})
        module, run = ran(network, instance=cut, clip=(-1.0, 1.0))
        term = WeightRangePenalty(high=4.0)(run)
        assert term.item() == pytest.approx(1 + 9)
        term.backward()
        # the clip of the run is not one of the penalty
        assert module.weights["a"].grad[0, 0] == 2.0


def toy(n: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    draw = stream(6, f"test_penalties/{part}")
    labels = draw.integers(0, 3, n)
    rate = 0.1 + 0.4 * (np.arange(9)[None, :] // 3 == labels[:, None])
    return (draw.random((12, n, 9)) < rate).astype(np.float32), labels


class TestTraining:
    @staticmethod
    @functools.cache
    def train(*terms: Regularizer) -> tuple[Network, float]:
        network = chain(
            source(9), dense(16, gain=3.0), neurons(LIF, tau_m=10e-3), dense(3, gain=2.0),
            neurons(LIF, tau_m=10e-3), dt=1e-3, seed=4,
        )  # fmt: skip
        done = fit(
            network,
            (toy(150, "train"), None),  # the last epoch is the one that is returned
            epochs=12,
            batch=25,
            optimizer=AdamW(lr=0.05, weight_decay=0.0),
            loss=CountCrossEntropy(gain=0.5),
            regularizers=terms,
            progress=False,
        )
        pruned = PruneFanIn(2)(done.network, 0)[0]
        test = as_part(toy(150, "test"), "test")
        return done.network, evaluate(Module(pruned), test, CountCrossEntropy()).accuracy

    def test_a_penalized_net_can_be_pruned(self) -> None:
        _, before = self.train()
        network, after = self.train(FanInPenalty(2, weight=0.03))
        weight = np.abs(network.projections["input->hidden1"].topology.weight)
        beyond = np.sort(weight, axis=1)[:, :-2]
        assert beyond.mean() < 0.1 * weight.max()
        assert after >= max(before + 0.05, 0.85), (before, after)

    def test_weights_move_into_the_range(self) -> None:
        free, _ = self.train()
        kept, _ = self.train(WeightRangePenalty(-1.0, 0.8, weight=10.0))
        name = "input->hidden1"
        wide = free.projections[name].topology.weight
        weight = kept.projections[name].topology.weight
        assert wide.min() < -1.5
        assert wide.max() > 1.5
        assert -1.1 < weight.min() < -0.9
        assert 0.7 < weight.max() < 0.9


class TestMessages:
    def test_what_cannot_be(self) -> None:
        with pytest.raises(TrainError) as caught:
            FanInPenalty(0, weight=-1.0)
        assert str(caught.value).splitlines() == [
            "2 problems",
            "  1. FanInPenalty.limit: not a number of synapses; found 0, expected 1 or more",
            "  2. FanInPenalty.weight: not a factor; found -1.0, expected 0 or more",
        ]
        with pytest.raises(TrainError) as caught:
            WeightRangePenalty(1.0, 1.0, weight=math.nan)
        assert str(caught.value).splitlines() == [
            "2 problems",
            "  1. WeightRangePenalty: not a range; found (1.0, 1.0), expected low < high",
            "  2. WeightRangePenalty.weight: not a factor; found nan, expected 0 or more",
        ]

    @pytest.mark.parametrize(
        ("term", "message"),
        [
            (
                FanInPenalty(3, populations=("x",)),
                "FanInPenalty: no population 'x'; expected in, out",
            ),
            (
                WeightRangePenalty(high=1.0, projections=("x",)),
                "WeightRangePenalty: no projection 'x'; expected a, b",
            ),
        ],
    )
    def test_a_name_that_is_not_there_stops_before_the_first_step(
        self, term: Regularizer, message: str
    ) -> None:
        x = (np.zeros((3, 4, 2), np.float32), np.array([0, 1, 0, 1]))
        with pytest.raises(TrainError, match=message):
            fit(net(), (x, None), regularizers=(term,), progress=False)

    @pytest.mark.parametrize("term", [FanInPenalty(1), WeightRangePenalty(high=1.0)])
    def test_a_run_without_its_network(self, term: Regularizer) -> None:
        _, run = ran(net())
        with pytest.raises(TrainError, match="the run does not say which network ran — use Module"):
            term(replace(run, network=None))
