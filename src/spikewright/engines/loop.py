"""The loop of a network: which kernels run in a step, in which order, and where threads wait for each other.

A run is a list of groups of operations. The operations of a group are called one after the other, either once for all
steps of a batch, or step by step; threads meet before a group that reads what others wrote. A batch has as many steps
as no spike needs longer than to arrive, so that within it nobody waits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spikewright.engines.intrinsics import STOP, atomic_load, invoke, view, wait_for_all

KERNEL, TABLE, COUNTS, DEPTH = 0, 1, 2, 3
"""Columns of an operation; one that sends spikes names the lists' lengths and their depth: it waits for something."""
FIRST, LAST, STEPWISE, MEET = 0, 1, 2, 3
"""Columns of a group: its operations, whether they are called step by step, whether threads meet before it."""


@njit(nogil=True)
def _nothing(counts: int, depth: int, sample: int, parts: int, k: int) -> bool:
    """Return whether a population sent nothing in step k; its lists are a power of two deep."""
    slot = k & (depth - 1)
    for part in range(parts):
        if view(counts + 8 * ((sample * parts + part) * depth + slot), 1, np.int64)[0] != 0:
            return False
    return True


@njit(nogil=True, cache=True)
def run(
    operations: Any,
    groups: Any,
    part: int,
    parts: int,
    worker: int,
    first_sample: int,
    last_sample: int,
    first: int,
    steps: int,
    batch: int,
    sync: Any,
    meeting: int,
) -> None:
    """Run samples first_sample..last_sample - 1, one after the other, from step `first` on.

    `meeting` is how many threads wait for each other.
    """
    for sample in range(first_sample, last_sample):
        k = first
        end = first + steps
        while k < end:
            now = min(batch, end - k)
            for g in range(groups.shape[0]):
                if groups[g, MEET] != 0 and meeting > 1:
                    wait_for_all(sync, meeting)
                if groups[g, STEPWISE] != 0:
                    for s in range(now):
                        for o in range(groups[g, FIRST], groups[g, LAST]):
                            if operations[o, COUNTS] != 0 and _nothing(
                                operations[o, COUNTS], operations[o, DEPTH], sample, parts, k + s
                            ):
                                continue
                            invoke(
                                operations[o, KERNEL],
                                operations[o, TABLE],
                                sample,
                                part,
                                worker,
                                k + s,
                                1,
                            )
                else:
                    for o in range(groups[g, FIRST], groups[g, LAST]):
                        invoke(
                            operations[o, KERNEL],
                            operations[o, TABLE],
                            sample,
                            part,
                            worker,
                            k,
                            now,
                        )
            k += now
            if atomic_load(sync, STOP) != 0:
                break
