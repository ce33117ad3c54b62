"""Chips of a SpiNNaker machine: a triangular torus, its multicast trees, and the entries that routers need for them.

A chip (x, y) has six links: east, north-east, north, west, south-west, south. On a torus the way between two chips is
d steps along the diagonal and the rest along one axis. A tree is the union of the ways from its root; each chip's
parent depends on its place relative to the root only, so the union has no loop.

Every core sends with keys of its own: the cores of a population get keys one after the other, so that one entry with a
mask serves an aligned block of them that leave a router by the same links. A packet that goes straight on needs no
entry. A tree that would cross a failed link is replaced by shortest ways over those that are left, all from one search.

Source
------
Furber et al., Proc. IEEE 102(5), 2014 (links, routing by key and mask, default routing); hexagonal distances as in
Heathcote, "Building and operating large-scale SpiNNaker machines", PhD thesis, Manchester 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, explain

Place = tuple[int, int]
Link = tuple[Place, int]
"""A chip, and the number of the link that leaves it."""
LINKS: tuple[Place, ...] = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))
"""Steps of the six links, in their order: the opposite of link i is link i + 3 modulo 6."""
NAMES = ("E", "NE", "N", "W", "SW", "S")
"""What `passes.mesh` calls them."""
SHOWN = (0, 4, 2, 1, 5, 3)
"""Their places in `Costs.links`: east, west, north, south, north-east, south-west."""
LOCAL = 6
"""Routes number the links 0 to 5; core c is LOCAL + c."""


def offset(source: Place, target: Place, mesh: Place) -> Place:
    """Return the shortest (dx, dy) from source to target on a torus; the first found where several are equal."""
    best: tuple[int, Place] | None = None
    for dx in _around(target[0] - source[0], mesh[0]):
        for dy in _around(target[1] - source[1], mesh[1]):
            length = distance((dx, dy))
            if best is None or length < best[0]:
                best = length, (dx, dy)
    return best[1] if best else (0, 0)


def _around(d: int, size: int) -> tuple[int, ...]:
    d %= size
    return (d, d - size)


def distance(step: Place) -> int:
    """Return how many links a step of (dx, dy) takes: the diagonal counts once."""
    dx, dy = step
    return max(abs(dx), abs(dy)) if dx * dy > 0 else abs(dx) + abs(dy)


def tree(root: Place, targets: Iterable[Place], mesh: Place) -> dict[Place, list[int]]:
    """Return chip -> links by which packets leave it, for every chip on the way from the root to the targets."""
    out: dict[Place, list[int]] = {root: []}
    links: list[Link] = []
    for target in sorted(set(targets)):
        dx, dy = offset(root, target, mesh)
        here = target
        while here not in out:
            out[here] = []
            link = _last_link(dx, dy)
            dx, dy = dx - LINKS[link][0], dy - LINKS[link][1]
            here = (root[0] + dx) % mesh[0], (root[1] + dy) % mesh[1]
            links.append((here, link))
    for chip, link in links:
        out[chip].append(link)
    return out


def detour(
    root: Place, targets: Iterable[Place], mesh: Place, failed: Set[Link]
) -> dict[Place, list[int]]:
    """Return a tree as `tree` does, of shortest ways that cross no failed link.

    Raises
    ------
    LimitError : failed links leave no way to a target
    """
    came: dict[Place, Link] = {}
    todo = [root]
    for chip in todo:
        for link, (dx, dy) in enumerate(LINKS):
            there = (chip[0] + dx) % mesh[0], (chip[1] + dy) % mesh[1]
            if there != root and there not in came and (chip, link) not in failed:
                came[there] = chip, link
                todo.append(there)
    out: dict[Place, list[int]] = {root: []}
    links: list[Link] = []
    for target in sorted(set(targets)):
        here = target
        while here not in out:
            if here not in came:
                raise LimitError(
                    explain(
                        "spinnaker: route",
                        "failed links leave no way between two chips",
                        found=f"{root} to {target}",
                        cure="count the chip that is cut off among the faulty ones",
                    )
                )
            out[here] = []
            here, link = came[here]
            links.append((here, link))
    for chip, link in links:
        out[chip].append(link)
    return out


def _last_link(dx: int, dy: int) -> int:
    """Return the last link on the way to (dx, dy): the diagonal comes first, then the axis that is left."""
    if abs(dx) > abs(dy) or dx * dy < 0:
        return LINKS.index((1 if dx > 0 else -1, 0))
    if dx * dy > 0 and abs(dx) == abs(dy):
        return LINKS.index((1, 1) if dx > 0 else (-1, -1))
    return LINKS.index((0, 1 if dy > 0 else -1))


@dataclass(frozen=True)
class Sender:
    """One core that sends packets.

    Parameters
    ----------
    block : whose keys it has: a population, or its delay extension
    number : which of the block's cores it is
    core : its number on the machine
    targets : cores that its packets go to, ascending
    population : whose spikes it sends
    is_extension : whether it is a delay extension
    """

    block: str
    number: int
    core: int
    targets: tuple[int, ...]
    population: str = ""
    is_extension: bool = False


@dataclass(frozen=True)
class Routes:
    """Where packets go.

    Parameters
    ----------
    passed : routers that a packet of each sender passes, its own chip's included (n,)
    entries : chip -> entries of its router
    load : (chip, link) -> senders whose packets cross it
    crossed : (n, 2), number of a sender in the list, and link (number in `links`) that its packets cross
    links : the links that are crossed at all
    detours : trees that were led around failed links
    """

    passed: NDArray[np.int64]
    entries: Mapping[Place, int]
    load: Mapping[Link, tuple[int, ...]]
    crossed: NDArray[np.int64]
    links: tuple[Link, ...]
    detours: int


def route(
    senders: Iterable[Sender],
    position: NDArray[np.int64],
    mesh: Place,
    failed: Set[Link] = frozenset(),
) -> Routes:
    """Return the multicast routes of all senders, none over a failed link, and the entries that they need."""
    tables: dict[Place, dict[str, dict[int, tuple[int, ...]]]] = {}
    load: dict[Link, list[int]] = {}
    crossed: list[tuple[int, int]] = []
    number_of: dict[Link, int] = {}
    detours = 0
    passed: list[int] = []
    place = [(int(x), int(y)) for x, y in position]
    number_on_chip: dict[int, int] = {}
    count: dict[Place, int] = {}
    for core, chip in enumerate(place):
        number_on_chip[core] = count.get(chip, 0)
        count[chip] = number_on_chip[core] + 1
    for index, sender in enumerate(senders):
        passed.append(0)
        if not sender.targets:
            continue
        root = place[sender.core]
        goals = {place[t] for t in sender.targets}
        branches = tree(root, goals, mesh)
        if failed and any((c, link) in failed for c, out in branches.items() for link in out):
            branches = detour(root, goals, mesh, failed)
            detours += 1
        passed[-1] = len(branches)
        local: dict[Place, list[int]] = {}
        for target in sender.targets:
            local.setdefault(place[target], []).append(LOCAL + number_on_chip[target])
        arrives: dict[Place, int] = {}
        for chip, links in branches.items():
            for link in links:
                there = (chip[0] + LINKS[link][0]) % mesh[0], (chip[1] + LINKS[link][1]) % mesh[1]
                arrives[there] = link
                load.setdefault((chip, link), []).append(sender.core)
                crossed.append((index, number_of.setdefault((chip, link), len(number_of))))
        for chip, links in branches.items():
            out = tuple(sorted(links) + local.get(chip, []))
            straight = out == (arrives.get(chip),)
            table = tables.setdefault(chip, {}).setdefault(sender.block, {})
            table[sender.number] = () if straight else out
    entries = {
        chip: sum(_blocks(table) for table in blocks.values()) for chip, blocks in tables.items()
    }
    return Routes(
        np.array(passed, np.int64),
        entries,
        {k: tuple(v) for k, v in load.items()},
        np.array(crossed, np.int64).reshape(-1, 2),
        tuple(number_of),
        detours,
    )


def _blocks(table: Mapping[int, tuple[int, ...]]) -> int:
    """Return the fewest aligned blocks that tell a block's routes apart; keys that never come here do not count.

    Straight routes, (), need no entry.
    """
    routes = set(table.values())
    if len(routes) <= 1:
        return int(bool(routes - {()}))
    top = max(table)
    half = 1 << max(top.bit_length() - 1, 0)
    low = {n: r for n, r in table.items() if n < half}
    high = {n - half: r for n, r in table.items() if n >= half}
    return _blocks(low) + _blocks(high)
