"""What compiled loops need and Numba does not have."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import njit

from spikewright.engines.intrinsics import (
    address_of,
    atomic_add,
    atomic_load,
    atomic_store,
    bits_of,
    from_bits,
    half,
    masked_add,
    view,
    wait_for_all,
)


@njit(nogil=True)
def _count_and_meet(sync, n, rounds, mine, all_counts, wrong):
    for r in range(rounds):
        all_counts[mine] = r + 1
        wait_for_all(sync, n)
        for other in range(n):
            if all_counts[other] != r + 1:
                wrong[mine] += 1
        wait_for_all(sync, n)


@pytest.mark.parametrize(("threads", "rounds"), [(1, 9), (2, 3000), (3, 500), (4, 300), (9, 60)])
def test_threads_meet(threads, rounds):
    """Nobody goes on before all have come, however many more threads than cores there are."""
    sync = np.zeros(32, np.int64)
    counts, wrong = np.zeros(threads, np.int64), np.zeros(threads, np.int64)
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(_count_and_meet, sync, threads, rounds, i, counts, wrong)
            for i in range(threads)
        ]
        for job in jobs:
            job.result(timeout=60)
    assert counts.tolist() == [rounds] * threads
    assert not wrong.any()


@njit(nogil=True)
def _add_many(array, n):
    for _ in range(n):
        atomic_add(array, 1, 1)


def test_atomic_addition_loses_nothing():
    array = np.zeros(3, np.int64)
    with ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(_add_many, array, 20000) for _ in range(4)]:
            job.result(timeout=60)
    assert array.tolist() == [0, 80000, 0]


@njit
def _atomics(array):
    before = atomic_add(array, 2, 5)
    atomic_store(array, 0, 7)
    return before, atomic_load(array, 2)


def test_atomics_return_what_was_there():
    array = np.array([1, 2, 3])
    assert _atomics(array) == (3, 8)
    assert array.tolist() == [7, 2, 8]


@njit
def _half(bits):
    out = np.zeros(len(bits), np.float32)
    for i in range(len(bits)):
        out[i] = half(bits[i])
    return out


def test_half_of_every_bit_pattern():
    bits = np.arange(2**16).astype(np.uint16)
    expected = bits.view(np.float16).astype(np.float32)
    found = _half(bits)
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(expected))


@njit
def _there_and_back(x):
    return from_bits(bits_of(x))


def test_bits_of_a_float():
    for x in (0.0, -0.0, 1.5, -np.inf, 1e-45):
        found = _there_and_back(np.float32(x))
        assert found == np.float32(x)
        assert np.signbit(found) == np.signbit(x)


@njit
def _masked(words, slot, width, amount):
    masked_add(words, slot, width, amount)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("width", [0, 1, 63, 64, 65, 130, 192])
def test_masked_addition(kind, width):
    draw = np.random.default_rng(width)
    words = draw.integers(0, 2**64, 1 + width // 64, dtype=np.uint64)
    words[::2] = 0
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")[:width]
    slot = draw.normal(size=width + 70).astype(kind)
    expected = slot.copy()
    expected[:width] = np.where(bits, slot[:width] + kind(0.3), slot[:width])
    _masked(words, slot, width, kind(0.3))
    assert np.array_equal(slot, expected)


@njit
def _through_an_address(array, i):
    seen = view(address_of(array, i), 2, np.float64)
    seen[1] = 9.0
    return seen[0]


def test_a_view_of_an_address():
    array = np.arange(5.0)
    assert _through_an_address(array, 2) == 2.0
    assert array.tolist() == [0, 1, 2, 9, 4]
