"""Compiled loop of the gammatone bank: four complex poles per channel, channels side by side in vector registers."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

compiled = njit(cache=True, nogil=True, error_model="numpy")

Floats = NDArray[np.float64]


@compiled
def respond(
    x: Floats, pole: Floats, gain: Floats, state: Floats, real: Floats, imaginary: Floats
) -> None:
    """Filter samples, T, into two arrays T C; `state`, 4 2 C, goes on."""
    n = len(gain)
    for k in range(len(x)):
        re, im = real[k], imaginary[k]
        for c in range(n):
            re[c] = gain[c] * x[k]
            im[c] = 0.0
        for j in range(state.shape[0]):
            zr, zi = state[j, 0], state[j, 1]
            for c in range(n):
                next_re = re[c] + (pole[0, c] * zr[c] - pole[1, c] * zi[c])
                next_im = im[c] + (pole[0, c] * zi[c] + pole[1, c] * zr[c])
                zr[c] = next_re
                zi[c] = next_im
                re[c] = next_re
                im[c] = next_im
