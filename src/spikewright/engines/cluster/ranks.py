"""How ranks meet: one kind of round for everything, so that a rank that fails can tell all others at once.

A round shows everybody a buffer of each rank, whose length all know: what it is for, whether the sender is in trouble,
how many words it has, and the words. On one machine the buffers lie in memory that all share; else they go through an
Allgather. Whatever the others are about to do, their next round is where a rank in trouble joins them; then its message
is sent to all, and all stop. What does not fit the buffer follows in an Allgatherv, and the buffer is longer the next
time, on all ranks alike.

Longer work between two rounds is waited for; a process that is killed ends the others through `mpiexec`. Only an error
that nobody could be told of, in the user's own script, ends in `MPI.Abort`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.cluster.shared import Shared, is_one_machine, meet
from spikewright.errors import EngineError, explain

KIND, STATUS, WORDS, HEAD = 0, 1, 2, 3
"""Places in a message: what the round is for, whether its sender is well, words in all; and where the rest begins."""
FIRST_ROOM, SHARED_ROOM = 512, 1 << 14
"""Words of the buffer before anything was sent, and of one in shared memory, where unused words cost nothing."""
GROW = 1.5
"""How much longer than the longest message the buffer becomes."""
_give_way = getattr(os, "sched_yield", lambda: time.sleep(0))
KINDS = ("spikes", "agree", "compare", "collect", "end")


class Stopped(EngineError):
    """Another rank stopped the run."""


class Ranks:
    """The processes of one run.

    Parameters
    ----------
    comm : an MPI communicator, or what has its `Allgather`, `Allgatherv`, `bcast`, `gather`, `Get_rank`, `Get_size`

    Attributes
    ----------
    shared : the memory in which messages lie, where all ranks are on one machine; else None
    out : words of the next message, up to `room`
    inbox : what the last round showed, (size, room)
    rounds : so far
    words_sent : by this rank, to each of the others
    """

    def __init__(self, comm: Any) -> None:
        self.comm = comm
        self.size, self.rank = int(comm.Get_size()), int(comm.Get_rank())
        self.words_sent = self.rounds = 0
        self.shared = Shared(None, 1, 0, FIRST_ROOM, 0) if self.size == 1 else None
        self.out: NDArray[np.uint32]
        self.inbox: NDArray[np.uint32]
        self._has_looked = False
        self._depth = 0
        self._set_room(FIRST_ROOM)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run what all ranks do: an error of one stops all of them."""
        if self._depth or self.size == 1:
            yield
            return
        _watch(self.comm)
        if not self._has_looked and is_one_machine(self.comm):
            self.shared = Shared(self.comm, self.size, self.rank, SHARED_ROOM, self.rounds)
        self._has_looked = True
        self._depth += 1
        self._set_room(FIRST_ROOM)
        try:
            yield
            self.meet("end")
        except Stopped as error:
            _known.append(error)
            raise
        except BaseException as error:
            self.fail(error)
            _known.append(error)
            raise
        finally:
            self._depth -= 1

    def meet(self, kind: str, words: NDArray[np.uint32] | Sequence[int] = ()) -> NDArray[np.uint32]:
        """Send words to all, and return those of all ranks, (size, most words): HEAD words of each, then its own.

        Parameters
        ----------
        kind : of KINDS: the same on all ranks
        words : any number; they follow HEAD

        Raises
        ------
        Stopped : a rank failed
        EngineError : ranks do different things
        """
        message = np.zeros(HEAD + len(words), np.uint32)
        message[HEAD:] = words
        return self.send(kind, message)

    def send(self, kind: str, message: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Do what `meet` does, with a message whose first HEAD words are free to be filled in."""
        message[KIND], message[STATUS], message[WORDS] = KINDS.index(kind), 0, len(message)
        here = min(len(message), self.room)
        self.out[:here] = message[:here]
        self.swap()
        return self.finish(message)

    def swap(self) -> NDArray[np.uint32]:
        """Send `out`, a message that fits, to all; return the messages of all ranks, as far as they fit."""
        if self.shared is not None:
            sent = int(self.out[WORDS])
            meet(self.shared.rounds, self.rank, self.rounds + 1, self.shared.spins)
            self.passed(1, sent)
            return self.inbox
        self._wait(*self._call("allgather", self.out, self.inbox))
        self.rounds += 1
        self.words_sent += self.room
        return self.inbox

    def passed(self, rounds: int, words: int) -> None:
        """Take note of rounds in shared memory, and of the words sent in them: what comes next has another place."""
        self.rounds += rounds
        self.words_sent += words
        if self.shared is not None:
            self.inbox = self.shared.words[self.rounds % 2]
            self.out = self.shared.words[(self.rounds + 1) % 2, self.rank]

    def finish(self, message: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Look at what `swap` brought: return it, with what did not fit.

        Raises
        ------
        As `meet`
        """
        found = self._with_rest(message)
        if np.any(found[:, STATUS]):
            self._listen(found)
        kinds = found[:, KIND]
        if np.any(kinds != kinds[0]):
            doing = ", ".join(f"rank {r}: {KINDS[kind]}" for r, kind in enumerate(kinds.tolist()))
            raise EngineError(
                explain("cluster", "the ranks do not do the same", found=doing,
                        cure="let every rank call the same runs in the same order")
            )  # fmt: skip
        return found

    def fail(self, error: BaseException) -> None:
        """Join the others in whatever round they are in, and tell them why this rank stops."""
        message = np.zeros(HEAD, np.uint32)
        message[STATUS], message[WORDS] = 1, HEAD
        self.out[:HEAD] = message
        self.swap()
        found = self._with_rest(message)
        first = int(np.flatnonzero(found[:, STATUS])[0])
        self.comm.bcast(f"{type(error).__name__}: {error}" if first == self.rank else None, first)

    def gather(self, value: Any) -> list[Any] | None:
        """Return the values of all ranks on rank 0, None elsewhere."""
        if self.size == 1:
            return [value]
        self.meet("collect")
        found: list[Any] | None = self.comm.gather(value, 0)
        return found

    def agreed(self, value: int) -> int:
        """Return rank 0's number on all ranks; not negative, below 2^63."""
        if self.size == 1:
            return value
        low, high = value & 0xFFFFFFFF, value >> 32
        found = self.meet("agree", [low, high])
        return int(found[0, HEAD]) | int(found[0, HEAD + 1]) << 32

    # -- the round itself -------------------------------------------------------------------------------

    def _with_rest(self, message: NDArray[np.uint32]) -> NDArray[np.uint32]:
        n = len(message)
        lengths = self.inbox[:, WORDS].astype(np.int64)
        most = int(lengths.max())
        if most <= self.room:
            return self.inbox
        left = np.maximum(lengths - self.room, 0)
        rest = np.empty(int(left.sum()), np.uint32)
        own = np.ascontiguousarray(message[self.room :])
        self._wait(*self._call("allgatherv", own, [rest, left.tolist()]))
        self.words_sent += max(0, n - self.room)
        whole = np.zeros((self.size, most), np.uint32)
        whole[:, : self.room] = self.inbox
        at = 0
        for r, count in enumerate(left.tolist()):
            whole[r, self.room : self.room + count] = rest[at : at + count]
            at += count
        self._set_room(int(GROW * most))
        return whole

    def _call(self, name: str, sent: Any, received: Any) -> tuple[Any, ...]:
        """Begin a call that all ranks make; return what is to be waited for, and the arrays that it needs."""
        begin = getattr(self.comm, f"I{name}", None)
        if begin is None:
            getattr(self.comm, name.capitalize())(sent, received)
            return ()
        return begin(sent, received), sent, received

    def _wait(self, request: Any = None, *held: Any) -> None:
        # MPI libraries wait in a loop; where ranks share cores, that keeps the one that is waited for from running
        while request is not None and not request.Test():
            _give_way()

    def _set_room(self, room: int) -> None:
        if self.shared is not None:
            has = self.shared.words.shape[2]
            if room > has:
                self.shared.release()
                self.shared = Shared(self.comm, self.size, self.rank, room, self.rounds)
            self.room = max(room, has)
            self.passed(0, 0)
            return
        self.room = room
        self.inbox = np.zeros((self.size, room), np.uint32)
        self.out = np.zeros(room, np.uint32)

    def _listen(self, found: NDArray[np.uint32]) -> None:
        first = int(np.flatnonzero(found[:, STATUS])[0])
        text = self.comm.bcast(None, first)
        raise Stopped(explain("cluster", f"rank {first} of {self.size} stopped the run: {text}"))


# -- errors that nobody was told of ------------------------------------------------------------------------

_known: list[BaseException] = []
"""Errors with which all ranks stopped together."""
_watched: list[Any] = []


def _watch(comm: Any) -> None:
    """End all ranks when one ends with an error that the others do not know of: they would wait for it for ever."""
    if _watched or not hasattr(comm, "Abort"):
        return
    _watched.append(comm)
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        before(kind, error, trace)
        sys.stderr.flush()
        if not any(error is known for known in _known):
            comm.Abort(1)

    sys.excepthook = hook
