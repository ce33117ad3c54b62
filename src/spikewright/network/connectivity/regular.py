"""Networks with an order: all to all, and a ring whose edges are partly exchanged.

Source
------
Watts, Strogatz, "Collective dynamics of 'small-world' networks", Nature 393, 1998.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from spikewright.errors import NetworkError, explain
from spikewright.network.connectivity.chance import probability
from spikewright.network.connectivity.recipe import ALL, RING, Plan, Recipe, check_no_self
from spikewright.network.topology import Shape


@dataclass(frozen=True, eq=False)
class AllToAll(Recipe):
    """Every source to every target; fields as in `FixedInDegree`. For an array of weights, see `Dense`."""

    n_post: int
    weights: Any = 1.0
    seed: int = 0
    self_edges: bool = True
    dtype: str = "float32"
    kind: ClassVar[str] = "all_to_all"

    def __post_init__(self) -> None:
        self.check_fields()

    def check_sizes(self, n_pre: int) -> None:
        check_no_self("AllToAll", self.self_edges, n_pre, self.n_post)

    def plan(self, pre: Shape) -> Plan:
        return self.made_plan(ALL, math.prod(pre), 0, self_edges=self.self_edges)

    def expected_synapses(self, pre: Shape) -> float:
        return float(self.n_post * (math.prod(pre) - (not self.self_edges)))


@dataclass(frozen=True, eq=False)
class SmallWorld(Recipe):
    """A ring where each neuron is reached by its `neighbors` nearest, each exchanged with probability `beta`.

    The directed form of Watts and Strogatz: an exchanged edge comes from a source drawn evenly from those that do not
    reach the target yet, never from the target itself. Every in-degree stays `neighbors`.

    Parameters
    ----------
    n_post : number of neurons on the ring, those of the source
    neighbors : an even number, half of them on each side
    beta : 0 is the ring, 1 a random network
    weights, seed, dtype : as in `FixedInDegree`
    """

    n_post: int
    neighbors: int
    beta: float
    weights: Any = 1.0
    seed: int = 0
    dtype: str = "float32"
    kind: ClassVar[str] = "small_world"

    def __post_init__(self) -> None:
        self.check_fields("neighbors")
        object.__setattr__(self, "beta", probability("SmallWorld", "beta", self.beta))
        if self.neighbors < 0 or self.neighbors % 2 or self.neighbors >= max(self.n_post, 1):
            raise NetworkError(
                explain(
                    "SmallWorld",
                    "neighbors must be even and fewer than the neurons",
                    found=self.neighbors,
                    expected=f"an even number below {self.n_post}",
                )
            )

    def check_sizes(self, n_pre: int) -> None:
        if n_pre != self.n_post:
            raise NetworkError(
                explain(
                    "SmallWorld",
                    "source and target are one ring",
                    found=f"{n_pre} sources",
                    expected=self.n_post,
                )
            )

    def plan(self, pre: Shape) -> Plan:
        return self.made_plan(RING, math.prod(pre), self.neighbors, reals=(self.beta,))

    def expected_synapses(self, pre: Shape) -> float:
        return float(self.n_post * self.neighbors)
