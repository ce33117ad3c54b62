import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewright.engines.narrow import GROUP, narrowed


@pytest.mark.parametrize(
    ("weight", "kind", "shift"),
    [
        ([0, 0], "int8", 0),
        ([-128, 127], "int8", 0),
        ([-256, 254], "int8", 1),
        ([255, 1], "int16", 0),
        ([64 * 255, -64 * 255], "int16", 6),
        ([4095, 1], "int16", 0),
        ([4096, 1], "int16", 0),
        ([2**15, 1], "int32", 0),
        ([2**31, 1], "int64", 0),
        ([-(2**63), 0], "int8", 63),
    ],
)
def test_smallest_numbers_and_what_is_taken_out(weight, kind, shift):
    assert narrowed(np.array(weight), 0, 2, graded=False, group=False) == (kind, shift)


def test_groups_and_totals_fit():
    assert narrowed(np.array([4095, 1]), 0, 9, graded=False, group=True)[0] == "int16"
    assert narrowed(np.array([4096, 1]), 0, 9, graded=False, group=True)[0] == "int32"
    # so many sources that their sum needs more than 32 bits
    assert narrowed(np.array([127]), 0, 2**25, graded=False, group=True)[0] == "int64"


def test_nothing_is_taken_out_where_sums_could_wrap_before_they_are_shifted_right():
    weight = np.array([2**62, 2**61])
    assert narrowed(weight, -1, 3, graded=False, group=False)[1] == 0
    assert narrowed(weight, 1, 3, graded=False, group=False)[1] == 61
    assert narrowed(np.array([8]), -1, 3, graded=True, group=False)[1] == 0
    assert narrowed(np.array([8]), -1, 3, graded=False, group=False)[1] == 3


@given(
    hnp.arrays(np.int64, st.integers(1, 9), elements=st.integers(-(2**40), 2**40)),
    st.integers(0, 20),
    st.booleans(),
)
def test_nothing_is_lost(weight, factor, group):
    weight = weight << factor
    kind, shift = narrowed(weight, 0, len(weight), graded=False, group=group)
    kept = (weight >> shift).astype(kind).astype(np.int64)
    assert np.array_equal(kept << shift, weight)
    if group and kind in ("int8", "int16"):
        assert GROUP * np.abs(kept).max() < 2**15
        assert np.abs(kept).sum() < 2**31
