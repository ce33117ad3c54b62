"""Figures hold what was recorded; how they look was looked at."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import spikewright as sw
from spikewright import analysis
from spikewright.analysis import Trains
from spikewright.errors import DataError


@pytest.fixture(scope="module")
def recording() -> sw.Recording:
    net = sw.Network(
        dt=1e-3,
        populations={"in": sw.Population(sw.Input, 5), "out": sw.Population(sw.LIF, (2, 3))},
        drives={
            "to out": sw.StepCurrent("out", [0.0], [np.linspace(0.9, 1.6, 6).reshape(2, 3)], "i")
        },
        name="small",
    )
    spikes = (np.random.default_rng(1).random((200, 2, 5)) < 0.05).astype(float)
    record = {"out": sw.Record("v", neurons=[1, 5], every=2)}
    return sw.run(net, {"in": spikes}, record=record, engine="reference")


def drawn(figure: Any) -> bytes:
    """Return a figure as PNG; it can be written."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    return buffer.getvalue()


def test_a_raster_has_a_mark_per_spike(recording: sw.Recording) -> None:
    figure = analysis.plot_raster(recording, sample=1)
    above, below = figure.axes
    marks = np.concatenate([c.get_offsets() for c in above.collections])
    expected = [recording.times(n, 1) for n in ("in", "out")]
    times = np.concatenate([t for t, _ in expected]) * 1e3
    assert np.allclose(np.sort(marks[:, 0]), np.sort(times))
    lines = np.concatenate([expected[0][1], 5 + expected[1][1]])
    assert sorted(marks[:, 1].tolist()) == sorted(lines.tolist())
    assert [t.get_text() for t in above.get_yticklabels()] == ["in (5)", "out (6)"]
    _, second = below.patches
    rate = second.get_data().values
    assert rate.mean() == pytest.approx(recording.count("out")[1].mean() / 0.2)
    assert drawn(figure).startswith(b"\x89PNG")
    part = analysis.plot_raster(recording, ["out"], begin=0.1, end=0.15, width=0.01)
    assert part.axes[1].get_xlim() == pytest.approx((100.0, 150.0))


def test_a_raster_of_too_many_marks_leaves_neurons_out(
    recording: sw.Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spikewright.analysis.plots.MOST", 20)
    figure = analysis.plot_raster(recording, ["out"])
    assert "neurons drawn" in figure.axes[0].get_title(loc="left")
    assert len(figure.axes[0].collections[0].get_offsets()) < recording.count("out")[0].sum()


def test_traces_are_those_of_the_neurons_named(recording: sw.Recording) -> None:
    figure = analysis.plot_traces(recording, "out", neurons=[5], sample=1)
    (axes,) = figure.axes
    line = axes.get_lines()[0]
    assert np.allclose(line.get_ydata(), recording.trace("out", "v")[:, 1, 1] * 1e3)
    assert np.allclose(line.get_xdata()[:2], [1.0, 3.0])  # ms; the state at the end of the step
    assert axes.get_ylabel() == "v (mV)"
    assert drawn(figure)
    with pytest.raises(
        DataError, match=r"no trace of such a neuron; found 0, expected one of \[1, 5\]"
    ):
        analysis.plot_traces(recording, "out")
    with pytest.raises(DataError, match="no trace was recorded"):
        analysis.plot_traces(recording, "nobody")
    with pytest.raises(sw.EngineError, match="'w' was not recorded"):
        analysis.plot_traces(recording, "out", ["w"], neurons=[1])


def test_distributions(recording: sw.Recording) -> None:
    trains = {n: Trains.from_recording(recording, n) for n in ("in", "out")}
    trains["none"] = Trains.of([[], []], end=1.0)
    figure = analysis.plot_rates(trains)
    assert sum(p.get_data().values.sum() for p in figure.axes[0].patches) == pytest.approx(300.0)
    assert drawn(figure)
    assert drawn(analysis.plot_intervals(trains))
    assert drawn(analysis.plot_correlations(trains["out"], 10e-3))
    assert drawn(analysis.plot_correlations(trains["none"], 10e-3))
    with pytest.raises(DataError, match="no population is named"):
        analysis.plot_raster(recording, [])
