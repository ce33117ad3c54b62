"""What the cases of the libraries on PyTorch share: a run in double precision, and its gradients."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from lif_vectors import Case, Stimulus
from torch import Tensor, nn

Advance = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Input current of one step, B N -> spikes and membrane, B N."""


def versions() -> dict[str, str]:
    """Return the versions of what lies below the libraries."""
    return {"torch": torch.__version__}


def libraries() -> dict[str, tuple[str, dict[str, Case]]]:
    """Return library -> (version, cases)."""
    found = {}
    for name in ("snntorch", "spikingjelly", "norse", "sinabs"):
        cases = importlib.import_module(f"lif_{name}").cases()
        found[name] = (version(name), cases)
    return found


def unrolled(
    given: Stimulus,
    advance: Advance,
    *,
    parameters: Mapping[str, Tensor] = {},
    transform: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, np.ndarray]:
    """Run step by step; return spikes, membranes, and the gradients of sum(c * spikes) + sum(d * v).

    Parameters
    ----------
    given : the stimulus
    advance : one step of the neurons
    parameters : name -> tensor whose gradient is stored as `grad_<name>`
    transform : input of a step -> current, where the library holds the weights; then `w` is among the parameters
    """
    x = torch.tensor(given.x, requires_grad=True)
    w = torch.tensor(given.w, requires_grad=True)
    if transform is None:
        transform = lambda row: nn.functional.linear(row, w)  # noqa: E731
        parameters = {"w": w, **parameters}
    spikes, membranes = [], []
    for row in x.unbind(0):
        s, v = advance(transform(row))
        spikes.append(s)
        membranes.append(v)
    s, v = torch.stack(spikes).double(), torch.stack(membranes)
    loss = (s * torch.tensor(given.c)).sum() + (v * torch.tensor(given.d)).sum()
    loss.backward()
    grads = {f"grad_{n}": p.grad.double().numpy() for n, p in {"x": x, **parameters}.items()}
    return {"spikes": s.detach().numpy(), "v": v.detach().double().numpy()} | grads


def set_to(parameter: Tensor, value: np.ndarray) -> None:
    """Overwrite a parameter."""
    with torch.no_grad():
        parameter.copy_(torch.tensor(value))


def in_double(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Hand on a module's arguments in double precision: spikes of some libraries are float32 always."""
    return tuple(x.double() for x in given)


def number(value: Any) -> float:
    """Return what a library made of a number: often its float32 rounding."""
    return float(value.detach()) if isinstance(value, Tensor) else float(value)
