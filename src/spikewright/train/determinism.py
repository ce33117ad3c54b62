"""PyTorch's deterministic algorithms, for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from spikewright.errors import TrainError, explain

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def deterministic_algorithms(wanted: bool, device: torch.device) -> Iterator[None]:
    """Let PyTorch use only algorithms that give the same bits each time, or raise where it has none.

    Raises
    ------
    TrainError : products on a GPU were not prepared for it

    Source
    ------
    docs.pytorch.org, "Reproducibility" and `torch.use_deterministic_algorithms`: cuBLAS reads its variable when it
    starts, so that a program has to be started with it.
    """
    if not wanted:
        yield
        return
    if device.type == "cuda" and os.environ.get(WORKSPACE) not in (":4096:8", ":16:8"):
        raise TrainError(
            explain(
                "fit(deterministic=True)",
                f"products on a GPU need the environment variable {WORKSPACE}",
                found=os.environ.get(WORKSPACE),
                expected=":4096:8",
                cure=f"start Python with {WORKSPACE}=:4096:8",
            )
        )
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    tuned = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        torch.backends.cudnn.benchmark = tuned
