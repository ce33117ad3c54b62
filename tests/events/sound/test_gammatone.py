"""The gammatone bank against its closed form, and its events against the plain rule of level crossing."""

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events import level_crossing
from spikewright.events.sound import Gammatone

RATE = 16000.0


def erb(f):
    return 24.7 * (4.37 * f / 1000 + 1)


def test_centers_are_evenly_spaced_in_erbs():
    f = Gammatone(channels=30, f_min=100.0, f_max=5000.0).frequencies
    assert f[[0, -1]] == pytest.approx([100.0, 5000.0])
    number = 21.4 * np.log10(1 + 4.37e-3 * f)
    assert np.diff(number) == pytest.approx(np.full(29, number[1] - number[0]))


def test_the_impulse_response_is_the_gammatone():
    front = Gammatone(channels=12)
    click = np.zeros(4000)
    click[0] = 1.0
    found = front.respond(click, rate=RATE)
    k, f = np.arange(4000)[:, None], front.frequencies
    a = np.exp(-2 * np.pi * 1.019 * erb(f) / RATE)
    exact = (k + 1) * (k + 2) * (k + 3) / 6 * a**k * np.exp(2j * np.pi * f * k / RATE)
    assert found == pytest.approx(exact * 2 * (1 - a) ** 4, abs=1e-12)
    # the continuous one, sampled and shifted by two samples; the low channels, where samples are dense
    t = (k + 2) / RATE
    gammatone = t**3 * np.exp(-2 * np.pi * 1.019 * erb(f) * t)
    envelope = abs(found)
    for c in range(4):
        ratio = gammatone[:, c] / gammatone[:, c].max() - envelope[:, c] / envelope[:, c].max()
        assert abs(ratio).max() < 2e-3


def test_gain_at_the_center_is_1():
    front = Gammatone(channels=8, f_min=200.0, f_max=5000.0)  # an octave below the mirrored pole
    for c in (0, 4, 7):
        x = np.sin(2 * np.pi * front.frequencies[c] * np.arange(8000) / RATE)
        y = front.respond(x, rate=RATE)[6000:, c]
        assert np.sqrt(2 * np.mean(y.real**2)) == pytest.approx(1, rel=0.01)
        assert abs(y).mean() == pytest.approx(1, rel=0.01)


def test_events_are_the_level_crossings_of_the_envelope():
    front = Gammatone(channels=10, threshold=2.0, floor=50.0)
    draw = np.random.default_rng(1)
    x = 0.1 * draw.standard_normal(6000) * np.repeat([0.01, 1.0, 0.2], 2000)
    size = np.maximum(abs(front.respond(x, rate=RATE)), 1e-12)
    level = np.maximum(0, 50 + 20 * np.log10(size))
    expected = level_crossing(level, 2.0)[:, 0]
    events = front.encode(x, rate=RATE)
    found = np.zeros(expected.shape)
    found[(events.t, *events.coordinates())] = events.weights()
    assert np.array_equal(found, expected)
    assert events.value is not None  # somewhere several levels at once
    assert events.n > 500


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"f_max": 8000.0},
            "Gammatone: f_min, f_max: are not a band of the sounds; found 80 to 80",
        ),
        ({"f_min": 0.0}, "are not a band"),
        ({"threshold": 0.0}, "Gammatone: threshold: is not positive"),
        ({"channels": 0}, "Gammatone: channels: is not a count; found 0"),
        ({"rate": np.inf}, "Gammatone: rate: is not positive; found inf"),
    ],
)
def test_impossible_banks(settings, message):
    with pytest.raises(EventError, match=message):
        Gammatone(**settings)


def test_too_many_levels():
    with pytest.raises(EventError, match="makes too many levels; found 1200"):
        Gammatone(threshold=1e-3, floor=60.0).stream()
