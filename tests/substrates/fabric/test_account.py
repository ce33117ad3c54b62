"""Costs on a mesh of cores: by hand, and against plain loops over synapses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.engines import run
from spikewright.errors import SubstrateError
from spikewright.network import IF, Dense, Input, Network, Population, Projection
from spikewright.substrates.base import Category, Constant, Grade, Placement
from spikewright.substrates.fabric.account import Account, Activity, account, detailed_latency
from spikewright.substrates.fabric.fabric import OUTSIDE, Fabric
from spikewright.substrates.fabric.prices import Barrier, Prices

KINDS = ("dense", "sparse")


def price(value: float, unit: str = "J") -> Constant:
    return Constant("c", value, unit, value, value, "here", Grade.ASSUMED)


def prices(unit: str) -> Prices:
    access, update, fire, send, receive = (price(v, unit) for v in (1.0, 10.0, 100.0, 1e3, 1e4))
    return Prices(
        access,
        update,
        fire,
        send,
        receive,
        {"dense": price(1e5, unit), "sparse": price(1e6, unit)},
        price(1e7, unit),
        price(1e8, unit),
        price(1e9, unit),
    )


BARRIER = Barrier({1: price(0.5, "s"), 3: price(2.5, "s")})


def three_cores() -> Fabric:
    """Neurons 0 and 1 on core 0 at (0, 0), 2 on core 1 in the same tile, 3 on core 2 at (2, 1); 4 outside."""
    return Fabric.of_synapses(
        [0, 0, 1, 2, OUTSIDE],
        [[0, 0], [0, 0], [2, 1]],
        (3, 2),
        [0, 0, 0, 1, 4, 4],
        [3, 3, 2, 0, 2, 3],
        kind=[0, 1, 0, 0, 1, 1],
        kinds=KINDS,
    )


def test_a_packet_goes_to_every_core_that_a_neuron_reaches() -> None:
    fabric = three_cores()
    assert fabric.start.tolist() == [0, 2, 3, 3, 3, 5]
    assert fabric.core.tolist() == [1, 2, 0, 1, 2]
    assert fabric.synapses.tolist() == [[1, 0], [1, 1], [1, 0], [0, 1], [0, 1]]
    assert (fabric.n_cores, fabric.n_tiles, fabric.neurons.tolist()) == (3, 2, [2, 1, 1])
    per = {name: count.tolist() for name, count in fabric.per_spike.items()}
    assert per["packets"] == [2, 1, 0, 0, 0]
    assert per["hops_x"] == [2, 0, 0, 0, 0]
    assert per["hops_y"] == [1, 0, 0, 0, 0]
    assert per["local"] == [1, 1, 0, 0, 0]
    assert per["entering"] == [0, 0, 0, 0, 2]
    assert per["synapses"] == [[2, 1], [1, 0], [0, 0], [0, 0], [0, 2]]


def one_step(**more: bool) -> Account:
    """Neuron 0 and the input fire in the first of two steps."""
    fabric = three_cores()
    activity = Activity.of_arrays(fabric, [0, 0], [0, 4], steps=2)
    return account(fabric, activity, prices("J"), prices("s"), BARRIER, **more)


def test_counts_and_energy_by_hand() -> None:
    found = one_step()
    assert found.fired[:, 0].tolist() == [1, 0]
    assert found.updated[:, 0].tolist() == [4, 4]
    assert (found.packets.sum(), found.entering.sum(), found.hops.sum()) == (2, 2, 3)
    assert found.events["dense"][:, 0].tolist() == [2, 0]
    assert found.events["sparse"][:, 0].tolist() == [3, 0]
    joules = {name: e.sum() for name, e in found.joules().items()}
    assert joules == {
        "synaptic events, dense": 2e5,
        "synaptic events, sparse": 3e6,
        "neuron accesses": 8.0,
        "neuron updates": 80.0,
        "spikes": 100.0,
        "packets sent": 2e3,
        "packets received": 4e4,
        "packets within a tile": 1e9,
        "hops east-west": 2e7,
        "hops north-south": 1e8,
    }
    assert sum(t.value for t in found.terms()) == pytest.approx(sum(joules.values()))
    kinds = {t.name: t.category for t in found.terms()}
    assert kinds["hops east-west"] is kinds["packets within a tile"] is Category.LINKS
    assert kinds["packets sent"] is Category.EVENTS


def test_latency_is_that_of_the_busiest_core_and_of_its_busier_side() -> None:
    found = one_step()
    # core 2 receives two packets, one dense and two sparse events; then core 0 updates two neurons
    assert found.busy[:, 0].tolist() == [2e4 + 1e5 + 2e6, 22.0]
    assert found.on_busiest[0, 0].tolist() == [0, 0, 0, 0, 2, 1, 2]
    assert found.on_busiest[1, 0].tolist() == [2, 2, 0, 0, 0, 0, 0]
    assert found.simple[1, 0] == 22.0 + 1.5  # two tiles, between the times of one and three
    added = one_step(adds_sides=True)
    assert added.busy[0, 0] == 2e4 + 1e5 + 2e6 + 11.0
    assert added.on_busiest[0, 0].tolist() == [1, 1, 0, 0, 2, 1, 2]


def test_heat_maps_share_out_the_run() -> None:
    found = one_step()
    cores, links = found.maps()
    assert cores["energy (J)"].sum() == pytest.approx(sum(e.sum() for e in found.joules().values()))
    assert cores["energy (J)"][1] == pytest.approx(22.0 + 2e4 + 1e5 + 1e6)
    assert cores["synaptic events"].tolist() == [0, 2, 3]
    east, north = links["packets"][..., 0], links["packets"][..., 2]
    assert east.tolist() == [[1, 0], [1, 0], [0, 0]]
    assert north.tolist() == [[0, 0], [0, 0], [1, 0]]
    assert links["packets"].sum() == found.hops.sum()


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=25)
def test_counts_are_those_of_plain_loops(seed: int, steps: int, samples: int) -> None:
    draw = np.random.default_rng(seed)
    n, n_cores, mesh = 12, 5, (3, 2)
    core = draw.integers(-1, n_cores, n)
    position = np.stack([draw.integers(0, size, n_cores) for size in mesh], axis=1)
    source, target = draw.integers(0, n, 40), draw.permutation(np.flatnonzero(core >= 0))
    target = target[draw.integers(0, len(target), 40)] if len(target) else target
    source, kind = source[: len(target)], draw.integers(0, 2, len(target))
    fabric = Fabric.of_synapses(core, position, mesh, source, target, kind=kind, kinds=KINDS)
    fires = draw.random((steps, samples, n)) < 0.3
    updates = draw.random((steps, samples, n)) < 0.5
    step, sample, neuron = np.nonzero(fires)
    activity = Activity.of_arrays(
        fabric, step, neuron, steps=steps, sample=sample, samples=samples, updated=updates
    )
    found = account(fabric, activity, prices("J"), prices("s"), BARRIER)
    for t in range(steps):
        for b in range(samples):
            fired = np.flatnonzero(fires[t, b])
            reached = {
                (i, core[j]) for i in fired for s, j in zip(source, target, strict=True) if s == i
            }
            inside = {(i, c) for i, c in reached if core[i] >= 0}
            ways = [np.abs(position[core[i]] - position[c]) for i, c in inside]
            assert found.fired[t, b] == np.count_nonzero(core[fired] >= 0)
            assert found.updated[t, b] == np.count_nonzero(updates[t, b] & (core >= 0))
            assert (found.packets[t, b], found.entering[t, b]) == (
                len(inside),
                len(reached - inside),
            )
            assert found.hops_x[t, b] == sum(int(w[0]) for w in ways)
            assert found.hops_y[t, b] == sum(int(w[1]) for w in ways)
            for k, name in enumerate(KINDS):
                assert found.events[name][t, b] == np.count_nonzero(
                    np.isin(source, fired) & (kind == k)
                )
    assert found.core_energy.sum() == pytest.approx(
        sum(e.sum() for e in found.joules().values()) / samples
    )  # fmt: skip


def test_a_run_of_a_placed_network_is_accounted_for_sample_by_sample() -> None:
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, (2,)), "a": Population(IF, (2,), {"v_th": 0.4})},
        projections={"w": Projection("in", "a", Dense(np.array([[0.5, 0.0], [0.5, 0.5]])))},
    )
    place = Placement({"a": np.array([0, 1])}, np.array([[0, 0], [1, 0]]), (2, 1))
    fabric = Fabric.of_network(network, place, lambda _: "dense")
    spikes = np.zeros((3, 2, 2))
    spikes[0, 0, 0] = spikes[1, 1, 1] = 1
    recording = run(network, {"in": spikes}, engine="reference")
    found = account(
        fabric, Activity.of_recording(fabric, recording), prices("J"), prices("s"), BARRIER
    )
    # a weight of zero is no synapse: the second input reaches one core
    assert found.entering.tolist() == [[2, 0], [0, 1], [0, 0]]
    assert (
        found.events["dense"].sum(axis=0).tolist() == recording.operations("w").tolist() == [2, 1]
    )
    assert found.fired.sum(axis=0).tolist() == recording.sent["a"].sum(axis=1).tolist()
    first = Activity.of_recording(fabric, recording, samples=1)
    assert (first.samples, first.rows, first.fired.tolist()) == (1, 3, [0, 2, 3])


# -- congestion --------------------------------------------------------------------------------------

QUICK = Prices(send=price(1.0, "s"), receive=price(10.0, "s"), hop_x=price(3.0, "s"))
NONE = Barrier({1: price(0.0, "s")})


def line(n_sources: int) -> Fabric:
    """Cores in a row, one neuron each; all but the last send to the last."""
    place = [[x, 0] for x in range(n_sources + 1)]
    return Fabric.of_synapses(
        np.arange(n_sources + 1),
        place,
        (n_sources + 1, 1),
        np.arange(n_sources),
        np.full(n_sources, n_sources),
    )


def latency(fabric: Fabric, neurons: list[int], buffer: float) -> tuple[float, float]:
    activity = Activity.of_arrays(fabric, [0] * len(neurons), neurons, steps=1)
    took, waited = detailed_latency(fabric, activity, QUICK, NONE, buffer=buffer)
    return float(took[0, 0]), float(waited[0, 0])


def test_a_packet_alone_is_sent_travels_and_is_received() -> None:
    assert latency(line(2), [0], 16) == (1 + 2 * 3 + 10, 0)
    assert latency(line(2), [], 16) == (0, 0)


def test_a_core_receives_one_packet_after_the_other() -> None:
    # in the order of sending: that of core 0 arrives at 7, and until 17 the one of core 1, which is near, has to wait
    assert latency(line(2), [0, 1], 16) == (7 + 10 + 10, 0)


def test_where_links_are_full_packets_wait() -> None:
    # both leave at the same time, that of core 0 first: a quarter on each of four links. The other finds two of them
    # on its way, and without room it waits half of the time that receiving takes
    took, waited = latency(line(2), [0, 1], 0)
    assert waited == 0.5 * 10
    assert took == 7 + 10 + 10


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": [[0, 0], [3, 0]]}, r"core 1: lies outside the mesh; found \(3, 0\)"),
        ({"core_of": [0, 2]}, r"target: has synapses but lies on no core"),
        ({"core_of": [0, OUTSIDE]}, r"target: has synapses but lies on no core .*1 synapses"),
        ({"core_of": [-2, 1]}, r"core_of: no such core; found -2 to 1, expected -1 to 1"),
        ({"source": [5]}, r"source: not numbers of what exists; expected 1 numbers from 0 to 1"),
        ({"kind": [1]}, r"kind: not numbers of what exists"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], message: str) -> None:
    given = {
        "core_of": [0, 1],
        "position": [[0, 0], [1, 0]],
        "mesh": (2, 1),
        "source": [0],
        "target": [1],
        "kind": [0],
    }
    with pytest.raises(SubstrateError, match=message):
        Fabric.of_synapses(**(given | change))  # type: ignore[arg-type]


def test_spikes_outside_the_run_are_refused() -> None:
    fabric = three_cores()
    with pytest.raises(SubstrateError, match=r"fabric: step: not in the run; expected 1 numbers"):
        Activity.of_arrays(fabric, [2], [0], steps=2)
    with pytest.raises(SubstrateError, match=r"fabric: neuron: not in the run"):
        Activity.of_arrays(fabric, [0], [5], steps=2)
    with pytest.raises(SubstrateError, match=r"fabric: updated: wrong shape"):
        Activity.of_arrays(fabric, [0], [0], steps=2, updated=np.ones((2, 4), bool))


def test_a_kind_of_synapse_without_a_price_is_refused() -> None:
    fabric = three_cores()
    activity = Activity.of_arrays(fabric, [0], [0], steps=1)
    some = Prices(synapse={"dense": price(1.0)})
    with pytest.raises(
        SubstrateError, match="no price for synapses of kind sparse; expected dense"
    ):
        account(fabric, activity, some, some, BARRIER)


def test_a_barrier_is_a_step_or_between() -> None:
    assert [BARRIER.at(n).value for n in (1, 2, 3, 9)] == [0.5, 1.5, 2.5, 2.5]
    stepped = Barrier(BARRIER.of_tiles, is_stepped=True)
    assert [stepped.at(n).value for n in (1, 2, 3, 9)] == [0.5, 0.5, 2.5, 2.5]
    with pytest.raises(SubstrateError, match="barrier: has no times"):
        Barrier({}).at(1)
