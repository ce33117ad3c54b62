"""Series of frames: by time, by number of events, and as the binary steps that spiking networks take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.bins import MEMORY_LIMIT, Overflow, bin_events
from spikewright.events.camera import CameraEvents
from spikewright.events.clock import ceil_scaled, check_time, ratio
from spikewright.events.stream import Events
from spikewright.events.views.columns import (
    TICK,
    blank,
    check_count,
    check_late,
    check_outside,
    check_span,
    columns,
)

INT32_MAX = 2**31 - 1


def frames_by_time(
    events: CameraEvents,
    period: float,
    *,
    steps: int | None = None,
    start: int | None = None,
    overflow: Overflow = Overflow.ERROR,
    memory_limit: int = MEMORY_LIMIT,
) -> NDArray[np.int32]:
    """Count events in frames of equal duration.

    Frame k holds ``k period <= t - start < (k + 1) period``, decided in whole numbers.

    Parameters
    ----------
    events : CameraEvents, in any order
    period : float, s, > 0
    steps : F; None takes as many as the last event needs
    start : us; None takes the first event's time
    overflow : what to do with events outside the sensor or the frames
    memory_limit : bytes that the result may take

    Returns
    -------
    int32, F 2 H W : OFF, then ON

    Raises
    ------
    EventError : a number is out of range, events lie outside, or too much memory

    Examples
    --------
    >>> frames_by_time(CameraEvents([5, 1004, 1005], [0, 0, 0], [0, 0, 0], [1, 1, 0], 1, 1), 1e-3).ravel().tolist()
    [0, 2, 1, 0]
    """
    return _steps(
        "frames_by_time", events, period, steps, start, INT32_MAX, np.int32, overflow, memory_limit
    )


def frames_by_count(
    events: CameraEvents,
    count: int,
    *,
    rest: bool = True,
    overflow: Overflow = Overflow.ERROR,
    memory_limit: int = MEMORY_LIMIT,
) -> NDArray[np.int32]:
    """Count events in frames of `count` events each, in the order of the recording.

    Parameters
    ----------
    events : CameraEvents
    count : >= 1
    rest : whether what is left at the end makes a last frame of fewer events
    overflow : what to do with events outside the sensor
    memory_limit : bytes that the result may take

    Returns
    -------
    int32, F 2 H W : OFF, then ON

    Raises
    ------
    EventError : a number is out of range, events lie outside the sensor, or too much memory

    Examples
    --------
    >>> frames_by_count(CameraEvents([0, 1, 2], [0, 0, 0], [0, 0, 0], [1, 1, 0], 1, 1), 2).ravel().tolist()
    [0, 2, 1, 0]
    """
    from spikewright.events.views import kernels

    check_count("frames_by_count", "count", count)
    n = len(events.t)
    frames = -(-n // count) if rest else n // count
    shape = (frames, 2, events.height, events.width)
    out = blank("frames_by_count", shape, np.int32, limit=memory_limit)
    _, x, y, p = columns(events)
    outside = 0
    for k in range(frames):
        part = slice(k * count, (k + 1) * count)
        outside += kernels.count(x[part], y[part], p[part], out[k])
    check_outside("frames_by_count", outside, events, overflow)
    return out


def spike_tensor(
    events: CameraEvents | Events | Sequence[CameraEvents | Events],
    dt: float,
    *,
    steps: int | None = None,
    start: int | None = None,
    counts: bool = False,
    overflow: Overflow = Overflow.ERROR,
    memory_limit: int = MEMORY_LIMIT,
) -> NDArray[np.float32]:
    """Return the input of a spiking network: 1 in each step and address that has an event.

    Parameters
    ----------
    events : of a camera, or Events of any shape; or B of them, of one shape
    dt : float, s, > 0
    steps : T; None takes as many as the last event needs
    start : ticks of the recording at which step 0 begins; None takes each recording's first event
    counts : give the number of events instead of 1
    overflow : what to do with events outside the sensor or the steps
    memory_limit : bytes that the result may take

    Returns
    -------
    float32, T *shape, or T B *shape of B recordings : the shape of a camera's is 2 H W, OFF, then ON

    Raises
    ------
    EventError : a number is out of range, events lie outside, shapes differ, or too much memory

    Examples
    --------
    >>> spike_tensor(CameraEvents([5, 1004, 1005], [0, 0, 0], [0, 0, 0], [1, 1, 0], 1, 1), 1e-3).ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    if isinstance(events, CameraEvents | Events):
        return _one(events, dt, steps, start, counts, overflow, memory_limit)
    streams = list(events)
    if not streams:
        raise EventError(explain("spike_tensor", "nothing to bin", found=0, expected="at least 1"))
    if steps is None:
        check_time("spike_tensor", "dt", dt)
        steps = max(_needed(e, dt, start) for e in streams)
    shapes = {_shape(e) for e in streams}
    if len(shapes) > 1:
        raise EventError(
            explain("spike_tensor", "recordings of different shapes", found=sorted(shapes))
        )
    shape = (steps, len(streams), *shapes.pop())
    out = blank("spike_tensor", shape, np.float32, limit=memory_limit)
    for b, stream in enumerate(streams):
        out[:, b] = _one(stream, dt, steps, start, counts, overflow, memory_limit)
    return out


def _shape(events: CameraEvents | Events) -> tuple[int, ...]:
    return events.shape if isinstance(events, Events) else (2, events.height, events.width)


def _needed(events: CameraEvents | Events, dt: float, start: int | None) -> int:
    """Return the steps up to the last event."""
    if len(events.t) == 0:
        return 0
    tick = events.tick if isinstance(events, Events) else TICK
    first = int(events.t.min()) if start is None else int(start)
    return max(0, math.floor((int(events.t.max()) - first) * ratio(tick, dt)) + 1)


def _one(
    events: CameraEvents | Events,
    dt: float,
    steps: int | None,
    start: int | None,
    counts: bool,
    overflow: Overflow,
    memory_limit: int,
) -> NDArray[np.float32]:
    if isinstance(events, CameraEvents):
        # float32 counts exactly up to 2^24
        limit = 2**24 if counts else 1
        return _steps(
            "spike_tensor", events, dt, steps, start, limit, np.float32, overflow, memory_limit
        )
    first = (int(events.t[0]) if events.n else 0) if start is None else int(start)
    moved = Events(
        events.t - first, events.address, events.shape, tick=events.tick, value=events.value
    )
    binned: NDArray[np.float32] = bin_events(
        moved,
        dt,
        steps=steps,
        dtype=np.float32,
        clip=not counts,
        overflow=overflow,
        memory_limit=memory_limit,
    )[:, 0]
    return binned


def _steps(
    where: str,
    events: CameraEvents,
    period: float,
    steps: int | None,
    start: int | None,
    limit: int,
    dtype: Any,
    overflow: Overflow,
    memory_limit: int,
) -> NDArray[Any]:
    from spikewright.events.views import kernels

    check_time(where, "period" if where == "frames_by_time" else "dt", period)
    if steps is None:
        steps = _needed(events, period, start)
    check_count(where, "steps", steps, least=0)
    height, width = events.height, events.width
    out = blank(where, (steps, 2, height, width), dtype, limit=memory_limit)
    n = len(events.t)
    if steps == 0 or n == 0:
        check_late(where, n, overflow)
        return out
    first = int(events.t.min()) if start is None else int(start)
    per_step = ratio(period, TICK)
    check_span(where, first, first + math.ceil(steps * per_step))
    edges = first + ceil_scaled(np.arange(steps + 1), per_step)
    area = height * width
    outside, late = kernels.steps(
        *columns(events), edges, height, width, 2 * area, area,
        out.dtype.type(limit), out.dtype.type(1), kernels.flat(out),
    )  # fmt: skip
    check_outside(where, outside, events, overflow)
    check_late(where, late, overflow)
    return out
