"""Seconds, ticks and steps, related by whole numbers instead of rounded quotients.

Notation: `t` counts ticks; `tick` and `dt` are seconds. Floats such as 1e-6 and 1e-3 are not the
decimal numbers they stand for, so 1e-3 / 1e-6 is not quite 1000; `ratio` returns the simple
fraction that is meant wherever there is one, and the exact quotient of the two floats elsewhere.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

SIMPLE_DENOMINATOR = 1000
"""Largest denominator of a fraction taken for the meant one (44.1 kHz on 1 ms is 441/10)."""

SIMPLE_ERROR = Fraction(1, 10**13)
"""Relative distance to it: far above float64 rounding (1.1e-16), far below what chance hits."""

SNAP_TICKS = 1e-9
"""A time this close to a whole tick is that tick: `3 * 0.1` seconds is 0.3 seconds."""

SNAP_RELATIVE = 1e-14
"""The same for large times, where float64 itself is coarser: some tens of its rounding steps."""


def ratio(a: float, b: float) -> Fraction:
    """Return ``a / b`` as the fraction that two positive decimal numbers mean.

    Parameters
    ----------
    a, b : float, s, > 0

    Examples
    --------
    >>> ratio(1e-3, 1e-6)
    Fraction(1000, 1)
    >>> ratio(1e-6, 1 / 60)
    Fraction(3, 50000)
    """
    if a < b:
        return 1 / ratio(b, a)
    exact = Fraction(a) / Fraction(b)
    simple = exact.limit_denominator(SIMPLE_DENOMINATOR)
    return simple if abs(simple - exact) <= exact * SIMPLE_ERROR else exact


def floor_scaled(t: NDArray[np.int64], factor: Fraction) -> NDArray[np.int64]:
    """Return ``floor(t * factor)`` without rounding.

    Raises
    ------
    EventError : a result does not fit 64 bits

    Examples
    --------
    >>> floor_scaled(np.array([-1, 0, 999, 1000]), Fraction(1, 1000)).tolist()
    [-1, 0, 0, 1]
    """
    if t.size == 0:
        return np.zeros(0, np.int64)
    p, q = factor.numerator, factor.denominator
    low, high = int(t.min()), int(t.max())
    for end in (low, high):
        if not INT64_MIN <= end * p // q <= INT64_MAX:
            raise EventError(
                explain(
                    "time",
                    "does not fit 64 bits on the new clock",
                    found=f"tick {end} times {float(factor):g}",
                    expected="at most 2**63 - 1",
                    cure="use a larger step or tick, or shift the events first",
                )
            )
    if q - 1 <= INT64_MAX // p and (low // q) * p >= INT64_MIN:
        return (t // q) * p + ((t % q) * p) // q
    return np.array([int(x) * p // q for x in t], dtype=np.int64)


def ceil_scaled(t: NDArray[np.int64], factor: Fraction) -> NDArray[np.int64]:
    """Return ``ceil(t * factor)`` without rounding; errors as in `floor_scaled`."""
    return -floor_scaled(-t, factor)


def _nearest(seconds: float, tick: float) -> tuple[Fraction, int, bool]:
    quotient = Fraction(seconds) / Fraction(tick)
    whole = round(quotient)
    near = abs(float(quotient - whole)) <= max(SNAP_TICKS, SNAP_RELATIVE * abs(whole))
    return quotient, whole, near


def whole_ticks(seconds: float, tick: float) -> int | None:
    """Return how many ticks `seconds` is, or None where it is not a whole number of them.

    Examples
    --------
    >>> whole_ticks(0.3, 1e-6), whole_ticks(3 * 0.1, 1e-6), whole_ticks(1.5e-6, 1e-6)
    (300000, 300000, None)
    """
    _, whole, near = _nearest(seconds, tick)
    return whole if near else None


def first_tick(seconds: float, tick: float) -> int:
    """Return the first tick at or after a time; infinite times give the ends of int64.

    Examples
    --------
    >>> first_tick(1.5e-6, 1e-6), first_tick(3 * 0.1, 1e-6)
    (2, 300000)
    """
    if math.isinf(seconds):
        return INT64_MAX if seconds > 0 else INT64_MIN
    quotient, whole, near = _nearest(seconds, tick)
    return whole if near else math.ceil(quotient)


def check_time(where: str, name: str, given: float) -> None:
    """Raise an EventError unless `given` is a finite number of seconds above 0."""
    if not (given > 0 and math.isfinite(given)):
        raise EventError(
            explain(
                f"{where}: {name}",
                "is not a time",
                found=f"{given!r}",
                expected="seconds, more than 0",
            )
        )
