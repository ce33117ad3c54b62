"""A module's network as online learning takes it: what is run, what learns, and on which way errors come back.

A population learns from errors that arise later: `late` steps later, the lag of the way from it to the outputs. Its
windows lie that much behind those of the outputs, so that no error is missed and none is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.engines.discretize import Step, discretize
from spikewright.errors import TrainError, explain
from spikewright.network.graph import Network
from spikewright.train.fused.build import Arrivals, Populace, Recurrence, plan_of
from spikewright.train.fused.plan import Plan
from spikewright.train.online.local import Local, local
from spikewright.train.order import groups
from spikewright.train.through import same_params

if TYPE_CHECKING:
    from spikewright.train.module import Module

Reals = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Wiring:
    """What of a module does not change from batch to batch.

    Parameters
    ----------
    names : populations, in the order of a step
    plan : all of them, forward
    alone : every population by itself
    output : the output population
    late : population -> steps between what it sends and the error that it learns from, each behind those that its
        errors come from; absent where no way leads to the outputs
    ways : population -> numbers of the parts of projections on which errors come back to it
    ports : population -> port of the outputs at which its way ends; empty where errors come back through all
    depth : steps that are kept before a window
    initial : population -> variable -> N
    own : population -> constants with one value per neuron, in the order in which kernels take them
    """

    names: tuple[str, ...]
    plan: Plan
    alone: Mapping[str, Local]
    output: str
    late: Mapping[str, int]
    ways: Mapping[str, tuple[int, ...]]
    ports: Mapping[str, str]
    depth: int
    initial: Mapping[str, Mapping[str, Reals]]
    own: Mapping[str, tuple[Reals, ...]]

    @property
    def kind(self) -> np.dtype[Any]:
        """What numbers are."""
        return np.dtype(self.plan.shape.number)

    def place(self, name: str) -> int:
        """Return the number of a population."""
        return self.names.index(name)


def wire(
    module: Module,
    inner: Sequence[Recurrence],
    biases: Mapping[str, Tensor],
    arrays: Sequence[tuple[str, str]],
    instance: Network | None,
    *,
    is_spatial: bool,
) -> Wiring:
    """Return the wiring of a module.

    Parameters
    ----------
    inner : all projections, in parts of one lag
    biases : projection -> bias
    arrays : (population, port) at which input enters
    instance : whose parameters count, or None
    is_spatial : whether errors come back through all populations, else from the outputs at once

    Raises
    ------
    ModelError : a model has no derivative
    TrainError : e-prop's way to the outputs ends at several ports
    """
    network = module.network
    names = network.order()
    dtype = next(module.parameters()).dtype
    members = {n: _member(module, n, inner, biases, arrays, instance, dtype) for n in names}
    plan = plan_of(members, inner, module.firing, looped=True, dtype=dtype)
    own = {
        n: _own(m.step, m.population.n, rows.rows.arrays, np.dtype(plan.shape.number))
        for (n, m), rows in zip(members.items(), plan.shape.members, strict=True)
    }
    output = network.outputs[0]
    ports: dict[str, str] = {}
    if is_spatial:
        late, ways = _through_all(inner, network, output)
    else:
        late, ways, ports = _at_once(inner, output)
    lags = [late[r.post] + r.lag for r in inner if r.post in late]
    return Wiring(
        names,
        plan,
        {n: local(members[n], own[n], module.firing, dtype) for n in names},
        output,
        late,
        ways,
        ports,
        max([0, *lags, *(r.lag for r in inner), *late.values()]),
        {n: {v: _numbers(x) for v, x in m.values.items()} for n, m in members.items()},
        own,
    )


def _member(
    module: Module,
    name: str,
    inner: Sequence[Recurrence],
    biases: Mapping[str, Tensor],
    arrays: Sequence[tuple[str, str]],
    instance: Network | None,
    dtype: torch.dtype,
) -> Populace:
    network = module.network
    population, step = network.populations[name], module.steps[name]
    other = None if instance is None else instance.populations[name]
    if other is not None and not same_params(population, other):
        population, step = other, discretize(other, network.dt, where=name)
    n = population.n
    like = torch.zeros((1, 1, n), dtype=dtype)
    reached = {r.port for r in inner if r.post == name}
    biased = {network.port_of(q) for q in network.incoming(name) if q in biases}
    arrivals = {}
    for port in population.model.inputs:
        entered = (name, port) in arrays
        if entered or port in reached or port in biased:
            arrivals[port] = Arrivals(
                outside=like if entered else None, bias=like[0, 0] if port in biased else None
            )
    lags = [r.lag for r in inner if r.pre == name]
    state = module.start(1, {})
    return Populace(
        population,
        step,
        constants={c: like[0, 0] for c, x in step.constants.items() if x.ndim},
        trained=(),
        arrivals=arrivals,
        noise=dict.fromkeys(population.model.noise, like),
        values={v: x.reshape(1, n) for v, x in state.values[name].items()},
        waiting=None if step.refractory is None else like[0],
        recorded=(),
        history=like.expand(max(lags), 1, n) if lags else None,
    )


def _own(step: Step, n: int, names: Sequence[str], kind: np.dtype[Any]) -> tuple[Reals, ...]:
    return tuple(np.array(np.broadcast_to(step.constants[c], (n,)), kind) for c in names)


def _numbers(x: Tensor) -> Reals:
    return np.array(x.detach().reshape(-1).numpy())


def _at_once(
    inner: Sequence[Recurrence], output: str
) -> tuple[dict[str, int], dict[str, tuple[int, ...]], dict[str, str]]:
    """Return lags, ways and ports where the outputs broadcast: along the fewest projections, with their least lag."""
    late, ways = {output: 0}, _no_way(output)
    ports: dict[str, str] = {}
    frontier = [output]
    while frontier:
        found: dict[str, list[int]] = {}
        for number, r in enumerate(inner):
            if r.post in frontier and r.pre not in late:
                found.setdefault(r.pre, []).append(number)
        frontier = list(found)
        for pre, numbers in found.items():
            reached = {
                inner[q].port if inner[q].post == output else ports[inner[q].post] for q in numbers
            }
            if len(reached) > 1:
                raise TrainError(
                    explain(
                        f"population {pre!r}",
                        f"reaches the outputs at several ports of {output!r}, and e-prop filters for one",
                        found=", ".join(sorted(reached)),
                        cure="let all projections to the outputs reach one port",
                    )
                )
            ports[pre] = reached.pop()
        lags = {p: min(inner[q].lag + late[inner[q].post] for q in qs) for p, qs in found.items()}
        late |= lags
        ways |= {p: tuple(qs) for p, qs in found.items()}
    return late, ways, ports


def _no_way(output: str) -> dict[str, tuple[int, ...]]:
    return {output: ()}


def _through_all(
    inner: Sequence[Recurrence], network: Network, output: str
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Return lags and ways where errors come back through all populations: along projections that lie on no cycle, and
    along those on a cycle that lead nearer to the outputs."""
    far = {output: 0}
    for name in (waiting := [output]):
        for r in inner:
            if r.post == name and r.pre not in far:
                far[r.pre] = far[name] + 1
                waiting.append(r.pre)
    late, ways = {output: 0}, _no_way(output)
    behind: list[str] = []
    for group, _ in reversed(groups(network)):
        for pre in sorted((n for n in group if n in far), key=far.__getitem__):
            forward = tuple(
                number
                for number, r in enumerate(inner)
                if r.pre == pre and r.post in late and (r.post in behind or far[r.post] < far[pre])
            )
            if forward and pre != output:
                late[pre] = max(inner[q].lag + late[inner[q].post] for q in forward)
                ways[pre] = forward
        behind += group
    return late, ways
