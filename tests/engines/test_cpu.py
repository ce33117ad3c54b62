"""The contract, for every representation that the compiled engine can choose; and numbers of threads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from spikewright.engines import stored
from spikewright.engines.cpu import Cpu
from spikewright.engines.cpu_population import CpuPopulation
from spikewright.engines.deliver import Form
from spikewright.engines.engine import Engine, Prepared, Request
from spikewright.engines.planner import bounds
from spikewright.engines.recording import Recording
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError
from spikewright.network import (
    LIF,
    MODELS,
    Conv,
    CubaLI,
    CubaLIF,
    Dense,
    GaussianDrive,
    Input,
    Method,
    Network,
    NoisyLIF,
    PoissonDrive,
    Population,
    Projection,
    Propagation,
    Sparse,
)
from spikewright.network.rows import rows
from spikewright.rng import stream
from spikewright.testing.engine_suite import (
    DRIVE,
    EngineSuite,
    Graded,
    IntegerLIF,
    assert_same,
    spikes_in,
)


class TestCpu(EngineSuite):
    engine = Cpu


class TestCpuThreads(EngineSuite):
    """More threads than these populations have parts: some own nothing."""

    engine = Cpu
    options: ClassVar[Mapping[str, Any]] = {"threads": 3}
    test_library_model = (
        None  # one population alone: threads change nothing that other tests do not see
    )


# -- forms of projections ------------------------------------------------------------------------------

IntegerUnit = MODELS["ThresholdUnit"].variant(
    "IntegerUnit", integer=True, params={"threshold": (0, "1")}
)


def formed(prepared: Prepared, form: Any, parts: int) -> Prepared:
    """Return a prepared network whose projections are stored in other forms; `form` gives one for the one planned."""
    net, own = prepared.network, prepared.own
    changed = {}
    for name, planned in own.stored.items():
        q = net.projections[name]
        pre, post = net.populations[q.pre], net.populations[q.post]
        made = rows(q.topology, pre.shape, post.n, bounds(post.n, parts), q.delay, net.dt)
        wanted = form(planned.form)
        if wanted.kind == "rows" and planned.exponent < 0:
            wanted = replace(wanted, kind="shifted")
        changed[name] = stored.store(made, wanted, net.lag(name), pre.n, q.exponent)
    return replace(prepared, own=replace(own, stored=changed))


class Formed(Engine):
    """The compiled engine with projections in forms of its own. Abstract."""

    name = "cpu"

    def prepare(self, network: Network, *, threads: int | None = None, **options: Any) -> Prepared:
        return formed(Cpu().prepare(network, threads=threads or 1, **options), self.form, 1)

    @abstractmethod
    def form(self, planned: Form) -> Form:
        """Return the form for one that was planned."""

    def _advance(self, prepared: Prepared, request: Request) -> Recording:
        return Cpu()._advance(prepared, request)


def numbers(planned: Form) -> str:
    return "int64" if planned.number == "int64" else "float64"


class WideRows(Formed):
    """Everything in rows with the widest fields."""

    def form(self, planned: Form) -> Form:
        kind = "shifted" if planned.kind == "shifted" else "rows"
        return replace(planned, kind=kind, target="int32", weight=numbers(planned), lag="uint16")


class NarrowRows(Formed):
    """Everything in rows with the narrowest fields that every network of the suite has room in."""

    def form(self, planned: Form) -> Form:
        kind = "shifted" if planned.kind == "shifted" else "rows"
        weight = "one" if planned.weight == "one" else numbers(planned)
        return replace(planned, kind=kind, target="uint16", weight=weight, lag="uint8")


class TestWideRows(EngineSuite):
    engine = WideRows
    test_library_model = None  # it has no projections


class TestNarrowRows(EngineSuite):
    engine = NarrowRows
    test_library_model = None  # it has no projections


def two_hundred(weight: np.ndarray, delay: Any, model: Any = LIF, post: Any = LIF) -> Network:
    """Return 70 inputs onto 150 neurons, those onto each other; at most 256 weights that float16 holds."""
    draw = stream(1, "forms")
    some = draw.random((150, 150)) < 0.1
    back = np.where(some, weight.reshape(-1)[:1] if np.ptp(weight) == 0 else weight[0, 0] / 2, 0.0)
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 70), "a": Population(model, 150), "b": Population(post, 150)},
        projections={
            "in->a": Projection("in", "a", Dense(weight), delay=delay),
            "a->b": Projection("a", "b", Sparse.from_matrix(back), delay=3e-3),
        },
    )  # fmt: skip


def sixty_fourths(shape: tuple[int, int]) -> np.ndarray:
    return stream(2, "forms").integers(-20, 100, shape) / 256


def coded(made: list[Any]) -> list[Any]:
    """Return rows whose weights are codes into a table."""
    found = []
    every = np.unique(np.concatenate([np.atleast_1d(r.weight) for r in made]))
    for r in made:
        of = np.searchsorted(every, np.broadcast_to(r.weight, r.target.shape)).astype(np.uint8)
        found.append(replace(r, weight=of, values=every))
    return found


FORMS = [
    ("rows", "uint16", "float64", "one"),
    ("rows", "int32", "float32", "uint8"),
    ("rows", "uint16", "float32", "uint16"),
    ("rows", "uint16", "float16", "uint8"),
    ("rows", "int32", "float16", "one"),
    ("rows", "uint16", "code", "one"),
    ("rows", "int32", "code", "uint8"),
    ("rows", "uint16", "one", "uint8"),
    ("rows", "int32", "one", "one"),
    ("matrix", "uint16", "float64", "one"),
    ("bitmap", "uint16", "one", "one"),
]


@pytest.mark.parametrize("graded", [False, True], ids=["spikes", "graded"])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("fields", FORMS, ids="-".join)
def test_every_form_gives_the_same(fields: tuple[str, ...], parts: int, graded: bool) -> None:
    kind, target, weight, lag = fields
    draw = stream(3, "forms/in")
    one = weight == "one"
    delay: Any = 2e-3
    if lag != "one":
        delay = draw.integers(0, 9, (150, 70)) * 1e-3
    values = np.full((150, 70), 0.125) if one else sixty_fourths((150, 70))
    net = two_hundred(values, delay)
    x = spikes_in(30, 2, 70, rate=0.1)
    if not graded:
        x = 5 * x
        net = net.replacing(
            populations={**net.populations, "in": Population(MODELS["ThresholdUnit"], 70)}
        )
    else:
        x = x * draw.normal(1.0, 0.3, x.shape)
    expected = Reference().run(net, {"in": x})
    assert expected.sent["a"].sum() > 0
    prepared = Cpu().prepare(net, threads=3 if parts > 1 else 1, batch=2)
    number = prepared.own.parts
    changed = {}
    for name, planned in prepared.own.stored.items():
        q = net.projections[name]
        made = rows(
            q.topology, net.populations[q.pre].shape, 150, bounds(150, number), q.delay, net.dt
        )
        sparse = name == "a->b"
        form = Form(
            "rows" if kind == "matrix" and sparse else kind, target, weight, lag, "float64", planned.form.value
        )  # fmt: skip
        made = coded(made) if weight == "code" else made
        changed[name] = stored.store(made, form, net.lag(name), net.populations[q.pre].n)
    prepared = replace(prepared, own=replace(prepared.own, stored=changed))
    assert_same(Cpu().run(prepared, {"in": x}), expected)


@pytest.mark.parametrize("exponent", [0, 3, -2])
@pytest.mark.parametrize(
    ("top", "factor", "kind"), [(64, 2, "int8"), (4000, 1, "int16"), (9000, 1, "int32")]
)
def test_integer_matrices_and_rows_add_what_the_reference_adds(
    top: int, factor: int, kind: str, exponent: int
) -> None:
    draw = stream(5, "integers")
    weight = factor * draw.integers(-top, top, (150, 70))
    weight[0, 0] = factor * (top - 1)
    sparse = np.where(draw.random((150, 150)) < 0.2, weight[:, :1], 0)
    net = Network(
        dt=1e-3,
        populations={
            "in": Population(IntegerUnit, 70),
            "a": Population(IntegerLIF, 150),
            "b": Population(IntegerLIF, 150),
        },
        projections={
            "in->a": Projection("in", "a", Dense(weight), exponent=exponent),
            "a->a": Projection("a", "a", Dense(np.tile(weight, (1, 3))[:, :150]), delay=2e-3),
            "a->b": Projection("a", "b", Sparse.from_matrix(sparse), exponent=exponent),
        },
    )
    prepared = Cpu().prepare(net, threads=2, batch=1)
    assert prepared.own.stored["in->a"].form.kind == "matrix"
    assert prepared.own.stored["in->a"].form.weight == kind
    # many spikes and few: whole groups of rows, and what is left of them
    x = (draw.random((40, 1, 70)) < np.linspace(0, 1, 40)[:, None, None]).astype(int)
    found, expected = Cpu().run(prepared, {"in": x}), Reference().run(net, {"in": x})
    assert expected.sent["a"].sum() > 100
    assert expected.sent["b"].sum() > 100
    assert_same(found, expected)


# -- threads -------------------------------------------------------------------------------------------


def hundreds(propagation: Propagation = Propagation.SAME_STEP, integer: bool = False) -> Network:
    """Return several hundred neurons of several kinds, on each other with delays and without, and driven."""
    draw = stream(4, "threads")

    def sparse(n_post: int, n_pre: int, p: float, scale: float) -> Sparse:
        weight = draw.normal(0.3 * scale, scale, (n_post, n_pre))
        return Sparse.from_matrix(np.where(draw.random((n_post, n_pre)) < p, weight, 0.0))

    lag = draw.integers(1, 6, 300 * 300)
    matrix = sparse(300, 300, 0.1, 0.2)
    conv = Conv(draw.normal(0.2, 0.3, (3, 2, 3, 3)), padding=1)
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, (2, 10, 9)),
            "conv": Population(Graded, conv.out_shape((2, 10, 9))),
            "a": Population(LIF, 300, {"t_ref": 2e-3, "tau_m": draw.uniform(5e-3, 3e-2, 300)}),
            "noisy": Population(NoisyLIF, 200),
            "out": Population(CubaLI, 130),
        },
        projections={
            "conv": Projection("in", "conv", conv),
            "conv->a": Projection("conv", "a", sparse(300, 270, 0.2, 0.5)),
            "a->a": Projection("a", "a", matrix, delay=lag[: matrix.weights.size] * 1e-3),
            "a->noisy": Projection("a", "noisy", Dense(draw.normal(0, 0.1, (200, 300))), delay=1e-3),
            "noisy->a": Projection("noisy", "a", sparse(300, 200, 0.1, 0.2), "i", 4e-3),
            "a->out": Projection("a", "out", Dense(draw.normal(0, 0.3, (130, 300)))),
            "noisy->out": Projection("noisy", "out", Dense(np.full((130, 200), 0.01)), delay=7e-3),
        },
        drives={
            "p": PoissonDrive("noisy", draw.uniform(0.0, 400.0, 200), 0.3),
            "g": GaussianDrive("a", 0.2, 0.5, "i"),
        },
        propagation=propagation,
    )  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> dict[Propagation, Recording]:
    """What the reference makes of `hundreds` in both orders of time, 4 samples."""
    x = spikes_in(50, 4, 2, 10, 9, rate=0.1)
    record = {"a": ("v", "output"), "out": ("v", "output")}
    return {
        p: Reference().run(hundreds(p), {"in": x}, steps=61, seed=3, record=record)
        for p in (Propagation.NEXT_STEP, Propagation.SAME_STEP)
    }


@pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_threads_change_nothing(
    threads: int, propagation: Propagation, expected: dict[Propagation, Recording]
) -> None:
    net, x = hundreds(propagation), spikes_in(50, 4, 2, 10, 9, rate=0.1)
    record = {"a": ("v", "output"), "out": ("v", "output")}
    whole = expected[propagation]
    assert all(whole.sent[n].sum() > 100 for n in ("conv", "a", "noisy"))
    assert_same(Cpu().run(net, {"in": x}, steps=61, seed=3, record=record, threads=threads), whole)
    for batch in (1, 2, 3):
        part = Cpu().run(
            net, {"in": x[:, :batch]}, steps=61, seed=3, record=record, threads=threads
        )
        for name in net.populations:
            assert np.array_equal(part.sent[name], whole.sent[name][:batch]), name
            assert np.array_equal(part.dense(name), whole.dense(name)[:, :batch]), name
        for name, values in part.state.values.items():
            for variable, value in values.items():
                assert np.array_equal(value, whole.state.values[name][variable][:batch])
        for place, pending in part.state.pending.items():
            assert np.array_equal(pending, whole.state.pending[place][:, :batch]), place


@pytest.mark.parametrize("threads", [2, 3])
def test_a_run_of_threads_goes_on(threads: int, expected: dict[Propagation, Recording]) -> None:
    net, x = hundreds(), spikes_in(50, 4, 2, 10, 9, rate=0.1)
    whole = Reference().run(net, {"in": x[:, :1]}, steps=61, seed=3)
    first = Cpu().run(net, {"in": x[:23, :1]}, seed=3, threads=threads)
    second = Cpu().run(
        net, {"in": x[23:, :1]}, steps=38, seed=3, state=first.state, threads=5 - threads
    )
    for name in net.populations:
        parts = [first.dense(name), second.dense(name)]
        assert np.array_equal(np.concatenate(parts), whole.dense(name)), name
    for name, values in whole.state.values.items():
        for variable, value in values.items():
            assert np.array_equal(second.state.values[name][variable], value), (name, variable)
    for place, pending in whole.state.pending.items():
        assert np.array_equal(second.state.pending[place], pending), place


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads: needs one; found 0, expected 1 or more"),
        ({"threads": 1.5}, "threads: needs one; found 1.5"),
        ({"precision": "half"}, "precision: unknown; found 'half', expected 'double' or 'single'"),
    ],
)  # fmt: skip
def test_options_that_are_not_there(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        Cpu().run(hundreds(), steps=1, **options)


# -- quiet neurons ---------------------------------------------------------------------------------------


def close(found: Any, expected: Any, tolerance: float, where: str) -> None:
    """Raise AssertionError unless arrays agree to a part of the largest number."""
    assert found.shape == expected.shape, where
    broken = ~np.isfinite(expected)
    assert np.array_equal(found[broken], expected[broken], equal_nan=True), where
    found, expected = found[~broken], expected[~broken]
    scale = np.max(np.abs(expected), initial=0.0)
    error = np.max(np.abs(found - expected), initial=0.0)
    assert error <= tolerance * scale, f"{where}: {error / scale}"


class TestCpuLazy(EngineSuite):
    """Spikes and counts are those of stepping every neuron; states agree to rounding."""

    engine = Cpu
    options: ClassVar[Mapping[str, Any]] = {"lazy": True}
    test_library_model = None  # what can be lazy is in test_lazy_source

    def same(self, found: Recording, expected: Recording) -> None:
        assert_close(found, expected, 1e-12)

    def check(
        self, network: Network, inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> Recording:
        """As ever, and once more with nothing recorded: what is recorded at every step is not lazy."""
        found = super().check(network, inputs, **options)
        bare = {"check_finite": False, **options, "record": {}}
        expected = Reference().run(network, inputs, **bare)
        self.same(self.run(network, inputs, **bare), expected)
        return found


def assert_close(found: Recording, expected: Recording, tolerance: float) -> None:
    """Raise AssertionError unless who sent when is the same, and numbers agree to a tolerance."""
    for name, spikes in expected.spikes.items():
        for column in ("step", "sample", "address"):
            assert np.array_equal(getattr(found.spikes[name], column), getattr(spikes, column))
        if spikes.value is not None:
            close(found.spikes[name].value, spikes.value, tolerance, f"{name}: values")
    for name in expected.sent:
        assert np.array_equal(found.sent[name], expected.sent[name])
        assert np.array_equal(found.activity[name], expected.activity[name])
    for name, traces in expected.traces.items():
        for variable, trace in traces.items():
            close(found.traces[name][variable], trace, tolerance, f"trace {name}.{variable}")
    assert_close_states(found, expected, tolerance)


def assert_close_states(found: Recording, expected: Recording, tolerance: float) -> None:
    assert found.state.step == expected.state.step
    for name, values in expected.state.values.items():
        for variable, value in values.items():
            close(found.state.values[name][variable], value, tolerance, f"state {name}.{variable}")
    for name, waiting in expected.state.waiting.items():
        assert np.array_equal(found.state.waiting[name], waiting)
    for place, pending in expected.state.pending.items():
        close(found.state.pending[place], pending, tolerance, f"pending {place}")


# -- single precision ------------------------------------------------------------------------------------


def first_difference(found: Recording, expected: Recording) -> int:
    """Return the first step in which populations that spike do not send the same."""
    first = expected.steps
    for name, spikes in expected.spikes.items():
        if not expected.network.populations[name].model.is_spiking:
            continue
        ones = {tuple(x) for x in _columns(spikes)}
        others = {tuple(x) for x in _columns(found.spikes[name])}
        first = min([first, *(step for step, *_ in ones ^ others)])
    return first


def _columns(spikes: Any) -> list[list[int]]:
    return np.stack([spikes.step, spikes.sample, spikes.address], 1).tolist()  # type: ignore[no-any-return]


def assert_single(found: Recording, expected: Recording) -> None:
    """Raise AssertionError unless a run in float32 is what rounding may make of one in float64.

    Until the first spike that differs, traces are those of float64 to 1e-4 of their scale; at the end, every population
    that spikes has sent as often, to 2 % or 2 spikes. Networks of integers are equal bit for bit.
    """
    populations = expected.network.populations
    if all(p.model.integer for p in populations.values()):
        assert_same(found, expected)
        return
    first = first_difference(found, expected)
    for name, p in populations.items():
        if p.model.is_spiking:
            one, other = found.sent[name].sum(), expected.sent[name].sum()
            assert abs(one - other) <= max(2, 0.02 * other), (name, one, other)
    for name, traces in expected.traces.items():
        steps = expected.trace_steps(name) < first
        for variable, trace in traces.items():
            close(
                found.traces[name][variable][steps], trace[steps], 1e-4, f"trace {name}.{variable}"
            )
    if first == expected.steps:
        assert_close_states(found, expected, 1e-4)


class TestCpuSingle(EngineSuite):
    engine = Cpu
    options: ClassVar[Mapping[str, Any]] = {"precision": "single"}
    test_library_model = (
        None  # one kernel for every model would take a minute: some of them are below
    )

    def same(self, found: Recording, expected: Recording) -> None:
        assert_single(found, expected)

    @pytest.mark.parametrize("name", ["CubaLIF", "HodgkinHuxley", "Izhikevich", "NmdaLIF"])
    def test_some_library_models(self, name: str) -> None:
        model = MODELS[name]
        network = Network(dt=1e-4, populations={"p": Population(model, 3)})
        inputs = {}
        for port in model.inputs:
            drive = DRIVE.get(name, {"spikes": 0.5, "i": 2.0, "i_ext": 2.0})[port]
            noise = stream(1, f"suite/{port}").normal(1.0, 0.5, (80, 2, 3))
            inputs[f"p.{port}"] = (
                drive * noise * (spikes_in(80, 2, 3) if port in model.jumps else 1.0)
            )
        found = self.check(network, inputs)
        assert found.sent["p"].sum() > 0


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing_in_single_precision(threads: int) -> None:
    net, x = hundreds(), spikes_in(50, 1, 2, 10, 9, rate=0.1)
    record = {"a": ("v",), "out": ("v",)}
    one, other = (
        Cpu().run(net, {"in": x}, precision="single", threads=n, record=record, seed=3)
        for n in (1, threads)
    )
    assert_same(other, one)


@pytest.mark.parametrize("periods", [(3, 3), (3, 7), (0, 3)])
@pytest.mark.parametrize("chunk", [1, 2, 4, 5, 64])
def test_lists_are_as_long_as_spikes_can_be_often(
    periods: tuple[int, int], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # neurons that fire whenever they may
    dt, fired = 1e-3, []
    params = {"v_rest": 100.0, "t_ref": np.repeat(np.array(periods) * dt, 32)}
    network = Network(dt, {"n": Population(LIF, 64, params)}, {})
    take = CpuPopulation.take

    def watched(self: CpuPopulation, k: int, steps: int) -> None:
        used = self.log_used[..., 0]
        assert used.max() <= self.log.shape[-1]
        fired.append((steps, int(used.sum()), self.log.size))
        take(self, k, steps)

    monkeypatch.setattr(CpuPopulation, "take", watched)
    monkeypatch.setattr("spikewright.engines.cpu_run.FIRST_CHUNK", chunk)
    monkeypatch.setattr("spikewright.engines.cpu_run.CHUNK_SECONDS", 0.0)
    monkeypatch.setattr("spikewright.engines.planner.MAX_BATCH", 1)
    found = Cpu().run(network, steps=67, threads=1)
    assert_same(found, Reference().run(network, steps=67))
    often = 1 + (chunk - 1) // (1 + min(periods))
    assert max(room for steps, _, room in fired if steps == chunk) == 64 * often
    if periods[0] == periods[1]:
        # a chunk that begins with a spike fills them
        assert max(n for _, n, _ in fired) == 64 * often


def test_lazy_is_chosen_for_quiet_populations_in_single_precision() -> None:
    quiet = Population(CubaLIF, 1200, method=Method.EXACT)
    net = Network(
        dt=1e-4,
        populations={"in": Population(Input, 10), "a": quiet},
        projections={"s": Projection("in", "a", Sparse.from_matrix(np.eye(1200, 10)), delay=1e-3)},
    )
    assert not Cpu().prepare(net).own.lazy
    assert set(Cpu().prepare(net, precision="single").own.lazy) == {"a"}
    assert not Cpu().prepare(net, precision="single", lazy=False).own.lazy
    assert set(Cpu().prepare(net, lazy=True).own.lazy) == {"a"}
    busy = net.replacing(populations={**net.populations, "a": replace_bias(quiet)})
    assert not Cpu().prepare(busy, precision="single").own.lazy


def replace_bias(population: Population) -> Population:
    return Population(population.model, population.shape, {"v_rest": 2.0}, method=population.method)
