"""Chips of a SpiNNaker machine: a triangular torus, its multicast trees, and the entries that routers need for them.

A chip (x, y) has six links: east, north-east, north, west, south-west, south. On a torus the way between two chips is
d steps along the diagonal and the rest along one axis. A tree is the union of the ways from its root; each chip's
parent depends on its place relative to the root only, so the union has no loop.

Every core sends with keys of its own: the cores of a population get keys one after the other, so that one entry with a
mask serves an aligned block of them that leave a router by the same links. A packet that goes straight on needs no
entry.

Source
------
Furber et al., Proc. IEEE 102(5), 2014 (links, routing by key and mask, default routing); hexagonal distances as in
Heathcote, "Building and operating large-scale SpiNNaker machines", PhD thesis, Manchester 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int]
LINKS: tuple[Place, ...] = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))
"""Steps of the six links, in their order: the opposite of link i is link i + 3 modulo 6."""
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
    links: list[tuple[Place, int]] = []
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
    """

    block: str
    number: int
    core: int
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Routes:
    """Where packets go.

    Parameters
    ----------
    visits : core -> routers that one of its packets passes, its own chip included
    entries : chip -> entries of its router
    load : (chip, link) -> senders whose packets cross it
    """

    visits: NDArray[np.int64]
    entries: Mapping[Place, int]
    load: Mapping[tuple[Place, int], tuple[int, ...]]


def route(senders: Iterable[Sender], position: NDArray[np.int64], mesh: Place) -> Routes:
    """Return the multicast routes of all senders and the entries that they need."""
    visits = np.zeros(len(position), np.int64)
    tables: dict[Place, dict[str, dict[int, tuple[int, ...]]]] = {}
    load: dict[tuple[Place, int], list[int]] = {}
    place = [(int(x), int(y)) for x, y in position]
    number_on_chip: dict[int, int] = {}
    count: dict[Place, int] = {}
    for core, chip in enumerate(place):
        number_on_chip[core] = count.get(chip, 0)
        count[chip] = number_on_chip[core] + 1
    for sender in senders:
        if not sender.targets:
            continue
        root = place[sender.core]
        branches = tree(root, (place[t] for t in sender.targets), mesh)
        visits[sender.core] = len(branches)
        local: dict[Place, list[int]] = {}
        for target in sender.targets:
            local.setdefault(place[target], []).append(LOCAL + number_on_chip[target])
        arrives: dict[Place, int] = {}
        for chip, links in branches.items():
            for link in links:
                there = (chip[0] + LINKS[link][0]) % mesh[0], (chip[1] + LINKS[link][1]) % mesh[1]
                arrives[there] = link
                load.setdefault((chip, link), []).append(sender.core)
        for chip, links in branches.items():
            out = tuple(sorted(links) + local.get(chip, []))
            straight = out == (arrives.get(chip),)
            table = tables.setdefault(chip, {}).setdefault(sender.block, {})
            table[sender.number] = () if straight else out
    entries = {
        chip: sum(_blocks(table) for table in blocks.values()) for chip, blocks in tables.items()
    }
    return Routes(visits, entries, {k: tuple(v) for k, v in load.items()})


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
