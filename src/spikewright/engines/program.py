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
from spikewright.engines.draws import poisson_table
from spikewright.engines.synapses import RuleProgram, lower_rule
from spikewright.errors import EngineError, explain
from spikewright.network.drive import Drive, GaussianDrive, PoissonDrive, StepCurrent
from spikewright.network.expression import evaluate
from spikewright.network.graph import Network, Population
from spikewright.network.topology import Synapses


@dataclass(frozen=True)
class PoissonProgram:
    """A Poisson drive, ready to run: a count times `weight` (n,) is added to the port.

    `thresholds[start[i] : start[i + 1]]` is the table of one mean, made by `draws.poisson_table`; `which` (n,) says
    which table a neuron uses.
    """

    name: str
    port: str
    thresholds: NDArray[np.uint64]
    start: NDArray[np.int64]
    which: NDArray[np.int64]
    weight: NDArray[Any]


@dataclass(frozen=True)
class GaussianProgram:
    """A Gaussian drive, ready to run: `mean + std * z`, each (n,), is added to the port."""

    name: str
    port: str
    mean: NDArray[np.float64]
    std: NDArray[np.float64]


@dataclass(frozen=True)
class StepsProgram:
    """A current in pieces, ready to run: from step `start[i]` on `values[i]`, (n,), is added to the port.

    The first piece is 0 and starts before every step.
    """

    name: str
    port: str
    start: NDArray[np.int64]
    values: NDArray[Any]

    def at(self, k: int) -> NDArray[Any]:
        """Return the values of step k."""
        found: NDArray[Any] = self.values[int(np.searchsorted(self.start, k, side="right")) - 1]
        return found


DriveProgram = PoissonProgram | GaussianProgram | StepsProgram


@dataclass(frozen=True)
class PopulationProgram:
    """One population, ready to run; its drives in the order declared."""

    name: str
    population: Population
    step: Step
    initial: Mapping[str, NDArray[Any]]
    biases: Mapping[str, tuple[NDArray[Any], ...]]
    outgoing: tuple[int, ...]
    drives: tuple[DriveProgram, ...] = ()

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
    """One projection, ready to run; `lag` is in steps from emission to arrival, one number or one per synapse.

    One with a `rule` keeps its spikes until they arrive; the others add them to the ring of their port when sent.
    """

    name: str
    pre: str
    post: str
    port: str
    synapses: Synapses
    lag: NDArray[np.int64]
    exponent: int
    rule: RuleProgram | None = None

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

    def drive_key(self, seed: int, drive: str) -> int:
        """Return the key of a drive's draws."""
        return rng.key(seed, f"drive/{drive}")


def lower(network: Network, *, expand: bool = True) -> Program:
    """Return the program of a network.

    Without `expand`, it has no projections, and rings of length 1: for engines that store synapses their own way.

    Raises
    ------
    EngineError : a method does not fit a model, or integer arithmetic meets real weights
    """
    projections = [
        lower_projection(network, name) for name in (network.projections if expand else ())
    ]
    ring = {(name, port): 1 for name, p in network.populations.items() for port in p.model.inputs}
    for projection_program in projections:
        if projection_program.rule is not None:
            continue
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
            tuple(i for i, p in enumerate(network.projections.values()) if p.pre == name),
            tuple(_drive(network, n, d) for n, d in network.drives.items() if d.post == name),
        )
    return Program(network, populations, tuple(projections), ring)


def lower_projection(network: Network, name: str) -> ProjectionProgram:
    """Return the program of one projection, its synapses written out.

    Raises
    ------
    EngineError : integer arithmetic meets real weights
    """
    projection = network.projections[name]
    post = network.populations[projection.post]
    synapses = projection.topology.synapses(network.populations[projection.pre].shape)
    delay = network.delay_steps(name)
    if delay.ndim:
        if np.any(synapses.entry < 0):
            raise EngineError(explain(name, "a delay per weight needs a map with one weight each"))
        delay = delay.ravel()[synapses.entry]
        if len(delay) and np.all(delay == delay[0]):
            delay = delay[:1].reshape(())
    weight = _numbers(synapses.weight, post.model.integer, name)
    lowered = Synapses(synapses.start, synapses.target, weight, synapses.entry, synapses.n_post)
    lag = np.asarray(delay + network.lag(name), np.int64)
    rule = projection.rule
    return ProjectionProgram(
        name,
        projection.pre,
        projection.post,
        network.port_of(name),
        lowered,
        lag,
        projection.exponent,
        None if rule is None else lower_rule(rule, lowered, lag, network.dt),
    )


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


def _drive(network: Network, name: str, drive: Drive) -> DriveProgram:
    """Return a drive with one value per neuron."""
    post, port = network.populations[drive.post], network.driven_port(name)
    dtype = np.int64 if post.model.integer else np.float64

    def each(value: NDArray[Any], kind: type) -> NDArray[Any]:
        return np.broadcast_to(np.asarray(value, kind), post.shape).reshape(-1)

    match drive:
        case PoissonDrive():
            means, which = np.unique(each(drive.rate, np.float64) * network.dt, return_inverse=True)
            tables = [poisson_table(float(mean)) for mean in means]
            return PoissonProgram(
                name,
                port,
                np.concatenate(tables),
                np.cumsum([0, *map(len, tables)], dtype=np.int64),
                which.reshape(-1).astype(np.int64),
                each(drive.weight, dtype),
            )
        case GaussianDrive():
            return GaussianProgram(
                name, port, each(drive.mean, np.float64), each(drive.std, np.float64)
            )
        case StepCurrent():
            start = np.rint(drive.times / network.dt).astype(np.int64)
            flat = drive.values.reshape(len(start), -1)
            values = np.zeros((len(start) + 1, post.n), dtype)
            values[1:] = flat
            return StepsProgram(
                name, port, np.concatenate([[np.iinfo(np.int64).min], start]), values
            )
