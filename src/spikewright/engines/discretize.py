"""One step of a neuron model on a grid, as expressions: what every engine executes.

`discretize` turns equations into assignments. Nothing here runs a network; engines walk or compile the result.

    method              new value of x with x' = f(x, inputs)                                         order
    EXACT               sum_j P[x, j] * (state j, held input j, 1),  P = expm([[A, B, c], [0, 0, 0]] dt)   exact
    EULER               x + dt f                                                                      1
    SEQUENTIAL_EULER    x + dt f, using the variables already advanced, in the order written          1
    EXPONENTIAL_EULER   x + dt f exprel(dt df/dx),  exprel(z) = (exp(z) - 1) / z                      1
    RK4                 x + dt (k1 + 2 k2 + 2 k3 + k4) / 6                                            4

Source
------
Exact: Rotter and Diesmann, "Exact digital simulation of time-invariant linear systems", Biol. Cybern. 81, 1999.
Exponential Euler (Rosenbrock form): Hochbruck and Ostermann, "Exponential integrators", Acta Numerica 19, 2010.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EngineError, explain
from spikewright.network.calculus import add, derivative, divide, times
from spikewright.network.expression import evaluate, names_in, substitute
from spikewright.network.graph import Method, Population
from spikewright.network.model import NeuronModel, Noise


@dataclass(frozen=True)
class Step:
    """One step of a population, in the order of execution.

    Parameters
    ----------
    assign : (name, expression), executed one after the other: deliver, then integrate. Names that begin with `_` are
        temporary; the others are state variables
    fire : truth expression, or None
    output : expression of what is sent, before the reset; None: 1
    reset : (variable, expression), all from the values before the reset, where fired
    constants : value of every name that is neither state, port, noise nor temporary; 0-d or (n,)
    refractory : steps for which `_ref` is set on a spike, 0-d or (n,), or None. `_ref` counts down to 0 by 1 a step
    noise : name -> kind
    """

    assign: tuple[tuple[str, ast.expr], ...]
    fire: ast.expr | None
    output: ast.expr | None
    reset: tuple[tuple[str, ast.expr], ...]
    constants: Mapping[str, NDArray[Any]]
    refractory: NDArray[np.int64] | None
    noise: Mapping[str, Noise]


def method_of(population: Population) -> Method:
    """Return the method that a population's dynamics are integrated with."""
    if population.method is not Method.AUTO:
        return population.method
    return Method.EXACT if population.model.is_affine else Method.EXPONENTIAL_EULER


def discretize(population: Population, dt: float, *, where: str = "population") -> Step:
    """Return one step of a population.

    Raises
    ------
    EngineError : the method does not fit the model
    """
    model = population.model
    constants: dict[str, NDArray[Any]] = {}
    for name in model.params:
        value = population.param(name)
        constants[name] = value.reshape(-1) if value.ndim else value
    constants["dt"] = np.asarray(dt)
    assign: list[tuple[str, ast.expr]] = []
    hold = model.refractory
    if hold is not None:
        assign += [(f"_held_{v}", _name(v)) for v in hold.hold]
    for port, variable in model.jumps.items():
        assign.append((variable, ast.BinOp(_name(variable), ast.Add(), _name(port))))
    if model.update:
        assign += list(model.trees["update"].items())
    elif model.dynamics:
        assign += _integrate(model, method_of(population), dt, constants, where)
    fire = model.trees["threshold"].get("")
    refractory = None
    if hold is not None:
        waiting = ast.Compare(_name("_ref"), [ast.Gt()], [ast.Constant(0)])
        assign += [(v, ast.IfExp(waiting, _name(f"_held_{v}"), _name(v))) for v in hold.hold]
        ready = ast.Compare(_name("_ref"), [ast.LtE()], [ast.Constant(0)])
        fire = None if fire is None else ast.BoolOp(ast.And(), [fire, ready])
        refractory = np.rint(constants[hold.period] / dt).astype(np.int64)
    return Step(
        tuple(assign),
        fire,
        model.trees["output"].get(""),
        tuple(model.trees["reset"].items()),
        {name: value for name, value in constants.items() if name in _used(assign, fire, model)},
        refractory,
        model.noise,
    )


def _used(
    assign: list[tuple[str, ast.expr]], fire: ast.expr | None, model: NeuronModel
) -> set[str]:
    trees = [tree for _, tree in assign] + list(model.trees["reset"].values())
    trees += [tree for tree in (fire, model.trees["output"].get("")) if tree is not None]
    return set().union(*(names_in(tree) for tree in trees)) if trees else set()


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _integrate(
    model: NeuronModel,
    method: Method,
    dt: float,
    constants: dict[str, NDArray[Any]],
    where: str,
) -> list[tuple[str, ast.expr]]:
    rates = model.trees["dynamics"]
    step = _name("dt")
    if method is Method.EXACT:
        if not model.is_affine:
            raise EngineError(
                explain(
                    where,
                    f"{model.name} is not linear, so it has no exact step",
                    cure="use Method.EXPONENTIAL_EULER, RK4 or EULER",
                )
            )
        return _exact(model, dt, constants)
    if method is Method.SEQUENTIAL_EULER:
        return [(v, add(_name(v), times(step, f))) for v, f in rates.items()]
    if method is Method.EULER:
        new = {v: add(_name(v), times(step, f)) for v, f in rates.items()}
    elif method is Method.EXPONENTIAL_EULER:
        new = {}
        for v, f in rates.items():
            slope = times(step, derivative(f, v))
            factor: ast.expr = ast.Constant(1.0)
            if not isinstance(slope, ast.Constant):
                factor = ast.Call(_name("exprel"), [slope], [])
            new[v] = add(_name(v), times(times(step, f), factor))
    else:
        return _rk4(rates, step)
    return _together(new)


def _together(new: Mapping[str, ast.expr]) -> list[tuple[str, ast.expr]]:
    """Return the assignments that give every variable its new value, all from the old ones."""
    late = [(f"_new_{v}", tree) for v, tree in new.items()]
    return late + [(v, _name(f"_new_{v}")) for v in new]


def _rk4(rates: Mapping[str, ast.expr], step: ast.expr) -> list[tuple[str, ast.expr]]:
    half = times(ast.Constant(0.5), step)
    assign: list[tuple[str, ast.expr]] = []
    for stage, length in ((1, None), (2, half), (3, half), (4, step)):
        at = {}
        if length is not None:
            for v in rates:
                assign.append(
                    (f"_x_{v}", add(_name(v), times(length, _name(f"_k{stage - 1}_{v}"))))
                )
                at[v] = _name(f"_x_{v}")
        assign += [(f"_k{stage}_{v}", substitute(f, at)) for v, f in rates.items()]
    for v in rates:
        k1, k2, k3, k4 = (_name(f"_k{stage}_{v}") for stage in (1, 2, 3, 4))
        two = ast.Constant(2.0)
        total = add(add(k1, times(two, k2)), add(times(two, k3), k4))
        assign.append((v, add(_name(v), times(divide(step, ast.Constant(6.0)), total))))
    return assign


def step_matrix(population: Population, dt: float) -> dict[tuple[str, str], NDArray[Any]]:
    """Return what one step of an affine population does, entry by entry, by its own method of integration.

    For Euler methods this is not the propagator: 1 - dt / tau instead of exp(-dt / tau). Jumps are not included.

    Parameters
    ----------
    population : of an affine model; for other methods than Euler's its propagator is returned
    dt : s

    Returns
    -------
    dict : as of `propagator`
    """
    model, method = population.model, method_of(population)
    constants = {name: population.param(name) for name in model.params}
    constants = {name: v.reshape(-1) if v.ndim else v for name, v in constants.items()}
    if method not in (Method.EULER, Method.SEQUENTIAL_EULER):
        return propagator(model, constants, dt)
    sources = [*model.state, *model.inputs, *model.noise]
    zero = dict(constants) | dict.fromkeys(sources, 0.0) | {"dt": dt}
    rows: dict[str, dict[str, Any]] = {x: {x: 1.0} for x in model.state}
    stepped = dict(rows)
    for variable, rate in model.trees["dynamics"].items():
        seen = stepped if method is Method.SEQUENTIAL_EULER else rows
        row: dict[str, Any] = dict(rows[variable])
        row["1"] = dt * np.asarray(evaluate(rate, zero))
        for source in sources:
            slope = dt * np.asarray(evaluate(derivative(rate, source), zero))
            for column, value in seen.get(source, {source: 1.0}).items():
                row[column] = row.get(column, 0.0) + slope * value
        stepped[variable] = row
    return {
        (variable, column): np.asarray(value, np.float64)
        for variable, row in stepped.items()
        for column, value in row.items()
        if np.any(value != 0)
    }


def propagator(
    model: NeuronModel, constants: Mapping[str, Any], dt: float
) -> dict[tuple[str, str], NDArray[Any]]:
    """Return the exact one-step propagator of an affine model, entry by entry.

    Parameters
    ----------
    model : an affine model
    constants : parameter -> value, 0-d or (n,)
    dt : s

    Returns
    -------
    dict : (variable, source) -> coefficient, 0-d or (n,); a source is a variable, a held port, a noise name, or "1".
        Entries that are zero for every neuron are left out.
    """
    from scipy.linalg import expm

    variables = list(model.state)
    sources = [*variables, *model.inputs, *model.noise, "1"]
    rates = model.trees["dynamics"]
    entries: dict[tuple[int, int], Any] = {}
    zero = dict(constants) | dict.fromkeys(sources[:-1], 0.0) | {"dt": dt}
    for row, variable in enumerate(variables):
        if variable not in rates:
            continue
        for column, source in enumerate(sources[:-1]):
            entries[row, column] = evaluate(derivative(rates[variable], source), zero)
        entries[row, len(sources) - 1] = evaluate(rates[variable], zero)
    shape = np.broadcast_shapes(*(np.shape(e) for e in entries.values()))
    size = len(sources)
    matrices = np.zeros((*shape, size, size))
    for (row, column), value in entries.items():
        matrices[..., row, column] = value
    flat = matrices.reshape(-1, size * size)
    unique, where = _distinct(flat)
    stepped = expm(unique.reshape(-1, size, size) * dt)[where.ravel()].reshape(*shape, size, size)
    found = {}
    for row, variable in enumerate(variables):
        for column, source in enumerate(sources):
            value = np.ascontiguousarray(stepped[..., row, column])
            if np.any(value != 0):
                same = value.ndim == 0 or bool(np.all(value == value.flat[0]))
                found[variable, source] = np.asarray(value.flat[0]) if same else value
    return found


def _distinct(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the distinct rows, and for each row which of them it is; fast where few columns vary."""
    varies = np.flatnonzero(np.any(rows != rows[:1], axis=0))
    if not len(varies):
        return rows[:1], np.zeros(len(rows), np.int64)
    key = rows[:, varies[0]] if len(varies) == 1 else rows[:, varies]
    _, first, where = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return rows[first], where


def _exact(
    model: NeuronModel, dt: float, constants: dict[str, NDArray[Any]]
) -> list[tuple[str, ast.expr]]:
    matrix = propagator(model, {n: v for n, v in constants.items() if n != "dt"}, dt)
    new: dict[str, ast.expr] = {}
    for variable in model.dynamics:
        total: ast.expr = ast.Constant(0.0)
        for (row, source), value in matrix.items():
            if row != variable:
                continue
            name = f"P_{variable}_{source}"
            while name in constants:
                name += "_"
            constants[name] = value
            term = _name(name) if source == "1" else times(_name(name), _name(source))
            total = add(total, term)
        new[variable] = total
    return _together(new)
