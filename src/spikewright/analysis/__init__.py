"""Statistics and figures of a Recording.

trains.py      the spikes of one population, neuron by neuron: what everything below takes
rates.py       rates per neuron and over time          intervals.py   intervals, CV, CV2, LV
counts.py      Fano factor, correlations, correlograms spectrum.py    power spectra
synchrony.py   how much a population moves as one      distances.py   van Rossum, Victor-Purpura, ISI, SPIKE
summary.py     the usual numbers of a population       exchange.py    Neo, and what Elephant finds
plots.py       raster, traces, rates, intervals, correlations
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from spikewright.analysis.counts import correlations, cross_correlogram, fano_factor, spike_counts
from spikewright.analysis.distances import isi_distance, spike_distance, van_rossum, victor_purpura
from spikewright.analysis.intervals import cv, cv2, intervals, local_variation
from spikewright.analysis.rates import binned_rates, population_rate, rates, smoothed_rates
from spikewright.analysis.spectrum import power_spectrum
from spikewright.analysis.summary import Statistics, statistics
from spikewright.analysis.synchrony import synchrony
from spikewright.analysis.trains import Trains

_LAZY = {
    "cell_assemblies": "exchange",
    "patterns": "exchange",
    "to_neo": "exchange",
    "plot_correlations": "plots",
    "plot_intervals": "plots",
    "plot_raster": "plots",
    "plot_rates": "plots",
    "plot_traces": "plots",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"spikewright.analysis.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'spikewright.analysis' has no name {name!r}")


__all__ = [
    "Statistics",
    "Trains",
    "binned_rates",
    "cell_assemblies",
    "correlations",
    "cross_correlogram",
    "cv",
    "cv2",
    "fano_factor",
    "intervals",
    "isi_distance",
    "local_variation",
    "patterns",
    "plot_correlations",
    "plot_intervals",
    "plot_raster",
    "plot_rates",
    "plot_traces",
    "population_rate",
    "power_spectrum",
    "rates",
    "smoothed_rates",
    "spike_counts",
    "spike_distance",
    "statistics",
    "synchrony",
    "to_neo",
    "van_rossum",
    "victor_purpura",
]
