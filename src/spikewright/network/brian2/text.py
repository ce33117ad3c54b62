"""Expressions, units and names of our language written in Brian2's.

Brian2 has no conditional expression, no minimum and no maximum, and checks the unit of every 0:

    a if c else b    int(c) * (a) + int(not (c)) * (b)      both sides must be finite
    minimum(a, b)    clip(a, a, b)                          = min(max(a, a), b)
    maximum(a, b)    -clip(-a, -a, -b)
    trunc(a)         sign(a) * floor(abs(a))
    0                0 * unit, where a quantity is asked for
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

from spikewright.errors import ModelError, explain
from spikewright.network.dimensions import ANY, BOOLEAN, Kind, dimension
from spikewright.units import NONE, Dimension, pretty

_WORDS = {
    "V": "volt", "A": "amp", "ohm": "ohm", "S": "siemens", "F": "farad", "s": "second", "Hz": "hertz",
    "J": "joule", "W": "watt", "m": "metre", "kg": "kilogram", "K": "kelvin",
}  # fmt: skip
_TERM = re.compile(r"([A-Za-z]+)(?:\^(-?[\d./]+))?")
_OWN = {
    "i", "j", "t", "N", "dt", "t_in_timesteps", "xi", "lastspike", "not_refractory", "refractory", "rand", "randn",
    "poisson", "timestep", "int", "ceil", "arange", "sin", "cos", "tan", "sinh", "cosh", "arcsin", "arccos", "arctan",
    "log10", "expm1", "log1p", "mod", "e", "pi", "inf", "True", "False", "and", "or", "not", "Ohm", "meter", "liter",
    "molar", "mole", "mol", "kilogram", "gram", "becquerel",
}  # fmt: skip
_UNIT_NAME = re.compile(
    r"^(y|z|a|f|p|n|u|m|c|d|da|h|k|M|G|T|P|E|Z|Y|pico|nano|micro|milli|centi|kilo|mega|giga)?"
    r"(A|C|F|H|Hz|J|K|N|Pa|S|T|V|W|Wb|ohm|s|m|g|l|L|amp|ampere|volt|farad|siemens|second|hertz|joule|watt|metre|meter"
    r"|gram|kelvin|coulomb|henry|weber|tesla|newton|pascal|lumen|lux|candle|gray|sievert|katal|radian|steradian)[23]?$"
)


def unit_of(dim: Dimension) -> str:
    """Return a dimension as Brian2 writes its unit, for instance "volt/second"; "1" for none."""

    def word(match: re.Match[str]) -> str:
        return _WORDS[match[1]] + (f"**{float(Fraction(match[2])):g}" if match[2] else "")

    return "1" if dim == NONE else _TERM.sub(word, pretty(dim))


def in_python(unit: str) -> str:
    """Return a unit of `unit_of` as Python text, where Brian2 is imported as `b2`."""
    return re.sub(r"[a-z]+", r"b2.\g<0>", unit)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each name one that Brian2 does not use itself."""
    found: dict[str, str] = {}
    taken = set(names)
    for name in names:
        new = name
        if name in _OWN or _UNIT_NAME.match(name) or name.endswith(("_pre", "_post", "_")):
            new = f"own_{name.rstrip('_')}"
            while new in taken:
                new = f"own_{new}"
            taken.add(new)
        found[name] = new
    return found


def fresh(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, and take it."""
    while name in taken:
        name = f"own_{name}"
    taken.add(name)
    return name


def say(
    tree: ast.expr,
    names: Mapping[str, str],
    units: Mapping[str, Dimension],
    want: Dimension | None,
    where: str,
) -> str:
    """Return an expression as Brian2 text.

    Parameters
    ----------
    tree : of our expression language
    names : our name -> Brian2's; names that are left out stay as they are
    units : name -> dimension
    want : dimension of the result, None for a truth value
    where : for messages

    Raises
    ------
    ModelError : Brian2 has no such function
    """

    def kind(node: ast.expr) -> Kind:
        return dimension(node, units, where)

    def joint(*nodes: ast.expr) -> Dimension | None:
        kinds = [k for k in map(kind, nodes) if k != ANY]
        return NONE if not kinds else None if kinds[0] == BOOLEAN else kinds[0]  # type: ignore[return-value]

    def visit(node: ast.expr, asked: Dimension | None) -> str:
        match node:
            case ast.Constant(value=value):
                if value == 0 and asked is not None and asked != NONE:
                    return f"(0*{unit_of(asked)})"
                return repr(value)
            case ast.Name(id=name):
                return names.get(name, name)
            case ast.UnaryOp(op=op, operand=operand):
                sign = {ast.USub: "-", ast.UAdd: "+", ast.Not: "not "}[type(op)]
                return f"({sign}{visit(operand, asked)})"
            case ast.BoolOp(op=op, values=parts):
                word = " and " if isinstance(op, ast.And) else " or "
                return "(" + word.join(visit(part, None) for part in parts) + ")"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                unit = joint(left, right)
                return f"({visit(left, unit)} {_SIGNS[type(op)]} {visit(right, unit)})"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition = visit(test, None)
                unit = joint(body, orelse)
                if unit == NONE and asked is not None:
                    unit = asked
                one, other = visit(body, unit), visit(orelse, unit)
                return f"(int({condition})*{one} + int(not {condition})*{other})"
            case ast.BinOp(left=left, op=op, right=right):
                sides = [asked, asked]
                if isinstance(op, ast.Add | ast.Sub | ast.Mod):
                    unit = joint(left, right)
                    sides = [unit, unit]
                elif isinstance(op, ast.Mult | ast.Div | ast.FloorDiv | ast.Pow):
                    sides = [NONE, NONE]
                    if kind(node) == ANY:  # 0 times or by something: of the unit that is asked for
                        return visit(ast.Constant(0), asked)
                return f"({visit(left, sides[0])} {_SIGNS[type(op)]} {visit(right, sides[1])})"
            case ast.Call(func=ast.Name(id=name), args=args):
                unit = joint(*args)
                if unit == NONE and name in ("minimum", "maximum", "clip", "abs"):
                    unit = asked if all(kind(a) == ANY for a in args) else NONE
                said = [visit(a, unit) for a in args]
                if name == "minimum":
                    return f"clip({said[0]}, {said[0]}, {said[1]})"
                if name == "maximum":
                    return f"(-clip(-{said[0]}, -{said[0]}, -{said[1]}))"
                if name == "trunc":
                    return f"(sign({said[0]})*floor(abs({said[0]})))"
                if name == "round":
                    raise ModelError(
                        explain(
                            where,
                            "Brian2 cannot round to the nearest whole number",
                            cure="use floor(x + 0.5)",
                        )
                    )
                return f"{name}({', '.join(said)})"
        raise ModelError(explain(where, f"Brian2 cannot say {ast.unparse(node)!r}"))

    return _bare(visit(tree, want))


_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


def _bare(text: str) -> str:
    """Return an expression without parentheses that Python's own rules make needless."""
    return ast.unparse(ast.parse(text, mode="eval"))
