"""Weights as crossbar and registers keep them: -s, 0 or s per neuron and projection, and integers for everything.

A source takes two axons of a core, one of a positive and one of a negative type, and a neuron connects to one of them
or to none. With four axon types a neuron has two magnitudes: one for its first projection, one shared by the others.

The magnitude and the zeros are those nearest to the real weights (least squares): with |w| in falling order, the
first k are kept, where k maximizes (|w_1| + .. + |w_k|)^2 / k, and s is their mean. A kept weight is larger than
about s / 2, the point at which Esser et al. round their hidden weights; what a pass cannot have is their hysteresis
(it remembers nothing). 256 axons hold 128 sources: a neuron with more sees a fixed block of each projection's sources.

All integers of a neuron share one scale, the largest at which none of its registers overflows.

Longer than most files: the integers and the pass that shows them to training must be one text.

Source
------
Esser et al., "Convolutional networks for fast, energy-efficient neuromorphic computing", PNAS 113(41), 2016, arXiv
1603.08270 (trinary weights, one positive and one negative axon per source, hidden weights trained straight through;
rounding point and hysteresis recalled, not re-read). Li, Zhang, Liu, "Ternary weight networks", arXiv 1605.04711, 2016
(least distance to the real weights with a scale; here solved exactly by sorting).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.program import initial_values
from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network
from spikewright.network.topology import Dense, OneToOne, Sparse, Topology
from spikewright.substrates.base import Change
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.truenorth.adapt import adapt
from spikewright.substrates.truenorth.model import (
    THRESHOLD_MAX,
    TRAINED,
    V_MAX,
    V_MIN,
    WEIGHT_MAX,
)

SOURCES = 128
"""Sources of a neuron: 256 axons, a positive and a negative one for each."""


@dataclass(frozen=True)
class Wires:
    """The synapses of one projection, all arrays (k,).

    Parameters
    ----------
    source, target, entry : neurons, and the place of the weight in the topology's array (-1 where it has none)
    weight : V
    delay : steps
    kept : whether the block structure keeps it
    is_plain : whether every synapse has a weight of its own that can be changed
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    entry: NDArray[np.int64]
    weight: NDArray[np.float64]
    delay: NDArray[np.int64]
    kept: NDArray[np.bool_]
    is_plain: bool


@dataclass(frozen=True)
class Stored:
    """A population as integers.

    Parameters
    ----------
    wires : projection -> its synapses
    sign : projection -> -1, 0 or 1 per synapse
    pair : projection -> which magnitude it uses, 0 or 1
    magnitude : (2, n), 0 to 255
    sigma : (n,), units per volt
    alpha, beta, leak, start : (n,)
    reversal : 1 where the leak pulls towards 0, else 0
    blocks : how many blocks the sources of each projection were cut into; projection -> count, those over 1
    """

    wires: Mapping[str, Wires]
    sign: Mapping[str, NDArray[np.int64]]
    pair: Mapping[str, int]
    magnitude: NDArray[np.int64]
    sigma: NDArray[np.float64]
    alpha: NDArray[np.int64]
    beta: NDArray[np.int64]
    leak: NDArray[np.int64]
    start: NDArray[np.int64]
    reversal: int
    blocks: Mapping[str, int]

    def weight(self, projection: str) -> NDArray[np.int64]:
        """Return the integer weight of each synapse of a projection."""
        magnitude = self.magnitude[self.pair[projection], self.wires[projection].target]
        found: NDArray[np.int64] = self.sign[projection] * magnitude
        return found


def store(network: Network, name: str, problems: Problems) -> Stored | None:
    """Return a population of an adapted network as integers, or note which limit it exceeds."""
    population = network.populations[name]
    n = population.n
    wires, blocks = _wired(network, name, problems)
    if wires is None:
        return None
    pair = {p: min(i, 1) for i, p in enumerate(wires)}
    s = np.zeros((2, n))
    sign: dict[str, NDArray[np.int64]] = {}
    shared = False
    for number in (0, 1):
        members = {p: w for p, w in wires.items() if pair[p] == number}
        if members:
            shared |= not all(w.is_plain for w in members.values())
            s[number], signs = _trinary(members, n)
            sign |= signs
    param = {p: np.broadcast_to(_flat(population.param(p)), n) for p in population.model.params}
    bias = _bias(network, name)
    largest = [
        (s.max(axis=0), WEIGHT_MAX),
        (param["leak"], WEIGHT_MAX),
        (np.abs(bias), WEIGHT_MAX),
        (param["v_th"], THRESHOLD_MAX - 1),
    ]
    sigma = np.full(n, np.inf)
    for value, top in largest:
        sigma = np.minimum(sigma, np.divide(top, value, out=np.full(n, np.inf), where=value > 0))
    if shared:
        # a weight that several neurons share must be the same number for all of them
        sigma = np.full(n, sigma.min())
    has_bias = any(network.projections[p].bias is not None for p in network.incoming(name))
    leak = np.rint(bias * sigma) if has_bias else -np.rint(param["leak"] * sigma)
    first = np.broadcast_to(np.ravel(initial_values(population)["v"]), n)
    return Stored(
        wires,
        sign,
        pair,
        np.rint(s * sigma).astype(np.int64),
        sigma,
        (np.floor(param["v_th"] * sigma) + 1).astype(np.int64),
        np.minimum(np.rint(-param["v_min"] * sigma), THRESHOLD_MAX).astype(np.int64),
        leak.astype(np.int64),
        np.clip(np.rint(first * sigma), V_MIN, V_MAX).astype(np.int64),
        0 if has_bias else 1,
        blocks,
    )


def _wired(
    network: Network, name: str, problems: Problems
) -> tuple[dict[str, Wires] | None, dict[str, int]]:
    """Return the synapses that reach a population with their blocks, or None where it sees too many sources."""
    n = network.populations[name].n
    wires = {p: _wires(network, p) for p in network.incoming(name)}
    fan_in = np.zeros(n, np.int64)
    for w in wires.values():
        fan_in += np.bincount(w.target, minlength=n)
    if fan_in.max(initial=0) <= SOURCES:
        return wires, {}
    where = f"truenorth: population {name!r}"
    found = f"{int(fan_in.max())} sources per neuron"
    fixed = [p for p, w in wires.items() if not w.is_plain]
    if fixed:
        problems.add(f"{where}: projection {fixed[0]!r}", "exceeds fan_in, and shares its weights",
                     found=found, expected=f"{SOURCES} at most",
                     cure="use smaller kernels, or more groups")  # fmt: skip
        return None, {}
    sizes = {p: network.populations[network.projections[p].pre].n for p in wires}
    blocks = {p: -(-sizes[p] // quota) for p, quota in quotas(sizes).items()}
    groups = max(blocks.values())
    if groups > n:
        problems.add(where, "exceeds fan_in: blocks of sources would reach no neuron", found=found,
                     expected=f"{SOURCES} at most, {n * SOURCES} in all for {n} neurons",
                     cure="use more neurons, or populations in between")  # fmt: skip
        return None, {}
    for p, w in wires.items():
        group = w.target * groups // n
        kept = w.source % blocks[p] == group % blocks[p]
        wires[p] = replace(w, kept=kept)
    return wires, {p: k for p, k in blocks.items() if k > 1}


def quotas(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return how many sources of each projection a neuron sees: equal shares of 128, what one leaves to the others.

    Examples
    --------
    >>> quotas({"in": 20, "rec": 256, "back": 90})
    {'in': 20, 'rec': 54, 'back': 54}
    """
    found: dict[str, int] = {}
    room = SOURCES
    for left, p in enumerate(sorted(sizes, key=lambda q: sizes[q])):
        found[p] = max(1, min(sizes[p], room // (len(sizes) - left)))
        room -= found[p]
    return {p: found[p] for p in sizes}


def _wires(network: Network, name: str) -> Wires:
    p = network.projections[name]
    topology: Topology = p.topology
    delay = network.delay_steps(name)
    if isinstance(topology, Dense):
        n_post, n_pre = topology.weights.shape
        k = n_post * n_pre
        source, target = np.tile(np.arange(n_pre), n_post), np.repeat(np.arange(n_post), n_pre)
        entry, weight = np.arange(k), topology.weights.reshape(-1)
    else:
        synapses = topology.synapses(network.populations[p.pre].shape)
        k = synapses.n
        source, target = synapses.source, np.asarray(synapses.target, np.int64)
        entry, weight = synapses.entry, synapses.weight
    plain = isinstance(topology, Dense | Sparse) or (
        isinstance(topology, OneToOne) and np.ndim(topology.weights) > 0
    )
    each = np.broadcast_to(delay, k) if delay.ndim == 0 else delay.reshape(-1)[entry]
    return Wires(
        source, target, entry, np.asarray(weight, np.float64), each, np.ones(k, bool), plain
    )


def _trinary(
    members: Mapping[str, Wires], n: int
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """Return the magnitude of each neuron, (n,), and the sign of each synapse of each projection."""
    own = all(w.is_plain for w in members.values())
    rows, values = [], []
    for w in members.values():
        kept = np.where(w.kept, w.weight, 0.0)
        if own:
            rows.append(w.target)
            values.append(kept)
        else:
            # shared weights count once, and one magnitude serves the whole population
            _, first = np.unique(w.entry, return_index=True)
            once = first if w.entry.min(initial=0) >= 0 else np.arange(len(kept))
            rows.append(np.zeros(len(once), np.int64))
            values.append(kept[once])
    s, least = nearest(np.concatenate(rows), np.concatenate(values), n if own else 1)
    s, least = np.broadcast_to(s, n), np.broadcast_to(least, n)
    signs = {}
    for p, w in members.items():
        large = w.kept & (np.abs(w.weight) >= least[w.target]) & (w.weight != 0)
        signs[p] = np.where(large, np.sign(w.weight), 0.0).astype(np.int64)
    return s, signs


def nearest(
    row: NDArray[np.int64], value: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each of `n` rows the magnitude s and the least |value| kept, so that {-s, 0, s} is nearest to it.

    Examples
    --------
    >>> s, least = nearest(np.zeros(4, int), np.array([1.0, -0.8, 0.1, 0.0]), 1)
    >>> s.tolist(), least.tolist()
    ([0.9], [0.8])
    """
    size = np.abs(value)
    order = np.lexsort((-size, row))
    row, size = row[order], size[order]
    count = np.bincount(row, minlength=n)
    start = np.cumsum(count) - count
    total = np.cumsum(size)
    before = np.concatenate(([0.0], total))[start]
    rank = np.arange(len(row)) - start[row] + 1
    kept = total - before[row]
    unit = float(size.max(initial=0.0)) or 1.0
    score = (kept / unit) ** 2 / rank
    s, least = np.zeros(n), np.full(n, np.inf)
    filled = np.flatnonzero(count)
    if filled.size:
        best = np.maximum.reduceat(score, start[filled])
        # the first place at which a row reaches its best score
        at = np.flatnonzero(score >= np.repeat(best, count[filled]))
        chosen = at[np.searchsorted(row[at], filled)]
        positive = best > 0
        s[filled] = np.where(positive, kept[chosen] / rank[chosen], 0.0)
        least[filled] = np.where(positive, size[chosen], np.inf)
    return s, least


def _bias(network: Network, name: str) -> NDArray[np.float64]:
    total = np.zeros(network.populations[name].n)
    for p in network.incoming(name):
        bias = network.projections[p].bias
        if bias is not None:
            total = total + np.ravel(bias)
    return total


def _flat(value: NDArray[Any]) -> NDArray[Any]:
    return value.reshape(-1) if value.ndim else value


@dataclass(frozen=True)
class Trinary:
    """Weights, biases and parameters as the chip keeps them; a pass that keeps the structure.

    Populations that are not in linear-leak form keep their model and parameters; their weights are those that the chip
    would keep of them.
    """

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with the numbers that the chip computes with.

        Raises
        ------
        SubstrateError : a population cannot be expressed
        LimitError : a population sees too many sources
        """
        adapted, _ = adapt(network)
        problems = Problems()
        stored = {}
        for name in network.populations:
            if name not in network.inputs:
                found = store(adapted, name, problems)
                if found is not None:
                    stored[name] = found
        problems.raise_as(LimitError)
        populations, projections = {}, {}
        changes: list[Change] = []
        for name, kept in stored.items():
            changes += block_changes(name, kept)
            own = network.populations[name]
            in_form = TRAINED.get(own.model.name) == own.model
            for p in kept.wires:
                q = network.projections[p]
                old = q.topology.weight
                new_bias = _stored_bias(network, name, p, kept) if in_form else q.bias
                topology = q.topology
                if old is not None:
                    gain = _gain(network, adapted, p)
                    new = _in_own_unit(old, kept, p) / gain
                    topology = topology.with_weight(new)
                    changes.append(weight_change(p, relative_error(new, np.asarray(old))))
                projections[p] = replace(q, topology=topology, bias=new_bias)
            if in_form:
                shape = own.shape
                params = {
                    "leak": np.abs(kept.leak) / kept.sigma * kept.reversal,
                    # between the integers, so that rounding of floats decides nothing
                    "v_th": (kept.alpha - 0.5) / kept.sigma,
                    "v_min": -kept.beta / kept.sigma,
                    "v_step": kept.alpha / kept.sigma,
                }
                mine = {k: x.reshape(shape) for k, x in params.items() if k in own.model.params}
                start = {"v": (kept.start / kept.sigma).reshape(shape)} if own.initial else {}
                populations[name] = replace(own, params=mine, initial=start)
        return network.replacing(populations=populations, projections=projections), tuple(changes)


def block_changes(name: str, kept: Stored) -> list[Change]:
    """Return what the limit of 128 sources took from each projection, with the share of weights that is gone."""
    return [
        Change(
            "blocks",
            p,
            f"a neuron of {name!r} sees one of {k} interleaved blocks of sources",
            f"fan_in: {SOURCES} sources, two of 256 axons each",
            float(1.0 - np.mean(kept.wires[p].kept)),
        )
        for p, k in kept.blocks.items()
    ]


def weight_change(projection: str, size: float) -> Change:
    """Return what made weights trinary."""
    return Change(
        "trinary", projection, "weights -s, 0 or s for each neuron", "crossbar bits", size
    )


def _stored_bias(network: Network, name: str, projection: str, kept: Stored) -> Any:
    """Return a projection's bias: the first that has one takes what rounding changes in their sum."""
    bias = network.projections[projection].bias
    if bias is None:
        return None
    first = next(p for p in kept.wires if network.projections[p].bias is not None)
    if projection != first:
        return bias
    others = _bias(network, name) - np.ravel(bias)
    return (kept.leak / kept.sigma - others).reshape(np.shape(bias))


def _in_own_unit(old: NDArray[Any], kept: Stored, projection: str) -> NDArray[np.float64]:
    """Return the stored weights of a projection in volts, in the shape of its weight array."""
    w = kept.wires[projection]
    volt = kept.weight(projection) / kept.sigma[w.target]
    new = np.zeros(np.size(old))
    if w.is_plain and len(w.entry) == new.size:
        new[w.entry] = volt
    else:
        # entries that reach nothing keep their weight
        new[:] = np.ravel(old)
        new[w.entry[w.entry >= 0]] = volt[w.entry >= 0]
    return new.reshape(np.shape(old))


def _gain(network: Network, adapted: Network, projection: str) -> Any:
    """Return volts per unit of weight, from the weights before and after adapting."""
    before = network.projections[projection].topology.weight
    after = adapted.projections[projection].topology.weight
    if before is after or before is None or after is None:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(before != 0, after / before, 1.0)
    return ratio
