"""Early stopping: a function of the history alone, so that a resumed run stops where an uninterrupted one does."""

from __future__ import annotations

from dataclasses import dataclass

from spikewright.errors import Problems, TrainError
from spikewright.train.history import History, Monitor


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when there was no improvement for `patience` epochs; the weights of the best epoch are returned.

    Parameters
    ----------
    patience : epochs without improvement after which training ends
    min_delta : by how much the monitored number has to improve on the best so far to count
    monitor : what is looked at

    Examples
    --------
    >>> from spikewright.train import Epoch
    >>> falling, flat = Epoch(0.5, 0.9, 10.0), Epoch(0.51, 0.9, 10.0)
    >>> EarlyStopping(patience=2).is_over([falling, flat])
    False
    >>> EarlyStopping(patience=2).is_over([falling, flat, flat])
    True
    """

    patience: int = 5
    min_delta: float = 0.0
    monitor: Monitor = Monitor.LOSS

    def __post_init__(self) -> None:
        problems = Problems()
        if self.patience < 1:
            problems.add("EarlyStopping(patience=)", "must be at least 1", found=self.patience)
        if not self.min_delta >= 0.0:
            problems.add("EarlyStopping(min_delta=)", "must be at least 0", found=self.min_delta)
        problems.raise_as(TrainError)

    def is_over(self, history: History) -> bool:
        """Return whether training ends after these epochs."""
        best, waited = float("-inf"), 0
        for epoch in history:
            score = self.monitor.score(epoch)
            waited += 1
            if score > best + self.min_delta:
                best, waited = score, 0
            if waited >= self.patience:
                return True
        return False
