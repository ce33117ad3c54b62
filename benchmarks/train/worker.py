"""One implementation in a process of its own: builds shapes and takes steps, as `rounds.py` asks.

    python worker.py '{"where": "module.function", "package": "...", "threads": 1}'

Requests are lines of JSON on standard input, answers lines of JSON on standard output; whatever a library prints goes
to standard error. Runs in the environment of the implementation: only the standard library and NumPy are needed here.
"""

from __future__ import annotations

import os
import time

BEGIN = time.perf_counter(), sum(os.times()[:4])  # before anything is imported that costs

import ctypes  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from importlib.metadata import version  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
from case import Case  # noqa: E402
from shapes import Shape  # noqa: E402

MIB = 2**20
MEASURED = 3  # steps whose memory is measured


class Worker:
    """What the requests act on."""

    def __init__(self, where: str, package: str, threads: int) -> None:
        self.where, self.package, self.threads = where, package, threads
        self.case: Any = None

    def build(self, shape: dict[str, Any], arrays: str | None = None) -> dict[str, Any]:
        """Build a shape, take the first steps and measure memory; `arrays` is a file for what was calculated."""
        self.case = None
        gc.collect()
        begin = time.perf_counter(), _cpu()
        if not hasattr(self, "function"):
            begin = BEGIN
            self._start()
        case: Case = self.function(Shape(**shape))
        self.case = case
        sent = case.step()
        found = {
            "first_wall_s": time.perf_counter() - begin[0],
            "first_cpu_s": _cpu() - begin[1],
            "version": version(self.package),
        }
        fired = case.spikes(sent) != 0
        found["rate"] = float(fired.mean())
        if arrays is not None:
            np.savez(arrays, spikes=np.packbits(fired), **case.gradients())
        del sent, fired
        case.step()
        found["notes"] = case.notes()
        return found | _memory(case.step)

    def steps(self, seconds: float) -> dict[str, list[float]]:
        """Take steps for some seconds, at least one; the first of several, behind others' turns, is not counted."""
        wall, cpu = [], []
        end = time.perf_counter() + seconds
        while not wall or time.perf_counter() < end:
            begin = time.perf_counter(), time.process_time()
            self.case.step()
            cpu.append(time.process_time() - begin[1])
            wall.append(time.perf_counter() - begin[0])
        skipped = 1 if len(wall) > 1 else 0
        return {"wall": wall[skipped:], "cpu": cpu[skipped:]}

    def _start(self) -> None:
        module, _, function = self.where.partition(".")
        if module != "peers_jax":
            import torch

            torch.set_num_threads(self.threads)
            torch.manual_seed(0)
        self.function: Callable[[Shape], Case] = getattr(importlib.import_module(module), function)


def _cpu() -> float:
    """Return CPU seconds of this process and its finished children, which compile for it."""
    return sum(os.times()[:4])


def _memory(step: Callable[[], Any]) -> dict[str, float | None]:
    """Return the most that a step holds above what is held at rest, and what is held at rest, in MiB. Linux only.

    The least of several steps: an allocator keeps some of what is freed.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    peaks, rests = [], []
    try:
        for _ in range(MEASURED):
            gc.collect()
            if trim is not None:
                trim(0)
            rests.append(_status("VmRSS"))
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")  # forgets the peak
            step()
            peaks.append(_status("VmHWM"))
    except OSError:
        return {"peak_mib": None, "rest_mib": None}
    return {"peak_mib": (min(peaks) - min(rests)) / MIB, "rest_mib": min(rests) / MIB}


def _status(field: str) -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(field))
    return float(line.split()[1]) * 1024


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(**json.loads(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("do"))(**request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
