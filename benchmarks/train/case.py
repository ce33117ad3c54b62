"""What an implementation gives to be measured: a step, and how to read what it calculated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One implementation of one shape.

    Parameters
    ----------
    step : forward and backward once; returns what the output sent, in the implementation's own layout
    spikes : what a step returned -> `T B N`
    gradients : of the last step, by the names of `Shape.weights`; empty where the library holds other weights
    notes : what it says about the last step
    """

    step: Callable[[], Any]
    spikes: Callable[[Any], np.ndarray]
    gradients: Callable[[], Mapping[str, np.ndarray]]
    notes: Callable[[], str] = str


def torch_case(
    parameters: Mapping[str, Any],
    forward: Callable[[], Any],
    g: Any,
    *,
    spikes: Callable[[Any], Any] = lambda sent: sent,
    gradients: Mapping[str, Callable[[Any], Any]] = {},
    others: Sequence[Any] = (),
    notes: Callable[[], str] = str,
) -> Case:
    """Return the case of a PyTorch model.

    Parameters
    ----------
    parameters : name -> the tensor that holds the weights
    forward : returns the output
    g : its gradient, in the output's layout
    spikes : output -> `T B N`
    gradients : name -> what turns the tensor's gradient into that of the weights, where they differ
    others : more tensors whose gradient is calculated, such as a bias that cannot be left out
    notes : as in `Case`
    """
    cleared = [*parameters.values(), *others]

    def step() -> Any:
        for tensor in cleared:
            tensor.grad = None
        sent = forward()
        sent.backward(g)
        return sent.detach()

    def read() -> dict[str, np.ndarray]:
        return {
            name: gradients.get(name, lambda found: found)(tensor.grad).cpu().numpy()
            for name, tensor in parameters.items()
        }

    return Case(step, lambda sent: spikes(sent).cpu().numpy(), read, notes)
