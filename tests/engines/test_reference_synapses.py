import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikewright.engines.recording import SynapseState
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError
from spikewright.network import (
    LIF,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Propagation,
    Rule,
    Sparse,
    SynapseModel,
)
from spikewright.network.connectivity import FixedInDegree, Uniform
from spikewright.network.plasticity import RULES, PairSTDP, RewardSTDP
from spikewright.rng import stream
from spikewright.testing.engine_suite import Graded, assert_same, assert_same_synapses
from spikewright.testing.synapses import CASES, Forced, case, forced, train

Fixed = SynapseModel(name="Fixed", source="Made for these tests: a synapse that never changes.")
TAU = {"tau": (20e-3, "s")}


def weight_after(
    model: SynapseModel, pre: Any, post: Any, length: int = 60, **fields: Any
) -> float:
    inputs = {"in": train(pre, length), "out.fire": train(post, length)}
    recording = Reference().run(forced(Rule(model), [[1.0]], **fields), inputs)
    return float(recording.state.synapses["s"].values["w"][0, 0])


# -- nothing but a weight ------------------------------------------------------------------------------


@pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
@pytest.mark.parametrize("hidden", [LIF, Graded], ids=lambda m: m.name)
def test_a_rule_that_does_nothing_is_no_rule(propagation: Propagation, hidden: Any) -> None:
    draw = stream(6, "fixed")
    late = propagation is Propagation.SAME_STEP
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 6), "a": Population(hidden, 5), "b": Population(LIF, 4)},
        projections={
            "in->a": Projection(
                "in", "a", Dense(draw.normal(0.3, 0.5, (5, 6))),
                delay=draw.integers(0, 5, (5, 6)) * 1e-3, rule=Rule(Fixed),
            ),
            "a->b": Projection("a", "b", Dense(draw.normal(0.5, 0.5, (4, 5))), rule=Rule(Fixed)),
            "a->a": Projection(
                "a", "a", Dense(draw.normal(0, 0.5, (5, 5))), "i", (2 + late) * 1e-3, rule=Rule(Fixed)
            ),
        },
        propagation=propagation,
    )  # fmt: skip
    inputs = {"in": (draw.random((80, 3, 6)) < 0.3) * draw.normal(1, 0.2, (80, 3, 6))}
    record = {"a": ("v",), "b": ("v",)}
    one = Reference().run(net, inputs, record=record)
    other = Reference().run(net.without_rules(), inputs, record=record)
    assert one.count("b").any()
    pending = replace(one.state, pending=other.state.pending, synapses={})
    assert_same(replace(one, state=pending), other)


# -- the order of what happens -------------------------------------------------------------------------


def test_an_arrival_sees_post_events_of_earlier_steps_only() -> None:
    seen = SynapseModel(
        name="Seen", post={"y": "1"}, params={"one": (1.0, "weight")},
        on_pre={"w": "w + one * y"}, on_post={"y": "y + 1"},
    )  # fmt: skip
    assert weight_after(seen, [20], [20]) == 1
    assert weight_after(seen, [21], [20]) == 2
    assert weight_after(seen, [18], [20], delay=3e-3) == 2
    assert weight_after(seen, [17], [20], delay=3e-3) == 1


def test_a_post_event_sees_arrivals_of_its_own_step() -> None:
    seen = SynapseModel(
        name="Seen", pre={"x": "1"}, params={"one": (1.0, "weight")},
        on_pre={"x": "x + 1"}, on_post={"w": "w + one * x"},
    )  # fmt: skip
    assert weight_after(seen, [20], [20]) == 2
    assert weight_after(seen, [21], [20]) == 1
    assert weight_after(seen, [18], [20], delay=2e-3) == 2


def test_synaptic_variables_come_first_and_row_variables_once() -> None:
    model = SynapseModel(
        name="Order", pre={"x": "1"}, post={"y": "1"}, state={"e": "1"},
        params={"one": (1.0, "weight")},
        on_pre={"x": "x + 1", "e": "10 * e + x", "w": "w + one * e"},
        on_post={"y": "y + 1", "w": "w * (1 + y)"},
    )  # fmt: skip
    net = forced(Rule(model), [[1.0], [1.0]])
    fire = np.zeros((60, 1, 2))
    fire[50:52, 0, 1] = 1
    synapses = (
        Reference().run(net, {"in": train([10, 20, 30], 60), "out.fire": fire}).state.synapses
    )
    found = synapses["s"]
    assert found.pre["x"].tolist() == [[3.0]]
    assert found.values["e"].tolist() == [[12.0, 12.0]]  # 0, 1, 10 + 2
    assert found.values["w"].tolist() == [[14.0, 28.0]]  # 1 + 0 + 1 + 12; then times 1 and 2
    assert found.post["y"].tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize("first", [False, True])
def test_send_first(first: bool) -> None:
    model = SynapseModel(
        name="Send", pre={"x": "1"}, on_pre={"w": "2 * w", "x": "x + 1"}, send="w * (1 + x)",
        send_first=first,
    )  # fmt: skip
    recording = Reference().run(
        forced(Rule(model), [[1.0]]), {"in": 3.0 * train([5, 6], 8)}, record={"out": ("got",)}
    )
    got = recording.trace("out", "got")[:, 0, 0]
    assert got[[5, 6]].tolist() == ([3.0, 12.0] if first else [12.0, 36.0])
    assert got.sum() == got[[5, 6]].sum()


def test_every_row_has_its_own_clock() -> None:
    model = SynapseModel(
        name="Clock", params=TAU, pre={"x": "1"}, dynamics={"x": "-x / tau"}, on_pre={"x": "x + 1"}
    )
    net = forced(Rule(model), [[1.0], [1.0], [1.0]], delay=[[0.0], [4e-3], [4e-3]])
    found = Reference().run(net, {"in": train([3, 10], 12)}).state.synapses["s"]
    assert found.arrived.tolist() == [[10, 7]]
    assert found.pre["x"][0] == pytest.approx([1 + math.exp(-7 / 20), 1])
    assert found.underway.step.tolist() == [10]


def test_rows_of_one_step_earlier_spikes_first() -> None:
    """Three rows of different delays reach one target in one step; the older spike is added first."""
    net = forced(Rule(Fixed), [[-1e16, 1e16, 1.0]], delay=[[0.0, 1e-3, 2e-3]])
    spikes = np.zeros((6, 1, 3))
    spikes[[3, 2, 1], 0, [0, 1, 2]] = 1
    got = Reference().run(net, {"in": spikes}, record={"out": ("got",)}).trace("out", "got")
    assert got[3, 0, 0] == (1.0 + 1e16) - 1e16 == 0.0


def test_w_total_is_the_sum_before_the_change() -> None:
    model = SynapseModel(
        name="Total", params={"t": (2e-3, "s")}, every="t", on_every={"w": "w_total - w"}
    )
    net = forced(Rule(model), [[1.0, 2.0, 4.0]])
    found = [Reference().run(net, steps=n).state.synapses["s"].values["w"][0] for n in (1, 2, 4)]
    assert [f.tolist() for f in found] == [[1, 2, 4], [6, 5, 3], [8, 9, 11]]


def test_signal_after_the_post_events_of_its_step() -> None:
    model = SynapseModel(
        name="Signal", params={"one": (1.0, "weight")}, post={"y": "1"}, on_post={"y": "y + 1"},
        signals={"a": "1", "b": "1"}, on_signal={"w": "w + one * y * (a + 10 * b)"},
    )  # fmt: skip
    inputs = {
        "out.fire": train([4], 8),
        "s.a": np.eye(8)[4].reshape(8, 1),
        "s.b": np.eye(8)[[3, 5]].sum(0).reshape(8, 1, 1),
    }
    found = Reference().run(forced(Rule(model), [[1.0]]), inputs)
    assert found.state.synapses["s"].values["w"][0, 0] == 1 + 1 + 10


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.zeros(8), "wrong shape"), (np.full((8, 1), np.nan), "not finite")],
)
def test_a_wrong_signal(value: Any, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        Reference().run(forced(Rule(RewardSTDP), [[1.0]]), {"s.reward": value})


# -- state ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cut", [1, 37])
def test_a_run_goes_on_bit_for_bit(name: str, cut: int) -> None:
    net, inputs = case(RULES[name])
    whole = Reference().run(net, inputs)
    first = Reference().run(net, {n: x[:cut] for n, x in inputs.items()})
    second = Reference().run(net, {n: x[cut:] for n, x in inputs.items()}, state=first.state)
    assert_same_synapses(second.state.synapses, whole.state.synapses)
    for population, values in whole.state.values.items():
        for variable, value in values.items():
            assert np.array_equal(second.state.values[population][variable], value)


@pytest.mark.parametrize("name", CASES)
def test_samples_learn_for_themselves(name: str) -> None:
    net, inputs = case(RULES[name], batch=3)
    whole = Reference().run(net, inputs)
    for b in range(3):
        alone = Reference().run(net, {n: x[:, b : b + 1] for n, x in inputs.items()})
        for projection, synapses in alone.state.synapses.items():
            for variable, value in synapses.values.items():
                expected = whole.state.synapses[projection].values[variable][b : b + 1]
                assert np.array_equal(value, expected)


@pytest.mark.parametrize("name", CASES)
def test_the_network_is_not_changed(name: str) -> None:
    net, inputs = case(RULES[name])
    one, other = Reference().run(net, inputs), Reference().run(net, inputs)
    assert_same_synapses(one.state.synapses, other.state.synapses)


def test_what_is_underway() -> None:
    net = forced(Rule(Fixed), [[1.0, 1.0]], delay=[[1e-3, 3e-3]])
    spikes = np.zeros((10, 1, 2))
    spikes[[5, 7, 8], 0, [0, 0, 1]] = 1
    state: SynapseState = Reference().run(net, {"in": spikes}).state.synapses["s"]
    # kept by the longest delay, whichever rows the source has; that of step 7 has arrived
    assert state.underway.step.tolist() == [7, 8]
    assert state.underway.address.tolist() == [0, 1]
    got = Reference().run(
        net, steps=4, state=Reference().run(net, {"in": spikes}).state, record={"out": ("got",)}
    )
    assert got.trace("out", "got")[:, 0, 0].tolist() == [0, 1, 0, 0]


def test_no_steps() -> None:
    net, _ = case(PairSTDP)
    found = Reference().run(net, steps=0, batch=2).state.synapses["s"]
    assert found.values["w"].shape == (2, 20)
    assert found.underway.n == 0


# -- learned -------------------------------------------------------------------------------------------


def test_learned_weights_stand_where_they_belong() -> None:
    net, inputs = case(PairSTDP, batch=1)
    recording = Reference().run(net, inputs)
    learned = recording.learned()
    weights = learned.projections["s"].topology.weight
    assert weights is not None
    assert weights.T.ravel().tolist() == recording.state.synapses["s"].values["w"][0].tolist()
    assert learned.projections["s"].rule == net.projections["s"].rule
    sparse = Sparse.from_matrix(np.array([[0.5, 0.0], [0.25, 0.75]]))
    other = net.replacing(
        populations={"in": Population(Input, 2), "out": replace(net.populations["out"], shape=2)},
        projections={"s": replace(net.projections["s"], topology=sparse, delay=0.0)},
    )
    pre, post = np.ones((3, 1, 2)), np.zeros((3, 1, 2))
    post[2, 0, 0] = 1
    after = Reference().run(other, {"in": pre, "out.fire": post}).learned()
    w = after.projections["s"].topology.synapses((2,)).matrix()
    assert w[0, 0] > 0.5
    assert w[0, 1] == 0
    assert w[1].tolist() == [0.25, 0.75]


def test_learned_weights_that_fade() -> None:
    model = SynapseModel(
        name="Fading", params=TAU, dynamics={"w": "-w / tau"}, on_pre={"w": "w * 2"}
    )
    recording = Reference().run(forced(Rule(model), [[1.0]]), {"in": train([10], 30)})
    assert recording.state.synapses["s"].touched.tolist() == [[10]]
    weight = recording.learned().projections["s"].topology.weight
    assert weight == pytest.approx(2 * math.exp(-30 / 20))


def test_learned_needs_one_sample() -> None:
    net, inputs = case(PairSTDP)
    with pytest.raises(EngineError, match="every sample has weights of its own; found 2 samples"):
        Reference().run(net, inputs).learned()


@pytest.mark.parametrize("delay", [2e-3, Uniform(1e-3, 5e-3)], ids=["one", "drawn"])
def test_a_recipe_carries_a_rule(delay: Any) -> None:
    recipe = FixedInDegree(6, 4, weights=Uniform(0.2, 0.8), seed=1)
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 8), "out": Population(Forced, 6)},
        projections={"s": Projection("in", "out", recipe, "synapses", delay, rule=Rule(PairSTDP))},
    )
    draw = stream(7, "recipe")
    inputs = {
        "in": (draw.random((60, 1, 8)) < 0.2).astype(float),
        "out.fire": (draw.random((60, 1, 6)) < 0.2).astype(float),
    }
    one, other = Reference().run(net, inputs), Reference().run(net.written_out(), inputs)
    assert_same_synapses(one.state.synapses, other.state.synapses)
    learned = [r.learned().projections["s"].topology.synapses((8,)) for r in (one, other)]
    assert np.array_equal(learned[0].matrix(), learned[1].matrix())
    before = recipe.synapses((8,)).matrix()
    assert np.array_equal(learned[0].matrix() != 0, before != 0)
    assert not np.array_equal(learned[0].matrix(), before)
