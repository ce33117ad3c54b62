"""Segments of time: the same gradient in less memory, or a gradient that is cut where it is said to be."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.errors import TrainError
from spikewright.network import LI, LIF, Dense, Input, Network, Population, Projection
from spikewright.train import (
    AdamW,
    Backpropagation,
    CountCrossEntropy,
    Gradient,
    Loss,
    MembraneMaxCrossEntropy,
    Module,
    RateBand,
    Recomputed,
    SegmentLoss,
    Truncated,
    fit,
    run_in_segments,
)
from spikewright.train.gradient import Batch, Learned
from spikewright.train.segments import join

STEPS, SAMPLES = 30, 4


def network(last: Any = LIF, steps_late: int = 3) -> Network:
    """Return a net with a refractory population that reaches itself, late, and its output, late."""
    draw = np.random.default_rng(0)

    def weights(post: int, pre: int) -> Dense:
        return Dense(draw.normal(0.3, 0.6, (post, pre)))

    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 5),
            "hidden": Population(LIF, 7, params={"tau_m": 8e-3, "t_ref": 2e-3}),
            "out": Population(last, 3, params={"tau_m": 15e-3}),
        },
        projections={
            "in->hidden": Projection("in", "hidden", weights(7, 5), bias=np.full(7, 0.05)),
            "hidden->hidden": Projection(
                "hidden", "hidden", weights(7, 7), delay=steps_late * 1e-3
            ),
            "hidden->out": Projection("hidden", "out", weights(3, 7), delay=2e-3),
        },
    )


def batch(module: Module, loss: Loss, **changes: Any) -> Batch:
    draw = torch.Generator().manual_seed(1)
    inputs = (torch.rand(STEPS, SAMPLES, 5, generator=draw) < 0.4).to(module.dtype)
    labels = torch.tensor([0, 1, 2, 1])
    return Batch(module, inputs, labels, loss, record=loss.record(module.network), **changes)


def learn(gradient: Gradient, last: Any = LIF, **changes: Any) -> tuple[dict[str, Any], Learned]:
    loss = CountCrossEntropy() if last is LIF else MembraneMaxCrossEntropy()
    module = Module(network(last), trainable=("weights", "biases", "tau_m"), dtype=torch.float64)
    learned = gradient.learn(batch(module, loss, **changes))
    return {n: p.grad for n, p in module.named_parameters()}, learned


class TestRecomputed:
    @pytest.mark.parametrize("last", [LIF, LI])
    @pytest.mark.parametrize("steps", [None, 1, 7, 30, 99])
    def test_gradient_is_that_of_backpropagation(self, last: Any, steps: int | None) -> None:
        want, plain = learn(Backpropagation(), last)
        found, segmented = learn(Recomputed(steps), last)
        assert segmented.loss == pytest.approx(plain.loss, rel=1e-12)
        assert segmented.spikes == plain.spikes > 0
        np.testing.assert_array_equal(segmented.decided, plain.decided)
        for name, gradient in want.items():
            assert gradient.abs().max() > 0, name
            torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-13, msg=name)

    def test_regularizers_look_at_hidden_populations(self) -> None:
        terms = (RateBand(0.4, 0.5, weight=3.0),)
        want, plain = learn(Backpropagation(), regularizers=terms)
        found, segmented = learn(Recomputed(7), regularizers=terms)
        without, _ = learn(Recomputed(7))
        assert segmented.total == pytest.approx(plain.total, rel=1e-12)
        for name, gradient in want.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-13)
        assert not torch.allclose(without["weights.in->hidden"], want["weights.in->hidden"])

    def test_through_an_instance(self) -> None:
        instance = network().with_weights(
            {n: np.round(p.topology.weight, 1) for n, p in network().projections.items()}
        )
        want, _ = learn(Backpropagation(), instance=instance)
        found, _ = learn(Recomputed(4), instance=instance)
        for name, gradient in want.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-13)

    def test_a_segment_is_about_the_square_root_of_the_run(self) -> None:
        assert Recomputed().segment(1000) == math.ceil(math.sqrt(1000)) == 32
        assert Recomputed(5).segment(1000) == 5

    def test_memory_falls_with_the_square_root_of_the_run(self) -> None:
        """What graphs hold at the same time, in bytes."""
        plain = [held(Backpropagation(), steps) for steps in (256, 4096)]
        segmented = [held(Recomputed(), steps) for steps in (256, 4096)]
        assert 14 < plain[1] / plain[0] < 17
        assert segmented[1] / segmented[0] < 4.2
        # 64 segments of 64 steps: a state each, and one segment; at 1024 steps it would be a tenth
        assert segmented[1] < 0.06 * plain[1]


def held(gradient: Gradient, steps: int) -> int:
    """Return the most bytes that tensors saved for a backward pass take at once."""
    alive: dict[int, tuple[Any, int]] = {}
    peak = 0

    class Box:
        def __init__(self, x: torch.Tensor) -> None:
            self.x = x

    def pack(x: torch.Tensor) -> Box:
        nonlocal peak
        box, key = Box(x), x.untyped_storage().data_ptr()
        count, size = alive.get(key, (0, x.untyped_storage().nbytes()))
        alive[key] = (count + 1, size)
        peak = max(peak, sum(size for _, size in alive.values()))

        def forget() -> None:
            count, size = alive[key]
            if count == 1:
                del alive[key]
            else:
                alive[key] = (count - 1, size)

        weakref.finalize(box, forget)
        return box

    module = Module(network())
    part = batch(module, CountCrossEntropy())
    repeats = -(-steps // STEPS)
    inputs = part.inputs.repeat(repeats, 40, 1)[:steps]
    part = Batch(module, inputs, part.labels.repeat(40), part.loss, record=part.record)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.x):
        gradient.learn(part)
    # the inputs are there whatever the method is
    return peak - inputs.untyped_storage().nbytes()


class TestTruncated:
    def test_long_enough_segments_cut_nothing(self) -> None:
        want, _ = learn(Backpropagation())
        for loss in SegmentLoss:
            found, _ = learn(Truncated(STEPS, loss))
            for name, gradient in want.items():
                torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-13)

    @pytest.mark.parametrize("last", [LIF, LI])
    def test_joined_loss_with_detached_states(self, last: Any) -> None:
        """What plain autograd gives for segments whose states are detached."""
        found, learned = learn(Truncated(7), last)
        loss = CountCrossEntropy() if last is LIF else MembraneMaxCrossEntropy()
        module = Module(
            network(last), trainable=("weights", "biases", "tau_m"), dtype=torch.float64
        )
        part = batch(module, loss)
        runs: list[Any] = []
        for inputs in part.inputs.split(7):
            runs.append(part.run(inputs, runs[-1].state.detach() if runs else None))
        whole = loss(join(runs), part.labels)
        whole.backward()
        assert learned.loss == pytest.approx(float(whole.detach()), rel=1e-12)
        full, _ = learn(Backpropagation(), last)
        for name, p in module.named_parameters():
            torch.testing.assert_close(found[name], p.grad, rtol=1e-10, atol=1e-13, msg=name)
        assert not torch.allclose(found["weights.in->hidden"], full["weights.in->hidden"])

    def test_loss_of_each_segment(self) -> None:
        """The mean of the segments' own losses, by their steps: 7, 7, 7, 7 and 2 of 30."""
        found, learned = learn(Truncated(7, SegmentLoss.EACH))
        module = Module(network(), trainable=("weights", "biases", "tau_m"), dtype=torch.float64)
        part = batch(module, CountCrossEntropy())
        state, mean = None, torch.zeros((), dtype=torch.float64)
        for inputs in part.inputs.split(7):
            run = part.run(inputs, state)
            state = run.state.detach()
            mean = mean + part.loss(run, part.labels) * len(inputs) / STEPS
        mean.backward()
        assert learned.loss == pytest.approx(float(mean.detach()), rel=1e-12)
        for name, p in module.named_parameters():
            torch.testing.assert_close(found[name], p.grad, rtol=1e-10, atol=1e-13, msg=name)

    def test_decides_on_the_whole_run(self) -> None:
        _, plain = learn(Backpropagation())
        for loss in SegmentLoss:
            _, learned = learn(Truncated(4, loss))
            np.testing.assert_array_equal(learned.decided, plain.decided)
            assert learned.spikes == plain.spikes

    def test_memory_of_each_segment_does_not_grow(self) -> None:
        bytes_ = [held(Truncated(16, SegmentLoss.EACH), steps) for steps in (64, 256)]
        assert bytes_[1] == bytes_[0]


@pytest.mark.parametrize("kind", [Recomputed, Truncated])
def test_message(kind: Any) -> None:
    with pytest.raises(
        TrainError, match=rf"{kind.__name__}\(steps=\): must be at least 1; found 0"
    ):
        kind(0)


class TestRunInSegments:
    def test_is_the_run(self) -> None:
        module = Module(network(), dtype=torch.float64)
        inputs = batch(module, CountCrossEntropy()).inputs
        plain = module.run(inputs, record={"hidden": ("v",)})
        found = run_in_segments(module, inputs, steps=8, record={"hidden": ("v",)})
        for n in plain.sent:
            assert torch.equal(found.sent[n], plain.sent[n])
        torch.testing.assert_close(found.traces["hidden"]["v"], plain.traces["hidden"]["v"])
        torch.testing.assert_close(found.state.values, plain.state.values)
        assert found.state.step == plain.state.step == STEPS

    def test_goes_on_from_a_state(self) -> None:
        module = Module(network(), dtype=torch.float64)
        inputs = batch(module, CountCrossEntropy()).inputs
        first = module.run(inputs[:10])
        found = run_in_segments(module, inputs[10:], steps=8, keep=["out"], state=first.state)
        assert list(found.sent) == ["out"]
        assert torch.equal(found.output, module.run(inputs).output[10:])

    def test_gradient_of_the_inputs(self) -> None:
        module = Module(network(), dtype=torch.float64)
        inputs = batch(module, CountCrossEntropy()).inputs
        a, b = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
        module.run(a).output.square().sum().backward()
        run_in_segments(module, b, steps=7).output.square().sum().backward()
        assert a.grad.abs().max() > 0
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-10, atol=1e-13)


def test_fit_by_segments() -> None:
    """The weights that backpropagation finds, and another run where it is cut."""
    draw = np.random.default_rng(3)
    labels = np.arange(24) % 3
    rate = 0.1 + 0.5 * (np.arange(5)[None, :] % 3 == labels[:, None])
    data = ((draw.random((20, 24, 5)) < rate).astype(float), labels)

    def trained(gradient: Gradient) -> Any:
        return fit(
            network(), (data, data), gradient=gradient, epochs=2, batch=8, dtype=torch.float64,
            optimizer=AdamW(lr=0.01), progress=False,
        )  # fmt: skip

    plain, segmented, cut = (trained(g) for g in (Backpropagation(), Recomputed(6), Truncated(6)))
    for n, p in plain.network.projections.items():
        np.testing.assert_allclose(
            segmented.network.projections[n].topology.weight, p.topology.weight, rtol=1e-7
        )
    assert segmented.history[-1].validation_loss == pytest.approx(
        plain.history[-1].validation_loss, rel=1e-7
    )
    assert not np.allclose(
        cut.network.projections["in->hidden"].topology.weight,
        plain.network.projections["in->hidden"].topology.weight,
    )
    assert len({plain.fingerprint, segmented.fingerprint, cut.fingerprint}) == 3
