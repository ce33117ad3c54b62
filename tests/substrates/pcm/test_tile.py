import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spikewright import rng
from spikewright.errors import SubstrateError
from spikewright.substrates.pcm.devices import PcmLike
from spikewright.substrates.pcm.tile import (
    Granularity,
    drift_compensation,
    tiles,
    to_conductances,
    to_weight,
)
from spikewright.units import uS

sizes = st.integers(0, 40)


@given(sizes, sizes, st.integers(1, 16), st.integers(1, 16))
def test_tiles_cover_each_weight_once(n_post, n_pre, rows, columns):
    covered = np.zeros((n_post, n_pre), int)
    for post, pre in tiles((n_post, n_pre), rows=rows, columns=columns):
        assert post.stop - post.start <= columns
        assert pre.stop - pre.start <= rows
        covered[post, pre] += 1
    assert (covered == 1).all()


@given(arrays(float, (3, 4), elements=st.floats(-2, 2)), st.floats(0, 5), st.floats(6, 50))
def test_weights_come_back(weight, g_min, g_max):
    g_plus, g_minus = to_conductances(weight, g_min * uS, g_max * uS, 2.0)
    for g in (g_plus, g_minus):
        assert (g >= g_min * uS).all()
        assert (g <= g_max * uS * (1 + 1e-12)).all()
    assert (np.minimum(g_plus, g_minus) == g_min * uS).all()
    back = to_weight(g_plus, g_minus, g_min * uS, g_max * uS, 2.0)
    np.testing.assert_allclose(back, weight, atol=1e-12)


def test_largest_weight_takes_the_largest_conductance_and_larger_ones_clip():
    g_plus, g_minus = to_conductances([[0.5, -2.0]], 0.0, 25 * uS)
    np.testing.assert_allclose(g_plus, [[6.25 * uS, 0.0]])
    np.testing.assert_allclose(g_minus, [[0.0, 25 * uS]])
    assert to_conductances([[-2.0]], 0.0, 25 * uS, 1.0)[1][0, 0] == 25 * uS
    np.testing.assert_array_equal(
        to_conductances(np.zeros(3), 1 * uS, 25 * uS)[0], np.full(3, 1 * uS)
    )


def test_compensation_undoes_a_common_factor():
    y = rng.stream(0, "y").normal(size=(30, 5))
    assert drift_compensation(y, 0.8 * y) == pytest.approx(1.25)
    per_column = np.array([0.5, 0.8, 1.0, 0.9, 0.25])
    factor = drift_compensation(y, y * per_column, granularity=Granularity.COLUMN)
    np.testing.assert_allclose(factor, 1 / per_column)
    assert drift_compensation(y, 0 * y) == 1.0


def test_compensation_brings_a_year_of_drift_back():
    family, generator = PcmLike(), rng.stream(0, "year")
    weight = rng.stream(0, "w").normal(size=(64, 64))
    target = np.stack(to_conductances(weight, 0.0, family.g_max))
    g = family.program(target, generator)
    nu = family.drift_exponent(target, generator)
    now = [
        to_weight(
            *family.read(target, g, nu, t, generator), 0.0, family.g_max, np.abs(weight).max()
        )
        for t in (0.0, 3.15e7)
    ]
    factor = drift_compensation(now[0].T, now[1].T)
    assert factor > 1.5
    plain, compensated = (np.abs(w - weight).mean() for w in (now[1], factor * now[1]))
    assert compensated < 0.5 * plain


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tiles((2, 2), rows=0), "pcm.tiles: a tile without cells; found 0 x 256"),
        (lambda: to_conductances([1.0], 2.0, 1.0), "g_min, g_max: not a range; found 2.0 to 1.0"),
        (
            lambda: to_conductances([1.0], 0.0, 1.0, 0.0),
            "w_max: cannot be; found 0.0, expected > 0",
        ),
        (lambda: to_conductances([np.nan], 0.0, 1.0), "1 of 1 weights are not finite"),
        (lambda: to_weight([1.0], [0.0], -1.0, 1.0, 1.0), "pcm.to_weight: g_min, g_max"),
        (lambda: drift_compensation(np.ones(3), np.ones(3)), "not two reads of the same inputs"),
    ],
)
def test_messages(make, message):
    with pytest.raises(SubstrateError, match=message):
        make()
