"""What all views share: columns as the compiled loops take them, and the rules on addresses, times and memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.bins import MEMORY_LIMIT, Overflow
from spikewright.events.camera import CameraEvents
from spikewright.units import show

TICK = 1e-6
"""Seconds of a tick of camera columns."""

INT64_MAX = 2**63 - 1

LONGEST_SPAN = 2**61
"""Microseconds, some 70000 years: sums and differences of such times fit int64."""


def column(array: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous array that is read-only: one compiled form per loop, whatever the caller holds."""
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view


def columns(events: CameraEvents) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return t, x, y, p for a compiled loop."""
    return column(events.t), column(events.x), column(events.y), column(events.p)


def blank(
    where: str, shape: tuple[int, ...], dtype: Any, *, limit: int = MEMORY_LIMIT
) -> NDArray[Any]:
    """Return zeros, or refuse what would take more than `limit` bytes.

    Raises
    ------
    EventError : too large
    """
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    if needed > limit:
        raise EventError(
            explain(
                where,
                f"too much memory for an array of shape {shape} of {np.dtype(dtype)}",
                found=f"{needed / 2**30:.1f} GiB",
                expected=f"at most {limit / 2**30:.1f} GiB",
                cure="take longer steps, a part of the recording, or raise memory_limit",
            )
        )
    return np.zeros(shape, dtype)


def check_outside(where: str, outside: int, events: CameraEvents, overflow: Overflow) -> None:
    """Raise an EventError where events lie outside the sensor and may not be left out."""
    if outside and overflow is Overflow.ERROR:
        raise EventError(
            explain(
                where,
                f"{outside} events lie outside the sensor",
                found=f"x up to {int(events.x.max())}, y up to {int(events.y.max())}",
                expected=f"{events.width} x {events.height} pixels",
                cure="crop them or correct the size, or say overflow=Overflow.DROP",
            )
        )


def check_late(where: str, late: int, overflow: Overflow) -> None:
    """Raise an EventError where events lie outside the time asked for and may not be left out."""
    if late and overflow is Overflow.ERROR:
        raise EventError(
            explain(
                where,
                f"{late} events lie outside the steps",
                expected="all inside",
                cure="give more steps, cut the recording, or say overflow=Overflow.DROP",
            )
        )


def check_count(where: str, name: str, given: int, least: int = 1) -> None:
    """Raise an EventError unless `given` is a whole number of at least `least`."""
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < least:
        raise EventError(
            explain(
                f"{where}: {name}",
                "is not a count",
                found=repr(given),
                expected=f"a whole number of at least {least}",
            )
        )


def check_span(where: str, first: int, final: int) -> None:
    """Raise an EventError where times lie so far apart, or so late, that the loops could not count on from them."""
    if final - first > LONGEST_SPAN or abs(first) > LONGEST_SPAN or abs(final) > LONGEST_SPAN:
        raise EventError(
            explain(
                where,
                "times that no recording has",
                found=f"{first} to {final} us",
                expected=f"within {LONGEST_SPAN} us of 0 and of each other",
                cure="leave out the broken ones: read with start= and stop=",
            )
        )


def span(where: str, events: CameraEvents, start: int | None, stop: int | None) -> tuple[int, int]:
    """Return the window of a view: as given, else from the first to the last event's time.

    Raises
    ------
    EventError : the window ends before it starts, or its times are ones that no recording has
    """
    if events.t.size:
        first = int(events.t.min()) if start is None else int(start)
        final = int(events.t.max()) if stop is None else int(stop)
    else:
        first = int(start or 0)
        final = first if stop is None else int(stop)
    if final < first:
        raise EventError(
            explain(
                where,
                "the window ends before it starts",
                found=f"{show(first * TICK, 's')} to {show(final * TICK, 's')}",
                expected="start at most stop",
            )
        )
    check_span(where, first, final)
    return first, final
