import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright import rng
from spikewright.errors import SubstrateError
from spikewright.substrates.pcm.devices import Hermes, PcmLike
from spikewright.substrates.pcm.oxides import CmoHfox, OxideRram
from spikewright.units import uS

FAMILIES = [PcmLike(), PcmLike(g_max=40 * uS), Hermes(1), Hermes(2), OxideRram(), CmoHfox()]
PHASE_CHANGE = [family for family in FAMILIES if isinstance(family, PcmLike | Hermes)]


def levels(family, n=50):
    return np.linspace(family.g_min, family.g_max, n)


def test_programming_noise_of_half_the_range_follows_the_published_polynomial():
    sigma = PcmLike().programming_sigma(12.5 * uS)
    assert float(sigma) == pytest.approx((0.26348 + 1.9650 / 2 - 1.1731 / 4) * 1e-6)


@pytest.mark.parametrize("family", PHASE_CHANGE, ids=repr)
def test_drift_is_a_power_law_of_time_since_the_first_read(family):
    t = family.t_0 * 9  # ten times the first read after programming
    np.testing.assert_allclose(family.drift([20e-6], [0.05], t), [20e-6 * 10**-0.05])
    np.testing.assert_array_equal(family.drift([20e-6], [0.05], 0.0), [20e-6])


@pytest.mark.parametrize("family", PHASE_CHANGE, ids=repr)
@given(first=st.floats(0, 1e8), later=st.floats(0, 1e8))
def test_conductance_never_grows_without_noise(family, first, later):
    g, nu = levels(family), np.full(50, 0.05)
    first, later = sorted((first, later))
    assert (family.drift(g, nu, later) <= family.drift(g, nu, first)).all()


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_same_generator_gives_the_same_devices(family):
    def draw():
        generator = rng.stream(3, "chip")
        g = family.program(levels(family), generator)
        nu = family.drift_exponent(levels(family), generator)
        return family.read(levels(family), g, nu, 3600.0, generator)

    np.testing.assert_array_equal(draw(), draw())


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("t", [0.0, 1.0, 1e9])
def test_a_read_is_never_negative(family, t):
    generator = rng.stream(0, "read")
    target = np.tile(levels(family), (200, 1))
    g = family.program(target, generator)
    read = family.read(target, g, family.drift_exponent(target, generator), t, generator)
    assert read.shape == target.shape
    assert (read >= 0).all()


@pytest.mark.parametrize("kind", [PcmLike, Hermes, OxideRram])
def test_without_noise_a_device_holds_its_target(kind):
    family = kind(programming_scale=0.0, drift_scale=0.0, read_scale=0.0)
    generator = rng.stream(0, "quiet")
    g = family.program(levels(family), generator)
    nu = family.drift_exponent(levels(family), generator)
    np.testing.assert_array_equal(
        family.read(levels(family), g, nu, 1e6, generator), levels(family)
    )


def test_oxide_relaxation_lies_between_its_measurements():
    family = OxideRram()
    day, between, two = (family.relaxation_sigma(20 * uS, d * 86400.0) for d in (1, 1.4, 2))
    assert min(day, two) < between < max(day, two)
    np.testing.assert_array_equal(family.relaxation_sigma(20 * uS, 1e9), two)
    np.testing.assert_array_equal(
        family.relaxation_sigma(20 * uS, 0.0), family.relaxation_sigma(20 * uS, 1.0)
    )


def test_oxide_window_is_kept():
    family = CmoHfox()
    generator = rng.stream(0, "window")
    target = np.full(1000, family.g_min)
    read = family.read(target, family.program(target, generator), np.zeros(1000), 1e7, generator)
    assert read.min() == family.g_min


def test_a_tighter_write_loop_leaves_less_noise():
    assert CmoHfox(acceptance=0.002).programming_sigma(50 * uS) < CmoHfox(
        acceptance=0.02
    ).programming_sigma(50 * uS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hermes(devices=3), "pcm.Hermes: devices: no measurement of such a cell; found 3"),
        (lambda: PcmLike(g_max=-1.0), "pcm.PcmLike: g_min, g_max: not a range"),
        (lambda: PcmLike(t_0=0.0), "pcm.PcmLike: t_0: cannot be; found 0.0, expected > 0, in s"),
        (lambda: OxideRram(read_scale=-1), "read_scale: cannot be; found -1, expected >= 0"),
        (lambda: CmoHfox(acceptance=0.5), "expected 0.002 or 0.02"),
        (lambda: PcmLike().drift([1e-6], [0.1], -1.0), "time since programming: cannot be"),
        (lambda: PcmLike().drift([1e-6], [0.1], float("nan")), "expected t >= 0, in s"),
        (lambda: PcmLike().programming_sigma([30e-6, 1e-6]), "1 of 2 conductances lie outside"),
        (lambda: CmoHfox().programming_sigma(0.0), "found 0 uS, expected 9 to 88.19 uS"),
    ],
)
def test_messages(make, message):
    with pytest.raises(SubstrateError, match=message.replace("(", r"\(")):
        make()
