"""The leaky integrate-and-fire neuron of ODIN: as the chip's integers, and as real numbers to train.

    time reference:  v = max(v - leak, 0)          event of weight w:  v = clip(v + w, 0, 255)
    v >= v_th after an event: a spike, v = 0

The leak is linear and the voltage is never negative: inhibition of a neuron at rest is lost. The chip takes events one
by one, so their order within a step matters. The order is the host's to choose; here it is

    time reference, then all inhibitory events, then all excitatory ones

with which a step has a closed form: v' = max(max(v - leak, 0) - inh, 0) + exc, and a neuron fires each time that the
excitation takes it to the threshold, n = v' // v_th times. What is left of the event that makes it fire is lost on the
chip; here it is kept (v = v' - n v_th), less what is lost on average: `lost`, half of a mean excitatory weight.
`simulate.py` goes event by event, and says how much a run differs.

Source
------
Frenkel et al., IEEE Trans. Biomed. Circuits Syst. 13(1):145-158, 2019; ODIN documentation v0.1 (CC BY 4.0), section
3.3.2.
"""

from __future__ import annotations

from spikewright.network.library import Input
from spikewright.network.model import NeuronModel

WEIGHT_MAX = 7
LEAK_MAX = 127
MEMBRANE_MAX = 255

_SOURCE = "Frenkel et al., IEEE TBioCAS 13(1), 2019; ODIN documentation v0.1, section 3.3.2"

OdinInput = Input.variant("Input", integer=True)

OdinLIF = NeuronModel(
    name="OdinLIF",
    state={"v": "1"},
    params={"leak": (0, "1"), "v_th": (64, "1"), "lost": (0, "1")},
    inputs={"exc": "1", "inh": "1"},
    update={"v": "maximum(maximum(v - leak, 0) - inh, 0) + exc"},
    threshold="v >= v_th",
    output="1 + maximum(v - v_th - lost, 0) // (v_th + lost)",
    reset={
        "v": "maximum(v - (1 + maximum(v - v_th - lost, 0) // (v_th + lost)) * (v_th + lost), 0)"
    },
    integer=True,
    source=_SOURCE,
)

OdinNeuron = NeuronModel(
    name="OdinNeuron",
    state={"v": "V"},
    params={"leak": (0.05, "V"), "v_th": (1.0, "V"), "lost": (0.0, "V")},
    inputs={"exc": "V", "inh": "V"},
    update={"v": "maximum(maximum(v - leak, 0) - inh, 0) + exc"},
    threshold="v >= v_th",
    output="1 + floor(maximum(v - v_th - lost, 0) / (v_th + lost))",
    reset={
        "v": "maximum(v - (1 + floor(maximum(v - v_th - lost, 0) / (v_th + lost))) * (v_th + lost), 0)"
    },
    source=_SOURCE + "; in real numbers",
)

MODELS = {m.name: m for m in (OdinLIF, OdinNeuron)}
