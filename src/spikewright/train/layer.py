"""A population as a PyTorch layer: currents of all time steps in, spikes of all time steps out.

For those who write their models in PyTorch: put `Neurons` between linear maps of your own. It runs the same generated
kernels as `Module`, keeps no state between calls, and is traced by `torch.compile` without a break.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikewright.engines.discretize import discretize, method_of
from spikewright.engines.program import initial_values
from spikewright.errors import TrainError, explain
from spikewright.network.graph import Method, Population
from spikewright.network.model import NeuronModel
from spikewright.train.fused.build import Arrivals, Populace, plan_of
from spikewright.train.fused.op import number_of, run
from spikewright.train.propagator import Propagator
from spikewright.train.step import Firing, ResetGradient
from spikewright.train.surrogate import Arctan, Surrogate


class Neurons(nn.Module):
    """A population of neurons.

    Parameters
    ----------
    model : of the neurons
    shape : of the population, or a number of neurons
    dt : s
    params, initial, method : as in `Population`
    port : where the currents arrive; default: the model's default port
    surrogate, reset_gradient : as in `Module`
    trainable : names of parameters; times are trained as their logarithm. One number, or one per neuron, as given

    Raises
    ------
    TrainError : the model has no gradient or no such port or parameter

    Examples
    --------
    >>> import torch
    >>> from spikewright.network import LIF
    >>> layer = nn.Sequential(nn.Linear(4, 3), Neurons(LIF, 3, dt=1e-3))
    >>> layer(torch.ones(10, 2, 4)).shape
    torch.Size([10, 2, 3])
    """

    def __init__(
        self,
        model: NeuronModel,
        shape: int | tuple[int, ...],
        *,
        dt: float,
        params: Mapping[str, Any] | None = None,
        initial: Mapping[str, Any] | None = None,
        method: Method = Method.AUTO,
        port: str | None = None,
        surrogate: Surrogate = Arctan(),  # noqa: B008
        reset_gradient: ResetGradient = ResetGradient.KEPT,
        trainable: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.population = Population(model, shape, params or {}, initial or {}, method)
        self.dt, self.port = dt, port or model.default_port
        self.firing = Firing(surrogate, reset_gradient)
        where = f"Neurons({model.name})"
        if self.port not in model.inputs:
            raise TrainError(
                explain(where, f"no port {self.port!r}", expected=", ".join(model.inputs))
            )
        if model.noise:
            raise TrainError(
                explain(where, "a model with noise needs a seed", cure="use Module(network).run")
            )
        if model.integer:
            raise TrainError(explain(where, "calculates in integers, which have no gradient"))
        self.trained = nn.ParameterDict()
        for name in trainable:
            if name not in model.params or (model.refractory and model.refractory.period == name):
                raise TrainError(
                    explain(
                        f"{where}: trainable",
                        f"no parameter {name!r} with a gradient",
                        expected=", ".join(model.params),
                    )
                )
            start = np.array(self.population.param(name), np.float64)
            raw = np.log(start) if self._is_time(name) else start
            self.trained[name] = nn.Parameter(torch.tensor(raw, dtype=torch.float32))
        self.step = discretize(self.population, dt, where=where)
        exact = bool(trainable) and method_of(self.population) is Method.EXACT
        self._exact = Propagator(self.population, dt, self.step) if exact else None
        self._dynamic = tuple(
            sorted({*trainable, *(c for c in self.step.constants if exact and c.startswith("P_"))})
        )
        for c, x in (self.step.constants | initial_values(self.population)).items():
            if c in initial_values(self.population) or x.ndim:
                held = torch.from_numpy(np.array(x, np.float64)).reshape(-1)
                self.register_buffer(f"held_{c}", held.float(), persistent=False)
        # refractory steps stand in the plan, in the order of the population
        self._in_order = self.step.refractory is not None and self.step.refractory.ndim > 0
        self._plans = {dtype: self._plan(dtype) for dtype in (torch.float32, torch.float64)}
        self._numbers = {dtype: number_of(plan) for dtype, plan in self._plans.items()}

    def _is_time(self, name: str) -> bool:
        return self.population.model.params[name][1] == "s"

    def _plan(self, dtype: torch.dtype) -> Any:
        like = torch.zeros((), dtype=dtype)
        n = self.population.n
        names = [c for c, x in self.step.constants.items() if x.ndim or c in self._dynamic]
        member = Populace(
            self.population,
            self.step,
            {c: like.expand(n) for c in names},
            self._dynamic,
            {self.port: Arrivals(outside=like.expand(1, 1, n))},
            {},
            {v: like.expand(1, n) for v in self.population.model.state},
            None if self.step.refractory is None else like.expand(1, n),
            (),
        )
        return plan_of({"n": member}, (), self.firing, looped=False, dtype=dtype)

    def forward(self, current: Tensor) -> Tensor:
        """Return what the neurons send, `T B *shape`, for currents `T B *shape`.

        Raises
        ------
        TrainError : the currents have another shape
        """
        population = self.population
        if current.ndim < 3 or tuple(current.shape[2:]) != population.shape:
            raise TrainError(
                explain(
                    f"Neurons({population.model.name})",
                    "currents have another shape",
                    found=tuple(current.shape),
                    expected=f"(T, B, {', '.join(map(str, population.shape))})",
                    cure="currents are time first, then batch",
                )
            )
        dtype = torch.float64 if current.dtype == torch.float64 else torch.float32
        steps, batch = current.shape[:2]
        n, plan = population.n, self._plans[dtype]
        order = list(range(len(population.shape))) if self._in_order else _order(current)
        slots = {"outside_0_0": current.to(dtype).permute(0, 1, *(2 + d for d in order)).flatten(2)}
        constants = self._constants(dtype)
        member = plan.shape.members[0].rows
        for x, c in enumerate(member.arrays):
            slots[f"own_0_{x}"] = constants[c].expand(population.shape).permute(order).reshape(n)
        for x, v in enumerate(population.model.state):
            start = getattr(self, f"held_{v}").to(dtype).reshape(population.shape)
            slots[f"state_0_{x}"] = start.permute(order).reshape(n).expand(batch, n)
        if member.step.waits:
            slots["waiting_0"] = current.new_zeros((batch, n), dtype=dtype)
        made = run(self._numbers[dtype], steps, batch, [slots[s] for s in plan.inputs])
        sent = made[0].unflatten(-1, [population.shape[d] for d in order])
        return sent.permute(0, 1, *(2 + order.index(d) for d in range(len(order))))

    def _constants(self, dtype: torch.dtype) -> dict[str, Tensor]:
        found = {
            c: getattr(self, f"held_{c}").to(dtype).reshape(self.population.shape)
            for c, x in self.step.constants.items()
            if x.ndim
        }
        trained = {
            c: (torch.exp(raw) if self._is_time(c) else raw).to(dtype)
            for c, raw in self.trained.items()
        }
        if trained and self._exact is not None:
            like = next(iter(trained.values())).new_zeros(())
            trained |= self._exact(trained, like)
        return found | trained

    def extra_repr(self) -> str:
        """Return model and shape."""
        return f"{self.population.model.name}, {self.population.shape}, dt={self.dt:g}"


def _order(current: Tensor) -> list[int]:
    """Return the dimensions of a population in the order in which its neurons lie in memory, outermost first.

    A kernel takes neurons in any order, so that images with their channels last are not copied.
    """
    strides = current.stride()[2:]
    return sorted(range(len(strides)), key=lambda d: -strides[d])
