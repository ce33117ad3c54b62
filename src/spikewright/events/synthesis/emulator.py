"""From samples of light to the events of a camera: the pixel model run along a video.

Randomness: thresholds, leak, shot noise and photoreceptor noise each have a stream of their own, keyed by the seed and
a name (see `spikewright.rng`), so adding one kind of noise changes no other.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, explain
from spikewright.events.camera import CameraEvents, concatenate
from spikewright.events.synthesis.pixel import (
    LEAST_THRESHOLD,
    SHOT_IN_WHITE,
    PixelModel,
    Timing,
    log_light,
    noise_voltage,
    speed,
)
from spikewright.rng import stream

COARSE = 0.3
"""Weight of a new sample in v2e's low pass above which its steps are too coarse to trust."""

LARGEST_SIDE = 65536
"""Pixels a side that columns can address."""

LATEST = 1e12
"""Seconds; the microseconds of later times would not fit int64."""

COUNTED_TICKS = 2**22
"""Longest interval, in us, whose events are sorted by counting."""

Rows = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]
"""When (s), where (flat pixel) and whether ON; in no order."""


class Emulator:
    """The pixels of one camera, which remember what they saw: call it with one frame after the other.

    Parameters
    ----------
    model : of its pixels
    seed : of everything that is drawn

    Examples
    --------
    >>> from spikewright.events.synthesis.pixel import IDEAL
    >>> camera = Emulator(IDEAL, seed=0)
    >>> camera(np.full((1, 1), 100.0), 0.0).n
    0
    >>> camera(np.full((1, 1), 150.0), 1e-3).t.tolist()
    [493, 987]
    """

    _signal: NDArray[np.float32]

    def __init__(self, model: PixelModel | None = None, *, seed: int) -> None:
        self.model = PixelModel() if model is None else model
        self.seed = seed
        self.shape: tuple[int, int] | None = None
        self._t = 0.0
        self._warned = False

    def __call__(self, frame: ArrayLike, t: float) -> CameraEvents:
        """Return the events between the last frame and this one; the first frame gives none.

        Parameters
        ----------
        frame : H W; uint8, or numbers of 0 to 255 that are linear in light
        t : float, s; later than the last frame's

        Returns
        -------
        CameraEvents : sorted in time, which is rounded to 1 us

        Raises
        ------
        EventError : not a frame, of another shape than the first one, or time does not run forward
        """
        when, where, on = self.rows(frame, t)
        height, width = self.shape or (0, 0)
        ticks = np.rint(when * 1e6).astype(np.int64)
        place = _order(ticks)
        y, x = np.divmod(where[place], width)
        return CameraEvents(
            ticks[place],
            x.astype(np.uint16),
            y.astype(np.uint16),
            on[place].astype(np.uint8),
            width,
            height,
        )

    def rows(self, frame: ArrayLike, t: float) -> Rows:
        """Return what `__call__` does as plain arrays: times in s, not rounded, in no order."""
        light = _checked(frame, self.shape)
        if not abs(float(t)) <= LATEST:
            raise EventError(
                explain(
                    "synthesis", "not the time of a frame", found=t, expected=f"within {LATEST:g} s"
                )
            )
        if self.shape is None:
            self._begin(light, float(t))
            return np.empty(0), np.empty(0, np.int64), np.empty(0, np.bool_)
        dt = float(t) - self._t
        if not dt > 0:
            raise EventError(
                explain(
                    "synthesis",
                    "the time of a frame does not run forward",
                    found=f"{t} s",
                    expected=f"more than {self._t} s",
                )
            )
        flat = light.reshape(-1)
        before = self._signal
        self._signal = self._photoreceptor(flat, dt)
        linear = self.model.timing is Timing.LINEAR
        leaked = self._leak(dt)
        rows = self._linear(before, leaked, dt) if linear else self._even(leaked, dt)
        if self.model.shot > 0 and not self.model.photoreceptor_noise:
            rows = _joined(rows, self._shot(speed(flat), dt))
        self._t = float(t)
        return rows

    def _begin(self, light: NDArray[Any], t: float) -> None:
        model, seed = self.model, self.seed
        self.shape = (light.shape[0], light.shape[1])
        n = light.size
        drawn = stream(seed, "synthesis/thresholds").standard_normal((2, n)) * model.sigma
        # float32 as v2e: where d is a whole number of thresholds, the rounding decides what happens
        self._on = np.maximum(model.theta_on + drawn[0], LEAST_THRESHOLD).astype(np.float32)
        self._off = np.maximum(model.theta_off + drawn[1], LEAST_THRESHOLD).astype(np.float32)
        spread = stream(seed, "synthesis/leak/pixels").standard_normal(n)
        leaking = model.leak * self._on * 10 ** (model.leak_spread * spread)
        self._leaking = leaking.astype(np.float32)
        self._leak_draws = stream(seed, "synthesis/leak")
        self._shot_draws = stream(seed, "synthesis/shot")
        self._noise_draws = stream(seed, "synthesis/photoreceptor")
        self._level = log_light(light.reshape(-1))
        self._lowpass = self._level.copy()
        self._signal = self._level.copy()
        self._base = self._level.copy()
        self._noise = np.zeros(n, np.float32)
        # when a pixel wakes (linear), or its latest event (even)
        self._mark = np.full(
            n, -np.inf, np.float64 if model.timing is Timing.LINEAR else np.float32
        )
        self._t = t

    def _photoreceptor(self, flat: NDArray[Any], dt: float) -> NDArray[np.float32]:
        """Return the signal of each pixel at the end of the interval."""
        model = self.model
        level = log_light(flat)
        if model.cutoff == 0:
            self._lowpass = level
        else:
            turn = speed(flat) * (2 * math.pi * model.cutoff * dt)
            if model.timing is Timing.LINEAR:
                # exact for light whose log runs straight from frame to frame
                # (expm1: 1 - exp(-turn) would lose a short interval's digits)
                kept = np.exp(-turn)
                lag = (level - self._level) * (-np.expm1(-turn) / turn)
                self._lowpass = level - lag + (self._lowpass - self._level) * kept
            else:
                weight = np.minimum(turn, 1.0)
                self._coarse(float(weight.max(initial=0.0)))
                self._lowpass = (1 - weight) * self._lowpass + weight * level
        self._level = level
        if not model.photoreceptor_noise:
            return self._lowpass
        # a first-order noise of the wanted rms, sampled exactly; between two samples it may cross and come back unseen
        self._coarse(2 * math.pi * model.cutoff * dt)
        kept = math.exp(-2 * math.pi * model.cutoff * dt)
        draws = self._noise_draws.standard_normal(flat.size, np.float32)
        self._noise = kept * self._noise + noise_voltage(model) * math.sqrt(1 - kept**2) * draws
        return self._lowpass + self._noise

    def _coarse(self, weight: float) -> None:
        if weight > COARSE and not self._warned:
            self._warned = True
            warnings.warn(
                explain(
                    "synthesis",
                    "frames are too far apart for this bandwidth",
                    found=f"a new sample weighs {weight:.2f}",
                    expected=f"at most {COARSE}",
                    cure="give more frames per second or a lower cutoff",
                ),
                stacklevel=4,
            )

    def _leak(self, dt: float) -> NDArray[np.float32]:
        if self.model.leak == 0:
            return np.zeros(self._base.size, np.float32)
        leaked: NDArray[np.float32] = dt * self._leaking
        if self.model.leak_jitter > 0:
            draws = self._leak_draws.standard_normal(leaked.size, np.float32)
            leaked *= 1 - self.model.leak_jitter * draws
        return leaked

    def _linear(self, before: NDArray[np.float32], leaked: NDArray[np.float32], dt: float) -> Rows:
        from spikewright.events.synthesis import kernels

        size = max(1024, before.size // 8)
        when, where, on = _room(size)
        at = used = 0
        while True:
            at, used = kernels.linear(
                at, before, self._signal, self._base, leaked, self._mark, self._on, self._off,
                self._t, dt, self.model.refractory, when, where, on, used,
            )  # fmt: skip
            if at == before.size:
                return when[:used], where[:used], on[:used]
            when, where, on = (_grown(column) for column in (when, where, on))

    def _even(self, leaked: NDArray[np.float32], dt: float) -> Rows:
        from spikewright.events.synthesis import kernels

        n = np.empty(self._base.size, np.int64)
        most = kernels.crossings(self._signal, self._base, leaked, self._on, self._off, n)
        when, where, on = _room(int(np.abs(n).sum()))
        if most == 0:
            return when, where, on
        used = kernels.even(
            n, most, self._base, self._mark, self._on, self._off, self._t, dt,
            self.model.refractory, when, where, on,
        )  # fmt: skip
        return when[:used], where[:used], on[:used]

    def _shot(self, lit: NDArray[np.float32], dt: float) -> Rows:
        """Return noise events: half ON, half OFF, fewer in bright light and at high thresholds."""
        model, draws = self.model, self._shot_draws
        quiet = model.shot / 2 * dt * ((SHOT_IN_WHITE - 1) * lit + 1)
        n_on = quiet * (model.theta_on / self._on)
        n_off = quiet * (model.theta_off / self._off)
        if model.timing is Timing.EVEN:
            draw = draws.random(lit.size)
            positive = draw > 1 - n_on
            where = np.flatnonzero(positive | (draw < n_off))
            on = positive[where]
            when = np.full(where.size, self._t + dt)
        else:
            # a Poisson process of the largest rate, thinned to each pixel's own
            top = float((n_on + n_off).max(initial=0.0))
            where = draws.integers(0, lit.size, size=draws.poisson(top * lit.size))
            draw = draws.random(where.size) * top
            on = draw < n_on[where]
            kept = draw < n_on[where] + n_off[where]
            where, on = where[kept], on[kept]
            when = self._t + dt * (1 - draws.random(where.size))
        self._base[where] = self._signal[where]
        return when, where, on


def synthesize(
    frames: Iterable[ArrayLike],
    *,
    fps: float | None = None,
    times: Iterable[float] | None = None,
    model: PixelModel | None = None,
    seed: int,
) -> CameraEvents:
    """Return the events that a camera would see of a video; see `chunks` for videos larger than memory.

    Parameters
    ----------
    frames : of H W; uint8, or numbers of 0 to 255 that are linear in light
    fps : float, Hz; frame k is seen at k / fps
    times : float, s; when each frame is seen, instead of `fps`
    model : of the pixels
    seed : of everything that is drawn

    Returns
    -------
    CameraEvents : sorted in time

    Raises
    ------
    EventError : not frames of one shape, or times that do not run forward

    Examples
    --------
    >>> from spikewright.events.synthesis.pixel import IDEAL
    >>> synthesize([np.full((1, 1), 100), np.full((1, 1), 125)], fps=100, model=IDEAL, seed=0).t.tolist()
    [8963]
    """
    parts = list(chunks(frames, fps=fps, times=times, model=model, seed=seed))
    if not parts:
        raise EventError(explain("synthesis", "no frames", found=0, expected="at least 1"))
    return concatenate(parts)


def chunks(
    frames: Iterable[ArrayLike],
    *,
    fps: float | None = None,
    times: Iterable[float] | None = None,
    model: PixelModel | None = None,
    seed: int,
) -> Iterator[CameraEvents]:
    """Give the events of `synthesize` frame by frame."""
    if (fps is None) == (times is None):
        raise EventError(
            explain("synthesis", "needs the times of the frames", expected="either fps or times")
        )
    if fps is not None and not (fps > 0 and math.isfinite(fps)):
        raise EventError(
            explain("synthesis: fps", "is no rate", found=fps, expected="more than 0 Hz")
        )
    camera = Emulator(model, seed=seed)
    clock = None if times is None else iter(times)
    for k, frame in enumerate(frames):
        t = k / fps if fps is not None else next(clock, None) if clock is not None else None
        if t is None:
            raise EventError(explain("synthesis: times", "fewer than frames", found=k))
        yield camera(frame, t)


def _checked(frame: ArrayLike, shape: tuple[int, int] | None) -> NDArray[Any]:
    light = np.asarray(frame)
    if light.dtype.kind not in "uif" or light.ndim != 2 or light.size == 0:
        raise EventError(
            explain(
                "synthesis",
                "not a frame",
                found=f"{light.dtype} of shape {light.shape}",
                expected="numbers, H W",
                cure="turn color to grey first",
            )
        )
    if shape is None and max(light.shape) > LARGEST_SIDE:
        raise EventError(
            explain("synthesis", "frames are too large", found=light.shape, expected=LARGEST_SIDE)
        )
    if shape is not None and light.shape != shape:
        raise EventError(
            explain("synthesis", "a frame of another shape", found=light.shape, expected=shape)
        )
    if light.dtype != np.uint8 and not (light.min() >= 0 and np.isfinite(light.max())):
        raise EventError(
            explain(
                "synthesis",
                "light that is negative or no number",
                found=f"{light.min():g} to {light.max():g}",
                expected="0 to 255",
            )
        )
    return light


def _room(size: int) -> Rows:
    return np.empty(size), np.empty(size, np.int64), np.empty(size, np.bool_)


def _grown(column: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([column, np.empty_like(column)])


def _joined(one: Rows, other: Rows) -> Rows:
    when, where, on = (np.concatenate(pair) for pair in zip(one, other, strict=True))
    return when, where, on


def _order(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stable order of times that lie in one interval."""
    if ticks.size == 0:
        return np.empty(0, np.int64)
    low, high = int(ticks.min()), int(ticks.max())
    if high - low > COUNTED_TICKS:
        return np.argsort(ticks, kind="stable")
    from spikewright.events.synthesis import kernels

    place = np.empty(ticks.size, np.int64)
    kernels.order(ticks, low, np.zeros(high - low + 1, np.int64), place)
    return place
