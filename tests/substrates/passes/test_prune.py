"""A neuron keeps its largest synapses, over all its projections."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import SubstrateError
from spikewright.network import (
    LIF,
    Conv,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Sparse,
)
from spikewright.substrates.passes.prune import PruneFanIn


def net() -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "out": Population(LIF, 2)},
        projections={
            "a": Projection("in", "out", Dense([[5.0, -4.0, 1.0], [0.0, 2.0, -0.5]])),
            "b": Projection(
                "out",
                "out",
                Sparse.from_edges([0, 1, 1], [0, 0, 1], [3.0, 0.5, 7.0], n_pre=2, n_post=2),
            ),
        },
    )


def test_the_largest_stay() -> None:
    made, changes = PruneFanIn(3)(net(), 0)
    assert made.projections["a"].topology.weight.tolist() == [[5, -4, 0], [0, 2, -0.5]]
    assert made.projections["b"].topology.weight.tolist() == [3, 0, 7]
    assert [str(c) for c in changes] == [
        "prune: a: 1 synapses left out, 3 stay at a neuron (0.15 relative) — a neuron has few synapses",
        "prune: b: 1 synapses left out, 3 stay at a neuron (0.066 relative) — a neuron has few synapses",
    ]


def test_one_is_left() -> None:
    made, _ = PruneFanIn(1)(net(), 0)
    assert made.projections["a"].topology.weight.tolist() == [[5, 0, 0], [0, 0, 0]]
    assert made.projections["b"].topology.weight.tolist() == [0, 0, 7]


def test_what_fits_is_the_same_network() -> None:
    network = net()
    made, changes = PruneFanIn(5)(network, 0)
    assert made is network
    assert changes == ()


def test_shared_weights_stay() -> None:
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, (1, 4, 4)), "out": Population(LIF, (1, 2, 2))},
        projections={"w": Projection("in", "out", Conv(np.ones((1, 1, 3, 3))))},
    )
    assert PruneFanIn(2)(network, 0)[0] is network


@pytest.mark.parametrize("limit", [0, 2.5])
def test_a_limit_is_a_whole_number(limit: float) -> None:
    with pytest.raises(SubstrateError, match="prune: limit: not possible; found"):
        PruneFanIn(limit)  # type: ignore[arg-type]
