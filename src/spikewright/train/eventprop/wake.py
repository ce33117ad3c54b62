"""What gets silent neurons going. A neuron that does not spike has no spike time, so no derivative, and would be silent
for ever."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems, TrainError
from spikewright.train.eventprop.plan import Plan
from spikewright.train.eventprop.spikes import Spikes


@dataclass(frozen=True)
class Wake:
    """After every batch, all weights that reach a neuron which was silent too often grow a little.

    Parameters
    ----------
    step : by how many learning rates, in natural units. 0: never
    share : of the batch's samples in which a hidden neuron may be silent. For an output that is read by its first
        spike, samples of its own class count, and their share is what `step` is multiplied with

    Source
    ------
    After Goeltz et al., Nature Machine Intelligence 3, 2021, methods ("silent neurons": weights grow by a constant
    where too few spikes are elicited).
    """

    step: float = 1.0
    share: float = 0.99

    def __post_init__(self) -> None:
        problems = Problems()
        if not (math.isfinite(self.step) and self.step >= 0):
            problems.add("Wake(step=)", "must be 0 or more", found=self.step)
        if not 0 <= self.share <= 1:
            problems.add("Wake(share=)", "must be a share", found=self.share, expected="0 to 1")
        problems.raise_as(TrainError)

    def growth(
        self,
        known: Plan,
        sent: list[Mapping[str, Spikes]],
        labels: NDArray[np.int64],
        lr: float,
    ) -> dict[str, NDArray[np.float64]]:
        """Return population -> what is added to the weights that reach each neuron, in natural units."""
        found = {}
        for name, neuron in known.neurons.items():
            if not neuron.fires or self.step == 0.0:
                continue
            silent = np.concatenate([s[name].counts() == 0 for s in sent])
            if name in known.network.outputs:
                own = np.arange(silent.shape[1]) == labels[:, None]
                growth = self.step * lr * (silent & own).sum(0) / np.maximum(own.sum(0), 1)
            else:
                growth = np.where(silent.mean(0) > self.share, self.step * lr, 0.0)
            if growth.any():
                found[name] = growth
        return found
