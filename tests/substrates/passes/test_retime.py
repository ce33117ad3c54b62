from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.engines import run
from spikewright.network import (
    LIF,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Propagation,
    Relay,
)
from spikewright.substrates.passes.retime import Retime

STEPS = 60
rng = np.random.default_rng(5)


def lif(n: int) -> Population:
    return Population(LIF, n, {"tau_m": 8e-3})


def dense(post: int, pre: int, scale: float = 0.5) -> Dense:
    return Dense(rng.normal(0.15, scale, (post, pre)))


def same_step(projections: dict[str, Projection], populations: dict[str, Population]) -> Network:
    return Network(
        dt=1e-3,
        populations=populations,
        projections=projections,
        propagation=Propagation.SAME_STEP,
    )


def spikes() -> np.ndarray:
    return (rng.random((STEPS, 2, 6)) < 0.3).astype(float)


def check_shifted(source: Network, shifts: dict[str, int]) -> None:
    retimed, _ = Retime()(source, 0)
    assert retimed.propagation is Propagation.NEXT_STEP
    x = spikes()
    before = run(source, {"in": x}, engine="reference")
    after = run(retimed, {"in": x}, engine="reference")
    for name, shift in shifts.items():
        a, b = before.dense(name), after.dense(name)
        assert a.any(), f"{name} is silent: the test shows nothing"
        np.testing.assert_array_equal(b[shift:], a[: STEPS - shift], err_msg=name)
        assert not b[:shift].any()


def test_skip_connection_and_self_recurrence_only_shift() -> None:
    source = same_step(
        {
            "in->a": Projection("in", "a", dense(5, 6)),
            "a->a": Projection("a", "a", dense(5, 5, 0.2), delay=1e-3),
            "a->b": Projection("a", "b", dense(4, 5)),
            "b->c": Projection("b", "c", dense(3, 4)),
            "in->c": Projection("in", "c", dense(3, 6)),
            "a->c": Projection("a", "c", dense(3, 5), delay=2e-3),
        },
        {"in": Population(Input, 6), "a": lif(5), "b": lif(4), "c": lif(3)},
    )
    check_shifted(source, {"a": 0, "b": 1, "c": 2})
    _, changes = Retime()(source, 0)
    assert [str(c) for c in changes] == [
        "retime: c: answers 2 steps later — every population emits at the end of its step"
    ]


def test_a_loop_that_is_long_enough_only_shifts() -> None:
    source = same_step(
        {
            "in->a": Projection("in", "a", dense(5, 6)),
            "a->b": Projection("a", "b", dense(4, 5)),
            "b->a": Projection("b", "a", dense(5, 4, 0.2), delay=2e-3),
        },
        {"in": Population(Input, 6), "a": lif(5), "b": lif(4)},
    )
    check_shifted(source, {"a": 0, "b": 1})


def test_a_delayed_way_forward_moves_what_comes_after_it() -> None:
    source = same_step(
        {
            "in->a": Projection("in", "a", dense(5, 6)),
            "a->b": Projection("a", "b", dense(4, 5)),
            "b->c": Projection("b", "c", dense(4, 4), delay=1e-3),
            "c->d": Projection("c", "d", dense(3, 4), delay=1e-3),
        },
        {"in": Population(Input, 6), "a": lif(5), "b": lif(4), "c": lif(4), "d": lif(3)},
    )
    check_shifted(source, {"a": 0, "b": 1, "c": 1, "d": 1})


def test_stages_without_state_cost_no_step() -> None:
    source = same_step(
        {
            "in->r": Projection("in", "r", dense(5, 6)),
            "r->a": Projection("r", "a", dense(5, 5)),
            "a->b": Projection("a", "b", dense(4, 5)),
        },
        {"in": Population(Input, 6), "r": Population(Relay, 5), "a": lif(5), "b": lif(4)},
    )
    check_shifted(source, {"a": 0, "b": 1})


def test_a_loop_that_is_too_short_is_listed() -> None:
    source = same_step(
        {
            "in->a": Projection("in", "a", dense(5, 6)),
            "a->b": Projection("a", "b", dense(4, 5)),
            "b->a": Projection("b", "a", dense(5, 4), delay=1e-3),
        },
        {"in": Population(Input, 6), "a": lif(5), "b": lif(4)},
    )
    retimed, changes = Retime()(source, 0)
    assert retimed.delay_steps("b->a") == 0
    assert any(
        str(c)
        == "retime: b->a: arrives 1 steps later than in the source — a loop through several populations takes "
        "one step for each of them"
        for c in changes
    )


def test_a_bias_behind_other_populations_is_listed() -> None:
    source = same_step(
        {
            "in->a": Projection("in", "a", dense(5, 6)),
            "a->b": Projection("a", "b", dense(4, 5), bias=np.full(4, 0.1)),
        },
        {"in": Population(Input, 6), "a": lif(5), "b": lif(4)},
    )
    _, changes = Retime()(source, 0)
    assert "b: runs 1 steps by itself before its first input arrives" in str(changes[-1])


def test_a_network_that_emits_at_the_end_of_steps_stays_itself() -> None:
    source = Network(
        dt=1e-3,
        populations={"in": Population(Input, 6), "a": lif(5)},
        projections={"in->a": Projection("in", "a", dense(5, 6))},
    )
    assert Retime()(source, 0) == (source, ())


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), max_size=8))
def test_any_graph_gets_delays_of_at_least_a_step(edges: list[tuple[int, int, int]]) -> None:
    names = ["in", "a", "b", "c", "d"]
    projections = {"first": Projection("in", "a", dense(2, 2))}
    for number, (pre, post, delay) in enumerate(edges):
        steps = delay + (1 if pre >= post else 0)
        target = names[post] if post else "a"
        pre_name = names[pre]
        if pre_name != "in" and names.index(target) <= pre:
            steps = max(steps, 1)
        projections[f"p{number}"] = Projection(pre_name, target, dense(2, 2), delay=steps * 1e-3)
    populations = {"in": Population(Input, 2)} | {n: lif(2) for n in names[1:]}
    source = same_step(projections, populations)
    retimed, changes = Retime()(source, 0)
    late = {c.where for c in changes if "arrives" in c.what}
    for name in projections:
        assert retimed.delay_steps(name) >= 0
    if not late:  # every way through the network takes the same time relative to its ends
        x = (np.random.default_rng(1).random((30, 1, 2)) < 0.5).astype(float)
        before = run(source, {"in": x}, engine="reference")
        after = run(retimed, {"in": x}, engine="reference")
        for name in names[1:]:
            first = before.dense(name)
            for shift in range(6):
                if np.array_equal(after.dense(name)[shift:], first[: 30 - shift]):
                    break
            else:
                pytest.fail(f"{name} is not the source shifted")
