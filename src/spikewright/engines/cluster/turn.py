"""What a rank computes between two rounds, in one call: what the last one brought, and the next batch of steps."""

from __future__ import annotations

from typing import Any

from numba import njit

from spikewright.engines import loop
from spikewright.engines.cluster.exchange import pack, unpack
from spikewright.engines.cluster.ranks import HEAD, KIND, STATUS, WORDS

RANK, FIRST_PART, LAST_PART, PARTS, BATCH, TOGETHER, SPIKES = range(7)
"""Places in `facts`: this rank; its parts, of how many; samples; steps of a batch; the number of the round's kind."""
ODD = -1
"""Returned where the last round needs a closer look: nothing was done."""


@njit(nogil=True, cache=True)
def turn(
    operations: Any,
    replays: Any,
    before: Any,
    after: Any,
    senders: Any,
    facts: Any,
    sync: Any,
    last_k: int,
    last_steps: int,
    found: Any,
    k: int,
    steps: int,
    out: Any,
) -> int:
    """Finish the batch of `last_steps` with what all ranks sent, and run that of `steps` up to its message.

    Either may be of no steps. For one thread. Returns the words of the message, written to `out` where they fit.
    """
    rank, part, parts = facts[RANK], facts[FIRST_PART], facts[PARTS]
    batch, together = facts[BATCH], facts[TOGETHER]
    if last_steps > 0:
        for r in range(found.shape[0] if found.shape[0] > 1 else 0):
            if found[r, STATUS] != 0 or found[r, KIND] != facts[SPIKES]:
                return ODD
            if found[r, WORDS] > found.shape[1]:
                return ODD
        if found.shape[0] > 1:
            unpack(senders, rank, parts, batch, last_k, last_steps, found, HEAD)
        for sample in range(batch):
            loop.run(
                operations, after, part, parts, sample, sample, sample + 1,
                last_k, last_steps, together, sync, 1,
            )  # fmt: skip
    if steps == 0:
        return 0
    for sample in range(batch):
        if found.shape[0] > 1:
            # what enters is known everywhere: nobody sends it
            for other in (0, parts - 1):
                loop.run(
                    operations, replays, other, parts, sample, sample, sample + 1,
                    k, steps, together, sync, 1,
                )  # fmt: skip
        loop.run(
            operations, before, part, parts, sample, sample, sample + 1,
            k, steps, together, sync, 1,
        )  # fmt: skip
    if found.shape[0] == 1:
        return HEAD
    n = pack(senders, part, facts[LAST_PART], parts, batch, k, steps, out, HEAD)
    out[KIND], out[STATUS], out[WORDS] = facts[SPIKES], 0, n
    return n
