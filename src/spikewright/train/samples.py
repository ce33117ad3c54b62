"""What training is fed with: parts of a data set, or plain arrays that already are what enters the network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spikewright.data.augmentation import Augmentation
from spikewright.data.base import Dataset, Samples
from spikewright.errors import TrainError, explain


@dataclass(frozen=True, eq=False)
class ArraySamples:
    """Labeled samples that need no encoding.

    Parameters
    ----------
    inputs : what enters the network, `T B *shape`
    labels : int (B,), classes from 0
    part : what messages call it
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    part: str = "train"

    def __post_init__(self) -> None:
        inputs, labels = np.asarray(self.inputs), np.asarray(self.labels)
        where = f"data: {self.part}"
        if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iu"):
            raise TrainError(
                explain(
                    f"{where}: labels",
                    "must be one whole number per sample",
                    found=f"{labels.dtype} of shape {labels.shape}",
                )
            )
        if inputs.ndim < 3 or inputs.shape[1] != len(labels):
            raise TrainError(
                explain(
                    where,
                    "inputs and labels do not fit",
                    found=f"inputs {inputs.shape}, {len(labels)} labels",
                    expected=f"inputs (T, {len(labels)}, *shape)",
                    cure="inputs are time first, then batch",
                )
            )
        if inputs.dtype.kind not in "buif" or not np.all(np.isfinite(inputs)):
            raise TrainError(explain(f"{where}: inputs", "are not all finite numbers"))
        if labels.size and labels.min() < 0:
            raise TrainError(
                explain(f"{where}: labels", "must not be negative", found=int(labels.min()))
            )
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "labels", labels.astype(np.int64))

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.labels)

    def batch(self, indices: ArrayLike, *, seed: int = 0, epoch: int = 0) -> NDArray[Any]:
        """Return what enters for the chosen samples, `T B *shape`."""
        return self.inputs[:, np.asarray(indices)]


Part = Samples | ArraySamples
"""Labeled samples: of a data set, or plain arrays."""


def as_part(given: Any, part: str) -> Part:
    """Return `given`, samples or an (inputs, labels) pair, as samples.

    Raises
    ------
    TrainError : it is neither, or holds no samples
    """
    found: Part
    if isinstance(given, Samples | ArraySamples):
        found = given
    elif isinstance(given, tuple | list) and len(given) == 2:
        where = f"data: {part}"
        inputs, labels = _array(given[0], f"{where}: inputs"), _array(given[1], f"{where}: labels")
        found = ArraySamples(inputs, labels, part)
    else:
        raise TrainError(
            explain(
                f"data: {part}",
                "is neither samples nor a pair of inputs and labels",
                found=type(given).__name__,
                cure="give ((inputs, labels), (inputs, labels)) with inputs T B *shape",
            )
        )
    if found.n == 0:
        raise TrainError(
            explain(f"data: {part}", "has no samples", cure="check how the data was split")
        )
    return found


def _array(given: Any, where: str) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        found = type(given).__name__
        if isinstance(given, Tensor):
            found = f"a tensor of {given.dtype} on {given.device}"
            found += " with a gradient" if given.requires_grad else ""
        raise TrainError(
            explain(
                where,
                "are no array of numbers",
                found=found,
                cure="give arrays, or tensors on the CPU: batches are moved as they are needed",
            )
        ) from error


def as_parts(data: Any, augmentation: Augmentation | None = None) -> tuple[Part, Part | None]:
    """Return the training and the validation part of what `fit` was given; a test part is not touched."""
    if isinstance(data, Dataset):
        data = (data.train, data.validation)
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise TrainError(
            explain(
                "fit(data=)",
                "must be a data set or (train, validation)",
                found=f"{len(data)} parts"
                if isinstance(data, tuple | list)
                else type(data).__name__,
                cure="keep the test part for the end; say (train, None) to do without validation",
            )
        )
    train = as_part(data[0], "train")
    validation = None if data[1] is None else as_part(data[1], "validation")
    if augmentation is not None:
        if not isinstance(train, Samples):
            raise TrainError(
                explain(
                    "fit(augmentation=)",
                    "needs samples that are not encoded yet",
                    found="arrays",
                    cure="give spikewright.data Samples",
                )
            )
        train = replace(train, augmentation=augmentation)
    return train, validation
