"""The example substrate of one chip file and one model file keeps the contract."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from spikewright.errors import LimitError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection
from spikewright.substrates.base import Described, Substrate
from spikewright.testing.substrate_suite import SubstrateSuite

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "my_substrate"


def make() -> Described:
    return Described(FOLDER / "chip.toml", runpy.run_path(str(FOLDER / "model.py"))["MODELS"])


class TestMySubstrate(SubstrateSuite):
    def make(self) -> Substrate:
        return make()


def test_it_explains_which_limits_bind() -> None:
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 200), "many": Population(LIF, 100)},
        projections={"w": Projection("in", "many", Dense([[1.0] * 200] * 100))},
    )
    with pytest.raises(LimitError) as caught:
        make().compile(network)
    lines = str(caught.value).splitlines()
    assert lines == [
        "3 problems",
        "  1. my_substrate: limit neurons: exceeded 1.56 times; found 100 ('many' 100), expected 64 at most"
        " — use smaller populations",
        "  2. my_substrate: limit synapses: exceeded 4.88 times; found 20000 ('w' 20000), expected 4096 at most"
        " — prune weights, or use smaller populations",
        "  3. my_substrate: population 'many': limit fan_in: exceeded 1.56 times; found 200, expected 128 at most"
        " — prune weights, or reduce the population before it",
    ]
