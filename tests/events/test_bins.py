from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewright.errors import EventError
from spikewright.events import Events, Overflow, bin_events, bin_sparse, from_bins

CLOCKS = [(1e-6, 1e-3), (1e-6, 1e-4), (1 / 44100, 1e-3), (1e-6, 1 / 60), (1e-3, 1e-3), (1e-9, 3e-6)]


@st.composite
def batches(draw: Any) -> list[Events]:
    made = []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(0, 20))
        t = sorted(draw(st.lists(st.integers(0, 9999), min_size=n, max_size=n)))
        address = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
        made.append(Events(t, address, (2, 3)))
    return made


@given(batches(), st.sampled_from([np.float64, np.float32, np.uint8, np.int64]))
def test_bins_hold_every_event_once(batch: list[Events], dtype: Any) -> None:
    bins = bin_events(batch, 1e-3, steps=10, dtype=dtype)
    assert bins.shape == (10, len(batch), 2, 3)
    assert bins.dtype == dtype
    expected = np.zeros((10, len(batch), 6))
    for b, events in enumerate(batch):
        for t, address in zip(events.t.tolist(), events.address.tolist(), strict=True):
            expected[t // 1000, b, address] += 1
    assert np.array_equal(bins.reshape(expected.shape), expected)


@given(batches())
def test_a_batch_is_its_samples(batch: list[Events]) -> None:
    together = bin_events(batch, 1e-3, steps=10)
    for b, events in enumerate(batch):
        assert np.array_equal(together[:, b : b + 1], bin_events(events, 1e-3, steps=10))


@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=4),
        elements=st.sampled_from([0.0, 0.0, 1.0, 2.0, -0.5]),
    ),
    st.sampled_from(CLOCKS),
)
def test_bins_to_events_and_back(bins: np.ndarray, clock: tuple[float, float]) -> None:
    tick, dt = clock
    events = from_bins(bins, dt, tick=tick)
    assert len(events) == bins.shape[1]
    assert np.array_equal(bin_events(events, dt, steps=bins.shape[0]), bins)


@given(batches())
def test_events_to_bins_of_a_tick_and_back(batch: list[Events]) -> None:
    again = from_bins(bin_events(batch, 1e-6), 1e-6)
    for events, found in zip(batch, again, strict=True):
        cells = sorted(set(zip(events.t.tolist(), events.address.tolist(), strict=True)))
        assert list(zip(found.t.tolist(), found.address.tolist(), strict=True)) == cells
        assert found.weights().sum() == events.n


@pytest.mark.parametrize(("tick", "dt"), CLOCKS)
def test_a_step_starts_at_its_first_tick(tick: float, dt: float) -> None:
    k = np.arange(1, 2000)
    starts = from_bins(np.ones((2000, 1, 1)), dt, tick=tick)[0].t[1:]
    one_before = Events(starts - 1, np.zeros(k.size, np.int64), (1,), tick=tick)
    found = np.flatnonzero(bin_events(one_before, dt, steps=2000)[:, 0, 0])
    assert np.array_equal(found, k - 1)


@pytest.mark.parametrize("dt", [0.1, 0.2, 0.3, 0.7, 1e-3])
def test_rounding_of_dt_moves_no_event(dt: float) -> None:
    """Times k * dt as floats round to ticks that belong to step k, though t * tick / dt may not."""
    k = np.arange(1000)
    t = np.rint(k * dt / 1e-6).astype(np.int64)
    bins = bin_events(Events(t, np.zeros(1000, np.int64), (1,)), dt, steps=1000)
    assert (bins == 1).all()


def test_a_dt_without_simple_fraction_is_still_exact() -> None:
    t = np.arange(0, 100_000, 7)
    bins = bin_events(Events(t, np.zeros(t.size, np.int64), (1,)), math.pi * 1e-3)
    edges = [math.floor(int(x) * 1e-6 / (math.pi * 1e-3)) for x in t]
    assert np.array_equal(bins[:, 0, 0], np.bincount(edges))


def test_steps_shorter_than_a_tick() -> None:
    bins = bin_events(Events([0, 2], [0, 0], (1,), tick=1e-3), 0.5e-3)
    assert bins[:, 0, 0].tolist() == [1, 0, 0, 0, 1]


def test_no_events_need_no_steps() -> None:
    assert bin_events(Events.empty((2, 3)), 1e-3).shape == (0, 1, 2, 3)
    assert bin_events([Events.empty((4,))] * 2, 1e-3, steps=5).sum() == 0


def test_values_are_summed_and_clip_makes_ones() -> None:
    events = Events([0, 1, 2], [0, 0, 1], (3,), value=[0.5, 0.25, -2.0])
    assert bin_events(events, 1e-3)[0, 0].tolist() == [0.75, -2.0, 0.0]
    assert bin_events(events, 1e-3, clip=True, dtype=bool)[0, 0].tolist() == [True, True, False]


def test_events_beyond_the_steps() -> None:
    events = Events([-1, 0, 1000, 2000, 9999], [0] * 5, (1,))
    with pytest.raises(
        EventError,
        match=r"sample 0: 3 events lie outside the steps; found step -1, expected 0 to 1",
    ):
        bin_events(events, 1e-3, steps=2)
    with pytest.raises(EventError, match="found step -1"):
        bin_events(Events([-1], [0], (1,)), 1e-3)
    kept = bin_events(events, 1e-3, steps=2, overflow=Overflow.DROP)
    assert kept[:, 0, 0].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("dtype", "n", "limits"),
    [(np.uint8, 256, "0 to 255"), (np.int8, 128, "-128 to 127"), (bool, 2, "0 to 1")],
)
def test_a_sum_that_does_not_fit(dtype: Any, n: int, limits: str) -> None:
    events = Events([0] * n, [0] * n, (1,))
    with pytest.raises(
        EventError, match=f"a sum does not fit {np.dtype(dtype)}; found {n}, .*{limits}"
    ):
        bin_events(events, 1e-3, dtype=dtype)
    one_less = Events([0] * (n - 1), [0] * (n - 1), (1,))
    assert bin_events(one_less, 1e-3, dtype=dtype)[0, 0, 0] == n - 1


@pytest.mark.parametrize("value", [0.5, -1.0, 2.0**64])
def test_a_value_that_is_no_count(value: float) -> None:
    with pytest.raises(EventError, match="a sum does not fit uint64"):
        bin_events(Events([0], [0], (1,), value=[value]), 1e-3, dtype=np.uint64)


def test_memory_is_counted_before_it_is_taken() -> None:
    far = Events([0, 10**15], [0, 0], (2, 720, 1280))
    with pytest.raises(
        EventError,
        match=r"memory for 1000000000001 steps.*found 1\.341e\+07 TiB, expected at most 4 GiB",
    ):
        bin_events(far, 1e-3)
    with pytest.raises(EventError, match="found 80 bytes, expected at most 79 bytes"):
        bin_events(Events.empty((1,)), 1e-3, steps=10, memory_limit=79)
    assert bin_events(Events.empty((1,)), 1e-3, steps=10, memory_limit=80).size == 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: bin_events(e, 0.0), "bin_events: dt: is not a time; found 0"),
        (lambda e: bin_events([], 1.0), "bin_events: nothing to bin; found 0"),
        (lambda e: bin_events(e, 1.0, steps=-1), "bin_events: steps: negative; found -1"),
        (lambda e: bin_events(e, 1.0, dtype=complex), "bin_events: dtype: cannot count"),
        (
            lambda e: bin_events([e, Events.empty((2,))], 1.0),
            r"bin_events: sample 1: another shape; found \(2,\), expected \(1,\)",
        ),
        (lambda e: from_bins([[0, 1]], math.nan), "from_bins: dt: is not a time"),
        (lambda e: from_bins([[0, 1]], 1.0, tick=-1.0), "from_bins: tick: is not a time"),
        (lambda e: from_bins([[0, 1]], 1e-3, tick=2e-3), "from_bins: steps would share a tick"),
        (lambda e: from_bins([[0.0, math.nan]], 1.0), "from_bins: not finite real numbers"),
        (lambda e: from_bins([["a"]], 1.0), "from_bins: not finite real numbers"),
        (lambda e: from_bins([0, 1], 1.0), "from_bins: axes do not fit; .* expected T B N or T N"),
        (
            lambda e: from_bins(np.ones((2, 3, 4)), 1.0, shape=(3,)),
            r"axes do not fit; found an array of shape \(2, 3, 4\), expected T B 3 or T 3",
        ),
    ],
)
def test_wrong_requests(call: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        call(Events([0], [0], (1,)))


def test_shape_tells_a_sample_from_a_batch() -> None:
    bins = np.zeros((5, 2, 3))
    assert [e.shape for e in from_bins(bins, 1.0)] == [(3,), (3,)]
    assert [e.shape for e in from_bins(bins, 1.0, shape=(2, 3))] == [(2, 3)]
    assert [e.shape for e in from_bins(bins, 1.0, shape=(3,))] == [(3,), (3,)]


def test_only_ones_are_not_graded() -> None:
    assert from_bins([[1, 0], [0, 1]], 1.0)[0].value is None
    assert from_bins([[2, 0], [0, 1]], 1.0)[0].value.tolist() == [2.0, 1.0]


def test_a_real_recording_keeps_every_event(shared: Path) -> None:
    """A DVS recording of the reference vectors: counts per step, and per polarity, by NumPy."""
    with np.load(shared / "vectors" / "events" / "real_dvs.npz") as file:
        t, p, y, x = (file[name].astype(np.int64) for name in "tpyx")
    t, p = t - t[0], np.maximum(p, 0)
    events = Events.from_coordinates(t, (p, y, x), (2, int(y.max()) + 1, int(x.max()) + 1))
    dt = (int(t[-1]) + 1) / 20 * 1e-6
    bins = bin_events(events, dt, steps=20, dtype=np.uint16)
    assert bins.sum() == events.n
    assert np.array_equal(bins.sum(axis=(0, 1, 3, 4)), np.bincount(p, minlength=2))
    assert bins[:, 0].sum(axis=(1, 2, 3)).tolist() == np.bincount(t * 20 // (t[-1] + 1)).tolist()


# -- only cells that have any --------------------------------------------------------------------------


def spread(start: np.ndarray, address: np.ndarray, value: np.ndarray, size: int) -> np.ndarray:
    """Return cells as an array T B N."""
    batch, steps = start.shape[0], start.shape[1] - 1
    out = np.zeros((steps, batch, size))
    for b in range(batch):
        for k in range(steps):
            here = slice(start[b, k], start[b, k + 1])
            assert np.all(np.diff(address[here]) > 0), "every cell once, addresses ascending"
            out[k, b, address[here]] = value[here]
    return out


@st.composite
def valued(draw: Any) -> list[Events]:
    made = []
    for events in draw(batches()):
        value = draw(
            st.none()
            | st.lists(st.sampled_from([1.0, 0.5, -2.0, 0.1]), min_size=events.n, max_size=events.n)
        )
        made.append(Events(events.t, events.address, events.shape, value=value))
    return made


@given(valued(), st.sampled_from([None, 10, 13]))
def test_sparse_cells_are_those_of_the_array(batch: list[Events], steps: int | None) -> None:
    start, address, value = bin_sparse(batch, 1e-3, steps=steps)
    expected = bin_events(batch, 1e-3, steps=steps)
    assert (start.dtype, address.dtype, value.dtype) == (np.int64, np.int64, np.float64)
    assert start.shape == (len(batch), len(expected) + 1)
    assert start[0, 0] == 0
    assert start[-1, -1] == len(address) == len(value)
    assert np.array_equal(start[1:, 0], start[:-1, -1])
    assert np.array_equal(
        spread(start, address, value, 6), expected.reshape(*expected.shape[:2], 6)
    )


def test_sparse_cells_of_nothing() -> None:
    start, address, value = bin_sparse([Events.empty((4,))] * 2, 1e-3, steps=5)
    assert start.tolist() == [[0] * 6] * 2
    assert address.size == value.size == 0
    start, address, value = bin_sparse(Events.empty((4,)), 1e-3)
    assert start.tolist() == [[0]]


def test_sparse_cells_need_no_memory_for_steps_without_events() -> None:
    events = Events([0, 10**9], [0, 921599], (720, 1280))
    start, address, value = bin_sparse(events, 1e-3)
    assert start.shape == (1, 10**6 + 2)
    assert address.tolist() == [0, 921599]
    assert value.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: bin_sparse(e, 0.0), "dt: is not a time; found 0"),
        (lambda e: bin_sparse([], 1.0), "nothing to bin; found 0"),
        (lambda e: bin_sparse(e, 1e-3, steps=-1), "steps: negative; found -1"),
        (lambda e: bin_sparse([e, Events.empty((3,))], 1.0), "sample 1: another shape"),
        (lambda e: bin_sparse(e, 1e-3, steps=2), "sample 0: 1 events lie outside the steps; found step 5"),
        (lambda e: bin_sparse(Events([-1], [0], (1,)), 1e-3), "found step -1"),
    ],
)  # fmt: skip
def test_sparse_refuses(call: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        call(Events([0, 5000], [0, 1], (2,)))
