"""How far a run is: steps, real-time factor, time left.

The real-time factor is seconds of computing per second of network time: below 1 is faster than the real thing. It is
that of the last seconds; the time left follows from it.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

WINDOW = 10.0
"""Seconds over which speed is measured."""
PAUSES = (2.0, 30.0)
"""Seconds before the first line and between lines where there is no terminal."""


class Progress:
    """Called with the number of steps done; shows a bar on a terminal, and a line now and then where there is none.

    Parameters
    ----------
    steps : steps of the run
    dt : s
    shown : False: show nothing
    stream : where to; default: standard error
    clock : seconds, for tests

    Examples
    --------
    >>> with Progress(100, 1e-3, shown=False) as progress:
    ...     progress(50)
    """

    def __init__(
        self,
        steps: int,
        dt: float,
        *,
        shown: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.steps, self.dt, self.shown = steps, dt, shown
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._bar: Any = None
        self._began = clock()
        self._said = self._began - PAUSES[1] + PAUSES[0]
        self._marks = deque([(self._began, 0)])

    def __enter__(self) -> Progress:
        self._began = self._clock()
        self._said = self._began - PAUSES[1] + PAUSES[0]
        self._marks = deque([(self._began, 0)])
        if self.shown and self._stream.isatty():
            self._bar = _bar(self.steps, self._stream)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __call__(self, done: int) -> None:
        """Show that `done` steps are done."""
        now = self._clock()
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > WINDOW:
            self._marks.popleft()
        if not self.shown:
            return
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, text=self.text(done))
        elif now - self._said >= PAUSES[1] or (done >= self.steps and self._said > self._began):
            self._said = now
            self._stream.write(f"{self.text(done)}\n")
            self._stream.flush()

    @property
    def factor(self) -> float | None:
        """Seconds of computing per second of network time, or None before the first steps."""
        (then, before), (now, done) = self._marks[0], self._marks[-1]
        return (now - then) / ((done - before) * self.dt) if done > before else None

    def text(self, done: int) -> str:
        """Return the line."""
        share = f"{done / self.steps:.0%}" if self.steps else "100%"
        line = f"{done} of {self.steps} steps ({share}), {done * self.dt:.4g} s"
        factor = self.factor
        if factor is None:
            return line
        left = factor * (self.steps - done) * self.dt
        return f"{line}, real-time factor {factor:.3g}, {_span(left)} left"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _bar(steps: int, stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        BarColumn(bar_width=24),
        TextColumn("{task.fields[text]}", markup=False),
        console=Console(file=stream),
        transient=False,
    )
    bar.add_task("run", total=steps, text="")
    return bar
