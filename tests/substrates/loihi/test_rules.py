from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import SubstrateError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection, Sparse
from spikewright.network.plasticity import PairSTDP, PairSTDPNearest
from spikewright.network.synapse import Rule
from spikewright.substrates.loihi.learning import Stdp
from spikewright.substrates.loihi.model import Arithmetic
from spikewright.substrates.loihi.rules import MANTISSA_MAX, amplitude, learn
from spikewright.substrates.loihi.substrate import Loihi

VALUES = {"w_max": 0.4, "a_plus": 0.03, "a_minus": 0.02, "tau_plus": 10e-3, "tau_minus": 10e-3}
STEPS = 400


def taught(rule: Rule | None = None, **projection: Any) -> Network:
    """Return two inputs that learn onto a neuron, and a teacher that makes it fire."""
    w = {"topology": Dense(np.full((1, 2), 0.2)), "rule": rule or Rule(PairSTDP, VALUES)}
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 2),
            "teach": Population(Input, 1),
            "out": Population(LIF, 1, {"tau_m": 5e-3}),
        },
        projections={
            "w": Projection("in", "out", **(w | projection)),
            "teach": Projection("teach", "out", Dense(np.array([[3.0]]))),
        },
    )


def before_and_after() -> dict[str, np.ndarray]:
    """Return inputs of which the first comes 3 steps before each spike of the teacher, the second 3 steps after."""
    x = {"in": np.zeros((STEPS, 1, 2), int), "teach": np.zeros((STEPS, 1, 1), int)}
    x["teach"][20::40] = 1
    x["in"][17::40, 0, 0] = 1
    x["in"][23::40, 0, 1] = 1
    return x


def weights(network: Network) -> np.ndarray:
    return np.asarray(network.projections["w"].topology.weight)


@pytest.mark.parametrize("epoch", [1, 4])
def test_it_learns_what_the_rule_learns(epoch: int) -> None:
    network, x = taught(), before_and_after()
    real = run(network, x, engine="reference")
    expected = weights(real.learned())
    assert expected[0, 0] == VALUES["w_max"]
    assert expected[0, 1] < 0.06
    compiled = Loihi(epoch=epoch).compile(network)
    unit = weights(compiled.network)[0, 0] / 0.2
    learned = learn(compiled, x, engine="reference")
    # 16 units of a trace are 1; traces and weights are rounded in every epoch
    assert np.allclose(weights(learned.network) / unit, expected, atol=0.015)
    assert np.array_equal(
        run(learned.network, x).sent["out"], run(learned.network, x, engine="reference").sent["out"]
    )


def test_learning_is_the_engine_that_the_vectors_check_step_by_step() -> None:
    compiled, x = Loihi(epoch=2).compile(taught()), before_and_after()
    rule = compiled.facts["learning"]["w"]
    assert (rule.tau_plus, rule.top, rule.epoch) == (10.0, 254, 2)
    stdp = Stdp(
        weights(compiled.network),
        tau_plus=rule.tau_plus,
        tau_minus=rule.tau_minus,
        a_plus=rule.a_plus,
        a_minus=rule.a_minus,
        epoch=2,
        seed=5,
        low=0,
        high=254,
    )
    state = None
    for k in range(STEPS):
        now = {name: value[k : k + 1] for name, value in x.items()}
        network = compiled.network.with_weights({"w": stdp.weight})
        recording = run(network, now, state=state, engine="reference")
        state = recording.state
        stdp.observe(k + 1, now["in"][0, 0], recording.dense("out")[0, 0])
    assert np.array_equal(weights(learn(compiled, x, seed=5).network), stdp.weight)


def test_changes_say_what_becomes_of_the_rule() -> None:
    compiled = Loihi(epoch=8).compile(taught())
    change = next(c for c in compiled.changes if c.where == "w" and "STDP" in c.what)
    assert "every 8 steps" in change.what
    assert 0 < change.size < 0.01
    assert compiled.network.projections["w"].rule is None


def test_no_weight_that_is_learned_can_make_a_register_wrap() -> None:
    weak = taught(Rule(PairSTDP, VALUES | {"w_max": 0.2}))
    strong = taught(Rule(PairSTDP, VALUES | {"w_max": 500.0, "a_plus": 40.0, "a_minus": 40.0}))
    scales = [Loihi().compile(n).facts["scale"]["out"] for n in (weak, strong)]
    # 2 x 500 V of current must fit 24 bits, shifted by 6
    assert scales[1] * 64 * 1000 < 2**23
    assert scales[0] > scales[1]


@pytest.mark.parametrize(
    ("change", "chip", "message"),
    [
        ({"rule": Rule(PairSTDPNearest)}, {}, "additive STDP of all pairs.*PairSTDP.*learned"),
        ({}, {"arithmetic": Arithmetic.CHIP}, "lava arithmetic alone"),
        ({}, {"weight_bits": 4}, "8 bits per weight.*4"),
        ({"topology": Sparse.from_matrix(np.full((1, 2), 0.2))}, {}, "only dense projections"),
        ({"delay": 3e-3}, {}, "no delay here"),
        ({"topology": Dense(np.array([[0.1, -0.1]]))}, {}, "between 0 and w_max"),
        ({"rule": Rule(PairSTDP, VALUES | {"a_minus": 1e-6})}, {}, "a_minus is finer than"),
    ],
)
def test_rules_that_cannot_be_expressed_are_refused(
    change: dict[str, Any], chip: dict[str, Any], message: str
) -> None:
    with pytest.raises(SubstrateError, match=message):
        Loihi(**chip).compile(taught(**change))


def test_learning_needs_a_rule_and_one_sample() -> None:
    compiled = Loihi().compile(taught())
    with pytest.raises(SubstrateError, match="no projection has a rule"):
        learn(replace(compiled, facts={}), before_and_after())
    with pytest.raises(SubstrateError, match="weights belong to one run"):
        learn(compiled, {"in": np.zeros((5, 2, 2), int)})


@pytest.mark.parametrize("wanted", [0.0, 0.008, 0.5, 1.2, -0.8, 100.0, 9000.0])
def test_amplitudes_are_a_mantissa_and_an_exponent(wanted: float) -> None:
    found = amplitude(wanted)
    assert abs(found - wanted) <= max(abs(wanted) / MANTISSA_MAX, 2.0**-8)
    assert (found * 2**7).is_integer()


@pytest.mark.parametrize("option", [{"epoch": 0}, {"epoch": 64}, {"input_max": 0}])
def test_options_have_a_range(option: dict[str, int]) -> None:
    with pytest.raises(SubstrateError, match="out of range"):
        Loihi(**option)
