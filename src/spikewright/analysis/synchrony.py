"""How much a population moves as one.

    chi^2 = var_t(mean_i x_i) / mean_i(var_t x_i)

1 where all do the same, about 1 / sqrt(N) for N that know nothing of each other.

Source
------
Golomb, Rinzel, "Clustering in globally coupled inhibitory neurons", Physica D 72, 1994; Golomb, "Neuronal synchrony
measures", Scholarpedia 2(1):1347, 2007.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from spikewright.analysis.counts import spike_counts
from spikewright.analysis.trains import Trains
from spikewright.errors import DataError, explain


def synchrony(values: Trains | ArrayLike, width: float | None = None) -> float:
    """Return chi, from 0 to 1.

    Parameters
    ----------
    values : traces `T n` (of the membrane potential, say), or Trains, whose counts are taken
    width : s, of the bins of Trains

    Returns
    -------
    float : NaN where nothing changes

    Raises
    ------
    DataError : not an array `T n`, or a width where there are no bins
    """
    if isinstance(values, Trains):
        if width is None:
            raise DataError(explain("synchrony", "trains are counted in bins", cure="say width="))
        table = spike_counts(values, width).astype(np.float64)
    else:
        table = np.asarray(values, np.float64)
        table = table.reshape(len(table), -1) if table.ndim > 1 else table
        if width is not None or table.ndim != 2 or not table.size:
            raise DataError(
                explain(
                    "synchrony",
                    "not traces T x n without a width",
                    found=f"shape {table.shape}, width {width}",
                )
            )
    each = table.var(axis=0).mean()
    return math.sqrt(table.mean(axis=1).var() / each) if each > 0 else math.nan
