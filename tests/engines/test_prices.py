"""Prices of events: what a run costs by hand, and what is no price."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.engines.prices import EventPrices
from spikewright.errors import EngineError
from spikewright.network import IF, Dense, Input, Network, Population, Projection


def network() -> Network:
    weight = np.array([[0.6, 0.6, 0.6], [0.6, 0.0, 0.6]])
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "out": Population(IF, 2)},
        projections={"w": Projection("in", "out", Dense(weight))},
    )


def test_energy_of_each_sample_by_hand() -> None:
    spikes = np.zeros((4, 2, 3))
    spikes[0, 0] = 1  # both neurons of sample 0 fire once; sample 1 is silent
    spikes[2, 0, 1] = 1  # and only the first input of a synapse that is there counts
    recording = run(network(), {"in": spikes}, engine="reference")
    assert recording.sent["out"].tolist() == [[1, 1], [0, 0]]
    prices = EventPrices(
        "by hand",
        spike={"in": 2.0, "out": np.array([10.0, 100.0])},
        operation={"w": 1000.0},
        active_step={"in": 0.25},
        step=0.5,
    )
    # inputs 4, operations 2 + 1 + 2 and 1 more, active steps 2, steps 4
    expected = 4 * 2 + 110 + 6 * 1000 + 2 * 0.25 + 4 * 0.5
    np.testing.assert_allclose(prices.energy(recording), [expected, 4 * 0.5])
    assert prices.populations == ("in", "out")


def test_prices_are_values() -> None:
    each = np.ones(2)
    prices = EventPrices("mine", spike={"out": each})
    each[0] = 5.0
    assert prices.spike["out"].tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        prices.spike["out"][0] = 2.0


def test_what_is_no_price_is_listed() -> None:
    with pytest.raises(EngineError) as caught:
        EventPrices(
            "mine", spike={"a": -1.0, "b": np.ones((2, 2))}, operation={"w": np.nan}, step=np.inf
        )
    lines = str(caught.value).splitlines()
    assert lines[0] == "4 problems"
    assert lines[1].endswith(
        "EventPrices of 'mine': spike['a']: not a price; found -1.0, expected 0 J or more, one number or one per neuron"
    )
    assert "spike['b']: not a price; found (2, 2)" in lines[2]
    assert "operation['w']: not a price; found nan" in lines[3]
    assert "step: not a price; found inf" in lines[4]


def test_a_recording_of_another_network() -> None:
    recording = run(network(), {"in": np.zeros((2, 1, 3))}, engine="reference")
    with pytest.raises(
        EngineError, match="EventPrices of 'mine': the recording is of another netw"
    ):
        EventPrices("mine", spike={"hidden": 1.0}, operation={"v": 1.0}).energy(recording)
