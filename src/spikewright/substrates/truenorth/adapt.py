"""Linear neurons become neurons with a linear leak: what the chip can be, in real numbers that a gradient can train.

The chip's leak takes a constant off the potential's magnitude per tick; an exponential leak takes a fraction. The two
agree where the potential is at half the threshold, which is where

    leak = (level / 2) (1 - keep)

with `level` the threshold above rest and `keep` what a step of the linear neuron keeps. The leak register holds either
this or a constant drive: populations with a bias lose their leak. Potentials count from rest, and stop at -level where
there is a leak (a linear leak lets inhibition pile up; an exponential one bounds it).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.discretize import step_matrix
from spikewright.engines.program import initial_values
from spikewright.errors import Problems, SubstrateError
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.model import Reset
from spikewright.network.topology import Dense
from spikewright.substrates.base import Change
from spikewright.substrates.truenorth.model import TRAINED, LinearLeak, LinearLeakSubtract

RELATIVE = 1e-9
"""How far a reset value may lie from rest, relative to the threshold, to count as equal: float noise."""
FREE = 1e9
"""Without a leak nothing bounds a potential from below but the register: that many thresholds."""


@dataclass(frozen=True)
class Adapted:
    """A population in linear-leak form.

    Parameters
    ----------
    population : its neurons
    gain : port -> volts per unit of weight, 0-d or (n,)
    change : what was changed, or None where it was in that form already
    """

    population: Population
    gain: Mapping[str, NDArray[Any]]
    change: Change | None


def adapt(network: Network) -> tuple[Network, tuple[Change, ...]]:
    """Return the network with linear-leak neurons: same populations, projections and shapes.

    Raises
    ------
    SubstrateError : a model has no counterpart; all of them are listed
    """
    problems = Problems()
    found: dict[str, Adapted] = {}
    for name in network.populations:
        if name not in network.inputs:
            one = _adapted(network, name, problems)
            if one is not None:
                found[name] = one
    for name, drive in network.drives.items():
        problems.add(f"truenorth: drive {name!r}", f"nothing drives {drive.post!r} on the chip",
                     cure="send spikes from an input population")  # fmt: skip
    problems.raise_as(SubstrateError)
    projections: dict[str, Projection] = {}
    for name, p in network.projections.items():
        if p.post in found and found[p.post].change is not None:
            projections[name] = _in_volts(network, name, found[p.post], problems)
    problems.raise_as(SubstrateError)
    changes = tuple(a.change for a in found.values() if a.change is not None)
    if not changes:
        return network, ()
    return (
        network.replacing(
            populations={n: a.population for n, a in found.items()}, projections=projections
        ),
        changes,
    )


def _adapted(network: Network, name: str, problems: Problems) -> Adapted | None:
    """Return a population in linear-leak form, or note why it has none."""
    population = network.populations[name]
    model = population.model
    where = f"truenorth: population {name!r} ({model.name})"
    known = TRAINED.get(model.name)
    if known is not None and known == model:
        return Adapted(population, {}, None)
    before = len(problems.lines)
    cure = "use IF or LIF"
    if not model.is_affine:
        problems.add(where, "the chip's neuron adds, leaks and compares", cure=cure)
    elif not model.is_spiking or model.thresholded is None or model.output:
        problems.add(where, "the chip compares its potential with a level and sends 1", cure=cure)
    elif len(model.state) > 1:
        problems.add(where, "the chip has no synaptic current or second variable",
                     found=", ".join(model.state), expected="the potential alone", cure=cure)  # fmt: skip
    elif model.reset_kind not in (Reset.VALUE, Reset.SUBTRACT):
        problems.add(where, "the chip resets to rest or subtracts its threshold",
                     found=f"reset {dict(model.reset)}", cure=cure)  # fmt: skip
    if model.noise:
        problems.add(where, "declared noise has no counterpart", cure="use a model without noise")
    if len(problems.lines) > before or model.thresholded is None:
        return None
    v = model.thresholded
    params = {p: _flat(population.param(p)) for p in model.params}
    matrix = step_matrix(population, network.dt)
    zero = np.asarray(0.0)
    keep = np.asarray(matrix.get((v, v), zero))
    offset = np.asarray(matrix.get((v, "1"), zero))
    if np.any((keep >= 1.0) & (offset != 0)):
        problems.add(where, "a drive without leak has no resting voltage", cure="use a bias")
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(keep < 1.0, offset / (1.0 - keep), 0.0)
    threshold = model.trees["threshold"][""]
    if not (isinstance(threshold, ast.Compare) and isinstance(threshold.ops[0], ast.Gt)):
        problems.add(where, "the chip fires where its potential exceeds a level",
                     found=model.threshold, cure=cure)  # fmt: skip
        return None
    top = np.asarray(evaluate(threshold.comparators[0], params))
    level = top - rest
    if np.any(level <= 0):
        problems.add(where, "the threshold must lie above rest", found=f"{np.min(level):g} V",
                     cure="raise v_th, or lower v_rest")  # fmt: skip
    _check_reset(where, model.reset_kind, model, params, rest, level, top, problems)
    if model.refractory is not None and np.any(
        np.rint(params[model.refractory.period] / network.dt) > 0
    ):
        problems.add(where, "the chip has no refractory period",
                     found=f"{float(np.max(params[model.refractory.period])):g} s", expected="0 s",
                     cure="set t_ref = 0 before training")  # fmt: skip
    if len(problems.lines) > before:
        return None
    gain = {port: np.asarray(1.0) if port in model.jumps else np.asarray(matrix.get((v, port), zero))
            for port in model.inputs}  # fmt: skip
    has_bias = any(network.projections[p].bias is not None for p in network.incoming(name))
    fraction = np.broadcast_to(np.where(has_bias, 0.0, 1.0 - keep), np.shape(level))
    leak = 0.5 * level * fraction
    made = LinearLeakSubtract if model.reset_kind is Reset.SUBTRACT else LinearLeak
    values = {"leak": leak, "v_th": level, "v_min": np.where(fraction > 0, -level, -FREE * level)}
    if made is LinearLeakSubtract:
        values["v_step"] = level
    first = np.broadcast_to(initial_values(population)[v], population.n) - rest
    what = f"{model.name} becomes {made.name}"
    why = "the chip leaks a constant per tick"
    if has_bias and np.any(keep < 1.0):
        what, why = what + " without leak", "one register holds either a leak or a bias"
    return Adapted(
        Population(
            made,
            population.shape,
            {k: _shaped(x, population) for k, x in values.items()},
            {"v": first.reshape(population.shape)} if np.any(first) else {},
        ),
        gain,
        # at rest and at the threshold the leaks differ most: by half of what the threshold loses in a step
        Change("adapt", name, what, why, float(np.max(0.5 * (1.0 - keep)))),
    )


def _check_reset(
    where: str,
    kind: Reset,
    model: Any,
    params: Mapping[str, NDArray[Any]],
    rest: NDArray[Any],
    level: NDArray[Any],
    top: NDArray[Any],
    problems: Problems,
) -> None:
    tree = model.trees["reset"][model.thresholded]
    if kind is Reset.VALUE:
        off = np.abs(np.asarray(evaluate(tree, params)) - rest)
        what, cure = "the chip resets to rest", "set v_reset = v_rest before training"
    else:
        off = np.abs(np.asarray(evaluate(tree.right, params)) - level)
        what, cure = "the chip subtracts its threshold above rest", "set v_rest = 0"
    if np.any(off > RELATIVE * np.abs(level)):
        problems.add(
            where, what, found=f"{float(np.max(off)):g} V from it", expected="0 V", cure=cure
        )


def _in_volts(network: Network, name: str, adapted: Adapted, problems: Problems) -> Projection:
    """Return a projection with its weights in volts, at the one port of the new neuron."""
    p = network.projections[name]
    gain = np.asarray(adapted.gain[network.port_of(name)])
    if gain.ndim and np.all(gain == gain.flat[0]):
        gain = np.asarray(gain.flat[0])
    weight = p.topology.weight
    if gain.ndim == 0 and gain == 1.0:
        return replace(p, port="spikes")
    if weight is None or (gain.ndim and not isinstance(p.topology, Dense)):
        problems.add(f"truenorth: projection {name!r}", "its weights cannot be scaled to volts",
                     cure="let it reach the port whose spikes jump into the voltage")  # fmt: skip
        return p
    bias = None if p.bias is None else (np.ravel(p.bias) * gain).reshape(np.shape(p.bias))
    scaled = weight * (gain if gain.ndim == 0 else gain[:, None])
    return replace(p, topology=p.topology.with_weight(scaled), bias=bias, port="spikes")


def _flat(value: NDArray[Any]) -> NDArray[Any]:
    return value.reshape(-1) if value.ndim else value


def _shaped(value: Any, population: Population) -> NDArray[Any]:
    array = np.asarray(value, np.float64)
    return array.reshape(population.shape) if array.ndim else array
