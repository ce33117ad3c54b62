"""What a rank computes between two rounds, in one call: what the last one brought, and the next batch of steps.

In shared memory the rounds, too, belong to the call: many batches go by without a word of Python.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from spikewright.engines import loop
from spikewright.engines.cluster.exchange import pack, unpack
from spikewright.engines.cluster.ranks import HEAD, KIND, STATUS, WORDS
from spikewright.engines.cluster.shared import meet

RANK, FIRST_PART, LAST_PART, PARTS, BATCH, TOGETHER, SPIKES = range(7)
"""Places in `facts`: this rank; its parts, of how many; samples; steps of a batch; the number of the round's kind."""
LAST_K, LAST_STEPS, NEXT, WRITTEN, PASSED, SENT, PLACES = range(7)
"""Places in `place`: first step and steps of the batch whose spikes were told last; where the next begins; words of the
message that was written; rounds that went by, and words sent in them."""
ODD = -1
"""What is written where the last round needs a closer look: nothing was done."""


@njit(nogil=True, cache=True)
def turn(
    operations: Any,
    replays: Any,
    before: Any,
    after: Any,
    senders: Any,
    facts: Any,
    sync: Any,
    found: Any,
    out: Any,
    end: int,
    place: Any,
) -> None:
    """Finish the last batch with what all ranks sent, and run the next, if it begins before `end`, up to its message.

    For one thread. The message is written to `out` where it fits.
    """
    rank, part, parts = facts[RANK], facts[FIRST_PART], facts[PARTS]
    batch, together = facts[BATCH], facts[TOGETHER]
    last_k, last_steps, k = place[LAST_K], place[LAST_STEPS], place[NEXT]
    steps = min(together, end - k)
    if last_steps > 0:
        for r in range(found.shape[0] if found.shape[0] > 1 else 0):
            if (
                found[r, STATUS] != 0
                or found[r, KIND] != facts[SPIKES]
                or found[r, WORDS] > found.shape[1]
            ):
                place[WRITTEN] = ODD
                return
        if found.shape[0] > 1:
            unpack(senders, rank, parts, batch, last_k, last_steps, found, HEAD)
        for sample in range(batch):
            loop.run(
                operations, after, part, parts, sample, sample, sample + 1,
                last_k, last_steps, together, sync, 1,
            )  # fmt: skip
    place[LAST_K], place[LAST_STEPS], place[NEXT], place[WRITTEN] = k, steps, k + steps, 0
    if steps == 0:
        return
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
    if found.shape[0] > 1:
        n = pack(senders, part, facts[LAST_PART], parts, batch, k, steps, out, HEAD)
        out[KIND], out[STATUS], out[WORDS] = facts[SPIKES], 0, n
        place[WRITTEN] = n


@njit(nogil=True, cache=True)
def turns(
    operations: Any,
    replays: Any,
    before: Any,
    after: Any,
    senders: Any,
    facts: Any,
    sync: Any,
    rounds: Any,
    words: Any,
    spins: int,
    number: int,
    end: int,
    place: Any,
) -> None:
    """Take turns in shared memory, from round `number` on, until all is finished and told up to step `end`.

    Returns earlier where a message does not fit, which is then told to nobody, or where a round is odd.
    """
    rank = facts[RANK]
    while True:
        now = number + place[PASSED]
        turn(
            operations, replays, before, after, senders, facts, sync,
            words[now % 2], words[(now + 1) % 2, rank], end, place,
        )  # fmt: skip
        n = place[WRITTEN]
        if place[LAST_STEPS] == 0 or n == ODD or n > words.shape[2]:
            return
        if words.shape[1] > 1:
            meet(rounds, rank, now + 1, spins)
            place[PASSED] += 1
            place[SENT] += n
