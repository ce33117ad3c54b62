"""The digits of scikit-learn: known data, one division for every run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from spikewright.data import Affine, Constant, digits, load
from spikewright.errors import DataError, MissingExtra


def test_parts() -> None:
    data = load("digits")
    parts = (data.train, data.validation, data.test)
    assert [part.n for part in parts] == [1258, 180, 359]
    numbers = np.concatenate([part.numbers for part in parts])  # type: ignore[arg-type]
    assert np.array_equal(np.sort(numbers), np.arange(1797))
    assert data.shape == (8, 8)
    assert data.train.inputs.max() == 1.0
    for part in parts:
        counts = np.bincount(part.labels) / part.n
        assert np.abs(counts - 0.1).max() < 0.01


def test_no_option_moves_a_sample_to_another_part() -> None:
    first, second = load("digits"), load("digits", steps=3, encoding=Constant(gain=2.0))
    second = second.augmented(Affine(shift=1.0))
    for part in ("train", "validation", "test"):
        a, b = getattr(first, part), getattr(second, part)
        assert np.array_equal(a.inputs, b.inputs)
        assert np.array_equal(a.labels, b.labels)


def test_scikit_learn_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=r"data set 'digits' needs scikit-learn — pip install"):
        digits.load()


def test_other_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "SHA256", "0" * 64)
    with pytest.raises(DataError, match="other data than those known here; found sha256 87ff0c9e"):
        digits.load()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="read from scikit-learn, not from a folder; found"):
        load("digits", tmp_path)
