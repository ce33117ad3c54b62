"""Thresholds from data: what each activation reaches on calibration samples.

A neuron fires at most once a step, so its threshold is the largest activation that it can stand for. The very largest
is an outlier that would make all other rates small; a percentile a little below 100 clips it.

Source
------
Rueckauer, Lungu, Hu, Pfeiffer, Liu, "Conversion of continuous-valued deep networks to efficient event-driven networks
for image classification", Frontiers in Neuroscience 11:682, 2017, section 2.2.2 (maximum and percentile); positive
activations only are ranked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from spikewright.errors import Problems, TrainError
from spikewright.train.convert.trace import ACTIVATIONS, Graph, Kind, Node

BATCH = 128
"""Calibration samples that run together."""


def thresholds(graph: Graph, samples: Tensor, *, percentile: float) -> dict[fx.Node, float]:
    """Return the threshold of every activation.

    Parameters
    ----------
    graph : a module as operations
    samples : tensor, B *shape, what the module takes
    percentile : of the positive activations, 0 to 100; 100 is the maximum. QCFS brings its own threshold

    Raises
    ------
    TrainError : activations that are never positive, or a learned threshold that is not
    """
    problems = Problems()
    found: dict[fx.Node, float] = {}
    measured = [n for n in graph.nodes if n.kind is Kind.RELU]
    seen = _watch(graph, samples, measured) if measured else {}
    for node in graph.nodes:
        if node.kind not in ACTIVATIONS:
            continue
        if node.kind is Kind.QCFS:
            found[node.fx] = float(node.module.threshold.detach())  # type: ignore[union-attr]
            if not found[node.fx] > 0:
                problems.add(
                    f"convert: layer {node.name!r} (QCFS)",
                    "its learned threshold is not positive",
                    found=found[node.fx],
                    cure="train with a smaller learning rate",
                )
            continue
        values = seen[node.fx]
        if not len(values):
            problems.add(
                f"convert: layer {node.name!r}",
                "is silent on all calibration samples",
                cure="give calibration samples like those that it was trained on",
            )
            continue
        found[node.fx] = float(np.percentile(values, percentile))
        if node.cap is not None:
            found[node.fx] = min(found[node.fx], node.cap)
    problems.raise_as(TrainError)
    return found


def _watch(graph: Graph, samples: Tensor, wanted: list[Node]) -> dict[fx.Node, NDArray[Any]]:
    """Return the positive values of some nodes over all samples."""
    kept: dict[fx.Node, list[NDArray[Any]]] = {n.fx: [] for n in wanted}

    class Watch(fx.Interpreter):
        """Runs the module and keeps what some nodes give."""

        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            if n in kept:
                values = result.detach().cpu().numpy()
                kept[n].append(values[values > 0])
            return result

    with torch.no_grad():
        for low in range(0, len(samples), BATCH):
            Watch(graph.traced).run(samples[low : low + BATCH])
    return {n: np.concatenate(parts) for n, parts in kept.items()}
