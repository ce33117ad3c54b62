from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewright.errors import EventError
from spikewright.events import (
    Events,
    argmax_count,
    count,
    deterministic_rate,
    first_spike,
    membrane_max,
    membrane_mean,
    rate,
    reconstruct,
)

DT = 1e-3
spike_arrays = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(0, 12), st.integers(1, 3), st.integers(1, 4)),
    elements=st.integers(0, 1),
)


@given(spike_arrays)
def test_each_decoder_follows_its_definition(spikes: np.ndarray) -> None:
    counted, first, winner = count(spikes), first_spike(spikes, DT), argmax_count(spikes)
    for b in range(spikes.shape[1]):
        for n in range(spikes.shape[2]):
            fired = np.flatnonzero(spikes[:, b, n])
            assert counted[b, n] == fired.size
            assert first[b, n] == (fired[0] * DT if fired.size else math.inf)
        ranks = [(-counted[b, n], first[b, n], n) for n in range(spikes.shape[2])]
        assert winner[b] == min(ranks)[2]


def test_uint8_counts_do_not_wrap() -> None:
    assert count(np.ones((300, 1, 1), np.uint8))[0, 0] == 300.0


def test_rate_undoes_the_encoder() -> None:
    x = np.array([[0.0, 0.1, 0.5, 1.0]])
    spikes = deterministic_rate(x, 200.0, 1000, DT)
    assert rate(spikes, DT) == pytest.approx(200.0 * x)


def test_shapes_are_kept() -> None:
    spikes = np.zeros((4, 2, 3, 5))
    for decoded in (count(spikes), rate(spikes, DT), first_spike(spikes, DT)):
        assert decoded.shape == (2, 3, 5)


def test_ties_go_to_the_earlier_then_to_the_lower_index() -> None:
    spikes = np.zeros((3, 3, 3))
    spikes[2, 0, 0] = spikes[1, 0, 1] = spikes[1, 0, 2] = 1
    spikes[0, 1, 2] = 1
    assert argmax_count(spikes).tolist() == [1, 2, 0]


def test_membranes() -> None:
    trace = np.random.Generator(np.random.PCG64(1)).normal(size=(7, 2, 3))
    assert np.array_equal(membrane_max(trace), trace.max(axis=0))
    assert membrane_mean(trace) == pytest.approx(trace.mean(axis=0))
    assert membrane_mean(trace.astype(np.float32)).dtype == np.float64


def test_reconstruct_from_one_stream() -> None:
    events = Events([0, 1500, 3000], [2, 2, 1], (2, 2))
    found = reconstruct(events, [1.0, 0.5], start=[10.0, 20.0], dt=DT, steps=4)
    assert found[:, 0].tolist() == [[11.0, 20.0], [12.0, 20.0], [12.0, 20.0], [12.0, 19.5]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: count([[0, 1]]),
            r"count: axes do not fit; found shape \(1, 2\), expected T B N — add a batch axis",
        ),
        (lambda: count([[["a"]]]), "count: is not real numbers; found <U1"),
        (lambda: membrane_max([[[math.nan]]]), "membrane_max: is not real numbers; found NaN"),
        (lambda: membrane_mean(np.ones((0, 1, 1))), "membrane_mean: has no steps; found 0"),
        (lambda: rate(np.ones((0, 1, 1)), DT), "rate: has no steps; found 0, expected at least 1"),
        (lambda: rate(np.ones((1, 1, 1)), 0.0), "rate: dt: is not a time"),
        (lambda: first_spike(np.ones((1, 1, 1)), math.nan), "first_spike: dt: is not a time"),
        (lambda: argmax_count(np.ones((1, 1, 2, 2))), "argmax_count: axes do not fit"),
        (lambda: argmax_count(np.ones((1, 1, 0))), "argmax_count: axes do not fit"),
        (
            lambda: reconstruct(np.ones((1, 1, 3, 1)), 1.0),
            r"reconstruct: axes do not fit; found shape \(1, 1, 3, 1\), expected T B 2 C",
        ),
        (
            lambda: reconstruct(Events.empty((2, 1)), 1.0),
            "reconstruct: Events lie on no grid — give dt=, in seconds",
        ),
        (
            lambda: reconstruct(np.ones((1, 1, 2, 2)), [1.0, 1.0, 1.0]),
            "reconstruct: threshold or start do not fit the crossings; .*one per channel of 2",
        ),
    ],
)
def test_wrong_requests(call: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        call()
