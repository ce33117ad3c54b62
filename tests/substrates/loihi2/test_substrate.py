"""Loihi 2 as a target: weights of 8 bits, cores, capacity, costs that say they are scaled, training through it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import (
    LIF,
    AvgPool,
    Compose,
    Conv,
    Dense,
    Flatten,
    Input,
    Network,
    Population,
    Projection,
    Sparse,
)
from spikewright.rng import stream
from spikewright.substrates.base import Category, Grade
from spikewright.substrates.loihi2.substrate import Loihi2
from spikewright.testing.substrate_suite import small_network

STEPS = 60


def one(population: Population, topology: Any, *, pre: Any = 6, delay: Any = 0.0) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, pre), "a": population},
        projections={"w": Projection("in", "a", topology, delay=delay)},
    )


def spikes(shape: Any, rate: float = 0.3, batch: int = 2) -> np.ndarray:
    shape = (shape,) if isinstance(shape, int) else shape
    return (stream(9, "test_loihi2/x").random((STEPS, batch, *shape)) < rate).astype(float)


# -- weights -----------------------------------------------------------------------------------------


def test_weights_have_8_bits_of_which_the_sign_takes_one() -> None:
    draw = stream(9, "test_loihi2/w")
    mixed = Loihi2().compile(one(Population(LIF, 20), Dense(draw.normal(0, 0.1, (20, 6)))))
    weight = mixed.network.projections["w"].topology.weight
    assert weight.dtype == np.int64
    assert np.abs(weight).max() == 127
    positive = Loihi2().compile(one(Population(LIF, 20), Dense(draw.random((20, 6)))))
    assert positive.network.projections["w"].topology.weight.max() == 255
    size = next(c.size for c in mixed.changes if c.by == "quantize")
    assert size is not None
    assert size < 0.01


def test_fewer_bits_move_the_weights_further() -> None:
    source = one(Population(LIF, 20), Dense(stream(9, "test_loihi2/w").normal(0, 0.1, (20, 6))))
    errors = [
        next(c.size for c in Loihi2(weight_bits=b).compile(source).changes if c.by == "quantize")
        for b in (8, 6, 4, 2)
    ]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1] / 20


@pytest.mark.parametrize(
    ("topology", "pre", "post"),
    [
        (Conv(stream(9, "test_loihi2/conv").normal(0.1, 0.3, (2, 1, 3, 3))), (1, 5, 5), (2, 3, 3)),
        (Compose((AvgPool(2), Flatten(), Dense(np.full((3, 4), 0.7)))), (1, 4, 4), 3),
    ],
    ids=["conv", "compose"],
)
def test_shared_weights_are_stored_and_shown_to_training(
    topology: Any, pre: Any, post: Any
) -> None:
    chip = Loihi2()
    source = one(Population(LIF, post), topology, pre=pre)
    if isinstance(topology, Conv):
        real, _ = chip.run_passes(source, chip.passes, 0)
        assert np.shape(real.projections["w"].topology.weight) == topology.weight.shape
    else:
        real = source
    x = spikes(pre)
    before = run(real, {"in": x}, engine="reference")
    after = run(chip.compile(source).network, {"in": x}, engine="reference")
    assert before.sent["a"].sum() > 20
    assert np.mean(before.dense("a") != after.dense("a")) < 0.01


def test_what_is_compiled_is_what_training_saw() -> None:
    chip = Loihi2()
    source = small_network()
    real, _ = chip.run_passes(source, chip.passes, 0)
    for name, p in chip.compile(real).network.projections.items():
        again = chip.compile(source).network.projections[name]
        np.testing.assert_array_equal(p.topology.weight, again.topology.weight)
        assert p.exponent == again.exponent
    x = (stream(9, "test_loihi2/x").random((STEPS, 2, 24)) < 0.15).astype(float)
    before = run(real, {"in": x}, engine="reference")
    after = run(chip.compile(source).network, {"in": x}, engine="reference")
    assert before.sent["hidden"].sum() > 100
    for name in ("hidden", "out"):
        assert np.mean(before.dense(name) != after.dense(name)) < 5e-3


# -- limits ------------------------------------------------------------------------------------------


def test_the_fly_connectome_takes_about_twelve_chips() -> None:
    packed = Loihi2().capacity(140_000, 50_000_000)
    assert 9 <= packed.chips <= 15
    assert packed.binds == "synapse_bytes"
    # without synapses the 8192 neurons of a core bind
    assert Loihi2().capacity(140_000, 0).cores == 18
    assert Loihi2().capacity(140_000, 50_000_000, delays=True).cores > packed.cores


def test_capacity_agrees_with_cutting_a_network() -> None:
    draw = stream(9, "test_loihi2/cut")
    mask = draw.random((1200, 1200)) < 0.2
    topology = Sparse.from_matrix(mask.astype(float))
    compiled = Loihi2().compile(one(Population(LIF, 1200), topology, pre=1200))
    packed = Loihi2().capacity(1200, int(mask.sum()), state_bytes=4)
    assert compiled.placement is not None
    assert compiled.placement.n_cores > 4
    assert abs(compiled.placement.n_cores - packed.cores) <= 1
    cut = [str(c) for c in compiled.changes if c.by == "partition"]
    assert cut == [
        f"partition: a: cut into {compiled.placement.n_cores} cores — synapse_bytes binds"
    ]


def test_what_does_not_fit_names_the_limit() -> None:
    with pytest.raises(LimitError) as caught:
        Loihi2().compile(one(Population(LIF, 5), Dense(np.ones((5, 6))), delay=64e-3))
    assert str(caught.value) == (
        "loihi2: projection 'w': exceeds max_delay; found 64 steps, expected 63 at most"
        " — use a larger dt, or relay populations"
    )
    n = 120 * 8192 + 1
    with pytest.raises(
        LimitError, match=r"found 121 cores \('a' by neurons\), expected 120 at most"
    ):
        Loihi2().compile(one(Population(LIF, n), Dense(np.ones((n, 1))), pre=1))
    with pytest.raises(SubstrateError, match=r"loihi2.capacity: neurons: too few; found 0"):
        Loihi2().capacity(0, 5)


def test_options_are_checked() -> None:
    with pytest.raises(SubstrateError, match="loihi2: weight_bits: not possible; found 9"):
        Loihi2(weight_bits=9)
    with pytest.raises(SubstrateError, match="loihi2: no preset 'davies'"):
        Loihi2(preset="davies")
    with pytest.raises(SubstrateError, match="loihi2: ranges: no such population; found x"):
        Loihi2(ranges={"x": {"v": 1.0}}).compile(small_network())
    with pytest.raises(SubstrateError, match=r"'out' .LIF.: no range of 'u'"):
        Loihi2(ranges={"out": {"u": 1.0}}).compile(small_network())


# -- costs -------------------------------------------------------------------------------------------


def test_every_energy_says_that_it_is_assumed() -> None:
    chip = Loihi2()
    compiled = chip.compile(small_network())
    x = (stream(9, "test_loihi2/x").random((STEPS, 2, 24)) < 0.15).astype(float)
    recording = run(compiled.network, {"in": x}, engine="reference")
    costs = chip.cost(compiled, recording)
    assert costs.device.grade is Grade.ASSUMED
    for term in costs.energy:
        assert term.constant.grade is Grade.ASSUMED, term.name
        if term.category is Category.EVENTS and term.count:
            assert term.low <= 0.11 * term.high, "a wide band"
    # 20 neurons on one core: the barrier is longer than their updates and operations
    barrier = next(t for t in costs.latency if t.name.startswith("barrier"))
    assert barrier.count > 0
    assert costs.time.value >= STEPS * 200e-9 * 0.999


def test_a_step_takes_what_bounds_it() -> None:
    chip = Loihi2()
    weight = np.full((500, 40), 0.01)
    compiled = chip.compile(one(Population(LIF, 500), Dense(weight), pre=40))
    x = np.zeros((10, 1, 40))
    x[3] = 1.0
    recording = run(compiled.network, {"in": x}, engine="reference")
    terms = {
        t.name.split(":")[-1].split(",")[0].strip(): t
        for t in chip.cost(compiled, recording).latency
    }
    # nine steps of 500 updates of 4.2 ns; one step of 20000 operations of 0.7 ns
    assert terms["updates"].value == pytest.approx(9 * 500 * 4.2e-9)
    assert terms["operations"].value == pytest.approx(20_000 * 0.7e-9)
    assert terms["barrier"].count == 0
