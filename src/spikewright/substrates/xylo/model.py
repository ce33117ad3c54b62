"""The neurons of Xylo: as the chip's integers, and as real numbers to train.

Notation, with >> the arithmetic shift and sat16 the clipping to -32768..32767:

    decay(x, k) = max(x >> k, 1) if x > 0 else x >> k
    i' = sat16(i + a)        i = i' - decay(i', dash)          for each synapse
    dv = sat16(wrap16(-decay(v, dash_m)) + i_1 + i_2)          v = sat16(v + sat16(dv + bias))
    hidden: n = min(v // v_th, 31) spikes where v >= v_th, v = v - n v_th;     output: one spike, v = v - v_th

A current decays before it reaches the voltage, so a spike of weight w gives the voltage w (1 - 2^-k), w (1 - 2^-k)^2,
...: a synapse with dash 0 gives nothing, and the shortest one, dash 1, spreads w over a few steps.

Here the arrivals of a step are summed and then clipped; the chip clips after every event. Both are equal unless a
current leaves its 16 bits within a step; `simulate.py` holds the chip's own order.

`XyloNeuron` and `XyloOutput` are the same neurons in real numbers, `1 - dt / tau` in place of the shift: what a network
for Xylo is trained with. With tau = 2^k dt they differ from the chip by its rounding only.

Source
------
Integers of the vendor's simulator xylosim 0.1.3 (Xylo Audio 2), as its traces show them; described, not copied.
"""

from __future__ import annotations

from spikewright.network.library import Input
from spikewright.network.model import NeuronModel

STATE_MAX = 32767
SPIKES_MAX = 31
EVENTS_MAX = 15
WEIGHT_MAX = 127
THRESHOLD_MAX = 32767

_SOURCE = "traces of xylosim 0.1.3; Bos and Muir, arXiv 2208.12991 (2022)"


def _decayed(x: str, dash: str) -> str:
    return f"({x}) - (maximum(({x}) >> {dash}, 1) if ({x}) > 0 else ({x}) >> {dash})"


def _summed(state: str, port: str) -> str:
    return f"clip({state} + {port}, -32768, 32767)"


_LEAK = "((32768 - (maximum(v >> dash_m, 1) if v > 0 else v >> dash_m)) % 65536 - 32768)"


def _voltage(currents: str) -> str:
    return f"clip(v + clip(clip({_LEAK} + {currents}, -32768, 32767) + bias, -32768, 32767), -32768, 32767)"


XyloInput = Input.variant("Input", integer=True)

XyloHidden = NeuronModel(
    name="XyloHidden",
    state={"i1": "1", "i2": "1", "v": "1"},
    params={
        "dash_1": (1, "1"),
        "dash_2": (1, "1"),
        "dash_m": (4, "1"),
        "v_th": (1024, "1"),
        "bias": (0, "1"),
    },
    inputs={"a1": "1", "a2": "1"},
    update={
        "i1": _decayed(_summed("i1", "a1"), "dash_1"),
        "i2": _decayed(_summed("i2", "a2"), "dash_2"),
        "v": _voltage("i1 + i2"),
    },
    threshold="v >= v_th",
    output="minimum(v // v_th, 31)",
    reset={"v": "v - minimum(v // v_th, 31) * v_th"},
    integer=True,
    source=_SOURCE,
)

XyloReadout = NeuronModel(
    name="XyloReadout",
    state={"i1": "1", "v": "1"},
    params={"dash_1": (1, "1"), "dash_m": (4, "1"), "v_th": (1024, "1"), "bias": (0, "1")},
    inputs={"a1": "1"},
    update={"i1": _decayed(_summed("i1", "a1"), "dash_1"), "v": _voltage("i1")},
    threshold="v >= v_th",
    reset={"v": "v - v_th"},
    integer=True,
    source=_SOURCE,
)

XyloNeuron = NeuronModel(
    name="XyloNeuron",
    state={"i1": "V", "i2": "V", "v": "V"},
    params={
        "tau_m": (16e-3, "s"),
        "tau_1": (2e-3, "s"),
        "tau_2": (2e-3, "s"),
        "v_th": (1.0, "V"),
    },
    inputs={"a1": "V", "a2": "V"},
    update={
        "i1": "(i1 + a1) * (1 - dt / tau_1)",
        "i2": "(i2 + a2) * (1 - dt / tau_2)",
        "v": "v * (1 - dt / tau_m) + i1 + i2",
    },
    threshold="v >= v_th",
    output="minimum(floor(v / v_th), 31)",
    reset={"v": "v - minimum(floor(v / v_th), 31) * v_th"},
    source=_SOURCE + "; in real numbers",
)

XyloOutput = NeuronModel(
    name="XyloOutput",
    state={"i1": "V", "v": "V"},
    params={"tau_m": (16e-3, "s"), "tau_1": (2e-3, "s"), "v_th": (1.0, "V")},
    inputs={"a1": "V"},
    update={"i1": "(i1 + a1) * (1 - dt / tau_1)", "v": "v * (1 - dt / tau_m) + i1"},
    threshold="v >= v_th",
    reset={"v": "v - v_th"},
    source=_SOURCE + "; in real numbers",
)

MODELS = {m.name: m for m in (XyloHidden, XyloReadout, XyloNeuron, XyloOutput)}
