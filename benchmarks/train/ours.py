"""Spikewright's implementations: networks through `Module`, and `Neurons` between maps of PyTorch's own."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from case import Case, torch_case
from loops import channels_last, network, tensors
from shapes import BETA, V_TH, Shape
from torch import Tensor

from spikewright.network import (
    LIF,
    Compose,
    Conv,
    Dense,
    Flatten,
    Input,
    Network,
    NeuronModel,
    Population,
    Projection,
    Propagation,
    Reset,
    SumPool,
)
from spikewright.train import MaxPool, Module, Neurons, event_conv2d
from spikewright.train.presets import snntorch
from spikewright.train.presets.preset import Preset

DT = 1e-3  # s
TAU_M = -DT / math.log(BETA)
# with this resistance a current of 1 A, held over a step, adds 1 V
PARAMS = {"tau_m": TAU_M, "r": 1.0 / (1.0 - BETA), "v_th": V_TH}
SubtractLIF = LIF.resetting(Reset.SUBTRACT)

TAU_FAST, TAU_SLOW, JUMP_FAST, JUMP_SLOW = 30e-3, 300e-3, 0.2, 0.02  # s, s, V, V
DECAY_FAST, DECAY_SLOW = math.exp(-DT / TAU_FAST), math.exp(-DT / TAU_SLOW)
TwoTraces = NeuronModel(
    name="TwoTraces",
    state={"v": "V", "fast": "V", "slow": "V"},
    params={
        "tau_m": (TAU_M, "s"),
        "tau_fast": (TAU_FAST, "s"),
        "tau_slow": (TAU_SLOW, "s"),
        "r": (PARAMS["r"], "ohm"),
        "v_th": (V_TH, "V"),
        "jump_fast": (JUMP_FAST, "V"),
        "jump_slow": (JUMP_SLOW, "V"),
    },
    inputs={"i": "A"},
    dynamics={"v": "(r * i - v) / tau_m", "fast": "-fast / tau_fast", "slow": "-slow / tau_slow"},
    threshold="v > v_th + fast + slow",
    reset={"v": "v - v_th", "fast": "fast + jump_fast", "slow": "slow + jump_slow"},
    source="this benchmark: a threshold with a fast and a slow trace of the neuron's own spikes",
)


def lif(shape: int | tuple[int, ...]) -> Population:
    """Return a population of the benchmark's neuron."""
    return Population(SubtractLIF, shape, PARAMS)


def module(
    shape: Shape,
    population: Callable[[int], Population] = lif,
    *,
    port: str = "i",
    preset: Preset | None = None,
) -> Case:
    """Return a network of dense projections, run by `Module`; the gradient is `preset`'s where there is one."""
    x, g, weights = tensors(shape)
    w = {name: Dense(weight.cpu().numpy().astype(np.float64)) for name, weight in weights.items()}
    if shape.kind == "layer":
        populations = {"in": Population(Input, shape.n), "out": population(shape.n)}
        projections = {"fc": Projection("in", "out", w["fc"], port)}
    else:
        populations = {"in": Population(Input, 700), "first": population(256)}
        populations |= {"second": population(256), "out": population(20)}
        ways = {
            "fc1": ("in", "first", 0.0),
            "r1": ("first", "first", DT),
            "fc2": ("first", "second", 0.0),
            "r2": ("second", "second", DT),
            "fc3": ("second", "out", 0.0),
        }
        projections = {
            name: Projection(pre, post, w[name], port, delay)
            for name, (pre, post, delay) in ways.items()
        }
    return _run(populations, projections, x, g, preset)


def _run(
    populations: dict[str, Population],
    projections: dict[str, Projection],
    x: Tensor,
    g: Tensor,
    preset: Preset | None = None,
) -> Case:
    made = Network(
        dt=DT,
        populations=populations,
        projections=projections,
        propagation=Propagation.SAME_STEP,
    )
    options = {}
    if preset is not None:
        options = {"surrogate": preset.surrogate, "reset_gradient": preset.reset_gradient}
    with torch.device("cpu"):
        ready = Module(made, **options)
    ready = ready.to(x.device)
    held = {name: ready.weights[name] for name in projections}
    # weights are held in units of a port: a gradient by the weight itself is smaller by the unit
    natural = {name: (lambda found, unit=ready.units[name]: found / unit) for name in held}
    chosen: dict[str, str] = {}

    def forward() -> Tensor:
        found = ready.run(x)
        for name, (choice, density) in found.products.items():
            chosen[name] = f"{name}: {choice.name.lower()} at {density:.1%}"
        return found.output

    def notes() -> str:
        return ", ".join(chosen.values())

    return torch_case(held, forward, g, gradients=natural, notes=notes)


def two_traces(shape: Shape) -> Case:
    """Return the layer with the custom model."""
    return module(shape, lambda n: Population(TwoTraces, n))


def module_conv(shape: Shape) -> Case:
    """Return the convolutional network described whole; its pools are sums, for there is no maximum."""
    x, g, weights = tensors(shape)
    w = {name: weight.cpu().numpy().astype(np.float64) for name, weight in weights.items()}
    populations = {
        "in": Population(Input, (2, 34, 34)),
        "first": lif((12, 30, 30)),
        "second": lif((32, 11, 11)),
        "out": lif(10),
    }
    pool = SumPool(2)
    projections = {
        "c1": Projection("in", "first", Conv(w["c1"]), "i"),
        "c2": Projection("first", "second", Compose((pool, Conv(w["c2"]))), "i"),
        "fc": Projection("second", "out", Compose((pool, Flatten(), Dense(w["fc"]))), "i"),
    }
    return _run(populations, projections, x, g)


def layers(shape: Shape) -> Case:
    """Return PyTorch's products and convolutions with `Neurons` and `MaxPool` behind them."""

    def neurons(name: str, place: tuple[int, ...]) -> Neurons:
        where = torch.get_default_device()
        with torch.device("cpu"):
            return Neurons(SubtractLIF, place, dt=DT, params=PARAMS, port="i").to(where)

    return network(shape, neurons, pool=MaxPool(2), convolve=event_conv2d)


layers_last = channels_last(layers)


def as_snntorch(shape: Shape) -> Case:
    """Return the network with snnTorch's neuron instead: reset by what the last step left, without a gradient."""
    preset = snntorch.leaky(beta=BETA, v_th=V_TH)
    if shape.kind != "conv":
        return module(shape, preset.population, port="x", preset=preset)

    def neurons(name: str, place: tuple[int, ...]) -> Neurons:
        return Neurons(
            preset.model,
            place,
            dt=DT,
            params=preset.params,
            surrogate=preset.surrogate,
            reset_gradient=preset.reset_gradient,
        )

    return network(shape, neurons, pool=MaxPool(2), convolve=event_conv2d)


def _alone(shape: Shape, model: NeuronModel, params: dict[str, float]) -> Case:
    x, g, weights = tensors(shape)
    current = (x @ weights["fc"].t()).requires_grad_()
    fire = Neurons(model, shape.n, dt=DT, params=params, port="i")
    return torch_case({"current": current}, lambda: fire(current), g)


def lif_alone(shape: Shape) -> Case:
    """Return the neurons of shape a without the product: their currents are given."""
    return _alone(shape, SubtractLIF, PARAMS)


def two_traces_alone(shape: Shape) -> Case:
    """Return the custom neurons without the product."""
    return _alone(shape, TwoTraces, {})
