"""Ctrl-C during training: the batch is finished, everything is saved, then the run ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikewright.train.fit import Trained


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
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C was pressed; a second Ctrl-C stops at once.

    Outside the main thread, where signals cannot be caught, it never does.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    previous = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
