"""The table and the figures of the stored results.

    python benchmarks/train/show.py

Reads `benchmarks/results/train_{a,b,c,scaling}.json`, what of them there is; writes `train.md`, `train.png` and
`train_scaling.png` beside them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness import RESULTS  # noqa: E402
from implementations import FLOOR, IMPLEMENTATIONS, OURS, Role  # noqa: E402
from shapes import SHAPES, TITLES  # noqa: E402

from spikewright.report.figures import (  # noqa: E402
    _STYLE,
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILION,
)

COLORS = {Role.OURS: BLUE, Role.PEER: ORANGE, Role.HAND: GREEN, Role.FLOOR: "#999999"}
HATCHES = {Role.OURS: "", Role.PEER: "//", Role.HAND: "..", Role.FLOOR: ""}
LINES = {
    FLOOR: (BLACK, "s", "--", "floor: products alone"),
    OURS: (BLUE, "o", "-", "Spikewright"),
    "spikingjelly": (VERMILION, "^", "-", "SpikingJelly"),
    "snntorch": (PURPLE, "D", "-", "snnTorch"),
}
AXES = {"steps": "steps T", "neurons": "neurons N", "density": "share of active inputs"}


def read(name: str) -> dict[str, Any] | None:
    """Return a stored result."""
    path = RESULTS / f"train_{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def rows_of(result: dict[str, Any], threads: str = "1") -> dict[str, dict[str, Any]]:
    """Return the rows of a shape; of other threads than one, where one was not measured."""
    runs = result["threads"]
    found: dict[str, dict[str, Any]] = runs.get(threads, next(iter(runs.values())))["rows"]
    return found


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return one Markdown table: an implementation per line, three columns per shape."""
    lines = [
        "| CPU ms · times the floor · MiB | " + " | ".join(f"({s})" for s in results) + " |",
        "| --- |" + " --- |" * len(results),
    ]
    rows = {shape: rows_of(result) for shape, result in results.items()}
    for name, made in IMPLEMENTATIONS.items():
        if not any(name in found for found in rows.values()):
            continue
        cells = []
        for found in rows.values():
            row = found.get(name)
            if row is None:
                cells.append("")
                continue
            ratio = f"{row['over_floor']:.2f}" if "over_floor" in row else "-"
            peak = "-" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"
            cells.append(f"{row['cpu_min_ms']:.1f} · {ratio} · {peak}")
        label = f"**{made.label}**" if made.role is Role.OURS else made.label
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    legend = [f"({shape}) {TITLES[shape]}." for shape in results]
    first = next(iter(results.values()))
    about = f"{first['date']}, {first['machine']['processor']}, one thread."
    return "\n".join([*lines, "", *legend, about]) + "\n"


def bars(results: dict[str, dict[str, Any]]) -> Any:
    """Return the figure of all shapes: CPU time over the floor's, fastest first."""
    figure = _figure(11.0, 4.6)
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for axes, (shape, result) in zip(panels, results.items(), strict=True):
        rows = {
            n: r
            for n, r in rows_of(result).items()
            if IMPLEMENTATIONS[n].role in COLORS and n != FLOOR and "over_floor" in r
        }
        order = sorted(rows, key=lambda n: rows[n]["over_floor"])
        for place, name in enumerate(order):
            row, role = rows[name], IMPLEMENTATIONS[name].role
            axes.barh(
                place,
                row["over_floor"],
                color=COLORS[role],
                hatch=HATCHES[role],
                ec="#333333",
                lw=0.5,
            )
            peak = "" if row["peak_mib"] is None else f" · {row['peak_mib']:.0f} MiB"
            axes.text(
                row["over_floor"] * 1.06,
                place,
                f"{row['over_floor']:.2f}{peak}",
                va="center",
                fontsize=7,
            )
        axes.axvline(1.0, color=BLACK, lw=1.0, ls="--")
        axes.set_xscale("log")
        most = max(r["over_floor"] for r in rows.values())
        axes.set_xlim(0.1, most * 6)
        axes.set_yticks(range(len(order)), [IMPLEMENTATIONS[n].label for n in order], fontsize=7)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_title(f"({shape}) {TITLES[shape].split(', T')[0]}", loc="left", fontsize=8)
        axes.set_xlabel("CPU time / floor")
    return figure


def lines(result: dict[str, Any]) -> Any:
    """Return the figure of scaling: CPU time against three sizes."""
    figure = _figure(9.0, 3.2)
    shown = [axis for axis in AXES if axis in result["axes"]]
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for axes, axis in zip(panels, shown, strict=True):
        found = result["axes"][axis]
        for name, (color, marker, style, label) in LINES.items():
            if name not in found["exponents"]:
                continue
            times = [row[name]["cpu_min_ms"] for row in found["rows"]]
            slope = f" (x{found['exponents'][name]:.2f})"
            axes.plot(
                found["sizes"], times, color=color, marker=marker, ls=style, ms=4, lw=1.2,
                label=label + slope,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(found["sizes"], [f"{size:g}" for size in found["sizes"]], fontsize=7)
        axes.minorticks_off()
        axes.set_xlabel(AXES[axis])
        axes.grid(True, color="#DDDDDD", lw=0.6)
        axes.legend(frameon=False, fontsize=7)
    panels[0].set_ylabel("CPU time of a step (ms)")
    return figure


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def main() -> None:
    """Write what there are results for."""
    import matplotlib as mpl

    results = {shape: found for shape in SHAPES if (found := read(shape)) is not None}
    with mpl.rc_context(_STYLE):
        if results:
            text = table(results)
            (RESULTS / "train.md").write_text(text, encoding="utf-8")
            print(text)
            bars(results).savefig(RESULTS / "train.png", dpi=130)
        scaling = read("scaling")
        if scaling is not None:
            lines(scaling).savefig(RESULTS / "train_scaling.png", dpi=130)


if __name__ == "__main__":
    main()
