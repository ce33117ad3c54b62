"""How a variable decays between events: one table of exponentials, the same bits for every engine.

A value with dynamics is stored as it was at its last event and brought d steps forward when it is needed:

    x                             d = 0
    x * f(d)                      it decays to 0
    x0 + (x - x0) * f(d)          it decays to x0 (not 0)

f(d) = exp(-d dt / tau) comes from one table, see `decay_table` and `factor`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.network.synapse import Rule

HORIZON_BITS = 13
HORIZON = 2**HORIZON_BITS
"""Steps that have an entry of their own in a decay table."""
LONG = 50
"""Further entries of a decay table: for 2^13, 2^14, ... steps."""


def decay_table(rate: float, dt: float) -> NDArray[np.float64]:
    """Return exp(-(d * dt) * rate) for d = 0, 1, ..., HORIZON - 1, and then for d = HORIZON * 2^j, j = 0 .. LONG - 1.

    With the C library's exponential, one number at a time; `rate` is 1/tau in 1/s.
    """
    steps = [float(d) for d in range(HORIZON)] + [float(HORIZON * 2**j) for j in range(LONG)]
    return np.array([math.exp(-(d * dt) * rate) for d in steps])


def factor(table: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return f(d): the entry of d's lowest 13 bits, times the entry of each higher bit that is set, lowest first."""
    found = table[steps & (HORIZON - 1)]
    high, j = steps >> HORIZON_BITS, HORIZON
    while np.any(high):
        found = np.where(high & 1, found * table[j], found)
        high, j = high >> 1, j + 1
    return np.asarray(found)


@dataclass(frozen=True)
class Decay:
    """How a variable with dynamics moves between events.

    Parameters
    ----------
    target : x0, where it goes; 0.0 selects the shorter formula
    tau : s
    table : `decay_table(rate, dt)`
    """

    target: float
    tau: float
    table: NDArray[np.float64]

    def forward(self, value: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the value `steps` later."""
        f = factor(self.table, steps)
        x0 = self.target
        later = value * f if x0 == 0.0 else x0 + (value - x0) * f
        return np.where(steps == 0, value, later)


def decay_of(rule: Rule, variable: str, dt: float) -> Decay:
    """Return how a variable whose dynamics have a closed form moves."""
    rate = rule.rate(variable)
    return Decay(rule.target(variable), 1.0 / rate, decay_table(rate, dt))
