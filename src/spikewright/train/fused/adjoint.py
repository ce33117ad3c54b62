"""One step of a population, straightened, and its adjoint: what the backward pass of a fused kernel calculates.

A step's assignments are given names of their own (`v`, `v_1`, `v_2`, ...: single assignment), so that a derivative can
say which value it means. The adjoint follows from the symbolic derivative of every assignment
(`network.calculus.derivative`), from the last to the first. Backward, a step needs some of its values; they are either
kept on a *tape* by the forward pass, or calculated again from others that are. `tape` finds the fewest that do.

Notation: for a quantity x, `bar_x` is the derivative of the loss with respect to x; r is the spike that resets.

    reset `x <- 0`           bar_x = (1 - r) bar_x',           bar_r -= x bar_x'
    reset `x <- x - d`       bar_x = bar_x', bar_d -= r bar_x', bar_r -= d bar_x'
    reset `x <- y`           bar_x = (1 - r) bar_x', bar_y += r bar_x', bar_r += (y - x) bar_x'
    spike                    bar_margin = slope(margin / scale) / scale * (bar_spike + bar_r), if not refractory

Source
------
Griewank and Walther, "Evaluating derivatives", 2nd ed., SIAM 2008, ch. 3 (reverse mode). Surrogate in place of the
derivative of a spike: Neftci, Mostafa, Zenke, IEEE Signal Processing Magazine 36, 2019.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.engines.discretize import Step
from spikewright.network.calculus import derivative
from spikewright.network.expression import evaluate, names_in, substitute
from spikewright.network.model import NeuronModel
from spikewright.train.expression import margin

EXPONENT_LIMIT = {"float64": 600.0, "float32": 60.0}
"""As in `train.expression`: larger exponents count as this, so that a diverged membrane leaves finite gradients."""


@dataclass(frozen=True)
class Reset:
    """What a spike does to a variable: kind "zero", "subtract" (`tree` is taken off) or "other" (`tree` is put)."""

    variable: str
    before: str
    kind: str
    tree: ast.expr


@dataclass(frozen=True)
class Straight:
    """One step in single assignment.

    Parameters
    ----------
    variables : state variables; their names stand for the values at the start of the step
    ports, noise : names of what arrives and of what is drawn
    statements : (name, tree), executed one after the other
    ended : variable -> name of its value before the reset
    fire : truth expression with the refractory period, or None
    margin : how far the threshold is exceeded, or None
    ready : truth of not being refractory, or None
    output : what is sent, or None: 1
    resets : one per variable that a spike changes
    waits : whether there is a refractory period
    scalars, arrays : constants that occur, one number for all neurons or one each
    """

    variables: tuple[str, ...]
    ports: tuple[str, ...]
    noise: tuple[str, ...]
    statements: tuple[tuple[str, ast.expr], ...]
    ended: Mapping[str, str]
    fire: ast.expr | None
    margin: ast.expr | None
    ready: ast.expr | None
    output: ast.expr | None
    resets: tuple[Reset, ...]
    waits: bool
    scalars: tuple[str, ...]
    arrays: tuple[str, ...]

    @property
    def is_variable(self) -> frozenset[str]:
        """Names whose values differ from step to step."""
        changing = {*self.variables, *self.ports, *self.noise, "_ref"}
        return frozenset(changing | {name for name, _ in self.statements})


def straighten(
    model: NeuronModel,
    step: Step,
    *,
    live: Collection[str],
    dynamic: Collection[str],
    number: str,
) -> Straight:
    """Return a population's step in single assignment.

    Parameters
    ----------
    live : ports at which something can arrive; the others count as 0
    dynamic : constants that are trained
    number : "float32" or "float64"

    Raises
    ------
    TrainError : the threshold has no margin
    """
    waits = step.refractory is not None and bool(np.any(step.refractory > 0))
    known: dict[str, ast.expr] = {p: ast.Constant(0.0) for p in model.inputs if p not in live}
    if not waits:
        known["_ref"] = ast.Constant(0.0)
    for name, value in step.constants.items():
        if name not in dynamic and value.ndim == 0 and float(value) in (0.0, 1.0):
            known[name] = ast.Constant(float(value))
    now: dict[str, str] = {}
    taken = {*model.state, *model.inputs, *model.noise, *step.constants}
    statements: list[tuple[str, ast.expr]] = []

    def straight(tree: ast.expr) -> ast.expr:
        renamed = {old: ast.Name(new, ast.Load()) for old, new in now.items() if old != new}
        return simplify(bounded(substitute(tree, {**renamed, **known}), EXPONENT_LIMIT[number]))

    for name, tree in step.assign:
        found = straight(tree)
        if isinstance(found, ast.Name):
            now[name] = found.id
            continue
        count = 1
        while f"{name}_{count}" in taken:
            count += 1
        taken.add(f"{name}_{count}")
        now[name] = f"{name}_{count}"
        statements.append((now[name], found))
    fire = step.fire
    ready = None
    if (
        isinstance(fire, ast.BoolOp)
        and model.refractory is not None
        and "_ref" in names_in(fire.values[-1])
    ):
        ready = straight(fire.values[-1]) if waits else None
        fire = fire.values[0]
    distance = None if fire is None else straight(margin(fire))
    if fire is not None:
        fire = straight(fire)
        if isinstance(fire, ast.Compare) and isinstance(fire.ops[0], ast.Gt | ast.Lt):
            # x > y exactly where x - y > 0, also where both are infinite or one is no number: the margin
            # can be kept in place of all that it is made of
            name = "margin"
            while name in taken:
                name += "_"
            taken.add(name)
            statements.append((name, distance))
            distance = ast.Name(name, ast.Load())
            fire = ast.Compare(distance, [ast.Gt()], [ast.Constant(0.0)])
        if ready is not None:
            fire = ast.BoolOp(ast.And(), [fire, ready])
    resets = []
    for variable, tree in step.reset:
        found = straight(tree)
        kind = "other"
        taken_off = shift(tree, variable) if model.is_affine else None
        if model.is_affine and isinstance(found, ast.Constant) and found.value == 0:
            kind = "zero"
        elif taken_off is not None:
            kind, found = "subtract", straight(taken_off)
        resets.append(Reset(variable, now.get(variable, variable), kind, found))
    output = None if step.output is None else straight(step.output)
    trees = [tree for _, tree in statements] + [r.tree for r in resets]
    trees += [tree for tree in (fire, distance, output) if tree is not None]
    used = set().union(*map(names_in, trees)) if trees else set()
    constants = [c for c in step.constants if c in used]
    arrays = tuple(c for c in constants if c in dynamic or step.constants[c].ndim)
    return Straight(
        tuple(model.state),
        tuple(p for p in model.inputs if p in live),
        tuple(model.noise),
        tuple(statements),
        {v: now.get(v, v) for v in model.state},
        fire,
        distance,
        ready,
        output,
        tuple(resets),
        waits,
        tuple(c for c in constants if c not in arrays),
        arrays,
    )


def shift(tree: ast.expr, variable: str) -> ast.expr | None:
    """Return what a reset takes off its variable: d of `x - d`, -d of `x + d` and `d + x`; None for all else."""
    match tree:
        case ast.BinOp(ast.Name(left), ast.Sub(), taken) if left == variable:
            return taken
        case ast.BinOp(ast.Name(left), ast.Add(), added) if left == variable:
            return ast.UnaryOp(ast.USub(), added)
        case ast.BinOp(added, ast.Add(), ast.Name(right)) if right == variable:
            return ast.UnaryOp(ast.USub(), added)
    return None


@dataclass(frozen=True)
class Term:
    """`bar_target += bar_source * factor`; the factor None is 1, or -1 where `falls`."""

    target: str
    source: str
    factor: ast.expr | None
    falls: bool = False


@dataclass(frozen=True)
class Adjoint:
    """The adjoint of one step, in the order of execution: reset, output, spike, statements from the last.

    Parameters
    ----------
    resets : (reset, terms of its tree); the reset's own rule is in the module's notation
    output : terms of what is sent (bar_output -> names)
    spike : terms of the margin
    statements : per statement from the last, its terms
    needed : names of changing values that occur in a factor or in what the spike needs
    """

    resets: tuple[tuple[Reset, tuple[Term, ...]], ...]
    output: tuple[Term, ...]
    spike: tuple[Term, ...]
    statements: tuple[tuple[str, tuple[Term, ...]], ...]
    needed: frozenset[str]


def adjoint(step: Straight, wanted: Collection[str]) -> Adjoint:
    """Return the adjoint of a step.

    Parameters
    ----------
    step : the step
    wanted : leaves whose derivative is asked for: variables at the start, ports, trained constants

    Raises
    ------
    ModelError : something that has no derivative
    """
    active = set(wanted)
    for name, tree in step.statements:
        if names_in(tree) & active:
            active.add(name)

    def terms(tree: ast.expr, source: str) -> tuple[Term, ...]:
        found = []
        for name in sorted(names_in(tree) & active):
            factor = simplify(slope_of(tree, name))
            if isinstance(factor, ast.Constant) and factor.value == 0:
                continue
            unit = isinstance(factor, ast.Constant) and abs(factor.value) == 1
            falls = unit and factor.value < 0
            found.append(Term(name, source, None if unit else factor, falls))
        return tuple(found)

    resets = tuple((r, terms(r.tree, f"reset_{r.variable}")) for r in step.resets)
    output = () if step.output is None else terms(step.output, "output")
    spike = () if step.margin is None else terms(step.margin, "margin")
    statements = tuple(
        (name, terms(tree, name)) for name, tree in reversed(step.statements) if name in active
    )
    needed: set[str] = set()
    for group in (*(ts for _, ts in resets), output, spike, *(ts for _, ts in statements)):
        for term in group:
            needed |= set() if term.factor is None else names_in(term.factor)
    if step.fire is not None:
        needed |= names_in(step.fire)
    if step.margin is not None:
        needed |= names_in(step.margin)
    if step.output is not None:
        needed |= names_in(step.output)
    for r in step.resets:
        needed |= names_in(r.tree) | ({r.before} if r.kind != "subtract" else set())
    return Adjoint(resets, output, spike, statements, frozenset(needed & step.is_variable))


def tape(step: Straight, needed: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the fewest values that the forward pass must keep, and the statements to calculate again from them.

    Either those of the needed values are kept from which the others follow, or the values at the start of the step and
    what arrives.
    """
    trees = dict(step.statements)

    def again(kept: set[str]) -> tuple[set[str], set[str]]:
        """Return the leaves and the statements that are reached from what is needed, without passing what is kept."""
        leaves, recalculated = set(), set()
        waiting = [n for n in needed if n not in kept]
        while waiting:
            name = waiting.pop()
            if name in recalculated or name in leaves or name in kept:
                continue
            if name not in trees:
                leaves.add(name)
                continue
            recalculated.add(name)
            waiting += [n for n in names_in(trees[name]) & step.is_variable if n not in kept]
        return leaves, recalculated

    def cost(kept: set[str]) -> float:
        return sum(FLAG_COST if n == "_ref" else 1.0 for n in kept if n not in step.noise)

    direct = {n for n in needed if n in trees}
    leaves, _ = again(direct)
    first = direct | leaves
    for name, _ in reversed(step.statements):
        if name in first and again(first - {name})[0] <= first:
            first -= {name}
    second, _ = again(set())
    chosen = first if cost(first) <= cost(second) else second
    _, recalculated = again(chosen)
    order = tuple(n for n, _ in step.statements if n in recalculated)
    return tuple(sorted(chosen - set(step.noise))), order


FLAG_COST = 0.25
"""A refractory flag is one byte, a number four or eight."""


def slope_of(tree: ast.expr, name: str) -> ast.expr:
    """Return d(tree)/d(name), where staircase functions are flat, as autograd has them."""
    held: dict[str, ast.expr] = {}

    class Hold(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.expr:
            if isinstance(node.func, ast.Name) and node.func.id in STAIRCASES:
                key = f"_flat_{len(held)}"
                held[key] = node
                return ast.Name(key, ast.Load())
            return ast.Call(node.func, [self.visit(a) for a in node.args], [])

    found = derivative(Hold().visit(substitute(tree, {})), name)
    return substitute(found, held) if held else found


STAIRCASES = ("floor", "trunc", "round", "sign")


def bounded(tree: ast.expr, limit: float) -> ast.expr:
    """Return a copy of a tree whose exponents are at most `limit`."""

    class Bound(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.expr:
            arguments = [self.visit(a) for a in node.args]
            if isinstance(node.func, ast.Name) and node.func.id in ("exp", "exprel"):
                least = ast.Name("minimum", ast.Load())
                arguments = [ast.Call(least, [arguments[0], ast.Constant(limit)], [])]
            return ast.Call(node.func, arguments, [])

    result: ast.expr = Bound().visit(substitute(tree, {}))
    return result


def simplify(tree: ast.expr) -> ast.expr:
    """Return a tree without products with 0 or 1, sums with 0, and choices that are known.

    Raises
    ------
    ModelError : arithmetic on constants that has no value
    """
    match tree:
        case ast.BinOp(left=left, op=op, right=right):
            return _joined(simplify(left), op, simplify(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = simplify(operand)
            if isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub):
                return inner.operand
            return _folded(ast.UnaryOp(ast.USub(), inner))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return simplify(operand)
        case ast.UnaryOp(op=op, operand=operand):
            return _folded(ast.UnaryOp(op, simplify(operand)))
        case ast.BoolOp(op=op, values=parts):
            return _truth(op, [simplify(p) for p in parts])
        case ast.Compare(left=left, ops=ops, comparators=[right]):
            return _folded(ast.Compare(simplify(left), ops, [simplify(right)]))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            condition, a, b = simplify(test), simplify(body), simplify(orelse)
            if isinstance(condition, ast.Constant):
                return a if condition.value else b
            same = ast.dump(a) == ast.dump(b)
            return a if same else ast.IfExp(condition, a, b)
        case ast.Call(func=function, args=args):
            return _folded(ast.Call(function, [simplify(a) for a in args], []))
    return tree


def _is(tree: ast.expr, value: float) -> bool:
    return isinstance(tree, ast.Constant) and tree.value == value


def _joined(a: ast.expr, op: ast.operator, b: ast.expr) -> ast.expr:
    match op:
        case ast.Add():
            if _is(a, 0) or _is(b, 0):
                return b if _is(a, 0) else a
        case ast.Sub():
            if _is(b, 0):
                return a
            if _is(a, 0):
                return simplify(ast.UnaryOp(ast.USub(), b))
        case ast.Mult():
            if _is(a, 0) or _is(b, 0):
                return ast.Constant(0.0)
            if _is(a, 1) or _is(b, 1):
                return b if _is(a, 1) else a
            if _is(a, -1) or _is(b, -1):
                return simplify(ast.UnaryOp(ast.USub(), b if _is(a, -1) else a))
        case ast.Div():
            if _is(a, 0) or _is(b, 1):
                return a
    return _folded(ast.BinOp(a, op, b))


def _truth(op: ast.boolop, parts: list[ast.expr]) -> ast.expr:
    conjunction = isinstance(op, ast.And)
    left = []
    for part in parts:
        if isinstance(part, ast.Constant):
            if bool(part.value) is not conjunction:
                return ast.Constant(not conjunction)
        else:
            left.append(part)
    if not left:
        return ast.Constant(conjunction)
    return left[0] if len(left) == 1 else ast.BoolOp(op, left)


def _folded(tree: ast.expr) -> ast.expr:
    """Return the value of a tree whose parts are all constants, else the tree."""
    parts = tree.args if isinstance(tree, ast.Call) else list(ast.iter_child_nodes(tree))
    if not all(isinstance(p, ast.Constant | ast.operator | ast.unaryop | ast.cmpop) for p in parts):
        return tree
    value = np.asarray(evaluate(tree, {}))
    return ast.Constant(bool(value) if value.dtype.kind == "b" else float(value))
