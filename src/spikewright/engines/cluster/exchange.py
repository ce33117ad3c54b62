"""The spikes of some steps as a message of 32-bit numbers, and back into the lists that kernels read.

After the head of a message come, for each population that sends, each sample and each step, how many spikes there are;
then, in this order, for each of them the addresses, and where spikes carry values, these. Nothing says which neuron is
whose: lists of lower ranks, one after the other, stand before a rank's own, those of higher ones behind, so that
addresses ascend, and sums have the same bits as in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikewright.engines.intrinsics import view
from spikewright.engines.layout import where

if TYPE_CHECKING:
    from spikewright.engines.cpu_population import CpuPopulation

COUNTS, SPIKES, VALUES, ROOM, DEPTH, ITEM, REACH, COLUMNS = 0, 1, 2, 3, 4, 5, 6, 7
"""Of a population that sends: addresses of its lists, their room and depth, 32-bit words of a value; and where bits
stand that say which of its neurons reach a neuron of this rank, 0 where all are listed."""


@njit(nogil=True, cache=True)
def pack(
    senders: Any,
    first: int,
    last: int,
    parts: int,
    batch: int,
    k: int,
    steps: int,
    out: Any,
    at: int,
) -> int:
    """Write the spikes of parts first..last - 1 from place `at` on, as far as they fit; return the words in all."""
    place = at + senders.shape[0] * batch * steps
    room_left = len(out)
    entry = at
    for p in range(senders.shape[0]):
        room, depth, item = senders[p, ROOM], senders[p, DEPTH], senders[p, ITEM]
        for sample in range(batch):
            for s in range(steps):
                slot = (k + s) & (depth - 1)
                total = 0
                for part in range(first, last):
                    row = (sample * parts + part) * depth + slot
                    n = view(senders[p, COUNTS] + 8 * row, 1, np.int64)[0]
                    total += n
                end = place + total * (1 + item)
                if end <= room_left:
                    out[entry] = total
                    values_at = place + total
                    for part in range(first, last):
                        row = (sample * parts + part) * depth + slot
                        n = view(senders[p, COUNTS] + 8 * row, 1, np.int64)[0]
                        listed = view(senders[p, SPIKES] + 4 * row * room, n, np.uint32)
                        for i in range(n):
                            out[place + i] = listed[i]
                        place += n
                        if item:
                            kept = view(
                                senders[p, VALUES] + 4 * item * row * room, item * n, np.uint32
                            )
                            for i in range(item * n):
                                out[values_at + i] = kept[i]
                            values_at += item * n
                place = end
                entry += 1
    return int(place)


@njit(nogil=True, cache=True)
def unpack(
    senders: Any, rank: int, parts: int, batch: int, k: int, steps: int, found: Any, at: int
) -> None:
    """Put the spikes of all other ranks into the first and the last part's lists."""
    for p in range(senders.shape[0]):
        depth = senders[p, DEPTH]
        for sample in range(batch):
            for part in (0, parts - 1):
                row = (sample * parts + part) * depth
                counts = view(senders[p, COUNTS] + 8 * row, depth, np.int64)
                for s in range(steps):
                    counts[(k + s) & (depth - 1)] = 0
    for r in range(found.shape[0]):
        if r == rank:
            continue
        part = 0 if r < rank else parts - 1
        place = at + senders.shape[0] * batch * steps
        entry = at
        for p in range(senders.shape[0]):
            room, depth, item = senders[p, ROOM], senders[p, DEPTH], senders[p, ITEM]
            for sample in range(batch):
                for s in range(steps):
                    n = np.int64(found[r, entry])
                    entry += 1
                    if n == 0:
                        continue
                    row = (sample * parts + part) * depth + ((k + s) & (depth - 1))
                    count = view(senders[p, COUNTS] + 8 * row, 1, np.int64)
                    before = count[0]
                    listed = view(senders[p, SPIKES] + 4 * row * room, room, np.uint32)
                    if senders[p, REACH] != 0:
                        # neighbors in the list are near each other in the bits, unlike the rows of synapses
                        reach = view(senders[p, REACH], 1 << 29, np.uint8)
                        here = before
                        for i in range(n):
                            source = found[r, place + i]
                            listed[here] = source
                            here += (reach[source >> np.uint32(3)] >> (source & np.uint32(7))) & 1
                        place += n
                        count[0] = here
                        continue
                    for i in range(n):
                        listed[before + i] = found[r, place + i]
                    place += n
                    if item:
                        kept = view(
                            senders[p, VALUES] + 4 * item * row * room, item * room, np.uint32
                        )
                        for i in range(item * n):
                            kept[item * before + i] = found[r, place + i]
                        place += item * n
                    count[0] = before + n


def row_of(p: CpuPopulation, reach: NDArray[np.uint8] | None) -> NDArray[np.int64]:
    """Return what a population that sends is known by; whoever calls keeps `reach` alive."""
    row = np.zeros(COLUMNS, np.int64)
    row[COUNTS], row[SPIKES], row[VALUES] = where(p.counts), where(p.spikes), where(p.values)
    row[ROOM], row[DEPTH] = p.room, p.depth
    row[ITEM] = p.values.itemsize // 4 if p.graded else 0
    row[REACH] = 0 if reach is None else where(reach)
    return row


def reaching(p: CpuPopulation) -> NDArray[np.uint8] | None:
    """Return which neurons of a population reach any that is advanced here, as bits; None: all are to be listed."""
    run = p.run
    if p.graded or any(name in run.own.ruled for name in p.outgoing):
        # a rule tells its rows what arrived, on every rank
        return None
    found = np.zeros(p.n, bool)
    for name in p.outgoing:
        for part in run.own.stored[name].parts:
            if "start" not in part and run.own.stored[name].n:
                return None
            if "start" in part:
                found |= np.diff(part["start"]) > 0
    if found.all():
        return None
    return np.packbits(found, bitorder="little")
