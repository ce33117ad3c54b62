"""What counts as what in a network: which maps are synapses, which populations are activations, which variable is the
membrane.

Reports count from recordings and training hands networks to other tools' counters; both ask here, so both count the
same.
"""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.network.compose import Compose
from spikewright.network.graph import Projection
from spikewright.network.model import NeuronModel
from spikewright.network.topology import Dense, Shape, Sparse, Topology
from spikewright.network.windows import Conv

SYNAPTIC = (Dense, Sparse, Conv)
"""Maps whose weights are synapses; pooling, scaling, one-to-one and flattening are wires."""


def maps(topology: Topology) -> tuple[Topology, ...]:
    """Return the maps that a topology applies one after the other."""
    return topology.maps if isinstance(topology, Compose) else (topology,)


def fan_out(topology: Topology, pre: Shape) -> NDArray[np.int64]:
    """Return the weights that are not zero and that each source reaches, for a map of `SYNAPTIC`.

    A list of synapses stands for a matrix: synapses that share source and target are one weight.
    """
    if not isinstance(topology, Sparse):
        return topology.effective_fan_out(pre)
    synapses = topology.synapses(pre)
    pairs, which = np.unique(
        synapses.source * synapses.n_post + synapses.target, return_inverse=True
    )
    total = np.zeros(len(pairs), np.result_type(synapses.weight, np.float64))
    np.add.at(total, which, synapses.weight)
    source = pairs[total != 0] // max(synapses.n_post, 1)
    return np.bincount(source, minlength=synapses.n_pre).astype(np.int64)


def weights(topology: Topology, pre: Shape) -> tuple[int, int]:
    """Return how many weights a map of `SYNAPTIC` has, and how many of them are not zero.

    What a list of synapses leaves out of its matrix are weights that are zero.
    """
    if isinstance(topology, Sparse):
        return math.prod(pre) * topology.n_post, int(fan_out(topology, pre).sum())
    found = topology.weight
    return (0, 0) if found is None else (int(found.size), int(np.count_nonzero(found)))


def places(topology: Topology, pre: Shape) -> int:
    """Return how many weights of a map of `SYNAPTIC` are used when every source sends, zeros included."""
    return topology.synapses(pre).n if isinstance(topology, Conv) else weights(topology, pre)[0]


def stored_bias(projection: Projection) -> NDArray[Any] | None:
    """Return a projection's bias; behind a convolution one number per channel, where the channel's sites share it."""
    bias = projection.bias
    if bias is None:
        return None
    array = np.asarray(bias)
    last = maps(projection.topology)[-1]
    if isinstance(last, Conv) and array.ndim > 1:
        channels = array.reshape(len(array), -1)
        if np.all(channels == channels[:, :1]):
            return np.asarray(channels[:, 0])
    return array


def is_activation(model: NeuronModel) -> bool:
    """Return whether a model fires, or bends what enters without keeping it (a ReLU); not whether it passes it on."""
    if model.is_spiking:
        return True
    if not model.is_transparent or not model.output:
        return False
    return not isinstance(model.trees["output"][""], ast.Name)


def membrane(model: NeuronModel) -> str | None:
    """Return the variable that is compared with the threshold, or the first of several; None without state."""
    if model.thresholded is not None:
        return model.thresholded
    return "v" if "v" in model.state else next(iter(model.state), None)
