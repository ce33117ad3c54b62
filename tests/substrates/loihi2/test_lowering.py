"""Neuron programs: the spikes of the real-valued model, its variables to 24 bits, and what has no integer form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import SubstrateError
from spikewright.network import (
    ALIF,
    IF,
    LI,
    LIF,
    AdEx,
    AlphaLIF,
    ConductanceLIF,
    CubaLIF,
    Dense,
    ExpCurrentLIF,
    HodgkinHuxley,
    Input,
    Izhikevich,
    Izhikevich2003,
    Method,
    Network,
    NeuronModel,
    NoisyLIF,
    Population,
    Projection,
    Reset,
    ResonateAndFire,
)
from spikewright.rng import stream
from spikewright.substrates.loihi2.costs import clipped
from spikewright.substrates.loihi2.fixed_point import STATE_MAX
from spikewright.substrates.loihi2.model import Delta, SigmaDelta
from spikewright.substrates.loihi2.substrate import Loihi2

STEPS, N_IN, N = 150, 8, 6


def network(
    model: NeuronModel, scale: float, params: dict[str, Any] | None = None, **more: Any
) -> Network:
    draw = stream(3, "test_loihi2/weights")
    weight = draw.normal(0.1, 0.3, (N, N_IN)) * scale
    if more.pop("positive", False):
        weight = np.abs(weight)
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, N_IN),
            "a": Population(model, N, params or {}, **more),
        },
        projections={"w": Projection("in", "a", Dense(weight))},
    )


def both(source: Network, chip: Loihi2 | None = None) -> tuple[Any, Any, dict[str, float]]:
    """Return runs of the network with the stored weights, in real numbers and in integers, and the scales."""
    chip = chip or Loihi2()
    x = (stream(3, "test_loihi2/spikes").random((STEPS, 2, N_IN)) < 0.3).astype(float)
    real, _ = chip.run_passes(source, chip.passes, 0)
    compiled = chip.compile(source)
    record = {"a": tuple(source.populations["a"].model.state)}
    before = run(real, {"in": x}, engine="reference", record=record)
    after = run(compiled.network, {"in": x}, engine="reference", record=record)
    return before, after, compiled.facts["scale"]["a"]


EXACT = [
    ("lif", LIF, 1.0, {"tau_m": np.linspace(5e-3, 40e-3, N)}),
    ("rest", LIF, 1.0, {"v_rest": -0.2, "v_reset": -0.4, "t_ref": np.arange(N) * 1e-3}),
    ("subtract", LIF.resetting(Reset.SUBTRACT), 1.0, {}),
    ("cuba", CubaLIF, 5.0, {}),
    ("alpha", AlphaLIF, 3.0, {}),
    ("two currents", ExpCurrentLIF, 1e-9, {}),
    ("adaptive", ALIF, 1.0, {"t_ref": 2e-3}),
    ("integrator", IF, 1.0, {}),
    ("resonator", ResonateAndFire, 1.0, {}),
]


@pytest.mark.parametrize(
    ("model", "scale", "params"), [e[1:] for e in EXACT], ids=[e[0] for e in EXACT]
)
def test_linear_models_fire_the_same_spikes(
    model: NeuronModel, scale: float, params: dict[str, Any]
) -> None:
    before, after, unit = both(network(model, scale, params))
    assert before.sent["a"].sum() > 50
    assert np.mean(before.dense("a") != after.dense("a")) < 2e-3
    for variable in model.state:
        real = before.trace("a", variable)
        error = np.abs(after.trace("a", variable) / unit[variable] - real)
        # a spike that moves by a step shows as a large error at a few steps only
        assert np.quantile(error, 0.99) <= 2e-3 * np.abs(real).max(), variable
    assert clipped(after)["a"] == 0


@pytest.mark.parametrize(
    ("model", "scale", "method"),
    [
        (Izhikevich, 5e-3, Method.EULER),
        (Izhikevich2003, 10.0, Method.AUTO),
        (ConductanceLIF, 1e-8, Method.EULER),
    ],
    ids=["izhikevich", "izhikevich 2003", "conductance"],
)
def test_products_of_variables_are_followed(
    model: NeuronModel, scale: float, method: Method
) -> None:
    before, after, _ = both(network(model, scale, positive=True, method=method))
    total = before.sent["a"].sum()
    assert total > 10
    assert abs(after.sent["a"].sum() - total) <= 0.05 * total
    assert np.mean(before.dense("a") != after.dense("a")) < 0.01


def test_values_are_sent_and_weighted() -> None:
    source = network(LI, 1.0)
    weight = stream(3, "test_loihi2/second").normal(0.0, 0.05, (3, N))
    source = source.replacing(
        populations={"b": Population(LI, 3)},
        projections={"v": Projection("a", "b", Dense(weight))},
        outputs=("b",),
    )
    chip = Loihi2()
    real, _ = chip.run_passes(source, chip.passes, 0)
    compiled = chip.compile(source)
    x = (stream(3, "test_loihi2/spikes").random((STEPS, 1, N_IN)) < 0.3).astype(float)
    before = run(real, {"in": x}, engine="reference")
    after = run(compiled.network, {"in": x}, engine="reference")
    unit = compiled.facts["payload"]
    for name in ("a", "b"):
        assert np.abs(after.dense(name)).max() <= STATE_MAX
        np.testing.assert_allclose(
            after.dense(name) / unit[name],
            before.dense(name),
            atol=2e-3 * np.abs(before.dense(name)).max(),
        )


def test_sigma_delta_sends_what_changed() -> None:
    source = Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 3),
            "d": Population(Delta, 3, {"v_th": 3.0}),
            "s": Population(SigmaDelta, 2, {"v_th": 0.5}),
        },
        projections={
            "in->d": Projection("in", "d", Dense(np.eye(3))),
            "d->s": Projection("d", "s", Dense(np.array([[0.5, -0.25, 1.0], [-1.0, 0.5, 0.5]]))),
        },
    )
    x = np.round(40 * np.sin(np.arange(STEPS)[:, None, None] / np.array([9.0, 14.0, 23.0])))
    chip = Loihi2(
        ranges={
            "in": {"x": 40.0},
            "s": {"sigma": 200.0, "act": 200.0, "d": 200.0, "residue": 200.0},
        }
    )
    compiled = chip.compile(source)
    found = run(compiled.network, {"in": x}, engine="reference", record={"s": ("sigma", "act")})
    unit = compiled.facts["scale"]["s"]
    # what is summed is what went in, to the thresholds of the three coders, a step earlier
    weight = np.array([[0.5, -0.25, 1.0], [-1.0, 0.5, 0.5]])
    wanted = x[:, 0] @ weight.T
    sigma = found.trace("s", "sigma")[:, 0] / unit["sigma"]
    assert np.abs(sigma[1:] - wanted[:-1]).max() < 3.0 * np.abs(weight).sum(axis=1).max() + 0.5
    act = found.trace("s", "act")[:, 0] / unit["act"]
    np.testing.assert_allclose(act, np.maximum(sigma, 0), atol=1e-4)
    assert found.sent["d"].sum() < 0.8 * STEPS * 3
    assert sum(clipped(found).values()) == 0


def test_what_reaches_24_bits_is_clipped_and_counted() -> None:
    source = network(IF, 1.0, {"v_th": 1e3}, positive=True)
    chip = Loihi2(ranges={"a": {"v": 2.0}})
    x = np.ones((20, 1, N_IN))
    compiled = chip.compile(source)
    found = run(compiled.network, {"in": x}, engine="reference", record={"a": ("v",)})
    at_top = found.trace("a", "v") == STATE_MAX
    assert at_top.any()
    assert np.abs(found.trace("a", "v")).max() == STATE_MAX
    assert clipped(found)["a"] == at_top.sum()
    costs = chip.cost(compiled, found)
    assert any("was clipped" in note for note in costs.notes)
    text = "\n".join(map(str, compiled.changes))
    assert "ranges: a: variables may have |v| 2 — no worst case bounds its equations" in text


def test_a_bias_is_added_in_every_step() -> None:
    source = network(LIF, 0.0)
    p = source.projections["w"]
    bias = np.linspace(0.02, 0.4, N)
    source = source.replacing(projections={"w": Projection(p.pre, p.post, p.topology, bias=bias)})
    x = np.zeros((STEPS, 1, N_IN))
    before = run(source, {"in": x}, engine="reference").sent["a"]
    after = run(Loihi2().compile(source).network, {"in": x}, engine="reference").sent["a"]
    assert before.sum() > 50
    assert np.abs(before - after).max() <= 1


def test_programs_of_one_model_have_one_text() -> None:
    made = [
        Loihi2().compile(network(CubaLIF, scale, {"tau_m": tau})).network.populations["a"].model
        for scale, tau in ((5.0, 10e-3), (7.0, 25e-3))
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (AdEx, "exp() of a value that changes"),
        (HodgkinHuxley, "exprel() of a value that changes"),
        (NoisyLIF, "declared noise has no counterpart"),
        (
            NeuronModel(
                name="Ratio",
                state={"v": "1"},
                params={},
                inputs={"x": "1"},
                update={"v": "x / (1 + v)"},
                threshold="v > 1",
            ),
            "it divides by 1 + v, which changes",
        ),
    ],
    ids=["AdEx", "HodgkinHuxley", "noise", "division"],
)
def test_what_has_no_integer_form_is_refused_by_name(model: NeuronModel, words: str) -> None:
    with pytest.raises(SubstrateError) as caught:
        Loihi2().compile(network(model, 1.0))
    text = str(caught.value)
    assert text.startswith(f"loihi2: population 'a' ({model.name}): ")
    assert words in text


def test_euler_in_place_of_exponential_euler_is_listed() -> None:
    lines = [str(c) for c in Loihi2().compile(network(Izhikevich, 5e-3)).changes]
    assert (
        "replace: a: integrated with Euler's steps — the factors of exponential Euler need exp"
        in lines
    )


def test_graded_values_in_a_loop_are_refused() -> None:
    source = network(LI, 1.0).replacing(
        projections={"loop": Projection("a", "a", Dense(np.eye(N) * 0.1), delay=1e-3)}
    )
    with pytest.raises(SubstrateError, match=r"'a' .LI.: graded values run in a loop"):
        Loihi2().compile(source)


def test_a_range_that_follows_from_nothing_is_asked_for() -> None:
    driven = Izhikevich.variant("Silent", initial={}, reset={"v": "c"})
    with pytest.raises(SubstrateError) as caught:
        Loihi2().compile(network(driven, 5e-3))
    assert str(caught.value) == (
        "loihi2: population 'a' (Silent): how large 'u' gets does not follow from its start, threshold or reset"
        " — say Loihi2(ranges={'a': {'u': ...}})"
    )
    Loihi2(ranges={"a": {"u": 50.0}}).compile(network(driven, 5e-3))
