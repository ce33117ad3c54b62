"""Fused kernels as PyTorch operators: differentiable, and safe under `torch.compile`.

A plan is named by a number, because operators take numbers and tensors only; the number is good as long as the plan
lives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from spikewright.train.fused.plan import Plan
from spikewright.train.fused.triton_device import require, takes

_numbers = count(1)
_plans: WeakValueDictionary[int, Plan] = WeakValueDictionary()


def number_of(plan: Plan) -> int:
    """Return a new number that stands for a plan while it lives."""
    number = next(_numbers)
    _plans[number] = plan
    return number


@torch.library.custom_op("spikewright::run", mutates_args=())
def run(plan: int, steps: int, batch: int, tensors: list[Tensor]) -> list[Tensor]:
    """Run a group over all time steps; tensors as `Plan.inputs`, result as `Plan.outputs`."""
    require(tensors[0].device)
    return _on(plan, tensors).forward(steps, batch, tensors)


@run.register_fake
def _run_fake(plan: int, steps: int, batch: int, tensors: list[Tensor]) -> list[Tensor]:
    return [
        torch.empty(shape, dtype=kind, device="cpu" if name == "choices" else tensors[0].device)
        for name, (shape, kind) in outputs(plan, steps, batch, tensors).items()
    ]


def _on(plan: int, tensors: Sequence[Tensor]) -> Any:
    """Return a plan, or its twin on the device of its tensors."""
    return _plans[plan].twin if takes(tensors[0].device) else _plans[plan]


def outputs(plan: int, steps: int, batch: int, tensors: Sequence[Tensor]) -> dict[str, Any]:
    """Return name -> (shape, type) of what a plan gives for tensors."""
    planned = _on(plan, tensors)
    given = dict(zip(_plans[plan].inputs, tensors, strict=True))
    words = {n: -(-t.shape[2] // 64) for n, t in given.items() if n.startswith("x_")}
    return planned.outputs(steps, batch, words)


@torch.library.custom_op("spikewright::run_backward", mutates_args=())
def run_backward(
    plan: int,
    steps: int,
    batch: int,
    tensors: list[Tensor],
    kept: list[Tensor],
    grads: list[Tensor],
    has_grad: list[bool],
    wanted: list[bool],
) -> list[Tensor]:
    """Return the gradients of the tensors in `wanted`; `grads` are those of the results that have one."""
    inputs, planned = _plans[plan].inputs, _on(plan, tensors)
    given = dict(zip(inputs, tensors, strict=True))
    names = list(outputs(plan, steps, batch, tensors))
    remaining = iter(grads)
    arrived = {n: next(remaining) if has else None for n, has in zip(names, has_grad, strict=True)}
    asked = [n for n, is_wanted in zip(inputs, wanted, strict=True) if is_wanted]
    found = planned.backward(
        steps, batch, given, dict(zip(names, kept, strict=True)), arrived, asked
    )
    return [found[n].contiguous() for n in asked]


@run_backward.register_fake
def _run_backward_fake(
    plan: int,
    steps: int,
    batch: int,
    tensors: list[Tensor],
    kept: list[Tensor],
    grads: list[Tensor],
    has_grad: list[bool],
    wanted: list[bool],
) -> list[Tensor]:
    return [
        torch.empty(t.shape, dtype=t.dtype, device=t.device)
        for t, w in zip(tensors, wanted, strict=True)
        if w
    ]


def _keep(ctx: Any, inputs: tuple[int, int, int, list[Tensor]], output: list[Tensor]) -> None:
    ctx.plan, ctx.steps, ctx.batch, tensors = inputs
    ctx.set_materialize_grads(False)
    ctx.n_tensors = len(tensors)
    planned = _plans[ctx.plan]
    names = [*planned.inputs, *outputs(ctx.plan, ctx.steps, ctx.batch, tensors)]
    ctx.save_for_backward(
        *(
            x if planned.is_kept(name) else x.new_empty(()).expand(x.shape)
            for name, x in zip(names, (*tensors, *output), strict=True)
        )
    )


def _back(ctx: Any, grads: list[Tensor | None]) -> Any:
    saved = ctx.saved_tensors
    tensors, kept = list(saved[: ctx.n_tensors]), list(saved[ctx.n_tensors :])
    wanted = [bool(w) for w in ctx.needs_input_grad[3]]
    has_grad = [g is not None for g in grads]
    found = iter(
        run_backward(
            ctx.plan,
            ctx.steps,
            ctx.batch,
            tensors,
            kept,
            [g for g in grads if g is not None],
            has_grad,
            wanted,
        )
    )
    return None, None, None, [next(found) if w else None for w in wanted]


run.register_autograd(_back, setup_context=_keep)
