"""What is learned, with which weights, and what is added up: values that a course is given, and fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from spikewright.train.online.feedback import Ways
from spikewright.train.online.loss import OnlineLoss
from spikewright.train.online.synapses import Key

Reals = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned, and how.

    Parameters
    ----------
    loss : and its errors
    learning : synapses and biases that learn
    is_spatial : whether errors come back through all populations, within their step
    is_filtered : whether traces pass through the outputs' filter
    pulled : populations whose rate is pulled
    """

    loss: OnlineLoss
    learning: tuple[Key, ...]
    is_spatial: bool
    is_filtered: bool
    pulled: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Weights:
    """The numbers of one update: what runs forward, and on which ways errors come back.

    Parameters
    ----------
    forward : part -> (pre, post), or one per synapse
    biases : (population, port) -> N
    ways : how errors come back
    """

    forward: tuple[Reals, ...]
    biases: Mapping[tuple[str, str], Reals]
    ways: Ways


@dataclass(eq=False)
class Sums:
    """What is added up until weights change.

    Parameters
    ----------
    gradients : derivative of the loss, summed over samples and judged steps, as `Afferents.zeros`
    rates : the same of the number of spikes of every target, where a rate is pulled
    spikes : population -> N: spikes of neurons whose rate is pulled
    pulled : population -> samples times steps that these are of
    loss, judged : of judged steps, summed; how many they are, over all samples
    n_spikes, steps : of all populations that spike; samples times steps
    """

    gradients: dict[Key, Reals]
    rates: dict[Key, Reals]
    spikes: dict[str, Reals]
    pulled: dict[str, int]
    loss: float = 0.0
    judged: int = 0
    n_spikes: float = 0.0
    steps: int = 0

    def add(self, other: Sums) -> None:
        """Add what another thread has added up."""
        pairs: tuple[tuple[dict[Any, Any], dict[Any, Any]], ...] = (
            (self.gradients, other.gradients),
            (self.rates, other.rates),
            (self.spikes, other.spikes),
            (self.pulled, other.pulled),
        )
        for mine, its in pairs:
            for key, x in its.items():
                mine[key] += x
        self.loss += other.loss
        self.judged += other.judged
        self.n_spikes += other.n_spikes
        self.steps += other.steps
