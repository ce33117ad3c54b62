"""Neurons into cores: which axons a core has, how many copies of a neuron send to how many places, relays for the rest.

A neuron has one target: one axon of one core. It needs an axon in every core that it reaches, one per sign of its
weights there and per delay. So it stands in its core several times, as *copies* with the same inputs, each with a
target of its own. Where one neuron of a population would need more than `COPIES` of them, or where a loop of
populations would need ever more cores, it sends to a relay core instead: one axon, and a relay neuron (a *splitter*)
per target, one tick later. That tick is taken out of the delay, or every path is made longer by as much; see `balance`.

A core holds neurons of one population, in order, as many as fit its 256 axons and 256 neurons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network
from spikewright.substrates.base import Change
from spikewright.substrates.truenorth.cores import DELAY_MAX, SIZE
from spikewright.substrates.truenorth.storage import Stored

COPIES = 16
"""Copies of a neuron at most; with more, a core would hold few different neurons, and relays take fewer cores."""


@dataclass(frozen=True)
class Axons:
    """The axons of all cores, one entry each, sorted by core: arrays (k,).

    Parameters
    ----------
    core : which core it lies on, counted within the population
    projection : number of the projection among those that reach the population
    source : neuron that drives it
    delay : steps of the projection there
    sign : of its type, -1 or 1
    """

    core: NDArray[np.int64]
    projection: NDArray[np.int64]
    source: NDArray[np.int64]
    delay: NDArray[np.int64]
    sign: NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Where everything lies.

    Parameters
    ----------
    core_of : population -> core of each neuron, counted over all populations
    first : population -> its first core
    n_cores : cores without relay cores
    slots : population -> copies of each neuron
    axons : population -> the axons of its cores
    relayed : populations that send through relay cores
    relays : relay cores, each a list of (population, neuron)
    binding : population -> "axons" or "neurons", what made it need another core, or ""
    """

    core_of: Mapping[str, NDArray[np.int64]]
    first: Mapping[str, int]
    n_cores: int
    slots: Mapping[str, NDArray[np.int64]]
    axons: Mapping[str, Axons]
    relayed: frozenset[str]
    relays: tuple[tuple[tuple[str, int], ...], ...]
    binding: Mapping[str, str]

    @property
    def total(self) -> int:
        """All cores."""
        return self.n_cores + len(self.relays)


def lay_out(
    network: Network, stored: Mapping[str, Stored], *, n_cores: int, label: str = "truenorth"
) -> Layout:
    """Return how populations lie on cores.

    Raises
    ------
    LimitError : a neuron needs more axons than a core has, reaches more axons than a relay core has neurons, or there
        are too few cores
    """
    keys = {name: _keys(kept) for name, kept in stored.items()}
    problems = Problems()
    for name, (rows, _) in keys.items():
        for i, row in enumerate(rows):
            if len(row) > SIZE:
                problems.add(f"truenorth: population {name!r}", f"neuron {i} exceeds axons",
                             found=f"{len(row)} (sources times delays)", expected=f"{SIZE} at most",
                             cure="reduce its fan-in, or give its inputs fewer different delays")  # fmt: skip
                break
    problems.raise_as(LimitError)
    fixed: frozenset[str] = frozenset()
    while True:
        slices, axons, slots, binding, diverging = _settle(network, stored, keys, fixed)
        if not diverging:
            break
        fixed |= diverging
    first, count = {}, 0
    core_of = {}
    for name in stored:
        first[name] = count
        own = slices[name]
        core_of[name] = count + np.repeat(np.arange(len(own)), np.diff([*own, len(slots[name])]))
        count += len(own)
    relays = _relays(network, axons, fixed, problems)
    total = count + len(relays)
    if total > n_cores:
        worst = max(stored, key=lambda q: len(slices[q]))
        problems.add(f"{label}: population {worst!r}", "the network exceeds cores",
                     found=f"{total}, {len(slices[worst])} of them for it, {len(relays)} relays"
                     + (f" ({binding[worst]} bind)" if binding[worst] else ""),
                     expected=f"{n_cores} healthy cores at most",
                     cure="use smaller populations, or fewer sources per neuron")  # fmt: skip
    problems.raise_as(LimitError)
    return Layout(core_of, first, count, slots, axons, fixed, relays, binding)


def _keys(kept: Stored) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Return for each neuron the axons it needs, as numbers, and what each number stands for: rows of
    (projection, source, delay, sign)."""
    n = len(kept.alpha)
    parts, targets = [], []
    for number, (p, w) in enumerate(kept.wires.items()):
        on = (kept.sign[p] != 0) & (kept.weight(p) != 0)
        sign = kept.sign[p][on]
        parts.append(
            np.stack([np.full(len(sign), number), w.source[on], w.delay[on], sign], axis=1)
        )
        targets.append(w.target[on])
    table = np.concatenate(parts) if parts else np.zeros((0, 4), np.int64)
    target = np.concatenate(targets) if targets else np.zeros(0, np.int64)
    meaning, number_of = np.unique(table, axis=0, return_inverse=True)
    number_of = number_of.reshape(-1)
    order = np.lexsort((number_of, target))
    cuts = np.searchsorted(target[order], np.arange(1, n))
    return [np.unique(x) for x in np.split(number_of[order], cuts)], meaning


def _settle(
    network: Network,
    stored: Mapping[str, Stored],
    keys: Mapping[str, tuple[list[NDArray[np.int64]], NDArray[np.int64]]],
    relayed: frozenset[str],
) -> tuple[
    dict[str, list[int]],
    dict[str, Axons],
    dict[str, NDArray[np.int64]],
    dict[str, str],
    frozenset[str],
]:
    """Return slices, axons, copies and what binds, once they agree; else the populations that need relays."""
    slots = {name: np.ones(len(kept.alpha), np.int64) for name, kept in stored.items()}
    changed: set[str] = set()
    for _ in range(len(stored) + 8):
        slices, axons, binding = {}, {}, {}
        for name in stored:
            slices[name], axons[name], binding[name] = _cut(*keys[name], slots[name])
        reached = _reached(network, axons)
        changed = set()
        over = set()
        for name in stored:
            need = reached.get(name, np.zeros(len(slots[name]), np.int64))
            if name in relayed:
                need = np.minimum(need, 1)
            new = np.maximum(need + (name in network.outputs) * (need > 0), 1)
            if new.max() > COPIES:
                over.add(name)
            if not np.array_equal(new, slots[name]):
                slots[name] = new
                changed.add(name)
        if over:
            return slices, axons, slots, binding, frozenset(over)
        if not changed:
            return slices, axons, slots, binding, frozenset()
    return slices, axons, slots, binding, frozenset(changed - relayed)


def _cut(
    rows: list[NDArray[np.int64]], meaning: NDArray[np.int64], slots: NDArray[np.int64]
) -> tuple[list[int], Axons, str]:
    """Return the first neuron of each core, the axons, and what made a second core necessary."""
    starts, members, binding = [0], [], ""
    seen = np.zeros(len(meaning), bool)
    used = n_axons = 0
    for i, row in enumerate(rows):
        new = row[~seen[row]]
        full = "axons" if n_axons + len(new) > SIZE else "neurons" if used + slots[i] > SIZE else ""
        if full:
            binding = binding or full
            members.append(np.flatnonzero(seen))
            starts.append(i)
            seen[:] = False
            used = n_axons = 0
            new = row
        seen[new] = True
        n_axons += len(new)
        used += int(slots[i])
    members.append(np.flatnonzero(seen))
    core = np.repeat(np.arange(len(members)), [len(m) for m in members])
    table = meaning[np.concatenate(members)] if len(meaning) else np.zeros((0, 4), np.int64)
    return starts, Axons(core, table[:, 0], table[:, 1], table[:, 2], table[:, 3]), binding


def _reached(network: Network, axons: Mapping[str, Axons]) -> dict[str, NDArray[np.int64]]:
    """Return how many axons each neuron of each population drives."""
    found: dict[str, NDArray[np.int64]] = {}
    for post, a in axons.items():
        for number, p in enumerate(network.incoming(post)):
            pre = network.projections[p].pre
            count = np.bincount(
                a.source[a.projection == number], minlength=network.populations[pre].n
            )
            found[pre] = found.get(pre, 0) + count
    return found


def _relays(
    network: Network, axons: Mapping[str, Axons], relayed: frozenset[str], problems: Problems
) -> tuple[tuple[tuple[str, int], ...], ...]:
    """Return relay cores filled in order: each neuron takes one axon and a relay for every axon that it drives."""
    cores: list[list[tuple[str, int]]] = []
    room = 0
    reached = _reached(network, axons)
    for name in network.populations:
        if name not in relayed:
            continue
        if reached[name].max(initial=0) > SIZE:
            problems.add(f"truenorth: population {name!r}", "exceeds fan_out: axons that a neuron drives",
                         found=int(reached[name].max()), expected=f"{SIZE} at most",
                         cure="project to fewer neurons, or relay it through a population")  # fmt: skip
            continue
        for j, need in enumerate(reached[name].tolist()):
            if need == 0:
                continue
            if need > room or len(cores[-1]) == SIZE:
                cores.append([])
                room = SIZE
            cores[-1].append((name, j))
            room -= need
    return tuple(tuple(c) for c in cores)


@dataclass(frozen=True)
class Timing:
    """Delays with room for relays.

    Parameters
    ----------
    shift : projection -> steps that its delay grows
    least : projection -> its least delay: 1 where a relay takes a tick of it, else 0
    """

    shift: Mapping[str, int]
    least: Mapping[str, int]

    def of(self, projection: str, delay: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return delays of a projection as they are on the chip, in steps, relays included."""
        moved: NDArray[np.int64] = delay + self.shift[projection]
        return np.maximum(moved, self.least[projection])


def balance(network: Network, relayed: frozenset[str]) -> tuple[Timing, tuple[Change, ...]]:
    """Return delays with room for the tick of each relay, and what arrives or answers later for it.

    Populations move by the least number of steps r for which each delay, d + r(post) - r(pre), is at least the relay's
    tick; where a loop makes that impossible, spikes along it arrive later.
    """
    least = {p: int(q.pre in relayed) for p, q in network.projections.items()}
    short = {p: least[p] - network.delay_range(p)[0] for p in network.projections}
    moved = dict.fromkeys(network.populations, 0)
    for _ in range(len(moved) + 1):
        changed = False
        for p, q in network.projections.items():
            if q.pre != q.post and moved[q.pre] + short[p] > moved[q.post]:
                moved[q.post] = moved[q.pre] + short[p]
                changed = True
        if not changed:
            break
    else:
        moved = dict.fromkeys(network.populations, 0)
    changes = []
    why = "a relay (splitter neuron) takes one tick"
    shift = {p: moved[q.post] - moved[q.pre] for p, q in network.projections.items()}
    for p in network.projections:
        late = short[p] - shift[p]
        if late > 0:
            what = f"arrives {late} ticks later than in the source"
            changes.append(Change("splitters", p, what, why))
    for name, r in moved.items():
        if r and name in network.outputs:
            changes.append(Change("splitters", name, f"answers {r} ticks later", why))
    return Timing(shift, least), tuple(changes)


def check_delays(network: Network, timing: Timing) -> None:
    """Raise LimitError with every projection on the chip whose delay no neuron's target can hold."""
    problems = Problems()
    for p, q in network.projections.items():
        if q.pre in network.inputs:
            continue
        longest = timing.of(p, np.asarray(network.delay_range(p)[1]))
        # a spike is on its way for 1 + delay ticks, of which a relay takes one
        ticks = 1 + int(longest) - timing.least[p]
        if ticks > DELAY_MAX:
            problems.add(f"truenorth: projection {p!r}", "exceeds max_delay", found=f"{ticks} ticks",
                         expected=f"{DELAY_MAX} at most",
                         cure="use a larger dt, or populations in between")  # fmt: skip
    problems.raise_as(LimitError)
