"""What enters a run of a module, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.graph import Network


def read_inputs(
    network: Network, inputs: Tensor | Mapping[str, Any], like: Tensor
) -> tuple[dict[tuple[str, str], Tensor], int, int]:
    """Return inputs as (population, port) -> `T B *shape`, and the number of steps and samples."""
    if not isinstance(inputs, Mapping):
        if len(network.inputs) != 1:
            raise TrainError(
                explain(
                    "inputs",
                    "one array for a network that has not one input",
                    found=", ".join(network.inputs) or "none",
                    cure="give a dictionary population -> array",
                )
            )
        inputs = {network.inputs[0]: inputs}
    problems = Problems()
    found: dict[tuple[str, str], Tensor] = {}
    for name, given in inputs.items():
        population, port = name, ""
        if population not in network.populations and "." in name:
            population, port = name.rsplit(".", 1)
        if population not in network.populations:
            problems.add(
                f"inputs[{name!r}]", "no such population", expected=", ".join(network.inputs)
            )
            continue
        target = network.populations[population]
        port = port or target.model.default_port
        if port not in target.model.inputs:
            problems.add(
                f"inputs[{name!r}]",
                f"no such port {port!r}",
                expected=", ".join(target.model.inputs),
            )
            continue
        x = tensor_of(given)
        if x.ndim < 3 or _long(x.shape[2:]) not in (_long(target.shape), _long((target.n,))):
            problems.add(
                f"inputs[{name!r}]",
                "wrong shape",
                found=tuple(x.shape),
                expected=f"(T, B, {', '.join(map(str, target.shape))})",
                cure="inputs are time first, then batch",
            )
            continue
        x = x.to(dtype=like.dtype, device=like.device)
        found[population, port] = x.reshape(*x.shape[:2], *target.shape)
    problems.raise_as(TrainError)
    sizes = {tuple(x.shape[:2]) for x in found.values()}
    if len(sizes) != 1 or 0 in next(iter(sizes)):
        raise TrainError(
            explain(
                "inputs",
                "must share one number of steps and samples, at least 1 each",
                found=", ".join(map(str, sorted(sizes))) or "no inputs",
            )
        )
    steps, batch = next(iter(sizes))
    return found, steps, batch


def wanted(network: Network, record: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return population -> variables that a run keeps."""
    problems = Problems()
    found = {}
    for n, variables in record.items():
        if n not in network.populations:
            problems.add(f"record[{n!r}]", "no such population")
            continue
        names = (variables,) if isinstance(variables, str) else tuple(variables)
        known = (*network.populations[n].model.state, "output")
        for v in names:
            if v not in known:
                problems.add(f"record[{n!r}]", f"no variable {v!r}", expected=", ".join(known))
        found[n] = names
    problems.raise_as(TrainError)
    return found


def tensor_of(given: Any) -> Tensor:
    """Return an input as a tensor; one that holds over all steps stays one step in memory."""
    if isinstance(given, np.ndarray) and given.ndim and len(given) > 1 and given.strides[0] == 0:
        return torch.as_tensor(np.array(given[0])).expand(given.shape)
    return torch.as_tensor(given)


def _long(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without its axes of length 1: an image with one channel is an image."""
    return tuple(n for n in shape if n != 1)
