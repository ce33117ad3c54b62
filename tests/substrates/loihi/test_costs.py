from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.engines.recording import Recording
from spikewright.network import (
    IF,
    AvgPool,
    Compose,
    Conv,
    Dense,
    Flatten,
    Input,
    Network,
    Population,
    Projection,
    Sparse,
    Topology,
)
from spikewright.substrates.base import Category, Compiled, Grade, Placement
from spikewright.substrates.loihi.costs import kind_of
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.units import mJ, ms, ns, pJ, uJ

STEPS = 5
W = 127 / 512


def tiny(preset: str) -> tuple[Loihi, Compiled, Recording]:
    """Two inputs reach two neurons, these reach one; each fires once: 3 spikes, 6 operations, 15 updates."""
    network = Network(
        dt=1 * ms,
        populations={
            "in": Population(Input, 2),
            "a": Population(IF, 2, {"v_th": 0.4}),
            "b": Population(IF, 1, {"v_th": 0.4}),
        },
        projections={
            "in->a": Projection("in", "a", Dense(np.full((2, 2), W))),
            "a->b": Projection("a", "b", Dense(np.full((1, 2), W))),
        },
    )
    chip = Loihi(preset=preset)
    compiled = chip.compile(network)
    spikes = np.zeros((STEPS, 1, 2))
    spikes[0] = 1
    recording = run(compiled.network, {"in": spikes}, engine="reference")
    assert recording.sent["a"].tolist() == [[1, 1]]
    assert recording.sent["b"].tolist() == [[1]]
    return chip, compiled, recording


def test_davies_by_hand() -> None:
    chip, compiled, recording = tiny("davies")
    costs = chip.cost(compiled, recording)
    # one core: 15 updates, 3 of them firing, 6 operations, 2 spikes to the core itself
    time = (15 * 5.3 + 3 * (8.4 - 5.3) + 6 * 3.5 + STEPS * 113) * ns
    ways = 2 * 1.7 * pJ
    events = (6 * 23.6 + 12 * 52 + 3 * 81) * pJ
    assert costs.time.value == pytest.approx(time)
    assert costs.by_category()[Category.LINKS].value == pytest.approx(ways)
    assert costs.by_category()[Category.EVENTS].value == pytest.approx(events)
    assert costs.by_category()[Category.STATIC].value == pytest.approx(0.1044 * time)
    assert costs.by_category()[Category.MANAGEMENT].value == pytest.approx(0.065 * time)
    assert costs.device.value == pytest.approx(events + ways + 0.1044 * time)
    assert costs.system.value == pytest.approx(events + ways + (0.1044 + 0.065) * time + 5.94 * uJ)
    # the band runs from all updates inactive to all active
    dynamic = costs.by_category()[Category.EVENTS]
    assert dynamic.low == pytest.approx((6 * 23.6 + 15 * 52) * pJ)
    assert dynamic.high == pytest.approx((6 * 23.6 + 15 * 81) * pJ)
    assert dynamic.grade is Grade.PUBLISHED_SIMULATION
    assert costs.system.grade is Grade.DERIVED
    assert costs.silicon.value == pytest.approx(0.469e-6)


def test_nahuku_by_hand() -> None:
    chip, compiled, recording = tiny("nahuku")
    costs = chip.cost(compiled, recording)
    # a core sends and receives at the same time: 4 packets and 6 events take 86.8 ns, less than sending does
    time = (15 * (6.0 + 3.7) + 3 * 30 + 2 * 5.1 + STEPS * 600) * ns
    events = (6 * 35.5 + 15 * (51.2 + 21.6) + 3 * 69.3 + 2 * 111) * pJ
    assert costs.time.value == pytest.approx(time)
    assert costs.by_category()[Category.EVENTS].value == pytest.approx(events)
    assert costs.by_category()[Category.EVENTS].grade is Grade.FITTED
    assert costs.preset == "nahuku"
    assert costs.latency[-1].category is Category.BARRIER


@pytest.mark.parametrize("preset", ["davies", "nahuku"])
def test_heat_maps_share_out_what_the_chip_spends(preset: str) -> None:
    chip, compiled, recording = tiny(preset)
    spread = Placement(
        {"a": np.array([0, 1]), "b": np.array([2])}, np.array([[0, 0], [2, 1], [3, 0]]), (8, 4)
    )
    costs = chip.cost(replace(compiled, placement=spread), recording)
    dynamic = sum(t.value for t in costs.energy if t.category.is_per_event)
    assert costs.cores["energy (J)"].sum() == pytest.approx(dynamic)
    assert costs.cores["synaptic events"].tolist() == [2, 2, 2]
    # a0 goes three tiles east; a1 one east, then one south
    packets = costs.links["packets"]
    assert [tuple(p) for p in np.argwhere(packets).tolist()] == [
        (0, 0, 0), (1, 0, 0), (2, 0, 0), (2, 1, 0), (3, 1, 3),
    ]  # fmt: skip
    assert packets.sum() == 5


def test_hops_between_cores_by_hand() -> None:
    chip, compiled, recording = tiny("davies")
    spread = Placement(
        {"a": np.array([0, 1]), "b": np.array([2])}, np.array([[0, 0], [2, 1], [3, 0]]), (8, 4)
    )
    costs = chip.cost(replace(compiled, placement=spread), recording)
    terms = {t.name: t for t in costs.energy}
    assert terms["hops east-west"].count == 3 + 1
    assert terms["hops north-south"].count == 0 + 1
    assert terms["spikes within a tile"].count == 0
    # step 0: the core of a0 updates, fires and adds 2; step 1: that of b updates and fires; then updates
    busiest = (5.3 + 3.1 + 2 * 3.5) + (5.3 + 3.1) + 3 * 5.3
    ways = 2 * (3 * 4.1 + 1 * 6.5)  # chip spikes are on their way after 2 steps
    barrier = STEPS * (113 + (465 - 113) * 2 / 31)  # 3 tiles, between the numbers for 1 and 32
    assert costs.time.value == pytest.approx((busiest + ways + barrier) * ns)
    assert costs.silicon.value == pytest.approx(3 * 0.469e-6)


def test_overheads_stand_apart_and_what_is_unpublished_is_listed() -> None:
    chip, compiled, recording = tiny("davies")
    costs = chip.cost(compiled, recording)
    apart = {t.name: t.category for t in costs.energy if not t.category.is_device}
    assert apart == {
        "management processors": Category.MANAGEMENT,
        "clearing the state": Category.OVERHEAD,
    }
    assert "energy of spikes that enter or leave the chip" in costs.unpublished
    assert any("0.75 V" in note for note in costs.notes)


@pytest.mark.parametrize(
    ("topology", "kind"),
    [
        (Dense(np.ones((1, 1))), "dense"),
        (Sparse.from_matrix(np.ones((1, 1))), "sparse"),
        (Conv(np.ones((1, 1, 2, 2))), "conv"),
        (AvgPool(2), "sparse"),
        (Compose((Flatten(), Dense(np.ones((1, 1))))), "dense"),
    ],
)
def test_synapses_are_priced_by_how_they_are_stored(topology: Topology, kind: str) -> None:
    assert kind_of(topology) == kind


@pytest.mark.parametrize(
    ("preset", "low", "high"), [("davies", 1.45, 1.60), ("nahuku", 2.06, 2.27)]
)
def test_nearest_neighbour_search_on_pohoiki_springs(
    shared: Path, preset: str, low: float, high: float
) -> None:
    """76800 patterns, 60 steps, 667 to 750 input spikes to all neurons; a hundredth of it is run."""
    anchor = json.loads((shared / "facts" / "digital-anchors.json").read_text())
    anchor = anchor["loihi_nearest_neighbour"]
    scale = 100
    n, steps = anchor["patterns"] // scale, anchor["timesteps"]
    found = []
    for n_in in anchor["input_spikes"]:
        network = Network(
            dt=1 * ms,
            populations={
                "in": Population(Input, n_in),
                "patterns": Population(IF, n, {"v_th": 10.0}),
            },
            projections={
                "w": Projection("in", "patterns", Sparse.from_matrix(np.full((n, n_in), 0.01)))
            },
        )
        chip = Loihi(preset=preset)
        compiled = chip.compile(network)
        spikes = np.zeros((steps, 1, n_in))
        spikes[np.arange(n_in) % steps, 0, np.arange(n_in)] = 1
        costs = chip.cost(compiled, run(compiled.network, {"in": spikes}, engine="reference"))
        found.append(costs.by_category()[Category.EVENTS].value * scale)
    assert found == pytest.approx([low * mJ, high * mJ], abs=0.005 * mJ)
    if preset == "davies":
        for energy in found:
            assert energy == pytest.approx(anchor["dynamic_j"], rel=anchor["tolerance"])
