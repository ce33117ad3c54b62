"""Compiled loop of the CARFAC cochlea; the notation is that of `cochlea_design`.

Per sample and ear: the cascade from high to low, its stages connected without delay; the hair cells; the gain control
on every 8th sample, whose new damping is reached by equal steps in the 8 that follow. What has no order among channels
stands in loops of its own, which the compiler turns into vector instructions.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikewright.events.sound.cochlea_design import HAIR_CORNER, HAIR_OFFSET, STAGE_GAIN

compiled = njit(cache=True, nogil=True, error_model="numpy")

A0, C0, R1, ZR, H, G0, G1, G2 = range(8)
"""Rows of the stages' coefficients."""
Z1, Z2, Z2_BEFORE, ZB, ZB_STEP, G, G_STEP, AC, CAP1, CAP2, SMOOTH1, SMOOTH2 = range(12)
"""Rows of an ear's state."""
OUT1, IN1, OUT2, IN2, SMOOTHING, OUTPUT_GAIN, REST, AC_RATE = range(8)
"""Numbers of the hair cell."""
V_SCALE, V_OFFSET = 0.1, 0.04
"""Of the outer hair cell's nonlinearity 1 / (1 + (0.1 v + 0.04)^2)."""

Floats = NDArray[np.float64]


@compiled
def respond(
    x: Floats, stages: Floats, hair: Floats, two_cap: bool, epsilon: Floats, mixing: Floats,
    weights: Floats, counts: NDArray[np.int64], scale: float, state: Floats, memory: Floats,
    summed: Floats, phase: NDArray[np.int64], nap: Floats, motion: Floats,
) -> None:  # fmt: skip
    """Run over samples, x T E; write nap and motion, T E C; state, memory and sums are E k C and go on."""
    n_ears, n = state.shape[0], state.shape[2]
    n_stages = len(epsilon)
    forward = np.empty(n)
    pieces = np.empty((n_stages, n))
    before = np.empty(n)
    for k in range(x.shape[0]):
        for e in range(n_ears):
            s = state[e]
            for c in range(n):
                s[ZB, c] += s[ZB_STEP, c]
                s[G, c] += s[G_STEP, c]
                z1, z2 = s[Z1, c], s[Z2, c]
                v = V_SCALE * (z2 - s[Z2_BEFORE, c]) + V_OFFSET
                r = stages[R1, c] + s[ZB, c] / (1.0 + v * v)
                s[Z2_BEFORE, c] = z2
                forward[c] = r * (stages[A0, c] * z1 - stages[C0, c] * z2)
                s[Z2, c] = r * (stages[C0, c] * z1 + stages[A0, c] * z2)
            through = x[k, e]
            for c in range(n):
                s[Z1, c] = forward[c] + through
                through = s[G, c] * (through + stages[H, c] * s[Z2, c])
                motion[k, e, c] = through
            _hair_cells(motion[k, e], hair, two_cap, s, nap[k, e])
        deepest = -1
        for e in range(n_ears):
            for c in range(n):
                summed[e, 0, c] += scale * nap[k, e, c]
        for j in range(n_stages):
            phase[j] = (phase[j] + 1) % counts[j, 0]
            if phase[j] > 0:
                break
            deepest = j
            if j + 1 < n_stages:
                for e in range(n_ears):
                    for c in range(n):
                        summed[e, j + 1, c] += summed[e, j, c] / counts[j, 0]
        if deepest < 0:
            continue
        for e in range(n_ears):
            for j in range(deepest, -1, -1):
                for c in range(n):
                    wanted = summed[e, j, c] / counts[j, 0]
                    summed[e, j, c] = 0.0
                    if j + 1 < n_stages:
                        wanted += STAGE_GAIN * memory[e, j + 1, c]
                    pieces[j, c] = memory[e, j, c] + epsilon[j] * (wanted - memory[e, j, c])
                _smooth(pieces[j], before, weights[j], counts[j, 1], counts[j, 2])
                memory[e, j] = pieces[j]
        if n_ears == 2:
            for j in range(1, deepest + 1):
                for c in range(n):
                    far = 0.5 * mixing[j] * (memory[1, j, c] - memory[0, j, c])
                    memory[0, j, c] += far
                    memory[1, j, c] -= far
        for e in range(n_ears):
            s = state[e]
            for c in range(n):
                u = 1.0 - memory[e, 0, c]
                g = stages[G0, c] + u * (stages[G1, c] + u * stages[G2, c])
                s[ZB_STEP, c] = (stages[ZR, c] * u - s[ZB, c]) / counts[0, 0]
                s[G_STEP, c] = (g - s[G, c]) / counts[0, 0]


@compiled
def _hair_cells(motion: Floats, hair: Floats, two_cap: bool, s: Floats, nap: Floats) -> None:
    for c in range(len(motion)):
        y = motion[c] - s[AC, c]
        s[AC, c] += hair[AC_RATE] * y
        motion[c] = y
        z = y + HAIR_OFFSET if y > -HAIR_OFFSET else 0.0
        cube = z * z * z
        nap[c] = cube / (cube + z * z + HAIR_CORNER)
    if two_cap:
        for c in range(len(motion)):
            current = nap[c] * s[CAP1, c]
            s[CAP1, c] += (1.0 - s[CAP1, c]) * hair[IN1] - current * hair[OUT1]
            sent = (1.0 - s[CAP1, c]) * s[CAP2, c]
            s[CAP2, c] += (1.0 - s[CAP2, c]) * hair[IN2] - sent * hair[OUT2]
            s[SMOOTH1, c] += hair[SMOOTHING] * (sent * hair[OUTPUT_GAIN] - s[SMOOTH1, c])
            nap[c] = s[SMOOTH1, c] - hair[REST]
    else:
        for c in range(len(motion)):
            sent = nap[c] * s[CAP1, c]
            s[CAP1, c] += (1.0 - s[CAP1, c]) * hair[IN1] - sent * hair[OUT1]
            s[SMOOTH1, c] += hair[SMOOTHING] * (sent * hair[OUTPUT_GAIN] - s[SMOOTH1, c])
            s[SMOOTH2, c] += hair[SMOOTHING] * (s[SMOOTH1, c] - s[SMOOTH2, c])
            nap[c] = s[SMOOTH2, c] - hair[REST]


@compiled
def _smooth(x: Floats, before: Floats, weights: Floats, taps: int, passes: int) -> None:
    """Smooth across channels; what lies outside is that which lies inside, as the reference takes it."""
    n = len(x)
    for _ in range(passes):
        for c in range(n):
            before[c] = x[c]
        for c in range(n):
            low, high = before[max(c - 1, 0)], before[min(c + 1, n - 1)]
            if taps == 5:
                # at the ends the two outer channels come again: 0 1 | 0 1 2 ... and ... n-2 n-1 | n-1 n-2
                low += before[c - 2 if c >= 2 else c]
                high += before[c + 2 if c + 2 < n else (n - 1 if c + 2 == n else n - 2)]
            x[c] = weights[0] * low + weights[1] * before[c] + weights[2] * high
