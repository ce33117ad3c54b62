"""What every verb says and how: results to standard output, everything else to standard error."""

from __future__ import annotations

import json as json_module
import os
from pathlib import Path
from typing import Any

import typer

FELL_SHORT, USAGE, INTERRUPTED = 1, 2, 130

JSON = typer.Option(
    False, "--json", help="Write the result as JSON to standard output, and nothing else there."
)
SEED = typer.Option(0, "--seed", help="Seed of everything that is drawn.")
DT = typer.Option(None, "--dt", help="With an NIR graph: seconds per step.")
PRECISION = typer.Option(
    "double", "--precision", help="double, equal to the reference bit for bit, or single: faster."
)
THREADS = typer.Option(
    None, "--threads", min=1, help="Threads; default: what the network is worth."
)
ENGINE = typer.Option("auto", "--engine", help="Engine; see `spikewright list engines`.")


def complain(text: str) -> None:
    """Write an error message to standard error."""
    typer.echo(f"spikewright: {text}", err=True)


def say(text: str) -> None:
    """Write a remark to standard error."""
    typer.echo(text, err=True)


def write(text: str) -> None:
    """Write a result to standard output."""
    typer.echo(text)


def write_json(data: Any) -> None:
    """Write a result as JSON to standard output."""
    from spikewright.report.result import plain

    typer.echo(json_module.dumps(plain(data), indent=2, allow_nan=False))


def write_table(table: Any) -> None:
    """Write a Rich table to standard output, as wide as it needs to be where that is no terminal."""
    import sys

    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=110, file=sys.stdout)
    console.print(table)


def cache_folder(chosen: Path | None, name: str) -> Path:
    """Return the folder for work that can be taken up again, and make it.

    It is `chosen`, else `name` in $SPIKEWRIGHT_CACHE, else in spikewright in the user's cache folder.
    """
    from spikewright.errors import UsageError, explain

    home = os.environ.get("SPIKEWRIGHT_CACHE")
    if chosen is None and home is None:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        home = str(Path(base) / "spikewright")
    folder = chosen if chosen is not None else Path(str(home)) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            explain(str(folder), f"cannot be made: {error.strerror}", cure="say another --cache")
        ) from error
    return folder


class Bars:
    """Stages of long work as a Rich progress bar on standard error."""

    def __init__(self, *, shown: bool = True) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = Console(stderr=True)
        self._shown = shown and self._console.is_terminal
        self._speaks = shown
        self._bar = Progress(
            TextColumn("{task.description:24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._shown,
        )
        self._task: Any = None

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def pause(self) -> None:
        """Take the bar away, for instance while another one is shown."""
        self._bar.stop()

    def stage(self, text: str, total: int) -> None:
        """Begin a stage."""
        self._task = self._bar.add_task(text, total=total)
        self._bar.start()
        if self._speaks and not self._shown:
            say(f"{text}: {total} parts")

    def advance(self, n: int = 1) -> None:
        """Say that `n` parts are done."""
        self._bar.start()
        self._bar.advance(self._task, n)

    def note(self, text: str) -> None:
        """Say something that stays."""
        if self._speaks:
            self._console.print(text, markup=False, highlight=False)
