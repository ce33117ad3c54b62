import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.engines.record import Record, check_record
from spikewright.errors import EngineError, Problems
from spikewright.network import LIF, Network, Population


@given(st.integers(0, 50), st.lists(st.integers(0, 9), max_size=6), st.integers(1, 7))
def test_rows_of_chunks_are_those_of_the_whole(first, chunks, every):
    record = Record("v", every=every)
    parts, at = [], first
    for n in chunks:
        parts += record.steps(at, n).tolist()
        assert len(record.steps(at, n)) == record.rows(at, n)
        at += n
    assert parts == record.steps(first, at - first).tolist()
    assert all(k % every == 0 for k in parts)
    assert record.rows(0, at) == -(-at // every)


def test_what_may_be_given_for_a_population():
    assert Record.of("v").variables == ("v",)
    assert Record.of(["v", "output"]).variables == ("v", "output")
    chosen = Record(("v",), neurons=range(3))
    assert Record.of(chosen) is chosen
    assert chosen.width(10) == 3
    assert not chosen.is_whole
    assert chosen.pick(np.arange(20).reshape(2, 10)).tolist() == [[0, 1, 2], [10, 11, 12]]
    assert chosen.with_variable("output").variables == ("v", "output")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"x": Record("v")}, r"record\['x'\]: no such population; expected n"),
        ({"n": Record("z")}, r"record\['n'\]: no variable 'z'; expected v, output"),
        ({"n": Record(("v", "v"))}, "names a variable twice"),
        ({"n": Record("v", every=0)}, r"every: not a number of steps; found 0, expected 1 or more"),
        ({"n": Record("v", neurons=[4])}, r"neurons: no such neuron; found 4, expected 0 to 3"),
        ({"n": Record("v", neurons=[-1])}, "no such neuron; found -1"),
        ({"n": Record("v", neurons=[0.5])}, r"neurons: not addresses; found float64 \(1,\)"),
        ({"n": Record("v", neurons=[])}, "not addresses"),
        ({"n": Record("v", neurons=np.zeros(0, int))}, "names no neuron"),
        ({"n": Record("v", neurons=[1, 1])}, "names a neuron twice"),
    ],
)
def test_what_cannot_be_recorded(record, message):
    problems = Problems()
    check_record(Network(dt=1e-3, populations={"n": Population(LIF, 4)}), record, problems)
    with pytest.raises(EngineError, match=message):
        problems.raise_as(EngineError)
