"""The cases of sinabs. Run through `lif_vectors.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lif_torch import in_double, set_to
from lif_vectors import Case, N, Stimulus
from torch import nn


def cases() -> dict[str, Case]:
    """Return the cases of sinabs. It takes batch first and whole sequences."""
    from sinabs import layers
    from sinabs.activation import (
        Gaussian,
        MembraneReset,
        MembraneSubtract,
        MultiSpike,
        SingleExponential,
        SingleSpike,
    )

    surrogates = {"SingleExponential": SingleExponential, "Gaussian": Gaussian}

    def case(
        kind: str, *, reset: str = "subtract", multi: bool = False, grad: dict[str, Any] | None = None,
        gain: float = 1.0, v_th: float = 1.0, **options: Any,
    ) -> Case:  # fmt: skip
        grad = grad or {"name": "SingleExponential", "grad_width": 0.5}
        recurrent = kind.endswith("Recurrent")

        def record(given: Stimulus) -> dict[str, np.ndarray]:
            chosen = surrogates[grad["name"]](**{k: v for k, v in grad.items() if k != "name"})
            loop = nn.Linear(N, N, bias=False) if recurrent else None
            lif = getattr(layers, kind)(
                spike_threshold=torch.tensor(v_th, dtype=torch.float64),
                spike_fn=MultiSpike if multi else SingleSpike,
                reset_fn=MembraneSubtract() if reset == "subtract" else MembraneReset(),
                surrogate_grad_fn=chosen, record_states=True,
                **({"rec_connect": loop} if loop else {}), **options,
            ).double()  # fmt: skip
            # the state is made in float32 otherwise
            lif.init_state_with_shape((given.x.shape[1], N))
            lif.double()
            parameters = {"w": torch.tensor(given.w, requires_grad=True)}
            if loop:
                set_to(loop.weight, given.w_rec)
                loop.register_forward_pre_hook(in_double)
                parameters["w_rec"] = loop.weight
            if kind.startswith("LIF"):
                parameters |= {"tau_m": lif.tau_mem} | (
                    {"tau_s": lif.tau_syn} if lif.tau_syn is not None else {}
                )
            x = torch.tensor(given.x, requires_grad=True)
            s = (
                lif(nn.functional.linear(x, parameters["w"]).transpose(0, 1))
                .transpose(0, 1)
                .double()
            )
            loss = (s * torch.tensor(given.c)).sum()
            out = {"spikes": s.detach().numpy()}
            if (
                not recurrent
            ):  # recordings of a recurrent layer show the next step's membrane, before its reset
                v = lif.recordings["v_mem"].transpose(0, 1)
                loss = loss + (v * torch.tensor(given.d)).sum()
                out["v"] = v.detach().numpy()
            loss.backward()
            if multi:  # the gradients of several spikes in one step are not compared
                return out
            return out | {f"grad_{n}": p.grad.numpy() for n, p in {"x": x, **parameters}.items()}

        seen: dict[str, Any] = {"reset": reset, "v_th": v_th, "surrogate": grad}
        for theirs, ours in (("tau_mem", "tau_m"), ("tau_syn", "tau_s")):
            if options.get(theirs) is not None:
                seen[ours] = options[theirs]
        if kind.startswith("LIF"):
            seen["norm_input"] = options.get("norm_input", True)
        if multi:
            seen["several"] = True
        trained = tuple(n for n in ("tau_m", "tau_s") if n in seen) if not multi else ()
        return Case(f"sinabs.{kind}", seen, record, gain, ("w_rec",) if recurrent else (), trained)

    return {
        "lif": case("LIF", tau_mem=4.0, gain=3.0),
        "lif_full": case("LIF", tau_mem=4.0, norm_input=False, v_th=0.75,
                         grad={"name": "SingleExponential", "grad_width": 0.7, "grad_scale": 0.5}),
        "lif_synapse": case("LIF", tau_mem=5.0, tau_syn=2.0, gain=2.5),
        "lif_zero": case("LIF", tau_mem=4.0, reset="value", gain=3.0),
        "lif_gaussian": case("LIF", tau_mem=4.0, gain=3.0, v_th=1.25,
                             grad={"name": "Gaussian", "sigma": 0.5}),
        "lif_several": case("LIF", tau_mem=4.0, norm_input=False, multi=True, gain=2.5),
        "iaf": case("IAF", gain=0.6),
        "iaf_several": case("IAF", multi=True, gain=2.0),
        "lif_recurrent": case("LIFRecurrent", tau_mem=4.0, norm_input=False),
    }  # fmt: skip
