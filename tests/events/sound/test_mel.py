"""Mel bands: power as the data sets have it, levels crossed; Speech2Spikes by its rule written out."""

import numpy as np
import pytest

from spikewright.data.melspectrum import LogMel, power
from spikewright.errors import EventError
from spikewright.events import level_crossing
from spikewright.events.sound import MelLevels, Speech2Spikes
from spikewright.events.sound.frames import Border, Frames
from spikewright.events.sound.mel import triangles

RATE = 16000.0


def dense(events, rows):
    found = np.zeros((rows, *events.shape))
    found[(events.t, *events.coordinates())] = events.weights()
    return found


def noise(n):
    draw = np.random.default_rng(2)
    return 0.2 * draw.standard_normal(n) * (1 + np.sin(np.arange(n) / 900)) / 2


@pytest.mark.parametrize("n", [1, 159, 160, 4321])
@pytest.mark.parametrize("border", Border)
def test_frames_are_those_of_the_padded_whole(n, border):
    x = np.arange(1.0, n + 1)
    frames = Frames(320, 160, border=border)
    if border is Border.MIRROR and n <= 160:
        frames.push(x)
        with pytest.raises(EventError, match=f"shorter than half a window; found {n} samples"):
            frames.end()
        return
    found = np.vstack([frames.push(x), frames.end()])
    padded = np.pad(x, 160, mode="reflect") if border is Border.MIRROR else np.pad(x, 160)
    assert np.array_equal(found, np.lib.stride_tricks.sliding_window_view(padded, 320)[::160])
    assert len(found) == 1 + n // 160


def test_events_are_the_level_crossings_of_the_bands():
    x = noise(9000)
    front = MelLevels()
    same = LogMel(
        rate=RATE, n_mels=40, hop=5e-3, window=25e-3, f_min=80.0, f_max=7600.0, pre_emphasis=0.0
    )
    # a full-scale sine has power 1: the window sums to half its length
    level = 60 + 10 * np.log10(np.maximum(power(x, same) / 100**2, 1e-6))
    events = front.encode(x, rate=RATE)
    assert events.tick == pytest.approx(5e-3)
    assert np.array_equal(dense(events, len(level)), level_crossing(level, 3.0)[:, 0])
    assert events.n > 500


def test_a_full_scale_sine_is_at_0_db():
    front = MelLevels(bands=20)
    middle = 512  # of a band, at a frequency of the spectrum
    f = middle / 2 * RATE / front.n_fft
    x = np.sin(2 * np.pi * f * np.arange(4000) / RATE)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    spectrum = (2 / hann.sum()) ** 2 * abs(np.fft.rfft(x[800:1200] * hann, front.n_fft)) ** 2
    assert spectrum.max() == pytest.approx(1, rel=1e-3)
    found = front.stream().power(x[None, 800:1200])
    assert found[0].max() == pytest.approx((spectrum @ front.filters().T).max())


@pytest.mark.parametrize("cumulative", [False, True])
def test_speech2spikes_follows_its_rule(cumulative):
    x = noise(8000)
    padded = np.pad(x, 256, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 512)[::80]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    bands = triangles(20, 20.0, 4000.0, n_fft=512, rate=RATE)
    mel = abs(np.fft.rfft(frames * hann)) ** 2 @ bands.T
    if cumulative:
        mel = np.hstack([mel, np.cumsum(mel, axis=0)])
    signal = np.log(mel)
    level = np.round(signal[0])
    expected = np.zeros((len(signal), 2, signal.shape[1]))
    for k, now in enumerate(signal):
        expected[k, 1] = now - level > 1
        expected[k, 0] = now - level < -1
        level = level + expected[k, 1] - expected[k, 0]
    events = Speech2Spikes(cumulative=cumulative).encode(x, rate=RATE)
    assert np.array_equal(dense(events, len(signal)), expected)
    assert expected[:, 0].sum() > 10
    assert expected[:, 1].sum() > 10
    assert events.tick == 5e-3


def test_speech2spikes_needs_half_a_window():
    with pytest.raises(EventError, match="shorter than half a window; found 256 samples, expected"):
        Speech2Spikes().encode(noise(256), rate=RATE)
    assert Speech2Spikes().encode(noise(257), rate=RATE).shape == (2, 20)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MelLevels(f_max=9000.0), "MelLevels: f_min, f_max: are not a band of the sounds"),
        (lambda: MelLevels(hop=1e-6), "MelLevels: hop, window: shorter than the samples"),
        (lambda: MelLevels(bands=2000), r"MelLevels: bands: \d+ fall between two frequencies"),
        (
            lambda: MelLevels(bands=2.5),
            "MelLevels: bands: is not a count; found 2.5, expected a wh",
        ),
        (lambda: MelLevels(floor=-1.0), "MelLevels: floor: is not positive"),
        (lambda: Speech2Spikes(threshold=0.0), "Speech2Spikes: threshold: is not positive"),
    ],
)
def test_impossible_bands(make, message):
    with pytest.raises(EventError, match=message):
        make()
