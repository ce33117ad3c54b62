"""The cases of SpikingJelly. Run through `lif_vectors.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from lif_torch import number, set_to, unrolled
from lif_vectors import Case, N, Stimulus


def cases() -> dict[str, Case]:
    """Return the cases of SpikingJelly."""
    from spikingjelly.activation_based import layer, neuron, surrogate

    def case(
        kind: str, *, v_reset: float | None, detach: bool, grad: tuple[str, float] = ("ATan", 2.0),
        v_th: float = 1.0, gain: float = 1.0, container: bool = False, **options: Any,
    ) -> Case:  # fmt: skip
        name, alpha = grad

        def record(given: Stimulus) -> dict[str, np.ndarray]:
            lif = getattr(neuron, kind)(
                v_threshold=v_th, v_reset=v_reset, detach_reset=detach,
                surrogate_function=getattr(surrogate, name)(alpha=alpha), **options,
            ).double()  # fmt: skip
            parameters = {"w_inverse_tau": lif.w} if kind == "ParametricLIFNode" else {}
            if not container:
                return unrolled(given, lambda i: (lif(i), lif.v), parameters=parameters)
            loop = layer.LinearRecurrentContainer(lif, N, N).double()
            set_to(loop.rc.weight, np.concatenate([given.w, given.w_rec], axis=1))
            set_to(loop.rc.bias, given.bias)
            found = unrolled(
                given, lambda i: (loop(i), lif.v), transform=lambda row: row,
                parameters=parameters | {"both": loop.rc.weight, "bias": loop.rc.bias},
            )  # fmt: skip
            both = found.pop("grad_both")
            return found | {"grad_w": both[:, :N], "grad_w_rec": both[:, N:]}

        seen: dict[str, Any] = dict(options)
        if kind == "ParametricLIFNode":
            seen["w_inverse_tau"] = number(neuron.ParametricLIFNode(options["init_tau"]).w)
            del seen["init_tau"]
        seen |= {"v_th": v_th, "v_reset": v_reset, "detach_reset": detach}
        seen["surrogate"] = {"name": name, "alpha": alpha}
        trained = ("w_inverse_tau",) if kind == "ParametricLIFNode" else ()
        used = ("square", "w_rec", "bias") if container else ()
        return Case(f"spikingjelly.{kind}", seen, record, gain, used, trained)

    lif, plif, fire = "LIFNode", "ParametricLIFNode", "IFNode"
    hard, soft = {"v_reset": 0.0}, {"v_reset": None}
    return {
        "lif": case(lif, tau=2.0, decay_input=True, detach=False, grad=("Sigmoid", 4.0), gain=2.0, **hard),
        "lif_detached": case(lif, tau=2.0, decay_input=True, detach=True, gain=2.0, **hard),
        "lif_soft": case(lif, tau=3.0, decay_input=True, detach=False, gain=2.5, **soft),
        "lif_soft_detached": case(lif, tau=3.0, decay_input=True, detach=True, gain=2.5, **soft),
        "lif_full": case(lif, tau=2.5, decay_input=False, detach=False, **hard),
        "lif_full_detached": case(lif, tau=2.5, decay_input=False, detach=True, **hard),
        "lif_full_soft": case(lif, tau=2.5, decay_input=False, detach=False, **soft),
        "lif_full_soft_detached": case(lif, tau=2.5, decay_input=False, detach=True, **soft),
        "lif_v_reset_below": case(lif, tau=2.0, decay_input=True, detach=True, v_th=0.8, v_reset=-0.2, gain=2.0),
        "lif_v_reset_above": case(lif, tau=2.0, decay_input=False, detach=False, v_th=1.2, v_reset=0.1, gain=1.6),
        "if": case(fire, detach=False, gain=0.6, **hard),
        "if_soft": case(fire, detach=False, gain=0.6, **soft),
        "if_soft_detached": case(fire, detach=True, gain=0.6, grad=("Sigmoid", 4.0), **soft),
        "plif": case(plif, init_tau=2.0, decay_input=True, detach=False, gain=2.0, **hard),
        "plif_full_soft": case(plif, init_tau=3.0, decay_input=False, detach=True, **soft),
        "lif_erf": case(lif, tau=2.0, decay_input=True, detach=False, grad=("Erf", 2.0), gain=2.0, **hard),
        "lif_piecewise_quadratic": case(lif, tau=2.0, decay_input=True, detach=False, gain=2.0,
                                        grad=("PiecewiseQuadratic", 1.0), v_th=0.9, **hard),
        "lif_piecewise_exp": case(lif, tau=2.0, decay_input=True, detach=False, gain=2.0,
                                  grad=("PiecewiseExp", 1.5), v_th=0.9, **hard),
        "recurrent": case(lif, tau=2.0, decay_input=True, detach=False, gain=2.0, container=True, **hard),
        "recurrent_soft_detached": case(lif, tau=2.0, decay_input=False, detach=True, container=True, **soft),
    }  # fmt: skip
