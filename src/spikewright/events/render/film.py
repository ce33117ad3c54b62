"""Pictures into files: mp4 through PyAV, gif and png through Pillow."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, FormatError, explain
from spikewright.events.render.colors import GROUND, Scheme, scheme_of
from spikewright.events.render.pictures import (
    Given,
    Look,
    number_of_pictures,
    picture,
    pictures,
)
from spikewright.events.synthesis.video import import_av
from spikewright.files import replacing

LONGEST = 100_000
"""Pictures of a film beyond which it is taken for a mistake: about an hour at 30 per second."""

GIF_FPS = 50
"""Pictures per second of a gif: browsers slow down what asks for more."""

QUALITY = "18"
"""Constant rate factor of H.264: about where a loss is not seen."""


@dataclass(frozen=True)
class Rendered:
    """What a film shows.

    Parameters
    ----------
    pictures : how many
    events : how many were in the recording, or the part of it
    outside : how many of these lie outside the sensor, and are not shown
    """

    pictures: int
    events: int
    outside: int


def render(
    source: Given,
    path: str | os.PathLike[str],
    *,
    fps: float = 30.0,
    speed: float = 1.0,
    look: Look | None = None,
    colors: str | Scheme = "dark",
    scale: int = 1,
    start: int | None = None,
    stop: int | None = None,
    longest: int = LONGEST,
    progress: Callable[[int, int | None], None] | None = None,
) -> Rendered:
    """Write a film of a recording, or one picture of it; whole or not at all, in constant memory.

    Parameters
    ----------
    source : as for `pictures`
    path : ending in .mp4, .gif, or .png for one picture of everything
    fps : float, Hz; pictures per second of the film
    speed : float; seconds of the recording per second of the film, below 1 for slow motion
    look : how pictures are made
    colors : name of a scheme, or one
    scale : pixels of the film per pixel of the picture, along each side
    start, stop : us; None takes all of the recording
    longest : pictures that the film may have
    progress : called with the pictures done and their number, None where only reading would tell

    Returns
    -------
    Rendered

    Raises
    ------
    EventError : a number is out of range, the film is too long, or there is nothing to show
    FormatError : the recording cannot be read, the film not be written, or `path` has another ending
    MissingExtra : an mp4, without PyAV
    """
    palette = scheme_of(colors).palette()
    if isinstance(scale, bool) or not isinstance(scale, int) or not 1 <= scale <= 64:
        raise EventError(
            explain("render: scale", "is out of range", found=scale, expected="1 to 64, whole")
        )
    kind = Path(path).suffix.lower()
    if kind == ".png":
        one = picture(source, look=look, start=start, stop=stop)
        with replacing(path) as temporary:
            _paletted(_scaled(one.index, scale), palette).save(temporary, format="PNG")
        if progress is not None:
            progress(1, 1)
        return Rendered(1, one.events, one.outside)
    if kind not in _FILMS:
        raise FormatError(
            explain(
                str(path), "is no film", found=repr(kind), expected=", ".join([*_FILMS, ".png"])
            )
        )
    total = number_of_pictures(source, fps=fps, speed=speed, start=start, stop=stop)
    if total is not None and total > longest:
        raise _too_long(path, total, longest)
    made = events = outside = 0
    with _FILMS[kind](path, fps, palette) as film:
        for one in pictures(source, fps=fps, speed=speed, look=look, start=start, stop=stop):
            if made >= longest:
                raise _too_long(path, f"more, at {one.t} us", longest)
            film.add(_scaled(one.index, scale))
            made, events, outside = made + 1, events + one.events, outside + one.outside
            if progress is not None:
                progress(made, total)
        if made == 0:
            raise EventError(explain("render", "nothing to show", found="no events"))
    return Rendered(made, events, outside)


def _too_long(path: str | os.PathLike[str], found: object, longest: int) -> EventError:
    return EventError(
        explain(
            f"render {path}",
            "the film is too long",
            found=found,
            expected=f"at most {longest} pictures",
            cure="give start and stop, a higher speed, or raise longest",
        )
    )


def _scaled(index: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    return index if scale == 1 else index.repeat(scale, axis=0).repeat(scale, axis=1)


def _paletted(index: NDArray[np.uint8], palette: NDArray[np.uint8]) -> Any:
    from PIL import Image

    image = Image.fromarray(index)
    image.putpalette(palette.tobytes())
    return image


class _Film(ABC):
    """A file that takes one picture after the other; it appears when the block ends well."""

    def __init__(
        self, path: str | os.PathLike[str], fps: float, palette: NDArray[np.uint8]
    ) -> None:
        self.path, self.fps, self.palette = Path(path), fps, palette
        self._stack = ExitStack()
        self._made = 0

    def __enter__(self) -> Self:
        self._temporary = self._stack.enter_context(replacing(self.path))
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            try:
                self.finish()
            except BaseException as failed:
                self._stack.__exit__(type(failed), failed, failed.__traceback__)
                raise
        self._stack.__exit__(*error)

    @abstractmethod
    def add(self, index: NDArray[np.uint8]) -> None:
        """Write one picture."""

    @abstractmethod
    def finish(self) -> None:
        """Write what comes after the last one."""


class _Mp4(_Film):
    """H.264 where the installed FFmpeg can make it, else MPEG-4 part 2."""

    def __enter__(self) -> Self:
        self._av = import_av("films in mp4")
        self._container: Any = None
        return super().__enter__()

    def add(self, index: NDArray[np.uint8]) -> None:
        height, width = index.shape
        # these codecs halve the resolution of color, so sides are even
        even = (height + height % 2, width + width % 2)
        if even != index.shape:
            padded = np.full(even, GROUND, np.uint8)
            padded[:height, :width] = index
            index = padded
        if self._container is None:
            self._open(*even)
        frame = self._av.VideoFrame.from_ndarray(self.palette[index], format="rgb24")
        frame.pts = self._made
        self._made += 1
        self._container.mux(self._video.encode(frame))

    def _open(self, height: int, width: int) -> None:
        self._container = self._stack.enter_context(
            self._av.open(str(self._temporary), "w", format="mp4")
        )
        rate = Fraction(self.fps).limit_denominator(1001)
        if "libx264" in self._av.codecs_available:
            options = {"crf": QUALITY, "preset": "veryfast"}
            self._video = self._container.add_stream("libx264", rate=rate, options=options)
        else:
            self._video = self._container.add_stream("mpeg4", rate=rate, options={"qscale": "3"})
        self._video.width, self._video.height = width, height
        self._video.pix_fmt = "yuv420p"

    def finish(self) -> None:
        if self._container is not None:
            self._container.mux(self._video.encode())


class _Gif(_Film):
    """Frame by frame, because Pillow's own way keeps all of them.

    Source
    ------
    CompuServe, "Graphics Interchange Format, version 89a", 1990: blocks of the header; the loop count is the
    application extension "NETSCAPE2.0"
    """

    def __enter__(self) -> Self:
        if not 0 < self.fps <= GIF_FPS:
            raise EventError(
                explain(
                    f"render {self.path}",
                    "too many pictures per second for a gif",
                    found=self.fps,
                    expected=f"at most {GIF_FPS}",
                )
            )
        super().__enter__()
        self._file = self._stack.enter_context(open(self._temporary, "wb"))
        return self

    def add(self, index: NDArray[np.uint8]) -> None:
        from PIL.GifImagePlugin import getdata

        height, width = index.shape
        if max(height, width) > 65535:
            raise FormatError(explain(str(self.path), "is too large for a gif", found=index.shape))
        if self._made == 0:
            # a global table of 256 colors, no aspect ratio, endless repetition
            self._file.write(b"GIF89a" + _word(width) + _word(height) + b"\xf7\x7f\x00")
            self._file.write(self.palette.tobytes().ljust(768, b"\0"))
            self._file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
        # hundredths of a second, rounded so that their sum stays true
        k = self._made
        delay = math.floor(100 * (k + 1) / self.fps + 0.5) - math.floor(100 * k / self.fps + 0.5)
        self._made += 1
        self._file.write(b"\x21\xf9\x04\x04" + _word(delay) + b"\x00\x00")
        for block in getdata(_paletted(index, self.palette)):
            self._file.write(block)

    def finish(self) -> None:
        if self._made:
            self._file.write(b"\x3b")
        self._file.close()


def _word(value: int) -> bytes:
    return value.to_bytes(2, "little")


_FILMS: dict[str, type[_Film]] = {".mp4": _Mp4, ".gif": _Gif}
