"""Variation from element to element: one model for every analog part.

    p = p_nominal (1 + s_mismatch z_element) (1 + s_trial z_trial)

z_element is drawn once per chip from a stream named by the chip's seed, the population or projection, and the
parameter: adding a parameter changes no other draw. z_trial is drawn once per trial.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.network.graph import Network
from spikewright.substrates.base import Change
from spikewright.substrates.passes.quantize import map_weights, weights_of


@dataclass(frozen=True)
class Vary:
    """Draw parameters and weights around their nominal values.

    Parameters
    ----------
    params : parameter name -> relative standard deviation, for every population that has it
    weights : relative standard deviation of each weight
    trial : relative standard deviation from trial to trial, of the same parameters and weights
    trial_seed : which trial
    """

    params: Mapping[str, float] = field(default_factory=dict)
    weights: float = 0.0
    trial: float = 0.0
    trial_seed: int = 0

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return one chip instance of the network."""
        populations, projections = {}, {}
        changes: list[Change] = []
        for name, population in network.populations.items():
            drawn = {}
            for parameter, spread in self.params.items():
                if parameter not in population.model.params or not (spread or self.trial):
                    continue
                nominal = np.broadcast_to(population.param(parameter), population.shape)
                factor = self._factor(seed, f"{name}/{parameter}", population.shape, spread)
                drawn[parameter] = nominal * factor
                changes.append(
                    self._change(name, f"{parameter} differs from neuron to neuron", spread)
                )
            if drawn:
                populations[name] = replace(population, params=dict(population.params) | drawn)
        if self.weights or self.trial:
            for name, p in network.projections.items():
                if not weights_of(p.topology):
                    continue
                projections[name] = replace(
                    p, topology=map_weights(p.topology, self._weights(seed, name))
                )
                changes.append(
                    self._change(name, "weights differ from synapse to synapse", self.weights)
                )
        if not changes:
            return network, ()
        return network.replacing(populations=populations, projections=projections), tuple(changes)

    def _change(self, where: str, what: str, spread: float) -> Change:
        return Change("vary", where, what, "mismatch", math.hypot(spread, self.trial))

    def _weights(self, seed: int, name: str) -> Callable[[NDArray[Any], int], NDArray[Any]]:
        def varied(weight: NDArray[Any], number: int) -> NDArray[Any]:
            place = f"{name}/weight/{number}" if number else f"{name}/weight"
            return np.asarray(weight * self._factor(seed, place, weight.shape, self.weights))

        return varied

    def _factor(
        self, seed: int, place: str, shape: tuple[int, ...], spread: float
    ) -> NDArray[np.float64]:
        element = rng.stream(seed, f"variation/{place}").standard_normal(shape)
        factor = 1.0 + spread * element
        if self.trial:
            trial = rng.stream(self.trial_seed, f"trial/{place}").standard_normal(shape)
            factor = factor * (1.0 + self.trial * trial)
        return np.asarray(factor)
