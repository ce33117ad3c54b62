"""When a sum of exponentials first passes a level: in closed form where there is one, else by steps that miss nothing.

    f(t) = sum_j c_j t^k_j exp(rho_j t) {1 | cos(omega_j t) | sin(omega_j t)} - level,   f(0) <= 0

*One decaying exponential* (a leaky integrator with constant input) and *a straight line* have a closed form.

*Two decaying exponentials* (a membrane and one synapse): f has one extremum at most, whose time is a logarithm. Where
the largest value that f can take, at the extremum or at the ends, is not above the level, it is never passed.

*Everything else*, and the search for a crossing that exists: from a time s with f(s) < 0, and a bound M on f'' over all
times from s on, no crossing lies before s + d, where d is the root of f + f' d + M d^2 / 2. So s moves to s + d, again
and again. It never passes a crossing, and near one it is Newton's method. The bound falls as exponentials decay. The
search ends where f reaches 0 to rounding, or where a bound on f itself over all later times is below 0.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import math
from typing import Any

from spikewright.engines.event.spectrum import PLAIN, SINE
from spikewright.engines.event.table import compiled

STEPS = 100_000
"""Steps of one search; what needs more is not found, and said so."""
NOISE = 4.0 * 2.0**-53
"""Rounding of f, relative to the sum of the sizes of its terms."""


@compiled
def _largest(power: int, rho: float, s: float) -> float:
    """Return the largest t^power exp(rho t) for t >= s, where rho <= 0."""
    if power == 0:
        return math.exp(rho * s)
    if rho == 0.0:
        return math.inf
    t = max(s, -power / rho)
    return t**power * math.exp(rho * t)


@compiled
def first_crossing(
    c: Any, rho: Any, omega: Any, power: Any, kind: Any, begin: int, end: int, level: float
) -> float:
    """Return the first time at which f is above 0, or infinity; -1 where the search did not end.

    Parameters
    ----------
    c : coefficients, (end - begin,)
    rho, omega, power, kind : of all terms; those from `begin` to `end` are meant
    level : f(t) is the sum minus this
    """
    rest, size, line, others = -level, abs(level), 0.0, 0
    n_plain, one, two = 0, 0, 0
    start = -level
    for j in range(begin, end):
        a = c[j - begin]
        size += abs(a)
        if a == 0.0:
            continue
        if kind[j] != SINE and power[j] == 0:
            start += a
        if kind[j] != PLAIN or rho[j] > 0.0 or power[j] > 1 or (power[j] == 1 and rho[j] != 0.0):
            others += 1
        elif power[j] == 1:
            line += a
        elif rho[j] == 0.0:
            rest += a
        else:
            n_plain += 1
            if n_plain == 1:
                one = j
            else:
                two = j
    if not math.isfinite(size):
        return math.inf
    if others == 0 and n_plain == 0:
        if line > 0.0:
            return max(0.0, -rest / line)
        return math.inf
    if others == 0 and n_plain == 1 and line == 0.0:
        a = c[one - begin]
        if rest <= 0.0 or a >= 0.0:
            return math.inf
        share = rest / -a
        if share >= 1.0:
            return 0.0
        grown = math.log1p(start / -a) if share > 0.5 else math.log(share)
        return float(grown / rho[one])
    if others == 0 and n_plain == 2 and line == 0.0:
        a, b = c[one - begin], c[two - begin]
        p, q = rho[one], rho[two]
        # f' = 0 where exp((q - p) t) = -(a p) / (b q)
        ratio = -(a * p) / (b * q)
        top = rest
        if ratio > 0.0 and p != q:
            t = math.log(ratio) / (q - p)
            if t > 0.0:
                top = max(top, rest + a * math.exp(p * t) + b * math.exp(q * t))
        if top <= 0.0:
            return math.inf
    noise = NOISE * size
    s = 0.0
    for _ in range(STEPS):
        f, slope, bend, top, fastest, growth = rest + line * s, line, 0.0, rest, 0.0, 0.0
        if line > 0.0:
            top = math.inf
        else:
            top += line * s
        j = begin
        while j < end:
            a, r, k = c[j - begin], rho[j], power[j]
            if kind[j] == PLAIN:
                if a != 0.0 and (r != 0.0 or k > 1):
                    e = math.exp(r * s)
                    g = a * e * (s**k if k else 1.0)
                    f += g
                    slope += r * g
                    if k:
                        slope += a * e * k * (s ** (k - 1) if k > 1 else 1.0)
                    fastest = max(fastest, abs(r))
                    if r > 0.0:
                        # within one time constant, e times as large
                        growth = max(growth, r)
                        high = abs(a) * math.e * e * (s + 1.0 / r) ** k
                        bend += high * (r * r + 2.0 * k * r / max(s, 1e-300 + 1.0 / r) * 4.0)
                        top = math.inf
                    elif k == 0:
                        if a > 0.0:
                            bend += g * r * r
                            top += g
                    elif r == 0.0:
                        bend += math.inf if k > 2 else max(0.0, 2.0 * a)
                        top = math.inf if a > 0.0 else top
                    else:
                        m = abs(a)
                        top += m * _largest(k, r, s)
                        bend += m * r * r * _largest(k, r, s)
                        bend += m * 2.0 * k * abs(r) * _largest(k - 1, r, s)
                        if k > 1:
                            bend += m * k * (k - 1) * _largest(k - 2, r, s)
                j += 1
                continue
            # a cosine, and the sine behind it
            b, w = c[j + 1 - begin], omega[j]
            if a != 0.0 or b != 0.0:
                e = math.exp(r * s)
                x, y = math.cos(w * s), math.sin(w * s)
                wave, turn = a * x + b * y, w * (b * x - a * y)
                t_k = s**k if k else 1.0
                f += t_k * e * wave
                slope += t_k * e * (r * wave + turn)
                if k:
                    slope += k * (s ** (k - 1) if k > 1 else 1.0) * e * wave
                m, speed = math.hypot(a, b), math.hypot(r, w)
                fastest = max(fastest, speed)
                if r > 0.0:
                    growth = max(growth, r)
                    top = math.inf
                    bend += m * math.e * e * speed * speed * (s + 1.0 / r) ** k * (1 + k) ** 2
                else:
                    top += m * _largest(k, r, s)
                    bend += m * speed * speed * _largest(k, r, s)
                    if k:
                        bend += m * 2.0 * k * speed * _largest(k - 1, r, s)
                    if k > 1:
                        bend += m * k * (k - 1) * _largest(k - 2, r, s)
            j += 2
        if top <= 0.0:
            return math.inf
        if f >= -noise and slope > 0.0:
            return s
        if f > noise:
            return s
        low = min(f, 0.0)
        if bend <= 0.0:
            if slope <= 0.0:
                return math.inf
            d = -low / slope
        else:
            root = math.sqrt(slope * slope - 2.0 * bend * low)
            d = -2.0 * low / (slope + root) if slope > 0.0 else (root - slope) / bend
        if growth > 0.0:
            d = min(d, 1.0 / growth)
        if not d > 0.0 or s + d == s:
            # f is 0 to rounding, and does not rise: past the touching point
            d = max(2.0**-50 * s, 2.0**-40 / fastest)
        s += d
        if not math.isfinite(s):
            return math.inf
    return -1.0
