"""Neurons without a closed form: integrated between events, with the error of each step held below a tolerance.

The pair of Dormand and Prince: order 5, with an estimate of order 4. The error of a variable is measured relative to
the largest size that it has had. A neuron looks one step ahead: where its threshold holds at the end of the step (or,
by a cubic through both ends, within it), the crossing is enclosed by steps of other lengths from the same beginning,
until two neighboring numbers of time enclose it or f is 0. What reaches a neuron within its step ends the step there.

Source
------
Dormand and Prince, "A family of embedded Runge-Kutta formulae", J. Comput. Appl. Math. 6, 1980, table 2.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import math
from typing import Any

from spikewright.engines.event.table import compiled
from spikewright.engines.intrinsics import address_of, invoke

RATES, MARGIN, FIRES, RESET, OUTPUT = 0, 1, 2, 3, 4
"""What the kernel of a model is asked for."""
GROW, SHRINK, SAFETY = 5.0, 0.2, 0.9
"""Bounds on the change of a step's length, and the factor on the length that would just do."""
PROBES = 4
"""Points within a step at which the threshold is looked at."""


@compiled
def ask(
    kernel: int, what: int, z: Any, at: int, own: Any, own_at: int, out: Any, place: int
) -> None:
    """Call the kernel of a model for the neuron whose vector begins at `z[at]`; it answers from `out[place]` on."""
    invoke(kernel, address_of(out, place), what, address_of(z, at), address_of(own, own_at), 0, 0)


@compiled
def _rates(
    kernel: int,
    y: Any,
    own: Any,
    own_at: int,
    hold: Any,
    hold_at: int,
    ns: int,
    held: bool,
    k: Any,
    place: int,
) -> None:
    ask(kernel, RATES, y, 0, own, own_at, k, place)
    if held:
        for i in range(ns):
            if hold[hold_at + i]:
                k[place + i] = 0.0


@compiled
def rk_step(
    kernel: int,
    y: Any,
    own: Any,
    own_at: int,
    hold: Any,
    hold_at: int,
    ns: int,
    nz: int,
    held: bool,
    h: float,
    k: Any,
    w: Any,
    new: Any,
) -> None:
    """Take a step of length h from y; `k` (7 nz,) are the slopes, `new` the end, `w[nz:2 nz]` the error."""
    _rates(kernel, y, own, own_at, hold, hold_at, ns, held, k, 0)
    for i in range(ns, nz):
        w[i] = y[i]
        new[i] = y[i]
    for i in range(ns):
        w[i] = y[i] + h * (k[i] / 5.0)
    _rates(kernel, w, own, own_at, hold, hold_at, ns, held, k, 1 * nz)
    for i in range(ns):
        w[i] = y[i] + h * (3.0 / 40.0 * k[i] + 9.0 / 40.0 * k[nz + i])
    _rates(kernel, w, own, own_at, hold, hold_at, ns, held, k, 2 * nz)
    for i in range(ns):
        w[i] = y[i] + h * (
            44.0 / 45.0 * k[i] - 56.0 / 15.0 * k[nz + i] + 32.0 / 9.0 * k[2 * nz + i]
        )
    _rates(kernel, w, own, own_at, hold, hold_at, ns, held, k, 3 * nz)
    for i in range(ns):
        w[i] = y[i] + h * (
            19372.0 / 6561.0 * k[i]
            - 25360.0 / 2187.0 * k[nz + i]
            + 64448.0 / 6561.0 * k[2 * nz + i]
            - 212.0 / 729.0 * k[3 * nz + i]
        )
    _rates(kernel, w, own, own_at, hold, hold_at, ns, held, k, 4 * nz)
    for i in range(ns):
        w[i] = y[i] + h * (
            9017.0 / 3168.0 * k[i]
            - 355.0 / 33.0 * k[nz + i]
            + 46732.0 / 5247.0 * k[2 * nz + i]
            + 49.0 / 176.0 * k[3 * nz + i]
            - 5103.0 / 18656.0 * k[4 * nz + i]
        )
    _rates(kernel, w, own, own_at, hold, hold_at, ns, held, k, 5 * nz)
    for i in range(ns):
        new[i] = y[i] + h * (
            35.0 / 384.0 * k[i]
            + 500.0 / 1113.0 * k[2 * nz + i]
            + 125.0 / 192.0 * k[3 * nz + i]
            - 2187.0 / 6784.0 * k[4 * nz + i]
            + 11.0 / 84.0 * k[5 * nz + i]
        )
    _rates(kernel, new, own, own_at, hold, hold_at, ns, held, k, 6 * nz)
    for i in range(ns):
        w[nz + i] = h * (
            71.0 / 57600.0 * k[i]
            - 71.0 / 16695.0 * k[2 * nz + i]
            + 71.0 / 1920.0 * k[3 * nz + i]
            - 17253.0 / 339200.0 * k[4 * nz + i]
            + 22.0 / 525.0 * k[5 * nz + i]
            - 1.0 / 40.0 * k[6 * nz + i]
        )


@compiled
def attempt(
    kernel: int,
    y: Any,
    own: Any,
    own_at: int,
    hold: Any,
    hold_at: int,
    ns: int,
    nz: int,
    held: bool,
    h: float,
    least: float,
    most: float,
    tolerance: float,
    size: Any,
    at: int,
    k: Any,
    w: Any,
    new: Any,
) -> tuple[float, float]:
    """Take a step of at most `most`, h at first, that meets the tolerance; return its length and the next one's.

    A length of 0 says that there is none: the solution does not stay finite. Steps are never below `least`, which is
    what two times can differ by: an upstroke steeper than that is over within one.
    """
    h = min(max(h, least), most)
    for _ in range(200):
        rk_step(kernel, y, own, own_at, hold, hold_at, ns, nz, held, h, k, w, new)
        still, worst, finite = True, 0.0, True
        for i in range(ns):
            if k[i] != 0.0 or k[6 * nz + i] != 0.0:
                still = False
            if not math.isfinite(new[i]):
                finite = False
            scale = tolerance * max(size[at + i], abs(new[i]))
            error = abs(w[nz + i])
            if error > 0.0:
                worst = max(worst, error / scale if scale > 0.0 else math.inf)
        if still:
            return most, max(h, most if math.isfinite(most) else h)
        if finite and worst <= 1.0:
            factor = GROW if worst == 0.0 else min(GROW, SAFETY * worst**-0.2)
            return h, h * max(factor, SHRINK)
        if finite and h <= least:
            return h, h
        factor = SAFETY * worst**-0.2 if finite and math.isfinite(worst) else SHRINK
        if h <= least:
            break
        h = min(max(h * min(max(factor, SHRINK), 0.9), least), most)
    return 0.0, 0.0


@compiled
def _fires(kernel: int, y: Any, own: Any, own_at: int, out: Any) -> bool:
    ask(kernel, FIRES, y, 0, own, own_at, out, 0)
    return bool(out[0] > 0.5)


@compiled
def crossing(
    kernel: int,
    y: Any,
    own: Any,
    own_at: int,
    hold: Any,
    hold_at: int,
    ns: int,
    nz: int,
    held: bool,
    h: float,
    k: Any,
    w: Any,
    new: Any,
    out: Any,
    mid: Any,
) -> float:
    """Return after which time within the step y -> new, of length h, the threshold first holds, or infinity.

    `new` is left as the state then.
    """
    high = h
    if not _fires(kernel, new, own, own_at, out):
        found = False
        for probe in range(1, PROBES + 1):
            x = probe / (PROBES + 1.0)
            a, b = x * x * (3.0 - 2.0 * x), x * (1.0 - x)
            for i in range(ns):
                # the cubic with the values and slopes of both ends
                mid[i] = y[i] + a * (new[i] - y[i]) + h * b * ((1.0 - x) * k[i] - x * k[6 * nz + i])
            for i in range(ns, nz):
                mid[i] = y[i]
            if _fires(kernel, mid, own, own_at, out):
                rk_step(kernel, y, own, own_at, hold, hold_at, ns, nz, held, x * h, k, w, mid)
                if _fires(kernel, mid, own, own_at, out):
                    high, found = x * h, True
                    break
                # the step from y again, whose slopes the next probe needs
                rk_step(kernel, y, own, own_at, hold, hold_at, ns, nz, held, h, k, w, new)
        if not found:
            return math.inf
        for i in range(nz):
            new[i] = mid[i]
    low = 0.0
    ask(kernel, MARGIN, y, 0, own, own_at, out, 0)
    f_low = out[0]
    ask(kernel, MARGIN, new, 0, own, own_at, out, 0)
    f_high = out[0]
    side = 0
    for _ in range(100):
        # regula falsi, halving the weight of an end that stays; bisection where that says nothing
        x = 0.5 * (low + high)
        if f_low < 0.0 and f_high > 0.0:
            guess = high - f_high * (high - low) / (f_high - f_low)
            if low < guess < high:
                x = guess
        if not low < x < high or high - low <= 2.0**-52 * high:
            break
        rk_step(kernel, y, own, own_at, hold, hold_at, ns, nz, held, x, k, w, mid)
        ask(kernel, MARGIN, mid, 0, own, own_at, out, 0)
        f = out[0]
        if _fires(kernel, mid, own, own_at, out):
            high, f_high = x, f
            for i in range(nz):
                new[i] = mid[i]
            if side == 1:
                f_low *= 0.5
            side = 1
            if f == 0.0:
                break
        else:
            low, f_low = x, f
            if side == -1:
                f_high *= 0.5
            side = -1
    return high
