"""Surfaces of time: how long ago each pixel last had an event.

Source
------
Lagorce et al., "HOTS", IEEE TPAMI 39(7), 2017 (exponential surface); Baldwin et al., "Time-ordered recent event (TORE)
volumes", IEEE TPAMI 45(2), 2023, section 3.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.bins import Overflow
from spikewright.events.camera import CameraEvents
from spikewright.events.clock import check_time
from spikewright.events.views.columns import (
    INT64_MAX,
    TICK,
    blank,
    check_count,
    check_outside,
    columns,
)

NEVER = int(np.iinfo(np.int64).min)
"""Time of a pixel that had no event."""


class Fade(Enum):
    """How a surface falls with the age of an event."""

    EXPONENTIAL = "exponential"
    """exp(-age / tau)"""
    LINEAR = "linear"
    """max(0, 1 - age / tau)"""


def last_times(
    events: CameraEvents,
    *,
    times: NDArray[np.int64] | None = None,
    at: int | None = None,
    overflow: Overflow = Overflow.ERROR,
) -> NDArray[np.int64]:
    """Return the time of the latest event of each polarity and pixel.

    Parameters
    ----------
    events : CameraEvents, in any order
    times : int64, us, 2 H W; what an earlier part of the recording gave, None for nothing before
    at : us; events later than this are left out
    overflow : what to do with events outside the sensor

    Returns
    -------
    int64, us, 2 H W : OFF, then ON; `NEVER` where there was none

    Raises
    ------
    EventError : events lie outside the sensor, or `times` is of another shape
    """
    from spikewright.events.views import kernels

    shape = (2, events.height, events.width)
    if times is None:
        out = blank("last_times", shape, np.int64)
        out[...] = NEVER
    else:
        if times.shape != shape:
            raise EventError(
                explain("last_times: times", "another shape", found=times.shape, expected=shape)
            )
        out = np.array(times, np.int64, order="C")
    until = INT64_MAX if at is None else int(at)
    outside = kernels.last(*columns(events), until, out)
    check_outside("last_times", outside, events, overflow)
    return out


def time_surface(
    events: CameraEvents | NDArray[np.int64],
    tau: float,
    *,
    kind: Fade = Fade.EXPONENTIAL,
    at: int | None = None,
    overflow: Overflow = Overflow.ERROR,
) -> NDArray[np.float32]:
    """Return how recent the latest event of each polarity and pixel is: 1 now, toward 0 long ago.

    Parameters
    ----------
    events : CameraEvents, in any order; or int64 (2, H, W) from `last_times`
    tau : float, s, > 0
    kind : how it falls
    at : us, "now"; None takes the last event's time. Later events are left out
    overflow : what to do with events outside the sensor

    Returns
    -------
    float32, 2 H W : OFF, then ON; 0 where there was no event

    Raises
    ------
    EventError : `tau` is not a time, or events lie outside the sensor

    Examples
    --------
    >>> events = CameraEvents([0, 500], [0, 1], [0, 0], [1, 1], 2, 1)
    >>> time_surface(events, 1e-3, kind=Fade.LINEAR)[1].tolist()
    [[0.5, 1.0]]
    """
    from spikewright.events.views import kernels

    check_time("time_surface", "tau", tau)
    exponential = kind is Fade.EXPONENTIAL
    if not isinstance(events, np.ndarray):
        # ages are made where ticks stood: of a sensor of a million pixels, memory costs more than arithmetic
        out = blank("time_surface", (2, events.height, events.width), np.float32)
        ticks = out.view(np.int32)
        until = INT64_MAX if at is None else int(at)
        outside, newest = kernels.last_ticks(*columns(events), until, ticks)
        if newest >= 0:
            check_outside("time_surface", outside, events, overflow)
            now = newest if at is None or not newest else int(at) - int(events.t[0]) + 1
            kernels.fade_ticks(ticks.reshape(-1), now, tau / TICK, exponential)
            return out
        events = last_times(events, at=at, overflow=overflow)
    times = np.ascontiguousarray(events, np.int64)
    if at is None:
        at = int(times.max(initial=NEVER))
    out = np.empty(times.shape, np.float32)
    kernels.fade(times.reshape(-1), int(at), tau / TICK, exponential, out.reshape(-1))
    return out


def tore(
    events: CameraEvents,
    k: int = 4,
    *,
    at: int | None = None,
    shortest: float = 150e-6,
    longest: float = 5.0,
    overflow: Overflow = Overflow.ERROR,
) -> NDArray[np.float32]:
    """Return log(1 + age) of the k latest events of each polarity and pixel, age in us.

    Parameters
    ----------
    events : CameraEvents, sorted in time
    k : >= 1
    at : us, "now"; None takes the last event's time. Later events are left out
    shortest, longest : float, s, > 0; ages are held between them, and a missing event has the longest
    overflow : what to do with events outside the sensor

    Returns
    -------
    float32, 2 k H W : OFF, then ON; newest first

    Raises
    ------
    EventError : a number is out of range, or events lie outside the sensor
    """
    from spikewright.events.views import kernels

    check_count("tore", "k", k)
    check_time("tore", "shortest", shortest)
    check_time("tore", "longest", longest)
    if longest < shortest:
        raise EventError(
            explain("tore", "longest is below shortest", found=longest, expected=f">= {shortest} s")
        )
    times = blank("tore", (2, events.height, events.width, k), np.int64)
    times[...] = NEVER
    now = (int(events.t.max()) if events.t.size else 0) if at is None else int(at)
    outside = kernels.recent(*columns(events), now, times)
    check_outside("tore", outside, events, overflow)
    out = np.empty((2, k, events.height, events.width), np.float32)
    kernels.log_ages(times, now, shortest / TICK, longest / TICK, out)
    return out
