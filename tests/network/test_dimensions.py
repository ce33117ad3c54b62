import pytest

from spikewright.errors import ModelError
from spikewright.network.dimensions import dimension
from spikewright.network.expression import parse
from spikewright.units import dimension_of

UNITS = {"v": "V", "i": "A", "r": "ohm", "tau": "s", "n": "1"}
DIMENSIONS = {name: dimension_of(unit) for name, unit in UNITS.items()}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("(v - r * i) / tau", "V/s"),
        ("v + 0", "V"),
        ("0", "zero"),
        ("v > r * i", "truth"),
        ("sqrt(v * v)", "V"),
        ("abs(v)", "V"),
        ("exp(v / (r * i))", "1"),
        ("clip(v, 0, r * i)", "V"),
        ("v if n > 2 else 0", "V"),
        ("v ** 2 / i", "V^2/A"),
        ("v ** 0.5", "V^0.5"),
        ("sign(v) * n", "1"),
        ("v % (r * i)", "V"),
        ("not v > 0 or n == 1", "truth"),
    ],
)
def test_dimension(text, unit):
    found = dimension(parse(text, UNITS), DIMENSIONS, "here")
    assert found == (unit if unit in ("zero", "truth") else dimension_of(unit))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v + i", "here: 'v + i' joins V and A"),
        ("v + 1", "'v + 1' joins V and 1"),
        ("v > i", "'v > i' compares V and A"),
        ("exp(v)", "the argument of 'exp(v)' has a dimension; found V, expected none"),
        ("v if v else 0", "'v' is not a truth value"),
        ("v and n", "'v' is not a truth value"),
        ("not v", "'v' is not a truth value"),
        ("-(v > 0)", "'-(v > 0)' calculates with a truth value"),
        ("(v > 0) * 2", "calculates with a truth value"),
        ("(v > 0) + 2", "joins a truth value"),
        ("abs(v > 0)", "of a truth value"),
        ("v if n > 0 else i", "chooses between V and A"),
        ("maximum(v, i)", "compares V and A"),
    ],
)
def test_units_that_do_not_fit(text, message):
    with pytest.raises(ModelError) as caught:
        dimension(parse(text, UNITS), DIMENSIONS, "here")
    assert message in str(caught.value)
