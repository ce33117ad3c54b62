"""The networks of the speed benchmark and their data: NumPy only, the same bits in every environment.

Every network is one step of training without optimizer: forward over all steps, then backward of `sum(g * output)` with
a fixed random g, to the weights. Its neuron is `h = BETA v + i`, a spike where `h > V_TH`, `v = h - V_TH spike`, with
the slope of arctan (width ALPHA) in place of a spike's derivative; the reset is part of the gradient.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

BETA, V_TH, ALPHA = 0.9, 1.0, 2.0
ACTIVE = 25.6  # inputs that are active in a step of shape a, on average


@dataclass(frozen=True)
class Shape:
    """One network and its batch.

    Parameters
    ----------
    kind : "layer" (n -> n neurons), "recurrent" (700 -> 256 -> 256 -> 20, both hidden populations recurrent) or
        "conv" (2 x 34 x 34 -> 12C5 -> max pool -> 32C5 -> max pool -> 10)
    steps, batch : T and B
    density : share of the input's entries that are spikes
    n : of "layer"
    channels_last : whether images lie in memory with their channels innermost
    """

    kind: str
    steps: int
    batch: int
    density: float
    n: int = 512
    channels_last: bool = False

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the weights, in order from input to output."""
        return {
            "layer": ("fc",),
            "recurrent": ("fc1", "r1", "fc2", "r2", "fc3"),
            "conv": ("c1", "c2", "fc"),
        }[self.kind]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, from which `Shape(**data)` makes it again."""
        return asdict(self)


SHAPES = {
    "a": Shape("layer", steps=500, batch=16, density=0.05),
    "b": Shape("recurrent", steps=100, batch=32, density=0.03),
    "c": Shape("conv", steps=25, batch=16, density=0.04),
}
TITLES = {
    "a": "512 → 512 LIF, T 500, B 16, 5 % active",
    "b": "700 → 256 rec. → 256 rec. → 20, T 100, B 32, 3 % active",
    "c": "2x34x34 → 12C5 → MP2 → 32C5 → MP2 → 10, T 25, B 16, 4 % active",
}


class Data(NamedTuple):
    """Input `T B *shape`, what the output is multiplied by `T B N`, and weights `(post, pre)`; all float32."""

    x: np.ndarray
    g: np.ndarray
    weights: dict[str, np.ndarray]


def data(shape: Shape) -> Data:
    """Return a shape's input, g and weights; the same at every call."""
    draw = np.random.default_rng(0)
    size_in = {"layer": (shape.n,), "recurrent": (700,), "conv": (2, 34, 34)}[shape.kind]
    size_out = {"layer": shape.n, "recurrent": 20, "conv": 10}[shape.kind]
    rows = shape.steps, shape.batch
    x = (draw.random((*rows, *size_in), np.float32) < shape.density).astype(np.float32)
    g = draw.standard_normal((*rows, size_out), np.float32) / np.float32(shape.steps * shape.batch)

    def normal(size: tuple[int, ...], deviation: float) -> np.ndarray:
        return (draw.standard_normal(size) * deviation).astype(np.float32)

    if shape.kind == "layer":
        # currents of the same variance at every size and density
        sizes = {"fc": ((shape.n, shape.n), 0.06 * (ACTIVE / (shape.n * shape.density)) ** 0.5)}
    elif shape.kind == "recurrent":
        sizes = {
            "fc1": ((256, 700), 0.11),
            "r1": ((256, 256), 0.04),
            "fc2": ((256, 256), 0.14),
            "r2": ((256, 256), 0.04),
            "fc3": ((20, 256), 0.12),
        }
    else:
        sizes = {
            "c1": ((12, 2, 5, 5), 0.22),
            "c2": ((32, 12, 5, 5), 0.08),
            "fc": ((10, 800), 0.06),
        }
    return Data(x, g, {name: normal(*args) for name, args in sizes.items()})
