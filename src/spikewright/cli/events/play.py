"""`spikewright events play`: a recording in the terminal, two pixels to a character."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from spikewright.cli.events.options import (
    CLOCK,
    FROM,
    READ,
    SOURCE_HELP,
    START,
    STOP,
    STRICT,
    complete_colors,
)

HOME, HIDE, SHOW, CLEAR, PLAIN = "\x1b[H", "\x1b[?25l", "\x1b[?25h", "\x1b[2J", "\x1b[0m"
UPPER = "▀"
LONGEST = 0.5
"""s without a new picture, where making them takes longer than showing them."""


def play(
    source: Path = typer.Argument(..., help=SOURCE_HELP),
    speed: float = typer.Option(1.0, "--speed", help="Seconds of the recording per second."),
    fps: float = typer.Option(20.0, "--fps", help="Pictures per second."),
    colors: str = typer.Option(
        "dark", "--colors", help="Color scheme.", autocompletion=complete_colors
    ),
    decay: str | None = typer.Option(
        None, "--decay", help="Let each pixel's last event fade with this time constant."
    ),
    start: str | None = START,
    stop: str | None = STOP,
    clock: str = CLOCK,
    from_: str | None = FROM,
    read: list[str] | None = READ,
    strict: bool = STRICT,
) -> None:
    """Show a recording in the terminal as it happened; Ctrl-C ends it."""
    from spikewright.cli.events.options import seconds
    from spikewright.cli.events.streams import (
        complain_of,
        end,
        reading,
        stretch_of,
        worth_telling,
    )
    from spikewright.errors import UsageError, explain
    from spikewright.events.render.colors import scheme_of
    from spikewright.events.render.pictures import Look, pictures

    if not sys.stdout.isatty():
        raise UsageError(
            explain(
                "play",
                "needs a terminal",
                cure="spikewright events render makes films and pictures",
            )
        )
    palette = scheme_of(colors).palette()
    with reading(source, format=from_, options=read, strict=strict) as reader:
        stretch = stretch_of(reader, start, stop, clock)
        shown = fitting(reader.header.width, reader.header.height, *os.get_terminal_size())
        look = Look(decay=seconds(decay, "--decay"), size=shown)
        film = pictures(
            reader, fps=fps, speed=speed, look=look, start=stretch.start, stop=stretch.stop
        )
        try:
            typer.echo(HIDE + CLEAR, nl=False)
            for one in on_time(film, 1 / fps):
                status = f"{one.t / 1e6:.3f} s  {one.events:,} events"
                typer.echo(
                    HOME + "\n".join(lines(one.index, palette)) + f"\n{status}\x1b[K", nl=False
                )
        finally:
            typer.echo(PLAIN + SHOW)
        found = worth_telling(reader)
    complain_of(str(source), found)
    end(found)


def fitting(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """Return the size of pictures that fill a terminal, keep the shape of the sensor, and leave a line for the time."""
    width, height = max(width, 1), max(height, 1)
    scale = min(columns / width, 2 * max(rows - 1, 1) / height)
    return max(int(width * scale), 1), max(int(height * scale) // 2 * 2, 2)


def on_time(film: Iterator[Any], period: float) -> Iterator[Any]:
    """Give pictures when they are due; those whose successor is due already are passed over, but not for long."""
    began = shown = 0.0
    for k, one in enumerate(film):
        now = time.monotonic()
        # the first picture waits for loading and reading, so time begins with it
        began = began if k else now
        wait = began + k * period - now
        if wait > 0:
            time.sleep(wait)
        if wait > -period or now - shown > LONGEST:
            yield one
            shown = time.monotonic()


def lines(index: Any, palette: Any) -> Iterator[str]:
    """Give the lines of a picture; the upper half of a character is one pixel, its background another."""
    for upper, lower in zip(index[0::2].tolist(), index[1::2].tolist(), strict=True):
        text, last = [], (-1, -1)
        for pair in zip(upper, lower, strict=True):
            if pair != last:
                (r, g, b), (s, h, c) = palette[pair[0]], palette[pair[1]]
                text.append(f"\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m")
                last = pair
            text.append(UPPER)
        yield "".join(text) + PLAIN
