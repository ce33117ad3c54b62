"""Our older prototypes of fused kernels, where they are at hand: `train/fused_proto.py` below `$SPIKEWRIGHT_SHARED`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import torch
from case import Case
from implementations import prototypes
from loops import network
from shapes import ALPHA, BETA, V_TH, Shape
from torch import Tensor
from torch.nn import functional


def _build(kind: str, shape: Shape) -> Case:
    sys.path.insert(0, str(prototypes().parent))
    prototype = importlib.import_module("fused_proto")
    neurons: list[Any] = []

    def take(case: Any, torch: Any, x: Any, g: Any, w: Any, *made: Any) -> None:
        neurons.extend(made)

    prototype.build(kind, "", torch, None, None, None, BETA, V_TH, ALPHA, take, None)
    fire, recurrent, linear = neurons

    def behind(name: str, place: tuple[int, ...]) -> Any:
        return lambda current: fire(current.contiguous())

    def product(x: Tensor, weight: Tensor) -> Tensor:
        return (linear or functional.linear)(x, weight)

    return network(shape, behind, recurrent, product)


def numba(shape: Shape) -> Case:
    """Fused neurons, dense products."""
    return _build("numba", shape)


def numba_event(shape: Shape) -> Case:
    """Fused neurons, spikes gathered."""
    return _build("numba_event", shape)
