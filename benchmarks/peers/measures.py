"""Measures of spiking activity: what a statistic in `tests/golden/simulate/statistics.json` means, as code.

Input is always `(neuron, time)`: neuron indices from 0 (excitatory first) and times in seconds from the
begin of the window, sorted or not; a time of 0 or less is before the window and must not be given.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

CV_NEURONS, CV_SPIKES = 1000, 4
CORRELATION_NEURONS, CORRELATION_BIN = 200, 5e-3
SPECTRUM_BIN, SPECTRUM_SEGMENT, SPECTRUM_BAND = 0.5e-3, 512, (10.0, 1000.0)
TIME_BIN_EDGE = 0.5  # of a simulation step, so that no spike lies on an edge

DEFINITIONS = {
    "rate": "spikes / neurons / window, Hz, over all neurons",
    "rate_exc": "the same over excitatory neurons",
    "cv": f"mean over the first {CV_NEURONS} excitatory neurons that have at least {CV_SPIKES} spikes in the "
    "window, of the standard deviation (divisor n) of their intervals divided by the mean",
    "correlation": f"mean Pearson correlation of all pairs among the first {CORRELATION_NEURONS} excitatory "
    f"neurons that are not silent, of spike counts in bins of {CORRELATION_BIN} s",
    "peak_frequency": f"Hz, largest value between {SPECTRUM_BAND[0]:g} and {SPECTRUM_BAND[1]:g} Hz of the "
    f"power of the spike count of all neurons in bins of {SPECTRUM_BIN} s: mean subtracted, Hann segments of "
    f"{SPECTRUM_SEGMENT} bins that overlap by half, mean over segments",
    "peak_ratio": "that largest value divided by the mean power in the same band",
    "fano": "variance / mean of the spike count of all neurons in bins of 5e-3 s",
}


def measure(
    neuron: np.ndarray, time: np.ndarray, *, window: float, dt: float, n_exc: int, n: int
) -> dict[str, float]:
    """Return every measure of `DEFINITIONS`; spikes at `dt, 2 dt, ..., window`."""
    if len(neuron) == 0:
        return dict.fromkeys(DEFINITIONS, 0.0)
    counted = time - TIME_BIN_EDGE * dt
    frequency, power = spectrum(counted, window=window)
    peak = int(power.argmax())
    bins = round(window / CORRELATION_BIN)
    total = np.histogram(counted, bins=bins, range=(0.0, window))[0]
    return {
        "rate": len(neuron) / n / window,
        "rate_exc": float(np.count_nonzero(neuron < n_exc) / n_exc / window),
        "cv": interval_cv(neuron, time),
        "correlation": correlation(neuron, counted, window=window),
        "peak_frequency": float(frequency[peak]),
        "peak_ratio": float(power[peak] / power.mean()),
        "fano": float(total.var() / max(total.mean(), 1e-300)),
    }


def interval_cv(neuron: np.ndarray, time: np.ndarray) -> float:
    """Return the mean coefficient of variation of intervals."""
    chosen = neuron < CV_NEURONS
    neuron, time = neuron[chosen], time[chosen]
    order = np.lexsort((time, neuron))
    neuron, time = neuron[order], time[order]
    begins = np.searchsorted(neuron, np.arange(CV_NEURONS + 1))
    values = []
    for first, end in pairwise(begins):
        if end - first >= CV_SPIKES:
            intervals = np.diff(time[first:end])
            values.append(intervals.std() / intervals.mean())
    return float(np.mean(values)) if values else float("nan")


def correlation(neuron: np.ndarray, time: np.ndarray, *, window: float) -> float:
    """Return the mean correlation of binned counts over pairs."""
    bins = round(window / CORRELATION_BIN)
    chosen = neuron < CORRELATION_NEURONS
    at = np.clip((time[chosen] / CORRELATION_BIN).astype(int), 0, bins - 1)
    counts = np.zeros((CORRELATION_NEURONS, bins))
    np.add.at(counts, (neuron[chosen], at), 1.0)
    counts = counts[counts.std(axis=1) > 0]
    if len(counts) < 2:
        return float("nan")
    matrix = np.corrcoef(counts)
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())


def spectrum(time: np.ndarray, *, window: float) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (Hz) inside the band, and the power of the population's spike count."""
    counts = np.histogram(time, bins=round(window / SPECTRUM_BIN), range=(0.0, window))[0]
    counts = counts - counts.mean()
    shape = np.hanning(SPECTRUM_SEGMENT)
    starts = range(0, len(counts) - SPECTRUM_SEGMENT + 1, SPECTRUM_SEGMENT // 2)
    segments = np.stack([counts[s : s + SPECTRUM_SEGMENT] * shape for s in starts])
    power = (np.abs(np.fft.rfft(segments, axis=1)) ** 2).mean(axis=0)
    frequency = np.fft.rfftfreq(SPECTRUM_SEGMENT, SPECTRUM_BIN)
    inside = (frequency >= SPECTRUM_BAND[0]) & (frequency <= SPECTRUM_BAND[1])
    return frequency[inside], power[inside]


def alive(run: dict[str, float]) -> bool:
    """Return whether the network still fired: without drive, its activity can die out."""
    return run["rate"] > 1.0


def summary(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation (divisor n - 1) over the seeds whose activity lasted."""
    runs = [run for run in runs if alive(run)]
    return {
        name: {
            "mean": float(np.mean([run[name] for run in runs])),
            "sd": float(np.std([run[name] for run in runs], ddof=1)) if len(runs) > 1 else 0.0,
        }
        for name in runs[0]
    }
