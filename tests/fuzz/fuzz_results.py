"""How often each reader was executed, and what was found: one file that grows with every run."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from spikewright.events.formats import FORMATS
from spikewright.files import replacing

NOTE = (
    "Executions of every reader of event files on damaged files: exceptions of other kinds, crashes, hangs, memory, "
    "and events that are lost in silence. `fixed` is written by hand."
)


class Results:
    """The file of results.

    Parameters
    ----------
    path : of the file, made when it is missing
    """

    names = tuple(FORMATS)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept: dict[str, Any] = {"name": "events_fuzz", "note": NOTE, "fixed": [], "rows": []}
        self._load()

    def _load(self) -> None:
        if self.path.is_file():
            self.kept |= json.loads(self.path.read_text())

    def next(self, name: str, *, bounds: bool) -> int:
        """Return the number of the first execution that was not done."""
        row = self._row(name)
        return int(row["bounds_checked" if bounds else "executions"])

    def add(
        self, name: str, first: int, done: int, n_read: int, findings: list[Any], *, bounds: bool
    ) -> None:
        """Count a slice, and write the file."""
        self._load()  # others may have written since
        row = self._row(name)
        row["bounds_checked" if bounds else "executions"] += done
        row["could_be_read"] += n_read
        row["findings"] += len(findings)
        self.kept |= {
            "note": NOTE,
            "command": "nice -n 15 python tests/fuzz/run.py",
            "date": date.today().isoformat(),
            "machine": {
                "processor": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
                "system": platform.system(),
                "python": platform.python_version(),
                "versions": {
                    one: version(one) for one in ("spikewright", "numpy", "numba", "h5py")
                },
            },
            "total": sum(one["executions"] + one["bounds_checked"] for one in self.kept["rows"]),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(self.kept, indent=1) + "\n")

    def _row(self, name: str) -> dict[str, Any]:
        for row in self.kept["rows"]:
            if row["format"] == name:
                found: dict[str, Any] = row
                return found
        row = {
            "format": name,
            "executions": 0,
            "bounds_checked": 0,
            "could_be_read": 0,
            "findings": 0,
        }
        self.kept["rows"].append(row)
        return row
