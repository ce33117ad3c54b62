"""One fixed, stratified division of numbered samples: a property of the data set, never of a training run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import DataError, explain
from spikewright.rng import stream

SPLIT_SEED = 0
"""Seed of every division. It is a constant: results of two training seeds are then read from the same test images."""


def stratified(
    labels: NDArray[np.int64], fractions: Sequence[float], *, name: str
) -> tuple[NDArray[np.int64], ...]:
    """Divide samples so that each part holds its share of every class.

    Parameters
    ----------
    labels : int array, B
    fractions : share of each part, > 0, at most 1 together; the last part takes what rounding leaves,
        if they are 1 together
    name : of the random stream that shuffles each class

    Returns
    -------
    one sorted int64 array of sample numbers per part; disjoint, the same on every call

    Raises
    ------
    DataError : fractions are not shares, or a class is too small to be in every part

    Examples
    --------
    >>> train, test = stratified(np.array([0, 0, 0, 0, 1, 1, 1, 1]), (0.75, 0.25), name="doc")
    >>> len(train), len(test), len(set(train) & set(test))
    (6, 2, 0)
    """
    shares = np.asarray(fractions, np.float64)
    if shares.ndim != 1 or not (shares > 0).all() or shares.sum() > 1 + 1e-9:
        raise DataError(
            explain(
                f"split {name!r}",
                "fractions are not shares",
                found=tuple(fractions),
                expected="numbers above 0, at most 1 together",
            )
        )
    parts: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    ends = np.cumsum(shares)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        shuffled = stream(SPLIT_SEED, f"{name}/class/{int(label)}").permutation(members)
        bounds = np.concatenate([[0], np.floor(ends * len(members) + 0.5)]).astype(np.int64)
        bounds = np.minimum(bounds, len(members))
        if (np.diff(bounds) < 1).any():
            raise DataError(
                explain(
                    f"split {name!r}: class {int(label)}",
                    "too few samples to be in every part",
                    found=len(members),
                    cure="give more samples of that class",
                )
            )
        for part, low, high in zip(parts, bounds[:-1], bounds[1:], strict=True):
            part.append(shuffled[low:high])
    if not parts[0]:
        raise DataError(explain(f"split {name!r}", "no samples to divide"))
    return tuple(np.sort(np.concatenate(part)).astype(np.int64) for part in parts)
