"""Run networks on several simulators, interleaved: every round visits every simulator once.

    export SPIKEWRIGHT_PEERS=...     # a folder with one virtual environment per peer: nest, brian, ann, genn
    python benchmarks/simulate/run.py [JOB ...] [--rounds 3] [--threads 1 2] [--simulators nest spikewright]
                                      [--busy] [--seconds 1] [--floor] [--append]

Each run is a process of its own, in the environment of its simulator. A simulator without an environment is left
out, and said so. Mean rates must agree within the band of the job, otherwise nothing was compared: the status is 1
then. Results go to `benchmarks/results/simulate_<job>.json` with every single run, the machine, the versions and
the load before each.

Two costs are shown, both per second of biological time: wall seconds, which count a neighbour's work too, and CPU
seconds. `--busy` starts such a neighbour: an endless loop on one core. `--append` goes on with the stored runs.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness import RESULTS, machine  # noqa: E402

OURS, FLOOR = "spikewright", "floor"
ENVIRONMENTS = {
    "nest": "nest",
    "brian2": "brian",
    "brian2_standalone": "brian",
    "annarchy": "ann",
    "genn": "genn",
}
# their second thread was measured, and helps (Brian2's makes it slower; GeNN's CPU back end has none)
THREADED = {"nest", "annarchy", OURS, FLOOR}
TIMEOUT = 1800  # s


@dataclass(frozen=True)
class Job:
    """One network with its options."""

    script: str
    options: tuple[str, ...] = ()
    band: float = 0.1  # mean rates agree within this share of their median
    floor: bool = True
    # prototype: (binary, arguments), with {threads}; older programs of ours, where they are at hand
    prototypes: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


JOBS = {
    "brunel_dc": Job(
        "brunel",
        ("--drive", "dc"),
        prototypes={
            "prototype_float32": ("sim_proto", ("0", "{threads}", "{ms}", "1.2", "0")),
            "prototype_compact": ("sim_proto", ("1", "{threads}", "{ms}", "1.2", "0")),
            "prototype_bitmap": ("sim_proto", ("2", "{threads}", "{ms}", "1.2", "0")),
        },
    ),
    "brunel_poisson": Job(
        "brunel",
        ("--drive", "poisson"),
        prototypes={
            "prototype_float32": ("sim_proto", ("0", "{threads}", "{ms}", "1.2", "1")),
            "prototype_compact": ("sim_proto", ("1", "{threads}", "{ms}", "1.2", "1")),
        },
    ),
    "coba": Job("coba", band=0.2),
    "stdp": Job("stdp", prototypes={"prototype_lazy": ("sim_proto_stdp", ("{ms}",))}),
    "potjans": Job(
        "potjans",
        ("--scale", "0.2"),
        band=0.08,
        prototypes={"prototype": ("sim_proto_pd", ("0.2", "{threads}", "{ms}"))},
    ),
    "potjans_full": Job(
        "potjans",
        ("--scale", "1.0", "--split", "1"),
        band=0.08,
        floor=False,
        prototypes={"prototype": ("sim_proto_pd", ("1.0", "{threads}", "{ms}"))},
    ),
    "sparse": Job(
        "sparse",
        band=0.08,
        prototypes={"prototype_lazy": ("sim_proto_event", ("1", "{ms}"))},
    ),
}
DEFAULT_JOBS = [name for name in JOBS if name != "potjans_full"]
ONE_THREAD_PROTOTYPES = {"prototype_lazy"}


@dataclass(frozen=True)
class Case:
    """One simulator with a number of threads, and its command."""

    simulator: str
    threads: int
    command: tuple[str, ...]
    environment: Path | None = None

    @property
    def name(self) -> str:
        return f"{self.simulator} x{self.threads}"


def cases(job: Job, options: argparse.Namespace, peers: Path | None) -> list[Case]:
    """Return what can run here, and say what cannot."""
    found, missing = [], []
    for simulator in importlib.import_module(job.script).SIMULATORS:
        python: Path | None = Path(sys.executable)
        environment = None
        if simulator != OURS:
            environment = peers / ENVIRONMENTS[simulator] if peers else None
            python = environment / "bin/python" if environment else None
            if python is None or not python.exists():
                missing.append(simulator)
                continue
        command = (str(python), f"{job.script}.py", simulator, *job.options)
        command += ("--seconds", f"{options.seconds:g}", "--threads", "{threads}")
        found.append((simulator, command, environment))
    for name, (binary, arguments) in job.prototypes.items():
        program = peers / "bin" / binary if peers else None
        if program is not None and program.exists():
            ms = f"{options.seconds * 1e3:g}"
            given = tuple(argument.replace("{ms}", ms) for argument in arguments)
            found.append((name, (str(program), *given), None))
    if options.floor and job.floor:
        command = (sys.executable, "floor.py", job.script, "--threads", "{threads}")
        found.append((FLOOR, command, None))
    if missing:
        print(f"no environment under SPIKEWRIGHT_PEERS for: {', '.join(missing)}")
    chosen = []
    for threads in options.threads:
        for simulator, command, environment in found:
            threaded = simulator in THREADED or (
                simulator.startswith("prototype") and simulator not in ONE_THREAD_PROTOTYPES
            )
            wanted = not options.simulators or simulator in options.simulators
            if wanted and (threads == 1 or threaded):
                filled = tuple(part.replace("{threads}", str(threads)) for part in command)
                chosen.append(Case(simulator, threads, filled, environment))
    return chosen


def measure(case: Case) -> dict[str, Any]:
    """Run one case; a failure is a result too."""
    variables = dict(os.environ)
    if case.environment is not None:
        variables["PATH"] = f"{case.environment / 'bin'}{os.pathsep}{variables['PATH']}"
        variables["VIRTUAL_ENV"] = str(case.environment)
        variables.pop("PYTHONPATH", None)
    variables["OMP_NUM_THREADS"] = str(case.threads)
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(
            case.command,
            env=variables,
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {TIMEOUT} s", "load": load}
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        tail = (done.stderr or done.stdout).strip()[-300:]
        return {"error": f"status {done.returncode}: {tail}", "load": load}
    row = json.loads(lines[-1].removeprefix("RESULT "))
    # the prototypes speak an older dialect
    for ours, older in (("real_time_factor", "rtf"), ("simulate_s", "sim_s")):
        row.setdefault(ours, row.pop(older, None))
    if "cpu_factor" not in row and "sim_cpu_s" in row:
        seconds = row["simulate_s"] / row["real_time_factor"]
        row["cpu_factor"] = round(row["sim_cpu_s"] / seconds, 5)
    return row | {"load": load}


@contextlib.contextmanager
def neighbour(wanted: bool) -> Iterator[None]:
    """Keep core 0 busy meanwhile."""
    if not wanted:
        yield
        return
    code = """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
while os.getppid() != 1:
    sum(range(1_000_000))
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def median(runs: list[dict[str, Any]], key: str) -> float | None:
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def table(runs: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return name -> medians, and how many times slower each is than ours with as many threads."""
    rows: dict[str, dict[str, Any]] = {}
    for name, all_runs in runs.items():
        good = [run for run in all_runs if "error" not in run]
        row: dict[str, Any] = {"runs": len(good), "failed": len(all_runs) - len(good)}
        if good:
            keys = ("real_time_factor", "cpu_factor", "rate_hz", "build_s", "peak_gib")
            row |= {key: median(good, key) for key in keys}
            row["fastest"] = min(run["real_time_factor"] for run in good)
        rows[name] = row
    for name, row in rows.items():
        ours = rows.get(f"{OURS} {name.rsplit(' ', 1)[1]}", {})
        if row.get("real_time_factor") and ours.get("real_time_factor"):
            row["wall_over_ours"] = row["real_time_factor"] / ours["real_time_factor"]
            if row.get("cpu_factor") and ours.get("cpu_factor"):
                row["cpu_over_ours"] = row["cpu_factor"] / ours["cpu_factor"]
    return rows


def best_peer(rows: dict[str, dict[str, Any]], threads: int, key: str) -> str | None:
    """Return the fastest peer that used at most so many threads."""
    peers = [
        name
        for name, row in rows.items()
        if name.split()[0] in ENVIRONMENTS
        and row.get(key)
        and int(name.rsplit(" x", 1)[1]) <= threads
    ]
    return min(peers, key=lambda name: rows[name][key]) if peers else None


def disagreeing(rows: dict[str, dict[str, Any]], band: float) -> list[str]:
    """Return what has another mean rate than the others; the floor has none."""
    rates = {n: r["rate_hz"] for n, r in rows.items() if r.get("rate_hz") and FLOOR not in n}
    if not rates:
        return []
    middle = statistics.median(rates.values())
    return [
        f"{name}: {rate:.3g} Hz, median of all {middle:.3g} Hz"
        for name, rate in rates.items()
        if abs(rate - middle) > band * middle
    ]


def show(name: str, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Print the table, and return the comparison with the best peer."""
    print(f"\n{name}: seconds per biological second, medians")
    print(f"  {'':24} {'wall':>9} {'CPU':>9} {'Hz':>7} {'build s':>8} {'GiB':>6} {'wall/ours':>10}")
    for case, row in rows.items():
        if "real_time_factor" not in row:
            print(f"  {case:24} failed {row['failed']} times")
            continue
        cells = [
            _cell(row.get(key), width, digits)
            for key, width, digits in (
                ("real_time_factor", 9, 4),
                ("cpu_factor", 9, 4),
                ("rate_hz", 7, 2),
                ("build_s", 8, 1),
                ("peak_gib", 6, 2),
                ("wall_over_ours", 10, 2),
            )
        ]
        print(f"  {case:24} " + " ".join(cells))
    comparison = {}
    for case in rows:
        simulator, threads = case.rsplit(" x", 1)
        if simulator == OURS:
            for key in ("real_time_factor", "cpu_factor"):
                best = best_peer(rows, int(threads), key)
                if best and rows[case].get(key):
                    ratio = rows[best][key] / rows[case][key]
                    comparison[f"{case} {key}"] = {"best_peer": best, "times_faster": ratio}
                    print(f"  {case}, {key}: {ratio:.2f} times faster than {best}")
    return comparison


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


def run_job(name: str, options: argparse.Namespace, peers: Path | None) -> list[str]:
    """Measure, print and store one job; return what disagrees."""
    job = JOBS[name]
    chosen = cases(job, options, peers)
    if not chosen:
        print(f"{name}: nothing to run")
        return []
    path = RESULTS / f"simulate_{name}{'_busy' if options.busy else ''}.json"
    runs: dict[str, list[dict[str, Any]]] = {}
    before = machine()
    if options.append and path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["machine"]["processor"] == before["processor"]:
            runs = stored["runs"]
    with neighbour(options.busy):
        for number in range(options.rounds):
            for case in chosen:
                row = measure(case) | {"round": number, "busy": options.busy}
                runs.setdefault(case.name, []).append(row)
                said = row.get("error") or f"{row['real_time_factor']:.4f} s/s"
                print(f"  {name}, round {number + 1}, {case.name}: {said}", flush=True)
    rows = table(runs)
    comparison = show(name, rows)
    wrong = disagreeing(rows, job.band)
    versions = {
        case.rsplit(" ", 1)[0]: run["version"]
        for case, good in runs.items()
        for run in good
        if "version" in run
    }
    result = {
        "name": f"simulate_{name}",
        "note": f"{job.script}.py {' '.join(job.options)}".strip()
        + f", {options.seconds:g} s of biological time, interleaved rounds"
        + (", beside a busy neighbour" if options.busy else ""),
        "date": datetime.date.today().isoformat(),
        "machine": before,
        "peers": versions,
        "rates_agree_within": job.band,
        "rates_that_disagree": wrong,
        "against_best_peer": comparison,
        "rows": rows,
        "runs": runs,
    }
    if not options.dry:
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return [f"{name}: {text} (band {job.band:.0%})" for text in wrong]


def main() -> None:
    """Run the chosen jobs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--seconds", type=float, default=1.0, help="biological time, measured")
    parser.add_argument("--simulators", nargs="+", default=[])
    parser.add_argument("--busy", action="store_true", help="beside a busy neighbour on one core")
    parser.add_argument("--floor", action="store_true", help="measure floor.py in the same rounds")
    parser.add_argument("--append", action="store_true", help="go on with the stored runs")
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    unknown = [job for job in options.jobs if job not in JOBS]
    if unknown:
        parser.error(f"no job {', '.join(unknown)}; expected some of {', '.join(JOBS)}")
    named = os.environ.get("SPIKEWRIGHT_PEERS")
    peers = Path(named).resolve() if named else None
    if peers is None:
        print("SPIKEWRIGHT_PEERS is not set: no peers, only our own simulator")
    wrong = [text for job in options.jobs or DEFAULT_JOBS for text in run_job(job, options, peers)]
    if wrong:
        raise SystemExit("mean rates differ, so nothing was compared:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
