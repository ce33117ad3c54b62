"""Declared noise of models: the draws of the reference engine, as tensors."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from spikewright import rng
from spikewright.network.graph import Network
from spikewright.network.model import Noise

SAMPLE_SHIFT = 40
"""A draw's counter is the step plus the sample number shifted by this many bits, as in the reference engine."""


def draw(
    network: Network,
    name: str,
    shape: tuple[int, int],
    *,
    first: int,
    seed: int,
    first_sample: int,
    like: Tensor,
) -> dict[str, Tensor]:
    """Return the random variables that a population declares, for all steps: name -> T B *shape.

    A draw depends on (seed, population, variable, neuron, sample, step) alone, as in every engine.
    """
    population = network.populations[name]
    steps, batch = shape
    drawn = {}
    for noise, kind in population.model.noise.items():
        sample = np.arange(first_sample, first_sample + batch)[None, :, None] << SAMPLE_SHIFT
        counter = sample + np.arange(first, first + steps)[:, None, None]
        key = rng.key(seed, f"population/{name}/{noise}")
        neuron = np.arange(population.n)[None, None, :]
        x = rng.uniform(key, neuron, counter)
        if kind is not Noise.UNIFORM:
            second = rng.second_uniform(key, neuron, counter)
            x = np.sqrt(-2.0 * np.log(1.0 - x)) * np.cos(2.0 * np.pi * second)
            x = x / math.sqrt(network.dt) if kind is Noise.WHITE else x
        drawn[noise] = like.new_tensor(x).reshape(steps, batch, *population.shape)
    return drawn
