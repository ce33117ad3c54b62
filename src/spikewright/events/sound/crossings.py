"""Levels that a power crosses: dB above a floor, counted in whole steps, with events where the count changes.

It is the rule of `spikewright.events.level_crossing` on 10 log10(power / floor power), clipped at 0, for signals that
come in pieces; powers are compared with a table of the levels' powers, so no logarithm is taken.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain

CEILING = 60.0
"""dB above a full-scale sine up to which levels are told apart; samples are at most 10, which is 20 dB."""
MOST_LEVELS = 30000


class Crossings:
    """Channels with the level that each has reached; they begin at the floor."""

    def __init__(self, n: int, threshold: float, floor: float) -> None:
        levels = math.ceil((floor + CEILING) / threshold) + 1
        if levels > MOST_LEVELS:
            raise EventError(
                explain(
                    "threshold", "makes too many levels", found=levels,
                    expected=f"at most {MOST_LEVELS}", cure="use a larger threshold or a higher floor",
                )
            )  # fmt: skip
        self._bounds = 10 ** ((np.arange(levels) * threshold - floor) / 10)
        self._level = np.zeros(n, np.int64)

    def __call__(self, power: NDArray[np.float64]) -> NDArray[Any]:
        """Return levels crossed by a power, T n, as T 2 n: down, then up."""
        from spikewright.events.sound.firing_loop import cross

        sent = np.zeros((len(power), 2 * len(self._level)), np.int16)
        cross(power, self._bounds, self._level, sent)
        return sent
