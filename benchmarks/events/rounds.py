"""Processes that are asked in turn: every round visits every implementation once, so a busy machine slows all alike."""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from types import TracebackType
from typing import Any

FOLDER = Path(__file__).resolve().parent
LIMIT = 300.0  # s, of one answer
OURS = "spikewright"
OWN = (OURS, "loop")
"""Run in the environment of this project; all others in the peers'."""


class WorkerError(Exception):
    """A process that gave no answer; the text is the end of what it printed."""


class Process:
    """A running implementation: `who` of `module`."""

    def __init__(self, module: str, who: str) -> None:
        variables = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
            variables[name] = "1"
        if who not in OWN:
            variables.pop("PYTHONPATH", None)
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(python(who)), "worker.py", json.dumps({"module": module, "who": who})],
            cwd=FOLDER,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._requests: Any = self._process.stdin
        self._answers: Any = self._process.stdout

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises
        ------
        WorkerError : it ended, or took longer than LIMIT
        """
        try:
            self._requests.write(json.dumps({"do": do} | request) + "\n")
            self._requests.flush()
            ready, _, _ = select.select([self._answers], [], [], LIMIT)
            line = self._answers.readline() if ready else ""
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.kill()
            self._process.wait()
            self._log.seek(0)
            text = self._log.read().strip()
            raise WorkerError(text[-200:] or "no answer")
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._requests.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


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
