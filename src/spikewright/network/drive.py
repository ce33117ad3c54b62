"""Drives: what a population gets without any synapse: Poisson events, Gaussian values, a current given in pieces.

A drive belongs to a network (`Network(drives={"background": PoissonDrive("exc", 8 * kHz, 0.1 * nA)})`) and reaches one
port of one population. Its draws depend on (seed, name of the drive, sample, neuron, step) only.

In step k a port holds: what arrives, plus what enters from outside, plus biases, plus each drive in the order declared.

    PoissonDrive    weight * N,        N ~ Poisson(rate * dt), for every neuron and step on its own
    GaussianDrive   mean + std * z,    z ~ Normal(0, 1), likewise
    StepCurrent     values[i]          in steps from times[i] / dt on, until times[i + 1]; 0 before times[0]

How N and z are drawn stands in `spikewright.engines.draws`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_MEAN = 64.0
"""Events that one Poisson source may have in a step, on average; the tables of more would be long."""


def _numbers(value: Any) -> NDArray[Any]:
    array = np.array(value)
    if array.dtype.kind in "bu":
        array = array.astype(np.int64)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class PoissonDrive:
    """An independent Poisson process for each neuron; `weight` for each of its events enters the port.

    Parameters
    ----------
    post : name of a population
    rate : Hz, one number or one per neuron (the population's shape); `rate * dt` is 64 at most
    weight : in the unit of the port, one number or one per neuron
    port : the port; empty: the model's first

    Notes
    -----
    The events of `n` sources of rate `r` are those of one with rate `n * r`: say the product.
    """

    post: str
    rate: Any
    weight: Any
    port: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _numbers(self.rate))
        object.__setattr__(self, "weight", _numbers(self.weight))

    def __reduce__(self) -> tuple[Any, ...]:
        return PoissonDrive, (self.post, self.rate, self.weight, self.port)


@dataclass(frozen=True, eq=False)
class GaussianDrive:
    """A normally distributed value for each neuron, drawn anew at every step and held over it.

    Parameters
    ----------
    post : name of a population
    mean : in the unit of the port, one number or one per neuron (the population's shape)
    std : likewise, 0 or more: the standard deviation of one step's value. It belongs to the step: for white noise of
        intensity s (unit times root second) at any dt, say `s / sqrt(dt)`
    port : the port; empty: the model's first
    """

    post: str
    mean: Any
    std: Any
    port: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _numbers(self.mean))
        object.__setattr__(self, "std", _numbers(self.std))

    def __reduce__(self) -> tuple[Any, ...]:
        return GaussianDrive, (self.post, self.mean, self.std, self.port)


@dataclass(frozen=True, eq=False)
class StepCurrent:
    """A value given in pieces: from `times[i]` on it is `values[i]`; before the first time it is 0.

    Parameters
    ----------
    post : name of a population
    times : s, ascending, multiples of the network's dt, one entry per piece
    values : in the unit of the port: (pieces,), or (pieces, *shape of the population)
    port : the port; empty: the model's first. A port that jumps gets the value once in every step
    """

    post: str
    times: Any
    values: Any
    port: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.atleast_1d(_numbers(self.times)))
        self.times.flags.writeable = False
        object.__setattr__(self, "values", np.atleast_1d(_numbers(self.values)))
        self.values.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        return StepCurrent, (self.post, self.times, self.values, self.port)


Drive = PoissonDrive | GaussianDrive | StepCurrent
DRIVES: dict[str, type[Drive]] = {
    "poisson": PoissonDrive,
    "gaussian": GaussianDrive,
    "steps": StepCurrent,
}
"""Kind, as files call it -> class."""


def kind_of(drive: Drive) -> str:
    """Return the kind of a drive, as files call it."""
    return next(name for name, kind in DRIVES.items() if type(drive) is kind)


def moved(drive: Drive, post: str) -> Drive:
    """Return the drive for a population of another name."""
    return replace(drive, post=post)


def describe(drive: Drive) -> str:
    """Return what a drive gives, for a table."""

    def span(values: NDArray[Any]) -> str:
        low, high = values.min(), values.max()
        return f"{low:g}" if low == high else f"{low:g}..{high:g}"

    match drive:
        case PoissonDrive():
            return f"poisson, rate {span(drive.rate)} Hz, weight {span(drive.weight)}"
        case GaussianDrive():
            return f"gaussian, mean {span(drive.mean)}, std {span(drive.std)} per step"
        case _:
            return f"steps, {len(drive.times)} pieces, {span(drive.values)}"
