"""What a training step of one layer costs against its steps, neurons, density and batch.

    python benchmarks/train/scaling.py [steps] [neurons] [density] [batch] [--rounds 5] [--threads 1]

The layer is shape a of `run.py`; one number is changed at a time. One process per implementation, asked in turn at each
point; CPU seconds are minima. For each axis the exponent of cost ~ size^exponent is fitted: 1 is proportional. Writes
`benchmarks/results/train_scaling.json`; `show.py` makes the figure.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import RESULTS, machine
from implementations import FLOOR, IMPLEMENTATIONS, OURS, available
from rounds import Process, WorkerError, measure, summary
from shapes import SHAPES, Shape

COMPARED = (FLOOR, OURS, "spikingjelly", "snntorch")
BASE = SHAPES["a"]
FIELDS = {"steps": "steps", "neurons": "n", "density": "density", "batch": "batch"}
SIZES: dict[str, tuple[float, ...]] = {
    "steps": (125, 250, 500, 1000, 2000),
    "neurons": (128, 256, 512, 1024, 2048),
    "density": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4),
    "batch": (1, 4, 16, 64),
}


def measure_point(
    shape: Shape, started: dict[str, Process], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Return name -> costs of one point."""
    rows = {}
    for name, process in started.items():
        built = process.ask("build", shape=shape.as_dict())
        rows[name] = {key: built[key] for key in ("peak_mib", "rate", "notes")}
    taken = measure(started, rounds=options.rounds, seconds=options.seconds)
    for name in rows:
        if name not in taken:
            raise WorkerError(f"{name} failed")
        rows[name] |= summary(taken[name])
    return rows


def exponents(sizes: tuple[float, ...], rows: list[dict[str, dict[str, Any]]]) -> dict[str, float]:
    """Return name -> slope of log cost against log size."""
    return {
        name: float(
            np.polyfit(np.log(sizes), np.log([row[name]["cpu_min_ms"] for row in rows]), 1)[0]
        )
        for name in rows[0]
    }


def main() -> None:
    """Measure the chosen axes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of steps per visit")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    unknown = [axis for axis in options.axes if axis not in SIZES]
    if unknown:
        parser.error(f"no axis {', '.join(unknown)}; expected some of {', '.join(SIZES)}")
    before, axes = machine(), {}
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(Process(IMPLEMENTATIONS[name], options.threads))
            for name in available("a")
            if name in COMPARED
        }
        for axis in options.axes or SIZES:
            sizes, rows = SIZES[axis], []
            for size in sizes:
                shape = replace(BASE, **{FIELDS[axis]: size})
                try:
                    rows.append(measure_point(shape, started, options))
                except WorkerError as error:
                    raise SystemExit(f"scaling: {axis} {size:g}: {error}") from error
                notes = rows[-1].get(OURS, {}).get("notes", "")
                said = ", ".join(
                    f"{name} {row['cpu_min_ms']:.1f} ms {row['peak_mib'] or 0:.0f} MiB"
                    for name, row in rows[-1].items()
                )
                print(f"  {axis} {size:g}: {said}; {notes}", flush=True)
            found = exponents(sizes, rows)
            axes[axis] = {"sizes": sizes, "exponents": found, "rows": rows}
            slopes = ", ".join(f"{name} {slope:.2f}" for name, slope in found.items())
            print(f"{axis}: cost ~ size^x, x = {slopes}")
    result = {
        "name": "train_scaling",
        "note": f"one LIF layer, forward and backward, {options.rounds} interleaved rounds per point, "
        f"{options.threads} thread(s); base {BASE}",
        "date": datetime.date.today().isoformat(),
        "machine": before,
        "axes": axes,
    }
    if not options.dry:
        path = RESULTS / "train_scaling.json"
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
