"""Looking through a pass: forward with the weights that a pass gives, backward to the weights that are trained.

Source
------
Straight-through: Bengio, Leonard, Courville, "Estimating or propagating gradients through stochastic neurons for
conditional computation", arXiv 1308.3432, 2013.
"""

from __future__ import annotations

import numpy as np
import torch

from spikewright.errors import Problems, TrainError
from spikewright.network.graph import Network, Population


class StraightThrough(torch.autograd.Function):
    """Forward the second value, backward as if it were the first; no gradient where the first is outside a range."""

    @staticmethod
    def forward(ctx, trained, changed, clip):  # type: ignore[no-untyped-def]
        """Return the changed value; `clip` is (low, high) or None."""
        ctx.shape = trained.shape
        ctx.inside = None if clip is None else (trained >= clip[0]) & (trained <= clip[1])
        return changed.expand(torch.broadcast_shapes(trained.shape, changed.shape)).clone()

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Return the gradient for the trained value."""
        back = grad.sum_to_size(ctx.shape)
        return back if ctx.inside is None else back * ctx.inside, None, None


def check_instance(network: Network, instance: Network) -> None:
    """Raise TrainError where a network does not have the structure of another: what `through` passes must keep."""
    problems = Problems()
    cure = "a pass used in training may change weights, biases and parameters, nothing else"
    if instance.dt != network.dt or instance.propagation is not network.propagation:
        problems.add("through", "a pass changed the time grid", cure=cure)
    for kind in ("populations", "projections"):
        before, after = getattr(network, kind), getattr(instance, kind)
        if set(before) != set(after):
            problems.add("through", f"a pass changed the {kind}", found=sorted(after),
                         expected=sorted(before), cure=cure)  # fmt: skip
    problems.raise_as(TrainError)
    for n, p in network.populations.items():
        q = instance.populations[n]
        if q.shape != p.shape or (q.model is not p.model and q.model != p.model):
            problems.add(
                f"through: populations[{n!r}]",
                "a pass changed the model",
                found=q.model.name,
                expected=p.model.name,
                cure=cure,
            )
    for n, a in network.projections.items():
        b = instance.projections[n]
        if np.shape(a.topology.weight) != np.shape(b.topology.weight) or (
            (a.bias is None) != (b.bias is None)
        ):
            problems.add(
                f"through: projections[{n!r}]",
                "a pass changed the shape of weights or bias",
                found=np.shape(b.topology.weight),
                expected=np.shape(a.topology.weight),
                cure=cure,
            )
    problems.raise_as(TrainError)


def same_params(a: Population, b: Population) -> bool:
    """Return whether two populations of one model have the same parameters."""
    if a is b or a.params is b.params:
        return True
    return all(np.array_equal(a.param(p), b.param(p)) for p in a.model.params)
