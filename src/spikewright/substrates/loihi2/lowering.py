"""A population of any model as a population of integer neurons: its step, said in fixed point.

The step is the one that engines execute (`engines.discretize`): the propagator of linear equations, the update text of
clocked models, Euler's step of the others. A refractory period becomes a counter.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.discretize import discretize, method_of
from spikewright.engines.program import initial_values
from spikewright.errors import SpikewrightError
from spikewright.network.expression import names_in
from spikewright.network.graph import Method, Population
from spikewright.network.model import NeuronModel
from spikewright.substrates.base import Change
from spikewright.substrates.loihi2.fixed_point import STATE_MAX, Program, Refused, Value
from spikewright.substrates.loihi2.formats import Formats

WORD_BYTES = 4
"""A state variable of 24 bits takes a word of memory."""


@dataclass(frozen=True)
class Lowered:
    """A population in integers.

    Parameters
    ----------
    population : with the integer model
    unit : integer per unit of what it sends; 1 for spikes
    payload : largest magnitude that it sends, in its unit
    state_bytes : memory of one neuron
    changes : what was changed
    """

    population: Population
    unit: float
    payload: float
    state_bytes: int
    changes: tuple[Change, ...]


def lower(name: str, source: Population, dt: float, formats: Formats) -> Lowered:
    """Return a population in integers.

    Raises
    ------
    Refused : its equations have no integer form; the message says which part
    """
    model = source.model
    changes: list[Change] = []
    if method_of(source) is Method.EXPONENTIAL_EULER and model.dynamics:
        source = replace(source, method=Method.EULER)
        if not model.is_affine:
            why = "the factors of exponential Euler need exp"
            changes.append(Change("replace", name, "integrated with Euler's steps", why))
    step = discretize(source, dt, where=f"loihi2: population {name!r}")
    zero = np.asarray(0.0)
    known = {
        v: Value(v, s, min(formats.state_most[v] * s, STATE_MAX)) for v, s in formats.state.items()
    }
    target = dict(known)
    constants = dict(step.constants)
    for port in model.inputs:
        scale = formats.port.get(port)
        if scale is None:
            constants[port] = zero  # nothing arrives there
        else:
            known[port] = Value(port, scale, formats.port_most[port] * scale)
    waits = step.refractory is not None and bool(np.any(step.refractory > 0))
    wait = "wait"
    while wait in known:
        wait += "_"
    if waits and step.refractory is not None:
        known["_ref"] = Value(wait, 1.0, float(step.refractory.max()))
    else:
        constants["_ref"] = zero
    program = Program(known, constants)
    last = {variable: i for i, (variable, _) in enumerate(step.assign)}
    for i, (variable, tree) in enumerate(step.assign):
        label = variable.removeprefix("_new_")
        value = _part(program, f"next {label} = {ast.unparse(tree)}", tree)
        if variable in target and last[variable] == i:
            program.assign(variable, value, target[variable], proven=formats.proven)
        else:
            program.hold(variable, value)
    if waits:
        program.update[wait] = f"maximum({wait} - 1, -1)"
        program.hold("_ref", Value(f"({wait} + 1)", 1.0, STATE_MAX))
    for variable in model.state:
        program.hold(variable, target[variable])
    threshold = "" if step.fire is None else _truth(program, step.fire)
    reset = {}
    for variable, tree in step.reset:
        value = _part(program, f"reset of {variable}", tree)
        made = program.scaled(value, target[variable].scale)
        reset[variable] = made.text if formats.proven else _clipped(made.text)
    unit, payload, output = 1.0, 1.0, ""
    if step.output is not None:
        sent = _part(program, f"output {ast.unparse(step.output)}", step.output)
        if sent.number is not None:
            whole = np.all(sent.number == np.rint(sent.number))
            sent = program.scaled(sent, 1.0) if whole else program.scaled(sent, 2.0**16)
        while sent.most > STATE_MAX * (1 + 1e-9):
            sent = program.truncated(sent, 1, sent.scale / 2)
        unit, payload, output = sent.scale, sent.most / sent.scale, sent.text
    program.without_unused(threshold, output, *reset.values())
    state = {v: "1" for v in model.state} | dict.fromkeys(program.registers, "1")
    params: dict[str, NDArray[Any]] = dict(program.params)
    if waits and step.refractory is not None:
        state[wait] = "1"
        params["t_ref"] = step.refractory
        reset[wait] = "t_ref"
    if not formats.proven and model.state:
        counter = "clipped"
        while counter in state:
            counter += "_"
        state[counter] = "1"
        at_end = " or ".join(f"abs({v}) >= {STATE_MAX}" for v in model.state if v in program.update)
        program.update[counter] = f"{counter} + (1 if {at_end} else 0)" if at_end else counter
    try:
        integer = NeuronModel(
            name=f"{model.name} (24 bit)",
            state=state,
            params={k: (0, "1") for k in params},
            inputs=dict.fromkeys(model.inputs, "1"),
            update=program.update,
            threshold=threshold,
            reset=reset,
            output=output,
            integer=True,
            source=f"{model.source}; in fixed point",
        )
    except SpikewrightError as error:
        raise Refused(f"its program is too long: {error}") from None
    shaped = {k: v.reshape(source.shape) if np.ndim(v) else v for k, v in params.items()}
    first = {
        v: np.clip(np.rint(x * formats.state[v]), -STATE_MAX, STATE_MAX)
        .astype(np.int64)
        .reshape(source.shape)
        for v, x in initial_values(source).items()
        if np.any(x)
    }
    words = len(model.state) + waits
    made_of = ", ".join(f"{v} 1/{s:.6g}" for v, s in formats.state.items())
    what = f"{model.name} becomes {integer.name}" + (f"; steps of {made_of}" if made_of else "")
    changes.insert(0, Change("replace", name, what, "a neuron program in fixed point"))
    if not formats.proven and model.state:
        why = "no worst case bounds its equations; what reaches 24 bits is clipped and counted"
        most = ", ".join(f"|{v}| {b:.3g}" for v, b in formats.state_most.items())
        changes.append(Change("ranges", name, f"variables may have {most}", why))
    population = Population(integer, source.shape, shaped, first)
    return Lowered(population, unit, payload, words * WORD_BYTES, tuple(changes))


def _part(program: Program, what: str, tree: ast.expr) -> Value:
    try:
        return program.compile(tree)
    except Refused as error:
        raise Refused(f"{what if len(what) < 100 else what[:97] + '...'}: {error}") from None


def _truth(program: Program, tree: ast.expr) -> str:
    try:
        return program.truth(tree)
    except Refused as error:
        raise Refused(f"threshold {ast.unparse(tree)}: {error}") from None


def _clipped(text: str) -> str:
    return f"clip({text}, {-STATE_MAX}, {STATE_MAX})"


def needs_graded(model: NeuronModel) -> bool:
    """Whether what a model sends carries a value."""
    return bool(model.output) and bool(names_in(model.trees["output"][""]))
