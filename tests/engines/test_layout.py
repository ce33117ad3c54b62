"""Arrays for kernels: where they begin, and that they are zero."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import layout as at


@pytest.mark.parametrize("make", [at.lines, at.scattered])
@pytest.mark.parametrize("n", [0, 3, at.LARGE // 8 - 1, at.LARGE // 8, 2**20])
def test_arrays_are_zero_and_can_be_written(make, n):
    array = make((2, n), np.float64)
    assert array.shape == (2, n)
    assert array.dtype == np.float64
    assert not array.any()
    array += 1.0
    assert array.sum() == 2 * n


def test_lines_begin_with_a_cache_line():
    assert all(at.where(at.lines((3, n), np.uint8)) % at.LINE == 0 for n in (1, 5, at.LARGE))
