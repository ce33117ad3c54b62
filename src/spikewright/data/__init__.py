"""Data sets: inputs, labels, fixed parts, encodings. Loads NumPy and nothing heavier."""

from __future__ import annotations

import inspect
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from spikewright.data.augmentation import Affine, Augmentation, Slide
from spikewright.data.base import Dataset, Samples
from spikewright.data.encoding import (
    Above,
    Constant,
    DeterministicRate,
    Draw,
    Encoding,
    Latency,
    LevelCrossing,
    PoissonRate,
    Stream,
)
from spikewright.errors import DataError, explain

DATASETS = {
    "digits": "spikewright.data.digits:load",
    "fashion_mnist": "spikewright.data.idx:fashion_mnist",
    "fsdd": "spikewright.data.fsdd:load",
    "mnist": "spikewright.data.idx:mnist",
    "recordings": "spikewright.data.recordings:load",
}
"""Name of each data set -> the function that reads it, `module:function`."""

__all__ = [
    "DATASETS",
    "Above",
    "Affine",
    "Augmentation",
    "Constant",
    "Dataset",
    "DeterministicRate",
    "Draw",
    "Encoding",
    "Latency",
    "LevelCrossing",
    "PoissonRate",
    "Samples",
    "Slide",
    "Stream",
    "load",
]


def load(name: str, folder: str | os.PathLike[str] | None = None, **options: Any) -> Dataset:
    """Read a data set by name.

    Parameters
    ----------
    name : one of `DATASETS`
    folder : where its files are; 'digits' needs none
    options : keyword arguments of the function that reads it, such as `encoding`, `steps` and `dt`

    Raises
    ------
    DataError : no such data set or option, or its files are missing or do not fit
    FormatError : a file is damaged
    MissingExtra : a package it needs is not installed

    Examples
    --------
    >>> digits = load("digits", steps=4)
    >>> digits.train.batch([0, 1]).shape
    (4, 2, 64)
    """
    if name not in DATASETS:
        raise DataError(
            explain(f"data set {name!r}", "is not known", expected=", ".join(sorted(DATASETS)))
        )
    module, function = DATASETS[name].split(":")
    read = getattr(import_module(module), function)
    known = [
        each.name
        for each in inspect.signature(read).parameters.values()
        if each.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise DataError(
            explain(
                f"data set {name!r}",
                f"has no option {', '.join(unknown)}",
                expected=", ".join(known),
            )
        )
    data: Dataset = read(None if folder is None else Path(folder), **options)
    return data
