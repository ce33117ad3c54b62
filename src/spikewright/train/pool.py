"""Pools of images of all time steps at once: the maximum, for networks of PyTorch's layers, and the sum.

As PyTorch's, values and gradients alike, but for a maximum little is kept for the backward pass: which entry of its
window it came from, one byte each, and not the images themselves; and windows that lie side by side are calculated side
by side.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikewright.engines.compiled import load
from spikewright.errors import TrainError, explain
from spikewright.train.fused.plan import each
from spikewright.train.images import empty, is_last, laid, pair


class Windows(NamedTuple):
    """Size, step and margin of windows, down and across."""

    high: int
    wide: int
    down: int
    across: int
    above: int
    beside: int

    def of(self, height: int, width: int) -> tuple[int, int]:
        """Return how many windows an image has, down and across."""
        return (
            (height + 2 * self.above - self.high) // self.down + 1,
            (width + 2 * self.beside - self.wide) // self.across + 1,
        )


class MaxPool(nn.Module):
    """The maximum over windows of images.

    Parameters
    ----------
    size, stride, padding : of windows, as in `torch.nn.MaxPool2d`; one number, or one down and one across

    Raises
    ------
    TrainError : a window of more than 255 entries, a stride below 1, padding of more than half a window

    Examples
    --------
    >>> import torch
    >>> MaxPool(2)(torch.zeros(5, 3, 4, 10, 10)).shape   # T B C H W
    torch.Size([5, 3, 4, 5, 5])
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        stride = size if stride is None else stride
        self.windows = windows = Windows(*pair(size), *pair(stride), *pair(padding))
        if min(windows.high, windows.wide, windows.down, windows.across) < 1 or (
            windows.high * windows.wide > 255
        ):
            raise TrainError(
                explain(
                    "MaxPool", "no such windows", found=f"size {size}, stride {stride}",
                    expected="both at least 1, and at most 255 entries in a window",
                )
            )  # fmt: skip
        if not (0 <= 2 * windows.above <= windows.high and 0 <= 2 * windows.beside <= windows.wide):
            raise TrainError(
                explain("MaxPool: padding", "is more than half a window", found=padding)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the maxima, `... C H' W'`, of images `... C H W`.

        Raises
        ------
        TrainError : images of fewer than four dimensions, or smaller than a window
        """
        if x.ndim < 4 or min(self.windows.of(*x.shape[-2:])) < 1 or not x.is_floating_point():
            raise TrainError(
                explain(
                    "MaxPool", "these are no images that a window fits in",
                    found=f"{tuple(x.shape)}, {x.dtype}", expected="floats, (..., C, H, W)",
                )
            )  # fmt: skip
        images = x.flatten(0, -4)
        if images.device.type == "cpu" and images.dtype in (torch.float32, torch.float64):
            made = max_pool(images, list(self.windows))[0]
        else:
            w = self.windows
            made = functional.max_pool2d(images, w[:2], w[2:4], w[4:])
        return made.unflatten(0, x.shape[:-3])

    def extra_repr(self) -> str:
        """Return the windows."""
        return ", ".join(f"{name}={value}" for name, value in self.windows._asdict().items())


# -- as an operator ----------------------------------------------------------------------------------


@torch.library.custom_op("spikewright::max_pool", mutates_args=())
def max_pool(images: Tensor, windows: list[int]) -> tuple[Tensor, Tensor]:
    """Return the maxima over windows, and their places in the windows."""
    shape = Windows(*windows)
    last = is_last(images)
    x = laid(images, last)
    y, place = _empty(x, shape, last, x.dtype), _empty(x, shape, last, torch.uint8)
    kernel = kernels(shape).forward_last if last else kernels(shape).forward
    _shared(kernel, _arrays(last, x, y, place))
    return y, place


@max_pool.register_fake
def _max_pool_fake(images: Tensor, windows: list[int]) -> tuple[Tensor, Tensor]:
    shape, last = Windows(*windows), is_last(images)
    return _empty(images, shape, last, images.dtype), _empty(images, shape, last, torch.uint8)


@torch.library.custom_op("spikewright::max_pool_backward", mutates_args=())
def max_pool_backward(
    grad: Tensor, place: Tensor, height: int, width: int, windows: list[int]
) -> Tensor:
    """Return the gradient of images of some height and width."""
    shape, last = Windows(*windows), is_last(place)
    made = empty(grad, (*grad.shape[:2], height, width), last, grad.dtype)
    kernel = kernels(shape).backward_last if last else kernels(shape).backward
    _shared(kernel, _arrays(last, laid(grad, last), place, made))
    return made


@max_pool_backward.register_fake
def _max_pool_backward_fake(
    grad: Tensor, place: Tensor, height: int, width: int, windows: list[int]
) -> Tensor:
    return empty(grad, (*grad.shape[:2], height, width), is_last(place), grad.dtype)


def _keep(ctx: Any, inputs: tuple[Tensor, list[int]], output: tuple[Tensor, Tensor]) -> None:
    images, ctx.windows = inputs
    ctx.height, ctx.width = images.shape[2:]
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1])


def _back(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
    (place,) = ctx.saved_tensors
    return max_pool_backward(grad, place, ctx.height, ctx.width, ctx.windows), None


max_pool.register_autograd(_back, setup_context=_keep)


def _empty(images: Tensor, windows: Windows, last: bool, kind: torch.dtype) -> Tensor:
    return empty(images, (*images.shape[:2], *windows.of(*images.shape[2:])), last, kind)


def _arrays(last: bool, *tensors: Tensor) -> list[Any]:
    """Return arrays `image H W` or, with channels last, `image H W C`."""
    if last:
        return [t.detach().permute(0, 2, 3, 1).numpy() for t in tensors]
    return [t.detach().flatten(0, 1).numpy() for t in tensors]


def _shared(kernel: Any, arrays: list[Any]) -> None:
    n = len(arrays[0])
    parts = max(1, min(torch.get_num_threads(), n))
    edges = [n * p // parts for p in range(parts + 1)]
    each(lambda p: kernel(edges[p], edges[p + 1], *arrays), parts)


# -- the sum -----------------------------------------------------------------------------------------


@torch.library.custom_op("spikewright::sum_pool", mutates_args=())
def sum_pool(images: Tensor, high: int, wide: int) -> Tensor:
    """Return the sums over windows that lie side by side; what is left at the edges counts nowhere."""
    x, shape = laid(images, False), _tiles(high, wide)
    made = _empty(x, shape, False, x.dtype)
    _shared(kernels(shape).sum_forward, _arrays(False, x, made))
    return made


@sum_pool.register_fake
def _sum_pool_fake(images: Tensor, high: int, wide: int) -> Tensor:
    return _empty(images, _tiles(high, wide), False, images.dtype)


@torch.library.custom_op("spikewright::sum_pool_backward", mutates_args=())
def sum_pool_backward(grad: Tensor, height: int, width: int, high: int, wide: int) -> Tensor:
    """Return the gradient of images of some height and width."""
    made = empty(grad, (*grad.shape[:2], height, width), False, grad.dtype)
    _shared(kernels(_tiles(high, wide)).sum_backward, _arrays(False, laid(grad, False), made))
    return made


@sum_pool_backward.register_fake
def _sum_pool_backward_fake(grad: Tensor, height: int, width: int, high: int, wide: int) -> Tensor:
    return empty(grad, (*grad.shape[:2], height, width), False, grad.dtype)


def _keep_size(ctx: Any, inputs: tuple[Tensor, int, int], output: Tensor) -> None:
    images, ctx.high, ctx.wide = inputs
    ctx.height, ctx.width = images.shape[2:]


def _back_sum(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    return sum_pool_backward(grad, ctx.height, ctx.width, ctx.high, ctx.wide), None, None


sum_pool.register_autograd(_back_sum, setup_context=_keep_size)


def _tiles(high: int, wide: int) -> Windows:
    return Windows(high, wide, high, wide, 0, 0)


# -- as loops ----------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def kernels(windows: Windows) -> Any:
    """Return the compiled loops for windows of a size."""
    names = ("HIGH", "WIDE", "DOWN", "ACROSS", "ABOVE", "BESIDE")
    sizes = "\n".join(f"{n} = {v}" for n, v in zip(names, windows, strict=True))
    tiles = (windows.high, windows.wide, 0, 0) == windows[2:]
    return load("max_pool", _HEAD + sizes + f"\nTILES = {tiles}\n" + _LOOPS)


_HEAD = '''"""Generated by Spikewright: maximum over windows of one size."""

import numpy as np
from numba import njit

'''

_LOOPS = """

BLOCK = 16  # windows side by side


@njit(nogil=True, error_model="numpy")
def tile(n, apart, start, row, column, to, x, y, place):
    # unsigned indices: nothing is counted from the end, so that windows are calculated side by side
    start, row, column, to = np.uint64(start), np.uint64(row), np.uint64(column), np.uint64(to)
    for k in range(n):
        window = start + np.uint64(k) * np.uint64(apart)
        best, where = x[window], np.int32(0)
        for a in range(HIGH):
            for b in range(WIDE):
                if a + b:
                    value = x[window + np.uint64(a) * row + np.uint64(b) * column]
                    is_more = (value > best) | (value != value)
                    best = value if is_more else best
                    where = np.int32(a * WIDE + b) if is_more else where
        y[to + np.uint64(k)] = best
        place[to + np.uint64(k)] = np.uint8(where)


@njit(nogil=True, error_model="numpy")
def whole(n, apart, start, row, column, to, end, size):
    # how many windows are calculated: what is beyond n is written over by those after it, where there are some
    more = (n + BLOCK - 1) // BLOCK * BLOCK
    furthest = start + (HIGH - 1) * row + (WIDE - 1) * column + more * apart
    return n if to + more > end or furthest > size else more


@njit(cache=True, nogil=True, error_model="numpy")
def forward(first, last, x, y, place):
    rows, columns = x.shape[1:]
    flat_x, flat_y, flat_place = x.reshape(-1), y.reshape(-1), place.reshape(-1)
    for m in range(first, last):
        if TILES:
            high, wide = y.shape[1:]
            for i in range(high):
                start, to = (m * rows + i * HIGH) * columns, (m * high + i) * wide
                n = whole(wide, WIDE, start, columns, 1, to, last * high * wide, x.size)
                tile(n, WIDE, start, columns, 1, to, flat_x, flat_y, flat_place)
            continue
        for i in range(y.shape[1]):
            best, where = y[m, i], place[m, i]
            best[:] = -np.inf
            for j in range(y.shape[2]):
                where[j] = max(0, ABOVE - i * DOWN) * WIDE + max(0, BESIDE - j * ACROSS)
            for a in range(HIGH):
                row = i * DOWN - ABOVE + a
                if row < 0 or row >= rows:
                    continue
                for b in range(WIDE):
                    begin = max(0, -((b - BESIDE) // ACROSS))
                    end = min(y.shape[2], (columns - 1 + BESIDE - b) // ACROSS + 1)
                    for j in range(begin, end):
                        value = x[m, row, j * ACROSS - BESIDE + b]
                        is_more = (value > best[j]) | (value != value)
                        best[j] = value if is_more else best[j]
                        where[j] = np.uint8(a * WIDE + b) if is_more else where[j]


@njit(cache=True, nogil=True, error_model="numpy")
def forward_last(first, last, x, y, place):
    rows, columns, n = x.shape[1:]
    flat_x, flat_y, flat_place = x.reshape(-1), y.reshape(-1), place.reshape(-1)
    for m in range(first, last):
        if TILES:
            high, wide = y.shape[1:3]
            for i in range(high):
                for j in range(wide):
                    start = ((m * rows + i * HIGH) * columns + j * WIDE) * n
                    to = ((m * high + i) * wide + j) * n
                    some = whole(n, 1, start, columns * n, n, to, last * high * wide * n, x.size)
                    tile(some, 1, start, columns * n, n, to, flat_x, flat_y, flat_place)
            continue
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                best, where = y[m, i, j], place[m, i, j]
                best[:] = -np.inf
                where[:] = max(0, ABOVE - i * DOWN) * WIDE + max(0, BESIDE - j * ACROSS)
                for a in range(HIGH):
                    row = i * DOWN - ABOVE + a
                    for b in range(WIDE):
                        column = j * ACROSS - BESIDE + b
                        if row < 0 or row >= rows or column < 0 or column >= columns:
                            continue
                        for k in range(n):
                            value = x[m, row, column, k]
                            is_more = (value > best[k]) | (value != value)
                            best[k] = value if is_more else best[k]
                            where[k] = np.uint8(a * WIDE + b) if is_more else where[k]


@njit(nogil=True, error_model="numpy")
def add(n, start, row, to, x, y):
    start, row, to = np.uint64(start), np.uint64(row), np.uint64(to)
    for k in range(n):
        window = start + np.uint64(k) * np.uint64(WIDE)
        total = x[window]
        for a in range(HIGH):
            for b in range(WIDE):
                if a + b:
                    total += x[window + np.uint64(a) * row + np.uint64(b)]
        y[to + np.uint64(k)] = total


@njit(nogil=True, error_model="numpy")
def give(n, start, to, grad, made):
    start, to = np.uint64(start), np.uint64(to)
    for k in range(n):
        g = grad[start + np.uint64(k)]
        for b in range(WIDE):
            made[to + np.uint64(k) * np.uint64(WIDE) + np.uint64(b)] = g


@njit(cache=True, nogil=True, error_model="numpy")
def sum_forward(first, last, x, y):
    rows, columns = x.shape[1:]
    high, wide = y.shape[1:]
    flat_x, flat_y = x.reshape(-1), y.reshape(-1)
    for m in range(first, last):
        for i in range(high):
            start, to = (m * rows + i * HIGH) * columns, (m * high + i) * wide
            n = whole(wide, WIDE, start, columns, 1, to, last * high * wide, x.size)
            add(n, start, columns, to, flat_x, flat_y)


@njit(cache=True, nogil=True, error_model="numpy")
def sum_backward(first, last, grad, made):
    zero = made.dtype.type(0)
    high, wide = grad.shape[1:]
    rows, columns = made.shape[1:]
    flat_grad, flat_made = grad.reshape(-1), made.reshape(-1)
    for m in range(first, last):
        for i in range(high):
            for a in range(HIGH):
                start, to = (m * high + i) * wide, (m * rows + i * HIGH + a) * columns
                give(wide, start, to, flat_grad, flat_made)
                flat_made[to + wide * WIDE : to + columns] = zero
        made[m, high * HIGH :] = zero


@njit(cache=True, nogil=True, error_model="numpy")
def backward(low, high, grad, place, made):
    zero = made.dtype.type(0)
    for m in range(low, high):
        made[m] = zero
        for i in range(grad.shape[1]):
            for j in range(grad.shape[2]):
                a, b = place[m, i, j] // WIDE, place[m, i, j] % WIDE
                made[m, i * DOWN - ABOVE + a, j * ACROSS - BESIDE + b] += grad[m, i, j]


@njit(cache=True, nogil=True, error_model="numpy")
def backward_last(low, high, grad, place, made):
    zero = made.dtype.type(0)
    for m in range(low, high):
        made[m] = zero
        for i in range(grad.shape[1]):
            for j in range(grad.shape[2]):
                for k in range(grad.shape[3]):
                    a, b = place[m, i, j, k] // WIDE, place[m, i, j, k] % WIDE
                    made[m, i * DOWN - ABOVE + a, j * ACROSS - BESIDE + b, k] += grad[m, i, j, k]
"""
