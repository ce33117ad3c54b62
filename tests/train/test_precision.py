"""Mixed precision: products in 16 bits, everything else in 32, and the accuracy that 32 bits give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spikewright.network import LIF, Network, chain, conv, dense, flatten, neurons, source
from spikewright.network.topology import Dense
from spikewright.train import Module, Precision, train_digits
from spikewright.train.fused.products import Choice
from spikewright.train.maps import apply


def net(recurrent: bool = False) -> Network:
    return chain(
        source(64), dense(32, recurrent=recurrent, gain=2.0, bias=True), neurons(LIF, tau_m=10e-3),
        dense(10, gain=2.0), neurons(LIF, tau_m=10e-3), dt=1e-3, seed=1,
    )  # fmt: skip


def spikes(shape: tuple[int, ...], rate: float = 0.3) -> torch.Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(1)) < rate).float()


def test_product_is_that_of_rounded_weights() -> None:
    """Spikes are exact; the product has bfloat16's 8 bits, and comes back as float32."""
    draw = np.random.default_rng(1)
    weight = torch.tensor(draw.normal(size=(5, 40)), dtype=torch.float32)
    x = spikes((6, 40))
    found = apply(Dense(weight.numpy()), x, (40,), weight, Precision.BFLOAT16)
    assert found.dtype == torch.float32
    exact = x.double() @ weight.double().T
    assert not torch.equal(found.double(), exact.float().double())
    # half a unit of the last of 8 bits, once for each weight and once for the sum
    bound = 2.0**-8 * (x.double() @ weight.double().abs().T + exact.abs())
    assert bool(((found - exact).abs() <= 1.01 * bound).all())
    plain = apply(Dense(weight.numpy()), x, (40,), weight)
    assert torch.equal(plain, torch.nn.functional.linear(x, weight))


@pytest.mark.parametrize("recurrent", [False, True])
def test_states_weights_and_gradients_stay_in_32_bits(recurrent: bool) -> None:
    modules = {p: Module(net(recurrent), precision=p) for p in Precision}
    runs = {p: m.run(spikes((20, 8, 64)), record={"hidden1": ("v",)}) for p, m in modules.items()}
    for precision, run in runs.items():
        assert {x.dtype for kept in run.state.values.values() for x in kept.values()} == {
            torch.float32
        }
        assert run.traces["hidden1"]["v"].dtype == torch.float32
        run.output.sum().backward()
        for p in modules[precision].parameters():
            assert p.dtype == p.grad.dtype == torch.float32
    v = [run.traces["hidden1"]["v"] for run in runs.values()]
    # the option does something: membranes differ, by no more than few spikes change
    assert not torch.equal(*v)
    assert (v[0][:3] - v[1][:3]).abs().max() < 0.05


def test_convolutions() -> None:
    network = chain(
        source((1, 8, 8)), conv(4, 3, gain=2.0), neurons(LIF, tau_m=10e-3), flatten(),
        dense(3, gain=2.0), neurons(LIF, tau_m=10e-3), dt=1e-3, seed=1,
    )  # fmt: skip
    full, mixed = (
        Module(network, precision=p).run(spikes((10, 4, 1, 8, 8)), record={"hidden1": ("v",)})
        for p in Precision
    )
    a, b = full.traces["hidden1"]["v"], mixed.traces["hidden1"]["v"]
    assert b.dtype == torch.float32
    assert not torch.equal(a, b)
    assert (a[0] - b[0]).abs().max() < 0.02


@pytest.mark.parametrize(("rate", "choice"), [(0.02, Choice.EVENTS), (0.3, Choice.BFLOAT16)])
def test_sparse_inputs_are_gathered_in_full_precision(rate: float, choice: Choice) -> None:
    """Where a product in 16 bits is not worth it there is none."""
    network = chain(source(64), dense(8), neurons(LIF), dt=1e-3, seed=1)
    run = Module(network, precision=Precision.BFLOAT16).run(spikes((20, 8, 64), rate=rate))
    assert run.products["input->output"][0] is choice


def test_digits_are_learned_as_well() -> None:
    """Four epochs of the recipe: the same accuracy within two points of a hundred."""
    full, mixed = (
        train_digits(seed=1, epochs=4, progress=False, precision=p).history[-1] for p in Precision
    )
    assert full.validation_accuracy > 0.92
    assert mixed.validation_accuracy == pytest.approx(full.validation_accuracy, abs=0.02)
    assert mixed.loss != full.loss
