"""Weights (3 bits), thresholds (8) and leaks (7) as ODIN's memories hold them: a scale per neuron, a sign per source.

`scale_j` integers are 1 V for neuron j: of some scales between that at which its largest weight is 7 and 2.5 times
that, where larger weights are cut off, the one with the least squared error of its weights, as far as the threshold
stays within 255. The threshold is an integer exactly: the scale is rounded down so that it is one.

A source (an input or a neuron) has one sign for all its synapses. One with weights of both signs takes two rows of the
crossbar, the same spikes sent on both; with `dale` it keeps the sign of which it has more, and the other weights become
0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network, Population, Projection
from spikewright.substrates.base import Change
from spikewright.substrates.odin.model import LEAK_MAX, MEMBRANE_MAX, WEIGHT_MAX, OdinNeuron
from spikewright.substrates.odin.neuron import Cell, cells_of, inhibiting
from spikewright.substrates.passes.quantize import relative_error

Integers = NDArray[np.int64]
CUTS = np.linspace(1.0, 2.5, 7)


@dataclass(frozen=True)
class Part:
    """The excitatory or the inhibitory weights of a projection: what one kind of rows holds of it.

    Parameters
    ----------
    name : of the projection that it becomes
    source : the projection that it is of
    port : "exc" or "inh"
    """

    name: str
    source: str
    port: str


@dataclass(frozen=True)
class Stored:
    """Everything that the memories hold of a network.

    Parameters
    ----------
    parts : each projection's excitatory and inhibitory part
    scale : population -> integers per volt, (n,)
    threshold, leak, lost : population -> (n,)
    weight : part -> (n_post, n_pre), 0 to 7
    volts : part -> the weights before rounding, in volts, (n_post, n_pre), 0 or more
    """

    parts: tuple[Part, ...]
    scale: Mapping[str, NDArray[np.float64]]
    threshold: Mapping[str, Integers]
    leak: Mapping[str, Integers]
    lost: Mapping[str, Integers]
    weight: Mapping[str, Integers]
    volts: Mapping[str, NDArray[np.float64]]


def store(network: Network, cells: Mapping[str, Cell], *, dale: bool) -> Stored:
    """Return what the memories hold of a network.

    Raises
    ------
    LimitError : a leak beyond 7 bits
    """
    parts: list[Part] = []
    volts: dict[str, NDArray[np.float64]] = {}
    for p, q in network.projections.items():
        signed = _in_volts(network, p, cells[q.post])
        if network.populations[q.post].model == OdinNeuron:
            parts.append(Part(p, p, network.port_of(p)))
            volts[p] = np.maximum(signed, 0.0)
            continue
        parts += [Part(p, p, "exc"), Part(inhibiting(p), p, "inh")]
        volts |= {p: np.maximum(signed, 0.0), inhibiting(p): np.maximum(-signed, 0.0)}
    kept = one_sign(network, parts, volts) if dale else volts
    scale, threshold, leak, lost = {}, {}, {}, {}
    problems = Problems()
    for name, cell in cells.items():
        into = [part for part in parts if network.projections[part.source].post == name]
        rows = np.concatenate(
            [np.zeros((len(cell.level), 0)), *(kept[x.name] for x in into)], axis=1
        )
        finest = np.minimum(_best_scale(rows), MEMBRANE_MAX / cell.level)
        threshold[name] = np.maximum(np.floor(cell.level * finest), 1).astype(np.int64)
        scale[name] = threshold[name] / cell.level
        leak[name] = np.rint(cell.leak * scale[name]).astype(np.int64)
        if np.any(leak[name] > LEAK_MAX):
            problems.add(
                f"odin: population {name!r}: limit leak",
                "saturates its 7 bits",
                found=int(leak[name].max()),
                expected=f"{LEAK_MAX} at most",
                cure="use a longer time constant or a smaller dt",
            )
    problems.raise_as(LimitError)
    weight = {
        x.name: np.minimum(
            np.rint(kept[x.name] * scale[network.projections[x.source].post][:, None]), WEIGHT_MAX
        ).astype(np.int64)
        for x in parts
    }
    for name in cells:
        exciting = [
            weight[x.name]
            for x in parts
            if x.port == "exc" and network.projections[x.source].post == name
        ]
        lost[name] = _lost(
            np.concatenate([np.zeros((len(threshold[name]), 0), np.int64), *exciting], axis=1)
        )
    return Stored(tuple(parts), scale, threshold, leak, lost, weight, volts)


def _lost(exciting: Integers) -> Integers:
    """Return what is lost on average of an event that makes a neuron fire.

    An event of weight w leaves 0 to w - 1 above the threshold, and large weights are the ones that cross it more often:
    the mean is sum w (w - 1) / 2 over sum w.
    """
    total = np.maximum(exciting.sum(axis=1), 1)
    mean = (exciting * (exciting - 1)).sum(axis=1) / (2 * total)
    return np.asarray(np.rint(mean), np.int64)


def _in_volts(network: Network, projection: str, cell: Cell) -> NDArray[np.float64]:
    p = network.projections[projection]
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    found = np.zeros((network.populations[p.post].n, synapses.n_pre))
    np.add.at(found, (synapses.target, synapses.source), synapses.weight)
    gain = cell.gain[network.port_of(projection)]
    return np.asarray(found * (gain[:, None] if gain.ndim else gain), np.float64)


def one_sign(
    network: Network, parts: Sequence[Part], volts: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Return weights of which every source keeps the sign of which it has more, over all its projections."""
    sums = {n: np.zeros(p.n) for n, p in network.populations.items()}
    for x in parts:
        sign = 1.0 if x.port == "exc" else -1.0
        sums[network.projections[x.source].pre] += sign * volts[x.name].sum(axis=0)
    return {
        x.name: np.where(
            (sums[network.projections[x.source].pre] >= 0) == (x.port == "exc"), volts[x.name], 0.0
        )
        for x in parts
    }


def _best_scale(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scale of each neuron that leaves the least squared error of its weights, (n_post, n_sources)."""
    top = np.abs(rows).max(axis=1, initial=0.0)
    least = np.full(len(rows), np.inf)
    found = np.full(len(rows), np.inf)
    some = top > 0
    for cut in CUTS:
        scale = cut * WEIGHT_MAX / top[some]
        stored = np.clip(np.rint(rows[some] * scale[:, None]), 0, WEIGHT_MAX)
        error = np.square(stored / scale[:, None] - rows[some]).sum(axis=1)
        better = error < least[some]
        least[some] = np.where(better, error, least[some])
        found[some] = np.where(better, scale, found[some])
    return found


def rows_of(network: Network, kept: Stored) -> dict[str, Integers]:
    """Return population -> rows that each of its neurons takes: 2 where its weights have both signs."""
    uses = {n: np.zeros((2, p.n), bool) for n, p in network.populations.items()}
    for x in kept.parts:
        pre = network.projections[x.source].pre
        uses[pre][int(x.port == "inh")] |= (kept.weight[x.name] > 0).any(axis=0)
    return {n: np.maximum(used.sum(axis=0), 1).astype(np.int64) for n, used in uses.items()}


@dataclass(frozen=True)
class StoreWeights:
    """Give a network what ODIN's memories keep of its weights, and of linear leaks; the structure stays.

    Weights become those of `Odin.compile`.

    Parameters
    ----------
    dale : every source keeps one sign
    """

    dale: bool = False

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network that the chip computes.

        Raises
        ------
        SubstrateError : a population cannot be expressed; all of them are listed
        """
        cells = cells_of(network)
        kept = store(network, cells, dale=self.dale)
        stored: dict[str, NDArray[np.float64]] = {}
        wanted: dict[str, NDArray[np.float64]] = {}
        for x in kept.parts:
            scale = kept.scale[network.projections[x.source].post][:, None]
            # a projection of signed weights is the difference of its parts, one with a port of its own is its part
            sign = -1.0 if x.name != x.source else 1.0
            stored[x.source] = stored.get(x.source, 0.0) + sign * kept.weight[x.name] / scale
            wanted[x.source] = wanted.get(x.source, 0.0) + sign * kept.volts[x.name]
        projections: dict[str, Projection] = {}
        changes: list[Change] = []
        for name, p in network.projections.items():
            if p.topology.weight is None:
                continue
            weight = _in_own_unit(network, name, stored[name], wanted[name])
            projections[name] = replace(p, topology=p.topology.with_weight(weight))
            size = relative_error(weight, np.asarray(p.topology.weight))
            changes.append(
                Change("quantize", name, "weights stored with 3 bits", "synaptic memory", size)
            )
        populations: dict[str, Population] = {}
        for name, scale in kept.scale.items():
            old = network.populations[name]
            if old.model != OdinNeuron:
                continue
            # voltages are whole numbers of a unit: half a unit lower, a threshold is reached in float arithmetic too
            # where it is reached exactly; what a spike takes off, v_th + lost, stays
            values = {
                "leak": kept.leak[name],
                "v_th": kept.threshold[name] - 0.5,
                "lost": kept.lost[name] + 0.5,
            }
            params = {k: (x / scale).reshape(old.shape) for k, x in values.items()}
            populations[name] = replace(old, params=dict(old.params) | params)
        return network.replacing(populations=populations, projections=projections), tuple(changes)


def _in_own_unit(
    network: Network, name: str, stored: NDArray[np.float64], volts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return stored weights in the projection's own unit and shape; shared ones are the mean of their synapses."""
    p = network.projections[name]
    own: NDArray[Any] = np.asarray(p.topology.weight, np.float64)
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    at = (synapses.target, synapses.source)
    ratio = np.divide(stored[at], volts[at], out=np.zeros(synapses.n), where=volts[at] != 0)
    count = np.bincount(synapses.entry, minlength=own.size)
    total = np.bincount(synapses.entry, ratio, minlength=own.size)
    mean = np.divide(total, count, out=np.ones(own.size), where=count > 0)
    found: NDArray[np.float64] = own * mean.reshape(own.shape)
    return found
