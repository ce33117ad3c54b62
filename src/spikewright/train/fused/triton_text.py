"""Source of a population's GPU kernels, translated from its row kernels: the same statements, block by block.

`text.rows` writes what a step of a row of neurons is, forward and backward, as a loop over `i`. Here the same
statements stand inside a loop over time, for a block of neurons of all samples (`B N` flat): states and their
derivatives stay in registers, what differs from step to step is read and written row by row. Choices become
selections, and what statements have in common is calculated once, which spares Triton's compiler and its interpreter
the work.

Names that begin with `_` belong to the kernel: models have none such, and steps have others.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from spikewright.train.fused import triton_math
from spikewright.train.fused.group import PortUse
from spikewright.train.fused.text import Rows
from spikewright.train.fused.triton_shared import shared


class Lies(enum.Enum):
    """How an array lies in memory, and how a kernel treats it."""

    STEPS = enum.auto()
    """T B N: a row per step."""
    ROW = enum.auto()
    """B N: the row of the one step that is run."""
    STATE = enum.auto()
    """B N: read before the first step, written after the last."""
    SAMPLES = enum.auto()
    """B N: read before the first step."""
    NEURONS = enum.auto()
    """N: read before the first step."""


Slot = tuple[str, Lies]


@dataclass(frozen=True)
class Use:
    """Which arrays there are, beside those that there always are.

    Parameters
    ----------
    ports : how each port is reached from outside; `events` is not looked at
    inner : numbers of the ports that are reached from inside the group, a row per launch
    graded : names of results that have a gradient: "sent", "record_0", ...
    """

    ports: tuple[PortUse, ...]
    inner: tuple[int, ...]
    graded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Text:
    """A kernel.

    Parameters
    ----------
    name, source : of its function
    slots : the arrays it takes after `first, last, n, size, numbers`
    literals : the numbers it takes after those of `Rows.scalars`
    n_read : rows that it reads in every step
    """

    name: str
    source: str
    slots: tuple[str, ...]
    literals: tuple[float, ...]
    n_read: int


@lru_cache(maxsize=512)
def forward_text(rows: Rows, use: Use, number: str, recorded: int, *, active: bool = False) -> Text:
    """Return the forward kernel of a population; the number in a slot's name is a place in the order of `rows`.

    Parameters
    ----------
    number : "float32" or "float64"
    recorded : variables that are kept
    active : whether to tell where the surrogate's slope is not 0
    """
    step = rows.step
    taken: list[tuple[Slot, ...]] = []
    for k, port in enumerate(use.ports):
        parts: list[Slot] = [(f"outside_{k}", Lies.STEPS)] if port.outside else []
        parts += [(f"steady_{k}", Lies.SAMPLES)] if port.steady else []
        parts += [(f"bias_{k}", Lies.NEURONS)] if port.bias else []
        parts += [(f"inner_{k}", Lies.ROW)] if k in use.inner else []
        taken.append(tuple(parts))
    taken += [((f"noise_{x}", Lies.STEPS),) for x in range(len(step.noise))]
    taken += [((f"state_{x}", Lies.STATE),) for x in range(len(step.variables))]
    taken += [(("waiting", Lies.STATE),), (("hold", Lies.NEURONS),)] if step.waits else []
    taken += [((f"own_{x}", Lies.NEURONS),) for x in range(len(step.arrays))]
    taken.append((("sent", Lies.STEPS),))
    taken += _tapes(rows)
    taken += [((f"record_{x}", Lies.STEPS),) for x in range(recorded)]
    taken += [(("active", Lies.STEPS),)] if active else []
    return _translated(rows, taken, number, direction=0)


@lru_cache(maxsize=512)
def backward_text(rows: Rows, use: Use, number: str, recorded: int, *, inner: bool) -> Text:
    """Return the backward kernel.

    Parameters
    ----------
    number, recorded : as in `forward_text`
    inner : whether gradients reach what is sent from inside the group too
    """
    step = rows.step

    def given(name: str) -> tuple[Slot, ...]:
        return ((f"grad_{name}", Lies.STEPS),) if name in use.graded else ()

    taken: list[tuple[Slot, ...]] = [given("sent")]
    taken += [(("grad_inner", Lies.ROW),)] if inner else []
    taken += [given(f"record_{x}") for x in range(recorded)]
    taken += [((f"noise_{step.noise.index(x)}", Lies.STEPS),) for x in rows.noise_back]
    taken += _tapes(rows)
    taken += [((f"own_{x}", Lies.NEURONS),) for x in range(len(step.arrays))]
    taken += [((f"bars_{x}", Lies.STATE),) for x in range(len(step.variables))]
    taken += [((f"grad_{k}", Lies.STEPS),) for k in range(len(use.ports))]
    taken += [((f"total_{x}", Lies.STATE),) for x in range(len(rows.trained))]
    return _translated(rows, taken, number, direction=1)


def _tapes(rows: Rows) -> list[tuple[Slot, ...]]:
    found: list[tuple[Slot, ...]] = [((f"tape_{x}", Lies.STEPS),) for x in range(len(rows.tapes))]
    return found + ([(("flag", Lies.STEPS),)] if rows.flagged else [])


def _translated(
    rows: Rows, taken: Sequence[tuple[Slot, ...]], number: str, *, direction: int
) -> Text:
    row = ast.parse((rows.forward, rows.backward)[direction]).body[0]
    match row:
        case ast.FunctionDef(
            args=ast.arguments(args=[_, _, *given]), body=[*setup, ast.For(body=body)]
        ):
            arrays = {a.arg: slots for a, slots in zip(given, taken, strict=True)}
        case _:
            raise TypeError(f"{rows.name}: not a row kernel")
    writer = _Writer(arrays, number, len(rows.scalars), rows.literals[direction])
    writer.write(setup, body)
    slots = [slot for parts in taken for slot in parts]
    names = ["first", "last", "n", "size", "numbers", *(name for name, _ in slots)]
    start, step = (("_first.to(tl.int64)", "+"), ("(_last.to(tl.int64) - 1)", "-"))[direction]
    lines = [
        '@triton.jit(do_not_specialize=["_first", "_last"])',
        f"def {row.name}({', '.join(f'_{n}' for n in names)}, _BLOCK: tl.constexpr, _AHEAD: tl.constexpr):",
        "    _place = tl.program_id(0) * _BLOCK + tl.arange(0, _BLOCK)",
        "    _inside = _place < _size",
        "    _neuron = _place % _n",
        f"    _at = _place + {start} * _size",
        f"    one = tl.full((_BLOCK,), 1, tl.{number})",
        f"    zero = tl.full((_BLOCK,), 0, tl.{number})",
        *(f"    {line}" for line in writer.before),
        "    for _ in tl.range(_first, _last, num_stages=_AHEAD):",
        *(f"        {line}" for line in writer.inside),
        f"        _at = _at {step} _size",
        *(f"    {line}" for line in writer.after),
    ]
    n_read = sum(" = tl.load(" in line for line in writer.inside)
    taken_names = tuple(name for name, _ in slots)
    return Text(row.name, "\n".join(lines), taken_names, tuple(writer.literals), n_read)


def functions(source: str) -> list[str]:
    """Return the functions of `triton_math` that a kernel calls."""
    called = {
        node.func.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return sorted(called & vars(triton_math).keys())


class _Writer:
    """Lines before, inside and after the loop over time."""

    def __init__(
        self,
        arrays: dict[str, tuple[Slot, ...]],
        number: str,
        n_scalars: int,
        values: Sequence[float],
    ) -> None:
        self.arrays, self.number, self.n_scalars = arrays, number, n_scalars
        self.values = values
        self.known: dict[str, float] = {}
        self.literals: list[float] = []
        self.before: list[str] = []
        self.inside: list[str] = []
        self.after: list[str] = []

    def write(self, setup: Sequence[ast.stmt], body: Sequence[ast.stmt]) -> None:
        """Translate the statements of a row kernel before and inside its loop."""
        places = {}
        for line in setup:
            # "name = numbers[k]"; the other line makes one and zero
            match line:
                case ast.Assign([ast.Name(name)], ast.Subscript(slice=ast.Constant(int(place)))):
                    places[_free(name)] = place
        # a number that row kernels are passed has a name per occurrence: here it has one per value
        first = self.n_scalars
        self.known = {n: self.values[x - first] for n, x in places.items() if x >= first}
        plain = _Plain(self)
        statements = [plain.visit(s) for s in body]
        used = set().union(*map(_names, statements))
        places = {name: place for name, place in places.items() if name in used}
        places |= {f"_number_{x}": first + x for x in range(len(self.literals))}
        self.before = [f"{name} = tl.load(_numbers + {place})" for name, place in places.items()]
        for array, parts in self.arrays.items():
            for slot, lies in parts:
                if lies is Lies.STATE:
                    self.before.append(f"{array} = {_load(slot, '_place')}")
                    self.after.append(f"tl.store(_{slot} + _place, {array}, mask=_inside)")
                elif lies is Lies.SAMPLES:
                    self.before.append(f"_own_{slot} = {_load(slot, '_place')}")
                elif lies is Lies.NEURONS:
                    self.before.append(f"_own_{slot} = {_load(slot, '_neuron')}")
        self.inside = shared(statements, self._line)

    def reading(self, array: str) -> ast.expr:
        """Return the expression of a row of an array."""
        total: ast.expr | None = None
        for slot, lies in self.arrays[array]:
            text = {
                Lies.STEPS: f"_step_{slot}",
                Lies.ROW: f"_row_{slot}",
                Lies.STATE: array,
                Lies.SAMPLES: f"_own_{slot}",
                Lies.NEURONS: f"_own_{slot}",
            }[lies]
            part = ast.Name(text, ast.Load())
            total = part if total is None else ast.BinOp(total, ast.Add(), part)
        return ast.Name("zero", ast.Load()) if total is None else total

    def literal(self, value: float) -> ast.expr:
        if value not in self.literals:
            self.literals.append(value)
        return ast.Name(f"_number_{self.literals.index(value)}", ast.Load())

    def _line(self, target: ast.expr, value: ast.expr) -> list[str]:
        """Return a statement's lines."""
        rows = {n: _load(n[6:], "_at") for n in sorted(_names(value)) if n.startswith("_step_")}
        rows |= {n: _load(n[5:], "_place") for n in sorted(_names(value)) if n.startswith("_row_")}
        if isinstance(value, ast.Name) and value.id in rows:
            text = rows.pop(value.id)
        elif isinstance(value, ast.Constant):
            text = f"tl.full((_BLOCK,), {value.value!r}, tl.int1)"
        else:
            text = ast.unparse(value)
        lines = [f"{name} = {loading}" for name, loading in rows.items()]
        match target:
            case ast.Name(id=name):
                return [*lines, f"{name} = {text}"]
            case ast.Subscript(value=ast.Name(id=array)):
                ((slot, lies),) = self.arrays[array]
                if lies is Lies.STATE:
                    return [*lines, f"{array} = tl.broadcast_to({text}, (_BLOCK,))"]
                return [*lines, f"tl.store(_{slot} + _at, {text}, mask=_inside)"]
        raise TypeError(ast.dump(target))


def _load(slot: str, place: str) -> str:
    return f"tl.load(_{slot} + {place}, mask=_inside, other=0)"


def _free(name: str) -> str:
    """Return a model's name, changed where kernels mean something else by it."""
    return f"{name}__" if name in ("divide", "tl", "triton") else name


def _names(tree: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


class _Plain(ast.NodeTransformer):
    """Turns a row kernel's statement into one that holds for a block."""

    def __init__(self, writer: _Writer) -> None:
        self.writer = writer

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        before = ast.parse(ast.unparse(node.target), mode="eval").body
        found: ast.stmt = self.visit(
            ast.Assign([node.target], ast.BinOp(before, node.op, node.value))
        )
        return found

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.ctx, ast.Store) or not isinstance(node.value, ast.Name):
            return node
        return self.writer.reading(node.value.id)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        known, name = self.writer.known, _free(node.id)
        return self.writer.literal(known[name]) if name in known else ast.Name(name, node.ctx)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        # a number in the text would have the precision that a compiler gives it
        return self.writer.literal(node.value) if isinstance(node.value, float) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self.writer.literal(float(node.attr))  # math.inf, math.nan

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            return ast.Call(ast.Name("divide", ast.Load()), [node.left, node.right], [])
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        return ast.UnaryOp(ast.Invert(), node.operand) if isinstance(node.op, ast.Not) else node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        join = ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr()
        total = node.values[0]
        for part in node.values[1:]:
            total = ast.BinOp(total, join, part)
        return total

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        where = ast.Attribute(ast.Name("tl", ast.Load()), "where", ast.Load())
        return ast.Call(where, [node.test, node.body, node.orelse], [])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        arguments = [self.visit(a) for a in node.args]
        match node.func:
            case ast.Name(id="uint8" | "NUMBER" as function):
                kind = "uint8" if function == "uint8" else self.writer.number
                cast = ast.Attribute(arguments[0], "to", ast.Load())
                return ast.Call(cast, [ast.parse(f"tl.{kind}", mode="eval").body], [])
        return ast.Call(node.func, arguments, [])
