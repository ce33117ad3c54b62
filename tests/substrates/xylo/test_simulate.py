"""The chip's own order against the engines: equal where nothing saturates, each rule of the order where it matters."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import SubstrateError
from spikewright.rng import stream
from spikewright.substrates.xylo.core import Core, network_of
from spikewright.substrates.xylo.simulate import simulate


def core(n_in=1, n=1, n_out=1, **changes):
    """Return a core in which everything is 0, thresholds are high and currents last one step or two."""
    fields = {
        "w_in": np.zeros((n_in, n, 2), int),
        "w_rec": np.zeros((n, n, 2), int),
        "w_out": np.zeros((n, n_out), int),
        "dash_syn": np.ones((n, 2), int),
        "dash_mem": np.ones(n, int),
        "threshold": np.full(n, 32767),
        "bias": np.zeros(n, int),
        "dash_syn_out": np.ones(n_out, int),
        "dash_mem_out": np.ones(n_out, int),
        "threshold_out": np.full(n_out, 32767),
        "bias_out": np.zeros(n_out, int),
    }
    return Core(**(fields | changes))


def drawn(seed: int, *, n=20, n_in=6, n_out=3, aliases=()):
    """Return a core with random parameters small enough that no current is full."""
    draw = stream(seed, "xylo/core")
    return Core(
        w_in=draw.integers(-40, 60, (n_in, n, 2)),
        w_rec=draw.integers(-12, 4, (n, n, 2)),
        w_out=draw.integers(-60, 80, (n, n_out)),
        dash_syn=draw.integers(1, 5, (n, 2)),
        dash_mem=draw.integers(0, 6, n),
        threshold=draw.integers(300, 900, n),
        bias=draw.integers(-20, 40, n),
        dash_syn_out=draw.integers(1, 5, n_out),
        dash_mem_out=draw.integers(1, 6, n_out),
        threshold_out=draw.integers(300, 900, n_out),
        bias_out=draw.integers(-20, 40, n_out),
        shift_in=1,
        shift_rec=0,
        shift_out=2,
        aliases=aliases,
    )


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_an_engine_where_no_current_is_full(seed: int) -> None:
    one = drawn(seed)
    events = stream(seed, "xylo/events").integers(0, 3, (60, 2, one.n_in))
    trace = simulate(one, events)
    assert trace.synapse == trace.capped == 0
    assert trace.spikes.max() > 1, "hidden neurons fire several spikes in a step"
    found = run(network_of(one, 1.0), {"in": events}, record={"hidden": ("i1", "i2", "v")})
    np.testing.assert_array_equal(found.dense("hidden"), trace.spikes)
    np.testing.assert_array_equal(found.dense("out"), trace.out_spikes)
    np.testing.assert_array_equal(found.trace("hidden", "v"), trace.v_mem)
    np.testing.assert_array_equal(found.trace("hidden", "i2"), trace.i_syn[..., 1])


def test_aliases_are_equal_to_an_engine_too() -> None:
    one = drawn(0, aliases=((2, 7), (11, 4), (7, 19)))
    events = stream(9, "xylo/events").integers(0, 3, (60, 2, one.n_in))
    trace = simulate(one, events)
    assert trace.synapse == trace.capped == 0
    assert np.all(trace.spikes[..., 7] >= trace.spikes[..., 2])
    found = run(network_of(one, 1.0), {"in": events})
    np.testing.assert_array_equal(found.dense("out"), trace.out_spikes)


def test_events_are_clipped_one_by_one() -> None:
    """Three events up and one down: the third is clipped, so that the chip ends below the sum."""
    weights = np.zeros((2, 1, 2), int)
    weights[:, 0, 0] = 120, -120
    one = core(2, w_in=weights, shift_in=7)
    trace = simulate(one, [[3, 1]])
    assert trace.synapse == 1
    current = 32767 - 15360
    assert trace.i_syn[0, 0, 0, 0] == current - (current >> 1)
    engine = run(network_of(one, 1.0), {"in": np.array([[[3, 1]]])}, record={"hidden": ("i1",)})
    summed = 2 * 15360
    assert engine.trace("hidden", "i1")[0, 0, 0] == summed - (summed >> 1)


def test_a_small_positive_value_decays_to_zero() -> None:
    trace = simulate(
        core(w_in=np.full((1, 1, 2), 3), dash_syn=np.full((1, 2), 4)), [[1], *[[0]] * 3]
    )
    assert trace.i_syn[:, 0, 0, 0].tolist() == [2, 1, 0, 0]


def test_an_alias_fires_in_the_same_step_and_31_spikes_are_the_most() -> None:
    weights = np.zeros((1, 2, 2), int)
    weights[0, 0, 0] = 120
    one = core(1, 2, w_in=weights, threshold=np.array([3, 100]), aliases=((0, 1),))
    trace = simulate(one, [[1], [3]])
    assert trace.spikes[:, 0].tolist() == [[20, 20], [31, 31]]
    assert trace.capped > 0


def test_a_full_voltage_is_counted() -> None:
    trace = simulate(core(bias=np.array([30000])), np.zeros((3, 1), int))
    # 30000 - 15000 + 30000 is clipped to the threshold, and subtracts it
    assert trace.v_mem[:, 0, 0].tolist() == [30000, 0, 30000]
    assert trace.spikes[:, 0, 0].tolist() == [0, 1, 0]
    assert trace.voltage == 1


@pytest.mark.parametrize("events", [[[16]], [[-1]], [[0.5]], [[1, 1]]])
def test_events_that_a_step_cannot_hold_are_refused(events) -> None:
    with pytest.raises(SubstrateError, match=r"xylo: events: .*expected"):
        simulate(core(), events)


def test_every_wrong_field_of_a_core_is_named() -> None:
    with pytest.raises(SubstrateError) as error:
        core(w_in=np.full((1, 1, 2), 200), threshold=np.array([0]), aliases=((0, 5),), shift_in=9)
    for part in ("w_in", "threshold", "aliases", "shift_in", "found 200", "expected -128 to 127"):
        assert part in str(error.value)
    with pytest.raises(SubstrateError, match=r"xylo.core: w_out: wrong shape; found \(2, 1\)"):
        core(w_out=np.zeros((2, 1), int))
