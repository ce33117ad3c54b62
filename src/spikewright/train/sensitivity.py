"""How a weighted sum of what a network sends, and of its traces, depends on inputs and parameters: NumPy in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikewright.network.graph import Network
from spikewright.train.module import Module


@dataclass(frozen=True)
class Sensitivity:
    """A run and the gradient of its loss.

    Parameters
    ----------
    sent : population -> T B *shape
    traces : population -> variable -> T B *shape, after the reset
    inputs : input -> gradient, T B *shape
    weights, biases : projection -> gradient, in the unit of the port
    params : (population, parameter) -> gradient, in the parameter's unit
    """

    sent: Mapping[str, NDArray[np.float64]]
    traces: Mapping[str, Mapping[str, NDArray[np.float64]]]
    inputs: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, NDArray[np.float64]]
    biases: Mapping[str, NDArray[np.float64]]
    params: Mapping[tuple[str, str], NDArray[np.float64]]


def sensitivity(
    network: Network,
    inputs: Mapping[str, NDArray[np.float64]],
    *,
    sent: Mapping[str, NDArray[np.float64]],
    traces: Mapping[str, Mapping[str, NDArray[np.float64]]],
    **settings: Any,
) -> Sensitivity:
    """Run a network in double precision and differentiate sum(sent * factors) + sum(traces * factors).

    Parameters
    ----------
    network : what runs
    inputs : input -> T B *shape
    sent : population -> factors of what it sends, T B *shape
    traces : population -> variable -> factors of its trace, T B *shape
    settings : further arguments of `Module`
    """
    module = Module(network, dtype=torch.float64, **settings)
    parameters = dict(module.named_parameters())
    like = next(iter(parameters.values()))
    given = {n: like.new_tensor(x).requires_grad_() for n, x in inputs.items()}
    found = module.run(given, record={n: tuple(vs) for n, vs in traces.items()})
    loss = sum((found.sent[n] * like.new_tensor(c)).sum() for n, c in sent.items())
    for n, factors in traces.items():
        loss = loss + sum(
            (found.traces[n][v] * like.new_tensor(d)).sum() for v, d in factors.items()
        )
    wanted = [*given.values(), *parameters.values()]
    got = torch.autograd.grad(loss, wanted, allow_unused=True)
    grads = [
        np.zeros(tuple(w.shape)) if g is None else g.double().cpu().numpy()
        for w, g in zip(wanted, got, strict=True)
    ]
    of_inputs = dict(zip(given, grads, strict=False))
    raw = dict(zip(parameters, grads[len(given) :], strict=True))
    weights, biases, params = {}, {}, {}
    for n in network.projections:
        key = n.replace(".", "/")
        # held in natural units: the derivative by the weight itself is one unit's worth smaller
        if f"weights.{key}" in raw:
            weights[n] = raw[f"weights.{key}"] / module.units[n]
        if f"biases.{key}" in raw:
            biases[n] = raw[f"biases.{key}"] / module.units[n]
    for n, population in network.populations.items():
        for p, (_, unit) in population.model.params.items():
            key = f"params.{n.replace('.', '/')}/{p}"
            if key in raw:
                # times are held as their logarithm
                params[n, p] = raw[key] / (np.asarray(population.param(p)) if unit == "s" else 1.0)
    return Sensitivity(
        {n: x.detach().double().cpu().numpy() for n, x in found.sent.items()},
        {
            n: {v: x.detach().double().cpu().numpy() for v, x in vs.items()}
            for n, vs in found.traces.items()
        },
        of_inputs,
        weights,
        biases,
        params,
    )
