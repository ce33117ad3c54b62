"""What is derived from an expression's tree: its degree, its derivative, how much arithmetic it is.

Trees are those that `expression.parse` returns; results are trees of the same language.
"""

from __future__ import annotations

import ast

from spikewright.errors import ModelError, explain
from spikewright.network.expression import constant, names_in


def degree(tree: ast.expr, variables: set[str]) -> int:
    """Return the polynomial degree in `variables`; 99 where it is not a polynomial."""
    match tree:
        case ast.Constant():
            return 0
        case ast.Name(id=name):
            return int(name in variables)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return degree(operand, variables)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return max(degree(left, variables), degree(right, variables))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return min(99, degree(left, variables) + degree(right, variables))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return degree(left, variables) if degree(right, variables) == 0 else 99
    return 0 if not names_in(tree) & variables else 99


def _num(value: float | int) -> ast.expr:
    return ast.Constant(value)


def _is(node: ast.expr, value: float) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def add(a: ast.expr, b: ast.expr) -> ast.expr:
    """Return a + b, without a zero."""
    if _is(a, 0):
        return b
    return a if _is(b, 0) else ast.BinOp(a, ast.Add(), b)


def subtract(a: ast.expr, b: ast.expr) -> ast.expr:
    """Return a - b, without a zero."""
    if _is(b, 0):
        return a
    return ast.UnaryOp(ast.USub(), b) if _is(a, 0) else ast.BinOp(a, ast.Sub(), b)


def times(a: ast.expr, b: ast.expr) -> ast.expr:
    """Return a * b, without a zero or a one."""
    if _is(a, 0) or _is(b, 0):
        return _num(0.0)
    if _is(a, 1):
        return b
    return a if _is(b, 1) else ast.BinOp(a, ast.Mult(), b)


def divide(a: ast.expr, b: ast.expr) -> ast.expr:
    """Return a / b, without a zero numerator."""
    return _num(0.0) if _is(a, 0) else ast.BinOp(a, ast.Div(), b)


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def derivative(tree: ast.expr, name: str) -> ast.expr:
    """Return the tree of d(tree)/d(name).

    Raises
    ------
    ModelError : `tree` depends on `name` through something without a derivative here (floor, sign, ...)
    """
    if name not in names_in(tree):
        return _num(0.0)
    match tree:
        case ast.Name():
            return _num(1.0)
        case ast.UnaryOp(op=ast.USub(), operand=x):
            return subtract(_num(0.0), derivative(x, name))
        case ast.UnaryOp(op=ast.UAdd(), operand=x):
            return derivative(x, name)
        case ast.BinOp(left=a, op=ast.Add(), right=b):
            return add(derivative(a, name), derivative(b, name))
        case ast.BinOp(left=a, op=ast.Sub(), right=b):
            return subtract(derivative(a, name), derivative(b, name))
        case ast.BinOp(left=a, op=ast.Mult(), right=b):
            return add(times(derivative(a, name), b), times(a, derivative(b, name)))
        case ast.BinOp(left=a, op=ast.Div(), right=b):
            first = divide(derivative(a, name), b)
            inner = derivative(b, name)
            if _is(inner, 0):
                return first
            return subtract(first, divide(times(a, inner), times(b, b)))
        case ast.BinOp(left=a, op=ast.Pow(), right=p):
            value = constant(p)
            if value is not None:
                lower = ast.BinOp(a, ast.Pow(), _num(value - 1))
                return times(times(_num(value), lower), derivative(a, name))
        case ast.IfExp(test=test, body=a, orelse=b):
            return ast.IfExp(test, derivative(a, name), derivative(b, name))
        case ast.Call(func=ast.Name(id=function), args=args):
            x = args[0]
            dx = derivative(x, name)
            if function == "exp":
                return times(tree, dx)
            if function == "log":
                return divide(dx, x)
            if function == "sqrt":
                return divide(dx, times(_num(2.0), tree))
            if function == "tanh":
                return times(subtract(_num(1.0), times(tree, tree)), dx)
            if function == "abs":
                return times(_call("sign", x), dx)
            if function in ("minimum", "maximum"):
                test = ast.Compare(x, [ast.Lt() if function == "minimum" else ast.Gt()], [args[1]])
                return ast.IfExp(test, dx, derivative(args[1], name))
            if function == "clip":
                return derivative(_call("minimum", _call("maximum", x, args[1]), args[2]), name)
            if function == "exprel":
                # d exprel(x) = (exp(x) - exprel(x)) / x, and 1/2 at 0
                slope = ast.IfExp(
                    ast.Compare(_call("abs", x), [ast.Lt()], [_num(1e-4)]),
                    add(_num(0.5), divide(x, _num(3.0))),
                    divide(subtract(_call("exp", x), tree), x),
                )
                return times(slope, dx)
    raise ModelError(explain(f"{ast.unparse(tree)!r}", f"no derivative with respect to {name!r}"))


def operations(tree: ast.expr) -> dict[str, int]:
    """Count the arithmetic of one evaluation: add, multiply, divide, compare, function."""
    count = {"add": 0, "multiply": 0, "divide": 0, "compare": 0, "function": 0}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Add | ast.Sub | ast.RShift | ast.LShift | ast.BitAnd):
                count["add"] += 1
            elif isinstance(node.op, ast.Mult):
                count["multiply"] += 1
            elif isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod):
                count["divide"] += 1
            else:
                count["function"] += 1
        elif isinstance(node, ast.Compare | ast.IfExp):
            count["compare"] += 1
        elif isinstance(node, ast.Call):
            cheap = ("abs", "sign", "minimum", "maximum", "clip", "floor", "trunc", "round")
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            count["compare" if name in cheap else "function"] += 1
    return count
