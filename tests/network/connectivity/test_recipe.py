"""Recipes and drawn delays in a network, and in everything that works on networks."""

from __future__ import annotations

import numpy as np
import pytest

import spikewright as sw
from spikewright.errors import NetworkError
from spikewright.network import (
    LIF,
    AllToAll,
    Choice,
    Conv,
    Dense,
    Distribution,
    FixedInDegree,
    Input,
    Network,
    NeuronModel,
    Normal,
    OneToOne,
    Population,
    Profile,
    Projection,
    Propagation,
    Recipe,
    Sparse,
    Uniform,
)
from spikewright.network.connectivity import edges, recipe
from spikewright.network.connectivity.distribution import DISTRIBUTIONS
from spikewright.network.nir import from_nir, to_nir

DELAY = Normal(3e-3, 1e-3, low=1e-3)
WEIGHTS = Normal(0.5, 0.1)


def network(topology=None, delay=DELAY, n=6, **more) -> Network:
    made = topology or FixedInDegree(n, 3, WEIGHTS, seed=1)
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 8), "out": Population(LIF, n)},
        projections={"p": Projection("in", "out", made, delay=delay)},
        **more,
    )


def test_nothing_is_made_until_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Recipe, "synapses", refuse)
    monkeypatch.setattr(edges, "follow", refuse)
    made = Network(
        dt=1e-4,
        populations={"a": Population(LIF, 2**25)},
        projections={"p": Projection("a", "a", FixedInDegree(2**25, 2**10, WEIGHTS), delay=DELAY)},
    )
    assert made.n_weights == 2**35
    assert (
        "p: a -> a.spikes fixed_in_degree, about 34359738368 synapses, delay 10..93 steps"
        in made.summary()
    )
    assert made.delay_range("p") == (10, 93)
    assert made.order() == ("a",)
    assert made.written_out is not None


def test_the_names_of_codes_are_those_of_the_loops() -> None:
    for name in ("REPEATS", "DISTINCT", "PAIRS", "ALL", "RING", "SPACE"):
        assert getattr(edges, name) == getattr(recipe, name)
    codes = {"normal": edges.NORMAL, "uniform": edges.UNIFORM, "log_normal": edges.LOG_NORMAL}
    codes |= {"exponential": edges.EXPONENTIAL}
    assert {k: d.code for k, d in DISTRIBUTIONS.items() if hasattr(d, "code")} == codes
    order = [Profile.GAUSSIAN, Profile.EXPONENTIAL, Profile.LINEAR, Profile.CONSTANT]
    assert list(Profile) == order
    assert [edges.GAUSSIAN, edges.DECAYING, edges.LINEAR, edges.CONSTANT] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "topology",
    [
        None,
        Dense(np.linspace(0.1, 1.0, 48).reshape(6, 8)),
        Sparse.from_edges([7, 0, 3], [1, 2, 5], [1.0, 2.0, 3.0], n_pre=8, n_post=6),
    ],
)
def test_written_out_it_is_the_same_network(topology: sw.Topology | None) -> None:
    made = network(topology)
    plain = made.written_out()
    p = plain.projections["p"]
    assert not isinstance(p.topology, Recipe)
    assert not isinstance(p.delay, Distribution)
    assert plain.written_out() is plain
    spikes = np.random.default_rng(1).random((40, 2, 8)) < 0.4
    for engine in ("reference", "cpu"):
        one, other = (
            sw.run(n, {"in": spikes}, engine=engine, record={"out": ("v",)}) for n in (made, plain)
        )
        np.testing.assert_array_equal(one.traces["out"]["v"], other.traces["out"]["v"])
    assert one.sent["out"].sum() > 0


def test_engines_agree() -> None:
    spikes = np.random.default_rng(2).random((60, 2, 8)) < 0.4
    for topology in (None, AllToAll(6, Choice((0.1, 0.3))), Dense(np.full((6, 8), 0.2))):
        made = network(topology)
        one, other = (
            sw.run(made, {"in": spikes}, engine=e, record={"out": ("v",)})
            for e in ("reference", "cpu")
        )
        np.testing.assert_array_equal(one.traces["out"]["v"], other.traces["out"]["v"])


def test_other_weights_write_a_recipe_out() -> None:
    made = network()
    other = made.with_weights({"p": np.arange(18.0)})
    assert isinstance(other.projections["p"].topology, Sparse)
    np.testing.assert_array_equal(other.projections["p"].topology.weights, np.arange(18.0))
    np.testing.assert_array_equal(other.delay_steps("p"), made.delay_steps("p"))


def test_delays_where_they_cannot_be_drawn() -> None:
    for topology in (OneToOne(1.0), OneToOne()):
        with pytest.raises(
            NetworkError, match=r"'p'\].delay: drawn delays need one weight per synapse, one_to_one"
        ):
            network(topology, n=8)
    with pytest.raises(
        NetworkError, match=r"delay: drawn delays need one weight per synapse, conv shares"
    ):
        Network(
            dt=1e-3,
            populations={"a": Population(Input, (1, 3, 3)), "b": Population(LIF, (1, 2, 2))},
            projections={"p": Projection("a", "b", Conv(np.ones((1, 1, 2, 2))), delay=DELAY)},
        )
    assert network(OneToOne(np.ones(8)), n=8).delay_steps("p").shape == (8,)
    with pytest.raises(NetworkError, match=r"'p'\].delay: must be 0 or more; found -0.001 s"):
        network(delay=Uniform(-1e-3, 1e-3))
    with pytest.raises(
        NetworkError, match=r"'p'\].delay: one delay per weight; found \(18,\), expected \(\)"
    ):
        network(delay=np.full(18, 1e-3))


def test_a_recipe_that_does_not_fit_is_refused_with_the_network() -> None:
    with pytest.raises(
        NetworkError, match=r"does not fit 'in' of shape .*FixedInDegree: a degree of 9 needs"
    ):
        network(FixedInDegree(6, 9, repeats=False))
    with pytest.raises(NetworkError, match=r"it gives shape \(5,\), but 'out' has shape \(6,\)"):
        network(FixedInDegree(5, 2))


def test_drawn_delays_of_0_make_a_cycle_within_a_step() -> None:
    def loop(delay: object) -> Network:
        return Network(
            dt=1e-3,
            populations={"a": Population(LIF, 4)},
            projections={"p": Projection("a", "a", FixedInDegree(4, 2), delay=delay)},
            propagation=Propagation.SAME_STEP,
        )

    with pytest.raises(NetworkError, match="a cycle without delay"):
        loop(Uniform(0.0, 3e-3))
    assert loop(Uniform(1e-3, 3e-3)).order() == ("a",)


def test_substrates_take_recipes() -> None:
    made = network(FixedInDegree(6, 3, WEIGHTS, seed=1), delay=DELAY)
    for name in ("ideal", "loihi"):
        compiled = sw.substrates.get(name).compile(made)
        spikes = np.random.default_rng(1).random((30, 1, 8)) < 0.5
        assert sw.run(compiled.network, {"in": spikes}).sent["out"].sum() > 0
    pcm = sw.substrates.get("pcm").compile(network(AllToAll(6, WEIGHTS), delay=2e-3))
    assert pcm.network.populations["out"].n == 6


def test_nir_gets_a_matrix() -> None:
    made = network(delay=0.0)
    exported = to_nir(made)
    assert exported.document is not None
    again = from_nir(exported.document, dt=1e-3).network
    weights = [
        p.topology.weight for p in again.projections.values() if p.topology.weight is not None
    ]
    expected = made.projections["p"].topology.synapses((8,)).matrix().astype(np.float32)
    assert any(w.shape == (6, 8) and np.array_equal(w, expected) for w in weights)
    late = to_nir(network())
    assert late.document is None
    assert "delays that differ between the synapses of a neuron" in str(late.report)


def test_training_starts_from_what_was_drawn() -> None:
    train = pytest.importorskip("spikewright.train")
    made = network()
    module = train.Module(made)
    weights = module.to_network().projections["p"].topology.weight
    np.testing.assert_allclose(
        weights, made.projections["p"].topology.synapses((8,)).weight, rtol=1e-6
    )
    started = train.initialize(
        made, (np.random.default_rng(1).random((20, 4, 8)) < 0.2).astype(float), seed=0
    )
    assert isinstance(started.projections["p"].topology, Sparse)


def test_an_integer_model_needs_whole_weights() -> None:
    whole = NeuronModel(
        name="Whole", state={"v": "1"}, params={}, inputs={"x": "1"}, update={"v": "v + x"}, integer=True
    )  # fmt: skip

    def made(weights: object) -> Network:
        return Network(
            dt=1e-3,
            populations={"in": Population(Input, 4), "w": Population(whole, 3)},
            projections={"p": Projection("in", "w", AllToAll(3, weights))},
        )

    for weights in (0.5, Normal(1.0, 0.1), Choice((1.0, 1.5))):
        with pytest.raises(NetworkError, match="'w' is an integer model, the weights are real"):
            made(weights)
    for weights in (2, Choice((1.0, 3.0))):
        found = sw.run(made(weights), {"in": np.ones((5, 1, 4))}, engine="reference")
        expected = 5 * made(weights).projections["p"].topology.synapses((4,)).matrix().sum(axis=1)
        np.testing.assert_array_equal(found.state.values["w"]["v"][0], expected)
