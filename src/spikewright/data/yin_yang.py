"""Yin-Yang: points of a plane in three classes, drawn here from their published definition. No download.

Notation: a disk of radius R = 1/2 around (1/2, 1/2) is divided by an S-shaped line of two half circles of radius R / 2,
around (1/4, 1/2) and (3/4, 1/2). The two halves are the classes yin and yang; two dots of radius r = 1/10 around the
same points are the third. A sample is (x, y, 1 - x, 1 - y): without the mirrored coordinates no neuron would see a
small x as a strong input. Classes are equally likely.

Source
------
Kriener, Goeltz, Petrovici, "The Yin-Yang dataset", Neuro-Inspired Computational Elements Conference 2022,
arXiv 2102.08211. Sizes of the parts as there: 5000, 1000, 1000.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikewright.data.base import Dataset, Samples
from spikewright.data.encoding import Encoding, Latency
from spikewright.errors import DataError, explain
from spikewright.rng import stream
from spikewright.units import ms

CLASSES = ("yin", "yang", "dot")
RADIUS, DOT = 0.5, 0.1
SIZES = {"train": 5000, "validation": 1000, "test": 1000}
SEED = 0
"""Of the points: they are part of the data set and do not depend on a run."""


def class_of(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the class of points (n, 2) within the disk.

    Examples
    --------
    >>> class_of(np.array([[0.5, 0.9], [0.5, 0.1], [0.25, 0.5], [0.75, 0.45]])).tolist()
    [0, 1, 2, 2]
    """
    x, y = points.T
    left, right = np.hypot(x - 0.5 * RADIUS, y - RADIUS), np.hypot(x - 1.5 * RADIUS, y - RADIUS)
    yin = (left <= 0.5 * RADIUS) | ((y > RADIUS) & (right > 0.5 * RADIUS))
    return np.where((left <= DOT) | (right <= DOT), 2, np.where(yin, 0, 1))


def points(n: int, *, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return `n` points (n, 2) and their classes, drawn from a named stream.

    For each the class is drawn first, then points of the square until one lies in the disk and is of that class.
    """
    draw = stream(SEED, f"data/yin_yang/{name}")
    labels = draw.integers(len(CLASSES), size=n)
    found = np.empty((n, 2))
    open_ = np.arange(n)
    while len(open_):
        tried = draw.random((len(open_), 2))
        inside = np.hypot(*(tried - RADIUS).T) <= RADIUS
        fits = inside & (class_of(tried) == labels[open_])
        found[open_[fits]] = tried[fits]
        open_ = open_[~fits]
    return found, labels


def load(
    folder: Path | None = None,
    *,
    encoding: Encoding | None = None,
    steps: int = 50,
    dt: float = 1 * ms,
) -> Dataset:
    """Draw the points.

    Parameters
    ----------
    folder : must be None, there is nothing to read
    encoding : how they enter a network; default `Latency()`, a large coordinate early
    steps : T
    dt : float, s

    Returns
    -------
    Dataset : shape (4,): x, y, 1 - x, 1 - y

    Raises
    ------
    DataError : a folder is given
    """
    if folder is not None:
        raise DataError(
            explain(
                "data set 'yin_yang'",
                "is drawn, not read from a folder",
                found=str(folder),
                cure="leave the folder away",
            )
        )
    how = Latency() if encoding is None else encoding
    digest = hashlib.sha256()
    parts = {}
    for part, n in SIZES.items():
        plane, labels = points(n, name=part)
        digest.update(plane.tobytes() + labels.astype(np.uint8).tobytes())
        inputs = np.concatenate([plane, 1.0 - plane], axis=1)
        parts[part] = Samples(inputs.astype(np.float32), labels, how, steps, dt, part)
    return Dataset(
        name="yin_yang",
        **parts,
        classes=CLASSES,
        shape=parts["train"].shape,
        steps=steps,
        dt=dt,
        source="L. Kriener, J. Goeltz, M. A. Petrovici, The Yin-Yang dataset, NICE 2022, arXiv 2102.08211; drawn "
        "anew from its definition",
        license="none: points drawn by this program",
        checksum=digest.hexdigest(),
        notes=("three parts of 5000, 1000 and 1000 points, each from a random stream of its own",),
    )
