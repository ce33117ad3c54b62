"""Every view against its definition, written as a plain loop over events."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events import Events, Overflow, bin_events
from spikewright.events.camera import CameraEvents
from spikewright.events.views import (
    Fade,
    count_image,
    frames_by_count,
    frames_by_time,
    last_times,
    signed_image,
    spike_tensor,
    stacked_histogram,
    time_surface,
    tore,
    voxel_grid,
    windows_by_count,
    windows_by_time,
)

W, H = 5, 3


@st.composite
def recordings(draw: st.DrawFn, in_order: bool = False) -> CameraEvents:
    row = st.tuples(
        st.integers(-2000, 9000),
        st.integers(0, W - 1),
        st.integers(0, H - 1),
        st.integers(0, 1),
    )
    rows = draw(st.lists(row, max_size=40))
    rows = sorted(rows) if in_order else rows
    t, x, y, p = (np.array([r[k] for r in rows], np.int64) for k in range(4))
    return CameraEvents(t, x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8), W, H)


def rows(events: CameraEvents) -> list[tuple[int, int, int, int]]:
    columns = (events.t, events.x, events.y, events.p)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(recordings())
def test_images(events: CameraEvents) -> None:
    counted = np.zeros((2, H, W), int)
    for _, x, y, p in rows(events):
        counted[p, y, x] += 1
    assert count_image(events).dtype == np.int32
    assert np.array_equal(count_image(events), counted)
    assert np.array_equal(signed_image(events), counted[1] - counted[0])


@given(recordings(), st.integers(1, 6))
def test_a_voxel_grid_shares_events_between_bins(events: CameraEvents, bins: int) -> None:
    wanted = np.zeros((bins, H, W))
    if events.n:
        first, final = int(events.t.min()), int(events.t.max())
        for t, x, y, p in rows(events):
            place = (bins - 1) * (t - first) / max(final - first, 1)
            k = math.floor(place)
            wanted[k, y, x] += (2 * p - 1) * (1 - (place - k))
            if k + 1 < bins:
                wanted[k + 1, y, x] += (2 * p - 1) * (place - k)
    assert np.allclose(voxel_grid(events, bins), wanted, atol=1e-5)


def test_a_normalized_voxel_grid() -> None:
    events = CameraEvents([0, 3, 5, 9], [0, 1, 1, 2], [0, 0, 1, 2], [1, 1, 0, 1], W, H)
    grid = voxel_grid(events, 4, normalize=True)
    filled = voxel_grid(events, 4) != 0
    assert abs(grid[filled].mean()) < 1e-6
    assert abs(grid[filled].std() - 1) < 1e-6
    assert not grid[~filled].any()
    alone = voxel_grid(events[:1], 1, normalize=True)
    assert not alone.any()
    assert np.isfinite(alone).all()


def test_a_window_leaves_out_what_lies_outside() -> None:
    events = CameraEvents([0, 10, 20], [0, 1, 2], [0, 0, 0], [1, 1, 1], W, H)
    assert voxel_grid(events, 1, start=5, stop=10).sum() == 1
    assert stacked_histogram(events, 2, start=10, stop=20).sum() == 2
    with pytest.raises(EventError, match="the window ends before it starts"):
        voxel_grid(events, 1, start=5, stop=4)


@given(recordings(), st.integers(1, 6))
def test_a_stacked_histogram(events: CameraEvents, bins: int) -> None:
    wanted = np.zeros((2, bins, H, W), int)
    if events.n:
        first, final = int(events.t.min()), int(events.t.max())
        for t, x, y, p in rows(events):
            k = 0 if final == first else min(bins - 1, bins * (t - first) // (final - first))
            wanted[p, k if final > first else bins - 1, y, x] += 1
    assert np.array_equal(stacked_histogram(events, bins), wanted)


def test_a_stacked_histogram_stops_at_255() -> None:
    zeros = np.zeros(300, int)
    events = CameraEvents(zeros, zeros.astype(np.uint16), zeros.astype(np.uint16), zeros + 1, 1, 1)
    assert stacked_histogram(events, 1).ravel().tolist() == [0, 255]


@given(recordings(), st.sampled_from([3e-4, 1e-3, 1 / 3000, 2.5e-6]))
def test_frames_by_time(events: CameraEvents, period: float) -> None:
    frames = frames_by_time(events, period)
    exact = Fraction(period).limit_denominator(10**7) * 10**6
    first = int(events.t.min()) if events.n else 0
    number = max((int((t - first) / exact) + 1 for t in events.t.tolist()), default=0)
    wanted = np.zeros((number, 2, H, W), int)
    for t, x, y, p in rows(events):
        wanted[int((t - first) / exact), p, y, x] += 1
    assert np.array_equal(frames, wanted)


@given(recordings(), st.integers(1, 7), st.booleans())
def test_frames_by_count(events: CameraEvents, count: int, rest: bool) -> None:
    frames = frames_by_count(events, count, rest=rest)
    assert len(frames) == (math.ceil if rest else math.floor)(events.n / count)
    for k, frame in enumerate(frames):
        assert np.array_equal(frame, count_image(events[k * count : (k + 1) * count]))


@given(recordings())
def test_surfaces(events: CameraEvents) -> None:
    latest: dict[tuple[int, int, int], int] = {}
    for t, x, y, p in rows(events):
        latest[p, y, x] = max(t, latest.get((p, y, x), t))
    now = int(events.t.max()) if events.n else 0
    exponential, linear = np.zeros((2, H, W)), np.zeros((2, H, W))
    for cell, t in latest.items():
        exponential[cell] = math.exp((t - now) / 2000)
        linear[cell] = max(0, 1 - (now - t) / 2000)
    assert np.allclose(time_surface(events, 2e-3), exponential, atol=1e-6)
    assert np.allclose(time_surface(events, 2e-3, kind=Fade.LINEAR), linear, atol=1e-6)


@given(recordings(), st.integers(0, 40))
def test_a_surface_of_two_parts_is_that_of_the_whole(events: CameraEvents, cut: int) -> None:
    times = last_times(events[cut:], times=last_times(events[:cut]))
    assert np.array_equal(times, last_times(events))
    assert np.array_equal(time_surface(times, 1e-3), time_surface(events, 1e-3))


def test_a_surface_of_the_past_does_not_see_later_events() -> None:
    events = CameraEvents([0, 100, 200], [0, 0, 0], [0, 0, 0], [1, 1, 1], 1, 1)
    then = time_surface(events, 1e-4, kind=Fade.LINEAR, at=150)
    assert then[1, 0, 0] == pytest.approx(0.5)


@pytest.mark.parametrize("times", [[9, 5, 7], [-(2**40), 0, 2**40], [0, 2**31 - 2, 2**31 - 1]])
@pytest.mark.parametrize("kind", Fade)
def test_a_surface_of_any_times(times: list[int], kind: Fade) -> None:
    events = CameraEvents(times, [0, 1, 0], [0, 0, 0], [1, 1, 0], 2, 1)
    tau, now = 0.5 * (max(times) - min(times)) * 1e-6, max(times)
    age = [(now - t) * 1e-6 / tau for t in times]
    falls = [math.exp(-a) if kind is Fade.EXPONENTIAL else max(0, 1 - a) for a in age]
    assert np.allclose(time_surface(events, tau, kind=kind)[1, 0], falls[:2], rtol=1e-6)
    assert np.allclose(time_surface(events, tau, kind=kind)[0, 0], [falls[2], 0], rtol=1e-6)


@given(recordings(in_order=True), st.integers(1, 4))
def test_tore(events: CameraEvents, k: int) -> None:
    volume = tore(events, k, shortest=1e-4, longest=5e-3)
    now = int(events.t.max()) if events.n else 0
    wanted = np.full((2, k, H, W), math.log1p(5000))
    for p in range(2):
        for y in range(H):
            for x in range(W):
                here = [t for t, *cell in rows(events) if cell == [x, y, p]][::-1][:k]
                for j, t in enumerate(here):
                    wanted[p, j, y, x] = math.log1p(min(max(now - t, 100), 5000))
    assert np.allclose(volume, wanted, rtol=1e-6)


@given(recordings(in_order=True), st.booleans(), st.sampled_from([None, -2000]))
def test_a_spike_tensor_is_what_bins_of_the_stream_hold(
    events: CameraEvents, counts: bool, start: int | None
) -> None:
    tensor = spike_tensor(events, 1e-3, start=start, counts=counts)
    assert tensor.dtype == np.float32
    assert np.array_equal(
        tensor, spike_tensor(events.to_events(), 1e-3, start=start, counts=counts)
    )
    first = start if start is not None else int(events.t[0]) if events.n else 0
    stream = Events(events.t - first, events.to_events().address, (2, H, W))
    assert np.array_equal(tensor, bin_events(stream, 1e-3, clip=not counts)[:, 0])


def test_spike_tensors_of_several_recordings_stand_side_by_side() -> None:
    long = CameraEvents([0, 5000], [0, 1], [0, 1], [1, 0], W, H)
    batch = spike_tensor([long, long[:1], CameraEvents.empty(W, H)], 1e-3)
    assert batch.shape == (6, 3, 2, H, W)
    assert np.array_equal(batch[:, 0], spike_tensor(long, 1e-3))
    assert batch.sum() == 3
    with pytest.raises(EventError, match="recordings of different shapes"):
        spike_tensor([long, CameraEvents.empty(W, H + 1)], 1e-3)


def test_pytorch_takes_every_view_without_a_copy() -> None:
    torch = pytest.importorskip("torch")
    events = CameraEvents([0, 10, 20], [0, 1, 2], [0, 0, 0], [1, 1, 0], W, H)
    for view in (
        count_image(events),
        signed_image(events),
        voxel_grid(events, 3),
        stacked_histogram(events, 3),
        frames_by_time(events, 1e-5),
        frames_by_count(events, 2),
        time_surface(events, 1e-3),
        tore(events),
        spike_tensor(events, 1e-5),
    ):
        assert view.flags.c_contiguous
        assert torch.from_numpy(view).data_ptr() == view.ctypes.data


def test_events_outside_the_sensor_are_never_lost_silently() -> None:
    events = CameraEvents([0, 1, 2], [0, W, 0], [0, 0, 9], [1, 1, 1], W, H)
    for view in (
        count_image,
        signed_image,
        lambda e, **o: voxel_grid(e, 2, **o),
        lambda e, **o: stacked_histogram(e, 2, **o),
        lambda e, **o: frames_by_time(e, 1e-3, **o),
        lambda e, **o: frames_by_count(e, 2, **o),
        lambda e, **o: time_surface(e, 1e-3, **o),
        lambda e, **o: tore(e, **o),
        lambda e, **o: spike_tensor(e, 1e-3, **o),
    ):
        with pytest.raises(EventError, match=r"2 events lie outside the sensor; found x up to 5"):
            view(events)
        view(events, overflow=Overflow.DROP)
    assert count_image(events, overflow=Overflow.DROP).sum() == 1


def test_events_outside_the_steps() -> None:
    events = CameraEvents([0, 1000, 2000], [0, 1, 2], [0, 0, 0], [1, 1, 1], W, H)
    with pytest.raises(EventError, match="2 events lie outside the steps"):
        spike_tensor(events, 1e-3, steps=1)
    assert spike_tensor(events, 1e-3, steps=2, start=1000, overflow=Overflow.DROP).sum() == 2


def test_what_takes_too_much_memory_is_refused() -> None:
    events = CameraEvents([0, 10**15], [0, 1], [0, 0], [1, 1], W, H)
    with pytest.raises(EventError, match="too much memory"):
        frames_by_time(events, 1e-6)
    with pytest.raises(EventError, match="too much memory"):
        voxel_grid(events, 10, memory_limit=100)


def test_times_of_a_broken_file_do_no_harm() -> None:
    low, high = -(2**63) + 1, 2**63 - 1
    events = CameraEvents([low, 0, high], [0, 1, 2], [0, 0, 0], [1, 1, 0], W, H)
    with pytest.raises(EventError, match="times that no recording has"):
        voxel_grid(events, 3)
    with pytest.raises(EventError, match="times that no recording has"):
        spike_tensor(events, 1e-3, start=high - 10, steps=1, overflow=Overflow.DROP)
    with pytest.raises(EventError, match="too much memory"):
        spike_tensor(events, 1e-3)
    assert spike_tensor(events, 1e-3, start=0, steps=1, overflow=Overflow.DROP).sum() == 1
    surface = time_surface(events, 1e-3)
    assert surface[0, 0].tolist() == [0, 0, 1, 0, 0]
    assert np.isfinite(tore(events)).all()


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_numbers_of_bins(wrong: object) -> None:
    events = CameraEvents.empty(W, H)
    with pytest.raises(EventError, match=r"bins: is not a count; found .* expected a whole number"):
        voxel_grid(events, wrong)  # type: ignore[arg-type]


def test_times_that_are_none() -> None:
    events = CameraEvents.empty(W, H)
    with pytest.raises(EventError, match="time_surface: tau: is not a time"):
        time_surface(events, 0.0)
    with pytest.raises(EventError, match="frames_by_time: period: is not a time"):
        frames_by_time(events, float("nan"))
    with pytest.raises(EventError, match="longest is below shortest"):
        tore(events, shortest=1.0, longest=0.5)


@given(recordings(in_order=True), st.integers(1, 9), st.sampled_from([7e-4, 1e-3]))
def test_windows_are_the_same_from_any_chunks(
    events: CameraEvents, size: int, period: float
) -> None:
    chunks = [events[k : k + size] for k in range(0, events.n, size)]
    whole = list(windows_by_time(events, period))
    cut = list(windows_by_time(chunks, period))
    assert [start for start, _ in whole] == [start for start, _ in cut]
    assert all(a.same_as(b) for (_, a), (_, b) in zip(whole, cut, strict=True))
    frames = frames_by_time(events, period)
    assert len(frames) == len(whole)
    for frame, (_, window) in zip(frames, whole, strict=True):
        assert np.array_equal(frame, count_image(window))
    counted = [w.n for w in windows_by_count(chunks, 4)]
    assert sum(counted) == events.n
    assert all(n == 4 for n in counted[:-1])


def test_windows_refuse_times_that_run_backwards() -> None:
    events = CameraEvents([5, 3], [0, 0], [0, 0], [1, 1], W, H)
    with pytest.raises(EventError, match="events run backwards, or come before the start"):
        list(windows_by_time(events, 1e-3))
    with pytest.raises(EventError, match="come before the start"):
        list(windows_by_time(events[:1], 1e-3, start=6))
