"""Expressions as source of kernels: names, literals, precision."""

import ast

import numpy as np
import pytest

from spikewright.engines.source import LOCALS, SINGLE, Source
from spikewright.errors import ModelError
from spikewright.network.expression import FUNCTIONS


def tree(text):
    return ast.parse(text, mode="eval").body


def written(text, *, integer=False, single=False):
    source = Source(integer=integer, single=single)
    return source.text(tree(text)), source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + 2", "x + 2.0"),
        ("x ** 2", "power(x, exponent_1)"),
        ("x // z", "floor_divide_real(x, z)"),
        ("x % z", "remainder_real(x, z)"),
        ("sign(x) * abs(y)", "sign_real(x) * absolute(y_)"),
        ("round(x)", "nearest(x)"),
        ("x * (1 / 3 + 2 ** 0.5)", f"x * {1 / 3 + 2**0.5!r}"),
        ("x if x > sqrt(-1) else exp(1000) * x", "x if x > math.nan else math.inf * x"),
        ("log(0) * x", "(-math.inf) * x"),
        ("x if not x > 1 and 2 > 1 else -x", "x if not x > 1.0 and True else -x"),
    ],
)
def test_real(text, expected):
    assert written(text)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x // z + x % 3", "floor_divide_integer(x, z) + remainder_integer(x, 3)"),
        ("(x << 2) + (z >> x)", "shift_left(x, 2) + shift_right(z, x)"),
        ("sign(x) & 7", "sign_integer(x) & 7"),
        ("x + 7 // -2", "x + -4"),
    ],
)
def test_integer(text, expected):
    text, source = written(text, integer=True, single=True)
    assert text == expected
    assert source.number == "int64", "integers have one width"


def test_every_literal_of_single_precision_is_passed():
    text, source = written("exp(x * 0.1) + 0.2 if x > 3 else x ** 2 + tanh(0.5)", single=True)
    assert not any(isinstance(n, ast.Constant) for n in ast.walk(tree(text)))
    assert len(source.numbers) == 5
    assert [source.numbers[int(n.split("_")[1]) - 1] for n in source.passed()] == source.numbers
    assert set(source.numbers) == {0.1, 0.2, 3.0, 2.0, np.tanh(0.5)}


def test_a_literal_is_passed_once_but_an_exponent_apart():
    text, source = written("0.5 * x + 0.5 * y ** 2 + 2 * x - y ** 2", single=True)
    assert source.numbers == [0.5, 2.0, 2.0]
    assert text == (
        "number_1 * x + number_1 * power(y_, exponent_2) + number_3 * x - power(y_, exponent_2)"
    )


def test_functions_come_from_where_they_have_the_precision():
    _, source = written("exp(x) + floor(x)", single=True)
    source.used.add("draw")
    assert source.imports() == [
        "from spikewright.engines.kernels import draw",
        "from spikewright.engines.single import exp, floor",
    ]
    _, source = written("exp(x) + floor(x)")
    assert source.imports() == ["from spikewright.engines.kernels import exp, floor"]


def test_every_function_of_the_language_has_single_precision():
    from spikewright.engines import single

    names = {"abs": "absolute", "round": "nearest", "sign": "sign_real"}
    for name in FUNCTIONS:
        assert names.get(name, name) in SINGLE, name
    for name in SINGLE:
        assert hasattr(single, name), name


def test_a_name_is_one_local_and_no_other():
    source = Source(integer=False, single=False)
    names = ["v", "k", "lambda", "state_v", "ring_", "ring__", "number_1", "exp", *sorted(LOCALS)]
    made = [source.name(n) for n in names] + [source.name(n, "state") for n in names]
    distinct = len({(n, kind) for n in names for kind in ("", "state")})
    assert len(set(made)) == distinct
    assert not set(made) & LOCALS
    assert made[: len(names)] == [source.name(n) for n in names], "the same again"
    assert all(n.isidentifier() for n in made)
    compile("\n".join(f"{n} = 0" for n in made), "names", "exec")


def test_what_is_no_expression_of_the_language():
    with pytest.raises(ModelError, match="cannot write out"):
        Source(integer=False, single=False).text(tree("x.y"))
