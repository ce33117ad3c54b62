"""Drawn test scenes, whose light and whose motion are known at every time.

Notation: x to the right, y down, in pixels, a pixel's center at whole numbers; light 0 to 255, linear. Edges are one
pixel wide ramps, so that they move by less than a pixel without jumping.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.synthesis.emulator import synthesize
from spikewright.events.synthesis.pixel import PixelModel
from spikewright.rng import stream

DARK, BRIGHT = 40.0, 200.0
"""Light of the two shades: a factor of 5, some eight events per edge at the usual thresholds."""

NEAREST = 2.0
"""Pixels from the center at which a star begins; at five times that it is as bright as the others."""

Plane = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scene(ABC):
    """A picture that moves.

    Parameters
    ----------
    width, height : pixels, >= 1
    """

    width: int = 346
    height: int = 260

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise EventError(
                explain("scene", "has no pixels", found=f"{self.width} x {self.height}")
            )

    @abstractmethod
    def light(self, t: float) -> NDArray[np.float32]:
        """Return the light at time `t` (s): H W."""

    @abstractmethod
    def flow(self, t: float) -> NDArray[np.float32]:
        """Return the velocity of what is seen at time `t` (s): 2 H W, pixels per second along x and y."""

    def _grid(self) -> tuple[Plane, Plane]:
        y, x = np.mgrid[: self.height, : self.width].astype(np.float64)
        return x, y

    def _centered(self) -> tuple[Plane, Plane]:
        x, y = self._grid()
        return x - (self.width - 1) / 2, y - (self.height - 1) / 2


def _shade(bright: Plane) -> NDArray[np.float32]:
    return (DARK + (BRIGHT - DARK) * bright).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class MovingBar(Scene):
    """A bright bar that crosses the picture, and comes back from the other side.

    Parameters
    ----------
    speed : float, pixels per second, along its normal
    angle : float, rad; direction of motion, from x toward y
    thickness : float, pixels
    """

    speed: float = 200.0
    angle: float = 0.0
    thickness: float = 10.0

    def _coverage(self, t: float) -> Plane:
        x, y = self._centered()
        along = x * math.cos(self.angle) + y * math.sin(self.angle)
        reach = float(np.abs(along).max()) + self.thickness
        at = (self.speed * t) % (2 * reach) - reach
        covered: Plane = np.clip(self.thickness / 2 + 0.5 - np.abs(along - at), 0.0, 1.0)
        return covered

    def light(self, t: float) -> NDArray[np.float32]:
        """Return the light at time `t` (s): H W."""
        return _shade(self._coverage(t))

    def flow(self, t: float) -> NDArray[np.float32]:
        """Return the velocity of the bar where it is seen, 0 elsewhere: 2 H W, pixels per second."""
        seen = self._coverage(t) > 0
        velocity = (self.speed * math.cos(self.angle), self.speed * math.sin(self.angle))
        return np.stack([seen * v for v in velocity]).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class RotatingDisc(Scene):
    """A disc of bright and dark sectors on a dark ground.

    Parameters
    ----------
    rate : float, Hz; turns per second, from x toward y
    sectors : bright ones, >= 1
    radius : float, of the shorter side's half
    """

    rate: float = 2.0
    sectors: int = 4
    radius: float = 0.9

    def light(self, t: float) -> NDArray[np.float32]:
        """Return the light at time `t` (s): H W."""
        x, y = self._centered()
        r = np.hypot(x, y)
        turned = self.sectors * (np.arctan2(y, x) - 2 * math.pi * self.rate * t)
        # r sin(k a) / k is the distance to the nearest edge of a sector, where that is small
        bright = np.clip(0.5 + r * np.sin(turned) / self.sectors, 0.0, 1.0)
        return _shade(bright * np.clip(self._radius() + 0.5 - r, 0.0, 1.0))

    def flow(self, t: float) -> NDArray[np.float32]:
        """Return the velocity of the disc where it is seen, 0 elsewhere: 2 H W, pixels per second."""
        x, y = self._centered()
        turn = 2 * math.pi * self.rate * (np.hypot(x, y) <= self._radius() + 0.5)
        return np.stack([-turn * y, turn * x]).astype(np.float32)

    def _radius(self) -> float:
        return self.radius * (min(self.width, self.height) - 1) / 2


@dataclass(frozen=True, kw_only=True)
class Checkerboard(Scene):
    """A board that moves as a whole.

    Parameters
    ----------
    velocity : float, float, pixels per second along x and y
    cell : float, pixels; side of a square
    """

    velocity: tuple[float, float] = (100.0, 50.0)
    cell: float = 20.0

    def light(self, t: float) -> NDArray[np.float32]:
        """Return the light at time `t` (s): H W."""
        x, y = self._grid()
        signs = [
            np.clip(
                2 * self.cell / math.pi * np.sin(math.pi * (place - v * t) / self.cell), -1.0, 1.0
            )
            for place, v in zip((x, y), self.velocity, strict=True)
        ]
        return _shade((1 + signs[0] * signs[1]) / 2)

    def flow(self, t: float) -> NDArray[np.float32]:
        """Return the velocity of the board: 2 H W, pixels per second."""
        out = np.empty((2, self.height, self.width), np.float32)
        out[0], out[1] = self.velocity
        return out


@dataclass(frozen=True, kw_only=True)
class StarField(Scene):
    """Stars on a plane that comes nearer and turns; those that leave start again near the center.

    Parameters
    ----------
    stars : how many
    expansion : float, Hz; a star's distance from the center grows by a factor of e in 1 / expansion seconds
    rate : float, Hz; turns per second, from x toward y
    size : float, pixels; standard deviation of a star's blur
    seed : of the places of the stars
    """

    stars: int = 200
    expansion: float = 0.5
    rate: float = 0.05
    size: float = 1.0
    seed: int = 0

    def places(self, t: float) -> tuple[Plane, Plane]:
        """Return x and y of each star at time `t` (s)."""
        draws = stream(self.seed, "synthesis/stars").random((2, self.stars))
        far = math.hypot(self.width, self.height) / 2
        near = min(NEAREST, far / 2)
        decades = math.log(far / near)
        # evenly spread on the picture, not in log r: square root of the share of the area
        begin = np.log(np.maximum(far * np.sqrt(draws[0]), near) / near)
        r = near * np.exp((begin + self.expansion * t) % decades)
        angle = 2 * math.pi * (draws[1] + self.rate * t)
        return (
            (self.width - 1) / 2 + r * np.cos(angle),
            (self.height - 1) / 2 + r * np.sin(angle),
        )

    def light(self, t: float) -> NDArray[np.float32]:
        """Return the light at time `t` (s): H W."""
        x, y = self.places(t)
        reach = math.ceil(4 * self.size)
        steps = np.arange(-reach, reach + 1)
        column = np.rint(x).astype(np.int64)[:, None] + steps
        row = np.rint(y).astype(np.int64)[:, None] + steps
        across = np.exp(-(((column - x[:, None]) / self.size) ** 2) / 2)
        down = np.exp(-(((row - y[:, None]) / self.size) ** 2) / 2)
        bright = np.zeros((self.height + 2 * reach, self.width + 2 * reach))
        # stars beyond the edge fall into a margin
        column = np.clip(column + reach, 0, bright.shape[1] - 1)
        row = np.clip(row + reach, 0, bright.shape[0] - 1)
        # new ones appear by and by, or they would light up the center together
        r = np.hypot(x - (self.width - 1) / 2, y - (self.height - 1) / 2)
        risen = np.clip((r - NEAREST) / (4 * NEAREST), 0.0, 1.0)
        spread = risen[:, None, None] * down[:, :, None] * across[:, None, :]
        np.add.at(bright, (row[:, :, None], column[:, None, :]), spread)
        inner = bright[reach : reach + self.height, reach : reach + self.width]
        return _shade(np.minimum(inner, 1.0))

    def flow(self, t: float) -> NDArray[np.float32]:
        """Return the velocity of the plane: 2 H W, pixels per second."""
        x, y = self._centered()
        turn = 2 * math.pi * self.rate
        return np.stack([self.expansion * x - turn * y, self.expansion * y + turn * x]).astype(
            np.float32
        )


SCENES: dict[str, type[Scene]] = {
    "bar": MovingBar,
    "disc": RotatingDisc,
    "checkerboard": Checkerboard,
    "stars": StarField,
}
"""Name -> scene."""


def scene_events(
    scene: Scene,
    duration: float,
    *,
    fps: float = 1000.0,
    model: PixelModel | None = None,
    seed: int,
) -> CameraEvents:
    """Return what a camera sees of a scene.

    Parameters
    ----------
    scene : Scene
    duration : float, s, > 0
    fps : float, Hz; how often the light is drawn
    model : of the pixels
    seed : of everything that is drawn at random

    Returns
    -------
    CameraEvents : sorted in time

    Raises
    ------
    EventError : `duration` or `fps` is not above 0

    Examples
    --------
    >>> model = PixelModel(theta_off=0.19, sigma=0, cutoff=0, leak=0, shot=0, refractory=0)
    >>> scene_events(MovingBar(width=8, height=1, speed=400), 0.07, model=model, seed=0).n
    128
    """
    if not (duration > 0 and math.isfinite(duration)):
        raise EventError(explain("scene: duration", "is not a time", found=duration))
    frames = math.floor(duration * fps) + 1

    def drawn() -> Iterator[NDArray[np.float32]]:
        for k in range(frames):
            yield scene.light(k / fps)

    return synthesize(drawn(), fps=fps, model=model, seed=seed)
