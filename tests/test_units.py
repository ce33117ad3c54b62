import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright import units
from spikewright.errors import UnitError
from spikewright.units import dimension_of, multiply, parse_unit, pretty, quantity, show


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("V", "A*ohm"),
        ("W", "V*A"),
        ("J", "W*s"),
        ("S", "1/ohm"),
        ("F", "C/V"),
        ("H", "Wb/A"),
        ("Hz", "s^-1"),
        ("V/s", "V*Hz"),
        ("s^-0.5", "1/s^0.5"),
        ("m^2", "m*m"),
        ("", "1"),
    ],
)
def test_units_of_one_dimension(text, other):
    assert dimension_of(text) == dimension_of(other)


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("mV", 1e-3),
        ("um^2", 1e-12),
        ("kohm", 1e3),
        ("pJ", 1e-12),
        ("g", 1e-3),
        ("mV/ms", 1.0),
        ("MHz", 1e6),
    ],
)
def test_factor(text, factor):
    assert parse_unit(text)[0] == pytest.approx(factor, rel=1e-14)


@pytest.mark.parametrize("text", ["parsec", "V//s", "V^", "mm V", "5", "xV", "V^a", "\u00b5V"])
def test_unknown_symbol(text):
    with pytest.raises(UnitError, match=r"unknown symbol .* — write for instance 'mV'"):
        parse_unit(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20 ms", 0.02),
        ("23.6 pJ", 23.6e-12),
        ("-70mV", -0.07),
        ("1e3", 1000.0),
        (".5 V", 0.5),
        ("3. s", 3.0),
    ],
)
def test_quantity(text, value):
    assert quantity(text) == value


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("fast", None, "quantity 'fast': not a number with a unit; expected e.g. '23.6 pJ'"),
        ("20 ms", "V", "quantity '20 ms': wrong dimension; found s, expected V"),
        ("20 mx", None, "unknown symbol 'mx'"),
        ("20", "s", "wrong dimension; found 1, expected s"),
    ],
)
def test_bad_quantity(text, unit, message):
    with pytest.raises(UnitError) as caught:
        quantity(text, unit=unit)
    assert message in str(caught.value)


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_a_unit_error(text):
    with contextlib.suppress(UnitError):
        assert isinstance(quantity(text), float)


@pytest.mark.parametrize(
    ("unit", "name"),
    [("V", "V"), ("A*ohm", "V"), ("V/s", "V/s"), ("1", "1"), ("m^2", "m^2"), ("s^-0.5", "s^-1/2")],
)
def test_pretty(unit, name):
    assert pretty(dimension_of(unit)) == name


def test_multiply():
    assert multiply(dimension_of("V"), dimension_of("A"), -1) == dimension_of("ohm")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.36e-11, "23.6 pJ"),
        (0.9999, "1 J"),
        (999.0, "999 J"),
        (0.0, "0 J"),
        (-2e3, "-2 kJ"),
        (1e-22, "1e-22 J"),
    ],
)
def test_show(value, text):
    assert show(value, "J") == text


def test_show_without_a_unit():
    assert show(1234.5) == "1.23e+03"
    assert show(float("inf"), "s") == "inf s"


def test_constants_agree_with_symbols():
    for name in [
        "ms",
        "us",
        "ns",
        "mV",
        "uV",
        "nA",
        "pA",
        "kohm",
        "Mohm",
        "nS",
        "pF",
        "kHz",
        "MHz",
        "pJ",
        "fJ",
        "nW",
    ]:
        assert getattr(units, name) == pytest.approx(parse_unit(name)[0], rel=1e-12)
