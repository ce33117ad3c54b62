"""Compiled loops of spikes: leaky integrators, refractory time, and levels that a signal crosses."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

compiled = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def integrate(
    activity: NDArray[np.float64], decay: float, v_th: float, rest: int, v: NDArray[np.float64],
    held: NDArray[np.int64], sent: NDArray[np.int8],
) -> None:  # fmt: skip
    """Integrate the positive part of activity, T n; `v` and `held` (samples still to rest) go on."""
    for k in range(activity.shape[0]):
        for c in range(activity.shape[1]):
            if held[c] > 0:
                held[c] -= 1
                continue
            x = activity[k, c] if activity[k, c] > 0.0 else 0.0
            v[c] = x + (v[c] - x) * decay
            if v[c] >= v_th:
                v[c] = 0.0
                held[c] = rest
                sent[k, c] = 1


@compiled
def rest_after(sent: NDArray[np.int8], rest: int, held: NDArray[np.int64]) -> None:
    """Take away spikes, T n, that follow a kept one by at most `rest` samples."""
    for k in range(sent.shape[0]):
        for c in range(sent.shape[1]):
            if held[c] > 0:
                held[c] -= 1
                sent[k, c] = 0
            elif sent[k, c]:
                held[c] = rest


@compiled
def cross(
    power: NDArray[np.float64], bounds: NDArray[np.float64], level: NDArray[np.int64],
    sent: NDArray[np.int16],
) -> None:  # fmt: skip
    """Write the bounds reached by a power, T n, to `sent`, T 2 n: down, then up; `level` goes on."""
    n = power.shape[1]
    top = len(bounds) - 1
    for k in range(power.shape[0]):
        for c in range(n):
            before = level[c]
            now = before
            while now < top and power[k, c] >= bounds[now + 1]:
                now += 1
            if now == before:
                while now > 0 and power[k, c] <= bounds[now - 1]:
                    now -= 1
            if now > before:
                sent[k, n + c] = now - before
            elif now < before:
                sent[k, c] = before - now
            level[c] = now


@compiled
def follow(
    signal: NDArray[np.float64],
    threshold: float,
    level: NDArray[np.float64],
    sent: NDArray[np.int8],
) -> None:
    """Write one step towards a signal, T n, where it is further than a threshold away, to `sent`, T 2 n."""
    n = signal.shape[1]
    for k in range(signal.shape[0]):
        for c in range(n):
            away = signal[k, c] - level[c]
            if away > threshold:
                level[c] += threshold
                sent[k, n + c] = 1
            elif away < -threshold:
                level[c] -= threshold
                sent[k, c] = 1
