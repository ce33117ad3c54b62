"""Draws of drives: Poisson counts and normal values, each a pure function of (key, neuron, step, sample).

One 32-bit word per draw: of the four words of Philox 4x32-10 at the counter (neuron, (sample << 40) + (step >> 2)), the
one with the number step & 3. So one call serves four steps of a neuron.

Poisson, by inversion: the count is the number of entries of a table that are <= word, with

    table[k] = floor(2^32 P(N <= k) + 1/2),

cut after its first entry of 2^32, which no word reaches. Each probability is right to 2^-33; counts less likely than
that never come (a mean of 64 ends at 121), nor does any event where the mean per step is below 1.2e-10.

Normal, by inversion: z = F^-1((word + 1/2) / 2^32), F the normal distribution, by the rational functions PPND16 of
Algorithm AS 241, whose relative error is about 1e-16; |z| is 6.34 at most, and the variance of z is 1 to within 1e-9.

Everything is additions, products, quotients, one logarithm of the C library and one square root, in the order written,
so that compiled engines are equal bit for bit. The tables use no library function at all.

Source
------
Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox, 10 rounds).
Devroye, "Non-uniform random variate generation", Springer 1986, section III.2 (inversion by a table).
Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37, 1988.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.network.expression import lift

SAMPLE_SHIFT = 40
"""A counter is the step's part plus the sample number shifted by this many bits."""
STEPS_PER_CALL = 4
"""Words of one Philox call, each for one step."""
FULL = 2**32
"""One more than the largest word."""
NEGLIGIBLE = 2.0**-80
"""Where the terms of a Poisson distribution, relative to the largest, are no longer summed."""

# |p - 1/2| <= SPLIT: rational function of (p - 1/2), else of sqrt(-log(tail))
PPND_SPLIT, PPND_CENTER, PPND_TAIL = 0.425, 0.180625, 1.6
PPND_A = (
    3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
)  # fmt: skip
PPND_B = (
    1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
    2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3,
)  # fmt: skip
PPND_C = (
    1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
    1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
)  # fmt: skip
PPND_D = (
    1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
    1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
)  # fmt: skip

_log = lift(math.log, 1)
_sqrt = lift(math.sqrt, 1)


def word(
    key: int,
    neuron: NDArray[np.int64],
    step: NDArray[np.int64] | int,
    sample: NDArray[np.int64] | int,
) -> NDArray[np.uint64]:
    """Return the 32-bit words (in uint64) of draws, elementwise."""
    step, sample = np.asarray(step, np.int64), np.asarray(sample, np.int64)
    neuron, step, sample = np.broadcast_arrays(neuron, step, sample)
    words = np.stack(rng.philox(key, neuron, (sample << SAMPLE_SHIFT) + (step >> 2)))
    chosen: NDArray[np.uint64] = np.take_along_axis(words, (step & 3)[None], axis=0)[0]
    return chosen


def poisson_table(mean: float) -> NDArray[np.uint64]:
    """Return the thresholds of a Poisson distribution: ascending, the last is 2^32.

    Parameters
    ----------
    mean : events per draw, 0 to 64

    Notes
    -----
    Terms are relative to the largest, that of k = floor(mean): `w[k + 1] = w[k] * mean / (k + 1)` upwards from it until
    one is below 2^-80, and `w[k - 1] = w[k] * k / mean` downwards. Then `P(N <= k) = (w[0] + ... + w[k]) / (the sum of
    all)`, added from k = 0 on, all in float64. Its error is below 1e-13, so that an entry differs from the exact one by
    1 at most, and that only where the exact value lies within 5e-4 of a half.

    Examples
    --------
    >>> poisson_table(0.5)[:3].tolist()
    [2605029347, 3907544021, 4233172690]
    >>> poisson_table(0.0).tolist() == [2**32]
    True
    """
    if mean <= 0.0:
        return np.array([FULL], np.uint64)
    mode = int(mean)
    weights = [1.0]
    while weights[-1] > NEGLIGIBLE:
        weights.append(weights[-1] * mean / (mode + len(weights)))
    below = [1.0]
    for k in range(mode, 0, -1):
        below.append(below[-1] * k / mean)
    sums = np.add.accumulate(np.array(below[:0:-1] + weights))
    table = np.floor(sums / sums[-1] * float(FULL) + 0.5).astype(np.uint64)
    cut: NDArray[np.uint64] = table[: int(np.argmax(table == FULL)) + 1]
    return cut


def poisson(
    key: int,
    neuron: NDArray[np.int64],
    step: NDArray[np.int64] | int,
    sample: NDArray[np.int64] | int,
    table: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """Return Poisson counts, elementwise, of the distribution that `table` was made for."""
    return np.searchsorted(table, word(key, neuron, step, sample), side="right").astype(np.int64)


def normal(
    key: int,
    neuron: NDArray[np.int64],
    step: NDArray[np.int64] | int,
    sample: NDArray[np.int64] | int,
) -> NDArray[np.float64]:
    """Return standard normal values, elementwise."""
    return quantile(word(key, neuron, step, sample))


def quantile(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return F^-1((word + 1/2) / 2^32) of the standard normal distribution, elementwise.

    Examples
    --------
    >>> quantile(np.array([0, 2**30, 2**32 - 1], np.uint64)).round(4).tolist()
    [-6.338, -0.6745, 6.338]
    """
    p = (words.astype(np.float64) + 0.5) * 2.0**-32
    q = p - 0.5
    r = PPND_CENTER - q * q
    center = q * (_horner(PPND_A, r) / _horner(PPND_B, r))
    tail = np.where(q < 0.0, p, 1.0 - p)
    r = _sqrt(-_log(tail)) - PPND_TAIL
    outer = _horner(PPND_C, r) / _horner(PPND_D, r)
    outer = np.where(q < 0.0, -outer, outer)
    return np.where(np.abs(q) <= PPND_SPLIT, center, outer)


def _horner(coefficients: tuple[float, ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return c[0] + x (c[1] + x (c[2] + ...)), evaluated from the inside out as `total * x + c`."""
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total
