"""The front end: known frequencies land in known filters; length and loudness do what they must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.data.melspectrum import LogMel, filter_bank, log_mel, power
from spikewright.errors import DataError
from spikewright.events.sound.mel import from_mel, to_mel

SETTINGS = LogMel()


def tone(frequency: float, *, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(round(8000 * seconds)) / 8000
    return np.sin(2 * np.pi * frequency * t)


@given(st.floats(0, 20000))
def test_mel_and_back(frequency: float) -> None:
    assert from_mel(to_mel(frequency)) == pytest.approx(frequency, abs=1e-6)


def test_filters_are_triangles_that_add_up_to_one() -> None:
    bank = filter_bank(SETTINGS)
    edges = from_mel(np.linspace(to_mel(80.0), to_mel(4000.0), 42))
    frequency = np.arange(bank.shape[1]) * 8000 / SETTINGS.n_fft
    between = (frequency >= edges[1]) & (frequency <= edges[-2])
    np.testing.assert_allclose(bank.sum(axis=0)[between], 1.0, atol=1e-12)
    assert (bank >= 0).all()


@pytest.mark.parametrize("place", [5, 15, 25, 35])
def test_a_tone_is_loudest_in_its_filter(place: int) -> None:
    center = from_mel(np.linspace(to_mel(80.0), to_mel(4000.0), 42))[place + 1]
    cells = power(tone(float(center)), SETTINGS)
    assert cells[20].argmax() == place


def test_ten_times_the_power_is_ten_decibels() -> None:
    quiet = np.concatenate([tone(1000.0), np.zeros(4000), tone(1000.0) / np.sqrt(10)])
    shown, _ = log_mel(quiet, LogMel(steps=160))
    column = shown[:, shown.sum(axis=0).argmax()]
    loud, soft = np.unique(column[column > 0.7].round(3), return_counts=True)[0][[-1, 0]]
    assert loud == pytest.approx(1.0, abs=2e-3)
    assert np.median(column[(column > 0.7) & (column < 0.9)]) == pytest.approx(
        1 - 10 / 60, abs=2e-3
    )
    assert soft < loud


@given(st.floats(1e-4, 1.0))
def test_loudness_of_the_whole_changes_nothing(gain: float) -> None:
    sound = np.random.default_rng(1).normal(size=3000) * np.hanning(3000)
    np.testing.assert_allclose(
        log_mel(sound, SETTINGS)[0], log_mel(gain * sound, SETTINGS)[0], atol=1e-5
    )


@given(st.integers(0, 30))
def test_silence_around_a_word_changes_its_place_by_nothing(hops: int) -> None:
    word = np.random.default_rng(2).normal(size=1600) * np.hanning(1600)
    word[:400] = word[-400:] = 0
    late = np.concatenate([np.zeros(80 * hops), word])
    np.testing.assert_allclose(log_mel(word, SETTINGS)[0], log_mel(late, SETTINGS)[0], atol=1e-5)


@given(st.integers(1, 9000))
def test_any_length_gives_the_same_shape(n: int) -> None:
    shown, outside = log_mel(np.random.default_rng(n).normal(size=n), SETTINGS)
    assert shown.shape == (50, 40)
    assert 0 <= shown.min() <= shown.max() <= 1
    assert -1e-9 <= outside < 1


def test_what_is_cut_is_said() -> None:
    assert log_mel(tone(500.0, seconds=0.4), SETTINGS)[1] == pytest.approx(0.0, abs=1e-12)
    assert log_mel(tone(500.0, seconds=1.0), SETTINGS)[1] == pytest.approx(0.5, abs=0.02)


def test_silence_is_zero() -> None:
    assert not log_mel(np.zeros(4000), SETTINGS)[0].any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_mels": 0}, "LogMel: n_mels: is not positive; found 0"),
        ({"steps": -1}, "LogMel: steps: is not positive; found -1"),
        ({"f_max": 5000.0}, "f_min, f_max: are not a band of the recordings; found 80 to 5000 Hz"),
        ({"hop": 1e-5}, "LogMel: hop, window: shorter than the samples"),
        ({"pre_emphasis": 1.0}, "LogMel: pre_emphasis: is not a share; found 1.0"),
        ({"n_mels": 200}, "filters fall between two frequencies of the spectrum; found 200 — use"),
    ],
)
def test_settings_that_contradict(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        LogMel(**changes)
