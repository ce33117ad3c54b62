"""Linear neurons as numbers: the flow of each distinct set of parameters, the threshold, the reset.

A neuron is a vector z = (state, what is held at its ports, its constant rates). Its equations are z' = A z, where the
last two parts stand still; the threshold is g(z) = a . x - level; the reset x -> R x + r. All of it is read off the
model's text; nothing is written per model.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.event.spectrum import PLAIN, Term, flow
from spikewright.network.calculus import degree, derivative, subtract
from spikewright.network.expression import evaluate, names_in
from spikewright.network.graph import Population
from spikewright.network.model import NeuronModel


@dataclass(frozen=True)
class Terms:
    """Terms of many flows: those of flow f are entries `start[f]:start[f + 1]`; matrices are (ns, nz), gains (nz,)."""

    start: NDArray[np.int64]
    rho: NDArray[np.float64]
    omega: NDArray[np.float64]
    power: NDArray[np.int64]
    kind: NDArray[np.int64]
    matrix: NDArray[np.float64]
    gain: NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """A population of linear neurons.

    Parameters
    ----------
    held : ports whose values are held, in the order of their places in z behind the state
    rest : variables that have a constant rate, in the order of their places behind the held ports
    constant : those rates, (n, len(rest))
    kind_of : distinct set of parameters that a neuron has, (n,)
    free, waiting : the flows of each set, freely and while refractory
    aim : a, the row of the threshold, of each set, (sets, ns); zeros where it never fires
    level : (n,)
    keep : R of each set, (sets, ns, ns)
    reset : r, (n, ns)
    gain, offset : what is sent is `gain . x + offset`: (sets, ns), (n,)
    """

    held: tuple[str, ...]
    rest: tuple[str, ...]
    constant: NDArray[np.float64]
    kind_of: NDArray[np.int64]
    free: Terms
    waiting: Terms
    aim: NDArray[np.float64]
    level: NDArray[np.float64]
    keep: NDArray[np.float64]
    reset: NDArray[np.float64]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]


def margin(model: NeuronModel) -> tuple[ast.expr, bool] | None:
    """Return g and whether g = 0 does not fire, where the threshold is one comparison `g > 0` or `g >= 0`."""
    tree = model.trees["threshold"].get("")
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
        return None
    left, right, op = tree.left, tree.comparators[0], tree.ops[0]
    if isinstance(op, ast.Lt | ast.LtE):
        left, right = right, left
    elif not isinstance(op, ast.Gt | ast.GtE):
        return None
    return subtract(left, right), isinstance(op, ast.Gt | ast.Lt)


def is_linear(model: NeuronModel) -> bool:
    """Whether rates, threshold, reset and output are all affine, so that its spikes have a closed form."""
    variables = set(model.state)
    outside = set(model.inputs) | set(model.noise)
    if model.update or model.noise or not model.state:
        return False
    everything = variables | outside
    if any(degree(tree, everything) > 1 for tree in model.trees["dynamics"].values()):
        return False
    rest = [*model.trees["reset"].values(), *model.trees["output"].values()]
    if model.threshold:
        found = margin(model)
        if found is None:
            return False
        rest.append(found[0])
    return all(degree(tree, variables) <= 1 and not names_in(tree) & outside for tree in rest)


def lower_linear(population: Population, dt: float) -> Linear:
    """Return a linear population as numbers."""
    model, n = population.model, population.n
    state = tuple(model.state)
    ns = len(state)
    values: dict[str, Any] = {p: population.param(p).reshape(-1) for p in model.params}
    values = {p: v if v.size > 1 else v.reshape(()) for p, v in values.items()} | {"dt": dt}
    held = tuple(p for p in model.inputs if p not in model.jumps)
    rates = model.trees["dynamics"]
    variables = (*state, *model.inputs)

    def row(tree: ast.expr | None, names: tuple[str, ...]) -> list[NDArray[np.float64]]:
        """Return the slopes of an affine expression, and its value where all is zero, each (n,)."""
        if tree is None:
            return [np.zeros(n)] * (len(names) + 1)
        zero = dict(values) | dict.fromkeys(variables, 0.0)
        found = [evaluate(derivative(tree, name), zero) for name in names]
        found.append(evaluate(tree, zero))
        return [np.broadcast_to(np.asarray(x, np.float64), (n,)) for x in found]

    rows = [row(rates.get(v), (*state, *held)) for v in state]
    rest = tuple(v for v, found in zip(state, rows, strict=True) if np.any(found[-1] != 0))
    constant = np.zeros((n, len(rest)))
    for j, v in enumerate(rest):
        constant[:, j] = rows[state.index(v)][-1]
    aim = margin(model)
    aims = row(None if aim is None else aim[0], state)
    resets = [row(model.trees["reset"].get(v, ast.Name(v, ast.Load())), state) for v in state]
    sends = row(model.trees["output"].get("", ast.Constant(1.0)), state)
    # what differs between neurons: slopes make distinct sets, offsets are of each neuron
    slopes = [x for found in rows for x in found[:-1]] + aims[:-1]
    slopes += [x for found in resets for x in found[:-1]] + sends[:-1]
    table = np.stack(slopes, axis=-1)
    sets, kind_of = _distinct(table)
    nh, nr = len(held), len(rest)
    width = ns + nh
    system = np.zeros((len(sets), ns, ns + nh + nr))
    system[:, :, :width] = sets[:, : ns * width].reshape(-1, ns, width)
    for j, v in enumerate(rest):
        system[:, state.index(v), width + j] = 1.0
    at = ns * width
    aim_rows = sets[:, at : at + ns]
    keep = sets[:, at + ns : at + ns + ns * ns].reshape(-1, ns, ns)
    gain = sets[:, at + ns + ns * ns :]
    frozen = system.copy()
    if model.refractory is not None:
        frozen[:, [state.index(v) for v in model.refractory.hold], :] = 0.0
    return Linear(
        held,
        rest,
        constant,
        kind_of,
        _terms(system, aim_rows),
        _terms(frozen, aim_rows),
        np.ascontiguousarray(aim_rows),
        -aims[-1] if aim is not None else np.full(n, np.inf),
        np.ascontiguousarray(keep),
        np.stack([found[-1] for found in resets], axis=-1),
        np.ascontiguousarray(gain),
        np.array(sends[-1]),
    )


def _distinct(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    varies = np.flatnonzero(np.any(table != table[:1], axis=0))
    if not len(varies):
        return table[:1], np.zeros(len(table), np.int64)
    _, first, where = np.unique(table[:, varies], axis=0, return_index=True, return_inverse=True)
    return table[first], where.reshape(-1).astype(np.int64)


def _terms(system: NDArray[np.float64], aim: NDArray[np.float64]) -> Terms:
    """Return the flows of x' = S z for every set, (sets, ns, nz)."""
    sets, ns, nz = system.shape
    if ns == 1:
        return _single(system[:, 0], aim[:, 0])
    found: list[tuple[Term, ...]] = []
    for s in system:
        square = np.zeros((nz, nz))
        square[:ns] = s
        found.append(flow(square))
    start = np.concatenate([[0], np.cumsum([len(terms) for terms in found])]).astype(np.int64)
    flat = [t for terms in found for t in terms]
    of = np.repeat(np.arange(sets), np.diff(start))
    matrix = np.stack([t.matrix[:ns] for t in flat])
    return Terms(
        start,
        np.array([t.rho for t in flat]),
        np.array([t.omega for t in flat]),
        np.array([t.power for t in flat], np.int64),
        np.array([t.kind for t in flat], np.int64),
        matrix,
        np.einsum("ti,tij->tj", aim[of], matrix),
    )


def _single(row: NDArray[np.float64], aim: NDArray[np.float64]) -> Terms:
    """Return the flows of one variable, v' = l v + b . u, of all sets at once: two terms each."""
    sets, nz = row.shape
    rate = row[:, 0]
    leaks = rate != 0
    rho = np.zeros((sets, 2))
    rho[:, 1] = rate
    power = np.zeros((sets, 2), np.int64)
    power[:, 1] = ~leaks
    matrix = np.zeros((sets, 2, 1, nz))
    drive = row[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(leaks[:, None], -drive / rate[:, None], 0.0)
    # leaking: v_inf + (v - v_inf) exp(l t); else v + t b . u
    matrix[:, 0, 0, 0] = ~leaks
    matrix[:, 0, 0, 1:] = level
    matrix[:, 1, 0, 0] = leaks
    matrix[:, 1, 0, 1:] = np.where(leaks[:, None], -level, drive)
    flat = matrix.reshape(2 * sets, 1, nz)
    return Terms(
        np.arange(0, 2 * sets + 1, 2, dtype=np.int64),
        rho.reshape(-1),
        np.zeros(2 * sets),
        power.reshape(-1),
        np.full(2 * sets, PLAIN, np.int64),
        flat,
        np.repeat(aim, 2)[:, None] * flat[:, 0],
    )
