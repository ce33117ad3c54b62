"""Input spikes that are lost or late, at random, in training: so that a network does not rest on single spikes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.errors import Problems, TrainError
from spikewright.rng import stream
from spikewright.train.eventprop.spikes import Spikes


@dataclass(frozen=True)
class Perturbation:
    """What happens to input spikes of the training part, drawn anew for every batch.

    Parameters
    ----------
    drop : probability that a spike is lost
    jitter : s, standard deviation of what is added to its time; times stay 0 or more
    """

    drop: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        problems = Problems()
        if not 0 <= self.drop < 1:
            problems.add(
                "Perturbation(drop=)",
                "must be a probability",
                found=self.drop,
                expected="0 <= drop < 1",
            )
        if not 0 <= self.jitter < math.inf:
            problems.add("Perturbation(jitter=)", "must be 0 s or more", found=self.jitter)
        problems.raise_as(TrainError)

    def apply(self, inputs: Mapping[str, Spikes], *, seed: int, name: str) -> dict[str, Spikes]:
        """Return a batch with its spikes perturbed; `name` is what the draws depend on beside `seed`."""
        found = dict(inputs)
        for population, spikes in inputs.items():
            draw = stream(seed, f"{name}/{population}")
            if self.drop:
                found[population] = spikes = _kept(
                    spikes, draw.random(len(spikes.time)) >= self.drop
                )
            if self.jitter:
                late = draw.normal(0.0, self.jitter, len(spikes.time))
                found[population] = _moved(spikes, np.maximum(spikes.time + late, 0.0))
        return found


def _kept(spikes: Spikes, kept: np.ndarray) -> Spikes:
    counted = np.concatenate([[0], np.cumsum(kept)])
    return Spikes(counted[spikes.start], spikes.time[kept], spikes.address[kept], spikes.size)


def _moved(spikes: Spikes, time: np.ndarray) -> Spikes:
    order = np.lexsort((time, spikes.sample))
    return Spikes(spikes.start, time[order], spikes.address[order], spikes.size)
