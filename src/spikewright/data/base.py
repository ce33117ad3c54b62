"""Data sets as values: inputs, labels, three fixed parts, and batches in the engines' axes `T B N`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.data.augmentation import Augmentation
from spikewright.data.encoding import Draw, Encoding
from spikewright.errors import DataError, Problems, explain


@dataclass(frozen=True, eq=False)
class Samples:
    """One part of a data set.

    Parameters
    ----------
    inputs : float32 array; B *shape, intensities 0 to 1, or B T *shape, time series
    labels : int64 array, B, >= 0
    encoding : how they enter a network
    steps : T
    dt : float, s
    part : its name, which the random draws of encodings depend on
    numbers : int64 array, B; what each sample is called in random draws, default 0 to B - 1
    augmentation : what changes the samples anew in every epoch, or None

    Raises
    ------
    DataError : these do not fit together
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    encoding: Encoding
    steps: int
    dt: float
    part: str
    numbers: NDArray[np.int64] | None = None
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        inputs = np.asarray(self.inputs)
        labels = np.asarray(self.labels)
        numbers = np.arange(len(labels)) if self.numbers is None else np.asarray(self.numbers)
        problems = Problems()
        where = f"samples {self.part!r}"
        if self.steps < 1:
            problems.add(f"{where}: steps", "too few", found=self.steps, expected="at least 1")
        if not (self.dt > 0 and math.isfinite(self.dt)):
            problems.add(f"{where}: dt", "is not a time", found=self.dt, expected="seconds, > 0")
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
            problems.add(
                f"{where}: labels",
                "are not class numbers",
                found=f"{labels.dtype} of shape {labels.shape}",
                expected="integers >= 0, B",
            )
        if inputs.dtype.kind not in "biuf" or not np.isfinite(inputs).all():
            problems.add(f"{where}: inputs", "are not finite numbers", found=inputs.dtype)
        else:
            self._check_inputs(problems, where, inputs, labels)
        if numbers.shape != labels.shape:
            problems.add(
                f"{where}: numbers", "not one per sample", found=len(numbers), expected=len(labels)
            )
        problems.raise_as(DataError)
        object.__setattr__(self, "inputs", _read_only(inputs, np.float32))
        object.__setattr__(self, "labels", _read_only(labels, np.int64))
        object.__setattr__(self, "numbers", _read_only(numbers, np.int64))

    def _check_inputs(
        self, problems: Problems, where: str, inputs: NDArray[Any], labels: NDArray[Any]
    ) -> None:
        series = self.encoding.is_series
        axes = "B T *shape" if series else "B *shape"
        if inputs.ndim < (3 if series else 2) or len(inputs) != len(labels):
            problems.add(
                f"{where}: inputs",
                "axes do not fit",
                found=f"shape {inputs.shape} with {len(labels)} labels",
                expected=axes,
            )
        elif series and inputs.shape[1] != self.steps:
            problems.add(
                f"{where}: inputs",
                "time series of another length",
                found=f"{inputs.shape[1]} steps",
                expected=self.steps,
            )
        elif not series and inputs.size and not (inputs.min() >= 0 and inputs.max() <= 1):
            problems.add(
                f"{where}: inputs",
                "intensities outside 0 to 1",
                found=f"{inputs.min():g} to {inputs.max():g}",
                cure="divide by the largest value that can occur",
            )

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.labels)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of what is stored, at one step."""
        return self.inputs.shape[2:] if self.encoding.is_series else self.inputs.shape[1:]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what enters a network at one step."""
        return self.encoding.shape_of(self.sample_shape)

    def batch(self, indices: ArrayLike, *, seed: int = 0, epoch: int = 0) -> NDArray[np.float32]:
        """Return samples as they enter a network: augmented, encoded, time first.

        Parameters
        ----------
        indices : B integers, 0 <= index < n
        seed : int, of augmentation and random encodings
        epoch : int; another epoch gives other draws

        Returns
        -------
        float32 array, T B N : N numbers of `shape`; a sample is the same in whatever batch it comes

        Raises
        ------
        DataError : an index is not one of a sample
        """
        chosen = np.asarray(indices)
        if chosen.size == 0:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise DataError(
                explain(
                    f"batch of {self.part!r}: indices",
                    "are not sample numbers",
                    found=f"{chosen.dtype} of shape {chosen.shape}",
                    expected="integers, B",
                )
            )
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < self.n):
            raise DataError(
                explain(
                    f"batch of {self.part!r}: indices",
                    "outside the samples",
                    found=f"{chosen.min()} to {chosen.max()}",
                    expected=f"0 to {self.n - 1}",
                )
            )
        numbers = np.asarray(self.numbers)[chosen]
        draw = Draw(int(seed), self.part, int(epoch), numbers)
        inputs = self.inputs[chosen]
        if self.augmentation is not None:
            inputs = self.augmentation.apply(inputs, draw)
        entering = self.encoding.encode(inputs, steps=self.steps, dt=self.dt, draw=draw)
        return entering.reshape(self.steps, len(chosen), math.prod(self.shape))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled samples in three parts that share no sample and do not depend on any run's seed.

    Parameters
    ----------
    name : what `load` calls it
    train, validation, test : its parts; only `train` may be augmented
    classes : name of each label
    shape : what enters a network at one step; N is their product
    steps : T
    dt : float, s
    source : who made it, where it is described
    license : under which terms it may be used
    checksum : sha256 of the data as read, hexadecimal
    notes : what a reader of results must know, one sentence each
    """

    name: str
    train: Samples
    validation: Samples
    test: Samples
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    steps: int
    dt: float
    source: str
    license: str
    checksum: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = Problems()
        for part in (self.train, self.validation, self.test):
            where = f"data set {self.name!r}: {part.part}"
            if part.n == 0:
                problems.add(where, "has no samples", found=0, expected="at least 1")
            elif int(part.labels.max()) >= len(self.classes):
                problems.add(
                    where,
                    "has a label without a class",
                    found=int(part.labels.max()),
                    expected=f"0 to {len(self.classes) - 1}",
                )
            if (part.shape, part.steps, part.dt) != (self.shape, self.steps, self.dt):
                problems.add(
                    where,
                    "has another shape, number of steps or dt than the data set",
                    found=(part.shape, part.steps, part.dt),
                    expected=(self.shape, self.steps, self.dt),
                )
        for part in (self.validation, self.test):
            if part.augmentation is not None:
                problems.add(
                    f"data set {self.name!r}: {part.part}",
                    "is augmented",
                    cure="augment the training part only, with Dataset.augmented",
                )
        problems.raise_as(DataError)

    @property
    def n_inputs(self) -> int:
        """N: numbers that enter a network at one step."""
        return math.prod(self.shape)

    def augmented(self, augmentation: Augmentation | None) -> Dataset:
        """Return this data set with its training part, and no other, augmented."""
        return replace(self, train=replace(self.train, augmentation=augmentation))

    def encoded(
        self, encoding: Encoding, *, steps: int | None = None, dt: float | None = None
    ) -> Dataset:
        """Return this data set with another encoding, and with other `steps` and `dt` where given.

        Raises
        ------
        DataError : the encoding does not fit what is stored
        """
        if encoding.is_series != self.train.encoding.is_series:
            raise DataError(
                explain(
                    f"data set {self.name!r}: encoding {type(encoding).__name__}",
                    "does not fit the samples",
                    found="an encoding of time series" if encoding.is_series else "one of images",
                    expected="the other kind",
                    cure="Constant, PoissonRate, DeterministicRate and Latency take static "
                    "samples; Stream, LevelCrossing and Above take time series",
                )
            )
        steps = self.steps if steps is None else steps
        dt = self.dt if dt is None else dt
        parts = {
            name: replace(getattr(self, name), encoding=encoding, steps=steps, dt=dt)
            for name in ("train", "validation", "test")
        }
        return replace(self, **parts, shape=parts["train"].shape, steps=steps, dt=dt)


def _read_only(given: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    array = np.ascontiguousarray(given, dtype=dtype).view()
    array.flags.writeable = False
    return array
