"""Compiled loops of connectivity: draws, ways to pick the edges of a target or a source, and rows made of them.

Notation: a recipe goes by target (`major` is a target) or by source. A stream (64-bit key) has a sequence of 32-bit
words per major; word j is word j mod 4 of Philox 4x32-10 at the counter (major, j div 4), as in `spikewright.rng`. One
word makes one source, one weight or one delay: u = (word + 1/2) / 2^32, then the inverse of the distribution function.
So every number is a function of its address, whatever the threads and partitions; and the same edges are picked when
they are counted and when they are placed, so no list of edges is kept.

Longer than most files: Numba compiles a cached function again when its own file changes, not when a file changes whose
functions it calls, so all that call each other stand in one.

Source
------
Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox).
Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37, 1988 (PPND16).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikewright.rng import PHILOX_M0, PHILOX_M1, PHILOX_W0, PHILOX_W1

compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
in_one_form = njit(
    "int64(uint64, int64, int64, int64, uint32[::1])", cache=True, nogil=True, error_model="numpy", fastmath=False
)  # fmt: skip

_MASK, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_M0, _M1 = np.uint64(PHILOX_M0), np.uint64(PHILOX_M1)
_W0, _W1 = np.uint64(PHILOX_W0), np.uint64(PHILOX_W1)
_2_32, _2_53 = 2.0**-32, 2.0**-53

NORMAL, UNIFORM, LOG_NORMAL, EXPONENTIAL, DISCRETE = range(5)
"""Kinds of weights: the first four as `values` makes them, the last an index to few values."""
CENTRAL = 0.425
"""How far from 1/2 a probability may lie for the inner part of the normal distribution."""
REPEATS, DISTINCT, PAIRS, ALL, RING, SPACE = range(6)
"""Ways to pick edges: drawn with repeats, drawn without, each pair by chance, all, a rewired ring, by distance."""
GAUSSIAN, DECAYING, LINEAR, CONSTANT = range(4)
"""Profiles over distance."""
BUFFER = 1024
"""Words that are made at a time where it is not known how many are needed."""


# -- draws ---------------------------------------------------------------------------------------------


@in_one_form  # constants among the arguments would make more
def words(key: np.uint64, major: int, first: int, n: int, out: NDArray[np.uint32]) -> int:
    """Write words first..first + n - 1 of a major into `out` and return where they begin in it, 0 to 3."""
    begin = first >> 2
    calls = ((first + n + 3) >> 2) - begin
    a0, a1 = np.uint64(major) & _MASK, np.uint64(major) >> _32
    for c in range(calls):
        call = np.uint64(begin + c)
        c0, c1, c2, c3 = a0, a1, call & _MASK, call >> _32
        k0, k1 = key & _MASK, key >> _32
        for _ in range(10):
            p0, p1 = _M0 * c0, _M1 * c2
            c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _MASK, (p0 >> _32) ^ c3 ^ k1, p0 & _MASK
            k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
        out[4 * c] = np.uint32(c0)
        out[4 * c + 1] = np.uint32(c1)
        out[4 * c + 2] = np.uint32(c2)
        out[4 * c + 3] = np.uint32(c3)
    return first & 3


@compiled
def below(word: np.uint32, n: int) -> int:
    """Return a whole number in 0..n - 1, by the high half of a product."""
    return np.int64((np.uint64(word) * np.uint64(n)) >> _32)  # type: ignore[return-value]


@compiled
def unit(word: np.uint32) -> float:
    """Return a number strictly between 0 and 1."""
    return (np.float64(word) + 0.5) * _2_32


@compiled
def fine_unit(high: np.uint32, low: np.uint32) -> float:
    """Return a number strictly between 0 and 1 with 52 random bits."""
    return (np.float64(high) * 1048576.0 + np.float64(low >> np.uint32(12)) + 0.5) * (_2_53 * 2.0)


@compiled
def _central(q: float) -> float:
    """Return the quantile of q + 1/2, where |q| is at most 0.425."""
    r = 0.180625 - q * q
    top = 2.5090809287301226727e3
    top = top * r + 3.3430575583588128105e4
    top = top * r + 6.7265770927008700853e4
    top = top * r + 4.5921953931549871457e4
    top = top * r + 1.3731693765509461125e4
    top = top * r + 1.9715909503065514427e3
    top = top * r + 1.3314166789178437745e2
    top = top * r + 3.3871328727963666080e0
    bottom = 5.2264952788528545610e3
    bottom = bottom * r + 2.8729085735721942674e4
    bottom = bottom * r + 3.9307895800092710610e4
    bottom = bottom * r + 2.1213794301586595867e4
    bottom = bottom * r + 5.3941960214247511077e3
    bottom = bottom * r + 6.8718700749205790830e2
    bottom = bottom * r + 4.2313330701600911252e1
    bottom = bottom * r + 1.0
    return q * top / bottom


@compiled
def _outer(p: float) -> float:
    """Return the quantile of p, where p is less than 0.075 or more than 0.925."""
    r = math.sqrt(-math.log(p if p < 0.5 else 1.0 - p))
    if r <= 5.0:
        r -= 1.6
        top = 7.74545014278341407640e-4
        top = top * r + 2.27238449892691845833e-2
        top = top * r + 2.41780725177450611770e-1
        top = top * r + 1.27045825245236838258e0
        top = top * r + 3.64784832476320460504e0
        top = top * r + 5.76949722146069140550e0
        top = top * r + 4.63033784615654529590e0
        top = top * r + 1.42343711074968357734e0
        bottom = 1.05075007164441684324e-9
        bottom = bottom * r + 5.47593808499534494600e-4
        bottom = bottom * r + 1.51986665636164571966e-2
        bottom = bottom * r + 1.48103976427480074590e-1
        bottom = bottom * r + 6.89767334985100004550e-1
        bottom = bottom * r + 1.67638483018380384940e0
        bottom = bottom * r + 2.05319162663775882187e0
        bottom = bottom * r + 1.0
    else:
        r -= 5.0
        top = 2.01033439929228813265e-7
        top = top * r + 2.71155556874348757815e-5
        top = top * r + 1.24266094738807843860e-3
        top = top * r + 2.65321895265761230930e-2
        top = top * r + 2.96560571828504891230e-1
        top = top * r + 1.78482653991729133580e0
        top = top * r + 5.46378491116411436990e0
        top = top * r + 6.65790464350110377720e0
        bottom = 2.04426310338993978564e-15
        bottom = bottom * r + 1.42151175831644588870e-7
        bottom = bottom * r + 1.84631831751005468180e-5
        bottom = bottom * r + 7.86869131145613259100e-4
        bottom = bottom * r + 1.48753612908506148525e-2
        bottom = bottom * r + 1.36929880922735805310e-1
        bottom = bottom * r + 5.99832206555887937690e-1
        bottom = bottom * r + 1.0
    return -top / bottom if p < 0.5 else top / bottom


@compiled
def quantile(p: float) -> float:
    """Return the value that a standard normal variable stays below with probability p (0 < p < 1)."""
    return _central(p - 0.5) if abs(p - 0.5) <= CENTRAL else _outer(p)


@compiled
def values(
    code: int, of: NDArray[np.float64], buffer: NDArray[np.uint32], begin: int, n: int, out: NDArray[np.float64]
) -> None:  # fmt: skip
    """Write the values of a distribution for n words; `of` is (a, b, low, high, F(low), F(high) - F(low)).

    The inner part of the normal distribution is worked out for all of them, without a branch, and the outer part
    afterwards for those that need it.
    """
    a, b, low, high, below_low, mass = of[0], of[1], of[2], of[3], of[4], of[5]
    if code == UNIFORM:
        for e in range(n):
            out[e] = a + unit(buffer[begin + e]) * (b - a)
    elif code == EXPONENTIAL:
        for e in range(n):
            out[e] = -a * math.log1p(-(below_low + unit(buffer[begin + e]) * mass))
    else:
        outer = np.empty(n, np.int32)
        found = 0
        for e in range(n):
            out[e] = _central(below_low + unit(buffer[begin + e]) * mass - 0.5)
        for e in range(n):
            outer[found] = e
            found += abs(below_low + unit(buffer[begin + e]) * mass - 0.5) > CENTRAL
        for i in range(found):
            e = outer[i]
            out[e] = _outer(below_low + unit(buffer[begin + e]) * mass)
        if code == LOG_NORMAL:
            for e in range(n):
                out[e] = a * math.exp(b * out[e])
        else:
            for e in range(n):
                out[e] = a + b * out[e]
    for e in range(n):
        out[e] = min(max(out[e], low), high)


@compiled
def discrete(upper: NDArray[np.uint64], guide: NDArray[np.int32], word: np.uint32) -> int:
    """Return the first index whose `upper` limit lies above the word; `guide` says where to begin, by 10 bits."""
    k = guide[word >> np.uint32(22)]
    while np.uint64(word) >= upper[k]:
        k += 1
    return k  # type: ignore[no-any-return]


@compiled
def half(x: float) -> int:
    """Return the bits of the 16-bit float nearest to x (ties to even), as NumPy's `float16`."""
    sign = 0x8000 if math.copysign(1.0, x) < 0.0 else 0
    size = abs(x)
    if size >= 65520.0:
        return sign | 0x7C00
    if size < 2.0**-14:
        return sign | int(np.rint(size * 2.0**24))
    fraction, exponent = math.frexp(size)
    steps = int(np.rint(fraction * 2048.0))
    # a carry out of the fraction moves the exponent by itself
    return sign | (((exponent + 14) << 10) + steps - 1024)


@compiled
def many(
    key: np.uint64, major: int, n: int, code: int, of: NDArray[np.float64], out: NDArray[Any]
) -> None:
    """Write the first n values of a major."""
    buffer = np.empty(1024, np.uint32)
    for first in range(0, n, 1000):
        count = min(1000, n - first)
        at = words(key, major, first, count, buffer)
        values(code, of, buffer, at, count, out[first : first + count])


@compiled
def many_discrete(
    key: np.uint64,
    major: int,
    n: int,
    upper: NDArray[np.uint64],
    guide: NDArray[np.int32],
    out: NDArray[np.int64],
) -> None:
    """Write the first n indices of a major."""
    buffer = np.empty(1024, np.uint32)
    for first in range(0, n, 1000):
        count = min(1000, n - first)
        at = words(key, major, first, count, buffer)
        for i in range(count):
            out[first + i] = discrete(upper, guide, buffer[at + i])


# -- numbers of edges ----------------------------------------------------------------------------------


@compiled
def binomial(u: float, n: int, p: float) -> int:
    """Return how many of n tries succeed, by inversion outward from the most likely number."""
    if n <= 0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return n
    mode = min(n, int((n + 1) * p))
    log = math.lgamma(n + 1.0) - math.lgamma(mode + 1.0) - math.lgamma(n - mode + 1.0)
    at = math.exp(log + mode * math.log(p) + (n - mode) * math.log1p(-p))
    odds = p / (1.0 - p)
    up, down = at, at
    i, j = mode, mode
    u -= at
    while u > 0.0 and (i < n or j > 0):
        if i < n:
            up *= (n - i) / (i + 1.0) * odds
            i += 1
            u -= up
            if u <= 0.0:
                return i
        if j > 0:
            down *= j / (n - j + 1.0) / odds
            j -= 1
            u -= down
            if u <= 0.0:
                return j
        if up < 1e-300 and down < 1e-300:
            return mode
    return mode


@compiled
def hypergeometric(u: float, good: int, bad: int, drawn: int) -> int:
    """Return how many of `drawn` taken out of good + bad are good, by inversion outward from the mode."""
    low, high = max(0, drawn - bad), min(drawn, good)
    if low >= high:
        return low
    mode = int((drawn + 1.0) * (good + 1.0) / (good + bad + 2.0))
    mode = min(max(mode, low), high)
    at = math.exp(
        math.lgamma(good + 1.0) - math.lgamma(mode + 1.0) - math.lgamma(good - mode + 1.0)
        + math.lgamma(bad + 1.0) - math.lgamma(drawn - mode + 1.0) - math.lgamma(bad - drawn + mode + 1.0)
        - math.lgamma(good + bad + 1.0) + math.lgamma(drawn + 1.0) + math.lgamma(good + bad - drawn + 1.0)
    )  # fmt: skip
    up, down = at, at
    i, j = mode, mode
    u -= at
    while u > 0.0 and (i < high or j > low):
        if i < high:
            up *= (good - i) / (i + 1.0) * ((drawn - i) / (bad - drawn + i + 1.0))
            i += 1
            u -= up
            if u <= 0.0:
                return i
        if j > low:
            down *= j / (good - j + 1.0) * ((bad - drawn + j) / (drawn - j + 1.0))
            j -= 1
            u -= down
            if u <= 0.0:
                return j
        if up < 1e-300 and down < 1e-300:
            return mode
    return mode


@compiled
def share(key: np.uint64, total: int, pool: int, n: int, repeats: bool) -> NDArray[np.int64]:
    """Return how many of `total` edges each of n majors gets, with `pool` places each (taken once unless `repeats`)."""
    degree = np.zeros(n, np.int64)
    buffer = np.empty(8, np.uint32)
    for major in range(n):
        words(key, major, 0, 4, buffer)
        u = fine_unit(buffer[0], buffer[1])
        if repeats:
            degree[major] = binomial(u, total, 1.0 / (n - major))
        else:
            degree[major] = hypergeometric(u, pool, pool * (n - major - 1), total)
        total -= degree[major]
    return degree


# -- the edges of one major ----------------------------------------------------------------------------


@compiled
def _distinct(
    key: np.uint64, major: int, pool: int, n: int, mark: NDArray[Any], buffer: Any, out: Any
) -> None:
    """Pick n different numbers below `pool`, in the order drawn; of more than half, those that are not drawn."""
    stamp = major + 1
    rest = 2 * n > pool
    wanted = pool - n if rest else n
    found, first = 0, 0
    while found < wanted:
        count = min(max(wanted - found, 16), BUFFER)
        at = words(key, major, first, count, buffer)
        for i in range(at, at + count):
            other = below(buffer[i], pool)
            if found < wanted and mark[other] != stamp:
                mark[other] = stamp
                out[found] = other
                found += 1
        first += count
    if rest:
        found = 0
        for other in range(pool):
            if mark[other] != stamp:
                out[found] = other
                found += 1


@compiled
def _pairs(
    key: np.uint64, major: int, pool: int, inverse: float, chunk: int, buffer: Any, out: Any
) -> int:
    """Take each number below `pool` with the same probability, by the gaps between those taken."""
    found, first, at, end = 0, 0, 0, 0
    place = -1.0
    while True:
        if at == end:
            at = words(key, major, first, chunk, buffer)
            end = at + chunk
            first += chunk
        place += 1.0 + np.floor(math.log(fine_unit(buffer[at], buffer[at + 1])) * inverse)
        at += 2
        if place >= pool:
            return found
        out[found] = int(place)
        found += 1


@compiled
def _ring(
    key: np.uint64, major: int, pool: int, n: int, beta: float, mark: Any, buffer: Any, out: Any
) -> None:
    """Take the n nearest on a ring; each is exchanged with probability beta for another that is not yet taken."""
    stamp = major + 1
    mark[major] = stamp
    for e in range(n):
        step = (e >> 1) + 1
        other = (major + (step if e & 1 else -step)) % pool
        out[e] = other
        mark[other] = stamp
    if beta <= 0.0 or n >= pool - 1:
        return
    first, at, end = n, 0, 0
    coins = np.empty(n + 8, np.uint32)
    words(key, major, 0, n, coins)
    for e in range(n):
        if unit(coins[e]) >= beta:
            continue
        while True:
            if at == end:
                at = words(key, major, first, 32, buffer)
                end = at + 32
                first += 32
            other = below(buffer[at], pool)
            at += 1
            if mark[other] != stamp:
                mark[out[e]] = 0
                mark[other] = stamp
                out[e] = other
                break


@compiled
def profile(code: int, square: float, peak: float, scale: float) -> float:
    """Return the probability of an edge over a distance, given as its square."""
    if code == GAUSSIAN:
        return peak * math.exp(-0.5 * square / (scale * scale))
    if code == DECAYING:
        return peak * math.exp(-math.sqrt(square) / scale)
    if code == LINEAR:
        return peak * max(0.0, 1.0 - math.sqrt(square) / scale)
    return peak


@compiled
def _range(x: float, reach: float, origin: float, size: float, n: int, wraps: bool) -> Any:
    """Return the first and last cell that `reach` touches along an axis; those beyond the ends wrap around."""
    first = np.floor((x - reach - origin) / size)
    last = np.floor((x + reach - origin) / size)
    if wraps:
        if not (last - first + 1.0 < n):
            return 0, n - 1
        return int(first), int(last)
    return int(min(max(first, 0.0), n)), int(min(max(last, -1.0), n - 1.0))


@compiled
def _gap(x: float, cell: int, origin: float, size: float, extent: float, wraps: bool) -> float:
    """Return the square of how far x lies from a cell along an axis."""
    edge = origin + cell * size
    gap = max(0.0, max(edge - x, x - edge - size))
    if wraps:
        gap = min(gap, max(0.0, max(edge + extent - x, x - edge - extent - size)))
        gap = min(gap, max(0.0, max(edge - extent - x, x - edge + extent - size)))
    return gap * gap


@compiled
def _space(
    key: np.uint64, major: int, self_edges: bool, ints: NDArray[np.int64], reals: Any, major_at: Any,
    pool_at: Any, order: Any, cells: NDArray[np.int64], buffer: Any, out: Any,
) -> int:  # fmt: skip
    """Take sources by distance, from the cells in reach.

    The nearest point of a cell bounds the probability in it. Candidates are found by the bound, and kept by the ratio
    of their own probability to it: a budget drawn from an exponential distribution is used up, by -log(1 - bound) per
    source passed over, and what is left goes on to the next cell.

    `ints` is cells per axis (3), whether an axis wraps (3), the profile; `reals` is origin, size of a cell, extent
    (3 each), reach, peak, scale, and the probability that counts as none.
    """
    reach, peak, scale, none = reals[9], reals[10], reals[11], reals[12]
    wide = reach * (1.0 + 1e-9)
    code = ints[6]
    x, y, z = major_at[major, 0], major_at[major, 1], major_at[major, 2]
    a0, b0 = _range(x, wide, reals[0], reals[3], ints[0], ints[3] > 0)
    a1, b1 = _range(y, wide, reals[1], reals[4], ints[1], ints[4] > 0)
    a2, b2 = _range(z, wide, reals[2], reals[5], ints[2], ints[5] > 0)
    found, first, at, end = 0, 0, 0, 0
    budget = -1.0
    for c0 in range(a0, b0 + 1):
        square0 = _gap(x, c0, reals[0], reals[3], reals[6], ints[3] > 0)
        for c1 in range(a1, b1 + 1):
            square1 = square0 + _gap(y, c1, reals[1], reals[4], reals[7], ints[4] > 0)
            if not square1 <= wide * wide:
                continue
            row = ((c0 % ints[0]) * ints[1] + c1 % ints[1]) * ints[2]
            for c2 in range(a2, b2 + 1):
                cell = row + c2 % ints[2]
                place, last = cells[cell], cells[cell + 1]
                if place == last:
                    continue
                square2 = square1 + _gap(z, c2, reals[2], reals[5], reals[8], ints[5] > 0)
                if not square2 <= wide * wide:
                    continue
                bound = profile(code, square2, peak, scale)
                if bound < none:
                    continue
                # an infinite price: nothing is passed over
                price = -math.log1p(-bound) if bound < 1.0 else math.inf
                while True:
                    if budget < 0.0:
                        if at + 2 > end:
                            at = words(key, major, first, 64, buffer)
                            end = at + 64
                            first += 64
                        budget = -math.log(unit(buffer[at]))
                    if budget >= (last - place) * price:
                        budget -= (last - place) * price
                        break
                    place += int(budget / price)
                    if place >= last:
                        budget = 0.0
                        break
                    luck = unit(buffer[at + 1])
                    at += 2
                    budget = -1.0
                    square = 0.0
                    for axis in range(3):
                        far = abs(major_at[major, axis] - pool_at[place, axis])
                        if ints[3 + axis] > 0:
                            far = min(far, reals[6 + axis] - far)
                        square += far * far
                    other = order[place]
                    place += 1
                    kept = square <= wide * wide and (self_edges or other != major)
                    if kept and luck * bound < profile(code, square, peak, scale):
                        out[found] = other
                        found += 1
                    if place == last:
                        break
    return found


@compiled
def pick(
    way: int, key: np.uint64, major: int, pool: int, self_edges: bool, degree: NDArray[np.int64],
    ints: NDArray[np.int64], reals: NDArray[np.float64], major_at: NDArray[np.float64],
    pool_at: NDArray[np.float64], order: NDArray[np.int32], cells: NDArray[np.int64], mark: NDArray[np.int64],
    buffer: NDArray[np.uint32], out: NDArray[np.int32],
) -> int:  # fmt: skip
    """Write the other ends of a major's edges to `out`, in the order of their numbers; return how many there are."""
    n: int = degree[major if degree.shape[0] > 1 else 0]
    if way == SPACE:
        return _space(
            key, major, self_edges, ints, reals, major_at, pool_at, order, cells, buffer, out
        )
    if way == RING:
        _ring(key, major, pool, n, reals[0], mark, buffer, out)
        return n
    if not self_edges:
        pool -= 1
    if way == REPEATS:
        words(key, major, 0, n, buffer)
        for e in range(n):
            out[e] = below(buffer[e], pool)
    elif way == DISTINCT:
        _distinct(key, major, pool, n, mark, buffer, out)
    elif way == PAIRS:
        n = _pairs(key, major, pool, reals[0], ints[0], buffer, out)
    else:
        n = pool
        for e in range(n):
            out[e] = e
    if not self_edges:
        for e in range(n):
            out[e] += out[e] >= major
    return n


# -- rows ----------------------------------------------------------------------------------------------


@compiled
def put(
    n: int, major: int, first: int, at: NDArray[np.int64], buffer: NDArray[np.uint32], spare: NDArray[np.float64],
    weights: Any, delays: Any,
) -> None:  # fmt: skip
    """Write weights and delays of edges first..first + n - 1 of a major to the places `at`."""
    code, key, of, upper, guide, size, w1, w2, w4, w8 = weights
    if code >= 0:
        begin = words(key, major, first, n, buffer)
        if code == DISCRETE:
            for e in range(n):
                w1[at[e]] = discrete(upper, guide, buffer[begin + e])
        else:
            values(code, of, buffer, begin, n, spare)
            if size == 4:
                for e in range(n):
                    w4[at[e]] = spare[e]
            elif size == 2:
                for e in range(n):
                    w2[at[e]] = half(spare[e])
            else:
                for e in range(n):
                    w8[at[e]] = spare[e]
    steps, key, upper, guide, d1, d2 = delays
    if steps.shape[0] > 1:
        begin = words(key, major, first, n, buffer)
        if d1.shape[0] > 0:
            for e in range(n):
                d1[at[e]] = steps[discrete(upper, guide, buffer[begin + e])]
        else:
            for e in range(n):
                d2[at[e]] = steps[discrete(upper, guide, buffer[begin + e])]


@compiled
def _row(
    out: NDArray[np.int32], n: int, lo: int, hi: int, counts: NDArray[np.int64], other: NDArray[np.int32]
) -> Any:  # fmt: skip
    """Keep what lies in lo..hi - 1, sorted, at the begin of `out`; return how many lie below `lo`, and are kept."""
    before, kept = 0, 0
    for e in range(n):
        if out[e] < lo:
            before += 1
        elif out[e] < hi:
            out[kept] = out[e] - lo
            kept += 1
    shift = 0
    while (hi - lo - 1) >> shift > 0:
        # byte by byte, the lowest first
        for k in range(257):
            counts[k] = 0
        for e in range(kept):
            counts[((out[e] >> shift) & 255) + 1] += 1
        for k in range(256):
            counts[k + 1] += counts[k]
        for e in range(kept):
            digit = (out[e] >> shift) & 255
            other[counts[digit]] = out[e]
            counts[digit] += 1
        for e in range(kept):
            out[e] = other[e]
        shift += 8
    for e in range(kept):
        out[e] += lo
    return before, kept


@compiled
def follow(
    plan: Any, by_source: bool, majors: int, lo: int, hi: int, capacity: int, placing: bool,
    position: NDArray[np.int64], t2: NDArray[np.uint16], t4: NDArray[np.int32], weights: Any, delays: Any,
) -> int:  # fmt: skip
    """Count or place the synapses onto targets lo..hi - 1, and return how many they are.

    Counting adds to `position` how many synapses each source has. Placing takes from it where each source's synapses
    begin, and uses it up.
    """
    way, key, pool, self_edges, degree, ints, reals, major_at, pool_at, order, cells = plan
    mark = np.zeros(pool, np.int64)
    buffer = np.empty(max(capacity, BUFFER) + 8, np.uint32)
    out = np.empty(capacity, np.int32)
    at = np.empty(capacity if placing else 0, np.int64)
    spare = np.empty(capacity if placing else 0, np.float64)
    counts = np.zeros(257, np.int64)
    other = np.empty(capacity if by_source and placing else 0, np.int32)
    total = 0
    for major in range(0 if by_source else lo, majors if by_source else hi):
        n = pick(way, key, major, pool, self_edges, degree, ints, reals, major_at, pool_at, order,
                 cells, mark, buffer, out)  # fmt: skip
        first = 0
        if by_source:
            if not placing:
                inside = 0
                for e in range(n):
                    inside += out[e] >= lo and out[e] < hi
                position[major] += inside
                total += inside
                continue
            # edges of a source are numbered by target, so that rows come out in order
            first, n = _row(out, n, lo, hi, counts, other)
            for e in range(n):
                at[e] = position[major] + e
        elif not placing:
            for e in range(n):
                position[out[e]] += 1
        else:
            for e in range(n):
                at[e] = position[out[e]]
                position[out[e]] += 1
                out[e] = major
        total += n
        if placing:
            if t2.shape[0] > 0:
                for e in range(n):
                    t2[at[e]] = out[e] - lo
            else:
                for e in range(n):
                    t4[at[e]] = out[e] - lo
            put(n, major, first, at, buffer, spare, weights, delays)
    return total


@compiled
def _moved(field: Any, begin: int, to: NDArray[np.int32], n: int, spare: Any) -> None:
    for e in range(n):
        spare[e] = field[begin + e]
    for e in range(n):
        field[begin + to[e]] = spare[e]


@compiled
def sort(
    start: NDArray[np.int64], t2: NDArray[np.uint16], t4: NDArray[np.int32], w1: NDArray[np.uint8],
    w2: NDArray[np.uint16], w4: NDArray[np.float32], w8: NDArray[np.float64], d1: NDArray[np.uint8],
    d2: NDArray[np.uint16],
) -> None:  # fmt: skip
    """Sort each row by delay, in place; equal delays keep their order. Fields that are not there are empty."""
    longest = 0
    for j in range(start.shape[0] - 1):
        longest = max(longest, start[j + 1] - start[j])
    to = np.empty(longest, np.int32)
    counts = np.zeros(257, np.int64)
    s1, s2 = np.empty(longest, np.uint8), np.empty(longest, np.uint16)
    s4, s8 = np.empty(longest, np.int32), np.empty(longest, np.float64)
    f4 = np.empty(longest, np.float32)
    for j in range(start.shape[0] - 1):
        begin, n = start[j], start[j + 1] - start[j]
        if n < 2:
            continue
        for shift in range(0, 8 if d1.shape[0] > 0 else 16, 8):
            for k in range(257):
                counts[k] = 0
            if d1.shape[0] > 0:
                for e in range(n):
                    counts[d1[begin + e] + 1] += 1
            else:
                for e in range(n):
                    counts[((d2[begin + e] >> shift) & 255) + 1] += 1
            for k in range(256):
                counts[k + 1] += counts[k]
            for e in range(n):
                k = d1[begin + e] if d1.shape[0] > 0 else (d2[begin + e] >> shift) & 255
                to[e] = counts[k]
                counts[k] += 1
            if d1.shape[0] > 0:
                _moved(d1, begin, to, n, s1)
            else:
                _moved(d2, begin, to, n, s2)
            if t2.shape[0] > 0:
                _moved(t2, begin, to, n, s2)
            else:
                _moved(t4, begin, to, n, s4)
            if w1.shape[0] > 0:
                _moved(w1, begin, to, n, s1)
            if w2.shape[0] > 0:
                _moved(w2, begin, to, n, s2)
            if w4.shape[0] > 0:
                _moved(w4, begin, to, n, f4)
            if w8.shape[0] > 0:
                _moved(w8, begin, to, n, s8)
