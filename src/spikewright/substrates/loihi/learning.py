"""Loihi's pairwise STDP as lava-nc describes it: traces of 7 bits with stochastic rounding, weights changed
once per epoch.

The learning engine is `Network x Events -> Network`, epoch by epoch: an engine runs one epoch, the rule turns
the epoch's spikes into new weights, the next epoch runs with them from the same state.

Source
------
lava-nc 0.10, learning rules of the fixed_pt models; Davies et al. 2018, p. 91. lava calls its model
bit-approximate to the chip.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRACE_MAX = 127
IMPULSE = 16
ACCUMULATOR_SHIFT = 7


@dataclass
class _Draws:
    """The five generators of the rule, each drawn from at the times at which lava draws."""

    seed: int
    generators: list[np.random.Generator] = field(init=False)
    decay: list[float] = field(init=False)

    def __post_init__(self) -> None:
        seeds = [self.seed + k for k in range(4)] + [2]
        self.generators = [np.random.default_rng(s) for s in seeds]
        self.decay = [0.0, 0.0]
        self.pairs()
        self.weight()

    def pairs(self) -> None:
        """Draw the decay number, and the impulse number that stays unused, of both sides (0 pre, 1 post)."""
        for side in (0, 1):
            self.decay[side] = float(self.generators[2 * side].random(1)[0])
            self.generators[2 * side + 1].integers(0, 128, size=1)

    def weight(self) -> float:
        """Draw the number that rounds the weights."""
        return float(self.generators[4].random(1)[0])


class Stdp:
    """Pairwise STDP of one dense projection: dw = A_plus x1 at a post spike, A_minus y1 at a pre spike.

    Parameters
    ----------
    weight : int (post, pre), even numbers (mixed signs)
    tau_plus, tau_minus : time constants of the traces, in steps
    a_plus, a_minus : amplitudes, multiplied by the trace
    epoch : steps between weight changes
    seed : of the stochastic rounding
    low, high : weights are kept between these
    """

    def __init__(
        self,
        weight: NDArray[Any],
        *,
        tau_plus: float,
        tau_minus: float,
        a_plus: float,
        a_minus: float,
        epoch: int,
        seed: int,
        low: int = -256,
        high: int = 255,
    ) -> None:
        self.weight = (np.asarray(weight, np.int64) >> 1) << 1
        self.epoch = epoch
        self._range = (low, high)
        self._keep = (np.exp(-1 / tau_plus), np.exp(-1 / tau_minus))
        self._amplitude = (a_plus, a_minus)
        n_post, n_pre = self.weight.shape
        self.trace = [np.zeros(n_pre, np.int64), np.zeros(n_post, np.int64)]
        self._last = [np.zeros(n_pre, np.int64), np.zeros(n_post, np.int64)]
        self._draws = _Draws(seed)

    def observe(self, step: int, pre: NDArray[Any], post: NDArray[Any]) -> None:
        """Take the spikes of one step (counted from 1); change the weights at the end of an epoch."""
        within = step % self.epoch or self.epoch
        for side, spikes in enumerate((pre, post)):
            fired = np.asarray(spikes, bool)
            again = (self._last[side] > 0) & fired
            self.trace[side][again] = _raised(self.trace[side][again])
            self._last[side][fired] = within
            self._draws.pairs()
        if within == self.epoch:
            self._change()

    def _change(self) -> None:
        rounding = self._draws.weight()
        history: list[NDArray[np.int64]] = []
        for side in (0, 1):
            value = self.trace[side]
            rows = [value.copy()]
            for step in range(1, self.epoch + 1):
                value = _rounded(self._keep[side] * value, self._draws.decay[side])
                now = self._last[side] == step
                value[now] = _raised(value[now])
                rows.append(value.copy())
            history.append(np.array(rows))
            self.trace[side] = value
        pre_last, post_last = self._last
        pre_fired = (pre_last > 0).astype(np.int64)[None, :]
        post_fired = (post_last > 0).astype(np.int64)[:, None]
        post_at_pre = history[1][pre_last].T
        pre_at_post = history[0][post_last]
        plus, minus = self._amplitude
        total: Any = self.weight << ACCUMULATOR_SHIFT
        for fired, trace, amplitude in (
            (pre_fired, post_at_pre, minus),
            (post_fired, pre_at_post, plus),
        ):
            term = np.clip((fired * trace * amplitude) * 2**ACCUMULATOR_SHIFT, -32769, 32767)
            total = np.clip(total + term, -32769, 32767)
        self.weight = np.clip(_rounded(total / 2**ACCUMULATOR_SHIFT, rounding), *self._range)
        for last in self._last:
            last[:] = 0


def _raised(trace: NDArray[np.int64]) -> NDArray[np.int64]:
    raised: NDArray[np.int64] = np.clip(trace + IMPULSE, 0, TRACE_MAX)
    return raised


def _rounded(value: Any, draw: float) -> NDArray[np.int64]:
    """Round down, or up with the probability of the fraction; one draw for all."""
    low: NDArray[np.int64] = np.floor(value).astype(np.int64)
    up: NDArray[np.bool_] = draw < np.mod(value, 1)
    return low + up
