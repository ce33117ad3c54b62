"""Populations without state: where input enters, where values pass through, where spikes are drawn."""

from spikewright.network.model import NeuronModel, Noise

Input = NeuronModel(
    name="Input",
    state={},
    params={},
    inputs={"x": "1"},
    output="x",
    source="Definition: sends in step k what enters in step k.",
)

Relay = NeuronModel(
    name="Relay",
    state={},
    params={},
    inputs={"x": "1"},
    output="x",
    source="Definition: sends in step k the sum of what arrives in step k.",
)

ThresholdUnit = NeuronModel(
    name="ThresholdUnit",
    state={},
    params={"threshold": (1.0, "1")},
    inputs={"x": "1"},
    threshold="x > threshold",
    source="NIR 1.0.8, node Threshold: 1 where the input exceeds the threshold.",
)

PoissonSource = NeuronModel(
    name="PoissonSource",
    state={},
    params={"rate": (10.0, "Hz")},
    inputs={},
    noise={"u": Noise.UNIFORM},
    threshold="u < 1 - exp(-rate * dt)",
    source="Definition: fires where a Poisson process of this rate has at least one event in the step.",
)
