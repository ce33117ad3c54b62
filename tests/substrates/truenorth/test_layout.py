"""What stands in the chip spikes as the network it stands for: copies, relays, delays, faulty cores, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import (
    LIF,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Sparse,
    chain,
    dense,
    neurons,
    source,
)
from spikewright.rng import stream
from spikewright.substrates.base import Compiled
from spikewright.substrates.truenorth import layout
from spikewright.substrates.truenorth.cores import SIZE, Core, Feed, check_cores, network_of
from spikewright.substrates.truenorth.substrate import TrueNorth, cores_network

ENGINE = "reference"
STEPS = 25


def spikes(network: Network, rate: float, steps: int = STEPS) -> dict[str, Any]:
    return {
        name: (
            stream(8, f"truenorth/layout/{name}").random(
                (steps, 1, *network.populations[name].shape)
            )
            < rate
        ).astype(np.int64)
        for name in network.inputs
    }


def check_cores_spike_alike(compiled: Compiled, rate: float = 0.3, *, least: int = 20) -> None:
    """Run the lowered network and the cores; every neuron's first copy must fire in the same ticks."""
    network = compiled.network
    inputs = spikes(network, rate)
    expected = run(network, inputs, engine=ENGINE)
    found = run(cores_network(compiled), inputs, engine=ENGINE)
    for name, place in compiled.facts["tables"].first_copy.items():
        ours = np.stack([found.dense(f"core{c}.neurons")[:, 0, i] for c, i in place], axis=-1)
        wanted = expected.dense(name)[:, 0].reshape(len(ours), -1)
        assert wanted.sum() >= least, f"{name} hardly fires"
        np.testing.assert_array_equal(ours, wanted, err_msg=name)


def strong(network: Network, factor: float) -> Network:
    return network.with_weights(
        {n: factor * p.topology.weight for n, p in network.projections.items()}
    )


def test_digits_network_takes_five_cores_without_relays() -> None:
    parts = [p for n in (256, 128) for p in (dense(n), neurons(LIF, tau_m=10e-3))]
    net = chain(source(64), *parts, dense(10), neurons(LIF, tau_m=10e-3), dt=1e-3, seed=1)
    compiled = TrueNorth().compile(strong(net, 3.0))
    assert compiled.placement.n_cores == 5
    assert compiled.facts["relayed"] == []
    check_cores_spike_alike(compiled)


def recurrent() -> Network:
    parts = [p for n in (256, 128) for p in (dense(n, recurrent=True), neurons(LIF, tau_m=40e-3))]
    net = chain(source(80), *parts, dense(10), neurons(LIF, tau_m=100e-3), dt=10e-3, seed=1)
    return strong(net, 3.0)


def test_recurrent_spoken_digits_network_fits() -> None:
    compiled = TrueNorth().compile(recurrent())
    assert {c.by for c in compiled.changes} >= {"adapt", "blocks", "trinary", "registers", "copies"}
    for load in compiled.placement.load:
        assert load["axons"] <= 1
        assert load["neurons"] <= 1
    check_cores_spike_alike(compiled)


def forked(delay: int = 0) -> Network:
    """One population that two others see, and a third that sees both and the first."""
    draw = stream(9, "truenorth/forked")
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 20),
            "a": Population(LIF, 12),
            "b": Population(LIF, 16),
            "c": Population(LIF, 8),
        },
        projections={
            "in->a": Projection("in", "a", Dense(draw.normal(0.15, 0.3, (12, 20)))),
            "a->a": Projection("a", "a", Dense(draw.normal(0, 0.2, (12, 12))), delay=delay * 1e-3),
            "a->b": Projection("a", "b", Dense(draw.normal(0.2, 0.3, (16, 12)))),
            "a->c": Projection("a", "c", Dense(draw.normal(0.2, 0.3, (8, 12))), delay=2e-3),
            "b->c": Projection("b", "c", Dense(draw.normal(0.2, 0.3, (8, 16)))),
        },
        outputs=("a", "c"),
    )


def test_copies_answer_and_send() -> None:
    compiled = TrueNorth().compile(forked())
    assert compiled.facts["copies"]["a"].max() == 7, "two signs in three places, and the answer"
    check_cores_spike_alike(compiled)


@pytest.mark.parametrize("delay", [0, 1], ids=["in a loop without room", "in a loop with room"])
def test_relays_take_a_tick_and_delays_are_balanced(
    monkeypatch: pytest.MonkeyPatch, delay: int
) -> None:
    monkeypatch.setattr(layout, "COPIES", 3)
    network = forked(delay)
    compiled = TrueNorth().compile(network)
    relayed = compiled.facts["relayed"]
    assert "a" in relayed
    check_cores_spike_alike(compiled)
    late = [c.where for c in compiled.changes if "later than in the source" in c.what]
    assert late == ([] if delay else ["a->a"])
    monkeypatch.undo()
    plain = TrueNorth().compile(network)
    inputs = spikes(network, 0.3)
    before = run(plain.network, inputs, engine=ENGINE).dense("c")
    after = run(compiled.network, inputs, engine=ENGINE).dense("c")
    moved = [c for c in compiled.changes if c.where == "c" and "answers" in c.what]
    assert moved
    ticks = int(moved[0].what.split()[1])
    if delay:
        np.testing.assert_array_equal(after[ticks:], before[:-ticks])
        assert before.sum() > 20


def test_a_delay_for_each_synapse_takes_an_axon_each() -> None:
    n = 6
    draw = stream(10, "truenorth/delays")
    weights = draw.normal(0.4, 0.5, (n, n))
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, n), "a": Population(LIF, n), "b": Population(LIF, n)},
        projections={
            "in->a": Projection("in", "a", Dense(np.eye(n) * 2)),
            "a->b": Projection("a", "b", Dense(weights), delay=draw.integers(0, 4, (n, n)) * 1e-3),
            "b->b": Projection("b", "b", Sparse.from_matrix(np.roll(np.eye(n), 1, 0) * 0.8),
                               delay=np.arange(n) * 1e-3),
        },
    )  # fmt: skip
    check_cores_spike_alike(TrueNorth().compile(network))


def test_faulty_cores_are_left_out_and_change_nothing_else() -> None:
    chip = TrueNorth(faulty=((0, 0), (1, 0), (63, 63)))
    network = forked()
    compiled, whole = chip.compile(network), TrueNorth().compile(network)
    used = {tuple(xy) for xy in compiled.placement.position.tolist()}
    assert len(used) == compiled.placement.n_cores
    assert not used & set(chip.faulty)
    assert used & {tuple(xy) for xy in whole.placement.position.tolist()} != used
    for name, p in whole.network.projections.items():
        np.testing.assert_array_equal(
            compiled.network.projections[name].topology.weight, p.topology.weight
        )


@pytest.mark.parametrize("faulty", [((64, 0),), ((-1, 2),), "ab", ((1, 2, 3),)])
def test_faulty_cores_that_do_not_exist_are_refused(faulty: Any) -> None:
    with pytest.raises(SubstrateError, match="faulty: no such core"):
        TrueNorth(faulty=faulty)


def test_too_few_healthy_cores_are_refused() -> None:
    faulty = tuple((x, y) for x in range(64) for y in range(64) if (x, y) not in {(0, 0), (5, 5)})
    with pytest.raises(LimitError) as error:
        TrueNorth(faulty=faulty).compile(forked())
    text = str(error.value)
    for part in ("population 'a'", "exceeds cores", "found 3", "expected 2 healthy", " — "):
        assert part in text


def test_delays_beyond_fifteen_ticks_are_refused() -> None:
    TrueNorth().compile(forked(14))
    with pytest.raises(LimitError, match="'a->a': exceeds max_delay; found 16 ticks, expected 15"):
        TrueNorth().compile(forked(15))


def test_a_neuron_that_drives_too_many_axons_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "SIZE", 16)
    monkeypatch.setattr(layout, "COPIES", 3)
    n = 16 * 16
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 1), "a": Population(LIF, 1), "b": Population(LIF, n)},
        projections={
            "in->a": Projection("in", "a", Dense(np.ones((1, 1)))),
            "a->b": Projection("a", "b", Dense(np.ones((n, 1)))),
        },
    )
    compiled = TrueNorth().compile(network)
    assert compiled.facts["relayed"] == ["a"]
    more = replace(network.populations["b"], shape=n + 1)
    wide = replace(network.projections["a->b"], topology=Dense(np.ones((n + 1, 1))))
    with pytest.raises(LimitError, match=r"population 'a': exceeds fan_out.*found 17, expected 16"):
        TrueNorth().compile(network.replacing(populations={"b": more}, projections={"a->b": wide}))


def core(**changes: Any) -> Core:
    given: dict[str, Any] = {
        "types": np.zeros(2, np.int64),
        "crossbar": np.ones((3, 2), bool),
        "weights": np.ones((3, 4), np.int64),
        "params": {"alpha": 1},
        "start": np.zeros(3, np.int64),
        "core": np.full(3, -1),
        "axon": np.zeros(3, np.int64),
        "delay": np.ones(3, np.int64),
    }
    return Core(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.full((3, 4), 256)}, "core 0: weights: out of range; found 256"),
        ({"types": np.array([0, 4])}, "core 0: types: out of range; found 4, expected 0 to 3"),
        ({"params": {"alpha": 2**18}}, "core 0: alpha: out of range; found 262144"),
        ({"params": {"tau": 1}}, "core 0: params: no parameter 'tau'"),
        ({"core": np.array([0, -1, -1]), "axon": np.full(3, 2)}, "no such axon; found axon 2 of core 0"),
        ({"core": np.zeros(3, np.int64), "delay": np.array([1, 16, 0])}, "delay: out of range; found 16"),
        ({"start": np.zeros(2, np.int64)}, r"core 0: start: wrong shape; found \(2,\)"),
        (
            {"types": np.zeros(SIZE + 1, np.int64), "crossbar": np.ones((3, SIZE + 1), bool)},
            "core 0: too many axons; found 257, expected 256",
        ),
    ],
)  # fmt: skip
def test_cores_hold_what_their_registers_hold(changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(LimitError, match=message):
        check_cores([core(**changes)])


def test_stochastic_weights_become_synapses_that_draw_for_themselves() -> None:
    zero = np.zeros(2, np.int64)
    one = core(
        weights=np.tile([64, 3, 0, 0], (3, 1)),
        types=np.array([0, 1]),
        random=np.tile([True, False, False, False], (3, 1)),
        params={"alpha": 1000, "gamma": 2},
    )
    network = network_of([one], {"in": Feed((2,), np.arange(2), zero, np.arange(2), zero)})
    steps = 400
    inputs = np.ones((steps, 1, 2), np.int64)
    v = run(network, {"in": inputs}, seed=1, engine=ENGINE, record={"core0.neurons": ("v",)})
    added = np.diff(v.trace("core0.neurons", "v")[:, 0], axis=0)
    assert set(np.unique(added)) == {3, 4}
    wanted = 65 / 256
    assert abs((added == 4).mean() - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / added.size)
    assert len({tuple(column) for column in added.T.tolist()}) == 3, "each synapse draws its own"


@pytest.mark.parametrize("weights", [None, np.zeros((3, 2)), np.array([[1e100, 1.0]] * 3)])
def test_odd_networks_are_laid_out_too(weights: Any) -> None:
    populations = {"in": Population(Input, 2)}
    projections = {}
    if weights is not None:
        populations |= {"a": Population(LIF, 3), "alone": Population(LIF, 1)}
        projections = {"w": Projection("in", "a", Dense(weights))}
    chip = TrueNorth()
    compiled = chip.compile(Network(1e-3, populations, projections))
    assert compiled.placement.n_cores == (0 if weights is None else 2)
    recording = run(compiled.network, spikes(compiled.network, 0.5), engine=ENGINE)
    assert chip.cost(compiled, recording).device.value > 0
