"""Small changes of training samples that leave their class, drawn anew for every epoch.

An augmentation is a value; its draws depend on (seed, epoch, sample number) alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikewright.data.encoding import Draw
from spikewright.errors import DataError, Problems, explain
from spikewright.rng import key, uniform


class Augmentation(Protocol):
    """Changes stored samples before they are encoded."""

    def apply(self, inputs: NDArray[np.float32], draw: Draw) -> NDArray[np.float32]:
        """Return changed samples of the same shape."""


@dataclass(frozen=True)
class Affine:
    """Shift, turn, scale and shear images about their center; bilinear, black outside.

    Each amount is drawn evenly from minus to plus the value given.

    Parameters
    ----------
    shift : pixels, along each axis
    rotate : rad
    zoom : share, < 1; 0.1 scales by 0.9 to 1.1
    shear : tangent of the angle
    mirror : share of images whose left and right are exchanged
    """

    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    mirror: float = 0.0

    def __post_init__(self) -> None:
        _check_amounts(
            "augmentation Affine", vars(self), below={"zoom": 1.0, "shear": 1.0, "mirror": 1.0}
        )

    def apply(self, inputs: NDArray[np.float32], draw: Draw) -> NDArray[np.float32]:
        if inputs.ndim < 3:
            raise DataError(
                explain(
                    "augmentation Affine",
                    "needs images",
                    found=f"shape {inputs.shape}",
                    expected="B Y X or B P Y X",
                )
            )
        u = _draws(draw, "affine", 5)
        angle, scale = self.rotate * u[:, 2], 1 + self.zoom * u[:, 3]
        cos, sin, lean = np.cos(angle) / scale, np.sin(angle) / scale, self.shear * u[:, 4]
        rows, columns = inputs.shape[-2:]
        y = np.arange(rows)[:, None] - (rows - 1) / 2
        x = np.arange(columns)[None, :] - (columns - 1) / 2

        def per_sample(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return values[:, None, None]

        # where in the old image each new pixel comes from
        skewed = x + per_sample(lean) * y
        from_y = per_sample(cos) * y + per_sample(sin) * skewed + (rows - 1) / 2
        from_x = per_sample(cos) * skewed - per_sample(sin) * y + (columns - 1) / 2
        from_y = from_y + per_sample(self.shift * u[:, 0])
        from_x = from_x + per_sample(self.shift * u[:, 1])
        if self.mirror:
            mirrored = 0.5 * (1 + _draws(draw, "mirror", 1)[:, 0]) < self.mirror
            from_x = np.where(per_sample(mirrored), columns - 1 - from_x, from_x)
        planes = inputs.reshape(len(inputs), math.prod(inputs.shape[1:-2]), rows, columns)
        return _bilinear(planes, from_y, from_x).reshape(inputs.shape)


@dataclass(frozen=True)
class Slide:
    """Move time series along time and along their channels, by whole places; zero moves in.

    Each amount is drawn evenly from minus to plus the value given.

    Parameters
    ----------
    steps : whole steps, along time
    channels : whole channels, along the last axis: another pitch or vocal tract, for mel bands
    gain : share, < 1; 0.1 multiplies the series by 0.9 to 1.1
    """

    steps: int = 0
    channels: int = 0
    gain: float = 0.0

    def __post_init__(self) -> None:
        _check_amounts("augmentation Slide", vars(self), below={"gain": 1.0})

    def apply(self, inputs: NDArray[np.float32], draw: Draw) -> NDArray[np.float32]:
        if inputs.ndim != 3:
            raise DataError(
                explain(
                    "augmentation Slide",
                    "needs time series",
                    found=f"shape {inputs.shape}",
                    expected="B T C",
                )
            )
        u = _draws(draw, "slide", 3)
        n, steps, channels = inputs.shape
        late = np.rint(u[:, 0] * (self.steps + 0.5 - 1e-9)).astype(np.int64)
        high = np.rint(u[:, 1] * (self.channels + 0.5 - 1e-9)).astype(np.int64)
        t = np.arange(steps)[None, :] - late[:, None]
        c = np.arange(channels)[None, :] - high[:, None]
        inside = ((t >= 0) & (t < steps))[:, :, None] & ((c >= 0) & (c < channels))[:, None, :]
        b = np.arange(n)[:, None, None]
        moved = inputs[b, t.clip(0, steps - 1)[:, :, None], c.clip(0, channels - 1)[:, None, :]]
        louder = (1 + self.gain * u[:, 2])[:, None, None]
        return np.where(inside, moved * louder, 0.0).astype(np.float32)


def _draws(draw: Draw, name: str, n: int) -> NDArray[np.float64]:
    """Return B n numbers from -1 to 1."""
    address = key(draw.seed, f"data/augmentation/{name}/{draw.part}/epoch/{draw.epoch}")
    return 2 * uniform(address, draw.samples[:, None], np.arange(n)[None, :]) - 1


def _bilinear(
    planes: NDArray[np.float32], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Read planes B P Y X at places B Y X; zero outside."""
    rows, columns = planes.shape[-2:]
    # a border of two black pixels, so that places outside need no case of their own
    framed = np.pad(planes, ((0, 0), (0, 0), (2, 2), (2, 2)))
    y = np.clip(y + 2, 0, rows + 2.5)
    x = np.clip(x + 2, 0, columns + 2.5)
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right = (y - top)[:, None], (x - left)[:, None]
    b = np.arange(len(planes))[:, None, None]

    def at(dy: int, dx: int) -> NDArray[np.float32]:
        return np.moveaxis(framed[b, :, top + dy, left + dx], -1, 1)

    upper = at(0, 0) * (1 - right) + at(0, 1) * right
    lower = at(1, 0) * (1 - right) + at(1, 1) * right
    return (upper * (1 - down) + lower * down).astype(np.float32)


def _check_amounts(where: str, amounts: dict[str, Any], *, below: dict[str, float]) -> None:
    problems = Problems()
    for name, amount in amounts.items():
        limit = below.get(name, math.inf)
        if not (0 <= amount < limit):
            expected = "0 or more" if limit == math.inf else f"0 to below {limit:g}"
            problems.add(f"{where}: {name}", "is not an amount", found=amount, expected=expected)
    problems.raise_as(DataError)
