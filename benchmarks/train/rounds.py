"""Processes that are asked in turn: every round visits every implementation once, so a busy machine slows all alike."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

from implementations import Implementation

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness.asked import Asked, WorkerError  # noqa: E402

LIMIT = 1200.0  # s, of one answer: some compile for minutes


class Process(Asked):
    """A running implementation.

    Parameters
    ----------
    implementation : what to run
    threads : how many it may use
    caches : folder for machine code that it keeps, or None for the user's own
    exact_memory : every tensor gets pages of its own, given back when it is freed: slower, and a peak without the
        slack of an allocator
    """

    def __init__(
        self,
        implementation: Implementation,
        threads: int,
        caches: Path | None = None,
        *,
        exact_memory: bool = False,
    ) -> None:
        told = {
            "where": implementation.where,
            "package": implementation.package,
            "threads": threads,
        }
        super().__init__(
            implementation.python or Path(sys.executable),
            told,
            folder=FOLDER,
            environment=_environment(implementation, threads, caches)
            | ({"MALLOC_MMAP_THRESHOLD_": "65536"} if exact_memory else {}),
            limit=LIMIT,
        )


def _environment(
    implementation: Implementation, threads: int, caches: Path | None
) -> dict[str, str]:
    variables = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        variables[name] = str(threads)
    variables["JAX_PLATFORMS"] = "cpu"
    many = str(threads > 1).lower()
    variables["XLA_FLAGS"] = (
        f"--xla_cpu_multi_thread_eigen={many} intra_op_parallelism_threads={threads}"
    )
    if implementation.environment:
        variables.pop("PYTHONPATH", None)
    if caches is not None:
        for name in ("SPIKEWRIGHT_CACHE", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
            variables[name] = str(caches / name)
    return variables


def measure(
    started: Mapping[str, Process], *, rounds: int, seconds: float
) -> dict[str, dict[str, list[float]]]:
    """Return name -> wall and CPU seconds of every counted step, without what failed meanwhile.

    One round before the first is not counted.
    """
    taken: dict[str, dict[str, list[float]]] = {n: {"wall": [], "cpu": []} for n in started}
    for number in range(rounds + 1):
        for name in list(taken):
            try:
                answer = started[name].ask("steps", seconds=seconds)
            except WorkerError as error:
                print(f"  {name}: failed in round {number}: {error}", flush=True)
                del taken[name]
                continue
            for kind, values in answer.items():
                taken[name][kind] += values if number else []
    return taken


def summary(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """Return minima and medians in ms."""
    return {
        "cpu_min_ms": min(taken["cpu"]) * 1e3,
        "cpu_median_ms": statistics.median(taken["cpu"]) * 1e3,
        "wall_min_ms": min(taken["wall"]) * 1e3,
        "wall_median_ms": statistics.median(taken["wall"]) * 1e3,
        "steps": len(taken["wall"]),
    }
