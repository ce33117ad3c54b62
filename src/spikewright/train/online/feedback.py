"""How the error of the outputs comes back to populations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikewright.train.fused import bits
from spikewright.train.fused.plan import Synapses
from spikewright.train.online.wiring import Wiring

Reals = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Ways:
    """Weights on which errors come back.

    Parameters
    ----------
    wiring : which ways there are
    weights : part -> (post, pre), or one per synapse
    matrices : population -> (outputs, N), in place of its ways
    """

    wiring: Wiring
    weights: tuple[Reals, ...]
    matrices: Mapping[str, Reals]

    def back(self, part: int, x: Reals) -> Reals:
        """Return what is worth `x` (... post) at the target of a part, at its source."""
        weight = self.weights[part]
        lists = self.wiring.plan.synapses.get(part)
        if lists is None:
            return _product(x, weight)
        return _listed(x, weight, lists)


class Signals:
    """What a window's errors are worth at every population that learns from them.

    Parameters
    ----------
    ways : on which they come back
    """

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.found: dict[str, tuple[Reals, Reals]] = {}

    def begin(self, coming: Mapping[str, Reals], bars: Reals) -> None:
        """Take what the outputs' arrivals (port -> n B N), and their state before the window (d B N), are worth."""
        self.coming, self.bars = coming, bars

    def at(self, name: str) -> tuple[Reals, Reals]:
        """Return what a population's spikes are worth, n B N, and what they left in the outputs' filter, d B N."""
        wiring = self.ways.wiring
        if name not in self.found:
            port = wiring.ports[name]
            if name in self.ways.matrices:
                matrix = self.ways.matrices[name]
                found = _product(self.coming[port], matrix), _product(self.bars, matrix)
            else:
                parts = []
                for q in wiring.ways[name]:
                    post = wiring.names[wiring.plan.shape.inner[q].post]
                    ahead = (
                        (self.coming[port], self.bars) if post == wiring.output else self.at(post)
                    )
                    parts.append([self.ways.back(q, x) for x in ahead])
                found = sum(p[0] for p in parts), sum(p[1] for p in parts)  # type: ignore[assignment]
            self.found[name] = found
        return self.found[name]


def _product(x: Reals, matrix: Reals) -> Reals:
    flat = torch.from_numpy(x.reshape(-1, x.shape[-1])) @ torch.from_numpy(matrix)
    return flat.numpy().reshape(*x.shape[:-1], matrix.shape[1])


def _listed(x: Reals, weight: Reals, lists: Synapses) -> Reals:
    grad = np.ascontiguousarray(x.reshape(1, -1, x.shape[-1]))
    inner = np.zeros((grad.shape[1], len(lists.start) - 1), x.dtype)
    bits.spread_sparse(inner, grad, 0, 0, grad.shape[1], lists.start, lists.target, weight)
    return inner.reshape(*x.shape[:-1], inner.shape[1])
