"""Schedules: where they start, peak and end, and that they do what PyTorch's schedulers of the same kind do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from spikewright.errors import TrainError
from spikewright.train import (
    Constant,
    Cosine,
    Epoch,
    ExponentialDecay,
    Monitor,
    OneCycle,
    Plateau,
    Schedule,
    Staircase,
)


def factors(schedule: Schedule, steps: int = 100) -> list[float]:
    return [schedule.factor(k, steps) for k in range(steps)]


def torchs(make: Any, steps: int = 100) -> list[float]:
    """Return the learning rates of a PyTorch scheduler, for a rate of 1."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = make(optimizer)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_names_of_the_plain_ones() -> None:
    assert Constant() == Schedule.CONSTANT
    assert Cosine() == Schedule.COSINE
    assert OneCycle() == Schedule.ONE_CYCLE


def test_constant() -> None:
    assert set(factors(Constant())) == {1.0}


def test_cosine_is_pytorchs() -> None:
    found = factors(Cosine(end=0.1))
    want = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 100, eta_min=0.1))
    np.testing.assert_allclose(found, want, rtol=1e-9)
    assert factors(Cosine())[0] == 1.0
    assert factors(Cosine())[-1] < 1e-3


def test_warm_up() -> None:
    found = factors(Cosine(warm_up=0.1))
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10)
    assert found[10] == 1.0
    assert found[10:] == sorted(found[10:], reverse=True)
    assert found[-1] < 1e-3
    # what follows the warm-up is a cosine of the rest of the run
    np.testing.assert_allclose(found[10:], factors(Cosine(), 90), rtol=1e-9)


def test_one_cycle() -> None:
    cycle = factors(OneCycle())
    assert cycle[0] == pytest.approx(0.05)
    assert max(cycle) == pytest.approx(1.0)
    assert cycle.index(max(cycle)) in (19, 20)
    assert cycle[-1] < 2e-3
    raised = factors(OneCycle(rise=0.5, start=0.4))
    assert raised[0] == pytest.approx(0.4 + 0.6 / 50)
    assert raised.index(max(raised)) in (49, 50)


def test_staircase_is_pytorchs() -> None:
    found = factors(Staircase(at=(0.3, 0.8), drop=0.2))
    want = torchs(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [30, 80], gamma=0.2))
    np.testing.assert_allclose(found, want, rtol=1e-9)


def test_exponential_decay_is_pytorchs() -> None:
    found = factors(ExponentialDecay(end=0.01))
    want = torchs(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.01 ** (1 / 100)))
    np.testing.assert_allclose(found, want, rtol=1e-9)


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateau_is_pytorchs(patience: int) -> None:
    draw = np.random.default_rng(patience)
    losses = 1.0 / (1 + 0.1 * np.arange(40)) + 0.1 * draw.random(40)
    history = [Epoch(loss=9.0, accuracy=0.0, spikes=0.0, validation_loss=x) for x in losses]
    schedule = Plateau(patience=patience, drop=0.3, min_delta=0.02, least=1e-2)
    found = [schedule.factor(0, 1, history[:k]) for k in range(41)]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.3, patience=patience, threshold=0.02, threshold_mode="abs", min_lr=1e-2,
        eps=0.0,
    )  # fmt: skip
    want = [1.0]
    for loss in losses:
        scheduler.step(loss)
        want.append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(found, want, rtol=1e-12)
    assert found[-1] < 1.0


def test_plateau_looks_at_accuracy_where_told() -> None:
    """The loss falls, the accuracy does not rise."""
    history = [Epoch(loss=1.0 / (k + 1), accuracy=0.5, spikes=0.0) for k in range(4)]
    assert Plateau(patience=1).factor(0, 1, history) == 1.0
    assert Plateau(patience=1, monitor=Monitor.ACCURACY).factor(0, 1, history) == 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cosine(warm_up=1.0), r"Cosine\(warm_up=\): must be a share of the run; found 1.0"),
        (lambda: Cosine(end=1.5), r"Cosine\(end=\): must be a factor; found 1.5, expected 0 <="),
        (lambda: OneCycle(rise=-0.1), r"OneCycle\(rise=\): must be a share of the run"),
        (lambda: OneCycle(start=2.0), r"OneCycle\(start=\): must be a factor"),
        (lambda: Staircase(at=(0.8, 0.3)), r"Staircase\(at=\): must be shares of a run; found \(0.8"),
        (lambda: Staircase(drop=0.0), r"Staircase\(drop=\): must be a factor; found 0.0, expected 0 <"),
        (lambda: ExponentialDecay(0.0), r"ExponentialDecay\(end=\): must be a factor"),
        (lambda: Plateau(patience=-1), r"Plateau\(patience=\): must be at least 0; found -1"),
        (lambda: Plateau(min_delta=-0.1), r"Plateau\(min_delta=\): must be at least 0"),
        (lambda: Plateau(drop=float("nan")), r"Plateau\(drop=\): must be a factor; found nan"),
        (lambda: Plateau(least=2.0), r"Plateau\(least=\): must be a factor"),
    ],
)  # fmt: skip
def test_message(make: Any, message: str) -> None:
    with pytest.raises(TrainError, match=message):
        make()
