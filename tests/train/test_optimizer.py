"""Optimizers: what they refuse."""

from __future__ import annotations

import pytest

from spikewright.errors import TrainError
from spikewright.train import SGD, AdamW


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_learning_rate(kind: type[AdamW]) -> None:
    with pytest.raises(TrainError, match=r"optimizer.lr: must be more than 0; found 0"):
        kind(lr=0.0)
