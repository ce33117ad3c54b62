"""The loops of a convolution of spikes: patches of weights that are added, and the gradients that are.

Weights are laid out `C, KH, KW * C'`, mirrored along the rows, and results `M, H', W' * C'`: with a stride and a
dilation of 1 the entries of one row of a patch then stand side by side in both, and are added at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from spikewright.train.fused.bits import find
from spikewright.train.fused.plan import each

LINE = 16
"""Numbers of a cache line, in single precision."""

_compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


def forward(
    images: Tensor,
    weight: Tensor,
    out: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
) -> None:
    """Write the convolution of images (M, C, H, W) into `out` (M, C', H', W'), channels innermost."""
    x, rows = images.detach().contiguous().flatten(2).numpy(), _mirrored(weight)
    to = out.detach().permute(0, 2, 3, 1).reshape(-1).numpy()
    sizes = (images.shape[3], len(weight), *weight.shape[2:], *out.shape[2:])
    _shared(len(x), lambda first, last, _: _visit(
        x, rows, to, True, first, last, *sizes, *stride, *padding, *dilation))  # fmt: skip


def weight_gradient(
    images: Tensor,
    weight: Tensor,
    grad: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
) -> Tensor:
    """Return the gradient (C', C, KH, KW) of the weights; `grad` (M, C', H', W') has its channels innermost."""
    x, g = (
        images.detach().contiguous().flatten(2).numpy(),
        grad.permute(0, 2, 3, 1).reshape(-1).numpy(),
    )
    n_out, n_in, high, wide = weight.shape
    parts = max(1, min(torch.get_num_threads(), len(x)))
    totals = np.zeros((parts, n_in * high * wide * n_out), x.dtype)
    sizes = (images.shape[3], n_out, high, wide, *grad.shape[2:])
    _shared(len(x), lambda first, last, p: _visit(
        x, totals[p], g, False, first, last, *sizes, *stride, *padding, *dilation))  # fmt: skip
    total = torch.from_numpy(totals.sum(0)).view(n_in, high, wide, n_out)
    return total.flip(2).permute(3, 0, 1, 2).contiguous()


def _mirrored(weight: Tensor) -> Any:
    return weight.detach().flip(3).permute(1, 2, 3, 0).reshape(-1).numpy()


def _shared(n: int, part: Any) -> None:
    parts = max(1, min(torch.get_num_threads(), n))
    edges = [n * p // parts for p in range(parts + 1)]
    each(lambda p: part(edges[p], edges[p + 1], p), parts)


@_compiled
def _add(to, i, n, of, j, value):  # type: ignore[no-untyped-def]
    # unsigned indices are not looked at from the end; arrays are not sliced, which would count references
    i, j = np.uint64(i), np.uint64(j)
    for k in range(np.uint64(n)):
        to[i + k] += value * of[j + k]


@_compiled
def _visit(x, patch, image, is_forward, first, last, pixels, n_out, high, wide, rows, columns, down, across,
           above, beside, tall, apart):  # type: ignore[no-untyped-def]  # fmt: skip
    """Visit the spikes of images [first, last); forward, add patches of weights to `image`, else of `image` to `patch`.

    Parameters
    ----------
    x : M, C, H * W
    pixels : W
    patch : flat C, KH, KW * C', mirrored
    image : flat M, H', W' * C'
    """
    found = np.empty(x.shape[2], np.int64)
    size = rows * columns * n_out
    touched = image.dtype.type(0)
    for m in range(first, last):
        if is_forward:
            image[m * size : (m + 1) * size] = 0
        else:
            # in order, a cache line at a time: spikes would fetch the same lines here and there, and wait
            for q in range(np.uint64(m * size), np.uint64((m + 1) * size), np.uint64(LINE)):
                touched += image[q]
        for c in range(x.shape[1]):
            for e in range(find(x[m, c], found)):
                value, i = x[m, c, found[e]], found[e] // pixels
                j = found[e] - i * pixels
                for k in range(high):
                    at = i + above - k * tall
                    if at < 0 or at % down or at // down >= rows:
                        continue
                    of = (c * high + k) * wide * n_out
                    to = (m * rows + at // down) * columns * n_out
                    if across == 1 and apart == 1:
                        begin = j + beside - wide + 1
                        low = max(0, -begin)
                        n = (min(wide, columns - begin) - low) * n_out
                        if n > 0:
                            if is_forward:
                                _add(
                                    image,
                                    to + (begin + low) * n_out,
                                    n,
                                    patch,
                                    of + low * n_out,
                                    value,
                                )
                            else:
                                _add(
                                    patch,
                                    of + low * n_out,
                                    n,
                                    image,
                                    to + (begin + low) * n_out,
                                    value,
                                )
                        continue
                    for q in range(wide):
                        where = j + beside - q * apart
                        if where < 0 or where % across or where // across >= columns:
                            continue
                        a, b = of + (wide - 1 - q) * n_out, to + where // across * n_out
                        if is_forward:
                            _add(image, b, n_out, patch, a, value)
                        else:
                            _add(patch, a, n_out, image, b, value)
    return touched
