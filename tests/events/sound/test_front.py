"""What holds for every front end: pieces equal the whole, silence is silent, bad sound is refused."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.errors import EventError
from spikewright.events import merge
from spikewright.events.sound import (
    Cochlea,
    Gammatone,
    HairCell,
    MelLevels,
    Normalization,
    Poisson,
    Speech2Spikes,
    XyloAudio3,
)
from spikewright.events.sound import front as front_module

FRONTS = {
    "cochlea": Cochlea(),
    "cochlea, two capacitors, Poisson": Cochlea(
        rate=16000.0, hair_cell=HairCell.TWO_CAP, firing=Poisson(seed=3)
    ),
    "cochlea, two ears": Cochlea(ears=2, rate=8000.0),
    "gammatone": Gammatone(channels=24),
    "mel levels": MelLevels(),
    "mel levels, odd window": MelLevels(rate=8000.0, window=203 / 8000, bands=20, f_max=4000.0),
    "mel levels, gaps between windows": MelLevels(window=4e-3, hop=7e-3, bands=10),
    "speech2spikes": Speech2Spikes(),
    "speech2spikes, cumulative": Speech2Spikes(cumulative=True),
    "xylo": XyloAudio3(),
    "xylo, joint": XyloAudio3(Normalization.JOINT),
    "xylo, fixed": XyloAudio3(Normalization.FIXED, threshold=1 << 20),
}
every_front = pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS.keys())


def chirp(front, n=3000):
    """A loud sweep in noise, faded in; of two ears the second is later and softer."""
    draw = np.random.default_rng(5)
    k = np.arange(n)
    sweep = 0.4 * np.sin(2 * np.pi * (0.01 * k + 2e-5 * k**2)) * np.minimum(1, k / 500)
    x = sweep + 0.02 * draw.standard_normal(n)
    return x if front.ears == 1 else np.stack([x, 0.3 * np.roll(x, 5)], axis=1)


@every_front
def test_events_of_a_sound(front):
    events = front.encode(chirp(front), rate=front.rate)
    assert events.n > 20
    assert events.shape == front.shape
    assert events.tick == front.tick
    assert events.t[0] >= 0
    assert events.t[-1] * events.tick <= 3000 / front.rate
    assert events.same_as(front.encode(chirp(front), rate=front.rate))


@every_front
@settings(max_examples=8)
@given(cuts=st.lists(st.integers(0, 3000), max_size=6))
def test_pieces_equal_the_whole(front, cuts):
    x = chirp(front)
    ends = [0, *sorted(cuts), len(x)]
    stream = front.stream()
    found = [stream(x[a:b]) for a, b in pairwise(ends)]
    joined = merge(*found, stream.finish())
    assert joined.same_as(front.encode(x, rate=front.rate))


@every_front
def test_single_samples_equal_the_whole(front):
    x = chirp(front, 700)
    stream = front.stream()
    found = [stream(x[k : k + 1]) for k in range(len(x))]
    assert merge(*found, stream.finish()).same_as(front.encode(x, rate=front.rate))


def test_encode_cuts_long_sounds_into_pieces(monkeypatch):
    front = Gammatone(channels=8)
    whole = front.encode(chirp(front), rate=front.rate)
    monkeypatch.setattr(front_module, "PIECE", 100)
    assert front.encode(chirp(front), rate=front.rate).same_as(whole)


@every_front
def test_silence_is_silent(front):
    assert front.encode(0 * chirp(front), rate=front.rate).n == 0


@every_front
def test_what_was_is_not_changed_by_what_comes(front):
    x = chirp(front)
    whole = front.encode(x, rate=front.rate)
    other = x.copy()
    other[2000:] = -0.5 * other[2000:]
    # a window sees what is less than its length later
    early = (2000 - 600) / front.rate / front.tick
    found = front.encode(other, rate=front.rate)
    assert np.array_equal(whole.t[whole.t < early], found.t[found.t < early])


@every_front
def test_bad_sound(front):
    x = chirp(front)
    name = type(front).__name__
    with pytest.raises(EventError, match=f"^{name}: rate: another sampling rate; found 44100 Hz"):
        front.encode(x, rate=44100.0)
    with pytest.raises(EventError, match="another sampling rate; found nan"):
        front.encode(x, rate=np.nan)
    with pytest.raises(EventError, match=f"^{name}: rate: is not a rate; found None"):
        front.encode(x, rate=None)
    with pytest.raises(EventError, match=f"^{name}: the sound is empty; found 0 samples"):
        front.encode(x[:0], rate=front.rate)
    wrong = x.copy()
    wrong[17] = np.nan
    with pytest.raises(EventError, match=f"^{name}: sample 17 is not finite; found"):
        front.encode(wrong, rate=front.rate)
    wrong[17] = np.inf
    with pytest.raises(EventError, match="sample 17 is not finite"):
        front.stream()(wrong)
    with pytest.raises(
        EventError, match=r"not a sound of full scale 1; found a sample of .* 32768"
    ):
        front.encode(x * 32768, rate=front.rate)
    with pytest.raises(EventError, match="not samples as floats; found complex128"):
        front.encode(x + 0j, rate=front.rate)
    with pytest.raises(EventError, match="not samples as floats; found <U1"):
        front.encode(["a"], rate=front.rate)


@every_front
def test_another_number_of_channels(front):
    x = chirp(front)
    if front.ears == 1:
        with pytest.raises(EventError, match=r"found samples of shape \(3000, 2\), expected one"):
            front.encode(np.stack([x, x], axis=1), rate=front.rate)
    else:
        with pytest.raises(EventError, match=r"shape \(3000,\), expected shape \(T, 2\) — np.st"):
            front.encode(x[:, 0], rate=front.rate)
    with pytest.raises(EventError, match="another number of channels"):
        front.stream()(np.zeros((3, 2, 2)))


@every_front
def test_16_bit_numbers(front):
    x = np.rint(chirp(front) * 32767).astype(np.int16)
    with pytest.raises(EventError, match=r"divide 16-bit numbers by 32768|does not fit 14 bits"):
        front.encode(x, rate=front.rate)


@every_front
def test_nothing_follows_the_end(front):
    stream = front.stream()
    stream(chirp(front))
    stream.finish()
    with pytest.raises(EventError, match="the sound is finished — begin another with stream"):
        stream(chirp(front))
    with pytest.raises(EventError, match="the sound is finished"):
        stream.finish()


def test_front_ends_load_numpy_only():
    code = (
        "import spikewright.events.sound, sys;"
        "raise SystemExit(', '.join({'numba', 'scipy', 'h5py', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip() == ""
