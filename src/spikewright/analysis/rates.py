"""Rates: of each neuron, of the population, and how they change in time.

Smoothing: the rate at time t is sum over spikes of k(t - t_i), k a Gaussian; what a kernel at an edge of the window
loses beyond it is given back by dividing by the part of the kernel that lies within (Nawrot, Aertsen, Rotter,
"Single-trial estimation of neuronal firing rates", J. Neurosci. Methods 94, 1999, for kernels).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spikewright.analysis.counts import spike_counts
from spikewright.analysis.trains import Trains
from spikewright.errors import DataError, explain


def rates(trains: Trains) -> NDArray[np.float64]:
    """Return the mean rate of each neuron in the window, (n,), Hz."""
    return trains.counts / trains.duration


def binned_rates(trains: Trains, width: float) -> NDArray[np.float64]:
    """Return the rate of each neuron in bins of `width` seconds, `T n`, Hz."""
    return spike_counts(trains, width) / width


def population_rate(trains: Trains, width: float) -> NDArray[np.float64]:
    """Return the mean rate over neurons in bins of `width` seconds, (T,), Hz."""
    return spike_counts(trains.pooled(), width)[:, 0] / (width * trains.n)


def smoothed_rates(trains: Trains, width: float, sigma: float) -> NDArray[np.float64]:
    """Return rates smoothed by a Gaussian, at the middles of bins of `width` seconds.

    Parameters
    ----------
    trains : Trains
    width : s, distance of the values; a few times shorter than `sigma`
    sigma : s, standard deviation of the kernel, which is cut off at 5 of them

    Returns
    -------
    `T n`, Hz; for the population's say `smoothed_rates(trains.pooled(), ...) / trains.n`

    Raises
    ------
    DataError : `sigma` is shorter than a bin
    """
    if not sigma >= width:
        raise DataError(
            explain(
                "smoothed_rates",
                "the kernel is narrower than a bin",
                found=f"{sigma} s",
                expected=f"{width} s or more",
            )
        )
    counts = spike_counts(trains, width).astype(np.float64)
    reach = math.ceil(5 * sigma / width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * (width / sigma)) ** 2)
    length = len(counts) + 2 * reach
    smooth = np.fft.irfft(
        np.fft.rfft(counts, length, axis=0) * np.fft.rfft(kernel, length)[:, None], length, axis=0
    )
    within = np.convolve(np.ones(len(counts)), kernel)[reach : reach + len(counts)]
    return np.maximum(smooth[reach : reach + len(counts)], 0.0) / (within[:, None] * width)
