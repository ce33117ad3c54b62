from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events.camera import CameraEvents
from spikewright.events.measures.noise import leak_noise, shot_noise, with_noise


def test_shot_noise_has_its_rate_its_halves_and_its_spread() -> None:
    noise = shot_noise(100, 80, start=-1000, stop=4_999_000, rate=2.0, seed=1)
    noise.check()
    assert noise.t.min() >= -1000
    assert noise.t.max() < 4_999_000
    expected = 2.0 * 5 * 8000
    assert abs(len(noise) - expected) < 5 * expected**0.5
    assert abs(noise.p.mean() - 0.5) < 0.02
    counts = np.bincount(noise.x + 100 * noise.y.astype(int), minlength=8000)
    # variance over pixels: Poisson's mean, and that of a log-normal of half a decade
    sigma = 0.5 * np.log(10)
    assert counts.var() == pytest.approx(10 + 100 * (np.exp(sigma**2) - 1), rel=0.4)
    even = shot_noise(100, 80, start=0, stop=5_000_000, rate=2.0, seed=1, spread=0.0)
    counts = np.bincount(even.x + 100 * even.y.astype(int), minlength=8000)
    assert counts.var() == pytest.approx(10, rel=0.1)


def test_leak_noise_is_regular_and_on() -> None:
    noise = leak_noise(30, 20, start=0, stop=100_000_000, rate=0.3, seed=2)
    noise.check()
    assert noise.p.all()
    assert len(noise) == pytest.approx(0.3 * 100 * 600, rel=0.02)
    one = np.diff(np.concatenate([noise.t[(noise.x == 3) & (noise.y == k)] for k in range(20)]))
    one = one[one > 0]
    assert one.mean() == pytest.approx(1e6 / 0.3, rel=0.05)
    assert one.std() == pytest.approx(0.2e6 / 0.3, rel=0.2)


def test_noise_is_a_function_of_its_seed() -> None:
    size = (20, 10)
    for make in (shot_noise, leak_noise):
        a = make(*size, start=0, stop=10**6, rate=5.0, seed=3)
        assert a.same_as(make(*size, start=0, stop=10**6, rate=5.0, seed=3))
        assert not a.same_as(make(*size, start=0, stop=10**6, rate=5.0, seed=4))
        assert len(make(*size, start=5, stop=5, rate=5.0, seed=1)) == 0
        assert len(make(*size, start=0, stop=10**6, rate=0.0, seed=1)) == 0


def test_labels_say_what_was_there_before() -> None:
    clean = CameraEvents(np.arange(0, 10**6, 999), *np.ones((3, 1002), int)[:, :1002], 8, 8)[:1001]
    noisy, is_signal = with_noise(clean, shot=5.0, leak=0.3, seed=5)
    noisy.check()
    assert noisy[is_signal].same_as(clean)
    assert (~is_signal).sum() == pytest.approx(64 * 5.3, rel=0.3)
    alone, labels = with_noise(CameraEvents.empty(8, 8), seed=1)
    assert len(alone) == len(labels) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": -1.0}, "shot_noise.rate: is out of range"),
        ({"stop": -5}, "is not a stretch of time; found 0 us to -5 us"),
        ({"width": 0}, "has no sensor"),
        ({"rate": 1e6, "stop": 10**12}, "would make too many events"),
    ],
)
def test_noise_that_cannot_be_made(options: dict[str, float], message: str) -> None:
    given = {"width": 9, "height": 9, "start": 0, "stop": 10**6, "rate": 1.0, "seed": 1} | options
    with pytest.raises(EventError, match=message):
        shot_noise(given.pop("width"), given.pop("height"), **given)  # type: ignore[arg-type]


def test_a_jitter_out_of_range() -> None:
    with pytest.raises(EventError, match=r"leak_noise.jitter: is out of range"):
        leak_noise(2, 2, start=0, stop=1, rate=1.0, seed=1, jitter=-0.1)
