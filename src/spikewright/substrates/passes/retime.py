"""From one-step-through propagation to one step per projection.

Chips emit at the end of a step. In a `SAME_STEP` network the output of a population is seen in the step it is
emitted. Moving every population p by r(p) steps keeps what the network computes if every projection's delay
changes by r(post) - r(pre); choosing r as the longest path from the inputs makes every delay that is left over
0 or more.

Source
------
Leiserson and Saxe, "Retiming synchronous circuitry", Algorithmica 6, 1991.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spikewright.network.graph import Network, Propagation
from spikewright.substrates.base import Change


@dataclass(frozen=True)
class Retime:
    """Give every projection at least one step, and keep the relative timing where that is possible."""

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network in `NEXT_STEP` propagation."""
        if network.propagation is Propagation.NEXT_STEP:
            return network, ()
        depth = _depths(network)
        changes = []
        projections = {}
        for name, p in network.projections.items():
            state = not network.populations[p.pre].model.is_transparent
            steps = network.delay_steps(name) + depth[p.post] - depth[p.pre] - int(state)
            if np.any(steps < 0):
                changes.append(
                    Change(
                        "retime",
                        name,
                        f"arrives {int(-steps.min())} steps later than in the source",
                        "a loop through several populations takes one step for each of them",
                    )
                )
                steps = np.maximum(steps, 0)
            projections[name] = replace(p, delay=steps * network.dt)
        late = "every population emits at the end of its step"
        for name, moved in depth.items():
            if moved and name in network.outputs:
                changes.append(Change("retime", name, f"answers {moved} steps later", late))
            if moved and _drives_itself(network, name):
                what = f"runs {moved} steps by itself before its first input arrives"
                changes.append(Change("retime", name, what, late))
        return (
            replace(network, projections=projections, propagation=Propagation.NEXT_STEP),
            tuple(changes),
        )


def _depths(network: Network) -> dict[str, int]:
    """Return by how many steps each population moves: the longest path, in populations less delays."""
    edges = []
    place = {name: i for i, name in enumerate(network.order())}
    for name, p in network.projections.items():
        state = int(not network.populations[p.pre].model.is_transparent)
        delay = network.delay_steps(name)
        if delay.size:
            edges.append((p.pre, p.post, state - int(delay.min())))
    everywhere = _longest(tuple(place), edges)
    if everywhere is not None:
        return everywhere
    forward = [edge for edge in edges if place[edge[0]] < place[edge[1]]]
    return _longest(tuple(place), forward) or {}


def _longest(names: tuple[str, ...], edges: list[tuple[str, str, int]]) -> dict[str, int] | None:
    """Return the least depths >= 0 that keep every edge, or None where a loop makes that impossible."""
    depth = dict.fromkeys(names, 0)
    for _ in range(len(names) + 1):
        changed = False
        for pre, post, length in edges:
            if depth[pre] + length > depth[post]:
                depth[post] = depth[pre] + length
                changed = True
        if not changed:
            return depth
    return None


def _drives_itself(network: Network, name: str) -> bool:
    population = network.populations[name]
    biases = (network.projections[p].bias for p in network.incoming(name))
    return bool(population.initial) or any(b is not None and np.any(b) for b in biases)
