"""Variation from element to element: one model for every analog part.

    p = p_nominal (1 + s_mismatch z_element) (1 + s_trial z_trial)

z_element is drawn once per chip from a stream named by the chip's seed, the population or projection, and the parameter: adding
a parameter changes no other draw. z_trial is drawn once per trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from spikewright import rng
from spikewright.network.graph import Network
from spikewright.substrates.base import Change
from spikewright.substrates.passes.quantize import map_weights


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
                    Change("vary", name, f"{parameter} differs from neuron to neuron", "mismatch", spread)
                )
            if drawn:
                populations[name] = replace(population, params=dict(population.params) | drawn)
        if self.weights or self.trial:
            for name, p in network.projections.items():
                if p.topology.weight is None:
                    continue
                place = f"{name}/weight"
                topology = map_weights(
                    p.topology,
                    lambda w, place=place: w * self._factor(seed, place, w.shape, self.weights),
                )
                projections[name] = replace(p, topology=topology)
                changes.append(
                    Change("vary", name, "weights differ from synapse to synapse", "mismatch", self.weights)
                )
        return network.replacing(populations=populations, projections=projections), tuple(changes)

    def _factor(self, seed: int, place: str, shape: tuple[int, ...], spread: float) -> np.ndarray:
        element = rng.stream(seed, f"variation/{place}").standard_normal(shape)
        factor = 1.0 + spread * element
        if self.trial:
            trial = rng.stream(self.trial_seed, f"trial/{place}").standard_normal(shape)
            factor = factor * (1.0 + self.trial * trial)
        return np.asarray(factor)
