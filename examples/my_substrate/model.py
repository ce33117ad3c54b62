"""The neuron of the fictitious chip: leaky, clocked, reset to zero. A template for the model file of a substrate."""

from spikewright.network import NeuronModel

TemplateLIF = NeuronModel(
    name="TemplateLIF",
    state={"v": "V"},
    params={"tau_m": (20e-3, "s"), "v_th": (1.0, "V")},
    inputs={"spikes": "V"},
    # one subtraction per step instead of an exponential: what arrives counts in full, then a share dt / tau_m leaks
    update={"v": "(v + spikes) * (1 - dt / tau_m)"},
    threshold="v > v_th",
    reset={"v": "0"},
    source="template: forward Euler step of Gerstner et al., Neuronal Dynamics (2014), eq. 1.5",
)

MODELS = {"TemplateLIF": TemplateLIF}
