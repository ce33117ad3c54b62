"""Interleaved timing: every case once per round, so that a busy machine slows all of them alike."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "results"


def interleaved(cases: Mapping[str, Callable[[], Any]], *, rounds: int) -> dict[str, list[float]]:
    """Return name -> CPU seconds of each round; one round before the first warms every case up."""
    for case in cases.values():
        case()
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            begin = time.process_time()
            case()
            seconds[name].append(time.process_time() - begin)
    return seconds


def report(name: str, seconds: Mapping[str, list[float]], *, against: str, note: str) -> None:
    """Print medians and ratios, and write them with machine and versions to `results/<name>.json`."""
    medians = {case: statistics.median(times) for case, times in seconds.items()}
    rows = {
        case: {
            "median_cpu_s": median,
            "fastest_cpu_s": min(seconds[case]),
            "rounds": len(seconds[case]),
            f"ratio_to_{against}": median / medians[against],
        }
        for case, median in medians.items()
    }
    width = max(map(len, rows))
    print(f"{name}: {note}")
    for case, row in rows.items():
        ratio = row[f"ratio_to_{against}"]
        print(f"  {case:<{width}}  {row['median_cpu_s'] * 1e3:10.2f} ms  {ratio:8.3f} x {against}")
    result = {"name": name, "note": note, "machine": machine(), "rows": rows}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def machine() -> dict[str, Any]:
    """Return what the numbers depend on beside the code."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in _lines("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    versions = {}
    for package in ("spikewright", "numpy", "numba", "torch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "system": platform.system(),
        "python": sys.version.split()[0],
        "versions": versions,
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
