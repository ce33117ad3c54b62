"""The progress bar of training: loss, accuracy, spikes per sample, time left."""

from __future__ import annotations

from types import TracebackType
from typing import Any


class Progress:
    """A Rich progress bar on the error stream, or nothing."""

    def __init__(self, shown: bool, total: int) -> None:
        self.bar: Any = None
        if not shown:
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn("training"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.task = self.bar.add_task("training", total=total, text="")

    def __enter__(self) -> Progress:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def say(self, text: str) -> None:
        """Show a line above the bar."""
        if self.bar is not None:
            self.bar.console.print(text, markup=False, highlight=False)

    def show(
        self,
        done: int,
        *,
        epoch: str,
        loss: float,
        accuracy: float,
        spikes: float,
        validation: float | None,
    ) -> None:
        """Show where training stands."""
        if self.bar is None:
            return
        text = (
            f"epoch {epoch}  loss {loss:.3f}  accuracy {accuracy:.1%}  spikes/sample {spikes:.0f}"
        )
        if validation is not None:
            text += f"  validation {validation:.1%}"
        self.bar.update(self.task, completed=done, text=text)
