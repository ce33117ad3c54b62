"""The CARFAC cochlea as a front end: sound -> motion of the basilar membrane -> hair cells -> spikes of the nerve.

Channels go from high to low pitch, half an auditory filter (ERB) apart. Fast gain control spreads over channels and,
with two ears, over ears. Source and constants: `cochlea_design`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import EventError, explain
from spikewright.events.sound.cochlea_design import (
    STAGE_TAU,
    HairCell,
    cascade,
    gain_control,
    hair,
    poles,
)
from spikewright.events.sound.firing import Firing, Lif
from spikewright.events.sound.front import FrontEnd, SoundStream, check_rate
from spikewright.units import Hz

SLOWEST, FASTEST = 2000 * Hz, 1e6 * Hz
"""Sampling rates that make sense: at least some ten channels, and no clock taken for a rate."""


class Response(NamedTuple):
    """What the cochlea does at each sample, T C or T 2 C."""

    activity: NDArray[np.float64]
    """Of the hair cells (the neural activity pattern): 0 in silence."""
    motion: NDArray[np.float64]
    """Of the basilar membrane."""


@dataclass(frozen=True)
class Cochlea(FrontEnd):
    """A cochlea of one or two ears.

    Parameters
    ----------
    rate : float, Hz, of the sounds
    hair_cell : HairCell
    ears : 1 or 2; two share the slower stages of gain control
    firing : Lif or Poisson

    Raises
    ------
    EventError : a rate that makes no cochlea, or another number of ears

    Examples
    --------
    >>> Cochlea().shape, Cochlea(ears=2, rate=16000.0).shape
    ((71,), (2, 65))
    """

    rate: float = 22050 * Hz
    hair_cell: HairCell = HairCell.ONE_CAP
    ears: int = 1
    firing: Firing = field(default_factory=Lif)

    def __post_init__(self) -> None:
        if not SLOWEST <= self.rate <= FASTEST:
            raise EventError(
                explain(
                    "Cochlea: rate", "makes no cochlea", found=f"{self.rate:g} Hz",
                    expected=f"{SLOWEST:g} to {FASTEST:g} Hz",
                )
            )  # fmt: skip
        if self.ears not in (1, 2):
            raise EventError(
                explain("Cochlea: ears", "no such number", found=self.ears, expected="1 or 2")
            )

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Return the frequency of each channel's pole, Hz, from high to low."""
        return poles(self.rate)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of its events."""
        n = len(self.frequencies)
        return (n,) if self.ears == 1 else (self.ears, n)

    @property
    def tick(self) -> float:
        """Return the tick of its events: a sample."""
        return 1 / self.rate

    def stream(self) -> CochleaStream:
        """Return a stream at its beginning."""
        return CochleaStream(self)

    def respond(self, sound: ArrayLike, *, rate: float) -> Response:
        """Return activity and motion for a whole sound.

        Raises
        ------
        EventError : as for `encode`
        """
        check_rate("Cochlea", rate, self.rate)
        return self.stream().respond(sound)


class CochleaStream(SoundStream):
    """A cochlea that listens: call it for events, or `respond` for activity and motion."""

    def __init__(self, front: Cochlea) -> None:
        super().__init__(front)
        stages, cell = cascade(front.rate), hair(front.hair_cell, front.rate)
        n = len(stages.frequency)
        gain = stages.gain
        self._stages = np.stack([stages.a0, stages.c0, stages.r1, stages.zr, stages.h, *gain])
        self._hair = np.array(
            [cell.out1, cell.in1, cell.out2, cell.in2, cell.smoothing, cell.output_gain, cell.rest, cell.ac]
        )  # fmt: skip
        self._two_cap = cell.two_cap
        self._control = gain_control(front.rate)
        # rows as named in the loop; in silence nothing moves, and damping is least
        silent = {3: stages.zr, 5: gain.sum(axis=0), 8: cell.rest1, 9: cell.rest2}
        silent |= {10: cell.rest, 11: cell.rest}
        self._state = np.zeros((front.ears, 12, n))
        for row, value in silent.items():
            self._state[:, row] = value
        self._memory = np.zeros((front.ears, len(STAGE_TAU), n))
        self._summed = np.zeros_like(self._memory)
        self._phase = np.zeros(len(STAGE_TAU), np.int64)
        self._fibers = front.firing.start(front.ears * n, 1 / front.rate)

    def respond(self, piece: ArrayLike) -> Response:
        """Return activity and motion for the next piece, T C or T 2 C.

        Raises
        ------
        EventError : as for a call
        """
        samples = self.check(piece)
        self._open()
        return self._respond(samples)

    def _respond(self, samples: NDArray[np.float64]) -> Response:
        from spikewright.events.sound.cochlea_loop import respond

        control = self._control
        shape = (len(samples), self._state.shape[0], self._state.shape[2])
        activity, motion = np.empty(shape), np.empty(shape)
        respond(
            np.ascontiguousarray(samples.reshape(shape[:2])), self._stages, self._hair, self._two_cap,
            control.epsilon, control.mixing, control.weights, control.counts, control.detect_scale,
            self._state, self._memory, self._summed, self._phase, activity, motion,
        )  # fmt: skip
        if shape[1] == 1:
            return Response(activity[:, 0], motion[:, 0])
        return Response(activity, motion)

    def _spikes(self, piece: NDArray[Any]) -> NDArray[Any]:
        activity = self._respond(piece).activity
        return self._fibers(activity.reshape(len(piece), math.prod(self.front.shape)))
