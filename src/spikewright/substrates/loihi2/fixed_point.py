"""A step of real arithmetic as integer text: the compiler of neuron programs.

Every value is an integer that stands for `integer / scale`. Sums bring their terms to the finer scale of the two;
products of two values multiply scales; a constant factor becomes a mantissa of at most `MANTISSA_BITS` bits and a right
shift. Every right shift truncates towards zero, `tz(x, s) = sign(x) * (|x| >> s)`, so that what decays reaches 0. What
is assigned to a state variable is brought to the variable's scale and clipped to 24 bits signed.

Repeated subexpressions, and what a truncation needs twice, are computed once, in a register: a state variable of the
integer model that every step writes before it is read. State variables of the source keep their names.

Mantissas, shifts and levels are parameters `k0`, `k1`, ..., so that populations of one model share their text. There
are no divisions by variables and no functions such as exp: what needs them is refused by name.

Longer than most files: one compiler, an operation each.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SubstrateError
from spikewright.network.expression import evaluate, names_in

STATE_MAX = 2**23 - 1
"""24 bits signed, as Loihi's state has."""
MANTISSA_BITS = 16
"""Bits of a constant factor; assumed, no width is published."""
ROOM = 2.0**61
"""Largest intermediate: registers of the engine have 64 bits."""
PRODUCT = 2.0**40
"""Products are truncated to about this."""
FACTOR_MAX = 2.0**30
"""Factors of a product of two values are truncated to about this."""
SUM_MAX = 2.0**44
"""Terms of a sum are brought to a scale in which they are at most this."""


class Refused(SubstrateError):
    """An expression has no integer form; the message says which."""


@dataclass(frozen=True)
class Value:
    """An integer expression: its text, its scale (integer per unit), its largest magnitude; or a constant.

    A constant has `number` (0-d or (n,)) and no text yet.
    """

    text: str = ""
    scale: float = 1.0
    most: float = 0.0
    number: NDArray[Any] | None = None

    @property
    def is_name(self) -> bool:
        """Whether the text may be repeated at no cost."""
        return self.text.isidentifier()


@dataclass
class Program:
    """What a neuron program consists of, while it is written.

    Parameters
    ----------
    known : name -> Value of every state variable and port, as the next expression sees it
    constants : name -> value of parameters
    """

    known: dict[str, Value]
    constants: Mapping[str, Any]
    update: dict[str, str] = field(default_factory=dict)
    params: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    registers: list[str] = field(default_factory=list)
    _seen: dict[str, Value] = field(default_factory=dict)
    _memo: dict[str, Value] = field(default_factory=dict)

    # -- parts of the text ---------------------------------------------------------------------------

    def parameter(self, value: NDArray[Any]) -> str:
        """Return the name of a new parameter."""
        whole = np.rint(value).astype(np.int64)
        if whole.ndim and np.all(whole == whole.flat[0]):
            whole = np.asarray(whole.flat[0])
        name = self._free("k", len(self.params))
        self.params[name] = whole
        return name

    def _free(self, letter: str, number: int) -> str:
        """Return a name that neither a variable nor a port has."""
        while f"{letter}{number}" in self.known:
            letter += "_"
        return f"{letter}{number}"

    def register(self, value: Value) -> Value:
        """Return a value that may be read more than once."""
        if value.is_name:
            return value
        return self._written(value)

    def _written(self, value: Value) -> Value:
        if value.text in self._seen:
            return self._seen[value.text]
        name = self._free("r", len(self.registers))
        self.registers.append(name)
        self.update[name] = value.text
        made = Value(name, value.scale, value.most)
        self._seen[value.text] = made
        return made

    def truncated(self, value: Value, shift: int, scale: float) -> Value:
        """Return a value shifted right by `shift`, towards zero."""
        if shift == 0:
            return Value(value.text, scale, value.most)
        x, k = self.register(value).text, self.parameter(np.asarray(shift))
        return Value(f"sign({x}) * (abs({x}) >> {k})", scale, value.most / 2.0**shift)

    def scaled(self, value: Value, scale: float) -> Value:
        """Return a value in another scale."""
        if value.number is not None:
            units = np.rint(value.number * scale)
            return Value(self.parameter(units), scale, float(np.max(np.abs(units))))
        ratio = scale / value.scale
        exponent = math.log2(ratio)
        if abs(exponent - round(exponent)) < 1e-9:
            shift = round(exponent)
            if shift < 0:
                return self.truncated(value, -shift, scale)
            text = value.text
            if shift:
                text = f"({text} << {self.parameter(np.asarray(shift))})"
            return self._checked(Value(text, scale, value.most * 2.0**shift))
        return self.product(value, np.asarray(1.0), scale)

    def product(self, value: Value, factor: NDArray[Any], scale: float) -> Value:
        """Return a value times a constant, in a scale."""
        whole = factor * (scale / value.scale)
        top = float(np.max(np.abs(whole)))
        if top == 0:
            return Value("0", scale, 0.0)
        # the mantissa takes its bits, unless fewer are exact
        shift = MANTISSA_BITS - 1 - math.floor(math.log2(top))
        while shift > 0 and np.all(
            np.rint(whole * 2.0 ** (shift - 1)) == whole * 2.0 ** (shift - 1)
        ):
            shift -= 1
        shift = max(0, min(shift, 62))
        mantissa = np.rint(whole * 2.0**shift)
        most = value.most * float(np.max(np.abs(mantissa)))
        if np.all(mantissa == 1):
            return self.truncated(value, shift, scale)
        x, k = self.register(value).text, self.parameter(mantissa)
        made = self._checked(Value(f"{x} * {k}", scale, most))
        if shift == 0 or np.min(mantissa) < 0:
            return self.truncated(made, shift, scale)
        q = self.parameter(np.asarray(shift))
        return Value(f"sign({x}) * ((abs({x}) * {k}) >> {q})", scale, most / 2.0**shift)

    def _checked(self, value: Value) -> Value:
        if value.most > ROOM:
            raise Refused(
                f"an intermediate has {math.log2(value.most):.0f} bits, 61 fit: give narrower ranges"
            )
        return value

    # -- expressions ---------------------------------------------------------------------------------

    def compile(self, node: ast.expr) -> Value:
        """Return the value of an expression.

        Raises
        ------
        Refused : it has no integer form
        """
        if not names_in(node) & set(self.known):
            return Value(number=np.asarray(evaluate(node, self.constants), np.float64))
        text = ast.unparse(node)
        if text not in self._memo:
            self._memo[text] = self._compile(node)
        return self._memo[text]

    def _compile(self, node: ast.expr) -> Value:
        match node:
            case ast.Name(id=name):
                return self.known[name]
            case ast.UnaryOp(op=ast.UAdd(), operand=x):
                return self.compile(x)
            case ast.UnaryOp(op=ast.USub(), operand=x):
                return self._times(self.compile(x), Value(number=np.asarray(-1.0)))
            case ast.BinOp(left=a, op=ast.Add() | ast.Sub() as op, right=b):
                return self._sum(self.compile(a), self.compile(b), isinstance(op, ast.Sub))
            case ast.BinOp(left=a, op=ast.Mult(), right=b):
                return self._times(self.compile(a), self.compile(b))
            case ast.BinOp(left=a, op=ast.Div(), right=b):
                divisor = self.compile(b)
                if divisor.number is None:
                    raise Refused(f"it divides by {ast.unparse(b)}, which changes")
                return self._times(self.compile(a), Value(number=1.0 / divisor.number))
            case ast.IfExp(test=test, body=a, orelse=b):
                if not names_in(test) & set(self.known):
                    true = np.asarray(evaluate(test, self.constants))
                    if np.all(true) or not np.any(true):
                        return self.compile(a if np.all(true) else b)
                truth = self.truth(test)
                yes, no = self._aligned(self.compile(a), self.compile(b))
                text = f"({yes.text} if {truth} else {no.text})"
                return Value(text, yes.scale, max(yes.most, no.most))
            case ast.Call(func=ast.Name(id="abs"), args=[x]):
                value = self._variable(self.compile(x))
                return Value(f"abs({value.text})", value.scale, value.most)
            case ast.Call(func=ast.Name(id="sign"), args=[x]):
                return Value(f"sign({self._variable(self.compile(x)).text})", 1.0, 1.0)
            case ast.Call(func=ast.Name(id="minimum" | "maximum" as name), args=[a, b]):
                one, two = self._aligned(self.compile(a), self.compile(b))
                text = f"{name}({one.text}, {two.text})"
                return Value(text, one.scale, max(one.most, two.most))
            case ast.Call(func=ast.Name(id="clip"), args=[a, low, high]):
                inner = ast.Call(ast.Name("maximum", ast.Load()), [a, low], [])
                return self.compile(ast.Call(ast.Name("minimum", ast.Load()), [inner, high], []))
            case ast.Call(func=ast.Name(id=name)):
                raise Refused(f"{name}() of a value that changes, {ast.unparse(node)!r}")
        raise Refused(f"{ast.unparse(node)!r} has no integer form")

    def _aligned(self, a: Value, b: Value) -> tuple[Value, Value]:
        """Return two values in one scale: the finer one of those that are not constants, as far as it has room."""
        if a.number is not None and b.number is not None:
            a = self._variable(a)
        scale = max(x.scale for x in (a, b) if x.number is None)
        largest = max(
            x.most / x.scale if x.number is None else float(np.max(np.abs(x.number)))
            for x in (a, b)
        )
        while largest * scale > SUM_MAX:
            scale /= 2.0
        return self.scaled(a, scale), self.scaled(b, scale)

    def _variable(self, a: Value) -> Value:
        """Return a constant as a value of 23 bits; others as they are."""
        if a.number is None:
            return a
        top = float(np.max(np.abs(a.number)))
        return self.scaled(a, 2.0 ** (22 - math.ceil(math.log2(top))) if top else 1.0)

    def _sum(self, a: Value, b: Value, minus: bool) -> Value:
        for x, y in ((a, b), (b, a)):
            if x.number is not None and not np.any(x.number) and (x is b or not minus):
                return y
        x, y = self._aligned(a, b)
        text = f"({x.text} {'-' if minus else '+'} {y.text})"
        return self._checked(Value(text, x.scale, x.most + y.most))

    def _times(self, a: Value, b: Value) -> Value:
        if a.number is not None:
            a, b = b, a
        if a.number is not None and b.number is not None:
            return Value(number=a.number * b.number)
        if b.number is not None:
            # 12 bits finer than the value itself, as far as there is room: the last step truncates to its variable
            size = a.most * float(np.max(np.abs(b.number)))
            fine = math.floor(math.log2(min(PRODUCT, a.most * 2.0**12) / size)) if size else 0
            return self.product(a, b.number, a.scale * 2.0**fine)
        a, b = self._narrowed(a), self._narrowed(b)
        text = f"({self.register(a).text} * {self.register(b).text})"
        both = self._checked(Value(text, a.scale * b.scale, a.most * b.most))
        shift = max(0, math.ceil(math.log2(both.most / PRODUCT))) if both.most > 0 else 0
        return self.truncated(both, shift, both.scale / 2.0**shift)

    def _narrowed(self, a: Value) -> Value:
        shift = max(0, math.ceil(math.log2(a.most / FACTOR_MAX))) if a.most > 0 else 0
        return self.truncated(a, shift, a.scale / 2.0**shift)

    def truth(self, node: ast.expr) -> str:
        """Return a truth expression as integer text."""
        if not names_in(node) & set(self.known):
            true = np.asarray(evaluate(node, self.constants)).astype(np.int64)
            return f"{self.parameter(true)} > 0"
        match node:
            case ast.BoolOp(op=ast.And(), values=parts) if any(map(self._holds, parts)):
                kept = [p for p in parts if not self._holds(p)]
                return self.truth(kept[0] if len(kept) == 1 else ast.BoolOp(ast.And(), kept))
            case ast.BoolOp(op=join, values=parts):
                word = " and " if isinstance(join, ast.And) else " or "
                return "(" + word.join(self.truth(p) for p in parts) + ")"
            case ast.UnaryOp(op=ast.Not(), operand=x):
                return f"(not {self.truth(x)})"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._compare(self.compile(left), op, self.compile(right))
        raise Refused(f"{ast.unparse(node)!r} is no comparison")

    def _holds(self, node: ast.expr) -> bool:
        """Whether a truth expression is true whatever the variables are."""
        if names_in(node) & set(self.known):
            return False
        return bool(np.all(evaluate(node, self.constants)))

    def _compare(self, a: Value, op: ast.cmpop, b: Value) -> str:
        if a.number is not None and b.number is None:
            turned: dict[type[ast.cmpop], ast.cmpop] = {
                ast.Gt: ast.Lt(),
                ast.Lt: ast.Gt(),
                ast.GtE: ast.LtE(),
                ast.LtE: ast.GtE(),
            }
            return self._compare(b, turned.get(type(op), op), a)
        if b.number is not None and a.number is None:
            # integers compare with a level as the real numbers that they stand for do
            up = isinstance(op, ast.GtE | ast.Lt)
            units = b.number * a.scale
            near = np.rint(units)
            exact = np.abs(units - near) < 1e-9 * np.maximum(np.abs(units), 1.0)
            units = np.where(exact, near, np.ceil(units) if up else np.floor(units))
            return f"{a.text} {_SIGN[type(op)]} {self.parameter(units)}"
        x, y = self._aligned(a, b)
        return f"{x.text} {_SIGN[type(op)]} {y.text}"

    def without_unused(self, *texts: str) -> None:
        """Drop registers that nothing reads: neither the update nor the given texts."""
        while True:
            read: set[str] = set()
            for name, text in self.update.items():
                read |= names_in(ast.parse(text, mode="eval")) - {name}
            for text in filter(None, texts):
                read |= names_in(ast.parse(text, mode="eval"))
            unused = [r for r in self.registers if r not in read]
            if not unused:
                used = read & set(self.params)
                self.params = {k: v for k, v in self.params.items() if k in used}
                return
            for name in unused:
                self.registers.remove(name)
                del self.update[name]

    # -- assignments ---------------------------------------------------------------------------------

    def assign(self, name: str, value: Value, target: Value, *, proven: bool) -> None:
        """Write a state variable: its scale, clipped to 24 bits unless its range is proven."""
        made = self.scaled(value, target.scale)
        # what was read from the old value and is still needed is kept in a register
        for other, held in self.known.items():
            if other != name and held.text and name in names_in(ast.parse(held.text, mode="eval")):
                self.known[other] = self._written(held)
        text = made.text if proven else f"clip({made.text}, {-STATE_MAX}, {STATE_MAX})"
        self.update[name] = text
        self.hold(name, target)
        self._seen = {
            t: v for t, v in self._seen.items() if name not in names_in(ast.parse(t, mode="eval"))
        }

    def hold(self, name: str, value: Value) -> None:
        """Give a name a value without writing a state variable."""
        self.known[name] = value
        self._memo.clear()


_SIGN: dict[type[ast.cmpop], str] = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
