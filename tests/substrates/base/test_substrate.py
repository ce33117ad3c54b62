from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import SubstrateError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection
from spikewright.substrates.base import Change
from spikewright.substrates.ideal.substrate import Ideal
from spikewright.substrates.passes.quantize import Quantize
from spikewright.substrates.passes.vary import Vary


def network() -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "out": Population(LIF, 2)},
        projections={"w": Projection("in", "out", Dense(np.arange(6.0).reshape(2, 3)))},
    )


def test_a_change_reads_as_one_line() -> None:
    change = Change("quantize", "w", "weights rounded to 3 bits", "memory", 0.0123)
    assert str(change) == "quantize: w: weights rounded to 3 bits (0.012 relative) — memory"
    assert str(Change("retime", "w", "later", "physics")) == "retime: w: later — physics"


def test_passes_run_one_after_the_other_and_collect_changes() -> None:
    chip = Ideal()
    quantized, first = Quantize(3)(network(), 5)
    both, second = Vary(weights=0.1)(quantized, 5)
    found, changes = chip.run_passes(network(), (Quantize(3), Vary(weights=0.1)), 5)
    assert changes == first + second
    np.testing.assert_array_equal(
        found.projections["w"].topology.weight, both.projections["w"].topology.weight
    )


def test_the_ideal_substrate_is_the_identity_without_a_price() -> None:
    source = network()
    compiled = Ideal().compile(source, seed=9)
    assert compiled.network is source
    assert compiled.changes == ()
    costs = Ideal().cost(compiled, run(source, steps=3, engine="reference"))
    assert not costs.is_priced
    assert "Not a device" in costs.notes[0]


def test_a_recording_of_another_network_is_refused() -> None:
    compiled = Ideal().compile(network())
    with pytest.raises(SubstrateError) as caught:
        Ideal().cost(compiled, run(network(), steps=1, engine="reference"))
    assert str(caught.value) == (
        "ideal.cost: the recording is of another network; found network, expected a run of compiled.network"
    )
