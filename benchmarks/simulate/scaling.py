"""What our engine costs against neurons, synapses, rate and threads, on Brunel's network.

    python benchmarks/simulate/scaling.py [neurons synapses rate threads] [--rounds 3] [--seconds 0.5]

Each point runs in a process of its own (peak memory is then that point's), and the points of an axis are interleaved
over rounds. For each axis the exponent of cost ~ size^exponent is fitted; 1 is proportional. Writes
`benchmarks/results/simulate_scaling.json`.

This script needs two functions in `brunel.py`:

    build(n, k, rate, *, seed) -> network
        n neurons (four fifths excitatory), k inputs each (four fifths excitatory), driven so that the mean rate is
        about `rate` Hz
    simulate(network, seconds, threads) -> dict
        runs the network for WARM_UP and then for `seconds`; with the entries `spikes` (of the measured time),
        `synapses`, `build_s`, `simulate_s`, `simulate_cpu_s`
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from timing import peak_memory

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness import RESULTS, machine  # noqa: E402


class Point(NamedTuple):
    """One network and how it is run."""

    n: int = 10_000
    k: int = 1000
    rate: float = 15.0
    threads: int = 1


AXES = {
    # few inputs, so that neurons cost more than synapses
    "neurons": [Point(n=n, k=100, rate=2.0) for n in (1000, 3000, 10_000, 30_000, 100_000)],
    "synapses": [Point(k=k) for k in (100, 300, 1000, 3000)],
    "rate": [Point(rate=rate) for rate in (2.0, 5.0, 15.0, 50.0)],
    "threads": [Point(threads=threads) for threads in (1, 2)],
}
SIZE = {
    "neurons": lambda row: row["n"],
    "synapses": lambda row: row["synapses"],
    "rate": lambda row: row["rate_hz"],  # the measured one
    "threads": lambda row: row["threads"],
}


def measure_here(point: Point, seconds: float, seed: int) -> None:
    """Run one point in this process, and print it."""
    brunel = importlib.import_module("brunel")
    if not hasattr(brunel, "build"):
        raise SystemExit("scaling: brunel.py has no functions build and simulate yet")
    network = brunel.build(point.n, point.k, point.rate, seed=seed)
    found = brunel.simulate(network, seconds, point.threads)
    result = point._asdict() | {
        "synapses": found["synapses"],
        "rate_hz": found["spikes"] / point.n / seconds,
        "build_s": found["build_s"],
        "real_time_factor": found["simulate_s"] / seconds,
        "cpu_factor": found["simulate_cpu_s"] / seconds,
        "ns_per_synaptic_event": found["simulate_s"]
        * 1e9
        / max(found["spikes"] * found["synapses"] / point.n, 1),
        "bytes_per_synapse": peak_memory() / max(found["synapses"], 1),
        "peak_gib": peak_memory() / 2**30,
    }
    print("RESULT " + json.dumps(result))


def measure(point: Point, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Run one point in a process of its own."""
    command = [sys.executable, __file__, "--point", json.dumps(point._asdict())]
    command += ["--seconds", f"{options.seconds:g}", "--seed", str(seed)]
    load = os.getloadavg()[0]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"scaling: {point}: {(done.stderr or done.stdout).strip()[-500:]}")
    return json.loads(lines[-1].removeprefix("RESULT ")) | {"load": load}


def exponent(sizes: list[float], costs: list[float]) -> float:
    """Return the slope of log cost against log size."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def main() -> None:
    """Measure the chosen axes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(AXES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="biological time, measured")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--point", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        measure_here(Point(**json.loads(options.point)), options.seconds, options.seed)
        return
    unknown = [axis for axis in options.axes if axis not in AXES]
    if unknown:
        parser.error(f"no axis {', '.join(unknown)}; expected some of {', '.join(AXES)}")
    before, result = machine(), {}
    for axis in options.axes or list(AXES):
        points = AXES[axis]
        runs: dict[Point, list[dict[str, Any]]] = {point: [] for point in points}
        for number in range(options.rounds):
            for point in points:
                runs[point].append(measure(point, options, options.seed + number))
        rows = [
            {key: statistics.median(run[key] for run in runs[point]) for key in runs[point][0]}
            for point in points
        ]
        result[axis] = {
            "exponent": exponent(
                [SIZE[axis](row) for row in rows], [row["real_time_factor"] for row in rows]
            ),
            "rows": rows,
        }
        print(f"{axis}: cost ~ size^{result[axis]['exponent']:.2f}")
        for row in rows:
            print(
                f"  n {row['n']:>7} k {row['k']:>5} {row['rate_hz']:6.1f} Hz x{row['threads']}"
                f"  {row['real_time_factor']:8.4f} s/s  {row['ns_per_synaptic_event']:7.2f} ns/event"
                f"  {row['peak_gib']:.2f} GiB"
            )
    content = {
        "name": "simulate_scaling",
        "note": f"Brunel's network, {options.seconds:g} s of biological time, medians of "
        f"{options.rounds} interleaved rounds, one process per point",
        "date": datetime.date.today().isoformat(),
        "machine": before,
        "axes": result,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "simulate_scaling.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
