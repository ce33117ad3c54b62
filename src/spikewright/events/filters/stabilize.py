"""The picture held still: the camera's motion is found by contrast maximization, window by window, and undone.

The path of the picture is the sum of the motions of all windows. It may be followed slowly (`smooth`), so that a
wanted pan stays and only the shaking goes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, Problems
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.filters.base import (
    Filter,
    Stream,
    count_rule,
    micros,
    on_sensor,
    seconds,
    time_rule,
)
from spikewright.events.measures.contrast import Motion, MotionFit, fit_motion


@dataclass(frozen=True)
class Stabilize(Filter):
    """Undo the motion of the camera.

    One window of events is held back. Events that leave the sensor are dropped, and counted in `Stream.outside`.

    Parameters
    ----------
    motion : Motion
    window : float, s, in which the motion is taken for constant
    smooth : float, s, time constant with which the picture follows the camera; infinite holds it still
    least : int, events that a window must have; with fewer the camera is taken to rest
    fastest : float, px/s, largest velocity looked for
    """

    name = "stabilize"
    title = "undo the motion of the camera"
    motion: Motion = Motion.TRANSLATION
    window: float = seconds(20e-3)
    smooth: float = seconds(0.5)
    least: int = 500
    fastest: float = 1000.0

    def __post_init__(self) -> None:
        problems = Problems()
        time_rule(problems, f"{self.name}.window", self.window, least=1e-4)
        if not self.smooth > 0:
            problems.add(f"{self.name}.smooth", "is not a time", found=self.smooth, expected="> 0")
        count_rule(problems, f"{self.name}.least", self.least, 2)
        if not 0 < self.fastest < 1e9:
            problems.add(f"{self.name}.fastest", "is out of range", found=self.fastest)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        return _Stabilizing(self, width, height)


class _Stabilizing(Stream):
    def __init__(self, of: Stabilize, width: int, height: int) -> None:
        super().__init__(width, height)
        self._of, self._window = of, micros(of.window)
        self._held: list[CameraEvents] = []
        self._now: int | None = None  # number of the window that is being collected
        self._fit: MotionFit | None = None
        self._path = np.zeros(3)  # x, y, angle of the picture at the start of the window
        self._followed = np.zeros(3)

    def __call__(self, chunk: CameraEvents) -> CameraEvents:
        n = len(chunk)
        chunk = on_sensor(chunk, self.width, self.height)
        self.outside += n - len(chunk)
        done: list[CameraEvents] = []
        # an event that comes late counts to the window that is being collected
        numbers = np.maximum.accumulate(chunk.t // self._window)
        if self._now is not None:
            numbers = np.maximum(numbers, self._now)
        first = 0
        while first < len(chunk):
            number = int(numbers[first])
            if self._now is not None and number != self._now:
                done.append(self.finish())
            self._now = number
            last = int(np.searchsorted(numbers, number, side="right"))
            self._held.append(chunk[first:last])
            first = last
        return concatenate([CameraEvents.empty(self.width, self.height), *done])

    def finish(self) -> CameraEvents:
        """Fit and undo the motion of the window that was collected."""
        if not self._held or self._now is None:
            return CameraEvents.empty(self.width, self.height)
        events, self._held = concatenate(self._held), []
        motion = np.zeros(3)
        if len(events) >= self._of.least and events.duration:
            self._fit = fit_motion(
                events, motion=self._of.motion, fastest=self._of.fastest, start=self._fit
            )
            motion[:] = self._fit.vx, self._fit.vy, self._fit.turn
        span = self._window * 1e-6
        path, followed = self._path, self._followed
        # the turn about the center carries along what the picture has moved so far
        cos, sin = math.cos(motion[2] * span), math.sin(motion[2] * span)
        carried = (cos * path[0] - sin * path[1], sin * path[0] + cos * path[1], path[2])
        self._path = np.array(carried) + motion * span
        if not math.isinf(self._of.smooth):
            share = -math.expm1(-span / self._of.smooth)
            self._followed = followed + (self._path - followed) * share
        part = (events.t - self._now * self._window) / self._window
        away = path - followed
        away_end = self._path - self._followed
        return self._undone(events, *(away[:, None] + np.outer(away_end - away, part)))

    def _undone(
        self,
        events: CameraEvents,
        dx: NDArray[np.float64],
        dy: NDArray[np.float64],
        angle: NDArray[np.float64],
    ) -> CameraEvents:
        middle_x, middle_y = (self.width - 1) / 2, (self.height - 1) / 2
        x, y = events.x - middle_x - dx, events.y - middle_y - dy
        cos, sin = np.cos(angle), np.sin(angle)
        # turned back by the angle; y points down
        new_x = np.floor(cos * x + sin * y + middle_x + 0.5)
        new_y = np.floor(-sin * x + cos * y + middle_y + 0.5)
        inside = (new_x >= 0) & (new_x < self.width) & (new_y >= 0) & (new_y < self.height)
        self.outside += int(len(events) - inside.sum())
        return CameraEvents(
            events.t[inside],
            new_x[inside].astype(np.uint16),
            new_y[inside].astype(np.uint16),
            events.p[inside],
            self.width,
            self.height,
        )


def stabilize(
    events: CameraEvents,
    *,
    motion: Motion = Motion.TRANSLATION,
    window: float = 20e-3,
    smooth: float = 0.5,
    least: int = 500,
    fastest: float = 1000.0,
) -> CameraEvents:
    """Undo the motion of the camera; see `Stabilize`."""
    return Stabilize(
        motion=motion, window=window, smooth=smooth, least=least, fastest=fastest
    )(events)  # fmt: skip
