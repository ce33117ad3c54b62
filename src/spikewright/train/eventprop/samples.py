"""Labeled samples of event-based training: spikes at exact times, or parts of a data set on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.data.base import Dataset, Samples
from spikewright.errors import TrainError, explain
from spikewright.network.graph import Network
from spikewright.train.eventprop.exact import entering
from spikewright.train.eventprop.spikes import Spikes


@dataclass(frozen=True, eq=False)
class EventSamples:
    """Labeled samples of exact spike times.

    Parameters
    ----------
    inputs : input population -> Spikes
    labels : int64 (B,)
    """

    inputs: Mapping[str, Spikes]
    labels: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.labels)

    def batch(self, indices: ArrayLike, *, seed: int = 0, epoch: int = 0) -> dict[str, Spikes]:
        """Return what enters for the chosen samples."""
        return {n: s.take(indices) for n, s in self.inputs.items()}


@dataclass(frozen=True, eq=False)
class GridSamples:
    """A part of a data set: encoded anew for every batch, a spike of step k at k dt."""

    samples: Samples
    name: str

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 (B,)."""
        return self.samples.labels

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.samples.n

    def batch(self, indices: ArrayLike, *, seed: int = 0, epoch: int = 0) -> dict[str, Spikes]:
        """Return what enters for the chosen samples."""
        bins = self.samples.batch(indices, seed=seed, epoch=epoch)
        return {self.name: Spikes.from_bins(bins, self.samples.dt)}


Part = EventSamples | GridSamples


def as_part(given: Any, part: str, network: Network) -> Part:
    """Return `given`, Samples or an (inputs, labels) pair, as samples.

    Raises
    ------
    TrainError : it is neither, holds no samples, or does not fit the network
    """
    if isinstance(given, Samples):
        if len(network.inputs) != 1:
            raise TrainError(
                explain(
                    f"data: {part}", "needs a network with one input", found=len(network.inputs)
                )
            )
        found: Part = GridSamples(given, network.inputs[0])
    elif isinstance(given, tuple | list) and len(given) == 2:
        inputs, labels = entering(network, given[0]), np.asarray(given[1])
        n = next(iter(inputs.values())).n
        if labels.shape != (n,) or labels.dtype.kind not in "iu" or (n and labels.min() < 0):
            raise TrainError(
                explain(
                    f"data: {part}: labels",
                    "must be one whole number, 0 or more, per sample",
                    found=f"{labels.dtype} of shape {labels.shape}",
                    expected=f"({n},)",
                )
            )
        found = EventSamples(inputs, labels.astype(np.int64))
    else:
        raise TrainError(
            explain(
                f"data: {part}",
                "is neither samples nor a pair of inputs and labels",
                found=type(given).__name__,
            )
        )
    if found.n == 0:
        raise TrainError(explain(f"data: {part}", "has no samples"))
    return found


def as_parts(data: Any, network: Network) -> tuple[Part, Part | None]:
    """Return the training and the validation part of what `fit` was given; a test part is not touched."""
    if isinstance(data, Dataset):
        data = (data.train, data.validation)
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise TrainError(
            explain(
                "fit(data=)",
                "must be a data set or (train, validation)",
                found=type(data).__name__,
                cure="keep the test part for the end; say (train, None) to do without validation",
            )
        )
    train = as_part(data[0], "train", network)
    return train, None if data[1] is None else as_part(data[1], "validation", network)


def said(part: Part | None) -> Any:
    """Return what a fingerprint can be taken of."""
    if not isinstance(part, EventSamples):
        return part
    return [part.labels, *((n, s.start, s.time, s.address) for n, s in part.inputs.items())]
