"""Processes that are asked in turn: every round visits every implementation once, so a busy machine slows all alike."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness.asked import Asked, WorkerError  # noqa: E402

LIMIT = 300.0  # s, of one answer
OURS = "spikewright"
OWN = (OURS, "loop")
"""Run in the environment of this project; all others in the peers'."""


class Process(Asked):
    """A running implementation: `who` of `module`."""

    def __init__(self, module: str, who: str) -> None:
        variables = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
            variables[name] = "1"
        if who not in OWN:
            variables.pop("PYTHONPATH", None)
        super().__init__(
            python(who),
            {"module": module, "who": who},
            folder=FOLDER,
            environment=variables,
            limit=LIMIT,
        )


def python(who: str) -> Path:
    """Return the interpreter of an implementation."""
    if who in OWN:
        return Path(sys.executable)
    root = os.environ.get("SPIKEWRIGHT_PEERS")
    if root is None:
        raise SystemExit("SPIKEWRIGHT_PEERS names no folder; see benchmarks/peers/environments.py")
    return Path(root).resolve() / "events" / "bin" / "python"


def versions() -> dict[str, str]:
    """Return the versions of what is installed for the peers."""
    folders = (python("").parent.parent / "lib").glob("python3*/site-packages")
    wanted = {
        "faery", "expelliarmus", "eventcv", "evutils", "dv-processing", "event-stream", "tonic", "aedat", "numpy"
    }  # fmt: skip
    found = distributions(path=[str(f) for f in folders])
    named = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in found}
    return {name: version for name, version in sorted(named.items()) if name in wanted}


def prepared(
    started: Mapping[str, Process], names: list[str], **task: Any
) -> dict[str, dict[str, Any]]:
    """Let each prepare a task and do it once; return what each said."""
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            rows[name] = started[name].ask("prepare", **task)
        except WorkerError as error:
            rows[name] = {"failed": f"process ended: {error}"}
    return rows


def measure(
    started: Mapping[str, Process], names: list[str], *, rounds: int
) -> dict[str, dict[str, Any]]:
    """Return the times of each: minima of CPU seconds, medians of wall seconds."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in list(taken):
            try:
                taken[name].append(started[name].ask("step"))
            except WorkerError as error:
                print(f"  {name}: failed: {error}", flush=True)
                del taken[name]
    return {
        name: {
            "cpu_min_s": min(t["cpu"] for t in times),
            "cpu_median_s": statistics.median(t["cpu"] for t in times),
            "wall_median_s": statistics.median(t["wall"] for t in times),
            "rounds": len(times),
        }
        for name, times in taken.items()
        if times
    }
