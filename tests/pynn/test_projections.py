"""Connectors, values of connections, plastic synapses."""

from __future__ import annotations

import math

import numpy as np
import pytest

import spikewright.pynn as sim
from spikewright.errors import FormatError, ModelError, NetworkError


@pytest.fixture
def ends():
    sim.setup(timestep=0.1, min_delay=0.1)
    return (
        sim.Population(20, sim.SpikeSourceArray(), label="pre"),
        sim.Population(30, sim.IF_cond_exp(), label="post"),
    )


def joined(pre, post, connector, **synapse):
    return sim.Projection(pre, post, connector, sim.StaticSynapse(**({"weight": 0.1} | synapse)))


def test_connectors_connect_as_many_as_they_say(ends):
    pre, post = ends
    assert joined(pre, post, sim.AllToAllConnector()).size() == 600
    assert joined(post, post, sim.AllToAllConnector(allow_self_connections=False)).size() == 870
    one = joined(pre, post[:20], sim.OneToOneConnector())
    assert np.array_equal(one.source, one.target)
    chance = joined(pre, post, sim.FixedProbabilityConnector(0.3))
    assert abs(chance.size() - 180) < 6 * math.sqrt(600 * 0.3 * 0.7)
    into = joined(pre, post, sim.FixedNumberPreConnector(7))
    assert np.bincount(into.target).tolist() == [7] * 30
    assert len({(c.presynaptic_index, c.postsynaptic_index) for c in into}) == 210
    out = joined(pre, post, sim.FixedNumberPostConnector(70, with_replacement=False))
    # 30 targets: all of them twice, and 10 a third time
    assert np.bincount(out.source).tolist() == [70] * 20
    assert np.nanmin(out.get("weight", "array")) == pytest.approx(0.2)
    total = joined(pre, post, sim.FixedTotalNumberConnector(500, with_replacement=False))
    assert len(set(zip(total.source, total.target, strict=True))) == 500
    near = joined(pre, post, sim.DistanceDependentProbabilityConnector("d < 2"))
    assert np.all(np.abs(near.source - near.target) < 2)
    assert near.size() == 20 + 20 + 19
    odd = joined(pre, post, sim.IndexBasedProbabilityConnector(lambda i, j: (i + j) % 2))
    assert odd.size() == 300
    matrix = np.arange(600).reshape(20, 30) % 7 == 0
    own = joined(pre, post, sim.ArrayConnector(matrix))
    assert np.array_equal(own.get("weight", "array") == 0.1, matrix)
    assert np.array_equal(joined(pre, post, sim.CloneConnector(own)).source, own.source)


def test_same_seed_same_connections(ends):
    pre, post = ends
    made = [
        joined(pre, post, sim.FixedProbabilityConnector(0.2, rng=sim.NumpyRNG(5))) for _ in "ab"
    ]
    assert np.array_equal(made[0].target, made[1].target)


def test_lists_and_files(ends, tmp_path):
    pre, post = ends
    rows = [(0, 3, 0.5, 1.0), (4, 4, 0.25, 2.0), (19, 29, 0.1, 0.3)]
    first = joined(pre, post, sim.FromListConnector(rows))
    assert first.get(["weight", "delay"], "list") == [
        (i, j, w, pytest.approx(d)) for i, j, w, d in rows
    ]
    first.save("all", tmp_path / "edges.txt")
    again = joined(pre, post, sim.FromFileConnector(str(tmp_path / "edges.txt")))
    assert again.get("all", "list") == first.get("all", "list")
    (tmp_path / "bad.txt").write_text("0 1 0.5\n0 x 0.5\n")
    with pytest.raises(FormatError, match=r"bad.txt, line 2: not numbers"):
        joined(pre, post, sim.FromFileConnector(str(tmp_path / "bad.txt")))
    with pytest.raises(FormatError, match="cannot be read"):
        joined(pre, post, sim.FromFileConnector(str(tmp_path / "none.txt")))
    with pytest.raises(NetworkError, match="row 1: the target is not there; found 30"):
        joined(pre, post, sim.FromListConnector([(0, 1, 0.1, 1.0), (0, 30, 0.1, 1.0)]))


def test_values_of_connections(ends):
    pre, post = ends
    p = joined(pre, post, sim.AllToAllConnector(), weight="0.1 * exp(-d)", delay="0.2 + 0.1 * d")
    weights, delays = p.get(["weight", "delay"], "array")
    i, j = np.indices((20, 30))
    assert weights == pytest.approx(0.1 * np.exp(-np.abs(i - j)))
    assert delays == pytest.approx(0.2 + 0.1 * np.abs(i - j))
    p.set(weight=np.full((20, 30), 0.7))
    p[3].weight = 0.9
    assert p.get("weight", "list", with_address=False)[2:5] == [0.7, 0.9, 0.7]
    counts, edges = p.weightHistogram(nbins=2)
    assert counts.tolist() == [599, 1]
    assert edges.tolist() == pytest.approx([0.7, 0.8, 0.9])
    p.set(weight=lambda d: d)
    assert p.get("weight", "array")[2, 5] == 3
    with pytest.raises(ModelError, match="no 'tau'"):
        p.get("tau", "list")


def test_ends_of_several_populations_deliver_to_each():
    sim.setup(timestep=0.1)
    first = sim.Population(2, sim.SpikeSourceArray(spike_times=[1.0]))
    second = sim.Population(2, sim.SpikeSourceArray(spike_times=[2.0]))
    left, right = (sim.Population(2, sim.IF_curr_exp()) for _ in "ab")
    rows = [(0, 1, 1.0, 0.5), (3, 2, 2.0, 0.5)]
    sim.Projection(first + second, left + right, sim.FromListConnector(rows), sim.StaticSynapse())
    (left + right).record("isyn_exc")
    sim.run(3.0)
    trace = [np.asarray(s) for s in (left + right).get_data().segments[0].filter(name="isyn_exc")]
    both = np.concatenate(trace, axis=1)
    assert both[[15, 16]][:, 1] == pytest.approx([0, np.exp(-0.1 / 5)])
    assert both[[25, 26]][:, 2] == pytest.approx([0, 2 * np.exp(-0.1 / 5)])
    assert not both[:, [0, 3]].any()


@pytest.mark.parametrize(
    ("law", "up", "down"),
    [
        (sim.AdditiveWeightDependence, lambda w: 0.01 * 0.04, lambda w: 0.012 * 0.04),
        (sim.MultiplicativeWeightDependence, lambda w: 0.01 * (0.04 - w), lambda w: 0.012 * w),
    ],
)
def test_stdp_has_the_closed_form_of_two_pairs(law, up, down):
    sim.setup(timestep=0.1, min_delay=0.1)
    pre = sim.Population(1, sim.SpikeSourceArray(spike_times=[10.0, 30.0]))
    driver = sim.Population(1, sim.SpikeSourceArray(spike_times=[19.0]))
    post = sim.Population(1, sim.IF_curr_exp(tau_syn_E=0.5, tau_refrac=5.0))
    post.record("spikes")
    sim.Projection(driver, post, sim.AllToAllConnector(), sim.StaticSynapse(weight=80, delay=1.0))
    stdp = sim.STDPMechanism(
        sim.SpikePairRule(tau_plus=20.0, tau_minus=30.0, A_plus=0.01, A_minus=0.012),
        law(w_min=0.0, w_max=0.04),
        weight=0.02,
        delay=1.0,
        dendritic_delay_fraction=0,
    )
    p = sim.Projection(pre, post, sim.AllToAllConnector(), stdp)
    sim.run(25.0)
    spike = float(post.get_data().segments[0].spiketrains[0][0])
    w = 0.02 + up(0.02) * math.exp(-(spike - 11.0) / 20)
    assert p.get("weight", "list", with_address=False)[0] == pytest.approx(w, abs=1e-12)
    sim.run(10.0)
    w -= down(w) * math.exp(-(31.0 - spike) / 30)
    assert p.get("weight", "list", with_address=False)[0] == pytest.approx(w, abs=1e-12)
    p.set(weight=0.03)
    assert p[0].weight == pytest.approx(0.03)
    sim.reset()
    assert p[0].weight == 0.03


def test_tsodyks_markram_has_its_closed_form():
    sim.setup(timestep=0.1, min_delay=0.1)
    pre = sim.Population(1, sim.SpikeSourceArray(spike_times=[10.0, 30.0, 50.0]))
    cells = [sim.Population(1, sim.IF_curr_exp(tau_syn_E=1.0, v_thresh=0.0)) for _ in "ab"]
    for post, tau_facil in zip(cells, (0.0, 50.0), strict=True):
        post.record("isyn_exc")
        synapse = sim.TsodyksMarkramSynapse(
            U=0.4, tau_rec=100.0, tau_facil=tau_facil, weight=1.0, delay=1.0
        )
        sim.Projection(pre, post, sim.AllToAllConnector(), synapse)
    sim.run(60.0)
    for post, tau_facil in zip(cells, (0.0, 50.0), strict=True):
        i = np.asarray(post.get_data().segments[0].filter(name="isyn_exc")[0])[:, 0]
        u, x, rest = 0.0, 1.0, 0.0
        for step in (110, 310, 510):
            u = (u * math.exp(-20 / tau_facil) if tau_facil else 0.0) * 0.6 + 0.4
            rest = rest * math.exp(-20.0) + u * x
            assert i[step + 1] == pytest.approx(rest * math.exp(-0.1), rel=1e-9)
            x = 1 + (x - u * x - 1) * math.exp(-20 / 100)


def test_what_cannot_be_is_refused(ends):
    pre, post = ends
    with pytest.raises(NetworkError, match="wrong sign for the receptor 'excitatory'"):
        joined(pre, post, sim.AllToAllConnector(), weight=-1.0)
    with pytest.raises(NetworkError, match="shorter than the shortest"):
        joined(pre, post, sim.AllToAllConnector(), delay=0.01)
    with pytest.raises(NetworkError, match="as many neurons; found 20 and 30"):
        joined(pre, post, sim.OneToOneConnector())
    with pytest.raises(NetworkError, match="has no receptor 'nmda'; expected excitatory"):
        sim.Projection(
            pre, post, sim.AllToAllConnector(), sim.StaticSynapse(), receptor_type="nmda"
        )
    with pytest.raises(NetworkError, match="takes no spikes"):
        joined(post, pre, sim.AllToAllConnector())
    with pytest.raises(ModelError, match="unknown name 'open'"):
        joined(pre, post, sim.AllToAllConnector(), weight="open(d)")
    with pytest.raises(NetworkError, match="not a connector"):
        sim.Projection(pre, post, "all", sim.StaticSynapse())
    sim.setup()
    with pytest.raises(NetworkError, match=r"belongs to a simulation that setup\(\) ended"):
        joined(pre, post, sim.AllToAllConnector())
    with pytest.warns(UserWarning, match="whole delay as axonal"):
        sim.STDPMechanism(sim.SpikePairRule(), sim.AdditiveWeightDependence())
    with pytest.raises(ModelError, match="weight_dependence"):
        sim.STDPMechanism(sim.SpikePairRule(), None)
