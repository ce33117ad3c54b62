"""Whole small networks of snnTorch and SpikingJelly: layers with their numbers, and the spikes of every layer.

Run through `lif_vectors.py`. What the importers read of a module is written down: its class, its plain attributes and
its arrays, so that neither library is needed to build the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from lif_torch import in_double
from lif_vectors import index, save
from torch import Tensor, nn

STEPS, BATCH = 30, 2
PLAIN = (
    *("stride", "padding", "dilation", "groups", "padding_mode", "kernel_size", "ceil_mode"),
    *("count_include_pad", "divisor_override", "start_dim", "end_dim", "eps"),
    *("tau", "decay_input", "v_threshold", "v_reset", "detach_reset"),
    *("reset_mechanism", "reset_delay", "all_to_all", "inhibition", "state_quant"),
)
ARRAYS = (
    *("weight", "bias", "running_mean", "running_var"),
    *("w", "beta", "alpha", "threshold", "V", "graded_spikes_factor"),
)
INSIDE = ("recurrent", "rc", "sub_module")


def write(made: Mapping[str, str]) -> None:
    """Write both networks."""
    lines = []
    for library, layers in (("snntorch", snntorch()), ("spikingjelly", spikingjelly())):
        arrays: dict[str, np.ndarray] = {}
        described = [describe(layer, f"{n}", arrays) for n, layer in enumerate(layers)]
        shape = (1, 7, 7)
        draw = np.random.default_rng(5)
        arrays["x"] = np.round(draw.uniform(0, 1.5, (STEPS, BATCH, *shape)) * 64) / 64
        arrays |= record(layers, arrays["x"])
        meta = {
            "kind": "network", "library": library, "shape": shape, "layers": described, "seed": 5,
            "script": "benchmarks/peers/lif_vectors.py", "version": version(library), **made,
        }  # fmt: skip
        line = save(f"{library}_network", arrays, meta)
        del line["layers"]
        lines.append(line)
    index(lines)


def describe(module: nn.Module, prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return a module as plain data; its arrays go to `arrays` as "<prefix>.<name>"."""
    found: dict[str, Any] = {"kind": type(module).__name__, "plain": {}, "arrays": [], "inside": {}}
    for name in PLAIN:
        if hasattr(module, name):
            value = getattr(module, name)
            found["plain"][name] = list(value) if isinstance(value, tuple) else value
    for name in ARRAYS:
        value = getattr(module, name, None)
        if isinstance(value, Tensor):
            found["arrays"].append(name)
            arrays[f"{prefix}.{name}"] = value.detach().double().numpy()
    for name in INSIDE:
        if isinstance(getattr(module, name, None), nn.Module):
            found["inside"][name] = describe(getattr(module, name), f"{prefix}.{name}", arrays)
    return found


def record(layers: Sequence[nn.Module], x: np.ndarray) -> dict[str, np.ndarray]:
    """Return `spikes_<n>` of every layer n that keeps a state."""
    kept: dict[int, list[np.ndarray]] = {}
    with torch.no_grad():
        for row in torch.tensor(x):
            for n, layer in enumerate(layers):
                row = layer(row)
                if hasattr(layer, "mem") or hasattr(layer, "v") or hasattr(layer, "sub_module"):
                    kept.setdefault(n, []).append(row.double().numpy())
    return {f"spikes_{n}": np.stack(s) for n, s in kept.items()}


def drawn(layers: Sequence[nn.Module], gains: Mapping[int, tuple[float, float]]) -> list[nn.Module]:
    """Return the layers in double precision and evaluation mode; `gains` is (mean, deviation) of a layer's weights."""
    draw = torch.Generator().manual_seed(3)
    for n, layer in enumerate(layers):
        layer.double().eval()
        for part in (layer, getattr(layer, "recurrent", None)):
            if part is not None:
                part.register_forward_pre_hook(in_double)
        for name, p in layer.named_parameters():
            if n in gains and name in ("weight", "rc.weight"):
                mean, deviation = gains[n]
                with torch.no_grad():
                    p.copy_(mean + deviation * torch.randn(p.shape, generator=draw, dtype=p.dtype))
    return list(layers)


def snntorch() -> list[nn.Module]:
    """Return a network of snnTorch."""
    import snntorch as snn

    torch.manual_seed(1)
    common = {"init_hidden": True}
    layers = [
        nn.Conv2d(1, 3, 3, padding=1, stride=2),
        snn.Leaky(beta=0.8, threshold=0.9, **common),
        nn.AvgPool2d(2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(12, 8),
        snn.RLeaky(beta=0.7, linear_features=8, reset_delay=False, **common),
        nn.Linear(8, 6, bias=False),
        nn.Linear(6, 6),
        snn.Synaptic(alpha=0.6, beta=torch.rand(6), **common),
        nn.Linear(6, 4),
        snn.Leaky(beta=0.9, reset_mechanism="zero", **common),
    ]
    return drawn(
        layers, {0: (0.15, 0.3), 5: (0.1, 0.35), 7: (0.15, 0.4), 8: (0.1, 0.35), 10: (0.3, 0.4)}
    )


def spikingjelly() -> list[nn.Module]:
    """Return a network of SpikingJelly."""
    from spikingjelly.activation_based import layer, neuron, surrogate

    torch.manual_seed(2)
    layers = [
        layer.Conv2d(1, 3, 3, bias=False, padding=1),
        layer.BatchNorm2d(3),
        neuron.IFNode(surrogate_function=surrogate.ATan()),
        layer.AvgPool2d(2),
        layer.Flatten(),
        layer.Linear(27, 8),
        neuron.LIFNode(tau=2.5, decay_input=False, v_reset=None, v_threshold=1.5),
        layer.Linear(8, 6),
        layer.LinearRecurrentContainer(neuron.LIFNode(tau=2.0, v_reset=-0.1), 6, 6),
        layer.Linear(6, 4, bias=False),
        neuron.ParametricLIFNode(init_tau=3.0, detach_reset=True),
    ]
    with torch.no_grad():
        norm = layers[1]
        norm.running_mean.uniform_(0.0, 0.4)
        norm.running_var.uniform_(0.5, 1.5)
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.uniform_(0.0, 0.3)
    return drawn(
        layers, {0: (0.1, 0.3), 5: (0.25, 0.5), 7: (0.4, 0.6), 8: (1.2, 1.0), 9: (1.5, 0.6)}
    )
