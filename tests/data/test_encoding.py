"""Encodings: what they send is what their definition says, in the axes of the engines."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.data.encoding import (
    Above,
    Constant,
    DeterministicRate,
    Draw,
    Encoding,
    Latency,
    LevelCrossing,
    Phases,
    PoissonRate,
    Stream,
)
from spikewright.errors import DataError, EventError

DRAW = Draw(1, "train", 0, np.arange(3))
IMAGES = np.linspace(0, 1, 3 * 4 * 2, dtype=np.float32).reshape(3, 4, 2)
SERIES = np.random.default_rng(0).random((3, 10, 5), dtype=np.float32)


@pytest.mark.parametrize("encoding", [Constant(), PoissonRate(), DeterministicRate(), Latency()])
def test_static_samples(encoding: Encoding) -> None:
    out = encoding.encode(IMAGES, steps=10, dt=1e-3, draw=DRAW)
    assert out.shape == (10, 3, *encoding.shape_of((4, 2)))
    assert out.dtype == np.float32
    assert not encoding.is_series


def test_phases() -> None:
    images = np.array([[[0.0, 1.0], [0.5, 0.25], [1.0, 0.0]]], np.float32)
    out = Phases(3, 2, most=2).encode(images, steps=7, dt=1e-3, draw=DRAW)
    assert out[:, 0].tolist() == [[0, 2], [0, 2], [1, 1], [1, 0], [2, 0], [2, 0], [0, 0]]
    marked = Phases(3, 1, marked=True, columns=(1, 2))
    assert marked.shape_of((3, 2)) == (4,)
    out = marked.encode(images, steps=3, dt=1e-3, draw=DRAW)
    assert out[:, 0].tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    for parts, each in ((4, 1), (3, 3)):
        with pytest.raises(DataError, match="does not fit; found 6 numbers in 7 steps"):
            Phases(parts, each).encode(images, steps=7, dt=1e-3, draw=DRAW)


def test_levels_that_are_passed_can_be_counted() -> None:
    apart = Above((0.2, 0.7)).encode(SERIES, steps=10, dt=1e-3, draw=DRAW)
    counted = Above((0.2, 0.7), counted=True)
    assert counted.shape_of((5,)) == (5,)
    found = counted.encode(SERIES, steps=10, dt=1e-3, draw=DRAW)
    assert np.array_equal(found, apart.sum(axis=2))


@pytest.mark.parametrize("encoding", [Stream(), LevelCrossing(0.2), Above((0.2, 0.7))])
def test_series(encoding: Encoding) -> None:
    out = encoding.encode(SERIES, steps=10, dt=1e-3, draw=DRAW)
    assert out.shape == (10, 3, *encoding.shape_of((5,)))
    assert out.dtype == np.float32
    assert encoding.is_series
    with pytest.raises(DataError, match="another number of steps than the data set; found 10"):
        encoding.encode(SERIES, steps=11, dt=1e-3, draw=DRAW)


def test_constant_holds_the_current() -> None:
    out = Constant(gain=3.0).encode(IMAGES, steps=2, dt=1e-3, draw=DRAW)
    assert np.array_equal(out[0], IMAGES * 3)
    assert np.array_equal(out[0], out[1])


def test_rates_are_proportional() -> None:
    even = DeterministicRate(500.0).encode(IMAGES, steps=400, dt=1e-3, draw=DRAW)
    assert np.abs(even.sum(0) - 200 * IMAGES).max() <= 1
    random = PoissonRate(500.0).encode(IMAGES, steps=4000, dt=1e-3, draw=DRAW)
    p = 0.5 * IMAGES
    assert (np.abs(random.mean(0) - p) <= 5 * np.sqrt(p * (1 - p) / 4000)).all()
    assert set(np.unique(random)) == {0.0, 1.0}


def test_a_rate_above_one_spike_per_step() -> None:
    with pytest.raises(EventError, match="more than one spike per step"):
        PoissonRate(2000.0).encode(IMAGES, steps=4, dt=1e-3, draw=DRAW)


def test_latency_sends_the_strong_first_and_once() -> None:
    out = Latency().encode(IMAGES, steps=50, dt=1e-3, draw=DRAW)
    assert np.array_equal(out.sum(0), IMAGES > 0)
    step = out.argmax(0)[IMAGES > 0]
    assert (np.diff(step[np.argsort(IMAGES[IMAGES > 0])]) <= 0).all()
    assert Latency(threshold=0.5).encode(IMAGES, steps=5, dt=1.0, draw=DRAW).sum() == 12


def test_stream_is_the_series_time_first() -> None:
    out = Stream(gain=2.0).encode(SERIES, steps=10, dt=1e-3, draw=DRAW)
    assert np.array_equal(out, 2 * SERIES.transpose(1, 0, 2))


def test_level_crossings_add_up_to_the_series() -> None:
    out = LevelCrossing(0.1).encode(SERIES, steps=10, dt=1e-3, draw=DRAW)
    rebuilt = 0.1 * np.cumsum(out[:, :, 1] - out[:, :, 0], axis=0)
    assert np.abs(rebuilt - SERIES.transpose(1, 0, 2)).max() <= 0.1 + 1e-6


def test_above_sends_the_higher_level_less() -> None:
    out = Above((0.2, 0.7)).encode(SERIES, steps=10, dt=1e-3, draw=DRAW)
    series = SERIES.transpose(1, 0, 2)
    assert np.array_equal(out[:, :, 0], series > 0.2)
    assert np.array_equal(out[:, :, 1], series > 0.7)


@pytest.mark.parametrize("levels", [(), (0.7, 0.2), (0.2, 0.2)])
def test_levels_must_rise(levels: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="encoding Above: levels: do not rise"):
        Above(levels)
