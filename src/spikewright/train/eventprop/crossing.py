"""Between two events everything has a closed form; where a threshold is met is found by root finding. Compiled.

Notation: u is the membrane above its resting point, y what the synaptic current adds to it per second (V/s),
a = 1 / tau_m, b = 1 / tau_s. A time s after the last event

    y(s) = y exp(-b s)                          u(s) = u exp(-a s) + y K(s)
    K(s) = (exp(-a s) - exp(-b s)) / (b - a)    u'(s) = y(s) - a u(s)

u has at most one extremum, so that within an interval it meets a level from below at most once. K is written with
expm1: b = a, and b close to a, are no special cases but for the division.
"""

from __future__ import annotations

import math

from numba import njit

# Numba's cached kernels of `layer`, `queue` and `readout` contain these functions, and do not notice when this file
# alone is changed: delete their files in __pycache__ then.
compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath=False)

PRECISION = 1e-15
"""Part of the membrane's or the current's time constant to which a spike time is found."""
ROUNDING = 2.2e-16
"""Part of the membrane that float64 leaves open."""
ROUNDS = 200
"""Halvings of an interval that suffice for any two float64 numbers of one sign that occur here."""


@compiled
def response(a: float, b: float, s: float) -> float:
    """Return K(s), the membrane at time s after a unit step of the current."""
    d = abs(b - a)
    if d == 0.0:
        return s * math.exp(-a * s)
    return -math.exp(-min(a, b) * s) * math.expm1(-d * s) / d


@compiled
def peak_time(u: float, y: float, a: float, b: float) -> float:
    """Return when a membrane that rises now is highest; -1 where it rises for ever."""
    if y <= 0.0:
        return -1.0
    d = b - a
    x = (a * u - y) / (b * y)
    if d == 0.0:
        return -x
    x *= d
    return -1.0 if x <= -1.0 else -math.log1p(x) / d


@compiled
def first_crossing(u: float, y: float, a: float, b: float, level: float, span: float) -> float:
    """Return the time in (0, span] at which a membrane that is below a level meets it; -1 where it does not."""
    high = span
    if u * math.exp(-a * span) + y * response(a, b, span) < level:
        if y - a * u <= 0.0:
            return -1.0  # falls first: the highest points are the ends
        high = peak_time(u, y, a, b)
        if high < 0.0 or high >= span:
            return -1.0
        if u * math.exp(-a * high) + y * response(a, b, high) < level:
            return -1.0
    low = 0.0
    exact = PRECISION / max(a, b)
    slow, d = min(a, b), abs(b - a)
    slope = y - a * u
    bend = -b * y - a * slope
    # the start: where the parabola meets the level
    root = slope * slope + 2.0 * bend * (level - u)
    s = 2.0 * (level - u) / (slope + math.sqrt(root)) if slope > 0.0 and root >= 0.0 else 0.5 * high
    if s >= high:
        s = 0.5 * high
    for _ in range(ROUNDS):
        e = math.exp(-slow * s)
        m = math.expm1(-d * s)
        gather = s * e if d == 0.0 else -e * m / d
        late = e * (1.0 + m)
        value = (u * e if a <= b else u * late) + y * gather
        current = y * late if a <= b else y * e
        if value < level:
            low = s
        else:
            high = s
        slope = current - a * value
        bend = -b * current - a * slope
        step = (level - value) / slope if slope != 0.0 else math.inf
        share = (
            0.5 * bend * step / slope if slope != 0.0 else math.inf
        )  # of the step, that the bend takes
        if abs(share) < 0.5:
            step /= 1.0 + share  # Halley: the error after a step is about step * share ** 2
        after = s + step
        # what rounding of the membrane leaves of the time, too
        near = exact + ROUNDING * max(abs(level), abs(u)) / abs(slope) if slope != 0.0 else exact
        if abs(step) * min(1.0, share * share) <= near or high - low <= exact:
            if low <= after <= high:
                s = after
            break
        s = after if low < after < high else 0.5 * (low + high)
    return s
