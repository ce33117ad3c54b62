"""Resonate-and-fire: a damped oscillator that fires where its imaginary part passes a threshold.

z' = (b + i omega) z + I with z = x + i y; pulses and current move x, the threshold looks at y, and a spike sets z = i.

Source
------
Izhikevich, "Resonate-and-fire neurons", Neural Networks 14, 2001. Its b = -1 and omega = 10 are read per 10 ms.
"""

from spikewright.network.model import NeuronModel

ResonateAndFire = NeuronModel(
    name="ResonateAndFire",
    state={"x": "V", "y": "V"},
    params={
        "b": (-100.0, "Hz"),
        "omega": (1000.0, "Hz"),
        "y_th": (1.0, "V"),
        "x_reset": (0.0, "V"),
        "y_reset": (1.0, "V"),
    },
    inputs={"spikes": "V", "i": "V/s"},
    jumps={"spikes": "x"},
    dynamics={"x": "b * x - omega * y + i", "y": "omega * x + b * y"},
    threshold="y > y_th",
    reset={"x": "x_reset", "y": "y_reset"},
    source="Izhikevich, Neural Networks 14 (2001), the resonate-and-fire equations and their reset z = i",
)
