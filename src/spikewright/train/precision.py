"""In which number format products are calculated; neuron states and the weights that are trained keep the module's."""

from __future__ import annotations

import enum

import torch
from torch import Tensor


DENSITY = 0.1
"""Share of entries that are not 0 above which a product in bfloat16 beats gathering spikes, forward and backward.

Measured with one layer of 512 and of 1024 neurons, 250 steps, 16 samples, one thread of a processor with bfloat16:
between 0.1 and 0.2, and at 0.1.
"""


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

    def is_better_for(self, x: Tensor) -> bool:
        """Return whether a dense product in this format is worth it, for what a source sent, `T B N`."""
        if self is Precision.FULL:
            return False
        return int(x.count_nonzero()) > DENSITY * x.numel()
