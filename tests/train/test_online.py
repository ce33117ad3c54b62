"""e-prop and OTTT against what they are defined to be: autograd with ways cut, explicit Jacobians, closed formulas."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.errors import TrainError
from spikewright.network import (
    ALIF,
    LI,
    LIF,
    Dense,
    Input,
    Network,
    NeuronModel,
    Population,
    Projection,
    Reset,
    Sparse,
)
from spikewright.train import (
    AdamW,
    CountCrossEntropy,
    Kernels,
    Module,
    RateBand,
    ResetGradient,
    Schedule,
    fit,
)
from spikewright.train.fused.adjoint import straighten
from spikewright.train.gradient import Batch, Gradient, Learned
from spikewright.train.online import (
    OTTT,
    EProp,
    Feedback,
    OnlineLoss,
    RateTarget,
    StepCrossEntropy,
    StepSquaredError,
    teaching,
)
from spikewright.train.online import learn as learning
from spikewright.train.online.local import is_shared
from spikewright.train.step import Firing
from spikewright.train.surrogate import Arctan

ms = 1e-3
STEPS, SAMPLES = 30, 4
LABELS = torch.tensor([0, 1, 2, 1])
SOFT = LIF.resetting(Reset.SUBTRACT)
CROSS = StepCrossEntropy(gain=3.0)

ADAPTIVE = NeuronModel(
    name="OwnAdaptive",
    state={"v": "V", "a": "V"},
    params={"tau": (15e-3, "s"), "tau_a": (40e-3, "s"), "v_th": (1.0, "V"), "step": (0.3, "V")},
    inputs={"spikes": "V"},
    jumps={"spikes": "v"},
    dynamics={"v": "-v * (1 + 0.1 * v**2 / v_th**2) / tau", "a": "-a / tau_a"},
    threshold="v >= v_th + a",
    reset={"v": "0", "a": "a + step"},
)
"""A model of a user's own: not linear, adaptive threshold."""
JUMPING = ADAPTIVE.variant(
    "OwnJumping",
    dynamics={"v": "-v / tau", "a": "-a / tau_a"},
    threshold="v > v_th + a",
    reset={"v": "v - v_th", "a": "a + step"},
)
"""The same with steps that are linear."""


def inputs(n: int = 5) -> torch.Tensor:
    draw = np.random.default_rng(3)
    return torch.from_numpy((draw.random((STEPS, SAMPLES, n)) < 0.4).astype(np.float64))


def row(model: NeuronModel, *, hidden: int = 1, biased: bool = True, out: Any = LI) -> Network:
    """Return in -> hidden populations in a row -> out."""
    draw = np.random.default_rng(0)
    names = ["in", *(f"h{k}" for k in range(hidden)), "out"]
    sizes = [5, *([7] * hidden), 3]
    populations = {"in": Population(Input, 5), "out": Population(out, 3, {"tau_m": 15 * ms})}
    populations |= {n: Population(model, 7) for n in names[1:-1]}
    projections = {}
    for k, (pre, post) in enumerate(pairwise(names)):
        weights = draw.normal(0.3 if post != "out" else 0.0, 0.6, (sizes[k + 1], sizes[k]))
        bias = draw.normal(0.0, 0.1, sizes[k + 1]) if biased else None
        projections[f"{pre}->{post}"] = Projection(pre, post, Dense(weights), bias=bias)
    return Network(dt=1 * ms, populations=populations, projections=projections)


def mixed() -> Network:
    """Two hidden populations that reach themselves, each other and the outputs; delays, sparse and per weight."""
    draw = np.random.default_rng(0)

    def dense(post: int, pre: int, mean: float = 0.2, deviation: float = 0.6) -> Dense:
        return Dense(draw.normal(mean, deviation, (post, pre)))

    sparse = draw.normal(0.3, 0.6, (6, 7)) * (draw.random((6, 7)) < 0.6)
    return Network(
        dt=1 * ms,
        populations={
            "in": Population(Input, 5),
            "one": Population(LIF, 7, {"t_ref": 2 * ms, "tau_m": draw.uniform(8, 20, 7) * ms}),
            "two": Population(ALIF, 6, {"tau_a": 30 * ms, "beta": 0.3, "t_ref": 0.0}),
            "out": Population(LI, 3, {"tau_m": 15 * ms}),
        },
        projections={
            "a": Projection("in", "one", dense(7, 5), bias=draw.normal(0.1, 0.1, 7)),
            "r": Projection("one", "one", dense(7, 7, 0.0, 0.3), delay=2 * ms),
            "x": Projection("one", "two", Sparse.from_matrix(sparse), delay=1 * ms),
            "d": Projection("in", "two", dense(6, 5), delay=draw.integers(0, 4, (6, 5)) * ms),
            "s": Projection("two", "two", dense(6, 6, 0.0, 0.3), bias=draw.normal(0.1, 0.1, 6)),
            "b": Projection("two", "one", dense(7, 6, 0.0, 0.3)),
            "o": Projection("two", "out", dense(3, 6), bias=draw.normal(0, 0.1, 3)),
            "p": Projection("one", "out", dense(3, 7), delay=3 * ms),
        },
    )  # fmt: skip


def given(network: Network, names: tuple[str, ...], spikes: Any) -> tuple[Network, dict[str, Any]]:
    """Return a network whose populations `names` get each other's spikes from outside, where no gradient goes."""
    copies = {n: f"copy of {n}" for n in names}
    populations = dict(network.populations) | {
        copies[n]: Population(Input, network.populations[n].shape) for n in names
    }
    projections = {
        k: dataclasses.replace(q, pre=copies[q.pre], delay=np.asarray(q.delay) + network.dt)
        if q.pre in names and q.post in names
        else q
        for k, q in network.projections.items()
    }
    changed = Network(network.dt, populations, projections, outputs=network.outputs)
    return changed, {copies[n]: spikes[n].detach() for n in names}


def slow(
    network: Network, loss: Any, reset: ResetGradient, more: dict[str, Any] | None = None
) -> tuple[dict[str, torch.Tensor], Any]:
    """Return gradients and run of PyTorch's autograd."""
    module = Module(network, dtype=torch.float64, reset_gradient=reset, kernels=Kernels.AUTOGRAD)
    run = module.run({"in": inputs()} | (more or {}))
    loss(run, LABELS).backward()
    return {n: p.grad for n, p in module.named_parameters() if p.grad is not None}, run


def learn(
    rule: Gradient, network: Network, loss: OnlineLoss, reset: ResetGradient, **options: Any
) -> tuple[dict[str, torch.Tensor], Learned]:
    module = Module(network, dtype=torch.float64, reset_gradient=reset)
    learned = rule.learn(Batch(module, inputs(), LABELS, loss, **options))
    return {n: p.grad for n, p in module.named_parameters() if p.grad is not None}, learned


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        assert gradient.abs().max() > 0, name
        close = 1e-9 * float(gradient.abs().max())
        torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=close, msg=name)


class TestEProp:
    @pytest.mark.parametrize("loss", [CROSS, StepSquaredError(last=5)], ids=["every", "end"])
    @pytest.mark.parametrize(
        ("model", "reset"),
        [
            (SOFT, ResetGradient.DETACHED),
            (JUMPING, ResetGradient.DETACHED),
            (ADAPTIVE, ResetGradient.KEPT),
        ],
        ids=["shared traces", "several shared traces", "own model"],
    )
    def test_is_backpropagation_where_no_way_is_left_out(
        self, model: NeuronModel, reset: ResetGradient, loss: OnlineLoss
    ) -> None:
        wanted, run = slow(row(model), loss, reset)
        for window in (1, 7, STEPS):
            found, learned = learn(EProp(window=window), row(model), loss, reset)
            same(found, wanted)
            assert learned.loss == pytest.approx(float(loss(run, LABELS).detach()), rel=1e-12)
            assert learned.spikes == float(run.sent["h0"].detach().sum()) > 20
            np.testing.assert_array_equal(learned.decided, loss.decide(run))

    def test_recurrent_spikes_are_as_if_given_from_outside(self) -> None:
        """Cycles, several lags to the outputs, sparse weights, delays per weight, a time constant per neuron."""
        reset = ResetGradient.ADAPTATION
        _, run = slow(mixed(), CROSS, reset)
        network, copies = given(mixed(), ("one", "two"), run.sent)
        wanted, again = slow(network, CROSS, reset, copies)
        assert torch.equal(again.sent["two"], run.sent["two"])
        for window in (1, 5):
            found, _ = learn(EProp(window=window), mixed(), CROSS, reset)
            same(found, wanted)

    def test_eligibility_is_the_product_of_jacobians(self) -> None:
        """After every step, of every synapse: against autograd's Jacobian of a neuron's step."""
        module = Module(row(ADAPTIVE, biased=False), dtype=torch.float64)
        x = inputs()
        teach = teaching.teaching(EProp(window=1), module, CROSS, (("in", "x"),))
        course = teach.course(SAMPLES, 1)
        sums = course.sums()
        (synapses,) = course.afferents["h0"]
        compiled = module.compiled("h0", frozenset({"spikes"}))
        weights = torch.from_numpy(np.array(module.network.projections["in->h0"].topology.weight))

        def step(v: Any, a: Any, arriving: Any) -> Any:
            names = {"v": v, "a": a, "spikes": arriving}
            compiled.advance(names, ("v", "a"), module.firing, v)
            return names["v"], names["a"]

        state = torch.zeros(2, SAMPLES, 7, dtype=torch.float64)
        traces = [torch.zeros(2, SAMPLES, 7, 5, dtype=torch.float64)]
        for k in range(STEPS):
            jacobian = torch.autograd.functional.jacobian(
                lambda *given: tuple(x.sum((0, 1)) for x in step(*given)),
                (*state, x[k] @ weights.T),
            )
            old = traces[-1]
            now = torch.zeros_like(old)
            for new in range(2):
                now[new] = jacobian[new][2][..., None] * x[k][:, None, :]
                for before in range(2):
                    now[new] += jacobian[new][before][..., None] * old[before]
            traces.append(now)
            state = torch.stack(step(*state, x[k] @ weights.T))
            course.step(
                {("in", "x"): x[k : k + 1].numpy()}, {}, teach.weights, 1, slice(0, 1),
                LABELS.numpy(), sums, is_last=False,
            )  # fmt: skip
            # learned one step late, the lag of the way to the outputs; behind the own variables stands the filter
            if k:
                held = synapses.state[:, :, :2].transpose(2, 0, 3, 1)
                np.testing.assert_allclose(held, traces[-2].numpy(), rtol=1e-10, atol=1e-14)
        assert min(float(t.abs().max()) for t in traces[-1]) > 0.1

    def test_learns_from_what_random_weights_bring_back(self) -> None:
        """A second hidden population, and errors that come back through weights that no projection has."""
        rule = EProp(Feedback.RANDOM, gain=2.0, seed=5, window=6)
        network, reset = row(SOFT, hidden=2), ResetGradient.DETACHED
        found, _ = learn(rule, network, CROSS, reset)
        module = Module(
            network, dtype=torch.float64, reset_gradient=reset, kernels=Kernels.AUTOGRAD
        )
        run = module.run(inputs())
        # what an arrival at the outputs is worth: its error and all later ones, through the membrane's decay
        y = run.output.detach().requires_grad_()
        error = torch.autograd.grad(CROSS.values(y, LABELS).mean(), y)[0]
        decay = float(np.exp(-1 / 15))
        worth = torch.zeros(STEPS + 2, SAMPLES, 3, dtype=torch.float64)
        for k in reversed(range(STEPS)):
            worth[k] = decay * (error[k] + worth[k + 1])
        for name, late in (("h0", 2), ("h1", 1)):
            matrix = torch.from_numpy(teaching.random_feedback(rule, name, 7, 3))
            matrix = matrix * module.units["h1->out"]
            alone, copies = given(network, ("h0", "h1"), run.sent)
            again = Module(
                alone, dtype=torch.float64, reset_gradient=reset, kernels=Kernels.AUTOGRAD
            )
            sent = again.run({"in": inputs()} | copies).sent[name]
            (sent * (worth[late : late + STEPS] @ matrix)).sum().backward()
            for key, parameter in again.named_parameters():
                if key.endswith(f"->{name}"):
                    torch.testing.assert_close(found[key], parameter.grad, rtol=1e-9, atol=1e-12)

    def test_symmetric_feedback_to_a_first_population_is_the_product_of_weights(self) -> None:
        network = row(SOFT, hidden=2)
        weights = [network.projections[n].topology.weight for n in ("h1->out", "h0->h1")]
        units = Module(network, dtype=torch.float64).units
        found, _ = learn(EProp(window=6), network, CROSS, ResetGradient.DETACHED)

        def product(rule: EProp, population: str, n: int, n_outputs: int) -> Any:
            found = weights[0] if population == "h1" else weights[0] @ weights[1]
            return found / units["h1->out"]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(teaching, "random_feedback", product)
            wanted, _ = learn(EProp(Feedback.RANDOM), network, CROSS, ResetGradient.DETACHED)
        same(found, wanted)

    def test_rates_are_pulled(self) -> None:
        rate = RateTarget(0.5, weight=3.0)

        def loss(run: Any, labels: Any) -> Any:
            return CROSS(run, labels) + 1.5 * (run.sent["h0"].mean((0, 1)) - 0.5).pow(2).sum()

        wanted, run = slow(row(SOFT), loss, ResetGradient.DETACHED)
        found, learned = learn(EProp(rate=rate, window=7), row(SOFT), CROSS, ResetGradient.DETACHED)
        same(found, wanted)
        assert learned.total == pytest.approx(float(loss(run, LABELS).detach()), rel=1e-12)

    def test_outputs_that_spike_meet_errors_of_their_own_step(self) -> None:
        """Hard resets: no filter is the same for all, so nothing of an error reaches earlier steps."""
        network, reset = row(SOFT, out=LIF), ResetGradient.KEPT
        unfiltered, _ = learn(EProp(filtered=False), network, CROSS, reset)
        found, _ = learn(EProp(window=4), network, CROSS, reset)
        wanted, _ = slow(network, CROSS, reset)
        same(found, unfiltered)
        same(
            {n: g for n, g in found.items() if "out" in n},
            {n: g for n, g in wanted.items() if "out" in n},
        )

    def test_result_does_not_depend_on_groups_or_threads(self, monkeypatch: Any) -> None:
        wanted, one = learn(EProp(window=7), row(SOFT), CROSS, ResetGradient.DETACHED)
        monkeypatch.setattr(learning, "ELIGIBLE", 1)
        found, each = learn(EProp(window=7), row(SOFT), CROSS, ResetGradient.DETACHED)
        same(found, wanted)
        monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
        found, shared = learn(EProp(window=7), row(SOFT), CROSS, ResetGradient.DETACHED)
        same(found, wanted)
        assert one.spikes == each.spikes == shared.spikes
        np.testing.assert_array_equal(each.decided, one.decided)

    def test_looks_through_an_instance(self) -> None:
        instance = row(SOFT).with_weights(
            {n: np.round(p.topology.weight, 1) for n, p in row(SOFT).projections.items()}
        )
        found, _ = learn(EProp(), row(SOFT), CROSS, ResetGradient.DETACHED, instance=instance)
        wanted, _ = slow(instance, CROSS, ResetGradient.DETACHED)
        same(found, wanted)


class TestResetGradient:
    @pytest.mark.parametrize(
        ("reset", "like"),
        [({"a": "a + step"}, ResetGradient.KEPT), ({"v": "0"}, ResetGradient.DETACHED)],
        ids=["adaptation", "membrane"],
    )
    def test_what_a_spike_does_to_the_threshold_counts_and_to_the_membrane_not(
        self, reset: dict[str, str], like: ResetGradient
    ) -> None:
        network = row(ADAPTIVE.variant("Part", reset=reset))
        other = {ResetGradient.KEPT, ResetGradient.DETACHED} - {like}
        found, _ = slow(network, CROSS, ResetGradient.ADAPTATION)
        same(found, slow(network, CROSS, like)[0])
        wrong, _ = slow(network, CROSS, other.pop())
        assert not torch.allclose(found["weights.in->h0"], wrong["weights.in->h0"], rtol=1e-3)


class TestSharedTraces:
    @pytest.mark.parametrize(
        ("population", "reset", "wanted"),
        [
            (Population(SOFT, 3), ResetGradient.DETACHED, True),
            (Population(SOFT, 3), ResetGradient.ADAPTATION, True),
            (Population(SOFT, 3), ResetGradient.KEPT, False),
            (Population(LIF, 3), ResetGradient.DETACHED, False),
            (Population(SOFT, 3, {"tau_m": [0.01, 0.02, 0.03]}), ResetGradient.DETACHED, False),
            (Population(SOFT, 3, {"t_ref": 2 * ms}), ResetGradient.DETACHED, False),
            (Population(ALIF, 3, {"t_ref": 0.0}), ResetGradient.DETACHED, True),
            (Population(ALIF, 3, {"t_ref": 0.0}), ResetGradient.ADAPTATION, False),
            (Population(LI, 3), ResetGradient.KEPT, True),
            (Population(Input, 3), ResetGradient.KEPT, True),
        ],
    )
    def test_where_a_step_is_linear_and_the_same_for_all(
        self, population: Population, reset: ResetGradient, wanted: bool
    ) -> None:
        from spikewright.engines.discretize import discretize

        model = population.model
        step = straighten(
            model, discretize(population, 1 * ms), live=model.inputs, dynamic=(), number="float64"
        )
        assert is_shared(step, Firing(Arctan(), reset).detached(model)) is wanted


class TestOTTT:
    def test_is_its_formula(self) -> None:
        """a <- decay a + s; W += g a', g = slope (W' g of the population behind), in the step in which it arrives."""
        network = row(SOFT, hidden=2)
        found, _ = learn(OTTT(window=4), network, CROSS, ResetGradient.DETACHED)
        same(found, formula(network))

    def test_does_not_depend_on_the_window(self) -> None:
        reset = ResetGradient.ADAPTATION
        wanted, _ = learn(OTTT(window=STEPS), mixed(), CROSS, reset)
        found, _ = learn(OTTT(window=3), mixed(), CROSS, reset)
        same(found, wanted)


def formula(network: Network) -> dict[str, torch.Tensor]:
    """Return OTTT's gradient of in -> h0 -> h1 -> out by the paper's equations; spikes arrive a step late."""
    module = Module(network, dtype=torch.float64, reset_gradient=ResetGradient.DETACHED)
    names = ["in", "h0", "h1", "out"]
    with torch.no_grad():
        run = module.run(inputs(), record={n: ("v", "output") for n in names[1:]})
    y = run.output.clone().requires_grad_()
    error = torch.autograd.grad(CROSS.values(y, LABELS).mean(), y)[0]
    decay = {"h0": np.exp(-1 / 20), "h1": np.exp(-1 / 20), "out": np.exp(-1 / 15)}
    lags = {"h0": 0, "h1": 1, "out": 1}
    # what a unit of membrane, before the step's decay, is worth in its own step
    worth = {"out": error * decay["out"]}
    for name, behind in (("h1", "out"), ("h0", "h1")):
        q = f"{name}->{behind}"
        weight = torch.from_numpy(np.array(network.projections[q].topology.weight))
        late = torch.zeros(STEPS, SAMPLES, 7, dtype=torch.float64)
        late[:-1] = (worth[behind] @ weight)[1:]
        # before the reset, which takes off a threshold of 1
        v = run.traces[name]["v"] + run.sent[name]
        worth[name] = late * Arctan().slope(v - 1.0) * decay[name]
    gradients = {}
    for pre, post in pairwise(names):
        trace = torch.zeros(SAMPLES, run.sent[pre].shape[2], dtype=torch.float64)
        ones = torch.zeros((), dtype=torch.float64)
        total: Any = 0.0
        bias: Any = 0.0
        for k in range(STEPS):
            trace = decay[post] * trace
            ones = decay[post] * ones + 1
            if k >= lags[post]:
                trace = trace + run.sent[pre][k - lags[post]]
            total = total + worth[post][k].T @ trace
            bias = bias + worth[post][k].sum(0) * ones
        unit = module.units[f"{pre}->{post}"]
        gradients[f"weights.{pre}->{post}"] = total * unit
        gradients[f"biases.{pre}->{post}"] = bias * unit
    return gradients


class TestFit:
    @staticmethod
    def data() -> Any:
        labels = np.arange(24) % 3
        draw = np.random.default_rng(1)
        rate = np.where(np.arange(5)[None] % 3 == labels[:, None], 0.6, 0.1)
        return (draw.random((STEPS, 24, 5)) < rate).astype(np.float64), labels

    @pytest.mark.parametrize(
        "rule", [EProp(), EProp(Feedback.RANDOM), OTTT()], ids=["eprop", "random", "ottt"]
    )
    def test_learns(self, rule: Gradient) -> None:
        done = fit(
            row(SOFT), (self.data(), self.data()), loss=CROSS, gradient=rule, epochs=20,
            batch=8, optimizer=AdamW(lr=0.05), reset_gradient=ResetGradient.DETACHED,
            dtype=torch.float64, progress=False,
        )  # fmt: skip
        assert done.history[-1].validation_accuracy == 1.0
        assert done.history[-1].loss < 0.6 * done.history[0].loss

    def test_adaptive_feedback_takes_the_steps_of_the_weights(self) -> None:
        """Both get the same steps, so their distance shrinks as weight decay says, and in no other way."""
        rule, rate, decay, epochs = EProp(Feedback.ADAPTIVE), 0.05, 0.5, 6
        seen: list[Any] = []

        @dataclasses.dataclass(frozen=True)
        class Watched(Gradient):
            def prepare(self, module: Module, settings: Any) -> None:
                rule.prepare(module, settings)
                seen.append(module)

            def learn(self, batch: Batch) -> Learned:
                return rule.learn(batch)

        network = row(SOFT, hidden=2)
        fit(
            network, (self.data(), None), loss=CROSS, gradient=Watched(), epochs=epochs, batch=24,
            optimizer=AdamW(lr=rate, weight_decay=decay, schedule=Schedule.CONSTANT),
            reset_gradient=ResetGradient.DETACHED, dtype=torch.float64, progress=False,
        )  # fmt: skip
        module = seen[0]
        (key,) = module.feedback
        assert key == "h1->out"
        before = teaching.random_feedback(rule, "h1", 7, 3)
        before = before - network.projections[key].topology.weight / module.units[key]
        after = (module.feedback[key] - module.weights[key]).detach().numpy()
        np.testing.assert_allclose(after, before * (1 - rate * decay) ** epochs, rtol=1e-9)
        assert np.abs(before).min() > 0


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"loss": CountCrossEntropy()}, "known after the last step only"),
            ({"regularizers": (RateBand(),)}, "look at whole runs"),
            ({"trainable": ("weights", "tau_m")}, "learns weights and biases only"),
            ({"gradient": EProp(rate=RateTarget(populations=("none",)))}, "no population 'none'"),
            ({"gradient": EProp(rate=RateTarget(populations=("in",)))}, "no population 'in'"),
        ],
    )
    def test_before_the_first_step(self, options: dict[str, Any], said: str) -> None:
        settings = {"loss": CROSS, "gradient": EProp(), "progress": False} | options
        with pytest.raises(TrainError, match=said):
            fit(row(SOFT), (TestFit.data(), None), **settings)

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: EProp(window=0), r"EProp\(window=\).*at least 1"),
            (lambda: OTTT(window=0), r"OTTT\(window=\).*at least 1"),
            (lambda: EProp(gain=0.0), r"EProp\(gain=\)"),
            (lambda: RateTarget(1.5), r"RateTarget\(rate=\)"),
            (lambda: RateTarget(weight=-1.0), r"RateTarget\(weight=\)"),
            (lambda: StepCrossEntropy(last=0), r"StepCrossEntropy\(last=\)"),
        ],
    )
    def test_values_that_make_no_sense(self, make: Any, said: str) -> None:
        with pytest.raises(TrainError, match=said):
            make()

    def test_a_way_that_ends_at_two_ports(self) -> None:
        network = row(SOFT, biased=False)
        held = Projection("h0", "out", Dense(np.ones((3, 7))), port="i")
        with pytest.raises(TrainError, match="reaches the outputs at several ports"):
            learn(EProp(), network.joined({"held": held}), CROSS, ResetGradient.KEPT)
