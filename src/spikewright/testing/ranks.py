"""Ranks as threads of one process, so that many are tested without MPI; and a network for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from spikewright.network import (
    LIF,
    FixedInDegree,
    Network,
    PoissonDrive,
    Population,
    Projection,
    Rule,
)
from spikewright.network.plasticity import PairSTDP


class Beside:
    """What threads that stand for ranks share."""

    def __init__(self, size: int) -> None:
        self.size, self.barrier = size, threading.Barrier(size, timeout=60)
        self.slots: list[Any] = [None] * size

    def exchanged(self, rank: int, value: Any) -> list[Any]:
        """Return the values of all ranks."""
        self.slots[rank] = value
        self.barrier.wait()
        found = list(self.slots)
        self.barrier.wait()
        return found


class Communicator:
    """The part of an MPI communicator that the cluster engine uses."""

    def __init__(self, beside: Beside, rank: int) -> None:
        self.beside, self.rank = beside, rank

    def Get_size(self) -> int:
        return self.beside.size

    def Get_rank(self) -> int:
        return self.rank

    def Allgather(self, sent: Any, received: Any) -> None:
        received[...] = np.stack(self.beside.exchanged(self.rank, sent.copy()))

    def Allgatherv(self, sent: Any, received: Any) -> None:
        found = self.beside.exchanged(self.rank, sent.copy())
        assert [len(x) for x in found] == received[1]
        received[0][...] = np.concatenate(found)

    def bcast(self, value: Any, root: int) -> Any:
        return self.beside.exchanged(self.rank, value)[root]

    def gather(self, value: Any, root: int) -> list[Any] | None:
        found = self.beside.exchanged(self.rank, value)
        return found if self.rank == root else None


def on_ranks(size: int, job: Callable[[Any], Any]) -> list[Any]:
    """Return what `job(communicator)` returns, or the error it raises, on every rank."""
    beside = Beside(size)
    found: list[Any] = [None] * size

    def work(rank: int) -> None:
        try:
            found[rank] = job(Communicator(beside, rank))
        except Exception as error:
            found[rank] = error

    threads = [threading.Thread(target=work, args=(r,)) for r in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found


def balanced(n: int = 150, *, plastic: bool = False, late: Any = 1.5e-3) -> Network:
    """Return a network of Brunel's kind, drawn by recipes: every rank draws its own part."""
    n_exc, n_inh = 4 * n // 5, n // 5
    counts = {"exc": n_exc, "inh": n_inh}
    params = {"tau_m": 20e-3, "v_th": 20e-3, "v_reset": 10e-3, "t_ref": 2e-3}
    projections = {}
    for i, (pre, weight) in enumerate((("exc", 0.5e-3), ("inh", -2.5e-3))):
        for j, post in enumerate(counts):
            recipe = FixedInDegree(counts[post], counts[pre] // 10, weights=weight, seed=2 * i + j)
            rule = Rule(PairSTDP) if plastic and pre == post == "exc" else None
            projections[f"{pre}->{post}"] = Projection(pre, post, recipe, delay=late, rule=rule)
    return Network(
        dt=1e-4,
        populations={name: Population(LIF, count, params) for name, count in counts.items()},
        projections=projections,
        drives={f"to {name}": PoissonDrive(name, 15e3, 0.1e-3) for name in counts},
    )
