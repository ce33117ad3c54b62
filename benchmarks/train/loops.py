"""The floor, and loops over time as one writes them in PyTorch: batched products, input unbound before the loop.

Also the frame for whatever brings its own neurons: `network` puts products, convolutions and pools around them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from case import Case, torch_case
from shapes import ALPHA, BETA, V_TH, Shape, data
from torch import Tensor, nn
from torch.nn import functional

Neurons = Callable[[Tensor], Tensor]
"""Currents `T B *shape` -> spikes."""
Recurrent = Callable[[Tensor, Tensor], Tensor]
"""Currents `T B N` and recurrent weights `(post, pre)`, which take a step -> spikes."""
Linear = Callable[[Tensor, Tensor], Tensor]


def tensors(shape: Shape) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Return input, g and weights, on the device in whose context this is called."""
    x, g, weights = data(shape)
    where = torch.get_default_device()
    inputs = torch.from_numpy(x).to(where)
    if shape.channels_last:
        images = inputs.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        inputs = images.unflatten(0, inputs.shape[:2])
    return (
        inputs,
        torch.from_numpy(g).to(where),
        {n: torch.from_numpy(w).to(where) for n, w in weights.items()},
    )


def channels_last(build: Callable[[Shape], Case]) -> Callable[[Shape], Case]:
    """Return what builds the same case with images whose channels lie innermost."""
    return lambda shape: build(replace(shape, channels_last=True))


def parameters(weights: dict[str, Tensor]) -> dict[str, nn.Parameter]:
    """Return trained copies."""
    return {n: nn.Parameter(w.clone()) for n, w in weights.items()}


def network(
    shape: Shape,
    neurons: Callable[[str, tuple[int, ...]], Neurons],
    recurrent: Recurrent | None = None,
    linear: Linear = functional.linear,
    pool: Callable[[Tensor], Tensor] = lambda images: functional.max_pool2d(images, 2),
    convolve: Linear = functional.conv2d,
) -> Case:
    """Return the case of a network; `neurons` makes the population behind the weights of a name, of a shape."""
    x, g, weights = tensors(shape)
    w = parameters(weights)
    rows = shape.steps, shape.batch
    if shape.kind == "layer":
        fire = neurons("fc", (shape.n,))

        def forward() -> Tensor:
            return fire(linear(x, w["fc"]))

    elif shape.kind == "recurrent":
        if recurrent is None:
            raise ValueError("these neurons have no recurrent form here")
        fire = neurons("fc3", (20,))

        def forward() -> Tensor:
            first = recurrent(linear(x, w["fc1"]), w["r1"])
            second = recurrent(linear(first, w["fc2"]), w["r2"])
            return fire(linear(second, w["fc3"]))

    else:
        places = {"c1": (12, 30, 30), "c2": (32, 11, 11), "fc": (10,)}
        fires = {name: neurons(name, place) for name, place in places.items()}

        def forward() -> Tensor:
            sent = x.flatten(0, 1)
            for name in ("c1", "c2"):
                # no name holds the currents, which nothing needs any more once the neurons have run
                sent = fires[name](convolve(sent, w[name]).unflatten(0, rows))
                sent = pool(sent.flatten(0, 1))
            return fires["fc"](functional.linear(sent.flatten(1), w["fc"]).unflatten(0, rows))

    return torch_case(w, forward, g)


# -- what the products alone cost --------------------------------------------------------------------


def floor(shape: Shape) -> Case:
    """Products, convolutions and pools without neurons, all steps at once, as PyTorch calculates them."""
    return network(shape, lambda name, place: lambda current: current, _through_both)


floor_last = channels_last(floor)


def _through_both(current: Tensor, weight: Tensor) -> Tensor:
    return functional.linear(current, weight)


def floor_onednn(shape: Shape) -> Case:
    """The same products by oneDNN, which PyTorch does not choose for itself."""
    import torch._inductor

    product = torch.ops.mkldnn._linear_pointwise

    def multiply(a: Tensor, b: Tensor) -> Tensor:
        return product(a.contiguous(), b.contiguous(), None, "none", [], "")

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
            ctx.save_for_backward(x, weight)
            return multiply(x.flatten(0, -2), weight).view(*x.shape[:-1], len(weight))

        @staticmethod
        def backward(ctx, g: Tensor) -> tuple[Tensor | None, Tensor]:  # type: ignore[no-untyped-def]
            x, weight = ctx.saved_tensors
            rows, x_rows = g.flatten(0, -2), x.flatten(0, -2)
            to_x = multiply(rows, weight.t()).view(x.shape) if ctx.needs_input_grad[0] else None
            return to_x, multiply(rows.t(), x_rows.t())

    return network(shape, lambda name, place: lambda current: current, Product.apply, Product.apply)


# -- loops -------------------------------------------------------------------------------------------


class Arctan(torch.autograd.Function):
    """A spike where u > 0, with the slope of arctan."""

    @staticmethod
    def forward(ctx, u: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(u)
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        (u,) = ctx.saved_tensors
        return g * (ALPHA / 2) / (1 + (math.pi / 2 * ALPHA * u) ** 2)


def _advance(current: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    h = BETA * v + current
    spike = Arctan.apply(h - V_TH)
    return spike, h - spike * V_TH


def _advance_recurrent(
    current: Tensor, v: Tensor, sent: Tensor, weight_t: Tensor
) -> tuple[Tensor, Tensor]:
    return _advance(torch.addmm(current, sent, weight_t), v)


def _loop(shape: Shape, *, compiled: str = "") -> Case:
    advance, advance_recurrent = _advance, _advance_recurrent
    if compiled == "step":
        advance = torch.compile(advance, dynamic=False)
        advance_recurrent = torch.compile(advance_recurrent, dynamic=False)

    def neurons(current: Tensor) -> Tensor:
        v, sent = torch.zeros_like(current[0]), []
        for row in current.unbind(0):
            spike, v = advance(row, v)
            sent.append(spike)
        return torch.stack(sent)

    def recurrent(current: Tensor, weight: Tensor) -> Tensor:
        v, spike, sent = torch.zeros_like(current[0]), torch.zeros_like(current[0]), []
        weight_t = weight.t()
        for row in current.unbind(0):
            spike, v = advance_recurrent(row, v, spike, weight_t)
            sent.append(spike)
        return torch.stack(sent)

    if compiled == "loop":
        neurons = torch.compile(neurons, dynamic=False)
    return network(shape, lambda name, place: neurons, recurrent)


def loop(shape: Shape) -> Case:
    """A loop over time in plain PyTorch."""
    return _loop(shape)


def loop_compiled_step(shape: Shape) -> Case:
    """The same with `torch.compile` around one step."""
    return _loop(shape, compiled="step")


def loop_compiled(shape: Shape) -> Case:
    """The same with `torch.compile` around the unrolled loop."""
    return _loop(shape, compiled="loop")


def loop_two_traces(shape: Shape) -> Case:
    """The neuron `TwoTraces` of ours.py, written by hand."""
    from ours import DECAY_FAST, DECAY_SLOW, JUMP_FAST, JUMP_SLOW

    def neurons(current: Tensor) -> Tensor:
        v = fast = slow = torch.zeros_like(current[0])
        sent = []
        for row in current.unbind(0):
            v, fast, slow = BETA * v + row, DECAY_FAST * fast, DECAY_SLOW * slow
            spike = Arctan.apply(v - (V_TH + fast + slow))
            v = v - spike * V_TH
            fast, slow = fast + JUMP_FAST * spike, slow + JUMP_SLOW * spike
            sent.append(spike)
        return torch.stack(sent)

    return network(shape, lambda name, place: neurons)
