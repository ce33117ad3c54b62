"""Surrogates: what stands in for the derivative of a spike, which is zero almost everywhere.

A spike is 1 where a threshold holds, else 0: forward that is exact. Backward its derivative is replaced by
`slope(x)`, where x is the *relative margin*: how far the neuron is above its threshold, divided by the distance
between its starting value and its threshold. So one width fits volts, millivolts and dimensionless models.

`step(x)` is a smooth step whose derivative is `slope`; it serves to check gradients (`Module(..., smooth=True)`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikewright.errors import TrainError, explain


class Surrogate(ABC):
    """A stand-in for the derivative of a spike. Abstract; the values below are final.

    `text` says `slope` in the language of neuron models, as a function of x and the fields: kernels are made from it.
    `is_compact` says whether it is 0 outside an interval.
    """

    text: ClassVar[str]
    is_compact: ClassVar[bool] = False

    @abstractmethod
    def slope(self, x: Tensor) -> Tensor:
        """Return the derivative used at the relative margin x."""

    @abstractmethod
    def step(self, x: Tensor) -> Tensor:
        """Return the smooth step whose derivative `slope` is."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise TrainError(
                    explain(f"{type(self).__name__}.{name}", "must be more than 0", found=value)
                )


@dataclass(frozen=True)
class Arctan(Surrogate):
    """Derivative of arctan(pi/2 alpha x) / pi, times a factor.

    Source
    ------
    Fang et al., "Incorporating learnable membrane time constant to enhance learning of spiking neural networks",
    ICCV 2021; alpha = 2 there.
    """

    alpha: float = 2.0
    factor: float = 1.0

    text: ClassVar[str] = "0.5 * factor * alpha / (1 + (1.5707963267948966 * alpha * x) ** 2)"

    def slope(self, x: Tensor) -> Tensor:
        scaled = x * (0.5 * math.pi * self.alpha)
        return scaled.square_().add_(1.0).reciprocal_().mul_(0.5 * self.factor * self.alpha)

    def step(self, x: Tensor) -> Tensor:
        return self.factor / math.pi * torch.atan(x * (0.5 * math.pi * self.alpha)) + 0.5


@dataclass(frozen=True)
class FastSigmoid(Surrogate):
    """SuperSpike: 1 / (1 + beta |x|)^2, times a factor.

    Source
    ------
    Zenke and Ganguli, "SuperSpike: supervised learning in multilayer spiking neural networks", Neural Computation 30,
    2018. beta = 10: Zenke and Vogels, Neural Computation 33, 2021.
    """

    beta: float = 10.0
    factor: float = 1.0

    text: ClassVar[str] = "factor / (1 + beta * abs(x)) ** 2"

    def slope(self, x: Tensor) -> Tensor:
        return (x.abs() * self.beta + 1.0).pow(-2).mul_(self.factor)

    def step(self, x: Tensor) -> Tensor:
        return self.factor * x / (x.abs() * self.beta + 1.0) + 0.5


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    """Derivative of the logistic function of beta x.

    Source
    ------
    Zenke and Vogels, "The remarkable robustness of surrogate gradient learning", Neural Computation 33, 2021.
    """

    beta: float = 4.0

    text: ClassVar[str] = "beta * exp(-beta * abs(x)) / (1 + exp(-beta * abs(x))) ** 2"

    def slope(self, x: Tensor) -> Tensor:
        s = torch.sigmoid(x * self.beta)
        return self.beta * s * (1.0 - s)

    def step(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x * self.beta)


@dataclass(frozen=True)
class Triangle(Surrogate):
    """`damping` times max(0, 1 - |x| / width).

    Source
    ------
    Esser et al., PNAS 113, 2016 (shape); Bellec et al., "Long short-term memory and learning-to-learn in networks of
    spiking neurons", NeurIPS 2018 (width 1, damping 0.3).
    """

    width: float = 1.0
    damping: float = 0.3

    text: ClassVar[str] = "damping * maximum(1 - abs(x) / width, 0)"
    is_compact: ClassVar[bool] = True

    def slope(self, x: Tensor) -> Tensor:
        return self.damping * torch.clamp(1.0 - x.abs() / self.width, min=0.0)

    def step(self, x: Tensor) -> Tensor:
        y = torch.clamp(x / self.width, -1.0, 1.0)
        return self.damping * self.width * (y - 0.5 * y * y.abs() + 0.5)


@dataclass(frozen=True)
class Rectangle(Surrogate):
    """1 / width where |x| < width / 2, else 0.

    Source
    ------
    Wu et al., "Spatio-temporal backpropagation for training high-performance spiking neural networks", Frontiers in
    Neuroscience 12, 2018, h1; width 1.
    """

    width: float = 1.0

    text: ClassVar[str] = "1 / width if abs(x) < 0.5 * width else 0"
    is_compact: ClassVar[bool] = True

    def slope(self, x: Tensor) -> Tensor:
        return (x.abs() < 0.5 * self.width).to(x.dtype) / self.width

    def step(self, x: Tensor) -> Tensor:
        return torch.clamp(x / self.width + 0.5, 0.0, 1.0)


@dataclass(frozen=True)
class Gaussian(Surrogate):
    """The normal density of standard deviation `sigma`.

    Source
    ------
    Wu et al., Frontiers in Neuroscience 12, 2018, h4; sigma 0.5: Yin, Corradi, Bohte, Nature Machine Intelligence 3,
    2021.
    """

    sigma: float = 0.5

    text: ClassVar[str] = "0.3989422804014327 / sigma * exp(-0.5 * (x / sigma) ** 2)"

    def slope(self, x: Tensor) -> Tensor:
        norm = 1.0 / (math.sqrt(2.0 * math.pi) * self.sigma)
        return norm * torch.exp(-0.5 * (x / self.sigma) ** 2)

    def step(self, x: Tensor) -> Tensor:
        return 0.5 * (1.0 + torch.erf(x / (math.sqrt(2.0) * self.sigma)))


@dataclass(frozen=True)
class Exponential(Surrogate):
    """alpha exp(-beta |x|).

    Source
    ------
    Shrestha and Orchard, "SLAYER: spike layer error reassignment in time", NeurIPS 2018, eq. 12.
    """

    alpha: float = 1.0
    beta: float = 2.0

    text: ClassVar[str] = "alpha * exp(-beta * abs(x))"

    def slope(self, x: Tensor) -> Tensor:
        return self.alpha * torch.exp(-self.beta * x.abs())

    def step(self, x: Tensor) -> Tensor:
        grown = (1.0 - torch.exp(-self.beta * x.abs())) * torch.sign(x)
        return self.alpha / self.beta * grown + 0.5


SURROGATES = {
    s.__name__: s
    for s in (Arctan, FastSigmoid, Sigmoid, Triangle, Rectangle, Gaussian, Exponential)
}


class Spike(torch.autograd.Function):
    """1 where the margin says so, with a surrogate's slope as its derivative."""

    @staticmethod
    def forward(ctx, margin, fired, inclusive, surrogate, scale):  # type: ignore[no-untyped-def]
        """Return the spikes; `fired` overrides the sign of the margin where it is given."""
        ctx.save_for_backward(margin)
        ctx.surrogate, ctx.scale = surrogate, scale
        if fired is None:
            fired = margin >= 0 if inclusive else margin > 0
        return fired.to(margin.dtype)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Return the gradient with respect to the margin."""
        (margin,) = ctx.saved_tensors
        if ctx.scale == 1.0:
            return grad * ctx.surrogate.slope(margin), None, None, None, None
        slope = ctx.surrogate.slope(margin / ctx.scale)
        return grad * slope / ctx.scale, None, None, None, None
