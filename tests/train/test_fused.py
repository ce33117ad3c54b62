"""Generated kernels against PyTorch's autograd, step by step: the same spikes, states and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from spikewright.engines.discretize import discretize
from spikewright.engines.reference import Reference
from spikewright.errors import TrainError
from spikewright.network import (
    IF,
    LIF,
    MODELS,
    AvgPool,
    Compose,
    Conv,
    CubaLI,
    CubaLIF,
    Dense,
    Flatten,
    Input,
    Method,
    Network,
    NeuronModel,
    Noise,
    OneToOne,
    Population,
    Projection,
    Propagation,
    Relay,
    Reset,
    Sparse,
)
from spikewright.train import Kernels, Module, Neurons, ResetGradient, maps
from spikewright.train.fused import adjoint, bits, group, plan, products
from spikewright.train.fused.products import Choice
from spikewright.train.surrogate import SURROGATES, Triangle

ms = 1e-3


def spikes(shape: tuple[int, ...], rate: float = 0.3, seed: int = 2) -> torch.Tensor:
    return torch.from_numpy((np.random.default_rng(seed).random(shape) < rate).astype(np.float64))


def recurrent(
    method: Method = Method.AUTO, propagation: Propagation = Propagation.NEXT_STEP
) -> Network:
    """Self-projection, cycle through two populations and a relay, a delay per weight, sparse and one-to-one inside."""
    draw = np.random.default_rng(0)
    sparse = draw.normal(0.3, 0.4, (4, 3)) * (draw.random((4, 3)) < 0.6)
    return Network(
        dt=1 * ms,
        propagation=propagation,
        populations={
            "in": Population(Input, 5),
            "hid": Population(LIF, 4, {"tau_m": draw.uniform(10, 20, 4) * ms, "t_ref": 2 * ms}, method=method),
            "two": Population(CubaLIF, 3, {"v_reset": 0.1}, method=method),
            "relay": Population(Relay, 3),
            "out": Population(CubaLI, 2, method=method),
        },
        projections={
            "a": Projection("in", "hid", Dense(draw.normal(0.2, 0.6, (4, 5)))),
            "r": Projection("hid", "hid", Dense(draw.normal(0, 0.2, (4, 4))), delay=1 * ms),
            "x": Projection(
                "hid", "two", Dense(draw.normal(2, 2, (3, 4))),
                delay=draw.integers(0, 4, (3, 4)) * ms, bias=draw.normal(0.2, 0.2, 3),
            ),
            "y": Projection("two", "relay", OneToOne(np.array([0.3, 0.2, -0.1])), delay=2 * ms),
            "z": Projection("relay", "hid", Dense(draw.normal(size=(4, 3)))),
            "s": Projection("two", "hid", Sparse.from_matrix(sparse), delay=3 * ms),
            "b": Projection("two", "out", Dense(draw.normal(size=(2, 3)))),
        },
    )  # fmt: skip


def single(model: NeuronModel, n: int = 3, **options: Any) -> Network:
    network = Network(
        dt=options.pop("dt", 1 * ms),
        populations={"in": Population(Input, 4), "n": Population(model, n, **options)},
        projections={"a": Projection("in", "n", Dense(np.ones((n, 4))))},
    )
    unit = Module(network).units["a"]
    draw = np.random.default_rng(4)
    return network.with_weights({"a": draw.normal(0.3 * unit, 0.3 * unit, (n, 4))})


def both(
    network: Network,
    inputs: Any,
    *,
    dtype: torch.dtype = torch.float64,
    segments: int = 1,
    fused: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[list[dict[str, torch.Tensor]], Module]:
    """Run both kernels on the same loss; return name -> result and gradient, first autograd's, then the fused ones."""
    found = []
    for kernels in (Kernels.AUTOGRAD, Kernels.FUSED):
        own = fused or {} if kernels is Kernels.FUSED else {}
        module = Module(network, dtype=dtype, kernels=kernels, **options, **own)
        record = {n: tuple(p.model.state) for n, p in network.populations.items() if p.model.state}
        given = {n: x.to(dtype).clone().requires_grad_() for n, x in inputs.items()}
        loss, state = torch.zeros((), dtype=dtype), None
        steps = len(next(iter(given.values())))
        values: dict[str, torch.Tensor] = {}
        draw = torch.Generator().manual_seed(1)
        for k in range(segments):
            low, high = steps * k // segments, steps * (k + 1) // segments
            run = module.run(
                {n: x[low:high] for n, x in given.items()}, record=record, state=state, seed=5
            )
            state = run.state
            for n, x in run.sent.items():
                values[f"sent {k} {n}"] = x.detach()
                loss = loss + (x * torch.rand(x.shape, generator=draw, dtype=dtype)).sum()
            for n, traces in run.traces.items():
                for v, x in traces.items():
                    values[f"trace {k} {n} {v}"] = x.detach()
                    size = 1.0 / (1e-12 + float(x.detach().abs().max()))
                    loss = (
                        loss + size * (x * torch.rand(x.shape, generator=draw, dtype=dtype)).sum()
                    )
        loss.backward()
        values |= {f"grad {n}": p.grad for n, p in module.named_parameters() if p.grad is not None}
        values |= {f"grad {n}": x.grad for n, x in given.items() if x.grad is not None}
        found.append(values)
    return found, module


def same(found: list[dict[str, torch.Tensor]], tolerance: float = 1e-9) -> None:
    want, got = found
    assert want.keys() == got.keys()
    for name, x in want.items():
        size = max(1e-300, float(x.abs().max()))
        error = float((got[name] - x).abs().max()) / size
        assert error <= tolerance, f"{name}: {error:.2e}"


def tapes(network: Network) -> tuple[str, ...]:
    """Return what the population `n` keeps for the backward pass."""
    population = network.populations["n"]
    step = discretize(population, network.dt, where="n")
    straight = adjoint.straighten(
        population.model, step, live=population.model.inputs, dynamic=(), number="float64"
    )
    wanted = (*straight.variables, *straight.ports)
    return adjoint.tape(straight, adjoint.adjoint(straight, wanted).needed)[0]


class TestGradient:
    @pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
    @pytest.mark.parametrize("reset", ResetGradient)
    def test_recurrent_delayed_net(self, propagation: Propagation, reset: ResetGradient) -> None:
        inputs = {"in": spikes((40, 5, 5)), "hid.i": torch.rand(40, 5, 4, dtype=torch.float64)}
        found, _ = both(recurrent(propagation=propagation), inputs, reset_gradient=reset)
        assert found[0]["sent 0 hid"].sum() > 10
        assert found[0]["sent 0 two"].sum() > 5
        same(found)

    def test_segments_pass_gradients_through_the_state(self) -> None:
        found, _ = both(recurrent(), {"in": spikes((30, 5, 5))}, segments=4)
        same(found)

    def test_trained_parameters(self) -> None:
        trainable = ("weights", "biases", "tau_m", "two.tau_s", "v_th", "hid.v_reset")
        for method in (Method.EXACT, Method.EXPONENTIAL_EULER):
            found, _ = both(recurrent(method), {"in": spikes((30, 5, 5), 0.5)}, trainable=trainable)
            assert found[0]["grad params.two/tau_s"].abs() > 0
            same(found)

    @pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.state and m.default_port])
    def test_library_model(self, name: str) -> None:
        found, _ = both(single(MODELS[name], dt=0.1 * ms), {"in": spikes((30, 2, 4))})
        same(found, 1e-7)

    @pytest.mark.parametrize("name", SURROGATES)
    def test_surrogate(self, name: str) -> None:
        surrogate = SURROGATES[name]()
        found, module = both(
            single(LIF.resetting(Reset.SUBTRACT)), {"in": spikes((20, 3, 4))}, surrogate=surrogate
        )
        same(found)
        assert module.firing.surrogate is surrogate

    def test_all_kinds_of_reset_output_and_threshold(self) -> None:
        model = NeuronModel(
            name="Graded",
            state={"v": "V", "w": "V", "u": "V"},
            params={"v_th": (1.0, "V"), "a": (0.7, "V"), "tau": (10 * ms, "s")},
            inputs={"x": "V"},
            jumps={"x": "v"},
            update={
                "u": "0.9 * u + floor(v / v_th) * 0.1 * v_th",
                "v": "v * 0.9 - 0.1 * clip(u, -0.01 * v_th, a)",
                "w": "w * 0.5 + 0.1 * abs(v) + 0.1 * v * exp(-dt / tau) + xi * 0.01 * v_th",
            },
            threshold="v > v_th and (w >= 0.1 * a or v > 2 * v_th)",
            reset={"v": "v - w", "w": "a", "u": "0"},
            output="v / v_th if v > w else w / v_th",
            noise={"xi": Noise.NORMAL},
        )
        found, _ = both(
            single(model), {"in": spikes((40, 4, 4), 0.6)}, trainable=("weights", "a", "v_th")
        )
        assert found[0]["sent 0 n"].sum() > 5
        same(found)

    def test_where_resets_add_and_subtract_only_the_margin_is_kept(self) -> None:
        model = NeuronModel(
            name="Adapting",
            state={"v": "V", "a": "V", "b": "V"},
            params={"v_th": (1.0, "V"), "up": (0.2, "V"), "tau": (10 * ms, "s")},
            inputs={"x": "V"},
            jumps={"x": "v"},
            dynamics={"v": "-v / tau", "a": "-a / (3 * tau)", "b": "-b / (9 * tau)"},
            threshold="v_th + a < v - b",
            reset={"v": "v - v_th", "a": "a + up", "b": "0.1 * up + b"},
        )
        network = single(model)
        found, _ = both(network, {"in": spikes((40, 4, 4), 0.6)}, trainable=("weights", "up"))
        assert found[0]["sent 0 n"].sum() > 10
        same(found)
        assert tapes(network) == ("margin",)
        assert tapes(single(LIF)) == ("_new_v_1",), "a reset to a value needs what was there"

    @pytest.mark.parametrize("strip", [1, 7, 16])
    def test_strips(self, strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
        network = single(LIF, 8)
        whole, _ = both(network, {"in": spikes((12, 5, 4), 0.6)})
        monkeypatch.setattr(group, "STRIP", strip)
        monkeypatch.setattr(group, "kernels", group.kernels.__wrapped__)
        monkeypatch.setattr(plan, "kernels", group.kernels)
        found, _ = both(network, {"in": spikes((12, 5, 4), 0.6)})
        for name, x in whole[1].items():
            assert torch.equal(found[1][name], x), name

    def test_convolutions_outside_and_flattened_dense(self) -> None:
        draw = np.random.default_rng(1)
        network = Network(
            dt=1 * ms,
            populations={
                "in": Population(Input, (2, 9, 8)),
                "c": Population(LIF.resetting(Reset.SUBTRACT), (4, 4, 4)),
                "s": Population(IF, (4, 2, 2)),
                "o": Population(LIF, 3),
            },
            projections={
                "c": Projection(
                    "in", "c", Conv(draw.normal(0.1, 0.4, (4, 2, 3, 3)), stride=2, padding=((1, 0), (1, 1)))
                ),
                "s": Projection("c", "s", AvgPool(2)),
                "o": Projection("s", "o", Compose((Flatten(), Dense(draw.normal(0.6, 0.4, (3, 16)))))),
            },
        )  # fmt: skip
        found, _ = both(network, {"in": spikes((15, 2, 2, 9, 8))})
        assert all(found[0][f"sent 0 {n}"].sum() > 5 for n in "cso")
        same(found)

    def test_single_precision(self) -> None:
        found, _ = both(recurrent(), {"in": spikes((40, 5, 5))}, dtype=torch.float32)
        same(found, 2e-5)

    def test_number_of_threads_changes_no_spike_and_hardly_a_gradient(self) -> None:
        before = torch.get_num_threads()
        found = []
        try:
            for threads in (1, 2):
                torch.set_num_threads(threads)
                found.append(
                    both(recurrent(), {"in": spikes((20, 5, 5))}, trainable=("weights", "tau_m"))[
                        0
                    ][1]
                )
        finally:
            torch.set_num_threads(before)
        same(found, 1e-12)


class TestProducts:
    def wide(self) -> Network:
        draw = np.random.default_rng(7)
        return Network(
            dt=1 * ms,
            populations={"in": Population(Input, 130), "n": Population(LIF, 70), "o": Population(LIF, 5)},
            projections={
                "a": Projection("in", "n", Dense(draw.normal(0.1, 0.3, (70, 130))), delay=2 * ms),
                "b": Projection("n", "o", Dense(draw.normal(0.1, 0.3, (5, 70)))),
            },
        )  # fmt: skip

    @pytest.mark.parametrize(("rate", "choice"), [(0.05, Choice.EVENTS), (0.5, Choice.DENSE)])
    def test_choice_follows_the_density_and_changes_no_result(
        self, rate: float, choice: Choice
    ) -> None:
        inputs = {"in": spikes((300, 3, 130), rate)}
        found, module = both(self.wide(), inputs)
        same(found)
        kind, density = module.run(inputs).products["a"]
        assert kind is choice
        assert density == pytest.approx(float(inputs["in"].mean()))

    def test_numbers_other_than_one_are_multiplied(self) -> None:
        inputs = {"in": 0.5 * spikes((20, 3, 130), 0.02)}
        found, module = both(self.wide(), inputs)
        same(found)
        assert module.run(inputs).products["a"][0] is Choice.DENSE

    def test_batch_first_input_is_read_where_it_lies(self) -> None:
        x = spikes((3, 20, 130), 0.05).transpose(0, 1)
        assert not x.is_contiguous()
        found, _ = both(self.wide(), {"in": x})
        same(found)

    def test_input_that_holds_is_multiplied_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        network = self.wide()
        network = network.replacing(
            projections=dict(network.projections)
            | {"a": Projection("in", "n", network.projections["a"].topology)},
            propagation=Propagation.SAME_STEP,
        )
        found, rows = [], []
        plain = maps.apply

        def counting(topology: Any, x: torch.Tensor, *rest: Any) -> torch.Tensor:
            rows.append(len(x))
            return plain(topology, x, *rest)

        monkeypatch.setattr("spikewright.train.module.apply", counting)
        for repeated in (False, True):
            once = torch.rand((1, 3, 130), generator=torch.Generator().manual_seed(1))
            once.requires_grad_()
            x = once.repeat(20, 1, 1) if repeated else once.expand(20, 3, 130)
            module = Module(network)
            sent = module(x)
            (sent * torch.arange(20.0)[:, None, None]).sum().backward()
            found.append({"sent": sent.detach(), "x": once.grad, "w": module.weights["a"].grad})
        assert found[0]["sent"].sum() > 0
        assert rows == [3]
        same(found, 1e-5)

    @pytest.mark.parametrize("reset", ResetGradient)
    def test_gradients_for_active_neurons_only(
        self, reset: ResetGradient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inputs = {"in": spikes((60, 3, 130), 0.05)}
        calls = []
        plain = bits.masked_product
        monkeypatch.setattr(bits, "masked_product", lambda *a: calls.append(a) or plain(*a))
        monkeypatch.setattr(products, "ACTIVE_DENSITY", 0.5)
        options = {"surrogate": Triangle(width=0.3), "reset_gradient": reset}
        want, _ = both(self.wide(), inputs, **options)
        assert not calls
        found, _ = both(self.wide(), inputs, fused={"active_only": True}, **options)
        assert len(calls) == 1
        assert 0 < np.count_nonzero(calls[0][2]) < 0.5 * calls[0][2].size
        same([want[0], found[1]])

    def test_active_only_needs_a_compact_surrogate(self) -> None:
        with pytest.raises(TrainError, match="Arctan has a slope everywhere"):
            Module(self.wide(), active_only=True)

    def test_delay_longer_than_the_run(self) -> None:
        network = self.wide()
        found, _ = both(network, {"in": spikes((2, 3, 130), 0.05)})
        same([{n: x for n, x in f.items() if "sent" in n} for f in found])

    def test_onednn_and_default_products_agree(self, monkeypatch: pytest.MonkeyPatch) -> None:
        x, w = torch.rand(40, 30), torch.rand(20, 30)
        fast = products.product(x, w, Choice.DENSE)
        monkeypatch.setattr(products, "_onednn", lambda: None)
        torch.testing.assert_close(fast, products.product(x, w, Choice.DENSE))


class TestUnderCompile:
    @pytest.mark.parametrize("trainable", [(), ("tau_m", "v_th")])
    def test_layer_is_traced_whole(self, trainable: tuple[str, ...]) -> None:
        layer = Neurons(LIF, 4, dt=1 * ms, trainable=trainable)
        x = (0.5 * torch.rand(10, 2, 4)).requires_grad_()
        want = layer(x)
        assert want.sum() > 0
        want.sum().backward()
        grads = [x.grad, *(p.grad for p in layer.parameters())]
        x.grad = None
        layer.zero_grad()
        got = torch.compile(layer, backend="aot_eager", fullgraph=True)(x)
        got.sum().backward()
        torch.testing.assert_close(got, want)
        torch.testing.assert_close([x.grad, *(p.grad for p in layer.parameters())], grads)

    def test_module_inside_a_compiled_model(self) -> None:
        module = Module(single(LIF))
        x = spikes((10, 2, 4)).float()
        with torch.no_grad():
            want = module(x) * 2
            got = torch.compile(lambda x: module(x) * 2, backend="aot_eager")(x)
        torch.testing.assert_close(got, want)

    def test_operators_pass_the_checks_of_pytorch(self) -> None:
        layer = Neurons(LIF, 4, dt=1 * ms)
        plan = layer._plans[torch.float32]
        tensors = [(0.5 * torch.rand(10, 2, 4)).requires_grad_(), torch.zeros(2, 4)]
        assert plan.inputs == ("outside_0_0", "state_0_0")
        torch.library.opcheck(
            torch.ops.spikewright.run.default,
            (layer._numbers[torch.float32], 10, 2, tensors),
            test_utils=("test_schema", "test_faketensor", "test_autograd_registration"),
        )


class TestNeurons:
    def test_same_as_a_module(self) -> None:
        network = Network(
            dt=1 * ms,
            populations={"n": Population(LIF, (2, 3), {"tau_m": np.full((2, 3), 8 * ms), "t_ref": 2 * ms})},
            projections={},
        )  # fmt: skip
        x = torch.rand(30, 4, 2, 3, dtype=torch.float64) * 0.6
        layer = Neurons(LIF, (2, 3), dt=1 * ms, params=dict(network.populations["n"].params))
        want = Reference().run(network, {"n": x.numpy()}).dense("n")
        np.testing.assert_array_equal(layer(x).numpy(), want)
        assert want.sum() > 10

    @pytest.mark.parametrize("refractory", [False, True])
    def test_channels_last_is_not_copied_and_changes_nothing(self, refractory: bool) -> None:
        tau = np.random.default_rng(0).uniform(5, 20, (3, 4, 5)) * ms
        held = np.random.default_rng(1).integers(0, 4, (3, 4, 5)) * ms
        params = {"tau_m": tau} | ({"t_ref": held} if refractory else {})
        layer = Neurons(LIF, (3, 4, 5), dt=1 * ms, params=params)
        first = (0.5 * torch.rand(10, 2, 3, 4, 5)).requires_grad_()
        last = first.detach().flatten(0, 1).contiguous(memory_format=torch.channels_last)
        last = last.unflatten(0, (10, 2)).requires_grad_()
        want, got = layer(first), layer(last)
        assert torch.equal(want, got)
        assert refractory or got.stride() == last.stride()
        draw = torch.rand_like(want)
        want.backward(draw)
        got.backward(draw)
        assert torch.equal(first.grad, last.grad)

    def test_trains_time_constants_and_thresholds(self) -> None:
        layer = Neurons(LIF, 3, dt=1 * ms, trainable=("tau_m", "v_th"))
        layer(torch.rand(30, 4, 3)).sum().backward()
        assert all(p.grad is not None and p.grad != 0 for p in layer.parameters())

    def test_half_precision_currents_become_single(self) -> None:
        layer = Neurons(LIF, 3, dt=1 * ms)
        assert layer(torch.rand(5, 2, 3).bfloat16()).dtype == torch.float32

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: Neurons(LIF, 3, dt=ms, port="x"), "no port 'x'"),
            (lambda: Neurons(LIF, 3, dt=ms, trainable=("t_ref",)), "no parameter 't_ref'"),
            (lambda: Neurons(LIF, 3, dt=ms)(torch.zeros(4, 3)), "currents have another shape"),
        ],
    )
    def test_messages(self, make: Any, message: str) -> None:
        with pytest.raises(TrainError, match=message):
            make()
