import ast

import numpy as np
import pytest

from spikewright.engines.program import lower
from spikewright.engines.synapses import RuleProgram, start_synapses
from spikewright.network import Dense, Input, Network, Population, Projection, Rule, Sparse
from spikewright.network.plasticity import (
    RULES,
    ClopathSTDP,
    DiehlCook,
    GapJunction,
    PairSTDP,
    RewardSTDP,
    TsodyksMarkram,
)
from spikewright.testing.synapses import Forced, case, forced


def rule_of(network: Network) -> RuleProgram:
    found = lower(network).projections[0].rule
    assert found is not None
    return found


def text(assignments: object) -> dict[str, str]:
    return {v: ast.unparse(tree) for v, tree in assignments}  # type: ignore[attr-defined]


def test_rows() -> None:
    sparse = Sparse.from_edges(
        [0, 0, 0, 2, 2], [0, 1, 2, 0, 2], [0.1, 0.2, 0.3, 0.4, 0.5], n_pre=3, n_post=3
    )
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "out": Population(Forced, 3)},
        projections={
            "s": Projection(
                "in",
                "out",
                sparse,
                "synapses",
                np.array([4, 1, 4, 0, 2]) * 1e-3,
                rule=Rule(PairSTDP),
            )
        },
    )
    rows = rule_of(net).rows
    assert rows.n == 4
    assert rows.of_source.tolist() == [0, 2, 2, 4]
    assert rows.lag.tolist() == [1, 4, 0, 2]
    assert rows.start.tolist() == [0, 1, 3, 4, 5]
    assert rows.synapse.tolist() == [1, 0, 2, 3, 4]
    assert rows.of_synapse.tolist() == [1, 0, 1, 2, 3]
    incoming = rule_of(net).incoming
    assert incoming.start.tolist() == [0, 2, 3, 5]
    assert incoming.synapse.tolist() == [0, 3, 1, 2, 4]


def test_one_delay_is_one_row_per_source() -> None:
    rows = rule_of(forced(Rule(PairSTDP), np.ones((2, 3)), delay=5e-3)).rows
    assert rows.of_source.tolist() == [0, 1, 2, 3]
    assert rows.lag.tolist() == [5, 5, 5]


def test_no_synapses() -> None:
    empty = Sparse.from_matrix(np.zeros((3, 2)))
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 2), "out": Population(Forced, 3)},
        projections={"s": Projection("in", "out", empty, "synapses", rule=Rule(PairSTDP))},
    )
    assert rule_of(net).rows.n == 0
    assert rule_of(net).rows.start.tolist() == [0]


def test_assignments_are_sorted_by_what_they_change() -> None:
    program = rule_of(forced(Rule(PairSTDP), [[1.0]]))
    assert text(program.pre_synaptic) == {"w": "clip(w - a_minus * y, 0, w_max)"}
    assert text(program.pre_row) == {"x": "x + 1"}
    assert text(program.post_synaptic) == {"w": "clip(w + a_plus * x, 0, w_max)"}
    assert text(program.post_neuron) == {"y": "y + 1"}
    assert program.constants["dt"] == 1e-3
    assert set(program.decays) == {"x", "y"}
    assert program.moving == ()


def test_what_follows_the_neuron() -> None:
    program = rule_of(case(ClopathSTDP)[0])
    assert [v for v, _ in program.follow] == ["u_minus", "u_plus"]
    assert set(program.decays) == {"x"}
    assert program.constants["_gain_u_plus"] == pytest.approx(1 - np.exp(-1e-4 / 7e-3))
    assert program.post_event is not None


def test_periods_signals_currents() -> None:
    assert rule_of(forced(Rule(DiehlCook, {"t_norm": 20e-3}), [[1.0]])).every == 20
    program = rule_of(forced(Rule(RewardSTDP), [[1.0]]))
    assert text(program.on_signal) == {"w": "clip(w + eta * reward * e, 0, w_max)"}
    assert program.every == 0
    gap = rule_of(case(GapJunction)[0])
    assert gap.send is None
    assert gap.current is not None


def test_what_an_event_touches() -> None:
    program = rule_of(forced(Rule(RewardSTDP), [[1.0]]))
    assert program.moving == ("e",)
    assert program.touches(program.pre_synaptic, program.send)
    assert program.touches(program.on_signal)
    assert not program.touches((), program.send)


def test_plastic_projections_do_not_lengthen_the_ring() -> None:
    net = forced(Rule(PairSTDP), [[1.0]], delay=9e-3)
    assert lower(net).ring["out", "synapses"] == 1
    assert lower(net.without_rules()).ring["out", "synapses"] == 10


@pytest.mark.parametrize("graded", [False, True])
def test_start(graded: bool) -> None:
    net = forced(Rule(TsodyksMarkram), [[1.0, 2.0]], delay=[[0.0, 1e-3]])
    q = lower(net).projections[0]
    assert q.rule is not None
    found = start_synapses(q.rule, q.synapses, batch=3, graded=graded)
    assert found.values["w"].tolist() == [[1.0, 2.0]] * 3
    assert found.pre["x"].tolist() == [[1.0, 1.0]] * 3
    assert found.touched.shape == (3, 0)
    assert (found.underway.value is None) != graded


@pytest.mark.parametrize("model", RULES.values(), ids=lambda m: m.name)
def test_order_of_declaration_does_not_matter(model) -> None:
    turned = model.variant(
        model.name,
        **{
            part: dict(reversed(getattr(model, part).items()))
            for part in ("params", "pre", "post", "state", "reads", "dynamics", "initial")
        },
    )
    one = rule_of(forced(Rule(model), [[1.0]])) if not model.reads else rule_of(case(model)[0])
    other = rule_of(forced(Rule(turned), [[1.0]])) if not model.reads else rule_of(case(turned)[0])
    assert text(one.pre_synaptic) == text(other.pre_synaptic)
    assert one.initial == other.initial
    assert one.constants == other.constants


def test_dense_maps_are_taken() -> None:
    assert isinstance(forced(Rule(PairSTDP), [[1.0]]).projections["s"].topology, Dense)
