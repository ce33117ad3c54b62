"""Samples and data sets: batches repeat, do not depend on their company, and refuse what does not fit."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewright.data import (
    Affine,
    Constant,
    Dataset,
    Encoding,
    Latency,
    PoissonRate,
    Samples,
    Stream,
)
from spikewright.errors import DataError


def images(part: str = "train", n: int = 12, *, encoding: Encoding | None = None) -> Samples:
    x = np.random.default_rng(n).random((n, 5, 4), dtype=np.float32)
    return Samples(x, np.arange(n) % 3, encoding or Constant(), 6, 1e-3, part)


def dataset(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "toy",
        "train": images("train"),
        "validation": images("validation", 6),
        "test": images("test", 7),
        "classes": ("a", "b", "c"),
        "shape": (5, 4),
        "steps": 6,
        "dt": 1e-3,
        "source": "made here",
        "license": "none",
        "checksum": "",
    }
    return Dataset(**{**fields, **changes})


def test_a_batch_is_time_batch_neuron() -> None:
    samples = images()
    batch = samples.batch([3, 1])
    assert batch.shape == (6, 2, 20)
    assert batch.dtype == np.float32
    assert np.array_equal(batch[5, 1], samples.inputs[1].ravel())


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 11), max_size=8),
    st.integers(0, 2**31),
    st.integers(0, 9),
    st.sampled_from([Constant(), PoissonRate(400.0), Latency()]),
)
def test_a_sample_is_the_same_in_every_batch(
    indices: list[int], seed: int, epoch: int, encoding: Encoding
) -> None:
    samples = replace(images(encoding=encoding), augmentation=Affine(shift=1.0, rotate=0.2))
    together = samples.batch(indices, seed=seed, epoch=epoch)
    for place, index in enumerate(indices):
        alone = samples.batch([index], seed=seed, epoch=epoch)
        assert np.array_equal(together[:, place], alone[:, 0])


def test_seed_epoch_and_part_change_random_draws() -> None:
    samples = images(encoding=PoissonRate(400.0))
    base = samples.batch(range(12), seed=1, epoch=1)
    assert np.array_equal(base, samples.batch(range(12), seed=1, epoch=1))
    assert not np.array_equal(base, samples.batch(range(12), seed=2, epoch=1))
    assert not np.array_equal(base, samples.batch(range(12), seed=1, epoch=2))
    assert not np.array_equal(base, replace(samples, part="test").batch(range(12), seed=1, epoch=1))


def test_augmentation_changes_the_training_part_alone() -> None:
    plain = dataset()
    moved = plain.augmented(Affine(shift=1.0))
    for part in ("validation", "test"):
        before, after = getattr(plain, part), getattr(moved, part)
        assert np.array_equal(before.batch(range(6), seed=3), after.batch(range(6), seed=3))
    assert not np.array_equal(plain.train.batch([0], seed=3), moved.train.batch([0], seed=3))
    assert np.array_equal(plain.train.inputs, moved.train.inputs)


def test_encoded_changes_every_part() -> None:
    other = dataset().encoded(Latency(), steps=9, dt=2e-3)
    assert (other.steps, other.dt, other.n_inputs) == (9, 2e-3, 20)
    assert other.test.batch([0]).shape == (9, 1, 20)


def test_encoding_of_the_other_kind() -> None:
    with pytest.raises(DataError, match="'toy': encoding Stream: does not fit the samples; found"):
        dataset().encoded(Stream())


def test_an_empty_batch() -> None:
    assert images().batch([]).shape == (6, 0, 20)


def test_values_cannot_be_changed() -> None:
    samples = images()
    with pytest.raises(FrozenInstanceError):
        samples.steps = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        samples.inputs[0] = 0
    given = np.ones((2, 3), np.float32)
    Samples(given, np.array([0, 1]), Constant(), 1, 1.0, "train")
    given[0] = 0.5  # the caller's own array stays writable
    with pytest.raises(ValueError, match="read-only"):
        samples.batch([0])[0] = 0  # one step stands for all of them


@pytest.mark.parametrize(
    ("indices", "words"),
    [
        ([12], "outside the samples; found 12 to 12, expected 0 to 11"),
        ([-1, 3], "outside the samples; found -1 to 3, expected 0 to 11"),
        ([0.5], "are not sample numbers; found float64"),
        ([[1]], "are not sample numbers; found int64 of shape"),
        ([True], "are not sample numbers; found bool"),
    ],
)
def test_indices_that_are_none(indices: Any, words: str) -> None:
    with pytest.raises(DataError, match=f"batch of 'train': indices: {words}"):
        images().batch(indices)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "samples 'train': steps: too few; found 0"),
        ({"dt": float("nan")}, "samples 'train': dt: is not a time; found nan"),
        ({"labels": np.array([0.5] * 12)}, "labels: are not class numbers; found float64"),
        ({"labels": np.arange(12) - 1}, "labels: are not class numbers"),
        ({"labels": np.arange(11)}, r"inputs: axes do not fit; found shape \(12, 5, 4\) with 11"),
        ({"inputs": np.full((12, 2), np.nan)}, "inputs: are not finite numbers"),
        ({"inputs": np.full((12, 2), "x")}, "inputs: are not finite numbers; found <U1"),
        ({"inputs": np.full((12, 2), 16.0)}, "intensities outside 0 to 1; found 16 to 16 — divide"),
        ({"encoding": Stream()}, "time series of another length; found 5 steps, expected 6"),
        ({"numbers": np.arange(3)}, "numbers: not one per sample; found 3, expected 12"),
    ],
)
def test_samples_that_do_not_fit(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(images(), **{"numbers": None, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ("a", "b")}, "'toy': train: has a label without a class; found 2"),
        ({"shape": (20,)}, "has another shape, number of steps or dt than the data set"),
        ({"test": images("test", 0)}, "'toy': test: has no samples; found 0"),
        (
            {"test": replace(images("test"), augmentation=Affine())},
            "'toy': test: is augmented — augment the training part only",
        ),
    ],
)
def test_data_sets_that_do_not_fit(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        dataset(**changes)
