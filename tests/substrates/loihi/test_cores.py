from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.substrates.loihi.cores import axon_words


@pytest.mark.parametrize(
    ("n", "bits", "words"),
    [
        (0, 8, 0),
        (1, 8, 1),
        (6, 9, 1),
        (7, 9, 2),
        (64, 8, 9),
        (65, 8, 10),
        (128, 8, 18),
        (64, 24, 25),
    ],
)
def test_axon_words_by_hand(n: int, bits: int, words: int) -> None:
    # n <= 64 synapses: ceil((n bits + 10) / 64) words of 64 bits; larger axons in groups of 64
    assert axon_words(n, bits) == words


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 26))
def test_axon_words_grow_and_hold_their_bits(a: int, b: int, bits: int) -> None:
    few, many = sorted((a, b))
    assert axon_words(few, bits) <= axon_words(many, bits)
    assert axon_words(many, bits) * 64 >= many * bits
