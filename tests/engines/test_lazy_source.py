"""Lazy neurons: the spikes of stepping every neuron, at a cost that follows spikes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numba import njit

from spikewright.engines import layout as at
from spikewright.engines import lazy_source
from spikewright.engines.checkpoint import load_state, save_state
from spikewright.engines.cpu import Cpu
from spikewright.engines.cpu_run import CpuRun
from spikewright.engines.intrinsics import view
from spikewright.engines.lazy_source import why_not
from spikewright.engines.planner import why_stepped
from spikewright.engines.program import lower
from spikewright.engines.recorder import read_recording
from spikewright.engines.recording import Recording, State
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError
from spikewright.network import (
    IF,
    LIF,
    MODELS,
    AlphaLIF,
    CubaLIF,
    Dense,
    ExpCurrentLIF,
    FixedInDegree,
    Input,
    Method,
    Network,
    NeuronModel,
    NoisyLIF,
    Normal,
    PoissonDrive,
    Population,
    Projection,
    Propagation,
    Rule,
    Sparse,
)
from spikewright.network.plasticity import GapJunction, PairSTDP
from spikewright.rng import stream
from spikewright.testing.engine_suite import Graded

N = 130
SIZE = {"LIF": 0.5, "CubaLIF": 2.0, "AlphaLIF": 1.5, "ExpCurrentLIF": 1.5e-9}


def network(model: NeuronModel = LIF, lag: int = 1, **params: Any) -> Network:
    """Return 30 inputs onto 130 neurons, those onto each other, both with delays of each synapse."""
    draw = stream(0, f"lazy/{model.name}")
    size = SIZE[model.name]
    port = "exc" if model is ExpCurrentLIF else ""
    rest = "e_l" if model is ExpCurrentLIF else "v_rest"
    start = -70e-3 if model is ExpCurrentLIF else 0.0
    spread = 3e-3 if model is ExpCurrentLIF else 0.3
    more = {"t_ref": draw.integers(0, 4, N) * 1e-3, rest: start + draw.uniform(-spread, spread, N)}
    back = np.where(draw.random((N, N)) < 0.1, draw.normal(0, size, (N, N)), 0.0)
    again = Sparse.from_matrix(back)
    bias = None if model is not CubaLIF else draw.uniform(-0.1, 0.1, N)
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 30), "a": Population(model, N, more | params)},
        projections={
            "in": Projection(
                "in", "a", Dense(draw.normal(0.4 * size, size, (N, 30))), port,
                draw.integers(0, 7, (N, 30)) * 1e-3, bias=bias,
            ),
            "again": Projection(
                "a", "a", again, port, draw.integers(lag, lag + 5, again.weights.size) * 1e-3
            ),
        },
    )  # fmt: skip


def entering(steps: int = 120, batch: int = 1) -> Any:
    """Graded spikes: a burst, silence, single spikes."""
    draw = stream(1, "lazy/in")
    rate = np.full((steps, 1, 1), 0.02)
    rate[:20], rate[20:60] = 0.15, 0.0
    return (draw.random((steps, batch, 30)) < rate) * draw.uniform(0.5, 1.5, (steps, batch, 30))


def assert_rounded(found: Recording, expected: Recording) -> None:
    """Who sent when is the same; states agree to rounding."""
    for name in expected.network.populations:
        assert np.array_equal(found.dense(name), expected.dense(name)), name
        assert np.array_equal(found.sent[name], expected.sent[name])
        assert np.array_equal(found.activity[name], expected.activity[name])
    for name, values in expected.state.values.items():
        for variable, value in values.items():
            scale = np.abs(value).max()
            np.testing.assert_allclose(
                found.state.values[name][variable], value, rtol=1e-12, atol=1e-12 * scale
            )
    for name, waiting in expected.state.waiting.items():
        assert np.array_equal(found.state.waiting[name], waiting)
    for place, pending in expected.state.pending.items():
        scale = np.abs(pending).max(initial=0.0)
        np.testing.assert_allclose(
            found.state.pending[place], pending, rtol=1e-12, atol=1e-12 * scale
        )


@pytest.mark.parametrize("model", [LIF, CubaLIF, AlphaLIF, ExpCurrentLIF], ids=lambda m: m.name)
def test_spikes_are_those_of_stepping_every_neuron(model: NeuronModel) -> None:
    net = network(model)
    assert set(Cpu().prepare(net, lazy=True).own.lazy) == {"a"}
    for batch, threads in ((1, 1), (2, 1), (1, 3), (3, 2)):
        x = entering(batch=batch)
        expected = Reference().run(net, {"in": x}, steps=150)
        assert expected.sent["a"].sum() > 50
        assert np.any(expected.sent["a"] == 0) or model is not LIF
        found = Cpu().run(net, {"in": x}, steps=150, lazy=True, threads=threads)
        assert_rounded(found, expected)


@pytest.mark.parametrize("cut", [1, 13, 40])
def test_a_run_goes_on_with_any_engine(cut: int) -> None:
    net, x = network(CubaLIF), entering(90, 2)
    whole = Reference().run(net, {"in": x})
    lazy = {"lazy": True}
    for (one, first), (other, second) in (
        ((Cpu(), lazy), (Cpu(), lazy)),
        ((Reference(), {}), (Cpu(), lazy)),
        ((Cpu(), lazy), (Reference(), {})),
        ((Cpu(), lazy), (Cpu(), {"lazy": False, "threads": 3})),
    ):
        a = one.run(net, {"in": x[:cut]}, **first)
        before = {p: v.copy() for p, v in a.state.pending.items()}
        b = other.run(net, {"in": x[cut:]}, state=a.state, **second)
        assert all(np.array_equal(a.state.pending[p], v) for p, v in before.items())
        assert np.array_equal(np.concatenate([a.dense("a"), b.dense("a")]), whole.dense("a"))
        for variable, value in whole.state.values["a"].items():
            np.testing.assert_allclose(b.state.values["a"][variable], value, rtol=1e-11, atol=1e-13)
        for place, pending in whole.state.pending.items():
            np.testing.assert_allclose(b.state.pending[place], pending, rtol=1e-11, atol=1e-13)


def test_chunks_of_one_step() -> None:
    net, x = network(CubaLIF), entering(40)
    whole = Reference().run(net, {"in": x})
    state, parts = None, []
    for k in range(40):
        part = Cpu().run(net, {"in": x[k : k + 1]}, state=state, lazy=True)
        parts.append(part.dense("a"))
        state = part.state
    assert np.array_equal(np.concatenate(parts), whole.dense("a"))


def test_silence_longer_than_the_table() -> None:
    net = network(CubaLIF, v_rest=-0.5)
    x = np.zeros((2 * lazy_source.HORIZON + 50, 1, 30))
    x[3, 0, :9] = 1.0
    x[-20, 0, 9:] = 1.0
    expected = Cpu().run(net, {"in": x}, lazy=False)
    assert_rounded(Cpu().run(net, {"in": x}, lazy=True), expected)


@pytest.mark.parametrize(
    ("model", "every"), [(LIF, 1), (LIF, 3), (CubaLIF, 3)], ids=["all", "LIF", "CubaLIF"]
)
def test_neurons_that_fire_without_input(model: NeuronModel, every: int) -> None:
    net = network(model, v_rest=np.where(np.arange(N) % every == 0, 1.4, -0.3))
    for batch, threads in ((1, 1), (2, 1), (1, 3), (3, 2)):
        x = entering(batch=batch)
        found = Cpu().run(net, {"in": x}, steps=150, lazy=True, threads=threads)
        assert np.all(found.sent["a"][:, ::every] > 0)
        assert_rounded(found, Reference().run(net, {"in": x}, steps=150))


def test_a_driven_neuron_that_nothing_reaches_has_the_bits_of_stepping() -> None:
    rest = {"v_rest": np.where(np.arange(N) % 4 == 1, 1.5, 0.0), "t_ref": 2e-3}
    net = Network(dt=1e-3, populations={"a": Population(CubaLIF, N, rest)})
    found, expected = (Cpu().run(net, steps=77, lazy=lazy) for lazy in (True, False))
    assert np.array_equal(found.dense("a"), expected.dense("a"))
    for variable, value in expected.state.values["a"].items():
        assert np.array_equal(found.state.values["a"][variable][:, 1::4], value[:, 1::4])
    assert np.array_equal(found.state.waiting["a"], expected.state.waiting["a"])


def test_a_driven_neuron_whose_state_is_not_finite_is_named() -> None:
    weight = np.zeros((N, 1))
    weight[70] = 1e308
    net = Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 1),
            "a": Population(CubaLIF, N, {"v_rest": np.where(np.arange(N) % 10 == 0, 1.5, 0.0)}),
        },
        projections={"s": Projection("in", "a", Sparse.from_matrix(weight), delay=1e-3)},
    )
    with pytest.raises(EngineError, match="'a', neuron 70, step 2 "):
        Cpu().run(net, {"in": np.ones((9, 1, 1))}, lazy=True)


def test_what_enters_or_is_recorded_every_step_is_not_lost() -> None:
    net, x = network(CubaLIF), entering(60)
    more = {"in": x, "a": 2.0 * (stream(5, "more").random((60, 1, N)) < 0.05)}
    assert_rounded(Cpu().run(net, more, lazy=True), Reference().run(net, more))
    record = {"a": ("v", "i", "output")}
    found = Cpu().run(net, {"in": x}, lazy=True, record=record)
    expected = Reference().run(net, {"in": x}, record=record)
    for variable in ("v", "i", "output"):
        np.testing.assert_allclose(
            found.trace("a", variable), expected.trace("a", variable), rtol=1e-12, atol=1e-13
        )


# -- cost --------------------------------------------------------------------------------------------------


@njit
def _int64s(address: int, n: int) -> Any:
    return view(address, n, np.int64).copy()


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many neurons of 'a' are stepped one by one at the end of each run."""
    counts: list[int] = []
    plain = CpuRun.recording

    def kept(self: Any) -> Recording:
        found = plain(self)
        place = int(self.populations["a"].table[at.OPEN + lazy_source.N_HOT])
        counts.append(int(_int64s(place, 1)[0]))
        return found

    monkeypatch.setattr(CpuRun, "recording", kept)
    return counts


def test_only_neurons_near_their_threshold_are_stepped(counts: list[int]) -> None:
    weight = np.zeros((N, 3))
    weight[:40, 0], weight[40:45, 1], weight[45:50, 2] = 0.5, 4.0, 6.0
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "a": Population(CubaLIF, N, {"v_th": 0.5})},
        projections={"s": Projection("in", "a", Sparse.from_matrix(weight), delay=1e-3)},
    )
    x = np.zeros((3, 1, 3))
    x[0] = 1.0

    def hot(state: Any, steps: int, entering: Any = None) -> tuple[Any, int]:
        inputs = {} if entering is None else {"in": entering}
        found = Cpu().run(net, inputs, steps=steps, state=state, lazy=True)
        return found, counts[-1]

    _, count = hot(None, 5)
    assert count == 0
    reached, count = hot(None, 3, x)
    assert count == 10, "those that a small weight reached need no steps"
    later, count = hot(reached.state, 400)
    assert later.sent["a"].sum() + reached.sent["a"].sum() > 0
    assert count == 0, "all came to rest"


def test_driven_neurons_are_not_stepped_one_by_one(counts: list[int]) -> None:
    net = Network(dt=1e-3, populations={"a": Population(LIF, N, {"v_rest": np.linspace(0, 2, N)})})
    found = Cpu().run(net, steps=300, lazy=True)
    assert counts == [0]
    assert (found.sent["a"] > 0).sum() == N // 2


# -- what cannot be lazy -----------------------------------------------------------------------------------

Counting = NeuronModel(
    name="Counting",
    state={"v": "1", "n": "1"},
    params={"tau": (1e-2, "s")},
    inputs={"spikes": "1"},
    jumps={"spikes": "v"},
    dynamics={"v": "-v / tau"},
    threshold="v > 1",
    reset={"v": "0", "n": "n + 1"},
    source="Made for these tests.",
)
Joint = CubaLIF.variant("Joint", threshold="v + r * i > v_th", source="Made for these tests.")
Below = LIF.variant("Below", threshold="v < v_th", source="Made for these tests.")


@pytest.mark.parametrize(
    ("population", "drives", "message"),
    [
        (Population(LIF, 4), {}, ""),
        (Population(LIF, 4, {"v_rest": [0.0, 0.1, 0.2, 0.3]}), {}, ""),
        (Population(MODELS["Relay"], 4), {}, "it sends at every step"),
        (Population(Graded, 4), {}, "it sends at every step"),
        (Population(MODELS["AdEx"], 4), {}, "its equations have no closed form"),
        (Population(LIF, 4, method=Method.EULER), {}, "its equations have no closed form"),
        (Population(NoisyLIF, 4), {}, "it has noise"),
        (Population(LIF, 4), {"d": PoissonDrive("p", 10.0, 1.0)}, "something drives it at every step"),
        (Population(Joint, 4), {}, "its threshold is not of the form 'variable > level'"),
        (Population(Below, 4), {}, "its threshold is not of the form 'variable > level'"),
        (Population(Counting, 4), {}, "a variable has no dynamics"),
        (Population(LIF, 2, {"tau_m": [1e-2, 2e-2]}), {}, "time constants differ between neurons"),
        (Population(IF, 4), {}, "without input its state does not come to rest"),
    ],
)  # fmt: skip
def test_why_not(population: Population, drives: Any, message: str) -> None:
    net = Network(dt=1e-3, populations={"p": population}, drives=drives)
    program = lower(net)
    assert why_not(program.populations["p"], net.dt) == message
    # and what cannot be lazy runs as ever
    assert set(Cpu().prepare(net, lazy=True).own.lazy) == (set() if message else {"p"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"delay": 1e-3}, ""),
        ({}, "'s' has no delay"),
        ({"port": "i", "delay": 1e-3}, "'s' gives a current that is held"),
        ({"rule": Rule(PairSTDP), "delay": 1e-3}, "'s' has a rule"),
    ],
)
def test_why_a_population_is_stepped(fields: dict[str, Any], message: str) -> None:
    net = Network(
        dt=1e-3,
        populations={"a": Population(LIF, 3), "b": Population(LIF, 3)},
        projections={"s": Projection("a", "b", Dense(np.eye(3)), **fields)},
        propagation=Propagation.SAME_STEP,
    )
    assert why_stepped(lower(net, expand=False), "b") == message


def test_currents_between_neurons_keep_all_of_them_stepped() -> None:
    gap = Projection("a", "a", Dense(np.eye(3)), "i", rule=Rule(GapJunction))
    net = Network(
        dt=1e-3,
        populations={"a": Population(LIF, 3), "b": Population(LIF, 3)},
        projections={"g": gap},
    )
    assert why_stepped(lower(net, expand=False), "b") == "currents flow between neurons"


def test_a_run_that_is_cut_keeps_its_bits(tmp_path):
    draw = np.random.default_rng(0)
    n, steps = 400, 600
    net = Network(
        dt=1e-4,
        populations={
            "in": Population(Input, 20),
            "n": Population(CubaLIF, n, {"v_rest": np.where(np.arange(n) < 8, 1.6, 0.0)}),
        },
        projections={
            "in": Projection("in", "n", FixedInDegree(n, 4, weights=0.3, seed=1), delay=5e-4),
            "on": Projection(
                "n",
                "n",
                FixedInDegree(n, 20, weights=0.1, seed=2),
                delay=Normal(1e-3, 5e-4, low=1e-4, high=3e-3),
            ),
        },
    )
    x = (draw.random((steps, 2, 20)) < 0.02).astype(float)
    for precision in ("double", "single"):
        how = {"precision": precision, "lazy": True, "batch": 2}
        whole = Cpu().run(net, {"in": x}, **how)
        assert whole.sent["n"].sum() > 100
        state, at = None, 0
        for number, cut in enumerate((1, 7, 40, 41, 300, steps)):
            part = Cpu().run(
                net, {"in": x[at:cut]}, steps=cut - at, state=state, threads=1 + number % 2, **how
            )
            state, at = part.state, cut
            if number == 3:
                save_state(tmp_path / "state.h5", state, net)
                state = load_state(tmp_path / "state.h5", net)
        for variable, value in whole.state.values["n"].items():
            assert np.array_equal(state.values["n"][variable], value)
        for place, value in whole.state.pending.items():
            assert np.array_equal(state.pending[place], value)
        changed = replace(state, values={n: dict(v) for n, v in state.values.items()})
        changed.values["n"]["v"] = np.zeros((2, n))
        after = Cpu().run(net, steps=1, state=changed, **how).state
        assert np.abs(after.values["n"]["v"]).max() < 0.1, "given values are what a run begins with"


def plain(state: State) -> State:
    """Return what every engine goes on from."""
    return State(state.step, state.values, state.waiting, state.pending)


def changed(net: Network, what: str) -> Network:
    """Return a network of the same shape."""
    again, neurons = net.projections["again"], net.populations["a"]
    if what == "parameter":
        moved = {**neurons.params, "v_rest": neurons.params["v_rest"][::-1] + 0.2}
        return net.replacing(populations={"a": replace(neurons, params=moved)})
    if what == "weight":
        weights = {n: -0.5 * q.topology.weight for n, q in net.projections.items()}
        return net.with_weights(weights)
    if what == "delay":
        return net.replacing(projections={"again": replace(again, delay=again.delay[::-1])})
    entering = replace(net.projections["in"], bias=np.linspace(-0.1, 0.3, N))
    return net.replacing(projections={"in": entering})


@pytest.mark.parametrize("way", ["memory", "of one", "of the other", "recording"])
@pytest.mark.parametrize("what", ["parameter", "weight", "delay", "bias"])
def test_a_state_goes_on_with_another_network(what: str, way: str, tmp_path) -> None:
    net, x, how = network(CubaLIF), entering(60, 2), {"lazy": True}
    other = changed(net, what)
    first = Cpu().run(net, {"in": x[:25]}, **how, file=tmp_path / "r.h5")
    state = first.state
    assert state.underway["a"].n > 0
    assert np.any(state.quiet["a"].since >= 0)
    assert Cpu().run(net, {"in": x[25:]}, state=state, **how).sent["a"].sum() > 20
    expected = Reference().run(other, {"in": x[25:]}, state=plain(state))
    alike = Cpu().run(other, {"in": x[25:]}, state=plain(state), **how)
    assert set(alike.state.quiet) == {"a"}
    if way == "recording":
        state = read_recording(tmp_path / "r.h5").state
    elif way != "memory":
        whose = net if way == "of one" else other
        save_state(tmp_path / "s.h5", state, whose)
        state = load_state(tmp_path / "s.h5", whose)
    for threads in (1, 2):
        found = Cpu().run(other, {"in": x[25:]}, state=state, threads=threads, **how)
        assert_rounded(found, expected)
        for variable, value in alike.state.values["a"].items():
            assert np.array_equal(found.state.values["a"][variable], value)


def test_networks_that_take_turns() -> None:
    net, x = network(CubaLIF), entering(30)
    two = (net, changed(net, "weight"))
    state = expected = None
    for k in range(30):
        here = {"in": x[k : k + 1]}
        found = Cpu().run(two[k % 2], here, state=state, lazy=True)
        stepped = Reference().run(two[k % 2], here, state=expected)
        assert_rounded(found, stepped)
        state, expected = found.state, stepped.state


@pytest.mark.parametrize("way", ["memory", "renamed", "checkpoint", "recording"])
def test_a_state_goes_on_with_its_own_network_bit_for_bit(way: str, tmp_path) -> None:
    net, x = network(CubaLIF), entering(60, 2)
    whole = Cpu().run(net, {"in": x}, lazy=True).state
    first = Cpu().run(net, {"in": x[:25]}, lazy=True, file=tmp_path / "r.h5")
    state, goes_on = first.state, net
    if way == "renamed":
        goes_on = net.replacing(name="x", metadata={"note": 1})
    elif way == "checkpoint":
        save_state(tmp_path / "s.h5", state, net)
        goes_on = network(CubaLIF)
        state = load_state(tmp_path / "s.h5", goes_on)
    elif way == "recording":
        state, goes_on = read_recording(tmp_path / "r.h5").state, network(CubaLIF)
    found = Cpu().run(goes_on, {"in": x[25:]}, state=state, lazy=True).state
    without = Cpu().run(net, {"in": x[25:]}, state=plain(first.state), lazy=True).state
    values = whole.values["a"]
    assert all(np.array_equal(found.values["a"][v], value) for v, value in values.items())
    assert any(np.any(without.values["a"][v] != value) for v, value in values.items())


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("part", ["values", "pending", "waiting"])
def test_a_state_that_was_changed(part: str, saved: bool, tmp_path) -> None:
    net, x = network(CubaLIF), entering(60, 2)
    state = Cpu().run(net, {"in": x[:25]}, lazy=True).state
    if part == "values":
        v = state.values["a"]["v"] * 0.5
        state = replace(state, values={**state.values, "a": {**state.values["a"], "v": v}})
    elif part == "pending":
        state = replace(state, pending={n: 0.5 * arrivals for n, arrivals in state.pending.items()})
    else:
        state = replace(state, waiting={n: late + 3 for n, late in state.waiting.items()})
    expected = Reference().run(net, {"in": x[25:]}, state=plain(state))
    if saved:
        save_state(tmp_path / "s.h5", state, net)
        state = load_state(tmp_path / "s.h5", net)
    assert_rounded(Cpu().run(net, {"in": x[25:]}, state=state, lazy=True), expected)
