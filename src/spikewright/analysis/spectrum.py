"""Power spectra of a population's activity.

The summed spike train is counted in bins, its mean taken off, and the periodograms of Hann segments that overlap by
half are averaged (Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
Electroacoust. 15, 1967). The density is divided by the train's rate: independent Poisson processes give 1 at every
frequency, N neurons that fire as one give up to N.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright.analysis.counts import spike_counts
from spikewright.analysis.trains import Trains
from spikewright.errors import DataError, explain


def power_spectrum(
    trains: Trains, width: float, *, segment: int = 512
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies (Hz, from 0 to 1 / (2 width)) and the power of the summed trains, 1 for Poisson processes.

    Parameters
    ----------
    trains : Trains
    width : s, of a bin
    segment : bins of a segment; frequencies are 1 / (segment * width) apart

    Raises
    ------
    DataError : the window holds no whole segment, or there are no spikes
    """
    counts = spike_counts(trains.pooled(), width)[:, 0].astype(np.float64)
    if segment < 2 or len(counts) < segment:
        raise DataError(
            explain(
                "power_spectrum",
                "the window holds no whole segment",
                found=f"{len(counts)} bins",
                expected=f"{max(segment, 2)} or more",
            )
        )
    if not counts.any():
        raise DataError(explain("power_spectrum", "there are no spikes"))
    shape = np.hanning(segment + 1)[:-1]
    starts = range(0, len(counts) - segment + 1, max(segment // 2, 1))
    centered = counts - counts.mean()
    power = np.zeros(segment // 2 + 1)
    for begin in starts:
        power += np.abs(np.fft.rfft(centered[begin : begin + segment] * shape)) ** 2
    power /= len(starts) * (shape**2).sum()
    return np.fft.rfftfreq(segment, width), power / counts.mean()
