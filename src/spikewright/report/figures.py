"""Figures of a comparison as inline SVG: text as paths, colors that color-blind readers can tell apart, hatches
and markers too.

Colors: Okabe and Ito, "Color Universal Design", 2008. Meshes of cores stand in `meshes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spikewright.report.cost import show_total, show_value
from spikewright.report.drawing import Drawing, new_figure, to_svg
from spikewright.report.meshes import cores_in_use, heat
from spikewright.report.result import Comparison, Layout, Picture, Row
from spikewright.substrates.base import Category

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
LINE_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CATEGORY_STYLE: Any = {
    Category.STATIC: (SKY, ""),
    Category.CLOCK: (YELLOW, ".."),
    Category.EVENTS: (BLUE, "//"),
    Category.MEMORY: (GREEN, "--"),
    Category.LINKS: (PURPLE, "||"),
    Category.BARRIER: (VERMILION, "++"),
    Category.CONVERTERS: (ORANGE, "xx"),
    Category.MANAGEMENT: ("#777777", ".."),
    Category.IO: ("#DDDDDD", "oo"),
    Category.OVERHEAD: ("#BBBBBB", "\\\\"),
}
_STYLE: Any = {
    "text.parse_math": False,  # names of populations are shown as they are
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "hatch.linewidth": 0.6,
    "hatch.color": "#333333",
}


def drawings(comparison: Comparison) -> tuple[Drawing, ...]:
    """Return every figure that a comparison has data for."""
    import matplotlib as mpl

    found: list[Drawing] = []
    with mpl.rc_context(_STYLE):
        if any(r.is_priced for r in comparison.rows):
            found += [_score_energy(comparison), _parts(comparison)]
        found += _activities(comparison)
        drawn: list[tuple[str, Layout]] = []
        for row in comparison.rows:
            if row.placement is not None and (row.substrate, row.placement) not in drawn:
                drawn.append((row.substrate, row.placement))
                found.append(cores_in_use(row, row.placement))
                found += heat(row, row.placement)
        if any(r.damage for r in comparison.rows):
            found.append(_damage(comparison))
    return tuple(found)


def _mark(comparison: Comparison, row: Row) -> tuple[str, str]:
    place = comparison.rows.index(row)
    return LINE_COLORS[place % len(LINE_COLORS)], MARKERS[place % len(MARKERS)]


def _score_energy(comparison: Comparison) -> Drawing:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = new_figure(7.2, 4.2)
    axes = figure.subplots()
    handles = []
    lines = []
    said = []
    for row in comparison.rows:
        color, marker = _mark(comparison, row)
        mean, std = 100 * row.score.mean, 100 * row.score.std
        shown = f"{mean:.2f} ± {std:.2f} %"
        if not row.is_priced:
            axes.axhline(mean, color=color, lw=1.2, ls="--")
            axes.axhspan(mean - std, mean + std, color=color, alpha=0.12, lw=0)
            handles.append(
                Line2D([], [], color=color, ls="--", label=f"{row.label} (not a device)")
            )
            lines.append((row.label, shown, "-", "-"))
            said.append(f"{row.label} {shown}, no energy")
            continue
        for total, face, size in ((row.device, color, 7), (row.system, "none", 11)):
            if total is None or total.value <= 0:
                continue
            left = max(total.value - max(total.low, total.value * 1e-3), 0.0)
            axes.errorbar(
                total.value,
                mean,
                xerr=[[left], [max(total.high - total.value, 0.0)]],
                yerr=std,
                fmt=marker,
                color=color,
                mfc=face,
                ms=size,
                mew=1.5,
                elinewidth=1,
                capsize=3,
            )
        handles.append(Line2D([], [], color=color, marker=marker, ls="", ms=8, label=row.label))
        device, system = (
            show_total(row.device, "J", band=True),
            show_total(row.system, "J", band=True),
        )
        lines.append((row.label, shown, device, system))
        said.append(f"{row.label} {shown}, device {device}, system {system}")
    handles += [
        Line2D([], [], color="#555555", marker="o", ls="", ms=7, label="filled: device"),
        Line2D([], [], color="#555555", marker="o", mfc="none", ls="", ms=11, label="open: system"),
    ]
    low, high = axes.get_ylim()
    axes.set_ylim(low, max(min(high, 101.0), low + 1.0))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: show_value(x, "J")))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("energy per inference")
    axes.set_ylabel(f"{comparison.measure} (%)")
    axes.grid(True, color="#DDDDDD", lw=0.6)
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    alternative = f"{comparison.measure} against energy per inference. " + "; ".join(said) + "."
    return Drawing(
        "score-energy",
        f"{comparison.measure.capitalize()} against energy",
        "Filled markers: energy of the device alone; open markers: with host and management. "
        "Horizontal bars: the band of all price lists; vertical bars: one standard deviation over "
        "seeds and chip instances. Logarithmic energy axis.",
        alternative,
        to_svg(figure, "score-energy", alternative),
        ("line", comparison.measure, "device energy", "system energy"),
        tuple(lines),
    )


def _parts(comparison: Comparison) -> Drawing:
    from matplotlib.patches import Patch

    bars = [
        (f"{row.label} · {costs.preset}" if len(row.prices) > 1 else row.label, costs)
        for row in comparison.rows
        for costs in row.prices
        if costs.is_priced
    ]
    figure = new_figure(7.2, 1.1 + 0.52 * len(bars))
    device_axes, system_axes = figure.subplots(1, 2, sharey=True)
    used: list[Category] = []
    lines = []
    for place, (label, costs) in enumerate(bars):
        parts = costs.by_category()
        used += [c for c in parts if c not in used]
        for axes, total, kinds in (
            (device_axes, costs.device.value, [c for c in parts if c.is_device]),
            (system_axes, costs.system.value, list(parts)),
        ):
            left = 0.0
            for kind in kinds:
                share = 100 * parts[kind].value / total if total else 0.0
                color, hatch = CATEGORY_STYLE[kind]
                axes.barh(place, share, left=left, color=color, hatch=hatch, ec="#333333", lw=0.5)
                left += share
            axes.text(102, place, show_value(total, "J"), va="center", ha="left", fontsize=8)
        lines += [(label, k.value, show_value(t.value, "J")) for k, t in parts.items()]
    device_axes.set_yticks(range(len(bars)), [label for label, _ in bars])
    device_axes.set_ylim(len(bars) - 0.5, -0.5)
    for axes, title in ((device_axes, "device"), (system_axes, "system")):
        axes.set_xlim(0, 128)
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.set_xlabel("share of energy (%)")
        axes.set_title(title, loc="left")
    used.sort(key=list(Category).index)
    handles = [
        Patch(
            fc=CATEGORY_STYLE[c][0], hatch=CATEGORY_STYLE[c][1], ec="#333333", lw=0.5, label=c.value
        )
        for c in used
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(used), frameon=False)
    alternative = "Shares of energy per inference by category. " + "; ".join(
        f"{label}, {kind}: {value}" for label, kind, value in lines
    )
    return Drawing(
        "energy-parts",
        "Where the energy goes",
        "Each bar is the whole energy of one inference, cut by category; its size stands at its "
        "end. Left without, right with overhead. The single terms stand in the tables below.",
        alternative,
        to_svg(figure, "energy-parts", alternative),
        ("line", "category", "energy per inference"),
        tuple(lines),
    )


def _activities(comparison: Comparison) -> list[Drawing]:
    rows = [r for r in comparison.rows if r.pictures]
    if not rows:
        return []
    ideal = next((r for r in rows if not r.is_priced), None)
    others = [r for r in rows if r is not ideal]
    if ideal is None:
        return [_activity((r,), n) for n, r in enumerate(others)]
    if not others:
        return [_activity((ideal,), 0)]
    return [_activity((ideal, r), n) for n, r in enumerate(others)]


def _activity(rows: Sequence[Row], number: int) -> Drawing:
    name = f"activity-{number}"
    names = [p.population for p in rows[0].pictures]
    figure = new_figure(7.2, 1.0 + 1.25 * (len(names) + 1))
    grid = figure.subplots(len(names) + 1, len(rows), squeeze=False, sharex=True)
    lines = []
    for column, row in enumerate(rows):
        found = {p.population: p for p in row.pictures}
        grid[0, column].set_title(row.label, loc="left")
        for place, population in enumerate(names):
            axes = grid[place, column]
            picture = found.get(population)
            if picture is None:
                axes.set_axis_off()
                continue
            axes.scatter(
                [k * picture.dt * 1e3 for k in picture.step],
                picture.address,
                s=max(2.0, min(14.0, 240 / max(picture.n, 1))),
                marker="|" if picture.n > 4 else "o",
                lw=0.8,
                color=BLACK,
                rasterized=False,
            )
            axes.set_xlim(-0.8 * picture.dt * 1e3, (picture.steps - 0.2) * picture.dt * 1e3)
            axes.set_ylim(-0.5 - 0.02 * picture.n, picture.n - 0.5 + 0.02 * picture.n)
            if column == 0:
                axes.set_ylabel(f"{population}\n(neuron)")
            lines.append((row.label, population, str(picture.n), str(len(picture.step))))
        # the last hidden population: what it does is less all-or-none than the decision
        _membrane(grid[-1, column], found.get(names[-2 if len(names) > 2 else -1]), column == 0)
    for axes in grid[-1]:
        axes.set_xlabel("time (ms)")
    figure.align_ylabels()
    joined = " and ".join(r.label for r in rows)
    alternative = f"Spikes of one sample on {joined}. " + "; ".join(
        f"{label}, {population}: {spikes} spikes of {n} neurons"
        for label, population, n, spikes in lines
    )
    return Drawing(
        name,
        f"One sample: {joined}",
        "Every mark is a spike. Bottom: the variable that the threshold looks at, for one neuron that fires now "
        "and then, the same on both sides; a chip keeps it in its own units.",
        alternative,
        to_svg(figure, name, alternative),
        ("line", "population", "neurons", "spikes"),
        tuple(lines),
    )


def _membrane(axes: Any, picture: Picture | None, first: bool) -> None:
    if picture is None or not picture.membrane:
        axes.text(0.5, 0.5, "no state", ha="center", va="center", transform=axes.transAxes)
        axes.set_yticks([])
        return
    time = [k * picture.dt * 1e3 for k in range(len(picture.membrane))]
    axes.plot(time, picture.membrane, color=BLUE, lw=1.2, drawstyle="steps-post")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4))
    text = f"{picture.variable} of\n{picture.population}[{picture.neuron}]"
    axes.set_ylabel(text if first else f"{picture.variable}[{picture.neuron}]")


def _damage(comparison: Comparison) -> Drawing:
    figure = new_figure(7.2, 3.4)
    axes = figure.subplots()
    lines = []
    for row in comparison.rows:
        if not row.damage:
            continue
        color, marker = _mark(comparison, row)
        shares = [100 * s for s, _ in row.damage]
        axes.plot(
            shares, [100 * a for _, a in row.damage], color=color, marker=marker, label=row.label
        )
        lines += [(row.label, f"{100 * s:g} %", f"{100 * a:.2f} %") for s, a in row.damage]
    axes.set_xlabel("dead synapses (%)")
    axes.set_ylabel(f"{comparison.measure} (%)")
    axes.grid(True, color="#DDDDDD", lw=0.6)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    alternative = "Accuracy as synapses die. " + "; ".join(
        f"{label} with {share} dead: {value}" for label, share, value in lines
    )
    return Drawing(
        "damage",
        "Damage",
        "Mean over the trainings; the dead of a smaller share are among the dead of a larger one.",
        alternative,
        to_svg(figure, "damage", alternative),
        ("line", "dead synapses", comparison.measure),
        tuple(lines),
    )
