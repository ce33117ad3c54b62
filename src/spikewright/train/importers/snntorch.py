"""snnTorch's models: `Leaky`, `RLeaky`, `Synaptic`, `RSynaptic`, `Alpha` between linear layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewright.errors import Problems
from spikewright.network.graph import Network
from spikewright.network.model import Reset
from spikewright.network.topology import OneToOne, Shape
from spikewright.train.importers.assemble import Spiking, assemble, read
from spikewright.train.importers.layers import Layer, Map, array, level, read_map
from spikewright.train.presets.snntorch import NEURONS

_RESETS = {"subtract": Reset.SUBTRACT, "zero": Reset.VALUE, "none": Reset.NONE}


def from_snntorch(
    model: Any, *, shape: Shape | None = None, dt: float = 1e-3, name: str = "snntorch"
) -> Network:
    """Return a trained model of snnTorch 1.0 as a network that sends the same spikes.

    Parameters
    ----------
    model : a `Sequential`, or the layers in the order in which they act: `[net.fc1, net.lif1, ...]`. Linear, Conv,
        AvgPool, BatchNorm (running statistics) and Flatten, and the neurons named above; Dropout does nothing
    shape : of one sample in one step, without batch and time; not needed where the first layer is Linear
    dt : s, what one step of the model stands for
    name : of the network

    Raises
    ------
    TrainError : every layer or option that cannot be imported, together; layers that do not fit each other
    """
    parts = read(model, dict.fromkeys(NEURONS, _neuron))
    return assemble(parts, shape, dt, name)


def _neuron(layer: Layer, problems: Problems) -> Spiking | None:
    m, where = layer.module, f"{layer.place} ({layer.kind})"
    before = len(problems.lines)
    if m.inhibition:
        problems.add(where, "one spike for all neurons (inhibition) cannot be imported")
    if m.state_quant:
        problems.add(where, "a quantized state cannot be imported")
    if array(m.graded_spikes_factor).ravel().tolist() != [1.0]:
        problems.add(
            where,
            "spikes of another size cannot be imported",
            found=f"graded_spikes_factor {level(m.graded_spikes_factor)}",
            cure="multiply the weights behind it instead",
        )
    options: dict[str, Any] = {"reset": _RESETS[m.reset_mechanism]}
    if layer.kind != "Alpha":
        options["reset_delay"] = bool(m.reset_delay)
    if layer.kind == "RSynaptic" and not m.reset_delay:
        problems.add(where, "has no reset without delay: it fails in the library")
    options |= {p: level(getattr(m, p)) for p in ("alpha", "beta") if hasattr(m, p)}
    options["v_th"] = level(m.threshold)
    if np.any(array(m.threshold) <= 0):
        problems.add(where, "needs a threshold above 0", found=options["v_th"])
    recurrent = _recurrent(layer, problems) if layer.kind.startswith("R") else None
    if len(problems.lines) > before:
        return None
    return Spiking(NEURONS[layer.kind](**options), recurrent=recurrent)


def _recurrent(layer: Layer, problems: Problems) -> Map | None:
    m = layer.module
    if not m.all_to_all:
        weight = level(m.V)
        return Map(lambda pre: OneToOne(weight), has_weight=True)
    return read_map(Layer(f"{layer.place}.recurrent", m.recurrent), problems)
