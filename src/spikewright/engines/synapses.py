"""A projection's rule, ready to run: who stands where, which expressions run when, and how values decay.

Shared by all engines, so that they agree bit for bit. What the expressions mean, and in which order they run, stands in
docs/concepts/synapses.md; `engines/reference_synapses.py` does it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.decay import Decay, decay_of
from spikewright.engines.recording import Spikes, SynapseState
from spikewright.network.expression import names_in, substitute
from spikewright.network.synapse import Rule, SynapseModel
from spikewright.network.topology import Synapses

Assignments = tuple[tuple[str, ast.expr], ...]
"""(variable, expression), executed one after the other; each sees the values before it."""


@dataclass(frozen=True)
class Rows:
    """The synapses of a projection by row: a source together with one of its delays.

    Rows stand by source, those of one source by delay, ascending. A source has a row for every delay that one of its
    synapses has, so none where it has no synapses.

    Parameters
    ----------
    of_source : int64 (n_pre + 1,); the rows of source j are `of_source[j]:of_source[j + 1]`
    lag : int64 (n_rows,), steps from emission to arrival
    start : int64 (n_rows + 1,); the synapses of row r are `synapse[start[r]:start[r + 1]]`
    synapse : int64 (n,), numbers of synapses, in the topology's order within a row
    of_synapse : int64 (n,), the row of each synapse
    """

    of_source: NDArray[np.int64]
    lag: NDArray[np.int64]
    start: NDArray[np.int64]
    synapse: NDArray[np.int64]
    of_synapse: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.lag)


@dataclass(frozen=True)
class Incoming:
    """The synapses of a projection by target: those of i are `synapse[start[i]:start[i + 1]]`, sources ascending."""

    start: NDArray[np.int64]
    synapse: NDArray[np.int64]


@dataclass(frozen=True)
class RuleProgram:
    """A rule, ready to run. Expressions may use `constants`, and the variables that docs/concepts/synapses.md names.

    Parameters
    ----------
    model, rule : what was lowered
    rows, incoming : the synapses in the two orders in which events visit them
    constants : value of every parameter, `dt`, and what `follow` needs
    initial : starting value of every variable but `w`
    decays : variable -> how it moves between events; variables that are not there stay as they are
    pre_synaptic, pre_row : at a pre event: assignments to w and state variables per synapse, then to pre variables once
    send : what a pre event delivers, or None
    post_synaptic, post_neuron : at a post event: assignments per synapse, then to post variables once per neuron
    post_event : when there is one, a truth expression; None: where the target sends something
    follow : post variables that follow the neuron: their next value, at every step
    on_signal, on_every : assignments per synapse
    every : steps between two runs of `on_every`; 0: never
    current : what flows at every step, or None
    """

    model: SynapseModel
    rule: Rule
    rows: Rows
    incoming: Incoming
    constants: Mapping[str, float]
    initial: Mapping[str, float]
    decays: Mapping[str, Decay]
    pre_synaptic: Assignments
    pre_row: Assignments
    send: ast.expr | None
    send_first: bool
    post_synaptic: Assignments
    post_neuron: Assignments
    post_event: ast.expr | None
    follow: Assignments
    on_signal: Assignments
    on_every: Assignments
    every: int
    current: ast.expr | None

    @cached_property
    def moving(self) -> tuple[str, ...]:
        """Synaptic variables with dynamics."""
        return tuple(v for v in self.model.synaptic if v in self.decays)

    def touches(self, assignments: Assignments, send: ast.expr | None = None) -> bool:
        """Whether these use or assign a synaptic variable with dynamics.

        If so, all of those are brought to the event's step and stored, and the synapse's `touched` is set to it.
        """
        used = {v for v, _ in assignments}.union(*(names_in(tree) for _, tree in assignments))
        if send is not None:
            used |= names_in(send)
        return not used.isdisjoint(self.moving)


def lower_rule(rule: Rule, synapses: Synapses, lag: NDArray[np.int64], dt: float) -> RuleProgram:
    """Return the program of a rule.

    Parameters
    ----------
    rule : what the projection carries
    synapses : the synapses
    lag : steps from emission to arrival, one number or one per synapse
    dt : s
    """
    model = rule.model
    trees = model.trees
    constants = rule.constants | {"dt": dt}
    decays = {}
    follow = []
    for variable, tree in trees["dynamics"].items():
        if variable not in model.followers:
            decays[variable] = decay_of(rule, variable, dt)
            continue
        rate = rule.rate(variable)
        tau, gain = f"_tau_{variable}", f"_gain_{variable}"
        constants |= {tau: 1.0 / rate, gain: -math.expm1(-dt * rate)}
        follow.append((variable, _following(tree, variable, tau, gain)))

    def chosen(part: str, variables: Mapping[str, Any] | tuple[str, ...]) -> Assignments:
        return tuple((v, tree) for v, tree in trees[part].items() if v in variables)

    return RuleProgram(
        model,
        rule,
        _rows(synapses, lag),
        _incoming(synapses),
        constants,
        {v: rule.starting(v) for v in (*model.pre, *model.post, *model.state)},
        decays,
        chosen("on_pre", model.synaptic),
        chosen("on_pre", model.pre),
        trees["send"].get(""),
        model.send_first,
        chosen("on_post", model.synaptic),
        chosen("on_post", model.post),
        trees["post_event"].get(""),
        tuple(follow),
        chosen("on_signal", model.synaptic),
        chosen("on_every", model.synaptic),
        round(rule.param(model.every) / dt) if model.every else 0,
        trees["current"].get(""),
    )


def _following(tree: ast.expr, variable: str, tau: str, gain: str) -> ast.expr:
    """Return x + (target * tau - x) * gain, where target is the right-hand side at x = 0."""

    def name(text: str) -> ast.expr:
        return ast.Name(text, ast.Load())

    at_zero = substitute(tree, {variable: ast.Constant(0.0)})
    goal = ast.BinOp(at_zero, ast.Mult(), name(tau))
    way = ast.BinOp(ast.BinOp(goal, ast.Sub(), name(variable)), ast.Mult(), name(gain))
    return ast.fix_missing_locations(ast.BinOp(name(variable), ast.Add(), way))


def _rows(synapses: Synapses, lag: NDArray[np.int64]) -> Rows:
    source = synapses.source
    late = np.broadcast_to(lag, source.shape)
    order = np.lexsort((late, source))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(source[order]) != 0) | (np.diff(late[order]) != 0)
    start = np.flatnonzero(first)
    of_synapse = np.empty(len(order), np.int64)
    of_synapse[order] = np.cumsum(first) - 1
    of_source = np.zeros(synapses.n_pre + 1, np.int64)
    np.cumsum(np.bincount(source[order][start], minlength=synapses.n_pre), out=of_source[1:])
    return Rows(
        of_source,
        np.ascontiguousarray(late[order][start], np.int64),
        np.append(start, len(order)).astype(np.int64),
        order.astype(np.int64),
        of_synapse,
    )


def _incoming(synapses: Synapses) -> Incoming:
    order = np.argsort(synapses.target, kind="stable").astype(np.int64)
    start = np.zeros(synapses.n_post + 1, np.int64)
    np.cumsum(np.bincount(synapses.target, minlength=synapses.n_post), out=start[1:])
    return Incoming(start, order)


def start_synapses(
    rule: RuleProgram, synapses: Synapses, *, batch: int, graded: bool
) -> SynapseState:
    """Return what the synapses of a projection hold before the first step; `graded` says whether spikes have values."""

    def full(names: Mapping[str, str], n: int) -> dict[str, NDArray[np.float64]]:
        return {v: np.full((batch, n), rule.initial[v]) for v in names}

    model, rows = rule.model, rule.rows.n
    empty = np.zeros(0, np.int64)
    return SynapseState(
        {"w": np.tile(synapses.weight, (batch, 1))} | full(model.state, synapses.n),
        np.zeros((batch, synapses.n if rule.moving else 0), np.int64),
        full(model.pre, rows),
        np.zeros((batch, rows), np.int64),
        full(model.post, synapses.n_post),
        np.zeros((batch, synapses.n_post), np.int64),
        Spikes(empty, empty, empty, np.zeros(0) if graded else None),
    )
