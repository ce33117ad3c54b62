"""Memory that all ranks of one machine write to: where a message lies, and how its reader knows that it is there.

Every rank has two places for messages, used in turn, and a number of its own on a cache line of its own: the round in
which it wrote last. A rank is in round n when all numbers are n or more. Nobody writes to a place that another still
reads: who writes for round n + 2 has seen all in round n + 1, and they had done with round n.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numba import njit, types

from spikewright.engines.intrinsics import atomic_load, atomic_store
from spikewright.engines.planner import cores

LINE = 8
"""Numbers of 64 bits on a cache line."""
FEW, MANY = 100, 30_000
"""How often a rank looks before it gives its core away: where others wait for a core, and where each has its own."""
_yield: Any = types.ExternalFunction("sched_yield", types.int32())


def is_one_machine(comm: Any) -> bool:
    """Return whether all ranks can share memory; called by all."""
    if sys.platform == "win32" or not hasattr(comm, "Split_type"):
        return False
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    here = int(node.Get_size())
    node.Free()
    return here == int(comm.Get_size())


class Shared:
    """Two places for messages of each rank, and the round in which each is.

    Parameters
    ----------
    comm : an MPI communicator of ranks on one machine; None: there is one rank
    size, rank : of it
    room : words of a message
    number : the round in which all are

    Attributes
    ----------
    rounds : int64, (size * LINE,)
    words : uint32, (2, size, room)
    spins : how often to look whether others have come before the core is given away
    """

    def __init__(self, comm: Any, size: int, rank: int, room: int, number: int) -> None:
        self._window: Any = None
        self.spins = MANY if size <= cores() else FEW
        head = 8 * LINE * size
        n_bytes = head + 8 * size * room
        if comm is None:
            memory: Any = bytearray(n_bytes)
        else:
            from mpi4py import MPI

            self._window = MPI.Win.Allocate_shared(n_bytes if rank == 0 else 0, 1, comm=comm)
            memory = self._window.Shared_query(0)[0]
        self.rounds = np.frombuffer(memory, np.int64, LINE * size)
        self.words = np.frombuffer(memory, np.uint32, 2 * size * room, head).reshape(2, size, room)
        self.rounds[LINE * rank] = number
        if comm is not None:
            comm.Barrier()

    def release(self) -> None:
        """Give the memory back; called by all ranks."""
        if self._window is not None:
            del self.rounds, self.words
            self._window.Free()


@njit(nogil=True, cache=True)
def meet(rounds: Any, rank: int, number: int, spins: int) -> None:
    """Say that this rank is in a round, and return when all are: look `spins` times, then give the core away."""
    atomic_store(rounds, rank * LINE, number)
    for r in range(len(rounds) // LINE):
        tries = 0
        while atomic_load(rounds, r * LINE) < number:
            tries += 1
            if tries > spins:
                _yield()
