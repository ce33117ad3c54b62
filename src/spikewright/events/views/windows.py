"""Windows of a recording one after the other, from chunks that fit memory, so that any view can be made of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.clock import check_time, ratio
from spikewright.events.views.columns import TICK, check_count


def chunks_of(source: CameraEvents | Iterable[CameraEvents]) -> Iterator[CameraEvents]:
    """Return the parts of a recording in their order: a whole one is one part."""
    return iter([source]) if isinstance(source, CameraEvents) else iter(source)


def windows_by_time(
    source: CameraEvents | Iterable[CameraEvents], period: float, *, start: int | None = None
) -> Iterator[tuple[int, CameraEvents]]:
    """Give windows of equal duration, empty ones too; memory holds one window and one chunk.

    Window k holds ``k period <= t - start < (k + 1) period``, decided in whole numbers.

    Parameters
    ----------
    source : CameraEvents sorted in time, or chunks of them
    period : float, s, > 0
    start : us; None takes the first event's time

    Yields
    ------
    int, us, CameraEvents : when a window starts, and its events

    Raises
    ------
    EventError : `period` is not a time, time runs backwards, or events come before `start`

    Examples
    --------
    >>> events = CameraEvents([5, 1004, 2005], [0, 0, 0], [0, 0, 0], [1, 1, 0], 1, 1)
    >>> [(start, len(window)) for start, window in windows_by_time(events, 1e-3)]
    [(5, 2), (1005, 0), (2005, 1)]
    """
    check_time("windows_by_time", "period", period)
    width = ratio(period, TICK)
    held: list[CameraEvents] = []
    k = 0
    first = start
    previous: int | None = None

    def edge(step: int) -> int:
        return (first or 0) + math.ceil(step * width)

    for chunk in chunks_of(source):
        if len(chunk.t) == 0:
            continue
        first = int(chunk.t[0]) if first is None else first
        low = first if previous is None else previous
        if int(chunk.t[0]) < low or (chunk.t[1:] < chunk.t[:-1]).any():
            raise EventError(
                explain(
                    "windows_by_time",
                    "events run backwards, or come before the start",
                    expected=f"sorted times from {first} us on",
                    cure="sort them, or give an earlier start",
                )
            )
        previous = int(chunk.t[-1])
        while previous >= edge(k + 1):
            cut = int(np.searchsorted(chunk.t, edge(k + 1), side="left"))
            held.append(chunk[:cut])
            yield edge(k), concatenate(held)
            held, chunk, k = [], chunk[cut:], k + 1
        held.append(chunk)
    if held:
        yield edge(k), concatenate(held)


def windows_by_count(
    source: CameraEvents | Iterable[CameraEvents], count: int
) -> Iterator[CameraEvents]:
    """Give windows of `count` events each, and what is left at the end; memory holds one window and one chunk.

    Raises
    ------
    EventError : `count` is below 1

    Examples
    --------
    >>> events = CameraEvents([0, 1, 2], [0, 0, 0], [0, 0, 0], [1, 1, 0], 1, 1)
    >>> [len(window) for window in windows_by_count(events, 2)]
    [2, 1]
    """
    check_count("windows_by_count", "count", count)
    held: list[CameraEvents] = []
    room = count
    for chunk in chunks_of(source):
        while len(chunk.t) >= room:
            held.append(chunk[:room])
            chunk = chunk[room:]
            yield concatenate(held)
            held, room = [], count
        if len(chunk.t):
            held.append(chunk)
            room -= len(chunk.t)
    if held:
        yield concatenate(held)
