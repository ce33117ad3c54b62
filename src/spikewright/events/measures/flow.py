"""Optical flow from the slope of the last times around each event, and its error against a known motion.

Notation: T(x, y) is the time of the last event of a pixel and polarity. Where an edge passes, T is a plane, and the
edge moves at v = grad T / |grad T|^2: the part of the motion across the edge (normal flow), which is all that can be
seen of a straight edge.

Source
------
Benosman et al., "Event-based visual flow", IEEE TNNLS 2014; Rueckauer and Delbruck, Frontiers in Neuroscience 2016,
10.3389/fnins.2016.00176 (5 x 5 pixels, rejection of outliers, error measures).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.filters.base import NEVER, columns_of, count_rule, micros, time_rule

SPREAD = 2.0
"""Standard deviations of the residual beyond which a point is taken for an outlier."""


class PlaneFlow:
    """Flow of each event by a local plane fit, carried from chunk to chunk.

    Parameters
    ----------
    width, height : int, of the sensor
    radius : int, px; 2 looks at 5 x 5 pixels
    within : float, s, age up to which a pixel's last time is used
    least : int, points that a fit must keep

    Raises
    ------
    EventError : an argument out of range
    """

    def __init__(
        self, width: int, height: int, *, radius: int = 2, within: float = 0.1, least: int = 8
    ) -> None:
        problems = Problems()
        count_rule(problems, "PlaneFlow.radius", radius, 1, 16)
        time_rule(problems, "PlaneFlow.within", within)
        count_rule(problems, "PlaneFlow.least", least, 3)
        problems.raise_as(EventError)
        self._options = (width, height, radius, micros(within), least, SPREAD)
        cells = (width + 2 * radius) * (height + 2 * radius)
        self._last = np.full(2 * cells, NEVER, np.int64)

    def __call__(self, chunk: CameraEvents) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return vx and vy of each event of the next chunk, px/s; NaN where no plane fits."""
        from spikewright.events.measures.loops import planes

        vx, vy = np.full(len(chunk), np.nan), np.full(len(chunk), np.nan)
        planes(*columns_of(chunk), *self._options, self._last, vx, vy)
        return vx, vy


def plane_flow(
    events: CameraEvents, *, radius: int = 2, within: float = 0.1, least: int = 8
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return vx and vy of each event, px/s; see `PlaneFlow`.

    Examples
    --------
    >>> x, y = np.divmod(np.arange(400), 20)
    >>> vx, vy = plane_flow(CameraEvents(x * 1000, x, y, x * 0, 20, 20))
    >>> float(vx[-1]), abs(float(vy[-1])) < 1e-9
    (1000.0..., True)
    """
    flow = PlaneFlow(events.width, events.height, radius=radius, within=within, least=least)
    return flow(events)


@dataclass(frozen=True)
class FlowError:
    """How far a flow is from the truth.

    Parameters
    ----------
    endpoint : float, px/s, mean length of the difference
    relative : float, mean of that length over the length of the truth
    angle : float, rad, mean angle between the two
    density : float, share of the events that have a flow
    n : int, events that were compared
    """

    endpoint: float
    relative: float
    angle: float
    density: float
    n: int


def flow_error(vx: ArrayLike, vy: ArrayLike, true_vx: ArrayLike, true_vy: ArrayLike) -> FlowError:
    """Compare a flow with the true one; where either is NaN, nothing is compared.

    Parameters
    ----------
    vx, vy, true_vx, true_vy : float arrays, px/s; the truth may be one number for all

    Raises
    ------
    EventError : shapes do not fit, or there is nothing to compare

    Examples
    --------
    >>> flow_error([3.0, np.nan], [0.0, 0.0], 0.0, 4.0)
    FlowError(endpoint=5.0, relative=1.25, angle=1.57..., density=0.5, n=1)
    """
    try:
        columns = np.broadcast_arrays(
            *(np.asarray(v, np.float64) for v in (vx, vy, true_vx, true_vy))
        )
    except ValueError as error:
        raise EventError(explain("flow_error", f"shapes do not fit: {error}")) from error
    of = np.stack(columns).reshape(4, -1)
    length = np.hypot(of[2], of[3])
    compared = np.isfinite(of).all(axis=0) & (length > 0)
    if not compared.any():
        raise EventError(explain("flow_error", "nothing to compare", found=f"{of.shape[1]} events"))
    vx, vy, tx, ty = of[:, compared]
    away = np.hypot(vx - tx, vy - ty)
    angle = np.abs(np.arctan2(vx * ty - vy * tx, vx * tx + vy * ty))
    has_truth = np.isfinite(of[2:]).all(axis=0) & (length > 0)
    return FlowError(
        endpoint=float(away.mean()),
        relative=float((away / length[compared]).mean()),
        angle=float(angle.mean()),
        density=float(compared.sum() / has_truth.sum()),
        n=int(compared.sum()),
    )
