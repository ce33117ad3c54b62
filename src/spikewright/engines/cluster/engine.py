"""The cluster engine: the same `run`, called by every rank of `mpiexec -n 4 python script.py`.

Every rank makes the network and calls `run` with the same arguments. It builds the synapses onto its own neurons only,
and advances these; spikes are told to all ranks once in a batch of steps, which is as long as the shortest delay. All
draws depend on seed, neuron and step, and sums are taken in the order of addresses: the result does not depend, to the
last bit, on the number of ranks, and is that of the engine "cpu".
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from spikewright.engines.cluster.build import build
from spikewright.engines.cluster.collect import recording
from spikewright.engines.cluster.ranks import HEAD, Ranks
from spikewright.engines.cluster.run import ClusterRun
from spikewright.engines.engine import Engine, Prepared, Request
from spikewright.engines.planner import check_options
from spikewright.engines.recording import Recording
from spikewright.engines.stretches import Keeping
from spikewright.errors import EngineError, MissingExtra, explain
from spikewright.network.graph import Network


class Cluster(Engine):
    """Runs one network on many processes.

    Parameters
    ----------
    comm : an MPI communicator; default: all processes of `mpiexec`
    gather : True: rank 0 returns the whole recording, and writes `file`, `checkpoint` and progress; the others return
        counts of their own neurons, without spikes and traces. False: every rank returns the recording of its own
        neurons, and nobody has the whole. In either case a rank's `state` holds its own neurons (rank 0's, with
        `gather`, all), and is what the same rank gives to its next run
    """

    name: ClassVar[str] = "cluster"

    def __init__(self, comm: Any = None, *, gather: bool = True) -> None:
        self.gather = gather
        self.ranks = Ranks(_world() if comm is None else comm)

    def prepare(
        self,
        network: Network,
        *,
        precision: str = "double",
        threads: int | None = None,
        lazy: bool | None = None,
        batch: int = 1,
    ) -> Prepared:
        """Return this rank's part of a network, ready to run; called by all ranks. `threads` of each; default: 1."""
        with self.ranks.together():
            check_options(precision, threads)
            if lazy:
                raise EngineError(
                    explain(
                        "run(lazy=)",
                        "engine 'cluster' advances all neurons",
                        found=lazy,
                        expected="None or False",
                        cure="take engine='cpu' for a network that is mostly quiet",
                    )
                )
            return build(
                network,
                self.ranks,
                engine=self.name,
                precision=precision,
                threads=threads,
                lazy=lazy,
                batch=batch,
            )

    @property
    def is_writer(self) -> bool:
        """Whether this rank writes files and shows progress."""
        return self.ranks.rank == 0

    def agreed(self, value: int) -> int:
        """Return rank 0's number on all ranks."""
        return self.ranks.agreed(value)

    def _check_keeping(self, keeping: Keeping) -> None:
        if not self.gather and self.ranks.size > 1:
            raise EngineError(
                explain(
                    "run(file=, checkpoint=, progress=)",
                    "rank 0 does this, and needs the whole recording",
                    cure="take Cluster(gather=True), or run in chunks, going on from each rank's own state",
                )
            )

    def _together(self) -> AbstractContextManager[None]:
        return self.ranks.together()

    def _advance(self, prepared: Prepared, request: Request) -> Recording:
        self._check_same(request)
        run = ClusterRun(prepared, request, self.name, self.ranks)
        try:
            own = run.piece()
            if not self.gather:
                return recording(run.cpu, [own], own)
            pieces = self.ranks.gather(own)
            if pieces is None:
                return recording(run.cpu, [own], own, kept=False)
            return recording(run.cpu, pieces, own)
        finally:
            run.cpu.release()

    def _check_same(self, request: Request) -> None:
        """Refuse runs that differ from rank to rank."""
        if self.ranks.size == 1:
            return
        facts = {
            "steps": request.steps,
            "batch": request.batch,
            "seed": request.seed,
            "first_sample": request.first_sample,
            "step to begin with": request.state.step,
            "populations recorded": len(request.record),
            "populations whose spikes are kept": len(request.spikes),
            "check_finite": int(request.check_finite),
        }
        words = np.array(list(facts.values()), np.int64).view(np.uint32)
        found = self.ranks.meet("compare", words)[:, HEAD : HEAD + len(words)]
        rows = np.ascontiguousarray(found).view(np.int64)
        for i, what in enumerate(facts):
            if len(set(rows[:, i].tolist())) > 1:
                raise EngineError(
                    explain(
                        "cluster",
                        f"the ranks were given different runs: {what} differs",
                        found=", ".join(
                            f"rank {r}: {x}" for r, x in enumerate(rows[:, i].tolist())
                        ),
                        cure="call run with the same arguments on every rank",
                    )
                )


def _world() -> Any:
    """Return the communicator of all processes."""
    try:
        return import_module("mpi4py.MPI").COMM_WORLD
    except ModuleNotFoundError as error:
        raise MissingExtra("engine 'cluster'", "mpi4py", "mpi") from error
    except (ImportError, RuntimeError) as error:
        raise EngineError(
            explain(
                "engine 'cluster'",
                f"mpi4py finds no MPI library: {error}",
                cure="install one beside it: pip install mpich",
            )
        ) from error
