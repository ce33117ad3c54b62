"""What training tells: one Epoch after another, and what it ends with."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spikewright.network.graph import Network


@dataclass(frozen=True)
class Epoch:
    """One epoch of a history; losses are means per sample, accuracies shares, spikes per sample without inputs.

    `measures` holds, by name, what else was measured on the validation part, per sample.
    """

    loss: float
    accuracy: float
    spikes: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)


History = Sequence[Epoch]
"""Finished epochs, the first first."""


class Monitor(enum.Enum):
    """What early stopping and `Plateau` look at: of the validation part, or of training where there is none."""

    LOSS = "loss"
    ACCURACY = "accuracy"

    def score(self, epoch: Epoch) -> float:
        """Return a number that grows as training succeeds."""
        if self is Monitor.LOSS:
            return -(epoch.loss if epoch.validation_loss is None else epoch.validation_loss)
        return epoch.accuracy if epoch.validation_accuracy is None else epoch.validation_accuracy


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Parameters
    ----------
    network : with the weights of the best epoch
    history : one Epoch per epoch
    best : index of the best epoch: highest validation accuracy, then lowest validation loss; the last where
    there is none
    seed : what everything was drawn from
    fingerprint : of network, data and settings
    seconds : wall time of all epochs, of earlier runs too
    resumed_from : epochs that were found in the checkpoint, 0 for none
    was_loaded : whether training had already been finished
    checkpoint : the file, or None
    stopped_early : whether early stopping ended it before the last epoch
    """

    network: Network
    history: tuple[Epoch, ...]
    best: int
    seed: int
    fingerprint: str
    seconds: float
    resumed_from: int
    was_loaded: bool
    checkpoint: Path | None
    stopped_early: bool = False


def is_better(epoch: Epoch, best: Epoch) -> bool:
    """Return whether an epoch's weights are to be kept rather than an earlier one's."""
    if epoch.validation_accuracy is None or epoch.validation_loss is None:
        return True
    return (epoch.validation_accuracy, -epoch.validation_loss) > (
        best.validation_accuracy,
        -(best.validation_loss or 0.0),
    )
