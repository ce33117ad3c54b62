"""What every front end for sound shares: settings that are a value, a stream that takes pieces, checks of what it gets.

A front end's `encode` is its stream on the whole sound, cut into pieces, so the two cannot differ and memory is that of
a piece. Events of one tick come in order of their address.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, explain
from spikewright.events.stream import Events
from spikewright.events.transform import merge

PIECE = 8192
"""Samples that `encode` hands on at a time."""
LOUDEST = 10.0
"""Largest sample taken; full scale is 1, and numbers far above it are not a sound of that scale."""
RATE_ERROR = 1e-6
"""Part by which the rate of a sound may differ from a front end's: a rounded number, not another clock."""


class FrontEnd(ABC):
    """Settings of a front end: a value that turns sounds into events.

    Attributes
    ----------
    rate : float, Hz, of the sounds it takes
    shape : of its events
    tick : float, s, of its events
    ears : channels of the sound that it takes, 1 or 2
    """

    ears: int
    rate: float

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Return the shape of its events."""

    @property
    @abstractmethod
    def tick(self) -> float:
        """Return the tick of its events, s."""

    @abstractmethod
    def stream(self) -> SoundStream:
        """Return a stream at its beginning."""

    def encode(self, sound: ArrayLike, *, rate: float) -> Events:
        """Return the events of a whole sound.

        Parameters
        ----------
        sound : float array, T, or T 2 for two ears; full scale is 1
        rate : float, Hz, of the sound

        Raises
        ------
        EventError : another rate, number of channels or type, no samples, or samples that are not finite
        """
        where = type(self).__name__
        check_rate(where, rate, self.rate)
        stream = self.stream()
        whole = stream.check(sound)
        if len(whole) == 0:
            raise EventError(
                explain(where, "the sound is empty", found="0 samples", expected="at least 1")
            )
        found = [stream(whole[k : k + PIECE]) for k in range(0, len(whole), PIECE)]
        return merge(*found, stream.finish())


class SoundStream(ABC):
    """A sound that comes in pieces of any length; holds what must survive between two pieces."""

    def __init__(self, front: FrontEnd) -> None:
        self.front = front
        self._rows = 0
        self._finished = False

    def __call__(self, piece: ArrayLike) -> Events:
        """Return the events of the next piece.

        Raises
        ------
        EventError : another number of channels or type, samples that are not finite, or the sound is finished
        """
        checked = self.check(piece)
        self._open()
        return self._events(self._spikes(checked))

    def finish(self) -> Events:
        """Return the events that the end of the sound sets free; nothing may follow.

        Raises
        ------
        EventError : the sound is finished already, or shorter than the front end can take
        """
        self._open()
        self._finished = True
        return self._events(self._last())

    def check(self, piece: ArrayLike) -> NDArray[Any]:
        """Return a piece as samples that this front end takes."""
        return check_sound(type(self.front).__name__, piece, self.front.ears)

    def _open(self) -> None:
        if self._finished:
            raise EventError(
                explain(
                    type(self.front).__name__, "the sound is finished",
                    cure="begin another with stream()",
                )
            )  # fmt: skip

    @abstractmethod
    def _spikes(self, piece: NDArray[Any]) -> NDArray[Any]:
        """Return what each of the next rows sends at each address: whole numbers, rows x size."""

    def _last(self) -> NDArray[Any]:
        return np.zeros((0, math.prod(self.front.shape)), np.int8)

    def _events(self, sent: NDArray[Any]) -> Events:
        at = np.flatnonzero(
            sent != 0
        )  # truth values are searched several times faster than numbers
        row, address = np.divmod(at, sent.shape[1])
        count = sent.reshape(-1)[at]
        first, self._rows = self._rows, self._rows + len(sent)
        return Events(
            row + first,
            address,
            self.front.shape,
            tick=self.front.tick,
            value=None if (count == 1).all() else count.astype(np.float64),
        )


def check_rate(where: str, found: float, expected: float) -> None:
    """Raise EventError unless a sound has the rate that a front end is made for."""
    is_number = isinstance(found, int | float | np.integer | np.floating)
    if not is_number:
        raise EventError(
            explain(
                f"{where}: rate", "is not a rate", found=repr(found), expected=f"{expected:g} Hz"
            )
        )
    if not abs(found - expected) <= RATE_ERROR * expected:
        raise EventError(
            explain(
                f"{where}: rate", "another sampling rate", found=f"{found:g} Hz",
                expected=f"{expected:g} Hz",
                cure=f"resample(sound, {found:g}, {expected:g}), or make a front end of that rate",
            )
        )  # fmt: skip


def check_design(where: str, **positive: float) -> None:
    """Raise EventError unless all named numbers are finite and above 0."""
    for name, value in positive.items():
        if not (value > 0 and math.isfinite(value)):
            raise EventError(
                explain(f"{where}: {name}", "is not positive", found=value, expected="more than 0")
            )


def check_count(where: str, found: object) -> None:
    """Raise EventError unless a number of channels is a whole number of at least 1."""
    if isinstance(found, bool) or not isinstance(found, int | np.integer) or found < 1:
        raise EventError(
            explain(
                where, "is not a count", found=repr(found), expected="a whole number, 1 or more"
            )
        )


def check_sound(where: str, sound: ArrayLike, ears: int) -> NDArray[np.float64]:
    """Return samples as float64, T or T 2, or raise EventError."""
    array: NDArray[Any] = np.asarray(sound)
    if array.dtype.kind == "f" or array.size == 0:
        samples = array.astype(np.float64, copy=False)
    else:
        raise EventError(
            explain(
                where, "not samples as floats", found=array.dtype, expected="floats, full scale 1",
                cure="divide 16-bit numbers by 32768",
            )
        )  # fmt: skip
    check_axes(where, samples, ears)
    wrong = ~np.isfinite(samples)
    if wrong.any():
        k = int(np.argwhere(wrong)[0, 0])
        raise EventError(
            explain(
                where, f"sample {k} is not finite", found=samples[k], expected="finite numbers",
                cure="cut the part out, or set it to 0",
            )
        )  # fmt: skip
    if samples.size and max(samples.max(), -samples.min()) > LOUDEST:
        raise EventError(
            explain(
                where, "not a sound of full scale 1", found=f"a sample of {abs(samples).max():g}",
                expected=f"-1 to 1, at most {LOUDEST:g}", cure="divide 16-bit numbers by 32768",
            )
        )  # fmt: skip
    return samples


def check_axes(where: str, samples: NDArray[Any], ears: int) -> None:
    """Raise EventError unless samples are T for one ear, T 2 for two."""
    fits = samples.ndim == 1 if ears == 1 else samples.ndim == 2 and samples.shape[1] == ears
    if not fits:
        raise EventError(
            explain(
                where,
                "another number of channels",
                found=f"samples of shape {samples.shape}",
                expected="one channel, shape (T,)" if ears == 1 else f"shape (T, {ears})",
                cure="choose one, sound[:, 0], or take their mean"
                if ears == 1
                else "np.stack([left, right], axis=1)",
            )
        )
