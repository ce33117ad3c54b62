"""Images of a whole recording: what each pixel counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright.events.bins import Overflow
from spikewright.events.camera import CameraEvents
from spikewright.events.views.columns import blank, check_outside, columns


def count_image(events: CameraEvents, *, overflow: Overflow = Overflow.ERROR) -> NDArray[np.int32]:
    """Count the events of each polarity and pixel.

    Parameters
    ----------
    events : CameraEvents, in any order
    overflow : what to do with events outside the sensor

    Returns
    -------
    int32, 2 H W : OFF, then ON

    Raises
    ------
    EventError : events lie outside the sensor

    Examples
    --------
    >>> events = CameraEvents([0, 1, 2], [0, 1, 1], [0, 0, 0], [0, 1, 1], 2, 1)
    >>> count_image(events).tolist()
    [[[1, 0]], [[0, 2]]]
    """
    from spikewright.events.views import kernels

    out = blank("count_image", (2, events.height, events.width), np.int32)
    _, x, y, p = columns(events)
    check_outside("count_image", kernels.count(x, y, p, out), events, overflow)
    return out


def signed_image(events: CameraEvents, *, overflow: Overflow = Overflow.ERROR) -> NDArray[np.int32]:
    """Count ON minus OFF events of each pixel.

    Parameters
    ----------
    events : CameraEvents, in any order
    overflow : what to do with events outside the sensor

    Returns
    -------
    int32, H W

    Raises
    ------
    EventError : events lie outside the sensor

    Examples
    --------
    >>> signed_image(CameraEvents([0, 1, 2], [0, 1, 1], [0, 0, 0], [0, 1, 1], 2, 1)).tolist()
    [[-1, 2]]
    """
    from spikewright.events.views import kernels

    out = blank("signed_image", (events.height, events.width), np.int32)
    _, x, y, p = columns(events)
    check_outside("signed_image", kernels.signed(x, y, p, out), events, overflow)
    return out
