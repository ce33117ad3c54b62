"""What must hold between a rule and the projection that carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spikewright.errors import NetworkError, Problems
from spikewright.network.connectivity.recipe import Recipe
from spikewright.network.synapse import Rule, SynapseModel
from spikewright.network.topology import Dense, OneToOne, Sparse, Topology
from spikewright.units import dimension_of, pretty

if TYPE_CHECKING:
    from spikewright.network.graph import Network, Population, Projection

GRID_TOLERANCE = 1e-6
"""How far from a whole number of steps a period may lie, in steps."""


def check_rule(network: Network, name: str, projection: Projection, problems: Problems) -> None:
    """Note what a projection's rule asks for and does not get; both its populations exist."""
    where = f"network.projections[{name!r}].rule"
    rule = projection.rule
    if not isinstance(rule, Rule):
        problems.add(where, "not a Rule", found=type(rule).__name__, expected="Rule(model, params)")
        return
    model = rule.model
    where += f" ({model.name})"
    pre, post = network.populations[projection.pre], network.populations[projection.post]
    if post.model.integer:
        problems.add(where, f"{projection.post!r} is an integer model", expected="real numbers")
    if not _own_weights(projection.topology, pre):
        problems.add(
            where,
            f"needs one weight per synapse, {projection.topology.kind} shares or lacks them",
            cure="use Dense, Sparse, OneToOne with one weight each, or a recipe",
        )
    for names, population, end in (
        (model.reads_pre, pre, "pre"),
        (model.reads_post, post, "post"),
    ):
        for variable in names:
            _check_read(where, model, variable, population, end, problems)
    if not (post.model.is_spiking or post.model.is_transparent or model.post_event) and (
        model.on_post
    ):
        problems.add(
            where,
            f"{projection.post!r} ({post.model.name}) has no threshold, so no post events",
            cure="say post_event in the synapse model",
        )
    if model.every:
        steps = rule.param(model.every) / network.dt
        if not (steps > 0.5 and abs(steps - round(steps)) <= GRID_TOLERANCE * max(1.0, steps)):
            problems.add(
                f"{where}.params[{model.every!r}]",
                "not a whole number of steps",
                found=f"{rule.param(model.every):g} s",
                expected=f"a multiple of dt = {network.dt:g} s",
            )
    if model.current and np.any(np.asarray(projection.delay) != 0):
        problems.add(where, "a current flows at once, the projection has a delay", cure="delay 0")


def is_instant(projection: Projection) -> bool:
    """Whether something that is sent in a step can arrive in the same step, given no lag and no delay."""
    return projection.rule is None or projection.rule.model.has_pre_events


def _own_weights(topology: Topology, pre: Population) -> bool:
    if isinstance(topology, Dense | Sparse | Recipe):
        return True
    if isinstance(topology, OneToOne):
        return topology.weights.ndim > 0
    if topology.weight is None:
        return False
    try:
        entry = topology.synapses(pre.shape).entry
    except NetworkError:
        return True  # it does not fit its source, which is said elsewhere
    return bool(np.all(entry >= 0)) and len(np.unique(entry)) == len(entry)


def _check_read(
    where: str,
    model: SynapseModel,
    variable: str,
    population: Population,
    end: str,
    problems: Problems,
) -> None:
    known = population.model.state
    text = f"{variable}_{end}"
    if variable not in known:
        problems.add(
            where,
            f"reads {text!r}, but {population.model.name} has no variable {variable!r}",
            expected=", ".join(known) or "a model with state",
        )
    elif dimension_of(known[variable]) != model.dimensions[text]:
        problems.add(
            where,
            f"reads {text!r} in another unit than {population.model.name} has",
            found=pretty(dimension_of(known[variable])),
            expected=pretty(model.dimensions[text]),
        )
