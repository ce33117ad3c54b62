"""Drives in compiled kernels: the values of a block for one step, drawn four steps at a time; see `engines/draws.py`.

Words are drawn in a loop that becomes vector code; a Poisson count is then found by a guide table on a word's highest
bits, and one comparison or a few more with the thresholds of the distribution.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikewright.engines import draws
from spikewright.engines.intrinsics import view
from spikewright.rng import PHILOX_M0, PHILOX_M1, PHILOX_ROUNDS, PHILOX_W0, PHILOX_W1

_compiled = njit(nogil=True, error_model="numpy", fastmath=False)

# -- a drive's table ----------------------------------------------------------------------------------
KIND = 0  # POISSON, GAUSSIAN or STEPS
KEY = 1
FIRST_SAMPLE = 2
FIRST_STEP = 3  # of this chunk: what was drawn for an earlier one may be of another sample
BUFFER = 4  # number [workers, 4, n]: what enters in four steps
WORDS = 5  # uint32 [workers, 4, n]
SIZE = 6
GUIDE = 7  # int32 [tables, CELLS]
THRESHOLDS = 8  # uint64
START = 9  # int64 [tables]: where a table's thresholds begin
WHICH = 10  # int64 [n]; 0: all neurons have the first table
WEIGHT = 11  # number [n]
MEAN, STD = 7, 8  # float64 [n]
TIMES, PIECES, STEP_VALUES = 7, 8, 9  # int64 [pieces], their number, number [pieces, n]
ITEM = 12  # bytes of a number
ENTRIES = 13
POISSON, GAUSSIAN, STEPS = 0, 1, 2

BITS = 11
CELLS = 2**BITS

_MASK, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_M0, _M1 = np.uint64(PHILOX_M0), np.uint64(PHILOX_M1)
_W0, _W1 = np.uint64(PHILOX_W0), np.uint64(PHILOX_W1)
_SHIFT = np.uint32(32 - BITS)
_A, _B, _C, _D = (np.array(x) for x in (draws.PPND_A, draws.PPND_B, draws.PPND_C, draws.PPND_D))


def guide(thresholds: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return for each cell of words the count of its first word, (CELLS,)."""
    first = np.arange(CELLS, dtype=np.uint64) << np.uint64(32 - BITS)
    return np.searchsorted(thresholds, first, side="right").astype(np.int32)


@_compiled
def _draw(words: Any, stride: int, n: int, first: int, key: np.uint64, counter: np.uint64) -> None:
    c2_0, c3_0 = counter & _MASK, counter >> _32
    k0_0, k1_0 = key & _MASK, key >> _32
    one, two = words[stride:], words[2 * stride :]
    three = words[3 * stride :]
    begin = np.uint64(first)
    for i in range(n):
        neuron = begin + np.uint64(i)
        c0, c1, c2, c3 = neuron & _MASK, neuron >> _32, c2_0, c3_0
        k0, k1 = k0_0, k1_0
        for _ in range(PHILOX_ROUNDS):
            p0, p1 = _M0 * c0, _M1 * c2
            c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _MASK, (p0 >> _32) ^ c3 ^ k1, p0 & _MASK
            k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
        words[i] = np.uint32(c0)
        one[i] = np.uint32(c1)
        two[i] = np.uint32(c2)
        three[i] = np.uint32(c3)


@_compiled
def quantile(word: np.uint32) -> Any:
    """Return F^-1((word + 1/2) / 2^32), as `draws.quantile`."""
    p: Any = (np.float64(word) + 0.5) * 2.0**-32
    q = p - 0.5
    if abs(q) <= draws.PPND_SPLIT:
        r = draws.PPND_CENTER - q * q
        return q * (_horner(_A, r) / _horner(_B, r))
    r = math.sqrt(-math.log(p if q < 0.0 else 1.0 - p)) - draws.PPND_TAIL
    outer = _horner(_C, r) / _horner(_D, r)
    return -outer if q < 0.0 else outer


@_compiled
def _horner(coefficients: Any, x: Any) -> Any:
    total = coefficients[7]
    for i in range(6, -1, -1):
        total = total * x + coefficients[i]
    return total


@_compiled
def fill(drive: int, sample: int, worker: int, k: int, block: int, n: int, kind: Any) -> Any:
    """Return the address of what a drive gives to a block in step k."""
    t = view(drive, ENTRIES, np.int64)
    size = t[SIZE]
    item = t[ITEM]
    buffer = t[BUFFER] + item * (4 * worker * size + block)
    here = buffer + item * (k & 3) * size
    if t[KIND] == STEPS:
        times = view(t[TIMES], t[PIECES], np.int64)
        piece = np.searchsorted(times, k, side="right") - 1
        return t[STEP_VALUES] + item * (piece * size + block)
    if k & 3 and k != t[FIRST_STEP]:
        return here
    words = view(t[WORDS] + 4 * (4 * worker * size + block), 3 * size + n, np.uint32)
    key = np.uint64(t[KEY])
    counter = np.uint64(((sample + t[FIRST_SAMPLE]) << 40) + (k >> 2))
    _draw(words, size, n, block, key, counter)
    if t[KIND] == POISSON:
        _count(t, words, buffer, size, block, n, kind)
        return here
    mean = view(t[MEAN] + 8 * block, n, np.float64)
    std = view(t[STD] + 8 * block, n, np.float64)
    for j in range(4):
        out = view(buffer + item * j * size, n, kind)
        row = words[j * size :]
        for i in range(n):
            out[i] = kind(mean[i] + std[i] * quantile(row[i]))
    return here


@_compiled
def _count(t: Any, words: Any, buffer: int, size: int, block: int, n: int, kind: Any) -> None:
    item = t[ITEM]
    weight = view(t[WEIGHT] + item * block, n, kind)
    if t[WHICH] == 0:
        cells = view(t[GUIDE], CELLS, np.int32)
        thresholds = view(t[THRESHOLDS], 1 << 20, np.uint64)
        for j in range(4):
            out = view(buffer + item * j * size, n, kind)
            row = words[j * size :]
            for i in range(n):
                word = row[i]
                count = np.uint32(cells[word >> _SHIFT])
                while thresholds[count] <= np.uint64(word):
                    count += np.uint32(1)
                out[i] = weight[i] * kind(count)
        return
    which = view(t[WHICH] + 8 * block, n, np.int64)
    start = view(t[START], 1 << 20, np.int64)
    for j in range(4):
        out = view(buffer + item * j * size, n, kind)
        row = words[j * size :]
        for i in range(n):
            word = row[i]
            cells = view(t[GUIDE] + 4 * CELLS * which[i], CELLS, np.int32)
            thresholds = view(t[THRESHOLDS] + 8 * start[which[i]], 1 << 20, np.uint64)
            count = np.uint32(cells[word >> _SHIFT])
            while thresholds[count] <= np.uint64(word):
                count += np.uint32(1)
            out[i] = weight[i] * kind(count)
