"""Progress of long work on recordings, on standard error."""

from __future__ import annotations

import sys
import time
from typing import Any

from spikewright.events.formats import Reader

PATIENCE = 0.5
"""s before progress is shown: what is done sooner needs none."""


class Meter:
    """How far a reading has come, on standard error where that is a terminal.

    Parameters
    ----------
    text : what is being done
    reader : whose place in its file is shown; None where only events can be counted
    shown : whether to show anything
    """

    def __init__(self, text: str, reader: Reader | None = None, *, shown: bool = True) -> None:
        self._text, self._reader = text, reader
        self._shown = shown and sys.stderr.isatty()
        self._since = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, events: int, *, done: float | None = None, total: float | None = None) -> None:
        """Say how many events were read, and where known, how much of the whole that is."""
        if not self._shown or time.monotonic() - self._since < PATIENCE:
            return
        if self._reader is not None and not self._reader.source.is_pipe:
            done, total = self._reader.source.at, self._reader.source.size
        if self._bar is None:
            self._begin()
        self._bar.update(
            self._task,
            completed=done or 0,
            total=total,
            events=f"{events:,} events" if events else "",
        )

    def watch(self, reader: Reader) -> None:
        """Say how far a reader has come that was opened elsewhere."""
        self._reader = reader
        self.at(0)

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = ("{task.description}", "{task.percentage:>3.0f}%", "{task.fields[events]}")
        texts = [TextColumn(column) for column in columns]
        self._bar = Progress(
            texts[0], BarColumn(), *texts[1:], TimeElapsedColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar.start()
        self._task = self._bar.add_task(self._text, total=None, events="")
