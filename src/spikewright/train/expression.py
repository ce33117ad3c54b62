"""Expressions of neuron models as PyTorch functions: checked trees become closures, never text that is run.

A tree becomes a Python number or truth value where all its names are known numbers, else a closure from a dictionary of
tensors. Products with 0 and 1 and sums with 0 vanish. The order of the arithmetic is that of
`network.expression.evaluate`, so float64 results are the same bits.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from spikewright.errors import TrainError, explain
from spikewright.network.expression import evaluate

Names = Mapping[str, Any]
Node = float | bool | Callable[[Names], Tensor]
"""A number or truth value known beforehand, or a function of the names."""


EXPONENT_LIMIT = {torch.float64: 600.0, torch.float32: 60.0}
"""Larger exponents count as this: a diverging membrane still fires, and 0 times infinity never enters a gradient."""


def exp(x: Tensor) -> Tensor:
    """Return exp(x), finite."""
    return torch.exp(torch.clamp(x, max=EXPONENT_LIMIT.get(x.dtype, 60.0)))


def exprel(x: Tensor) -> Tensor:
    """Return (exp(x) - 1) / x, and 1 at 0, finite, with a gradient that is right at 0 too."""
    x = torch.clamp(x, max=EXPONENT_LIMIT.get(x.dtype, 60.0))
    small = x.abs() < 1e-5
    safe = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, 1.0 + x * (0.5 + x / 6.0), torch.expm1(safe) / safe)


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "exp": exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "exprel": exprel,
    "abs": torch.abs,
    "sign": torch.sign,
    "floor": torch.floor,
    "trunc": torch.trunc,
    "round": torch.round,
}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}


def build(tree: ast.expr, known: Mapping[str, float]) -> Node:
    """Return a tree as a number, or as a function of the names that are not `known`.

    Raises
    ------
    TrainError : an operation that has no differentiable form (those of integer models)
    """
    match tree:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return float(known[name]) if name in known else lambda names: names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(op, build(left, known), build(right, known), tree)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            x = build(operand, known)
            return (lambda names: -x(names)) if callable(x) else -x
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return build(operand, known)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            x = build(operand, known)
            return (lambda names: ~x(names)) if callable(x) else not x
        case ast.BoolOp(op=op, values=parts):
            return _truth(isinstance(op, ast.And), [build(p, known) for p in parts])
        case ast.Compare(left=left, ops=[compare], comparators=[right]):
            return _join(_COMPARE[type(compare)], build(left, known), build(right, known))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _choose(build(test, known), build(body, known), build(orelse, known))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, [build(a, known) for a in args])
    raise TrainError(explain(repr(ast.unparse(tree)), "has no differentiable form"))


def value(node: Node, names: Names) -> Any:
    """Return the value of a node."""
    return node(names) if callable(node) else node


def _join(operate: Callable[[Any, Any], Any], a: Node, b: Node) -> Node:
    if callable(a) and callable(b):
        return lambda names: operate(a(names), b(names))
    if callable(a):
        return lambda names: operate(a(names), b)
    if callable(b):
        return lambda names: operate(a, b(names))
    return operate(a, b)


def _binary(op: ast.operator, a: Node, b: Node, tree: ast.expr) -> Node:
    if type(op) not in _BINARY:
        raise TrainError(explain(repr(ast.unparse(tree)), "has no differentiable form"))
    if not callable(a) and not callable(b):
        return float(evaluate(ast.BinOp(ast.Constant(a), op, ast.Constant(b)), {}))
    zero_a, zero_b = not callable(a) and a == 0.0, not callable(b) and b == 0.0
    if isinstance(op, ast.Add) and (zero_a or zero_b):
        return b if zero_a else a
    if isinstance(op, ast.Sub) and zero_b:
        return a
    if isinstance(op, ast.Mult):
        if zero_a or zero_b:
            return 0.0
        if not callable(a) and a == 1.0:
            return b
        if not callable(b) and b == 1.0:
            return a
    return _join(_BINARY[type(op)], a, b)


def _truth(conjunction: bool, parts: list[Node]) -> Node:
    open_parts = [p for p in parts if callable(p)]
    if any(bool(p) is not conjunction for p in parts if not callable(p)):
        return not conjunction
    if not open_parts:
        return conjunction
    first, *rest = open_parts

    def joined(names: Names) -> Tensor:
        result = first(names)
        for part in rest:
            result = result & part(names) if conjunction else result | part(names)
        return result

    return joined if rest else first


def _choose(test: Node, a: Node, b: Node) -> Node:
    if not callable(test):
        return a if test else b

    def chosen(names: Names) -> Tensor:
        condition, x, y = test(names), value(a, names), value(b, names)
        if not isinstance(x, Tensor) and not isinstance(y, Tensor):
            like = next(
                t for t in names.values() if isinstance(t, Tensor) and t.is_floating_point()
            )
            x = like.new_tensor(x)
        return torch.where(condition, x, y)

    return chosen


def _call(name: str, args: list[Node]) -> Node:
    if not any(callable(a) for a in args):
        tree = ast.Call(ast.Name(name, ast.Load()), [ast.Constant(a) for a in args], [])
        return float(evaluate(tree, {}))
    if name in _FUNCTIONS:
        function, x = _FUNCTIONS[name], args[0]
        return lambda names: function(value(x, names))
    if name == "clip":
        x, low, high = args
        return _call("minimum", [_call("maximum", [x, low]), high])
    a, b = args
    larger = name == "maximum"

    def extreme(names: Names) -> Tensor:
        x, y = value(a, names), value(b, names)
        if not isinstance(x, Tensor):
            x, y = y, x
        if isinstance(y, Tensor):
            return torch.maximum(x, y) if larger else torch.minimum(x, y)
        return torch.clamp(x, min=y) if larger else torch.clamp(x, max=y)

    return extreme


def margin(tree: ast.expr) -> ast.expr:
    """Return the tree of how far a threshold is exceeded: positive where it holds.

    `left > right` gives left - right; `and` the smaller, `or` the larger of its parts; `not` the negative.

    Raises
    ------
    TrainError : the threshold is no inequality
    """
    match tree:
        case ast.Compare(left=left, ops=[ast.Gt() | ast.GtE()], comparators=[right]):
            return ast.BinOp(left, ast.Sub(), right)
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE()], comparators=[right]):
            return ast.BinOp(right, ast.Sub(), left)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ast.UnaryOp(ast.USub(), margin(operand))
        case ast.BoolOp(op=op, values=parts):
            name = "minimum" if isinstance(op, ast.And) else "maximum"
            joined = margin(parts[0])
            for part in parts[1:]:
                joined = ast.Call(ast.Name(name, ast.Load()), [joined, margin(part)], [])
            return joined
    raise TrainError(
        explain(
            f"threshold {ast.unparse(tree)!r}",
            "has no margin, so no gradient",
            expected="inequalities joined by and, or, not",
        )
    )
