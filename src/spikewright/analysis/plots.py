"""Figures of a recording. Each function returns a matplotlib Figure: `figure.savefig("raster.png", dpi=150)`.

Colors are those of the reports, which color-blind readers can tell apart. Nothing is shown on a screen and no state of
pyplot is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from spikewright.analysis.counts import correlations
from spikewright.analysis.intervals import cv, intervals
from spikewright.analysis.rates import population_rate, rates
from spikewright.analysis.trains import Trains
from spikewright.engines.recording import Recording
from spikewright.errors import DataError, explain
from spikewright.report.drawing import new_figure
from spikewright.report.figures import BLACK, LINE_COLORS
from spikewright.units import pretty

MOST = 200_000
"""Marks of one raster; of more, every k-th neuron is drawn."""
_STYLE: Any = {
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
}


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def plot_raster(
    recording: Recording,
    populations: Iterable[str] | None = None,
    *,
    sample: int = 0,
    begin: float | None = None,
    end: float | None = None,
    width: float | None = None,
) -> Any:
    """Draw every spike as a mark, populations above each other, and below them their rates in the same colors.

    Parameters
    ----------
    recording : Recording
    populations : names, from the bottom; default: all whose spikes were kept
    sample : of the batch
    begin, end : s; default: the whole recording
    width : s, of a bin of the rates; default: a hundredth of the window, a step at least

    Raises
    ------
    DataError : no population is named
    """
    names = list(recording.spikes) if populations is None else list(populations)
    if not names:
        raise DataError(explain("plot_raster", "no population is named", cure="run with spikes="))
    trains = {
        n: Trains.from_recording(recording, n, sample=sample, begin=begin, end=end) for n in names
    }
    with _style():
        figure = new_figure(7.2, 5.0)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        marks = sum(len(t.time) for t in trains.values())
        every = -(-marks // MOST)
        base, ticks = 0, []
        for place, (name, one) in enumerate(trains.items()):
            color = LINE_COLORS[place % len(LINE_COLORS)]
            chosen = one.neuron % every == 0
            size = max(0.6, min(12.0, 8000.0 / max(marks, 1)))
            above.scatter(
                one.time[chosen] * 1e3, base + one.neuron[chosen], s=size, marker="|" if size > 2 else ".",
                lw=0.8 if size > 2 else 0, color=color, rasterized=marks > 5000,
            )  # fmt: skip
            ticks.append((base + (one.n - 1) / 2, f"{name} ({one.n})"))
            base += one.n
            if place < len(trains) - 1:
                above.axhline(base - 0.5, color="#BBBBBB", lw=0.6)
            bin_width = width or max(one.duration / 100, recording.network.dt)
            rate = population_rate(one, bin_width)
            edges = one.begin + np.arange(len(rate) + 1) * bin_width
            below.stairs(rate, edges * 1e3, color=color, lw=1.1, label=name)
        above.set_yticks(
            _apart([at for at, _ in ticks], 0.045 * base), [label for _, label in ticks]
        )
        above.tick_params(axis="y", length=0)
        for place, label in enumerate(above.get_yticklabels()):
            label.set_color(LINE_COLORS[place % len(LINE_COLORS)])
        above.set_ylim(-0.5 - 0.01 * base, base - 0.5 + 0.01 * base)
        above.set_title(_title(recording, marks, every), loc="left")
        first = next(iter(trains.values()))
        below.set_xlim(first.begin * 1e3, first.end * 1e3)
        below.set_ylim(bottom=0)
        below.set_ylabel("rate (Hz)")
        below.set_xlabel("time (ms)")
        figure.align_ylabels()
    return figure


def _apart(places: list[float], least: float) -> list[float]:
    """Return ascending places, moved up where they are too close to the one before."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + least) if found else place)
    return found


def _title(recording: Recording, marks: int, every: int) -> str:
    text = f"{recording.network.name}: {marks} spikes"
    return text + (f", one of {every} neurons drawn" if every > 1 else "")


def plot_traces(
    recording: Recording,
    population: str,
    variables: Sequence[str] | None = None,
    *,
    neurons: Sequence[int] = (0,),
    sample: int = 0,
) -> Any:
    """Draw recorded variables of some neurons, a panel for each, with marks where the neurons fired.

    Parameters
    ----------
    recording : Recording
    population : its name
    variables : which; default: all that were recorded
    neurons : addresses in the flattened population, of those that were recorded

    Raises
    ------
    DataError : nothing was recorded, or not of such a neuron
    EngineError : the variable was not recorded
    """
    kept = list(recording.traces.get(population, ()))
    wanted = kept if variables is None else list(variables)
    if not wanted:
        raise DataError(
            explain(
                f"plot_traces of {population!r}",
                "no trace was recorded",
                cure=f"run with record={{{population!r}: ...}}",
            )
        )
    there = recording.trace_neurons(population)
    columns = []
    for neuron in neurons:
        at = np.flatnonzero(there == neuron)
        if not len(at):
            raise DataError(
                explain(
                    f"plot_traces of {population!r}", "no trace of such a neuron", found=neuron,
                    expected=f"one of {there[:8].tolist()}" + ("..." if len(there) > 8 else ""),
                )
            )  # fmt: skip
        columns.append(int(at[0]))
    model = recording.network.populations[population].model
    time = (
        (recording.trace_steps(population) + recording.first_step + 1) * recording.network.dt * 1e3
    )
    with _style():
        figure = new_figure(7.2, 0.9 + 1.5 * len(wanted))
        grid = figure.subplots(len(wanted), 1, sharex=True, squeeze=False)[:, 0]
        for axes, variable in zip(grid, wanted, strict=True):
            values = recording.trace(population, variable)
            rows = np.asarray(values)[:, sample].reshape(len(time), -1)[:, columns]
            known = variable in model.state and not model.integer
            unit = pretty(model.dimensions[variable]) if known else "1"
            factor, prefix = _prefix(rows) if unit != "1" else (1.0, "")
            for place, (neuron, row) in enumerate(zip(neurons, rows.T, strict=True)):
                color = LINE_COLORS[place % len(LINE_COLORS)]
                axes.plot(time, row / factor, color=color, lw=1.0, label=f"neuron {neuron}")
            axes.set_ylabel(variable if unit == "1" else f"{variable} ({prefix}{unit})")
            if variable == model.thresholded and population in recording.spikes:
                _mark_spikes(axes, recording, population, neurons, sample)
        grid[0].set_title(f"{population}: {model.name}", loc="left")
        if len(neurons) > 1:
            place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0)}
            grid[0].legend(frameon=False, fontsize=8, ncols=min(len(neurons), 4), **place)
        grid[-1].set_xlabel("time (ms)")
        if len(time):
            grid[-1].set_xlim(time[0], time[-1])
        figure.align_ylabels()
    return figure


def _mark_spikes(
    axes: Any, recording: Recording, population: str, neurons: Sequence[int], sample: int
) -> None:
    trains = Trains.from_recording(recording, population, sample=sample)
    low, high = axes.get_ylim()
    for place, neuron in enumerate(neurons):
        color = LINE_COLORS[place % len(LINE_COLORS)]
        level = high + (0.05 + 0.05 * place) * (high - low)
        times = trains[neuron] * 1e3
        axes.plot(times, np.full(len(times), level), ls="", marker="|", ms=5, mew=1.2, color=color)
    axes.set_ylim(low, high + (0.08 + 0.05 * len(neurons)) * (high - low))


def _prefix(values: np.ndarray) -> tuple[float, str]:
    """Return the SI prefix that keeps the greatest value between 1 and 1000."""
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max(initial=0.0))
    for factor, prefix in (
        (1e3, "k"),
        (1.0, ""),
        (1e-3, "m"),
        (1e-6, "µ"),
        (1e-9, "n"),
        (1e-12, "p"),
    ):
        if largest >= factor:
            return factor, prefix
    return 1.0, ""


def plot_rates(trains: dict[str, Trains]) -> Any:
    """Draw how the mean rates of neurons are distributed, one line per name."""
    with _style():
        figure = new_figure(4.8, 3.2)
        axes = figure.subplots()
        highest = max((float(rates(t).max(initial=0.0)) for t in trains.values()), default=0.0)
        edges = np.linspace(0.0, highest or 1.0, 41)
        for place, (name, one) in enumerate(trains.items()):
            share = np.histogram(rates(one), edges)[0] / one.n
            color = LINE_COLORS[place % len(LINE_COLORS)]
            axes.stairs(
                100 * share, edges, color=color, lw=1.3, label=f"{name}: {rates(one).mean():.3g} Hz"
            )
        axes.set_xlabel("rate (Hz)")
        axes.set_ylabel("neurons (%)")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8)
    return figure


def plot_intervals(trains: dict[str, Trains]) -> Any:
    """Draw the distributions of intervals and of their CV over neurons."""
    with _style():
        figure = new_figure(7.2, 3.2)
        left, right = figure.subplots(1, 2)
        for place, (name, one) in enumerate(trains.items()):
            color = LINE_COLORS[place % len(LINE_COLORS)]
            length, _ = intervals(one)
            if len(length):
                edges = np.linspace(0.0, float(np.quantile(length, 0.99)) or 1.0, 61)
                share = np.histogram(length, edges)[0] / len(length)
                left.stairs(100 * share, edges * 1e3, color=color, lw=1.3, label=name)
            values = cv(one)
            values = values[~np.isnan(values)]
            if len(values):
                edges = np.linspace(0.0, max(2.0, float(values.max())), 41)
                share = np.histogram(values, edges)[0] / len(values)
                right.stairs(
                    100 * share,
                    edges,
                    color=color,
                    lw=1.3,
                    label=f"{name}: {values.mean():.2f}",
                )
        left.set_xlabel("interval (ms)")
        left.set_ylabel("intervals (%)")
        right.set_xlabel("CV")
        right.set_ylabel("neurons (%)")
        right.axvline(1.0, color=BLACK, lw=0.8, ls=":")
        for axes in (left, right):
            axes.set_ylim(bottom=0)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, fontsize=8)
    return figure


def plot_correlations(trains: Trains, width: float) -> Any:
    """Draw the correlation of every two neurons, and how the correlations are distributed; silent neurons are white."""
    matrix = correlations(trains, width)
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    pairs = pairs[~np.isnan(pairs)]
    with _style():
        figure = new_figure(7.2, 3.4)
        left, right = figure.subplots(1, 2)
        shown = matrix.copy()
        np.fill_diagonal(shown, np.nan)
        top = float(np.nanmax(np.abs(shown))) if len(pairs) else 1.0
        image = left.imshow(
            shown, cmap="PuOr_r", vmin=-top or -1, vmax=top or 1, interpolation="nearest"
        )
        figure.colorbar(image, ax=left, label="correlation")
        left.set_xlabel("neuron")
        left.set_ylabel("neuron")
        if len(pairs):
            right.hist(pairs, 61, color=LINE_COLORS[0])
            right.axvline(
                pairs.mean(), color=LINE_COLORS[1], lw=1.2, label=f"mean {pairs.mean():.3g}"
            )
            right.legend(frameon=False, fontsize=8)
        right.set_xlabel(f"correlation, bins of {width * 1e3:g} ms")
        right.set_ylabel("pairs")
    return figure
