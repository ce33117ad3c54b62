import numpy as np
import pytest

import spikewright as sw
from spikewright.engines import planner
from spikewright.engines.cpu import Cpu
from spikewright.errors import EngineError
from spikewright.network import (
    LIF,
    AllToAll,
    Bernoulli,
    Choice,
    Conv,
    CubaLIF,
    Dense,
    DiehlCookExcitatory,
    ExpCurrentLIF,
    FixedInDegree,
    Input,
    Network,
    Normal,
    PoissonDrive,
    Population,
    Projection,
    Sparse,
)
from spikewright.network.plasticity import PairSTDP
from spikewright.network.synapse import Rule

N = 300


def network(topology, *, delay=2e-3, model=LIF, pre=None, **fields):
    return Network(
        dt=1e-3,
        populations={"a": Population(Input, pre or N), "b": Population(model, N)},
        projections={"p": Projection("a", "b", topology, delay=delay)},
        **fields,
    )


def few(values):
    """Return a list of edges with few different weights, each pair once."""
    pre, post = np.divmod(np.arange(N * N)[::8], N)
    return Sparse.from_edges(
        pre, post, np.asarray(values)[np.arange(len(pre)) % len(values)], n_pre=N, n_post=N
    )


@pytest.mark.parametrize(
    ("topology", "delay", "form"),
    [
        (Dense(np.arange(N * N, dtype=float).reshape(N, N)), 2e-3, "matrix, float64"),
        (Bernoulli(N, 0.2, weights=0.5), 2e-3, "bitmap, one weight"),
        (Bernoulli(N, 0.01, weights=0.5), 2e-3, "rows, uint16 targets, one weight, one lag"),
        (FixedInDegree(N, 60, weights=0.5), 2e-3, "rows, uint16 targets, one weight, one lag"),
        (
            FixedInDegree(N, 60, weights=0.5),
            Normal(5e-3, 1e-3, low=1e-3, high=9e-3),
            "rows, uint16 targets, one weight, uint8 lags",
        ),
        (
            FixedInDegree(N, 9, weights=Normal(1.0, 0.1)),
            2e-3,
            "rows, uint16 targets, float32, one lag",
        ),
        (
            FixedInDegree(N, 9, weights=Normal(1.0, 0.1), dtype="float16"),
            0.4,
            "rows, uint16 targets, float16, one lag",
        ),
        (
            FixedInDegree(N, 9, weights=Choice([0.5, -0.5], [0.8, 0.2])),
            2e-3,
            "rows, uint16 targets, weight codes, one lag",
        ),
        (few([0.1, 0.2, 0.3]), 2e-3, "rows, uint16 targets, weight codes, one lag"),
        (few([0.5]), 2e-3, "bitmap, one weight"),
        (
            few([0.5]),
            1e-3 * (np.arange(len(few([0.5]).target)) % 300),
            "rows, uint16 targets, one weight, uint16 lags",
        ),
        (AllToAll(N, weights=0.5), 2e-3, "bitmap, one weight"),
    ],
)
def test_the_plan_is_what_is_built(topology, delay, form):
    net = network(topology, delay=delay)
    planned = planner.plan(net).projections["p"]
    built = Cpu().prepare(net).own.stored["p"]
    assert str(planned.form) == str(built.form) == form
    assert planned.n == pytest.approx(built.n, rel=0.05)
    assert planned.size == pytest.approx(built.bytes, rel=0.1)


def test_many_targets_need_wide_numbers_unless_threads_share_them():
    net = Network(
        dt=1e-3,
        populations={"a": Population(Input, 2), "b": Population(LIF, 70_000)},
        projections={"p": Projection("a", "b", FixedInDegree(70_000, 1), delay=1e-3)},
    )
    forms = [planner.plan(net, threads=n).projections["p"].form.target for n in (1, 2)]
    assert forms == ["int32", "uint16"]


def test_a_list_that_names_a_pair_twice_is_no_bitmap():
    twice = Sparse.from_edges(
        np.repeat(np.arange(N), 40), np.tile(np.arange(20), 2 * N), 0.5, n_pre=N, n_post=N
    )
    assert planner.plan(network(twice)).projections["p"].form.kind == "rows"
    assert Cpu().prepare(network(twice)).own.stored["p"].form.kind == "rows"


def test_images_share_few_weights():
    conv = Conv(np.arange(27.0).reshape(1, 3, 3, 3), padding=1)
    net = Network(
        dt=1e-3,
        populations={"a": Population(Input, (3, 16, 16)), "b": Population(LIF, (1, 16, 16))},
        projections={"p": Projection("a", "b", conv)},
    )
    assert planner.plan(net).projections["p"].form.weight == "code"


def test_modes_and_their_reasons():
    rest = np.where(np.arange(2000) < 20, 2.0, 0.0)
    net = Network(
        dt=1e-4,
        populations={
            "in": Population(Input, 10),
            "quiet": Population(CubaLIF, 2000, {"v_rest": rest}),
            "driven": Population(CubaLIF, 2000),
        },
        projections={
            "in": Projection("in", "quiet", FixedInDegree(2000, 3, seed=1), delay=1e-3),
            "on": Projection("quiet", "driven", FixedInDegree(2000, 3, seed=2), delay=1e-3),
        },
        drives={"d": PoissonDrive("driven", 10.0, 0.1)},
    )
    modes = {
        n: (p.mode, p.why) for n, p in planner.plan(net, precision="single").populations.items()
    }
    assert modes["in"] == ("replay", "it sends what enters")
    assert modes["quiet"] == ("lazy", "linear, and 0.01 of its neurons fire without input")
    assert modes["driven"] == ("every step", "something drives it at every step")
    double = planner.plan(net).populations
    assert double["quiet"].mode == "batch", "to the bit, unless it is asked for"
    assert planner.plan(net, lazy=True).populations["quiet"].mode == "lazy"
    assert planner.plan(net, precision="single", lazy=False).populations["quiet"].mode == "batch"


def test_the_shortest_delay_decides_how_long_threads_run_alone():
    net = Network(
        dt=1e-4,
        populations={"a": Population(LIF, 10), "b": Population(LIF, 10)},
        projections={
            "long": Projection("a", "b", FixedInDegree(10, 2), delay=2e-3),
            "short": Projection("b", "a", FixedInDegree(10, 2), delay=1.4e-3),
        },
    )
    plan = planner.plan(net)
    assert (plan.together, plan.why_together) == (15, "the delay of 'short'")
    assert "15 step(s) at a time: the delay of 'short'" in plan.text()


def test_a_rule_is_planned_too():
    net = Network(
        dt=1e-3,
        populations={"a": Population(Input, N), "b": Population(LIF, N)},
        projections={
            "p": Projection("a", "b", FixedInDegree(N, 10), delay=1e-3, rule=Rule(PairSTDP))
        },
    )
    plan = planner.plan(net)
    assert plan.projections["p"].what == "synapses with the rule PairSTDP"
    assert plan.projections["p"].n == 10 * N
    assert plan.seconds(10.0) > plan.seconds(1.0) > 0


def test_more_than_the_memory_is_refused_with_both_figures(monkeypatch):
    net = network(FixedInDegree(N, 200))
    monkeypatch.setattr(planner, "available_memory", lambda: 1000.0)
    with pytest.raises(EngineError, match=r"network: needs 0\.0\d GiB, has 0\.00 GiB — make it"):
        sw.run(net, steps=1)


def test_a_state_that_single_precision_cannot_move_is_refused():
    net = Network(
        dt=1e-3, populations={"n": Population(DiehlCookExcitatory, 2, {"tau_theta": [1e5, 10.0]})}
    )
    with pytest.raises(
        EngineError, match=r"n\.theta: decays too slowly for single precision; found 1e-08 of it"
    ):
        sw.run(net, steps=1, precision="single")
    sw.run(net, steps=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "half"}, r"precision: unknown; found 'half', expected 'double' or 'single'"),
        ({"threads": 0}, r"threads: needs one; found 0, expected 1 or more"),
    ],
)
def test_options_are_checked(options, message):
    net = Network(dt=1e-3, populations={"n": Population(ExpCurrentLIF, 2)})
    for call in (lambda: sw.run(net, steps=1, **options), lambda: sw.plan(net, **options)):
        with pytest.raises(EngineError, match=message):
            call()


def test_a_prepared_network_keeps_its_options():
    net = Network(dt=1e-3, populations={"n": Population(ExpCurrentLIF, 2)})
    ready = sw.prepare(net, precision="single")
    assert sw.run(ready, steps=3, precision="single").engine == "cpu"
    with pytest.raises(
        EngineError, match=r"run\(precision=\): the network was prepared otherwise; found 'double'"
    ):
        sw.run(ready, steps=3, precision="double")
    with pytest.raises(EngineError, match=r"run\(lazy=\): the network was prepared otherwise"):
        sw.run(ready, steps=3, lazy=True)
    with pytest.raises(
        EngineError, match="prepared by another engine; found cpu, expected reference"
    ):
        sw.run(ready, steps=3, engine="reference")
