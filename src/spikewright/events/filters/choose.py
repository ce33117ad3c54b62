"""Filters that choose events by polarity, place, number or chance."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright import rng
from spikewright.errors import EventError, Problems, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.filters.base import Filter, Mapped, Stream, count_rule


class Keep(Enum):
    """What becomes of polarities."""

    ON = "on"
    """Keep the events of pixels that became brighter."""
    OFF = "off"
    """Keep the events of pixels that became darker."""
    SWAP = "swap"
    """Keep all, ON turned to OFF and OFF to ON."""


@dataclass(frozen=True)
class Polarity(Filter):
    """Keep events of one polarity, or swap the two.

    Parameters
    ----------
    keep : Keep
    """

    name = "polarity"
    title = "keep ON or OFF events, or swap them"
    keep: Keep = Keep.ON

    def on(self, width: int, height: int) -> Stream:
        if self.keep is Keep.SWAP:
            return Mapped(lambda e: e.replace(p=(e.p == 0).view(np.uint8)), width, height)
        wanted = self.keep is Keep.ON
        return Mapped(lambda e: e[(e.p != 0) == wanted], width, height)


@dataclass(frozen=True)
class Crop(Filter):
    """Keep the events of a rectangle.

    Parameters
    ----------
    x, y : int, its upper left pixel
    width, height : int, its size
    shift : make the rectangle the new sensor; else the sensor and the addresses stay
    """

    name = "crop"
    title = "keep a rectangle of the sensor"
    x: int
    y: int
    width: int
    height: int
    shift: bool = True

    def __post_init__(self) -> None:
        problems = Problems()
        for part, least in (("x", 0), ("y", 0), ("width", 1), ("height", 1)):
            count_rule(problems, f"{self.name}.{part}", getattr(self, part), least, 65536)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        if self.x + self.width > width or self.y + self.height > height:
            raise EventError(
                explain(
                    self.name,
                    "the rectangle leaves the sensor",
                    found=f"x {self.x} to {self.x + self.width}, y {self.y} to {self.y + self.height}",
                    expected=f"inside {width} x {height}",
                )
            )
        if not self.shift:
            return Mapped(self._chosen, width, height)
        return Mapped(
            lambda e: self._moved(self._chosen(e)),
            self.width,
            self.height,
        )

    def _chosen(self, events: CameraEvents) -> CameraEvents:
        # unsigned: what lies left of the rectangle wraps to large numbers
        right = events.x - np.uint16(self.x)
        below = events.y - np.uint16(self.y)
        return events[(right < self.width) & (below < self.height)]

    def _moved(self, events: CameraEvents) -> CameraEvents:
        return events.replace(
            x=events.x - np.uint16(self.x),
            y=events.y - np.uint16(self.y),
            width=self.width,
            height=self.height,
        )


@dataclass(frozen=True)
class Mask(Filter):
    """Drop the events of some pixels.

    Parameters
    ----------
    drop : (x, y) pairs
    file : name of a .npy file with a bool array, (height, width), true where events are kept; none where empty
    """

    name = "mask"
    title = "drop the events of some pixels"
    drop: tuple[tuple[int, int], ...] = ()
    file: str = ""

    def __post_init__(self) -> None:
        problems = Problems()
        for n, pair in enumerate(self.drop):
            if len(pair) != 2 or not all(isinstance(v, int) and v >= 0 for v in pair):
                problems.add(
                    f"{self.name}.drop[{n}]", "is not a pixel", found=pair, expected="(x, y)"
                )
                break
        problems.raise_as(EventError)

    @classmethod
    def of(cls, kept: ArrayLike) -> Mask:
        """Return the mask of a bool array, (height, width), true where events are kept."""
        rows, columns = np.nonzero(~np.asarray(kept, bool))
        return cls(drop=tuple(zip(columns.tolist(), rows.tolist(), strict=True)))

    def on(self, width: int, height: int) -> Stream:
        kept = self._bitmap(width, height)
        return Mapped(lambda e: e[kept[e.y, e.x]], width, height, inside=(width, height))

    def _bitmap(self, width: int, height: int) -> NDArray[np.bool_]:
        kept: NDArray[Any] = np.ones((height, width), np.bool_)
        if self.file:
            try:
                kept = np.load(Path(self.file), allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise EventError(
                    explain(f"{self.name}.file", f"cannot be read: {error}", found=self.file)
                ) from error
            if kept.shape != (height, width) or kept.dtype != np.bool_:
                raise EventError(
                    explain(
                        f"{self.name}.file",
                        "not a bitmap of the sensor",
                        found=f"{kept.dtype} of shape {kept.shape}",
                        expected=f"bool of shape ({height}, {width})",
                    )
                )
            kept = kept.copy()
        for x, y in self.drop:
            if x >= width or y >= height:
                raise EventError(
                    explain(
                        f"{self.name}.drop",
                        "a pixel outside the sensor",
                        found=(x, y),
                        expected=f"inside {width} x {height}",
                    )
                )
            kept[y, x] = False
        return kept


@dataclass(frozen=True)
class Decimate(Filter):
    """Keep one event of every `every`, the first.

    Parameters
    ----------
    every : int
    """

    name = "decimate"
    title = "keep one event in every few"
    every: int

    def __post_init__(self) -> None:
        problems = Problems()
        count_rule(problems, f"{self.name}.every", self.every, 1)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        return _Decimating(self.every, width, height)


class _Decimating(Stream):
    def __init__(self, every: int, width: int, height: int) -> None:
        super().__init__(width, height)
        self._every, self._seen = every, 0

    def __call__(self, chunk: CameraEvents) -> CameraEvents:
        first = -self._seen % self._every
        self._seen += len(chunk)
        return chunk[first :: self._every]


@dataclass(frozen=True)
class Drop(Filter):
    """Drop each event with the same chance, independent of all others.

    Parameters
    ----------
    chance : float, 0..1
    seed : int
    """

    name = "drop"
    title = "drop events by chance"
    chance: float
    seed: int

    def __post_init__(self) -> None:
        problems = Problems()
        if not 0 <= self.chance <= 1:
            problems.add(
                f"{self.name}.chance", "is not a chance", found=self.chance, expected="0..1"
            )
        count_rule(problems, f"{self.name}.seed", self.seed, 0)
        problems.raise_as(EventError)

    def on(self, width: int, height: int) -> Stream:
        # one draw per event in the order of the recording: chunks do not matter
        draws = rng.stream(self.seed, "events/drop")
        return Mapped(lambda e: e[draws.random(len(e)) >= self.chance], width, height)


def polarity(events: CameraEvents, *, keep: Keep = Keep.ON) -> CameraEvents:
    """Keep events of one polarity, or swap the two.

    Examples
    --------
    >>> polarity(CameraEvents([1, 2], [0, 0], [0, 0], [0, 1], 1, 1)).t.tolist()
    [2]
    """
    return Polarity(keep=keep)(events)


def crop(
    events: CameraEvents, *, x: int, y: int, width: int, height: int, shift: bool = True
) -> CameraEvents:
    """Keep the events of a rectangle; see `Crop`.

    Examples
    --------
    >>> crop(CameraEvents([1, 2], [3, 5], [0, 4], [0, 1], 9, 9), x=4, y=4, width=5, height=5).x
    array([1], dtype=uint16)
    """
    return Crop(x=x, y=y, width=width, height=height, shift=shift)(events)


def mask(events: CameraEvents, kept: ArrayLike) -> CameraEvents:
    """Keep the events of pixels where a bool array, (height, width), is true.

    Examples
    --------
    >>> mask(CameraEvents([1, 2], [0, 1], [0, 0], [0, 1], 2, 1), [[True, False]]).t.tolist()
    [1]
    """
    bitmap = np.asarray(kept, bool)
    if bitmap.shape != (events.height, events.width):
        raise EventError(
            explain(
                "mask",
                "not a bitmap of the sensor",
                found=f"shape {bitmap.shape}",
                expected=f"({events.height}, {events.width})",
            )
        )
    return Mask.of(bitmap)(events)


def decimate(events: CameraEvents, *, every: int) -> CameraEvents:
    """Keep one event of every `every`, the first.

    Examples
    --------
    >>> decimate(CameraEvents([1, 2, 3], [0] * 3, [0] * 3, [0] * 3, 1, 1), every=2).t.tolist()
    [1, 3]
    """
    return Decimate(every=every)(events)


def drop(events: CameraEvents, *, chance: float, seed: int) -> CameraEvents:
    """Drop each event with the same chance.

    Examples
    --------
    >>> many = CameraEvents(range(1000), [0] * 1000, [0] * 1000, [0] * 1000, 1, 1)
    >>> len(drop(many, chance=0.0, seed=1)), len(drop(many, chance=1.0, seed=1))
    (1000, 0)
    """
    return Drop(chance=chance, seed=seed)(events)
