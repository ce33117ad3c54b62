"""Events to steps and back.

Step k of a grid `dt` holds the events with `k dt <= t tick < (k + 1) dt`, decided in whole numbers
(see `clock.py`). Arrays are `T B *shape`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.clock import ceil_scaled, check_time, floor_scaled, ratio
from spikewright.events.stream import Events
from spikewright.units import show

MEMORY_LIMIT = 4 * 2**30
"""Bytes that a dense array may take unless the caller allows more."""


class Overflow(Enum):
    """What to do with events before step 0 or after the last step."""

    ERROR = "error"
    """Refuse them."""
    DROP = "drop"
    """Leave them out."""


def bin_events(
    events: Events | Sequence[Events],
    dt: float,
    *,
    steps: int | None = None,
    dtype: DTypeLike = np.float64,
    clip: bool = False,
    overflow: Overflow = Overflow.ERROR,
    memory_limit: int = MEMORY_LIMIT,
) -> NDArray[Any]:
    """Sum events into steps.

    Parameters
    ----------
    events : Events, or B of them, of one shape
    dt : float, s, > 0
    steps : T; None takes as many as the last event needs
    dtype : of the result
    clip : make each cell that has any event 1, whatever its events count
    overflow : what to do with events before step 0 or after the last
    memory_limit : bytes that the result may take

    Returns
    -------
    array, T B *shape : sum of what the events of each step and address count

    Raises
    ------
    EventError : shapes differ, events lie outside the steps, a sum does not fit `dtype`, or the
        result needs too much memory

    Examples
    --------
    >>> bin_events(Events([0, 999, 1000], [0, 0, 1], (2,)), 1e-3)[:, 0].tolist()
    [[2.0, 0.0], [0.0, 1.0]]
    """
    streams = [events] if isinstance(events, Events) else list(events)
    kind = np.dtype(dtype)
    _binning_rules(streams, dt, steps, kind)
    shape, size, batch = streams[0].shape, streams[0].size, len(streams)
    placed = [floor_scaled(e.t, ratio(e.tick, dt)) for e in streams]
    if steps is None:
        steps = max([int(k[-1]) + 1 for k in placed if k.size], default=0)
        steps = max(steps, 0)
    needed = steps * batch * size * kind.itemsize
    if needed > memory_limit:
        raise EventError(
            explain(
                "bin_events",
                f"too much memory for {steps} steps, batch {batch}, shape {shape} of {kind}",
                found=_size(needed),
                expected=f"at most {_size(memory_limit)}",
                cure="use a larger dt, fewer steps or a smaller dtype, or raise memory_limit",
            )
        )
    kept = _inside_steps(placed, steps, overflow)
    out = np.zeros((steps, batch, *shape), kind)
    flat = out.reshape(-1)
    for b, (stream, step, inside) in enumerate(zip(streams, placed, kept, strict=True)):
        cell = (step[inside] * batch + b) * size + stream.address[inside]
        if clip:
            flat[cell] = 1
        elif kind.kind == "f":
            np.add.at(flat, cell, stream.weights()[inside].astype(kind, copy=False))
        else:
            _sum_exactly(flat, cell, None if stream.value is None else stream.value[inside])
    return out


def bin_sparse(
    events: Events | Sequence[Events], dt: float, *, steps: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Sum events into steps as `bin_events` does, keeping only cells that have any.

    Parameters
    ----------
    events : Events, or B of them, of one shape
    dt : float, s, > 0
    steps : T; None takes as many as the last event needs

    Returns
    -------
    start : int64 (B, T + 1); the cells of sample b and step k are entries `start[b, k]:start[b, k + 1]`
    address : int64 (n,), ascending within a step
    value : float64 (n,), the sum of what the events of a cell count

    Raises
    ------
    EventError : shapes differ, or events lie outside the steps

    Examples
    --------
    >>> start, address, value = bin_sparse(Events([0, 999, 1000], [0, 0, 1], (2,)), 1e-3)
    >>> start.tolist(), address.tolist(), value.tolist()
    ([[0, 1, 2]], [0, 1], [2.0, 1.0])
    """
    streams = [events] if isinstance(events, Events) else list(events)
    _binning_rules(streams, dt, steps, np.dtype(np.float64))
    size = streams[0].size
    placed = [floor_scaled(e.t, ratio(e.tick, dt)) for e in streams]
    if steps is None:
        steps = max(0, *(int(k[-1]) + 1 if k.size else 0 for k in placed))
    kept = _inside_steps(placed, steps, Overflow.ERROR)
    start = np.zeros((len(streams), steps + 1), np.int64)
    addresses, values = [], []
    used = 0
    for b, (stream, step, inside) in enumerate(zip(streams, placed, kept, strict=True)):
        cells, where = np.unique(step[inside] * size + stream.address[inside], return_inverse=True)
        value = np.zeros(len(cells))
        np.add.at(value, where, stream.weights()[inside])
        start[b] = used + np.searchsorted(cells, np.arange(steps + 1) * size)
        used += len(cells)
        addresses.append(cells % size)
        values.append(value)
    return start, np.concatenate(addresses), np.concatenate(values)


def _binning_rules(
    streams: list[Events], dt: float, steps: int | None, kind: np.dtype[Any]
) -> None:
    check_time("bin_events", "dt", dt)
    problems = Problems()
    if not streams:
        problems.add("bin_events", "nothing to bin", found=0, expected="at least 1 stream")
    for b, stream in enumerate(streams):
        if stream.shape != streams[0].shape:
            problems.add(
                f"bin_events: sample {b}",
                "another shape",
                found=stream.shape,
                expected=streams[0].shape,
            )
    if steps is not None and steps < 0:
        problems.add("bin_events: steps", "negative", found=steps, expected="0 or more")
    if kind.kind not in "biuf":
        problems.add(
            "bin_events: dtype", "cannot count", found=kind, expected="bool, integer or float"
        )
    problems.raise_as(EventError)


def _inside_steps(placed: list[NDArray[np.int64]], steps: int, overflow: Overflow) -> list[slice]:
    problems = Problems()
    kept = []
    for b, step in enumerate(placed):
        low = int(np.searchsorted(step, 0, side="left"))
        high = int(np.searchsorted(step, steps, side="left"))
        kept.append(slice(low, high))
        outside = step.size - (high - low)
        if outside and overflow is Overflow.ERROR:
            found = step[0] if low else step[-1]
            problems.add(
                f"bin_events: sample {b}",
                f"{outside} events lie outside the steps",
                found=f"step {found}",
                expected=f"0 to {steps - 1}",
                cure="give more steps, cut with window, or say overflow=Overflow.DROP",
            )
    problems.raise_as(EventError)
    return kept


def _sum_exactly(
    flat: NDArray[Any], cell: NDArray[np.int64], value: NDArray[np.float64] | None
) -> None:
    """Sum into an integer or bool array, and refuse what it cannot hold."""
    cells, where = np.unique(cell, return_inverse=True)
    total = np.bincount(where, weights=value, minlength=cells.size)
    low, high = 0, 1
    if flat.dtype.kind != "b":
        limits = np.iinfo(flat.dtype)
        low, high = int(limits.min), int(limits.max)
    # a float64 of 2**63 compares equal to int64's largest value but does not fit it
    wrong = (total < low) | (total > high) | (total != np.floor(total)) | (total >= 2.0**63)
    if wrong.any():
        raise EventError(
            explain(
                "bin_events",
                f"a sum does not fit {flat.dtype}",
                found=f"{total[wrong][0]:g}",
                expected=f"whole numbers from {low} to {high}",
                cure="choose a wider dtype, a smaller dt, or clip=True",
            )
        )
    flat[cells] = total.astype(flat.dtype)


def from_bins(
    bins: ArrayLike,
    dt: float,
    *,
    tick: float | None = None,
    shape: tuple[int, ...] | None = None,
) -> list[Events]:
    """Turn steps back into events, one per cell that is not zero, at the first tick of its step.

    Parameters
    ----------
    bins : array, T B *shape, or T *shape
    dt : float, s, > 0
    tick : float, s, at most `dt`; None takes `dt`, so that ticks are steps
    shape : of a sample, to tell the two forms apart; None takes two axes as T N, and more as
        T B *shape

    Returns
    -------
    list of B Events : graded where any cell holds something else than 0 and 1

    Raises
    ------
    EventError : not finite real numbers, of another shape than `shape`, or `tick` exceeds `dt`

    Examples
    --------
    >>> from_bins([[0, 1], [0, 0], [1, 0]], 1e-3, tick=1e-6)[0].t.tolist()
    [0, 2000]
    """
    check_time("from_bins", "dt", dt)
    tick = dt if tick is None else tick
    check_time("from_bins", "tick", tick)
    per_step = ratio(dt, tick)
    if per_step < 1:
        raise EventError(
            explain(
                "from_bins",
                "steps would share a tick",
                found=f"tick {show(tick, 's')}",
                expected=f"at most dt, {show(dt, 's')}",
            )
        )
    cells = _batched_bins(np.asarray(bins), shape)
    return [_sample(cells[:, b], per_step, tick) for b in range(cells.shape[1])]


def _batched_bins(cells: NDArray[Any], shape: tuple[int, ...] | None) -> NDArray[Any]:
    if cells.dtype.kind not in "biuf" or (cells.dtype.kind == "f" and not np.isfinite(cells).all()):
        raise EventError(
            explain(
                "from_bins",
                "not finite real numbers",
                found=cells.dtype,
                expected="counts or values",
            )
        )
    if cells.ndim >= 2 and (cells.shape[1:] == shape or (shape is None and cells.ndim == 2)):
        return cells[:, np.newaxis]
    if cells.ndim >= 3 and shape in (None, cells.shape[2:]):
        return cells
    wanted = shape or ("N",)
    raise EventError(
        explain(
            "from_bins",
            "axes do not fit",
            found=f"an array of shape {cells.shape}",
            expected=f"T B {' '.join(map(str, wanted))} or T {' '.join(map(str, wanted))}",
        )
    )


def _sample(cells: NDArray[Any], per_step: Fraction, tick: float) -> Events:
    flat = cells.reshape(cells.shape[0], math.prod(cells.shape[1:]))
    step, address = np.nonzero(flat)
    found = flat[step, address]
    return Events(
        ceil_scaled(step.astype(np.int64), per_step),
        address.astype(np.int64),
        cells.shape[1:],
        tick=tick,
        value=None if (found == 1).all() else found.astype(np.float64),
    )


def _size(n_bytes: int) -> str:
    for factor, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.4g} {unit}"
    return f"{n_bytes} bytes"
