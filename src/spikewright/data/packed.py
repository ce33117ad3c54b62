"""Spikes kept as bits, 24 in a float32: what data sets hold that are too large to be kept as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.data.encoding import Draw
from spikewright.errors import DataError, explain

BITS = 24
"""Spikes in a number: what a float32 holds exactly."""


@dataclass(frozen=True)
class PackedSpikes:
    """Spikes kept as bits enter as 0 and 1.

    Parameters
    ----------
    shape : of what enters at one step
    """

    shape: tuple[int, ...]

    @property
    def is_series(self) -> bool:
        return True

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        wanted = (words(self.shape),)
        if shape != wanted:
            raise DataError(
                explain("encoding PackedSpikes", "does not fit", found=shape, expected=wanted)
            )
        return self.shape

    def encode(
        self, inputs: NDArray[np.float32], *, steps: int, dt: float, draw: Draw
    ) -> NDArray[np.float32]:
        return np.moveaxis(unpack(inputs, self.shape), 1, 0)


def words(shape: tuple[int, ...]) -> int:
    """Return how many numbers hold the spikes of a step."""
    return -(-math.prod(shape) // BITS)


def pack(spikes: NDArray[Any]) -> NDArray[np.float32]:
    """Return spikes as numbers of 24 bits.

    Parameters
    ----------
    spikes : T *shape; 0 is none

    Returns
    -------
    float32 array, T K

    Examples
    --------
    >>> pack(np.array([[1] + [0] * 23 + [1]])).tolist()
    [[8388608.0, 8388608.0]]
    """
    steps, n = len(spikes), math.prod(spikes.shape[1:])
    count = words(spikes.shape[1:])
    flat = np.zeros((steps, count * BITS), np.bool_)
    flat[:, :n] = spikes.reshape(steps, n) != 0
    octets = np.packbits(flat, axis=1).reshape(steps, count, 3).astype(np.uint32)
    return (octets[..., 0] << 16 | octets[..., 1] << 8 | octets[..., 2]).astype(np.float32)


def unpack(packed: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the spikes of `pack`: `*axes K` becomes `*axes *shape`."""
    whole = packed.astype(np.uint32)
    octets = np.stack([whole >> 16, whole >> 8, whole], axis=-1).astype(np.uint8)
    bits = np.unpackbits(octets.reshape(*packed.shape[:-1], -1), axis=-1)
    kept = bits[..., : math.prod(shape)].reshape(*packed.shape[:-1], *shape)
    return kept.astype(np.float32)
