"""Products of what populations send with weights, and which way each is calculated.

Three ways: spikes are gathered (cost: spikes x posts), oneDNN's product, or PyTorch's default one. The choice
follows from the share of entries that are not 0, which is counted while spikes are packed; a run says what was chosen
(`Run.products`).

Measured, one thread (docs/decisions/0010): where gathering beats oneDNN forward and for the weight gradient together.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.train.fused import bits


class Choice(enum.Enum):
    """How a product is calculated."""

    EVENTS = 0
    """Rows of weights are gathered, spike by spike."""
    DENSE = 1
    """A dense product over all time steps."""
    BFLOAT16 = 2
    """The same with operands rounded to bfloat16, where that was asked for: spikes stay exact, weights do not."""


UNCOUNTED = -1
"""Stands for the number of entries that are not 0 where it was not counted: on a GPU."""
DENSITY = 0.15
"""Share of entries that are not 0 up to which spikes are gathered.

Measured with layers of 128 to 1024, 8000 rows, one thread: the crossing is between 0.1 and 0.2
(`benchmarks/results/train_products.json`).
"""
HALF_DENSITY = 0.06
"""The same where the dense product may be in bfloat16: the crossing is between 0.05 and 0.1."""
ACTIVE_DENSITY = 0.1
"""Share of neurons with a slope up to which a gradient is calculated for them only."""


def count(x: Tensor, words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pack a tensor `T B K` as bits; return how many entries are not 0, and how many neither 0 nor 1."""
    steps, batch, n_pre = x.shape
    if x.stride(2) != 1 or min(x.stride()) < 0:
        x = x.contiguous()
    counted = np.zeros(2, np.int64)
    stride_t, stride_b = x.stride(0), x.stride(1)
    span = (steps - 1) * stride_t + (batch - 1) * stride_b + n_pre
    flat = x.as_strided((span,), (1,)).numpy()
    bits.pack(flat, batch, stride_t, stride_b, n_pre, 0, steps * batch, words, counted)
    return counted


def choose(counted: NDArray[np.int64], size: int, half: bool) -> Choice:
    """Return how the product of a counted tensor of `size` entries is calculated; `half`: bfloat16 may be used."""
    if not counted[1] and counted[0] <= (HALF_DENSITY if half else DENSITY) * size:
        return Choice.EVENTS
    return Choice.BFLOAT16 if half else Choice.DENSE


@cache
def _onednn() -> Any:
    """Return oneDNN's linear product, or None where this PyTorch has none."""
    try:
        return torch.ops.mkldnn._linear_pointwise.default
    except (AttributeError, RuntimeError):
        return None


def product(x: Tensor, weight: Tensor, choice: Choice) -> Tensor:
    """Return `x @ weight.T`, (rows, post), of x (rows, pre) and weight (post, pre)."""
    if choice is Choice.BFLOAT16:
        return (x.bfloat16() @ weight.t().bfloat16()).to(x.dtype)
    linear = _onednn()
    # oneDNN makes no product of nothing: of no rows, or of no columns, which is 0
    if linear is None or x.dtype != torch.float32 or not x.numel():
        return x @ weight.t()
    return linear(x.contiguous(), weight.contiguous(), None, "none", [], "")  # type: ignore[no-any-return]


def back_product(grad: Tensor, weight: Tensor, choice: Choice, mask: Tensor | None) -> Tensor:
    """Return `grad @ weight`, (rows, pre), of grad (rows, post) and weight (post, pre).

    Parameters
    ----------
    mask : T B pre, bytes: where the result counts; elsewhere it may be 0
    """
    if mask is not None:
        flat = mask.flatten(0, 1).numpy()
        if np.count_nonzero(flat) <= ACTIVE_DENSITY * flat.size:
            out = np.zeros(flat.shape, grad.numpy().dtype)
            rows = weight.t().contiguous().numpy()
            bits.masked_product(grad.contiguous().numpy(), rows, flat, out)
            return torch.from_numpy(out)
    return product(grad, weight.t(), choice)
