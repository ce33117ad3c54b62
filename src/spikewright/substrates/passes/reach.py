"""Which cores the neurons of a network send to, once each neuron lies on a core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spikewright.network.graph import Network


def fan_out_per_core(
    network: Network, core_of: Mapping[str, NDArray[np.int64]], n_cores: int, projection: str
) -> NDArray[np.int64]:
    """Return how many synapses (weight not 0) each source of a projection has on each core, (n_pre, n_cores)."""
    p = network.projections[projection]
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    keep = synapses.weight != 0
    cell = synapses.source * n_cores + core_of[p.post][synapses.target]
    table = np.bincount(cell[keep], minlength=synapses.n_pre * n_cores)
    return table.reshape(synapses.n_pre, n_cores)


def cores_reached(
    network: Network, core_of: Mapping[str, NDArray[np.int64]], n_cores: int, name: str
) -> NDArray[np.bool_]:
    """Return which cores each neuron of a population sends to, (n, n_cores)."""
    found = np.zeros((network.populations[name].n, n_cores), bool)
    for projection in network.outgoing(name):
        found |= fan_out_per_core(network, core_of, n_cores, projection) > 0
    return found
