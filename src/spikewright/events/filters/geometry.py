"""Filters that move events on the sensor: flip, rotate, transpose, resize, undistort."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, Problems, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.filters.base import Filter, Mapped, Selecting, Stream, count_rule

UNDISTORT_STEPS = 50
"""Most steps of the fixed-point iteration that inverts the lens; it ends once no pixel moves any more."""


class Axis(Enum):
    """What a flip exchanges."""

    HORIZONTAL = "horizontal"
    """Left and right."""
    VERTICAL = "vertical"
    """Top and bottom."""


@dataclass(frozen=True)
class Flip(Filter):
    """Mirror the picture.

    Parameters
    ----------
    axis : Axis
    """

    name = "flip"
    title = "mirror the picture"
    axis: Axis = Axis.HORIZONTAL

    def on(self, width: int, height: int) -> Stream:
        if self.axis is Axis.HORIZONTAL:
            return Mapped(
                lambda e: e.replace(x=_from(width, e.x)), width, height, inside=(width, height)
            )
        return Mapped(
            lambda e: e.replace(y=_from(height, e.y)), width, height, inside=(width, height)
        )


@dataclass(frozen=True)
class Rotate(Filter):
    """Turn the picture counterclockwise, as `np.rot90` does with images.

    Parameters
    ----------
    quarters : int, quarter turns; negative ones are clockwise
    """

    name = "rotate"
    title = "turn the picture by quarter turns, counterclockwise"
    quarters: int = 1

    def on(self, width: int, height: int) -> Stream:
        inside = (width, height)
        turns = self.quarters % 4
        if turns == 1:
            return Mapped(
                lambda e: e.replace(x=e.y, y=_from(width, e.x), width=height, height=width),
                height, width, inside=inside,
            )  # fmt: skip
        if turns == 2:
            return Mapped(
                lambda e: e.replace(x=_from(width, e.x), y=_from(height, e.y)),
                width, height, inside=inside,
            )  # fmt: skip
        if turns == 3:
            return Mapped(
                lambda e: e.replace(x=_from(height, e.y), y=e.x, width=height, height=width),
                height, width, inside=inside,
            )  # fmt: skip
        return Mapped(lambda e: e, width, height, inside=inside)


@dataclass(frozen=True)
class Transpose(Filter):
    """Exchange rows and columns."""

    name = "transpose"
    title = "exchange rows and columns"

    def on(self, width: int, height: int) -> Stream:
        return Mapped(
            lambda e: e.replace(x=e.y, y=e.x, width=height, height=width),
            height,
            width,
            inside=(width, height),
        )


def _from(size: int, places: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return np.uint16(size - 1) - places


class Count(Enum):
    """How many events leave a resize."""

    KEEP = "keep"
    """Every event, each in the cell that its pixel falls into."""
    INTEGRATE = "integrate"
    """One of a cell whenever the sum of its polarities reaches a threshold, as a larger pixel would see it."""


@dataclass(frozen=True)
class Resize(Filter):
    """Map the sensor onto another size; pixel x goes to x * new width // old width.

    Parameters
    ----------
    width, height : int, of the new sensor
    count : Count
    threshold : int, for `Count.INTEGRATE`; 0 is the number of pixels in a cell: the mean of the cell then changed by
        one threshold of a pixel
    """

    name = "resize"
    title = "map the sensor onto another size"
    width: int
    height: int
    count: Count = Count.KEEP
    threshold: int = 0

    def __post_init__(self) -> None:
        problems = Problems()
        count_rule(problems, f"{self.name}.width", self.width, 1, 65536)
        count_rule(problems, f"{self.name}.height", self.height, 1, 65536)
        count_rule(problems, f"{self.name}.threshold", self.threshold, 0, 2**31 - 1)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        if self.count is Count.INTEGRATE:
            from spikewright.events.filters import loops

            cells = self.width * self.height
            threshold = self.threshold or max(1, round(width * height / cells))
            sizes = (width, height, self.width, self.height)
            level = np.zeros(cells, np.int32)
            return Selecting(loops.integrated, self.width, self.height, *sizes, threshold, level)
        x_to = (np.arange(width) * self.width // max(width, 1)).astype(np.uint16)
        y_to = (np.arange(height) * self.height // max(height, 1)).astype(np.uint16)
        return Mapped(
            lambda e: e.replace(x=x_to[e.x], y=y_to[e.y], width=self.width, height=self.height),
            self.width,
            self.height,
            inside=(width, height),
        )


@dataclass(frozen=True)
class Undistort(Filter):
    """Move each event to where a lens without distortion would have put it, to the nearest pixel.

    Parameters
    ----------
    fx, fy, cx, cy : float, px, focal lengths and principal point of the camera matrix
    distortion : k1, k2, p1, p2, k3; missing ones are 0

    Source
    ------
    Brown, "Close-range camera calibration", 1971; the order of coefficients is that of OpenCV and of ROS' "plumb_bob".
    """

    name = "undistort"
    title = "undo the distortion of the lens"
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        problems = Problems()
        for part in ("fx", "fy"):
            if not (0 < getattr(self, part) < 1e9):
                problems.add(
                    f"{self.name}.{part}", "is not a focal length", found=getattr(self, part),
                    expected="pixels, > 0",
                )  # fmt: skip
        if not all(abs(v) < 1e9 for v in (self.cx, self.cy, *self.distortion)):
            problems.add(self.name, "has a parameter that is not finite, or absurd")
        if len(self.distortion) > 5:
            problems.add(
                f"{self.name}.distortion", "has too many coefficients",
                found=len(self.distortion), expected="k1, k2, p1, p2, k3",
            )  # fmt: skip
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        from spikewright.events.filters import loops

        x, y, found = self.places(width, height)
        found &= (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
        x_to = np.where(found, np.floor(np.where(found, x, 0) + 0.5), -1).astype(np.int32)
        y_to = np.where(found, np.floor(np.where(found, y, 0) + 0.5), -1).astype(np.int32)
        maps = (x_to.reshape(-1), y_to.reshape(-1))
        return Selecting(loops.moved, width, height, width, height, *maps)

    def places(
        self, width: int, height: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return where each pixel goes, as (height, width) arrays x and y in pixels, and where such a place was found.

        A strong distortion folds the picture over: pixels beyond the fold come from no place, and are not found.
        """
        seen_x, seen_y = np.meshgrid(
            (np.arange(width) - self.cx) / self.fx, (np.arange(height) - self.cy) / self.fy
        )
        x, y = seen_x.copy(), seen_y.copy()
        with np.errstate(all="ignore"):  # pixels beyond the fold run away, and are told apart below
            for _ in range(UNDISTORT_STEPS):
                radial, dx, dy = self._lens(x, y)
                new_x, new_y = (seen_x - dx) / radial, (seen_y - dy) / radial
                step = np.maximum(np.abs(new_x - x) * self.fx, np.abs(new_y - y) * self.fy)
                x, y = new_x, new_y
                if not (step > 1e-6).any():
                    break
            radial, dx, dy = self._lens(x, y)
            wrong = np.hypot(
                (x * radial + dx - seen_x) * self.fx, (y * radial + dy - seen_y) * self.fy
            )
            return x * self.fx + self.cx, y * self.fy + self.cy, wrong < 1e-2

    def _lens(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the radial factor and the tangential shift that the lens gives to a ray."""
        k1, k2, p1, p2, k3 = (*self.distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        dx = 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        dy = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        return radial, dx, dy


def flip(events: CameraEvents, *, axis: Axis = Axis.HORIZONTAL) -> CameraEvents:
    """Mirror the picture.

    Examples
    --------
    >>> flip(CameraEvents([1], [0], [0], [0], 4, 3)).x
    array([3], dtype=uint16)
    """
    return Flip(axis=axis)(events)


def rotate(events: CameraEvents, *, quarters: int = 1) -> CameraEvents:
    """Turn the picture by quarter turns, counterclockwise.

    Examples
    --------
    >>> rotate(CameraEvents([1], [0], [0], [0], 4, 3))
    CameraEvents(1 event, 3 x 4, 1 to 1 us)
    """
    return Rotate(quarters=quarters)(events)


def transpose(events: CameraEvents) -> CameraEvents:
    """Exchange rows and columns.

    Examples
    --------
    >>> transpose(CameraEvents([1], [3], [0], [0], 4, 3)).y
    array([3], dtype=uint16)
    """
    return Transpose()(events)


def resize(
    events: CameraEvents, *, width: int, height: int, count: Count = Count.KEEP, threshold: int = 0
) -> CameraEvents:
    """Map the sensor onto another size; see `Resize`.

    Examples
    --------
    >>> four = CameraEvents([1, 2, 3, 4], [0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1], 2, 2)
    >>> resize(four, width=1, height=1).t.tolist()
    [1, 2, 3, 4]
    >>> resize(four, width=1, height=1, count=Count.INTEGRATE).t.tolist()
    [4]
    """
    return Resize(width=width, height=height, count=count, threshold=threshold)(events)


def undistort(
    events: CameraEvents,
    *,
    fx: float,
    fy: float,
    cx: float,
    cy: float,
    distortion: tuple[float, ...] = (),
) -> CameraEvents:
    """Undo the distortion of the lens; see `Undistort`.

    Examples
    --------
    >>> corner = CameraEvents([1], [20], [20], [0], 240, 180)
    >>> undistort(corner, fx=200.0, fy=200.0, cx=120.0, cy=90.0, distortion=(-0.1,)).x
    array([16], dtype=uint16)
    """
    if not isinstance(distortion, tuple):
        raise EventError(
            explain("undistort.distortion", "is not a tuple", found=type(distortion).__name__)
        )
    return Undistort(fx=fx, fy=fy, cx=cx, cy=cy, distortion=distortion)(events)
