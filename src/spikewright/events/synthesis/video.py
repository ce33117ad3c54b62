"""Video files as frames of grey, and as the events that a camera would see of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, FormatError, MissingExtra, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.synthesis.emulator import Emulator
from spikewright.events.synthesis.pixel import PixelModel

LARGEST_FRAME = 2**27
"""Pixels of a frame beyond which a file is taken for damaged or hostile."""


def read_video(
    path: str | os.PathLike[str], *, size: tuple[int, int] | None = None
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Give the frames of a video as grey, one at a time.

    Parameters
    ----------
    path : of any file that FFmpeg reads
    size : width, height to scale to, by averaging; None keeps that of the file

    Yields
    ------
    float, s, uint8 H W : time of a frame from the first one on, and its light

    Raises
    ------
    MissingExtra : PyAV is not installed
    FormatError : no such file, no video in it, or damaged
    """
    av = import_av("video files")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise FormatError(explain(str(path), "has no video"))
            yield from _frames(str(path), container, size)
    except (OSError, av.error.FFmpegError) as error:
        raise FormatError(
            explain(str(path), "cannot be read as a video", found=str(error) or type(error))
        ) from error


def _frames(
    path: str, container: Any, size: tuple[int, int] | None
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    video = container.streams.video[0]
    period = 1 / float(video.average_rate or 25)
    first = 0.0
    for k, frame in enumerate(container.decode(video)):
        if frame.width * frame.height > LARGEST_FRAME:
            raise FormatError(
                explain(
                    path,
                    "frames are too large",
                    found=f"{frame.width} x {frame.height}",
                    expected=f"at most {LARGEST_FRAME} pixels",
                )
            )
        t = k * period if frame.time is None else float(frame.time)
        first = t if k == 0 else first
        width, height = size or (frame.width, frame.height)
        grey = frame.reformat(width=width, height=height, format="gray", interpolation="AREA")
        yield t - first, grey.to_ndarray()


def video_events(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    model: PixelModel | None = None,
    seed: int,
    progress: Callable[[int, int | None], None] | None = None,
) -> Iterator[CameraEvents]:
    """Give the events that a camera would see of a video, frame by frame; memory holds one frame.

    Parameters
    ----------
    path : of any file that FFmpeg reads
    size : width, height of the sensor; None takes that of the video
    model : of the pixels
    seed : of everything that is drawn at random
    progress : called with the frames done and their number, None where the file does not say it

    Yields
    ------
    CameraEvents : sorted in time

    Raises
    ------
    MissingExtra, FormatError : as for `read_video`
    EventError : `size` is no size
    """
    if size is not None and min(size) < 1:
        raise EventError(
            explain("synthesis: size", "is no size", found=size, expected="width, height, >= 1")
        )
    total = count_frames(path) if progress is not None else None
    camera = Emulator(model, seed=seed)
    for k, (t, frame) in enumerate(read_video(path, size=size), start=1):
        yield camera(frame, t)
        if progress is not None:
            progress(k, total)


def count_frames(path: str | os.PathLike[str]) -> int | None:
    """Return how many frames a video says it has; None where it does not say."""
    av = import_av("video files")
    try:
        with av.open(str(path)) as container:
            said = int(container.streams.video[0].frames) if container.streams.video else 0
    except (OSError, av.error.FFmpegError) as error:
        raise FormatError(
            explain(str(path), "cannot be read as a video", found=str(error) or type(error))
        ) from error
    return said or None


def import_av(what: str) -> Any:
    """Return PyAV, with its own log silenced; what goes wrong is raised."""
    try:
        import av
    except ImportError:
        raise MissingExtra(what, "PyAV", "video") from None
    return av


def is_video(path: str | os.PathLike[str]) -> bool:
    """Tell by its name whether a file holds a video."""
    return Path(path).suffix.lower() in {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".gif"}
