"""Ctrl-C during training: the batch is finished, everything is saved, then the run ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spikewright.train.history import Trained


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C; nothing is lost.

    Parameters
    ----------
    trained : what there is so far, the network of the best finished epoch
    done, epochs : finished epochs, and all
    checkpoint : the file that the same call resumes from, or None
    """

    def __init__(self, trained: Trained, done: int, epochs: int, checkpoint: Path | None) -> None:
        self.trained, self.checkpoint = trained, checkpoint
        kept = (
            f"saved in {checkpoint} — run the same command again to go on from there"
            if checkpoint is not None
            else "the best network so far is in `.trained.network` of this exception — "
            "say checkpoint=FOLDER to be able to resume"
        )
        super().__init__(f"training: interrupted after {done} of {epochs} epochs; {kept}")


@contextmanager
def stop_requested(apart: float = 0.0) -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C was pressed; a second Ctrl-C stops at once.

    Outside the main thread, where signals cannot be caught, it never does.

    Parameters
    ----------
    apart : s; two signals that are closer than this are one Ctrl-C that came twice
    """
    asked, first = threading.Event(), 0.0
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    previous = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        nonlocal first
        if asked.is_set() and time.monotonic() - first >= apart:
            raise KeyboardInterrupt
        if not asked.is_set():
            first = time.monotonic()
        asked.set()

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
