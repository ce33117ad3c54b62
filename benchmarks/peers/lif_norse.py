"""The cases of Norse. Run through `lif_vectors.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lif_torch import set_to, unrolled
from lif_vectors import N_IN, Case, N, Stimulus
from torch import Tensor


def cases() -> dict[str, Case]:
    """Return the cases of Norse. States are passed in, since those it makes are float32."""
    from norse.torch import LIFBoxCell, LIFBoxParameters, LIFCell, LIFParameters, LIFRecurrentCell
    from norse.torch.functional.iaf import IAFFeedForwardState, IAFParameters, iaf_feed_forward_step
    from norse.torch.functional.lif import LIFFeedForwardState, LIFState
    from norse.torch.functional.lif_box import LIFBoxFeedForwardState
    from norse.torch.functional.reset import reset_subtract, reset_value

    double = lambda value: torch.as_tensor(value, dtype=torch.float64)  # noqa: E731

    def case(
        kind: str, *, method: str = "super", alpha: float = 100.0, gain: float = 1.0,
        subtract: bool = False, **options: float,
    ) -> Case:  # fmt: skip
        def record(given: Stimulus) -> dict[str, np.ndarray]:
            values = {k: double(v) for k, v in options.items()} | {
                "method": method,
                "alpha": double(alpha),
            }
            rest = torch.full(
                (given.x.shape[1], N), options.get("v_leak", 0.0), dtype=torch.float64
            )
            zero = torch.zeros_like(rest)
            state: Any
            if kind == "LIFBox":
                cell = LIFBoxCell(
                    LIFBoxParameters(
                        reset_method=reset_subtract if subtract else reset_value, **values
                    )
                )
                state = LIFBoxFeedForwardState(rest)
            elif kind == "IAF":
                p = IAFParameters(**values)
                cell = lambda i, s: iaf_feed_forward_step(i, s, p)  # noqa: E731
                state = IAFFeedForwardState(rest)
            elif kind == "LIF":
                cell, state = LIFCell(LIFParameters(**values)), LIFFeedForwardState(rest, zero)
            else:
                cell = LIFRecurrentCell(N_IN, N, LIFParameters(**values), autapses=True).double()
                set_to(cell.input_weights, given.w)
                set_to(cell.recurrent_weights, given.w_rec)
                state = LIFState(zero, rest, zero)

            def advance(current: Tensor) -> tuple[Tensor, Tensor]:
                nonlocal state
                z, state = cell(current, state)
                return z, state.v

            if kind != "LIFRecurrent":
                return unrolled(given, advance)
            own = {"w": cell.input_weights, "w_rec": cell.recurrent_weights}
            return unrolled(given, advance, transform=lambda row: row, parameters=own)

        seen = {
            {"tau_mem_inv": "tau_m", "tau_syn_inv": "tau_s"}.get(k, k): v
            for k, v in options.items()
        }
        seen |= {k: 1.0 / seen[k] for k in ("tau_m", "tau_s") if k in seen}
        seen |= {"method": method, "alpha": alpha}
        if kind == "LIFBox":
            seen["reset"] = "subtract" if subtract else "value"
        return Case(
            f"norse.{kind}", seen, record, gain, ("w_rec",) if kind == "LIFRecurrent" else ()
        )

    box, both = {"tau_mem_inv": 100.0}, {"tau_mem_inv": 100.0, "tau_syn_inv": 200.0}
    level = {"v_leak": 0.0, "v_th": 1.0, "v_reset": 0.0}
    other = {"v_leak": 0.1, "v_th": 0.7, "v_reset": -0.2}
    return {
        "lif_box": case("LIFBox", gain=8.0, **box, **level),
        "lif_box_subtract": case("LIFBox", gain=8.0, subtract=True, **box, **other),
        "lif_box_triangle": case("LIFBox", gain=8.0, method="triangle", alpha=0.3, **box, **level),
        "lif": case("LIF", gain=3.0, **both, **level),
        "lif_levels": case("LIF", gain=2.5, method="triangle", alpha=0.3, **both, **other),
        "lif_recurrent": case("LIFRecurrent", gain=3.0, **both, **level),
        "iaf": case("IAF", gain=0.6, v_th=1.0, v_reset=0.0),
    }  # fmt: skip
