"""Several maps as one projection, and the table of all kinds of maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import NetworkError, explain
from spikewright.network.connectivity.plain import RECIPES
from spikewright.network.topology import (
    Dense,
    Flatten,
    OneToOne,
    Scale,
    Shape,
    Sparse,
    Synapses,
    Topology,
    check_memory,
    compress,
)
from spikewright.network.windows import AvgPool, Conv, SumPool


@dataclass(frozen=True, eq=False)
class Compose(Topology):
    """Several maps one after the other, the first applied first, as one projection."""

    maps: tuple[Topology, ...]
    kind: ClassVar[str] = "compose"

    def __post_init__(self) -> None:
        object.__setattr__(self, "maps", tuple(self.maps))
        if not self.maps:
            raise NetworkError(explain("Compose", "needs at least one map"))

    @property
    def weight(self) -> NDArray[Any] | None:
        own = [m for m in self.maps if m.weight is not None]
        return own[0].weight if len(own) == 1 else None

    def with_weight(self, weight: ArrayLike) -> Topology:
        own = [m for m in self.maps if m.weight is not None]
        if len(own) != 1:
            raise NetworkError(
                explain("Compose.with_weight", "needs one map with weights", found=len(own))
            )
        return Compose(tuple(m.with_weight(weight) if m is own[0] else m for m in self.maps))

    def flat(self, pre: Shape) -> bool:
        return self.maps[-1].flat(pre)

    def out_shape(self, pre: Shape) -> Shape:
        for part in self.maps:
            pre = part.out_shape(pre)
        return pre

    def synapses(self, pre: Shape) -> Synapses:
        joined = self.maps[0].synapses(pre)
        alone = self.maps[0].weight is not None
        shape = self.maps[0].out_shape(pre)
        for part in self.maps[1:]:
            joined = _join(joined, part.synapses(shape), part.weight is not None)
            alone = alone or part.weight is not None
            shape = part.out_shape(shape)
        if self.weight is None and alone:
            return replace(joined, entry=np.full(joined.n, -1, np.int64))
        return joined

    def apply(self, x: NDArray[Any], pre: Shape) -> NDArray[Any]:
        for part in self.maps:
            x = part.apply(x, pre)
            pre = part.out_shape(pre)
        return x


def _join(first: Synapses, second: Synapses, second_has_weights: bool) -> Synapses:
    """Return the synapses of `second` after `first`; equal (source, target, entry) are summed."""
    counts = second.fan_out[first.target]
    check_memory("Compose", int(counts.sum()) * 48)
    source = np.repeat(first.source, counts)
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    index = np.repeat(second.start[first.target], counts) + offset
    target = second.target[index]
    weight = np.repeat(first.weight, counts) * second.weight[index]
    entry = second.entry[index] if second_has_weights else np.repeat(first.entry, counts)
    order = np.lexsort((entry, target, source))
    source, target, weight, entry = source[order], target[order], weight[order], entry[order]
    new = np.ones(len(source), bool)
    new[1:] = (np.diff(source) != 0) | (np.diff(target) != 0) | (np.diff(entry) != 0)
    group = np.cumsum(new) - 1
    total = np.zeros(int(new.sum()), weight.dtype)
    np.add.at(total, group, weight)
    return compress(source[new], target[new], total, entry[new], first.n_pre, second.n_post)


TOPOLOGIES: Mapping[str, type[Topology]] = {
    **{
        t.kind: t
        for t in (Dense, Sparse, OneToOne, Scale, Flatten, Conv, SumPool, AvgPool, Compose)
    },
    **RECIPES,
}
