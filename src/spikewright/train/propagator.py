"""The constants of an exact step as functions of trained parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikewright.engines.discretize import Step
from spikewright.network.calculus import derivative
from spikewright.network.graph import Population
from spikewright.train.expression import build, value


class Propagator:
    """The exact step of a population with affine dynamics; notation as in `engines.discretize`.

    Parameters
    ----------
    population : with affine dynamics
    dt : s
    step : its step, whose constants `P_*` are those that are not zero
    """

    def __init__(self, population: Population, dt: float, step: Step) -> None:
        model = population.model
        self.dt = dt
        self.variables = list(model.state)
        self.sources = [*self.variables, *model.inputs, *model.noise, "1"]
        self.params = {
            p: torch.from_numpy(np.array(population.param(p), np.float64)) for p in model.params
        }
        self.rows = []
        for v in self.variables:
            rate = model.trees["dynamics"].get(v)
            trees = (
                [] if rate is None else [derivative(rate, s) for s in self.sources[:-1]] + [rate]
            )
            self.rows.append([build(t, {}) for t in trees])
        self.names = {
            f"P_{v}_{s}": (i, j)
            for i, v in enumerate(self.variables)
            for j, s in enumerate(self.sources)
            if f"P_{v}_{s}" in step.constants
        }

    def __call__(self, trained: Mapping[str, Tensor], like: Tensor) -> dict[str, Tensor]:
        """Return name -> constant, of a parameter's shape, differentiable in the trained parameters."""
        names: dict[str, Any] = {p: x.to(like) for p, x in self.params.items()}
        names = names | dict(trained)
        for s in self.sources[:-1]:
            names[s] = like.new_zeros(())
        names["dt"] = torch.full_like(names[self.sources[0]], self.dt)
        size = len(self.sources)
        entries = [
            [torch.as_tensor(value(n, names)).to(like) for n in nodes]
            or [like.new_zeros(())] * size
            for nodes in self.rows
        ]
        entries += [[like.new_zeros(())] * size] * (size - len(self.variables))
        shape = torch.broadcast_shapes(*(e.shape for row in entries for e in row))
        matrix = torch.stack(
            [torch.stack([e.expand(shape) for e in row], dim=-1) for row in entries], dim=-2
        )
        stepped = torch.linalg.matrix_exp(matrix * self.dt)
        return {name: stepped[..., i, j] for name, (i, j) in self.names.items()}
