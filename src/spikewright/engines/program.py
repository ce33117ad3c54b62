"""A Network lowered to flat arrays: what engines run. Shared by all of them, so that they agree on every order.

Populations stand in the order in which a step visits them; projections of one population in the order in which they
were declared; synapses by source, as their topology writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.engines.discretize import Step, discretize
from spikewright.errors import EngineError, explain
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network, Population
from spikewright.network.topology import Synapses


@dataclass(frozen=True)
class PopulationProgram:
    """One population, ready to run."""

    name: str
    population: Population
    step: Step
    initial: Mapping[str, NDArray[Any]]
    biases: Mapping[str, tuple[NDArray[Any], ...]]
    outgoing: tuple[int, ...]

    @property
    def n(self) -> int:
        """Number of neurons."""
        return self.population.n

    @property
    def dtype(self) -> type:
        """What its numbers are."""
        return np.int64 if self.population.model.integer else np.float64


@dataclass(frozen=True)
class ProjectionProgram:
    """One projection, ready to run; `lag` is in steps from emission to arrival, one number or one per synapse."""

    name: str
    pre: str
    post: str
    port: str
    synapses: Synapses
    lag: NDArray[np.int64]
    exponent: int

    @property
    def max_lag(self) -> int:
        """The longest lag."""
        return int(self.lag.max(initial=0))


@dataclass(frozen=True)
class Program:
    """A network, ready to run."""

    network: Network
    populations: Mapping[str, PopulationProgram]
    projections: tuple[ProjectionProgram, ...]
    ring: Mapping[tuple[str, str], int]

    def key(self, seed: int, population: str, noise: str) -> int:
        """Return the key of a population's random variable."""
        return rng.key(seed, f"population/{population}/{noise}")


def lower(network: Network) -> Program:
    """Return the program of a network.

    Raises
    ------
    EngineError : a method does not fit a model, or integer arithmetic meets real weights
    """
    projections = []
    for name, projection in network.projections.items():
        post = network.populations[projection.post]
        synapses = projection.topology.synapses(network.populations[projection.pre].shape)
        delay = network.delay_steps(name)
        if delay.ndim:
            if np.any(synapses.entry < 0):
                raise EngineError(
                    explain(name, "a delay per weight needs a map with one weight each")
                )
            delay = delay.ravel()[synapses.entry]
            if len(delay) and np.all(delay == delay[0]):
                delay = delay[:1].reshape(())
        weight = _numbers(synapses.weight, post.model.integer, name)
        lowered = Synapses(synapses.start, synapses.target, weight, synapses.entry, synapses.n_post)
        projections.append(
            ProjectionProgram(
                name,
                projection.pre,
                projection.post,
                network.port_of(name),
                lowered,
                np.asarray(delay + network.lag(name), np.int64),
                projection.exponent,
            )
        )
    ring = {(name, port): 1 for name, p in network.populations.items() for port in p.model.inputs}
    for projection_program in projections:
        place = (projection_program.post, projection_program.port)
        ring[place] = max(ring[place], projection_program.max_lag + 1)
    populations = {}
    for name in network.order():
        population = network.populations[name]
        populations[name] = PopulationProgram(
            name,
            population,
            discretize(population, network.dt, where=name),
            initial_values(population),
            _biases(network, name),
            tuple(i for i, p in enumerate(projections) if p.pre == name),
        )
    return Program(network, populations, tuple(projections), ring)


def initial_values(population: Population) -> dict[str, NDArray[Any]]:
    """Return the starting value of every state variable, (n,)."""
    model = population.model
    dtype = np.int64 if model.integer else np.float64
    params = {name: population.param(name) for name in model.params}
    values = {}
    for variable in model.state:
        value: Any = 0
        if variable in population.initial:
            value = population.initial[variable]
        elif variable in model.trees["initial"]:
            value = evaluate(model.trees["initial"][variable], params)
        values[variable] = np.broadcast_to(np.asarray(value, dtype), population.shape).reshape(-1)
    return values


def _numbers(weight: NDArray[Any], integer: bool, name: str) -> NDArray[Any]:
    if not integer:
        return np.ascontiguousarray(weight, np.float64)
    if weight.dtype.kind != "i" and np.any(weight != np.rint(weight)):
        raise EngineError(
            explain(name, "real weights reach an integer model", cure="quantize the network first")
        )
    return np.ascontiguousarray(weight, np.int64)


def _biases(network: Network, name: str) -> dict[str, tuple[NDArray[Any], ...]]:
    found: dict[str, list[NDArray[Any]]] = {}
    integer = network.populations[name].model.integer
    for projection in network.incoming(name):
        bias = network.projections[projection].bias
        if bias is not None:
            values = _numbers(np.ravel(bias), integer, projection)
            found.setdefault(network.port_of(projection), []).append(values)
    return {port: tuple(values) for port, values in found.items()}
