from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import LIF, Conv, Dense, Input, Network, Population, Projection
from spikewright.substrates.loihi.model import LoihiInput, LoihiLIF
from spikewright.substrates.passes.faults import DeadCores, DroppedPackets, LinkFailure, StuckBits
from spikewright.substrates.passes.mesh import Mesh
from spikewright.substrates.passes.route import way

DT = 1e-3
EASY = {"tau_m": 1e-3, "v_th": 0.5, "r": 1.0}
CORES = {"a": np.array([0, 0, 1, 1]), "b": np.array([1, 2, 2])}


def network(integer: bool = False) -> Network:
    """in -> a -> b; weights so strong that every spike of a source makes one of each target."""
    if integer:
        model, entering, params, w = LoihiLIF, LoihiInput, {"du": 4095, "dv": 4095, "v_th": 64}, 100
    else:
        model, entering, params, w = LIF, Input, EASY, 1000.0
    return Network(
        dt=DT,
        populations={
            "in": Population(entering, 4),
            "a": Population(model, 4, params),
            "b": Population(model, 3, params),
        },
        projections={
            "in->a": Projection("in", "a", Dense(np.eye(4, dtype=type(w)) * w)),
            "a->b": Projection("a", "b", Dense(np.full((3, 4), w)), delay=2 * DT),
        },
        outputs=("a", "b"),
    )


def fired(net: Network, source: int, steps: int = 400) -> dict[str, np.ndarray]:
    """Which neurons fire when, (T, N), where one input fires at every fourth step, but for the last 20."""
    sent = np.zeros((steps, 1, 4), np.int64 if net.populations["in"].model.integer else float)
    sent[: steps - 20 : 4, 0, source] = 1
    found = run(net, {"in": sent}, engine="reference")
    return {p: found.dense(p)[:, 0] != 0 for p in net.outputs}


def counts(net: Network, source: int, steps: int = 400) -> dict[str, np.ndarray]:
    return {p: spikes.sum(axis=0) for p, spikes in fired(net, source, steps).items()}


def test_dead_cores_are_silent() -> None:
    made, changes = DeadCores(CORES, cores=(1,))(network(), 0)
    assert [str(c) for c in changes] == [
        "faults: a: 2 of 4 neurons are silent — dead cores",
        "faults: b: 1 of 3 neurons are silent — dead cores",
    ]
    for source, heard in ((0, True), (2, False)):
        found = counts(made, source, 60)
        assert found["a"].tolist() == ([10, 0, 0, 0] if heard else [0] * 4)
        assert found["b"].tolist() == ([0, 10, 10] if heard else [0] * 3)
    assert isinstance(made.projections["a->b"].topology, Dense)


def test_dead_cores_are_drawn_from_the_seed() -> None:
    one = DeadCores(CORES, fraction=0.5)
    assert one(network(), 3)[1] == one(network(), 3)[1]
    dead = {str(one(network(), seed)[1]) for seed in range(20)}
    assert len(dead) > 2
    assert DeadCores(CORES)(network(), 0)[1] == ()
    with pytest.raises(
        SubstrateError, match=r"dead cores: no such core; found \[3\], expected 0..2"
    ):
        DeadCores(CORES, cores=(3,))
    with pytest.raises(SubstrateError, match=r"faults: core_of\['b'\]: no core for each neuron"):
        DeadCores({"b": np.zeros(4, int)}, cores=(0,))(network(), 0)


def test_shared_weights_are_written_out() -> None:
    net = Network(
        dt=DT,
        populations={"in": Population(Input, (1, 4, 4)), "a": Population(LIF, (2, 4, 4))},
        projections={
            "in->a": Projection("in", "a", Conv(np.ones((2, 1, 3, 3)), padding=1), bias=np.ones((2, 4, 4)))
        },
    )  # fmt: skip
    core = np.repeat([0, 1], 16)
    made, _ = DeadCores({"a": core}, cores=(1,))(net, 0)
    p = made.projections["in->a"]
    assert p.topology.synapses((1, 4, 4)).target.max() == 15
    assert p.bias[0].min() == 1
    assert np.all(p.bias[1] == 0)
    whole = net.projections["in->a"].topology.synapses((1, 4, 4)).matrix()
    np.testing.assert_array_equal(p.topology.synapses((1, 4, 4)).matrix()[:16], whole[:16])


def test_stuck_bits_of_every_weight() -> None:
    """All bits stuck at 1 read -1, all at 0 read 0; a drawn share is hit as often as it should be."""
    draw = np.random.default_rng(0)
    weight = draw.integers(-128, 128, (100, 80))
    net = Network(
        dt=DT,
        populations={"in": Population(LoihiInput, 80), "a": Population(LoihiLIF, 100)},
        projections={"in->a": Projection("in", "a", Dense(weight))},
    )
    for value, reads in ((1, -1), (0, 0)):
        made, _ = StuckBits(1.0, value=value)(net, 0)
        assert np.all(made.projections["in->a"].topology.weight == reads)
    made, (change,) = StuckBits(0.01)(net, 5)
    again, _ = StuckBits(0.01)(net, 5)
    new = made.projections["in->a"].topology.weight
    np.testing.assert_array_equal(new, again.projections["in->a"].topology.weight)
    assert new.min() >= -128
    assert new.max() <= 127
    flipped = np.bitwise_count((new ^ weight) & 255).sum()
    assert flipped == pytest.approx(0.5 * 0.01 * weight.size * 8, rel=0.2), (
        "half of them read what was written"
    )
    assert change.size is not None
    assert int(change.what.split()[0]) == pytest.approx(0.01 * weight.size * 8, rel=0.15)
    assert StuckBits(0.0)(net, 5) == (net, ())


def test_bits_of_what_has_none_are_refused() -> None:
    real = network().with_weights({"a->b": np.full((3, 4), 0.5)})
    with pytest.raises(
        SubstrateError, match="projection 'a->b': its weights are not whole numbers"
    ):
        StuckBits(0.1, bits=11)(real, 0)
    with pytest.raises(LimitError) as caught:
        StuckBits(0.1, bits=7)(network(integer=True), 0)
    assert (
        "projection 'a->b': its weights do not fit into 7 bits; found 100..100, expected -64..63"
        " — say how wide a word is: StuckBits(bits=...)" in str(caught.value)
    )
    with pytest.raises(SubstrateError, match="2 problems"):
        StuckBits(0.1, bits=0, value=2)
    with pytest.raises(SubstrateError, match="not a probability"):
        StuckBits(1.5)


@pytest.mark.parametrize("integer", [False, True])
def test_packets_are_dropped_for_a_core_at_once(integer: bool) -> None:
    """Neuron 0 of a reaches b on cores 1 and 2: both neurons on core 2 miss the same spikes."""
    net = network(integer)
    made, changes = DroppedPackets(CORES, 0.3)(net, 0)
    assert [c.what for c in changes] == [
        "packets to 2 cores are lost with probability 0.3",
        "packets to 2 cores are lost with probability 0.3",
    ]
    found = fired(made, 0, 1000)
    sent, b = found["a"][:, 0].sum(), found["b"]
    assert sent == pytest.approx(0.7 * 245, rel=0.15)
    np.testing.assert_array_equal(b[:, 1], b[:, 2])
    assert np.any(b[:, 0] != b[:, 1])
    assert b[:, 0].sum() == pytest.approx(0.7 * sent, rel=0.15)
    assert b[:, 1].sum() == pytest.approx(0.7 * sent, rel=0.15)
    whole = counts(net, 0, 60)
    none, _ = DroppedPackets(CORES, 1e-9)(net, 0)
    for p in ("a", "b"):
        np.testing.assert_array_equal(counts(none, 0, 60)[p], whole[p])


def test_packets_on_their_own_core_are_safe() -> None:
    """Neuron 2 of a and neuron 0 of b share core 1."""
    cores = dict(CORES)
    made, _ = DroppedPackets(cores, 1.0)(network(), 0)
    direct = made.projections["a->b"].topology.synapses((4,))
    assert sorted(zip(direct.source.tolist(), direct.target.tolist(), strict=True)) == [
        (2, 0),
        (3, 0),
    ]
    assert counts(made, 2, 60)["a"].tolist() == [0, 0, 0, 0], "inputs come from outside"
    assert DroppedPackets(cores, 0.0)(network(), 0)[1] == ()


def test_failed_links_cut_the_ways_that_cross_them() -> None:
    position = np.array([[0, 0], [1, 0], [1, 1]])
    mesh = Mesh(2, 2, failed=((1, 0, "N"),))
    made, changes = LinkFailure(CORES, position, mesh)(network(), 0)
    # from core 0 and 1 to core 2 the way goes E, then N over the failed link: 4 sources, 2 targets
    assert [c.what for c in changes] == ["8 of 12 synapses are not reached any more"]
    assert (1, 0, "N") in way((0, 0), (1, 1), mesh)
    weight = made.projections["a->b"].topology.weight
    assert np.all(weight[1:] == 0)
    assert np.all(weight[0] == 1000.0)
    drawn = LinkFailure(CORES, position, Mesh(2, 2), fraction=0.5)
    assert drawn.failed(1) == drawn.failed(1)
    assert {len(drawn.failed(s)) for s in range(10)} != {0}
    with pytest.raises(
        SubstrateError, match="a core has no position; found 2, expected 3 positions"
    ):
        LinkFailure(CORES, position[:2], mesh)
