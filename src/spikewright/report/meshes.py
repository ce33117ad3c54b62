"""Cores on their mesh: how full they are, and where a run spends time, energy and packets.

Heat maps: cividis, which reads the same in gray.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.report.cost import show_value
from spikewright.report.drawing import Drawing, new_figure, to_svg
from spikewright.report.result import Layout, Row
from spikewright.substrates.base import Costs

MOST_CORES_LABELLED = 48
EMPTY = "#F2F2F2"
_WAYS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1))
"""East, west, north, south, north-east, south-west, as `Costs.links` has them."""


def cores_in_use(row: Row, layout: Layout) -> Drawing:
    """Return where cores lie and how full they are."""
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    name = "mesh-" + re.sub(r"\W+", "-", row.label).strip("-")
    window = _window(layout)
    columns, rows = window.wide, window.high
    tiles = _tiles(layout)
    side = 2 if max(len(c) for c in tiles.values()) > 1 else 1
    while side * side < max(len(c) for c in tiles.values()):
        side += 1
    height = min(7.0, max(2.2, 6.0 * rows / columns))
    figure = new_figure(7.2, height + 0.4)
    axes = figure.subplots()
    scale = mpl.colormaps["cividis"]
    for x in range(window.left, window.right):
        for y in range(window.top, window.bottom):
            axes.add_patch(Rectangle((x, y), 0.94, 0.94, fc=EMPTY, ec="#BBBBBB", lw=0.6))
    lines = []
    for (x, y), cores in tiles.items():
        for slot, core in enumerate(cores):
            w = 0.94 / side
            corner = (x + (slot % side) * w, y + (slot // side) * w)
            load = layout.load[core]
            axes.add_patch(Rectangle(corner, w, w, fc=scale(min(load, 1.0)), ec="white", lw=0.6))
            if len(layout.position) <= MOST_CORES_LABELLED:
                axes.text(
                    corner[0] + w / 2,
                    corner[1] + w / 2,
                    f"{100 * load:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="black" if load > 0.5 else "white",
                )
            lines.append((str(core), f"({x}, {y})", f"{100 * load:.1f} %", layout.binding[core]))
    axes.set_xlim(window.left - 0.06, window.right)
    axes.set_ylim(window.bottom, window.top - 0.06)
    axes.set_aspect("equal")
    axes.set_xlabel("mesh x")
    axes.set_ylabel("mesh y")
    for axis, first, end in (
        (axes.xaxis, window.left, window.right),
        (axes.yaxis, window.top, window.bottom),
    ):
        shown = range(first, end, max(1, (end - first) // 16))
        axis.set_ticks([i + 0.47 for i in shown], [str(i) for i in shown])
    figure.colorbar(
        mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 100), scale),
        ax=axes,
        label="fullest limit of a core (%)",
        shrink=0.8,
    )
    wide, high = _size(layout)
    alternative = (
        f"Placement on {row.label}: {len(layout.position)} cores in use on a mesh of {wide} by {high}; "
        f"the fullest uses {100 * max(layout.load, default=0):.0f} % of a limit."
    )
    return Drawing(
        name,
        f"Placement on {row.label}",
        "One square per core in use (numbers: percent of its fullest limit); empty tiles are light."
        + window.told,
        alternative,
        to_svg(figure, name, alternative),
        ("core", "tile (x, y)", "load", "limit that binds"),
        tuple(lines),
    )


def heat(row: Row, layout: Layout) -> list[Drawing]:
    """Return the heat maps of the first price list that has some: one panel per quantity, links last."""
    costs = next((c for c in row.prices if c.cores or c.links), None)
    made = None if costs is None else heat_of(row.label, costs, layout)
    return [] if made is None else [made]


def heat_of(label: str, costs: Costs, layout: Layout) -> Drawing | None:
    """Return the heat maps of a price list, or None where it has none of this placement."""
    cores = {
        n: np.asarray(v, np.float64)
        for n, v in costs.cores.items()
        if len(v) == len(layout.position)
    }
    links = {n: np.asarray(v, np.float64) for n, v in costs.links.items() if np.ndim(v) == 3}
    quiet = [n for n, v in links.items() if not v.any()]
    links = {n: v for n, v in links.items() if n not in quiet}
    if not cores and not links:
        return None
    window = _window(layout, *links.values())
    import matplotlib as mpl
    from matplotlib.ticker import FuncFormatter

    panels = len(cores) + len(links)
    columns = min(panels, 2)
    wide, high = _size(layout)
    down = -(-panels // columns)
    figure = new_figure(7.2, min(9.0, max(2.0, 3.0 * window.high / window.wide + 0.7) * down))
    grid = figure.subplots(down, columns, squeeze=False).ravel()
    for axes in grid[panels:]:
        axes.set_axis_off()
    scale = mpl.colormaps["cividis"].with_extremes(bad=EMPTY)
    for axes, (name, values) in zip(grid, [*cores.items(), *links.items()], strict=False):
        if name in cores:
            picture, shown = _of_cores(layout, values), values
        else:
            shown = values[values > 0]
            is_drawn = values.shape[2] in (4, len(_WAYS))
            picture = np.full((high, wide), np.nan) if is_drawn else values.sum(axis=2).T
        top = float(shown.max(initial=0.0)) or 1.0
        norm = mpl.colors.Normalize(0.0, top)
        axes.imshow(
            picture,
            cmap=scale,
            norm=norm,
            interpolation="nearest",
            extent=(-0.5, wide - 0.5, high - 0.5, -0.5),
        )
        if name in links and is_drawn:
            _draw_links(axes, values, scale, norm)
        axes.set_title(f"{name} on links" if name in links else name, loc="left", fontsize=9)
        axes.set_xlim(window.left - 0.5, window.right - 0.5)
        axes.set_ylim(window.bottom - 0.5, window.top - 0.5)
        axes.set_xticks(range(window.left, window.right, max(1, window.wide // 8)))
        axes.set_yticks(range(window.top, window.bottom, max(1, window.high // 8)))
        # the name is bound now: the ticks are written when the figure is
        ticks = FuncFormatter(lambda value, _, name=name: _number(name, value))
        figure.colorbar(mpl.cm.ScalarMappable(norm, scale), ax=axes, shrink=0.8, format=ticks)
    name = "heat-" + re.sub(r"\W+", "-", label).strip("-")
    told = []
    for kind, core_values in cores.items():
        busiest = int(np.argmax(core_values))
        told.append(f"{kind}: most on core {busiest}, {_number(kind, core_values[busiest])}")
    for kind, values in links.items():
        told.append(
            f"{kind}: {values.max(initial=0.0):.4g} on the busiest link, {values.sum():.4g} in all"
        )
    told += [f"{kind}: none, no spike leaves its core" for kind in quiet]
    alternative = f"Where a run on {label} spends: " + "; ".join(told) + "."
    lines = tuple(
        (
            str(core),
            str(tuple(layout.position[core])),
            *(_number(k, v[core]) for k, v in cores.items()),
        )
        for core in range(len(layout.position))
    )
    return Drawing(
        name,
        f"Heat maps of {label}, price list {costs.preset}",
        f"Per inference, core by core{' and link by link' if links else ''}; tiles without a core in use are light."
        + "".join(f" No {kind} between cores." for kind in quiet)
        + window.told,
        alternative,
        to_svg(figure, name, alternative),
        ("core", "tile", *cores),
        lines,
    )


@dataclass(frozen=True)
class _Window:
    """The part of a mesh that is drawn: tiles left..right - 1, top..bottom - 1; what to say of the rest."""

    left: int
    right: int
    top: int
    bottom: int
    told: str

    @property
    def wide(self) -> int:
        return self.right - self.left

    @property
    def high(self) -> int:
        return self.bottom - self.top


def _window(layout: Layout, *links: NDArray[np.float64]) -> _Window:
    """Return what is in use of a mesh, with a margin of a tile; all of it where that is most of it."""
    wide, high = _size(layout)
    used = np.zeros((wide, high), bool)
    for x, y in _tiles(layout):
        used[x, y] = True
    for load in links:
        if load.shape[:2] == used.shape:
            used |= load.any(axis=2)
    (left, right), (top, bottom) = (
        (max(0, int(where.min()) - 1), min(size, int(where.max()) + 2))
        for where, size in ((np.flatnonzero(used.any(axis=1 - a)), used.shape[a]) for a in (0, 1))
    )
    if 2 * (right - left) * (bottom - top) > wide * high:
        return _Window(0, wide, 0, high, "")
    return _Window(left, right, top, bottom, f" The rest of the {wide} by {high} tiles is empty.")


def _tiles(layout: Layout) -> dict[tuple[int, int], list[int]]:
    """Return the cores in use of each tile that has some."""
    tiles: dict[tuple[int, int], list[int]] = {}
    for core, place in enumerate(layout.position):
        tiles.setdefault((place[0], place[1] if len(place) > 1 else 0), []).append(core)
    return tiles


def _size(layout: Layout) -> tuple[int, int]:
    """Return the mesh's tiles in x and y."""
    return layout.mesh[0], layout.mesh[1] if len(layout.mesh) > 1 else 1


def _of_cores(layout: Layout, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return an image with a square of pixels per tile and a pixel per core; NaN where there is no core in use."""
    wide, high = _size(layout)
    tiles = _tiles(layout)
    most = max(len(cores) for cores in tiles.values())
    side = int(np.ceil(np.sqrt(most)))
    image = np.full((high * side, wide * side), np.nan)
    for (x, y), cores in tiles.items():
        for slot, core in enumerate(cores):
            image[y * side + slot // side, x * side + slot % side] = values[core]
    return image


def _draw_links(axes: Any, load: NDArray[np.float64], scale: Any, norm: Any) -> None:
    """Draw what leaves each tile as a line towards its neighbor, beside the line of the other direction.

    Links around the edge of a torus are drawn to the edge of the picture.
    """
    from matplotlib.collections import LineCollection

    lines, values = [], []
    for x, y, way in np.argwhere(load > 0):
        dx, dy = _WAYS[way]
        aside_x, aside_y = 0.12 * dy, -0.12 * dx
        is_inside = 0 <= x + dx < load.shape[0] and 0 <= y + dy < load.shape[1]
        far = 1.0 if is_inside else 0.5
        lines.append([(x + aside_x, y + aside_y), (x + far * dx + aside_x, y + far * dy + aside_y)])
        values.append(load[x, y, way])
    order = np.argsort(values, kind="stable")
    axes.add_collection(
        LineCollection(
            [lines[i] for i in order],
            colors=scale(norm(np.asarray(values)[order])) if len(values) else None,
            linewidths=2.0,
        ),
        autolim=False,
    )


def _number(kind: str, value: float) -> str:
    """Write a number in the unit that its name gives in brackets."""
    unit = re.search(r"\((\w+)\)$", kind)
    return show_value(float(value), unit[1]) if unit else f"{value:.4g}"
