"""Sensitivities against finite differences, on a network without spikes."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.network import LI, Dense, Input, Network, Population, Projection
from spikewright.train.sensitivity import sensitivity
from spikewright.train.step import Kernels

DRAW = np.random.default_rng(1)
X = DRAW.random((6, 2, 3))
C, D = DRAW.standard_normal((2, 6, 2, 2))


def network(w: np.ndarray, bias: np.ndarray, tau_m: float) -> Network:
    return Network(
        1e-3,
        # a natural unit far from 1, and a time that is held as its logarithm
        {"in": Population(Input, 3), "out": Population(LI, 2, {"tau_m": tau_m, "r": 1e6})},
        {"in->out": Projection("in", "out", Dense(w), "i", bias=bias)},
    )


def found(w: np.ndarray, bias: np.ndarray, tau_m: float, x: np.ndarray = X):
    return sensitivity(
        network(w, bias, tau_m), {"in": x}, sent={"out": C}, traces={"out": {"v": D}},
        trainable=("weights", "biases", "out.tau_m"), kernels=Kernels.AUTOGRAD,
    )  # fmt: skip


def loss(*of) -> float:
    run = found(*of)
    return float((run.sent["out"] * C).sum() + (run.traces["out"]["v"] * D).sum())


def test_gradients_are_slopes_in_the_units_of_the_network() -> None:
    start = [DRAW.standard_normal((2, 3)) * 1e-6, DRAW.standard_normal(2) * 1e-7, 5e-3, X]
    run = found(*start)
    stored = (
        run.weights["in->out"],
        run.biases["in->out"],
        run.params["out", "tau_m"],
        run.inputs["in"],
    )
    for at, (value, gradient) in enumerate(zip(start, stored, strict=True)):
        assert np.shape(value) == np.shape(gradient)
        step = 1e-3 * np.max(np.abs(value))
        for index in np.ndindex(np.shape(value)):
            moved = []
            for sign in (1, -1):
                other = np.array(value)
                other[index] += sign * step
                moved.append(loss(*start[:at], other, *start[at + 1 :]))
            slope = (moved[0] - moved[1]) / (2 * step)
            largest = np.max(np.abs(gradient))
            assert slope == pytest.approx(gradient[index], abs=1e-5 * largest)
