"""A neuron that no library has: a leaky integrator whose threshold is drawn anew in every step."""

import numpy as np

import spikewright as sw
from spikewright import ms

Escape = sw.NeuronModel(
    name="Escape",
    state={"v": "V"},
    params={"tau_m": (20 * ms, "s"), "v_th": (1.0, "V"), "width": (0.1, "V")},
    inputs={"spikes": "V", "drive": "V"},
    jumps={"spikes": "v"},
    dynamics={"v": "(drive - v) / tau_m"},
    noise={"z": sw.Noise.NORMAL},
    threshold="v > v_th + width * z",
    reset={"v": "0"},
    source="Gerstner et al., Neuronal Dynamics (2014), chapter 9: escape noise",
)

net = sw.Network(dt=1 * ms, populations={"n": sw.Population(Escape, 100)})
print("drive   rate")
for drive in (0.8, 0.9, 1.0, 1.1, 1.2):
    recording = sw.run(net, {"n.drive": np.full((1000, 1, 100), drive)}, seed=1)
    print(f"{drive:.1f} V  {recording.count('n').mean() / recording.duration:5.1f} Hz")
