"""sinabs 3.1: `LIF`, `IAF`, and the recurrent `LIFRecurrent`.

Exponential decay with time constants in steps; with `norm_input` the input is scaled by 1 - exp(-1 / tau_m). A spike
where v >= v_th (`SingleSpike`). The reset by subtraction is differentiated, the reset to zero is not.

The library's default `MultiSpike` sends floor(v / v_th) spikes in one step (`several`). Its gradient is that of one
spike whatever their number; here it is the surrogate times that number, so the two agree up to one spike per step.
`MembraneReset(reset_value)` with another value than 0 adds that value to silent neurons too, and has no preset.

Source
------
sinabs 3.1.3, `layers/functional/lif.py`, `activation/spike_generation.py`, `reset_mechanism.py`,
`surrogate_gradient_fn.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spikewright.network.model import NeuronModel, Reset
from spikewright.train.presets.preset import Preset
from spikewright.train.step import ResetGradient
from spikewright.train.surrogate import Exponential, Gaussian, Surrogate


def single_exponential(v_th: float, grad_width: float = 0.5, grad_scale: float = 1.0) -> Surrogate:
    """Return `SingleExponential`: its width is a fraction of the threshold."""
    width = v_th * grad_width
    return Exponential(grad_scale / width, 1.0 / width)


SURROGATES: dict[str, Callable[..., Surrogate]] = {
    "SingleExponential": single_exponential,
    "Gaussian": lambda v_th, sigma=0.5: Gaussian(sigma),
}
"""Class of the library -> (threshold, its options) -> surrogate of the margin."""

_SOURCE = "sinabs 3.1.3, sinabs/layers: "
_COUNT = "maximum(floor(v / v_th), 1)"


def _model(leak: str, synapse: bool, reset: Reset, several: bool) -> NeuronModel:
    """Return the equations; `leak` is "" (none), "norm" (input scaled) or "full"."""
    source = "i" if synapse else "x"
    state, params = {"v": "1"}, {"v_th": (1.0, "1")}
    update = {"v": f"v + {source}"}
    if leak:
        params["tau_m"] = (20.0, "1")
        scaled = f"(1 - exp(-1 / tau_m)) * {source}" if leak == "norm" else source
        update = {"v": f"exp(-1 / tau_m) * v + {scaled}"}
    if synapse:
        state = {"i": "1"} | state
        params["tau_s"] = (5.0, "1")
        update = {"i": "exp(-1 / tau_s) * (i + x)"} | update
    amount = f"{_COUNT} * v_th" if several else "v_th"
    kind = ("LIF" if leak else "IAF") + ("Full" if leak == "full" else "")
    return NeuronModel(
        name="Sinabs" + kind + ("Synapse" if synapse else "")
        + ("Zero" if reset is Reset.VALUE else "") + ("Several" if several else ""),
        state=state,
        params=params,
        inputs={"x": "1"},
        update=update,
        threshold="v >= v_th",
        reset={"v": f"v - {amount}" if reset is Reset.SUBTRACT else "0"},
        output=_COUNT if several else "",
        source=_SOURCE + ("LIF" if leak else "IAF"),
    )  # fmt: skip


MODELS = {
    (leak, synapse, reset, several): _model(leak, synapse, reset, several)
    for leak in ("", "norm", "full")
    for synapse in (False, True)
    for reset in (Reset.SUBTRACT, Reset.VALUE)
    for several in (False, True)
}
"""(leak, whether it has a synapse, reset, whether several spikes fit a step) -> equations."""


def lif(
    *,
    tau_m: float = 20.0,
    tau_s: float | None = None,
    v_th: float = 1.0,
    norm_input: bool = True,
    reset: Reset = Reset.SUBTRACT,
    several: bool = False,
    surrogate: Surrogate | None = None,
) -> Preset:
    """Return `LIF`, or the neurons of `LIFRecurrent`; `surrogate` is a function of v - v_th (the default: of v_th
    too)."""
    leak = "norm" if norm_input else "full"
    return _preset(leak, {"tau_m": tau_m}, tau_s, v_th, reset, several, surrogate)


def iaf(
    *,
    tau_s: float | None = None,
    v_th: float = 1.0,
    reset: Reset = Reset.SUBTRACT,
    several: bool = False,
    surrogate: Surrogate | None = None,
) -> Preset:
    """Return `IAF`; `surrogate` is a function of v - v_th (the default: of v_th too)."""
    return _preset("", {}, tau_s, v_th, reset, several, surrogate)


def _preset(
    leak: str,
    params: dict[str, Any],
    tau_s: float | None,
    v_th: float,
    reset: Reset,
    several: bool,
    surrogate: Surrogate | None,
) -> Preset:
    model = MODELS[leak, tau_s is not None, reset, several]
    synapse = {} if tau_s is None else {"tau_s": tau_s}
    gradient = ResetGradient.KEPT if reset is Reset.SUBTRACT else ResetGradient.DETACHED
    chosen = single_exponential(v_th) if surrogate is None else surrogate
    return Preset(model, params | synapse | {"v_th": v_th}, chosen, gradient)


NEURONS = {"LIF": lif, "LIFRecurrent": lif, "IAF": iaf}
