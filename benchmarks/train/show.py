"""The table and the figures of the stored results.

    python benchmarks/train/show.py

Reads `benchmarks/results/train_{a,b,c,scaling}.json`, what of them there is; writes `train.md`, `train.png` and
`train_scaling.png` beside them.
"""

from __future__ import annotations

import json
import math
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

NAMES = {
    "a": "one layer, 512 neurons",
    "b": "two recurrent layers",
    "c": "two convolutions",
}
COLORS = {Role.FLOOR: "#999999", Role.OURS: BLUE, Role.HAND: GREEN, Role.PEER: ORANGE}
HATCHES = {Role.OURS: "", Role.PEER: "//", Role.HAND: "..", Role.FLOOR: ""}
LEGEND = {
    Role.OURS: "Spikewright",
    Role.PEER: "libraries",
    Role.HAND: "loops by hand",
    Role.FLOOR: "products alone",
}
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
    """Return the figure of all shapes: CPU time over the floor's, to the left and to the right of it."""
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter, NullFormatter

    shown = {
        shape: {
            n: r
            for n, r in rows_of(result).items()
            if IMPLEMENTATIONS[n].role in COLORS and n != FLOOR and "over_floor" in r
        }
        for shape, result in results.items()
    }

    def place(name: str) -> tuple[int, float]:
        found = [math.log(rows[name]["over_floor"]) for rows in shown.values() if name in rows]
        return list(COLORS).index(IMPLEMENTATIONS[name].role), sum(found) / len(found)

    order = sorted({name for rows in shown.values() for name in rows}, key=place)
    figure = _figure(10.0, 1.4 + 0.25 * len(order))
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for axes, (shape, rows) in zip(panels, shown.items(), strict=True):
        axes.set_xscale("log")
        axes.set_xlim(0.2, 200)
        for y, name in enumerate(order):
            if name not in rows:
                axes.text(1.08, y, "-", va="center", fontsize=7, color="#777777")
                continue
            row, role = rows[name], IMPLEMENTATIONS[name].role
            ratio = row["over_floor"]
            low, high = min(ratio, 1.0), max(ratio, 1.0)
            axes.barh(
                y, high - low, left=low, color=COLORS[role], hatch=HATCHES[role], ec="#333333", lw=0.5
            )  # fmt: skip
            peak = "" if row["peak_mib"] is None else f" · {row['peak_mib']:.0f} MiB"
            axes.text(high * 1.08, y, f"{ratio:.2f}{peak}", va="center", fontsize=7)
        axes.axvline(1.0, color=BLACK, lw=1.0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_title(f"({shape}) {NAMES[shape]}", loc="left", fontsize=8)
        axes.set_xlabel("CPU time / products alone")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(order)), [IMPLEMENTATIONS[n].label for n in order], fontsize=8)
    handles = [
        Patch(fc=color, hatch=HATCHES[role], ec="#333333", lw=0.5, label=LEGEND[role])
        for role, color in COLORS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def lines(result: dict[str, Any]) -> Any:
    """Return the figure of scaling: CPU time against three sizes."""
    from matplotlib.ticker import FuncFormatter

    figure = _figure(9.0, 3.4)
    shown = [axis for axis in AXES if axis in result["axes"]]
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for axes, axis in zip(panels, shown, strict=True):
        found = result["axes"][axis]
        for name, (color, marker, style, label) in LINES.items():
            if name not in found["exponents"]:
                continue
            times = [row[name]["cpu_min_ms"] for row in found["rows"]]
            slope = f" ({round(found['exponents'][name], 2) + 0.0:.2f})"  # no "-0.00"
            axes.plot(
                found["sizes"], times, color=color, marker=marker, ls=style, ms=4, lw=1.2,
                label=label + slope,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.set_xticks(found["sizes"], [f"{size:g}" for size in found["sizes"]], fontsize=7)
        axes.minorticks_off()
        axes.set_xlabel(AXES[axis])
        axes.grid(True, color="#DDDDDD", lw=0.6)
        axes.legend(
            frameon=False,
            fontsize=7,
            loc="upper left",
            title="fitted exponent in brackets",
            title_fontsize=7,
        )
        axes.set_ylim(3, 3e4)
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
