"""What training is fed with: arrays and data sets, and messages where they do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import TrainError
from spikewright.train.samples import ArraySamples, as_part, as_parts

X, Y = np.zeros((5, 4, 3)), np.arange(4)


def test_batches_are_time_first() -> None:
    x = np.arange(60).reshape(5, 4, 3)
    np.testing.assert_array_equal(ArraySamples(x, Y).batch(np.array([2, 0])), x[:, [2, 0]])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y.astype(float), "labels: must be one whole number per sample; found float64"),
        (X, Y[:3], r"inputs and labels do not fit; found inputs \(5, 4, 3\), 3 labels"),
        (X[0], Y, r"expected inputs \(T, 4, \*shape\)"),
        (np.full_like(X, np.nan), Y, "inputs: are not all finite numbers"),
        (X, Y - 1, "labels: must not be negative; found -1"),
        (X[:, :0], Y[:0], "data: train: has no samples"),
    ],
)
def test_bad_arrays(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(TrainError, match=message):
        as_part((x, y), "train")


def test_bad_parts() -> None:
    with pytest.raises(
        TrainError, match="neither samples nor a pair of inputs and labels; found int"
    ):
        as_part(3, "train")
    with pytest.raises(
        TrainError, match=r"must be a data set or \(train, validation\); found 3 parts"
    ):
        as_parts(((X, Y), (X, Y), (X, Y)))
    with pytest.raises(TrainError, match="needs samples that are not encoded yet; found arrays"):
        as_parts(((X, Y), None), augmentation=object())
