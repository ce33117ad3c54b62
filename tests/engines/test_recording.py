import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.errors import EngineError
from spikewright.network import LI, LIF, Dense, Input, Network, Population, Projection

NETWORK = Network(
    dt=1e-3,
    populations={
        "in": Population(Input, (2, 3)),
        "hid": Population(LIF, 2),
        "out": Population(LI, 1),
    },
    projections={
        "a": Projection("in", "hid", Dense([[2.0, 0, 0, 0, 0, 0], [0, 1.5, 2.0, 0, 0, 0]])),
        "b": Projection("hid", "out", Dense([[1.0, 0.0]])),
    },
)


@pytest.fixture
def recording():
    x = np.zeros((4, 2, 2, 3))
    x[0, 0, 0, 0] = x[1, 1, 0, 1] = x[2, 0, 0, 2] = 1
    return Reference().run(NETWORK, {"in": x}, record={"hid": ("v",)})


def test_shapes(recording):
    assert recording.dense("in").shape == (4, 2, 2, 3)
    assert recording.trace("hid", "v").shape == (4, 2, 2)
    assert recording.trace("out", "output").shape == (4, 2, 1)
    assert recording.count("in").shape == (2, 2, 3)
    assert recording.duration == pytest.approx(4e-3)


def test_spikes_as_events(recording):
    events = recording.events("hid", sample=0)
    assert events.t.tolist() == [0, 2]
    assert events.address.tolist() == [0, 1]
    assert events.tick == NETWORK.dt
    graded = recording.events("in", sample=1)
    assert graded.shape == (2, 3)
    assert graded.value is not None
    assert graded.value.tolist() == [1.0]


def test_counts_that_costs_need(recording):
    assert recording.count("hid").tolist() == [[1, 1], [0, 1]]
    assert recording.operations("a").tolist() == [2, 1], "only synapses that are not zero"
    assert recording.operations("b").tolist() == [1, 0]
    assert recording.updates("hid") == 8
    assert recording.activity["hid"].tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]


def test_what_was_not_recorded(recording):
    with pytest.raises(EngineError) as caught:
        recording.trace("out", "v")
    assert str(caught.value) == (
        "recording.traces['out']: 'v' was not recorded; expected output — run with record={'out': ('v',)}"
    )
    alone = Reference().run(NETWORK, steps=2, spikes=())
    with pytest.raises(EngineError, match=r"'output' was not recorded; expected nothing"):
        alone.dense("hid")
    with pytest.raises(EngineError, match=r"recording.spikes\['hid'\]: spikes were not kept"):
        alone.events("hid")
