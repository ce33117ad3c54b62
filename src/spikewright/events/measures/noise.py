"""Noise as pixels make it, injected with labels, so that noise filters can be scored.

Source
------
Rates of the comparison of denoisers in Guo and Delbruck, TPAMI 2023, 10.1109/TPAMI.2022.3152999: shot noise of 1, 5 or
10 Hz per pixel, half ON and half OFF, its rate log-normal across pixels (here of half a decade); leak events ON at 0.1
to 0.3 Hz, at intervals that vary by 20 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import EventError, Problems
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.filters.base import time_rule

SPREAD = 0.5
"""Standard deviation of the decimal logarithm of shot noise rates across pixels."""

LEAK_JITTER = 0.2
"""Standard deviation of leak intervals, as a share of their mean."""

MOST = 500_000_000
"""Most noise events that may be asked for, on average."""


def shot_noise(
    width: int,
    height: int,
    *,
    start: int,
    stop: int,
    rate: float,
    seed: int,
    spread: float = SPREAD,
) -> CameraEvents:
    """Return Poisson noise, half ON and half OFF, sorted in time.

    Parameters
    ----------
    width, height : int, of the sensor
    start, stop : int, us, half-open
    rate : float, Hz per pixel, mean over the sensor
    seed : int
    spread : float, decades, standard deviation across pixels

    Raises
    ------
    EventError : an argument out of range
    """
    _rules("shot_noise", width, height, start, stop, rate)
    draws = rng.stream(seed, "events/noise/shot")
    rates = 10 ** (spread * draws.standard_normal(width * height))
    rates *= rate / rates.mean()
    pixel = np.repeat(np.arange(width * height), draws.poisson(rates * (stop - start) * 1e-6))
    t = draws.integers(start, stop, pixel.size)
    return _sorted(t, pixel, draws.integers(0, 2, pixel.size, np.uint8), width, height)


def leak_noise(
    width: int,
    height: int,
    *,
    start: int,
    stop: int,
    rate: float,
    seed: int,
    jitter: float = LEAK_JITTER,
) -> CameraEvents:
    """Return leak events, ON, each pixel at nearly regular intervals from a phase of its own, sorted in time.

    Parameters
    ----------
    width, height : int, of the sensor
    start, stop : int, us, half-open
    rate : float, Hz per pixel
    seed : int
    jitter : float, standard deviation of intervals, as a share of their mean

    Raises
    ------
    EventError : an argument out of range
    """
    _rules("leak_noise", width, height, start, stop, rate)
    problems = Problems()
    if not 0 <= jitter <= 1:
        problems.add("leak_noise.jitter", "is out of range", found=jitter, expected="0..1")
    problems.raise_as(EventError)
    draws = rng.stream(seed, "events/noise/leak")
    times, pixels = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    if rate > 0:
        interval = 1e6 / rate
        pixel = np.arange(width * height)
        due = start + draws.random(pixel.size) * interval
        while pixel.size:
            alive = due < stop
            pixel, due = pixel[alive], due[alive]
            times.append(np.floor(due).astype(np.int64))
            pixels.append(pixel)
            step = np.maximum(1 + jitter * draws.standard_normal(pixel.size), 0.01)
            due = due + interval * step
    all_pixels = np.concatenate(pixels)
    return _sorted(
        np.concatenate(times), all_pixels, np.ones(all_pixels.size, np.uint8), width, height
    )


def with_noise(
    events: CameraEvents, *, shot: float = 5.0, leak: float = 0.3, seed: int
) -> tuple[CameraEvents, NDArray[np.bool_]]:
    """Add noise over the time of a recording, and say which events were there before.

    Parameters
    ----------
    events : CameraEvents, sorted in time
    shot, leak : float, Hz per pixel
    seed : int

    Returns
    -------
    CameraEvents : sorted in time
    bool array, one per event : true where it is of the recording, false where it is noise

    Raises
    ------
    EventError : times or addresses of `events` are not in order, or an argument is out of range

    Examples
    --------
    >>> clean = CameraEvents([0, 1_000_000], [3, 4], [2, 2], [1, 0], 9, 9)
    >>> noisy, is_signal = with_noise(clean, shot=1.0, leak=0.0, seed=1)
    >>> noisy[is_signal].same_as(clean), 40 < len(noisy) < 140
    (True, True)
    """
    events.check()
    start = int(events.t[0]) if len(events) else 0
    stop = int(events.t[-1]) + 1 if len(events) else 0
    size = (events.width, events.height)
    noise = [
        shot_noise(*size, start=start, stop=stop, rate=shot, seed=seed),
        leak_noise(*size, start=start, stop=stop, rate=leak, seed=seed),
    ]
    whole = concatenate([events, *noise])
    order = np.argsort(whole.t, kind="stable")
    return whole[order], order < len(events)


def _rules(where: str, width: int, height: int, start: int, stop: int, rate: float) -> None:
    problems = Problems()
    if not (0 < width <= 65536 and 0 < height <= 65536):
        problems.add(where, "has no sensor", found=f"{width} x {height}")
    if not start <= stop:
        problems.add(where, "is not a stretch of time", found=f"{start} us to {stop} us")
    time_rule(problems, f"{where}: time", (stop - start) * 1e-6)
    if not 0 <= rate <= 1e6:
        problems.add(f"{where}.rate", "is out of range", found=rate, expected="Hz, 0..1e6")
    elif width * height * (stop - start) * 1e-6 * rate > MOST:
        problems.add(where, "would make too many events", expected=f"at most {MOST}")
    problems.raise_as(EventError)


def _sorted(
    t: NDArray[np.int64], pixel: NDArray[np.int64], p: NDArray[np.uint8], width: int, height: int
) -> CameraEvents:
    order = np.argsort(t, kind="stable")
    row, column = np.divmod(pixel[order], width)
    return CameraEvents(
        t[order], column.astype(np.uint16), row.astype(np.uint16), p[order], width, height
    )
