"""One line of a verification: a case, whether it passed, and what was compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Case:
    """The result of comparing one case with its stored vectors.

    Parameters
    ----------
    name : the case (a file, or a file and a part of it)
    passed : whether it is equal within its tolerance
    detail : "equal" and the tolerance, or the first difference and its size
    """

    name: str
    passed: bool
    detail: str


def difference(
    what: str,
    found: NDArray[Any],
    expected: NDArray[Any],
    *,
    tolerance: float = 0.0,
    scale: ArrayLike = 1.0,
    of: str = "",
) -> str:
    """Return "" where two arrays are equal within a tolerance, else how many values differ and which is the first.

    Parameters
    ----------
    what : the array, and in words what its axes are where that helps
    found, expected : any shape, numbers
    tolerance : largest deviation, in units of `scale`; a NaN is never within it
    scale : what deviations are divided by
    of : the scale in words, for instance "of g_max"
    """
    if found.shape != expected.shape:
        return f"{what}: shape {found.shape}, expected {expected.shape}"
    error = np.abs(found - expected) / scale
    wrong = ~(error <= tolerance)
    if not np.any(wrong):
        return ""
    at = tuple(int(n) for n in np.argwhere(wrong)[0])
    unit = f" {of}" if of else ""
    size = f"off by {error[at]:.3g}{unit}, tolerance {tolerance:g}{unit}; " if tolerance else ""
    return (
        f"{what}{list(at)}: found {found[at]:.9g}, expected {expected[at]:.9g}; "
        f"{size}{np.count_nonzero(wrong)} of {wrong.size} values differ"
    )
