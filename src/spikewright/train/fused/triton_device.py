"""Which tensors go through the GPU's kernels. Imports no Triton."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import torch

from spikewright.errors import MissingExtra

INTERPRET = "SPIKEWRIGHT_INTERPRET"
"""Where this environment variable is 1, tensors on the CPU go through the GPU's kernels too, in Triton's interpreter:
slow, to check and debug kernels where there is no GPU."""


@cache
def is_installed() -> bool:
    """Return whether Triton is there."""
    return find_spec("triton") is not None


def takes(device: torch.device) -> bool:
    """Return whether tensors on a device go through the GPU's kernels."""
    if device.type == "cpu":
        return os.environ.get(INTERPRET) == "1"
    return device.type == "cuda" and is_installed()


def require(device: torch.device) -> None:
    """Raise where there are no multi-step kernels for a device.

    Raises
    ------
    MissingExtra : it is a GPU, or another device, and Triton is not there
    """
    if not is_fused(device):
        raise MissingExtra(f"neurons on {device.type!r}", "Triton", "gpu")


def is_fused(device: torch.device) -> bool:
    """Return whether there are multi-step kernels for a device."""
    return device.type == "cpu" or takes(device)
