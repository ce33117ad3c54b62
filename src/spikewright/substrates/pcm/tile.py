"""A weight matrix on arrays of fixed size: tiles, pairs of conductances, and what undoes their common drift.

Notation: `weight` (post, pre); inputs come in on rows (word lines), results leave on columns (bit lines), so a tile of
`rows x columns` holds `columns` posts and `rows` pres. `g_plus`, `g_minus` in siemens.
"""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import Problems, SubstrateError, explain

Array = NDArray[np.float64]


class Granularity(enum.Enum):
    """What shares one drift compensation factor."""

    TILE = "tile"
    COLUMN = "column"


def tiles(
    shape: tuple[int, int], *, rows: int = 256, columns: int = 256
) -> list[tuple[slice, slice]]:
    """Return the tiles of a (post, pre) matrix as pairs of slices, all tiles of the first posts first.

    Parameters
    ----------
    shape : (n_post, n_pre)
    rows, columns : inputs and outputs of one tile; 256 x 256 is a core of the HERMES chip

    Examples
    --------
    >>> tiles((10, 300))
    [(slice(0, 10, None), slice(0, 256, None)), (slice(0, 10, None), slice(256, 300, None))]
    """
    n_post, n_pre = shape
    if rows < 1 or columns < 1:
        raise SubstrateError(
            explain(
                "pcm.tiles",
                "a tile without cells",
                found=f"{rows} x {columns}",
                expected="at least 1 x 1",
            )
        )
    return [
        (slice(a, min(a + columns, n_post)), slice(b, min(b + rows, n_pre)))
        for a in range(0, n_post, columns)
        for b in range(0, n_pre, rows)
    ]


def to_conductances(
    weight: ArrayLike, g_min: float, g_max: float, w_max: float | None = None
) -> tuple[Array, Array]:
    """Return the pair `g_plus, g_minus` of each weight: `g_min + max(+-w, 0) / w_max (g_max - g_min)`.

    Parameters
    ----------
    weight : any shape, finite
    g_min, g_max : S
    w_max : the weight that takes g_max; larger ones are clipped. None: the largest weight

    Raises
    ------
    SubstrateError : no range of conductances, a w_max that is not positive, or weights that are not finite
    """
    w = np.asarray(weight, np.float64)
    problems = Problems()
    if not np.isfinite(w).all():
        problems.add(
            "pcm.to_conductances: weight",
            f"{(~np.isfinite(w)).sum()} of {w.size} weights are not finite",
        )
    _check_range(problems, "pcm.to_conductances", g_min, g_max)
    if w_max is not None and not w_max > 0:
        problems.add("pcm.to_conductances: w_max", "cannot be", found=w_max, expected="> 0")
    problems.raise_as(SubstrateError)
    largest = w_max if w_max is not None else float(np.abs(w).max(initial=0.0))
    share = np.clip(w / largest, -1.0, 1.0) if largest else np.zeros_like(w)
    span = g_max - g_min
    return g_min + np.maximum(share, 0.0) * span, g_min + np.maximum(-share, 0.0) * span


def to_weight(
    g_plus: ArrayLike, g_minus: ArrayLike, g_min: float, g_max: float, w_max: float
) -> Array:
    """Return the weights that pairs of conductances stand for; g_min cancels in the difference.

    Raises
    ------
    SubstrateError : no range of conductances
    """
    problems = Problems()
    _check_range(problems, "pcm.to_weight", g_min, g_max)
    problems.raise_as(SubstrateError)
    difference = np.asarray(g_plus, np.float64) - np.asarray(g_minus, np.float64)
    return difference * (w_max / (g_max - g_min))


def drift_compensation(
    reference: ArrayLike, now: ArrayLike, *, granularity: Granularity = Granularity.TILE
) -> Array:
    """Return the factor for a tile's results: `mean |y(t_0)| / mean |y(t)|`.

    Parameters
    ----------
    reference, now : (reads, post), results of the same inputs at the first read and now; unit vectors as inputs
        read the matrix itself, transposed
    granularity : one factor for the tile, or one per column

    Returns
    -------
    factor : () or (post,); 1 where nothing flows any more

    Raises
    ------
    SubstrateError : the two were not read with the same inputs

    Source
    ------
    Joshi et al., Nature Communications 2020, 10.1038/s41467-020-16108-9 (global drift compensation).
    """
    before, after = np.abs(np.asarray(reference, np.float64)), np.abs(np.asarray(now, np.float64))
    if before.shape != after.shape or before.ndim != 2:
        raise SubstrateError(
            explain(
                "pcm.drift_compensation",
                "not two reads of the same inputs",
                found=f"{before.shape} and {after.shape}",
                expected="twice (reads, post)",
            )
        )
    axis = 0 if granularity is Granularity.COLUMN else None
    top, bottom = np.asarray(before.mean(axis=axis)), np.asarray(after.mean(axis=axis))
    return np.divide(top, bottom, out=np.ones_like(top), where=bottom > 0)


def _check_range(problems: Problems, where: str, g_min: float, g_max: float) -> None:
    if not 0 <= g_min < g_max:
        problems.add(
            f"{where}: g_min, g_max",
            "not a range",
            found=f"{g_min} to {g_max}",
            expected="0 <= g_min < g_max, in S",
        )
