"""Maps that look through a window that moves over an image: convolution and pooling.

Images are `C Y X` or `C X`; a flat index is in C order.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import NetworkError, explain
from spikewright.network.topology import Shape, Synapses, Topology, check_memory, compress, frozen


@dataclass(frozen=True, eq=False)
class Conv(Topology):
    """Cross-correlation over `C *space` in one or two dimensions, as PyTorch's convolution.

    Parameters
    ----------
    weights : (C_out, C_in / groups, *kernel)
    stride, dilation : one number or one per axis, >= 1
    padding : one number, one per axis, or one (before, after) pair per axis; zeros
    groups : channel groups
    """

    weights: NDArray[Any]
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1
    kind: ClassVar[str] = "conv"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights))
        n = self.weights.ndim - 2
        if n not in (1, 2):
            raise NetworkError(
                explain(
                    "Conv",
                    "weights must be (C_out, C_in/groups, *kernel) in 1 or 2 dimensions",
                    found=self.weights.shape,
                )
            )
        object.__setattr__(self, "stride", _per_axis("Conv", "stride", self.stride, n))
        object.__setattr__(self, "dilation", _per_axis("Conv", "dilation", self.dilation, n))
        object.__setattr__(self, "padding", _pads("Conv", self.padding, n))
        object.__setattr__(self, "groups", int(self.groups))
        if self.groups < 1 or self.weights.shape[0] % self.groups:
            raise NetworkError(
                explain("Conv", f"{self.weights.shape[0]} channels in {self.groups} groups")
            )

    @staticmethod
    def same(kernel: Shape, dilation: Any = 1) -> tuple[tuple[int, int], ...]:
        """Return the padding that keeps the size at stride 1; the odd one goes after."""
        steps = _per_axis("Conv", "dilation", dilation, len(kernel))
        total = [d * (k - 1) for d, k in zip(steps, kernel, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)

    @property
    def weight(self) -> NDArray[Any]:
        return self.weights

    def out_shape(self, pre: Shape) -> Shape:
        channels = self.weights.shape[1] * self.groups
        if len(pre) != self.weights.ndim - 1 or pre[0] != channels:
            raise NetworkError(
                explain("Conv", "wrong input", found=pre, expected=f"({channels}, *space)")
            )
        return (
            self.weights.shape[0],
            *_window(
                "Conv", pre[1:], self.weights.shape[2:], self.stride, self.padding, self.dilation
            ),
        )

    def synapses(self, pre: Shape) -> Synapses:
        out = self.out_shape(pre)
        c_out, c_in = self.weights.shape[:2]
        taps = math.prod(self.weights.shape[2:])
        check_memory("Conv", math.prod(out) * c_in * taps * 48)
        sites, inside, tap = _gather(
            pre[1:], out[1:], self.weights.shape[2:], self.stride, self.padding, self.dilation
        )
        n_in, n_out = math.prod(pre[1:]), math.prod(out[1:])
        o, i = np.meshgrid(np.arange(c_out), np.arange(c_in), indexing="ij")
        pre_channel = (o // (c_out // self.groups)) * c_in + i
        source = (pre_channel[..., None] * n_in + inside).ravel()
        target = np.broadcast_to(o[..., None] * n_out + sites, (c_out, c_in, len(sites))).ravel()
        entry = ((o * c_in + i)[..., None] * taps + tap).ravel()
        order = np.lexsort((target, source))
        source, target, entry = source[order], target[order], entry[order]
        return compress(
            source, target, self.weights.ravel()[entry], entry, math.prod(pre), math.prod(out)
        )


@dataclass(frozen=True, eq=False)
class _Pool(Topology):
    """Sum over windows of each channel times `factor()`; abstract in all but name."""

    kernel: Any = 2
    stride: Any = None
    padding: Any = 0

    def __post_init__(self) -> None:
        n = len(self.kernel) if np.ndim(self.kernel) else 2
        kernel = _per_axis(type(self).__name__, "kernel", self.kernel, n)
        object.__setattr__(self, "kernel", kernel)
        stride = kernel if self.stride is None else self.stride
        object.__setattr__(self, "stride", _per_axis(type(self).__name__, "stride", stride, n))
        object.__setattr__(self, "padding", _pads(type(self).__name__, self.padding, n))

    @abstractmethod
    def factor(self) -> float:
        """Return the weight of every synapse."""

    def out_shape(self, pre: Shape) -> Shape:
        name = type(self).__name__
        if len(pre) != len(self.kernel) + 1:
            raise NetworkError(
                explain(name, "wrong input", found=pre, expected=f"(C, {len(self.kernel)} axes)")
            )
        ones = (1,) * len(self.kernel)
        return (pre[0], *_window(name, pre[1:], self.kernel, self.stride, self.padding, ones))

    def synapses(self, pre: Shape) -> Synapses:
        out = self.out_shape(pre)
        ones = (1,) * len(self.kernel)
        sites, inside, _ = _gather(pre[1:], out[1:], self.kernel, self.stride, self.padding, ones)
        channel = np.arange(pre[0])[:, None]
        source = (channel * math.prod(pre[1:]) + inside).ravel()
        target = (channel * math.prod(out[1:]) + sites).ravel()
        order = np.lexsort((target, source))
        none = np.full(len(source), -1, np.int64)
        weight = np.full(len(source), self.factor())
        return compress(source[order], target[order], weight, none, math.prod(pre), math.prod(out))


@dataclass(frozen=True, eq=False)
class SumPool(_Pool):
    """Sum over windows of each channel; `kernel`, `stride` (default: the kernel), `padding` as in `Conv`."""

    kind: ClassVar[str] = "sum_pool"

    def factor(self) -> float:
        return 1.0


@dataclass(frozen=True, eq=False)
class AvgPool(_Pool):
    """Mean over windows of each channel; padding counts in the divisor."""

    kind: ClassVar[str] = "avg_pool"

    def factor(self) -> float:
        return 1.0 / float(math.prod(self.kernel))


def _per_axis(name: str, what: str, value: Any, n: int) -> Shape:
    values = tuple(int(v) for v in np.ravel(value)) if np.ndim(value) else (int(value),) * n
    values = values * n if len(values) == 1 else values
    if len(values) != n or any(v < 1 for v in values):
        raise NetworkError(
            explain(name, f"bad {what}", found=value, expected=f"{n} numbers of at least 1")
        )
    return values


def _pads(name: str, value: Any, n: int) -> tuple[tuple[int, int], ...]:
    pads = np.asarray(value)
    if pads.dtype.kind not in "iu" or (pads.size and pads.min() < 0):
        raise NetworkError(
            explain(name, "bad padding", found=value, expected="whole numbers, at least 0")
        )
    if pads.ndim == 2 and pads.shape == (n, 2):
        return tuple((int(a), int(b)) for a, b in pads)
    if pads.size in (1, n) and pads.ndim < 2:
        return tuple((int(p), int(p)) for p in np.broadcast_to(pads.ravel(), (n,)))
    raise NetworkError(explain(name, "bad padding", found=value, expected=f"one or {n} numbers"))


def _window(
    name: str,
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: tuple[tuple[int, int], ...],
    dilation: Shape,
) -> Shape:
    out = tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    if any(n < 1 for n in out):
        raise NetworkError(
            explain(name, "the kernel is larger than the input", found=kernel, expected=size)
        )
    return out


def _gather(
    size: Shape,
    out: Shape,
    kernel: Shape,
    stride: Shape,
    padding: tuple[tuple[int, int], ...],
    dilation: Shape,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (output site, input site, kernel tap) of every pair that is not padding, flat indices."""
    axes_in, axes_ok = [], []
    for n, m, k, s, (before, _), d in zip(
        size, out, kernel, stride, padding, dilation, strict=True
    ):
        position = np.arange(m)[:, None] * s - before + np.arange(k)[None, :] * d
        axes_in.append(position)
        axes_ok.append((position >= 0) & (position < n))
    if len(size) == 1:
        inside, ok = axes_in[0], axes_ok[0]
    else:
        inside = axes_in[0][:, None, :, None] * size[1] + axes_in[1][None, :, None, :]
        ok = axes_ok[0][:, None, :, None] & axes_ok[1][None, :, None, :]
    n_out, taps = math.prod(out), math.prod(kernel)
    inside, ok = inside.reshape(n_out, taps), ok.reshape(n_out, taps)
    site, tap = np.nonzero(ok)
    return site.astype(np.int64), inside[site, tap].astype(np.int64), tap.astype(np.int64)
