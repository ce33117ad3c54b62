"""snnTorch 1.0: `Leaky`, `Synaptic`, `Alpha`, and the recurrent `RLeaky`, `RSynaptic`.

Whether the *last* step's membrane was above the threshold resets the neuron in this step (`reset_delay`, the default):
that stands in the update here, as a condition, so it has no gradient, and a trace shows the membrane before its reset
as the library returns it. Without delay the reset follows the spike, and is differentiated.

Two kinds of reset to zero: `Leaky` sets the old membrane to 0 and adds this step's input, the others set the new one to
0, input included.

Source
------
snnTorch 1.0.0, `_neurons/leaky.py`, `synaptic.py`, `alpha.py`, `rleaky.py`, `rsynaptic.py`, `surrogate.py`. Eshraghian
et al., "Training spiking neural networks using lessons from deep learning", Proceedings of the IEEE 111, 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spikewright.errors import TrainError, explain
from spikewright.network.model import NeuronModel, Reset
from spikewright.train.presets.preset import Preset
from spikewright.train.surrogate import Arctan, FastSigmoid, Sigmoid, Surrogate

SURROGATES: dict[str, Callable[[float], Surrogate]] = {
    "atan": Arctan,
    "fast_sigmoid": FastSigmoid,
    "sigmoid": Sigmoid,
}
"""Function of the library -> its width -> surrogate of the margin."""

_SOURCE = "snnTorch 1.0.0, _neurons: "
_WAS = "v > v_th"
"""Whether the last step ended above the threshold: in an update, before v gets its new value."""


def _membrane(name: str, charge: str, synapse: str, reset: Reset, delayed: bool) -> NeuronModel:
    """Return a membrane that `charge` advances, behind a synapse where there is one.

    `u` is what the library compares with the threshold: where a membrane without delay was still above it after its
    reset, the library subtracts the threshold before it compares, and gives it back after.
    """
    subtracted = f"{charge} - (v_th if {_WAS} else 0)"
    update = {"i": synapse} if synapse else {}
    after, fires, state = {}, "v > v_th", {"i": "1"} if synapse else {}
    if reset is Reset.NONE or (reset is Reset.VALUE and not delayed):
        update["v"] = charge
        after = {} if reset is Reset.NONE else {"v": "0"}
    elif reset is Reset.VALUE:
        old_only = name == "Leaky"
        update["v"] = charge.replace("* v", f"* (0 if {_WAS} else v)") if old_only else (
            f"0 if {_WAS} else {charge}"
        )  # fmt: skip
    elif delayed:
        update["v"] = subtracted
    else:
        state["u"] = "1"
        update |= {"u": subtracted, "v": charge}
        after, fires = {"v": "v - v_th"}, "u > v_th"
    kind = {Reset.SUBTRACT: "Subtract", Reset.VALUE: "Zero", Reset.NONE: "NoReset"}[reset]
    params = {"alpha": (0.9, "1")} if synapse else {}
    return NeuronModel(
        name=f"SnnTorch{name}{kind}{'' if delayed else 'AtOnce'}",
        state=state | {"v": "1"},
        params=params | {"beta": (0.9, "1"), "v_th": (1.0, "1")},
        inputs={"x": "1"},
        update=update,
        threshold=fires,
        reset=after,
        source=_SOURCE + name,
    )


def _alpha(reset: Reset) -> NeuronModel:
    """Return `Alpha`: two exponentials whose difference is the membrane; `was` is 1 where the last step fired."""
    gain = "(log(clip(alpha, 0, 1)) / (log(clip(beta, 0, 1)) - log(clip(alpha, 0, 1))) + 1)"
    rise, fall = "(clip(alpha, 0, 1) * a + x)", "(clip(beta, 0, 1) * b - x)"
    v = f"{gain} * ({rise} + {fall})"
    update = {"was": f"1 if {_WAS} else 0"}
    if reset is Reset.NONE:
        update = {"v": v, "a": rise, "b": fall}
    elif reset is Reset.VALUE:
        update |= {
            n: f"0 if was > 0 else {text}" for n, text in {"v": v, "a": rise, "b": fall}.items()
        }
    else:
        update |= {
            "v": f"{v} + (b if was > 0 else 0)",
            "a": f"{rise} - (v_th if was > 0 else 0)",
            "b": f"0 if was > 0 else {fall}",
        }
    kind = {Reset.SUBTRACT: "Subtract", Reset.VALUE: "Zero", Reset.NONE: "NoReset"}[reset]
    return NeuronModel(
        name=f"SnnTorchAlpha{kind}",
        state={n: "1" for n in update},
        params={"alpha": (0.9, "1"), "beta": (0.8, "1"), "v_th": (1.0, "1")},
        inputs={"x": "1"},
        update=update,
        threshold="v > v_th",
        source=_SOURCE + "Alpha",
    )


_DECAY, _FILTER = "clip(beta, 0, 1) * v", "clip(alpha, 0, 1) * i + x"
_RESETS = (Reset.SUBTRACT, Reset.VALUE, Reset.NONE)
MODELS = {
    (name, reset, delayed): _membrane(
        name, f"{_DECAY} + {'i' if synapse else 'x'}", synapse, reset, delayed
    )
    for name, synapse in (("Leaky", ""), ("RLeaky", ""), ("Synaptic", _FILTER))
    for reset in _RESETS
    for delayed in (True, False)
} | {("Alpha", reset, True): _alpha(reset) for reset in _RESETS}
"""(neuron, reset, whether it is delayed) -> equations."""


def leaky(
    *,
    beta: Any = 0.9,
    v_th: Any = 1.0,
    reset: Reset = Reset.SUBTRACT,
    reset_delay: bool = True,
    surrogate: Surrogate = Arctan(2.0),  # noqa: B008
) -> Preset:
    """Return `Leaky`; `surrogate` is a function of v - v_th."""
    return _preset("Leaky", reset, reset_delay, {"beta": beta, "v_th": v_th}, surrogate)


def rleaky(
    *,
    beta: Any = 0.9,
    v_th: Any = 1.0,
    reset: Reset = Reset.SUBTRACT,
    reset_delay: bool = True,
    surrogate: Surrogate = Arctan(2.0),  # noqa: B008
) -> Preset:
    """Return the neurons of `RLeaky`; their recurrent weights are a projection that takes one step."""
    return _preset("RLeaky", reset, reset_delay, {"beta": beta, "v_th": v_th}, surrogate)


def synaptic(
    *,
    alpha: Any = 0.9,
    beta: Any = 0.8,
    v_th: Any = 1.0,
    reset: Reset = Reset.SUBTRACT,
    reset_delay: bool = True,
    surrogate: Surrogate = Arctan(2.0),  # noqa: B008
) -> Preset:
    """Return `Synaptic`, or the neurons of `RSynaptic` (whose `reset_delay=False` fails in the library)."""
    params = {"alpha": alpha, "beta": beta, "v_th": v_th}
    return _preset("Synaptic", reset, reset_delay, params, surrogate)


def alpha(
    *,
    alpha: Any = 0.9,
    beta: Any = 0.8,
    v_th: Any = 1.0,
    reset: Reset = Reset.VALUE,
    surrogate: Surrogate = Arctan(2.0),  # noqa: B008
) -> Preset:
    """Return `Alpha`; alpha must be larger than beta."""
    return _preset("Alpha", reset, True, {"alpha": alpha, "beta": beta, "v_th": v_th}, surrogate)


def _preset(
    name: str, reset: Reset, delayed: bool, params: dict[str, Any], surrogate: Surrogate
) -> Preset:
    if reset not in _RESETS:
        raise TrainError(
            explain(
                f"{name}: reset", "not of this library", found=reset,
                expected=", ".join(map(str, _RESETS)),
            )
        )  # fmt: skip
    return Preset(MODELS[name, reset, delayed], params, surrogate)


NEURONS = {
    "Leaky": leaky,
    "RLeaky": rleaky,
    "Synaptic": synaptic,
    "RSynaptic": synaptic,
    "Alpha": alpha,
}
