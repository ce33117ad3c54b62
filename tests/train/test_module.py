"""The differentiable run: forward the reference engine's, backward the gradient that was asked for.

Longer than most files: forward, gradient, state and errors of one class.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

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
    SumPool,
)
from spikewright.train import Arctan, Kernels, Module, ResetGradient, Sigmoid

ms = 1e-3


def recurrent(
    method: Method = Method.AUTO, propagation: Propagation = Propagation.NEXT_STEP
) -> Network:
    """A net with a self-projection, a cycle through two populations, a delay per weight, and a refractory period."""
    draw = np.random.default_rng(0)
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
            "b": Projection("two", "out", Dense(draw.normal(size=(2, 3)))),
        },
    )  # fmt: skip


def convolutional() -> Network:
    draw = np.random.default_rng(1)
    sparse = draw.normal(0.3, 0.4, (3, 16)) * (draw.random((3, 16)) < 0.5)
    return Network(
        dt=1 * ms,
        populations={
            "in": Population(Input, (2, 9, 8)),
            "c": Population(LIF.resetting(Reset.SUBTRACT), (4, 4, 4)),
            "s": Population(IF, (4, 2, 2)),
            "o": Population(LIF, 3),
            "p": Population(LIF, 3),
            "m": Population(LIF, (4, 2, 2)),
        },
        projections={
            "c": Projection(
                "in",
                "c",
                Conv(draw.normal(0.1, 0.4, (4, 2, 3, 3)), stride=2, padding=((1, 0), (1, 1))),
            ),
            "s": Projection("c", "s", Compose((OneToOne(np.asarray(1.5)), SumPool(2)))),
            "m": Projection("c", "m", AvgPool(2)),
            "o": Projection("s", "o", Compose((Flatten(), Dense(draw.normal(0.3, 0.4, (3, 16)))))),
            "p": Projection("s", "p", Sparse.from_matrix(sparse), delay=2 * ms),
        },
    )


def spikes(shape: tuple[int, ...], rate: float = 0.3, seed: int = 2) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.float64)


def same_as_reference(network: Network, inputs: dict[str, np.ndarray], seed: int = 0) -> Any:
    """Run both; every spike and every state variable must be equal. Return the module's run."""
    record = {n: tuple(p.model.state) for n, p in network.populations.items() if p.model.state}
    want = Reference().run(network, inputs, record=record, seed=seed)
    run = Module(network, dtype=torch.float64).run(inputs, record=record, seed=seed)
    for name, population in network.populations.items():
        got = run.sent[name].detach().numpy()
        if population.model.is_spiking and not population.model.is_graded:
            np.testing.assert_array_equal(got, want.dense(name), err_msg=name)
        elif name in want.spikes:
            np.testing.assert_allclose(got, want.dense(name), rtol=1e-9, atol=1e-12, err_msg=name)
        for variable in record.get(name, ()):
            np.testing.assert_allclose(
                run.traces[name][variable].detach().numpy(),
                want.trace(name, variable),
                rtol=1e-9,
                atol=1e-9,
                err_msg=f"{name}.{variable}",
            )
    return run


class TestForward:
    @pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
    @pytest.mark.parametrize("method", [m for m in Method if m is not Method.AUTO])
    def test_recurrent_delayed_net(self, method: Method, propagation: Propagation) -> None:
        current = np.random.default_rng(3).random((40, 3, 4))
        run = same_as_reference(
            recurrent(method, propagation), {"in": spikes((40, 3, 5)), "hid.i": current}
        )
        assert run.sent["hid"].sum() > 10
        assert run.sent["two"].sum() > 5

    def test_convolutions_pools_and_sparse(self) -> None:
        run = same_as_reference(convolutional(), {"in": spikes((15, 2, 2, 9, 8))})
        assert all(run.sent[n].sum() > 5 for n in "csop")

    def test_large_sparse_map(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from spikewright.train import maps

        monkeypatch.setattr(maps, "DENSE_ENTRIES", 0)
        same_as_reference(convolutional(), {"in": spikes((8, 2, 2, 9, 8))})

    @pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.state and m.default_port])
    def test_library_model(self, name: str) -> None:
        model = MODELS[name]
        network = Network(
            dt=0.1 * ms,
            populations={"in": Population(Input, 4), "n": Population(model, 3)},
            projections={"a": Projection("in", "n", Dense(np.ones((3, 4))))},
        )
        unit = Module(network).units["a"]
        draw = np.random.default_rng(4)
        network = network.with_weights({"a": draw.normal(0.3 * unit, 0.3 * unit, (3, 4))})
        same_as_reference(network, {"in": spikes((30, 1, 4), 0.3)})

    def test_declared_noise(self) -> None:
        model = NeuronModel(
            name="Noisy",
            state={"v": "V"},
            params={"tau": (10 * ms, "s"), "sigma": (0.3, "V"), "v_th": (1.0, "V")},
            inputs={"spikes": "V"},
            jumps={"spikes": "v"},
            update={"v": "v * 0.9 + sigma * xi"},
            threshold="v > v_th",
            reset={"v": "0"},
            noise={"xi": Noise.NORMAL},
        )
        network = Network(
            dt=1 * ms,
            populations={"in": Population(Input, 2), "n": Population(model, 3)},
            projections={"a": Projection("in", "n", Dense(np.full((3, 2), 0.2)))},
        )
        run = same_as_reference(network, {"in": spikes((50, 2, 2))}, seed=7)
        assert run.sent["n"].sum() > 0

    def test_graded_output_and_two_part_threshold(self) -> None:
        model = NeuronModel(
            name="Graded",
            state={"v": "V", "w": "V"},
            params={"v_th": (1.0, "V"), "a": (0.7, "V")},
            inputs={"x": "V"},
            jumps={"x": "v"},
            update={"v": "v * 0.9", "w": "w * 0.5 + 0.1 * v"},
            threshold="v > v_th and (w >= 0.1 * a or v > 2 * v_th)",
            reset={"v": "v - w", "w": "a"},
            output="v / v_th",
        )
        network = Network(
            dt=1 * ms,
            populations={
                "in": Population(Input, 2),
                "n": Population(model, 3),
                "o": Population(LIF, 2),
            },
            projections={
                "a": Projection(
                    "in", "n", Dense(np.random.default_rng(5).normal(0.5, 0.4, (3, 2)))
                ),
                "b": Projection("n", "o", Dense(np.full((2, 3), 0.3))),
            },
        )
        run = same_as_reference(network, {"in": spikes((50, 2, 2), 0.5)})
        assert run.sent["n"].sum() > 0

    def test_float32_agrees_statistically(self) -> None:
        x = spikes((60, 16, 5))
        exact = Module(recurrent(), dtype=torch.float64).run(torch.tensor(x))
        single = Module(recurrent()).run(torch.tensor(x))
        for name in ("hid", "two"):
            a, b = exact.sent[name].sum().item(), single.sent[name].sum().item()
            assert abs(a - b) <= 0.01 * a

    def test_silent_input_gives_bias_only(self) -> None:
        run = same_as_reference(recurrent(), {"hid.i": np.zeros((10, 2, 4))})
        assert run.sent["in"].sum() == 0


class TestState:
    @pytest.mark.parametrize("cut", [1, 2, 13])
    def test_is_passed_on(self, cut: int) -> None:
        module, x = Module(recurrent(), dtype=torch.float64), torch.tensor(spikes((40, 3, 5)))
        whole = module.run(x)
        first = module.run(x[:cut])
        second = module.run(x[cut:], state=first.state)
        for name in whole.sent:
            assert torch.equal(torch.cat((first.sent[name], second.sent[name])), whole.sent[name])

    def test_nothing_remembers_the_last_run(self) -> None:
        module, x = Module(recurrent()), torch.tensor(spikes((20, 3, 5)))
        assert torch.equal(module(x), module(x))

    def test_detach_cuts_the_gradient(self) -> None:
        module, x = Module(recurrent(), dtype=torch.float64), torch.tensor(spikes((20, 3, 5)))
        state = module.run(x).state
        assert state.values["hid"]["v"].requires_grad
        assert not state.detach().values["hid"]["v"].requires_grad

    def test_of_another_batch(self) -> None:
        module = Module(recurrent())
        state = module.run(torch.zeros(3, 2, 5)).state
        with pytest.raises(TrainError, match=r"run\(state=\): is for another batch; expected 4"):
            module.run(torch.zeros(3, 4, 5), state=state)


class TestGradient:
    @pytest.mark.parametrize("reset", ResetGradient)
    @pytest.mark.parametrize("kind", [Reset.VALUE, Reset.SUBTRACT])
    def test_equals_a_loop_written_by_hand(self, kind: Reset, reset: ResetGradient) -> None:
        draw = np.random.default_rng(6)
        w, loop = draw.normal(0.3, 0.5, (4, 5)), draw.normal(0, 0.3, (4, 4))
        model = LIF.resetting(kind) if kind is Reset.SUBTRACT else LIF
        params = {"tau_m": 10 * ms} | ({"v_reset": 0.2} if kind is Reset.VALUE else {})
        network = Network(
            dt=1 * ms,
            populations={"in": Population(Input, 5), "n": Population(model, 4, params)},
            projections={
                "w": Projection("in", "n", Dense(w)),
                "r": Projection("n", "n", Dense(loop)),
            },
            outputs=("n",),
        )
        x = spikes((25, 3, 5), 0.4)
        module = Module(network, surrogate=Arctan(3.0), reset_gradient=reset, dtype=torch.float64)
        times = torch.arange(25.0, dtype=torch.float64)[:, None, None]
        (module(torch.tensor(x)) * times).sum().backward()

        class Fire(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, m: torch.Tensor) -> torch.Tensor:
                ctx.save_for_backward(m)
                return (m > 0).double()

            @staticmethod
            def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
                (m,) = ctx.saved_tensors
                return g * 1.5 / (1 + (torch.pi / 2 * 3.0 * m) ** 2)

        a = torch.tensor(w, requires_grad=True)
        b = torch.tensor(loop, requires_grad=True)
        decay = float(np.exp(-0.1))
        v = s = torch.zeros(3, 4, dtype=torch.float64)
        total = torch.zeros((), dtype=torch.float64)
        for k, now in enumerate(torch.tensor(x).unbind(0)):
            v = (v + now @ a.T + s @ b.T) * decay
            s = Fire.apply(v - 1.0)
            z = s if reset is ResetGradient.KEPT else s.detach()
            v = v - z * 1.0 if kind is Reset.SUBTRACT else z * 0.2 + (1 - z) * v
            total = total + (s * k).sum()
        total.backward()
        torch.testing.assert_close(module.weights["w"].grad, a.grad)
        torch.testing.assert_close(module.weights["r"].grad, b.grad)

    @pytest.mark.parametrize("build", [recurrent, convolutional])
    def test_of_the_smooth_network_equals_differences(self, build: Any) -> None:
        network = build()
        if build is recurrent:
            # without refractory periods, which a smooth spike cannot enter
            hid = Population(LIF, 4, {"tau_m": 12 * ms})
            network = network.replacing(populations={"hid": hid})
            x = torch.tensor(spikes((12, 2, 5)))
        else:
            x = torch.tensor(spikes((6, 2, 2, 9, 8)))
        module = Module(
            network,
            surrogate=Sigmoid(3.0),
            trainable=("weights", "biases", "tau_m", "v_th"),
            dtype=torch.float64,
            smooth=True,
        )

        def loss() -> torch.Tensor:
            run = module.run(x)
            return sum((run.sent[n] ** 2).mean() for n in run.outputs)

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
            assert float((p.grad * direction).sum()) == pytest.approx(
                numeric, rel=2e-5, abs=1e-8
            ), name

    def test_of_trained_time_constants_keeps_the_forward_run(self) -> None:
        x = torch.tensor(spikes((30, 2, 5)))
        plain = Module(recurrent(), dtype=torch.float64)
        trained = Module(recurrent(), trainable=("tau_m", "two.tau_s"), dtype=torch.float64)
        assert set(dict(trained.named_parameters())) == {
            "params.hid/tau_m", "params.two/tau_m", "params.two/tau_s", "params.out/tau_m"
        }  # fmt: skip
        torch.testing.assert_close(plain(x), trained(x))

    @pytest.mark.parametrize("kernels", Kernels)
    def test_every_step_of_the_input_is_linear_in_time(self, kernels: Kernels) -> None:
        """The graph grows with T at most, not with T squared: no zero tensor of the whole input per step."""
        module = Module(recurrent(), dtype=torch.float64, kernels=kernels)
        seen = []
        for steps in (10, 20):
            x = torch.tensor(spikes((steps, 2, 5)), requires_grad=True)
            todo, met = [module(x).sum().grad_fn], set()
            while todo:
                node = todo.pop()
                if node is not None and node not in met:
                    met.add(node)
                    todo += [n for n, _ in node.next_functions]
            seen.append(sum("Select" in type(n).__name__ for n in met))
        assert seen[0] == seen[1] < 10

    @pytest.mark.parametrize("name", ["AdEx", "Izhikevich"])
    def test_of_a_model_that_diverges_before_its_reset_is_finite(self, name: str) -> None:
        network = Network(
            dt=0.1 * ms,
            populations={"in": Population(Input, 2), "n": Population(MODELS[name], 3)},
            projections={"a": Projection("in", "n", Dense(np.ones((3, 2))))},
        )
        unit = Module(network).units["a"]
        network = network.with_weights({"a": np.full((3, 2), 2.0 * unit)})
        for dtype in (torch.float32, torch.float64):
            module = Module(network, dtype=dtype)
            module(torch.tensor(spikes((60, 2, 2)))).sum().backward()
            assert torch.isfinite(module.weights["a"].grad).all()


class TestModule:
    def test_inside_a_model_of_the_user(self) -> None:
        network = Network(
            dt=1 * ms,
            populations={"in": Population(Input, 4), "out": Population(LIF, 3)},
            projections={"a": Projection("in", "out", Dense(np.full((3, 4), 0.5)))},
        )
        model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), Module(network), nn.Linear(3, 2))
        out = model(torch.rand(10, 5, 6))
        assert out.shape == (10, 5, 2)
        out.sum().backward()
        assert all(p.grad is not None for p in model.parameters())

    def test_copies_and_state_dict(self) -> None:
        module, x = Module(recurrent(), dtype=torch.float64), torch.tensor(spikes((20, 2, 5)))
        with torch.no_grad():
            module.weights["a"] *= 1.5
        again = copy.deepcopy(module)
        assert torch.equal(module(x), again(x))
        assert again.weights["a"] is not module.weights["a"]
        other = Module(recurrent(), dtype=torch.float64)
        other.load_state_dict(module.state_dict())
        assert torch.equal(module(x), other(x))

    def test_several_outputs_are_a_dictionary(self) -> None:
        found = Module(convolutional())(torch.zeros(2, 1, 2, 9, 8))
        assert {n: tuple(x.shape) for n, x in found.items()} == {
            "o": (2, 1, 3), "p": (2, 1, 3), "m": (2, 1, 4, 2, 2)
        }  # fmt: skip

    def test_to_network_is_the_identity_at_first(self) -> None:
        for network in (recurrent(), convolutional()):
            again = Module(network, dtype=torch.float64).to_network()
            for name, q in network.projections.items():
                if q.topology.weight is not None:
                    np.testing.assert_array_equal(
                        again.projections[name].topology.weight, q.topology.weight
                    )
                if q.bias is not None:
                    np.testing.assert_array_equal(again.projections[name].bias, q.bias)

    def test_to_network_writes_back_what_was_trained(self) -> None:
        before = recurrent()
        module = Module(before, trainable=("a", "biases", "hid.tau_m"), dtype=torch.float64)
        with torch.no_grad():
            for p in module.parameters():
                p += 0.25
        again = module.to_network()
        np.testing.assert_allclose(
            again.projections["a"].topology.weight, before.projections["a"].topology.weight + 0.25
        )
        np.testing.assert_allclose(
            again.projections["x"].bias, before.projections["x"].bias + 0.25 * module.units["x"]
        )
        np.testing.assert_allclose(
            again.populations["hid"].param("tau_m"),
            before.populations["hid"].param("tau_m") * np.exp(0.25),
        )
        assert again.projections["b"].topology is before.projections["b"].topology

    def test_units_follow_the_model(self) -> None:
        """The same network in volts and in millivolts has the same parameters."""
        raw = []
        for scale in (1.0, 2.0**-10):
            params = {"v_th": scale, "tau_m": 10 * ms}
            network = Network(
                dt=1 * ms,
                populations={"in": Population(Input, 2), "n": Population(LIF, 2, params)},
                projections={
                    "a": Projection("in", "n", Dense(np.array([[0.3, 0.4], [0.1, 0.9]]) * scale))
                },
            )
            raw.append(Module(network, dtype=torch.float64).weights["a"].detach())
        torch.testing.assert_close(raw[0], raw[1])

    def test_moves_between_precisions_as_asked(self) -> None:
        assert Module(recurrent(), dtype=torch.float64)(torch.zeros(2, 1, 5)).dtype is torch.float64
        assert Module(recurrent())(torch.zeros(2, 1, 5, dtype=torch.float64)).dtype is torch.float32


class TestInstance:
    def test_forward_is_the_instances_and_the_gradient_is_ours(self) -> None:
        network, x = recurrent(), torch.tensor(spikes((25, 2, 5)))
        draw = np.random.default_rng(9)
        noisy = network.with_weights(
            {
                n: q.topology.weight * draw.normal(1, 0.1, q.topology.weight.shape)
                for n, q in network.projections.items()
            }
        )
        noisy = noisy.replacing(
            populations={
                "hid": Population(LIF, 4, dict(network.populations["hid"].params) | {"v_th": 0.8})
            }
        )
        module, other = Module(network, dtype=torch.float64), Module(noisy, dtype=torch.float64)
        a, b = module.run(x, instance=noisy).output, other.run(x).output
        assert torch.equal(a, b)
        a.sum().backward()
        b.sum().backward()
        for n, p in module.named_parameters():
            torch.testing.assert_close(p.grad, dict(other.named_parameters())[n].grad)

    def test_trained_parameter_goes_straight_through(self) -> None:
        network = recurrent()
        slower = network.replacing(
            populations={
                "hid": Population(
                    LIF, 4, dict(network.populations["hid"].params) | {"tau_m": 30 * ms}
                )
            }
        )
        module = Module(network, trainable=("weights", "hid.tau_m"), dtype=torch.float64)
        x = torch.tensor(spikes((25, 2, 5)))
        run = module.run(x, instance=slower)
        torch.testing.assert_close(run.output, Module(slower, dtype=torch.float64)(x))
        run.output.sum().backward()
        assert module.params["hid/tau_m"].grad.abs().sum() > 0

    def test_of_another_structure(self) -> None:
        network = recurrent()
        module = Module(network)
        fewer = Network(dt=network.dt, populations=network.populations, projections={})
        with pytest.raises(TrainError, match="through: a pass changed the projections"):
            module.run(torch.zeros(2, 1, 5), instance=fewer)
        other = network.replacing(populations={"hid": Population(IF, 4)})
        with pytest.raises(TrainError, match="a pass changed the model; found IF, expected LIF"):
            module.run(torch.zeros(2, 1, 5), instance=other)


class TestErrors:
    def test_nothing_to_train(self) -> None:
        network = Network(
            dt=1 * ms,
            populations={"in": Population(Input, (1, 4, 4)), "n": Population(LIF, (1, 2, 2))},
            projections={"p": Projection("in", "n", SumPool(2))},
        )
        with pytest.raises(TrainError, match=r"network 'network': has nothing to train"):
            Module(network)

    def test_unknown_name(self) -> None:
        with pytest.raises(TrainError, match=r"trainable: nothing is called 'tau'"):
            Module(recurrent(), trainable=("weights", "tau"))

    def test_refractory_period(self) -> None:
        with pytest.raises(TrainError, match="a refractory period is whole steps"):
            Module(recurrent(), trainable=("hid.t_ref",))

    def test_integer_model(self) -> None:
        model = NeuronModel(
            name="Chip", state={"v": "1"}, params={}, inputs={"x": "1"}, jumps={"x": "v"},
            update={"v": "v - (v >> 3)"}, threshold="v > 64", reset={"v": "0"}, integer=True,
        )  # fmt: skip
        network = Network(
            dt=1 * ms,
            populations={"in": Population(Input, 2), "n": Population(model, 2)},
            projections={"a": Projection("in", "n", Dense(np.ones((2, 2), int)))},
        )
        with pytest.raises(
            TrainError, match="n: Chip calculates in integers, which have no gradient"
        ):
            Module(network)

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            (
                torch.zeros(4, 5),
                r"inputs\['in'\]: wrong shape; found \(4, 5\), expected \(T, B, 5\)",
            ),
            ({"im": torch.zeros(4, 1, 5)}, r"inputs\['im'\]: no such population; expected in"),
            ({"hid.j": torch.zeros(4, 1, 4)}, r"inputs\['hid.j'\]: no such port 'j'"),
            (torch.zeros(0, 1, 5), "must share one number of steps and samples, at least 1 each"),
            ({"in": torch.zeros(4, 1, 5), "hid.i": torch.zeros(4, 2, 4)}, "must share one number"),
            ({}, "must share one number of steps and samples"),
        ],
    )
    def test_inputs(self, inputs: Any, message: str) -> None:
        with pytest.raises(TrainError, match=message):
            Module(recurrent())(inputs)

    def test_record(self) -> None:
        with pytest.raises(
            TrainError, match=r"record\['hid'\]: no variable 'u'; expected v, output"
        ):
            Module(recurrent()).run(torch.zeros(2, 1, 5), record={"hid": ("u",)})

    def test_one_array_for_two_inputs(self) -> None:
        network = Network(
            dt=1 * ms,
            populations={
                "a": Population(Input, 2),
                "b": Population(Input, 2),
                "n": Population(LIF, 2),
            },
            projections={
                "x": Projection("a", "n", Dense(np.eye(2))),
                "y": Projection("b", "n", Dense(np.eye(2))),
            },
        )
        with pytest.raises(
            TrainError, match="one array for a network that has not one input; found a, b"
        ):
            Module(network)(torch.zeros(2, 1, 2))


def test_plastic_synapses_are_refused() -> None:
    from spikewright.network.plasticity import PairSTDP
    from spikewright.network.synapse import Rule
    from spikewright.testing.synapses import forced

    net = forced(Rule(PairSTDP), [[1.0]])
    with pytest.raises(TrainError, match="change by a rule cannot be trained by gradient; found s"):
        Module(net)
