"""`spikewright events cut`: a stretch of a recording."""

from __future__ import annotations

from pathlib import Path

import typer

from spikewright.cli.console import JSON
from spikewright.cli.events.options import (
    CLOCK,
    EVENTS_ONLY,
    FROM,
    LOSSY,
    QUIET,
    READ,
    SOURCE_HELP,
    START,
    STOP,
    STRICT,
    TARGET_HELP,
    TO,
    WRITE,
    ZERO,
)


def cut(
    source: Path = typer.Argument(..., help=SOURCE_HELP),
    target: Path = typer.Argument(..., help=TARGET_HELP),
    start: str | None = START,
    stop: str | None = STOP,
    clock: str = CLOCK,
    zero: bool = ZERO,
    from_: str | None = FROM,
    to: str | None = TO,
    read: list[str] | None = READ,
    write: list[str] | None = WRITE,
    lossy: bool = LOSSY,
    events_only: bool = EVENTS_ONLY,
    strict: bool = STRICT,
    quiet: bool = QUIET,
    json: bool = JSON,
) -> None:
    """Write a stretch of a recording. Of a file only what the stretch needs is read."""
    from spikewright.cli.events.convert import run
    from spikewright.errors import UsageError, explain

    if start is None and stop is None:
        raise UsageError(
            explain("cut", "needs --start, --stop or both", cure="--start 1s --stop 2s")
        )
    if zero and start is None:
        start = "0"  # times count from it
    run(
        source, target, from_=from_, to=to, read=read, write=write, lossy=lossy,
        events_only=events_only, strict=strict, quiet=quiet, json=json, word="cutting",
        start=start, stop=stop, clock=clock, zero=zero,
    )  # fmt: skip
