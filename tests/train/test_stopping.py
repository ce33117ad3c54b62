"""Early stopping: when it ends a run, and that a resumed run ends where an uninterrupted one does."""

from __future__ import annotations

import pytest

from spikewright.errors import TrainError
from spikewright.train import EarlyStopping, Epoch, Monitor


def history(*losses: float) -> list[Epoch]:
    return [Epoch(loss=0.0, accuracy=1.0, spikes=0.0, validation_loss=x, validation_accuracy=0.5)
            for x in losses]  # fmt: skip


def test_counts_from_the_best_epoch() -> None:
    stopping = EarlyStopping(patience=2)
    assert not stopping.is_over([])
    assert not stopping.is_over(history(1.0, 1.1))
    assert stopping.is_over(history(1.0, 1.1, 1.2))
    assert not stopping.is_over(history(1.0, 1.1, 0.9, 1.2))


def test_min_delta_is_what_counts_as_improvement() -> None:
    creeping = history(1.0, 0.99, 0.98, 0.97)
    assert not EarlyStopping(patience=2).is_over(creeping)
    assert EarlyStopping(patience=2, min_delta=0.05).is_over(creeping)
    # measured from the best so far, not from the epoch before: slow progress adds up
    assert not EarlyStopping(patience=4, min_delta=0.025).is_over(creeping)


def test_monitor() -> None:
    falling = history(1.0, 0.5, 0.25)
    assert not EarlyStopping(patience=2).is_over(falling)
    assert EarlyStopping(patience=2, monitor=Monitor.ACCURACY).is_over(falling)


def test_without_validation_the_training_part_counts() -> None:
    seen = [Epoch(loss=x, accuracy=a, spikes=0.0) for x, a in ((1.0, 0.1), (2.0, 0.2), (3.0, 0.3))]
    assert EarlyStopping(patience=2).is_over(seen)
    assert not EarlyStopping(patience=2, monitor=Monitor.ACCURACY).is_over(seen)


def test_a_loss_that_is_not_a_number_is_no_improvement() -> None:
    assert EarlyStopping(patience=2).is_over(history(1.0, float("nan"), float("nan")))


def test_messages() -> None:
    with pytest.raises(
        TrainError, match=r"EarlyStopping\(patience=\): must be at least 1; found 0"
    ):
        EarlyStopping(patience=0)
    with pytest.raises(TrainError, match=r"EarlyStopping\(min_delta=\): must be at least 0"):
        EarlyStopping(min_delta=float("nan"))
