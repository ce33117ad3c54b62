"""Counts of each pixel, and the pixels that fire far more than others."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents


class HotRule(Enum):
    """What a pixel's count is compared with."""

    DEVIATIONS = "deviations"
    """The mean of active pixels plus `factor` standard deviations."""
    NEIGHBORS = "neighbors"
    """`factor` times the median of its 8 neighbors, or `factor` where that is below 1."""


class PixelCounts:
    """Events of each pixel, summed over chunks; `counts` has shape (2, height, width), OFF first.

    `outside` counts events that lay outside the sensor.

    Examples
    --------
    >>> tally = PixelCounts(2, 1)
    >>> tally.add(CameraEvents([0, 1, 2], [0, 0, 1], [0, 0, 0], [1, 1, 0], 2, 1))
    >>> tally.counts.tolist()
    [[[0, 1]], [[2, 0]]]
    """

    def __init__(self, width: int, height: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((2, height, width), np.int64)
        self.outside = 0

    def add(self, chunk: CameraEvents) -> None:
        """Count the events of the next chunk."""
        _, height, width = self.counts.shape
        inside = (chunk.x < width) & (chunk.y < height)
        n = int(inside.sum())
        self.outside += len(chunk) - n
        events = chunk if n == len(chunk) else chunk[inside]
        cell = (events.p != 0).astype(np.int64)
        cell *= height
        cell += events.y
        cell *= width
        cell += events.x
        self.counts += np.bincount(cell, minlength=self.counts.size).reshape(self.counts.shape)

    @property
    def total(self) -> NDArray[np.int64]:
        """Events of each pixel, both polarities, (height, width)."""
        return np.asarray(self.counts.sum(axis=0))


def hot_pixels(
    counts: NDArray[np.int64], *, rule: HotRule = HotRule.DEVIATIONS, factor: float = 3.0
) -> NDArray[np.bool_]:
    """Tell which pixels fire far more than others.

    Parameters
    ----------
    counts : int array, (height, width), events of each pixel
    rule : what a count is compared with
    factor : float, > 0

    Returns
    -------
    bool array, (height, width)

    Raises
    ------
    EventError : `counts` is not of two dimensions, or `factor` not a positive number

    Source
    ------
    Both rules are those in common use: three standard deviations over active pixels, and a multiple of the neighbors'
    median. A texture at rest under a moving camera makes many pixels busy: the second rule spares them.

    Examples
    --------
    >>> counts = np.ones((5, 5), np.int64)
    >>> counts[2, 3] = 50
    >>> np.argwhere(hot_pixels(counts)).tolist()
    [[2, 3]]
    """
    if counts.ndim != 2:
        raise EventError(
            explain(
                "hot_pixels", "not a map of pixels", found=f"shape {counts.shape}",
                expected="(height, width)",
            )
        )  # fmt: skip
    if not 0 < factor < 1e12:
        raise EventError(
            explain("hot_pixels.factor", "is out of range", found=factor, expected="> 0")
        )
    if counts.size == 0 or not counts.any():
        return np.zeros(counts.shape, np.bool_)
    if rule is HotRule.DEVIATIONS:
        active = counts[counts > 0]
        return np.asarray(counts > active.mean() + factor * active.std())
    return np.asarray(counts > factor * np.maximum(_neighbor_median(counts), 1.0))


def _neighbor_median(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    height, width = counts.shape
    padded = np.full((height + 2, width + 2), np.nan)
    padded[1:-1, 1:-1] = counts
    around = np.stack(
        [
            padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if dy or dx
        ]
    )
    if counts.size == 1:  # no neighbors at all
        return np.zeros(counts.shape)
    return np.asarray(np.nanmedian(around, axis=0))
