import pytest

from spikewright.errors import ModelError
from spikewright.network.calculus import degree, derivative, operations
from spikewright.network.expression import evaluate, parse

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
    assert degree(parse(text, {"x", "y", "tau"}), {"x", "y"}) == expected


def test_operations():
    count = operations(parse("exp(x) * 2 - x / y if x > y else minimum(x, y)", {"x", "y"}))
    assert count == {"add": 1, "multiply": 1, "divide": 1, "compare": 3, "function": 1}
