"""The expression language of neuron models: a small, checked part of Python's expressions.

Names, numbers, arithmetic, comparisons, `and`/`or`/`not`, `a if c else b`, and the functions in `FUNCTIONS`; in
integer models also `>>`, `<<` and `&`. Text is parsed with `ast`, compared with a whitelist and kept as a tree. Text is
never evaluated as Python: engines walk the tree (`evaluate`) or write it out as source of their own.

`evaluate` is the meaning of an expression. It works elementwise on float64 or int64 arrays and uses the C library's
functions, one element at a time, so that compiled engines can be equal to it bit for bit. Integer powers are written
out as products on parsing, for the same reason.
"""

from __future__ import annotations

import ast
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from spikewright.errors import ModelError, explain

MAX_LENGTH = 2000
MAX_DEPTH = 60
MAX_POWER = 8
MAX_SIZE = 4000

# name -> number of arguments
FUNCTIONS: dict[str, int] = {
    "exp": 1,
    "log": 1,
    "sqrt": 1,
    "tanh": 1,
    "exprel": 1,
    "abs": 1,
    "sign": 1,
    "floor": 1,
    "trunc": 1,
    "round": 1,
    "minimum": 2,
    "maximum": 2,
    "clip": 3,
}
INTEGER_FUNCTIONS = frozenset({"abs", "sign", "minimum", "maximum", "clip"})
INTEGER_OPERATORS = (ast.RShift, ast.LShift, ast.BitAnd)

_ALLOWED: tuple[type[ast.AST], ...] = (
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Call,
    ast.Name,
    ast.Constant,
    ast.Load,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.Pow,
    ast.USub,
    ast.UAdd,
    ast.Not,
    ast.And,
    ast.Or,
    ast.Gt,
    ast.GtE,
    ast.Lt,
    ast.LtE,
    ast.Eq,
    ast.NotEq,
    *INTEGER_OPERATORS,
)


_PARSING = threading.Lock()


def tree_of(text: str) -> ast.expr:
    """Return the tree of one expression.

    One thread at a time: Python before 3.12 counts the depth of all threads' trees together, and fails where two are
    made at once (python/cpython issue 106905).
    """
    with _PARSING:
        return ast.parse(text, mode="eval").body


def parse(
    text: str, names: Iterable[str], *, where: str = "expression", integer: bool = False
) -> ast.expr:
    """Return the checked tree of `text`.

    Parameters
    ----------
    text : the expression
    names : every name that may occur in it
    where : what the message of an error starts with
    integer : whether it belongs to an integer model (no `/`, no real functions; shifts allowed)

    Raises
    ------
    ModelError : not an expression, or something that the language does not have
    """
    where = f"{where} = {text!r}" if len(text) <= 120 else f"{where} = {text[:117]!r}..."
    if len(text) > MAX_LENGTH:
        raise ModelError(
            explain(where, "too long", found=len(text), expected=f"{MAX_LENGTH} characters at most")
        )
    try:
        tree = tree_of(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(explain(where, "not an expression", found=error)) from None
    known = set(names)
    _check(tree, known, where, integer, 0)
    tree = _expand_powers(tree)
    if _size(tree, {}) > MAX_SIZE:
        raise ModelError(
            explain(
                where, "too long with its powers written out", expected=f"{MAX_SIZE} operations"
            )
        )
    return ast.fix_missing_locations(tree)


def _size(node: ast.AST, known: dict[int, int]) -> int:
    """Return the number of nodes; `known` holds those of nodes that powers have in common."""
    if id(node) not in known:
        known[id(node)] = 1 + sum(_size(child, known) for child in ast.iter_child_nodes(node))
    return known[id(node)]


def _check(node: ast.AST, known: set[str], where: str, integer: bool, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ModelError(explain(where, "nested too deeply", expected=f"{MAX_DEPTH} levels"))
    if not isinstance(node, _ALLOWED):
        raise ModelError(
            explain(
                where,
                f"{type(node).__name__} is not part of the expression language",
                cure="use names, numbers, + - * / // % **, comparisons, and "
                + ", ".join(FUNCTIONS),
            )
        )
    if isinstance(node, ast.Constant) and (
        isinstance(node.value, bool) or not isinstance(node.value, int | float)
    ):
        raise ModelError(explain(where, "a constant must be a number", found=repr(node.value)))
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        whole = isinstance(node.value, int)
        if abs(node.value) >= 2**63 if whole else not math.isfinite(node.value):
            raise ModelError(explain(where, "a number out of range", found=node.value))
    if isinstance(node, ast.Name) and node.id not in known:
        raise ModelError(
            explain(
                where,
                f"unknown name {node.id!r}",
                expected="one of " + ", ".join(sorted(known)) if known else "no names",
            )
        )
    if isinstance(node, ast.Compare) and len(node.ops) != 1:
        raise ModelError(explain(where, "chained comparison", cure="join two with 'and'"))
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in FUNCTIONS or node.keywords:
            raise ModelError(
                explain(
                    where, f"unknown function {name!r}", expected="one of " + ", ".join(FUNCTIONS)
                )
            )
        if len(node.args) != FUNCTIONS[name]:
            raise ModelError(
                explain(
                    where,
                    f"{name} with the wrong number of arguments",
                    found=len(node.args),
                    expected=FUNCTIONS[name],
                )
            )
        if integer and name not in INTEGER_FUNCTIONS:
            raise ModelError(explain(where, f"{name} in an integer model", cure="use >> or //"))
        for argument in node.args:
            _check(argument, known, where, integer, depth + 1)
        return
    if isinstance(node, ast.BinOp):
        if not integer and isinstance(node.op, INTEGER_OPERATORS):
            raise ModelError(
                explain(where, "shifts and & belong to integer models", cure="say integer=True")
            )
        if integer and isinstance(node.op, ast.Div | ast.Pow):
            raise ModelError(explain(where, "/ and ** in an integer model", cure="use // or >>"))
        if isinstance(node.op, ast.Pow) and not isinstance(constant(node.right), int | float):
            raise ModelError(explain(where, "an exponent must be a number"))
    if integer and isinstance(node, ast.Constant) and not isinstance(node.value, int):
        raise ModelError(explain(where, "a real number in an integer model", found=node.value))
    for child in ast.iter_child_nodes(node):
        _check(child, known, where, integer, depth + 1)


def constant(node: ast.expr) -> int | float | None:
    """Return the number that a node writes, with its sign, or None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = constant(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    return None


def _expand_powers(tree: ast.expr) -> ast.expr:
    class Expand(ast.NodeTransformer):
        def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
            self.generic_visit(node)
            power = constant(node.right) if isinstance(node.op, ast.Pow) else None
            if isinstance(power, int) and 1 <= power <= MAX_POWER:
                product: ast.expr = node.left
                for _ in range(power - 1):
                    product = ast.BinOp(product, ast.Mult(), node.left)
                return product
            return node

    result: ast.expr = Expand().visit(tree)
    return result


def names_in(tree: ast.AST) -> set[str]:
    """Return the names (not functions) that occur in a tree."""
    functions = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in functions}


def substitute(tree: ast.expr, mapping: Mapping[str, ast.expr]) -> ast.expr:
    """Return a copy of `tree` with names replaced by trees."""

    class Replace(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.expr:
            return ast.Call(node.func, [self.visit(a) for a in node.args], [])

        def visit_Name(self, node: ast.Name) -> ast.expr:
            return mapping.get(node.id, node)

    copy = tree_of(ast.unparse(tree))
    result: ast.expr = ast.fix_missing_locations(Replace().visit(copy))
    return result


# -- meaning ---------------------------------------------------------------------------------------


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _expm1(x: float) -> float:
    try:
        return math.expm1(x)
    except OverflowError:
        return math.inf


def _exprel(x: float) -> float:
    return 1.0 if x == 0.0 else _expm1(x) / x


def _log(x: float) -> float:
    if x > 0.0:
        return math.log(x)
    return -math.inf if x == 0.0 else math.nan


def _sqrt(x: float) -> float:
    return math.sqrt(x) if x >= 0.0 else math.nan


def _pow(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if x == 0.0 else math.nan


def lift(function: Callable[..., float], arguments: int) -> Callable[..., Any]:
    """Return `function` of floats applied to arrays one element at a time."""
    ufunc = np.frompyfunc(function, arguments, 1)

    def apply(*values: Any) -> Any:
        return np.asarray(ufunc(*values), dtype=np.float64)

    return apply


def _minimum(x: Any, y: Any) -> Any:
    # not np.minimum: which of 0.0 and -0.0 it returns depends on the processor
    return np.where(np.less(x, y) | np.not_equal(x, x), x, y)


def _maximum(x: Any, y: Any) -> Any:
    return np.where(np.greater(x, y) | np.not_equal(x, x), x, y)


_MEANING: dict[str, Callable[..., Any]] = {
    "exp": lift(_exp, 1),
    "log": lift(_log, 1),
    "sqrt": lift(_sqrt, 1),
    "tanh": lift(math.tanh, 1),
    "exprel": lift(_exprel, 1),
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "trunc": np.trunc,
    "round": np.rint,
    "minimum": _minimum,
    "maximum": _maximum,
    "clip": lambda x, low, high: _minimum(_maximum(x, low), high),
}
_POWER = lift(_pow, 2)
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: _POWER,
    ast.RShift: np.right_shift,
    ast.LShift: np.left_shift,
    ast.BitAnd: np.bitwise_and,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}


def evaluate(tree: ast.expr, values: Mapping[str, Any]) -> Any:
    """Return the value of a tree, elementwise on arrays; `values` gives each name's array or number."""
    with np.errstate(all="ignore"):
        return _evaluate(tree, values)


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return np.negative(_evaluate(operand, values))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _evaluate(operand, values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return np.logical_not(_evaluate(operand, values))
        case ast.BoolOp(op=op, values=parts):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            result = _evaluate(parts[0], values)
            for part in parts[1:]:
                result = join(result, _evaluate(part, values))
            return result
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _COMPARE[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return np.where(
                _evaluate(test, values), _evaluate(body, values), _evaluate(orelse, values)
            )
        case ast.Call(func=ast.Name(id=name), args=args):
            return _MEANING[name](*(_evaluate(a, values) for a in args))
    raise ModelError(explain("expression", f"cannot evaluate {ast.dump(node)}"))


# -- analysis --------------------------------------------------------------------------------------
