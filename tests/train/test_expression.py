"""Trees as PyTorch functions: the same numbers as `evaluate`, and right derivatives."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import TrainError
from spikewright.network.expression import evaluate, parse
from spikewright.train.expression import build, margin

TEXTS = [
    "a * (b - c) / 2 + a",
    "exp(a) - log(b * b + 1) + sqrt(b * b) + tanh(c)",
    "exprel(a) + exprel(0 * a)",
    "abs(a) + sign(b) + floor(c) + trunc(a) + round(b)",
    "minimum(a, b) + maximum(b, 0.5) + clip(c, -1, a * a)",
    "a if b > c else c",
    "1 if a > 0 and not b >= c else 2",
    "(a // 0.7) + b % 0.3 + a ** 3 + (b * b + 1) ** 0.5",
    "0 * a + 1 * b - 0 + (a if 1 > 2 else c)",
    "-a + +b",
]
number = st.floats(-3, 3)


class TestBuild:
    @pytest.mark.parametrize("text", TEXTS)
    @given(a=number, b=number, c=number)
    def test_equals_evaluate(self, text: str, a: float, b: float, c: float) -> None:
        tree = parse(text, "abc")
        want = evaluate(tree, {"a": np.array([a]), "b": np.array([b]), "c": np.array([c])})
        names = {
            n: torch.tensor([x], dtype=torch.float64) for n, x in zip("abc", (a, b, c), strict=True)
        }
        got = build(tree, {})(names)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-9, atol=1e-12)
        known = build(tree, {"a": a, "b": b})
        got = known(names) if callable(known) else known
        np.testing.assert_allclose(np.ravel(got), np.ravel(want), rtol=1e-9, atol=1e-12)

    def test_known_names_fold_to_a_number(self) -> None:
        assert build(parse("exp(a) * 2 + b", "ab"), {"a": 0.0, "b": 1.0}) == 3.0
        assert build(parse("a * b", "ab"), {"a": 0.0}) == 0.0
        assert build(parse("a > 1 and b > 1", "ab"), {"a": 0.0}) is False

    def test_exprel_has_its_gradient_at_zero(self) -> None:
        x = torch.tensor([0.0, 1e-7, 0.5], dtype=torch.float64, requires_grad=True)
        y = build(parse("exprel(a)", "a"), {})({"a": x})
        y.sum().backward()
        np.testing.assert_allclose(x.grad[:2], 0.5, rtol=1e-5)

    def test_integer_operation_is_refused(self) -> None:
        tree = parse("a >> 1", "a", integer=True)
        with pytest.raises(TrainError, match="has no differentiable form"):
            build(tree, {})


class TestMargin:
    @pytest.mark.parametrize(
        "text", ["a > b", "a >= b", "a < b", "a > 0 and b > 0", "a > 0 or not b > c"]
    )
    @given(a=number, b=number, c=number)
    def test_is_positive_where_the_threshold_holds(
        self, text: str, a: float, b: float, c: float
    ) -> None:
        tree = parse(text, "abc")
        names = {"a": a, "b": b, "c": c}
        distance = float(evaluate(margin(tree), names))
        if distance != 0:
            assert bool(evaluate(tree, names)) == (distance > 0)

    def test_equality_has_none(self) -> None:
        with pytest.raises(TrainError, match=r"threshold 'a == b': has no margin"):
            margin(ast.parse("a == b", mode="eval").body)
