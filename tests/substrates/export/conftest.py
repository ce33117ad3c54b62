"""A small recurrent network on two hand-made cores of Loihi, and what enters it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikewright.network import LIF, CubaLIF, Dense, Input, Network, Population, Projection, Sparse
from spikewright.substrates.base import Compiled, Placement
from spikewright.substrates.loihi.substrate import Loihi


def make_network(
    model: Any = LIF, *, delay: float = 2e-3, scale: float = 1.0, **params: Any
) -> Network:
    rng = np.random.default_rng(7)
    edges = Sparse.from_matrix(rng.normal(0.3, 0.4, (5, 12)) * scale * (rng.random((5, 12)) < 0.7))
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, (4, 5)),
            "hid": Population(model, 12, {"tau_m": 10e-3} | params),
            "out": Population(model, 5, params),
        },
        projections={
            "a": Projection("in", "hid", Dense(rng.normal(0.12, 0.25, (12, 20)) * scale)),
            "r": Projection("hid", "hid", Dense(rng.normal(0, 0.1, (12, 12)) * scale)),
            "b": Projection("hid", "out", edges, delay=delay),
        },
    )


def make_spikes(steps: int = 120, batch: int = 3) -> Any:
    return (np.random.default_rng(1).random((steps, batch, 4, 5)) < 0.15).astype(int)


def on_two_cores(compiled: Compiled) -> Compiled:
    """Return a compiled network whose hidden neurons lie on two cores, in turn."""
    cores = {"hid": np.arange(12) % 2, "out": np.ones(5, np.int64)}
    load = ({"compartments": 0.1}, {"compartments": 0.2})
    placement = Placement(cores, np.asarray([[0, 0], [1, 0]]), (8, 4), load)
    return replace(compiled, placement=placement)


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return on_two_cores(Loihi().compile(make_network()))


@pytest.fixture(scope="module")
def cuba() -> Compiled:
    return on_two_cores(Loihi().compile(make_network(CubaLIF, scale=3.0)))


@pytest.fixture(scope="module")
def network() -> Any:
    """A function that makes the network."""
    return make_network


@pytest.fixture(scope="module")
def spikes() -> Any:
    """A function that makes what enters it."""
    return make_spikes
