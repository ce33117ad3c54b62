"""The pixel model against the published emulator: events of four videos, and rates of noise.

Vectors: `vectors/events/v2e_*.npz` and `v2e_reference.json` of the reference data, made by the unchanged emulator.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikewright.events.synthesis import IDEAL, Emulator, PixelModel, Timing

EVEN = replace(IDEAL, timing=Timing.EVEN)
CASES = {
    "ideal": EVEN,
    "asym": replace(EVEN, theta_on=0.15, theta_off=0.3),
    "lowpass": replace(EVEN, cutoff=100.0),
    "refractory": replace(EVEN, refractory=3e-3),
}


@pytest.mark.filterwarnings("ignore:synthesis. frames are too far apart")
@pytest.mark.parametrize("name", CASES)
def test_the_same_events_at_the_same_times(shared: Path, name: str) -> None:
    with np.load(shared / "vectors" / "events" / f"v2e_{name}.npz") as vector:
        case = {key: vector[key] for key in vector.files}
    camera = Emulator(CASES[name], seed=0)
    width, dt = case["frames"].shape[2], float(case["dt"])
    got = []
    for k, frame in enumerate(case["frames"]):
        when, where, on = camera.rows(frame, k * dt)
        y, x = np.divmod(where, width)
        got += zip(
            when.astype(np.float32).tolist(), x.tolist(), y.tolist(), on.tolist(), strict=True
        )
    columns = (case["t"].tolist(), case["x"].tolist(), case["y"].tolist(), case["p"].tolist())
    assert sorted(got) == sorted(zip(*columns, strict=True))


def statistics(shared: Path, key: str) -> list[dict[str, float]]:
    stored = json.loads((shared / "vectors" / "events" / "v2e_reference.json").read_text())
    return [
        case for case in stored["statistics"] if key in case and "photoreceptor_noise" not in case
    ]


def rates(model: PixelModel, level: float, *, steps: int, dt: float) -> tuple[float, float]:
    """Return ON and OFF events per second and pixel of a constant grey."""
    camera = Emulator(model, seed=1)
    frame = np.full((60, 80), level, np.uint8)
    counted = np.zeros(2)
    for k in range(steps + 1):
        on = camera.rows(frame, k * dt)[2]
        counted += on.sum(), (~on).sum()
    on_hz, off_hz = (counted / (frame.size * steps * dt)).tolist()
    return on_hz, off_hz


@pytest.mark.parametrize("timing", Timing)
def test_shot_noise(shared: Path, timing: Timing) -> None:
    for case in statistics(shared, "shot_noise_rate_hz"):
        model = replace(IDEAL, shot=case["shot_noise_rate_hz"], timing=timing)
        got = rates(model, case["level"], steps=400, dt=5e-3)
        # 4800 pixels and 2 s: a standard deviation of 1.2 % where there is least noise
        assert got == pytest.approx((case["on_hz"], case["off_hz"]), rel=0.04)


@pytest.mark.parametrize("timing", Timing)
def test_leak(shared: Path, timing: Timing) -> None:
    for case in statistics(shared, "leak_rate_hz")[:1]:
        leak = case["leak_rate_hz"]
        model = replace(IDEAL, leak=leak, sigma=case["sigma_thres"], timing=timing)
        got = rates(model, case["level"], steps=200, dt=50e-3)
        # the first event takes a whole period, so half a period of 10 s is missing on average
        mean = leak * math.exp((0.1 * math.log(10)) ** 2 / 2) - 0.5 / 10
        assert got[0] == pytest.approx(mean, rel=0.02)
        assert got == pytest.approx((case["on_hz"], 0.0), rel=0.03)


@pytest.mark.filterwarnings("ignore:synthesis. frames are too far apart")
@pytest.mark.parametrize("timing", Timing)
def test_flicker_beyond_the_bandwidth_is_not_seen(shared: Path, timing: Timing) -> None:
    phases = np.arange(16) / 16 * 2 * np.pi
    cases = statistics(shared, "sine")
    assert len(cases) == 10
    for case in cases:
        period = 1 / case["hz"]
        dt = min(0.5e-3, period / 20)
        camera = Emulator(replace(IDEAL, cutoff=case["cutoff_hz"], timing=timing), seed=0)
        steps = round(6 * period / dt)
        counted = np.zeros(phases.size)
        for k in range(steps + 1):
            wave = 1 + case["contrast"] * np.sin(2 * np.pi * k * dt / period + phases)
            light = np.clip(np.rint(case["level"] * wave), 0, 255).astype(np.uint8)
            _, where, on = camera.rows(light[None], k * dt)
            if k > steps // 2:
                np.add.at(counted, where[on], 1)
        # how a cycle fits the grid of thresholds depends on where the memorized level began
        assert case["on_events_per_cycle"] in (counted / 3).tolist()
        assert np.ptp(counted / 3) <= 1
