"""Voltage lost along the column wires of a tile, with inputs applied as pulse widths.

Notation: `g_plus`, `g_minus` (pre, post) of the cells; a positive input lifts the g_plus device to
v_rest + v_swing and the g_minus device to v_rest - v_swing for its duration, a negative one the other way round,
otherwise both rest at v_rest. The converter holds the end of the column at v_column. Cells are gathered in segments
of `rows / segments` rows, with the wire's resistance between them and half a segment of it before the converter.

Each segment is a Norton source: conductance `G_s = sum(g+ + g-)` and current
`J_s = v_rest G_s + v_swing sum(s (g+ - g-))` with s the sign of the inputs that are on. Going towards the converter, a
wire `rw` turns a source (g, J) into `(g, J) / (1 + g rw)`, and the next segment adds to it. **Both devices of a cell
stay connected whatever the input, so G_s does not depend on time**, the column is linear, and the sum over the pulse is
a sum over pulse widths: wire resistance is one gain per segment and column, plus an offset. That makes a lossy array a
network with other weights and a bias.

Source
------
Time-dependent IR drop of aihwkit 1.1.0 (`simulator/tiles/analog_mvm_irdrop_t.py`), derived anew in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import Problems, SubstrateError, explain
from spikewright.units import uS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Wires:
    """The columns of a tile.

    Parameters
    ----------
    resistance : ohm per cell along a column, >= 0
    rows : physical rows of the tile; a smaller matrix lies in the middle of them
    segments : parts in which a column is solved; divides `rows`
    g_max : S, conductance of the largest weight of the tile
    v_rest, v_swing, v_column : V
    alternate : whether even columns are read at the last row and odd ones at the first; else all at the last
    """

    resistance: float = 0.15
    rows: int = 512
    segments: int = 8
    g_max: float = 25 * uS
    v_rest: float = 0.4
    v_swing: float = 0.2
    v_column: float = 0.4005
    alternate: bool = True

    def __post_init__(self) -> None:
        problems = Problems()
        if not 0 <= self.resistance < math.inf:
            problems.add(
                "pcm.Wires: resistance", "cannot be", found=self.resistance, expected=">= 0, in ohm"
            )
        if self.rows < 1 or self.segments < 1 or self.rows % self.segments:
            problems.add(
                "pcm.Wires: segments",
                "must divide the rows",
                found=f"{self.segments} segments, {self.rows} rows",
                expected="a divisor",
            )
        if not (self.g_max > 0 and self.v_swing > 0):
            problems.add(
                "pcm.Wires: g_max, v_swing",
                "must be positive",
                found=f"{self.g_max} S, {self.v_swing} V",
            )
        problems.raise_as(SubstrateError)


def effective_weight(weight: ArrayLike, wires: Wires) -> tuple[Array, Array]:
    """Return the weights and the offset that a tile with wires computes with.

    Parameters
    ----------
    weight : (post, pre)
    wires : the columns

    Returns
    -------
    weight, offset : (post, pre) and (post,); the tile's result is
        `width @ weight.T + window_factor * offset` with `effective_width`

    Raises
    ------
    SubstrateError : more inputs than the tile has rows
    """
    w = np.asarray(weight, np.float64)
    n_post, n_pre = w.shape
    if n_pre > wires.rows:
        raise SubstrateError(
            explain(
                "pcm.effective_weight",
                "more inputs than rows",
                found=n_pre,
                expected=f"at most {wires.rows}",
                cure="cut the matrix into tiles",
            )
        )
    largest = float(np.abs(w).max(initial=0.0))
    if largest == 0.0:
        return np.zeros_like(w), np.zeros(n_post)
    per_weight = wires.g_max / largest
    first = (wires.rows - n_pre) // 2
    conductance = np.zeros((wires.rows, n_post))
    conductance[first : first + n_pre] = np.abs(w.T) * per_weight
    backwards = np.arange(n_post) % 2 == 1 if wires.alternate else np.zeros(n_post, bool)
    conductance[:, backwards] = conductance[::-1, backwards]
    per_segment = wires.rows // wires.segments
    total = conductance.reshape(wires.segments, per_segment, n_post).sum(axis=1)
    gain, end = _column(total, wires.resistance * per_segment)
    # all in units of the current that one unit of weight gives at full input
    unit = wires.v_swing * per_weight
    offset = (wires.v_rest * (gain * total).sum(axis=0) - wires.v_column * end) / unit
    cells = np.repeat(gain, per_segment, axis=0)
    cells[:, backwards] = cells[::-1, backwards]
    return w * cells[first : first + n_pre].T, offset


def effective_width(x: ArrayLike, resolution: float, bound: float = 1.0) -> Array:
    """Return the share of the read in which each input is on, as the converter's clock samples it.

    The read is sampled at `n = 1 / resolution + 2` instants `j / (n - 1)`; an input is on where |x| exceeds the
    instant, and the sum is normalized by n - 2. That adds half a DAC step to every input that is not zero, as the
    published model has it.

    Parameters
    ----------
    x : inputs after the DAC, any shape
    resolution, bound : of the DAC
    """
    n = round(1.0 / resolution) + 2
    values = np.asarray(x, np.float64) / bound
    on = np.minimum(np.ceil(np.abs(values) * (n - 1) - 1e-9), n - 1)
    return np.sign(values) * on * bound / (n - 2)


def window_factor(resolution: float) -> float:
    """Return how long the converter integrates the offset, relative to a full pulse: n / (n - 2)."""
    n = round(1.0 / resolution) + 2
    return n / (n - 2)


def _column(total: Array, wire: float) -> tuple[Array, Array]:
    """Return the gain of each segment's current (segments, post), and the conductance seen by the converter (post,)."""
    gain = np.ones_like(total)
    seen = np.zeros(total.shape[1])
    for segment in range(len(total)):
        loss = 1.0 + seen * wire
        gain[:segment] /= loss
        seen = seen / loss + total[segment]
    last = 1.0 + seen * wire / 2
    return gain / last, seen / last
