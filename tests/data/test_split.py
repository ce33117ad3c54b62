"""The fixed division: disjoint, complete, stratified, and known by name alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.data.split import stratified
from spikewright.errors import DataError


@given(st.lists(st.integers(10, 60), min_size=1, max_size=6), st.text(max_size=8))
def test_parts_are_disjoint_and_complete_and_hold_their_share(sizes: list[int], name: str) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    parts = stratified(labels, (0.7, 0.1, 0.2), name=name)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        for label, size in enumerate(sizes):
            assert abs((labels[part] == label).sum() - share * size) <= 1


def test_the_name_decides() -> None:
    labels = np.repeat(np.arange(10), 30)
    first = stratified(labels, (0.5, 0.5), name="a")
    assert all(map(np.array_equal, first, stratified(labels, (0.5, 0.5), name="a")))
    assert not np.array_equal(first[0], stratified(labels, (0.5, 0.5), name="b")[0])


def test_a_new_class_leaves_the_division_of_the_others() -> None:
    labels = np.repeat(np.arange(3), 30)
    less = stratified(labels[:60], (0.5, 0.5), name="a")[0]
    more = stratified(labels, (0.5, 0.5), name="a")[0]
    assert np.array_equal(less, more[more < 60])


@pytest.mark.parametrize("fractions", [(0.5, 0.6), (0.0, 1.0), (-0.1, 0.5), (float("nan"), 0.1)])
def test_fractions_that_are_no_shares(fractions: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match=r"split 'x': fractions are not shares; found"):
        stratified(np.zeros(10, np.int64), fractions, name="x")


def test_a_class_too_small() -> None:
    with pytest.raises(DataError, match="class 1: too few samples to be in every part; found 1"):
        stratified(np.array([0] * 10 + [1]), (0.7, 0.1, 0.2), name="x")


def test_nothing_to_divide() -> None:
    with pytest.raises(DataError, match="no samples to divide"):
        stratified(np.zeros(0, np.int64), (0.5, 0.5), name="x")
