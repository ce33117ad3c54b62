"""The edge of a tile: inputs become voltages or pulse widths, column currents become codes.

Notation: `weight` (post, pre), `x` (..., pre), `y` (..., post), all without unit; a converter spans +-bound in steps of
`2 * resolution * bound`. Rounding is half to even. A row of `x` is one read of the array.
Where weights and inputs are float32 the arithmetic is float32: the largest input of a row divided by its maximum and
halved lies exactly between two codes, so precision decides which.

Source
------
The peripheral model of aihwkit 1.1.0 (its documentation of `IOParameters`), after Rasch et al., arXiv 2302.08469.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.substrates.pcm.wires import Wires, effective_weight, effective_width, window_factor

Array = NDArray[np.floating]


class InputScaling(enum.Enum):
    """What an input row is divided by before the converter (and its result multiplied by afterwards)."""

    NONE = "none"
    ABS_MAX = "absmax"


class BoundManagement(enum.Enum):
    """What happens when an output clips: nothing, or the read is repeated with half the input.

    ITERATIVE repeats the rows that clip; ITERATIVE_TOGETHER repeats all rows of a call when one of them clips, as
    aihwkit does (there the result of a row depends on its neighbors in the batch).
    """

    NONE = "none"
    ITERATIVE = "iterative"
    ITERATIVE_TOGETHER = "iterative_together"


@dataclass(frozen=True)
class Quantizer:
    """A converter: `x -> round(x / step) * step`, clipped to +-bound.

    Parameters
    ----------
    resolution : step relative to the whole range, > 0; `resolution_of(bits)` for a converter of that many bits
    bound : largest value, > 0

    Examples
    --------
    >>> Quantizer(resolution_of(2), bound=1.0)([-3.0, 0.4, 0.6])
    array([-1.,  0.,  1.])
    """

    resolution: float
    bound: float = 1.0

    def __post_init__(self) -> None:
        for name in ("resolution", "bound"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise SubstrateError(
                    explain(f"pcm.Quantizer: {name}", "cannot be", found=value, expected="> 0")
                )

    @property
    def step(self) -> float:
        """Distance of neighboring values."""
        return 2 * self.resolution * self.bound

    def codes(self, x: ArrayLike) -> Array:
        """Return the code of each value before clipping."""
        return np.round(_floats(x) / self.step)

    def clips(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Return where a value rounds to a code outside the range."""
        return np.abs(self.codes(x)) > 0.5 / self.resolution + 1e-9

    def __call__(self, x: ArrayLike) -> Array:
        """Return the values that the converter can express."""
        return np.clip(self.codes(x) * self.step, -self.bound, self.bound)


def resolution_of(bits: int) -> float:
    """Return the resolution of a converter with `2^bits - 1` levels that lie symmetrically around zero.

    Raises
    ------
    SubstrateError : fewer than 2 bits have no such levels
    """
    if bits < 2:
        raise SubstrateError(
            explain("pcm.resolution_of: bits", "too few", found=bits, expected="2 or more")
        )
    return 1.0 / (2**bits - 2)


@dataclass(frozen=True)
class Converters:
    """Everything between a vector of numbers and a vector of numbers, but the array.

    Parameters
    ----------
    dac, adc : converters, or None for ideal ones
    input_scaling : per row
    bound_management : ITERATIVE halves the input of a row until none of its outputs clips
    output_noise : standard deviation, in the unit of the outputs, drawn for each conversion
    coarsest_step : bound management stops when halving has made one DAC step larger than this share of the input
    largest_factor : ... and when the input was divided by more than this
    """

    dac: Quantizer | None = Quantizer(resolution_of(7))
    adc: Quantizer | None = Quantizer(resolution_of(9), 12.0)
    input_scaling: InputScaling = InputScaling.ABS_MAX
    bound_management: BoundManagement = BoundManagement.NONE
    output_noise: float = 0.0
    coarsest_step: float = 0.25
    largest_factor: float = 1000.0

    def __post_init__(self) -> None:
        if not 0 <= self.output_noise < math.inf:
            raise SubstrateError(
                explain(
                    "pcm.Converters: output_noise",
                    "cannot be",
                    found=self.output_noise,
                    expected=">= 0",
                )
            )

    @property
    def last_factor(self) -> float:
        """Factor of the input above which bound management stops."""
        if self.dac is None:
            return self.largest_factor
        return min(self.largest_factor, self.coarsest_step / self.dac.step)


def multiply(
    weight: ArrayLike,
    x: ArrayLike,
    converters: Converters,
    *,
    wires: Wires | None = None,
    generator: np.random.Generator | None = None,
) -> Array:
    """Return `x @ weight.T` as a tile computes it.

    Parameters
    ----------
    weight : (post, pre)
    x : (..., pre)
    converters : DAC, ADC, scaling, noise
    wires : resistance of the column wires; inputs then are pulse widths. None: perfect wires
    generator : needed where there is output noise

    Returns
    -------
    y : (..., post)

    Raises
    ------
    SubstrateError : shapes do not fit, noise without a generator, or wires without a DAC
    """
    w, rows = _floats(weight), _floats(x)
    if w.ndim != 2 or rows.ndim < 1 or rows.shape[-1] != w.shape[1]:
        raise SubstrateError(
            explain(
                "pcm.multiply",
                "inputs do not fit the array",
                found=f"weight {w.shape}, x {rows.shape}",
                expected="(post, pre) and (..., pre)",
            )
        )
    if converters.output_noise and generator is None:
        raise SubstrateError(
            explain("pcm.multiply", "output noise without a generator", cure="pass generator=")
        )
    dac = converters.dac
    if wires is not None and dac is None:
        raise SubstrateError(
            explain(
                "pcm.multiply", "wires need inputs as pulse widths", cure="give converters a dac"
            )
        )
    offset = np.zeros(w.shape[0], w.dtype)
    if wires is not None and dac is not None:
        w, offset = effective_weight(w, wires)
        offset = offset * window_factor(dac.resolution)
    flat = rows.reshape(-1, w.shape[1])
    scale = np.ones((len(flat), 1), flat.dtype)
    if converters.input_scaling is InputScaling.ABS_MAX:
        largest = np.abs(flat).max(axis=1, keepdims=True, initial=0.0)
        np.divide(1.0, largest, out=scale, where=largest > 0)
    y = np.zeros((len(flat), w.shape[0]), np.result_type(w, flat))
    pending = np.arange(len(flat))
    if converters.input_scaling is InputScaling.ABS_MAX:
        pending = pending[np.abs(flat).any(axis=1)]  # a row of zeros is not read
    factor = 1.0
    while pending.size:
        gain = scale[pending] / factor
        applied = flat[pending] * gain
        if dac is not None:
            applied = dac(applied)
            if wires is not None:
                applied = effective_width(applied, dac.resolution, dac.bound)
        out: Array = applied @ w.T + offset
        if converters.output_noise and generator is not None:
            out = out + converters.output_noise * generator.standard_normal(out.shape)
        clipped: NDArray[np.bool_] = np.zeros(len(pending), bool)
        if converters.adc is not None:
            clipped = np.any(converters.adc.clips(out), axis=1)
            out = converters.adc(out)
        y[pending] = out / gain
        if converters.bound_management is BoundManagement.NONE or factor > converters.last_factor:
            break
        if converters.bound_management is BoundManagement.ITERATIVE:
            pending = pending[clipped]
        elif not clipped.any():
            break
        factor *= 2.0
    return y.reshape(*rows.shape[:-1], w.shape[0])


def _floats(values: ArrayLike) -> Array:
    """Return an array of float32 if it is one already, else of float64."""
    array = np.asarray(values)
    return array if array.dtype == np.float32 else array.astype(np.float64)
