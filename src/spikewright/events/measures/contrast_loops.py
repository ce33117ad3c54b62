"""Compiled loops of contrast maximization; loading this module loads Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def sharpness(
    x: Any, y: Any, age: Any, vx: float, vy: float, turn: float, scale: float, image: Any, scratch: Any,
) -> Any:  # fmt: skip
    """Return the variance of the blurred image of warped events.

    `x` and `y` count from the center, in pixels; `age` is the time since the reference, s. One cell of `image` is
    `1 / scale` pixels wide; its middle is the center. Each event is shared among four cells; two passes of a 1 2 1
    filter along each axis blur the image by one cell (variances 1/2 each). Events that leave the image are lost.
    """
    height, width = image.shape
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    image[:] = 0.0
    for i in range(x.size):
        wx = (x[i] - age[i] * (vx - turn * y[i])) * scale + middle_x
        wy = (y[i] - age[i] * (vy + turn * x[i])) * scale + middle_y
        if not (2.0 <= wx < width - 3.0 and 2.0 <= wy < height - 3.0):
            continue
        c, r = int(wx), int(wy)
        fx, fy = np.float32(wx - c), np.float32(wy - r)
        one = np.float32(1.0)
        image[r, c] += (one - fx) * (one - fy)
        image[r, c + 1] += fx * (one - fy)
        image[r + 1, c] += (one - fx) * fy
        image[r + 1, c + 1] += fx * fy
    quarter, half = np.float32(0.25), np.float32(0.5)
    for _ in range(2):
        for r in range(height):
            scratch[r, 0] = image[r, 0]
            scratch[r, width - 1] = image[r, width - 1]
            for c in range(1, width - 1):
                scratch[r, c] = quarter * (image[r, c - 1] + image[r, c + 1]) + half * image[r, c]
        for r in range(1, height - 1):
            for c in range(width):
                image[r, c] = (
                    quarter * (scratch[r - 1, c] + scratch[r + 1, c]) + half * scratch[r, c]
                )
    total, square = 0.0, 0.0
    for r in range(height):
        for c in range(width):
            total += image[r, c]
            square += image[r, c] * image[r, c]
    mean = total / (width * height)
    return square / (width * height) - mean * mean
