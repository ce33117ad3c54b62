"""A lesion study in ten lines: remove a type of cell from the larva's brain, measure the descending neurons.

    SPIKEWRIGHT_SHARED=... python examples/connectomes/lesion.py

Signs and the weight of a synapse are assumptions: see ../models/larval_fly.py.
"""

import os
from pathlib import Path

import spikewright as sw
from spikewright import mV
from spikewright.network.connectome import larval_drosophila, shiu_experiment

path = (
    Path(os.environ.get("SPIKEWRIGHT_SHARED", ".")) / "data/larval_drosophila/larval_connectome.npz"
)
if not path.is_file():
    print(f"no {path}: set SPIKEWRIGHT_SHARED, or change the path")
    raise SystemExit
brain = larval_drosophila(path).signed({"LN": -1}, by="type", default=1)
for lesion in (None, "LN", "PN", "KC", "LHN", "pre-DN-VNC"):
    left = brain if lesion is None else brain.remove(lesion)
    net = shiu_experiment(left, left.select("sensory").ids, rate=20.0, weight_per_synapse=0.55 * mV)
    counts = sw.run(net, steps=5000, seed=1, spikes=()).count("brain")[0]
    down = counts[left.where("DN-VNC", "DN-SEZ")] / 0.5
    print(
        f"without {lesion or 'nothing':<10} {left.n} neurons, {left.n_edges} edges: descending {down.mean():.2f} Hz"
    )
