from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import LIF, Dense, Input, Network, OneToOne, Population, Projection, Sparse
from spikewright.network.graph import Propagation
from spikewright.substrates.loihi.model import LoihiInput, LoihiLIF
from spikewright.substrates.passes.relay import RelayDelays, SplitFanOut

DT = 1e-3


def network(seed: int, longest: int) -> Network:
    """Random delays per synapse, a loop, a bias, and a shared delay."""
    draw = np.random.default_rng(seed)
    delays = draw.integers(1, longest + 1, (5, 4)) * DT
    return Network(
        dt=DT,
        populations={"in": Population(Input, 4), "a": Population(LIF, 5, {"tau_m": 8e-3}), "b": Population(LIF, 6)},
        projections={
            "in->a": Projection("in", "a", Dense(draw.uniform(2, 9, (5, 4))), delay=delays, bias=np.full(5, 0.2)),
            "a->b": Projection("a", "b", Dense(draw.uniform(5, 15, (6, 5))), delay=longest * DT),
            "a->a": Projection("a", "a", OneToOne(np.full(5, 3.0)), delay=draw.integers(1, longest + 1, 5) * DT),
        },
        outputs=("a", "b"),
    )  # fmt: skip


def spikes(net: Network, seed: int) -> dict[str, list[list[int]]]:
    draw = np.random.default_rng(seed)
    sent = np.zeros((60, 1, 4))
    sent[:40] = draw.random((40, 1, 4)) < 0.2
    found = run(net, {"in": sent}, engine="reference")
    return {p: np.argwhere(found.dense(p)).tolist() for p in ("a", "b")}


@settings(max_examples=6)
@given(st.integers(0, 10_000), st.integers(0, 4))
def test_relays_change_no_spike(seed: int, limit: int) -> None:
    net = network(seed, 7)
    made, changes = RelayDelays(limit)(net, 0)
    assert all(made.delay_range(q)[1] <= limit for q in made.projections)
    assert len(changes) == 2
    before = spikes(net, seed)
    assert before["b"], "the comparison is not of nothing"
    assert spikes(made, seed) == before


def test_whole_numbers_are_relayed_as_such() -> None:
    params = {"du": 4095, "dv": 0, "v_th": 300}
    delays = np.array([[1, 6], [3, 0]])
    net = Network(
        dt=DT,
        populations={"in": Population(LoihiInput, 2), "a": Population(LoihiLIF, 2, params)},
        projections={"in->a": Projection("in", "a", Dense(np.array([[90, 70], [50, 80]])), delay=delays * DT)},
    )  # fmt: skip
    sent = np.random.default_rng(0).integers(0, 2, (60, 1, 2))
    before = run(net, {"in": sent}, engine="reference").dense("a")
    assert before.any()
    for change in (RelayDelays(1), RelayDelays(0), SplitFanOut(2)):
        made, _ = change(net, 0)
        np.testing.assert_array_equal(
            run(made, {"in": sent}, engine="reference").dense("a"), before
        )


def test_relays_are_shared_and_listed() -> None:
    net = network(0, 7)
    made, changes = RelayDelays(3)(net, 0)
    assert made.populations["a.delay1"].n == 5
    assert "a.delay2" not in made.populations
    assert str(changes[1]).startswith(
        "relay: a: 5 relay neurons in 1 stages hold delays above 3 steps"
    )
    assert RelayDelays(7)(net, 0) == (net, ())


@settings(max_examples=6)
@given(st.integers(0, 10_000), st.integers(4, 8))
def test_splitters_change_no_spike_where_there_is_delay(seed: int, limit: int) -> None:
    net = network(seed, 5)
    made, changes = SplitFanOut(limit)(net, 0)
    fan = {
        name: sum(
            made.projections[q].topology.effective_fan_out(p.shape) for q in made.outgoing(name)
        )
        for name, p in made.populations.items()
    }
    assert all(np.max(f) <= limit for f in fan.values())
    assert not any("later" in c.what for c in changes)
    assert spikes(made, seed) == spikes(net, seed)


def test_splitters_without_delay_are_listed() -> None:
    net = Network(
        dt=DT,
        populations={"in": Population(Input, 2), "a": Population(LIF, 9)},
        projections={"in->a": Projection("in", "a", Dense(np.ones((9, 2))))},
    )
    made, changes = SplitFanOut(4)(net, 0)
    assert made.populations["in.splitter"].n == 4
    assert [c.what for c in changes] == [
        "4 splitter neurons serve a fan-out of up to 9",
        "14 synapses without delay arrive one step later",
    ]
    with pytest.raises(LimitError) as caught:
        SplitFanOut(2)(net, 0)
    assert str(caught.value) == (
        "split: neuron 0 of population 'in': reaches more than one layer of splitters serves;"
        " found 9 synapses, expected 4 at most — prune its synapses"
    )
    assert SplitFanOut(9)(net, 0) == (net, ())


def test_what_relays_cannot_pass_on_is_refused() -> None:
    net = network(0, 7)
    with pytest.raises(SubstrateError, match="relays take a step each; found same_step"):
        RelayDelays(3)(replace(net, propagation=Propagation.SAME_STEP), 0)
    with pytest.raises(SubstrateError, match="relay: limit: not possible; found -1"):
        RelayDelays(-1)
    with pytest.raises(SubstrateError, match="split: limit: not possible; found 1"):
        SplitFanOut(1)
    graded = LIF.variant("GradedLIF", output="2 * v")
    sparse = Sparse.from_edges([0], [0], 1.0, n_pre=1, n_post=1)
    net = Network(
        dt=DT,
        populations={"a": Population(graded, 1), "b": Population(LIF, 1)},
        projections={"a->b": Projection("a", "b", sparse, delay=9 * DT)},
    )
    with pytest.raises(SubstrateError, match="sends more than spikes"):
        RelayDelays(3)(net, 0)
