"""Norse 1.1: `LIFBox`, `LIF`, `LIFRecurrent`, `IAF`.

Forward Euler in seconds; a spike where v > v_th. The reset is differentiated in `LIFBox`, `LIF` and `IAF`, not in
`LIFRecurrent`. The synapse of `LIF` decays after the membrane has seen it.

Source
------
Norse 1.1.0, `norse/torch/functional/lif_box.py`, `lif.py`, `iaf.py`, `threshold.py`, `superspike.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from spikewright.network.model import NeuronModel, Reset
from spikewright.train.presets.preset import Preset
from spikewright.train.step import ResetGradient
from spikewright.train.surrogate import FastSigmoid, Surrogate, Triangle

SURROGATES: dict[str, Callable[[float], Surrogate]] = {
    # the library's width alpha does not enter its derivative, 1 / (1 + |margin|)^2
    "super": lambda alpha: FastSigmoid(1.0),
    "triangle": lambda alpha: Triangle(1.0, alpha),
}
"""Method of the library -> alpha -> surrogate of the margin."""

_SOURCE = "Norse 1.1.0, norse/torch/functional: "
_LEVELS = {"v_th": (1.0, "1"), "v_reset": (0.0, "1")}

LIF_BOX = NeuronModel(
    name="NorseLIFBox",
    state={"v": "1"},
    params={"tau_m": (10e-3, "s"), "v_leak": (0.0, "1")} | _LEVELS,
    inputs={"x": "1"},
    update={"v": "v + dt / tau_m * (x + v_leak - v)"},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    initial={"v": "v_leak"},
    source=_SOURCE + "lif_box_feed_forward_step",
)
LIF_BOX_SUBTRACT = LIF_BOX.resetting(Reset.SUBTRACT)

LIF = NeuronModel(
    name="NorseLIF",
    state={"i": "1", "v": "1"},
    params={"tau_m": (10e-3, "s"), "tau_s": (5e-3, "s"), "v_leak": (0.0, "1")} | _LEVELS,
    inputs={"x": "1"},
    jumps={"x": "i"},
    update={"v": "v + dt / tau_m * ((v_leak - v) + i)", "i": "i - dt / tau_s * i"},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    initial={"v": "v_leak"},
    source=_SOURCE + "lif_feed_forward_step, lif_step",
)

IAF = NeuronModel(
    name="NorseIAF",
    state={"v": "1"},
    params=_LEVELS,
    inputs={"x": "1"},
    update={"v": "v + x"},
    threshold="v > v_th",
    reset={"v": "v_reset"},
    source=_SOURCE + "iaf_feed_forward_step",
)


def lif_box(
    *,
    tau_m: float = 10e-3,
    v_leak: float = 0.0,
    v_th: float = 1.0,
    v_reset: float = 0.0,
    reset: Reset = Reset.VALUE,
    surrogate: Surrogate = FastSigmoid(1.0),  # noqa: B008
) -> Preset:
    """Return `LIFBox`; `surrogate` is a function of v - v_th."""
    params = {"tau_m": tau_m, "v_leak": v_leak, "v_th": v_th, "v_reset": v_reset}
    return Preset(LIF_BOX if reset is Reset.VALUE else LIF_BOX_SUBTRACT, params, surrogate)


def lif(
    *,
    tau_m: float = 10e-3,
    tau_s: float = 5e-3,
    v_leak: float = 0.0,
    v_th: float = 1.0,
    v_reset: float = 0.0,
    surrogate: Surrogate = FastSigmoid(1.0),  # noqa: B008
    reset_gradient: ResetGradient = ResetGradient.KEPT,
) -> Preset:
    """Return `LIF`; `surrogate` is a function of v - v_th."""
    params = {"tau_m": tau_m, "tau_s": tau_s, "v_leak": v_leak, "v_th": v_th, "v_reset": v_reset}
    return Preset(LIF, params, surrogate, reset_gradient)


def lif_recurrent(
    *,
    tau_m: float = 10e-3,
    tau_s: float = 5e-3,
    v_leak: float = 0.0,
    v_th: float = 1.0,
    v_reset: float = 0.0,
    surrogate: Surrogate = FastSigmoid(1.0),  # noqa: B008
) -> Preset:
    """Return the neurons of `LIFRecurrent`; their recurrent weights are a projection that takes one step."""
    return lif(
        tau_m=tau_m,
        tau_s=tau_s,
        v_leak=v_leak,
        v_th=v_th,
        v_reset=v_reset,
        surrogate=surrogate,
        reset_gradient=ResetGradient.DETACHED,
    )


def iaf(
    *,
    v_th: float = 1.0,
    v_reset: float = 0.0,
    surrogate: Surrogate = FastSigmoid(1.0),  # noqa: B008
) -> Preset:
    """Return `IAF`; `surrogate` is a function of v - v_th."""
    return Preset(IAF, {"v_th": v_th, "v_reset": v_reset}, surrogate)


NEURONS = {"LIFBox": lif_box, "LIF": lif, "LIFRecurrent": lif_recurrent, "IAF": iaf}
