"""Linear layers of PyTorch, known by the name of their class, as maps of a projection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.topology import Dense, Flatten, Shape, Topology
from spikewright.network.windows import AvgPool, Conv

CONTAINERS = frozenset({"Sequential", "ModuleList", "MultiStepContainer", "SeqToANNContainer"})
PASSED_OVER = frozenset({"Identity", "Dropout", "Dropout1d", "Dropout2d"})
"""What does nothing once a model is trained."""
NORMS = frozenset({"BatchNorm1d", "BatchNorm2d"})


@dataclass(frozen=True)
class Layer:
    """A layer and where it stands in the model."""

    place: str
    module: Any

    @property
    def kind(self) -> str:
        """Name of its class."""
        return type(self.module).__name__


@dataclass(frozen=True)
class Map:
    """A linear layer.

    Parameters
    ----------
    make : shape before it -> topology
    bias : one per channel (first axis of what comes out), or None
    has_weight : whether the topology has weights
    """

    make: Callable[[Shape], Topology]
    bias: NDArray[np.float64] | None = None
    has_weight: bool = False


def flat(model: Any, place: str = "") -> Iterator[Layer]:
    """Yield the layers of a model in the order in which it applies them: containers are opened."""
    if isinstance(model, list | tuple):
        inside: Iterable[tuple[str, Any]] = ((str(n), m) for n, m in enumerate(model))
    elif type(model).__name__ in CONTAINERS:
        inside = model.named_children()
    else:
        yield Layer(place or type(model).__name__, model)
        return
    for name, part in inside:
        yield from flat(part, f"{place}.{name}" if place else name)


def array(value: Any) -> NDArray[np.float64]:
    """Return a tensor, or a number, as float64."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    return np.array(value, np.float64)


def level(value: Any) -> Any:
    """Return a neuron's parameter: a number where there is one, else an array."""
    found = array(value)
    return float(found.reshape(())) if found.size == 1 else found


def read_map(layer: Layer, problems: Problems) -> Map | None:
    """Return a linear layer, or None (with the reason in `problems`) where it is none that can be read."""
    read = _READERS.get(layer.kind)
    return None if read is None else read(layer, problems)


def _linear(layer: Layer, problems: Problems) -> Map:
    weight, place = array(layer.module.weight), layer.place

    def make(pre: Shape) -> Topology:
        if len(pre) != 1:
            raise TrainError(
                explain(
                    f"{place} (Linear)",
                    "acts on the last axis of an image only",
                    found=f"shape {pre} before it",
                    cure="put a Flatten before it",
                )
            )
        return Dense(weight)

    return Map(make, _bias(layer.module), True)


def _conv(layer: Layer, problems: Problems) -> Map:
    m = layer.module
    weight = array(m.weight)
    if getattr(m, "padding_mode", "zeros") != "zeros":
        problems.add(
            f"{layer.place} ({layer.kind})",
            "pads with something else than zeros",
            found=m.padding_mode,
        )
    padding: Any = m.padding
    if padding == "same":
        padding = Conv.same(weight.shape[2:], m.dilation)
    elif padding == "valid":
        padding = 0
    made = Conv(weight, m.stride, padding, m.dilation, m.groups)
    return Map(lambda pre: made, _bias(m), True)


def _avg_pool(layer: Layer, problems: Problems) -> Map:
    m = layer.module
    where = f"{layer.place} ({layer.kind})"
    if m.ceil_mode:
        problems.add(where, "rounds its size up (ceil_mode), which is not supported")
    if np.any(np.asarray(m.padding) != 0) and not m.count_include_pad:
        problems.add(where, "leaves padding out of the mean, which is not supported")
    if getattr(m, "divisor_override", None):
        problems.add(where, "divides by another number, which is not supported")
    axes = 1 if layer.kind.endswith("1d") else 2
    over = lambda value: tuple(int(x) for x in np.broadcast_to(value, (axes,)))  # noqa: E731
    made = AvgPool(over(m.kernel_size), over(m.stride), over(m.padding))
    return Map(lambda pre: made)


def _flatten(layer: Layer, problems: Problems) -> Map | None:
    first, last = layer.module.start_dim, layer.module.end_dim
    if first < 1:
        problems.add(f"{layer.place} (Flatten)", "joins the batch axis", found=f"start_dim={first}")
        return None
    made = Flatten(first - 1, last if last < 0 else last - 1)
    return Map(lambda pre: made)


def _bias(module: Any) -> NDArray[np.float64] | None:
    bias = getattr(module, "bias", None)
    return None if bias is None else array(bias)


_READERS: dict[str, Callable[[Layer, Problems], Map | None]] = {
    "Linear": _linear,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "AvgPool1d": _avg_pool,
    "AvgPool2d": _avg_pool,
    "Flatten": _flatten,
}
LINEAR = tuple(_READERS)
"""Classes of linear layers that can be read."""


def normalized(before: Map, layer: Layer) -> Map:
    """Return the map with the batch normalization behind it, with its running statistics, in weights and bias."""
    m = layer.module
    mean, variance = array(m.running_mean), array(m.running_var)
    gain = 1.0 / np.sqrt(variance + m.eps)
    shift = np.zeros_like(mean)
    if getattr(m, "weight", None) is not None:
        gain, shift = gain * array(m.weight), array(m.bias)
    bias = np.zeros_like(mean) if before.bias is None else before.bias

    def make(pre: Shape) -> Topology:
        topology = before.make(pre)
        weight = np.asarray(topology.weight)
        return topology.with_weight(weight * gain.reshape(-1, *(1,) * (weight.ndim - 1)))

    return Map(make, (bias - mean) * gain + shift, True)


def spread(bias: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """Return a bias per channel as one per neuron."""
    return np.broadcast_to(bias.reshape(-1, *(1,) * (len(shape) - 1)), shape).copy()
