"""The integer neurons of Loihi, as neuron models with `update=`.

Notation: `tz(x, m) = sign(x) * ((|x| * m) >> 12)` truncates towards zero; u is current, v voltage, both 24 bit.
`du`, `dv` are 12-bit decays; `v_th` is the threshold mantissa << 6; `bias` is mantissa << exponent. Port `a`
takes weights.

Two arithmetic modes, because the published descriptions disagree:

- `LAVA` (`LoihiLIF`): what the fixed-point models of lava-nc compute. Weights arrive unshifted and are shifted
  by 6 in the neuron; the exponent shifts the sum of a projection; u wraps at 24 bits to (-2^23, 2^23]; v is clipped.
- `CHIP` (`LoihiChipLIF`): what nengo-loihi's emulator and Brian2Loihi (checked against the chip) compute. Each
  weight is shifted and floored on its own; the summed input wraps at 22 bits, u and u + bias at 24; v is clipped
  to [v_min, v_max]; refractory counter.

Source
------
Davies et al., IEEE Micro 38(1):82-99, 2018; lava-nc 0.10 process models (BSD-3-Clause, described, not copied);
nengo-loihi 1.1 emulator; Michaelis et al., "Brian2Loihi", Front. Neuroinform. 2022.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.network.library import Input
from spikewright.network.model import NeuronModel

WEIGHT_SHIFT = 6
VTH_MANTISSA_MAX = 2**17 - 1
BIAS_MANTISSA_MAX = 2**12 - 1
BIAS_EXPONENT_MAX = 7

_LAVA = "lava-nc 0.10, fixed_pt process models; Davies et al. 2018"
U_SUM = "sign({u}) * ((abs({u}) * (4095 - du)) >> 12) + (a << 6)"
"""What u would be if its register were wide enough."""
V_SUM = "sign({v}) * ((abs({v}) * (4096 - dv)) >> 12) + u + bias"
_U = "8388608 - (8388608 - (" + U_SUM + ")) % 16777216"
_V = "clip(" + V_SUM + ", -8388607, 8388607)"


class Arithmetic(enum.Enum):
    """Which published description of the arithmetic is followed."""

    LAVA = "lava"
    CHIP = "chip"


class Sign(enum.Enum):
    """Signs that a weight matrix may hold; a mixed one has half the resolution."""

    MIXED = "MIXED"
    EXCITATORY = "EXCITATORY"
    INHIBITORY = "INHIBITORY"


LoihiInput = Input.variant("Input", integer=True)

LoihiLIF = NeuronModel(
    name="LoihiLIF",
    state={"u": "1", "v": "1"},
    params={"du": (4095, "1"), "dv": (0, "1"), "bias": (0, "1"), "v_th": (64, "1")},
    inputs={"a": "1"},
    update={"u": _U.format(u="u"), "v": _V.format(v="v")},
    threshold="v > v_th",
    reset={"v": "0"},
    integer=True,
    source=_LAVA,
)

LoihiChipLIF = NeuronModel(
    name="LoihiChipLIF",
    state={"u": "1", "v": "1", "wait": "1"},
    params={
        "du": (4095, "1"),
        "dv": (0, "1"),
        "bias": (0, "1"),
        "v_th": (64, "1"),
        "v_min": (-(2**23) + 1, "1"),
        "v_max": (2**23 - 1, "1"),
        "refract": (1, "1"),
    },
    inputs={"a": "1"},
    update={
        "u": (
            "(sign(u) * ((abs(u) * (4095 - du)) >> 12) + (a + 2097152) % 4194304 - 2097152"
            " + 8388608) % 16777216 - 8388608"
        ),
        "v": (
            "0 if wait > 0 else clip(sign(v) * ((abs(v) * (4096 - dv)) >> 12)"
            " + (u + bias + 8388608) % 16777216 - 8388608, v_min, v_max)"
        ),
        "wait": "maximum(wait - 1, 0)",
    },
    threshold="v > v_th",
    reset={"v": "0", "wait": "refract - 1"},
    integer=True,
    source="nengo-loihi 1.1 emulator; Michaelis et al. 2022 (Brian2Loihi)",
)

LoihiTernaryLIF = NeuronModel(
    name="LoihiTernaryLIF",
    state={"u": "1", "v": "1"},
    params={
        "du": (4095, "1"),
        "dv": (0, "1"),
        "bias": (0, "1"),
        "v_high": (64, "1"),
        "v_low": (-64, "1"),
    },
    inputs={"a": "1"},
    update={"u": _U.format(u="u"), "v": _V.format(v="v")},
    threshold="v > v_high or v < v_low",
    output="1 if v > v_high else -1",
    reset={"v": "0"},
    integer=True,
    source=_LAVA,
)

LoihiResettingLIF = NeuronModel(
    name="LoihiResettingLIF",
    state={"t": "1", "u": "1", "v": "1"},
    params={
        "du": (4095, "1"),
        "dv": (0, "1"),
        "bias": (0, "1"),
        "v_th": (64, "1"),
        "interval": (1, "1"),
        "offset": (0, "1"),
    },
    inputs={"a": "1"},
    update={
        "t": "t + 1",
        "u": _U.format(u="(0 if t % interval == offset % interval else u)"),
        "v": _V.format(v="(0 if t % interval == offset % interval else v)"),
    },
    threshold="v > v_th",
    reset={"v": "0"},
    integer=True,
    source=_LAVA + ": LIFReset",
)

LoihiDelta = NeuronModel(
    name="LoihiDelta",
    state={"d": "1", "act": "1", "residue": "1"},
    params={"v_th": (0, "1")},
    inputs={"x": "1"},
    update={"d": "x - act + residue", "act": "x", "residue": "d"},
    threshold="abs(d) >= v_th",
    output="d",
    reset={"residue": "0"},
    integer=True,
    source=_LAVA + ": Delta (input already shifted by spike and state exponents)",
)

LoihiSigmaDelta = NeuronModel(
    name="LoihiSigmaDelta",
    state={"sigma": "1", "d": "1", "act": "1", "residue": "1", "err": "1"},
    params={
        "bias": (0, "1"),
        "v_th": (0, "1"),
        "state_exp": (0, "1"),
        "relu": (1, "1"),
        "cumulative": (0, "1"),
    },
    inputs={"a": "1"},
    update={
        "sigma": "sigma + a",
        "d": "(maximum(sigma + bias, 0) if relu > 0 else sigma + bias) - act + residue",
        "act": "maximum(sigma + bias, 0) if relu > 0 else sigma + bias",
        "residue": "d",
        "err": "err + d",
    },
    threshold="(cumulative > 0 and abs(err) >= v_th) or (cumulative <= 0 and abs(d) >= v_th)",
    output="d >> state_exp",
    reset={"residue": "0", "err": "0"},
    integer=True,
    source=_LAVA + ": SigmaDelta",
)

LoihiSigma = NeuronModel(
    name="LoihiSigma",
    state={"sigma": "1"},
    params={},
    inputs={"a": "1"},
    update={"sigma": "sigma + a"},
    output="sigma",
    integer=True,
    source=_LAVA + ": Sigma",
)

LoihiGraded = NeuronModel(
    name="LoihiGraded",
    state={},
    params={"v_th": (0, "1")},
    inputs={"a": "1"},
    threshold="abs(a) > v_th",
    output="a",
    integer=True,
    source=_LAVA + ": GradedVec",
)

LoihiGradedRelu = LoihiGraded.variant(
    "LoihiGradedRelu", threshold="a > v_th", source=_LAVA + ": GradedReluVec"
)

LoihiProduct = NeuronModel(
    name="LoihiProduct",
    state={},
    params={"v_th": (0, "1"), "shift": (0, "1")},
    inputs={"a": "1", "b": "1"},
    threshold="abs((a * b) >> shift) > v_th",
    output="(a * b) >> shift",
    integer=True,
    source=_LAVA + ": ProdNeuron",
)

_Q = "(sign({x}) * (abs({x}) >> decay_bits))"
_RE = "clip({} - {} + (a_re << state_exp), -8388607, 8388607)".format(
    _Q.format(x="(c * re_old)"), _Q.format(x="(s * im_old)")
)
_IM = "clip({} + {} + (a_im << state_exp), -8388607, 8388607)".format(
    _Q.format(x="(s * re_old)"), _Q.format(x="(c * im_old)")
)

LoihiRF = NeuronModel(
    name="LoihiRF",
    state={"re_old": "1", "im_old": "1", "re": "1", "im": "1"},
    params={
        "c": (0, "1"),
        "s": (0, "1"),
        "v_th": (1, "1"),
        "decay_bits": (12, "1"),
        "state_exp": (6, "1"),
    },
    inputs={"a_re": "1", "a_im": "1"},
    update={"re_old": "re", "im_old": "im", "re": _RE, "im": _IM},
    threshold="re >= v_th and im >= 0 and im_old < 0",
    integer=True,
    source=_LAVA + ": RF; Izhikevich, Neural Networks 14, 2001",
)

LoihiRFIzhikevich = LoihiRF.variant(
    "LoihiRFIzhikevich",
    threshold="im >= v_th",
    reset={"re": "0", "im": "v_th - 1"},
    source=_LAVA + ": RF_IZ; Izhikevich, Neural Networks 14, 2001",
)

LoihiRFZero = NeuronModel(
    name="LoihiRFZero",
    state={"u_old": "1", "v_old": "1", "u": "1", "v": "1"},
    params={"c": (0, "1"), "s": (0, "1"), "u_th": (1, "1")},
    inputs={"a_re": "1", "a_im": "1"},
    update={
        "u_old": "u",
        "v_old": "v",
        "u": "(u_old * c) // 32768 - (v_old * s) // 32768 + a_re",
        "v": "(v_old * c) // 32768 + (u_old * s) // 32768 + a_im",
    },
    threshold="u > u_th and v >= 0 and v_old < 0",
    output="u",
    integer=True,
    source=_LAVA + ": RFZero",
)

# Real-valued decays make this one a real model: every value stays a whole number below 2^53, so float64 is exact.
_KEPT = "trunc(i * keep_i)"
LoihiATRLIF = NeuronModel(
    name="LoihiATRLIF",
    state={"i": "1", "v": "1", "theta": "1", "r": "1"},
    params={
        "keep_i": (4095.0, "1"),
        "keep_v": (4096.0, "1"),
        "keep_theta": (4096.0, "1"),
        "keep_r": (4096.0, "1"),
        "theta_0": (320.0, "1"),
        "theta_step": (240.0, "1"),
        "bias": (0.0, "1"),
    },
    inputs={"a": "1"},
    update={
        "i": (
            f"8388608 - (8388608 - (sign({_KEPT}) * floor(abs({_KEPT}) / 4096) + a * 64)) % 16777216"
        ),
        "v": "clip(sign(v) * floor(abs(v) * keep_v / 4096) + i + bias, -8388607, 8388607)",
        "theta": "sign(theta - theta_0) * floor(abs(theta - theta_0) * keep_theta / 4096) + theta_0",
        "r": "sign(r) * floor(abs(r) * keep_r / 4096)",
    },
    threshold="v - r >= theta",
    reset={"r": "r + 2 * theta", "theta": "theta + theta_step"},
    initial={"theta": "theta_0"},
    source=_LAVA + ": ATRLIF",
)

MODELS = {
    m.name: m
    for m in (
        LoihiLIF,
        LoihiChipLIF,
        LoihiTernaryLIF,
        LoihiResettingLIF,
        LoihiDelta,
        LoihiSigmaDelta,
        LoihiSigma,
        LoihiGraded,
        LoihiGradedRelu,
        LoihiProduct,
        LoihiRF,
        LoihiRFIzhikevich,
        LoihiRFZero,
        LoihiATRLIF,
    )
}


def sign_of(weight: NDArray[Any]) -> Sign:
    """Return the sign mode that a weight array needs."""
    if weight.size == 0 or weight.min() >= 0:
        return Sign.EXCITATORY
    return Sign.INHIBITORY if weight.max() <= 0 else Sign.MIXED


def stored(weight: Any, *, bits: int = 8, sign: Sign | None = None) -> NDArray[np.int64]:
    """Return the weights that the synaptic memory keeps of integer weights: clipped, low bits cut.

    A mixed matrix spends one bit on the sign: it keeps only even weights even at 8 bits.
    """
    values = np.asarray(weight, np.int64)
    mode = sign or sign_of(values)
    factor = -1 if mode is Sign.INHIBITORY else 1
    magnitude = np.clip(factor * values, -256 if mode is Sign.MIXED else 0, 255)
    cut = 8 - bits + (1 if mode is Sign.MIXED else 0)
    kept: NDArray[np.int64] = factor * ((magnitude >> cut) << cut)
    return kept


def active(weight: NDArray[np.int64], exponent: int) -> NDArray[np.int64]:
    """Return the weights as `CHIP` arithmetic adds them: each shifted by the exponent and floored, then by 6."""
    shifted = weight << exponent if exponent >= 0 else weight >> -exponent
    result: NDArray[np.int64] = np.clip(shifted << WEIGHT_SHIFT, -(2**21) + 64, 2**21 - 64)
    return result
