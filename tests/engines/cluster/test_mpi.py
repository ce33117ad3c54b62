"""Two processes under mpiexec: one result, and no hanging whatever happens to one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spikewright.engines.checkpoint import load_state
from spikewright.engines.recorder import read_recording
from spikewright.testing.ranks import balanced

MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
)
pytest.importorskip("mpi4py")
if MPIEXEC is None:
    pytest.skip("needs mpiexec: pip install mpich", allow_module_level=True)

SCRIPT = """
import os, signal
from spikewright.testing.ranks import balanced
from spikewright.engines import run, stretches
from spikewright.engines.cluster import Cluster
from spikewright.engines.cluster.run import ClusterRun
from spikewright.engines.cluster.engine import _world
rank, network = _world().Get_rank(), balanced()
place = {place!r}
"""


def mpi(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a script on two ranks."""
    script = tmp_path / "script.py"
    head = SCRIPT.format(place=str(tmp_path))
    script.write_text(head + text)
    return subprocess.run(
        [str(MPIEXEC), "-n", "2", sys.executable, str(script)],
        capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_two_ranks_run_fail_and_run_again(tmp_path: Path) -> None:
    done = mpi(
        tmp_path,
        """
from spikewright.testing.engine_suite import assert_same
found = run(network, steps=500, seed=4, engine="cluster")
assert found.engine == "cluster"
if rank == 0:
    assert_same(found, run(network, steps=500, seed=4, engine="cpu"))
    assert found.spikes["exc"].n > 100
advance = ClusterRun.chunk
def failing(self, step, steps):
    if rank == 1 and step >= 200:
        raise MemoryError("no room")
    advance(self, step, steps)
ClusterRun.chunk = failing
try:
    run(network, steps=900, engine="cluster", file=place + "/r.h5")
except Exception as error:
    print(f"rank {rank}: {error}", flush=True)
ClusterRun.chunk = advance
again = run(network, steps=50, engine="cluster")
print(f"rank {rank} again {again.steps}", flush=True)
""",
    )
    assert done.returncode == 0, done.stderr
    # mpiexec passes on what ranks print piece by piece: an end of line may come late
    assert "rank 0: cluster: rank 1 of 2 stopped the run: MemoryError: no room" in done.stdout
    assert "rank 1: no room" in done.stdout
    assert "rank 0 again 50" in done.stdout
    assert read_recording(tmp_path / "r.h5").steps >= 100


def test_messages_in_shared_memory_and_through_mpi(tmp_path: Path) -> None:
    done = mpi(
        tmp_path,
        """
from spikewright.engines.cluster import ranks as rounds
from spikewright.testing.engine_suite import assert_same

class Apart:
    # what ranks on two machines have: no memory in common
    def __init__(self, comm):
        for name in ("Get_size", "Get_rank", "Iallgather", "Iallgatherv", "bcast", "gather", "Abort"):
            setattr(self, name, getattr(comm, name))

network = balanced(300)
expected = run(network, steps=400, seed=4, engine="cpu")
for threads in (1, 2):
    apart, shared = Cluster(Apart(_world())), Cluster(_world())
    found = [e.run(network, steps=400, seed=4, threads=threads) for e in (apart, shared)]
    assert apart.ranks.shared is None and shared.ranks.shared is not None
    assert apart.ranks.rounds == shared.ranks.rounds
    # a place that is too short for nearly every message, and has to grow between rounds
    rounds.FIRST_ROOM = rounds.SHARED_ROOM = 8
    small = Cluster(_world())
    found.append(small.run(network, steps=400, seed=4, threads=threads))
    assert small.ranks.shared.words.shape[2] > 8
    found.append(small.run(network, steps=400, seed=4, threads=threads))
    rounds.FIRST_ROOM, rounds.SHARED_ROOM = 512, 1 << 14
    if rank == 0:
        for recording in found:
            assert_same(recording, expected)
print("rank", rank, "done", flush=True)
""",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done") == 2


def test_a_rank_that_is_killed(tmp_path: Path) -> None:
    done = mpi(
        tmp_path,
        """
stretches.CHECKPOINT_SECONDS = 0.0
advance = ClusterRun.chunk
def dying(self, step, steps):
    if rank == 1 and step >= 400:
        os.kill(os.getpid(), signal.SIGKILL)
    advance(self, step, steps)
ClusterRun.chunk = dying
run(network, steps=10**7, engine="cluster", checkpoint=place + "/c.h5", file=place + "/r.h5")
""",
    )
    assert done.returncode != 0
    assert load_state(tmp_path / "c.h5", balanced()).step >= 100
    assert read_recording(tmp_path / "r.h5").steps >= 100


def test_an_error_of_the_script_on_one_rank(tmp_path: Path) -> None:
    done = mpi(
        tmp_path,
        """
run(network, steps=10, engine="cluster")
if rank == 1:
    raise ValueError("mistake in the script")
run(network, steps=10, engine="cluster")
""",
    )
    assert done.returncode != 0
    assert "ValueError: mistake in the script" in done.stderr
