"""The motion of a whole picture, found by contrast maximization.

Notation: event k at (x, y) and time t is moved to where it would be at the reference time, (x, y) - (t - t_ref) v. The
image of moved events is sharpest for the true motion; sharpness is its variance. The reference is the middle of the
window. Velocities are pixels and radians per second; y points down, so a positive turn is clockwise to the eye.

Addresses are spread evenly over their pixels first: whole numbers line up where nothing is moved, which looks sharp,
and would hide every motion of less than two pixels in the window.

Source
------
Gallego, Rebecq, Scaramuzza, "A unifying contrast maximization framework for event cameras", CVPR 2018 (variance of the
image of warped events, blurred by one pixel); the simplex search is that of Nelder and Mead, 1965, as SciPy has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.camera import CameraEvents

COARSE = 0.25
"""Cells per pixel of the image in which a grid of velocities is tried before the simplex search."""

GRID = 9
"""Velocities tried along each axis of that grid."""

WEYL = (0.7548776662466927, 0.5698402909980532)
"""Steps of a sequence that fills the unit square evenly: the powers of 1/g, where g**3 = g + 1."""

MARGIN = 24
"""Pixels around the sensor that moved events may reach."""


class Motion(Enum):
    """How a whole picture may move."""

    TRANSLATION = "translation"
    """All pixels alike: a camera that pans and tilts."""
    ROTATION = "rotation"
    """Also a turn about the center of the sensor: a camera that rolls as well."""


@dataclass(frozen=True)
class MotionFit:
    """A motion, and how sharp it makes the picture.

    Parameters
    ----------
    vx, vy : float, px/s
    turn : float, rad/s
    gain : float, variance of the image of moved events over that of the events as they are
    """

    vx: float
    vy: float
    turn: float
    gain: float


def fit_motion(
    events: CameraEvents,
    *,
    motion: Motion = Motion.TRANSLATION,
    fastest: float = 1000.0,
    most: int = 20_000,
    start: MotionFit | None = None,
) -> MotionFit:
    """Find the motion by which the image of moved events is sharpest.

    Parameters
    ----------
    events : CameraEvents of a window in which the motion hardly changes, 10 to 30 ms for a moving camera
    motion : Motion
    fastest : float, px/s, the largest velocity along each axis that the first search looks at
    most : int, events to use; evenly chosen ones where there are more
    start : MotionFit, a guess that is tried beside the grid

    Raises
    ------
    EventError : fewer than 2 events, or all of one time, or an argument out of range

    Examples
    --------
    >>> t = np.arange(0, 20_000, 40)
    >>> dots = np.arange(t.size) % 5
    >>> x = 20 + 25 * dots + np.rint(t * 300e-6).astype(int)
    >>> fit = fit_motion(CameraEvents(t, x, 20 + 31 * dots % 60, t % 2, 160, 100))
    >>> abs(fit.vx - 300) < 15, abs(fit.vy) < 15, fit.gain > 1.5
    (True, True, True)
    """
    _rules(events, fastest, most)
    from scipy.optimize import minimize

    from spikewright.events.measures.contrast_loops import sharpness

    chosen = events[np.arange(most) * len(events) // most] if len(events) > most else events
    x, y, age, span = _centered(chosen)
    with_turn = motion is Motion.ROTATION
    radius = max(np.hypot(events.width, events.height) / 2, 1.0)

    coarse = _images(events, COARSE)
    fine = _images(events, 1.0)

    def sharp(v: NDArray[np.float64], scale: float) -> float:
        images = fine if scale == 1.0 else coarse
        # the turn is searched as the speed of a corner, so that all axes count pixels per second
        return float(sharpness(x, y, age, v[0], v[1], v[2] / radius, scale, *images))

    guesses = [np.array([vx, vy, 0.0]) for vx in _axis(fastest) for vy in _axis(fastest)]
    if start is not None:
        guesses.append(np.array([start.vx, start.vy, start.turn * radius * with_turn]))
    best = max(guesses, key=lambda v: sharp(v, COARSE))
    still = sharp(np.zeros(3), 1.0)
    if start is not None:
        best = max((best, guesses[-1]), key=lambda v: sharp(v, 1.0))

    free = 3 if with_turn else 2
    # first steps of 2 pixels over the window, or half of the grid's step
    step = min(2.0 / span, fastest / (GRID - 1))

    def cost(v: NDArray[np.float64]) -> float:
        full = np.zeros(3)
        full[:free] = v
        return -sharp(full, 1.0)

    simplex = np.vstack([best[:free], best[:free] + step * np.eye(free)])
    found = minimize(
        cost,
        best[:free],
        method="Nelder-Mead",
        options={
            "initial_simplex": simplex,
            "xatol": 0.02 / span,
            "fatol": 1e-6 * max(still, 1e-12),
            "maxfev": 300,
        },
    )
    v = np.zeros(3)
    v[:free] = found.x
    gain = -float(found.fun) / still if still > 0 else 1.0
    return MotionFit(float(v[0]), float(v[1]), float(v[2] / radius), gain)


def _rules(events: CameraEvents, fastest: float, most: int) -> None:
    problems = Problems()
    if len(events) < 2 or events.duration == 0:
        problems.add(
            "fit_motion", "not enough events to see a motion",
            found=f"{len(events)} over {events.duration} us", expected="2 or more, over some time",
        )  # fmt: skip
    if not 0 < fastest < 1e9:
        problems.add(
            "fit_motion.fastest", "is out of range", found=fastest, expected="pixels/s, > 0"
        )
    if most < 2:
        problems.add("fit_motion.most", "is out of range", found=most, expected=">= 2")
    problems.raise_as(EventError)


def _centered(
    events: CameraEvents,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float]:
    first, last = int(events.t.min()), int(events.t.max())
    age = (events.t - first - (last - first) / 2) * 1e-6
    # spread over the pixel: whole addresses would line up, and look sharp, where nothing is moved
    x = events.x + (_weyl(len(events), WEYL[0]) - (events.width / 2))
    y = events.y + (_weyl(len(events), WEYL[1]) - (events.height / 2))
    span = max((last - first) * 1e-6, 1e-6)
    return x.astype(np.float32), y.astype(np.float32), age.astype(np.float32), span


def _weyl(n: int, step: float) -> NDArray[np.float64]:
    return np.asarray(np.arange(n) * step % 1.0, np.float64)


def _images(events: CameraEvents, scale: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shape = tuple(int((size + 2 * MARGIN) * scale) + 8 for size in (events.height, events.width))
    return np.zeros(shape, np.float32), np.zeros(shape, np.float32)


def _axis(fastest: float) -> NDArray[np.float64]:
    return np.linspace(-fastest, fastest, GRID)


def tile_motion(
    events: CameraEvents, *, tile: int = 40, least: int = 200, fastest: float = 1000.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the translation of each tile of the sensor by itself.

    Parameters
    ----------
    events : CameraEvents of a short window
    tile : int, px, the side of a tile; the last of a row or column may be smaller
    least : int, events that a tile must have
    fastest : float, px/s

    Returns
    -------
    float arrays, (rows, columns) of tiles, px/s : vx and vy; NaN where a tile has too few events

    Raises
    ------
    EventError : a tile of less than 8 pixels
    """
    if tile < 8:
        raise EventError(explain("tile_motion.tile", "is too small", found=tile, expected=">= 8"))
    rows, columns = -(-events.height // tile), -(-events.width // tile)
    vx, vy = np.full((rows, columns), np.nan), np.full((rows, columns), np.nan)
    at = (events.y // tile).astype(np.int64) * columns + events.x // tile
    for cell in range(rows * columns):
        part = events[at == cell]
        if len(part) < max(least, 2) or part.duration == 0:
            continue
        row, column = divmod(cell, columns)
        inside = part.replace(
            x=part.x - np.uint16(column * tile), y=part.y - np.uint16(row * tile),
            width=tile, height=tile,
        )  # fmt: skip
        fit = fit_motion(inside, fastest=fastest)
        vx[row, column], vy[row, column] = fit.vx, fit.vy
    return vx, vy
