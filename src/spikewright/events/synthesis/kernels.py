"""Compiled loops of the pixel model. Imported where they are first used.

Notation, per pixel: `before` and `now` the signal at the two ends of a sample interval of `dt` seconds that starts at
`start`; `base` the level that the last event memorized; d = signal - base is what the thresholds see. The events of
pixel j go to rows used, used + 1, ... of `when` (s), `where` (j) and `on`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def linear(
    first: int, before: Any, now: Any, base: Any, leaked: Any, free: Any, theta_on: Any,
    theta_off: Any, start: float, dt: float, refractory: float, when: Any, where: Any, on: Any, used: int,
) -> tuple[int, int]:  # fmt: skip
    """Emit where the straight line from `before` to `now` crosses thresholds.

    A pixel is blind until the time `free`, and memorizes the signal that it sees when it wakes.

    Returns
    -------
    int, int : the pixel that did not fit any more (or the number of pixels), and the rows used
    """
    for j in range(first, now.size):
        low = before[j] - base[j]
        # the leak lowers the base along the interval, which is a rise of d
        rise = now[j] - before[j] + leaked[j]
        level, place = 0.0, 0.0
        if free[j] > start:
            place = (free[j] - start) / dt
            if place >= 1.0:
                base[j] = now[j]
                continue
            level = low + rise * place
        theta = theta_on[j] if rise > 0.0 else theta_off[j]
        # a base that was rounded may leave d at a threshold where nothing moves: that waits for the next move
        if rise != 0.0 and abs(low + rise - level) >= theta:
            if used + int((abs(low) + abs(rise)) / theta) + 2 > when.size:
                return j, used
            step = theta if rise > 0.0 else -theta
            while used < when.size:
                at = (level + step - low) / rise
                if at > 1.0:
                    break
                place = max(at, place)
                when[used] = start + dt * place
                where[used] = j
                on[used] = rise > 0.0
                used += 1
                if refractory > 0.0:
                    free[j] = start + dt * place + refractory
                    place += refractory / dt
                    if place >= 1.0:
                        level = low + rise
                        break
                    level = low + rise * place
                else:
                    level += step
        base[j] += level - leaked[j]
    return now.size, used


@_compiled
def crossings(now: Any, base: Any, leaked: Any, theta_on: Any, theta_off: Any, n: Any) -> int:
    """Lower the base by the leak, count the thresholds that d holds (OFF negative), and return the largest count."""
    most = 0
    for j in range(now.size):
        base[j] -= leaked[j]
        d = now[j] - base[j]
        n[j] = math.floor(d / theta_on[j]) if d > 0.0 else -math.floor(-d / theta_off[j])
        most = max(most, abs(n[j]))
    return most


@_compiled
def even(
    n: Any, most: int, base: Any, latest: Any, theta_on: Any, theta_off: Any, start: float, dt: float,
    refractory: float, when: Any, where: Any, on: Any,
) -> int:  # fmt: skip
    """Emit the n[j] events of each pixel at start + dt k / most, k = 1..n[j]; return the rows used.

    An event within `refractory` of the `latest` one of its pixel is dropped and not subtracted from d.
    """
    used = 0
    blind = refractory > dt / most
    for j in range(n.size):
        kept = 0
        for k in range(1, abs(n[j]) + 1):
            at = start + dt * k / most
            # float32 as v2e: where two events are just `refractory` apart, the rounding decides
            if blind and np.float32(np.float32(at) - latest[j]) <= np.float32(refractory):
                continue
            latest[j] = at
            when[used] = at
            where[used] = j
            on[used] = n[j] > 0
            used += 1
            kept += 1
        step = theta_on[j] if n[j] > 0 else -theta_off[j]
        base[j] += np.float32(kept) * step
    return used


@_compiled
def order(ticks: Any, low: int, counts: Any, place: Any) -> None:
    """Write the stable order of `ticks` into `place`, by counting; `counts` has one zero per tick from `low` on."""
    for i in range(ticks.size):
        counts[ticks[i] - low] += 1
    total = 0
    for k in range(counts.size):
        here = counts[k]
        counts[k] = total
        total += here
    for i in range(ticks.size):
        k = ticks[i] - low
        place[counts[k]] = i
        counts[k] += 1
