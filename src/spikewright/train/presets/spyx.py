"""Spyx 1.0: `IF`, `LIF`, `CuBaLIF`, `ALIF`, `PSU_LIF`, and the recurrent `RIF`, `RLIF`, `RCuBaLIF`.

A step compares the membrane of the *last* step with the threshold, and then takes this step's input: a spike comes a
step later than elsewhere. `u` is that older membrane. The reset is differentiated; `PSU_LIF` has none, and compares the
new membrane.

A recurrent neuron sees its own spikes in the very step that it sends them. Here its spike is stamped when the membrane
crosses, a step earlier, and reaches itself with a delay of one step: all that leaves it must be `late` by one. `d` is
what the next step subtracts.

Source
------
Spyx 1.0.0, `spyx/nn.py`, `spyx/axn.py`. Heckel and Nowotny, "Spyx: a library for just-in-time compiled optimization of
spiking neural networks", arXiv 2402.18994, 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from spikewright.network.model import NeuronModel
from spikewright.train.presets.preset import Preset
from spikewright.train.surrogate import Arctan, FastSigmoid, Surrogate, Triangle

SURROGATES: dict[str, Callable[[float], Surrogate]] = {
    "superspike": FastSigmoid,
    # 1 / (pi (1 + (k pi x)^2)): twice as narrow as the derivative of an arctangent of that width, and not its height
    "arctan": lambda k: Arctan(2.0 * k, 1.0 / (math.pi * k)),
    "triangular": lambda k: Triangle(1.0 / k, 1.0),
}
"""Function of the library -> k -> surrogate of the margin."""

_SOURCE = "Spyx 1.0.0, spyx/nn.py: "
_DECAY = "clip(beta, 0, 1) * v"
_FILTER = "clip(alpha, 0, 1) * i + x"
_BETA, _ALPHA = {"beta": (0.5, "1")}, {"alpha": (0.5, "1")}


def _model(
    name: str, params: dict[str, tuple[float, str]], update: dict[str, str], **more: Any
) -> NeuronModel:
    fields: dict[str, Any] = {"threshold": "u > v_th", "reset": {"v": "v - v_th"}} | more
    return NeuronModel(
        name=f"Spyx{name}",
        state={variable: "1" for variable in update},
        params=params | {"v_th": (1.0, "1")},
        inputs={"x": "1"},
        update=update,
        source=_SOURCE + name,
        **fields,
    )


_CROSSING: dict[str, Any] = {"threshold": "v > v_th", "reset": {"d": "v_th"}}
MODELS = {
    m.name.removeprefix("Spyx"): m
    for m in (
        _model("IF", {}, {"u": "v", "v": "v + x"}),
        _model("LIF", _BETA, {"u": "v", "v": f"{_DECAY} + x"}),
        _model(
            "CuBaLIF", _ALPHA | _BETA, {"u": "v", "i": _FILTER, "v": f"{_DECAY} + i"},
            # the library subtracts before it decays
            reset={"v": "v - clip(beta, 0, 1) * v_th"},
        ),
        _model(
            "ALIF", _BETA | {"gamma": (0.5, "1")},
            {"u": "v", "h": "v_th + a", "v": f"{_DECAY} + x", "a": "clip(gamma, 0, 1) * a"},
            threshold="u > h",
            reset={"v": "v - h", "a": "a + (1 - clip(gamma, 0, 1))"},
            initial={"h": "v_th"},
        ),
        _model("PSU_LIF", _BETA, {"v": f"{_DECAY} + x"}, threshold="v > v_th", reset={}),
        _model("RIF", {}, {"v": "v + x - d", "d": "0"}, **_CROSSING),
        _model("RLIF", _BETA, {"v": f"{_DECAY} + x - d", "d": "0"}, **_CROSSING),
        _model(
            "RCuBaLIF", _ALPHA | _BETA,
            {"i": _FILTER, "v": "clip(beta, 0, 1) * (v - d) + i", "d": "0"}, **_CROSSING,
        ),
    )
}  # fmt: skip
"""Neuron of the library -> equations."""


def neuron(
    name: str,
    *,
    v_th: float = 1.0,
    surrogate: Surrogate = FastSigmoid(25.0),  # noqa: B008
    **params: float,
) -> Preset:
    """Return a neuron of the library: `name` as there, `params` among beta, alpha, gamma; `surrogate` is a function of
    the margin."""
    late = 1 if name in ("RIF", "RLIF", "RCuBaLIF") else 0
    return Preset(MODELS[name], params | {"v_th": v_th}, surrogate, late=late)


def _named(name: str) -> Callable[..., Preset]:
    return lambda **options: neuron(name, **options)


NEURONS = {name: _named(name) for name in MODELS}
