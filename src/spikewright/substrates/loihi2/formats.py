"""Number formats of a population on Loihi 2: how large its variables can get, and which integers stand for them.

Ports that jump into one variable share a scale, chosen so that the projection with the smallest weights fills its 8
bits; the variable's own scale is that times the power of two with which its largest value fills 24 bits. Other
variables have powers of two.

How large a variable gets follows from the worst case where its equations decay by themselves: with P the propagator,
J and U the largest arrivals at jumping and held ports, R what resets add,

    B = (1 - |P|)^-1 (|P| (J + R) + |P_U| U + |P_1|),   plus values that it starts at or is reset to.

No register overflows then. Where that does not hold (nonlinear equations, integrators, oscillators) a variable may have
`MARGIN` times the largest of what it starts at, is compared with, is reset to or gets in a step; it clips at 24
bits, and a counter says how often. `ranges` replaces both.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.discretize import method_of, propagator
from spikewright.engines.program import initial_values
from spikewright.errors import Problems
from spikewright.network.calculus import subtract
from spikewright.network.expression import evaluate, names_in
from spikewright.network.graph import Method, Network, Population
from spikewright.network.model import NeuronModel
from spikewright.network.topology import Synapses
from spikewright.substrates.loihi2.fixed_point import STATE_MAX

Ranges = Mapping[str, Mapping[str, float]]
"""Population -> variable (of an Input: its port) -> largest magnitude."""
MARGIN = 16.0
SLACK = 1.1
"""Over the worst case, for constants that are rounded up."""
EXPONENT_MIN, EXPONENT_MAX = -8, 7


@dataclass(frozen=True)
class Formats:
    """Scales of one population: integer per unit.

    Parameters
    ----------
    port, state : name -> scale
    port_most, state_most : name -> largest magnitude, in its unit
    proven : whether no variable can exceed `state_most`
    exponent : projection -> left shift of what it adds in a step (right, flooring, where negative: graded values)
    weight : projection -> stored integers, in the shape of its weights in `synapses`
    """

    port: Mapping[str, float]
    state: Mapping[str, float]
    port_most: Mapping[str, float]
    state_most: Mapping[str, float]
    proven: bool
    exponent: Mapping[str, int]
    weight: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Arriving:
    """One projection as its target sees it.

    Parameters
    ----------
    port : where it arrives
    weight : in the port's unit, in the shape that is stored
    synapses : written out
    payload : largest value that one event carries, in the source's unit
    unit : integer per unit of what is sent; 1 for spikes
    signed : whether an event's value may be negative
    bias : added in every step, (n,)
    """

    port: str
    weight: NDArray[np.float64]
    synapses: Synapses
    payload: float
    unit: float
    signed: bool
    bias: NDArray[np.float64]


def formats_of(
    network: Network,
    name: str,
    arriving: Mapping[str, Arriving],
    ranges: Mapping[str, float],
    bits: int,
    problems: Problems,
) -> Formats | None:
    """Return the formats of a population, or note why there are none."""
    population = network.populations[name]
    model = population.model
    where = f"loihi2: population {name!r} ({model.name})"
    before = len(problems.lines)
    port_each = _worst(arriving, population.n)
    most, proven = _bounds(population, network.dt, port_each)
    for variable, bound in ranges.items():
        if variable not in model.state or not 0 < bound < math.inf:
            problems.add(
                where,
                f"no range of {variable!r}",
                found=bound,
                expected="a positive number for one of " + ", ".join(model.state),
            )
        elif bound < most.get(variable, 0.0):
            proven = False
    most |= {v: float(b) for v, b in ranges.items()}
    for variable in model.state:
        if not most.get(variable):
            problems.add(
                where,
                f"how large {variable!r} gets does not follow from its start, threshold or reset",
                cure=f"say Loihi2(ranges={{{name!r}: {{{variable!r}: ...}}}})",
            )
    if len(problems.lines) > before:
        return None
    port_most = {p: float(np.max(x, initial=0.0)) for p, x in port_each.items()}
    port: dict[str, float] = {}
    exponent: dict[str, int] = {}
    weight: dict[str, NDArray[np.int64]] = {}
    groups: dict[str, list[str]] = {}
    for p in port_most:
        groups.setdefault(model.jumps.get(p, f"port {p}"), []).append(p)
    for ports in groups.values():
        inside = {n: a for n, a in arriving.items() if a.port in ports}
        scale = _port_scale(inside, bits, max(port_most[p] for p in ports))
        port |= dict.fromkeys(ports, scale)
        for n, a in inside.items():
            exponent[n], weight[n] = stored(a, scale, bits)
    state = {}
    for variable in model.state:
        fits = STATE_MAX / most[variable]
        # a port's scale where one jumps into it, or has its unit: sums then need no factors
        like = [p for p, v in model.jumps.items() if v == variable]
        like += [p for p, unit in model.inputs.items() if unit == model.state[variable]]
        base = next((port[p] for p in like if p in port), 1.0)
        state[variable] = base * 2.0 ** math.floor(math.log2(fits / base))
    return Formats(port, state, port_most, most, proven, exponent, weight)


def top_of(weight: NDArray[Any], bits: int) -> int:
    """Return the largest magnitude: the sign takes a bit where both occur."""
    mixed = bool(weight.size and weight.min() < 0 < weight.max())
    return (1 << (bits - mixed)) - 1


def stored(a: Arriving, scale: float, bits: int) -> tuple[int, NDArray[np.int64]]:
    """Return the exponent and the integers of a projection's weights."""
    wanted = a.weight * (scale / a.unit)
    largest, top = float(np.abs(wanted).max(initial=0.0)), top_of(wanted, bits)
    exponent = 0
    if largest > 0:
        least = math.ceil(math.log2(largest / top) - 1e-12)
        exponent = min(max(EXPONENT_MIN, least), EXPONENT_MAX)
    return exponent, np.clip(np.rint(wanted / 2.0**exponent), -top, top).astype(np.int64)


def _port_scale(arriving: Mapping[str, Arriving], bits: int, most: float) -> float:
    """Return the finest scale at which weights fit their bits and exponent, and sums fit 24 bits."""
    scale = STATE_MAX / (most * SLACK) if most > 0 else 1.0
    fills = [
        top_of(a.weight, bits) * a.unit / float(np.abs(a.weight).max())
        for a in arriving.values()
        if np.any(a.weight)
    ]
    if fills:
        scale = min(scale, max(fills), min(fills) * 2.0**EXPONENT_MAX)
    return scale


def _worst(arriving: Mapping[str, Arriving], n: int) -> dict[str, NDArray[np.float64]]:
    """Return port -> the largest magnitude that can arrive in one step, (n,)."""
    up: dict[str, NDArray[np.float64]] = {}
    down: dict[str, NDArray[np.float64]] = {}
    for a in arriving.values():
        value, target = a.synapses.weight * a.payload, a.synapses.target
        for side, sign in ((up, 1.0), (down, -1.0)):
            part = np.abs(value) if a.signed else np.maximum(sign * value, 0.0)
            total = side.setdefault(a.port, np.zeros(n))
            side[a.port] = total + np.bincount(target, part, minlength=n)
            side[a.port] = side[a.port] + np.maximum(sign * a.bias, 0.0)
    return {p: np.maximum(up[p], down[p]) for p in up}


def _bounds(
    population: Population, dt: float, arrives: Mapping[str, NDArray[np.float64]]
) -> tuple[dict[str, float], bool]:
    """Return the largest magnitude of every variable, and whether it is certain."""
    model = population.model
    constants: dict[str, Any] = {"dt": dt}
    for p in model.params:
        value = population.param(p)
        constants[p] = value.reshape(-1) if value.ndim else value
    first = {v: np.abs(x) for v, x in initial_values(population).items()}
    added, set_to, plain = _resets(population, constants)
    if plain and model.is_affine and method_of(population) is Method.EXACT:
        found = _decaying(population, dt, constants, arrives, added)
        if found is not None:
            most = {
                v: float(np.max(found[v] + first[v] + set_to.get(v, 0.0))) * SLACK
                for v in model.state
            }
            like = {v: _like(model, most, v) for v in most}
            # what stays 0 comes out as float noise
            return {v: b if b > 1e-12 * like[v] else like[v] for v, b in most.items()}, True
    nothing = constants | dict.fromkeys([*model.state, *model.inputs], 0.0)
    level: dict[str, float] = {}
    threshold = model.trees["threshold"].get("")
    if isinstance(threshold, ast.Compare):
        size = max(
            float(np.max(np.abs(evaluate(side, nothing))))
            for side in (threshold.left, threshold.comparators[0])
        )
        level = dict.fromkeys(names_in(threshold) & set(model.state), size)
    most = {}
    for v in model.state:
        jump = [float(x.max()) for p, x in arrives.items() if model.jumps.get(p) == v]
        rate = model.trees["dynamics"].get(v, ast.Constant(0))
        for port in arrives:
            if port not in model.jumps:  # held: what it adds in a step
                more = evaluate(rate, nothing | {port: arrives[port]}) - evaluate(rate, nothing)
                jump.append(float(np.max(np.abs(more))) * dt)
        reset = [added.get(v, 0.0), set_to.get(v, 0.0)]
        sizes = [float(np.max(first[v])), level.get(v, 0.0), *map(np.max, reset), sum(jump)]
        most[v] = MARGIN * float(max(sizes))
    if model.update:
        # variables are copied to one another: those of one unit share the largest, arrivals included
        for v, unit in model.state.items():
            same = [b for w, b in most.items() if model.state[w] == unit]
            same += [MARGIN * float(x.max()) for p, x in arrives.items() if model.inputs[p] == unit]
            most[v] = max(same)
    else:
        for v in (v for v, bound in most.items() if not bound):
            others = (set(model.state) | set(model.inputs)) - {v}
            if not names_in(model.trees["dynamics"].get(v, ast.Constant(0))) & others:
                most[v] = _like(model, most, v)
    return most, False


def _like(model: NeuronModel, most: Mapping[str, float], variable: str) -> float:
    """Return a range for a variable that stays 0, since nothing ever reaches it: that of others of its unit will do."""
    same = [b for v, b in most.items() if model.state[v] == model.state[variable]]
    return max(same, default=0.0) or 1.0


def _resets(
    population: Population, constants: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """Return what resets add to a variable, what they set it to, and whether each does one or the other."""
    model = population.model
    state = set(model.state)
    added, set_to, plain = {}, {}, True
    nothing = dict(constants) | dict.fromkeys([*model.state, *model.inputs], 0.0)
    for variable, tree in model.trees["reset"].items():
        if not names_in(tree) & state:
            set_to[variable] = np.abs(evaluate(tree, nothing))
            continue
        one = evaluate(tree, nothing | {variable: 1.0})
        zero = evaluate(tree, nothing)
        alone = names_in(tree) & state == {variable}
        plain = plain and alone and bool(np.allclose(one - zero, 1.0))
        added[variable] = np.abs(evaluate(subtract(tree, ast.Name(variable)), nothing))
    return added, set_to, plain


def _decaying(
    population: Population,
    dt: float,
    constants: Mapping[str, Any],
    arrives: Mapping[str, NDArray[np.float64]],
    added: Mapping[str, Any],
) -> dict[str, NDArray[np.float64]] | None:
    """Return the worst case of equations that decay by themselves, or None where they do not."""
    model = population.model
    names = list(model.state)
    matrix = propagator(model, {k: v for k, v in constants.items() if k != "dt"}, dt)
    n = population.n
    p = np.zeros((n, len(names), len(names)))
    drive = np.zeros((n, len(names)))
    for (row, source), value in matrix.items():
        if row not in names:
            continue
        r = names.index(row)
        if source in names:
            p[:, r, names.index(source)] = np.abs(value)
        elif source == "1":
            drive[:, r] += np.abs(value)
        elif source in arrives and source not in model.jumps:
            drive[:, r] += np.abs(value) * arrives[source]
    if names and float(np.abs(np.linalg.eigvals(p)).max()) >= 1.0 - 1e-9:
        return None
    jump = np.zeros((n, len(names)))
    for port, variable in model.jumps.items():
        if port in arrives:
            jump[:, names.index(variable)] += arrives[port]
    for variable, value in added.items():
        jump[:, names.index(variable)] += value
    right = np.einsum("nij,nj->ni", p, jump) + drive
    # what is delivered counts before it decays
    bound = np.linalg.solve(np.eye(len(names)) - p, right[..., None])[..., 0]
    return {v: bound[:, i] for i, v in enumerate(names)}
