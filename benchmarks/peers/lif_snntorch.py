"""The cases of snnTorch. Run through `lif_vectors.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from lif_torch import in_double, number, set_to, unrolled
from lif_vectors import Case, N, Stimulus
from torch import Tensor, nn


def cases() -> dict[str, Case]:
    """Return the cases of snnTorch."""
    import snntorch as snn
    from snntorch import surrogate

    made = {
        "atan": surrogate.atan,
        "fast_sigmoid": surrogate.fast_sigmoid,
        "sigmoid": surrogate.sigmoid,
    }
    peer = {"subtract": "subtract", "value": "zero", "none": "none"}
    trainable = {"beta": "beta", "v_th": "threshold", "alpha": "alpha"}

    def case(
        kind: str, *, reset: str, grad: tuple[str, float] = ("atan", 2.0), learned: tuple[str, ...] = (),
        gain: float = 1.0, used: tuple[str, ...] = (), **options: Any,
    ) -> Case:  # fmt: skip
        name, width = grad
        recurrent = kind.startswith("R")

        def neuron() -> nn.Module:
            return getattr(snn, kind)(
                spike_grad=made[name](width),
                reset_mechanism=peer[reset],
                **{f"learn_{trainable[p]}": True for p in learned},
                **({"linear_features": N} if recurrent and "V" not in options else {}),
                **({"all_to_all": False} if "V" in options else {}),
                **options,
            ).double()

        def record(given: Stimulus) -> dict[str, np.ndarray]:
            lif = neuron()
            parameters = {p: getattr(lif, trainable[p]) for p in learned}
            if hasattr(getattr(lif, "recurrent", None), "weight"):
                set_to(lif.recurrent.weight, given.w_rec)
                set_to(lif.recurrent.bias, given.bias)
                parameters |= {"w_rec": lif.recurrent.weight, "bias": lif.recurrent.bias}
                lif.recurrent.register_forward_pre_hook(in_double)
            elif recurrent:
                parameters["w_one"] = lif.V
            state: tuple[Tensor, ...] = ()

            def advance(current: Tensor) -> tuple[Tensor, Tensor]:
                nonlocal state
                out = lif(current, *state)
                # states handed back as the tutorials do: spikes too where the neuron is recurrent
                state = out if recurrent else out[1:]
                return out[0], out[-1]

            return unrolled(given, advance, parameters=parameters)

        probe = neuron()
        seen = {
            p: number(getattr(probe, p))
            for p in ("beta", "alpha", "threshold")
            if hasattr(probe, p)
        }
        seen["v_th"] = seen.pop("threshold")
        seen |= {"reset": reset, "surrogate": {"name": name, "width": width}}
        if "reset_delay" in options:
            seen["reset_delay"] = options["reset_delay"]
        if "V" in options:
            seen["w_one"] = number(probe.V)
        return Case(f"snntorch.{kind}", seen, record, gain, used, learned)

    slow = {"alpha": 0.8, "beta": 0.7}
    loop = {"beta": 0.8, "used": ("w_rec", "bias")}
    return {
        "leaky_subtract": case("Leaky", beta=0.9, reset="subtract", reset_delay=True),
        "leaky_zero": case("Leaky", beta=0.9, reset="value", reset_delay=True),
        "leaky_none": case("Leaky", beta=0.5, reset="none", reset_delay=True),
        "leaky_subtract_immediate": case("Leaky", beta=0.9, reset="subtract", reset_delay=False, gain=1.6),
        "leaky_zero_immediate": case("Leaky", beta=0.9, reset="value", reset_delay=False, gain=1.6),
        "leaky_fast_sigmoid": case("Leaky", beta=0.8, threshold=0.7, reset="subtract", reset_delay=True,
                                   grad=("fast_sigmoid", 25.0)),
        "leaky_sigmoid_zero": case("Leaky", beta=0.8, threshold=1.3, reset="value", reset_delay=True,
                                   grad=("sigmoid", 5.0)),
        "leaky_learned": case("Leaky", beta=0.85, threshold=0.9, reset="subtract", reset_delay=True,
                              learned=("beta", "v_th")),
        "synaptic_subtract": case("Synaptic", reset="subtract", reset_delay=True, learned=("alpha", "beta"),
                                  gain=0.3, **slow),
        "synaptic_zero": case("Synaptic", reset="value", reset_delay=True, gain=0.3, **slow),
        "synaptic_none": case("Synaptic", alpha=0.5, beta=0.4, reset="none", reset_delay=True, gain=0.25),
        "synaptic_subtract_immediate": case("Synaptic", reset="subtract", reset_delay=False, gain=0.3, **slow),
        "synaptic_zero_immediate": case("Synaptic", reset="value", reset_delay=False, gain=0.3, **slow),
        "alpha_zero": case("Alpha", reset="value", gain=1.2, **slow),
        "alpha_subtract": case("Alpha", reset="subtract", gain=1.2, **slow),
        "alpha_none": case("Alpha", reset="none", gain=0.4, **slow),
        "rleaky_subtract": case("RLeaky", reset="subtract", reset_delay=True, **loop),
        "rleaky_zero": case("RLeaky", reset="value", reset_delay=True, gain=1.5, **loop),
        "rleaky_subtract_immediate": case("RLeaky", reset="subtract", reset_delay=False, gain=1.3, **loop),
        "rleaky_one_to_one": case("RLeaky", beta=0.8, V=-0.5, reset="subtract", reset_delay=True),
        "rsynaptic_subtract": case("RSynaptic", alpha=0.6, reset="subtract", reset_delay=True, gain=0.6, **loop),
    }  # fmt: skip
