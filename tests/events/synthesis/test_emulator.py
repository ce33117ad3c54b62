from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events.synthesis import IDEAL, NOISY, Emulator, PixelModel, Timing, synthesize

lights = st.lists(st.lists(st.integers(0, 255), min_size=4, max_size=4), min_size=2, max_size=6)


def pixel(levels: list[float], times: list[float], model: PixelModel = IDEAL) -> np.ndarray:
    """Return the event times, in s, of one pixel that sees light of the given logarithms."""
    camera = Emulator(model, seed=0)
    rows = [
        camera.rows(np.full((1, 1), math.exp(v)), t)[0] for v, t in zip(levels, times, strict=True)
    ]
    return np.concatenate(rows)


def test_crossing_times_of_a_ramp() -> None:
    # log light rises by 1 in 10 ms: thresholds of 0.2 are crossed every 2 ms
    times = pixel([4.0, 5.001], [0.0, 10.01e-3])
    assert times == pytest.approx(np.arange(1, 6) * 2e-3, abs=1e-8)


def test_a_ramp_is_the_same_however_often_it_is_sampled() -> None:
    whole = pixel([3.5, 5.05], [0.0, 1.55e-2])
    cuts = np.sort(np.r_[0.0, 1.55, np.random.default_rng(0).uniform(0, 1.55, 20)])
    cut = pixel((3.5 + cuts).tolist(), (cuts * 1e-2).tolist())
    assert len(whole) == 7
    assert cut == pytest.approx(whole, abs=2e-8)


@given(lights)
def test_both_rules_of_timing_give_the_same_events(rows: list[list[int]]) -> None:
    frames = [np.array(row, np.uint8).reshape(2, 2) for row in rows]
    # thresholds that no difference of greys is a whole number of
    model = replace(IDEAL, theta_on=0.20137, theta_off=0.17711)
    linear = synthesize(frames, fps=100, model=model, seed=0)
    even = synthesize(frames, fps=100, model=replace(model, timing=Timing.EVEN), seed=0)
    for events in (linear, even):
        assert (np.diff(events.t) >= 0).all()
        events.check()
    key = [np.lexsort((e.p, e.y, e.x, np.ceil(e.t / 10_000))) for e in (linear, even)]
    for name in "xyp":
        assert np.array_equal(getattr(linear, name)[key[0]], getattr(even, name)[key[1]])


def test_a_blind_pixel_memorizes_what_it_sees_when_it_wakes() -> None:
    times = pixel([4.0, 5.001], [0.0, 10.01e-3], replace(IDEAL, refractory=1.5e-3))
    # 0.2 of a rise of 100 per second, then 1.5 ms of blindness
    assert times == pytest.approx([2e-3, 5.5e-3, 9e-3], abs=1e-8)
    # also across samples
    cut = pixel(
        [4.0, 4.3, 4.301, 5.001], [0.0, 3e-3, 3.01e-3, 10.01e-3], replace(IDEAL, refractory=1.5e-3)
    )
    assert cut == pytest.approx(times, abs=1e-7)


def test_the_bandwidth_does_not_depend_on_how_often_a_step_is_sampled() -> None:
    # a jump, then constant light: v(t) = 1.5 (1 - exp(-w t)), with w = (e^4.5 + 20) / 275 2 pi 20
    model = replace(IDEAL, cutoff=20.0)
    w = (math.exp(4.5) + 20) / 275 * 2 * math.pi * 20
    wanted = [-math.log(1 - 0.2 * k / 1.5) / w for k in range(1, 8)]
    fine = np.r_[0.0, 1e-9, np.arange(1, 400) * 0.25e-3]
    times = pixel([3.0] + [4.5] * 400, fine.tolist(), model)
    assert times == pytest.approx(wanted, rel=2e-3)
    coarse = pixel([3.0] + [4.5] * 21, np.r_[0.0, 1e-9, np.arange(1, 21) * 5e-3].tolist(), model)
    assert len(coarse) == len(wanted)
    assert np.abs(coarse - wanted).max() < 5e-3


def test_shot_noise_does_not_saturate_between_far_frames() -> None:
    # 200 Hz of noise at 5 frames per second: 40 events per frame and pixel
    frames = np.zeros((6, 30, 40), np.uint8)
    events = synthesize(frames, fps=5, model=replace(IDEAL, shot=200.0), seed=3)
    rate = events.n / (1200 * 1.0)
    assert rate == pytest.approx(200 * (1 - 0.75 * 20 / 275), rel=0.01)
    spread = np.histogram(events.t, bins=10, range=(0, 10**6))[0]
    assert spread.std() / spread.mean() < 0.02


def test_photoreceptor_noise_is_of_the_rate_that_its_fit_promises() -> None:
    model = replace(IDEAL, cutoff=50.0, shot=10.0, photoreceptor_noise=True)
    frames = (np.full((30, 40), 128, np.uint8) for _ in range(4001))
    events = synthesize(frames, fps=20_000, model=model, seed=5)
    on = int(events.p.sum())
    # the fit is of another sampling than this; it is known to promise more than there is
    assert 6.5 < events.n / (1200 * 0.2) < 10.5
    assert on / events.n == pytest.approx(0.5, abs=0.05)


def test_noise_at_too_few_frames_per_second_is_said() -> None:
    frame = np.full((4, 4), 128, np.uint8)
    for model in (
        replace(IDEAL, cutoff=50.0, shot=10.0, photoreceptor_noise=True),
        replace(IDEAL, cutoff=100.0, timing=Timing.EVEN),
    ):
        camera = Emulator(model, seed=0)
        camera(frame, 0.0)
        with pytest.warns(
            UserWarning, match=r"frames are too far apart .* found a new sample weighs"
        ):
            camera(frame, 0.04)
        camera(frame, 0.08)


def test_the_same_seed_gives_the_same_events() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (5, 12, 16)).astype(np.uint8)
    first, again, other = (synthesize(frames, fps=100, model=NOISY, seed=s) for s in (1, 1, 2))
    assert first.same_as(again)
    assert not first.same_as(other)


def test_one_kind_of_noise_changes_no_other() -> None:
    frames = [np.full((10, 10), v, np.uint8) for v in (50, 200)]
    quiet = replace(IDEAL, sigma=0.05)
    plain = synthesize(frames, fps=100, model=quiet, seed=1)
    noisy = synthesize(frames, fps=100, model=replace(quiet, shot=20.0), seed=1)
    rows = [set(zip(e.t.tolist(), e.x.tolist(), e.y.tolist(), strict=True)) for e in (plain, noisy)]
    assert rows[0] <= rows[1]
    assert len(rows[0]) < len(rows[1])


def test_any_number_of_events_fits() -> None:
    frames = [np.full((32, 32), v, np.uint8) for v in (0, 255, 10)]
    model = replace(IDEAL, theta_on=0.0101, theta_off=0.0101)
    events = synthesize(frames, fps=10, model=model, seed=0)
    up = math.floor(math.log(255) / 0.0101)
    down = math.floor((up * 0.0101 - math.log(20) / 2) / 0.0101)
    assert events.n == 1024 * (up + down)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((2, 2, 3)), r"not a frame; found float64 of shape \(2, 2, 3\)"),
        (np.zeros((0, 2)), "not a frame"),
        (np.array([["a"]]), "not a frame"),
        (np.full((2, 2), np.nan), "negative or no number"),
        (np.full((2, 2), np.inf), "negative or no number"),
        (np.full((2, 2), -1.0), "negative or no number"),
        (np.zeros((2, 3)), r"another shape; found \(2, 3\), expected \(2, 2\)"),
    ],
)
def test_what_is_no_frame(frame: np.ndarray, message: str) -> None:
    camera = Emulator(IDEAL, seed=0)
    camera(np.zeros((2, 2)), 0.0)
    with pytest.raises(EventError, match=message):
        camera(frame, 1.0)


@pytest.mark.parametrize("t", [math.nan, math.inf, 1e13])
def test_what_is_no_time(t: float) -> None:
    with pytest.raises(EventError, match="not the time of a frame"):
        Emulator(IDEAL, seed=0)(np.zeros((2, 2)), t)


@pytest.mark.parametrize("t", [0.0, -1.0])
def test_time_must_run_forward(t: float) -> None:
    camera = Emulator(IDEAL, seed=0)
    camera(np.zeros((2, 2)), 0.0)
    with pytest.raises(EventError, match="does not run forward"):
        camera(np.zeros((2, 2)), t)


def test_what_is_no_video() -> None:
    frames = [np.zeros((2, 2))] * 3
    with pytest.raises(EventError, match="either fps or times"):
        synthesize(frames, seed=0)
    with pytest.raises(EventError, match="fps: is no rate"):
        synthesize(frames, fps=0, seed=0)
    with pytest.raises(EventError, match="times: fewer than frames; found 2"):
        synthesize(frames, times=[0.0, 1.0], seed=0)
    with pytest.raises(EventError, match="no frames"):
        synthesize([], fps=1, seed=0)


def test_parameters_out_of_range() -> None:
    with pytest.raises(EventError, match="3 problems") as caught:
        PixelModel(theta_on=0.0, sigma=-1.0, cutoff=0.0, photoreceptor_noise=True)
    assert "PixelModel.theta_on: is no threshold; found 0.0" in str(caught.value)
    assert "needs a bandwidth and a rate" in str(caught.value)
