import ast
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import ModelError
from spikewright.network.expression import (
    FUNCTIONS,
    degree,
    derivative,
    dimension,
    evaluate,
    names_in,
    operations,
    parse,
    substitute,
)
from spikewright.units import NONE, dimension_of

NAMES = {"x", "y", "tau"}


def value(text, **values):
    return evaluate(parse(text, values), values)


# -- parsing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an expression"),
        ("x +", "not an expression"),
        ("x = 1", "not an expression"),
        ("\x00", "not an expression"),
        ("(" * 300 + ")" * 300, "not an expression"),
        ("z", "unknown name 'z'; expected one of tau, x, y"),
        ("__import__('os')", "unknown function '__import__'"),
        ("x.real", "Attribute is not part of the expression language"),
        ("x[0]", "Subscript is not part of the expression language"),
        ("(lambda: x)()", "unknown function"),
        ("[x for x in y]", "ListComp is not part of the expression language"),
        ("f'{x}'", "JoinedStr is not part"),
        ("(x := 1)", "NamedExpr is not part"),
        ("'x'", "a constant must be a number; found 'x'"),
        ("True", "a constant must be a number; found True"),
        ("1j", "a constant must be a number"),
        ("1e999", "a number out of range; found inf"),
        ("9223372036854775808", "a number out of range"),
        ("0 < x < 1", "chained comparison — join two with 'and'"),
        ("sin(x)", "unknown function 'sin'; expected one of exp, log"),
        ("exp(x, y)", "exp with the wrong number of arguments; found 2, expected 1"),
        ("exp(x=1)", "unknown function 'exp'"),
        ("exp(*x)", "Starred is not part"),
        ("x ** y", "an exponent must be a number"),
        ("x >> 1", "shifts and & belong to integer models — say integer=True"),
        ("x | y", "BitOr is not part"),
        ("+".join(["x"] * 1500), "too long; found 2999, expected 2000 characters at most"),
        ("-" * 100 + "x", "nested too deeply; expected 60 levels"),
        ("(" * 20 + "x" + "**8)" * 20, "too long with its powers written out"),
    ],
)
def test_what_is_not_in_the_language(text, message):
    with pytest.raises(ModelError) as caught:
        parse(text, NAMES, where="Model.dynamics['x']")
    assert str(caught.value).startswith("Model.dynamics['x'] = ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x / 2", "/ and ** in an integer model — use // or >>"),
        ("x ** 2", "/ and ** in an integer model"),
        ("x + 0.5", "a real number in an integer model; found 0.5"),
        ("exp(x)", "exp in an integer model — use >> or //"),
    ],
)
def test_what_is_not_in_the_integer_language(text, message):
    with pytest.raises(ModelError) as caught:
        parse(text, NAMES, integer=True)
    assert message in str(caught.value)


@given(
    st.text(max_size=60)
    | st.text("xy+-*/%<>=!()0123456789. ,andortifelsxp&[]{}'\"\\\n", max_size=60)
)
def test_any_text_is_a_tree_or_a_model_error(text):
    try:
        tree = parse(text, NAMES)
    except ModelError:
        return
    assert names_in(tree) <= NAMES


@given(st.recursive(
    st.sampled_from(["x", "y", "tau", "1", "2.5"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    | inner.map(lambda t: f"exp({t})") | inner.map(lambda t: f"-{t}"),
    max_leaves=12,
))  # fmt: skip
def test_written_and_read_again_it_means_the_same(text):
    values = {"x": 0.3, "y": -1.7, "tau": 2.0}
    tree = parse(text, values)
    again = parse(ast.unparse(tree), values)
    assert np.array_equal(evaluate(tree, values), evaluate(again, values), equal_nan=True)


def test_a_long_text_is_cut_in_the_message():
    with pytest.raises(ModelError) as caught:
        parse("z + " * 60 + "z", NAMES, where="here")
    assert len(str(caught.value)) < 250


# -- meaning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("exp(x)", 710.0, math.inf),
        ("exp(x)", -800.0, 0.0),
        ("log(x)", 0.0, -math.inf),
        ("log(x)", -1.0, math.nan),
        ("sqrt(x)", -1.0, math.nan),
        ("exprel(x)", 0.0, 1.0),
        ("exprel(x)", 1e-12, 1.0000000000005),
        ("exprel(x)", 800.0, math.inf),
        ("x ** 0.5", 2.0, math.sqrt(2)),
        ("x ** -1", 0.0, math.inf),
        ("x ** 300", 1e10, math.inf),
        ("x ** 0.5", -2.0, math.nan),
        ("x / 0", 1.0, math.inf),
        ("x % 3", -1.0, 2.0),
        ("x // 3", -1.0, -1.0),
        ("round(x)", 2.5, 2.0),
        ("round(x)", 3.5, 4.0),
        ("trunc(x)", -1.7, -1.0),
        ("floor(x)", -1.2, -2.0),
        ("sign(x)", -0.3, -1.0),
        ("clip(x, 0, 1)", 7.0, 1.0),
        ("minimum(x, 1)", math.nan, math.nan),
        ("1 if x > 0 else 2", -1.0, 2.0),
        ("x if not x > 0 and x < 5 or x == 9 else 3", 9.0, 9.0),
    ],
)
def test_value(text, x, expected):
    assert value(text, x=np.float64(x)) == pytest.approx(expected, rel=1e-15, nan_ok=True)


def test_small_powers_are_products():
    tree = parse("x ** 3", {"x"})
    assert ast.unparse(tree) == "x * x * x"
    assert ast.unparse(parse("x ** -1", {"x"})) == "x ** (-1)"


def test_integers():
    values = {"x": np.array([-7, 7, 2**62]), "y": np.array([2, -2, 1])}
    tree = parse("((x >> 1) << y) // 3 + (x & 5)", values, integer=True)
    assert evaluate(tree, values).dtype == np.int64
    assert evaluate(parse("x * 4", values, integer=True), values)[2] == 0, "64 bits wrap"


def test_the_sign_of_zero_does_not_depend_on_the_processor():
    plus, minus = np.zeros(9), -np.zeros(9)
    for name in ("minimum", "maximum"):
        found = value(f"{name}(x, y)", x=plus, y=minus)
        assert np.all(np.signbit(found)), "of equal ones the second"


# -- analysis ----------------------------------------------------------------------------------------

SMOOTH = [
    "x * y + 3",
    "-x / (y + 4)",
    "exp(-x / 2) * y",
    "log(x + 3)",
    "sqrt(x + 3)",
    "tanh(x * y)",
    "x ** 3 - x ** 0.5",
    "exprel(x - 2)",
    "exprel(1e-6 * x)",
    "x * x / (1 + x * x)",
    "+x if x > 0 else y",
    "minimum(x, y) + maximum(2 * x, y)",
    "clip(x, 0, 1) + clip(x, 1, 2)",
]


@pytest.mark.parametrize("text", SMOOTH)
def test_derivative_is_the_slope(text):
    tree = parse(text, {"x", "y"})
    for x, y in ((0.7, 0.3), (1.3, 2.0)):
        step = 1e-6
        up, down = (float(evaluate(tree, {"x": x + d, "y": y})) for d in (step, -step))
        slope = float(evaluate(derivative(tree, "x"), {"x": x, "y": y}))
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-7, abs=1e-9)


def test_no_derivative():
    with pytest.raises(ModelError, match=r"'floor\(x\)': no derivative with respect to 'x'"):
        derivative(parse("floor(x)", {"x"}), "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 0),
        ("x", 1),
        ("tau * x - y / tau", 1),
        ("x * y", 2),
        ("1 / x", 99),
        ("exp(x)", 99),
        ("-(x + 2)", 1),
    ],
)
def test_degree(text, expected):
    assert degree(parse(text, NAMES), {"x", "y"}) == expected


def test_substitute_leaves_functions_alone():
    tree = parse("exp(x) + x", {"x"})
    changed = substitute(tree, {"x": ast.Name("y", ast.Load()), "exp": ast.Constant(1)})
    assert ast.unparse(changed) == "exp(y) + y"


def test_operations():
    count = operations(parse("exp(x) * 2 - x / y if x > y else minimum(x, y)", {"x", "y"}))
    assert count == {"add": 1, "multiply": 1, "divide": 1, "compare": 3, "function": 1}


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


def test_every_function_can_be_evaluated():
    for name, n in FUNCTIONS.items():
        text = f"{name}({', '.join(['x'] * n)})"
        assert np.isfinite(value(text, x=np.float64(0.5)))
        assert dimension(parse(text, {"x"}), {"x": NONE}, "here") == NONE
