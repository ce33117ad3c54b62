"""The usual numbers of a population, together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from spikewright.analysis.counts import correlations, fano_factor
from spikewright.analysis.intervals import cv, cv2, local_variation
from spikewright.analysis.rates import rates
from spikewright.analysis.spectrum import power_spectrum
from spikewright.analysis.synchrony import synchrony
from spikewright.analysis.trains import Trains
from spikewright.engines.recording import Recording

CORRELATED = 200
"""Neurons whose correlations and synchrony are taken: the first ones that are not silent."""

LEAST = 4
"""Spikes of a neuron whose intervals are measured: of fewer, irregularity comes out too low."""


@dataclass(frozen=True)
class Statistics:
    """What a population did; NaN where there were too few spikes to say.

    Parameters
    ----------
    n : neurons
    spikes : number of spikes
    rate : mean over neurons, Hz
    silent : share of neurons without a spike
    cv, cv2, lv : irregularity of intervals, means over neurons with at least `LEAST` spikes
    fano : Fano factor of counts in bins of 100 ms, mean over neurons
    correlation : mean of the correlation of counts in bins of 5 ms over pairs of `CORRELATED` neurons that fire
    synchrony : chi of the counts of the same neurons
    peak : Hz, where the power of the summed activity is greatest, between 10 and 1000 Hz, in bins of 0.5 ms
    """

    n: int
    spikes: int
    rate: float
    silent: float
    cv: float
    cv2: float
    lv: float
    fano: float
    correlation: float
    synchrony: float
    peak: float

    @staticmethod
    def of(trains: Trains) -> Statistics:
        """Return the statistics of trains."""
        active = np.flatnonzero(trains.counts)[:CORRELATED]
        long = trains.duration
        pair, chi = math.nan, math.nan
        if len(active) > 1 and long >= 0.01:
            some = trains.choose(active)
            matrix = correlations(some, 5e-3)
            pair = _mean(matrix[np.triu_indices(len(active), 1)])
            chi = synchrony(some, 5e-3)
        peak = math.nan
        if len(trains.time) and long >= 512 * 0.5e-3:
            frequency, power = power_spectrum(trains, 0.5e-3)
            band = (frequency >= 10.0) & (frequency <= 1000.0)
            peak = float(frequency[band][np.argmax(power[band])])
        return Statistics(
            trains.n,
            len(trains.time),
            float(rates(trains).mean()),
            float(np.mean(trains.counts == 0)),
            _mean(cv(trains, least=LEAST)),
            _mean(cv2(trains, least=LEAST)),
            _mean(local_variation(trains, least=LEAST)),
            _mean(fano_factor(trains, 0.1)) if long >= 0.2 else math.nan,
            pair,
            chi,
            peak,
        )


def statistics(
    recording: Recording, *, sample: int = 0, begin: float | None = None, end: float | None = None
) -> dict[str, Statistics]:
    """Return the statistics of every population whose spikes were kept; arguments as in `Trains.from_recording`."""
    return {
        name: Statistics.of(
            Trains.from_recording(recording, name, sample=sample, begin=begin, end=end)
        )
        for name in recording.spikes
    }


def table(rows: Mapping[str, Statistics]) -> str:
    """Return statistics as a table of text, one line per name."""
    names = [f.name for f in fields(Statistics)]
    units = {"rate": "rate Hz", "peak": "peak Hz"}
    lines = [["", *(units.get(n, n) for n in names)]]
    for label, row in rows.items():
        lines.append([label, *(_shown(getattr(row, n)) for n in names)])
    width = [max(len(line[i]) for line in lines) for i in range(len(names) + 1)]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, width, strict=True))
        )
        for line in lines
    )


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else "-" if math.isnan(value) else f"{value:.3g}"


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan
