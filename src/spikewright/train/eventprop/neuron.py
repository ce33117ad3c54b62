"""The linear neuron that a model's text describes, read from that text: two equations, a threshold, a reset.

    i' = -b i                       arriving spikes add their weight to i
    v' = c i - a (v - v_inf)        v meets `level`: a spike, v becomes `reset`

Any model of this form is taken, under whatever names; `CubaLIF` and `CubaLI` (without a threshold) are those of the
library. Kernels see u = v - v_inf and y = c i.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.program import initial_values
from spikewright.errors import Problems, TrainError, explain
from spikewright.network.calculus import derivative
from spikewright.network.expression import evaluate, names_in
from spikewright.network.graph import Population
from spikewright.train.eventprop.crossing import peak_time, response

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Neuron:
    """The numbers of a population, each (n,).

    Parameters
    ----------
    port : the port whose spikes add to the current
    a, b : 1 / s, 1 / tau_m and 1 / tau_s
    gain : c; V/s of the membrane per unit of the port
    rest : v_inf
    level, reset, u_start : above v_inf; `level` is infinite without a threshold
    y_start : V/s
    hold : s, refractory period
    """

    port: str
    a: Reals
    b: Reals
    gain: Reals
    rest: Reals
    level: Reals
    reset: Reals
    u_start: Reals
    y_start: Reals
    hold: Reals

    @property
    def fires(self) -> bool:
        """Whether it has a threshold."""
        return bool(np.isfinite(self.level).all())

    @cached_property
    def peak(self) -> Reals:
        """Greatest value of K, s: of the membrane after a unit step of y."""
        pairs = [(float(a), float(b)) for a, b in zip(self.a, self.b, strict=True)]
        known = {}
        for a, b in set(pairs):
            late = peak_time(0.0, 1.0, a, b)
            known[a, b] = 1.0 / b if late < 0.0 else response(a, b, late)
        return np.array([known[pair] for pair in pairs])

    @property
    def unit(self) -> float:
        """Weight of a single spike that takes a resting neuron to its threshold (1 V without one), rounded to a power
        of 2 so that nothing is lost in units of it."""
        distance = np.abs(self.level) if self.fires else np.ones_like(self.a)
        weight = np.mean(distance / (np.abs(self.gain) * self.peak))
        return float(2.0 ** np.rint(np.log2(weight)))


def read(population: Population, where: str) -> Neuron:
    """Return the numbers of a population.

    Raises
    ------
    TrainError : its model is not of this form, or its numbers are not possible
    """
    model = population.model
    if not model.is_affine or model.noise or len(model.state) != 2 or len(model.jumps) != 1:
        raise _unfit(
            where,
            f"{model.name} is not a linear neuron with one synaptic current",
            found=f"state {', '.join(model.state) or 'none'}, "
            + ("linear" if model.is_affine else "not linear")
            + (", noise" if model.noise else ""),
        )
    ((port, current),) = model.jumps.items()
    (membrane,) = set(model.state) - {current}
    watched = model.thresholded if model.threshold else _plain(model.trees["output"].get(""))
    if watched != membrane:
        raise _unfit(
            where,
            f"{model.name}: arriving spikes add to {current!r}, which is compared with the threshold itself, so "
            "that times of spikes do not change smoothly with weights"
            if watched == current
            else f"{model.name} has neither a threshold of {membrane!r} nor sends {membrane!r}",
        )
    if model.threshold and model.is_graded:
        raise _unfit(where, f"{model.name} sends other numbers than 1", found=model.output)
    values = {n: population.param(n).reshape(-1) for n in model.params}
    zero = values | dict.fromkeys((*model.state, *model.inputs), 0.0)
    rates = model.trees["dynamics"]

    def at(tree: ast.expr | None, **changed: Any) -> Reals:
        found = 0.0 if tree is None else evaluate(tree, zero | changed)
        return np.broadcast_to(np.asarray(found, np.float64), (population.n,)).copy()

    def slope(of: str, to: str) -> Reals:
        return at(derivative(rates[of], to)) if of in rates else at(None)

    a, b = -slope(membrane, membrane), -slope(current, current)
    gain, drift = slope(membrane, current), at(rates.get(membrane))
    problems = Problems()
    if np.any(slope(current, membrane) != 0) or np.any(at(rates.get(current)) != 0):
        problems.add(where, f"{model.name}: {current!r} does not decay to 0 by itself")
    if np.any(a < 0) or np.any(b <= 0) or np.any(gain == 0):
        problems.add(
            where,
            f"{model.name}: time constants must be more than 0, and {current!r} must reach {membrane!r}",
            found=f"1/tau {a.min():g} and {b.min():g} 1/s",
        )
    if np.any((a == 0) & ((drift != 0) | (not model.threshold))):
        problems.add(
            where, f"{model.name}: a membrane without leak must have no drift, and a threshold"
        )
    problems.raise_as(TrainError)
    rest = np.divide(drift, a, out=np.zeros_like(a), where=a != 0)
    start = {v: np.broadcast_to(x, (population.n,)) for v, x in initial_values(population).items()}
    level, reset, hold = np.full(population.n, np.inf), np.zeros(population.n), at(None)
    if model.threshold:
        level, reset = _fire(population, where, membrane, at)
        if model.refractory is not None:
            if tuple(model.refractory.hold) != (membrane,):
                raise _unfit(
                    where, f"{model.name}: a refractory period must hold {membrane!r} alone"
                )
            hold = at(None) + values[model.refractory.period]
        for what, found in (("reset", reset), (f"initial {membrane}", start[membrane])):
            if np.any(found >= level):
                problems.add(
                    where,
                    f"the {what} is not below the threshold",
                    found=f"{found.max():g}",
                    expected=f"less than {level.min():g}",
                )
    problems.raise_as(TrainError)
    return Neuron(
        port, a, b, gain, rest, level - rest, reset - rest, start[membrane] - rest, gain * start[current], hold
    )  # fmt: skip


def _fire(population: Population, where: str, membrane: str, at: Any) -> tuple[Reals, Reals]:
    """Return the threshold and what the membrane is after a spike."""
    model = population.model
    tree = model.trees["threshold"][""]
    if (
        not isinstance(tree, ast.Compare)
        or not isinstance(tree.ops[0], ast.Gt | ast.GtE)
        or len(tree.ops) != 1
        or names_in(tree.comparators[0]) & set(model.state)
    ):
        raise _unfit(
            where,
            f"{model.name}: a spike is not where {membrane!r} gets above a level",
            found=model.threshold,
        )
    changed = model.trees["reset"]
    if set(changed) != {membrane} or names_in(changed[membrane]) & (set(model.state) - {membrane}):
        raise _unfit(
            where, f"{model.name}: a spike must reset {membrane!r} alone", found=dict(model.reset)
        )
    level = at(tree.comparators[0])
    # at a spike the membrane is the threshold, so that subtracting from it gives a number too
    return level, at(changed[membrane], **{membrane: level})


def _plain(tree: ast.expr | None) -> str:
    return tree.id if isinstance(tree, ast.Name) else ""


def _unfit(where: str, what: str, found: object = None) -> TrainError:
    return TrainError(
        explain(
            where,
            what,
            found=found,
            cure="use CubaLIF (or CubaLI for a readout), or train with surrogate gradients: spikewright.train.fit",
        )
    )
