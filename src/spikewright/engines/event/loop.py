"""The loop of a network without a clock: one instant after the other at which anything happens.

At an instant t, in this order:
1 neurons that reach their threshold by themselves at t fire, by number;
2 where t is the end of a step, traces are taken;
3 everything that arrives at t is added, from all sources, in the order in which it was sent;
4 population by population (in `Network.order()`), what was reached is looked at: neurons above threshold fire, in the
  order in which they were reached; populations without state pass on the sum of what arrived;
5 what was sent without delay to a population that was looked at already begins the instant anew, at 3.

So nothing depends on the order in which projections are declared, but for rounding. Two instants are one where they
differ by less than four units in the last place of float64. What reaches a neuron at the very end of its refractory
period counts.

A neuron is advanced only when something reaches it. A row of synapses is one entry in the agenda; where its delays
differ, its shortest is entered first, and each that arrives enters the next.

Longer than most files: one loop and the small functions that it is made of, over the same arrays.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spikewright.engines.event.crossing import first_crossing
from spikewright.engines.event.queue import (
    FROM,
    KIND,
    REALS,
    SINCE,
    VALUE,
    WHAT,
    WHO,
    WHOLES,
    fields,
    first_time,
    pop,
    push,
    set_time,
)
from spikewright.engines.event.smooth import (
    FIRES,
    OUTPUT,
    RESET,
    ask,
    attempt,
    rk_step,
)
from spikewright.engines.event.smooth import crossing as smooth_crossing
from spikewright.engines.event.spectrum import COSINE, PLAIN
from spikewright.engines.event.table import (
    C_AIM,
    C_AT,
    C_FIRES,
    C_FIRST,
    C_FLOW,
    C_GAIN,
    C_HOLD,
    C_KEEP,
    C_KERNEL,
    C_KIND,
    C_LEVEL,
    C_NS,
    C_NZ,
    C_OF,
    C_OFFSET,
    C_OWN,
    C_OWN_AT,
    C_RESET,
    C_STRICT,
    C_T_REF,
    ENTERING,
    F_FROZEN,
    F_GAIN,
    F_GAIN_AT,
    F_KIND,
    F_MATRIX,
    F_MATRIX_AT,
    F_OMEGA,
    F_POWER,
    F_RHO,
    F_START,
    MOST,
    N_ACC,
    N_AMPLITUDE,
    N_C,
    N_CROSSES,
    N_FAILED,
    N_FREE,
    N_K,
    N_KEY,
    N_LENGTH,
    N_MARK,
    N_MID,
    N_N_TOUCHED,
    N_NEW,
    N_ORDER,
    N_OUT,
    N_OUTSIDE,
    N_PULSE,
    N_PULSES,
    N_SINCE,
    N_SIZE,
    N_TOUCHED,
    N_W,
    N_WHERE,
    N_Y,
    N_Z,
    NEURONS,
    O_NEURON,
    O_SLOT,
    O_TIME,
    O_VALUE,
    O_WHAT,
    P_BLOCK,
    P_DRAW,
    P_HELD,
    P_KEY,
    P_NEURON,
    P_NUMBER,
    P_RATE,
    P_SLOT,
    P_SPAN,
    P_TIME,
    P_WEIGHT,
    PLACES,
    POPULATIONS,
    PROCESSES,
    RECORDS,
    T_AT,
    T_BEGIN,
    T_EVERY,
    T_FIRST_ROW,
    T_NEURON,
    T_POPULATION,
    T_VALUES,
    W_DELAY,
    W_DELAY_AT,
    W_DELAY_STEP,
    W_HELD,
    W_ORIGIN,
    W_OUT,
    W_OUT_START,
    W_POST,
    W_ROW_AT,
    W_SLOT,
    W_START,
    W_TARGET,
    W_WEIGHT,
    W_WEIGHT_AT,
    W_WEIGHT_STEP,
    WIDEST,
    compiled,
    flag,
    real,
    short,
    whole,
    word,
)
from spikewright.engines.intrinsics import prefetch
from spikewright.engines.kernels import draw

LINEAR, SMOOTH, PASSING, UNIT, POISSON = 0, 1, 2, 3, 4
"""Kinds of populations: closed form; integrated; values pass through; fires where what arrives is above; Poisson."""
ROW, ROW_ENDS, POINT, POINT_ENDS = 0, 1, 2, 3
"""Kinds of entries in the agenda: a row's spike arrives, or has been held for a step; likewise a Poisson process's."""
ADD, SET, CHECK = 0, 1, 2
"""What comes from outside: add to a state, or to what passes; set what is held; look at the neuron."""
FINE, ENDLESS, UNSOLVED, NOT_FINITE, SENDS = 0, 1, 2, 3, 4
"""How a window ended; or a neuron sends something, and the window goes on."""
LAST = 1 << 30
"""Behind every population: what is sent without delay goes through the agenda."""
AHEAD = 8
"""Synapses of a row between what is asked for and what is dealt with."""
REPEATS = 1000
"""Spikes of one neuron, and rounds of the network, at one instant."""
SAME = 2.0**-50
"""Times that differ by less, relative to their size, are one: sums of times are rounded."""
NEAR = 1e-9
"""What arrives less than this share of dt before the end of a step belongs to the next: sums of times are rounded."""


# -- one neuron ------------------------------------------------------------------------------------------


@compiled
def _flow(
    net: Any, begin: int, end: int, ns: int, nz: int, z: Any, at: int, t: float, out: Any
) -> None:
    """Put the state after time t into `out`."""
    for i in range(ns):
        out[i] = 0.0
    for j in range(begin, end):
        kind = whole(net, F_KIND)[j]
        factor = 1.0 if real(net, F_RHO)[j] == 0.0 else math.exp(real(net, F_RHO)[j] * t)
        for _ in range(whole(net, F_POWER)[j]):
            factor *= t
        if kind != PLAIN:
            w = real(net, F_OMEGA)[j] * t
            factor *= math.cos(w) if kind == COSINE else math.sin(w)
        m = whole(net, F_MATRIX_AT)[j]
        for i in range(ns):
            total = 0.0
            for k in range(nz):
                total += real(net, F_MATRIX)[m + k] * z[at + k]
            out[i] += factor * total
            m += nz


@compiled
def _carry(net: Any, g: int, t: float) -> None:
    """Put the state of neuron g at time t, not before that of its z, into the scratch `y`."""
    p = whole(net, C_OF)[g]
    ns, nz, at = whole(net, C_NS)[p], whole(net, C_NZ)[p], whole(net, C_AT)[g]
    z, y, since = real(net, N_Z), real(net, N_Y), real(net, N_SINCE)[g]
    free = real(net, N_FREE)[g]
    if whole(net, C_KIND)[p] == LINEAR:
        f = whole(net, C_FLOW)[g]
        if since < free:
            until = min(t, free)
            begin = whole(net, F_FROZEN)[f]
            _flow(net, begin, whole(net, F_FROZEN)[f + 1], ns, nz, z, at, until - since, y)
            if until == t:
                return
            for i in range(ns):
                real(net, N_MID)[i] = y[i]
            for i in range(ns, nz):
                real(net, N_MID)[i] = z[at + i]
            _flow(
                net,
                whole(net, F_START)[f],
                whole(net, F_START)[f + 1],
                ns,
                nz,
                real(net, N_MID),
                0,
                t - free,
                y,
            )
        elif t > since:
            _flow(
                net, whole(net, F_START)[f], whole(net, F_START)[f + 1], ns, nz, z, at, t - since, y
            )
        else:
            for i in range(ns):
                y[i] = z[at + i]
    else:
        for i in range(nz):
            y[i] = z[at + i]
        if t > since:
            # within the step that was looked ahead: shorter, so at least as exact
            for i in range(nz):
                real(net, N_MID)[i] = y[i]
            rk_step(
                whole(net, C_KERNEL)[p],
                real(net, N_MID),
                real(net, C_OWN),
                whole(net, C_OWN_AT)[g],
                flag(net, C_HOLD),
                p * net[MOST],
                ns,
                nz,
                since < free,
                t - since,
                real(net, N_K),
                real(net, N_W),
                y,
            )


@compiled
def advance(net: Any, g: int, t: float) -> None:
    """Bring neuron g to time t."""
    if real(net, N_SINCE)[g] >= t:
        return
    _carry(net, g, t)
    at = whole(net, C_AT)[g]
    for i in range(whole(net, C_NS)[whole(net, C_OF)[g]]):
        real(net, N_Z)[at + i] = real(net, N_Y)[i]
    real(net, N_SINCE)[g] = t


@compiled
def _expect(net: Any, g: int, t: float) -> None:
    """Say that neuron g does something by itself at t."""
    set_time(whole(net, N_ORDER), whole(net, N_WHERE), real(net, N_KEY), whole(net, N_SIZE), g, t)


@compiled
def _above(net: Any, g: int) -> bool:
    """Whether the threshold holds for the state as it is."""
    p = whole(net, C_OF)[g]
    if not flag(net, C_FIRES)[p]:
        return False
    at, ns = whole(net, C_AT)[g], whole(net, C_NS)[p]
    if whole(net, C_KIND)[p] == LINEAR:
        total, row = -real(net, C_LEVEL)[g], whole(net, C_FLOW)[g]
        for i in range(ns):
            total += real(net, C_AIM)[row * net[WIDEST] + i] * real(net, N_Z)[at + i]
        return bool(total > 0.0 if flag(net, C_STRICT)[p] else total >= 0.0)
    ask(
        whole(net, C_KERNEL)[p],
        FIRES,
        real(net, N_Z),
        at,
        real(net, C_OWN),
        whole(net, C_OWN_AT)[g],
        real(net, N_OUT),
        0,
    )
    return bool(real(net, N_OUT)[0] > 0.5)


@compiled
def _is_calm(net: Any, g: int) -> bool:
    """Whether a linear neuron is below its threshold and stays there, by a bound that is quick to find; it may be so
    where this says no.
    """
    p = whole(net, C_OF)[g]
    if not flag(net, C_FIRES)[p]:
        return True
    if real(net, N_SINCE)[g] < real(net, N_FREE)[g]:
        return False
    nz, at, f = whole(net, C_NZ)[p], whole(net, C_AT)[g], whole(net, C_FLOW)[g]
    rho, power, kind = real(net, F_RHO), whole(net, F_POWER), whole(net, F_KIND)
    gain_at, gain, z = whole(net, F_GAIN_AT), real(net, F_GAIN), real(net, N_Z)
    now, most = -real(net, C_LEVEL)[g], -real(net, C_LEVEL)[g]
    for j in range(whole(net, F_START)[f], whole(net, F_START)[f + 1]):
        total, m = 0.0, gain_at[j]
        for k in range(nz):
            total += gain[m + k] * z[at + k]
        if kind[j] != PLAIN or rho[j] > 0.0 or power[j] > 0:
            if total != 0.0:
                return False
            continue
        now += total
        if rho[j] == 0.0 or total > 0.0:
            most += total
    return bool(now < 0.0 and most < 0.0)


@compiled
def predict(net: Any, g: int, t: float) -> int:
    """Say when neuron g, which is of time t, next does something by itself."""
    p = whole(net, C_OF)[g]
    if whole(net, C_KIND)[p] == SMOOTH:
        return int(_look_ahead(net, g, t))
    if not flag(net, C_FIRES)[p]:
        return FINE
    ns, nz, at = whole(net, C_NS)[p], whole(net, C_NZ)[p], whole(net, C_AT)[g]
    start, z = t, real(net, N_Z)
    if t < real(net, N_FREE)[g]:
        start = real(net, N_FREE)[g]
        _carry(net, g, start)
        for i in range(ns):
            real(net, N_MID)[i] = real(net, N_Y)[i]
        for i in range(ns, nz):
            real(net, N_MID)[i] = real(net, N_Z)[at + i]
        z, at = real(net, N_MID), 0
        total = -real(net, C_LEVEL)[g]
        for i in range(ns):
            total += real(net, C_AIM)[whole(net, C_FLOW)[g] * net[WIDEST] + i] * z[i]
        if total > 0.0 or (total == 0.0 and not flag(net, C_STRICT)[p]):
            set_time(
                whole(net, N_ORDER),
                whole(net, N_WHERE),
                real(net, N_KEY),
                whole(net, N_SIZE),
                g,
                start,
            )
            return FINE
    begin, end = (
        whole(net, F_START)[whole(net, C_FLOW)[g]],
        whole(net, F_START)[whole(net, C_FLOW)[g] + 1],
    )
    for j in range(begin, end):
        total, m = 0.0, whole(net, F_GAIN_AT)[j]
        for k in range(nz):
            total += real(net, F_GAIN)[m + k] * z[at + k]
        real(net, N_C)[j - begin] = total
    wait = first_crossing(
        real(net, N_C),
        real(net, F_RHO),
        real(net, F_OMEGA),
        whole(net, F_POWER),
        whole(net, F_KIND),
        begin,
        end,
        real(net, C_LEVEL)[g],
    )
    if wait < 0.0:
        real(net, N_FAILED)[0] = g
        return UNSOLVED
    set_time(
        whole(net, N_ORDER),
        whole(net, N_WHERE),
        real(net, N_KEY),
        whole(net, N_SIZE),
        g,
        start + wait,
    )
    return FINE


@compiled
def _look_ahead(net: Any, g: int, t: float) -> int:
    """Take one step of a smooth neuron ahead of time; its end, or the crossing in it, is when it does something."""
    p = whole(net, C_OF)[g]
    ns, nz, at = whole(net, C_NS)[p], whole(net, C_NZ)[p], whole(net, C_AT)[g]
    held = t < real(net, N_FREE)[g]
    most = real(net, N_FREE)[g] - t if held else math.inf
    for i in range(nz):
        real(net, N_Y)[i] = real(net, N_Z)[at + i]
    for i in range(ns):
        real(net, N_AMPLITUDE)[at + i] = max(real(net, N_AMPLITUDE)[at + i], abs(real(net, N_Y)[i]))
    kernel, own, own_at, hold = (
        whole(net, C_KERNEL)[p],
        real(net, C_OWN),
        whole(net, C_OWN_AT)[g],
        flag(net, C_HOLD),
    )
    hold_at = p * net[MOST]
    flag(net, N_CROSSES)[g] = False
    if not held and _above(net, g):
        flag(net, N_CROSSES)[g] = True
        _expect(net, g, t)
        return FINE
    h, next_h = attempt(
        kernel,
        real(net, N_Y),
        own,
        own_at,
        hold,
        hold_at,
        ns,
        nz,
        held,
        real(net, N_LENGTH)[g],
        2.0**-51 * t + 1e-18,
        most,
        real(net, N_FAILED)[1],
        real(net, N_AMPLITUDE),
        at,
        real(net, N_K),
        real(net, N_W),
        real(net, N_NEW),
    )
    if h == 0.0:
        real(net, N_FAILED)[0] = g
        return NOT_FINITE
    if h < most or not held:
        real(net, N_LENGTH)[g] = next_h
    time = t + h
    if held and h == most:
        time = real(net, N_FREE)[g]
    elif time == t:
        real(net, N_FAILED)[0] = g
        return NOT_FINITE
    if flag(net, C_FIRES)[p] and not held and h < math.inf:
        wait = smooth_crossing(
            kernel,
            real(net, N_Y),
            own,
            own_at,
            hold,
            hold_at,
            ns,
            nz,
            held,
            h,
            real(net, N_K),
            real(net, N_W),
            real(net, N_NEW),
            real(net, N_OUT),
            real(net, N_MID),
        )
        if wait < math.inf:
            flag(net, N_CROSSES)[g] = True
            time = t + wait
    _expect(net, g, time)
    return FINE


# -- what reaches neurons -------------------------------------------------------------------------------


@compiled
def _touch(net: Any, g: int) -> None:
    if not flag(net, N_MARK)[g]:
        p = whole(net, C_OF)[g]
        flag(net, N_MARK)[g] = True
        whole(net, N_TOUCHED)[whole(net, C_FIRST)[p] + whole(net, N_N_TOUCHED)[p]] = g
        whole(net, N_N_TOUCHED)[p] += 1


@compiled
def _reach(net: Any, g: int, slot: int, held: bool, ends: bool, amount: float, t: float) -> None:
    """Let an amount reach one neuron: added to a state, passed on, or held at a port until it ends."""
    p = whole(net, C_OF)[g]
    if whole(net, C_KIND)[p] == PASSING or whole(net, C_KIND)[p] == UNIT:
        real(net, N_ACC)[g] += amount
        _touch(net, g)
        return
    if not held and t < real(net, N_FREE)[g] and flag(net, C_HOLD)[p * net[MOST] + slot]:
        return  # lost: the variable is held
    advance(net, g, t)
    place = whole(net, C_AT)[g] + slot
    if not held:
        real(net, N_Z)[place] += amount
    else:
        whole(net, N_PULSES)[place] += -1 if ends else 1
        real(net, N_PULSE)[place] += -amount if ends else amount
        if whole(net, N_PULSES)[place] == 0:
            real(net, N_PULSE)[place] = 0.0
        real(net, N_Z)[place] = real(net, N_OUTSIDE)[place] + real(net, N_PULSE)[place]
    _touch(net, g)


@compiled
def _fetch(net: Any, g: int, at: int) -> None:
    """Ask for what is known of a neuron, whose vector begins at `at`: targets are anywhere, and memory is far."""
    for array in (N_SINCE, N_FREE, C_FLOW, N_WHERE, C_LEVEL):
        prefetch(net[array] + 8 * g)
    prefetch(net[N_Z] + 8 * at)


@compiled
def _row_at_once(net: Any, q: int, s: int, end: int, value: float, t: float) -> None:
    """Let synapses onto states of linear neurons arrive: as `_reach`, with everything found once; who stays calm is not
    looked at again.
    """
    p = whole(net, W_POST)[q]
    ns, nz, slot = whole(net, C_NS)[p], whole(net, C_NZ)[p], whole(net, W_SLOT)[q]
    hold = flag(net, C_HOLD)[p * net[MOST] + slot]
    target, weight = short(net, W_TARGET), real(net, W_WEIGHT)
    w_at = whole(net, W_WEIGHT_AT)[q] - whole(net, W_ORIGIN)[q] * whole(net, W_WEIGHT_STEP)[q]
    w_step = whole(net, W_WEIGHT_STEP)[q]
    since, free, z, y = real(net, N_SINCE), real(net, N_FREE), real(net, N_Z), real(net, N_Y)
    begin = whole(net, C_FIRST)[p]
    base, flow_of, where = whole(net, C_AT)[begin], whole(net, C_FLOW), whole(net, N_WHERE)
    start, rho, power = whole(net, F_START), real(net, F_RHO), whole(net, F_POWER)
    matrix_at, matrix = whole(net, F_MATRIX_AT), real(net, F_MATRIX)
    aim, level = real(net, C_AIM), real(net, C_LEVEL)
    kind, omega = whole(net, F_KIND), real(net, F_OMEGA)
    gain_at, gain = whole(net, F_GAIN_AT), real(net, F_GAIN)
    fires = flag(net, C_FIRES)[p]
    wide = net[WIDEST]
    for i in range(s, min(s + AHEAD, end)):
        _fetch(net, np.int64(target[i]), base + (np.int64(target[i]) - begin) * nz)
    for i in range(s, end):
        if i + AHEAD < end:
            later = np.int64(target[i + AHEAD])
            _fetch(net, later, base + (later - begin) * nz)
        g = np.int64(target[i])
        amount = value * weight[w_at + w_step * i]
        if amount == 0.0:
            continue
        if since[g] < free[g]:
            if t < free[g] and hold:
                continue
            advance(net, g, t)
        at, f = base + (g - begin) * nz, flow_of[g]
        d = t - since[g]
        if ns == 1:
            # two terms: what it goes to, and how
            j = start[f]
            m = matrix_at[j]
            goal, way = 0.0, 0.0
            for k in range(nz):
                goal += matrix[m + k] * z[at + k]
                way += matrix[m + nz + k] * z[at + k]
            straight = power[j + 1] > 0
            if d > 0.0:
                z[at] = goal + way * (d if straight else math.exp(rho[j + 1] * d))
                since[g] = t
            z[at] += amount
            if where[g] < 0 and not straight and rho[j + 1] < 0.0:
                a = aim[f * wide]
                if (a * z[at] < level[g] and a * goal < level[g]) or not fires:
                    continue
        elif ns == 2:
            # both variables in one pass, and the bound of `_is_calm` with them
            x0, x1, now, most, calm = 0.0, 0.0, -level[g], -level[g], where[g] < 0
            a0, a1 = aim[f * wide], aim[f * wide + 1]
            for j in range(start[f], start[f + 1]):
                m = matrix_at[j]
                y0, y1 = 0.0, 0.0
                for k in range(nz):
                    y0 += matrix[m + k] * z[at + k]
                    y1 += matrix[m + nz + k] * z[at + k]
                if rho[j] != 0.0:
                    factor = math.exp(rho[j] * d)
                    y0 *= factor
                    y1 *= factor
                if kind[j] != PLAIN or power[j] > 0:
                    wave = 1.0
                    for _ in range(power[j]):
                        wave *= d
                    if kind[j] != PLAIN:
                        wave *= (
                            math.cos(omega[j] * d) if kind[j] == COSINE else math.sin(omega[j] * d)
                        )
                    y0 *= wave
                    y1 *= wave
                    calm = calm and y0 == 0.0 and y1 == 0.0 and gain[gain_at[j] + slot] == 0.0
                x0 += y0
                x1 += y1
                c = a0 * y0 + a1 * y1 + gain[gain_at[j] + slot] * amount
                now += c
                if rho[j] == 0.0 or c > 0.0:
                    most += c
                calm = calm and rho[j] <= 0.0
            z[at], z[at + 1] = x0, x1
            z[at + slot] += amount
            since[g] = t
            if not fires or (calm and now < 0.0 and most < 0.0):
                continue
        else:
            if d > 0.0:
                _flow(net, start[f], start[f + 1], ns, nz, z, at, d, y)
                for k in range(ns):
                    z[at + k] = y[k]
                since[g] = t
            z[at + slot] += amount
            if where[g] < 0 and _is_calm(net, g):
                continue
        _touch(net, g)


@compiled
def _row(
    net: Any,
    heap: Any,
    q: int,
    source: int,
    s: int,
    value: float,
    since: float,
    t: float,
    ends: bool,
    dt: float,
) -> Any:
    """Let the synapses of a row that arrive at t do so, from synapse s on; enter the next."""
    end = whole(net, W_START)[whole(net, W_ROW_AT)[q] + source + 1]
    origin, slot, held = whole(net, W_ORIGIN)[q], whole(net, W_SLOT)[q], flag(net, W_HELD)[q]
    w_at, w_step = whole(net, W_WEIGHT_AT)[q], whole(net, W_WEIGHT_STEP)[q]
    d_at, d_step = whole(net, W_DELAY_AT)[q], whole(net, W_DELAY_STEP)[q]
    first = s
    late = real(net, W_DELAY)[d_at + d_step * (s - origin)]
    if d_step == 0 and not held and whole(net, C_KIND)[whole(net, W_POST)[q]] == LINEAR:
        _row_at_once(net, q, s, end, value, t)
        return heap
    while s < end and (d_step == 0 or real(net, W_DELAY)[d_at + s - origin] == late):
        amount = value * real(net, W_WEIGHT)[w_at + w_step * (s - origin)]
        if amount != 0.0:
            _reach(net, np.int64(short(net, W_TARGET)[s]), slot, held, ends, amount, t)
        s += 1
    if ends:
        return heap
    if held:
        heap = push(heap, whole(net, N_SIZE), t + dt, ROW_ENDS, q, source, first, value, since)
    if s < end:
        due = since + real(net, W_DELAY)[d_at + s - origin]
        heap = push(heap, whole(net, N_SIZE), due, ROW, q, source, s, value, since)
    return heap


@compiled
def _send(
    net: Any,
    heap: Any,
    g: int,
    value: float,
    t: float,
    rank: int,
    dt: float,
) -> Any:
    """Enter a spike of neuron g into the agenda; what has no delay arrives at once at populations behind `rank`."""
    p = whole(net, C_OF)[g]
    source = g - whole(net, C_FIRST)[p]
    for i in range(whole(net, W_OUT_START)[p], whole(net, W_OUT_START)[p + 1]):
        q = whole(net, W_OUT)[i]
        s = whole(net, W_START)[whole(net, W_ROW_AT)[q] + source]
        if s == whole(net, W_START)[whole(net, W_ROW_AT)[q] + source + 1]:
            continue
        due = (
            t
            + real(net, W_DELAY)[
                whole(net, W_DELAY_AT)[q]
                + whole(net, W_DELAY_STEP)[q] * (s - whole(net, W_ORIGIN)[q])
            ]
        )
        if due == t and whole(net, W_POST)[q] > rank:
            heap = _row(net, heap, q, source, s, value, t, t, False, dt)
        else:
            heap = push(heap, whole(net, N_SIZE), due, ROW, q, source, s, value, t)
    return heap


@compiled
def _note(net: Any, spikes: Any, g: int, value: float, t: float) -> Any:
    """Keep a spike, (time, neuron, value); return the list, made longer where it was full."""
    n = whole(net, N_SIZE)[3]
    if n == spikes.shape[1]:
        longer = np.zeros((3, 2 * n))
        longer[:, :n] = spikes
        spikes = longer
    spikes[0, n], spikes[1, n], spikes[2, n] = t, g, value
    whole(net, N_SIZE)[3] = n + 1
    return spikes


@compiled
def _fire(net: Any, g: int, t: float) -> float:
    """Reset neuron g, which fires at t; return what it sends."""
    p = whole(net, C_OF)[g]
    ns, at = whole(net, C_NS)[p], whole(net, C_AT)[g]
    value = 1.0
    if whole(net, C_KIND)[p] == LINEAR:
        row = whole(net, C_FLOW)[g]
        value = real(net, C_OFFSET)[g]
        for i in range(ns):
            value += real(net, C_GAIN)[row * net[WIDEST] + i] * real(net, N_Z)[at + i]
            total = real(net, C_RESET)[g * net[WIDEST] + i]
            for k in range(ns):
                total += (
                    real(net, C_KEEP)[(row * net[WIDEST] + i) * net[WIDEST] + k]
                    * real(net, N_Z)[at + k]
                )
            real(net, N_Y)[i] = total
    else:
        ask(
            whole(net, C_KERNEL)[p],
            OUTPUT,
            real(net, N_Z),
            at,
            real(net, C_OWN),
            whole(net, C_OWN_AT)[g],
            real(net, N_OUT),
            0,
        )
        value = real(net, N_OUT)[0]
        ask(
            whole(net, C_KERNEL)[p],
            RESET,
            real(net, N_Z),
            at,
            real(net, C_OWN),
            whole(net, C_OWN_AT)[g],
            real(net, N_OUT),
            0,
        )
        for i in range(ns):
            real(net, N_Y)[i] = real(net, N_OUT)[i]
    for i in range(ns):
        real(net, N_Z)[at + i] = real(net, N_Y)[i]
    # what is to arrive at its end must not miss it by rounding
    real(net, N_FREE)[g] = (
        (t + real(net, C_T_REF)[g]) * (1.0 - SAME) if real(net, C_T_REF)[g] > 0.0 else t
    )
    return float(value)


@compiled
def _discharge(
    net: Any,
    heap: Any,
    spikes: Any,
    g: int,
    t: float,
    rank: int,
    dt: float,
    at_once: bool,
) -> Any:
    """Let neuron g, which is of time t, fire as long as it is above threshold, and say when it does next."""
    status = FINE
    repeats = 0
    while at_once or (t >= real(net, N_FREE)[g] and _above(net, g)):
        at_once = False
        value = _fire(net, g, t)
        if value != 0.0:
            spikes = _note(net, spikes, g, value, t)
            heap = _send(net, heap, g, value, t, rank, dt)
        repeats += 1
        if repeats > REPEATS:
            real(net, N_FAILED)[0] = g
            status = ENDLESS
            break
    if status == FINE:
        status = predict(net, g, t)
    return heap, spikes, status


# -- Poisson processes --------------------------------------------------------------------------------------


@compiled
def next_point(net: Any, u: int, sample: int) -> float:
    """Return the next time of a Poisson process, and keep where it stands.

    Intervals are exponential, and start anew at the beginning of each block of time: what follows from a beginning does
    not depend on what was before, so that any time can be gone to at once.
    """
    while True:
        at = (whole(net, P_BLOCK)[u] << 8) + whole(net, P_DRAW)[u]
        x, _ = draw(word(net, P_KEY)[u], whole(net, P_NUMBER)[u], at, sample)
        whole(net, P_DRAW)[u] += 1
        real(net, P_TIME)[u] += -math.log1p(-x) / real(net, P_RATE)[u]
        if (
            real(net, P_TIME)[u] < (whole(net, P_BLOCK)[u] + 1) * real(net, P_SPAN)[u]
            and whole(net, P_DRAW)[u] < 255
        ):
            return float(real(net, P_TIME)[u])
        whole(net, P_BLOCK)[u] += 1
        whole(net, P_DRAW)[u] = 0
        real(net, P_TIME)[u] = whole(net, P_BLOCK)[u] * real(net, P_SPAN)[u]


@compiled
def start_points(net: Any, heap: Any, size: Any, sample: int, t: float) -> Any:
    """Enter the first time of every process that is not before t."""
    for u in range(net[PROCESSES]):
        whole(net, P_BLOCK)[u] = int(t / real(net, P_SPAN)[u])
        whole(net, P_DRAW)[u] = 0
        real(net, P_TIME)[u] = whole(net, P_BLOCK)[u] * real(net, P_SPAN)[u]
        due = next_point(net, u, sample)
        while due < t:
            due = next_point(net, u, sample)
        heap = push(heap, size, due, POINT, u, 0, 0, 0.0, 0.0)
    return heap


# -- the network -----------------------------------------------------------------------------------------


@compiled
def _settle(net: Any, p: int, i: int, t: float) -> Any:
    """Say what neurons of a population that were touched, from the i-th on, will do by themselves, up to one that sends
    now, or fails: return how many were looked at, and how it ended.
    """
    sends = whole(net, C_KIND)[p] == PASSING or whole(net, C_KIND)[p] == UNIT
    while i < whole(net, N_N_TOUCHED)[p]:
        g = whole(net, N_TOUCHED)[whole(net, C_FIRST)[p] + i]
        flag(net, N_MARK)[g] = False
        i += 1
        if sends or (t >= real(net, N_FREE)[g] and _above(net, g)):
            return i, SENDS
        status = predict(net, g, t)
        if status != FINE:
            return i, status
    return i, FINE


@compiled
def _instant(
    net: Any,
    heap: Any,
    spikes: Any,
    t: float,
    place: int,
    sample: int,
    dt: float,
) -> Any:
    """Let everything happen that arrives at t."""
    size = whole(net, N_SIZE)
    rounds = 0
    until = t * (1.0 + SAME)
    while True:
        while place < net[ENTERING] and real(net, O_TIME)[place] <= until:
            g, slot = whole(net, O_NEURON)[place], whole(net, O_SLOT)[place]
            what, value = whole(net, O_WHAT)[place], real(net, O_VALUE)[place]
            if what == ADD:
                _reach(net, g, slot, False, False, value, t)
            elif what == SET:
                advance(net, g, t)
                real(net, N_OUTSIDE)[whole(net, C_AT)[g] + slot] = value
                real(net, N_Z)[whole(net, C_AT)[g] + slot] = (
                    value + real(net, N_PULSE)[whole(net, C_AT)[g] + slot]
                )
                _touch(net, g)
            elif whole(net, C_KIND)[whole(net, C_OF)[g]] != LINEAR or not _is_calm(net, g):
                _touch(net, g)
            place += 1
        while first_time(heap, size) <= until:
            e = pop(heap, size)
            _, numbers, ints = fields(heap)
            r, w = REALS * e, WHOLES * e
            kind, what, who, begin = ints[w + KIND], ints[w + WHAT], ints[w + WHO], ints[w + FROM]
            value, since = numbers[r + VALUE], numbers[r + SINCE]
            if kind <= ROW_ENDS:
                heap = _row(net, heap, what, who, begin, value, since, t, kind == ROW_ENDS, dt)
            elif kind == POINT_ENDS:
                _reach(
                    net,
                    whole(net, P_NEURON)[what],
                    whole(net, P_SLOT)[what],
                    True,
                    True,
                    real(net, P_WEIGHT)[what],
                    t,
                )
            else:
                due = next_point(net, what, sample)
                heap = push(heap, size, due, POINT, what, 0, 0, 0.0, 0.0)
                g, slot = whole(net, P_NEURON)[what], whole(net, P_SLOT)[what]
                if slot < 0:
                    spikes = _note(net, spikes, g, 1.0, t)
                    heap = _send(net, heap, g, 1.0, t, -1, dt)
                else:
                    held, weight = flag(net, P_HELD)[what], real(net, P_WEIGHT)[what]
                    _reach(net, g, slot, held, False, weight, t)
                    if held:
                        heap = push(heap, size, t + dt, POINT_ENDS, what, 0, 0, 0.0, 0.0)
        for p in range(net[POPULATIONS]):
            kind = whole(net, C_KIND)[p]
            i = 0
            while True:
                i, status = _settle(net, p, i, t)
                if status == FINE:
                    break
                if status != SENDS:
                    return heap, spikes, place, status
                g = whole(net, N_TOUCHED)[whole(net, C_FIRST)[p] + i - 1]
                if kind not in (PASSING, UNIT):
                    heap, spikes, status = _discharge(net, heap, spikes, g, t, p, dt, False)
                    if status != FINE:
                        return heap, spikes, place, status
                    continue
                value = real(net, N_ACC)[g]
                real(net, N_ACC)[g] = 0.0
                if kind == UNIT:
                    above = (
                        value > real(net, C_LEVEL)[g]
                        if flag(net, C_STRICT)[p]
                        else value >= real(net, C_LEVEL)[g]
                    )
                    value = 1.0 if above else 0.0
                if value != 0.0:
                    spikes = _note(net, spikes, g, value, t)
                    heap = _send(net, heap, g, value, t, p, dt)
            whole(net, N_N_TOUCHED)[p] = 0
        if first_time(heap, size) > until:
            return heap, spikes, place, FINE
        rounds += 1
        if rounds > REPEATS:
            real(net, N_FAILED)[0] = -1.0
            return heap, spikes, place, ENDLESS


@compiled
def _sample(net: Any, k: int, t: float) -> None:
    """Take the rows of step k, whose end is t."""
    for r in range(net[RECORDS]):
        if k % whole(net, T_EVERY)[r] != 0:
            continue
        p, begin, end = (
            whole(net, T_POPULATION)[r],
            whole(net, T_BEGIN)[r],
            whole(net, T_BEGIN)[r + 1],
        )
        ns = whole(net, C_NS)[p]
        place = (
            whole(net, T_AT)[r]
            + (k // whole(net, T_EVERY)[r] - whole(net, T_FIRST_ROW)[r]) * (end - begin) * ns
        )
        for i in range(begin, end):
            _carry(net, whole(net, T_NEURON)[i], t)
            for j in range(ns):
                real(net, T_VALUES)[place + j] = real(net, N_Y)[j]
            place += ns


@compiled
def window(
    net: Any,
    heap: Any,
    spikes: Any,
    first: int,
    last: int,
    sample: int,
    dt: float,
) -> Any:
    """Let happen what does in steps `first` to `last` - 1; what arrives at the end of the last is left.

    Returns
    -------
    heap, spikes, status, and the time that was reached
    """
    place, k = 0, first
    before, times = -1, 0
    sampling = net[RECORDS] > 0
    finish, near = last * dt, NEAR * dt
    while True:
        own = math.inf
        if whole(net, N_SIZE)[2] > 0:
            own = real(net, N_KEY)[whole(net, N_ORDER)[0]]
        arrival = first_time(heap, whole(net, N_SIZE))
        if place < net[ENTERING]:
            arrival = min(arrival, real(net, O_TIME)[place])
        if sampling:
            t = (k + 1) * dt
            if own > t and arrival >= t - near:
                _sample(net, k, t)
                k += 1
                if k == last:
                    sampling = False
                continue
        if own <= arrival:
            if own > finish:
                return heap, spikes, FINE, finish
            g = whole(net, N_ORDER)[0]
            p = whole(net, C_OF)[g]
            times = times + 1 if g == before and own == real(net, N_SINCE)[g] else 0
            before = g
            if times > REPEATS:
                real(net, N_FAILED)[0] = g
                return heap, spikes, ENDLESS, own
            advance(net, g, own)
            if whole(net, C_KIND)[p] == SMOOTH and not flag(net, N_CROSSES)[g]:
                status = predict(net, g, own)
            else:
                heap, spikes, status = _discharge(net, heap, spikes, g, own, LAST, dt, True)
            t = own
        else:
            if arrival >= finish - near:
                return heap, spikes, FINE, finish
            t = arrival
            heap, spikes, place, status = _instant(net, heap, spikes, t, place, sample, dt)
        if status != FINE:
            return heap, spikes, status, t


@compiled
def carry_all(net: Any, t: float) -> Any:
    """Return z of all neurons at time t; nothing is changed."""
    z = real(net, N_Z)[: net[PLACES]].copy()
    for g in range(net[NEURONS]):
        p = whole(net, C_OF)[g]
        if whole(net, C_NZ)[p] == 0:
            continue
        _carry(net, g, t)
        for i in range(whole(net, C_NS)[p]):
            z[whole(net, C_AT)[g] + i] = real(net, N_Y)[i]
    return z
