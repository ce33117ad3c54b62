"""From one-step-through propagation to one step per projection.

Chips emit at the end of a step. In a `SAME_STEP` network the output of a population is seen in the step it is emitted. Moving every
population p by r(p) steps keeps what the network computes if every projection's delay changes by r(post) - r(pre); choosing r as
the longest path from the inputs makes all forward projections at least one step long.

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
        order = network.order()
        depth = dict.fromkeys(order, 0)
        for name in order:
            for projection in network.incoming(name):
                p = network.projections[projection]
                state = not network.populations[p.pre].model.is_transparent
                if order.index(p.pre) < order.index(name) and network.delay_steps(projection).min() == 0:
                    depth[name] = max(depth[name], depth[p.pre] + int(state))
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
        for name in network.outputs:
            if depth[name]:
                changes.append(
                    Change(
                        "retime",
                        name,
                        f"answers {depth[name]} steps later",
                        "every population emits at the end of its step",
                    )
                )
        return (
            replace(network, projections=projections, propagation=Propagation.NEXT_STEP),
            tuple(changes),
        )
