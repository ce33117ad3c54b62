"""The brain of the fly larva: smell and touch come in, what reaches the descending neurons goes out.

    python examples/models/larval_fly.py [larval_connectome.npz]     # default: $SPIKEWRIGHT_SHARED, else a made
    diagram

The diagram is measured, the neurons are not: they are those of the adult fly's published model, and local neurons (LN)
are taken as inhibitory, all others as excitatory; a synapse weighs 0.55 mV. These are assumptions: with less nothing
arrives at the descending neurons, with a little more everything fires.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

import spikewright as sw
from spikewright import Hz, mV
from spikewright.network.connectome import larval_drosophila, shiu_experiment, synthetic_fly

shared = Path(os.environ.get("SPIKEWRIGHT_SHARED", "."))
path = (
    Path(sys.argv[1])
    if len(sys.argv) > 1
    else shared / "data/larval_drosophila/larval_connectome.npz"
)
if path.is_file():
    brain = larval_drosophila(path).signed({"LN": -1}, by="type", default=1)
    driven, read = brain.select("sensory").ids, brain.where("DN-VNC", "DN-SEZ")
else:
    print(f"no {path}: a made diagram of the same size")
    brain = synthetic_fly(1, neurons=2952, edges=110_677)
    driven, read = brain.ids[:430], np.arange(2600, 2946)
print(brain.summary())

net = shiu_experiment(brain, driven, rate=20 * Hz, weight_per_synapse=0.55 * mV)
ready = sw.prepare(net, precision="single", threads=1)
sw.run(ready, steps=100, spikes=())  # compiles on the first run ever
began = time.process_time()
recording = sw.run(ready, steps=10_000, seed=1)
took = time.process_time() - began
rates = recording.count("brain")[0] / recording.duration
print(f"{recording.duration:g} s of network time in {took:.2g} s of one core")
print(f"{np.count_nonzero(rates)} of {brain.n} neurons fire; mean rate {rates.mean():.2f} Hz")
print(
    f"descending neurons: {np.count_nonzero(rates[read])} of {len(read)} fire, mean {rates[read].mean():.2f} Hz"
)
