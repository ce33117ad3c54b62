"""Networks on chips with dead cores and failed links: mapped around them, they spike as on a whole chip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection, Sparse
from spikewright.rng import stream
from spikewright.substrates.base import Compiled, Costs, Pass
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.loihi2.substrate import Loihi2
from spikewright.substrates.passes.faults import DeadCores, DroppedPackets, LinkFailure, StuckBits
from spikewright.substrates.passes.hypergraph import hypergraph_of, packets
from spikewright.substrates.passes.mesh import Mesh
from spikewright.substrates.spinnaker.substrate import SpiNNaker
from spikewright.substrates.truenorth.substrate import TrueNorth

STEPS = 15
POPULATIONS = "abcdefghijkl"
CASES = {
    "loihi": (Loihi, {}, (6, 500)),
    "loihi2": (Loihi2, {}, (6, 500)),
    "truenorth": (TrueNorth, {}, (12, 60)),
    "spinnaker": (SpiNNaker, {"neurons_per_core": 3, "mesh": (4, 5)}, (6, 45)),
}
every_chip = pytest.mark.parametrize("name", list(CASES))


def ring(k: int, n: int) -> Network:
    """Return k populations that send to each other in a ring."""
    draw = stream(3, "faulty chips/weights")
    names = tuple(POPULATIONS[:k])
    projections = {"in": Projection("in", "a", Dense(draw.random((n, 20)) * 0.4))}
    for pre, post in zip(names, names[1:] + names[:1], strict=True):
        weight = draw.normal(0.6 / np.sqrt(n), 2.0 / np.sqrt(n), (n, n))
        projections[f"{pre}->{post}"] = Projection(pre, post, Dense(weight))
    populations = {"in": Population(Input, 20)} | {p: Population(LIF, n) for p in names}
    return Network(1e-3, populations, projections)


def made(name: str, **options: Any) -> tuple[Any, Compiled, Costs, dict[str, Any]]:
    chip_type, fixed, n = CASES[name]
    chip = chip_type(**fixed, **options)
    compiled = chip.compile(ring(*n), seed=2)
    x = (stream(3, "faulty chips/x").random((STEPS, 1, 20)) < 0.5).astype(np.int64)
    found = run(compiled.network, {"in": x}, engine="reference")
    sent = {p: found.dense(p) for p in POPULATIONS[: n[0]]}
    return chip, compiled, chip.cost(compiled, found), sent


def mesh_of(chip: Any) -> Mesh:
    found: Mesh = chip.torus if isinstance(chip, SpiNNaker) else chip.mesh
    return found


def on_tiles(compiled: Compiled) -> set[tuple[int, int]]:
    assert compiled.placement is not None
    return {(int(x), int(y)) for x, y in compiled.placement.position}


WAYS = ("E", "W", "N", "S", "NE", "SW")
"""As `Costs.links` has them."""


@every_chip
def test_dead_cores_and_failed_links_are_mapped_around(name: str) -> None:
    chip, compiled, costs, sent = made(name)
    whole = mesh_of(chip)
    assert all(x.any() for x in sent.values())
    used = on_tiles(compiled)
    assert len(used) > 1
    dead = sorted(used)[:2]
    crossed = costs.links["packets"]
    # what carries packets fails, and more
    failing = {(int(x), int(y), WAYS[d]) for x, y, d in np.argwhere(crossed)}
    assert failing
    failing |= set(LinkFailure({}, np.zeros((0, 2)), whole, fraction=0.3).failed(1))
    at = [(x, y, WAYS.index(d)) for x, y, d in failing]

    chip, compiled, costs, others = made(name, faulty=dead, failed_links=failing)
    for p in sent:
        np.testing.assert_array_equal(sent[p], others[p])
    assert not on_tiles(compiled) & set(dead)
    for crossed in costs.links.values():
        assert crossed.sum() > 0
        assert sum(crossed[i] for i in at) == 0
    if name == "spinnaker":
        assert all(crossed[place].sum() == 0 for place in dead), "its router is dead as well"
    told = {c.by: c.what for c in compiled.changes}
    assert " dead ones" in told["place"]
    assert int(told["route"].split()[0]) > 0
    _, again, *_ = made(name, faulty=dead, failed_links=failing)
    assert np.array_equal(again.placement.position, compiled.placement.position)


@every_chip
def test_too_many_dead_cores_are_a_limit(name: str) -> None:
    chip_type, fixed, n = CASES[name]
    mesh = mesh_of(chip_type(**fixed))
    tiles = [(x, y) for x in range(mesh.x) for y in range(mesh.y)]
    chip = chip_type(**fixed, faulty=tiles[1:])
    whole = mesh.n_tiles * mesh.per_tile
    with pytest.raises(LimitError, match=rf"{name} .{whole - mesh.per_tile} of {whole} cores are"):
        chip.compile(ring(*n))


@every_chip
def test_faults_must_be_there(name: str) -> None:
    chip_type, fixed, _ = CASES[name]
    for faulty in (((99, 0),), ((0, 0, 99),), ((0,),), "ab", [("x", 1)]):
        with pytest.raises(SubstrateError, match=rf"{name}: faulty: no such core"):
            chip_type(**fixed, faulty=faulty)
    for links in (((0, 99, "E"),), ((0, 0, "UP"),), ((0, 0),), [(0, 0, 1)]):
        with pytest.raises(SubstrateError, match=rf"{name}: failed_links: no such link"):
            chip_type(**fixed, failed_links=links)
    for option in ("faulty", "failed_links"):
        with pytest.raises(SubstrateError, match=rf"{name}: {option}: not a list of places"):
            chip_type(**fixed, **{option: 3})


@every_chip
def test_a_tile_that_failed_links_cut_off_is_not_used(name: str) -> None:
    _, compiled, _, sent = made(name)
    x, y = min(on_tiles(compiled))
    ways = ("E", "N", "W", "S", "NE", "SW")
    chip_type, fixed, _ = CASES[name]
    whole = mesh_of(chip_type(**fixed))
    out = [(x, y, d) for d in ways if whole.neighbor((x, y, d)) is not None]
    _, compiled, _, others = made(name, failed_links=out)
    assert (x, y) not in on_tiles(compiled)
    assert all(np.array_equal(sent[p], others[p]) for p in sent)


@pytest.mark.parametrize("name", ["loihi", "loihi2", "spinnaker"])
def test_a_cut_by_traffic_sends_less_and_spikes_alike(name: str) -> None:
    chip_type, fixed, _ = CASES[name]
    if name == "spinnaker":
        fixed = {**fixed, "neurons_per_core": 100}
    # four groups dealt out in turn, each for itself: in order, every core holds some of each
    n = 1000
    of = np.arange(n) % 4
    weight = np.where(
        of[:, None] == of[None, :], stream(3, "faulty chips/groups").random((n, n)), 0
    )
    network = Network(
        1e-3,
        {"in": Population(Input, 4), "a": Population(LIF, n)},
        {
            "in": Projection("in", "a", Dense(np.eye(4)[of])),
            "a->a": Projection("a", "a", Sparse.from_matrix(weight * 0.01)),
        },
    )
    x = (stream(3, "faulty chips/x").random((STEPS, 1, 4)) < 0.5).astype(np.int64)
    sent, links = [], []
    for option in ("order", "traffic"):
        chip = chip_type(**fixed, partition=option)
        compiled = chip.compile(network)
        found = run(compiled.network, {"in": x}, engine="reference")
        sent.append(found.dense("a"))
        links.append(_packets(compiled))
    assert np.array_equal(*sent)
    assert sent[0].any()
    assert links[1] < links[0]
    assert f"{links[1]:g} packets where all neurons fire once" in str(compiled.changes)
    with pytest.raises(SubstrateError, match="partition: unknown"):
        chip_type(**fixed, partition="best")


def _packets(compiled: Compiled) -> float:
    assert compiled.placement is not None
    cover = hypergraph_of(compiled.network, tuple(compiled.placement.core_of))
    return packets(cover.graph, cover.joined(compiled.placement.core_of).astype(np.int64))


@pytest.mark.parametrize("name", ["loihi", "loihi2", "spinnaker"])
def test_rates_of_a_recording_say_what_packets_count(name: str) -> None:
    chip_type, fixed, n = CASES[name]
    network = ring(*n)
    x = (stream(3, "faulty chips/x").random((STEPS, 1, 20)) < 0.5).astype(np.int64)
    rates = run(network, {"in": x}, engine="reference").rates()
    assert rates["a"].shape == (n[1],)
    assert rates["a"].max() <= 1 / network.dt
    chip = chip_type(**fixed, rates=rates)
    assert chip == chip_type(**fixed, rates=rates)
    assert chip.compile(network).placement.n_cores > 1
    for wrong in ({"a": -1.0}, {"a": np.ones(3)}, {"a": "fast"}, {"z": 1.0}, {"a": np.nan}):
        with pytest.raises(SubstrateError, match=rf"{name}: rates\['[az]'\]: (not Hz|no such pop)"):
            chip_type(**fixed, rates=wrong).compile(network)
    with pytest.raises(SubstrateError, match=f"{name}: rates: not rates"):
        chip_type(**fixed, rates=20.0)


def test_faults_change_what_a_compiled_network_spikes() -> None:
    _, compiled, _, sent = made("truenorth")
    place = compiled.placement
    assert place is not None
    x = (stream(3, "faulty chips/x").random((STEPS, 1, 20)) < 0.5).astype(np.int64)
    cases: list[tuple[Pass, str]] = [
        (DeadCores(place.core_of, fraction=0.5), "neurons are silent"),
        (StuckBits(0.05, bits=9), "bits of its weights are stuck"),
        (DroppedPackets(place.core_of, 0.3), "are lost with probability 0.3"),
        (LinkFailure(place.core_of, place.position, TrueNorth().mesh, fraction=0.4), "not reached"),
    ]
    for fault, words in cases:
        found: dict[int, np.ndarray] = {}
        for seed in (1, 1, 2):
            broken, changes = fault(compiled.network, seed)
            assert any(words in c.what for c in changes)
            ran = run(broken, {"in": x}, engine="reference", seed=seed)
            spikes = np.concatenate([ran.dense(p) for p in sent], axis=2)
            if seed in found:
                assert np.array_equal(found[seed], spikes), "drawn from the seed"
            found[seed] = spikes
        assert not np.array_equal(found[1], found[2])
        whole = np.concatenate([sent[p] for p in sent], axis=2)
        assert not np.array_equal(found[1], whole)
