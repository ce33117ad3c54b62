"""SpikingJelly's models: `IFNode`, `LIFNode`, `ParametricLIFNode`, `LinearRecurrentContainer` between linear layers.

The library's own `Linear`, `Conv2d`, ... have the names of PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewright.errors import Problems
from spikewright.network.graph import Network
from spikewright.network.topology import Dense, Shape
from spikewright.train.importers.assemble import Reader, Spiking, assemble, read
from spikewright.train.importers.layers import Layer, Map, array, level
from spikewright.train.presets.spikingjelly import NEURONS


def from_spikingjelly(
    model: Any, *, shape: Shape | None = None, dt: float = 1e-3, name: str = "spikingjelly"
) -> Network:
    """Return a trained model of SpikingJelly 2.0 as a network that sends the same spikes.

    Parameters
    ----------
    model : a `Sequential`, or the layers in the order in which they act: `[net.conv, net.sn1, ...]`. Linear, Conv,
        AvgPool, BatchNorm (running statistics) and Flatten, and the neurons named above; Dropout does nothing
    shape : of one sample in one step, without batch and time; not needed where the first layer is Linear
    dt : s, what one step of the model stands for
    name : of the network

    Raises
    ------
    TrainError : every layer or option that cannot be imported, together; layers that do not fit each other
    """
    readers: dict[str, Reader] = dict.fromkeys(NEURONS, _neuron)
    readers["LinearRecurrentContainer"] = _container
    return assemble(read(model, readers), shape, dt, name)


def _neuron(layer: Layer, problems: Problems) -> Spiking | None:
    m = layer.module
    options: dict[str, Any] = {
        "v_th": level(m.v_threshold),
        "v_reset": None if m.v_reset is None else level(m.v_reset),
        "detach_reset": bool(m.detach_reset),
    }
    if layer.kind == "LIFNode":
        options["tau"] = level(m.tau)
    if layer.kind == "ParametricLIFNode":
        options["w_inverse_tau"] = level(m.w)
    if layer.kind != "IFNode":
        options["decay_input"] = bool(m.decay_input)
    return Spiking(NEURONS[layer.kind](**options))


def _container(layer: Layer, problems: Problems) -> Spiking | None:
    """Return neurons whose input is a linear map of (input, last spikes)."""
    inside = Layer(f"{layer.place}.sub_module", layer.module.sub_module)
    if inside.kind not in NEURONS:
        problems.add(
            f"{inside.place} ({inside.kind})",
            "a recurrent container of something else than neurons cannot be imported",
            expected=", ".join(NEURONS),
        )
        return None
    found = _neuron(inside, problems)
    if found is None:
        return None
    both, bias = array(layer.module.rc.weight), layer.module.rc.bias
    n = len(both)
    forward, back = np.ascontiguousarray(both[:, :-n]), np.ascontiguousarray(both[:, -n:])
    return Spiking(
        found.neuron,
        Map(lambda pre: Dense(forward), None if bias is None else array(bias), True),
        Map(lambda pre: Dense(back), None, True),
    )
