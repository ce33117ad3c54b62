"""In which number format products are calculated; neuron states and the weights that are trained keep the module's."""

from __future__ import annotations

import enum

import torch
from torch import Tensor


class Precision(enum.Enum):
    """The format of products: what a projection gives for what its source sent.

    Spikes are exact in every format, only weights are rounded. Operands are converted at each product and its result
    is converted back, so that sums over time, states, gradients of weights and optimizers keep 32 bits. (`autocast`
    would convert a weight once and add up its gradient over the steps of a recurrent population in 16 bits.)
    """

    FULL = "full"
    """That of the module."""
    BFLOAT16 = "bfloat16"
    """8 bits of precision with the range of float32; faster where the processor multiplies in it.

    Source
    ------
    Mixed precision with a master copy of the weights: Micikevicius et al., ICLR 2018; with bfloat16, which needs no
    scaling of the loss: Kalamkar et al., arXiv 1905.12322, 2019.
    """

    def cast(self, *operands: Tensor) -> tuple[Tensor, ...]:
        """Return the operands of a product in this format."""
        if self is Precision.FULL:
            return operands
        return tuple(x.to(torch.bfloat16) for x in operands)
