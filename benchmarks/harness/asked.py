"""A worker process that is asked for one thing after the other, in lines of JSON."""

from __future__ import annotations

import json
import select
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class WorkerError(Exception):
    """A process that gave no answer; the text is the end of what it printed."""


class Asked:
    """A process of `worker.py`; a context manager.

    Parameters
    ----------
    python : interpreter that runs it
    told : what it is told at the start
    folder : where `worker.py` lies
    environment : its variables
    limit : s, of one answer
    """

    def __init__(
        self,
        python: Path,
        told: Mapping[str, Any],
        *,
        folder: Path,
        environment: Mapping[str, str],
        limit: float,
    ) -> None:
        self._limit = limit
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(python), "worker.py", json.dumps(dict(told))],
            cwd=folder,
            env=dict(environment),
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
        WorkerError : it ended, or took longer than the limit
        """
        try:
            self._requests.write(json.dumps({"do": do} | request) + "\n")
            self._requests.flush()
            ready, _, _ = select.select([self._answers], [], [], self._limit)
            line = self._answers.readline() if ready else ""
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.kill()
            self._process.wait()
            self._log.seek(0)
            text = self._log.read().strip()
            raise WorkerError(text[-400:] or "ended without a word")
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Self:
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
