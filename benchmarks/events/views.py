"""Time of images, volumes and surfaces of events in memory, in every library that has them.

    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/events/views.py [--events 1] [--rounds 9]

The scene of `scene.py` on 1280 x 720 pixels; 9 bins; surfaces fall with 30 ms. One process per library, asked in
turn; CPU minima. Libraries do not agree on what these are: the table says what each gives. Writes
`results/events_views.json`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import numpy as np  # noqa: E402
from decode import store  # noqa: E402
from filters import fastest_peer, run_task, show  # noqa: E402
from rounds import OURS  # noqa: E402
from scene import scene  # noqa: E402

TASKS = ("count image", "signed image", "voxel grid", "stacked histogram", "time surface")
SENSOR = (1280, 720)


def alike(found: np.ndarray, ours: np.ndarray) -> str:
    """Say whether an array holds what ours holds, whichever way its axes lie and its polarities are joined."""
    found = np.squeeze(found).astype(np.float64)
    mine = ours.astype(np.float64)
    if found.ndim == mine.ndim + 1 and found.shape[-1] in (1, 3):
        found = found[..., 0]
    forms = [mine]
    if mine.shape[0] == 2:
        forms += [
            mine[::-1],
            mine.sum(axis=0),
            mine.max(axis=0),
            mine[1] - mine[0],
            mine[1],
            np.moveaxis(mine, 0, 2),
        ]
    for form in forms:
        if form.shape == found.shape and np.allclose(form, found, rtol=1e-4, atol=1e-4):
            return "equal to ours"
    return f"another definition, {'x'.join(map(str, found.shape))}, sum {found.sum():.6g}"


def main() -> None:
    """Run all views."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=float, default=1, help="millions")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    made, tasks = scene(round(options.events * 1e6), *SENSOR), {}
    for task in TASKS:
        rows, given = run_task(task, made, SENSOR, 30_000, options.rounds)
        for name, found in given.items():
            if name != OURS and OURS in given:
                rows[name]["agreement"] = alike(found, given[OURS])
        said = fastest_peer(rows)
        show(task, rows, said)
        tasks[task] = {"rows": rows, "target": 1, **said}
    store("events_views", f"{made['t'].size} events, {SENSOR[0]} x {SENSOR[1]}", {"tasks": tasks})


if __name__ == "__main__":
    main()
