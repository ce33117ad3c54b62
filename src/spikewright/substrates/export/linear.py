"""Integer neurons as linear neurons, measured on their equations.

An integer neuron is probed, not looked up: its `update` is evaluated with one state or input raised, which gives what a
step keeps of voltage and current and what an input adds. So every chip whose neuron is linear between its rounding
steps is covered, and one that is not is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.network.expression import evaluate
from spikewright.network.graph import Population
from spikewright.network.model import NeuronModel

PROBES = tuple(2**k for k in range(22, 3, -1))
"""Levels at which neurons are probed; the highest that is linear is taken."""
SLACK = 4
"""Least significant bits by which rounding within a step may miss a straight line."""


@dataclass(frozen=True)
class Linear:
    """A population as a linear neuron, in integer units.

    Parameters
    ----------
    keep_v, keep_u : what a step keeps of voltage and current, (1,) or (n,); keep_u is 0 without a current
    gain : port -> what one unit of input adds to the voltage in the same step
    bias : added to the voltage at every step
    level : halfway between the last voltage that does not fire and the first that does
    reset : voltage after a spike; 0 where the threshold is subtracted
    subtracts : whether a spike subtracts the threshold
    has_current : whether input passes through a current
    notes : what a linear neuron cannot say of it
    """

    keep_v: NDArray[np.float64]
    keep_u: NDArray[np.float64]
    gain: Mapping[str, NDArray[np.float64]]
    bias: NDArray[np.float64]
    level: NDArray[np.float64]
    reset: NDArray[np.float64]
    subtracts: bool
    has_current: bool
    notes: tuple[str, ...]


class NotLinear(Exception):
    """The neuron is not linear; the message says how."""


def probe(population: Population) -> Linear:
    """Return an integer population as a linear neuron.

    Raises
    ------
    NotLinear : it is none, and why
    """
    model = population.model
    voltage = model.thresholded
    if voltage is None or model.output or not model.update:
        raise NotLinear("it does not send 1 where one voltage exceeds a level")
    params = {p: np.ravel(population.param(p)).astype(np.int64) for p in model.params}
    level = _level(model, params)
    ports = tuple(model.inputs)
    rest = _step(model, params, {})
    others = [x for x in model.state if x != voltage]

    def raised(name: str) -> tuple[float, Mapping[str, NDArray[Any]]]:
        """Return the highest level at which the step is linear in one variable, and what it makes of it."""
        small = _difference(_step(model, params, {name: PROBES[-1]}), rest)
        # an input is added as it is; what is kept of a state is rounded
        for slack in (0, SLACK) if name in ports else (SLACK,):
            for amount in PROBES:
                full = _difference(_step(model, params, {name: amount}), rest)
                half = _difference(_step(model, params, {name: amount // 2}), rest)
                # what wraps to the same value twice would look flat, so the smallest level is compared too
                scale = amount // PROBES[-1]
                if all(
                    np.all(np.abs(full[x] - 2 * half[x]) <= slack)
                    and np.all(np.abs(full[x] - scale * small[x]) <= slack * scale)
                    for x in full
                ):
                    return float(amount), full
        raise NotLinear(f"its step is not linear in {name}")

    amount, found = raised(voltage)
    keep_v = found[voltage] / amount
    notes = _below(model, params, voltage, int(amount), rest, found)
    gain: dict[str, NDArray[np.float64]] = {}
    current = ""
    for port in ports:
        amount, found = raised(port)
        reached = [x for x in others if np.any(found[x]) and _lasts(model, params, x, rest)]
        if len(reached) > 1 or (current and reached not in ([], [current])):
            raise NotLinear("it has several currents")
        current = reached[0] if reached else current
        gain[port] = found[voltage] / amount
    keep_u = np.zeros(1)
    if current:
        amount, found = raised(current)
        keep_u = found[current] / amount
        if np.any(np.abs(found[voltage] - found[current]) > SLACK):
            raise NotLinear("its voltage does not see the new current as it is")
    for x in others:
        if x != current and _moves(model, params, x) and _lasts(model, params, x, rest):
            notes += (f"{x!r} is left out",)
    reset, subtracts = _reset(model, params, voltage, level)
    if np.any(keep_v < 0) or np.any(keep_v > 1) or np.any(keep_u < 0) or np.any(keep_u > 1):
        raise NotLinear("its state grows or changes its sign by itself")
    return Linear(
        keep_v,
        keep_u,
        gain,
        rest[voltage].astype(np.float64),
        level,
        reset,
        subtracts,
        bool(np.any(keep_u > 0)),
        notes,
    )


def _step(
    model: NeuronModel, params: Mapping[str, Any], state: Mapping[str, int]
) -> dict[str, NDArray[np.int64]]:
    """Return every variable after one step from a state (what is not given is 0), before a reset."""
    n = max((np.size(v) for v in params.values()), default=1)
    values: dict[str, Any] = dict(params)
    for name in (*model.state, *model.inputs):
        values[name] = np.full(n, state.get(name, 0), np.int64)
    after = dict(values)
    for name, tree in model.trees["update"].items():
        after[name] = np.broadcast_to(np.asarray(evaluate(tree, after)), (n,)).astype(np.int64)
    return {name: after[name] for name in model.state}


def _difference(
    a: Mapping[str, NDArray[np.int64]], b: Mapping[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    return {x: a[x] - b[x] for x in a}


def _below(
    model: NeuronModel,
    params: Mapping[str, Any],
    voltage: str,
    amount: int,
    rest: Mapping[str, NDArray[np.int64]],
    above: Mapping[str, NDArray[np.int64]],
) -> tuple[str, ...]:
    """Return a note where the voltage behaves otherwise below rest than above."""
    below = _difference(_step(model, params, {voltage: -amount}), rest)
    if np.all(np.abs(below[voltage] + above[voltage]) <= SLACK):
        return ()
    return ("below rest its voltage is cut or leaks otherwise in a linear neuron",)


def _lasts(
    model: NeuronModel, params: Mapping[str, Any], variable: str, rest: Mapping[str, Any]
) -> bool:
    """Whether the next step depends on a variable; what is computed anew in every step does not count."""
    raised = (_difference(_step(model, params, {variable: amount}), rest) for amount in PROBES)
    return any(np.any(change) for step in raised for change in step.values())


def _moves(model: NeuronModel, params: Mapping[str, Any], variable: str) -> bool:
    """Whether a variable ever leaves 0 in a run: by itself or by a reset."""
    if np.any(_step(model, params, {})[variable]):
        return True
    if variable not in model.trees["reset"]:
        return False
    values: dict[str, Any] = dict(params)
    for name in (*model.state, *model.inputs):
        values[name] = np.zeros(1, np.int64)
    return bool(np.any(evaluate(model.trees["reset"][variable], values)))


def _level(model: NeuronModel, params: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the level halfway between the last integer that does not fire and the first that does."""
    tree = model.trees["threshold"][""]
    if not isinstance(tree, ast.Compare) or not isinstance(tree.ops[0], ast.Gt | ast.GtE):
        raise NotLinear(f"it fires where {model.threshold}")
    try:
        value = np.asarray(evaluate(tree.comparators[0], params), np.float64)
    except KeyError:
        raise NotLinear("its threshold moves") from None
    return value + (0.5 if isinstance(tree.ops[0], ast.Gt) else -0.5)


def _reset(
    model: NeuronModel, params: Mapping[str, Any], voltage: str, level: NDArray[np.float64]
) -> tuple[NDArray[np.float64], bool]:
    """Return the value after a spike, and whether the threshold is subtracted instead."""
    if voltage not in model.trees["reset"]:
        raise NotLinear("it does not reset")
    at = []
    for above in (1, 1001):
        values: dict[str, Any] = dict(params)
        for name in (*model.state, *model.inputs):
            values[name] = np.zeros(np.size(level), np.int64)
        values[voltage] = np.ceil(level).astype(np.int64) + above
        after = np.asarray(evaluate(model.trees["reset"][voltage], values), np.float64)
        at.append((values[voltage], np.broadcast_to(after, np.shape(level))))
    (v0, r0), (_, r1) = at
    if np.all(r0 == r1):
        return r0, False
    if np.all(r1 - r0 == 1000) and np.all(np.abs((v0 - r0) - level) <= 1):
        return np.zeros_like(level), True
    raise NotLinear("it resets neither to a value nor by its threshold")
