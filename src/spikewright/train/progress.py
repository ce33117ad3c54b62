"""The progress of training: a table with one row per epoch, and a bar with what is left of the time."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from spikewright.train.history import Epoch
from spikewright.train.measure import Measure
from spikewright.units import show

WIDTH = 7
"""Least characters of a column."""


class Progress:
    """A Rich progress bar on the error stream, or nothing."""

    def __init__(self, shown: bool, total: int) -> None:
        self.bar: Any = None
        self.headed = False
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
            self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def row(self, number: int, epoch: Epoch, measures: Sequence[Measure] = ()) -> None:
        """Show a finished epoch as a row of the table."""
        cells = {
            "epoch": str(number),
            "loss": f"{epoch.loss:.4f}",
            "accuracy": f"{epoch.accuracy:.1%}",
            "spikes/sample": f"{epoch.spikes:.0f}",
        }
        if epoch.validation_loss is not None and epoch.validation_accuracy is not None:
            cells["val. loss"] = f"{epoch.validation_loss:.4f}"
            cells["val. accuracy"] = f"{epoch.validation_accuracy:.1%}"
        for measure in measures:
            if measure.name in epoch.measures:
                cells[measure.name] = show(epoch.measures[measure.name], measure.unit)
        widths = {name: max(WIDTH, len(name)) for name in cells}
        widths |= {m.name: max(len("-123 pJ"), len(m.name), len(m.unit) + 6) for m in measures}
        if not self.headed:
            self.say("  ".join(name.rjust(widths[name]) for name in cells))
            self.headed = True
        self.say("  ".join(cell.rjust(widths[name]) for name, cell in cells.items()))

    def show(self, done: int, *, epoch: str, loss: float, accuracy: float) -> None:
        """Show where training stands within an epoch."""
        if self.bar is None:
            return
        text = f"epoch {epoch}  loss {loss:.3f}  accuracy {accuracy:.1%}"
        self.bar.update(self.task, completed=done, text=text)
