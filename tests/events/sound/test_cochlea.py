"""The cochlea against what is known of it in closed form: filters, places, compression, ears, fibers."""

import numpy as np
import pytest

from spikewright.errors import EventError
from spikewright.events.sound import Cochlea, HairCell, Lif, Poisson
from spikewright.events.sound.cochlea_design import cascade, gain_control, poles

RATE = 22050.0


def tone(frequency, amplitude, n=6000):
    k = np.arange(n)
    return amplitude * np.sin(2 * np.pi * frequency * k / RATE) * np.minimum(1, k / 1000)


def rms(x):
    return np.sqrt(np.mean(x**2, axis=0))


def test_poles_are_half_an_auditory_filter_apart():
    f = poles(RATE)
    assert f[0] == pytest.approx(0.85 * RATE / 2)
    assert f[-1] > 30 > f[-1] - 0.5 * (165.3 + f[-1]) / 9.26449
    assert np.diff(f) == pytest.approx(-0.5 * (165.3 + f[:-1]) * 24.7 * 4.37e-3, rel=1e-9)


def test_a_soft_click_shows_the_transfer_functions():
    stages, n = cascade(RATE), 4096
    click = np.zeros(n)
    click[0] = 1e-7
    motion = Cochlea().respond(click, rate=RATE).motion / 1e-7
    later = np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n)[:, None]
    r = stages.r1 + stages.zr / (1 + 0.04**2)  # of the outer hair cell at rest
    pole = 1 - 2 * stages.a0 * r * later + (r * later) ** 2
    through = stages.gain.sum(axis=0) * (1 + stages.h * r * stages.c0 * later / pole)
    coupling = (1 - later) / (1 - (1 - 2 * np.pi * 20 / RATE) * later)
    expected = np.cumprod(through, axis=1) * coupling
    found = np.fft.rfft(motion, axis=0)
    high = slice(0, 40)  # lower ones ring longer than the sound
    assert abs(found - expected)[:, high].max() < 2e-4 * abs(expected[:, high]).max()


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 4000.0])
def test_a_tone_moves_its_place_most(frequency):
    front = Cochlea()
    motion = front.respond(tone(frequency, 1e-3), rate=RATE).motion
    best = front.frequencies[rms(motion[3000:]).argmax()]
    assert 0.7 < best / frequency < 1.6
    # what is made for lower pitch lies behind, and is hardly reached
    assert rms(motion[3000:])[front.frequencies < frequency / 3].max() < 0.1 * rms(motion).max()


@pytest.mark.parametrize("cell", HairCell)
def test_loud_sound_is_compressed(cell):
    front = Cochlea(hair_cell=cell)
    soft, loud = (front.respond(tone(1000.0, a), rate=RATE) for a in (0.003, 0.3))
    motion = rms(loud.motion[4000:]).max() / rms(soft.motion[4000:]).max()
    activity = loud.activity[4000:].mean(0).max() / soft.activity[4000:].mean(0).max()
    assert 2 < motion < 40  # of 100
    assert 1 < activity < 20


def test_activity_is_0_in_silence_and_settles_at_1_at_most():
    for cell in HairCell:
        front = Cochlea(hair_cell=cell)
        assert abs(front.respond(np.zeros(500), rate=RATE).activity).max() < 1e-12
        sustained = front.respond(tone(1000.0, 1.0), rate=RATE).activity[4000:].mean(axis=0)
        assert 0.1 < sustained.max() < 1.1


@pytest.mark.parametrize("rate", [8000.0, 16000.0, 22050.0, 48000.0])
def test_smoothers_have_the_spread_and_the_shift_that_were_asked(rate):
    control = gain_control(rate)
    decimation = np.cumprod(control.counts[:, 0])
    for k, (_, taps, passes) in enumerate(control.counts):
        w = control.weights[k]
        at = {3: [-1, 0, 1], 5: [-2, -1, 0, 1, 2]}[taps]
        full = w if taps == 3 else w[[0, 0, 1, 2, 2]]
        assert full.sum() == pytest.approx(1)
        mean = passes * (full @ at)
        variance = passes * (full @ np.square(at)) - mean**2 / passes
        per_tau = [2e-3, 8e-3, 32e-3, 128e-3][k] * rate / decimation[k]
        assert mean * per_tau == pytest.approx(0.65 * 2 ** (k / 2))
        assert variance * per_tau == pytest.approx((1 + 1.65**2) * 2**k)


def test_two_equal_ears_hear_as_one():
    x = tone(700.0, 0.1)
    one, two = Cochlea(), Cochlea(ears=2)
    alone = one.respond(x, rate=RATE).activity
    both = two.respond(np.stack([x, x], axis=1), rate=RATE).activity
    assert np.array_equal(both[:, 0], alone)
    assert np.array_equal(both[:, 1], alone)
    events = two.encode(np.stack([x, x], axis=1), rate=RATE)
    assert events.shape == (2, 71)
    assert 2 * one.encode(x, rate=RATE).n == events.n


def test_a_loud_ear_turns_down_the_other():
    x, silent = tone(1000.0, 0.01), tone(1000.0, 0.0)
    loud = tone(1000.0, 0.5)
    front = Cochlea(ears=2)

    def right(left):
        return rms(front.respond(np.stack([left, x], axis=1), rate=RATE).motion[4000:, 1]).max()

    assert right(loud) < 0.9 * right(silent)
    assert right(x) < right(silent)


def test_pieces_of_a_response_equal_the_whole():
    x = tone(700.0, 0.1, 900)
    stream = Cochlea().stream()
    pieces = [stream.respond(x[a : a + 130]) for a in range(0, 900, 130)]
    whole = Cochlea().respond(x, rate=RATE)
    assert np.array_equal(np.concatenate([p.activity for p in pieces]), whole.activity)
    assert np.array_equal(np.concatenate([p.motion for p in pieces]), whole.motion)


def test_the_loudest_sound_stays_finite():
    x = np.sign(np.sin(np.arange(4000) / 9)) * 10.0
    response = Cochlea().respond(x, rate=RATE)
    assert np.isfinite(response.motion).all()
    assert np.isfinite(response.activity).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 100.0}, "Cochlea: rate: makes no cochlea; found 100 Hz"),
        ({"rate": np.nan}, "makes no cochlea"),
        ({"ears": 3}, "Cochlea: ears: no such number; found 3, expected 1 or 2"),
    ],
)
def test_impossible_cochleas(settings, message):
    with pytest.raises(EventError, match=message):
        Cochlea(**settings)


# -- fibers --------------------------------------------------------------------------------------------


def test_an_integrator_fires_at_its_closed_form_interval():
    dt, firing = 1e-4, Lif(tau_m=5e-3, v_th=0.5, t_ref=1e-3)
    activity = np.tile([0.4, 0.6, 1.0, 3.0], (4000, 1))
    sent = firing.start(4, dt)(activity)
    assert sent[:, 0].sum() == 0
    for n, x in ((1, 0.6), (2, 1.0), (3, 3.0)):
        rise = np.ceil(round(5e-3 * np.log(x / (x - 0.5)) / dt, 9))
        assert set(np.diff(np.flatnonzero(sent[:, n]))) == {rise + 10}


def test_chance_has_its_rate_and_rests():
    dt, firing = 1e-4, Poisson(seed=4, max_rate=2000.0, t_ref=2e-4)
    activity = np.tile(np.repeat([-1.0, 0.5, 1.0], 40), (20000, 1))
    sent = firing.start(120, dt)(activity).reshape(20000, 3, 40)
    assert sent[:, 0].sum() == 0
    for n, x in ((1, 0.5), (2, 1.0)):
        # the mean interval is the rest and one of chance
        rate = 1 / (2e-4 + dt / -np.expm1(-2000.0 * x * dt))
        assert sent[:, n].sum() / (40 * 2.0) == pytest.approx(rate, rel=0.01)
        assert np.diff(np.flatnonzero(sent[:, n, 0])).min() == 3
    other = Poisson(seed=5).start(120, dt)(activity)
    assert not np.array_equal(other.reshape(sent.shape), sent)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lif(tau_m=0.0), "Lif: tau_m: is not positive; found 0.0"),
        (lambda: Lif(v_th=np.nan), "Lif: v_th: is not positive"),
        (lambda: Lif(t_ref=-1e-3), "Lif: t_ref: is not a time; found -0.001"),
        (lambda: Poisson(1, max_rate=np.inf), "Poisson: max_rate: is not positive"),
        (lambda: Poisson(1, t_ref=np.inf), "Poisson: t_ref: is not a time"),
    ],
)
def test_impossible_fibers(make, message):
    with pytest.raises(EventError, match=message):
        make()
