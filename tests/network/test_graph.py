import pickle
from copy import deepcopy

import numpy as np
import pytest

from spikewright.errors import NetworkError
from spikewright.network import (
    LI,
    LIF,
    Dense,
    Input,
    Network,
    OneToOne,
    Population,
    Projection,
    Propagation,
    Relay,
)


def small(**changes):
    fields = {
        "dt": 1e-3,
        "populations": {
            "in": Population(Input, 3),
            "hid": Population(LIF, 2),
            "out": Population(LI, 1),
        },
        "projections": {
            "a": Projection("in", "hid", Dense(np.ones((2, 3))), delay=2e-3),
            "b": Projection("hid", "out", Dense(np.ones((1, 2)))),
        },
    }
    return Network(**(fields | changes))


def test_what_a_network_knows():
    network = small()
    assert network.inputs == ("in",)
    assert network.outputs == ("out",)
    assert (network.n_neurons, network.n_weights) == (6, 8)
    assert network.incoming("hid") == ("a",)
    assert network.outgoing("hid") == ("b",)
    assert network.port_of("a") == "spikes"
    assert network.delay_steps("a") == 2
    assert network.order() == ("in", "hid", "out")


def test_lag_before_the_delay():
    assert [small().lag(name) for name in "ab"] == [0, 1], "what has no state is transparent"
    assert small(propagation=Propagation.SAME_STEP).lag("b") == 0


def test_order_follows_what_arrives_within_a_step():
    relays = {name: Population(Relay, 1) for name in "cab"}
    network = Network(
        dt=1e-3,
        populations=relays,
        projections={
            "bc": Projection("b", "c", OneToOne()),
            "ab": Projection("a", "b", OneToOne()),
            "ca": Projection("c", "a", OneToOne(), delay=1e-3),
        },
    )
    assert network.order() == ("a", "b", "c")


def test_populations_take_one_number_or_one_each():
    population = Population(LIF, (2, 3), {"tau_m": 5e-3, "v_th": np.arange(6.0).reshape(2, 3)})
    assert population.n == 6
    assert population.param("tau_m").shape == ()
    assert population.param("v_th").shape == (2, 3)
    assert population.param("v_rest") == 0.0


def test_changed_copies():
    network = small()
    changed = network.with_weights({"b": [[2.0, 3.0]]})
    assert changed.projections["b"].topology.weight.tolist() == [[2.0, 3.0]]
    assert network.projections["b"].topology.weight.tolist() == [[1.0, 1.0]]
    bigger = network.replacing(populations={"out": Population(LIF, 1)}, name="other")
    assert (bigger.populations["out"].model, bigger.name) == (LIF, "other")


def test_sub_networks():
    network = small().embedding("left", small()).embedding("right", small())
    joined = network.joined({"x": Projection("left.out", "right.hid", Dense(np.ones((2, 1))), "i")})
    assert joined.n_neurons == 18
    assert "left.a" in joined.projections
    assert joined.order().index("left.in") < joined.order().index("left.hid")
    with pytest.raises(NetworkError, match=r"network.embedding\('left'\): a name is taken"):
        network.embedding("left", small())
    with pytest.raises(NetworkError, match="the sub-network runs on another grid"):
        network.embedding("slow", small(dt=2e-3))


def test_frozen():
    network = small()
    with pytest.raises(TypeError):
        network.populations["x"] = Population(LIF, 1)
    with pytest.raises(ValueError, match="read-only"):
        network.projections["a"].delay[...] = 0


def test_summary_names_everything():
    text = small().summary()
    for word in (
        "in: Input (3,) (input)",
        "out: LI (1,) (output)",
        "delay 2..2 steps",
        "weights (2, 3)",
    ):
        assert word in text


def test_networks_can_be_copied_and_sent_to_other_processes():
    network = small()
    for copy in (pickle.loads(pickle.dumps(network)), deepcopy(network)):
        assert copy.summary() == network.summary()
        assert copy.outputs == network.outputs
        for name, projection in network.projections.items():
            assert np.array_equal(
                copy.projections[name].topology.weight, projection.topology.weight
            )
