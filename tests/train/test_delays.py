"""Learned delays: what arrives when, every gradient, and that the network that comes out does the same.

Longer than most files: the spread of a weight, the convolution, runs, gradients, training and errors of one feature.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.engines.reference import Reference
from spikewright.errors import TrainError
from spikewright.network import (
    LI,
    LIF,
    Compose,
    CubaLIF,
    Dense,
    Flatten,
    Input,
    Network,
    OneToOne,
    Population,
    Projection,
    Propagation,
)
from spikewright.rng import stream
from spikewright.train import (
    SGD,
    AdamW,
    Delays,
    GaussianSpread,
    Interrupted,
    Kernels,
    LinearSpread,
    Module,
    Precision,
    Recomputed,
    Schedule,
    Sigmoid,
    Truncated,
    evaluate,
    fit,
)
from spikewright.train.checkpoint import load
from spikewright.train.delays import convolve as convolution
from spikewright.train.delays import learned as learning
from spikewright.train.fused.products import Choice
from spikewright.train.gradient import Backpropagation, Batch
from spikewright.train.loss import CountCrossEntropy
from spikewright.train.samples import ArraySamples

ms = 1e-3
HIGH = 6


def network(
    propagation: Propagation = Propagation.NEXT_STEP, *, loop: bool = True, seed: int = 0
) -> Network:
    """Return a net with delays from input to hidden, hidden to itself, and hidden to output."""
    draw = np.random.default_rng(seed)

    def late(post: int, pre: int, mean: float, low: int = 0) -> dict[str, Any]:
        return {
            "topology": Dense(draw.normal(mean, 0.6, (post, pre))),
            "delay": draw.integers(low, HIGH + 1, (post, pre)) * ms,
        }

    projections = {
        "a": Projection("in", "hid", **late(5, 4, 0.4), bias=np.full(5, 0.05)),
        "b": Projection("hid", "out", **late(3, 5, 0.6)),
    }
    if loop:
        projections["r"] = Projection("hid", "hid", **late(5, 5, 0.0, 1))
    return Network(
        dt=1 * ms,
        propagation=propagation,
        populations={
            "in": Population(Input, 4),
            "hid": Population(LIF, 5, {"tau_m": 8 * ms}),
            "out": Population(CubaLIF, 3, {"tau_m": 10 * ms, "v_th": 0.4}),
        },
        projections=projections,
    )


def spikes(shape: tuple[int, ...], rate: float = 0.3, seed: int = 2) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.float64)


def moved(module: Module, seed: int = 3) -> Module:
    """Move delays to somewhere between whole steps, in their range."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for n, key in module.delay_keys.items():
            s = module.learned[n].settings
            p = module.delays[key]
            far = torch.rand(p.shape, generator=draw, dtype=p.dtype)
            p.copy_(s.min_steps + 0.05 + far * (s.max_steps - s.min_steps - 0.1))
    return module


LINEAR = LinearSpread()


def everything(spread: Any = LINEAR, **how: Any) -> tuple[Any, ...]:
    """Return what to train: all weights, biases and delays."""
    return "weights", "biases", Delays(max_steps=HIGH, spread=spread, **how)


def gradients(module: Module) -> dict[str, torch.Tensor]:
    return {n: p.grad for n, p in module.named_parameters()}


class TestSpread:
    def test_linear_shares(self) -> None:
        d = torch.tensor([[0.0, 2.25, 4.0]], dtype=torch.float64)
        shares = LinearSpread().shares(d, 5, 0.0)
        want = [[1, 0, 0, 0, 0], [0, 0, 0.75, 0.25, 0], [0, 0, 0, 0, 1]]
        assert shares[0].t().tolist() == want

    @pytest.mark.parametrize(
        ("at", "want"), [(1.3, [1, 2]), (2.0, [2, 3]), (0.0, [0, 1]), (4.0, [3, 4])]
    )
    def test_linear_slope_is_the_difference_of_two_neighbors(
        self, at: float, want: list[int]
    ) -> None:
        d = torch.tensor([[at]], dtype=torch.float64, requires_grad=True)
        worth = torch.tensor([3.0, 1.0, 4.0, 1.5, 9.0], dtype=torch.float64)
        (LinearSpread().shares(d, 5, 0.0)[0, :, 0] * worth).sum().backward()
        assert d.grad.item() == pytest.approx(float(worth[want[1]] - worth[want[0]]))

    def test_gaussian_shares(self) -> None:
        spread = GaussianSpread(first=1.5, last=0.5, until=0.5)
        found = spread.shares(torch.tensor([[2.3]], dtype=torch.float64), 6, 0.0)[0, :, 0]
        want = np.exp(-0.5 * ((np.arange(6) - 2.3) / 1.5) ** 2)
        np.testing.assert_allclose(found.numpy(), want / want.sum(), rtol=1e-12)

    def test_gaussian_width_falls_exponentially_then_stays(self) -> None:
        spread = GaussianSpread(first=8.0, last=0.5, until=0.8)
        found = [spread.sigma(26, done) for done in (0.0, 0.2, 0.4, 0.8, 1.0)]
        assert found == pytest.approx([8.0, 4.0, 2.0, 0.5, 0.5])
        assert GaussianSpread().sigma(26, 0.0) == 12.5
        assert GaussianSpread(until=0.0).sigma(26, 0.0) == 0.5

    @pytest.mark.parametrize(
        ("how", "said"),
        [
            ({"last": 0.0}, r"GaussianSpread\(last=\): must be more than 0; found 0.0"),
            ({"first": 0.1}, r"GaussianSpread\(first=\): must be at least last = 0.5; found 0.1"),
            ({"until": 1.5}, r"GaussianSpread\(until=\): must be a share of the run; found 1.5, expected 0 to 1"),
        ],
    )  # fmt: skip
    def test_refuses(self, how: dict[str, float], said: str) -> None:
        with pytest.raises(TrainError, match=said):
            GaussianSpread(**how)


class TestConvolve:
    @pytest.mark.parametrize("graded", [False, True])
    @pytest.mark.parametrize("shape", [(9, 3, 4, 5, 3), (5, 1, 1, 1, 2), (4, 2, 70, 3, 9)])
    def test_both_ways_equal_the_sum(
        self, shape: tuple[int, ...], graded: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps, batch, n_pre, n_post, n = shape
        draw = np.random.default_rng(0)
        x = spikes((steps + n - 1, batch, n_pre)) * (draw.normal(size=n_pre) if graded else 1.0)
        w, grad = draw.normal(size=(n_pre, n, n_post)), draw.normal(size=(steps, batch, n_post))
        want = np.zeros((steps, batch, n_post))
        want_x, want_w = np.zeros_like(x), np.zeros_like(w)
        for t in range(steps):
            for lag in range(n):
                early = t + n - 1 - lag
                want[t] += x[early] @ w[:, lag]
                want_x[early] += grad[t] @ w[:, lag].T
                want_w[:, lag] += x[early].T @ grad[t]
        for most, way in ((1.0, Choice.EVENTS), (-1.0, Choice.DENSE)):
            monkeypatch.setattr(convolution, "DENSITY", most)
            a = torch.tensor(x, requires_grad=True)
            b = torch.tensor(w, requires_grad=True)
            found, how = convolution.convolve(a, b)
            assert how == (way, np.count_nonzero(x) / x.size)
            found.backward(torch.tensor(grad))
            np.testing.assert_allclose(found.detach().numpy(), want, atol=1e-12)
            np.testing.assert_allclose(a.grad.numpy(), want_x, atol=1e-12)
            np.testing.assert_allclose(b.grad.numpy(), want_w, atol=1e-12)

    def test_threads_change_nothing(self) -> None:
        x, w = torch.tensor(spikes((20, 5, 6), 0.1)), torch.randn(6, 4, 7, dtype=torch.float64)
        found = []
        before = torch.get_num_threads()
        for threads in (1, 3):
            torch.set_num_threads(threads)
            try:
                b = w.clone().requires_grad_()
                out, (way, _) = convolution.convolve(x, b)
                out.square().sum().backward()
            finally:
                torch.set_num_threads(before)
            assert way is Choice.EVENTS
            found.append((out.detach(), b.grad))
        assert torch.equal(found[0][0], found[1][0])
        assert torch.equal(found[0][1], found[1][1])

    def test_in_half_precision(self) -> None:
        x, w = torch.tensor(spikes((12, 2, 6), 0.6)).float(), torch.randn(6, 4, 7)
        found, (way, _) = convolution.convolve(x, w, Precision.BFLOAT16)
        assert way is Choice.BFLOAT16
        torch.testing.assert_close(found, convolution.convolve(x, w)[0], rtol=0.02, atol=0.05)


class TestForward:
    @pytest.mark.parametrize("kernels", Kernels)
    @pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
    @pytest.mark.parametrize("spread", [LinearSpread(), GaussianSpread()])
    def test_of_whole_delays_is_what_the_exported_network_does(
        self, spread: Any, propagation: Propagation, kernels: Kernels
    ) -> None:
        low = 1 if propagation is Propagation.SAME_STEP else 0
        wanted = (
            "weights",
            Delays(("a", "b"), max_steps=HIGH, spread=spread),
            Delays(("r",), max_steps=HIGH, min_steps=low, spread=spread),
        )
        module = Module(
            network(propagation), trainable=wanted, dtype=torch.float64, kernels=kernels
        )
        exported = moved(module).to_network()
        steps = {n: exported.delay_steps(n) for n in "abr"}
        assert all(len(np.unique(s)) > 3 for s in steps.values())
        x = spikes((30, 3, 4))
        run = module.eval().run(torch.tensor(x))
        want = Reference().run(exported, {"in": x})
        for n in ("hid", "out"):
            assert run.sent[n].sum() > 20
            np.testing.assert_array_equal(run.sent[n].detach().numpy(), want.dense(n), err_msg=n)

    def test_start_is_the_network_that_was_given(self) -> None:
        net = network()
        module = Module(net, trainable=everything(), dtype=torch.float64)
        plain = Module(net, dtype=torch.float64)
        x = torch.tensor(spikes((30, 3, 4)))
        assert torch.equal(module(x), plain(x))
        assert all(
            np.array_equal(module.to_network().delay_steps(n), net.delay_steps(n)) for n in "abr"
        )

    def test_by_source_and_behind_a_flattening(self) -> None:
        draw = np.random.default_rng(1)
        net = Network(
            dt=1 * ms,
            populations={"in": Population(Input, (2, 3)), "out": Population(LIF, 4)},
            projections={
                "in.out": Projection(
                    "in", "out", Compose((Flatten(), Dense(draw.normal(0.5, 0.6, (4, 6))))), delay=2 * ms
                )
            },
        )  # fmt: skip
        module = Module(net, trainable=(Delays(("in.out",), by_source=True),), dtype=torch.float64)
        assert [tuple(p.shape) for p in module.parameters()] == [(6,)]
        exported = moved(module).to_network()
        assert np.all(exported.delay_steps("in.out") == exported.delay_steps("in.out")[:1])
        x = spikes((40, 2, 2, 3))
        found = module.eval()(torch.tensor(x))
        np.testing.assert_array_equal(
            found.detach().numpy(), Reference().run(exported, {"in": x}).dense("out")
        )
        module.train()(torch.tensor(x)).sum().backward()
        assert module.delays["in/out"].grad.count_nonzero() > 0

    def test_through_an_instance_takes_its_delays(self) -> None:
        module = moved(Module(network(), trainable=everything(), dtype=torch.float64))
        x = spikes((30, 3, 4))
        instance = learning.with_delays(
            module.to_network(), {n: np.full(module.learned[n].start.shape, 2) for n in "abr"}
        )
        run = module.run(torch.tensor(x), instance=instance)
        want = Reference().run(instance, {"in": x})
        for n in ("hid", "out"):
            np.testing.assert_array_equal(run.sent[n].detach().numpy(), want.dense(n))
        run.output.sum().backward()
        assert all(g.count_nonzero() > 0 for g in gradients(module).values())
        beyond = learning.with_delays(instance, {"a": np.full((5, 4), HIGH + 1)})
        with pytest.raises(
            TrainError,
            match=r"through: projections\['a'\]: a pass moved learned delays out of their range; "
            r"found 7 to 7 steps, expected 0 to 6",
        ):
            module.run(torch.tensor(x), instance=beyond)

    def test_fixed_delays_of_many_lags_are_convolved_too(self) -> None:
        """Those of a net that was trained, for instance; in a state as in a whole run."""
        net, x = network(loop=False), spikes((30, 3, 4))
        module = Module(net, dtype=torch.float64)
        assert set(module.late) == {"a", "b"}
        assert not module.learned
        run = module.run(torch.tensor(x))
        assert set(run.products) == {"a", "b"}
        want = Reference().run(net, {"in": x})
        later = module.run(torch.tensor(x[8:]), state=module.run(torch.tensor(x[:8])).state)
        for n in ("hid", "out"):
            np.testing.assert_array_equal(run.sent[n].detach().numpy(), want.dense(n))
            assert torch.equal(later.sent[n], run.sent[n][8:])
        few = learning.with_delays(net, {"a": np.where(np.eye(5, 4) > 0, 0, 200)})
        assert "a" not in Module(few).late

    def test_products_are_inspectable(self) -> None:
        module = moved(Module(network(loop=False), trainable=everything()))
        found = module.run(torch.tensor(spikes((30, 3, 4), 0.1))).products
        assert found["a"] == (Choice.EVENTS, pytest.approx(0.083, abs=0.03))
        assert module.run(torch.tensor(spikes((30, 3, 4), 0.9))).products["a"][0] is Choice.DENSE


class TestState:
    @pytest.mark.parametrize("kernels", Kernels)
    @pytest.mark.parametrize("cut", [1, 3, 17])
    def test_is_passed_on(self, cut: int, kernels: Kernels) -> None:
        module = moved(
            Module(
                network(),
                trainable=everything(GaussianSpread()),
                dtype=torch.float64,
                kernels=kernels,
            )
        )
        x = torch.tensor(spikes((24, 3, 4)))
        whole = module.run(x)
        first = module.run(x[:cut])
        second = module.run(x[cut:], state=first.state)
        for n in whole.sent:
            assert torch.equal(torch.cat((first.sent[n], second.sent[n])), whole.sent[n])

    @pytest.mark.parametrize("steps", [1, 7])
    def test_gradient_of_recomputed_segments_is_that_of_the_whole(self, steps: int) -> None:
        found = []
        for how in (Backpropagation(), Recomputed(steps)):
            module = moved(Module(network(), trainable=everything(), dtype=torch.float64))
            inputs = torch.tensor(spikes((24, 4, 4)))
            how.learn(Batch(module, inputs, torch.tensor([0, 1, 2, 1]), CountCrossEntropy()))
            found.append(gradients(module))
        for n, want in found[0].items():
            torch.testing.assert_close(found[1][n], want, rtol=1e-9, atol=1e-12, msg=n)

    def test_gradient_of_truncated_segments_ends_at_their_borders(self) -> None:
        """As a loop that detaches the state: spikes that were sent before a border still arrive behind it."""
        x, labels = torch.tensor(spikes((24, 4, 4))), torch.tensor([0, 1, 2, 1])
        module = moved(Module(network(), trainable=everything(), dtype=torch.float64))
        again = copy.deepcopy(module)
        Truncated(9).learn(Batch(module, x, labels, CountCrossEntropy()))
        parts, state = [], None
        for part in x.split(9):
            run = again.run(part, state=state)
            state = run.state.detach()
            parts.append(run.output)
        torch.nn.functional.cross_entropy(torch.cat(parts).sum(0), labels).backward()
        for n, want in gradients(again).items():
            torch.testing.assert_close(gradients(module)[n], want, rtol=1e-9, atol=1e-12, msg=n)


class TestGradient:
    @pytest.mark.parametrize("by_source", [False, True])
    @pytest.mark.parametrize("spread", [LinearSpread(), GaussianSpread(first=2.0)])
    def test_of_the_smooth_network_equals_differences(self, spread: Any, by_source: bool) -> None:
        net = network()
        if by_source:
            equal = {
                n: np.full(s.start.shape, 2)
                for n, s in learning.learned(net, ("delays",))[0].items()
            }
            net = learning.with_delays(net, equal)
        module = Module(
            net,
            surrogate=Sigmoid(3.0),
            trainable=(*everything(spread, by_source=by_source), "tau_m"),
            dtype=torch.float64,
            smooth=True,
        )
        moved(module).anneal(0.2)
        x = torch.tensor(spikes((14, 2, 4)))

        def loss() -> torch.Tensor:
            return (module(x) ** 2).mean()

        loss().backward()
        draw = np.random.default_rng(8)
        for name, p in module.named_parameters():
            direction = torch.tensor(draw.standard_normal(tuple(p.shape)))
            with torch.no_grad():
                values = []
                for h in (1e-6, -2e-6):
                    p += h * direction
                    values.append(float(loss()))
                p += 1e-6 * direction
            numeric = (values[0] - values[1]) / 2e-6
            assert abs(numeric) > 1e-7, name
            assert float((p.grad * direction).sum()) == pytest.approx(numeric, rel=2e-5), name

    @pytest.mark.parametrize("kernels", Kernels)
    @pytest.mark.parametrize("spread", ["linear", "gaussian"])
    def test_equals_a_loop_written_by_hand(self, spread: str, kernels: Kernels) -> None:
        """Every step adds every lag by itself, each weight times its share, written out as the formula is."""
        draw = np.random.default_rng(6)
        start, sigma = draw.integers(0, HIGH + 1, (3, 5)), 1.2
        net = Network(
            dt=1 * ms,
            populations={"in": Population(Input, 5), "n": Population(LIF, 3, {"tau_m": 10 * ms})},
            projections={
                "w": Projection("in", "n", Dense(draw.normal(0.3, 0.5, (3, 5))), delay=start * ms)
            },
        )
        how = LinearSpread() if spread == "linear" else GaussianSpread(first=sigma, last=sigma)
        module = moved(Module(net, trainable=everything(how), dtype=torch.float64, kernels=kernels))
        x = torch.tensor(spikes((25, 3, 5), 0.4))
        times = torch.arange(25.0, dtype=torch.float64)[:, None, None]
        found = module(x)
        (found * times).sum().backward()

        class Fire(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, m: torch.Tensor) -> torch.Tensor:
                ctx.save_for_backward(m)
                return (m > 0).double()

            @staticmethod
            def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
                (m,) = ctx.saved_tensors
                return g / (1 + (torch.pi * m) ** 2)

        w = torch.tensor(np.array(net.projections["w"].topology.weight), requires_grad=True)
        d = module.delays["w"].detach().clone().requires_grad_()
        lags = torch.arange(HIGH + 1)[:, None, None]
        if spread == "linear":
            shares = torch.clamp(1 - (lags - d).abs(), min=0)
        else:
            shares = torch.exp(-0.5 * ((lags - d) / sigma) ** 2)
            shares = shares / shares.sum(0)
        v, decay, total = torch.zeros(3, 3, dtype=torch.float64), float(np.exp(-0.1)), 0.0
        for k in range(25):
            for lag in range(min(k, HIGH) + 1):
                v = v + x[k - lag] @ (w * shares[lag]).T
            v = v * decay
            s = Fire.apply(v - 1.0)
            assert torch.equal(s, found[k])
            v = v - s * v
            total = total + (s * k).sum()
        total.backward()
        torch.testing.assert_close(module.weights["w"].grad, w.grad)
        torch.testing.assert_close(module.delays["w"].grad, d.grad)

    @pytest.mark.parametrize("spread", [LinearSpread(), GaussianSpread(first=2.0)])
    def test_of_kernels_is_that_of_autograd(self, spread: Any) -> None:
        found = []
        for kernels in Kernels:
            module = moved(
                Module(
                    network(), trainable=everything(spread), dtype=torch.float64, kernels=kernels
                )
            )
            x = torch.tensor(spikes((30, 3, 4)), requires_grad=True)
            (module(x) * torch.arange(30.0, dtype=torch.float64)[:, None, None]).sum().backward()
            found.append(gradients(module) | {"x": x.grad})
        for n, want in found[1].items():
            torch.testing.assert_close(found[0][n], want, rtol=1e-9, atol=1e-12, msg=n)

    def test_goes_on_where_a_delay_was_moved_out_of_its_range(self) -> None:
        module = Module(network(loop=False), trainable=everything(), dtype=torch.float64)
        x = torch.tensor(spikes((30, 3, 4)))
        with torch.no_grad():
            module.delays["a"].fill_(HIGH + 0.7)
            module.delays["b"].fill_(-0.7)
        module(x).sum().backward()
        assert module.delays["a"].grad.count_nonzero() > 0
        steps = module.to_network().delay_steps
        assert np.all(steps("a") == HIGH)
        assert np.all(steps("b") == 0)
        learning.keep_in_range(module)
        assert torch.all(module.delays["a"] == HIGH)
        assert torch.all(module.delays["b"] == 0)


GAP = 7
"""Steps between two spikes that only a delay can bring together."""


def coincidence(n: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two spikes, one per address: in class 0 the first address leads by GAP steps, in class 1 the second."""
    draw = stream(4, f"test_delays/{part}")
    labels = draw.integers(0, 2, n)
    x = np.zeros((24, n, 2), np.float32)
    begin = draw.integers(0, 24 - 2 * GAP - 1, n)
    x[begin, np.arange(n), labels] = 1.0
    x[begin + GAP, np.arange(n), 1 - labels] = 1.0
    return x, labels


DATA = (coincidence(128, "train"), coincidence(64, "validation"))


def detector() -> Network:
    """Return two neurons that forget within a few steps, and start with small delays."""
    late = np.array([[2, 1], [1, 2]])
    return Network(
        dt=1 * ms,
        populations={"in": Population(Input, 2), "out": Population(LI, 2, {"tau_m": 2 * ms}),
                     "hid": Population(LIF, 2, {"tau_m": 1.5 * ms})},
        projections={
            "a": Projection("in", "hid", Dense(np.array([[1.2, 1.2], [1.2, 1.2]])), delay=late * ms),
            "b": Projection("hid", "out", Dense(np.array([[3.0, -3.0], [-3.0, 3.0]]))),
        },
    )  # fmt: skip


def train(**changes: Any) -> Any:
    how: dict[str, Any] = {
        "trainable": (Delays(max_steps=12, pace=10.0),),
        "epochs": 6,
        "batch": 16,
        "seed": 3,
        "optimizer": AdamW(lr=0.05),
        "progress": False,
    }
    return fit(detector(), DATA, **(how | changes))


class TestTraining:
    def test_finds_the_delays_that_a_task_needs(self) -> None:
        done = train(epochs=12)
        steps = done.network.delay_steps("a")
        # a neuron hears one order of the two spikes as one: the one that leads is late by GAP more
        assert abs(steps[0, 0] - steps[0, 1]) == pytest.approx(GAP, abs=1)
        assert np.sign(steps[0, 0] - steps[0, 1]) == -np.sign(steps[1, 0] - steps[1, 1])
        assert done.history[done.best].validation_accuracy == 1.0
        fixed = evaluate(
            Module(done.network), ArraySamples(*DATA[1]), CountCrossEntropy()
        )  # fmt: skip
        assert fixed.accuracy == 1.0

    def test_without_delays_the_task_cannot_be_learned(self) -> None:
        done = train(trainable=("weights",), epochs=12)
        assert max(e.validation_accuracy for e in done.history) < 0.9

    def test_validation_is_that_of_the_network_that_comes_out(self) -> None:
        done = train(epochs=3)
        best = done.history[done.best]
        fixed = evaluate(Module(done.network), ArraySamples(*DATA[1]), CountCrossEntropy())
        assert fixed.loss == pytest.approx(best.validation_loss, rel=1e-5)
        assert fixed.accuracy == best.validation_accuracy

    def test_is_resumed(self, tmp_path: Path) -> None:
        """The width of the spread, the delays and their moments are those of an uninterrupted run."""
        import signal

        def interrupt(epoch: int, _: Any) -> None:
            if epoch == 2:
                signal.raise_signal(signal.SIGINT)

        whole = train(epochs=4)
        with pytest.raises(Interrupted):
            train(epochs=4, checkpoint=tmp_path, watch=interrupt)
        again = train(epochs=4, checkpoint=tmp_path)
        assert again.resumed_from == 2
        assert again.history == whole.history
        for n in ("a", "b"):
            assert np.array_equal(again.network.delay_steps(n), whole.network.delay_steps(n))

    def test_delays_have_their_own_pace_and_no_decay(self) -> None:
        how = (Delays(("a",), max_steps=12, pace=5.0, spread=LinearSpread()), "weights")
        module = Module(detector(), trainable=how)
        groups = learning.parameter_groups(module)
        assert [g.get("pace") for g in groups] == [None, 5.0]
        assert groups[1]["params"] == [module.delays["a"]]
        for optimizer in (AdamW(weight_decay=0.1), SGD(weight_decay=0.1)):
            built = optimizer.build(groups)
            assert [g["weight_decay"] for g in built.param_groups] == [0.1, 0.0]

    def test_pace_is_a_multiple_of_the_learning_rate(self, tmp_path: Path) -> None:
        start, found = np.array([[2.0, 1.0], [1.0, 2.0]]), []
        for pace in (1.0, 3.0):
            done = train(
                trainable=(Delays(("a",), max_steps=12, pace=pace),),
                optimizer=SGD(lr=0.01, momentum=0.0, schedule=Schedule.CONSTANT),
                epochs=1,
                batch=128,
                checkpoint=tmp_path,
            )
            kept = load(done.checkpoint, done.fingerprint)
            found.append(kept.arrays["now/delays.a"] - start)
        assert np.abs(found[0]).min() > 1e-5
        np.testing.assert_allclose(found[1], 3.0 * found[0], rtol=1e-2)

    def test_copies_and_state_dict(self) -> None:
        module = moved(
            Module(network(), trainable=everything(GaussianSpread()), dtype=torch.float64)
        )
        module.anneal(0.25)
        x = torch.tensor(spikes((20, 2, 4)))
        other = Module(network(), trainable=everything(GaussianSpread()), dtype=torch.float64)
        assert not torch.equal(module(x), other(x))
        other.load_state_dict(module.state_dict())
        assert torch.equal(module(x), other(x))
        assert torch.equal(module(x), copy.deepcopy(module)(x))


class TestChoosing:
    def test_every_dense_projection_with_a_delay(self) -> None:
        net = network()
        net = net.replacing(
            populations={"far": Population(LIF, 3)},
            projections={
                "o": Projection("out", "far", OneToOne(np.ones(3)), delay=2 * ms),
                "none": Projection("out", "far", Dense(np.ones((3, 3)))),
            },
        )
        assert set(Module(net, trainable=("delays",)).delays) == {"a", "b", "r"}
        module = Module(net, trainable=("b.delay", Delays(("none",), max_steps=3)))
        assert {n: x.n for n, x in module.learned.items()} == {"b": 26, "none": 4}
        assert dict(module.named_parameters()).keys() == {"delays.b", "delays.none"}

    @pytest.mark.parametrize(
        ("entries", "said"),
        [
            (("x.delay",), r"nothing is called 'x.delay'; expected 'weights', 'biases', 'delays'"),
            ((Delays(("x",)),), r"trainable 'x.delay': no such projection; expected a, b, r"),
            (("a.delay", "delays"), r"trainable 'a.delay': is named twice"),
            ((Delays(("a",), max_steps=3),),
             r"trainable 'a.delay': begin outside their range; found 0 to 6 steps, expected 0 to 3"),
            ((Delays(("a",), by_source=True),),
             r"trainable 'a.delay': begin with more than one delay per source"),
        ],
    )  # fmt: skip
    def test_refuses(self, entries: Any, said: str) -> None:
        with pytest.raises(TrainError, match=said):
            Module(network(), trainable=entries)

    def test_refuses_where_there_are_none(self) -> None:
        net = network(loop=False)
        net = learning.with_delays(net, {"a": np.zeros((5, 4), int), "b": np.zeros((3, 5), int)})
        with pytest.raises(
            TrainError, match=r"'delays': no projection of dense weights has a delay"
        ):
            Module(net, trainable=("delays",))

    def test_refuses_other_maps(self) -> None:
        net = network().replacing(
            populations={"far": Population(LIF, 3)},
            projections={"o": Projection("out", "far", OneToOne(np.ones(3)), delay=2 * ms)},
        )
        with pytest.raises(
            TrainError,
            match=r"'o.delay': only delays of dense weights are trained; found one_to_one",
        ):
            Module(net, trainable=("o.delay",))

    def test_refuses_a_cycle_that_could_lose_its_delay(self) -> None:
        net = network(Propagation.SAME_STEP)
        with pytest.raises(TrainError, match=r"can become too short: .*cycle.* — set min_steps=1"):
            Module(net, trainable=("r.delay",))

    @pytest.mark.parametrize(
        ("how", "said"),
        [
            ({"projections": "a"}, r"Delays\(projections=\): is one name — write \('a',\)"),
            ({"max_steps": 0}, r"Delays: has no range; found min_steps = 0, max_steps = 0"),
            ({"pace": 0.0}, r"Delays\(pace=\): must be more than 0; found 0.0"),
        ],
    )
    def test_refuses_settings(self, how: dict[str, Any], said: str) -> None:
        with pytest.raises(TrainError, match=said):
            Delays(**how)
