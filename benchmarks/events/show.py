"""Makes the tables of the stored results: `results/events.md`.

python benchmarks/events/show.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness import RESULTS  # noqa: E402

OURS = "spikewright"


def stored(name: str) -> dict[str, Any] | None:
    """Return a stored result, or None where there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table."""
    return [
        "| " + " | ".join(head) + " |",
        "| --- |" + " ---: |" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def verdict(said: dict[str, Any]) -> str:
    """Return the ratio to the fastest peer and whether the target is reached."""
    if said["ratio"] is None:
        return "no peer has it right"
    text = f"{said['ratio']:.2f} x {said['fastest_peer']}"
    if said["target"]:
        text += f", target {said['target']}: " + (
            "reached" if said["ratio"] >= said["target"] else "**not reached**"
        )
    if "ratio_joined" in said and said["ratio_joined"] != said["ratio"]:
        text += f"; {said['ratio_joined']:.2f} x where all make columns"
    return text


def decoding(found: dict[str, Any]) -> list[str]:
    """Return the table of reading."""
    names: list[str] = []
    for task in found["tasks"].values():
        names += [name for name in task["rows"] if name not in names]
    rows = []
    for name, task in found["tasks"].items():
        cells = []
        for one in names:
            row = task["rows"].get(one)
            if row is None:
                cells.append("")
            elif row["failed"] is not None:
                cells.append("fails")
            elif row["wrong"]:
                cells.append(f"wrong ({row['mevents_per_cpu_s']:.0f})")
            else:
                cells.append(f"{row['mevents_per_cpu_s']:.0f}")
        rows.append([name, *cells, verdict(task)])
    first = next(iter(found["tasks"].values()))
    note = f"Reading, millions of events per CPU second; {first['events'] / 1e6:g} M events, file in the page cache:"
    return [note, "", *table(["format", *names, "ours"], rows)]


def vectors(found: dict[str, Any]) -> list[str]:
    """Return the table of files read right."""
    order = sorted(found["right"], key=lambda one: -found["right"][one])
    rows = [[one, str(found["right"][one]), str(found["tried"][one])] for one in order]
    return [
        f"Files read right, of {found['files']} whose events are known; tried: of a format that the library may read:",
        "",
        *table(["library", "right", "tried"], rows),
    ]


def work(title: str, found: dict[str, Any]) -> list[str]:
    """Return the table of filters or views."""
    lines = [f"{title}; {found['note']}, CPU ms:", ""]
    for name, task in found["tasks"].items():
        rows = []
        for one, row in sorted(task["rows"].items(), key=lambda p: p[1].get("cpu_min_s", 1e9)):
            time = f"{row['cpu_min_s'] * 1e3:.2f}" if "cpu_min_s" in row else "fails"
            rows.append([one, time, row.get("agreement", "")])
        lines += [*table([name, "CPU ms", "result"], rows), f"Ours: {verdict(task)}.", ""]
    return lines


def big(found: dict[str, Any]) -> list[str]:
    """Return the table of the large file."""
    lines = [
        f"An EVT3 file of {found['bytes'] / 1e9:.2f} GB with {found['events'] / 1e6:.0f} M events; "
        f"its index takes {found['index_bytes'] / 1e6:.1f} MB."
    ]
    for how in ("with_index", "without_index"):
        looked, rows = found[how], []
        for name, row in looked.items():
            if isinstance(row, dict):
                numbers = f"{row['cpu_s']:.3f}", f"{row['wall_s']:.3f}", f"{row['read_mb']:.1f}"
                rows.append([name.replace("_", " "), *numbers])
        lines += [
            "",
            f"{how.replace('_', ' ').capitalize()}; peak of the process {looked['peak_mb_cuts']:.0f} MB for the "
            f"picture and cuts, {looked['peak_mb']:.0f} MB with reading all in chunks:",
            "",
            *table(["what", "CPU s", "wall s", "MB read"], rows),
        ]
    return lines


def main() -> None:
    """Write the tables of whatever is stored."""
    lines = ["# Event files: measured", ""]
    for name, make in (
        ("events_decode", decoding),
        ("events_vectors", vectors),
        ("events_filters", lambda found: work("Filters", found)),
        ("events_views", lambda found: work("Views", found)),
        ("events_big", big),
    ):
        found = stored(name)
        if found is not None:
            lines += make(found)
    (RESULTS / "events.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
