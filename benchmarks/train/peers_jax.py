"""Spyx, and a loop over time by hand in JAX. Needs Spyx's environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from case import Case
from flax import nnx
from shapes import ALPHA, BETA, V_TH, Shape, data


def _case(gradient: Callable[[], Any], spikes: Callable[[], Any], read: Any = None) -> Case:
    last: dict[str, Any] = {}

    def step() -> None:
        last["gradient"] = jax.block_until_ready(gradient())

    def gradients() -> dict[str, np.ndarray]:
        return {} if read is None else read(last["gradient"])

    return Case(step, lambda sent: np.asarray(spikes()), gradients)


def spyx(shape: Shape) -> Case:
    """`LIF` and `RLIF` in one compiled scan. Its spikes look at the membrane of the step before."""
    import spyx as library
    import spyx.nn as snn

    x, g, w = data(shape)
    random = nnx.Rngs(0)
    options = {
        "beta": BETA,
        "threshold": V_TH,
        "activation": library.axn.arctan(ALPHA / 2),
        "rngs": random,
    }

    def linear(name: str) -> Any:
        made = nnx.Linear(*reversed(w[name].shape), use_bias=False, rngs=random)
        made.kernel[...] = jnp.asarray(w[name].T)
        return made

    def conv(name: str) -> Any:
        out, channels, *kernel = w[name].shape
        made = nnx.Conv(channels, out, kernel, use_bias=False, padding="VALID", rngs=random)
        made.kernel[...] = jnp.asarray(w[name].transpose(2, 3, 1, 0))
        return made

    def recurrent(name: str) -> Any:
        made = snn.RLIF((256,), **options)
        made.recurrent_w[...] = jnp.asarray(w[name].T)
        return made

    if shape.kind == "layer":
        net = snn.Sequential(linear("fc"), snn.LIF((shape.n,), **options))
    elif shape.kind == "recurrent":
        parts = (linear("fc1"), recurrent("r1"), linear("fc2"), recurrent("r2"))
        net = snn.Sequential(*parts, linear("fc3"), snn.LIF((20,), **options))
    else:
        x = x.transpose(0, 1, 3, 4, 2)

        def pool(sent: Any) -> Any:
            return nnx.max_pool(sent, (2, 2), (2, 2))

        net = snn.Sequential(
            *(conv("c1"), snn.LIF((30, 30, 12), **options), pool),
            *(conv("c2"), snn.LIF((11, 11, 32), **options), pool),
            *(snn.Flatten(), linear("fc"), snn.LIF((10,), **options)),
        )
    x_device, g_device = jnp.asarray(x), jnp.asarray(g)

    def forward(net: Any, x: Any) -> Any:
        return snn.run(net, x)[0]

    gradient = nnx.jit(nnx.grad(lambda net, x, g: (forward(net, x) * g).sum()))
    output = nnx.jit(forward)
    return _case(lambda: gradient(net, x_device, g_device), lambda: output(net, x_device))


def by_hand(shape: Shape) -> Case:
    """Products over all steps at once, neurons in a compiled scan."""
    x, g, weights = data(shape)
    width = jnp.pi / 2 * ALPHA

    @jax.custom_vjp
    def spike(u: Any) -> Any:
        return (u > 0).astype(u.dtype)

    spike.defvjp(
        lambda u: (spike(u), u), lambda u, to: (to * (ALPHA / 2) / (1 + (width * u) ** 2),)
    )

    def neurons(current: Any, own: Any = None) -> Any:
        def advance(state: Any, row: Any) -> Any:
            v, sent = state
            h = BETA * v + row
            if own is not None:
                h = h + sent @ own.T
            sent = spike(h - V_TH)
            return (h - sent * V_TH, sent), sent

        zero = jnp.zeros_like(current[0])
        return jax.lax.scan(advance, (zero, zero), current)[1]

    def convolved(sent: Any, weight: Any) -> Any:
        order = ("NCHW", "OIHW", "NCHW")
        flat = sent.reshape(-1, *sent.shape[2:])
        made = jax.lax.conv_general_dilated(flat, weight, (1, 1), "VALID", dimension_numbers=order)
        return made.reshape(*sent.shape[:2], *made.shape[1:])

    def pooled(sent: Any) -> Any:
        window = (1, 1, 1, 2, 2)
        return jax.lax.reduce_window(sent, -jnp.inf, jax.lax.max, window, window, "VALID")

    def forward(w: Any, x: Any) -> Any:
        if shape.kind == "layer":
            return neurons(x @ w["fc"].T)
        if shape.kind == "recurrent":
            first = neurons(x @ w["fc1"].T, w["r1"])
            return neurons(neurons(first @ w["fc2"].T, w["r2"]) @ w["fc3"].T)
        sent = pooled(neurons(convolved(x, w["c1"])))
        sent = pooled(neurons(convolved(sent, w["c2"])))
        return neurons(sent.reshape(*sent.shape[:2], -1) @ w["fc"].T)

    gradient = jax.jit(jax.grad(lambda w, x, g: (forward(w, x) * g).sum()))
    output = jax.jit(forward)
    w = {name: jnp.asarray(weight) for name, weight in weights.items()}
    x_device, g_device = jnp.asarray(x), jnp.asarray(g)

    def read(found: Any) -> dict[str, np.ndarray]:
        return {name: np.asarray(gradient) for name, gradient in found.items()}

    return _case(lambda: gradient(w, x_device, g_device), lambda: output(w, x_device), read)
