"""One training step against its dense floor: the same matrix products over all steps at once, forward and backward.

The floor is what a network without any dynamics would cost. Nothing here is tuned yet; the number says how far
there is to go.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from harness import interleaved, report

from spikewright.network import LIF
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.train.module import Module

SIZES, STEPS, SAMPLES = (64, 256, 128, 10), 32, 64


def main() -> None:
    """Time forward and backward of the network and of its products alone, one thread."""
    torch.set_num_threads(1)
    parts = [source(SIZES[0])]
    for n in SIZES[1:]:
        parts += [dense(n, gain=3.0), neurons(LIF)]
    module = Module(chain(*parts, dt=1e-3, seed=1))
    generator = torch.Generator().manual_seed(0)
    spikes = (torch.rand((STEPS, SAMPLES, SIZES[0]), generator=generator) < 0.2).float()
    weights = [
        torch.randn((post, pre), generator=generator).requires_grad_()
        for pre, post in pairwise(SIZES)
    ]

    def network() -> None:
        module.zero_grad()
        module(spikes).sum().backward()

    def floor() -> None:
        value = spikes
        for weight in weights:
            weight.grad = None
            value = value @ weight.T
        value.sum().backward()

    seconds = interleaved({"dense floor": floor, "network": network}, rounds=15)
    note = f"{'-'.join(map(str, SIZES))}, {STEPS} steps, {SAMPLES} samples, forward and backward"
    report("train_step", seconds, against="dense floor", note=note)


if __name__ == "__main__":
    main()
