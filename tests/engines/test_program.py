import numpy as np
import pytest

from spikewright.engines.program import lower
from spikewright.errors import EngineError
from spikewright.network import (
    LIF,
    Compose,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Propagation,
    Sparse,
    SumPool,
)


def network(delay=0.0, topology=None, **more):
    return Network(
        dt=1e-3,
        populations={
            "p": Population(LIF, 2, initial={"v": [0.1, 0.2]}),
            "in": Population(Input, 3),
        },
        projections={
            "a": Projection(
                "in", "p", topology or Dense(np.ones((2, 3))), delay=delay, bias=[1.0, 2.0]
            ),
            "b": Projection("p", "p", Dense(np.ones((2, 2))), delay=1e-3),
        },
        **more,
    )


def test_populations_stand_in_the_order_of_a_step():
    program = lower(network())
    assert list(program.populations) == ["in", "p"]
    assert program.populations["in"].outgoing == (0,)
    assert program.populations["p"].initial["v"].tolist() == [0.1, 0.2]
    assert program.populations["p"].biases["spikes"][0].tolist() == [1.0, 2.0]


def test_lags_and_lengths():
    program = lower(network(delay=3e-3))
    assert [q.lag.tolist() for q in program.projections] == [3, 2]
    assert program.ring == {("p", "spikes"): 4, ("p", "i"): 1, ("in", "x"): 1}
    same = lower(network(propagation=Propagation.SAME_STEP))
    assert [q.lag.tolist() for q in same.projections] == [0, 1]


def test_a_delay_of_each_synapse_follows_its_weight():
    delay = np.array([[0.0, 1, 2], [3, 4, 5]]) * 1e-3
    (first, _) = lower(network(delay)).projections
    assert first.lag.tolist() == [0, 3, 1, 4, 2, 5], "by source"
    (first, _) = lower(network(np.full((2, 3), 2e-3))).projections
    assert first.lag.tolist() == 2
    sparse = Sparse.from_edges([2, 0], [0, 1], 1.0, n_pre=3, n_post=2)
    (first, _) = lower(network([1e-3, 4e-3], sparse)).projections
    assert first.lag.tolist() == [1, 4]


def test_a_delay_that_belongs_to_no_synapse():
    images = Network(
        dt=1e-3,
        populations={"in": Population(Input, (1, 2, 2)), "p": Population(LIF, 2)},
        projections={
            "a": Projection(
                "in",
                "p",
                Compose((SumPool(1), Dense(np.ones((2, 4))))),
                delay=np.zeros((2, 4)) + 1e-3,
            )
        },
    )
    assert lower(images).projections[0].lag.tolist() == 1
    shared = Compose((Dense(np.ones((4, 4))), Dense(np.ones((2, 4)))))
    assert shared.weight is None


def test_keys_name_their_stream():
    program = lower(network())
    assert program.key(1, "p", "xi") != program.key(1, "in", "xi")
    assert program.key(1, "p", "xi") == program.key(1, "p", "xi")


def test_an_error_names_the_population():
    from spikewright.network import MODELS, Method

    bad = Network(dt=1e-3, populations={"x": Population(MODELS["AdEx"], 1, method=Method.EXACT)})
    with pytest.raises(EngineError, match=r"^x: AdEx is not linear"):
        lower(bad)
