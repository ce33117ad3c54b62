"""Synapses with a rule on the compiled engine: what the reference does, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.engines import history
from spikewright.engines.cpu import Cpu
from spikewright.engines.recording import Recording
from spikewright.engines.reference import Reference
from spikewright.network import (
    LIF,
    Conv,
    CubaLI,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Rule,
    Sparse,
)
from spikewright.network.plasticity import RULES, GapJunction, PairSTDP, RewardSTDP
from spikewright.rng import stream
from spikewright.testing.engine_suite import assert_same, assert_same_synapses
from spikewright.testing.synapses import CASES, case, forced

STDP = Rule(PairSTDP)


def recorded(network: Network) -> dict[str, tuple[str, ...]]:
    return {n: (*p.model.state, "output") for n, p in network.populations.items()}


def compare(
    network: Network, inputs: Any, threads: tuple[int, ...] = (1, 3), **options: Any
) -> Recording:
    """Run on both engines, compare, and return what the reference found."""
    options = {"record": recorded(network)} | options
    expected = Reference().run(network, inputs, **options)
    for n in threads:
        assert_same(Cpu().run(network, inputs, threads=n, **options), expected)
    return expected


@pytest.mark.parametrize("name", CASES)
def test_every_rule(name: str) -> None:
    network, inputs = case(RULES[name])
    whole = compare(network, inputs)
    before = {n: x[:47] for n, x in inputs.items()}
    after = {n: x[47:] for n, x in inputs.items()}
    for one, other in ((Cpu(), Cpu()), (Cpu(), Reference()), (Reference(), Cpu())):
        first = one.run(network, before)
        second = other.run(network, after, state=first.state)
        assert_same_synapses(second.state.synapses, whole.state.synapses)
        for population, values in whole.state.values.items():
            for variable, value in values.items():
                assert np.array_equal(second.state.values[population][variable], value)


@pytest.mark.parametrize("name", ["PairSTDP", "RewardSTDP", "GapJunction", "TsodyksMarkram"])
def test_single_precision_is_close(name: str) -> None:
    network, inputs = case(RULES[name])
    expected = Reference().run(network, inputs)
    found = Cpu().run(network, inputs, precision="single")
    for projection, synapses in expected.state.synapses.items():
        for variable, value in synapses.values.items():
            other = found.state.synapses[projection].values[variable]
            np.testing.assert_allclose(other, value, rtol=2e-5, atol=2e-5 * np.abs(value).max())


def test_more_post_events_between_two_arrivals_than_are_kept() -> None:
    network = forced(STDP, np.full((3, 2), 0.5), delay=[[0, 2e-3], [1e-3, 0], [0, 0]])
    steps = 5 * history.DEPTH
    x, fire = np.zeros((steps, 2, 2)), np.zeros((steps, 2, 3))
    x[[3, 4, steps - 9], :, :] = 1
    x[2 * history.DEPTH + 11, 0, 1] = 1
    fire[5:, :, 0] = 1
    fire[7 : 7 + history.DEPTH, :, 1] = 1
    fire[9 : 9 + history.DEPTH + 1, 1, 2] = 1
    compare(network, {"in": x, "out.fire": fire}, threads=(1,))
    # one short of an overflow, then the state, then more
    cut = 6 + history.DEPTH
    whole = Reference().run(network, {"in": x, "out.fire": fire})
    first = Cpu().run(network, {"in": x[:cut], "out.fire": fire[:cut]})
    second = Cpu().run(network, {"in": x[cut:], "out.fire": fire[cut:]}, state=first.state)
    assert_same_synapses(second.state.synapses, whole.state.synapses)


def test_beside_projections_of_every_other_kind() -> None:
    draw = stream(0, "beside")
    conv = Conv(draw.normal(0.2, 0.3, (2, 1, 3, 3)), padding=1)
    some = np.where(draw.random((72, 72)) < 0.2, draw.normal(0.1, 0.3, (72, 72)), 0.0)
    network = Network(
        dt=1e-3,
        populations={
            "in": Population(Input, (1, 6, 6)),
            "a": Population(LIF, (2, 6, 6), {"t_ref": 2e-3}),
            "b": Population(LIF, 70),
            "out": Population(CubaLI, 3),
        },
        projections={
            "conv": Projection("in", "a", conv),
            "learned": Projection("in", "a", Dense(draw.uniform(0, 0.2, (72, 36))), delay=2e-3, rule=STDP),
            "again": Projection("a", "a", Sparse.from_matrix(some), delay=3e-3),
            "a->b": Projection("a", "b", Dense(draw.normal(0.05, 0.1, (70, 72))), rule=STDP),
            "b->b": Projection("b", "b", Dense(draw.normal(0, 0.1, (70, 70))), "i", 1e-3),
            "b->out": Projection("b", "out", Dense(draw.normal(0, 0.3, (3, 70)))),
            "a->out": Projection("a", "out", Dense(draw.normal(0, 0.1, (3, 72)))),
        },
    )  # fmt: skip
    x = (draw.random((60, 2, 1, 6, 6)) < 0.15) * draw.uniform(0.5, 2.0, (60, 2, 1, 6, 6))
    found = compare(network, {"in": x}, threads=(1, 3))
    assert found.sent["a"].sum() > 50
    assert found.sent["b"].sum() > 50


@pytest.mark.parametrize("shortest", [1, 4])
def test_hundreds_of_neurons_on_each_other(shortest: int) -> None:
    draw = stream(1, "hundreds")
    n = 260
    some = Sparse.from_matrix(
        np.where(draw.random((n, n)) < 0.05, draw.uniform(0.0, 0.3, (n, n)), 0.0)
    )
    delay = draw.integers(shortest, shortest + 9, some.weights.size) * 1e-3
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 40), "a": Population(LIF, n, {"t_ref": 1e-3})},
        projections={
            "in->a": Projection("in", "a", Dense(draw.normal(0.1, 0.3, (n, 40)))),
            "a->a": Projection("a", "a", some, delay=delay, rule=STDP),
        },
    )
    x = (draw.random((70, 1, 40)) < 0.1).astype(float)
    found = compare(network, {"in": x}, threads=(1, 2, 3))
    assert found.sent["a"].sum() > 300


def test_signals_and_threads() -> None:
    draw = stream(2, "signals")
    network = forced(Rule(RewardSTDP), draw.uniform(0, 1, (150, 5)), delay=1e-3)
    inputs = {
        "in": 1.0 * (draw.random((50, 1, 5)) < 0.2),
        "out.fire": 1.0 * (draw.random((50, 1, 150)) < 0.1),
        "s.reward": np.where(draw.random((40, 1)) < 0.1, 0.5, 0.0),
    }
    compare(network, inputs, threads=(2, 3), steps=55)


@pytest.mark.parametrize("threads", [2, 3])
def test_gap_junctions_and_threads(threads: int) -> None:
    draw = stream(3, "gaps")
    n = 150
    pairs = np.triu(draw.random((n, n)) < 0.05, 1)
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 20), "a": Population(LIF, n)},
        projections={
            "in": Projection("in", "a", Dense(draw.normal(0.1, 0.3, (n, 20))), delay=1e-3),
            "gaps": Projection(
                "a", "a", Sparse.from_matrix(0.2 * (pairs | pairs.T)), "i", rule=Rule(GapJunction)
            ),
        },
    )
    x = 1.0 * (draw.random((40, 1, 20)) < 0.2)
    found = compare(network, {"in": x}, threads=(1, threads))
    assert found.sent["a"].sum() > 50


def test_learned_weights_are_those_of_the_reference() -> None:
    network, inputs = case(PairSTDP, batch=1)
    one, other = Reference().run(network, inputs).learned(), Cpu().run(network, inputs).learned()
    assert np.array_equal(
        one.projections["s"].topology.weights, other.projections["s"].topology.weights
    )
