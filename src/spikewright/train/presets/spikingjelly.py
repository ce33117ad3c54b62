"""SpikingJelly 2.0: `IFNode`, `LIFNode`, `ParametricLIFNode`.

A step: v' = charge(v, x); s = 1 where v' >= v_th; v = v' + s (v_reset - v') (hard) or v' - s v_th (soft: `v_reset` is
None). The spike in the reset is differentiated unless `detach_reset`. With `decay_input` the input is divided by tau.

Source
------
SpikingJelly 2.0.0, `activation_based/neuron/lif.py`, `plif.py`, `integrate_and_fire.py`, `surrogate.py`. Fang et al.,
"SpikingJelly: an open-source machine learning infrastructure platform for spike-based intelligence", Science Advances
9, 2023.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from spikewright.network.model import NeuronModel
from spikewright.train.presets.preset import Preset
from spikewright.train.step import ResetGradient
from spikewright.train.surrogate import (
    Arctan,
    Exponential,
    Gaussian,
    Sigmoid,
    Surrogate,
    Triangle,
)

SURROGATES: dict[str, Callable[[float], Surrogate]] = {
    "ATan": Arctan,
    "Sigmoid": Sigmoid,
    "Erf": lambda alpha: Gaussian(1.0 / (alpha * math.sqrt(2.0))),
    "PiecewiseQuadratic": lambda alpha: Triangle(1.0 / alpha, alpha),
    "PiecewiseExp": lambda alpha: Exponential(0.5 * alpha, alpha),
}
"""Class of the library -> alpha -> surrogate of the margin."""

_SOURCE = "SpikingJelly 2.0.0, activation_based/neuron: "
_RATES = {
    # what the tau of a step is called, its default, and what the distance to the resting value is multiplied by
    "LIF": ({"tau": (2.0, "1")}, "/ tau"),
    "ParametricLIF": ({"w_inverse_tau": (0.0, "1")}, "* (1 / (1 + exp(-w_inverse_tau)))"),
}


def _model(kind: str, decay_input: bool, hard: bool) -> NeuronModel:
    rest = "(v - v_reset)" if hard else "v"
    params: dict[str, tuple[float, str]] = {}
    if kind == "IF":
        charge = "v + x"
    else:
        params, rate = _RATES[kind]
        charge = f"v + (x - {rest}) {rate}" if decay_input else f"v - {rest} {rate} + x"
    full = "" if decay_input or kind == "IF" else "FullInput"
    levels = {"v_th": (1.0, "1")} | ({"v_reset": (0.0, "1")} if hard else {})
    return NeuronModel(
        name=f"SpikingJelly{kind}{full}{'' if hard else 'Soft'}",
        state={"v": "1"},
        params=params | levels,
        inputs={"x": "1"},
        update={"v": charge},
        threshold="v >= v_th",
        reset={"v": "v_reset" if hard else "v - v_th"},
        initial={"v": "v_reset"} if hard else {},
        source=_SOURCE + f"{kind}Node",
    )


MODELS: Mapping[tuple[str, bool, bool], NeuronModel] = {
    (kind, decay, hard): _model(kind, decay, hard)
    for kind in ("IF", "LIF", "ParametricLIF")
    for decay in (True, False)
    for hard in (True, False)
}
"""(kind, decay_input, hard reset) -> equations."""


def if_node(
    *,
    v_th: float = 1.0,
    v_reset: float | None = 0.0,
    detach_reset: bool = False,
    surrogate: Surrogate = Sigmoid(4.0),  # noqa: B008
) -> Preset:
    """Return `IFNode`; `surrogate` is a function of v - v_th."""
    return _preset("IF", True, {}, v_th, v_reset, detach_reset, surrogate)


def lif_node(
    *,
    tau: float = 2.0,
    decay_input: bool = True,
    v_th: float = 1.0,
    v_reset: float | None = 0.0,
    detach_reset: bool = False,
    surrogate: Surrogate = Sigmoid(4.0),  # noqa: B008
) -> Preset:
    """Return `LIFNode`; `tau` in steps, `surrogate` a function of v - v_th."""
    return _preset("LIF", decay_input, {"tau": tau}, v_th, v_reset, detach_reset, surrogate)


def parametric_lif_node(
    *,
    w_inverse_tau: float = 0.0,
    decay_input: bool = True,
    v_th: float = 1.0,
    v_reset: float | None = 0.0,
    detach_reset: bool = False,
    surrogate: Surrogate = Sigmoid(4.0),  # noqa: B008
) -> Preset:
    """Return `ParametricLIFNode`; its trained parameter `w`, of which 1 / tau is the logistic function."""
    params = {"w_inverse_tau": w_inverse_tau}
    return _preset("ParametricLIF", decay_input, params, v_th, v_reset, detach_reset, surrogate)


def _preset(
    kind: str,
    decay_input: bool,
    params: dict[str, Any],
    v_th: float,
    v_reset: float | None,
    detach_reset: bool,
    surrogate: Surrogate,
) -> Preset:
    model = MODELS[kind, decay_input, v_reset is not None]
    levels = {"v_th": v_th} | ({} if v_reset is None else {"v_reset": v_reset})
    reset = ResetGradient.DETACHED if detach_reset else ResetGradient.KEPT
    return Preset(model, params | levels, surrogate, reset)


NEURONS = {"IFNode": if_node, "LIFNode": lif_node, "ParametricLIFNode": parametric_lif_node}
