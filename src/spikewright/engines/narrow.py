"""Integer weights in as few bytes as hold them: a power of two that all share is taken out.

Sums of what is left are exact, and shifted once: `sum(m << s) << e == sum(m) << (s + e)`, whatever wraps. Where sums
are shifted right, they must not wrap before; then nothing is taken out of weights that could.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP = 8
"""Rows of a matrix whose narrow weights are added as 16-bit numbers before their sum is widened."""
GROUP_LIMIT = (2**15 - 1) // GROUP
"""Largest magnitude of which a group fits."""
TOTAL_LIMIT = 2**31 - 1
"""Largest magnitude of a sum over all sources that is kept in 32 bits."""


def narrowed(
    weight: NDArray[Any], exponent: int, n_pre: int, *, graded: bool, group: bool
) -> tuple[str, int]:
    """Return the smallest integers that hold weights, and how many bits are taken out of each.

    Parameters
    ----------
    weight : whole numbers
    exponent : by which sums are shifted left, or right where it is negative
    n_pre : sources, so that no sum has more terms
    graded : whether spikes carry a value, by which weights are multiplied
    group : whether rows of a matrix are added in groups: then "int8" and "int16" promise that a group fits 16 bits, and
        the sum over all sources 32
    """
    values = np.asarray(weight, np.int64)
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    worst = max(-low, high)
    shift = 0
    if worst and not (exponent < 0 and (graded or worst * n_pre >= 2**63)):
        together = int(np.bitwise_or.reduce(values, axis=None))
        shift = (together & -together).bit_length() - 1
    low, high, worst = low >> shift, high >> shift, worst >> shift
    if group and worst * n_pre > TOTAL_LIMIT:
        return "int64", shift
    if low >= -(2**7) and high < 2**7:
        return "int8", shift
    if low >= -(2**15) and high < 2**15 and not (group and worst > GROUP_LIMIT):
        return "int16", shift
    return ("int32" if low >= -(2**31) and high < 2**31 else "int64"), shift
