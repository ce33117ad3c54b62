"""Networks whose synapses have a rule: spike trains of both sides as you like, and a case for every rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.network import (
    LIF,
    AdEx,
    Dense,
    Input,
    Network,
    NeuronModel,
    Population,
    Projection,
)
from spikewright.network.plasticity import RULES
from spikewright.network.synapse import Rule, SynapseModel
from spikewright.rng import stream

Forced = NeuronModel(
    name="Forced",
    state={"v": "1", "got": "1"},
    params={},
    inputs={"fire": "1", "synapses": "1"},
    update={"v": "fire", "got": "synapses"},
    threshold="v > 0.5",
    source="Made for these tests: fires in the steps in which it is told to, and shows what its synapses delivered.",
)


def forced(
    rule: Rule, weights: ArrayLike, *, delay: ArrayLike = 0.0, dt: float = 1e-3, **fields: Any
) -> Network:
    """Return a network "in" -> "out" with the projection "s"; `weights` are (post, pre), `fields` those of Network.

    Spikes of the sources are the input "in", those of the targets the input "out.fire".
    """
    topology = Dense(np.asarray(weights, np.float64))
    n_post, n_pre = topology.weights.shape
    return Network(
        dt=dt,
        populations={"in": Population(Input, n_pre), "out": Population(Forced, n_post)},
        projections={"s": Projection("in", "out", topology, "synapses", delay, rule=rule)},
        **fields,
    )


def train(steps: ArrayLike, length: int) -> NDArray[np.float64]:
    """Return a spike train `T B N` of one sample and one neuron."""
    found = np.zeros((length, 1, 1))
    found[np.asarray(steps, np.int64)] = 1.0
    return found


def case(
    model: SynapseModel, *, batch: int = 2, steps: int = 120
) -> tuple[Network, Mapping[str, Any]]:
    """Return a small network with a rule of the library, delays that differ between synapses, and its inputs."""
    draw = stream(0, f"synapses/{model.name}")
    fast = {"t_norm": 20e-3, "t_scale": 20e-3, "norm": 2.0, "tau_a": 0.1}
    rule = Rule(model, {p: v for p, v in fast.items() if p in model.params})
    n_pre, n_post = 5, 4
    weights = draw.uniform(0.1, 0.9, (n_post, n_pre))
    spikes = (draw.random((steps, batch, n_pre)) < 0.1).astype(np.float64)
    fire = (draw.random((steps, batch, n_post)) < 0.1).astype(np.float64)
    delay = draw.integers(0, 4, (n_post, n_pre)) * 1e-3
    if model.reads_pre:  # a current between neurons
        net = Network(
            dt=1e-3,
            populations={"a": Population(LIF, n_pre), "b": Population(LIF, n_post)},
            projections={
                "s": Projection("a", "b", Dense(weights), "i", rule=rule),
                "back": Projection("b", "a", Dense(weights.T), "i", rule=rule),
            },
        )
        return net, {"a.spikes": 0.6 * spikes, "b.i": 20.0 * fire}
    if model.reads_post:
        net = Network(
            dt=1e-4,
            populations={"in": Population(Input, n_pre), "out": Population(AdEx, n_post)},
            projections={
                "s": Projection("in", "out", Dense(weights * 1e-3), "spikes", delay, rule=rule)
            },
        )
        return net, {"in": spikes, "out.spikes": 15e-3 * fire}
    net = forced(rule, weights, delay=delay)
    inputs: dict[str, Any] = {"in": spikes, "out.fire": fire}
    for signal in model.signals:
        inputs[f"s.{signal}"] = np.where(draw.random((steps, batch)) < 0.05, 0.5, 0.0)
    return net, inputs


CASES = tuple(RULES)
"""Names of the rules that `case` has a network for."""
