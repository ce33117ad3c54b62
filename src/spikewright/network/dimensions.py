"""The unit check of an expression: which dimension it has, or where its units do not fit."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from fractions import Fraction

from spikewright.errors import ModelError, explain
from spikewright.network.expression import constant
from spikewright.units import NONE, Dimension, multiply, pretty

BOOLEAN = "truth"
ANY = "zero"
Kind = Dimension | str
"""A dimension, BOOLEAN for a truth value, ANY for the literal 0, which fits every unit."""


def dimension(tree: ast.expr, names: Mapping[str, Dimension], where: str) -> Kind:
    """Return the dimension of a tree, or raise ModelError where units do not fit."""

    def fit(a: Kind, b: Kind, node: ast.expr, verb: str) -> Kind:
        if BOOLEAN in (a, b):
            raise ModelError(explain(where, f"{ast.unparse(node)!r} {verb} a truth value"))
        if a == ANY:
            return b
        if b == ANY or a == b:
            return a
        raise ModelError(explain(where, f"{ast.unparse(node)!r} {verb} {_show(a)} and {_show(b)}"))

    def visit(node: ast.expr) -> Kind:
        match node:
            case ast.Constant(value=value):
                return ANY if value == 0 else NONE
            case ast.Name(id=name):
                return names[name]
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                if visit(operand) != BOOLEAN:
                    raise ModelError(
                        explain(where, f"{ast.unparse(operand)!r} is not a truth value")
                    )
                return BOOLEAN
            case ast.UnaryOp(operand=operand):
                kind = visit(operand)
                if kind == BOOLEAN:
                    raise ModelError(
                        explain(where, f"{ast.unparse(node)!r} calculates with a truth value")
                    )
                return kind
            case ast.BoolOp(values=parts):
                for part in parts:
                    if visit(part) != BOOLEAN:
                        raise ModelError(
                            explain(where, f"{ast.unparse(part)!r} is not a truth value")
                        )
                return BOOLEAN
            case ast.Compare(left=left, comparators=[right]):
                fit(visit(left), visit(right), node, "compares")
                return BOOLEAN
            case ast.IfExp(test=test, body=body, orelse=orelse):
                if visit(test) != BOOLEAN:
                    raise ModelError(explain(where, f"{ast.unparse(test)!r} is not a truth value"))
                return fit(visit(body), visit(orelse), node, "chooses between")
            case ast.BinOp(left=left, op=op, right=right):
                a, b = visit(left), visit(right)
                if isinstance(op, ast.Add | ast.Sub | ast.Mod):
                    return fit(a, b, node, "joins")
                if isinstance(op, ast.Pow):
                    power = constant(right)
                    base = NONE if a == ANY else a
                    if isinstance(base, str) or power is None:
                        raise ModelError(explain(where, f"{ast.unparse(node)!r} has no dimension"))
                    return multiply(NONE, base, Fraction(power).limit_denominator(64))
                if BOOLEAN in (a, b):
                    raise ModelError(
                        explain(where, f"{ast.unparse(node)!r} calculates with a truth value")
                    )
                if isinstance(op, ast.Mult) and ANY in (a, b):
                    return ANY
                da = NONE if isinstance(a, str) else a
                db = NONE if isinstance(b, str) else b
                if isinstance(op, ast.Mult):
                    return multiply(da, db)
                if isinstance(op, ast.Div | ast.FloorDiv):
                    return ANY if a == ANY else multiply(da, db, -1)
                for side in (da, db):
                    if side != NONE:
                        raise ModelError(
                            explain(where, f"{ast.unparse(node)!r} shifts a quantity with a unit")
                        )
                return NONE
            case ast.Call(func=ast.Name(id=name), args=args):
                kinds = [visit(a) for a in args]
                if BOOLEAN in kinds:
                    raise ModelError(explain(where, f"{ast.unparse(node)!r} of a truth value"))
                if name == "abs":
                    return kinds[0]
                if name == "sign":
                    return NONE
                if name == "sqrt":
                    return (
                        ANY if kinds[0] == ANY else multiply(NONE, _dim(kinds[0]), Fraction(1, 2))
                    )
                if name in ("minimum", "maximum", "clip"):
                    joined = kinds[0]
                    for kind in kinds[1:]:
                        joined = fit(joined, kind, node, "compares")
                    return joined
                if kinds[0] not in (ANY, NONE):
                    raise ModelError(
                        explain(
                            where,
                            f"the argument of {ast.unparse(node)!r} has a dimension",
                            found=_show(kinds[0]),
                            expected="none",
                            cure="divide by a parameter of the same unit",
                        )
                    )
                return NONE
        raise ModelError(explain(where, f"cannot find the dimension of {ast.unparse(node)!r}"))

    return visit(tree)


def _dim(kind: Kind) -> Dimension:
    return NONE if isinstance(kind, str) else kind


def _show(kind: Kind) -> str:
    return kind if isinstance(kind, str) else pretty(kind)
