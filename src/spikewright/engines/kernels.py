"""Compiled loops and scalar functions that do not depend on a model; generated kernels import them.

The scalar functions mean exactly what `spikewright.network.expression` says, bit for bit: the C library's functions,
NumPy's rules for `//`, `%`, shifts and minima. The loops add in the reference engine's order: sample by sample, source
by source, synapse by synapse.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from spikewright.rng import (
    PHILOX_M0,
    PHILOX_M1,
    PHILOX_ROUNDS,
    PHILOX_W0,
    PHILOX_W1,
)

SAMPLE_SHIFT = 40
"""A draw's counter is the step plus the sample number shifted by this many bits, as in the reference."""

_compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath=False)

_MASK, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_M0, _M1 = np.uint64(PHILOX_M0), np.uint64(PHILOX_M1)
_W0, _W1 = np.uint64(PHILOX_W0), np.uint64(PHILOX_W1)
_5, _6 = np.uint64(5), np.uint64(6)
_TWO_PI = 2.0 * math.pi


# -- functions of the expression language -----------------------------------------------------------


@_compiled
def exp(x: float) -> float:
    return math.exp(x)


@_compiled
def exprel(x: float) -> float:
    return 1.0 if x == 0.0 else math.expm1(x) / x


@_compiled
def log(x: float) -> float:
    if x > 0.0:
        return math.log(x)
    return -math.inf if x == 0.0 else math.nan


@_compiled
def sqrt(x: float) -> float:
    return math.sqrt(x) if x >= 0.0 else math.nan


@_compiled
def tanh(x: float) -> float:
    return math.tanh(x)


@_compiled
def power(x: float, y: float) -> float:
    result = math.pow(x, y)
    if math.isinf(result) and math.isfinite(x) and math.isfinite(y):
        return math.inf
    return result


@_compiled
def absolute(x: Any) -> Any:
    return abs(x)


@_compiled
def sign_integer(x: int) -> int:
    return 1 if x > 0 else (-1 if x < 0 else 0)


@_compiled
def sign_real(x: float) -> float:
    if x > 0.0:
        return 1.0
    if x < 0.0:
        return -1.0
    return 0.0 if x == 0.0 else x


@_compiled
def floor(x: float) -> float:
    return np.floor(x)  # type: ignore[no-any-return]


@_compiled
def trunc(x: float) -> float:
    return np.trunc(x)  # type: ignore[no-any-return]


@_compiled
def nearest(x: float) -> float:
    return np.rint(x)  # type: ignore[no-any-return]


@_compiled
def minimum(x: Any, y: Any) -> Any:
    return x if (x < y or x != x) else y


@_compiled
def maximum(x: Any, y: Any) -> Any:
    return x if (x > y or x != x) else y


@_compiled
def clip(x: Any, low: Any, high: Any) -> Any:
    return minimum(maximum(x, low), high)


@_compiled
def remainder_real(x: float, y: float) -> float:
    rest: float = np.fmod(x, y)
    if y == 0.0:
        return rest
    if rest != 0.0:
        return rest + y if (y < 0.0) != (rest < 0.0) else rest
    return math.copysign(0.0, y)


@_compiled
def floor_divide_real(x: float, y: float) -> float:
    if y == 0.0:
        return x / y
    rest: float = np.fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0.0 and (y < 0.0) != (rest < 0.0):
        quotient -= 1.0
    if quotient == 0.0:
        return math.copysign(0.0, x / y)
    whole = np.floor(quotient)
    return whole + 1.0 if quotient - whole > 0.5 else whole  # type: ignore[no-any-return]


@_compiled
def floor_divide_integer(x: int, y: int) -> int:
    if y == 0:
        return 0
    return -x if y == -1 else x // y


@_compiled
def remainder_integer(x: int, y: int) -> int:
    return 0 if y == 0 or y == -1 else x % y


@_compiled
def shift_left(x: int, y: int) -> int:
    return x << y if 0 <= y < 64 else 0


@_compiled
def shift_right(x: int, y: int) -> int:
    return x >> y if 0 <= y < 64 else (-1 if x < 0 else 0)


# -- random draws ------------------------------------------------------------------------------------


@_compiled
def draw(key: np.uint64, neuron: int, step: int, sample: int) -> tuple[float, float]:
    """Return the two uniform draws of (key, neuron, step, sample), by Philox 4x32-10 as in `spikewright.rng`."""
    counter = np.uint64((sample << SAMPLE_SHIFT) + step)
    c0, c1 = np.uint64(neuron) & _MASK, np.uint64(neuron) >> _32
    c2, c3 = counter & _MASK, counter >> _32
    k0, k1 = key & _MASK, key >> _32
    for _ in range(PHILOX_ROUNDS):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _MASK, (p0 >> _32) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return (
        (np.float64(c0 >> _5) * 67108864.0 + np.float64(c1 >> _6)) * 2.0**-53,
        (np.float64(c2 >> _5) * 67108864.0 + np.float64(c3 >> _6)) * 2.0**-53,
    )


@_compiled
def normal(u: float, w: float) -> float:
    """Return a standard normal draw from two uniform ones (Box and Muller 1958)."""
    return math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(_TWO_PI * w)
