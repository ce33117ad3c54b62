"""How a weight with a real delay is shared out over whole steps, so that the delay has a gradient.

Notation: d, a delay in steps, 0 <= d <= n - 1; k(l), the share of a weight that arrives l whole steps late, l = 0 to
n - 1, with sum_l k(l) = 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from spikewright.errors import Problems, TrainError


class Spread(ABC):
    """Shares of whole delays. Abstract; the values below are final."""

    @abstractmethod
    def shares(self, delay: Tensor, n: int, done: float) -> Tensor:
        """Return the share of each whole delay, in a new axis before the last.

        Parameters
        ----------
        delay : ... N, steps from 0 to n - 1
        n : whole delays, at least 2
        done : share of the training run that lies behind

        Returns
        -------
        Tensor : ... n N
        """


@dataclass(frozen=True)
class LinearSpread(Spread):
    """Linear interpolation between the two whole steps around a delay: k(l) = max(0, 1 - |l - d|).

    Its slope jumps where d is whole; there it is that of a delay a little longer (at the greatest: shorter).
    """

    def shares(self, delay: Tensor, n: int, done: float) -> Tensor:
        first = delay.detach().floor().clamp_(max=n - 2).unsqueeze(-2)
        late = delay.unsqueeze(-2) - first
        index = first.long()
        shares = delay.new_zeros((*delay.shape[:-1], n, delay.shape[-1]))
        return shares.scatter(-2, index, 1.0 - late).scatter(-2, index + 1, late)


@dataclass(frozen=True)
class GaussianSpread(Spread):
    """k(l) proportional to exp(-((l - d) / sigma)^2 / 2), with a sigma that falls exponentially while training goes on.

    Wide at first, so that a delay feels what it could reach far away; narrow in the end, so that rounding it changes
    little.

    Parameters
    ----------
    first : sigma before the first batch, steps; None: half of the longest delay
    last : sigma in the end, steps
    until : share of the run after which sigma stays at `last`

    Source
    ------
    Hammouamri, Khalfaoui-Hassani, Masquelier, "Learning delays in spiking neural networks using dilated convolutions
    with learnable spacings", ICLR 2024, section 3.2.
    """

    first: float | None = None
    last: float = 0.5
    until: float = 0.5

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.last > 0.0:
            problems.add("GaussianSpread(last=)", "must be more than 0", found=self.last)
        if self.first is not None and not self.first >= self.last:
            problems.add(
                "GaussianSpread(first=)", f"must be at least last = {self.last}", found=self.first
            )
        if not 0.0 <= self.until <= 1.0:
            problems.add(
                "GaussianSpread(until=)", "must be a share of the run", found=self.until,
                expected="0 to 1",
            )  # fmt: skip
        problems.raise_as(TrainError)

    def sigma(self, n: int, done: float) -> float:
        """Return the width for n whole delays, in steps, when a share of the run is done."""
        first = max((n - 1) / 2.0, self.last) if self.first is None else self.first
        if done >= self.until:
            return self.last
        return float(first * (self.last / first) ** (done / self.until))

    def shares(self, delay: Tensor, n: int, done: float) -> Tensor:
        whole = torch.arange(n, dtype=delay.dtype, device=delay.device).unsqueeze(-1)
        far = (whole - delay.unsqueeze(-2)) / self.sigma(n, done)
        return torch.softmax(-0.5 * far * far, dim=-2)
