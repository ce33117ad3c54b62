"""Take a projection apart, synapse by synapse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.network.graph import Network, Projection
from spikewright.network.topology import Sparse


@dataclass(frozen=True, eq=False)
class Written:
    """The synapses of a projection whose weight is not 0.

    Parameters
    ----------
    source, target : int64 (n,), flat indices
    weight : (n,)
    delay : int64 (n,), steps
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[Any]
    delay: NDArray[np.int64]


def written(network: Network, name: str) -> Written:
    """Return the synapses of a projection.

    Raises
    ------
    SubstrateError : its synapses change by a rule
    """
    p = network.projections[name]
    if p.rule is not None:
        raise SubstrateError(
            explain(
                f"projection {name!r}",
                "its synapses change by a rule and cannot be taken apart",
                cure="compile what was learned: `recording.learned().without_rules()`",
            )
        )
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    steps = network.delay_steps(name)
    delay = steps.reshape(-1)[synapses.entry] if steps.ndim else np.full(synapses.n, steps)
    live = synapses.weight != 0
    return Written(synapses.source[live], synapses.target[live], synapses.weight[live], delay[live])


def picked(
    network: Network,
    name: str,
    kept: NDArray[np.bool_],
    synapses: Written,
    *,
    pre: str | None = None,
    source: NDArray[np.int64] | None = None,
    n_pre: int | None = None,
    delay: NDArray[np.int64] | None = None,
    bias: bool = True,
) -> Projection:
    """Return a projection with some of the synapses, from the same population or another.

    Parameters
    ----------
    kept : (n,), which synapses
    pre, source, n_pre : another population, the source of every synapse in it, its size
    delay : (n,), steps, where they change
    bias : whether the projection keeps its bias
    """
    p = network.projections[name]
    own = synapses.source if source is None else source
    steps = (synapses.delay if delay is None else delay)[kept]
    size = network.populations[p.pre].n if n_pre is None else n_pre
    order = np.lexsort((synapses.target[kept], own[kept]))
    start = np.zeros(size + 1, np.int64)
    np.cumsum(np.bincount(own[kept], minlength=size), out=start[1:])
    n_post = network.populations[p.post].n
    topology = Sparse(start, synapses.target[kept][order], synapses.weight[kept][order], n_post)
    one = len(steps) == 0 or np.all(steps == steps[0])
    late: Any = (int(steps[0]) if len(steps) else 0) if one else steps[order]
    return replace(
        p,
        pre=pre or p.pre,
        topology=topology,
        delay=late * network.dt,
        bias=p.bias if bias else None,
    )


def without(network: Network, name: str, kept: NDArray[np.bool_], synapses: Written) -> Projection:
    """Return a projection without some of its synapses: its own map with weights of 0 where no weight is shared."""
    p = network.projections[name]
    weight = p.topology.weight
    every = p.topology.synapses(network.populations[p.pre].shape)
    live = every.weight != 0
    entry = every.entry[live]
    if weight is None or len(np.unique(every.entry)) < every.n or np.any(every.entry < 0):
        return picked(network, name, kept, synapses)
    new = np.array(weight)
    new.reshape(-1)[entry[~kept]] = 0
    return replace(p, topology=p.topology.with_weight(new))
