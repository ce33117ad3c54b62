"""Volumes: a window of a recording cut into a few bins of time, for networks that take images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright.events.bins import MEMORY_LIMIT, Overflow
from spikewright.events.camera import CameraEvents
from spikewright.events.views.columns import (
    blank,
    check_count,
    check_outside,
    columns,
    span,
)

SATURATED = 255
"""Counts of a stacked histogram stop here."""


def voxel_grid(
    events: CameraEvents,
    bins: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    normalize: bool = False,
    overflow: Overflow = Overflow.ERROR,
    memory_limit: int = MEMORY_LIMIT,
) -> NDArray[np.float32]:
    """Sum signs over time bins, each event shared between the two bins nearest to its time.

    With ``f = (bins - 1) (t - start) / (stop - start)`` and ``k = floor(f)``, an event adds its sign times
    ``1 - (f - k)`` to bin k and times ``f - k`` to bin k + 1.

    Parameters
    ----------
    events : CameraEvents, in any order
    bins : >= 1
    start, stop : us, the window, both ends included; None takes the first and the last event's time.
        Events outside a window that is given are left out
    normalize : shift and scale the cells that are not 0 to mean 0 and standard deviation 1
    overflow : what to do with events outside the sensor
    memory_limit : bytes that the result may take

    Returns
    -------
    float32, bins H W

    Raises
    ------
    EventError : a number is out of range, events lie outside the sensor, or too much memory

    Source
    ------
    Zhu, Yuan, Chaney, Daniilidis, "Unsupervised event-based learning of optical flow, depth, and egomotion", CVPR 2019,
    section 3.1

    Examples
    --------
    >>> voxel_grid(CameraEvents([0, 25, 100], [0, 0, 0], [0, 0, 0], [1, 1, 0], 1, 1), 2).ravel().tolist()
    [1.75, -0.75]
    """
    from spikewright.events.views import kernels

    check_count("voxel_grid", "bins", bins)
    first, final = span("voxel_grid", events, start, stop)
    out = blank("voxel_grid", (bins, events.height, events.width), np.float32, limit=memory_limit)
    outside, _ = kernels.voxel(*columns(events), first, final, out)
    check_outside("voxel_grid", outside, events, overflow)
    if normalize:
        filled = out != 0
        values = out[filled].astype(np.float64)
        if values.size:
            spread = float(values.std())
            # cells that all hold the same value have no spread to scale by
            out[filled] = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return out


def stacked_histogram(
    events: CameraEvents,
    bins: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    overflow: Overflow = Overflow.ERROR,
    memory_limit: int = MEMORY_LIMIT,
) -> NDArray[np.uint8]:
    """Count events per polarity, time bin and pixel; counts stop at 255.

    Bin k holds ``k / bins <= (t - start) / (stop - start) < (k + 1) / bins``; the last one also the window's end.

    Parameters
    ----------
    events : CameraEvents, in any order
    bins : >= 1
    start, stop : us, the window, both ends included; None takes the first and the last event's time.
        Events outside a window that is given are left out
    overflow : what to do with events outside the sensor
    memory_limit : bytes that the result may take

    Returns
    -------
    uint8, 2 bins H W : OFF, then ON

    Raises
    ------
    EventError : a number is out of range, events lie outside the sensor, or too much memory

    Source
    ------
    Gehrig, Scaramuzza, "Recurrent vision transformers for object detection with event cameras", CVPR 2023, section 3.1

    Examples
    --------
    >>> stacked_histogram(CameraEvents([0, 49, 50], [0, 0, 0], [0, 0, 0], [1, 1, 0], 1, 1), 2).ravel().tolist()
    [0, 1, 1, 1]
    """
    from spikewright.events.views import kernels

    check_count("stacked_histogram", "bins", bins)
    first, final = span("stacked_histogram", events, start, stop)
    height, width = events.height, events.width
    out = blank("stacked_histogram", (2, bins, height, width), np.uint8, limit=memory_limit)
    # whole numbers: the first time of bin k is ceil(k (stop - start) / bins)
    cuts = [first - (-k * (final - first) // bins) for k in range(bins)]
    edges = np.array([*cuts, final + 1], np.int64)
    area = height * width
    outside, _ = kernels.steps(
        *columns(events), edges, height, width, area, bins * area,
        np.uint8(SATURATED), np.uint8(1), kernels.flat(out),
    )  # fmt: skip
    check_outside("stacked_histogram", outside, events, overflow)
    return out
