"""What spikes bring that arrive after different delays: a convolution over time.

    out[t, b, i] = sum_l sum_j w[j, l, i] x[t + n - 1 - l, b, j]

x begins n - 1 steps before the first result. Either oneDNN's convolution, or spike by spike: the weights of a source
lie in one piece (n, N), as do the arrivals of n steps, so a spike adds one block to another, whatever the delays are.
The gradient of the weights adds blocks of the gradient, at the same places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional

from spikewright.train.fused.plan import each
from spikewright.train.fused.products import Choice
from spikewright.train.precision import Precision

DENSITY = 0.17
"""Share of entries that are not 0 up to which spikes are visited one by one. Measured: beyond 0.14 to 0.23, as the
shape is, oneDNN's convolution is faster (`benchmarks/train/delayed_products.py`)."""

_contracted: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


def convolve(
    x: Tensor, weight: Tensor, precision: Precision = Precision.FULL
) -> tuple[Tensor, tuple[Choice, float]]:
    """Return what arrives, and how it was calculated: the choice, and the share of entries that are not 0.

    Parameters
    ----------
    x : T+n-1 B K, what was sent
    weight : K n N, by source, delay and target
    precision : of a dense product

    Returns
    -------
    Tensor : T B N
    """
    density = float(torch.count_nonzero(x)) / x.numel()
    if x.device.type == "cpu" and density <= DENSITY:
        return _ByEvents.apply(x, weight), (Choice.EVENTS, density)
    is_half = precision is Precision.BFLOAT16
    return _dense(x, weight, precision), (Choice.BFLOAT16 if is_half else Choice.DENSE, density)


def _dense(x: Tensor, weight: Tensor, precision: Precision) -> Tensor:
    kernel = weight.permute(2, 0, 1).flip(-1)
    found = functional.conv1d(*precision.cast(x.permute(1, 2, 0), kernel))
    return found.permute(2, 0, 1).to(x.dtype)


class _ByEvents(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, weight)
        steps = len(x) - weight.shape[1] + 1
        out = x.new_empty((steps, x.shape[1], weight.shape[2]))
        arrays = (_array(x), _array(weight), out.numpy())

        def part(low: int, high: int) -> None:
            _arrive(low, high, *arrays)

        _shared(part, x.shape[1])
        return out

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        x, weight = ctx.saved_tensors
        n_pre, n, _ = weight.shape
        back_x = back_weight = None
        if ctx.needs_input_grad[1]:
            back_weight = torch.zeros_like(weight, memory_format=torch.contiguous_format)
            arrays = (_array(x), _array(grad), back_weight.numpy())

            def part(low: int, high: int) -> None:
                _learn(low, high, *arrays)

            _shared(part, n_pre)
        if ctx.needs_input_grad[0]:
            late = grad.permute(1, 2, 0)
            back_x = functional.conv1d(late, weight.permute(0, 2, 1), padding=n - 1)
            back_x = back_x.permute(2, 0, 1)
        return back_x, back_weight


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _shared(part: Any, size: int) -> None:
    """Run a kernel on ranges, shared out over as many threads as PyTorch has."""
    parts = max(1, min(torch.get_num_threads(), size))
    edges = [size * p // parts for p in range(parts + 1)]
    each(lambda p: part(edges[p], edges[p + 1]), parts)


@_contracted
def _arrive(low, high, x, weight, out):  # type: ignore[no-untyped-def]
    """Write what arrives in samples [low, high)."""
    n_rows, _, n_pre = x.shape
    _, n, n_post = weight.shape
    size = n * n_post
    # n - 1 rows more on either side, of which nothing is kept, spare every spike a look at where time ends
    total = np.empty((n_rows + n - 1) * n_post, x.dtype)
    for b in range(low, high):
        total[:] = 0
        for s in range(n_rows):
            into = total[s * n_post : s * n_post + size]
            for j in range(n_pre):
                value = x[s, b, j]
                if value != 0:
                    row = weight[j].reshape(size)
                    for i in range(size):
                        into[i] += value * row[i]
        for t in range(out.shape[0]):
            begin = (t + n - 1) * n_post
            for i in range(n_post):
                out[t, b, i] = total[begin + i]


@_contracted
def _learn(low, high, x, grad, total):  # type: ignore[no-untyped-def]
    """Add the gradient of the weights of sources [low, high) to `total`, K n N."""
    n_rows, n_batch, _ = x.shape
    _, n, n_post = total.shape
    size = n * n_post
    padded = np.zeros((n_rows + n - 1) * n_post, x.dtype)
    for b in range(n_batch):
        for t in range(grad.shape[0]):
            begin = (t + n - 1) * n_post
            for i in range(n_post):
                padded[begin + i] = grad[t, b, i]
        for s in range(n_rows):
            row = padded[s * n_post : s * n_post + size]
            for j in range(low, high):
                value = x[s, b, j]
                if value != 0:
                    into = total[j].reshape(size)
                    for i in range(size):
                        into[i] += value * row[i]
