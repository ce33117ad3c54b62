"""What kernels of synapse rules share: decay factors as `engines/decay.py` defines them, and the search for a row."""

from __future__ import annotations

from typing import Any

from numba import njit

from spikewright.engines.decay import HORIZON, HORIZON_BITS

_compiled = njit(nogil=True, error_model="numpy", fastmath=False)

DEPTH = 16
"""Post events of a neuron that are kept until every synapse onto it has seen them: a cache line of steps."""


@_compiled
def factor(table: Any, steps: int) -> Any:
    """Return how much of a decaying value is left after some steps."""
    if steps < HORIZON:
        return table[steps]
    found = table[steps & (HORIZON - 1)]
    high = steps >> HORIZON_BITS
    j = HORIZON
    while high != 0:
        if high & 1:
            found = found * table[j]
        high >>= 1
        j += 1
    return found


@_compiled
def row_of(of_source: Any, lag: Any, source: int, late: int) -> Any:
    """Return the row of a source that has a lag, or -1."""
    first, last = of_source[source], of_source[source + 1]
    while first < last:
        middle = (first + last) >> 1
        if lag[middle] < late:
            first = middle + 1
        else:
            last = middle
    if first < of_source[source + 1] and lag[first] == late:
        return first
    return -1
