"""Linear operations between two populations, gathered as maps: where a value comes from, and through what.

A value of the graph is a sum of terms and a bias. A term is a population and the maps behind it. Batch normalization
is folded into the weights before it; scales of spikes into the first weights behind them.

Notation: g = gamma / sqrt(var + eps), so that normalization is y = g x + (beta - g mean).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spikewright.errors import NetworkError, TrainError, explain
from spikewright.network.compose import Compose
from spikewright.network.topology import Dense, Flatten, OneToOne, Shape, Topology
from spikewright.network.windows import AvgPool, Conv
from spikewright.train.convert.trace import Kind, Node


@dataclass(frozen=True)
class Term:
    """What a population contributes: its name, its shape, the maps behind it in order."""

    source: str
    pre: Shape
    maps: tuple[Topology, ...] = ()

    def mapped(self, part: Topology, shape: Shape) -> Term:
        """Return the term behind one more map; two dense ones are multiplied out."""
        last = self.maps[-1] if self.maps else None
        if isinstance(part, Dense) and isinstance(last, Dense):
            return replace(self, maps=(*self.maps[:-1], Dense(part.weights @ last.weights)))
        return replace(self, maps=(*self.maps, part))

    def scaled(self, factor: NDArray[Any], shape: Shape) -> Term:
        """Return the term times a factor per channel (first axis of its shape), folded into weights where it can be."""
        for place in range(len(self.maps) - 1, -1, -1):
            part = self.maps[place]
            if isinstance(part, Dense | Conv):
                if isinstance(part, Dense) and place < len(self.maps) - 1:
                    break  # an axis that pooling moved over is not the first one
                shaped = factor.reshape(-1, *(1,) * (part.weights.ndim - 1))
                maps = list(self.maps)
                maps[place] = part.with_weight(part.weights * shaped)
                return replace(self, maps=tuple(maps))
            if not isinstance(part, AvgPool):
                break
        each = np.broadcast_to(factor.reshape(-1, *(1,) * (len(shape) - 1)), shape)
        return replace(self, maps=(*self.maps, OneToOne(each)))

    def carrying(self, size: float) -> Topology:
        """Return the term's maps as one, where every spike of its source stands for `size`."""
        maps = list(self.maps)
        for place, part in enumerate(maps):
            if part.weight is not None:
                maps[place] = part.with_weight(part.weight * size)
                break
        else:
            maps.append(OneToOne(np.asarray(float(size))))
        return maps[0] if len(maps) == 1 else Compose(tuple(maps))


@dataclass(frozen=True)
class Value:
    """A tensor of the graph: its shape without the batch, its terms, and what is added to their sum."""

    shape: Shape
    terms: tuple[Term, ...]
    bias: NDArray[np.float64] | None = None

    def mapped(self, part: Topology, name: str) -> Value:
        """Return the value behind a map."""
        try:
            shape = part.out_shape(self.shape)
        except NetworkError as error:
            raise TrainError(f"convert: layer {name!r}: {error}") from None
        bias = None if self.bias is None else part.apply(self.bias[None], self.shape)[0]
        return Value(shape, tuple(t.mapped(part, self.shape) for t in self.terms), bias)

    def plus(self, bias: NDArray[Any] | None) -> Value:
        """Return the value with a bias per channel, or per element, added."""
        if bias is None:
            return self
        whole = np.asarray(bias, np.float64)
        if whole.shape != self.shape:
            whole = whole.reshape(-1, *(1,) * (len(self.shape) - 1))
        whole = np.broadcast_to(whole, self.shape)
        return replace(self, bias=whole if self.bias is None else self.bias + whole)

    def added(self, other: Value, name: str) -> Value:
        """Return the sum of two values."""
        if self.shape != other.shape:
            raise TrainError(
                explain(
                    f"convert: {name!r}", "adds two shapes", found=f"{self.shape} and {other.shape}"
                )
            )
        return Value(self.shape, (*self.terms, *other.terms), self.bias).plus(other.bias)


def linear(node: Node, before: tuple[Value, ...]) -> Value:
    """Return the value that a linear operation gives.

    Raises
    ------
    TrainError : a layer that does not fit what stands before it
    """
    value, module = before[0], node.module
    _check_axes(node, value.shape)
    if node.kind is Kind.SAME:
        return value
    if node.kind is Kind.ADD:
        return value.added(before[1], node.name)
    if node.kind is Kind.FLATTEN:
        return value.mapped(Flatten(), node.name) if len(value.shape) > 1 else value
    if node.kind is Kind.LINEAR:
        return value.mapped(Dense(_array(module.weight)), node.name).plus(_array(module.bias))
    if node.kind is Kind.CONV:
        return value.mapped(_convolution(module), node.name).plus(_array(module.bias))
    if node.kind is Kind.POOL:
        return value.mapped(_pool(module, value.shape, node.name), node.name)
    return _normalized(module, value, node.name)


def _check_axes(node: Node, shape: Shape) -> None:
    """Raise TrainError where a layer would take another axis for channels, or map one of several."""
    for kinds, counts, cure in _AXES:
        if isinstance(node.module, kinds) and len(shape) not in counts:
            raise TrainError(
                explain(
                    f"convert: layer {node.name!r} ({type(node.module).__name__})",
                    "does not take this shape",
                    found=shape,
                    expected=" or ".join(f"{n} axes" if n > 1 else "1 axis" for n in counts),
                    cure=cure,
                )
            )


_AXES: tuple[tuple[Any, tuple[int, ...], str | None], ...] = (
    (nn.Linear, (1,), "put Flatten() before it"),
    ((nn.Conv1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d), (2,), None),
    ((nn.Conv2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.BatchNorm2d), (3,), None),
    (nn.BatchNorm1d, (1, 2), None),
)


def _normalized(module: Any, value: Value, name: str) -> Value:
    if len(_array(module.running_var)) != value.shape[0]:
        raise TrainError(
            explain(
                f"convert: layer {name!r}",
                "has another number of channels than what stands before it",
                found=module.num_features,
                expected=value.shape[0],
            )
        )
    gain = 1.0 / np.sqrt(_array(module.running_var) + module.eps)
    if module.weight is not None:
        gain = gain * _array(module.weight)
    shift = -gain * _array(module.running_mean)
    if module.bias is not None:
        shift = shift + _array(module.bias)
    terms = tuple(t.scaled(gain, value.shape) for t in value.terms)
    bias = value.bias
    if bias is not None:
        bias = bias * gain.reshape(-1, *(1,) * (len(value.shape) - 1))
    return Value(value.shape, terms, bias).plus(shift)


def _convolution(module: nn.Conv1d | nn.Conv2d) -> Conv:
    padding: Any = module.padding
    if padding == "same":
        padding = Conv.same(module.kernel_size, module.dilation)
    elif padding == "valid":
        padding = 0
    return Conv(_array(module.weight), module.stride, padding, module.dilation, module.groups)


def _pool(module: Any, shape: Shape, name: str) -> AvgPool:
    axes = len(shape) - 1
    if not isinstance(module, nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d):
        kernel = module.kernel_size
        return AvgPool(_each(kernel, axes), _each(module.stride, axes), module.padding)
    target = [
        n if m is None else m
        for n, m in zip(shape[1:], _each(module.output_size, axes), strict=True)
    ]
    if any(n % m for n, m in zip(shape[1:], target, strict=True)):
        raise TrainError(
            explain(
                f"convert: layer {name!r}",
                "pools windows of different sizes",
                found=f"{shape[1:]} to {tuple(target)}",
                expected="sizes that divide",
            )
        )
    return AvgPool(tuple(n // m for n, m in zip(shape[1:], target, strict=True)))


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    found = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    return found * axes if len(found) == 1 else found


def _array(tensor: Any) -> Any:
    return None if tensor is None else tensor.detach().cpu().numpy().astype(np.float64)
