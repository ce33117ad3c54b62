"""A preset: a neuron of another library, with the gradient that the library gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikewright.engines.discretize import discretize
from spikewright.errors import TrainError, explain
from spikewright.network.graph import Population
from spikewright.network.model import NeuronModel
from spikewright.train.step import ResetGradient, threshold_distance
from spikewright.train.surrogate import (
    Arctan,
    Exponential,
    FastSigmoid,
    Gaussian,
    Rectangle,
    Sigmoid,
    Surrogate,
    Triangle,
)


@dataclass(frozen=True)
class Preset:
    """A neuron of another library.

    Parameters
    ----------
    model : its equations; values are dimensionless and a step is a step, unless the library has seconds
    params : of the model; one number, or one per neuron
    of_margin : its surrogate as the library has it: a function of the margin
    reset_gradient : whether the library differentiates the reset; of no effect where the model's reset stands in its
        update, which has no gradient through the spike
    late : steps by which the library sends a spike later than the model: what leaves the population needs this delay
    """

    model: NeuronModel
    params: Mapping[str, Any]
    of_margin: Surrogate
    reset_gradient: ResetGradient = ResetGradient.KEPT
    late: int = 0

    def population(self, shape: int | tuple[int, ...]) -> Population:
        """Return a population of these neurons."""
        return Population(self.model, shape, self.params)  # type: ignore[arg-type]

    @property
    def surrogate(self) -> Surrogate:
        """Its surrogate as `Module` takes it: a function of the relative margin.

        Raises
        ------
        TrainError : neurons with different thresholds, which have no one relative margin
        """
        shape = max((np.shape(x) for x in self.params.values()), key=len, default=())
        population = self.population(shape or 1)
        levels = {p: np.unique(population.param(p)) for p in ("v_th", "v_reset", "v_leak")
                  if p in self.model.params}  # fmt: skip
        for name, found in levels.items():
            if len(found) > 1:
                raise TrainError(
                    explain(
                        f"{self.model.name}: surrogate",
                        "one width does not fit neurons that differ in their levels",
                        found=f"{len(found)} values of {name}",
                        expected="one",
                    )
                )
        # the grid does not matter for where a neuron starts and where it fires
        step = discretize(population, 1e-3)
        return relative(self.of_margin, threshold_distance(population, step))


def relative(surrogate: Surrogate, distance: float) -> Surrogate:
    """Return the surrogate of x = margin / distance that gives a spike the slope `surrogate` has at the margin.

    A spike's derivative by the margin is slope(x) / distance, so both the width and the height are stretched.
    """
    match surrogate:
        case Arctan(alpha, factor):
            return Arctan(alpha * distance, factor)
        case FastSigmoid(beta, factor):
            return FastSigmoid(beta * distance, factor * distance)
        case Sigmoid(beta):
            return Sigmoid(beta * distance)
        case Triangle(width, damping):
            return Triangle(width / distance, damping * distance)
        case Rectangle(width):
            return Rectangle(width / distance)
        case Gaussian(sigma):
            return Gaussian(sigma / distance)
        case Exponential(alpha, beta):
            return Exponential(alpha * distance, beta * distance)
    raise TrainError(
        explain("surrogate", "has no relative form here", found=type(surrogate).__name__)
    )
