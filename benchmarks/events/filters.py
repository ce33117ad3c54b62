"""Time of the background-activity filter, and of our STCF, on events in memory, in every library that has it.

    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/events/filters.py [--events 1] [--rounds 9]

The scene of `scene.py` on 346 x 260 pixels with a tenth of noise, 2 ms. One process per library, asked in turn; CPU
minima. `loop` is the definition written out by hand. What each keeps is compared with the loop, event for event.
Writes `results/events_filters.json`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from decode import store  # noqa: E402
from rounds import OURS, Process, measure, prepared  # noqa: E402
from scene import scene  # noqa: E402
from work import WORK  # noqa: E402


def noisy(n: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return a scene in which every tenth event is noise, somewhere at any time."""
    signal = scene(n - n // 10, width, height, rate=2e6)
    g = np.random.default_rng(8)
    t = g.integers(signal["t"][0], signal["t"][-1] + 1, n // 10)
    noise = {
        "t": t,
        "x": g.integers(0, width, t.size).astype(np.uint16),
        "y": g.integers(0, height, t.size).astype(np.uint16),
        "p": g.integers(0, 2, t.size).astype(np.uint8),
    }
    joined = {name: np.concatenate([signal[name], noise[name]]) for name in "txyp"}
    order = np.argsort(joined["t"], kind="stable")
    return {name: column[order] for name, column in joined.items()}


def run_task(
    task: str, made: dict[str, np.ndarray], sensor: tuple[int, int], within: int, rounds: int
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Time one task; return its rows, and what each implementation gave."""
    width, height = sensor
    names, given = list(WORK[task]), {}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        events = Path(temporary) / "events.npz"
        np.savez(events, **made)
        started, rows = {}, {}
        for name in names:
            started[name] = stack.enter_context(Process("work", name))
            out = Path(temporary) / f"{name}.npy"
            rows |= prepared(
                started, [name], task=task, events=str(events), width=width, height=height, within=within, out=str(out)
            )  # fmt: skip
            if rows[name]["failed"] is None:
                given[name] = np.load(out)
        for name, times in measure(started, list(given), rounds=rounds).items():
            rows[name] |= times | {"mevents_per_cpu_s": made["t"].size / times["cpu_min_s"] / 1e6}
    return rows, given


def fastest_peer(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the fastest peer and how many times slower it is than ours."""
    peers = {
        name: row["cpu_min_s"]
        for name, row in rows.items()
        if name not in (OURS, "loop") and "cpu_min_s" in row
    }
    if not peers or "cpu_min_s" not in rows[OURS]:
        return {"fastest_peer": None, "ratio": None}
    best = min(peers, key=lambda name: peers[name])
    return {"fastest_peer": best, "ratio": peers[best] / rows[OURS]["cpu_min_s"]}


def show(task: str, rows: dict[str, dict[str, Any]], said: dict[str, Any]) -> None:
    """Print a table, fastest first."""
    print(f"\n{task}")
    for name in sorted(rows, key=lambda name: rows[name].get("cpu_min_s", 1e9)):
        row = rows[name]
        if row["failed"] is not None:
            print(f"  {name:14} {row['failed'][:90]}")
        elif "cpu_min_s" in row:
            text = f"{row['cpu_min_s'] * 1e3:9.2f} ms {row['mevents_per_cpu_s']:8.1f} Mevents/s"
            print(f"  {name:14} {text}  {row.get('agreement', '')}")
    if said["ratio"]:
        print(f"  ours over {said['fastest_peer']}: {said['ratio']:.2f}")
    sys.stdout.flush()


def against(found: np.ndarray, truth: np.ndarray) -> str:
    """Say how many events were kept here and not there, and the other way round."""
    mine, its = (np.ascontiguousarray(a.T).view("i8,i8,i8,i8").ravel() for a in (found, truth))
    if np.array_equal(mine, its):
        return "equal to the loop"
    more, less = np.setdiff1d(mine, its).size, np.setdiff1d(its, mine).size
    return f"{more} more and {less} fewer of {its.size}"


def main() -> None:
    """Run both filters."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=float, default=1, help="millions")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    made, tasks = noisy(round(options.events * 1e6), 346, 260), {}
    for task, within in (("background activity", 2000), ("STCF", 25_000)):
        rows, given = run_task(task, made, (346, 260), within, options.rounds)
        if "loop" in given:
            for name, found in given.items():
                rows[name] |= {"kept": found.shape[1], "agreement": against(found, given["loop"])}
        said = fastest_peer(rows)
        show(task, rows, said)
        tasks[task] = {"rows": rows, "target": 3, **said}
    store("events_filters", f"{made['t'].size} events, 346 x 260", {"tasks": tasks})


if __name__ == "__main__":
    main()
