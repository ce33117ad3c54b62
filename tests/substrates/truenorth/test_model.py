"""The neuron in every mode against the equations, neuron by neuron; stochastic modes by their statistics too."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spikewright import rng
from spikewright.engines import run
from spikewright.network import Dense, Network, NeuronModel, Population, Projection
from spikewright.rng import stream
from spikewright.substrates.truenorth.model import (
    V_MAX,
    V_MIN,
    TrueNorthInput,
    TrueNorthNeuron,
    TrueNorthStochastic,
    TrueNorthSynapse,
)

STEPS = 60
MODES = list(itertools.product((0, 1), (0, 1, 2), (0, 1), (0, 1), (-7, 0, 5)))
"""reversal, gamma, kappa, tie, leak: one neuron for each combination."""


def driven(
    model: NeuronModel, n: int, params: dict[str, Any], weights: NDArray[np.int64]
) -> Network:
    """Return neurons that each input reaches with its own weight."""
    return Network(
        dt=1e-3,
        populations={
            "in": Population(TrueNorthInput, weights.shape[1]),
            "p": Population(model, n, params),
        },
        projections={"w": Projection("in", "p", Dense(weights))},
        outputs=("p",),
    )


def every_mode() -> tuple[dict[str, Any], NDArray[np.int64], NDArray[np.int64]]:
    """Return parameters, weights and inputs that reach both thresholds in every mode."""
    draw = stream(3, "truenorth/modes")
    n = len(MODES)
    names = ("reversal", "gamma", "kappa", "tie", "leak")
    params: dict[str, Any] = dict(zip(names, np.array(MODES).T, strict=True))
    params |= {
        "alpha": draw.integers(5, 40, n),
        "beta": draw.integers(0, 30, n),
        "reset": draw.integers(-9, 10, n),
    }
    weights = draw.integers(-30, 31, (n, 6))
    return params, weights, draw.integers(0, 2, (STEPS, 1, 6))


def by_hand(
    params: dict[str, Any], arriving: NDArray[np.int64], rho: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return potentials and spikes (T, n) by the published equations, one neuron and one tick at a time."""
    steps, n = arriving.shape
    volts, spikes = np.zeros((steps, n), np.int64), np.zeros((steps, n), np.int64)
    for j in range(n):
        p = {k: int(np.broadcast_to(x, n)[j]) for k, x in params.items()}
        v = 0
        for t in range(steps):
            drawn = 0 if rho is None else int(rho[t, j])
            v = min(max(v + int(arriving[t, j]), V_MIN), V_MAX)
            leak = p["leak"]
            if p.get("random_leak"):
                leak = 0 if leak == 0 else int(np.sign(leak)) * (abs(leak) >= drawn % 256)
            if p["reversal"]:
                moved = v + int(np.sign(v)) * leak
                v = 0 if moved * v < 0 else moved
            else:
                v += leak
            v = min(max(v, V_MIN), V_MAX)
            eta = (drawn >> 8) & p.get("mask", 0)
            below = p["beta"] if p["kappa"] else p["beta"] + eta
            if v >= p["alpha"] + eta:
                spikes[t, j] = 1
                v = (p["reset"], v - p["alpha"] - eta, v)[p["gamma"]]
            elif v < -below or (p["tie"] and v == -below):
                v = -p["beta"] if p["kappa"] else (-p["reset"], v + below, v)[p["gamma"]]
            volts[t, j] = v
    return volts, spikes


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_every_mode_follows_the_equations(engine: str) -> None:
    params, weights, inputs = every_mode()
    found = run(
        driven(TrueNorthNeuron, len(MODES), params, weights), {"in": inputs}, engine=engine,
        record={"p": ("v",)},
    )  # fmt: skip
    volts, spikes = by_hand(params, inputs[:, 0] @ weights.T)
    np.testing.assert_array_equal(found.trace("p", "v")[:, 0], volts)
    np.testing.assert_array_equal(found.dense("p")[:, 0], spikes)
    fires = spikes.sum(axis=0)
    assert np.count_nonzero(fires) > len(MODES) / 2, "the case reaches the positive threshold"
    assert (volts < 0).any(axis=0).sum() > len(MODES) / 2, "and the negative one"


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_stochastic_modes_follow_the_equations_for_their_draws(engine: str) -> None:
    params, weights, inputs = every_mode()
    n = len(MODES)
    params |= {
        "mask": np.arange(n) % 16,
        "random_leak": np.arange(n) % 2,
        "leak": params["leak"] * 20,
    }
    found = run(
        driven(TrueNorthStochastic, n, params, weights), {"in": inputs}, engine=engine, seed=5,
        record={"p": ("v",)},
    )  # fmt: skip
    key = rng.key(5, "population/p/rho")
    rho = rng.uniform(key, np.arange(n)[None, :], np.arange(STEPS)[:, None]) * 2.0**32
    volts, spikes = by_hand(params, inputs[:, 0] @ weights.T, rho.astype(np.int64))
    np.testing.assert_array_equal(found.trace("p", "v")[:, 0], volts)
    np.testing.assert_array_equal(found.dense("p")[:, 0], spikes)


def test_stochastic_leak_and_threshold_have_their_frequencies() -> None:
    n, steps = 64, 400
    net = driven(
        TrueNorthStochastic, n,
        # adds 1 with probability 64/256 per tick, and never fires
        {"leak": 63, "random_leak": 1, "alpha": 2**18 - 1}, np.zeros((n, 1), np.int64),
    )  # fmt: skip
    silent = np.zeros((steps, 1, 1), np.int64)
    volts = run(net, {"in": silent}, seed=2, record={"p": ("v",)}).trace("p", "v")
    steps_up = np.diff(volts[:, 0], axis=0)
    assert set(np.unique(steps_up)) == {0, 1}
    share = steps_up.mean()
    spread = np.sqrt(0.25 * 0.75 / steps_up.size)
    assert abs(share - 0.25) < 4 * spread
    net = driven(
        TrueNorthStochastic, n,
        # at 3 before every threshold test; fires where a number of 0 to 7 is 3 at most
        {"alpha": 0, "mask": 7, "gamma": 0, "reset": 0, "leak": 3, "reversal": 0, "beta": 0},
        np.zeros((n, 1), np.int64),
    )  # fmt: skip
    first = run(net, {"in": silent}, seed=3).dense("p")[0, 0]
    assert 0.2 < first.mean() < 0.8


def test_stochastic_synapse_acts_with_its_probability() -> None:
    net = Network(
        dt=1e-3,
        populations={
            "in": Population(TrueNorthInput, 1),
            "s": Population(TrueNorthSynapse, 4, {"s": np.array([-128, 63, 255, 0])}),
        },
        projections={"w": Projection("in", "s", Dense(np.ones((4, 1), np.int64)))},
    )
    steps = 3000
    sent = run(net, {"in": np.ones((steps, 1, 1), np.int64)}, seed=1).dense("s")[:, 0]
    assert set(np.unique(sent[:, 0])) == {-1, 0}
    wanted = np.array([129, 64, 256, 0]) / 256
    spread = np.sqrt(wanted * (1 - wanted) / steps)
    assert np.all(np.abs(np.abs(sent).mean(axis=0) - wanted) <= 4 * spread)


def test_potential_saturates_at_twenty_bits() -> None:
    params = {"alpha": 2**18 - 1, "gamma": 2, "kappa": 0, "beta": 2**18 - 1}
    weights = np.array([[200_000], [-200_000]])
    net = driven(TrueNorthNeuron, 2, params, weights)
    volts = run(net, {"in": np.ones((6, 1, 1), np.int64)}, record={"p": ("v",)}).trace("p", "v")
    assert volts[-1, 0].tolist() == [V_MAX, V_MIN]
