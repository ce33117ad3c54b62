"""Functions of the expression language on a GPU: what `engines.single` and `engines.kernels` say, block by block.

In float32 exp, exprel and tanh are the polynomials of `engines.single`, operation by operation: with divisions that
round to nearest and without fused multiply-adds they give the same bits as on the CPU. Logarithms, powers and
remainders go through float64, as there. In float64 exp and log are the device's own; the rest is made of them.

Only built-in operations of Triton are used: they are what its interpreter has, so what is checked on a CPU is what runs
on a GPU.

Source
------
Range reduction and polynomial of exp: as in `engines.single`. Exact error of a product: Dekker, "A floating-point
technique for extending the available precision", Numerische Mathematik 18, 1971.
"""

# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def exp(x):
    if x.dtype == tl.float32:
        low = tl.where(x < -87.3365, -87.3365, x)
        y = tl.where(low > 88.7228, 88.7228, low)
        whole = tl.floor(y * 1.44269504088896341 + 0.5)
        rest = y - whole * 0.693359375 - whole * -2.12194440e-4
        p = 1.9875691500e-4 * rest + 1.3981999507e-3
        p = p * rest + 8.3334519073e-3
        p = p * rest + 4.1665795894e-2
        p = p * rest + 1.6666665459e-1
        p = p * rest + 5.0000001201e-1
        p = p * rest * rest + rest + 1.0
        # 2^128 has no float32: the exponent is applied in two halves
        power = whole.to(tl.int32)
        half = power >> 1
        p = p * ((half + 127) << 23).to(tl.float32, bitcast=True)
        p = p * ((power - half + 127) << 23).to(tl.float32, bitcast=True)
        p = tl.where(x > 88.7228, float("inf"), p)
        result = tl.where(x < -87.3365, 0.0, p)
    else:
        result = tl.exp(x)
    return result


@triton.jit
def exprel(x):
    away = tl.where(x == 0.0, 1.0, x)
    far = divide(exp(x) - 1.0, away)
    if x.dtype == tl.float32:
        near = (1.0 / 40320) * x + 1.0 / 5040
        near = near * x + 1.0 / 720
        near = near * x + 1.0 / 120
        near = near * x + 1.0 / 24
        near = near * x + 1.0 / 6
        near = near * x + 0.5
        near = near * x + 1.0
    else:
        near = x * 0.0 + 1.0
        for k in tl.static_range(15):  # 0.5^15 / 16! is less than half a unit in the last place
            near = 1.0 + near * (x * (1.0 / (16 - k)))
    return tl.where(tl.abs(x) < 0.5, near, far)


@triton.jit
def log(x):
    return tl.log(x.to(tl.float64)).to(x.dtype)


@triton.jit
def sqrt(x):
    return tl.sqrt_rn(x) if x.dtype == tl.float32 else tl.sqrt(x)


@triton.jit
def tanh(x):
    size = tl.abs(x)
    if x.dtype == tl.float32:
        power = exp(-(size + size))
        far = divide(1.0 - power, 1.0 + power)
        square = x * x
        near = square * (17.0 / 315)
        near = square * (2.0 / 15 - near)
        near = square * (1.0 / 3 - near)
        near = size * (1.0 - near)
        result = tl.where(size < 0.2, near, far)
    else:
        less = tl.where(size < 0.2, 2.0 * size * exprel(-2.0 * size), 1.0 - exp(-2.0 * size))
        result = less / (2.0 - less)
    return tl.where(x < 0.0, -result, result)


@triton.jit
def power(x, y):
    a, b = x.to(tl.float64), y.to(tl.float64)
    size = tl.exp(b * tl.log(tl.abs(a)))
    is_whole = tl.floor(b) == b
    is_odd = is_whole & (tl.floor(0.5 * b) * 2.0 != b)
    signed = tl.where(is_odd, -size, size)
    below = tl.where(is_whole, signed, tl.where(a == float("-inf"), size, float("nan")))
    result = tl.where(a < 0.0, below, size)
    return tl.where(b == 0.0, 1.0, result).to(x.dtype)


@triton.jit
def sign_real(x):
    return tl.where(x > 0.0, 1.0, tl.where(x < 0.0, -1.0, x))


@triton.jit
def absolute(x):
    return tl.abs(x)


@triton.jit
def floor(x):
    return tl.floor(x)


@triton.jit
def trunc(x):
    return tl.where(x < 0.0, tl.ceil(x), tl.floor(x))


@triton.jit
def nearest(x):
    size = tl.abs(x)
    if x.dtype == tl.float32:
        whole = tl.where(size < 8388608.0, (size + 8388608.0) - 8388608.0, size)
    else:
        whole = tl.where(
            size < 4503599627370496.0, (size + 4503599627370496.0) - 4503599627370496.0, size
        )
    return tl.where(x < 0.0, -whole, whole)


@triton.jit
def minimum(x, y):
    return tl.where((x < y) | (x != x), x, y)


@triton.jit
def maximum(x, y):
    return tl.where((x > y) | (x != x), x, y)


@triton.jit
def clip(x, low, high):
    return minimum(maximum(x, low), high)


@triton.jit
def divide(x, y):
    return tl.div_rn(x, y) if x.dtype == tl.float32 else x / y


@triton.jit
def product_error(x, y):
    # x y less the number that it is rounded to, exactly: a fused multiply-add, which not every interpreter has
    long_x, long_y = x * 134217729.0, y * 134217729.0
    high_x, high_y = long_x - (long_x - x), long_y - (long_y - y)
    low_x, low_y = x - high_x, y - high_y
    return ((high_x * high_y - x * y) + high_x * low_y + low_x * high_y) + low_x * low_y


@triton.jit
def remainder_real(x, y):
    a, b = x.to(tl.float64), y.to(tl.float64)
    whole = tl.floor(a / b)
    rest = (a - whole * b) - product_error(whole, b)
    # the quotient was rounded: one step too far, or one too few
    rest = tl.where(rest * b < 0.0, rest + b, rest)
    rest = tl.where(tl.abs(rest) >= tl.abs(b), rest - b, rest)
    return rest.to(x.dtype)


@triton.jit
def floor_divide_real(x, y):
    a, b = x.to(tl.float64), y.to(tl.float64)
    rest = a - remainder_real(a, b)
    whole = nearest(rest / b)
    return tl.where(b == 0.0, a / b, whole).to(x.dtype)
