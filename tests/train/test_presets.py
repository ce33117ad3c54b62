"""Presets: what they are made of. That they equal their libraries: `tests/golden/test_lif_vectors.py`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spikewright.engines.discretize import discretize
from spikewright.errors import TrainError
from spikewright.network import Dense, Input, Network, Population, Projection, Propagation, Reset
from spikewright.train import Module
from spikewright.train.presets import LIBRARIES, PRESETS, norse, sinabs, snntorch, spikingjelly
from spikewright.train.presets.preset import relative
from spikewright.train.step import Kernels, ResetGradient, threshold_distance
from spikewright.train.surrogate import SURROGATES, Arctan, Sigmoid, Spike, Surrogate


@pytest.mark.parametrize("name", SURROGATES)
def test_a_relative_surrogate_gives_the_slope_of_the_margin(name: str) -> None:
    of_margin = SURROGATES[name]()
    margin = torch.tensor([-0.9, -0.2, 0.03, 0.11], dtype=torch.float64, requires_grad=True)
    Spike.apply(margin, None, False, relative(of_margin, 0.4), 0.4).sum().backward()
    torch.testing.assert_close(margin.grad, of_margin.slope(margin.detach()))


def test_a_surrogate_of_ones_own_has_no_relative_form() -> None:
    class Flat(Surrogate):
        def slope(self, x):
            return torch.ones_like(x)

        def step(self, x):
            return x

    with pytest.raises(TrainError, match=r"surrogate: has no relative form here; found Flat"):
        relative(Flat(), 1.0)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_measured_where_its_neurons_start(name: str) -> None:
    """The stretch of the surrogate is the distance that training divides by, or gradients would be off by a factor."""
    chosen = PRESETS[name](v_th=0.7)
    population = chosen.population(2)
    distance = threshold_distance(population, discretize(population, 1e-3))
    assert chosen.surrogate == relative(chosen.of_margin, distance)
    assert distance == pytest.approx(0.7)


def test_the_start_counts() -> None:
    chosen = spikingjelly.lif_node(v_th=0.8, v_reset=-0.2, surrogate=Sigmoid(4.0))
    assert chosen.surrogate == Sigmoid(4.0)
    chosen = norse.lif_box(v_th=0.7, v_leak=0.1, surrogate=Arctan(2.0))
    assert chosen.surrogate.alpha == pytest.approx(2.0 * (0.7 - 0.1))


def test_models_have_names_of_their_own() -> None:
    models = {id(m): m for library in ("snntorch", "spikingjelly", "sinabs", "spyx")
              for m in LIBRARIES[library].MODELS.values()}  # fmt: skip
    texts: dict[str, dict] = {}
    for m in models.values():
        same = texts.setdefault(m.name, m.as_dict())
        assert same == m.as_dict()


def test_reset_gradients() -> None:
    assert spikingjelly.lif_node().reset_gradient is ResetGradient.KEPT
    assert spikingjelly.lif_node(detach_reset=True).reset_gradient is ResetGradient.DETACHED
    assert norse.lif().reset_gradient is ResetGradient.KEPT
    assert norse.lif_recurrent().reset_gradient is ResetGradient.DETACHED
    assert sinabs.lif().reset_gradient is ResetGradient.KEPT
    assert sinabs.lif(reset=Reset.VALUE).reset_gradient is ResetGradient.DETACHED


def test_neurons_may_differ_in_decay_but_not_in_threshold() -> None:
    one = snntorch.leaky(beta=np.array([0.5, 0.9]))
    assert one.surrogate == Arctan(2.0)
    several = snntorch.leaky(v_th=np.array([0.5, 1.0]))
    assert several.population(2).param("v_th").tolist() == [0.5, 1.0]
    with pytest.raises(TrainError, match=r"Subtract: surrogate: one width.*found 2 values of v_th"):
        _ = several.surrogate


def test_a_reset_that_the_library_does_not_have() -> None:
    with pytest.raises(TrainError, match=r"Leaky: reset: not of this library; found .*OTHER"):
        snntorch.leaky(reset=Reset.OTHER)


def test_a_preset_is_trained_like_any_model() -> None:
    chosen = snntorch.leaky(beta=0.8)
    network = Network(
        1e-3,
        {"in": Population(Input, 2), "out": chosen.population(3)},
        {"in->out": Projection("in", "out", Dense(np.full((3, 2), 0.6)))},
        propagation=Propagation.SAME_STEP,
    )
    module = Module(
        network,
        surrogate=chosen.surrogate,
        reset_gradient=chosen.reset_gradient,
        trainable=("weights", "beta"),
        kernels=Kernels.AUTOGRAD,
    )
    module(torch.ones(4, 1, 2)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
