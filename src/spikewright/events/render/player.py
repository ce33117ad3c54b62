"""A recording played in the terminal: each character shows two pixels, one above the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents
from spikewright.events.render.colors import Scheme, scheme_of
from spikewright.events.render.film import Rendered
from spikewright.events.render.pictures import Given, Look, Picture, parts, pictures

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

UPPER_HALF = "\u2580"
LATE = 2
"""A picture that comes this many pictures too late is not drawn."""

BLIND = 0.5
"""Seconds after which one is drawn all the same."""


class Blocks:
    """A picture as characters, for rich to print.

    Parameters
    ----------
    rgb : uint8, H W 3
    caption : a line below, or nothing
    """

    def __init__(self, rgb: NDArray[np.uint8], caption: str = "") -> None:
        self.rgb, self.caption = rgb, caption

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        from rich.segment import Segment

        height = self.rgb.shape[0]
        upper = self.rgb[0::2]
        lower = self.rgb[1::2]
        for k in range(len(upper)):
            # below the last row of an odd number of rows there is nothing
            below = lower[k] if 2 * k + 1 < height else None
            yield from _line(upper[k], below)
            yield Segment.line()
        if self.caption:
            yield Segment(self.caption)
            yield Segment.line()


def _line(upper: NDArray[np.uint8], lower: NDArray[np.uint8] | None) -> Iterator[Segment]:
    """Give one line of characters, equal neighbors together."""
    from rich.color import Color
    from rich.segment import Segment
    from rich.style import Style

    pair = upper if lower is None else np.concatenate([upper, lower], axis=1)
    starts = np.flatnonzero(np.r_[True, (pair[1:] != pair[:-1]).any(axis=1)])
    ends = np.r_[starts[1:], len(pair)]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        above = Color.from_rgb(*upper[start].tolist())
        below = None if lower is None else Color.from_rgb(*lower[start].tolist())
        yield Segment(UPPER_HALF * (end - start), Style(color=above, bgcolor=below))


def fitted(width: int, height: int, columns: int, lines: int) -> tuple[int, int]:
    """Return the largest size of a picture that fits a terminal, in pixels, without growing it.

    Examples
    --------
    >>> fitted(640, 480, 80, 24)
    (64, 48)
    """
    factor = min(1.0, columns / width, 2 * lines / height)
    return max(1, int(width * factor)), max(1, int(height * factor))


def play(
    source: Given,
    *,
    console: Console | None = None,
    fps: float = 20.0,
    speed: float = 1.0,
    look: Look | None = None,
    colors: str | Scheme = "dark",
    start: int | None = None,
    stop: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Rendered:
    """Show a recording in the terminal, in its own time or slower; Ctrl-C ends it.

    Parameters
    ----------
    source : as for `pictures`
    console : of rich; None takes the terminal
    fps : float, Hz; pictures per second
    speed : float; seconds of the recording per second, below 1 for slow motion
    look : how pictures are made; a `size` of None is fitted to the terminal
    colors : name of a scheme, or one
    start, stop : us; None takes all of the recording
    clock, sleep : how time passes

    Returns
    -------
    Rendered : `pictures` are those that were drawn; too late ones are left out

    Raises
    ------
    EventError : a number is out of range, there is nothing to show, or the output is no terminal
    """
    from rich.console import Console
    from rich.live import Live

    console = Console() if console is None else console
    palette = scheme_of(colors).palette()
    if not console.is_terminal:
        raise EventError(
            explain(
                "play",
                "the output is no terminal",
                cure="write a film instead: spikewright events render",
            )
        )
    drawn = events = outside = made = 0
    with parts(source, start, stop) as chunks:
        film = _sized(chunks, console, fps, speed, look or Look())
        try:
            with Live(console=console, auto_refresh=False, transient=False) as live:
                began = seen = 0.0
                zero = 0
                for made, one in enumerate(film, start=1):
                    events, outside = events + one.events, outside + one.outside
                    now = clock()
                    if made == 1:
                        began, zero = now, one.t
                    ahead = began + (made - 1) / fps - now
                    if ahead < -LATE / fps:
                        if now - seen < BLIND:
                            continue
                        # even reading is too slow for this speed: go on from here
                        began -= ahead
                    if ahead > 0:
                        sleep(ahead)
                    rate = one.events * fps / speed
                    caption = f"{(one.t - zero) * 1e-6:.3f} s   {rate:,.0f} events/s"
                    live.update(Blocks(palette[one.index], caption), refresh=True)
                    seen = clock()
                    drawn += 1
        except KeyboardInterrupt:
            pass
    if made == 0:
        raise EventError(explain("play", "nothing to show", found="no events"))
    return Rendered(drawn, events, outside)


def _sized(
    chunks: Iterator[CameraEvents], console: Console, fps: float, speed: float, look: Look
) -> Iterator[Picture]:
    """Give pictures that fit the terminal; the first chunk says how large the sensor is."""
    first = next(chunks, None)
    if first is None:
        return
    if look.size is None and min(first.width, first.height) > 0:
        # one line for the caption, one for the prompt
        size = fitted(first.width, first.height, console.width, max(1, console.height - 2))
        look = replace(look, size=size)

    def all_of() -> Iterator[CameraEvents]:
        yield first
        yield from chunks

    yield from pictures(all_of(), fps=fps, speed=speed, look=look)
