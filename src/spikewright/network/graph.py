"""A Network is data: populations of neuron models, and projections between them.

It runs nothing. Engines, trainers and compilers take a Network and give a Recording or another Network.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import NetworkError, explain
from spikewright.network.connectivity.distribution import Distribution, delays
from spikewright.network.connectivity.recipe import Recipe
from spikewright.network.drive import Drive, describe, moved
from spikewright.network.model import NeuronModel
from spikewright.network.synapse import Rule
from spikewright.network.topology import Shape, Topology


class Method(enum.Enum):
    """How the dynamics of a population are integrated over one step."""

    AUTO = "auto"
    """EXACT where the model is affine, else EXPONENTIAL_EULER."""
    EXACT = "exact"
    """The propagator of the linear equations, inputs held: exact on the grid."""
    EULER = "euler"
    """Forward Euler; every right-hand side sees the state at the start of the step. Order 1."""
    SEQUENTIAL_EULER = "sequential_euler"
    """Euler in the order the dynamics are written; each variable sees the ones before it. Order 1."""
    EXPONENTIAL_EULER = "exponential_euler"
    """Each variable by its own linear part, exactly; the rest held. Order 1."""
    RK4 = "rk4"
    """Classical Runge-Kutta. Order 4 between spikes."""


class Propagation(enum.Enum):
    """When the output of a population with state is seen elsewhere, before any delay."""

    NEXT_STEP = "next_step"
    """Emitted in step k, stamped k + 1, due at the stamp plus the delay."""
    SAME_STEP = "same_step"
    """Emitted and seen in step k (a graph evaluated in order once a step); cycles need a delay."""
    CONTINUOUS = "continuous"
    """No clock: seen at the time of the spike plus the delay, which may be any; dt is the grid of inputs and traces.
    For engines without a clock (`engine="event"`)."""


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one model.

    Parameters
    ----------
    model : the neuron model
    shape : a number of neurons, or a shape such as (C, Y, X)
    params : parameter -> one number, or one per neuron (the population's shape); SI units
    initial : variable -> starting value, one or one per neuron; default what the model says
    method : how its dynamics are integrated
    """

    model: NeuronModel
    shape: Shape
    params: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    method: Method = Method.AUTO

    def __post_init__(self) -> None:
        shape = (self.shape,) if isinstance(self.shape, int | np.integer) else tuple(self.shape)
        object.__setattr__(self, "shape", tuple(int(n) for n in shape))
        integer = self.model.integer
        object.__setattr__(self, "params", _values(self.params, integer))
        object.__setattr__(self, "initial", _values(self.initial, integer))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (self.model, self.shape, dict(self.params), dict(self.initial), self.method)
        return Population, fields

    @property
    def n(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)

    def param(self, name: str) -> NDArray[Any]:
        """Return a parameter's value: 0-d where all neurons share it, else the population's shape."""
        if name in self.params:
            return np.asarray(self.params[name])
        return _number(self.model.params[name][0], self.model.integer)


@dataclass(frozen=True, eq=False)
class Projection:
    """The way from one population to a port of another.

    Parameters
    ----------
    pre, post : names of populations
    topology : the linear map, with its weights in the unit of the port
    port : the port of `post`; empty: the model's first
    delay : seconds, a multiple of the network's dt; one number, or one per weight (the weight's shape); or a
        `Distribution` of seconds, drawn per synapse and rounded to the nearest multiple of dt (at least its `low`, and
        at least dt where `low` is not 0)
    bias : added to the port at every step, one per target neuron (shape of `post`), or None
    exponent : integer networks: what the spikes of one step give to a target, per delay, is shifted left by this
        many bits (right, flooring, where negative)
    rule : what happens in its synapses; None: they deliver their weight and never change
    """

    pre: str
    post: str
    topology: Topology
    port: str = ""
    delay: Any = 0.0
    bias: Any = None
    exponent: int = 0
    rule: Rule | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.delay, Distribution):
            object.__setattr__(self, "delay", _number(self.delay, False))
        if self.bias is not None:
            object.__setattr__(self, "bias", _array(self.bias))


@dataclass(frozen=True, eq=False)
class Network:
    """Populations and projections on one time grid; checked when it is made.

    Parameters
    ----------
    dt : seconds per step
    populations : name -> Population
    projections : name -> Projection
    outputs : names of the populations whose activity is the answer; default: those that project nowhere
    propagation : when outputs are seen elsewhere
    name : a name for reports
    metadata : plain data (strings, numbers, lists, dicts) that travels with the network and changes nothing
    drives : name -> Drive: what populations get without synapses. The name is part of what is drawn

    Raises
    ------
    NetworkError : every rule that is broken, together

    Examples
    --------
    >>> import numpy as np
    >>> from spikewright.network import Dense, Input, LIF, Network, Population, Projection
    >>> net = Network(
    ...     dt=1e-3,
    ...     populations={"in": Population(Input, 3), "out": Population(LIF, 2, {"tau_m": 10e-3})},
    ...     projections={"in->out": Projection("in", "out", Dense(np.ones((2, 3))))})
    >>> net.inputs, net.outputs, net.n_neurons
    (('in',), ('out',), 5)
    """

    dt: float
    populations: Mapping[str, Population]
    projections: Mapping[str, Projection] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    propagation: Propagation = Propagation.NEXT_STEP
    name: str = "network"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    drives: Mapping[str, Drive] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("populations", "projections", "metadata", "drives"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        if not self.outputs:
            sending = {p.pre for p in self.projections.values() if isinstance(p, Projection)}
            ends = tuple(n for n in self.populations if n not in sending)
            object.__setattr__(self, "outputs", ends)
        object.__setattr__(self, "outputs", tuple(self.outputs))
        from spikewright.network.rules import check

        check(self)

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (dict(self.populations), dict(self.projections), self.outputs, self.propagation)
        return Network, (self.dt, *parts, self.name, dict(self.metadata), dict(self.drives))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the populations that events and arrays enter: those of the model `Input`."""
        return tuple(n for n, p in self.populations.items() if p.model.name == "Input")

    @property
    def n_neurons(self) -> int:
        """Number of neurons, inputs included."""
        return sum(p.n for p in self.populations.values())

    @property
    def n_weights(self) -> int:
        """Number of weights (shared ones once); of a recipe, as many as synapses are expected."""
        return sum(self._weights_of(p) for p in self.projections.values())

    def _weights_of(self, p: Projection) -> int:
        if isinstance(p.topology, Recipe):
            return round(p.topology.expected_synapses(self.populations[p.pre].shape))
        return 0 if p.topology.weight is None else p.topology.weight.size

    def port_of(self, projection: str) -> str:
        """Return the port that a projection reaches."""
        found = self.projections[projection]
        return found.port or self.populations[found.post].model.default_port

    def driven_port(self, drive: str) -> str:
        """Return the port that a drive reaches."""
        found = self.drives[drive]
        return found.port or self.populations[found.post].model.default_port

    def incoming(self, population: str) -> tuple[str, ...]:
        """Return the names of the projections that reach a population."""
        return tuple(n for n, p in self.projections.items() if p.post == population)

    def outgoing(self, population: str) -> tuple[str, ...]:
        """Return the names of the projections that leave a population."""
        return tuple(n for n, p in self.projections.items() if p.pre == population)

    def delay_steps(self, projection: str) -> NDArray[np.int64]:
        """Return a projection's delay in steps, without what propagation adds: one number, or one per weight; of a
        recipe with drawn delays, one per synapse in the order of its `synapses`."""
        p = self.projections[projection]
        if isinstance(p.delay, Distribution):
            from spikewright.network.rows import drawn_steps

            return drawn_steps(p.topology, self.populations[p.pre].shape, p.delay, self.dt)
        steps: NDArray[np.int64] = np.rint(np.asarray(p.delay) / self.dt).astype(np.int64)
        return steps

    def delay_range(self, projection: str) -> tuple[int, int]:
        """Return the least and the greatest delay in steps (that can be drawn), without what propagation adds."""
        delay = self.projections[projection].delay
        if isinstance(delay, Distribution):
            drawn = delays(delay, self.dt)
            return drawn.low, drawn.high
        steps = self.delay_steps(projection)
        return (int(steps.min()), int(steps.max())) if steps.size else (0, 0)

    def lag(self, projection: str) -> int:
        """Return the steps between emission and arrival that come before the delay: 0 or 1.

        Raises
        ------
        NetworkError : the network has no clock
        """
        if self.propagation is Propagation.CONTINUOUS:
            raise NetworkError(
                explain(
                    f"network {self.name!r}",
                    "its propagation is continuous, so it has no steps",
                    cure="run it with engine='event'; for a clock, round its delays to multiples of dt and say "
                    "propagation=Propagation.NEXT_STEP",
                )
            )
        model = self.populations[self.projections[projection].pre].model
        transparent = model.is_transparent or self.propagation is Propagation.SAME_STEP
        return 0 if transparent else 1

    def order(self) -> tuple[str, ...]:
        """Return the populations so that each stands after all that reach it within a step."""
        from spikewright.network.rules import order

        return order(self)

    # -- variants ------------------------------------------------------------------------------------

    def replacing(
        self,
        *,
        populations: Mapping[str, Population] | None = None,
        projections: Mapping[str, Projection] | None = None,
        drives: Mapping[str, Drive] | None = None,
        **changes: Any,
    ) -> Network:
        """Return the network with the named populations, projections and drives put in (or in place), and fields
        changed."""
        return replace(
            self,
            populations=dict(self.populations) | dict(populations or {}),
            projections=dict(self.projections) | dict(projections or {}),
            drives=dict(self.drives) | dict(drives or {}),
            **changes,
        )

    def with_weights(self, weights: Mapping[str, Any]) -> Network:
        """Return the network with the weight arrays of the named projections replaced.

        Those of a recipe are one per synapse, in the order of its `synapses`; it is written out.
        """
        changed = {}
        for name, weight in weights.items():
            p = self.projections[name]
            if isinstance(p.topology, Recipe):
                made = p.topology.with_weight(weight, self.populations[p.pre].shape)
                delay = self.delay_steps(name) * self.dt
                changed[name] = replace(p, topology=made, delay=delay)
            else:
                changed[name] = replace(p, topology=p.topology.with_weight(weight))
        return self.replacing(projections=changed)

    def written_out(self) -> Network:
        """Return the same network with every recipe as a list of synapses, and every drawn delay as a number."""
        changed = {}
        for name, p in self.projections.items():
            if isinstance(p.topology, Recipe):
                topology: Topology = p.topology.written_out(self.populations[p.pre].shape)
            elif isinstance(p.delay, Distribution):
                topology = p.topology
            else:
                continue
            changed[name] = replace(p, topology=topology, delay=self.delay_steps(name) * self.dt)
        return self.replacing(projections=changed) if changed else self

    def without_rules(self) -> Network:
        """Return the network whose synapses deliver their weight and never change."""
        fixed = {
            n: replace(p, rule=None) for n, p in self.projections.items() if p.rule is not None
        }
        return self.replacing(projections=fixed)

    def embedding(self, prefix: str, other: Network) -> Network:
        """Return the network with `other` as a sub-network: its names are put behind `prefix` and a dot.

        Raises
        ------
        NetworkError : the two differ in dt or propagation, or a name is taken
        """
        where = f"network.embedding({prefix!r})"
        if other.dt != self.dt or other.propagation is not self.propagation:
            raise NetworkError(
                explain(
                    where,
                    "the sub-network runs on another grid",
                    found=(other.dt, other.propagation.value),
                    expected=(self.dt, self.propagation.value),
                )
            )
        populations = {f"{prefix}.{n}": p for n, p in other.populations.items()}
        projections = {
            f"{prefix}.{n}": replace(p, pre=f"{prefix}.{p.pre}", post=f"{prefix}.{p.post}")
            for n, p in other.projections.items()
        }
        drives = {f"{prefix}.{n}": moved(d, f"{prefix}.{d.post}") for n, d in other.drives.items()}
        taken = set(populations) & set(self.populations) | set(projections) & set(self.projections)
        taken |= set(drives) & set(self.drives)
        if taken:
            raise NetworkError(explain(where, "a name is taken", found=sorted(taken)))
        return self.replacing(populations=populations, projections=projections, drives=drives)

    def joined(self, projections: Mapping[str, Projection], **changes: Any) -> Network:
        """Return the network with projections added, for instance between sub-networks."""
        return self.replacing(projections=projections, **changes)

    def summary(self) -> str:
        """Return a table of populations and projections."""
        lines = [
            f"{self.name}: dt {self.dt:g} s, {self.propagation.value}, {self.n_neurons} neurons"
        ]
        for name, p in self.populations.items():
            marks = " (input)" if name in self.inputs else ""
            marks += " (output)" if name in self.outputs else ""
            lines.append(f"  {name}: {p.model.name} {p.shape}{marks}")
        for name, q in self.projections.items():
            weight = q.topology.weight
            size = "no weights" if weight is None else f"weights {weight.shape}"
            if isinstance(q.topology, Recipe):
                size = f"about {self._weights_of(q)} synapses"
            least, most = self.delay_range(name)
            late = f", delay {least}..{most} steps" if most else ""
            if self.propagation is Propagation.CONTINUOUS and not isinstance(q.delay, Distribution):
                late = (
                    f", delay {np.min(q.delay):g}..{np.max(q.delay):g} s"
                    if np.size(q.delay)
                    else ""
                )
            rule = "" if q.rule is None else f", rule {q.rule.model.name}"
            lines.append(
                f"  {name}: {q.pre} -> {q.post}.{self.port_of(name)} {q.topology.kind}, {size}{late}{rule}"
            )
        for name, d in self.drives.items():
            lines.append(f"  {name}: {d.post}.{self.driven_port(name)} <- {describe(d)}")
        return "\n".join(lines)


def _array(value: Any) -> NDArray[Any]:
    array = np.array(value)
    if array.dtype.kind in "bu":
        array = array.astype(np.int64)
    array.flags.writeable = False
    return array


def _number(value: Any, integer: bool) -> NDArray[Any]:
    array = np.array(value)
    if integer:
        if (
            array.dtype.kind == "f" and np.all(array == np.rint(array))
        ) or array.dtype.kind in "bui":
            array = array.astype(np.int64)
    elif array.dtype.kind in "buif":
        array = array.astype(np.float64)
    array.flags.writeable = False
    return array


def _values(values: Mapping[str, Any], integer: bool) -> Mapping[str, Any]:
    return MappingProxyType({name: _number(value, integer) for name, value in values.items()})
