"""Color schemes: what ON, OFF and silence look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain

GROUND = 127
"""Grey level, in an index image, of a pixel with nothing to show."""

LEVELS = 255
"""Grey levels of an index image: 0 the strongest OFF, 254 the strongest ON."""

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Scheme:
    """Three colors, and everything between them.

    Parameters
    ----------
    on, off, ground : red, green, blue, 0 to 255
    """

    on: Color
    off: Color
    ground: Color

    def palette(self) -> NDArray[np.uint8]:
        """Return the color of each grey level: 255 3.

        Examples
        --------
        >>> SCHEMES["light"].palette()[[0, 127, 254]].tolist()
        [[208, 47, 35], [255, 255, 255], [28, 83, 196]]
        """
        ground = np.array(self.ground, float)
        part = np.linspace(0, 1, GROUND + 1)[:, None]
        up = ground + (np.array(self.on, float) - ground) * part
        down = ground + (np.array(self.off, float) - ground) * part
        palette: NDArray[np.uint8] = np.rint(np.concatenate([down[:0:-1], up])).astype(np.uint8)
        return palette


SCHEMES: dict[str, Scheme] = {
    "dark": Scheme(on=(255, 255, 255), off=(86, 156, 255), ground=(30, 37, 52)),
    "light": Scheme(on=(28, 83, 196), off=(208, 47, 35), ground=(255, 255, 255)),
    "grey": Scheme(on=(255, 255, 255), off=(0, 0, 0), ground=(127, 127, 127)),
    "fire": Scheme(on=(255, 208, 96), off=(200, 40, 120), ground=(0, 0, 0)),
    "traffic": Scheme(on=(0, 230, 90), off=(255, 40, 40), ground=(0, 0, 0)),
}
"""Name -> colors. No scheme but the last asks to tell red from green."""


def scheme_of(colors: str | Scheme) -> Scheme:
    """Return a scheme by its name.

    Raises
    ------
    EventError : no such scheme
    """
    if isinstance(colors, Scheme):
        return colors
    if colors not in SCHEMES:
        raise EventError(
            explain(
                "render: colors", "no such scheme", found=repr(colors), expected=", ".join(SCHEMES)
            )
        )
    return SCHEMES[colors]
