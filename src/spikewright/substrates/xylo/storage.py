"""Weights, thresholds and biases as Xylo's registers hold them: 8 bits, one shift per matrix, a scale per neuron.

`scale_j` integers are 1 V for neuron j. It is as fine as these allow:

- the threshold stays at or below 2^14, half of its register
- no current can leave 16 bits within a step, where an input channel sends `events` per step at most and a hidden
  neuron one spike: the larger of the positive and negative weights into a synapse, times 2^dash, is at most 32767
- the largest weight of the neuron fits 8 bits and its matrix's shift

The threshold is an integer exactly: the scale is rounded down so that it is one. The shift of a matrix is the largest
at which half of its neurons keep all 8 bits of their largest weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network, Population, Projection
from spikewright.substrates.base import Change
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.xylo.core import SHIFT_MAX, Integers
from spikewright.substrates.xylo.model import STATE_MAX, WEIGHT_MAX
from spikewright.substrates.xylo.neuron import Cell, cells_of, is_native

LEVEL_MAX = 2**14
MATRICES = ("in", "rec", "out")


@dataclass(frozen=True)
class Stored:
    """Everything that registers hold of a network.

    Parameters
    ----------
    shift : matrix -> left shift
    scale : population -> integers per volt, (n,)
    threshold, bias : population -> (n,)
    weight : projection -> (n_post, n_pre)
    volts : projection -> the weights before rounding, in volts of current, (n_post, n_pre)
    wanted_bias : population -> the bias before rounding, in volts per step
    """

    shift: Mapping[str, int]
    scale: Mapping[str, NDArray[np.float64]]
    threshold: Mapping[str, Integers]
    bias: Mapping[str, Integers]
    weight: Mapping[str, Integers]
    volts: Mapping[str, NDArray[np.float64]]
    wanted_bias: Mapping[str, NDArray[np.float64]]


def matrix_of(network: Network, projection: str) -> str:
    """Return which of the chip's matrices holds a projection: "in", "rec" or "out"."""
    p = network.projections[projection]
    if p.pre in network.inputs:
        return "in"
    return "out" if p.post in network.outputs else "rec"


def in_volts(network: Network, projection: str, cell: Cell) -> NDArray[np.float64]:
    """Return a projection's weights in volts of synaptic current, (n_post, n_pre)."""
    p = network.projections[projection]
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    found = np.zeros((network.populations[p.post].n, synapses.n_pre))
    np.add.at(found, (synapses.target, synapses.source), synapses.weight)
    gain = cell.gain[network.port_of(projection)]
    return np.asarray(found * (gain[:, None] if gain.ndim else gain), np.float64)


def bias_in_volts(network: Network, name: str, cell: Cell) -> NDArray[np.float64]:
    """Return what biases give to the voltage in a step, in their final state."""
    total = np.zeros(network.populations[name].n)
    for projection in network.incoming(name):
        bias = network.projections[projection].bias
        if bias is not None:
            total += np.ravel(bias) * cell.charge[network.port_of(projection)]
    return total


def store(network: Network, cells: Mapping[str, Cell], events: int, substrate: str) -> Stored:
    """Return what the registers hold of a network.

    Raises
    ------
    LimitError : a bias beyond 16 bits
    """
    volts = {p: in_volts(network, p, cells[q.post]) for p, q in network.projections.items()}
    room = 1.0
    while True:
        most = {n: _most(network, n, c, volts, events, room) for n, c in cells.items()}
        shift = {m: _shift(network, m, volts, most) for m in MATRICES}
        scale, threshold = {}, {}
        for name, cell in cells.items():
            finest = most[name]
            for p in network.incoming(name):
                top = np.abs(volts[p]).max(axis=1, initial=0.0)
                with np.errstate(divide="ignore"):
                    finest = np.minimum(
                        finest, WEIGHT_MAX * 2.0 ** shift[matrix_of(network, p)] / top
                    )
            threshold[name] = np.maximum(np.floor(cell.level * finest), 1).astype(np.int64)
            scale[name] = threshold[name] / cell.level
        weight = {
            p: np.clip(
                np.rint(w * scale[network.projections[p].post][:, None] / 2.0 ** shift[matrix_of(network, p)]),
                -WEIGHT_MAX, WEIGHT_MAX,
            ).astype(np.int64)
            for p, w in volts.items()
        }  # fmt: skip
        if _fits(network, cells, weight, shift, events):
            break
        room *= 0.95
    wanted = {n: bias_in_volts(network, n, c) for n, c in cells.items()}
    bias = {n: np.rint(b * scale[n]).astype(np.int64) for n, b in wanted.items()}
    problems = Problems()
    for name, value in bias.items():
        if np.any(np.abs(value) > STATE_MAX):
            problems.add(
                f"{substrate}: population {name!r}: limit bias",
                "saturates its 16 bits",
                found=int(np.abs(value).max()),
                expected=f"{STATE_MAX} at most",
                cure="use a smaller bias against the threshold",
            )
    problems.raise_as(LimitError)
    return Stored(shift, scale, threshold, bias, weight, volts, wanted)


def arriving(
    network: Network, name: str, cell: Cell, weight: Mapping[str, Any], events: int
) -> NDArray[np.float64]:
    """Return the largest sum of one sign that can reach each synapse of a neuron in a step, (n, 2)."""
    up = np.zeros((network.populations[name].n, 2))
    down = np.zeros_like(up)
    for p in network.incoming(name):
        q = cell.slot[network.port_of(p)]
        each = events if matrix_of(network, p) == "in" else 1
        up[:, q] += each * np.maximum(weight[p], 0).sum(axis=1)
        down[:, q] += each * np.maximum(-weight[p], 0).sum(axis=1)
    return np.maximum(up, down)


def _most(
    network: Network, name: str, cell: Cell, volts: Mapping[str, Any], events: int, room: float
) -> NDArray[np.float64]:
    """Return the finest scale of each neuron that its threshold and currents allow."""
    held = arriving(network, name, cell, volts, events) * 2.0**cell.dash
    with np.errstate(divide="ignore"):
        current = room * STATE_MAX / held.max(axis=1)
    return np.asarray(np.minimum(LEVEL_MAX / cell.level, current), np.float64)


def _fits(
    network: Network,
    cells: Mapping[str, Cell],
    weight: Mapping[str, Integers],
    shift: Mapping[str, int],
    events: int,
) -> bool:
    """Return whether no current can leave 16 bits, the chip's rounding of decays included."""
    shifted = {p: w << shift[matrix_of(network, p)] for p, w in weight.items()}
    for name, cell in cells.items():
        # i - (i >> k) keeps up to 1 more than i (1 - 2^-k), which a constant input adds up to 2^k
        held = (arriving(network, name, cell, shifted, events) + 1) * 2.0**cell.dash
        if held.max(initial=0.0) > STATE_MAX:
            return False
    return True


def _shift(
    network: Network, matrix: str, volts: Mapping[str, Any], most: Mapping[str, NDArray[Any]]
) -> int:
    found = []
    for p, w in volts.items():
        if matrix_of(network, p) == matrix:
            top = np.abs(w).max(axis=1, initial=0.0)
            found.append((most[network.projections[p].post] * top)[top > 0])
    values = np.concatenate(found) if found else np.zeros(0)
    if not values.size:
        return 0
    return int(np.clip(np.floor(np.log2(np.median(values) / WEIGHT_MAX)), 0, SHIFT_MAX))


@dataclass(frozen=True)
class StoreWeights:
    """Give a network what the chip's registers keep of its weights, biases and time constants; the structure stays.

    Weights become those of `Xylo.compile`. Time constants become powers of two times dt where the population has Xylo's
    neurons (`Xylo.adapted`); other models keep theirs.

    Parameters
    ----------
    synapses : of a hidden neuron
    events : most events per step and channel that currents have room for
    substrate : for messages
    """

    synapses: int = 2
    events: int = 1
    substrate: str = "xylo"

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network that the chip computes, but for the rounding of its states.

        Raises
        ------
        SubstrateError : a population cannot be expressed; all of them are listed
        """
        cells = cells_of(network, synapses=self.synapses, substrate=self.substrate)
        kept = store(network, cells, self.events, self.substrate)
        projections: dict[str, Projection] = {}
        changes: list[Change] = []
        for name, p in network.projections.items():
            cell, post = cells[p.post], p.post
            unit = 2.0 ** kept.shift[matrix_of(network, name)] / kept.scale[post][:, None]
            new = p
            if p.topology.weight is not None:
                weight = _in_own_unit(network, name, kept.weight[name] * unit, kept.volts[name])
                new = replace(p, topology=p.topology.with_weight(weight))
                size = relative_error(weight, np.asarray(p.topology.weight))
                changes.append(
                    Change("quantize", name, "weights stored with 8 bits", "registers", size)
                )
            if p.bias is not None:
                # a population's biases share one register: each is moved by its share of the rounding
                wanted = kept.wanted_bias[post]
                exact = kept.bias[post] / kept.scale[post]
                ratio = np.divide(exact, wanted, out=np.ones_like(wanted), where=wanted != 0)
                new = replace(new, bias=np.asarray(p.bias) * ratio.reshape(np.shape(p.bias)))
            projections[name] = new
        populations: dict[str, Population] = {}
        for name, cell in cells.items():
            old = network.populations[name]
            if not is_native(old):
                continue
            taus = {"tau_m": cell.dash_m, "tau_1": cell.dash[:, 0], "tau_2": cell.dash[:, 1]}
            params = dict(old.params)
            for tau, dash in taus.items():
                if tau in old.model.params:
                    value = 2.0**dash * network.dt
                    shaped = value.reshape(old.shape) if old.param(tau).ndim else value[0]
                    params[tau] = shaped
            populations[name] = replace(old, params=params)
        return network.replacing(populations=populations, projections=projections), tuple(changes)


def _in_own_unit(
    network: Network, name: str, stored: NDArray[np.float64], volts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return stored weights in the projection's own unit and shape; shared ones are the mean of their synapses."""
    p = network.projections[name]
    own = np.asarray(p.topology.weight, np.float64)
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    at = (synapses.target, synapses.source)
    ratio = np.divide(stored[at], volts[at], out=np.zeros(synapses.n), where=volts[at] != 0)
    count = np.bincount(synapses.entry, minlength=own.size)
    total = np.bincount(synapses.entry, ratio, minlength=own.size)
    mean = np.divide(total, count, out=np.ones(own.size), where=count > 0)
    found: NDArray[np.float64] = own * mean.reshape(own.shape)
    return found
