"""The arrays of a network without a clock, and the table of their addresses that the compiled loop is given.

One table in place of ninety arguments: every function of the loop takes it, and machine code stays small. Whoever
fills a table keeps its arrays alive.
"""

# mypy: disable-error-code="untyped-decorator,no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from spikewright.engines.intrinsics import view


def compiled(function: Any) -> Any:
    """Return a function as machine code, made once whatever constants others call it with; Numba would for each."""
    made: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath=False)(function)
    template = made.get_call_template

    def without_literals(arguments: Any, named: Any) -> Any:
        plain = {name: types.unliteral(kind) for name, kind in named.items()}
        return template(tuple(map(types.unliteral, arguments)), plain)

    made.get_call_template = without_literals
    return made


LONG = 1 << 60
"""Length of the views, whose bounds nobody checks."""

# places in the table: arrays in the order of the fields below, then numbers
(
    C_KIND,
    C_FIRST,
    C_NS,
    C_NZ,
    C_STRICT,
    C_FIRES,
    C_KERNEL,
    C_HOLD,
    C_OF,
    C_AT,
    C_FLOW,
    C_OWN,
    C_OWN_AT,
    C_LEVEL,
    C_T_REF,
    C_RESET,
    C_OFFSET,
    C_KEEP,
    C_AIM,
    C_GAIN,
) = range(0, 20)
(F_START, F_FROZEN, F_RHO, F_OMEGA, F_POWER, F_KIND, F_MATRIX_AT, F_GAIN_AT, F_MATRIX, F_GAIN) = (
    range(20, 30)
)
(
    W_OUT_START,
    W_OUT,
    W_POST,
    W_SLOT,
    W_HELD,
    W_ROW_AT,
    W_ORIGIN,
    W_START,
    W_TARGET,
    W_WEIGHT_AT,
    W_WEIGHT_STEP,
    W_WEIGHT,
    W_DELAY_AT,
    W_DELAY_STEP,
    W_DELAY,
) = range(30, 45)
(P_NEURON, P_NUMBER, P_SLOT, P_HELD, P_WEIGHT, P_RATE, P_SPAN, P_KEY, P_BLOCK, P_DRAW, P_TIME) = (
    range(45, 56)
)
(
    N_Z,
    N_OUTSIDE,
    N_PULSE,
    N_PULSES,
    N_SINCE,
    N_FREE,
    N_ACC,
    N_ORDER,
    N_WHERE,
    N_KEY,
    N_LENGTH,
    N_CROSSES,
    N_AMPLITUDE,
    N_TOUCHED,
    N_N_TOUCHED,
    N_MARK,
    N_SIZE,
    N_C,
    N_Y,
    N_NEW,
    N_MID,
    N_OUT,
    N_W,
    N_K,
    N_FAILED,
) = range(56, 81)
(O_TIME, O_NEURON, O_SLOT, O_WHAT, O_VALUE) = range(81, 86)
(T_POPULATION, T_EVERY, T_BEGIN, T_NEURON, T_FIRST_ROW, T_AT, T_VALUES) = range(86, 93)
MOST, WIDEST, PROCESSES, POPULATIONS, ENTERING, RECORDS, NEURONS, PLACES = range(93, 101)
ENTRIES = 101


@compiled
def real(net: Any, i: int) -> Any:
    """Return the float64 array at a place of the table."""
    return view(net[i], LONG, np.float64)


@compiled
def whole(net: Any, i: int) -> Any:
    """Return the int64 array at a place of the table."""
    return view(net[i], LONG, np.int64)


@compiled
def short(net: Any, i: int) -> Any:
    """Return the int32 array at a place of the table."""
    return view(net[i], LONG, np.int32)


@compiled
def flag(net: Any, i: int) -> Any:
    """Return the array of truth values at a place of the table."""
    return view(net[i], LONG, np.bool_)


@compiled
def word(net: Any, i: int) -> Any:
    """Return the uint64 array at a place of the table."""
    return view(net[i], LONG, np.uint64)


class Cells(NamedTuple):
    """Neurons. Per population: kind, first, ns, nz, strict, fires, has, kernel, hold (.., most ns), ports_at.
    Per neuron: of (population), at (place of z), flow (set), own_at, level, t_ref, reset (.., most ns), offset.
    """

    kind: Any
    first: Any
    ns: Any
    nz: Any
    strict: Any
    fires: Any
    kernel: Any
    hold: Any
    of: Any
    at: Any
    flow: Any
    own: Any
    own_at: Any
    level: Any
    t_ref: Any
    reset: Any
    offset: Any
    keep: Any
    aim: Any
    gain: Any


class Flows(NamedTuple):
    """Terms of all flows: flow f has entries start[f] to start[f + 1]; matrix_at, gain_at point into matrix, gain."""

    start: Any
    frozen: Any
    rho: Any
    omega: Any
    power: Any
    kind: Any
    matrix_at: Any
    gain_at: Any
    matrix: Any
    gain: Any


class Wires(NamedTuple):
    """Projections. Per population: out, out_start. Per projection: post, slot, held, row_at (into start), n_pre offset,
    weight_at, weight_step, delay_at, delay_step. Per synapse: target (neuron), weight, delay.
    """

    out_start: Any
    out: Any
    post: Any
    slot: Any
    held: Any
    row_at: Any
    origin: Any
    start: Any
    target: Any
    weight_at: Any
    weight_step: Any
    weight: Any
    delay_at: Any
    delay_step: Any
    delay: Any


class Points(NamedTuple):
    """Poisson processes, one per neuron that one reaches: neuron, its number within its population, slot (-1: the
    neuron is the source), held, weight, rate, span (of a block), key; and where each stands: block, draw, time.
    """

    neuron: Any
    number: Any
    slot: Any
    held: Any
    weight: Any
    rate: Any
    span: Any
    key: Any
    block: Any
    draw: Any
    time: Any


class Now(NamedTuple):
    """What changes: z, its pulses (sum and number per place), since (time of z), free (end of refractoriness), what
    passes (acc); the order of own spikes (order, where, key); of smooth neurons step end, length of the next step,
    whether they cross, sizes of variables; the touched of each population (list, count, mark); sizes; scratch.
    """

    z: Any
    outside: Any
    pulse: Any
    pulses: Any
    since: Any
    free: Any
    acc: Any
    order: Any
    where: Any
    key: Any
    length: Any
    crosses: Any
    amplitude: Any
    touched: Any
    n_touched: Any
    mark: Any
    size: Any
    c: Any
    y: Any
    new: Any
    mid: Any
    out: Any
    w: Any
    k: Any
    failed: Any


class Outside(NamedTuple):
    """What comes from outside in a window, sorted by time: time, neuron, slot, what, value."""

    time: Any
    neuron: Any
    slot: Any
    what: Any
    value: Any


class Traces(NamedTuple):
    """What is taken at the ends of steps. Per record: population, every, begin and end in `neuron`, its first row, and
    where it begins in `values`; a row is (neurons, ns).
    """

    population: Any
    every: Any
    begin: Any
    neuron: Any
    first_row: Any
    at: Any
    values: Any


FIRST = {"Cells": 0, "Flows": 20, "Wires": 30, "Points": 45, "Now": 56, "Outside": 81, "Traces": 86}
"""Where the arrays of a group begin in the table."""


def put(table: NDArray[np.int64], group: Any) -> None:
    """Enter the addresses of a group of arrays; they are kept alive by whoever keeps the group."""
    begin = FIRST[type(group).__name__]
    for i, array in enumerate(group):
        if not array.flags.c_contiguous:
            raise ValueError(f"{type(group).__name__}.{group._fields[i]} is not contiguous")
        table[begin + i] = array.ctypes.data
