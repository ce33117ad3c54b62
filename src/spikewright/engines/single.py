"""Functions of the expression language in float32, without branches, so that loops over them become vector code.

Relative errors, measured over all exponents: exp 1.2e-7, exprel 2.5e-7 (up to 88.7: beyond, where exp has no
float32, it is infinite), tanh 2e-7. log, powers and remainders go through float64.

Source
------
Range reduction and polynomial of exp: Cephes, expf (Moshier 1989), coefficients of its minimax polynomial.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from spikewright.engines import kernels
from spikewright.engines.intrinsics import from_bits

_compiled = njit(nogil=True, error_model="numpy", fastmath=False)

_F = np.float32
_LOW, _HIGH, _LOG2E = _F(-87.3365), _F(88.7228), _F(1.44269504088896341)
_LN2_HIGH, _LN2_LOW = _F(0.693359375), _F(-2.12194440e-4)
_P0, _P1, _P2 = _F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3)
_P3, _P4, _P5 = _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1)
_HALF, _ONE, _ZERO, _INF = _F(0.5), _F(1.0), _F(0.0), _F(np.inf)
_R2, _R3, _R4, _R5, _R6, _R7, _R8 = (_F(1.0 / math.factorial(i)) for i in range(2, 9))
_BIAS, _SHIFT = np.int32(127), np.int32(23)


@_compiled
def exp(x):  # type: ignore[no-untyped-def]
    low = _LOW if x < _LOW else x
    y = _HIGH if low > _HIGH else low
    whole = np.floor(y * _LOG2E + _HALF)
    rest = y - whole * _LN2_HIGH - whole * _LN2_LOW
    p = ((((_P0 * rest + _P1) * rest + _P2) * rest + _P3) * rest + _P4) * rest + _P5
    p = p * rest * rest + rest + _ONE
    # 2^128 has no float32: the exponent is applied in two halves
    half = np.int32(whole) >> np.int32(1)
    p = p * from_bits((half + _BIAS) << _SHIFT)
    p = p * from_bits((np.int32(whole) - half + _BIAS) << _SHIFT)
    p = _INF if x > _HIGH else p
    return _ZERO if x < _LOW else p


@_compiled
def exprel(x):  # type: ignore[no-untyped-def]
    near = ((((((_R8 * x + _R7) * x + _R6) * x + _R5) * x + _R4) * x + _R3) * x + _R2) * x + _ONE
    away = _ONE if x == _ZERO else x
    far = (exp(x) - _ONE) / away
    size = -x if x < _ZERO else x
    return near if size < _HALF else far


@_compiled
def log(x):  # type: ignore[no-untyped-def]
    return np.float32(kernels.log(np.float64(x)))


@_compiled
def sqrt(x):  # type: ignore[no-untyped-def]
    return np.sqrt(x)


@_compiled
def tanh(x):  # type: ignore[no-untyped-def]
    size = -x if x < _ZERO else x
    power = exp(-(size + size))
    far = (_ONE - power) / (_ONE + power)
    square = x * x
    near = size * (_ONE - square * (_F(1 / 3) - square * (_F(2 / 15) - square * _F(17 / 315))))
    result = near if size < _F(0.2) else far
    return -result if x < _ZERO else result


@_compiled
def power(x, y):  # type: ignore[no-untyped-def]
    return np.float32(kernels.power(np.float64(x), np.float64(y)))


@_compiled
def sign_real(x):  # type: ignore[no-untyped-def]
    positive = _ONE if x > _ZERO else x + _ZERO
    return -_ONE if x < _ZERO else positive


@_compiled
def floor(x):  # type: ignore[no-untyped-def]
    return np.floor(x)


@_compiled
def trunc(x):  # type: ignore[no-untyped-def]
    return np.trunc(x)


@_compiled
def nearest(x):  # type: ignore[no-untyped-def]
    return np.rint(x)


@_compiled
def remainder_real(x, y):  # type: ignore[no-untyped-def]
    return np.float32(kernels.remainder_real(np.float64(x), np.float64(y)))


@_compiled
def floor_divide_real(x, y):  # type: ignore[no-untyped-def]
    return np.float32(kernels.floor_divide_real(np.float64(x), np.float64(y)))


@_compiled
def normal(u, w):  # type: ignore[no-untyped-def]
    return np.float32(kernels.normal(u, w))


@_compiled
def absolute(x):  # type: ignore[no-untyped-def]
    return abs(x)


@_compiled
def minimum(x, y):  # type: ignore[no-untyped-def]
    return x if (x < y or x != x) else y


@_compiled
def maximum(x, y):  # type: ignore[no-untyped-def]
    return x if (x > y or x != x) else y


@_compiled
def clip(x, low, high):  # type: ignore[no-untyped-def]
    return minimum(maximum(x, low), high)
