"""Schedules: where they start, peak and end."""

from __future__ import annotations

import pytest

from spikewright.errors import TrainError
from spikewright.train import SGD, AdamW, Schedule


def test_schedules() -> None:
    assert {Schedule.CONSTANT.factor(k, 10) for k in range(10)} == {1.0}
    cosine = [Schedule.COSINE.factor(k, 100) for k in range(100)]
    assert cosine[0] == 1.0
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[-1] < 1e-3
    cycle = [Schedule.ONE_CYCLE.factor(k, 100) for k in range(100)]
    assert cycle[0] == pytest.approx(0.05)
    assert max(cycle) == pytest.approx(1.0)
    assert cycle.index(max(cycle)) in (19, 20)
    assert cycle[-1] < 2e-3


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_learning_rate(kind: type[AdamW]) -> None:
    with pytest.raises(TrainError, match=r"optimizer.lr: must be more than 0; found 0"):
        kind(lr=0.0)
