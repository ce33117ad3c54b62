"""Power against the published sweep, and synaptic events against those that the cores carry out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.network import LIF, Dense, Input, Network, Population, Projection
from spikewright.rng import stream
from spikewright.substrates.base import Category
from spikewright.substrates.truenorth import layout
from spikewright.substrates.truenorth.costs import events_per_spike, power
from spikewright.substrates.truenorth.substrate import TrueNorth, cores_network

ENGINE = "reference"


def test_power_meets_the_published_sweep(shared: Path) -> None:
    anchors = json.loads((shared / "facts" / "digital-anchors.json").read_text(encoding="utf-8"))
    sweep = anchors["truenorth_sweep_0v8"]
    chip, synapses = TrueNorth().chip, sweep["synapses_per_neuron"]
    for point in sweep["fit"]:
        found = power(chip, point["rate_hz"], neurons=sweep["neurons"], synapses=synapses)
        # the chip file holds the fit with six digits
        assert found == pytest.approx(point["power_w"], rel=1e-5)
    other = anchors["truenorth_20hz_0v775"]
    found = power(chip, other["rate_hz"], neurons=sweep["neurons"], synapses=synapses)
    assert found == pytest.approx(other["power_w"], rel=other["tolerance"])


def test_presets_give_the_measured_totals_that_they_were_made_from() -> None:
    chip = TrueNorth().chip
    for preset, total in (("0.775V", 72e-3), ("0.75V", 65e-3)):
        found = power(chip, 20, neurons=2**20, synapses=128, preset=preset)
        assert found == pytest.approx(total, rel=1e-5)


def looped() -> Network:
    draw = stream(11, "truenorth/costs")
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 20),
            "a": Population(LIF, 12),
            "b": Population(LIF, 6),
        },
        projections={
            "in->a": Projection("in", "a", Dense(draw.normal(0.2, 0.3, (12, 20)))),
            "a->a": Projection("a", "a", Dense(draw.normal(0, 0.2, (12, 12))), delay=1e-3),
            "a->b": Projection("a", "b", Dense(draw.normal(0.2, 0.3, (6, 12)))),
        },
    )


@pytest.mark.parametrize("copies", [16, 2], ids=["copies", "relays"])
def test_events_are_those_of_the_cores(monkeypatch: pytest.MonkeyPatch, copies: int) -> None:
    monkeypatch.setattr(layout, "COPIES", copies)
    chip = TrueNorth()
    compiled = chip.compile(looped())
    assert bool(compiled.facts["relayed"]) is (copies == 2)
    inputs = np.zeros((60, 2, 20), np.int64)
    # silence at the end, so that no spike is still on its way
    inputs[:40] = stream(12, "truenorth/costs").random((40, 2, 20)) < 0.3
    recording = run(compiled.network, {"in": inputs}, engine=ENGINE)
    cores = compiled.facts["tables"].cores
    within = run(cores_network(compiled), {"in": inputs}, engine=ENGINE)
    carried = np.array(
        [(within.sent[f"core{c}.axons"] @ core.fan_out).mean() for c, core in enumerate(cores)]
    )
    costs = chip.cost(compiled, recording)
    (events,) = (t for t in costs.energy if t.category is Category.EVENTS)
    assert events.count == pytest.approx(carried.sum())
    assert events.count > 1000
    np.testing.assert_allclose(costs.cores["synaptic events"], carried)
    assert set(events_per_spike(compiled)) == {"in", "a"}


def test_a_step_takes_a_tick_whatever_the_time_step() -> None:
    chip = TrueNorth()
    costs = []
    for dt in (1e-3, 10e-3):
        network = looped()
        projections = {"a->a": Projection("a", "a", network.projections["a->a"].topology, delay=dt)}
        compiled = chip.compile(network.replacing(dt=dt, projections=projections))
        silent = {"in": np.zeros((30, 1, 20), np.int64)}
        costs.append(chip.cost(compiled, run(compiled.network, silent, engine=ENGINE)))
    for one in costs:
        assert one.time.value == pytest.approx(30e-3)
        assert one.device.value == pytest.approx(30e-3 * 64.4306e-3)
        assert one.time.low == pytest.approx(6e-3)
    assert costs[0].silicon.value == pytest.approx(
        len(costs[0].cores["synaptic events"]) * 0.0936e-6
    )
