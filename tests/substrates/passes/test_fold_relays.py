from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.network import (
    LIF,
    Dense,
    Input,
    Network,
    OneToOne,
    Population,
    Projection,
    Propagation,
    Relay,
)
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.passes.fold_relays import FoldRelays

rng = np.random.default_rng(4)


def dense(post: int, pre: int) -> Dense:
    return Dense(rng.normal(0.2, 0.4, (post, pre)))


def network(propagation: Propagation) -> Network:
    """Two inputs and a loop that meet in a relay, a second relay behind it, and two populations."""
    return Network(
        dt=1e-3,
        populations={
            "a": Population(Input, 3),
            "b": Population(Input, 4),
            "sum": Population(Relay, 6),
            "again": Population(Relay, 5),
            "one": Population(LIF, 5, {"tau_m": 8e-3}),
            "two": Population(LIF, 6, {"tau_m": 8e-3}),
        },
        projections={
            "p": Projection("a", "sum", dense(6, 3), bias=rng.normal(0, 0.05, 6)),
            "q": Projection("b", "sum", dense(6, 4), delay=2e-3),
            "loop": Projection("two", "sum", dense(6, 6), delay=1e-3),
            "r": Projection("sum", "again", dense(5, 6)),
            "s": Projection("again", "one", OneToOne(0.8), "i", bias=np.full(5, 0.1)),
            "t": Projection("sum", "two", dense(6, 6), "i"),
            "u": Projection("one", "two", dense(6, 5), "i"),
        },
        outputs=("one", "two"),
        propagation=propagation,
    )


@pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
def test_the_network_does_the_same_without_relays(propagation: Propagation) -> None:
    net = network(propagation)
    folded, changes = FoldRelays()(net, 0)
    assert set(folded.populations) == {"a", "b", "one", "two"}
    assert [c.where for c in changes] == ["sum", "again"]
    inputs = {"a": rng.random((80, 3, 3)) < 0.3, "b": rng.random((80, 3, 4)) < 0.3}
    rows = {name: x.astype(float) * 20 for name, x in inputs.items()}
    before, after = (run(n, rows, record={"two": ["v"]}) for n in (net, folded))
    for name in ("one", "two"):
        assert before.dense(name).sum() > 50
        assert np.array_equal(before.dense(name), after.dense(name))
    assert np.allclose(before.trace("two", "v"), after.trace("two", "v"), rtol=0, atol=1e-9)


def test_a_bias_that_is_sent_on_late_is_named() -> None:
    net = network(Propagation.SAME_STEP)
    late = Projection("sum", "two", dense(6, 6), "i", delay=3e-3)
    folded, changes = FoldRelays()(net.replacing(projections={"t": late}), 0)
    assert "acts from the first step on" in changes[0].what
    assert float(folded.projections["q+t"].delay) == pytest.approx(5e-3)


def test_relays_that_must_stay() -> None:
    net = network(Propagation.SAME_STEP)
    answer, _ = FoldRelays()(net.replacing(outputs=("one", "sum")), 0)
    assert set(net.populations) - set(answer.populations) == {"again"}
    again, changes = FoldRelays()(answer, 0)
    assert (set(again.populations), changes) == (set(answer.populations), ())


def test_a_chip_takes_a_network_with_relays() -> None:
    compiled = Loihi().compile(network(Propagation.SAME_STEP))
    assert {c.where for c in compiled.changes if c.by == "fold relays"} == {"sum", "again"}
    assert "sum" not in compiled.network.populations
