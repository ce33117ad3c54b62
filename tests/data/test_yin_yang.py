"""Yin-Yang: the published geometry, fixed parts, balanced classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.data import yin_yang
from spikewright.errors import DataError


def test_parts_are_fixed_and_share_no_point() -> None:
    data = yin_yang.load()
    parts = (data.train, data.validation, data.test)
    assert [p.n for p in parts] == [5000, 1000, 1000]
    every = np.concatenate([p.inputs for p in parts])
    assert len(np.unique(every, axis=0)) == 7000
    assert data.checksum == yin_yang.load(steps=10).checksum
    for p in parts:
        # drawn with probability 1/3 each: 5 standard deviations
        share = np.bincount(p.labels, minlength=3) / p.n
        assert np.abs(share - 1 / 3).max() < 5 * np.sqrt(2 / 9 / p.n)
        np.testing.assert_allclose(p.inputs[:, :2] + p.inputs[:, 2:], 1.0, atol=1e-6)
        np.testing.assert_array_equal(yin_yang.class_of(p.inputs[:, :2].astype(float)), p.labels)


def test_areas() -> None:
    """Yin and yang are equal; the dots are 2 (r / R)^2 of the disk: the definition, by counting a grid."""
    grid = (np.stack(np.meshgrid(np.arange(800), np.arange(800)), -1).reshape(-1, 2) + 0.5) / 800
    inside = grid[np.hypot(*(grid - 0.5).T) <= 0.5]
    share = np.bincount(yin_yang.class_of(inside)) / len(inside)
    dots = 2 * (0.1 / 0.5) ** 2
    np.testing.assert_allclose(share, [(1 - dots) / 2, (1 - dots) / 2, dots], atol=1e-3)


def test_turning_by_half_swaps_yin_and_yang() -> None:
    points, labels = yin_yang.points(500, name="turned")
    np.testing.assert_array_equal(yin_yang.class_of(1.0 - points), np.array([1, 0, 2])[labels])


def test_nothing_is_read() -> None:
    with pytest.raises(
        DataError, match=r"'yin_yang': is drawn, not read from a folder; found .*here"
    ):
        yin_yang.load(Path("here"))
