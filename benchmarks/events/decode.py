"""Time from a file in the page cache to arrays in memory, of every library that reads its format.

    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/events/decode.py [evt2 evt3 ...] [--events 10] [--rounds 7]
    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/events/decode.py --vectors ../shared/vectors/events

The first form writes a scene (`scene.py`) in each format to a temporary folder, by our writers, and times reading.
One process per library, all live, asked in turn; CPU seconds are minima. The second form reads every file of a
folder of vectors with every library that says it reads the format, and counts those read right.

A reader whose events are not those that were written is called wrong, and its time stands aside. Rows of `.es` count
from the bottom: either way is right. Writes `results/events_decode.json` and `results/events_vectors.json`.
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
from readers import READABLE, suffix  # noqa: E402
from rounds import OURS, Process, measure, prepared, versions  # noqa: E402
from scene import scene  # noqa: E402

TASKS: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "evt2": ("evt2", {}, (1280, 720)),
    "evt21": ("evt21", {}, (1280, 720)),
    "evt3": ("evt3", {}, (1280, 720)),
    "evt4": ("evt4", {}, (1280, 720)),
    "dat": ("dat", {}, (1280, 720)),
    "aedat4 none": ("aedat4", {"compression": "none"}, (640, 480)),
    "aedat4 lz4": ("aedat4", {"compression": "lz4"}, (640, 480)),
    "aedat4 zstd": ("aedat4", {"compression": "zstd"}, (640, 480)),
    "es": ("es", {}, (1280, 720)),
    "atis": ("atis", {}, (240, 240)),
    "ecf": ("ecf", {}, (1280, 720)),
    "dsec": ("dsec", {}, (640, 480)),
    "text": ("text", {}, (346, 260)),
}
"""Task -> format, options of the writer, sensor."""
TARGETS = {
    "evt2": 1,
    "evt3": 1,
    "dat": 1,
    "aedat4 none": 1,
    "aedat4 lz4": 1,
    "aedat4 zstd": 1,
    "es": 4,
    "atis": 4,
}
"""Task -> how many times faster than the fastest peer that reads it right."""  # fmt: skip


COLUMNAR = (OURS, "evutils")
"""Give one array per column; of what others give, columns are made too, and that is timed beside."""


def written(task: str, n: int, folder: Path) -> tuple[Path, Path]:
    """Write a scene; return the paths of the file and of its events."""
    from spikewright.events.camera import CameraEvents
    from spikewright.events.formats import write

    name, options, (width, height) = TASKS[task]
    made = scene(n, width, height)
    path = folder / f"scene{suffix(name)}"
    write(path, CameraEvents(**made, width=width, height=height), format=name, **options)
    truth = folder / "truth.npz"
    np.savez(truth, **made)
    path.read_bytes()  # into the page cache
    return path, truth


def run_task(task: str, n: int, rounds: int, only: list[str]) -> dict[str, Any]:
    """Time one task; return its rows."""
    name, _, (_, height) = TASKS[task]
    names = [OURS, *READABLE[name]]
    if only:
        names = [one for one in names if one in only]
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        path, truth = written(task, n, Path(temporary))
        started = {one: stack.enter_context(Process("readers", one)) for one in names}
        rows = prepared(
            started, names, format=name, path=str(path), truth=str(truth), height=height if name == "es" else 0
        )  # fmt: skip
        running = [one for one in names if rows[one]["failed"] is None]
        for one, times in measure(started, running, rounds=rounds).items():
            rows[one] |= times | {"mevents_per_cpu_s": n / times["cpu_min_s"] / 1e6}
        others = [one for one in running if one not in COLUMNAR and not rows[one]["wrong"]]
        prepared(started, others, format=name, path=str(path), joined=True)
        for one, times in measure(started, others, rounds=max(rounds // 2, 1)).items():
            rows[one] |= {"joined_mevents_per_cpu_s": n / times["cpu_min_s"] / 1e6}
        size = path.stat().st_size
    return {"events": n, "bytes": size, "rows": rows, **conclude(task, rows)}


def conclude(task: str, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the fastest peer that is right, and how much slower it is than ours."""
    right = {
        one: row["mevents_per_cpu_s"]
        for one, row in rows.items()
        if row["failed"] is None and not row["wrong"] and "mevents_per_cpu_s" in row
    }
    peers = {one: rate for one, rate in right.items() if one != OURS}
    found: dict[str, Any] = {"fastest_peer": None, "ratio": None, "target": TARGETS.get(task)}
    joined = [rows[one].get("joined_mevents_per_cpu_s", rate) for one, rate in peers.items()]
    if OURS in right and joined:
        found["ratio_joined"] = right[OURS] / max(joined)
    if OURS in right and peers:
        best = max(peers, key=lambda one: peers[one])
        found |= {"fastest_peer": best, "ratio": right[OURS] / peers[best]}
    return found


def show(task: str, result: dict[str, Any]) -> None:
    """Print a table, fastest first."""
    print(f"\n{task}: {result['events'] / 1e6:g} M events, {result['bytes'] / 1e6:.1f} MB")
    rows = result["rows"]
    for one in sorted(rows, key=lambda one: -rows[one].get("mevents_per_cpu_s", 0)):
        row = rows[one]
        if row["failed"] is not None:
            print(f"  {one:14} {'-':>8}  {row['failed'][:90]}")
            continue
        rate = row.get("mevents_per_cpu_s", 0)
        print(f"  {one:14} {rate:8.1f}  {'WRONG: ' + row['wrong'] if row['wrong'] else 'right'}")
    if result["ratio"]:
        print(
            f"  ours over the fastest that gives columns, or is made to: {result['ratio_joined']:.2f}"
        )
        target = f" (target {result['target']})" if result["target"] else ""
        print(f"  ours over {result['fastest_peer']}: {result['ratio']:.2f}{target}")
    sys.stdout.flush()


def run_vectors(folder: Path) -> dict[str, Any]:
    """Read every vector with every library that may; return the verdicts."""
    from spikewright.events.formats import detect
    from spikewright.testing.verify.events import read_manifest, truth

    manifest = read_manifest(folder)
    verdicts: dict[str, dict[str, str]] = {}
    with ExitStack() as stack:
        started: dict[str, Process] = {}
        for entry in manifest:
            path = folder / str(entry["file"])
            if path.suffix == ".npz":
                continue  # of a pixel model
            name, row = detect(path).name, {}
            task = {
                "format": name,
                "path": str(path),
                "truth": str(folder / truth(folder, entry, manifest)[0]),
                "height": height_of(path) if name == "es" else 0,
            }
            for one in (OURS, *READABLE[name]):
                if one not in started:
                    started[one] = stack.enter_context(Process("readers", one))
                options = {"flip_x": True} if one == OURS and path.name == MIRRORED else {}
                said = prepared(started, [one], **task, options=options)[one]
                row[one] = said["failed"] or said["wrong"] or "right"
                if row[one].startswith("process ended"):
                    del started[one]
            verdicts[path.name] = row
    names = sorted({one for row in verdicts.values() for one in row})
    return {
        "files": len(verdicts),
        "right": {one: sum(row.get(one) == "right" for row in verdicts.values()) for one in names},
        "tried": {one: sum(one in row for row in verdicts.values()) for one in names},
        "verdicts": verdicts,
    }


MIRRORED = "davis346.aedat"
"""Written with both axes mirrored, which nothing in it says."""


def height_of(path: Path) -> int:
    """Return the height of the sensor in a header of .es."""
    return int(np.frombuffer(path.read_bytes()[18:20], "<u2")[0])


def store(name: str, note: str, found: dict[str, Any]) -> None:
    """Write a result with the machine and the versions."""
    result = {
        "name": name,
        "note": note,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "peers": versions(),
        **found,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run the chosen tasks, or the vectors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}")
    parser.add_argument("--events", type=float, default=10, help="millions")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--vectors", type=Path, help="folder of files with known events")
    parser.add_argument("--only", nargs="+", default=[], help="implementations; writes no file")
    options = parser.parse_args()
    if options.vectors:
        found = run_vectors(options.vectors)
        for one in sorted(found["right"], key=lambda one: -found["right"][one]):
            print(f"{one:14} {found['right'][one]:3} right of {found['files']}")
        store("events_vectors", "files of known events that each library reads right", found)
        return
    unknown = [task for task in options.tasks if task not in TASKS]
    if unknown:
        parser.error(f"unknown: {unknown}; tasks are {list(TASKS)}")
    n = round(options.events * 1e6)
    results: dict[str, Any] = {}
    for task in options.tasks or TASKS:
        results[task] = run_task(task, n, options.rounds, options.only)
        show(task, results[task])
    if not options.only:
        path = RESULTS / "events_decode.json"
        if options.tasks and path.is_file():  # the others stay
            results = json.loads(path.read_text(encoding="utf-8"))["tasks"] | results
        note = f"{n} events of scene.py, file in the page cache to arrays"
        store(
            "events_decode",
            note,
            {"tasks": {task: results[task] for task in TASKS if task in results}},
        )
    wrong = [
        task for task, found in results.items() if found["rows"].get(OURS, {}).get("wrong") != ""
    ]
    if wrong:
        raise SystemExit(f"ours is wrong in {wrong}")


if __name__ == "__main__":
    main()
