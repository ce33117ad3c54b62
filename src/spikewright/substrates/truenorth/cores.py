"""Cores as the chip holds them, and the network that they compute: crossbar by crossbar, spike by spike.

`Core` is a chip's configuration: axon types, crossbar bits, parameters and the one target of each neuron. `network_of`
writes cores out as populations and projections, so that every engine runs them. Compiled networks run as the
populations they stand for, which is faster; `compiled.facts["tables"]` holds their cores. Both give the same spikes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.model import NeuronModel
from spikewright.network.topology import Sparse
from spikewright.substrates.truenorth.model import (
    AXON_TYPES,
    MASK_MAX,
    THRESHOLD_MAX,
    V_MAX,
    V_MIN,
    WEIGHT_MAX,
    TrueNorthAxon,
    TrueNorthInput,
    TrueNorthNeuron,
    TrueNorthStochastic,
    TrueNorthSynapse,
)

SIZE = 256
"""Axons and neurons of a core."""
DELAY_MAX = 15
"""Ticks from a spike to its target's axon, 1 to 15."""
RANGES: Mapping[str, tuple[int, int]] = {
    "leak": (-WEIGHT_MAX - 1, WEIGHT_MAX),
    "reversal": (0, 1),
    "alpha": (0, THRESHOLD_MAX),
    "beta": (0, THRESHOLD_MAX),
    "reset": (V_MIN, V_MAX),
    "gamma": (0, 2),
    "kappa": (0, 1),
    "tie": (0, 1),
    "random_leak": (0, 1),
    "mask": (0, MASK_MAX),
}
"""What the registers hold; parameters that a core leaves out have the model's default."""


@dataclass(frozen=True, eq=False)
class Core:
    """One core.

    Parameters
    ----------
    types : (axons,), 0 to 3
    crossbar : (neurons, axons), bool
    weights : (neurons, 4), -256 to 255: one per axon type
    params : parameter of the neuron model -> one number or (neurons,)
    start : (neurons,), potential before the first tick
    core, axon : (neurons,), the target; core -1 has none (or leaves the chip)
    delay : (neurons,), 1 to 15 ticks from the spike to its target
    random : (neurons, 4), bool: weights that are stochastic, or None
    """

    types: NDArray[np.int64]
    crossbar: NDArray[np.bool_]
    weights: NDArray[np.int64]
    params: Mapping[str, Any]
    start: NDArray[np.int64]
    core: NDArray[np.int64]
    axon: NDArray[np.int64]
    delay: NDArray[np.int64]
    random: NDArray[np.bool_] | None = None

    @property
    def n_neurons(self) -> int:
        """Neurons in use."""
        return len(self.crossbar)

    @property
    def n_axons(self) -> int:
        """Axons in use."""
        return len(self.types)

    @property
    def matrix(self) -> NDArray[np.int64]:
        """(neurons, axons): the weight of each crossbar point, 0 where its bit is not set."""
        found: NDArray[np.int64] = np.where(self.crossbar, self.weights[:, self.types], 0)
        return found

    @property
    def fan_out(self) -> NDArray[np.int64]:
        """(axons,): neurons that an active axon reaches."""
        found: NDArray[np.int64] = self.crossbar.sum(axis=0, dtype=np.int64)
        return found


@dataclass(frozen=True, eq=False)
class Feed:
    """How an input population reaches axons: (k,) entries, each from a neuron to an axon after 0 or more ticks."""

    shape: tuple[int, ...]
    neuron: NDArray[np.int64]
    core: NDArray[np.int64]
    axon: NDArray[np.int64]
    delay: NDArray[np.int64]


def check_cores(cores: Sequence[Core], feeds: Mapping[str, Feed] | None = None) -> None:
    """Raise LimitError with every register, index or size that is out of range."""
    problems = Problems()
    size = {c: core.n_axons for c, core in enumerate(cores)}
    for c, core in enumerate(cores):
        where = f"truenorth: core {c}"
        n = core.n_neurons
        for what, found in (("neurons", n), ("axons", core.n_axons)):
            if found > SIZE:
                problems.add(where, f"too many {what}", found=found, expected=f"{SIZE} at most",
                             cure="spread them over more cores")  # fmt: skip
        shapes = {
            "crossbar": (core.crossbar, (n, core.n_axons)),
            "weights": (core.weights, (n, AXON_TYPES)),
            "start": (core.start, (n,)),
            "core": (core.core, (n,)),
            "axon": (core.axon, (n,)),
            "delay": (core.delay, (n,)),
        }
        wrong = {k: (np.shape(x), s) for k, (x, s) in shapes.items() if np.shape(x) != s}
        for what, (found_shape, expected) in wrong.items():
            problems.add(f"{where}: {what}", "wrong shape", found=found_shape, expected=expected)
        if wrong:
            continue
        ranges = [
            ("types", core.types, 0, AXON_TYPES - 1),
            ("weights", core.weights, -WEIGHT_MAX - 1, WEIGHT_MAX),
            ("start", core.start, V_MIN, V_MAX),
            ("delay", core.delay[core.core >= 0], 1, DELAY_MAX),
            ("core", core.core, -1, len(cores) - 1),
        ]
        for name, values in core.params.items():
            if name in RANGES:
                ranges.append((name, np.asarray(values), *RANGES[name]))
            else:
                problems.add(f"{where}: params", f"no parameter {name!r}", expected=list(RANGES))
        for what, values, low, high in ranges:
            x = np.asarray(values)
            outside = x[(x < low) | (x > high)]
            if outside.size:
                problems.add(f"{where}: {what}", "out of range", found=int(outside.flat[0]),
                             expected=f"{low} to {high}")  # fmt: skip
        _check_axons(f"{where}: target", core.core, core.axon, size, problems)
    for name, feed in (feeds or {}).items():
        _check_axons(f"truenorth: input {name!r}", feed.core, feed.axon, size, problems)
    problems.raise_as(LimitError)


def _check_axons(
    where: str,
    core: NDArray[np.int64],
    axon: NDArray[np.int64],
    size: Mapping[int, int],
    problems: Problems,
) -> None:
    for c, a in zip(np.asarray(core).tolist(), np.asarray(axon).tolist(), strict=True):
        if c >= 0 and (c not in size or not 0 <= a < size[c]):
            problems.add(where, "no such axon", found=f"axon {a} of core {c}",
                         expected=f"axon 0 to {size.get(c, 0) - 1}")  # fmt: skip
            return


def network_of(
    cores: Sequence[Core],
    feeds: Mapping[str, Feed],
    *,
    dt: float = 1e-3,
    name: str = "truenorth cores",
) -> Network:
    """Return cores as a network: populations `core0.axons`, `core0.neurons`, ..., and one population per input.

    Raises
    ------
    LimitError : a register, index or size is out of range; see `check_cores`
    """
    check_cores(cores, feeds)
    populations: dict[str, Population] = {}
    projections: dict[str, Projection] = {}
    for source, feed in feeds.items():
        populations[source] = Population(TrueNorthInput, feed.shape)
    for c, core in enumerate(cores):
        populations[f"core{c}.axons"] = Population(TrueNorthAxon, (core.n_axons,))
        populations[f"core{c}.neurons"] = Population(
            _model(core), (core.n_neurons,), core.params, {"v": core.start}
        )
    for source, feed in feeds.items():
        n = populations[source].n
        for c in np.unique(feed.core):
            here = feed.core == c
            projections[f"{source}->core{c}"] = _edges(
                source, f"core{c}.axons", feed.neuron[here], feed.axon[here], feed.delay[here] * dt,
                n, cores[c].n_axons,
            )  # fmt: skip
    for c, core in enumerate(cores):
        _crossbar(c, core, populations, projections)
        for d in np.unique(core.core[core.core >= 0]):
            (here,) = np.nonzero(core.core == d)
            projections[f"core{c}->core{d}"] = _edges(
                f"core{c}.neurons", f"core{d}.axons", here, core.axon[here],
                (core.delay[here] - 1) * dt, core.n_neurons, cores[d].n_axons,
            )  # fmt: skip
    outputs = tuple(f"core{c}.neurons" for c in range(len(cores)))
    return Network(dt, populations, projections, outputs, name=name)


def _model(core: Core) -> NeuronModel:
    drawn = any(np.any(core.params.get(k, 0)) for k in ("random_leak", "mask"))
    return TrueNorthStochastic if drawn or "mask" in core.params else TrueNorthNeuron


def _crossbar(
    c: int, core: Core, populations: dict[str, Population], projections: dict[str, Projection]
) -> None:
    """Add the projections of one crossbar; each stochastic synapse becomes a neuron without state."""
    matrix = core.matrix
    if core.random is not None:
        neuron, axon = np.nonzero(core.random[:, core.types] & core.crossbar)
        if len(neuron):
            s = matrix[neuron, axon]
            matrix = matrix.copy()
            matrix[neuron, axon] = 0
            own, k = f"core{c}.synapses", len(neuron)
            populations[own] = Population(TrueNorthSynapse, (k,), {"s": s})
            ones = np.ones(k, np.int64)
            projections[f"core{c}: axons to stochastic synapses"] = Projection(
                f"core{c}.axons", own,
                Sparse.from_edges(axon, np.arange(k), ones, n_pre=core.n_axons, n_post=k),
            )  # fmt: skip
            projections[f"core{c}: stochastic synapses"] = Projection(
                own, f"core{c}.neurons",
                Sparse.from_edges(np.arange(k), neuron, ones, n_pre=k, n_post=core.n_neurons),
            )  # fmt: skip
    projections[f"core{c}: crossbar"] = Projection(
        f"core{c}.axons", f"core{c}.neurons", Sparse.from_matrix(matrix)
    )


def _edges(
    pre: str,
    post: str,
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    delay: NDArray[Any],
    n_pre: int,
    n_post: int,
) -> Projection:
    order = np.lexsort((target, source))
    topology = Sparse.from_edges(
        source[order], target[order], np.ones(len(order), np.int64), n_pre=n_pre, n_post=n_post
    )
    return Projection(pre, post, topology, delay=delay[order])
