"""Training on a GPU: it learns, comes back from a checkpoint, and gives the same bits where that is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from spikewright.train import (
    Backpropagation,
    EarlyStopping,
    Gradient,
    Precision,
    Recomputed,
    Trained,
    train_digits,
)
from spikewright.train.determinism import WORKSPACE
from spikewright.train.distributed import Group

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]


def train(**changes: Any) -> Trained:
    return train_digits(**(dict(seed=1, epochs=3, progress=False, device="cuda") | changes))


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("gradient", [Backpropagation(), Recomputed()])
def test_learns(precision: Precision, gradient: Gradient) -> None:
    done = train(precision=precision, gradient=gradient)
    assert done.history[-1].validation_accuracy > 0.85


def test_resumes(tmp_path: Path) -> None:
    """With the optimizer's state on the GPU again."""

    def stop(epoch: int, _: Any) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=tmp_path, watch=stop)
    assert train(checkpoint=tmp_path).resumed_from == 1


@pytest.mark.skipif(os.environ.get(WORKSPACE) != ":4096:8", reason=f"{WORKSPACE} is not set")
def test_same_bits() -> None:
    first, second = (train(deterministic=True, stopping=EarlyStopping(2)) for _ in range(2))
    for n, p in first.network.projections.items():
        np.testing.assert_array_equal(
            p.topology.weight, second.network.projections[n].topology.weight
        )
    assert first.history == second.history


def test_gradients_travel_over_nccl(tmp_path: Path) -> None:
    """A group of one process: the backend is there, and a sum of one is what it was."""
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    try:
        group = Group()
        group.use(torch.device("cuda"))
        parameter = torch.nn.Parameter(torch.zeros(3, device="cuda"))
        parameter.grad = torch.arange(3.0, device="cuda")
        group.add_gradients([parameter])
        assert parameter.grad.tolist() == [0.0, 1.0, 2.0]
        assert dist.get_backend(group._fast) == "nccl"
        group.close()
    finally:
        dist.destroy_process_group()
