"""An activation for networks that will be converted: a clipped ReLU on a grid, as spikes can count it.

Notation: x the input, lambda the threshold (learned), L the levels.

Source
------
Bu, Fang, Ding, Dai, Yu, Huang, "Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency spiking neural
networks", ICLR 2022, eq. 15: lambda * clip(floor(x L / lambda + 1/2) / L, 0, 1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spikewright.errors import TrainError, explain


class QCFS(nn.Module):
    """Quantize, clip, floor, shift: what an integrate-and-fire neuron gives in L steps of constant input.

    The gradient passes through the floor as if it were not there, and reaches the threshold.

    Parameters
    ----------
    levels : steps of the grid between 0 and the threshold, at least 1
    threshold : where it begins; best near the largest input that matters

    Examples
    --------
    >>> QCFS(4, threshold=2.0)(torch.tensor([-1.0, 0.2, 0.3, 1.1, 5.0])).tolist()
    [0.0, 0.0, 0.5, 1.0, 2.0]
    """

    def __init__(self, levels: int = 8, *, threshold: float = 4.0) -> None:
        super().__init__()
        if not isinstance(levels, int) or levels < 1:
            raise TrainError(
                explain(
                    "QCFS(levels=)", "not a number of levels", found=levels, expected="1, 2, ..."
                )
            )
        if not (math.isfinite(threshold) and threshold > 0):
            raise TrainError(explain("QCFS(threshold=)", "must be more than 0", found=threshold))
        self.levels = levels
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation, of the shape of `x`."""
        share = torch.clamp(x / self.threshold, 0.0, 1.0) * self.levels
        return _Round.apply(share) / self.levels * self.threshold

    def extra_repr(self) -> str:
        """Return what stands between the brackets when it is printed."""
        return f"levels={self.levels}, threshold={float(self.threshold.detach()):g}"


class _Round(torch.autograd.Function):
    """To the nearest whole number, halves up; the gradient as if nothing had been done."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        """Return whole numbers."""
        return torch.floor(x + 0.5)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Return the gradient as it came."""
        return grad
