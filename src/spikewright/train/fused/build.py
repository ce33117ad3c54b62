"""From a module's group of populations to a plan and the tensors that pass through it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spikewright.engines.discretize import Step
from spikewright.network.compose import Compose
from spikewright.network.graph import Population
from spikewright.network.topology import Dense, Flatten
from spikewright.train.fused.adjoint import straighten
from spikewright.train.fused.group import Inner, Member, PortUse, Shape
from spikewright.train.fused.op import number_of, outputs, run
from spikewright.train.fused.plan import Plan, Synapses
from spikewright.train.fused.products import UNCOUNTED, Choice
from spikewright.train.fused.text import Rule, rows
from spikewright.train.step import Firing, threshold_distance

if TYPE_CHECKING:
    from spikewright.train.module import Module

Slots = Mapping[str, Tensor]


@dataclass(frozen=True)
class Arrivals:
    """What reaches one port of one population.

    Parameters
    ----------
    outside : T B N, or None
    steady : B N, the same in every step, or None
    bias : (N,), or None
    events : (projection, x T B K, weight (N, K), lag): products that are left to the kernel
    masks : where the gradient of each x counts, T B K, or None: everywhere
    """

    outside: Tensor | None = None
    steady: Tensor | None = None
    bias: Tensor | None = None
    events: tuple[tuple[str, Tensor, Tensor, int], ...] = ()
    masks: tuple[Tensor | None, ...] = ()

    def use(self) -> PortUse:
        """Return which of these there are."""
        lags = tuple(lag for *_, lag in self.events)
        return PortUse(
            self.outside is not None, self.steady is not None, self.bias is not None, lags
        )


@dataclass(frozen=True)
class Recurrence:
    """A projection inside a group, or one lag of it: its weights as the kernel takes them."""

    projection: str
    pre: str
    post: str
    port: str
    lag: int
    weight: Tensor
    synapses: Synapses | None


@dataclass(frozen=True)
class Ended:
    """What a group leaves: population -> what it sent `T B N`, traces, state; projection -> how it was calculated."""

    sent: Mapping[str, Tensor]
    traces: Mapping[str, Mapping[str, Tensor]]
    values: Mapping[str, Mapping[str, Tensor]]
    waiting: Mapping[str, Tensor]
    products: Mapping[str, tuple[Choice, float]]
    active: Mapping[str, Tensor]


@dataclass(frozen=True)
class Populace:
    """A population on its way through a group.

    Parameters
    ----------
    population, step : with the parameters that count, of an instance where there is one
    constants : constants that are tensors: trained, or one value per neuron; name -> (N,)
    trained : which of them have a gradient
    arrivals : live port -> what reaches it from outside the group
    noise : name -> T B N
    values : variable -> B N
    waiting : B N or None
    recorded : variables to keep
    history : L B N: what it sent before, where the group needs that
    active : whether to tell where the surrogate's slope is not 0
    """

    population: Population
    step: Step
    constants: Slots
    trained: tuple[str, ...]
    arrivals: Mapping[str, Arrivals]
    noise: Slots
    values: Slots
    waiting: Tensor | None
    recorded: tuple[str, ...]
    history: Tensor | None = field(default=None)
    active: bool = False


def inner_parts(module: Module, names: Sequence[str], weights: Slots) -> list[Recurrence] | None:
    """Return the projections inside a group as the kernel takes them; None where one has no such form."""
    network = module.network
    found = []
    for n in names:
        for q in network.incoming(n):
            projection = network.projections[q]
            if projection.pre not in names:
                continue
            parts = module.lags_of(q)
            weight = weights.get(q)
            if q in module.learned and weight is not None:
                found += [
                    Recurrence(
                        q, projection.pre, n, network.port_of(q), lag, weight[:, i].t(), None
                    )
                    for i, (lag, _) in enumerate(parts)
                ]
                continue
            if isinstance(projection.topology, Dense) and len(parts) == 1 and weight is not None:
                found.append(
                    Recurrence(q, projection.pre, n, network.port_of(q), parts[0][0], weight, None)
                )
                continue
            synapses = projection.topology.synapses(network.populations[projection.pre].shape)
            if weight is not None and np.any(synapses.entry < 0):
                return None
            source = np.repeat(np.arange(len(synapses.start) - 1), np.diff(synapses.start))
            for lag, mask in parts:
                chosen = np.arange(len(source))
                if mask is not None:
                    chosen = np.flatnonzero(mask.reshape(-1)[synapses.entry])
                if weight is None:
                    like = next(module.parameters())
                    value = like.new_tensor(np.array(synapses.weight, np.float64)[chosen])
                else:
                    flat = weight.expand(np.shape(projection.topology.weight)).reshape(-1)
                    entry = torch.from_numpy(synapses.entry[chosen]).to(flat.device)
                    value = flat.index_select(0, entry)
                start = np.zeros(len(synapses.start), np.int64)
                np.cumsum(np.bincount(source[chosen], minlength=len(start) - 1), out=start[1:])
                lists = Synapses(start, np.ascontiguousarray(synapses.target[chosen], np.int64))
                found.append(
                    Recurrence(q, projection.pre, n, network.port_of(q), lag, value, lists)
                )
    return found


def is_gathered(topology: Any) -> bool:
    """Return whether a projection is one dense matrix, whose product the kernel can calculate by events."""
    if isinstance(topology, Compose):
        *before, last = topology.maps
        return isinstance(last, Dense) and all(isinstance(m, Flatten) for m in before)
    return isinstance(topology, Dense)


def run_group(
    members: Mapping[str, Populace],
    inner: Sequence[Recurrence],
    firing: Firing,
    *,
    steps: int,
    batch: int,
    dtype: torch.dtype,
    looped: bool,
    cache: dict[Any, tuple[int, Plan]],
    half: bool = False,
) -> Ended:
    """Run a group of populations over all time steps with generated kernels.

    Parameters
    ----------
    members : in the order of a step
    inner : projections inside the group
    cache : plans that were made before
    half : whether dense products are calculated in bfloat16

    Raises
    ------
    ModelError : a model has no derivative
    """
    places = {n: i for i, n in enumerate(members)}
    edges = _edges(members, inner)
    slots: dict[str, Tensor] = {}
    events: list[str] = []
    for i, m in enumerate(members.values()):
        for k, a in enumerate(m.arrivals.values()):
            if a.outside is not None:
                slots[f"outside_{i}_{k}"] = a.outside
            if a.steady is not None:
                slots[f"steady_{i}_{k}"] = a.steady
            if a.bias is not None:
                slots[f"bias_{i}_{k}"] = a.bias
            for e, (projection, x, weight, _) in enumerate(a.events):
                slots[f"x_{i}_{k}_{e}"], slots[f"w_{i}_{k}_{e}"] = x, weight
                events.append(projection)
            slots |= {
                f"mask_{i}_{k}_{e}": mask for e, mask in enumerate(a.masks) if mask is not None
            }
    key = (edges, tuple(slots), looped, tuple(_pattern(n, m, dtype) for n, m in members.items()))
    if key not in cache:
        plan = plan_of(members, inner, firing, looped=looped, dtype=dtype, half=half)
        cache[key] = number_of(plan), plan
    number, plan = cache[key]
    for i, m in enumerate(members.values()):
        arrays = plan.shape.members[i].rows.arrays
        slots |= {f"own_{i}_{x}": m.constants[c] for x, c in enumerate(arrays)}
        slots |= {f"noise_{i}_{x}": t for x, t in enumerate(m.noise.values())}
        slots |= {f"state_{i}_{x}": t for x, t in enumerate(m.values.values())}
        if m.waiting is not None and plan.shape.members[i].rows.step.waits:
            slots[f"waiting_{i}"] = m.waiting
        if m.history is not None:
            slots[f"past_{i}"] = m.history
    slots |= {f"weight_{q}": r.weight for q, r in enumerate(inner)}
    tensors = [slots[n] for n in plan.inputs]
    made = run(number, steps, batch, tensors)
    results = dict(zip(outputs(number, steps, batch, tensors), made, strict=True))
    choices = results["choices"].tolist()
    size = [slots[n].numel() for n in plan.inputs if n.startswith("x_")]
    return Ended(
        {n: results[f"sent_{i}"] for n, i in places.items()},
        {
            n: {
                v: results[f"sent_{i}"]
                if v == "output"
                else results[f"record_{i}_{_state(members[n].recorded).index(v)}"]
                for v in members[n].recorded
            }
            for n, i in places.items()
        },
        {
            n: {v: results[f"state_{i}_{x}"] for x, v in enumerate(members[n].values)}
            for n, i in places.items()
        },
        {
            n: results.get(f"waiting_{i}", members[n].waiting)  # type: ignore[misc]
            for n, i in places.items()
            if members[n].waiting is not None
        },
        {
            projection: (
                Choice(kind),
                math.nan if found == UNCOUNTED else found / max(1, size[e]),
            )
            for e, (projection, (kind, found)) in enumerate(zip(events, choices, strict=True))
        },
        {n: results[f"active_{i}"] for n, i in places.items() if members[n].active},
    )


def _state(recorded: Sequence[str]) -> list[str]:
    return [v for v in recorded if v != "output"]


def _pattern(name: str, m: Populace, dtype: torch.dtype) -> Any:
    """Return what a plan depends on besides its slots: numbers are compared by value."""
    constants = tuple((c, x.tobytes()) for c, x in m.step.constants.items() if not x.ndim)
    hold = None if m.step.refractory is None else m.step.refractory.tobytes()
    return (
        *(name, m.population.n, dtype, m.recorded, m.trained, tuple(m.constants), constants, hold),
        tuple((p, a.use()) for p, a in m.arrivals.items()),
        None if m.history is None else len(m.history),
        m.active,
        tuple(mask is None for a in m.arrivals.values() for mask in a.masks),
    )  # fmt: skip


def _edges(members: Mapping[str, Populace], inner: Sequence[Recurrence]) -> tuple[Inner, ...]:
    places = {n: i for i, n in enumerate(members)}
    return tuple(
        Inner(
            places[r.pre],
            places[r.post],
            list(members[r.post].arrivals).index(r.port),
            r.lag,
            r.synapses is None,
        )
        for r in inner
    )


def plan_of(
    members: Mapping[str, Populace],
    inner: Sequence[Recurrence],
    firing: Firing,
    *,
    looped: bool,
    dtype: torch.dtype,
    half: bool = False,
) -> Plan:
    """Return the plan of a group; the tensors of its members serve as examples.

    Raises
    ------
    ModelError : a model has no derivative
    """
    edges = _edges(members, inner)
    number = "float64" if dtype == torch.float64 else "float32"
    made: list[Member] = []
    numbers, holds = [], []
    inputs: list[str] = []
    for i, m in enumerate(members.values()):
        for k, a in enumerate(m.arrivals.values()):
            inputs += [f"outside_{i}_{k}"] if a.outside is not None else []
            inputs += [f"steady_{i}_{k}"] if a.steady is not None else []
            inputs += [f"bias_{i}_{k}"] if a.bias is not None else []
            for e in range(len(a.events)):
                inputs += [f"x_{i}_{k}_{e}", f"w_{i}_{k}_{e}"]
            inputs += [f"mask_{i}_{k}_{e}" for e, mask in enumerate(a.masks) if mask is not None]
    for i, m in enumerate(members.values()):
        model, kind = m.population.model, np.dtype(number)
        straight = straighten(
            model, m.step, live=tuple(m.arrivals), dynamic=m.trained, number=number
        )
        row = rows(
            f"{model.name}_{i}",
            straight,
            Rule(firing.surrogate, firing.detached(model)),
            trained=tuple(c for c in straight.arrays if c in m.trained),
            recorded=tuple(_state(m.recorded)),
            inner=any(q.pre == i for q in edges),
            number=number,
            active=m.active,
        )
        made.append(
            Member(
                row,
                tuple(a.use() for a in m.arrivals.values()),
                tuple(_state(m.recorded)),
                model.is_graded or not model.is_spiking,
                0 if m.history is None else len(m.history),
                m.active,
            )
        )
        values = {c: float(x) for c, x in m.step.constants.items() if not x.ndim}
        values |= {f"surrogate_{f}": float(v) for f, v in vars(firing.surrogate).items()}
        values["scale_"] = 1.0 / threshold_distance(m.population, m.step)
        scalars = [values[s] for s in row.scalars]
        numbers.append(tuple(np.array([*scalars, *own], kind) for own in row.literals))
        hold = None
        if straight.waits and m.step.refractory is not None:
            hold = np.broadcast_to(m.step.refractory, (m.population.n,)).astype(kind)
        holds.append(hold)
        inputs += [f"own_{i}_{x}" for x in range(len(row.arrays))]
        inputs += [f"noise_{i}_{x}" for x in range(len(straight.noise))]
        inputs += [f"state_{i}_{x}" for x in range(len(straight.variables))]
        inputs += [f"waiting_{i}"] if straight.waits else []
        inputs += [f"past_{i}"] if m.history is not None else []
    inputs += [f"weight_{q}" for q in range(len(inner))]
    return Plan(
        Shape(tuple(made), edges, looped, number),
        tuple(m.population.n for m in members.values()),
        tuple(numbers),  # type: ignore[arg-type]
        tuple(holds),
        {q: r.synapses for q, r in enumerate(inner) if r.synapses is not None},
        tuple(inputs),
        half,
    )
