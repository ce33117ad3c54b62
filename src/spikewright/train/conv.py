"""Convolution of spikes: each spike adds the patch of weights around it, or all pixels are multiplied.

Adding costs as much as there are spikes, so it wins where images are nearly empty, as an event camera's are: forward
and for the gradient of the weights. The gradient of the images, which the first layer does not need, is dense. What is
done is chosen by the share of entries that are not 0, which is counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spikewright.errors import TrainError, explain
from spikewright.train.fused.products import Choice
from spikewright.train.images import empty, is_last, laid, pair

DENSITY = 0.08
"""Share of entries that are not 0 up to which patches are added; with strides, of one in so many pixels.

Measured with one thread, forward and gradient of weights together: `benchmarks/results/train_convolutions.json`.
"""


class EventConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` for spikes of all time steps: `T B C H W` or `M C H W`, with the same arguments.

    The result lies in memory with its channels innermost, as `Neurons` and `MaxPool` take it without a copy. Where
    images are on another device, groups are more than one, or padding is no zeros, it is PyTorch's convolution.

    Attributes
    ----------
    chosen : (Choice, share of entries that were not 0) of the last call, or None

    Examples
    --------
    >>> import torch
    >>> layer = EventConv2d(2, 12, 5)
    >>> layer((torch.rand(10, 4, 2, 34, 34) < 0.02).float()).shape
    torch.Size([10, 4, 12, 30, 30])
    >>> layer.chosen[0].name
    'EVENTS'
    """

    chosen: tuple[Choice, float] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution, `... C' H' W'`, of images `... C H W`.

        Raises
        ------
        TrainError : images of fewer than four dimensions, or other images than the weights are for
        """
        if x.ndim < 4:
            raise TrainError(
                explain("EventConv2d", "these are no images", found=tuple(x.shape), expected="(..., C, H, W)")
            )  # fmt: skip
        images = x.flatten(0, -4)
        is_plain = self.groups == 1 and self.padding_mode == "zeros"
        self.chosen = None
        if is_plain and not isinstance(self.padding, str) and takes(images, self.weight):
            made, how = event_conv(
                images, self.weight, pair(self.stride), pair(self.padding), pair(self.dilation), DENSITY
            )  # fmt: skip
            if not torch.compiler.is_compiling():
                self.chosen = said(how, images)
            if self.bias is not None:
                made = made + self.bias[:, None, None]
        else:
            made = super().forward(images)
        return made.unflatten(0, x.shape[:-3])


def event_conv2d(
    images: Tensor,
    weight: Tensor,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Tensor:
    """Return the convolution of spikes, images `M C H W`, as `torch.nn.functional.conv2d` does; see `EventConv2d`.

    Raises
    ------
    TrainError : images that the weights are not for
    """
    if not takes(images, weight):
        return functional.conv2d(images, weight, None, stride, padding, dilation)
    return event_conv(images, weight, pair(stride), pair(padding), pair(dilation), DENSITY)[0]  # type: ignore[no-any-return]


def takes(images: Tensor, weight: Tensor) -> bool:
    """Return whether there are loops for images and weights."""
    kinds = (torch.float32, torch.float64)
    return images.device.type == "cpu" and images.dtype in kinds and weight.dtype == images.dtype


def counted(images: Tensor, stride: Sequence[int], density: float) -> tuple[int, bool]:
    """Return how many entries are not 0, and whether they are few enough to add patches for them."""
    count = int(np.count_nonzero(images.detach().numpy()))
    return count, count <= density * images.numel() / math.prod(stride)


def said(how: Tensor, images: Tensor) -> tuple[Choice, float]:
    """Return what was chosen, and the share of entries that are not 0."""
    count, by_events = how.tolist()
    return Choice.EVENTS if by_events else Choice.DENSE, count / max(images.numel(), 1)


# -- as an operator ----------------------------------------------------------------------------------


@torch.library.custom_op("spikewright::event_conv", mutates_args=())
def event_conv(
    images: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    density: float,
) -> tuple[Tensor, Tensor]:
    """Return the convolution, channels innermost, and (number of entries that are not 0, whether they were added)."""
    found = counted(images, stride, density)
    how = torch.tensor(found)
    if not found[1]:
        out = functional.conv2d(laid(images, True), weight, None, stride, padding, dilation)
        return laid(out, True), how
    out = empty(images, _size(images, weight, stride, padding, dilation), True, images.dtype)
    _loops().forward(images, weight, out, stride, padding, dilation)
    return out, how


@event_conv.register_fake
def _event_conv_fake(
    images: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    density: float,
) -> tuple[Tensor, Tensor]:
    size = _size(images, weight, stride, padding, dilation)
    return empty(images, size, True, images.dtype), torch.empty(2, dtype=torch.int64)


@torch.library.custom_op("spikewright::event_conv_backward", mutates_args=())
def event_conv_backward(
    images: Tensor,
    weight: Tensor,
    grad: Tensor,
    how: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    wanted: list[bool],
) -> list[Tensor]:
    """Return the gradients that are wanted, of images and of weights; `how` as from `event_conv`."""
    by_events, grad = bool(how[1]), laid(grad, True)
    dense = torch.ops.aten.convolution_backward(
        grad, laid(images, True), weight, None, stride, padding, dilation, False, [0, 0], 1,
        [wanted[0], wanted[1] and not by_events, False],
    )  # fmt: skip
    found = [laid(dense[0], is_last(images))] if wanted[0] else []
    if wanted[1] and by_events:
        found.append(_loops().weight_gradient(images, weight, grad, stride, padding, dilation))
    elif wanted[1]:
        found.append(dense[1].contiguous())
    return found


@event_conv_backward.register_fake
def _event_conv_backward_fake(
    images: Tensor,
    weight: Tensor,
    grad: Tensor,
    how: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    wanted: list[bool],
) -> list[Tensor]:
    both = zip((images, weight), wanted, strict=True)
    return [
        torch.empty(x.shape, dtype=x.dtype, device=x.device) for x, is_wanted in both if is_wanted
    ]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    images, weight, ctx.stride, ctx.padding, ctx.dilation, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(images, weight, output[1])


def _back(ctx: Any, grad: Tensor, _: Tensor) -> Any:
    images, weight, how = ctx.saved_tensors
    wanted = [bool(w) for w in ctx.needs_input_grad[:2]]
    found = iter(
        event_conv_backward(
            images, weight, grad, how, ctx.stride, ctx.padding, ctx.dilation, wanted
        )
    )
    return *(next(found) if w else None for w in wanted), None, None, None, None


event_conv.register_autograd(_back, setup_context=_keep)


def _size(
    images: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> tuple[int, ...]:
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(
            images.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    if min(size) < 1 or images.shape[1] != weight.shape[1]:
        raise TrainError(
            explain(
                "event_conv", "these images do not fit these weights",
                found=f"{tuple(images.shape)} and {tuple(weight.shape)}",
            )
        )  # fmt: skip
    return (len(images), len(weight), *size)


def _loops() -> Any:
    from spikewright.train import conv_loops

    return conv_loops
