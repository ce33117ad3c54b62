"""Energy of one read, built up from its parts: converters by a published fit, the array by Ohm's law.

The alternative, a measured core as a whole, stands in `chip.toml` as `[costs.hermes]`.

Source
------
NeuroSim V1.3, `SarADC.cpp` (fits to circuit simulation): `P = a log2 L + b + c e^{-k log10 R}`,
`E = P (log2 L + 1) 1 ns`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import Problems, SubstrateError, explain
from spikewright.substrates.base.constant import Chip

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SarAdc:
    """A successive-approximation converter.

    Parameters
    ----------
    per_bit, fixed : W
    current_scale, exponent : W and 1, the share of power that falls with the column's resistance
    bit_time : s
    v_fit : V, read voltage of the circuit simulation
    """

    per_bit: float
    fixed: float
    current_scale: float
    exponent: float
    bit_time: float = 1e-9
    v_fit: float = 0.5

    def power(self, levels: int, resistance: ArrayLike, v_read: float) -> Array:
        """Return the power while converting, W.

        Parameters
        ----------
        levels : codes of the converter, >= 2
        resistance : ohm, of the column with its inputs on; infinite where none is on
        v_read : V
        """
        r = np.asarray(resistance, np.float64)
        problems = Problems()
        if levels < 2:
            problems.add("pcm.SarAdc: levels", "too few", found=levels, expected="2 or more")
        if not (r > 0).all():
            problems.add(
                "pcm.SarAdc: resistance", "must be positive", found=r.min(), expected="> 0, in ohm"
            )
        if not v_read > 0:
            problems.add(
                "pcm.SarAdc: v_read", "must be positive", found=v_read, expected="> 0, in V"
            )
        problems.raise_as(SubstrateError)
        # the fit knows a column by its resistance at the voltage of the fit
        seen = r * self.v_fit / v_read
        current = self.current_scale * np.exp(-self.exponent * np.log10(seen))
        return self.per_bit * math.log2(levels) + self.fixed + current

    def time(self, levels: int) -> float:
        """Return the duration of a conversion, s."""
        return (math.log2(levels) + 1) * self.bit_time

    def energy(self, levels: int, resistance: ArrayLike, v_read: float) -> Array:
        """Return the energy of a conversion, J; parameters as in `power`."""
        return self.power(levels, resistance, v_read) * self.time(levels)


def sar_adc(chip: Chip, node: str = "sar_14nm_hp") -> SarAdc:
    """Return a converter of the chip file (`[converters.<node>]`).

    Raises
    ------
    SubstrateError : the chip file has no such converter
    """
    table = chip.tables.get(f"converters.{node}")
    if table is None:
        known = [name.split(".", 1)[1] for name in chip.tables if name.startswith("converters.")]
        raise SubstrateError(
            explain(f"{chip.name}: converter", "unknown", found=node, expected=", ".join(known))
        )
    names = ("per_bit", "fixed", "current_scale", "exponent", "bit_time", "v_fit")
    return SarAdc(*(table[name].value for name in names))


def array_read_energy(
    g: ArrayLike, on_time: ArrayLike, v_read: float, *, axis: int | tuple[int, ...] | None = None
) -> Array:
    """Return what the devices dissipate in a read: `sum g v_read^2 t`, J.

    Parameters
    ----------
    g : S, conductances (any shape)
    on_time : s, how long each of them sees v_read (broadcasts with g)
    v_read : V
    axis : axes to sum over; None: all

    Examples
    --------
    >>> round(float(array_read_energy([25e-6], 100e-9, 0.2)), 20)
    1e-13
    """
    return np.asarray((np.asarray(g, np.float64) * np.asarray(on_time) * v_read**2).sum(axis=axis))
