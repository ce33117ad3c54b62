"""How stored samples enter a network: as currents or spikes on a grid of steps, `T B N`.

An encoding is a value. What it draws at random depends on the seed, the part of the data set, the epoch and the
sample's own number, so a sample is the same in whatever batch it comes. Spikes are those of `spikewright.events`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import DataError, explain
from spikewright.rng import key

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Draw:
    """What random numbers of a batch depend on: the run's seed, the part, the epoch and the samples' numbers."""

    seed: int
    part: str
    epoch: int
    samples: NDArray[np.int64]


@runtime_checkable
class Encoding(Protocol):
    """Turns samples into what enters a network."""

    @property
    def is_series(self) -> bool:
        """True where samples are time series `B T *shape`, false where they are static, `B *shape`."""

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that enters at each step, from the shape of a sample (at one step)."""

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        """Return `T B *shape_of(shape)` of samples `B *shape` or `B T *shape`."""


@dataclass(frozen=True)
class Constant:
    """Each intensity is a current held over all steps.

    Parameters
    ----------
    gain : what intensity 1 is at the network's input port
    """

    gain: float = 1.0

    @property
    def is_series(self) -> bool:
        return False

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        held = (inputs * np.float32(self.gain)).astype(np.float32)
        return np.broadcast_to(held, (steps, *held.shape))


@dataclass(frozen=True)
class PoissonRate:
    """Random spikes, at most one per step, with a rate proportional to intensity.

    Parameters
    ----------
    max_rate : float, Hz, of intensity 1; at most one spike per step. None is one spike in every step.
    """

    max_rate: float | None = None

    @property
    def is_series(self) -> bool:
        return False

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        from spikewright.events.encode import poisson_rate

        return poisson_rate(
            inputs,
            _rate(self.max_rate, dt),
            steps,
            dt,
            seed=key(draw.seed, f"data/encoding/{draw.part}/epoch/{draw.epoch}"),
            shape=inputs.shape[1:],
            samples=[int(n) for n in draw.samples],
        ).astype(np.float32)


@dataclass(frozen=True)
class DeterministicRate:
    """Evenly spaced spikes, with a rate proportional to intensity.

    Parameters
    ----------
    max_rate : float, Hz, of intensity 1; at most one spike per step. None is one spike in every step.
    """

    max_rate: float | None = None

    @property
    def is_series(self) -> bool:
        return False

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        from spikewright.events.encode import deterministic_rate

        return deterministic_rate(
            inputs, _rate(self.max_rate, dt), steps, dt, shape=inputs.shape[1:]
        ).astype(np.float32)


@dataclass(frozen=True)
class Latency:
    """One spike per address, the stronger the earlier; none at or below `threshold`."""

    threshold: float = 0.0

    @property
    def is_series(self) -> bool:
        return False

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        from spikewright.events.encode import latency

        spikes = latency(inputs, steps, dt, threshold=self.threshold, shape=inputs.shape[1:])
        return spikes.astype(np.float32)


@dataclass(frozen=True)
class Phases:
    """A static sample part by part on few channels, for chips with fewer inputs than a sample has numbers.

    The flattened sample is cut into parts, shown one after the other; steps left over are silent. A channel per part,
    behind those of the numbers, can tell which part is shown.

    Parameters
    ----------
    parts : into how many the sample is cut
    each : steps for which a part is shown
    most : spikes per step and channel of intensity 1, evenly spaced for less
    marked : whether the channels of the parts are there; the one of the part that is shown sends `most` in every step
    columns : first and last but one column of an image that is shown; None: all
    """

    parts: int
    each: int
    most: int = 1
    marked: bool = False
    columns: tuple[int, int] | None = None

    @property
    def is_series(self) -> bool:
        return False

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.columns is not None:
            shape = (*shape[:-1], len(range(shape[-1])[slice(*self.columns)]))
        return (int(np.prod(shape)) // self.parts + self.marked * self.parts,)

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        shown = inputs if self.columns is None else inputs[..., slice(*self.columns)]
        flat = shown.reshape(len(inputs), -1)
        if flat.shape[1] % self.parts or self.parts * self.each > steps:
            raise DataError(
                explain(
                    "encoding Phases",
                    "the sample does not fit",
                    found=f"{flat.shape[1]} numbers in {steps} steps",
                    expected=f"{self.parts} equal parts of {self.each} steps each",
                )
            )
        width = flat.shape[1] // self.parts
        total = np.rint(flat.reshape(-1, self.parts, width) * self.each * self.most)
        share = np.arange(self.each + 1)[:, None, None, None] / self.each
        counts = np.diff(np.floor(total * share + 0.5), axis=0)
        out = np.zeros((steps, len(flat), *self.shape_of(inputs.shape[1:])), np.float32)
        for part in range(self.parts):
            during = slice(part * self.each, (part + 1) * self.each)
            out[during, :, :width] = counts[:, :, part]
            if self.marked:
                out[during, :, width + part] = self.most
        return out


@dataclass(frozen=True)
class Stream:
    """A time series enters as it is, times a gain: features as currents, or spikes that were stored."""

    gain: float = 1.0

    @property
    def is_series(self) -> bool:
        return True

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        _check_steps(inputs, steps)
        moved = np.moveaxis(inputs, 1, 0)
        return np.ascontiguousarray(moved * np.float32(self.gain), dtype=np.float32)


@dataclass(frozen=True)
class LevelCrossing:
    """Spikes of a time series of C channels where it crosses levels `threshold` apart: `2 C`, down then up."""

    threshold: float

    @property
    def is_series(self) -> bool:
        return True

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, *shape)

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        from spikewright.events.encode import level_crossing

        _check_steps(inputs, steps)
        series = np.moveaxis(inputs, 1, 0).reshape(steps, len(inputs), -1)
        crossings = level_crossing(series, self.threshold)
        shape = (steps, len(inputs), *self.shape_of(inputs.shape[2:]))
        return crossings.astype(np.float32).reshape(shape)


@dataclass(frozen=True)
class Above:
    """A spike in every step in which a channel of a time series is above a level: one row per level.

    Parameters
    ----------
    levels : at least one, rising, in the units of the series
    counted : one row in place of all: as many spikes in a step as levels are passed
    """

    levels: tuple[float, ...]
    counted: bool = False

    def __post_init__(self) -> None:
        if not self.levels or list(self.levels) != sorted(set(self.levels)):
            raise DataError(explain("encoding Above: levels", "do not rise", found=self.levels))

    @property
    def is_series(self) -> bool:
        return True

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if self.counted else (len(self.levels), *shape)

    def encode(self, inputs: Array, *, steps: int, dt: float, draw: Draw) -> Array:
        _check_steps(inputs, steps)
        series = np.moveaxis(inputs, 1, 0)
        passed = [series > level for level in self.levels]
        if self.counted:
            return np.sum(passed, axis=0).astype(np.float32)
        return np.stack(passed, axis=2).astype(np.float32)


def _rate(max_rate: float | None, dt: float) -> float:
    return 1.0 / dt if max_rate is None else max_rate


def _check_steps(inputs: Array, steps: int) -> None:
    if inputs.shape[1] != steps:
        raise DataError(
            explain(
                "time series",
                "has another number of steps than the data set",
                found=inputs.shape[1],
                expected=steps,
            )
        )
