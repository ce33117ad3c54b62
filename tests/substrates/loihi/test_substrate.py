"""Loihi as a target: what stays equal, what is rounded, what is refused.

Longer than most files: each limit and each refusal has its case.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright import substrates
from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import (
    IF,
    LI,
    LIF,
    AdEx,
    AvgPool,
    Compose,
    Conv,
    CubaLIF,
    Dense,
    Flatten,
    Input,
    Network,
    NoisyLIF,
    OneToOne,
    Population,
    Projection,
    Propagation,
    Reset,
    Sparse,
    SumPool,
    Topology,
)
from spikewright.rng import stream
from spikewright.substrates.loihi.model import Arithmetic, LoihiChipLIF, LoihiLIF
from spikewright.substrates.loihi.substrate import Loihi

BOTH = pytest.mark.parametrize("arithmetic", list(Arithmetic), ids=lambda a: a.value)
STEPS = 80
UNIT = 1 / 512
"""Weights that are even multiples of this, at most 127 of it, become whole even numbers: the largest becomes 254."""


def draws(name: str) -> np.random.Generator:
    return stream(11, f"test_loihi/{name}")


def fine(*shape: int, low: int = -127, high: int = 127) -> np.ndarray:
    """Return weights that the synaptic memory holds exactly; the largest is always there."""
    w = draws("fine").integers(low, high + 1, shape).astype(float)
    w.ravel()[0] = high
    return w * UNIT


def network(
    population: Population,
    topology: Topology,
    *,
    pre: Any = 6,
    delay: Any = 0.0,
    bias: Any = None,
    port: str = "",
) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, pre), "a": population},
        projections={"w": Projection("in", "a", topology, delay=delay, bias=bias, port=port)},
    )


def spikes(shape: Any = 6, rate: float = 0.4) -> np.ndarray:
    shape = (shape,) if isinstance(shape, int) else shape
    return (draws("spikes").random((STEPS, 3, *shape)) < rate).astype(float)


def check_same_spikes(source: Network, chip: Loihi, x: np.ndarray) -> None:
    before = run(source, {"in": x}, engine="reference")
    compiled = chip.compile(source)
    after = run(compiled.network, {"in": x}, engine="reference")
    assert before.sent["a"].sum() > 20, "too few spikes to show anything"
    np.testing.assert_array_equal(after.dense("a"), before.dense("a"))


def exact_tau(code: int) -> float:
    """Return a time constant whose decay the 12-bit register holds exactly."""
    return -1e-3 / math.log(1 - code / 4096)


# -- the same spikes where the numbers are exact -----------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("topology", "pre", "post"),
    [
        (Dense(fine(5, 6)), 6, 5),
        (Dense(fine(5, 6, low=0)), 6, 5),
        (Sparse.from_matrix(fine(5, 6) * (draws("mask").random((5, 6)) < 0.6)), 6, 5),
        (OneToOne(fine(6, low=10)), 6, 6),
        (OneToOne(np.asarray(127 * UNIT)), 6, 6),
        (Conv(fine(3, 2, 3, 3), padding=1, stride=2), (2, 5, 5), (3, 3, 3)),
        (SumPool(2), (2, 4, 4), (2, 2, 2)),
        (AvgPool(2), (2, 4, 4), (2, 2, 2)),
        (Compose((SumPool(2), Flatten(), Dense(fine(5, 8)))), (2, 4, 4), 5),
    ],
    ids=[
        "dense",
        "excitatory",
        "sparse",
        "one_to_one",
        "scalar",
        "conv",
        "sum_pool",
        "avg_pool",
        "compose",
    ],
)
def test_integrators_with_exact_weights_fire_the_same_spikes(
    arithmetic: Arithmetic, topology: Topology, pre: Any, post: Any
) -> None:
    level = 5.0 if isinstance(topology, SumPool) else 1.0
    source = network(Population(IF, post, {"v_th": level}), topology, pre=pre)
    check_same_spikes(source, Loihi(arithmetic=arithmetic), spikes(pre))


@BOTH
def test_leaky_neurons_with_exact_decay_fire_the_same_spikes(arithmetic: Arithmetic) -> None:
    code = 400
    keep = 1 - code / 4096
    source = network(
        Population(LIF, 5, {"tau_m": exact_tau(code)}), Dense(fine(5, 6, low=-40) / keep)
    )
    check_same_spikes(source, Loihi(arithmetic=arithmetic), spikes())


def test_refractory_period_of_chip_arithmetic_is_exact() -> None:
    code = 400
    params = {"tau_m": exact_tau(code), "t_ref": np.array([0, 1, 2, 5, 9]) * 1e-3}
    source = network(Population(LIF, 5, params), Dense(fine(5, 6, low=40) / (1 - code / 4096)))
    check_same_spikes(source, Loihi(arithmetic=Arithmetic.CHIP), spikes())


@BOTH
def test_delays_are_kept(arithmetic: Arithmetic) -> None:
    weights = fine(5, 6)
    steps = draws("delay").integers(0, 7, weights.shape)
    source = network(Population(IF, 5), Dense(weights), delay=steps * 1e-3)
    check_same_spikes(source, Loihi(arithmetic=arithmetic), spikes())
    compiled = Loihi(arithmetic=arithmetic).compile(source)
    np.testing.assert_array_equal(compiled.network.delay_steps("w"), steps)


def test_delays_of_shared_weights_survive_per_neuron_parameters() -> None:
    kernel = fine(2, 1, 2, 2, low=20)
    steps = np.arange(8).reshape(kernel.shape)
    # half the neurons have another gain, so the map is written out synapse by synapse
    code = np.where(np.arange(18).reshape(2, 3, 3) % 2, 300, 400)
    tau = -1e-3 / np.log(1 - code / 4096)
    source = network(
        Population(LIF, (2, 3, 3), {"tau_m": tau}), Conv(kernel), pre=(1, 4, 4), delay=steps * 1e-3
    )
    compiled = Loihi().compile(source)
    assert compiled.network.projections["w"].topology.kind == "sparse"
    assert sorted(set(compiled.network.delay_steps("w").ravel())) == list(range(8))
    x = spikes((1, 4, 4))
    before = run(source, {"in": x}, engine="reference")
    after = run(compiled.network, {"in": x}, engine="reference")
    assert np.mean(before.dense("a") != after.dense("a")) < 0.02


@BOTH
def test_recurrence_and_depth_keep_their_timing(arithmetic: Arithmetic) -> None:
    source = Network(
        dt=1e-3,
        populations={"in": Population(Input, 6), "b": Population(IF, 5), "a": Population(IF, 4)},
        projections={
            "in->b": Projection("in", "b", Dense(fine(5, 6))),
            "b->b": Projection("b", "b", Dense(fine(5, 5)), delay=1e-3),
            "b->a": Projection("b", "a", Dense(fine(4, 5, low=0))),
            "in->a": Projection("in", "a", Dense(fine(4, 6))),
        },
    )
    check_same_spikes(source, Loihi(arithmetic=arithmetic), spikes())


def test_propagation_within_a_step_is_retimed() -> None:
    source = Network(
        dt=1e-3,
        populations={"in": Population(Input, 6), "b": Population(IF, 5), "a": Population(IF, 4)},
        projections={
            "in->b": Projection("in", "b", Dense(fine(5, 6))),
            "b->a": Projection("b", "a", Dense(fine(4, 5, low=0))),
        },
        propagation=Propagation.SAME_STEP,
    )
    x = spikes()
    compiled = Loihi().compile(source)
    before = run(source, {"in": x}, engine="reference").dense("a")
    after = run(compiled.network, {"in": x}, engine="reference").dense("a")
    np.testing.assert_array_equal(after[1:], before[:-1])
    assert "retime: a: answers 1 steps later" in str(compiled.changes[0])


@BOTH
def test_starting_values_are_kept(arithmetic: Arithmetic) -> None:
    code = 400
    start = {"v": np.linspace(0.1, 0.9, 5), "i": np.linspace(0, 2, 5)}
    source = network(
        Population(CubaLIF, 5, {"tau_m": exact_tau(code), "tau_s": exact_tau(800)}, start),
        Dense(fine(5, 6)),
    )
    compiled = Loihi(arithmetic=arithmetic).compile(source)
    sigma = compiled.facts["scale"]["a"] * 64
    silence = np.zeros((20, 1, 6))
    before = run(source, {"in": silence}, engine="reference", record={"a": ("v",)})
    after = run(compiled.network, {"in": silence}, engine="reference", record={"a": ("v",)})
    assert np.any(np.diff(before.trace("a", "v")[:, 0, 4]) > 0), "the current should act"
    np.testing.assert_allclose(
        after.trace("a", "v") / sigma, before.trace("a", "v"), atol=30 / sigma + 2e-3
    )


@BOTH
def test_biases_drive_the_same_rate(arithmetic: Arithmetic) -> None:
    bias = np.array([0.05, 0.1, 0.3, 0.6, 0.9])
    source = network(Population(IF, 5), Dense(np.zeros((5, 6))), bias=bias)
    compiled = Loihi(arithmetic=arithmetic).compile(source)
    x = np.zeros((STEPS, 1, 6))
    before = run(source, {"in": x}, engine="reference").sent["a"]
    after = run(compiled.network, {"in": x}, engine="reference").sent["a"]
    assert np.all(np.abs(after - before) <= 1)


# -- close to the ideal where they are not -----------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("model", "gain"), [(LIF, 1.0), (CubaLIF, 8.0)], ids=["LIF", "CubaLIF"])
def test_rounded_networks_stay_close_to_the_ideal(
    arithmetic: Arithmetic, model: Any, gain: float
) -> None:
    weights = draws("close").normal(0.05, 0.15, (40, 30)) * gain
    params = {"tau_m": np.linspace(5e-3, 20e-3, 40), "v_th": np.linspace(0.8, 1.2, 40)}
    source = network(Population(model, 40, params), Dense(weights), pre=30)
    x = spikes(30, 0.15)
    compiled = Loihi(arithmetic=arithmetic).compile(source)
    before = run(source, {"in": x}, engine="reference")
    after = run(compiled.network, {"in": x}, engine="reference")
    total = before.sent["a"].sum()
    assert total > 500
    assert abs(after.sent["a"].sum() - total) < 0.02 * total
    # weights are off by 1 % of their rms: some spikes move by a step, and each of those differs twice
    assert np.mean(before.dense("a") != after.dense("a")) < 0.05


def test_fewer_bits_move_the_weights_further() -> None:
    source = network(Population(LIF, 20), Dense(draws("bits").normal(0, 0.1, (20, 30))), pre=30)
    errors = []
    for bits in (8, 6, 5, 4, 3, 2):
        changes = Loihi(weight_bits=bits).compile(source).changes
        errors.append(next(c.size for c in changes if c.by == "quantize" and c.where == "w"))
    assert errors == sorted(errors)
    assert errors[0] < 0.02


@settings(max_examples=8)
@given(st.integers(1, 40), st.integers(0, 1000), st.sampled_from([LIF, CubaLIF]))
def test_no_register_wraps_when_every_input_fires(n: int, seed: int, model: Any) -> None:
    weights = np.random.default_rng(seed).normal(0.2, 0.5, (3, n)) * 10
    source = network(Population(model, 3, {"v_th": 50.0}), Dense(weights), pre=n)
    for arithmetic in Arithmetic:
        compiled = Loihi(arithmetic=arithmetic).compile(source)
        found = run(
            compiled.network, {"in": np.ones((25, 1, n))}, engine="reference", record={"a": ("u",)}
        )
        made = compiled.network.projections["w"]
        arriving = made.topology.weight.sum(axis=1)
        arriving = arriving if arithmetic is Arithmetic.CHIP else arriving << (made.exponent + 6)
        keep = 4095 - int(compiled.network.populations["a"].param("du"))
        u = np.zeros(3, np.int64)
        for row in found.trace("a", "u")[:, 0]:
            u = np.sign(u) * ((np.abs(u) * keep) >> 12) + arriving  # without any wrap
            np.testing.assert_array_equal(row, u)
            assert np.all(np.abs(u) <= 2**23 - 1)


def test_models_and_parameters_are_the_chips() -> None:
    source = network(Population(LIF, (2, 3), {"tau_m": 10e-3}), Dense(fine(6, 6)))
    for arithmetic, model in ((Arithmetic.LAVA, LoihiLIF), (Arithmetic.CHIP, LoihiChipLIF)):
        compiled = Loihi(arithmetic=arithmetic).compile(source)
        made = compiled.network.populations["a"]
        assert made.model == model
        assert made.shape == (2, 3)
        assert made.param("dv") == 390
        assert made.param("du") == 4095
        assert compiled.network.projections["w"].topology.weight.dtype == np.int64


def test_a_bias_on_a_filtered_port_is_listed() -> None:
    source = network(Population(CubaLIF, 5), Dense(fine(5, 6)), bias=np.full(5, 0.1))
    lines = [str(c) for c in Loihi().compile(source).changes]
    assert (
        "replace: w: bias acts at once instead of through the synaptic current — the chip adds its bias to the voltage"
        in lines
    )


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("population", "message"),
    [
        (
            Population(AdEx, 5),
            "loihi: population 'a' (AdEx): the chip's neuron is linear — use IF, LIF or CubaLIF",
        ),
        (
            Population(LI, 5),
            "loihi: population 'a' (LI): the chip sends spikes only — let the population fire",
        ),
        (
            Population(LIF.resetting(Reset.SUBTRACT), 5),
            "loihi: population 'a' (LIFSubtract): the chip resets its voltage to rest; found reset"
            " {'v': 'v - (v_th)'} — train with model.resetting(Reset.VALUE)",
        ),
        (
            Population(LIF, 5, {"v_reset": -0.5}),
            "loihi: population 'a' (LIF): the chip resets to rest; found v_reset -0.5 V from rest, expected 0 V"
            " — set v_reset = v_rest before training",
        ),
        (
            Population(LIF, 5, {"v_th": -0.5}),
            "loihi: population 'a' (LIF): the threshold must lie above rest; found -0.5 V",
        ),
        (
            Population(LIF, 5, {"t_ref": 3e-3}),
            "loihi: population 'a' (LIF): the lava arithmetic has no refractory period; found 3 steps"
            " — use Loihi(arithmetic=Arithmetic.CHIP), or t_ref = 0",
        ),
        (
            Population(NoisyLIF, 5),
            "loihi: population 'a' (NoisyLIF): declared noise has no counterpart in this model of the chip",
        ),
    ],
    ids=["AdEx", "LI", "subtract", "v_reset", "v_th", "refractory", "noise"],
)
def test_what_the_neuron_cannot_be_is_refused(population: Population, message: str) -> None:
    with pytest.raises(SubstrateError) as caught:
        Loihi().compile(network(population, Dense(fine(5, 6))))
    assert str(caught.value) == message


def test_too_long_a_refractory_period_is_refused() -> None:
    source = network(Population(LIF, 5, {"t_ref": 64e-3}), Dense(fine(5, 6)))
    with pytest.raises(
        SubstrateError, match="refractory period too long; found 64 steps, expected 63"
    ):
        Loihi(arithmetic=Arithmetic.CHIP).compile(source)


def test_every_population_that_is_refused_is_listed() -> None:
    source = network(Population(AdEx, 5), Dense(fine(5, 6))).replacing(
        populations={"b": Population(LI, 2)}
    )
    with pytest.raises(SubstrateError, match="2 problems"):
        Loihi().compile(source)


def test_too_long_a_delay_is_a_limit() -> None:
    with pytest.raises(LimitError) as caught:
        Loihi().compile(network(Population(LIF, 5), Dense(fine(5, 6)), delay=63e-3))
    assert str(caught.value) == (
        "loihi: projection 'w': exceeds max_delay; found 63 steps, expected 62 at most"
        " — use a larger dt, or relay populations"
    )


def test_too_large_a_fan_in_names_the_limit() -> None:
    with pytest.raises(LimitError) as caught:
        Loihi().compile(network(Population(LIF, 2), Dense(np.ones((2, 5000))), pre=5000))
    assert str(caught.value) == (
        "loihi: one neuron of population 'a' needs more input_axons than a core has; found 5000,"
        " expected 4096 at most — reduce its fan-in, prune weights, or split the population's inputs"
    )


def test_too_many_cores_name_the_limit_that_binds() -> None:
    n = 128 * 1024 + 1
    with pytest.raises(LimitError) as caught:
        Loihi().compile(network(Population(LIF, n), Dense(np.ones((n, 1))), pre=1))
    assert str(caught.value) == (
        "loihi: the network needs more cores than there are; found 129 cores ('a' by compartments),"
        " expected 128 at most — use smaller populations, prune weights, or fewer bits per weight"
    )


def test_a_cut_population_says_which_limit_binds() -> None:
    weights = draws("cut").normal(0, 0.1, (512, 512))
    compiled = Loihi().compile(network(Population(LIF, 512), Dense(weights), pre=512))
    # mixed signs: 9 bits; 64 synapses and their head take 10 words
    cut = [str(c) for c in compiled.changes if c.by == "partition"]
    assert cut == ["partition: a: cut into 3 cores — synapse_words binds"]
    assert compiled.placement is not None
    assert compiled.placement.n_cores == 3
    assert max(load["synapse_words"] for load in compiled.placement.load) <= 1


def test_options_are_checked() -> None:
    with pytest.raises(SubstrateError, match=r"loihi: no preset 'fast'.*; expected davies, nahuku"):
        Loihi(preset="fast")
    with pytest.raises(SubstrateError) as caught:
        Loihi(weight_bits=7)
    assert str(caught.value) == (
        "loihi: weight_bits: the synapse format has no such width; found 7, expected one of 1, 2, 3, 4, 5, 6, 8"
    )
    assert Loihi(arithmetic="chip").arithmetic is Arithmetic.CHIP  # type: ignore[arg-type]
    assert substrates.get("loihi", arithmetic="chip") == Loihi(arithmetic=Arithmetic.CHIP)
