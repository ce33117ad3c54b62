from __future__ import annotations

import numpy as np
import pytest

import spikewright as sw
from spikewright.analysis import Trains, spike_counts
from spikewright.errors import DataError

TRAINS = Trains.of([[0.4, 0.1], [], [0.2, 0.2, 0.5]], end=0.5)


def test_trains_of_lists() -> None:
    assert (TRAINS.n, len(TRAINS), TRAINS.duration) == (3, 3, 0.5)
    assert TRAINS.counts.tolist() == [2, 0, 3]
    assert TRAINS.neuron.tolist() == [0, 0, 2, 2, 2]
    assert [t.tolist() for t in TRAINS] == [[0.1, 0.4], [], [0.2, 0.2, 0.5]]
    assert TRAINS[-1].tolist() == [0.2, 0.2, 0.5]


def test_choosing_and_pooling() -> None:
    some = TRAINS.choose([2, 0])
    assert [t.tolist() for t in some] == [[0.2, 0.2, 0.5], [0.1, 0.4]]
    assert [t.tolist() for t in TRAINS.choose(TRAINS.counts > 2)] == [[0.2, 0.2, 0.5]]
    assert TRAINS.pooled()[0].tolist() == [0.1, 0.2, 0.2, 0.4, 0.5]
    assert [t.tolist() for t in TRAINS.between(0.15, 0.4)] == [[], [], [0.2, 0.2]]
    assert TRAINS.between().counts.tolist() == [2, 0, 3]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Trains.of([[0.1]], end=0.0), "window is empty"),
        (lambda: Trains.of([[0.7]], end=0.5), "outside the window; found 0.7 to 0.7 s"),
        (lambda: Trains.of([[np.nan]], end=0.5), "not finite"),
        (lambda: Trains(np.array([0, 2]), np.zeros(1), 0.0, 1.0), "start does not fit"),
        (lambda: TRAINS.choose([3]), r"no such neuron; found \[3\], expected 0 to 2"),
        (lambda: TRAINS.choose([]), "names no neuron"),
        (lambda: TRAINS.between(0.1, 0.9), "not a window of these trains"),
        (lambda: spike_counts(TRAINS, 0.0), "not a bin width"),
        (lambda: spike_counts(TRAINS, 0.6), "a bin is longer than the window"),
        (lambda: spike_counts(Trains.of([[]] * 1000, end=1e6), 1e-4), "would not fit the memory"),
    ],
)
def test_what_does_not_fit_is_said(wrong, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=said):
        wrong()


def run(model: sw.NeuronModel, *, first: int, engine: str = "reference") -> sw.Recording:
    """Run one neuron that fires in the steps that `spikes` names, going on from step `first`."""
    net = sw.Network(
        dt=1e-3,
        populations={"in": sw.Population(sw.Input, 2), "out": sw.Population(model, 2)},
        projections={"in->out": sw.Projection("in", "out", sw.OneToOne(2.0))},
    )
    state = sw.run(net, steps=first, engine=engine).state if first else None
    spikes = np.zeros((10, 1, 2))
    spikes[[0, 4, 9], 0, [0, 1, 0]] = 1
    return sw.run(net, {"in": spikes}, steps=10, state=state, engine=engine)


@pytest.mark.parametrize("first", [0, 7])
def test_a_spike_is_counted_in_the_step_in_which_it_was_found(first: int) -> None:
    recording = run(sw.LIF, first=first)
    for name in ("in", "out"):  # stamped at the beginning of its step, and at its end
        trains = Trains.from_recording(recording, name)
        assert (trains.begin, trains.end) == (first * 1e-3, (first + 10) * 1e-3)
        expected = np.zeros((10, 2), int)
        expected[[0, 4, 9], [0, 1, 0]] = 1
        assert np.array_equal(spike_counts(trains, 1e-3), expected)
        assert np.array_equal(spike_counts(trains, 5e-3), [[1, 1], [1, 0]])
    late = trains.between((first + 5) * 1e-3)
    assert late.counts.tolist() == [1, 0]


def test_samples_and_spikes_that_are_not_there() -> None:
    recording = run(sw.LIF, first=0)
    with pytest.raises(DataError, match="no such sample; found 1, expected 0 to 0"):
        Trains.from_recording(recording, "out", sample=1)
    with pytest.raises(sw.EngineError, match="spikes were not kept"):
        Trains.from_recording(recording, "nobody")
