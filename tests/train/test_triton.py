"""The GPU's kernels give the CPU's spikes, states and gradients: natively on a GPU, else in Triton's interpreter."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

pytest.importorskip("triton")
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from spikewright.errors import MissingExtra
from spikewright.network import (
    LIF,
    AdEx,
    CubaLI,
    CubaLIF,
    Dense,
    Input,
    Izhikevich,
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
from spikewright.train import Kernels, Module, Neurons, Precision, ResetGradient
from spikewright.train import module as module_file
from spikewright.train.fused import build, op, triton_device
from spikewright.train.fused.triton_device import INTERPRET
from spikewright.train.fused.triton_kernel import EXACT, Kernel
from spikewright.train.fused.triton_shared import shared
from spikewright.train.surrogate import SURROGATES, Rectangle

ms = 1e-3
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}

Graded = NeuronModel(
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


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the kernels that were started."""
    names: list[str] = []
    start = Kernel.start

    def spy(self: Kernel, *arguments: Any) -> None:
        names.append(self.text.name)
        start(self, *arguments)

    monkeypatch.setattr(Kernel, "start", spy)
    return names


def spikes(shape: tuple[int, ...], rate: float = 0.3) -> torch.Tensor:
    return torch.from_numpy((np.random.default_rng(2).random(shape) < rate).astype(np.float64))


def single_population(model: NeuronModel, n: int = 5, **options: Any) -> Network:
    network = Network(
        dt=options.pop("dt", 1 * ms),
        populations={"in": Population(Input, 4), "n": Population(model, n, **options)},
        projections={"a": Projection("in", "n", Dense(np.ones((n, 4))))},
    )
    unit = Module(network).units["a"]
    weight = np.random.default_rng(4).normal(0.3 * unit, 0.3 * unit, (n, 4))
    return network.with_weights({"a": weight})


def results(
    network: Network,
    inputs: dict[str, torch.Tensor],
    *,
    dtype: torch.dtype,
    device: str = "cpu",
    segments: int = 1,
    **options: Any,
) -> dict[str, torch.Tensor]:
    """Return name -> what was sent and recorded, final states, and gradients of a loss that all of them enter."""
    module = Module(network, dtype=dtype, **options).to(device)
    record = {n: tuple(p.model.state) for n, p in network.populations.items() if p.model.state}
    given = {n: x.to(device, dtype).clone().requires_grad_() for n, x in inputs.items()}
    found: dict[str, torch.Tensor] = {}
    loss, state = torch.zeros((), dtype=dtype, device=device), None
    steps = len(next(iter(given.values())))
    draw = torch.Generator().manual_seed(1)
    for k in range(segments):
        low, high = steps * k // segments, steps * (k + 1) // segments
        part = {n: x[low:high] for n, x in given.items()}
        run = module.run(part, record=record, state=state, seed=5)
        state = run.state
        found |= {f"sent {k} {n}": x for n, x in run.sent.items()}
        found |= {f"trace {k} {n} {v}": x for n, xs in run.traces.items() for v, x in xs.items()}
        found |= {f"state {k} {n} {v}": x for n, xs in state.values.items() for v, x in xs.items()}
    for x in found.values():
        size = 1.0 / (1e-12 + float(x.detach().abs().max()))
        factor = torch.rand(x.shape, generator=draw, dtype=torch.float64).to(device, dtype)
        loss = loss + size * (x * factor).sum()
    loss.backward()
    found |= {f"grad {n}": p.grad for n, p in module.named_parameters() if p.grad is not None}
    found |= {f"grad {n}": x.grad for n, x in given.items() if x.grad is not None}
    return {n: x.detach().cpu() for n, x in found.items()}


def twin(network: Network, inputs: dict[str, torch.Tensor], **options: Any) -> dict[str, Any]:
    """Return the results of the GPU's kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INTERPRET, "1")
        return results(network, inputs, device=DEVICE, **options)


def check(
    network: Network,
    inputs: dict[str, torch.Tensor],
    *,
    dtype: torch.dtype = torch.float64,
    against: tuple[Kernels, ...] = (Kernels.AUTOGRAD,),
    **options: Any,
) -> dict[str, torch.Tensor]:
    """Compare the GPU's kernels with others; return their results."""
    got = twin(network, inputs, dtype=dtype, **options)
    for kernels in against:
        want = results(network, inputs, dtype=dtype, kernels=kernels, **options)
        assert want.keys() == got.keys()
        for name, x in want.items():
            if name.startswith("sent"):
                assert torch.equal(got[name] != 0, x != 0), f"{kernels}: {name}: other spikes"
            size = max(1e-300, float(x.abs().max()))
            error = float((got[name] - x).abs().max()) / size
            assert error <= TOLERANCE[dtype], f"{kernels}: {name}: {error:.2e}"
    return got


def recurrent(propagation: Propagation = Propagation.NEXT_STEP) -> Network:
    """Self-projection, cycle through two populations and a relay, a delay per weight, sparse and one-to-one inside."""
    draw = np.random.default_rng(0)
    sparse = draw.normal(0.3, 0.4, (4, 3)) * (draw.random((4, 3)) < 0.6)
    return Network(
        dt=1 * ms,
        propagation=propagation,
        populations={
            "in": Population(Input, 5),
            "hid": Population(LIF, 4, {"tau_m": draw.uniform(10, 20, 4) * ms, "t_ref": 2 * ms}),
            "two": Population(CubaLIF, 3, {"v_reset": 0.1}),
            "relay": Population(Relay, 3),
            "out": Population(CubaLI, 2),
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
            "b": Projection("two", "out", Dense(draw.normal(size=(2, 3))), delay=2 * ms),
        },
    )  # fmt: skip


class TestModels:
    @pytest.mark.parametrize("dtype", TOLERANCE)
    @pytest.mark.parametrize(
        ("network", "options"),
        [
            (single_population(LIF), {}),
            (
                single_population(
                    CubaLIF,
                    params={"tau_m": np.linspace(5, 20, 5) * ms, "t_ref": np.arange(5) * ms},
                ),
                {"trainable": ("weights", "tau_m", "v_th")},
            ),
            (single_population(AdEx, dt=0.1 * ms), {}),
            (single_population(Izhikevich, dt=0.1 * ms), {}),
            (single_population(Graded), {"trainable": ("weights", "a", "v_th")}),
        ],
        ids=["LIF", "CubaLIF", "AdEx", "Izhikevich", "Graded"],
    )
    def test_same_as_on_the_cpu(
        self, network: Network, options: Any, dtype: torch.dtype, started: list[str]
    ) -> None:
        inputs = {"in": spikes((20, 2, 4), 0.5)}
        name = network.populations["n"].model.name
        # the CPU's kernels of the larger models take seconds to compile, so in one precision only
        both = dtype == torch.float64 or name in ("LIF", "CubaLIF")
        against = tuple(Kernels) if both else (Kernels.AUTOGRAD,)
        found = check(network, inputs, dtype=dtype, against=against, **options)
        assert found["sent 0 n"].sum() > 5
        assert started == [f"{name}_0_forward", f"{name}_0_backward"]

    @pytest.mark.parametrize("name", SURROGATES)
    def test_surrogate(self, name: str) -> None:
        network = single_population(LIF.resetting(Reset.SUBTRACT))
        check(network, {"in": spikes((8, 2, 4), 0.6)}, surrogate=SURROGATES[name]())

    @pytest.mark.parametrize("reset", ResetGradient)
    def test_reset_gradient(self, reset: ResetGradient) -> None:
        check(single_population(Graded), {"in": spikes((12, 2, 4), 0.6)}, reset_gradient=reset)

    def test_bias_and_steady_input_alone(self) -> None:
        network = Network(
            dt=1 * ms,
            populations={"in": Population(Input, 2), "n": Population(CubaLIF, 3)},
            projections={"a": Projection("in", "n", Dense(np.ones((3, 2))), bias=np.array([0.5, 1.0, 2.0]))},
        )  # fmt: skip
        steady = torch.tensor([[[0.5, 0.1]]], dtype=torch.float64).expand(15, 2, 2)
        check(network, {"in": steady})

    def test_delay_longer_than_the_run(self) -> None:
        network = Network(
            dt=1 * ms,
            populations={"in": Population(Input, 2), "n": Population(LIF, 3)},
            projections={"a": Projection("in", "n", Dense(np.ones((3, 2))), delay=5 * ms)},
        )
        check(
            network,
            {"in": spikes((9, 2, 2)), "n.i": torch.ones(9, 2, 3, dtype=torch.float64)},
            segments=3,
        )

    def test_gradients_for_active_neurons_only(self, started: list[str]) -> None:
        network = single_population(LIF)
        more = {"o": Population(LIF, 2, {"t_ref": 2 * ms})}
        weight = np.random.default_rng(1).normal(0.3, 0.5, (2, 5))
        network = network.replacing(
            populations=more, projections={"b": Projection("n", "o", Dense(weight))}
        )
        check(network, {"in": spikes((15, 2, 4))}, surrogate=Rectangle(), active_only=True)
        assert len(started) == 4

    def test_products_in_half_precision(self) -> None:
        network = single_population(LIF)
        weight = torch.tensor(network.projections["a"].topology.weight).bfloat16().double()
        network = network.with_weights({"a": weight.numpy()})
        inputs = {"in": spikes((10, 2, 4))}
        want = results(network, inputs, dtype=torch.float32, kernels=Kernels.AUTOGRAD)
        got = twin(network, inputs, dtype=torch.float32, precision=Precision.BFLOAT16)
        assert torch.equal(want["sent 0 n"], got["sent 0 n"])
        assert not torch.equal(want["grad weights.a"], got["grad weights.a"])
        torch.testing.assert_close(
            want["grad weights.a"], got["grad weights.a"], rtol=2e-2, atol=1e-3
        )


class TestGroups:
    @pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
    def test_recurrent_delayed_net(self, propagation: Propagation, started: list[str]) -> None:
        inputs = {"in": spikes((20, 2, 5), 0.5), "hid.i": torch.rand(20, 2, 4, dtype=torch.float64)}
        found = check(recurrent(propagation), inputs)
        assert found["sent 0 hid"].sum() > 5
        assert found["sent 0 two"].sum() > 5
        assert started.count("LIF_1_backward") == 20

    def test_segments_pass_gradients_through_the_state(self) -> None:
        trainable = ("weights", "biases", "tau_m", "two.tau_s", "v_th")
        check(recurrent(), {"in": spikes((16, 2, 5), 0.5)}, segments=4, trainable=trainable)

    def test_single_precision(self) -> None:
        check(recurrent(), {"in": spikes((20, 2, 5), 0.5)}, dtype=torch.float32)


class TestText:
    def test_what_statements_share_is_calculated_once(self) -> None:
        body = ast.parse("a = x * y + 1\nb = (x * y + 1) * z\na = a + x * y\nx = a\nc = x * y").body
        lines = shared(
            body, lambda target, value: [f"{ast.unparse(target)} = {ast.unparse(value)}"]
        )
        product, total = (line.split()[0] for line in lines[:2])
        assert lines == [
            f"{product} = x * y",
            f"{total} = {product} + 1",
            f"a = {total}",
            f"b = {total} * z",
            f"a = a + {product}",
            "x = a",
            "c = x * y",
        ]

    def test_names_of_a_model_do_not_hide_those_of_kernels(self) -> None:
        model = NeuronModel(
            name="Names",
            state={"tl": "V"},
            params={"divide": (10 * ms, "s"), "triton": (0.5, "V")},
            inputs={"one": "V"},
            jumps={"one": "tl"},
            dynamics={"tl": "-tl * abs(tl / triton) / divide"},
            threshold="tl > triton",
            reset={"tl": "0"},
        )
        trainable = ("weights", "divide")
        found = check(single_population(model), {"in": spikes((10, 2, 4))}, trainable=trainable)
        assert found["sent 0 n"].sum() > 5


class TestNative:
    @pytest.mark.parametrize("dtype", TOLERANCE)
    def test_machine_code_has_no_fused_multiply_adds_and_fetches_ahead(
        self, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Compiled for a GPU that need not be there."""
        kept: dict[str, tuple[Kernel, list[torch.Tensor]]] = {}

        def keep(
            self: Kernel, first: int, last: int, n: int, size: int, numbers: Any, arrays: Any
        ) -> None:
            kept[self.text.name] = self, [numbers, *arrays]

        monkeypatch.setattr(Kernel, "start", keep)
        monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
        network = single_population(CubaLIF, params={"t_ref": 2 * ms})
        twin(network, {"in": spikes((4, 2, 4))}, dtype=dtype)
        assert list(kept) == ["CubaLIF_0_forward", "CubaLIF_0_backward"]
        kinds = {torch.float32: "*fp32", torch.float64: "*fp64", torch.uint8: "*u8"}
        for kernel, arrays in kept.values():
            names = kernel.native.arg_names
            whole = dict.fromkeys(names[:4], "i32")
            pointers = {n: kinds[x.dtype] for n, x in zip(names[4:-2], arrays, strict=True)}
            constants = {names[-2]: 32, names[-1]: 4}
            source = ASTSource(
                kernel.native,
                signature=whole | pointers | dict.fromkeys(constants, "constexpr"),
                constexprs=constants,
            )
            options = EXACT | {"num_warps": 1}
            made = triton.compile(source, target=GPUTarget("cuda", 80, 32), options=options).asm
            assert len(made["cubin"]) > 1000
            assert "cp.async" in made["ptx"]
            assert "fma.rn" not in made["ptx"]


class TestNeurons:
    def layer(self) -> tuple[Neurons, torch.Tensor]:
        params = {"tau_m": np.random.default_rng(0).uniform(5, 20, (3, 2)) * ms}
        layer = Neurons(LIF, (3, 2), dt=1 * ms, params=params, trainable=("tau_m", "v_th"))
        return layer, torch.rand(10, 2, 3, 2, generator=torch.Generator().manual_seed(3))

    def test_same_as_on_the_cpu(self, monkeypatch: pytest.MonkeyPatch, started: list[str]) -> None:
        layer, x = self.layer()
        x.requires_grad_()
        want = layer(x)
        draw = torch.rand_like(want)
        want.backward(draw)
        grads = [x.grad, *(p.grad for p in layer.parameters())]
        assert not started
        monkeypatch.setenv(INTERPRET, "1")
        layer, _ = self.layer()
        layer, y = layer.to(DEVICE), x.detach().to(DEVICE).requires_grad_()
        got = layer(y)
        got.backward(draw.to(DEVICE))
        assert torch.equal(got.cpu(), want)
        assert started == ["LIF_0_forward", "LIF_0_backward"]
        torch.testing.assert_close(
            [y.grad.cpu(), *(p.grad.cpu() for p in layer.parameters())], grads
        )

    def test_operators_pass_the_checks_of_pytorch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(INTERPRET, "1")
        layer = Neurons(LIF, 4, dt=1 * ms)
        tensors = [
            torch.rand(5, 2, 4, device=DEVICE, requires_grad=True),
            torch.zeros(2, 4, device=DEVICE),
        ]
        torch.library.opcheck(
            torch.ops.spikewright.run.default,
            (layer._numbers[torch.float32], 5, 2, tensors),
            test_utils=("test_schema", "test_faketensor", "test_autograd_registration"),
        )


class TestDevice:
    def test_where_kernels_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cpu, gpu = torch.device("cpu"), torch.device("cuda")
        assert triton_device.takes(gpu)
        assert not triton_device.takes(cpu)
        monkeypatch.setenv(INTERPRET, "1")
        assert triton_device.takes(cpu)
        monkeypatch.setattr(triton_device, "is_installed", lambda: False)
        assert not triton_device.is_fused(gpu)
        triton_device.require(cpu)
        message = r"neurons on 'cuda' needs Triton — pip install 'spikewright\[gpu\]'"
        with pytest.raises(MissingExtra, match=message):
            triton_device.require(gpu)

    @pytest.mark.parametrize(
        "network",
        [recurrent(), single_population(Graded)],
        ids=["recurrent", "noise"],
    )
    def test_all_that_kernels_take_lies_where_they_run(
        self, network: Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Tensors on a device without memory stand for a GPU's: PyTorch refuses to mix them with others."""
        started = []

        def keep(
            self: Kernel, first: int, last: int, n: int, size: int, numbers: Any, arrays: Any
        ) -> None:
            assert {x.device.type for x in (numbers, *arrays)} == {"meta"}
            assert all(x.is_contiguous() for x in arrays)
            started.append(self.text.name)

        def run(number: int, steps: int, batch: int, tensors: list[torch.Tensor]) -> Any:
            plan = op._plans[number]
            made = plan.twin.forward(steps, batch, tensors)
            given, results = (
                dict(zip(plan.inputs, tensors, strict=True)),
                op.outputs(number, steps, batch, tensors),
            )
            kept = dict(zip(results, made, strict=True))
            grads = {
                n: torch.empty_like(x)
                for n, x in kept.items()
                if n.startswith(("sent", "record", "state"))
            }
            asked = [
                n
                for n in given
                if n.startswith(("outside", "x", "w_", "weight", "bias", "state", "past"))
            ]
            found = plan.twin.backward(steps, batch, given, kept, grads, asked)
            assert {n: (x.shape, x.device) for n, x in found.items()} == {
                n: (given[n].shape, given[n].device) for n in asked
            }
            return made

        monkeypatch.setattr(Kernel, "start", keep)
        monkeypatch.setattr(build, "run", run)
        monkeypatch.setattr(module_file, "is_fused", lambda device: True)
        monkeypatch.setattr(op, "takes", lambda device: True)
        monkeypatch.setattr(FakeTensor, "tolist", lambda x: [[1, -1]] * len(x), raising=False)
        module = Module(
            network,
            trainable=("weights", "biases", "tau_m")
            if "hid" in network.populations
            else ("weights", "a"),
        )
        record = {n: tuple(p.model.state) for n, p in network.populations.items() if p.model.state}
        with (
            torch._functorch.config.patch(fake_tensor_allow_meta=True),
            FakeTensorMode(),
            torch.no_grad(),
        ):
            for held in (module.weights, module.biases, module.params):
                for name, x in held.items():
                    held[name] = torch.nn.Parameter(torch.empty(x.shape, device="meta"))
            for name, x in module.named_buffers():
                module._buffers[name] = torch.empty(x.shape, device="meta")
            inputs = torch.empty(6, 2, network.populations["in"].n, device="meta")
            run_found = module.run({"in": inputs}, record=record)
            module.run({"in": inputs}, record=record, state=run_found.state)
        assert {n.rpartition("_")[2] for n in started} == {"forward", "backward"}
