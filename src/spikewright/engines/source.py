"""Expressions of the model language written out as source of compiled kernels.

A `Source` keeps the names that were given, the numbers that must be passed and the functions that are called, over all
expressions of one kernel.
"""

from __future__ import annotations

import ast
import keyword

import numpy as np

from spikewright.errors import ModelError
from spikewright.network.expression import FUNCTIONS, evaluate

_CALLS = {name: name for name in FUNCTIONS} | {"abs": "absolute", "round": "nearest"}
_KERNELS = sorted(
    {name for name in _CALLS.values() if name != "sign"}
    | {"draw", "floor_divide_integer", "floor_divide_real", "normal", "power"}
    | {"remainder_integer", "remainder_real", "shift_left", "shift_right"}
    | {"sign_integer", "sign_real"}
)
SINGLE = frozenset(
    (
        *("absolute", "clip", "exp", "exprel", "floor", "floor_divide_real", "log", "maximum", "minimum", "nearest"),
        *("power", "remainder_real", "sign_real", "sqrt", "tanh", "trunc"),
    )
)  # fmt: skip
"""Functions that have a float32 form of their own."""
LOCALS = frozenset(
    (
        *("True", "False", "None", "advance", "at", "begin", "block", "broken", "carray", "cfunc", "constants"),
        *("drives", "find", "find_values", "fill", "flags", "float32", "float64", "fired", "hold", "i", "int32"),
        *("int64", "k", "keys", "math", "n", "njit", "one", "own", "part", "range", "row", "s", "sample", "scale"),
        *("sending", "size", "state", "step", "steps", "t", "table", "trace", "uint64", "uint8", "view"),
        *("waiting", "worker", "zero", *_KERNELS),
        # of the kernels of a synapse rule
        *("ENTRIES", "HORIZON", "KERNEL", "LONG", "N_CONSTANTS", "PLACES", "arrived", "bounds", "count", "depth"),
        *("e", "emitted", "end", "everywhere", "factor", "fetch", "finish", "first", "flow", "h", "j", "keeps"),
        *("lag", "last", "length", "low", "n_rows", "n_synapses", "newest", "of_source", "parts", "peaks"),
        *("places", "room"),
        *("row_of", "settle", "signals", "slot", "source_part", "sources", "spikes", "start", "states", "target"),
        # of the kernels of lazy neurons
        *("amount", "cells", "d", "held", "left", "counts", "flag", "found", "hot", "hot_list", "late", "lazy"),
        *("level", "listed"),
        *("max", "min", "n_hot", "neurons", "place"),
        *("o", "report", "row_of", "stamps", "noted", "n_noted", "touched_row"),
        *("total", "touched", "uint16", "unit", "values", "when", "width", "y"),
    )
)  # fmt: skip


class Source:
    """Writes expressions of one kernel.

    Parameters
    ----------
    integer : whether numbers are int64
    single : whether numbers are float32: then every literal is passed, so that it has that precision
    """

    def __init__(self, *, integer: bool, single: bool) -> None:
        self.integer = integer
        self.single = single and not integer
        self.number = "int64" if integer else ("float32" if self.single else "float64")
        self.names: dict[str, str] = {}
        self.numbers: list[float] = []
        self.known: dict[tuple[str, str], str] = {}
        self.used: set[str] = set()

    def imports(self) -> list[str]:
        """Return the lines that import what was called."""
        single = [n for n in sorted(self.used) if n in SINGLE and self.single]
        others = [n for n in sorted(self.used) if n not in single]
        lines = []
        if others:
            lines.append(f"from spikewright.engines.kernels import {', '.join(others)}")
        if single:
            lines.append(f"from spikewright.engines.single import {', '.join(single)}")
        return lines

    def passed(self) -> list[str]:
        """Return the local names of the numbers that are passed, in their order."""
        found = [
            (int(key.split()[1]), local)
            for key, local in self.names.items()
            if key.startswith(("number ", "exponent "))
        ]
        return [local for _, local in sorted(found)]

    def name(self, name: str, kind: str = "") -> str:
        """Return the local variable that stands for a name of the model, or for what `kind` says of it."""
        key = f"{kind} {name}"
        if key not in self.names:
            local = f"{kind}_{name}" if kind else name
            taken = set(self.names.values())
            while local in LOCALS or keyword.iskeyword(local) or local in taken:
                local += "_"
            self.names[key] = local
        return self.names[key]

    def text(self, tree: ast.expr) -> str:
        """Return the source of an expression."""
        return ast.unparse(ast.fix_missing_locations(self.rewrite(tree)))

    def rewrite(self, node: ast.expr) -> ast.expr:
        if not _has_names(node):
            return self.literal(node)
        match node:
            case ast.Name(id=name):
                return ast.Name(self.name(name), ast.Load())
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                place = self.constant(float(evaluate(right, {})), "exponent")
                return self.call("power", self.rewrite(left), place)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.rewrite(left), self.rewrite(right)
                kind = "integer" if self.integer else "real"
                match op:
                    case ast.FloorDiv():
                        return self.call(f"floor_divide_{kind}", a, b)
                    case ast.Mod():
                        return self.call(f"remainder_{kind}", a, b)
                    case ast.LShift():
                        return self.call("shift_left", a, b)
                    case ast.RShift():
                        return self.call("shift_right", a, b)
                return ast.BinOp(a, op, b)
            case ast.UnaryOp(op=op, operand=operand):
                return ast.UnaryOp(op, self.rewrite(operand))
            case ast.BoolOp(op=join, values=parts):
                return ast.BoolOp(join, [self.rewrite(part) for part in parts])
            case ast.Compare(left=ast.Name(id="_ref"), ops=ops, comparators=[right]):
                return ast.Compare(ast.Name(self.name("_ref"), ast.Load()), ops, [right])
            case ast.Compare(left=left, ops=ops, comparators=[right]):
                return ast.Compare(self.rewrite(left), ops, [self.rewrite(right)])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return ast.IfExp(self.rewrite(test), self.rewrite(body), self.rewrite(orelse))
            case ast.Call(func=ast.Name(id=function), args=args):
                called = _CALLS[function]
                if called == "sign":
                    called = "sign_integer" if self.integer else "sign_real"
                return self.call(called, *(self.rewrite(a) for a in args))
        raise ModelError(f"cannot write out {ast.dump(node)}")

    def literal(self, node: ast.expr) -> ast.expr:
        """Return the value of an expression without names: folded here, so that no compiler folds it differently."""
        value = np.asarray(evaluate(node, {}))
        if value.dtype.kind == "b":
            return ast.Constant(bool(value))
        if self.integer:
            return ast.Constant(int(value))
        number = float(value)
        if self.single:
            return self.constant(number, "number")
        if np.isnan(number):
            return ast.Name("math.nan", ast.Load())
        if np.isinf(number):
            return ast.Name("math.inf" if number > 0 else "(-math.inf)", ast.Load())
        return ast.Constant(number)

    def constant(self, value: float, kind: str) -> ast.expr:
        """Return a name for a number that is passed: no compiler folds it, and it has the kernel's precision.

        A value that occurs again has the name it had, so that a compiler sees what is calculated twice.
        """
        key = (kind, repr(value))
        if key not in self.known:
            self.numbers.append(value)
            self.known[key] = self.name(str(len(self.numbers)), kind)
        return ast.Name(self.known[key], ast.Load())

    def call(self, name: str, *arguments: ast.expr) -> ast.expr:
        self.used.add(name)
        return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _has_names(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return True
    parts = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    return any(isinstance(part, ast.expr) and _has_names(part) for part in parts)
