"""What the network scripts of this folder share: options, laps of wall and CPU time, and one line per run.

A script holds one function per simulator, in a table `SIMULATORS`. It is started inside that simulator's
environment, simulates `seconds` of biological time behind a warm-up, and prints `RESULT {...}`, which
`run.py` reads. Only the standard library is needed here: no peer environment holds ours.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

WARM_UP = 0.1  # s of biological time before the clock starts


class Clock:
    """Named laps: wall seconds, and CPU seconds of this process and of its finished children."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._mark()

    def lap(self, name: str) -> None:
        """Give the time since the last lap to `name`."""
        wall, cpu = time.perf_counter(), _cpu_seconds()
        self.wall[name] = self.wall.get(name, 0.0) + wall - self._wall
        self.cpu[name] = self.cpu.get(name, 0.0) + cpu - self._cpu
        self._mark()

    def _mark(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()


class Run:
    """One run: its options, its clock, and where the result goes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.clock = Clock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.options, name)

    def lap(self, name: str) -> None:
        """Laps named `build...` add up to the time until the network can run; `simulate` is measured."""
        self.clock.lap(name)

    def report(
        self,
        *,
        neurons: int,
        synapses: int,
        spikes: float,
        version: str,
        simulate_s: float | None = None,
        simulate_cpu_s: float | None = None,
        **more: Any,
    ) -> None:
        """Print the result. `spikes` are those of the measured time; `simulate_s` and `simulate_cpu_s` replace
        the lap, where the peer itself says how long its loop ran.
        """
        wall, cpu = self.clock.wall, self.clock.cpu
        seconds = wall["simulate"] if simulate_s is None else simulate_s
        cpu_seconds = cpu["simulate"] if simulate_cpu_s is None else simulate_cpu_s
        biological = self.options.seconds
        result = {
            "network": os.path.basename(sys.argv[0]).removesuffix(".py"),
            "simulator": self.options.simulator,
            "version": version,
            "neurons": neurons,
            "synapses": synapses,
            "build_s": round(sum(v for k, v in wall.items() if k.startswith("build")), 3),
            "simulate_s": round(seconds, 4),
            "simulate_cpu_s": round(cpu_seconds, 4),
            "real_time_factor": round(seconds / biological, 5),
            "cpu_factor": round(cpu_seconds / biological, 5),
            "rate_hz": round(spikes / neurons / biological, 4),
            "synaptic_events_per_s": round(spikes * synapses / neurons / seconds),
            "peak_gib": round(peak_memory() / 2**30, 3),
        }
        self.emit(result | more)

    def emit(self, result: Mapping[str, Any]) -> None:
        """Print a result, with the options of the run."""
        said = {k: v for k, v in vars(self.options).items() if k not in result}
        print("RESULT " + json.dumps(dict(result) | said), flush=True)


def main(text: str | None, simulators: Mapping[str, Callable[[Run], None]], **extra: Any) -> None:
    """Parse the command line and run one simulator; `extra` are more options with their defaults."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("simulator", choices=list(simulators))
    parser.add_argument("--seconds", type=float, default=1.0, help="biological time, measured")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    for name, value in extra.items():
        if isinstance(value, tuple):
            parser.add_argument(f"--{name}", choices=value, default=value[0])
        else:
            parser.add_argument(f"--{name}", type=type(value), default=value)
    options = parser.parse_args()
    simulators[options.simulator](Run(options))


def peak_memory() -> int:
    """Return the largest resident size of this process or of a finished child, in bytes."""
    kib = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return kib * 1024


def _cpu_seconds() -> float:
    usages = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
