"""Time a training step of every library, and of the products alone, interleaved.

    export SPIKEWRIGHT_PEERS=...     # environments made by ../peers/environments.py; without it: ours and loops by hand
    python benchmarks/train/run.py [a] [b] [c] [--rounds 9] [--threads 1 2] [--only spikewright floor ...]

One process per implementation; all live at once and are asked for steps in turn. CPU seconds are minima, wall seconds
medians. Spikes and gradients of a library whose neuron is the benchmark's must be equal to those of a loop by hand,
otherwise nothing was compared: the status is 1 then, and where one failed. Writes
`benchmarks/results/train_<shape>.json`, from which `show.py` makes the table and the figure.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness import RESULTS, machine  # noqa: E402
from implementations import (  # noqa: E402
    FLOOR,
    IMPLEMENTATIONS,
    LOOP,
    OURS,
    Agrees,
    Role,
    available,
)
from rounds import Process, WorkerError, measure, summary  # noqa: E402
from shapes import SHAPES, TITLES  # noqa: E402

GRADIENT_TOLERANCE = 1e-4  # relative, of the norm of a difference
MAIN = {"a": OURS, "b": OURS, "c": "spikewright_layers"}
ALONE = ("lif_alone", "two_traces_alone")


def start(
    name: str, shape: str, threads: int, folder: Path, stack: ExitStack
) -> tuple[Process, dict[str, Any]]:
    """Start one implementation and let it build. Twice: first with empty caches, for its memory, then to be timed."""
    implementation = IMPLEMENTATIONS[name]
    caches, arrays = folder / f"{name}-{threads}", folder / f"{name}-{threads}.npz"
    request = {"shape": SHAPES[shape].as_dict(), "arrays": str(arrays)}
    with Process(implementation, threads, caches, exact_memory=True) as process:
        row = process.ask("build", **request)
    process = stack.enter_context(Process(implementation, threads, caches))
    again = process.ask("build", **request)
    row |= {f"again_{key}": again[key] for key in ("first_wall_s", "first_cpu_s")}
    return process, row


def compare(names: list[str], threads: int, folder: Path) -> dict[str, dict[str, Any]]:
    """Return what each has in common with its reference: spikes that differ, and how far gradients are apart."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        said = IMPLEMENTATIONS[name]
        if said.agrees is Agrees.NOTHING or said.reference not in names:
            continue
        mine, its = (np.load(folder / f"{n}-{threads}.npz") for n in (name, said.reference))
        apart = int(np.bitwise_count(mine["spikes"] ^ its["spikes"]).sum())
        row = {"reference": said.reference, "spikes_that_differ": apart}
        is_equal = apart == 0
        if said.agrees is Agrees.GRADIENTS:
            weights = [key for key in its.files if key != "spikes"]
            distance = {
                key: float(np.linalg.norm(mine[key] - its[key]) / np.linalg.norm(its[key]))
                for key in weights
            }
            row["gradients_differ_by"] = max(distance.values())
            is_equal = is_equal and row["gradients_differ_by"] < GRADIENT_TOLERANCE
        found[name] = row | {"is_equal": is_equal}
    return found


def run_shape(
    shape: str, threads: int, options: argparse.Namespace
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Measure one shape with a number of threads; return its rows, and the names of what failed."""
    names = [n for n in available(shape) if threads == 1 or IMPLEMENTATIONS[n].threaded]
    if options.only:
        names = [n for n in names if n in options.only]
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder, started = Path(temporary), {}
        for name in names:
            try:
                started[name], rows[name] = start(name, shape, threads, folder, stack)
            except WorkerError as error:
                print(f"  {shape}, {name}: failed: {error}", flush=True)
                continue
            row = rows[name]
            print(
                f"  {shape}, {name}: first step {row['first_wall_s']:.1f} s, "
                f"{row['rate']:.2%} of the output is spikes",
                flush=True,
            )
        agreement = compare(list(started), threads, folder)
        taken = measure(started, rounds=options.rounds, seconds=options.seconds)
    rows = {name: rows[name] for name in taken}
    for name, times in taken.items():
        made = IMPLEMENTATIONS[name]
        rows[name] |= {"label": made.label, "role": made.role.value} | summary(times)
        rows[name]["agreement"] = agreement.get(name)
        rows[name]["times"] = {k: [round(x, 6) for x in values] for k, values in times.items()}
    return rows, [name for name in names if name not in rows]


def conclude(shape: str, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return our ratios: to the floor, to the best PyTorch library, to its leanest, and of the custom model."""
    found: dict[str, Any] = {}
    ours, floor = rows.get(MAIN[shape]), rows.get(FLOOR)
    for row in rows.values():
        if floor:
            row["over_floor"] = row["cpu_min_ms"] / floor["cpu_min_ms"]
    peers = {n: r for n, r in rows.items() if r["role"] == Role.PEER.value}
    on_torch = {n: r for n, r in peers.items() if IMPLEMENTATIONS[n].environment == "torch"}
    if ours and floor:
        found["over_floor"] = ours["over_floor"]
    for key, chosen in (("torch_library", on_torch), ("library", peers)):
        if ours and chosen:
            best = min(chosen, key=lambda n: chosen[n]["cpu_min_ms"])
            ratio = chosen[best]["cpu_min_ms"] / ours["cpu_min_ms"]
            found[f"fastest_{key}"] = {"name": best, "times_slower": ratio}
    if ours and on_torch and ours["peak_mib"] is not None:
        lean = min(on_torch, key=lambda n: on_torch[n]["peak_mib"])
        found["leanest_torch_library"] = {"name": lean, "peak_mib": on_torch[lean]["peak_mib"]}
        found["peak_mib"] = ours["peak_mib"]
    for key, (one, other) in {
        "custom_over_lif_neurons_alone": ALONE,
        "custom_over_lif_whole_step": (OURS, "spikewright_two_traces"),
    }.items():
        if one in rows and other in rows:
            found[key] = rows[other]["cpu_min_ms"] / rows[one]["cpu_min_ms"]
    return found


def show(shape: str, threads: int, rows: dict[str, dict[str, Any]], said: dict[str, Any]) -> None:
    """Print a table, fastest first, and the ratios."""
    print(f"\n({shape}) {TITLES[shape]}, {threads} thread{'s' if threads > 1 else ''}")
    print(
        f"  {'':40} {'CPU ms':>8} {'x floor':>8} {'wall ms':>8} {'MiB':>6} {'rate':>7}"
        f" {'first s':>8} {'again s':>8}  agreement"
    )
    for row in sorted(rows.values(), key=lambda r: r["cpu_min_ms"]):
        ratio = f"{row['over_floor']:8.2f}" if "over_floor" in row else f"{'-':>8}"
        peak = f"{'-':>6}" if row["peak_mib"] is None else f"{row['peak_mib']:6.0f}"
        print(
            f"  {row['label']:40} {row['cpu_min_ms']:8.1f} {ratio} {row['wall_median_ms']:8.1f}"
            f" {peak} {row['rate']:7.2%} {row['first_wall_s']:8.1f} {row['again_first_wall_s']:8.1f}"
            f"  {_agreement(row['agreement'])}"
        )
    for key, value in said.items():
        print(f"  {key}: {json.dumps(value)}")
    sys.stdout.flush()


def _agreement(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    text = f"{row['spikes_that_differ']} spikes"
    if "gradients_differ_by" in row:
        text += f", gradients {row['gradients_differ_by']:.0e}"
    return f"{text} from {row['reference']}" + ("" if row["is_equal"] else " — DIFFERENT")


def main() -> None:
    """Run the chosen shapes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="of steps per visit")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--only", nargs="+", default=[], help="names of implementations; writes no file"
    )
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    unknown = [s for s in options.shapes if s not in SHAPES]
    unknown += [n for n in options.only if n not in IMPLEMENTATIONS]
    if unknown:
        parser.error(
            f"unknown: {', '.join(unknown)}; shapes are {', '.join(SHAPES)}, "
            f"implementations {', '.join(IMPLEMENTATIONS)}"
        )
    if options.only and LOOP not in options.only:
        print(f"without {LOOP!r} nothing is checked")
    wrong = []
    for shape in options.shapes or SHAPES:
        result: dict[str, Any] = {
            "name": f"train_{shape}",
            "note": f"{TITLES[shape]}; forward and backward, no optimizer; {options.rounds} interleaved rounds",
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "shape": SHAPES[shape].as_dict(),
            "threads": {},
        }
        for threads in options.threads:
            rows, failed = run_shape(shape, threads, options)
            wrong += [f"{shape}: {name} failed" for name in failed]
            said = conclude(shape, rows)
            show(shape, threads, rows, said)
            result["threads"][str(threads)] = {"ratios": said, "rows": rows}
            wrong += [
                f"{shape}: {name} calculated another task"
                for name, row in rows.items()
                if row["agreement"] and not row["agreement"]["is_equal"]
            ]
        if not (options.dry or options.only):
            path = RESULTS / f"train_{shape}.json"
            path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
