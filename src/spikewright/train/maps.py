"""Topologies applied to PyTorch tensors; the same linear maps as `network.topology`, batched over time."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spikewright.network.compose import Compose
from spikewright.network.topology import (
    Dense,
    Flatten,
    OneToOne,
    Shape,
    Sparse,
    Topology,
)
from spikewright.network.windows import AvgPool, Conv, SumPool
from spikewright.train.conv import DENSITY, counted, event_conv, takes
from spikewright.train.fused.products import Choice
from spikewright.train.pool import sum_pool
from spikewright.train.precision import Precision

DENSE_ENTRIES = 2**20
"""A sparse map with at most this many (post, pre) pairs is multiplied as a dense matrix: faster for small ones."""

LAST_CHANNELS = 8
"""Images of at least this many channels are convolved with their channels last.

Measured, one thread, forward and both gradients: 32 to 64 channels, 512 images of 14 x 14: 53 ms against 85; in
bfloat16 27 against 35; 12 to 32 channels, 400 images of 15 x 15: 19 against 25; 2 channels: no gain.
"""


EVENT_DENSITY = 0.25 * DENSITY
"""Share of entries that are not 0 up to which a convolution adds patches: less than for `EventConv2d`, because what is
calculated here is copied, channels first, to where neurons have it."""


def apply(
    topology: Topology,
    x: Tensor,
    pre: Shape,
    weight: Tensor | None,
    precision: Precision = Precision.FULL,
    chosen: list[tuple[Choice, float]] | None = None,
) -> Tensor:
    """Return a topology's output `rows *out_shape` for an input `rows *pre`.

    Parameters
    ----------
    topology : the map
    x : tensor, rows *pre
    pre : shape of the source
    weight : takes the place of `topology.weight`; None: the topology's own
    precision : of dense products and convolutions; the result has the format of `x`
    chosen : to which a convolution of spikes adds how it was calculated, and their density
    """
    if weight is None and topology.weight is not None:
        weight = torch.as_tensor(np.array(topology.weight), dtype=x.dtype, device=x.device)
    match topology:
        case Compose():
            for part in topology.maps:
                own = weight if part.weight is not None and topology.weight is not None else None
                x = apply(part, x, pre, own, precision, chosen)
                pre = part.out_shape(pre)
            return x
        case Dense():
            return functional.linear(*precision.cast(x.reshape(len(x), -1), weight)).to(x.dtype)
        case OneToOne():
            return x * weight
        case Flatten():
            return x.reshape(len(x), *topology.out_shape(pre))
        case Conv():
            out = _conv(topology, *precision.cast(x, weight), chosen)
            return out.to(x.dtype, memory_format=torch.contiguous_format)
        case SumPool() | AvgPool() if len(topology.kernel) <= 2:
            return _pool(topology, x)
        case Sparse():
            return _sparse(topology, x.reshape(len(x), -1), weight)
    synapses = topology.synapses(pre)
    if weight is not None and np.all(synapses.entry >= 0):
        values = weight.reshape(-1)[torch.from_numpy(synapses.entry)]
    else:
        values = torch.as_tensor(synapses.weight, dtype=x.dtype, device=x.device)
    out = _gathered(
        synapses.source, synapses.target, values, x.reshape(len(x), -1), synapses.n_post
    )
    return out.reshape(len(x), *topology.out_shape(pre))


def _conv(
    topology: Conv, x: Tensor, weight: Tensor, chosen: list[tuple[Choice, float]] | None
) -> Tensor:
    flat = weight.ndim == 3
    stride, dilation, padding = topology.stride, topology.dilation, topology.padding
    by_events = False
    if not flat and topology.groups == 1 and x.numel() and takes(x, weight):
        count, by_events = counted(x, stride, EVENT_DENSITY)
        if chosen is not None:
            chosen.append((Choice.EVENTS if by_events else Choice.DENSE, count / x.numel()))
    even = all(before == after for before, after in padding)
    if not even:
        x = functional.pad(x, [p for pair in reversed(padding) for p in pair])
    pads = tuple(before for before, _ in padding) if even else (0,) * len(padding)
    if by_events:
        return event_conv(x, weight, stride, pads, dilation, math.inf)[0]  # type: ignore[no-any-return]
    convolve = functional.conv1d if flat else functional.conv2d
    if not flat and x.shape[1] >= LAST_CHANNELS and x.device.type == "cpu":
        x = x.contiguous(memory_format=torch.channels_last)
    return convolve(
        x, weight, stride=stride, padding=pads, dilation=dilation, groups=topology.groups
    )


def _pool(topology: SumPool | AvgPool, x: Tensor) -> Tensor:
    kernel, stride, padding = topology.kernel, topology.stride, topology.padding
    factor = topology.factor()
    is_tiled = (
        len(kernel) == 2 and kernel == stride and not any(p for pair in padding for p in pair)
    )
    if (
        is_tiled
        and x.numel()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
    ):
        summed = sum_pool(x, *kernel)
        return summed if factor == 1.0 else summed * factor
    if any(p for pair in padding for p in pair):
        x = functional.pad(x, [p for pair in reversed(padding) for p in pair])
    if len(kernel) == 1:
        x, kernel, stride = x.unsqueeze(-2), (1, *kernel), (1, *stride)
    summed = functional.avg_pool2d(x, kernel, stride, divisor_override=1)
    if len(topology.kernel) == 1:
        summed = summed.squeeze(-2)
    return summed if factor == 1.0 else summed * factor


def _sparse(topology: Sparse, x: Tensor, weight: Tensor | None) -> Tensor:
    source = np.repeat(np.arange(len(topology.start) - 1), np.diff(topology.start))
    return _gathered(source, np.asarray(topology.target), weight, x, topology.n_post)


def _gathered(
    source: np.ndarray, target: np.ndarray, values: Tensor, x: Tensor, n_post: int
) -> Tensor:
    n_pre = x.shape[1]
    if n_pre * n_post <= DENSE_ENTRIES:
        index = torch.from_numpy(target * n_pre + source).to(x.device)
        matrix = x.new_zeros(n_post * n_pre).index_add(0, index, values)
        return functional.linear(x, matrix.reshape(n_post, n_pre))
    index = torch.from_numpy(np.stack([target, source])).to(x.device)
    matrix = torch.sparse_coo_tensor(index, values, (n_post, n_pre), check_invariants=False)
    return torch.sparse.mm(matrix, x.t()).t()
