import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spikewright import rng
from spikewright.errors import SubstrateError
from spikewright.substrates.pcm.converters import (
    BoundManagement,
    Converters,
    InputScaling,
    Quantizer,
    multiply,
    resolution_of,
)
from spikewright.substrates.pcm.wires import Wires

IDEAL = Converters(dac=None, adc=None)
values = st.floats(-5, 5, width=32)


@given(arrays(float, 20, elements=values), st.integers(2, 12), st.floats(0.1, 20))
def test_quantizing_twice_changes_nothing(x, bits, bound):
    quantizer = Quantizer(resolution_of(bits), bound)
    once = quantizer(x)
    np.testing.assert_allclose(quantizer(once), once, rtol=1e-12)
    inside = np.abs(x) <= bound
    assert (np.abs(once - x)[inside] <= quantizer.step / 2 * (1 + 1e-9)).all()
    assert (np.abs(once) <= bound).all()


def test_rounds_half_to_even():
    np.testing.assert_array_equal(Quantizer(0.25)([0.25, 0.75, -0.25]), [0.0, 1.0, 0.0])


@given(arrays(float, (4, 6), elements=values), arrays(float, (3, 6), elements=values))
def test_ideal_converters_multiply(weight, x):
    np.testing.assert_allclose(multiply(weight, x, IDEAL), x @ weight.T, atol=1e-9)


@pytest.mark.parametrize("management", [BoundManagement.NONE, BoundManagement.ITERATIVE])
def test_a_batch_is_its_rows(management):
    generator = rng.stream(0, "rows")
    weight, x = generator.normal(size=(5, 9)), generator.normal(size=(7, 9))
    converters = Converters(
        Quantizer(resolution_of(8)), Quantizer(resolution_of(8), 1.5), bound_management=management
    )
    together = multiply(weight, x, converters)
    np.testing.assert_array_equal(
        together, np.stack([multiply(weight, row, converters) for row in x])
    )
    np.testing.assert_array_equal(multiply(weight, x[:, None], converters), together[:, None])


def test_more_bits_come_closer():
    generator = rng.stream(1, "bits")
    weight, x = generator.normal(size=(5, 30)), generator.normal(size=(50, 30))
    errors = [
        np.abs(
            multiply(
                weight,
                x,
                Converters(Quantizer(resolution_of(bits)), Quantizer(resolution_of(bits), 20.0)),
            )
            - x @ weight.T
        ).max()
        for bits in (4, 6, 8, 10, 12)
    ]
    assert errors == sorted(errors, reverse=True)


def test_bound_management_removes_clipping():
    weight, x = np.ones((1, 8)), np.ones((1, 8))
    clipping = Converters(None, Quantizer(resolution_of(10), 2.0))
    managed = Converters(
        None, Quantizer(resolution_of(10), 2.0), bound_management=BoundManagement.ITERATIVE
    )
    assert multiply(weight, x, clipping)[0, 0] == 2.0
    assert multiply(weight, x, managed)[0, 0] == pytest.approx(8.0)


def test_bound_management_gives_up_when_inputs_vanish_in_the_converter():
    converters = Converters(
        Quantizer(resolution_of(4)),
        Quantizer(resolution_of(4), 1e-6),
        bound_management=BoundManagement.ITERATIVE,
    )
    assert np.isfinite(multiply(np.ones((1, 8)), np.ones((1, 8)), converters)).all()


def test_zeros_give_zeros():
    assert not multiply(np.ones((3, 4)), np.zeros((2, 4)), Converters()).any()


def test_output_noise_has_its_deviation_and_its_seed():
    converters = Converters(None, None, InputScaling.NONE, output_noise=0.06)
    x, weight = np.zeros((20_000, 1)), np.ones((1, 1))
    y = multiply(weight, x, converters, generator=rng.stream(0, "noise"))
    assert y.std() == pytest.approx(0.06, rel=0.02)
    np.testing.assert_array_equal(
        y, multiply(weight, x, converters, generator=rng.stream(0, "noise"))
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantizer(0.0), "pcm.Quantizer: resolution: cannot be; found 0.0, expected > 0"),
        (lambda: Quantizer(0.1, bound=-1.0), "pcm.Quantizer: bound"),
        (lambda: resolution_of(1), "too few; found 1, expected 2 or more"),
        (lambda: Converters(output_noise=-1.0), "output_noise: cannot be"),
        (lambda: multiply(np.ones((2, 3)), np.ones(4), IDEAL), "inputs do not fit the array"),
        (
            lambda: multiply(np.ones((2, 3)), np.ones(3), Converters(output_noise=0.1)),
            "output noise without a generator — pass generator=",
        ),
        (
            lambda: multiply(np.ones((2, 3)), np.ones(3), IDEAL, wires=Wires()),
            "wires need inputs as pulse widths",
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(SubstrateError, match=message):
        make()
