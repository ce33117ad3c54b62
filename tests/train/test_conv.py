"""Convolutions of spikes against PyTorch's: values and gradients, whichever way is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from spikewright.errors import TrainError
from spikewright.network import LIF, Conv, Input, Network, Population, Projection
from spikewright.train import EventConv2d, Module, event_conv2d
from spikewright.train.conv import DENSITY, event_conv
from spikewright.train.fused.products import Choice

SIZES = {
    "plain": ((2, 3, 5, 5), (1, 1), (0, 0), (1, 1)),
    "padded": ((3, 4, 3, 3), (1, 1), (1, 2), (1, 1)),
    "stride": ((2, 4, 3, 5), (2, 3), (1, 1), (1, 1)),
    "dilation": ((2, 4, 3, 2), (1, 2), (2, 1), (2, 3)),
    "wider than the image": ((1, 2, 9, 9), (1, 1), (4, 4), (1, 1)),
}


def spikes(channels: int, kind: torch.dtype = torch.float64, *, share: float = 0.1) -> torch.Tensor:
    draw = torch.Generator().manual_seed(3)
    size = (6, channels, 9, 8)
    return (torch.rand(size, generator=draw) < share).to(kind)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("density", [-1.0, 100.0], ids=["dense", "events"])
@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_values_and_gradients_are_those_of_pytorch(
    sizes: Any, last: bool, density: float, threads: int
) -> None:
    (n_in, n_out, high, wide), stride, padding, dilation = sizes
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn((n_out, n_in, high, wide), generator=draw, dtype=torch.float64)
    # what is sent may be other numbers than 1
    x = spikes(n_in) * torch.rand((6, n_in, 9, 8), generator=draw, dtype=torch.float64)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    weight, x = weight.requires_grad_(), x.requires_grad_()
    want = functional.conv2d(x, weight, None, stride, padding, dilation)
    g = torch.randn(want.shape, generator=draw, dtype=torch.float64)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found, how = event_conv(x, weight, stride, padding, dilation, density)
        grads = torch.autograd.grad(found, (x, weight), g)
    finally:
        torch.set_num_threads(before)
    assert how.tolist() == [int(torch.count_nonzero(x)), density > 0]
    torch.testing.assert_close(found, want, rtol=1e-12, atol=1e-12)
    for a, b in zip(grads, torch.autograd.grad(want, (x, weight), g), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_what_is_chosen_is_said() -> None:
    layer = EventConv2d(2, 3, 3, padding=1)
    few, many = spikes(2, torch.float32, share=0.03), spikes(2, torch.float32, share=0.5)
    for x, choice in ((few, Choice.EVENTS), (many, Choice.DENSE)):
        y = layer(x.unflatten(0, (3, 2)))
        assert layer.chosen == (choice, pytest.approx(float(x.mean())))
        want = functional.conv2d(x, layer.weight, layer.bias, padding=1)
        torch.testing.assert_close(y.flatten(0, 1), want, rtol=1e-5, atol=1e-6)
        assert y.shape == (3, 2, 3, 9, 8)
    strided = EventConv2d(2, 3, 3, stride=2)
    strided(few)
    assert strided.chosen[0] is Choice.DENSE, "with strides of 2 a pixel counts a fourth"


@pytest.mark.parametrize(
    "layer",
    [
        EventConv2d(2, 4, 3, groups=2),
        EventConv2d(2, 4, 3, padding="same"),
        EventConv2d(2, 4, 3, padding=1, padding_mode="circular"),
    ],
    ids=["groups", "same", "circular"],
)
def test_what_has_no_loops_is_pytorchs(layer: EventConv2d) -> None:
    x = spikes(2, torch.float32)
    torch.testing.assert_close(layer(x), super(EventConv2d, layer).forward(x))
    assert layer.chosen is None


def test_it_is_an_operator() -> None:
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    for density in (-1.0, 1.0):
        torch.library.opcheck(
            torch.ops.spikewright.event_conv.default,
            (spikes(2).requires_grad_(), weight, [1, 2], [1, 0], [1, 1], density),
        )


def test_a_network_says_what_was_chosen_and_spikes_stay_the_same() -> None:
    draw = np.random.default_rng(0)
    topology = Conv(draw.normal(0.5, 0.5, (3, 2, 3, 3)), padding=((1, 1), (0, 1)))
    network = Network(
        dt=1e-3,
        populations={
            "in": Population(Input, (2, 9, 8)),
            "out": Population(LIF, topology.out_shape((2, 9, 8))),
        },
        projections={"c": Projection("in", "out", topology)},
    )
    for share, choice in ((0.01, Choice.EVENTS), (0.2, Choice.DENSE)):
        x = spikes(2, share=share).unflatten(0, (3, 2))
        module = Module(network, dtype=torch.float64)
        run = module.run(x)
        assert run.products["c"] == (choice, pytest.approx(float(x.mean())))
        run.output.sum().backward()
        weight = next(iter(module.weights.values()))
        assert share < 0.1 or weight.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(3, 9, 8), (4, 3, 9, 8), (4, 2, 2, 8)])
def test_other_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TrainError, match="these"):
        EventConv2d(2, 3, 3)(torch.zeros(shape))


def test_the_function_is_pytorchs_too() -> None:
    x, weight = spikes(2, torch.float32), torch.randn(3, 2, 3, 3)
    found = event_conv2d(x, weight, 2, 1)
    torch.testing.assert_close(
        found, functional.conv2d(x, weight, None, 2, 1), rtol=1e-5, atol=1e-5
    )
    assert DENSITY < 1
    half = event_conv2d(x.bfloat16(), weight.bfloat16())
    assert half.dtype == torch.bfloat16
