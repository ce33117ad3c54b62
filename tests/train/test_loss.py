"""Losses: values by hand, decisions that a Recording repeats, and messages."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from spikewright.errors import TrainError
from spikewright.events import argmax_count
from spikewright.network import LI, LIF, Input, Network, Population, chain, dense, neurons, source
from spikewright.train import (
    CountCrossEntropy,
    FirstSpikeCrossEntropy,
    MembraneMaxCrossEntropy,
    MembraneMeanCrossEntropy,
    Module,
    RateBand,
    RateCrossEntropy,
    Run,
    TorchState,
)

SPIKES = torch.tensor(
    [[[0, 1, 0], [0, 0, 0]], [[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [1, 0, 1]]]
).double()
LABELS = torch.tensor([1, 2])


def run(sent: torch.Tensor, trace: torch.Tensor | None = None) -> Run:
    traces = {} if trace is None else {"output": {"v": trace}}
    return Run(
        {"output": sent, "hidden": sent}, traces, ("output",), ("hidden",), ("hidden", "output"),
        TorchState(0, {}, {}, {}),
    )  # fmt: skip


class TestValues:
    def test_count(self) -> None:
        want = functional.cross_entropy(
            torch.tensor([[2.0, 2, 0], [1, 0, 2]]).double() * 0.5, LABELS
        )
        torch.testing.assert_close(CountCrossEntropy(gain=0.5)(run(SPIKES), LABELS), want)

    def test_rate_does_not_depend_on_the_length(self) -> None:
        once = RateCrossEntropy()(run(SPIKES), LABELS)
        torch.testing.assert_close(RateCrossEntropy()(run(SPIKES.repeat(4, 1, 1)), LABELS), once)

    def test_first_spike(self) -> None:
        times = torch.tensor([[1.0, 0, 3], [2, 3, 1]]).double()
        torch.testing.assert_close(FirstSpikeCrossEntropy(tau=2.0).logits(run(SPIKES)), -times / 2)
        assert FirstSpikeCrossEntropy().decide(run(SPIKES)).tolist() == [1, 2]

    def test_first_spike_has_a_gradient(self) -> None:
        spikes = SPIKES.clone().requires_grad_()
        FirstSpikeCrossEntropy()(run(spikes), LABELS).backward()
        assert torch.isfinite(spikes.grad).all()
        # spikes that come after the first change nothing
        assert spikes.grad[2, 1, 2] == 0
        assert spikes.grad[0, 0, 1] != 0

    def test_membranes(self) -> None:
        trace = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(
            MembraneMaxCrossEntropy().logits(run(SPIKES, trace)), trace.amax(0)
        )
        torch.testing.assert_close(
            MembraneMeanCrossEntropy(gain=3.0).logits(run(SPIKES, trace)), 3 * trace.mean(0)
        )

    def test_rate_band(self) -> None:
        # hidden rates 3/6, 2/6, 2/6
        got = RateBand(low=0.4, high=0.45, weight=2.0)(run(SPIKES))
        want = 2.0 * (0.05**2 + 2 * (0.4 - 1 / 3) ** 2) / 3
        assert got.item() == pytest.approx(want)
        assert RateBand(low=0.3, high=0.6)(run(SPIKES)).item() == 0


class TestDecision:
    @pytest.mark.parametrize("loss", [CountCrossEntropy(), RateCrossEntropy()])
    def test_breaks_ties_as_argmax_count(self, loss: CountCrossEntropy) -> None:
        assert loss.decide(run(SPIKES)).tolist() == argmax_count(SPIKES.numpy()).tolist() == [1, 2]

    def test_membrane_variable_is_found(self) -> None:
        spiking = chain(source(2), dense(3), neurons(LIF), dt=1e-3)
        silent = chain(source(2), dense(3), neurons(LI), dt=1e-3)
        assert MembraneMaxCrossEntropy().record(spiking) == {"output": ("v",)}
        assert MembraneMaxCrossEntropy().record(silent) == {"output": ("output",)}
        loss = MembraneMaxCrossEntropy()
        found = Module(silent).run(torch.ones(4, 2, 2), record=loss.record(silent))
        assert np.isfinite(loss(found, LABELS).item())


class TestErrors:
    def test_number_of_classes(self) -> None:
        network = chain(source(2), dense(3), neurons(LIF), dt=1e-3)
        with pytest.raises(
            TrainError, match="'output': has not one neuron per class; found 3 neurons, expected 10"
        ):
            CountCrossEntropy().check(network, 10)

    def test_several_outputs(self) -> None:
        network = Network(
            dt=1e-3,
            populations={
                "in": Population(Input, 2),
                "a": Population(LIF, 2),
                "b": Population(LIF, 2),
            },
        )
        with pytest.raises(TrainError, match="CountCrossEntropy: needs one output population"):
            CountCrossEntropy().check(network, 2)
        with pytest.raises(TrainError, match=r"run.output: there is not one output"):
            _ = Run({}, {}, ("a", "b"), (), (), TorchState(0, {}, {}, {})).output

    def test_rate_band(self) -> None:
        with pytest.raises(TrainError, match="RateBand: not a band"):
            RateBand(low=0.3, high=0.1)
        with pytest.raises(TrainError, match="RateBand: no population 'x'"):
            RateBand(populations=("x",))(run(SPIKES))
