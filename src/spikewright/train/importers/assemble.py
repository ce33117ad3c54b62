"""Layers one after the other as a Network: what lies between two populations becomes one projection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import NetworkError, Problems, TrainError, explain
from spikewright.network.compose import Compose
from spikewright.network.graph import Network, Population, Projection, Propagation
from spikewright.network.library import Input, Relay
from spikewright.network.topology import OneToOne, Shape, Topology
from spikewright.train.importers.layers import (
    LINEAR,
    NORMS,
    PASSED_OVER,
    Layer,
    Map,
    flat,
    normalized,
    read_map,
    spread,
)
from spikewright.train.presets.preset import Preset


@dataclass(frozen=True)
class Spiking:
    """A layer of neurons.

    Parameters
    ----------
    neuron : its preset
    before : a map that the layer applies to its input, or None
    recurrent : a map of the layer's last spikes that is added to its input, or None
    """

    neuron: Preset
    before: Map | None = None
    recurrent: Map | None = None


Reader = Callable[[Layer, Problems], Spiking | None]


@dataclass
class Row:
    """Linear layers since the last population."""

    maps: list[Topology]
    bias: NDArray[np.float64] | None
    shape: Shape
    has_weight: bool = False

    def add(self, part: Map, layer: Layer) -> None:
        """Append a map."""
        try:
            topology = part.make(self.shape)
            after = topology.out_shape(self.shape)
            if self.bias is not None:
                self.bias = topology.apply(self.bias, self.shape)
        except NetworkError as error:
            raise TrainError(f"{layer.place} ({layer.kind}): {error}") from None
        if part.bias is not None:
            own = spread(part.bias, after)
            self.bias = own if self.bias is None else self.bias + own
        self.maps.append(topology)
        self.shape, self.has_weight = after, self.has_weight or part.has_weight

    def topology(self) -> Topology:
        """Return the maps as one."""
        if not self.maps:
            return OneToOne(np.ones(()))
        return self.maps[0] if len(self.maps) == 1 else Compose(tuple(self.maps))


def read(model: Any, neurons: Mapping[str, Reader]) -> list[tuple[Layer, Map | Spiking]]:
    """Return the layers of a model that matter.

    Raises
    ------
    TrainError : every layer that cannot be imported, together
    """
    problems = Problems()
    found: list[tuple[Layer, Map | Spiking]] = []
    for layer in flat(model):
        if layer.kind in PASSED_OVER:
            continue
        where = f"{layer.place} ({layer.kind})"
        part: Map | Spiking | None
        if layer.kind in NORMS:
            before = found[-1][1] if found else None
            if not (isinstance(before, Map) and before.has_weight):
                problems.add(where, "a normalization needs a Linear or Conv right before it")
            elif layer.module.running_mean is None:
                problems.add(where, "has no running statistics, so depends on the batch")
            else:
                found[-1] = (found[-1][0], normalized(before, layer))
            continue
        if layer.kind in neurons:
            part = neurons[layer.kind](layer, problems)
        elif layer.kind in LINEAR:
            part = read_map(layer, problems)
        else:
            part = None
            problems.add(
                where,
                "this layer cannot be imported",
                expected=", ".join([*LINEAR, *sorted(NORMS), *sorted(PASSED_OVER), *neurons]),
                cure="give the layers in the order in which they act, as a Sequential or a list"
                if hasattr(layer.module, "named_children")
                and next(iter(layer.module.named_children()), None) is not None
                else None,
            )
        if part is not None:
            found.append((layer, part))
    problems.raise_as(TrainError)
    if not any(isinstance(part, Spiking) for _, part in found):
        raise TrainError(explain("import", "the model has no neurons", expected=", ".join(neurons)))
    return found


def assemble(
    parts: list[tuple[Layer, Map | Spiking]], shape: Shape | None, dt: float, name: str
) -> Network:
    """Return the layers as a network; populations are called as in `chain`: input, hidden1, ..., output.

    Raises
    ------
    TrainError : layers that do not fit each other, or a first layer that does not say its input's shape
    """
    row = Row([], None, _first_shape(parts) if shape is None else tuple(shape))
    populations = {"input": Population(Input, row.shape)}
    projections: dict[str, Projection] = {}
    pre = "input"

    def close(population: Population, label: str) -> None:
        nonlocal row, pre
        projections[f"{pre}->{label}"] = Projection(pre, label, row.topology(), bias=row.bias)
        populations[label] = population
        row, pre = Row([], None, row.shape), label

    ends = [number for number, (_, part) in enumerate(parts) if isinstance(part, Spiking)]
    for number, (layer, part) in enumerate(parts):
        extra = part.before if isinstance(part, Spiking) else part
        if extra is not None:
            if extra.has_weight and row.has_weight:
                close(Population(Relay, row.shape), f"linear{len(populations)}")
            row.add(extra, layer)
        if isinstance(part, Map):
            continue
        last = number == len(parts) - 1
        label = "output" if last else f"hidden{ends.index(number) + 1}"
        close(_population(part.neuron, row.shape, layer), label)
        if part.recurrent is not None:
            loop = Row([], None, row.shape)
            loop.add(part.recurrent, layer)
            projections[f"{label}->{label}"] = Projection(
                label, label, loop.topology(), delay=dt, bias=loop.bias
            )
    if row.maps:
        close(Population(Relay, row.shape), "output")
    return Network(
        dt, populations, projections, (pre,), propagation=Propagation.SAME_STEP, name=name
    )


def _population(neuron: Preset, shape: Shape, layer: Layer) -> Population:
    params = {}
    for p, value in neuron.params.items():
        size = np.size(value)
        try:
            params[p] = value if size == 1 else np.broadcast_to(value, shape).copy()
        except ValueError:
            raise TrainError(
                explain(
                    f"{layer.place} ({layer.kind})",
                    f"its {p} does not fit its neurons",
                    found=f"shape {np.shape(value)}",
                    expected=f"one number or {shape}",
                )
            ) from None
    return Population(neuron.model, shape, params)


def _first_shape(parts: list[tuple[Layer, Map | Spiking]]) -> Shape:
    layer = parts[0][0]
    if layer.kind == "Linear":
        return (int(layer.module.weight.shape[1]),)
    raise TrainError(
        explain(
            f"{layer.place} ({layer.kind})",
            "does not say the shape of its input",
            cure="pass shape=, without batch and time, for instance shape=(2, 34, 34)",
        )
    )
