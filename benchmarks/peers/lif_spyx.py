"""The cases of Spyx, on JAX in double precision. Run through `lif_vectors.py`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from lif_vectors import Case, N, Stimulus

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp  # noqa: E402
import spyx.axn  # noqa: E402
import spyx.nn  # noqa: E402
from flax import nnx  # noqa: E402


def library(below: Mapping[str, str]) -> tuple[str, dict[str, str], dict[str, Case]]:
    """Return (version, versions of what lies below, cases)."""
    return version("spyx"), {**below, "jax": jax.__version__}, cases()


def case(
    kind: str,
    *,
    activation: tuple[str, float] = ("superspike", 25.0),
    threshold: float = 1.0,
    gain: float = 1.0,
    **options: float,
) -> Case:
    """Return a case; every option is a trained number (`beta`, `alpha`, `gamma`)."""
    name, width = activation
    recurrent = kind in ("RIF", "RLIF", "RCuBaLIF")
    two_parts = kind in ("CuBaLIF", "RCuBaLIF", "ALIF")

    def layer(parts: Mapping[str, Any]) -> Any:
        made = getattr(spyx.nn, kind)(
            (N,), threshold=threshold, activation=getattr(spyx.axn, name)(width), rngs=nnx.Rngs(0),
            **options,
        )  # fmt: skip
        for option in options:
            setattr(made, option, nnx.Param(parts[option]))
        if recurrent:
            made.recurrent_w = nnx.Param(parts["w_rec"].T)
        return made

    def record(given: Stimulus) -> dict[str, np.ndarray]:
        parts = {"x": jnp.asarray(given.x), "w": jnp.asarray(given.w)}
        parts |= {k: jnp.asarray(v, jnp.float64) for k, v in options.items()}
        if recurrent:
            parts["w_rec"] = jnp.asarray(given.w_rec)

        def loss(parts: dict[str, Any]) -> tuple[Any, tuple[Any, Any]]:
            neurons = layer(parts)
            state = neurons.initial_state(given.x.shape[1])
            spikes, membranes = [], []
            for row in parts["x"]:
                s, state = neurons(row @ parts["w"].T, state)
                spikes.append(s)
                membranes.append(state[..., :N] if two_parts else state)
            s, v = jnp.stack(spikes), jnp.stack(membranes)
            return (s * given.c).sum() + (v * given.d).sum(), (s, v)

        grads, (s, v) = jax.grad(loss, has_aux=True)(parts)
        found = {"spikes": np.asarray(s), "v": np.asarray(v)}
        return found | {f"grad_{k}": np.asarray(g) for k, g in grads.items()}

    seen = dict(options) | {"v_th": threshold, "surrogate": {"name": name, "k": width}}
    return Case(f"spyx.{kind}", seen, record, gain, ("w_rec",) if recurrent else (), tuple(options))


def cases() -> dict[str, Case]:
    """Return the cases of Spyx."""
    return {
        "if": case("IF", gain=0.6),
        "lif": case("LIF", beta=0.8),
        "lif_arctan": case("LIF", beta=0.7, threshold=0.8, activation=("arctan", 2.0)),
        "lif_triangular": case("LIF", beta=0.8, threshold=1.2, activation=("triangular", 0.5)),
        "cubalif": case("CuBaLIF", alpha=0.6, beta=0.7, gain=0.5),
        "alif": case("ALIF", beta=0.8, gamma=0.9, gain=1.3),
        "psu_lif": case("PSU_LIF", beta=0.5),
        "rif": case("RIF", gain=0.6),
        "rlif": case("RLIF", beta=0.8),
        "rcubalif": case("RCuBaLIF", alpha=0.6, beta=0.7, gain=0.5),
    }
