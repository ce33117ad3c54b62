import ast
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import ModelError
from spikewright.network.dimensions import dimension
from spikewright.network.expression import FUNCTIONS, evaluate, names_in, parse, substitute
from spikewright.units import NONE

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


def test_substitute_leaves_functions_alone():
    tree = parse("exp(x) + x", {"x"})
    changed = substitute(tree, {"x": ast.Name("y", ast.Load()), "exp": ast.Constant(1)})
    assert ast.unparse(changed) == "exp(y) + y"


def test_every_function_can_be_evaluated():
    for name, n in FUNCTIONS.items():
        text = f"{name}({', '.join(['x'] * n)})"
        assert np.isfinite(value(text, x=np.float64(0.5)))
        assert dimension(parse(text, {"x"}), {"x": NONE}, "here") == NONE
