"""Transforms of events, each a function that keeps nothing: cut, merge, shift, rescale, select."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.clock import (
    INT64_MAX,
    INT64_MIN,
    ceil_scaled,
    check_time,
    first_tick,
    floor_scaled,
    ratio,
    whole_ticks,
)
from spikewright.events.stream import Events
from spikewright.units import show


class Origin(Enum):
    """What time zero is after a cut."""

    KEEP = "keep"
    """Times stay as they were."""
    START = "start"
    """The start of the window becomes time zero."""


class Rounding(Enum):
    """What to do with a time that lies between two ticks of a new clock."""

    EXACT = "exact"
    """Refuse it."""
    DOWN = "down"
    """Take the tick before."""
    NEAREST = "nearest"
    """Take the nearest tick, the later one of two equally near."""


def _subset(events: Events, kept: NDArray[np.bool_] | slice, by: int = 0) -> Events:
    t = events.t[kept]
    return Events(
        t + by if by else t,
        events.address[kept],
        events.shape,
        tick=events.tick,
        value=None if events.value is None else events.value[kept],
    )


def _moved(events: Events, kept: slice, by: int, where: str) -> Events:
    t = events.t[kept]
    if t.size and (int(t[0]) + by < INT64_MIN or int(t[-1]) + by > INT64_MAX):
        raise EventError(explain(where, "moves events beyond 64 bits", found=f"{by} ticks"))
    return _subset(events, kept, by if t.size else 0)


def window(events: Events, start: float, stop: float, *, origin: Origin = Origin.KEEP) -> Events:
    """Keep the events of a stretch of time.

    Parameters
    ----------
    events : Events
    start, stop : float, s; half-open, `start` is in and `stop` is not; infinite ends are open
    origin : whether times stay, or count from `start` (which then lies on a tick)

    Returns
    -------
    Events : same shape and tick; a subset, in the same order

    Raises
    ------
    EventError : `stop` lies before `start`, either is NaN, or `start` cannot be the origin

    Examples
    --------
    >>> stream = Events([0, 1000, 2000], [0, 1, 2], (3,))
    >>> window(stream, 1e-3, 2e-3).t.tolist()
    [1000]
    >>> window(stream, 1e-3, math.inf, origin=Origin.START).t.tolist()
    [0, 1000]
    """
    if not start <= stop:
        raise EventError(
            explain(
                "window",
                "is not a stretch of time",
                found=f"{start:g} s to {stop:g} s",
                expected="start <= stop",
            )
        )
    first, last = first_tick(start, events.tick), first_tick(stop, events.tick)
    low, high = (_position(events.t, edge) for edge in (first, last))
    if math.isinf(stop) and stop > 0:
        high = events.n
    if origin is Origin.KEEP:
        return _subset(events, slice(low, high))
    if math.isinf(start) or whole_ticks(start, events.tick) is None:
        raise EventError(
            explain(
                "window",
                "start cannot be the origin",
                found=f"{start:g} s",
                expected=f"a whole number of ticks of {show(events.tick, 's')}",
                cure="round start, or use Origin.KEEP",
            )
        )
    return _moved(events, slice(low, high), -first, "window")


def _position(t: NDArray[np.int64], edge: int) -> int:
    if edge > INT64_MAX:
        return int(t.size)
    return int(np.searchsorted(t, np.int64(max(edge, INT64_MIN)), side="left"))


def merge(*events: Events) -> Events:
    """Merge streams into one; at equal times the order of the arguments is kept.

    Parameters
    ----------
    events : Events, at least one, all of one shape and tick

    Returns
    -------
    Events : every event of every argument

    Raises
    ------
    EventError : nothing to merge, or shapes or ticks differ

    Examples
    --------
    >>> merge(Events([1, 5], [0, 0], (2,)), Events([1, 3], [1, 1], (2,))).address.tolist()
    [0, 1, 1, 0]
    """
    if not events:
        raise EventError(
            explain("merge", "nothing to merge", found=0, expected="at least 1 stream")
        )
    problems = Problems()
    first = events[0]
    for n, other in enumerate(events[1:], start=1):
        if other.shape != first.shape:
            problems.add(
                f"merge: stream {n}", "another shape", found=other.shape, expected=first.shape
            )
        if other.tick != first.tick:
            problems.add(
                f"merge: stream {n}",
                "another tick",
                found=f"{other.tick:g} s",
                expected=f"{first.tick:g} s",
                cure="rescale_tick it first",
            )
    problems.raise_as(EventError)
    t = np.concatenate([e.t for e in events])
    order = np.argsort(t, kind="stable")
    graded = any(e.value is not None for e in events)
    return Events(
        t[order],
        np.concatenate([e.address for e in events])[order],
        first.shape,
        tick=first.tick,
        value=np.concatenate([e.weights() for e in events])[order] if graded else None,
    )


def shift(events: Events, by: float) -> Events:
    """Move all events in time.

    Parameters
    ----------
    events : Events
    by : float, s, a whole number of ticks; negative moves to earlier times

    Returns
    -------
    Events : the same events, later by `by`

    Raises
    ------
    EventError : `by` is not a whole number of ticks, or times leave 64 bits

    Examples
    --------
    >>> shift(Events([0, 7], [0, 1], (2,)), 1e-3).t.tolist()
    [1000, 1007]
    """
    ticks = whole_ticks(by, events.tick) if math.isfinite(by) else None
    if ticks is None:
        raise EventError(
            explain(
                "shift",
                "not a whole number of ticks",
                found=f"{by:g} s",
                expected=f"a multiple of {show(events.tick, 's')}",
                cure="round it, or rescale_tick the events to a finer clock",
            )
        )
    return _moved(events, slice(None), ticks, "shift")


def rescale_tick(events: Events, tick: float, *, rounding: Rounding = Rounding.EXACT) -> Events:
    """Express the same times on another clock.

    Parameters
    ----------
    events : Events
    tick : float, s, > 0, of the new clock
    rounding : what to do with a time between two new ticks

    Returns
    -------
    Events : the same events; times moved by less than one new tick, and by nothing where EXACT

    Raises
    ------
    EventError : a time lies between two new ticks and `rounding` is EXACT, or times leave 64 bits

    Examples
    --------
    >>> rescale_tick(Events([3, 4], [0, 0], (1,), tick=1e-3), 1e-6).t.tolist()
    [3000, 4000]
    >>> rescale_tick(Events([1499, 1500], [0, 0], (1,)), 1e-3, rounding=Rounding.NEAREST).t.tolist()
    [1, 2]
    """
    check_time("rescale_tick", "tick", tick)
    factor = ratio(events.tick, tick)
    t = floor_scaled(events.t, factor)
    if rounding is Rounding.NEAREST:
        up = floor_scaled(events.t, 2 * factor)
        t = t + (up & 1)  # the odd half-ticks are those at or past the middle
    elif rounding is Rounding.EXACT:
        between = t != ceil_scaled(events.t, factor)
        if between.any():
            k = int(np.argmax(between))
            raise EventError(
                explain(
                    "rescale_tick",
                    f"event {k} lies between two ticks of {show(tick, 's')}",
                    found=show(int(events.t[k]) * events.tick, "s", digits=9),
                    expected="a multiple of the new tick",
                    cure="say rounding=Rounding.DOWN or Rounding.NEAREST",
                )
            )
    return Events(t, events.address, events.shape, tick=tick, value=events.value)


def select(events: Events, addresses: ArrayLike) -> Events:
    """Keep the events of some addresses.

    Parameters
    ----------
    events : Events
    addresses : int array of flat addresses, or a bool array `*shape`

    Returns
    -------
    Events : same shape and tick; a subset, in the same order

    Raises
    ------
    EventError : an address outside the shape, or a mask of another shape

    Examples
    --------
    >>> select(Events([0, 1, 2], [4, 0, 4], (5,)), [4, 3]).t.tolist()
    [0, 2]
    """
    wanted: NDArray[Any] = np.asarray(addresses)
    if wanted.size == 0 and not isinstance(addresses, np.ndarray):
        wanted = wanted.astype(np.int64)
    if wanted.dtype.kind == "b":
        if wanted.shape != events.shape:
            raise EventError(
                explain(
                    "select", "mask of another shape", found=wanted.shape, expected=events.shape
                )
            )
        return _subset(events, wanted.reshape(-1)[events.address])
    if wanted.dtype.kind not in "iu":
        raise EventError(
            explain(
                "select", "not addresses", found=wanted.dtype, expected="integers, or a bool mask"
            )
        )
    if wanted.size and (int(wanted.min()) < 0 or int(wanted.max()) >= events.size):
        raise EventError(
            explain(
                "select",
                f"address outside shape {events.shape}",
                found=int(wanted.min()) if int(wanted.min()) < 0 else int(wanted.max()),
                expected=f"0 to {events.size - 1}",
            )
        )
    return _subset(events, np.isin(events.address, wanted.astype(np.int64)))
