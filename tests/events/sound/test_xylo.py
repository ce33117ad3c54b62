"""Xylo's front end beyond its vectors: samples, thresholds, frames; and bringing a sound to a rate."""

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events import Events
from spikewright.events.sound import Normalization, XyloAudio3, resample
from spikewright.events.sound.xylo import FILTERS, RATE


def tone(frequency, amplitude, n=4000):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(n) / RATE)


def test_floats_are_rounded_to_14_bits():
    x = tone(1000.0, 0.5)
    front = XyloAudio3()
    whole = np.rint(x * 8192).astype(np.int16)
    assert front.encode(x, rate=RATE).same_as(front.encode(whole, rate=RATE))
    # louder than full scale: it stays at the ends
    assert np.array_equal(
        front.filtered(3 * x, rate=RATE), front.filtered(np.clip(3 * x, -1, 8191 / 8192), rate=RATE)
    )


def test_a_tone_is_loudest_in_the_filter_made_for_it():
    b_b, b_af, a1, a2 = np.array(FILTERS).T
    # of a complex pair of poles, z^2 + a1 z + a2 in units of the two shifts together
    scale = 2.0 ** (b_b + b_af)
    center = np.arccos(-a1 / scale / 2 / np.sqrt(a2 / scale)) * RATE / (2 * np.pi)
    assert (np.diff(center) > 0).all()
    for c in (6, 10, 14):
        loud = abs(XyloAudio3().filtered(tone(center[c], 0.3), rate=RATE)[2000:]).max(axis=0)
        assert loud.argmax() == c


def test_a_fixed_threshold_is_paid_for():
    front = XyloAudio3(Normalization.FIXED, threshold=1 << 21)
    x = tone(2000.0, 0.05)
    paid = abs(front.filtered(x, rate=RATE)).sum(axis=0)
    spikes = np.bincount(front.encode(x, rate=RATE).address, minlength=16)
    assert np.array_equal(spikes, paid >> 21)
    assert spikes.sum() > 20


def test_separate_channels_forget_loudness_and_joint_ones_do_not():
    x = tone(1000.0, 0.3, 30000)
    shares = {}
    for how in (Normalization.SEPARATE, Normalization.JOINT):
        late = XyloAudio3(how).encode(x, rate=RATE)
        count = np.bincount(late.address[late.t > 20000], minlength=16)
        shares[how] = np.sort(count)[::-1] / count.max()
    assert shares[Normalization.SEPARATE][8] > 0.9
    assert shares[Normalization.JOINT][8] < 0.3


def test_frames_count_to_15():
    front = XyloAudio3()
    t = np.concatenate([np.arange(20), [49, 50, 50, 149]])
    address = np.concatenate([np.full(20, 3), [3, 3, 4, 15]])
    frames = front.frames(Events(t, address, (16,), tick=front.tick))
    assert frames.shape == (3, 16)
    assert frames[0, 3] == 15
    assert frames[1, 3:5].tolist() == [1, 1]
    assert frames.sum() == 15 + 2 + 1
    assert 50 * front.tick == pytest.approx(1.024e-3, rel=1e-12)
    with pytest.raises(EventError, match=r"XyloAudio3\.frames: events of another front end"):
        front.frames(Events(t, address, (16,)))


def test_samples_that_do_not_fit():
    with pytest.raises(EventError, match="does not fit 14 bits; found 0 to 8192, expected -8192"):
        XyloAudio3().encode([0, 8192], rate=RATE)
    with pytest.raises(EventError, match="another number of channels"):
        XyloAudio3().encode([[0, 1]], rate=RATE)


@pytest.mark.parametrize("threshold", [0, 1.5, 1 << 62])
def test_impossible_thresholds(threshold):
    with pytest.raises(EventError, match="XyloAudio3: threshold: is not a threshold; found"):
        XyloAudio3(Normalization.FIXED, threshold=threshold)


def test_resampling_keeps_a_tone():
    x = np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    for to in (RATE, 22050.0, 8000.0):
        y = resample(x, 16000.0, to)
        assert len(y) == np.ceil(8000 * to / 16000)
        inner = slice(len(y) // 4, 3 * len(y) // 4)
        expected = np.sin(2 * np.pi * 440 * np.arange(len(y)) / to)
        assert y[inner] == pytest.approx(expected[inner], abs=2e-3)


@pytest.mark.parametrize(
    ("sound", "rates", "message"),
    [
        ([], (8000.0, 16000.0), "resample: the sound is empty"),
        ([[0.0, 0.0]], (8000.0, 16000.0), "resample: another number of channels"),
        ([np.nan], (8000.0, 16000.0), "resample: sample 0 is not finite"),
        ([0.0], (0.0, 16000.0), "resample: rate: is not positive"),
        ([0.0], (16000.0, 1e-9), "resample: no simple ratio of the rates"),
        ([0.0], (1.0, 1e9), "resample: no simple ratio of the rates"),
    ],
)
def test_impossible_resampling(sound, rates, message):
    with pytest.raises(EventError, match=message):
        resample(sound, *rates)
